//! How is a call to Sofy made? Bounded in time and size, classified by what may have happened.

use std::collections::BTreeSet;
use std::error::Error as _;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use reqwest::header::{CONTENT_ENCODING, DATE, HeaderMap, HeaderName, RETRY_AFTER};
use reqwest::{Client, Method, RequestBuilder, Response, StatusCode, Url, redirect, retry};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::api::Rows;
use super::error::{ApiError, ErrorKind};
use super::json;
use crate::model::test_run::Row;
use crate::model::test_run::{Group, ScheduledAt, TestStatus, is_group_id};
use crate::secret::ApiKey;
#[cfg(any(test, fuzzing))]
use crate::tests::network as simulated;

/// A slow connection is as good as none.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Sofy lists thousands of rows at most; what takes longer is stuck.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);
/// Twenty thousand rows are about 6 MB; anything beyond this is not an answer.
const LARGEST_BODY: usize = 16 * 1024 * 1024;
/// Enough of an answer to recognise it by.
const SNIPPET: usize = 200;
/// No name is longer; what is longer would swell every log line, output and page it stands in.
pub(super) const LONGEST_TEXT: usize = 2_000;
/// Where the words of an answer are looked for: a page's styles and scripts come first, but not for longer.
const BEGINNING: usize = 64 * 1024;

/// An HTTP client for one base URL and one key.
#[derive(Clone, Debug)]
pub(crate) struct Http {
    client: Client,
    base: Url,
    key: ApiKey,
}

/// A successful answer.
pub(crate) struct Answer {
    /// With the key redacted.
    pub(crate) body: String,
    /// What the server's clock said.
    pub(crate) date: Option<Timestamp>,
}

/// An answer, whatever its status.
pub(crate) enum Reply {
    Success(Answer),
    Refusal(Refusal),
}

/// An answer whose status is none of success.
pub(crate) struct Refusal {
    pub(crate) status: StatusCode,
    /// Sofy's words in quotes, with the key redacted.
    pub(crate) said: String,
    pub(crate) retry_after: Option<Duration>,
}

impl Refusal {
    /// One line that names the call and what was answered.
    pub(crate) fn message(&self, call: &str) -> String {
        let (status, said) = (self.status.as_u16(), &self.said);
        format!("{call}: Sofy answered {status} {said}")
    }
}

impl Http {
    /// Prepares the client; reads the CA certificates and the proxy variables, sends nothing.
    pub(crate) fn new(base: Option<&Url>, default: &str, key: ApiKey) -> Result<Self, ApiError> {
        Ok(Self {
            client: client()?,
            base: base_url(base, default)?,
            key,
        })
    }

    /// The same client for another base URL.
    pub(crate) fn based_on(self, base: Option<&Url>, default: &str) -> Result<Self, ApiError> {
        let base = base_url(base, default)?;
        Ok(Self { base, ..self })
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
    ) -> RequestBuilder {
        let mut url = self.base.clone();
        url.set_path(&format!("{}{path}", self.base.path().trim_end_matches('/')));
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        self.client.request(method, url)
    }

    /// Sends a request and gives a successful answer.
    pub(crate) async fn send(
        &self,
        call: &str,
        request: RequestBuilder,
    ) -> Result<Answer, ApiError> {
        match self.ask(call, request).await? {
            Reply::Success(answer) => Ok(answer),
            Reply::Refusal(refusal) => Err(self.classified(call, refusal)),
        }
    }

    /// Sends a request and gives the answer, whatever its status.
    pub(crate) async fn ask(&self, call: &str, request: RequestBuilder) -> Result<Reply, ApiError> {
        let start = Instant::now();
        let response = exchange(request).await.map_err(|no_answer| {
            let error = ApiError::new(
                no_answer.kind,
                format!("{call}: {}", self.key.redact(no_answer.why)),
            );
            tracing::debug!("{} after {} ms", error.message, start.elapsed().as_millis());
            error
        })?;
        let status = response.status();
        let date = date(response.headers(), DATE);
        let retry_after = retry_after(response.headers(), date);
        let body = body(response).await;
        tracing::debug!(
            "{call}: {} after {} ms, {} bytes",
            status.as_u16(),
            start.elapsed().as_millis(),
            body.as_ref().map_or(0, String::len)
        );
        match body {
            Ok(body) if status.is_success() => Ok(Reply::Success(Answer {
                body: self.key.redact(body),
                date,
            })),
            Err(problem) if status.is_success() => Err(ApiError::new(
                ErrorKind::OutcomeUnknown,
                format!("{call}: {}", self.key.redact(problem)),
            )),
            body => Ok(Reply::Refusal(Refusal {
                status,
                said: said(&body.unwrap_or_default(), &self.key),
                retry_after,
            })),
        }
    }

    /// Reads a list leniently; `what` names it for people.
    pub(crate) fn list<T: for<'de> Deserialize<'de>>(
        &self,
        call: &str,
        body: &str,
        what: &str,
    ) -> Result<Vec<T>, ApiError> {
        json::list(body).map_err(|error| {
            self.unreadable(call, body, &format!("{what} cannot be read ({error})"))
        })
    }

    /// Reads the entries of a list that can be read, where the others are somebody else's.
    ///
    /// A list in which nothing can be read is none.
    pub(crate) fn readable<T: for<'de> Deserialize<'de>>(
        &self,
        call: &str,
        body: &str,
        what: &str,
    ) -> Result<Vec<T>, ApiError> {
        let entries: Vec<json::Lenient<T>> = self.list(call, body, what)?;
        let some = !entries.is_empty();
        let readable: Vec<T> = entries.into_iter().filter_map(|entry| entry.0).collect();
        if some && readable.is_empty() {
            return Err(self.unreadable(call, body, &format!("{what} holds nothing to be read")));
        }
        Ok(readable)
    }

    /// Takes in rows, with the key redacted in what was decoded; a row without anything is none.
    pub(crate) fn rows(
        &self,
        call: &str,
        body: &str,
        schedule_name: Option<String>,
        mut list: Vec<Row>,
    ) -> Result<Rows, ApiError> {
        for Row { test_run, .. } in &mut list {
            let status = test_run.status.to_string();
            if test_run.scenario.is_empty() && status.is_empty() {
                return Err(self.unreadable(
                    call,
                    body,
                    "the list holds something that is not a test run",
                ));
            }
            for text in [
                &mut test_run.scenario,
                &mut test_run.device,
                &mut test_run.build,
            ] {
                *text = self.shown(std::mem::take(text));
            }
            let shown = self.shown(status.clone());
            if shown != status {
                test_run.status = TestStatus::parse(&shown);
            }
            let time = test_run.scheduled_at.text();
            if self.shown(time.to_owned()) != time {
                test_run.scheduled_at = ScheduledAt::default();
            }
        }
        Ok(Rows {
            schedule_name: self.shown(schedule_name.unwrap_or_default()),
            list,
        })
    }

    /// The one status of a group, however often an answer lists it.
    pub(crate) fn one_status(
        &self,
        call: &str,
        body: &str,
        statuses: impl Iterator<Item = String>,
    ) -> Result<Group, ApiError> {
        let mut statuses: Vec<String> = statuses.collect();
        statuses.dedup();
        match statuses.as_slice() {
            [status] if !status.is_empty() => Ok(Group::parse(&self.shown(status.clone()))),
            [] | [_] => {
                Err(self.unreadable(call, body, "the answer does not hold the group's status"))
            }
            [..] => Err(self.unreadable(call, body, "the answer gives the group several statuses")),
        }
    }

    /// The groups that the answer to a trigger names, each once.
    pub(crate) fn named_groups(
        &self,
        call: &str,
        body: &str,
        named: impl Iterator<Item = String>,
    ) -> Result<Vec<String>, ApiError> {
        let named: BTreeSet<String> = named.filter(|id| self.is_group_id(id)).collect();
        if named.is_empty() {
            return Err(self.unreadable(call, body, "the answer names no test run group"));
        }
        Ok(named.into_iter().collect())
    }

    /// A text of an answer as it may be shown: without the key, and of a bounded length.
    ///
    /// In this order, for the rest of a key that is cut in two is a secret too.
    pub(crate) fn shown(&self, text: String) -> String {
        cut(self.key.redact(text), LONGEST_TEXT)
    }

    /// An answer that arrived but cannot be understood.
    pub(crate) fn unreadable(&self, call: &str, body: &str, why: &str) -> ApiError {
        let said = said(body, &self.key);
        // The reason may quote what a parser decoded, of any length.
        let why = cut(self.key.redact(why.to_owned()), SNIPPET);
        ApiError::new(
            ErrorKind::OutcomeUnknown,
            format!("{call}: {why}; Sofy answered {said}"),
        )
    }

    /// Tells whether Sofy's text can be the ID of a group; one that holds the key is none.
    pub(crate) fn is_group_id(&self, text: &str) -> bool {
        is_group_id(text) && !self.key.is_in(text)
    }

    fn classified(&self, call: &str, refusal: Refusal) -> ApiError {
        let message = refusal.message(call);
        let Refusal {
            status,
            said,
            retry_after,
        } = refusal;
        let refused =
            |advice: &str| ApiError::new(ErrorKind::Rejected, message.clone()).advise(advice);
        let mut error = match status {
            StatusCode::UNAUTHORIZED => {
                refused("Check the input api-key: copy it again from Account > API Key in Sofy.")
            }
            StatusCode::FORBIDDEN => {
                refused("Check the input api-key, and that its account may run this schedule.")
            }
            StatusCode::NOT_FOUND => refused("Check the inputs schedule-id and api-url."),
            StatusCode::TOO_MANY_REQUESTS => ApiError::new(ErrorKind::NotSent, message),
            StatusCode::SERVICE_UNAVAILABLE if retry_after.is_some() => {
                ApiError::new(ErrorKind::NotSent, message)
            }
            StatusCode::REQUEST_TIMEOUT => ApiError::new(ErrorKind::OutcomeUnknown, message),
            _ if said.contains("subscriptionAuth") => {
                refused("Check the input api-key: copy it again from Account > API Key in Sofy.")
            }
            StatusCode::BAD_REQUEST if said.contains("expired") => {
                refused("Renew the subscription in Sofy.")
            }
            _ if status.is_client_error() => ApiError::new(ErrorKind::Rejected, message),
            _ if status.is_redirection() => ApiError::new(ErrorKind::OutcomeUnknown, message).advise(
                "Check the input api-url: Sofy's answers redirect to another address, and no redirect is \
                 followed, since the key would go there too.",
            ),
            // Perhaps a gateway's bad minute.
            _ => ApiError::new(ErrorKind::OutcomeUnknown, message),
        };
        error.retry_after = retry_after;
        error
    }
}

fn base_url(base: Option<&Url>, default: &str) -> Result<Url, ApiError> {
    match base {
        Some(base) => Ok(base.clone()),
        None => Url::parse(default)
            .map_err(|error| ApiError::new(ErrorKind::Rejected, format!("{default}: {error}"))),
    }
}

/// Why a request got no answer.
pub(crate) struct NoAnswer {
    pub(crate) kind: ErrorKind,
    pub(crate) why: String,
}

impl From<reqwest::Error> for NoAnswer {
    fn from(error: reqwest::Error) -> Self {
        Self {
            kind: if error.is_connect() {
                ErrorKind::NotSent
            } else {
                ErrorKind::OutcomeUnknown
            },
            why: causes(&error.without_url()),
        }
    }
}

/// Sends a request and takes the head of its answer: all of HTTP that a simulation replaces.
async fn exchange(request: RequestBuilder) -> Result<Response, NoAnswer> {
    #[cfg(any(test, fuzzing))]
    if let Some(network) = simulated::network() {
        return network(request.build()?).await;
    }
    Ok(request.send().await?)
}

fn client() -> Result<Client, ApiError> {
    #[cfg(any(test, fuzzing))]
    if let Some(client) = simulated::client() {
        return Ok(client);
    }
    Client::builder()
        .user_agent(concat!(
            env!("CARGO_PKG_NAME"),
            "/",
            env!("CARGO_PKG_VERSION")
        ))
        .connect_timeout(CONNECT_TIMEOUT)
        .timeout(REQUEST_TIMEOUT)
        // A kept connection that the server ends just as a call is on its way leaves the call's fate unclear.
        .pool_max_idle_per_host(0)
        // A redirect could carry the key to another origin, and a retry could trigger twice.
        .redirect(redirect::Policy::none())
        .retry(retry::never())
        .build()
        .map_err(|error| {
            ApiError::new(
                ErrorKind::Rejected,
                format!("the HTTPS client cannot start: {}", causes(&error)),
            )
            .advise("Check the CA certificates (SSL_CERT_FILE) and the proxy variables.")
        })
}

async fn body(mut response: Response) -> Result<String, String> {
    // It was not asked for, so a small answer could be a huge one and nothing is unpacked.
    if let Some(encoding) = response.headers().get(CONTENT_ENCODING)
        && encoding != "identity"
    {
        let encoding = String::from_utf8_lossy(encoding.as_bytes());
        return Err(format!(
            "the answer is packed ({}), which was not asked for",
            encoding.chars().take(SNIPPET).collect::<String>()
        ));
    }
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
    let text = match String::from_utf8(bytes) {
        Ok(text) => text,
        // Each byte that is no letter becomes three.
        Err(error) if error.as_bytes().len() > LARGEST_BODY / 3 => {
            return Err("the answer is not text in UTF-8".to_owned());
        }
        Err(error) => String::from_utf8_lossy(error.as_bytes()).into_owned(),
    };
    Ok(text
        .strip_prefix('\u{feff}')
        .map(str::to_owned)
        .unwrap_or(text))
}

/// Reads the delay of `Retry-After`. A date is measured by the server's own clock, never by ours.
fn retry_after(headers: &HeaderMap, now: Option<Timestamp>) -> Option<Duration> {
    let value = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = value.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let at = date(headers, RETRY_AFTER);
    Some(match (at, now) {
        (Some(at), Some(now)) => Duration::try_from(at.duration_since(now)).unwrap_or_default(),
        (Some(_) | None, Some(_) | None) => A_MINUTE,
    })
}

/// What is waited where the server names a moment that cannot be read.
const A_MINUTE: Duration = Duration::from_secs(60);

fn date(headers: &HeaderMap, name: HeaderName) -> Option<Timestamp> {
    let text = headers.get(name)?.to_str().ok()?;
    Some(jiff::fmt::rfc2822::parse(text).ok()?.timestamp())
}

fn cut(text: String, most: usize) -> String {
    match text.char_indices().nth(most) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
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
        #[serde(deserialize_with = "json::text", alias = "Message")]
        message: String,
        #[serde(deserialize_with = "json::text")]
        details: String,
        error: Option<Box<RawValue>>,
    }
    let beginning = &body[..body.floor_char_boundary(BEGINNING)];
    let outer: Words = serde_json::from_str(beginning).unwrap_or_default();
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
        without_tags(&unescaped(beginning.trim()))
    } else {
        words.join(" ")
    };
    // Before it is cut short, for the rest of a key is a secret too.
    let text = key.redact(text);
    let length = text.chars().count();
    // What the beginning ends with may be the first half of a key, and half an escape.
    let sure = if beginning.len() < body.len() {
        length.saturating_sub(2 * key.expose().len())
    } else {
        length
    };
    match length {
        0 => "with an empty body".to_owned(),
        _ if sure.min(SNIPPET) < length => {
            let snippet: String = text.chars().take(sure.min(SNIPPET)).collect();
            format!("\"{snippet}…\"")
        }
        _ => format!("\"{text}\""),
    }
}

/// Takes the tags out of a gateway's page, so that its words are what is quoted.
fn without_tags(body: &str) -> String {
    if !body.starts_with('<') {
        return body.to_owned();
    }
    let pieces = body.split('<').filter_map(|piece| {
        let (tag, text) = piece.split_once('>')?;
        let is_code = tag.starts_with("style") || tag.starts_with("script");
        Some(text.trim()).filter(|text| !text.is_empty() && !is_code)
    });
    pieces.collect::<Vec<_>>().join(" ")
}

/// Resolves `\uXXXX`, since a key may hide behind it.
fn unescaped(text: &str) -> String {
    let mut parts = text.split("\\u");
    let mut plain = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let decoded = part
            .get(..4)
            .and_then(|digits| u32::from_str_radix(digits, 16).ok())
            .and_then(char::from_u32);
        match decoded {
            Some(c) => {
                plain.push(c);
                plain.push_str(&part[4..]);
            }
            None => {
                plain.push_str("\\u");
                plain.push_str(part);
            }
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;
    use mockito::Server;

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
                "<html><style>a{}</style><h1>502</h1>\n<p>Bad gateway</html>",
                "\"502 Bad gateway\"",
                "a gateway's page",
            ),
            (
                "<p>secret<b>-key</b>",
                "\"secret -key\"",
                "a key in two pieces is none",
            ),
            ("a < b", "\"a < b\"", "no page"),
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
    fn the_words_of_a_page_are_found_behind_its_styles() {
        let page = format!("<style>{}</style><p>Bad gateway", "x".repeat(60_000));

        let said = said(&page, &ApiKey::new("secret-key".into()));

        assert_eq!(said, "\"Bad gateway\"");
    }

    #[test]
    fn a_key_that_the_end_of_what_is_read_cuts_in_two_is_not_shown() {
        let key = ApiKey::new("secret-key".into());
        let escaped: String = "secret-key"
            .chars()
            .map(|c| format!("\\u{:04x}", u32::from(c)))
            .collect();
        let page = "<!---->".repeat(BEGINNING / 7 + 1);
        for spelled in ["secret-key", &escaped] {
            for shown in 0..spelled.len() {
                let body = format!("{}<p>{spelled}</p>", &page[..BEGINNING - shown - 3]);

                let said = said(&body, &key);

                assert!(!said.contains("se"), "{shown} of {spelled}: {said}");
            }
        }
    }

    #[test]
    fn what_is_shown_is_cut_after_the_key_is_looked_for() {
        _ = rustls::crypto::ring::default_provider().install_default();
        let http =
            Http::new(None, "http://sofy", ApiKey::new("secret-key".into())).expect("a client");
        let long = |text: &str, times| text.repeat(times);
        let nearly = LONGEST_TEXT - 5;
        for (text, expected, why) in [
            ("Login".to_owned(), "Login".to_owned(), "short"),
            (
                long("x", LONGEST_TEXT),
                long("x", LONGEST_TEXT),
                "as long as may be",
            ),
            (
                long("x", LONGEST_TEXT + 1),
                long("x", LONGEST_TEXT) + "…",
                "longer",
            ),
            (
                long("é", LONGEST_TEXT + 1),
                long("é", LONGEST_TEXT) + "…",
                "in letters, not bytes",
            ),
            (
                long("x", nearly) + "secret-key",
                long("x", nearly) + "***",
                "a key that a cut would halve",
            ),
        ] {
            assert_eq!(http.shown(text), expected, "{why}");
        }
    }

    #[test]
    fn what_a_parser_quotes_is_redacted_and_cut() {
        _ = rustls::crypto::ring::default_provider().install_default();
        let http =
            Http::new(None, "http://sofy", ApiKey::new("secret-key".into())).expect("a client");
        for body in [
            format!("\"{}\"", "x".repeat(5_000)),
            format!("\"{}secret-key\"", "x".repeat(170)),
        ] {
            let error = http
                .list::<u8>("POST /x", &body, "the list")
                .expect_err("no list");

            assert!(error.message.chars().count() < 500, "{}", error.message);
            assert!(!error.message.contains("secret"), "{}", error.message);
        }
    }

    #[test]
    fn an_answer_is_classified_by_what_may_have_happened() {
        _ = rustls::crypto::ring::default_provider().install_default();
        let http =
            Http::new(None, "http://sofy", ApiKey::new("secret-key".into())).expect("a client");
        for (status, retry_after, said, kind, advice, why) in [
            (
                401,
                None,
                "",
                ErrorKind::Rejected,
                "Account > API Key",
                "a bad key",
            ),
            (
                403,
                None,
                "",
                ErrorKind::Rejected,
                "may run",
                "a key of another account",
            ),
            (
                404,
                None,
                "",
                ErrorKind::Rejected,
                "schedule-id and api-url",
                "no such schedule",
            ),
            (
                400,
                None,
                "",
                ErrorKind::Rejected,
                "schedule-id and app-hash",
                "an unknown GUID",
            ),
            (
                429,
                None,
                "",
                ErrorKind::NotSent,
                "the network",
                "refused in so many words",
            ),
            (
                503,
                Some(Duration::from_secs(1)),
                "",
                ErrorKind::NotSent,
                "the network",
                "refused in so many words",
            ),
            (
                503,
                None,
                "",
                ErrorKind::OutcomeUnknown,
                "Look at the schedule",
                "a gateway may have passed it on",
            ),
            (
                500,
                None,
                "",
                ErrorKind::OutcomeUnknown,
                "Look at the schedule",
                "it may have happened",
            ),
            (
                500,
                None,
                "Validation failed for parameter 'subscriptionAuth'. Invalid GUID.",
                ErrorKind::Rejected,
                "API Key",
                "a bad key as a 500",
            ),
            (
                408,
                None,
                "",
                ErrorKind::OutcomeUnknown,
                "Look at the schedule",
                "it may have happened",
            ),
            (
                502,
                None,
                "the certificate has expired",
                ErrorKind::OutcomeUnknown,
                "Look at the schedule",
                "a gateway's page, not Sofy's word",
            ),
            (
                400,
                None,
                "The subscription has expired.",
                ErrorKind::Rejected,
                "Renew",
                "as documented",
            ),
            (
                302,
                None,
                "",
                ErrorKind::OutcomeUnknown,
                "redirect",
                "a gateway's maintenance page",
            ),
        ] {
            let refusal = Refusal {
                status: StatusCode::from_u16(status).expect("a status"),
                said: said.to_owned(),
                retry_after,
            };

            let error = http.classified("POST /x", refusal);

            assert_eq!(error.kind, kind, "{status}: {why}");
            assert!(error.advice.contains(advice), "{status}: {why}: {error:?}");
            assert_eq!(
                error.message,
                format!("POST /x: Sofy answered {status} {said}")
            );
        }
    }

    #[test]
    fn the_same_client_goes_to_another_base_url() {
        _ = rustls::crypto::ring::default_provider().install_default();
        let http =
            Http::new(None, "http://sofy", ApiKey::new("secret-key".into())).expect("a client");
        let gateway = Url::parse("http://gateway/sofy/").expect("a URL");
        for (base, expected) in [
            (None, "http://public/x"),
            (Some(&gateway), "http://gateway/sofy/x"),
        ] {
            let other = http.clone().based_on(base, "http://public");
            let request = other.expect("a client").request(Method::GET, "/x", &[]);

            let url = request.build().expect("a request").url().to_string();

            assert_eq!(url, expected);
        }
    }

    #[tokio::test]
    async fn an_answer_is_read_up_to_the_largest_size() {
        let most = 16 * 1024 * 1024;
        for (byte, size, is_read, why) in [
            (b' ', most, true, "text"),
            (b' ', most + 1, false, "a byte more"),
            (0xff, most / 3, true, "each byte becomes three"),
            (0xff, most / 3 + 1, false, "which are too many"),
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
            let http = Http::new(Some(&url), "", key).expect("a client");

            let answer = http.send("GET /x", http.request(Method::GET, "/x", &[]));

            assert_eq!(answer.await.is_ok(), is_read, "{why}");
        }
    }
}
