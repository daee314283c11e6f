//! How is a call to Sofy made? Bounded in time and size, classified by what may have happened.

use std::error::Error as _;
use std::time::{Duration, Instant};

use reqwest::header::{HeaderMap, RETRY_AFTER};
use reqwest::{Client, Method, RequestBuilder, Response, StatusCode, Url, redirect, retry};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::error::{ApiError, Kind};
use super::wire;
use crate::secret::ApiKey;
use crate::test_run::is_group_id;

/// A slow connection is as good as none.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Sofy lists thousands of rows at most; what takes longer is stuck.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);
/// Shorter than the minute after which load balancers drop idle connections.
const IDLE_TIMEOUT: Duration = Duration::from_secs(50);
/// Twenty thousand rows are about 6 MB; anything beyond this is not an answer.
const LARGEST_BODY: usize = 16 * 1024 * 1024;
/// Enough of an answer to recognise it by.
const SNIPPET: usize = 200;

/// An HTTP client for one base URL and one key.
#[derive(Debug)]
pub(crate) struct Http {
    client: Client,
    base: String,
    key: ApiKey,
}

impl Http {
    /// Prepares the client; reads the CA certificates and the proxy variables, sends nothing.
    pub(crate) fn new(base: &str, key: ApiKey) -> Result<Self, ApiError> {
        let client = Client::builder()
            .user_agent(concat!(
                env!("CARGO_PKG_NAME"),
                "/",
                env!("CARGO_PKG_VERSION")
            ))
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(REQUEST_TIMEOUT)
            .pool_idle_timeout(IDLE_TIMEOUT)
            // A redirect could carry the key to another origin, and a retry could trigger twice.
            .redirect(redirect::Policy::none())
            .retry(retry::never())
            .build()
            .map_err(|error| {
                ApiError::new(
                    Kind::Refused,
                    format!("the HTTPS client cannot start: {}", causes(&error)),
                )
                .advise("Check the CA certificates (SSL_CERT_FILE) and the proxy variables.")
            })?;
        Ok(Self {
            client,
            base: base.trim_end_matches('/').to_owned(),
            key,
        })
    }

    /// The key, for the request that carries it.
    pub(crate) const fn key(&self) -> &ApiKey {
        &self.key
    }

    /// Begins a request to a path below the base URL, with its query percent-encoded.
    pub(crate) fn request(
        &self,
        method: Method,
        path: &str,
        query: &[(&str, &str)],
    ) -> Result<RequestBuilder, ApiError> {
        let mut url = Url::parse(&format!("{}{path}", self.base)).map_err(|error| {
            ApiError::new(
                Kind::Refused,
                format!("the input api-url makes no address: {error}"),
            )
        })?;
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        Ok(self.client.request(method, url))
    }

    /// Sends a request and gives the body of a successful answer, with the key struck out.
    pub(crate) async fn send(
        &self,
        call: &str,
        request: RequestBuilder,
    ) -> Result<String, ApiError> {
        let start = Instant::now();
        let response = request.send().await.map_err(|error| {
            let kind = if error.is_connect() {
                Kind::Unsent
            } else {
                Kind::Unclear
            };
            let error = ApiError::new(
                kind,
                format!("{call}: {}", self.key.strike(causes(&error.without_url()))),
            );
            tracing::debug!("{} after {} ms", error.message, start.elapsed().as_millis());
            error
        })?;
        let status = response.status();
        let retry_after = retry_after(response.headers());
        let body = body(response).await;
        tracing::debug!(
            "{call}: {} after {} ms, {} bytes",
            status.as_u16(),
            start.elapsed().as_millis(),
            body.as_ref().map_or(0, String::len)
        );
        if status.is_success() {
            return match body {
                Ok(body) => Ok(self.key.strike(body)),
                Err(problem) => Err(ApiError::new(
                    Kind::Unclear,
                    format!("{call}: {}", self.key.strike(problem)),
                )),
            };
        }
        let said = said(&body.unwrap_or_default(), &self.key);
        Err(self.classified(call, status, retry_after, &said))
    }

    /// Reads a list leniently; `what` names it for people.
    pub(crate) fn list<T: for<'de> Deserialize<'de>>(
        &self,
        call: &str,
        body: &str,
        what: &str,
    ) -> Result<Vec<T>, ApiError> {
        wire::list(body).map_err(|error| {
            self.unreadable(call, body, &format!("{what} cannot be read ({error})"))
        })
    }

    /// An answer that arrived but cannot be understood.
    pub(crate) fn unreadable(&self, call: &str, body: &str, why: &str) -> ApiError {
        let said = said(body, &self.key);
        // The reason may quote what a parser decoded, so it is struck as a whole.
        ApiError::new(
            Kind::Unclear,
            self.key
                .strike(format!("{call}: {why}; Sofy answered {said}")),
        )
    }

    /// Tells whether Sofy's text can be the ID of a group; one that holds the key is none.
    pub(crate) fn is_group_id(&self, text: &str) -> bool {
        is_group_id(text) && self.key.strike(text.to_owned()) == text
    }

    fn classified(
        &self,
        call: &str,
        status: StatusCode,
        retry_after: Option<Duration>,
        said: &str,
    ) -> ApiError {
        let message = format!("{call}: Sofy answered {} {said}", status.as_u16());
        let refused = |advice: &str| ApiError::new(Kind::Refused, message.clone()).advise(advice);
        let mut error = match status {
            StatusCode::UNAUTHORIZED => {
                refused("Check the input api-key: copy it again from Account > API Key in Sofy.")
            }
            StatusCode::FORBIDDEN => {
                refused("Check the input api-key, and that its account may run this schedule.")
            }
            StatusCode::NOT_FOUND => refused("Check the inputs schedule-id and api-url."),
            StatusCode::TOO_MANY_REQUESTS => ApiError::new(Kind::Unsent, message),
            StatusCode::SERVICE_UNAVAILABLE if retry_after.is_some() => {
                ApiError::new(Kind::Unsent, message)
            }
            StatusCode::REQUEST_TIMEOUT => ApiError::new(Kind::Unclear, message),
            _ if said.contains("subscriptionAuth") => {
                refused("Check the input api-key: copy it again from Account > API Key in Sofy.")
            }
            StatusCode::BAD_REQUEST if said.contains("expired") => {
                refused("Renew the subscription in Sofy.")
            }
            _ if status.is_client_error() => ApiError::new(Kind::Refused, message),
            // Server errors, and redirects, which are not followed: perhaps a gateway's bad minute.
            _ => ApiError::new(Kind::Unclear, message),
        };
        error.retry_after = retry_after;
        error
    }
}

async fn body(mut response: Response) -> Result<String, String> {
    let mut bytes = Vec::new();
    while let Some(chunk) = response
        .chunk()
        .await
        .map_err(|error| format!("the answer was cut off: {}", causes(&error.without_url())))?
    {
        if bytes.len() + chunk.len() > LARGEST_BODY {
            return Err(format!(
                "the answer is larger than {} MiB",
                LARGEST_BODY / 1024 / 1024
            ));
        }
        bytes.extend_from_slice(&chunk);
    }
    let text = String::from_utf8(bytes)
        .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned());
    Ok(text
        .strip_prefix('\u{feff}')
        .map(str::to_owned)
        .unwrap_or(text))
}

/// Reads the delay of `Retry-After`; a date, which needs a clock, is taken for a minute.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let value = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    Some(
        value
            .parse()
            .map_or(Duration::from_secs(60), Duration::from_secs),
    )
}

/// Says an error with all its causes, for the outermost alone rarely tells why.
fn causes(error: &reqwest::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}

/// Finds Sofy's own words in an answer, or quotes its beginning.
fn said(body: &str, key: &ApiKey) -> String {
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct Words {
        #[serde(deserialize_with = "wire::text", alias = "Message")]
        message: String,
        #[serde(deserialize_with = "wire::text")]
        details: String,
        error: Option<Box<RawValue>>,
    }
    let outer: Words = serde_json::from_str(body).unwrap_or_default();
    let inner: Words = outer
        .error
        .as_ref()
        .and_then(|error| serde_json::from_str(error.get()).ok())
        .unwrap_or_default();
    let words: Vec<&str> = [
        &outer.message,
        &inner.message,
        &inner.details,
        &outer.details,
    ]
    .into_iter()
    .map(|text| text.trim())
    .filter(|text| !text.is_empty())
    .collect();
    let text = if words.is_empty() {
        body.trim().to_owned()
    } else {
        words.join(" ")
    };
    // Before it is cut short, for the rest of a key is a secret too.
    let text = key.strike(text);
    match text.chars().count() {
        0 => "with an empty body".to_owned(),
        n if n > SNIPPET => format!("\"{}…\"", text.chars().take(SNIPPET).collect::<String>()),
        _ => format!("\"{text}\""),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sofys_own_words_are_found() {
        for (body, expected, why) in [
            (
                r#"{"error":{"message":"Invalid Auth Key.","details":"x","timestamp":"t"}}"#,
                "\"Invalid Auth Key. x\"",
                "the documented envelope",
            ),
            (
                r#"{"Message":"An error has occurred."}"#,
                "\"An error has occurred.\"",
                "the classic spelling",
            ),
            (
                "<html>Bad gateway</html>",
                "\"<html>Bad gateway</html>\"",
                "a gateway's page",
            ),
            ("", "with an empty body", "nothing"),
        ] {
            assert_eq!(
                said(body, &ApiKey::new("secret-key".into())),
                expected,
                "{why}"
            );
        }
    }

    #[test]
    fn an_answer_is_classified_by_what_may_have_happened() {
        _ = rustls::crypto::ring::default_provider().install_default();
        let http = Http::new("http://sofy", ApiKey::new("secret-key".into())).expect("a client");
        for (status, retry_after, said, kind, why) in [
            (401, None, "", Kind::Refused, "a bad key"),
            (404, None, "", Kind::Refused, "no such schedule"),
            (400, None, "", Kind::Refused, "an unknown GUID"),
            (429, None, "", Kind::Unsent, "refused in so many words"),
            (
                503,
                Some(Duration::from_secs(1)),
                "",
                Kind::Unsent,
                "refused in so many words",
            ),
            (
                503,
                None,
                "",
                Kind::Unclear,
                "a gateway may have passed it on",
            ),
            (500, None, "", Kind::Unclear, "it may have happened"),
            (
                500,
                None,
                "Validation failed for parameter 'subscriptionAuth'. Invalid GUID.",
                Kind::Refused,
                "a bad key as a 500",
            ),
            (408, None, "", Kind::Unclear, "it may have happened"),
            (
                502,
                None,
                "the certificate has expired",
                Kind::Unclear,
                "a gateway's page, not Sofy's word",
            ),
            (
                400,
                None,
                "The subscription has expired.",
                Kind::Refused,
                "as documented",
            ),
            (302, None, "", Kind::Unclear, "a gateway's maintenance page"),
        ] {
            let status = StatusCode::from_u16(status).expect("a status");

            assert_eq!(
                http.classified("POST /x", status, retry_after, said).kind,
                kind,
                "{status}: {why}"
            );
        }
    }
}
