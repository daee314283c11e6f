//! How is a call to Sofy made? Bounded in time and size, classified by what may have happened.

use std::error::Error as _;
use std::iter::successors;
use std::sync::LazyLock;
use std::time::Duration;
use std::{io, thread};

use reqwest::header::{ACCEPT_ENCODING, CONTENT_ENCODING, HeaderMap, HeaderValue};
use reqwest::{Client, Method, Request, RequestBuilder, Response, Url};
use tokio::runtime::{Builder, Handle};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout_at};

use super::answer::Answer;
use super::error::{ApiError, ErrorKind, Result};
use super::transport;
use crate::secret::ApiKey;
#[cfg(any(test, fuzzing))]
use crate::tests::network as simulated;

const USER_AGENT: &str = concat!(env!("CARGO_PKG_NAME"), "/", env!("CARGO_PKG_VERSION"));
/// Sofy lists thousands of rows at most; what takes longer is stuck.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);
/// A poll can be repeated and a trigger cannot: giving up early may cost a run.
pub(super) const TRIGGER_TIMEOUT: Duration = Duration::from_mins(5);
/// Twenty thousand rows are about 6 MB; anything beyond this is not an answer.
const LARGEST_BODY: usize = 16 * 1024 * 1024;

/// How rustls begins to say that a certificate is not trusted.
const UNTRUSTED: &str = "invalid peer certificate";
/// What to do about it.
const TRUST: &str = "The certificate of the server, or of a proxy that inspects TLS, is not trusted. If there \
    is such a proxy, name its CA certificate, a PEM file below the workspace, in the variable SSL_CERT_FILE of the \
    step. Otherwise check `api-url`.";

/// The names and values of a query.
pub(super) type Query<'text> = [(&'text str, &'text str)];

/// An HTTP client for one base URL and one key.
#[derive(Clone, Debug)]
pub(crate) struct Http {
    client: Client,
    base: Url,
    pub(super) key: ApiKey,
    /// What every request carries.
    headers: HeaderMap,
}

impl Http {
    /// Prepares the client; reads the CA certificates and the proxy variables, sends nothing.
    ///
    /// `key_header` is the header that carries the key; none if the body does.
    pub(super) fn new(
        base: Option<&Url>,
        default: &str,
        key_header: Option<&'static str>,
        key: ApiKey,
    ) -> Result<Self> {
        let base = base.cloned().map_or_else(|| Url::parse(default), Ok);
        let base = base.map_err(|error| ApiError::new(ErrorKind::Rejected, error.to_string()))?;
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        // Without a key that no header can carry, which the inputs refuse, Sofy refuses the call.
        if let (Some(name), Ok(mut value)) = (key_header, HeaderValue::from_str(key.expose())) {
            value.set_sensitive(true);
            headers.insert(name, value);
        }
        Ok(Self {
            client: client(&base).map_err(|error| error.during("", &key))?,
            base,
            key,
            headers,
        })
    }

    /// Begins a request to a path below the base URL, with its query percent-encoded.
    pub(super) fn request(&self, method: Method, path: &str, query: &Query<'_>) -> RequestBuilder {
        let mut url = self.base.clone();
        url.set_path(&format!("{}{path}", self.base.path().trim_end_matches('/')));
        let request = self.client.request(method, url).query(query);
        request.headers(self.headers.clone())
    }

    /// Sends a request and gives a successful answer.
    pub(super) async fn send(&self, request: RequestBuilder) -> Result<Answer> {
        self.ask(request).await?.successful()
    }

    /// Sends a request for a list, of which Sofy may say in words that there is nothing in it yet.
    pub(super) async fn send_for_list(&self, request: RequestBuilder) -> Result<Answer> {
        let mut answer = self.ask(request).await?;
        if !answer.lists_none() {
            return answer.successful();
        }
        "[]".clone_into(&mut answer.body);
        Ok(answer)
    }

    /// Sends a request and gives the answer, whatever its status.
    pub(super) async fn ask(&self, request: RequestBuilder) -> Result<Answer> {
        let request = request.build()?;
        let call = format!("{} {}", request.method(), request.url().path());
        let sent_at = Instant::now();
        let answer = self.receive(&call, request, sent_at).await;
        let took = sent_at.elapsed().as_millis();
        let answer = answer.map_err(|error| error.during(&call, &self.key));
        match &answer {
            Ok(answer) => tracing::debug!("{call}: {} after {took} ms", answer.status),
            Err(error) => tracing::debug!("{call}: {} after {took} ms", error.message),
        }
        answer
    }

    async fn receive(&self, call: &str, request: Request, sent_at: Instant) -> Result<Answer> {
        let response = exchange(&self.client, request).await?;
        let (status, headers) = (response.status(), response.headers());
        let mut answer = Answer::new(call, &self.key, status, headers);
        answer.clock.sent_at = sent_at;
        match body(response).await {
            Ok(body) => answer.body = body,
            Err(problem) if status.is_success() => {
                let why = format!("Sofy answered {}, but {problem}", status.as_u16());
                return Err(ApiError::new(ErrorKind::OutcomeUnknown, why));
            }
            // The status alone says enough.
            Err(_) => {}
        }
        Ok(answer)
    }
}

impl From<reqwest::Error> for ApiError {
    fn from(error: reqwest::Error) -> Self {
        let (kind, what) = match error.is_connect() {
            true => (ErrorKind::NotSent, "Sofy could not be reached"),
            false => (ErrorKind::OutcomeUnknown, "Sofy did not answer"),
        };
        let why = cause(error);
        let message = format!("{what} ({why})");
        if why.starts_with(UNTRUSTED) {
            return Self::unusable(message, TRUST);
        }
        Self::new(kind, message)
    }
}

/// The innermost cause of an error: those around it only name the layers of the library.
fn cause(error: reqwest::Error) -> String {
    let error = error.without_url();
    let causes = successors(error.source(), |cause| (**cause).source());
    causes.last().unwrap_or(&error).to_string()
}

/// Sends a request and takes the head of its answer: all of HTTP that a simulation replaces.
async fn exchange(client: &Client, request: Request) -> Result<Response> {
    #[cfg(any(test, fuzzing))]
    if let Some(network) = simulated::network() {
        return network(request).await;
    }
    let client = client.clone();
    let connections = CONNECTIONS.as_ref().map_err(|error| {
        let why = format!("no connection could be made ({error})");
        ApiError::new(ErrorKind::NotSent, why)
    })?;
    let mut call = JoinSet::new();
    call.spawn_on(async move { client.execute(request).await }, connections);
    let answer = call.join_next().await.and_then(Result::ok);
    let broken = || ApiError::new(ErrorKind::OutcomeUnknown, "the call broke off");
    Ok(answer.ok_or_else(broken)??)
}

/// The runtime of all connections. Its thread is its own, so that a server that floods a connection does not hold up the
/// deadline and the signals, and starts with the first call, after root was given up.
static CONNECTIONS: LazyLock<io::Result<Handle>> = LazyLock::new(|| {
    // Kept if the thread cannot start: a runtime must not be dropped where this one is first used.
    let runtime = Box::new(Builder::new_current_thread().enable_all().build()?);
    let runtime = &*Box::leak(runtime);
    let handle = runtime.handle().clone();
    let run = move || runtime.block_on(std::future::pending::<()>());
    thread::Builder::new().spawn(run).map(|_| handle)
});

fn client(base: &Url) -> Result<Client> {
    #[cfg(any(test, fuzzing))]
    if let Some(client) = simulated::client() {
        return Ok(client);
    }
    let client = Client::builder()
        .user_agent(USER_AGENT)
        // A slow connection is as good as none.
        .connect_timeout(Duration::from_secs(10))
        .timeout(REQUEST_TIMEOUT)
        // A kept connection that the server ends just as a call is on its way leaves the call's fate unclear.
        .pool_max_idle_per_host(0)
        // A redirect could carry the key to another origin, and a retry could trigger twice.
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
        // Gateways send odd headers, which curl reads.
        .http1_allow_obsolete_multiline_headers_in_responses(true)
        .http1_allow_spaces_after_header_name_in_responses(true)
        .http1_ignore_invalid_headers_in_responses(true)
        // As many as curl takes. Some gateways send more than a hundred.
        .http1_max_headers(5_000);
    Ok(transport::configure(client, base)?.build()?)
}

async fn body(mut response: Response) -> Result<String, String> {
    // It was not asked for, so a small answer could be a huge one and nothing is unpacked.
    if let Some(coding) = coding(response.headers()) {
        return Err(format!("the answer is packed ({coding}), unasked for"));
    }
    let is_success = response.status().is_success();
    let limit = match response.status().as_u16() {
        // The status says enough, and a server that refuses a body early may leave the connection open.
        401 | 413 => Duration::from_millis(500),
        _ if is_success => TRIGGER_TIMEOUT,
        _ => REQUEST_TIMEOUT,
    };
    let end = Instant::now() + limit;
    let mut bytes = Vec::new();
    loop {
        match timeout_at(end, response.chunk()).await {
            Ok(Ok(Some(chunk))) if bytes.len() + chunk.len() > LARGEST_BODY => {
                return Err("the answer is larger than 16 MiB".to_owned());
            }
            Ok(Ok(Some(chunk))) => bytes.extend_from_slice(&chunk),
            Ok(Err(error)) => return Err(format!("the answer was cut off ({})", cause(error))),
            Err(_) if is_success => return Err("the answer did not end".to_owned()),
            // What came of an error is enough to quote.
            Ok(Ok(None)) | Err(_) => break,
        }
    }
    let mut text = String::from_utf8(bytes)
        .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned());
    // Each byte that is not a letter has become three.
    if text.len() > LARGEST_BODY {
        return Err("the answer is not text in UTF-8".to_owned());
    }
    if text.starts_with('\u{feff}') {
        text.remove(0);
    }
    Ok(text)
}

/// The coding in which an answer is packed. Some servers name there what is not a coding, such as `utf-8`.
fn coding(headers: &HeaderMap) -> Option<String> {
    let known = "gzip x-gzip compress x-compress deflate br zstd dcb dcz";
    let values = headers.get_all(CONTENT_ENCODING).iter();
    let values = values.flat_map(HeaderValue::to_str);
    let codings = values.flat_map(|value| value.split(','));
    let mut codings = codings.map(|coding| coding.trim().to_lowercase());
    codings.find(|coding| known.split(' ').any(|known| known == coding))
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::stream::unfold;
    use mockito::Server;
    use reqwest::{Body, StatusCode};
    use tokio::time::sleep;

    #[test]
    fn a_certificate_that_is_not_trusted_is_known_by_its_message() {
        for error in [
            rustls::CertificateError::UnknownIssuer,
            rustls::CertificateError::Expired,
        ] {
            let said = rustls::Error::InvalidCertificate(error).to_string();

            assert!(said.starts_with(UNTRUSTED), "{said}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_is_waited_for_as_long_as_its_status_is_worth() {
        let whole = Ok("beginning, end");
        for (status, pause, expected, why) in [
            (200, 299_000, whole, "a trigger may take five minutes"),
            (200, 301_000, Err("the answer did not end"), "and no longer"),
            (500, 29_000, whole, "30 s for its words"),
            (500, 31_000, Ok("beginning"), "what came is quoted"),
            (401, 400, whole, "half a second for its words"),
            (401, 600, Ok("beginning"), "the status says enough"),
            (413, 600, Ok("beginning"), "the status says enough"),
        ] {
            let pieces = unfold(0, move |n| async move {
                let piece = ["beginning", ", end"].get(n as usize)?;
                sleep(Duration::from_millis(pause) * n).await;
                Some((Ok::<_, io::Error>(*piece), n + 1))
            });
            let mut response = http::Response::new(Body::wrap_stream(pieces));
            *response.status_mut() = StatusCode::from_u16(status).expect("a status");

            let read = body(response.into()).await;

            let read = read.as_deref().map_err(String::as_str);
            assert_eq!(read, expected, "{status}: {why}");
        }
    }

    #[test]
    fn only_a_real_coding_is_one() {
        for (values, expected) in [
            (&["gzip"][..], Some("gzip")),
            (&["identity, Br"], Some("br")),
            (&["utf-8", "x-gzip"], Some("x-gzip")),
            (&["utf-8"], None),
            (&["none", "", "Identity", "8bit"], None),
            (&[], None),
        ] {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(CONTENT_ENCODING, value.parse().expect("a header"));
            }
            assert_eq!(coding(&headers).as_deref(), expected, "{values:?}");
        }
    }

    #[test]
    fn a_request_goes_to_the_given_base_url_or_the_default_one_with_the_key_hidden() {
        _ = rustls::crypto::ring::default_provider().install_default();
        let gateway = Url::parse("http://gateway/sofy/").expect("a URL");
        for (base, expected) in [
            (None, "http://public/x"),
            (Some(&gateway), "http://gateway/sofy/x"),
        ] {
            let key = ApiKey::new("secret-key".into());
            let http = Http::new(base, "http://public", Some("x-key"), key).expect("a client");
            let request = http.request(Method::GET, "/x", &[]).build();

            let request = request.expect("a request");

            assert_eq!(request.url().as_str(), expected);
            assert_eq!(request.headers()["x-key"], "secret-key");
            assert!(!format!("{http:?} {request:?}").contains("secret"));
        }
    }

    #[tokio::test]
    async fn an_answer_is_read_up_to_the_largest_size() {
        let most = 16 * 1024 * 1024;
        let (long, odd) = ("larger than 16 MiB", "not text in UTF-8");
        for (byte, size, problem, why) in [
            (b' ', most, None, "text"),
            (b' ', most + 1, Some(long), "a byte more"),
            (0xff, most / 3, None, "each byte becomes three"),
            (0xff, most / 3 + 1, Some(odd), "which are too many"),
        ] {
            let mut server = Server::new_async().await;
            server
                .mock("GET", "/x")
                .with_body(vec![byte; size])
                .create_async()
                .await;
            _ = rustls::crypto::ring::default_provider().install_default();
            let url = Url::parse(&server.url()).expect("a URL");
            let key = ApiKey::new("secret-key".into());
            let http = Http::new(Some(&url), "", None, key).expect("a client");

            let answer = http.send(http.request(Method::GET, "/x", &[]));

            let said = answer.await.err().map(|error| error.message);
            assert_eq!(said.is_some(), problem.is_some(), "{why}: {said:?}");
            let words = problem.unwrap_or_default();
            assert!(said.unwrap_or_default().contains(words), "{why}");
        }
    }
}
