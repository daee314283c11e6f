//! How is a build uploaded? One call in each generation, and what its answers mean.
//!
//! An upload costs nothing twice, so that what is unclear may be sent again.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame};
use reqwest::multipart::{Form, Part};
use reqwest::{Method, RequestBuilder, StatusCode, Url};
use serde::Deserialize;
use tokio::sync::mpsc::Receiver;

use super::api::BuildList;
use super::builds::{Builds, key_as_header, with_key};
use super::error::{ApiError, ErrorKind};
use super::http::{Answer, Http};
use super::json::Text;
use super::{classic, public};
use crate::model::schedule::AppHash;
use crate::model::schedule::Details;
use crate::model::schedule::Generation;
use crate::secret::ApiKey;

const PUBLIC: &str = "/parser-microservice/build-upload";
const CLASSIC: &str = "/api/AppTests/buildUpload";

/// The deadline of the upload is its caller's; a month is longer than any.
const NEVER: Duration = Duration::from_hours(720);

/// Where builds go.
pub(crate) trait Uploads {
    /// Uploads a file, once.
    async fn upload(&self, details: &Details, payload: Payload) -> Result<Received, ApiError>;

    /// Lists the builds that were uploaded.
    async fn builds(&self) -> Result<BuildList, ApiError>;
}

/// A file on its way.
pub(crate) struct Payload {
    /// Its name without folders.
    pub(crate) name: String,
    pub(crate) size: u64,
    /// The file in pieces, as long as `size` in all, or why it cannot be read.
    pub(crate) pieces: Receiver<io::Result<Bytes>>,
    pub(crate) sent: Sent,
}

/// How many bytes are on their way, told to whoever watches.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sent(Arc<AtomicU64>);

impl Sent {
    pub(crate) fn bytes(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    pub(crate) fn add(&self, bytes: usize) {
        self.0.fetch_add(bytes as u64, Ordering::Relaxed);
    }
}

/// What Sofy makes of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Received {
    /// It is a build now, with this hash.
    As { app_hash: String },
    /// Sofy refuses to have the same build twice; in its words.
    Before { said: String },
}

impl Body for Payload {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        self.pieces.poll_recv(context).map(|piece| {
            Some(piece?.map(|bytes| {
                self.sent.add(bytes.len());
                Frame::data(bytes)
            }))
        })
    }
}

/// The two calls, over one client.
#[derive(Debug)]
pub(crate) struct Sofy {
    http: Http,
    generation: Generation,
    builds: Builds,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct WireUpload {
    #[serde(rename = "appHash", alias = "AppHash")]
    app_hash: Text,
}

impl Sofy {
    /// Prepares the client; sends nothing.
    pub(crate) fn new(
        base: Option<&Url>,
        key: ApiKey,
        generation: Generation,
    ) -> Result<Self, ApiError> {
        // Only the public API has a list of builds, and it takes the same key.
        let http = Http::new(base, public::BASE_URL, key)?;
        let builds = Builds::over(http.clone());
        let http = match generation {
            Generation::Classic => http.based_on(base, classic::BASE_URL)?,
            Generation::Public => http,
        };
        Ok(Self {
            http,
            generation,
            builds,
        })
    }

    fn request(&self, details: &Details) -> Result<(String, RequestBuilder), ApiError> {
        let (path, request) = match self.generation {
            Generation::Public => {
                let name = details.build_name.as_deref();
                let query: Vec<(&str, &str)> = name
                    .map(|name| ("userFriendlyBuildName", name))
                    .into_iter()
                    .collect();
                let request = with_key(&self.http, Method::POST, PUBLIC, &query)?;
                (PUBLIC, request)
            }
            Generation::Classic => {
                let request = self
                    .http
                    .request(Method::POST, CLASSIC, &[])
                    .header("SubscriptionKey", key_as_header(&self.http)?);
                (CLASSIC, request)
            }
        };
        Ok((format!("POST {path}"), request.timeout(NEVER)))
    }

    fn form(&self, details: &Details, payload: Payload) -> Form {
        let guid_field = match self.generation {
            Generation::Public => "ApplicationGUID",
            Generation::Classic => "ApplicationGuid",
        };
        // Small fields first: a server that reads in order knows them before the file.
        let mut form = Form::new();
        for (field, value) in [
            (guid_field, &details.application_guid),
            ("CertificateName", &details.certificate_name),
        ] {
            if let Some(value) = value {
                form = form.text(field, value.clone());
            }
        }
        let (name, size) = (payload.name.clone(), payload.size);
        let file = Part::stream_with_length(reqwest::Body::wrap(payload), size).file_name(name);
        form.part("applicationFile", file)
    }
}

fn received(answer: &Answer) -> Result<Received, ApiError> {
    let listed = answer.list::<WireUpload>("the answer").ok();
    let mut uploads = listed.into_iter().flat_map(|list| list.entries);
    if let (Some(Ok(upload)), None) = (uploads.next(), uploads.next())
        && let app_hash = answer.text(upload.app_hash)
        && AppHash::parse(&app_hash).is_ok()
    {
        return Ok(Received::As { app_hash });
    }
    let mut error = answer.unreadable("the answer holds no hash of the build");
    error.kind = ErrorKind::Rejected;
    Err(error.advise(
        "Look in Sofy's portal whether the build is there. Check the input api-url, \
         then run the job again: a build that Sofy has already is recognised.",
    ))
}

impl Uploads for Sofy {
    async fn upload(&self, details: &Details, payload: Payload) -> Result<Received, ApiError> {
        let (call, request) = self.request(details)?;
        let request = request.multipart(self.form(details, payload));
        let answer = self.http.ask(&call, request).await?;
        if answer.status.is_success() {
            received(&answer)
        } else {
            judged(&answer)
        }
    }

    async fn builds(&self) -> Result<BuildList, ApiError> {
        self.builds.list().await
    }
}

/// Judges an answer that is none of success by its status and Sofy's words.
fn judged(answer: &Answer) -> Result<Received, ApiError> {
    const KEY: &str = "Check the input api-key: copy it again from Account > API Key in Sofy.";
    let status = answer.status;
    let in_quotes = answer.said();
    let said = in_quotes.to_lowercase();
    let says = |words: &[&str]| words.iter().any(|word| said.contains(word));
    // A gateway's page is not Sofy's word.
    let by_sofy = status.is_client_error() || status == StatusCode::INTERNAL_SERVER_ERROR;
    if by_sofy && says(&["already exist"]) {
        return Ok(Received::Before { said: in_quotes });
    }
    let advice = match status {
        StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS => None,
        StatusCode::UNAUTHORIZED => Some(KEY),
        StatusCode::FORBIDDEN => {
            Some("Check the input api-key, and that its account may upload builds.")
        }
        StatusCode::NOT_FOUND => Some("Check the inputs api and api-url."),
        StatusCode::PAYLOAD_TOO_LARGE => {
            Some("The file is larger than Sofy, or a gateway before it, takes. Make it smaller.")
        }
        _ if by_sofy && says(&["subscriptionauth"]) => Some(KEY),
        _ if by_sofy && says(&["manifest"]) => Some(
            "Check that the file is a whole app for devices: an .apk with its AndroidManifest.xml, \
             or an .ipa with its Info.plist.",
        ),
        _ if by_sofy && says(&["not supported", "unsupported"]) => {
            Some("Upload an .apk or an .ipa; a file of another kind with such a name is none.")
        }
        _ if by_sofy && says(&["corrupt", "incomplete"]) => {
            Some("The file is damaged. Build it anew, and let nothing write to it meanwhile.")
        }
        _ if status.is_server_error() => None,
        _ if says(&["expired"]) => Some("Renew the subscription in Sofy."),
        _ if says(&["active release"]) => Some(
            "Give the application an active release in Sofy's portal, or remove the input \
             application-guid.",
        ),
        _ if says(&["applicationguid", "no application"]) => {
            Some("Check the input application-guid: copy it again from the application in Sofy.")
        }
        _ if says(&["header"]) => Some(
            "Check the inputs api and api-url, and the proxy: the header with the key did not \
             arrive at Sofy.",
        ),
        _ if status.is_client_error() => {
            Some("Check the inputs against Sofy's portal, then run the job again.")
        }
        _ => Some("Check the input api-url: what answers there is not Sofy."),
    };
    let message = answer.message();
    let mut error = match advice {
        Some(advice) => ApiError::new(ErrorKind::Rejected, message).advise(advice),
        None => ApiError::new(ErrorKind::OutcomeUnknown, message),
    };
    error.retry_after = answer.retry_after;
    Err(error)
}

#[cfg(test)]
mod tests {
    use super::*;
    use mockito::{Matcher, Server};
    use tokio::sync::mpsc::channel;

    #[test]
    fn every_documented_error_is_final_or_not_and_says_what_to_do() {
        for (status, said, expected, why) in [
            (
                400,
                "Your subscription is expired.",
                Some("Renew"),
                "documented",
            ),
            (
                400,
                "No active release found for this application.",
                Some("active release"),
                "documented",
            ),
            (
                400,
                "No application exists against this applicationGUID.",
                Some("application-guid"),
                "documented",
            ),
            (
                400,
                "Missing required headers.",
                Some("header with the key"),
                "documented",
            ),
            (401, "No user found.", Some("api-key"), "documented"),
            (
                500,
                "Corrupt or incomplete data.",
                Some("damaged"),
                "documented",
            ),
            (
                500,
                "Manifest file could not be found.",
                Some("AndroidManifest"),
                "documented",
            ),
            (
                500,
                "Files other than APK or IPA not supported.",
                Some("another kind"),
                "documented",
            ),
            (
                500,
                "Validation failed for parameter 'subscriptionAuth'.",
                Some("api-key"),
                "a bad key as a 500",
            ),
            (
                500,
                "Internal Server Error while reading app-release.apk",
                None,
                "it names the file, not its type",
            ),
            (
                502,
                "the upstream manifest is not supported",
                None,
                "a gateway's page",
            ),
            (503, "already exists", None, "a gateway's page"),
            (408, "", None, "too slow"),
            (429, "", None, "too many"),
            (403, "", Some("may upload"), "no right"),
            (404, "", Some("api-url"), "nothing there"),
            (413, "", Some("larger"), "too large"),
            (422, "", Some("Check the inputs against"), "another no"),
            (
                302,
                "",
                Some("what answers there"),
                "a redirect is not followed",
            ),
        ] {
            let answer = Answer::scripted(status, &format!(r#"{{"message":"{said}"}}"#));

            let error = judged(&answer).expect_err(why);

            assert_eq!(
                error.is_transient(),
                expected.is_none(),
                "{status} {said}: {why}"
            );
            let advice = expected.unwrap_or_default();
            assert!(error.advice.contains(advice), "{why}: {}", error.advice);
        }
        for status in [400, 409, 500] {
            let answer = Answer::scripted(status, r#"{"message":"Build already exists."}"#);

            let received = judged(&answer).expect("received before");

            assert!(matches!(received, Received::Before { .. }), "{status}");
        }
    }

    #[test]
    fn a_success_without_a_hash_is_an_error_that_is_not_tried_again() {
        for (body, expected, why) in [
            (
                r#"{"data":{"appHash":"4dde0684"},"message":"OK"}"#,
                Some("4dde0684"),
                "the public answer",
            ),
            (
                r#"{"AppHash":"4dde0684"}"#,
                Some("4dde0684"),
                "the classic answer",
            ),
            (
                r#"{"data":[{"appHash":"4dde0684"}]}"#,
                Some("4dde0684"),
                "in a list",
            ),
            (r#"{"data":{"appHash":""}}"#, None, "blank"),
            (r#"{"data":{"appHash":null}}"#, None, "nothing"),
            (r#"{"data":{"appHash":"null"}}"#, None, "the word"),
            (
                r#"{"data":{"appHash":"pending"}}"#,
                None,
                "not by the rule for hashes",
            ),
            (r#"{"data":{"appHash":"a b"}}"#, None, "white space"),
            (
                r#"{"data":{"appHash":"***"}}"#,
                None,
                "a key that was redacted",
            ),
            (
                r#"{"data":{"appHash":"\u0073ecret-key"}}"#,
                None,
                "the key behind an escape",
            ),
            (
                r#"{"data":{"appHash":"4d\u001b[1m"}}"#,
                None,
                "a control character",
            ),
            (
                r#"{"data":[{"appHash":"1"},{"appHash":"2"}]}"#,
                None,
                "which of them?",
            ),
            (
                r#"{"message":"Application Upload Successful."}"#,
                None,
                "no hash at all",
            ),
            ("<html>", None, "a gateway's page"),
            ("", None, "nothing at all"),
        ] {
            let received = received(&Answer::scripted(200, body));

            match expected {
                Some(hash) => {
                    let app_hash = hash.to_owned();
                    assert_eq!(received, Ok(Received::As { app_hash }), "{why}");
                }
                None => {
                    let error = received.expect_err(why);
                    assert!(!error.is_transient(), "{why}");
                }
            }
        }
    }

    #[tokio::test]
    async fn each_generation_is_sent_the_fields_and_the_file_and_tells_how_much_of_it() {
        for (generation, path, header, guid_field) in [
            (
                Generation::Public,
                PUBLIC,
                "x-sofy-auth-key",
                "ApplicationGUID",
            ),
            (
                Generation::Classic,
                CLASSIC,
                "SubscriptionKey",
                "ApplicationGuid",
            ),
        ] {
            let mut server = Server::new_async().await;
            let upload = server
                .mock("POST", path)
                .match_header(header, "k3y-of-uploads")
                .match_body(Matcher::AllOf(
                    [
                        guid_field,
                        "a-guid",
                        "applicationFile",
                        "app.apk",
                        "PK in two",
                    ]
                    .map(|part| Matcher::Regex(part.into()))
                    .into(),
                ))
                .with_body(r#"{"appHash":"4dde0684"}"#)
                .expect(1)
                .create_async()
                .await;
            server
                .mock("GET", "/application-microservice/public/applications")
                .with_body(r#"{"data":[{"application_builds":[{"app_hash":"4dde0684"}]}]}"#)
                .create_async()
                .await;
            _ = rustls::crypto::ring::default_provider().install_default();
            let url = Url::parse(&server.url()).expect("a URL");
            let key = ApiKey::new("k3y-of-uploads".into());
            let sofy = Sofy::new(Some(&url), key, generation).expect("a client");
            let (sender, pieces) = channel(2);
            for piece in ["PK in", " two"] {
                let piece = Ok(Bytes::from_static(piece.as_bytes()));
                sender.send(piece).await.expect("a receiver");
            }
            drop(sender);
            let sent = Sent::default();
            let payload = Payload {
                name: "app.apk".into(),
                size: 9,
                pieces,
                sent: sent.clone(),
            };
            let details = Details {
                application_guid: Some("a-guid".into()),
                ..Details::default()
            };

            let received = sofy.upload(&details, payload).await;
            let listed = sofy.builds().await.expect("a list");

            let app_hash = "4dde0684".to_owned();
            assert_eq!(received, Ok(Received::As { app_hash }), "{path}");
            assert_eq!(sent.bytes(), 9, "{path}");
            assert_eq!(listed.list.len(), 1, "{path}");
            upload.assert_async().await;
        }
    }
}
