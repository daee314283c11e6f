//! How is a build uploaded? One call in each generation, and what its answers mean.
//!
//! Repeating an upload costs nothing, so an unclear answer may be followed by another attempt.

use reqwest::multipart::{Form, Part};
use reqwest::{Method, Url};
use serde::Deserialize;

use super::answer::{A_MONTH, Answer, CHECK_KEY};
use super::api::BuildList;
use super::builds;
use super::error::{ApiError, ErrorKind, Result};
use super::http::Http;
use super::json::{self, Text};
use super::{classic, public};
use crate::model::schedule::{Details, Generation, app_hash};
use crate::secret::ApiKey;

const PUBLIC: &str = "/parser-microservice/build-upload";
const CLASSIC: &str = "/api/AppTests/buildUpload";

/// What Sofy says of a file that it does not take, in lower case; often with the status 500, which says nothing itself.
const BAD_FILE: [&str; 4] = ["manifest", "supported", "corrupt", "incomplete"];

/// Where builds go.
pub(crate) trait Uploads {
    /// Uploads a file, once.
    async fn upload(&self, details: &Details, file: Part) -> Result<UploadAnswer>;

    /// Lists the builds that were uploaded.
    async fn builds(&self) -> Result<BuildList>;
}

/// What an answer to an upload means, unless it is a failure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum UploadAnswer {
    /// The file is a build now.
    Created(String),
    /// Sofy refuses to have the same build twice; in its words.
    AlreadyExists(String),
    /// Perhaps it was not Sofy that answered: the answer is empty, or a gateway's page.
    NotSofy(ApiError),
}

/// The two calls.
#[derive(Debug)]
pub(crate) struct Sofy {
    /// Lists builds in any case: the classic API has no list of them, and both take the same key.
    public: Http,
    /// Takes the file, if there is one.
    classic: Option<Http>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct WireUpload {
    #[serde(rename = "appHash", alias = "AppHash")]
    app_hash: Text,
}

impl Sofy {
    /// Prepares the client; sends nothing.
    pub(crate) fn new(base: Option<&Url>, key: ApiKey, generation: Generation) -> Result<Self> {
        let header = Some(public::KEY_HEADER);
        let public = Http::new(base, public::BASE_URL, header, key.clone())?;
        let header = Some("SubscriptionKey");
        let classic = match generation {
            Generation::Classic => Some(Http::new(base, classic::BASE_URL, header, key)?),
            Generation::Public => None,
        };
        Ok(Self { public, classic })
    }
}

impl Uploads for Sofy {
    async fn upload(&self, details: &Details, file: Part) -> Result<UploadAnswer> {
        let (http, path, guid_field) = match &self.classic {
            None => (&self.public, PUBLIC, "ApplicationGUID"),
            Some(http) => (http, CLASSIC, "ApplicationGuid"),
        };
        let name = details.build_name.as_deref();
        let query = name.map(|name| ("userFriendlyBuildName", name));
        // Small fields first: a server that reads in order knows them before the file.
        let mut form = Form::new();
        if let Some(guid) = &details.application_guid {
            form = form.text(guid_field, guid.clone());
        }
        if let Some(name) = &details.certificate_name {
            form = form.text("CertificateName", name.clone());
        }
        // As curl does, the one client that is known to work.
        let file = file.mime_str("application/octet-stream")?;
        let form = form.part("applicationFile", file);
        let request = http.request(Method::POST, path, query.as_slice());
        // The deadline of the upload is its caller's.
        let request = request.timeout(A_MONTH).multipart(form);
        judge(&http.ask(request).await?)
    }

    async fn builds(&self) -> Result<BuildList> {
        builds::list(&self.public).await
    }
}

/// Judges an answer by its status and, if it is Sofy's own, by its words.
fn judge(answer: &Answer) -> Result<UploadAnswer> {
    const LARGE: &str = "The file is too large for Sofy or a gateway before it. Make it smaller.";
    const FILE: &str = "Build the app again. Check that it is a whole .apk or .ipa for devices.";
    const OTHER: &str = "Check the inputs against Sofy's portal, then run the job again.";
    const URL: &str = "Check `api-url`: the answer is perhaps not Sofy's.";
    const ALREADY: &str = "already exist|exists already|already been uploaded|duplicate build";
    let refused = |advice| Err(answer.failure(ErrorKind::Rejected).advise(advice));
    let unclear = || answer.failure(ErrorKind::OutcomeUnknown);
    let json = answer.json();
    // Written again, so that no escape hides a word.
    let words = json.as_ref().map(|json| json.to_string().to_lowercase());
    let says = |word: &str| words.as_ref().is_some_and(|words| words.contains(word));
    match (answer.status.as_u16(), &json) {
        (401, _) => refused(CHECK_KEY),
        (413, _) => refused(LARGE),
        (408 | 429 | 501..=599, _) | (500, None) => Err(unclear()),
        (_, None) => {
            let error = answer.unreadable("it cannot be read, since it is not JSON");
            Ok(UploadAnswer::NotSofy(error.advise(URL)))
        }
        (_, Some(_)) if ALREADY.split('|').any(says) => {
            Ok(UploadAnswer::AlreadyExists(answer.said()))
        }
        (200..=299, Some(_)) => created(answer),
        (_, Some(_)) if says("subscriptionauth") => refused(CHECK_KEY),
        (_, Some(_)) if BAD_FILE.iter().any(|word| says(word)) => refused(FILE),
        (500, Some(_)) => Err(unclear()),
        (_, Some(_)) => refused(OTHER),
    }
}

/// Takes the hash out of a success that reports no error beside it.
fn created(answer: &Answer) -> Result<UploadAnswer> {
    let list = answer.list("the answer").unwrap_or_default();
    let mut uploads = list.read::<WireUpload>();
    if let (Some(Ok(upload)), None) = (uploads.next(), uploads.next())
        && let Ok(app_hash) = app_hash(&answer.text(upload.app_hash))
        && !json::reports_an_error(&answer.body)
    {
        return Ok(UploadAnswer::Created(app_hash));
    }
    let mut error = answer.unreadable("that is not a success with one hash of the build");
    error.kind = ErrorKind::Rejected;
    Err(error.advise("Check in Sofy's portal whether the build is there, then run the job again."))
}

#[cfg(test)]
mod tests {
    use super::*;
    use mockito::{Matcher, Server};

    /// What a story does with an answer.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    enum Then {
        Succeeds,
        Proves,
        /// With these words in the advice.
        Ends(&'static str),
        Repeats,
        RepeatsForTwoMinutes,
    }
    use Then::{Ends, Proves, Repeats, RepeatsForTwoMinutes, Succeeds};

    #[track_caller]
    fn assert_judged(status: u16, body: &str, expected: Then, why: &str) {
        let judged = judge(&Answer::scripted(status, body));

        let actual = match &judged {
            Ok(UploadAnswer::Created(hash)) => {
                assert_eq!(hash, "4dde0684", "{why}");
                Succeeds
            }
            Ok(UploadAnswer::AlreadyExists(_)) => Proves,
            Ok(UploadAnswer::NotSofy(_)) => RepeatsForTwoMinutes,
            Err(error) if error.is_transient() => Repeats,
            Err(error) => match expected {
                Ends(advice) if error.advice.contains(advice) => expected,
                _ => Ends("something else"),
            },
        };
        assert_eq!(actual, expected, "{status} {body}: {why}: {judged:?}");
    }

    #[test]
    fn every_documented_error_ends_the_upload_and_says_what_to_do() {
        for (status, said, advice) in [
            (400, "Your subscription is expired.", "Sofy's portal"),
            (
                400,
                "No active release found for this application.",
                "Sofy's portal",
            ),
            (
                400,
                "No application exists against this applicationGUID.",
                "Sofy's portal",
            ),
            (400, "Missing required headers.", "Sofy's portal"),
            (401, "No user found.", "api-key"),
            (500, "Corrupt or incomplete data.", "Build the app again"),
            (
                500,
                "Manifest file could not be found.",
                "Build the app again",
            ),
            (
                500,
                "Files other than APK or IPA not supported.",
                "whole .apk or .ipa",
            ),
            (
                500,
                "Validation failed for parameter 'subscriptionAuth'.",
                "api-key",
            ),
        ] {
            for body in [
                format!(r#"{{"error":{{"message":"{said}"}}}}"#),
                format!(r#"{{"Message":"{said}"}}"#),
            ] {
                assert_judged(status, &body, Ends(advice), "documented");
            }
        }
    }

    #[test]
    fn a_status_and_whose_words_they_are_decide() {
        const JSON: &str = r#"{"message":"No."}"#;
        const PAGE: &str = "<html>No.</html>";
        let no = "Check the inputs";
        for (status, body, expected, why) in [
            (401, PAGE, Ends("api-key"), "by its status"),
            (413, PAGE, Ends("smaller"), "by its status"),
            (413, "", Ends("smaller"), "by its status"),
            (408, JSON, Repeats, "too slow"),
            (429, JSON, Repeats, "too many"),
            (502, JSON, Repeats, "a server's trouble, whoever says so"),
            (
                503,
                r#"{"message":"Build already exists."}"#,
                Repeats,
                "a gateway's word",
            ),
            (
                502,
                r#"{"message":"The manifest is not supported."}"#,
                Repeats,
                "a gateway's word",
            ),
            (500, JSON, Repeats, "not one of Sofy's refusals"),
            (500, "Corrupt data", Repeats, "not Sofy's words"),
            (400, JSON, Ends(no), "Sofy's own words"),
            (403, JSON, Ends(no), "Sofy's own words"),
            (404, JSON, Ends(no), "Sofy's own words"),
            (409, "[]", Ends(no), "JSON without a word"),
            (302, JSON, Ends(no), "a redirect is not followed"),
            (302, "", RepeatsForTwoMinutes, "a redirect is not followed"),
            (403, PAGE, RepeatsForTwoMinutes, "a gateway's page"),
            (404, PAGE, RepeatsForTwoMinutes, "a gateway's page"),
            (400, "", RepeatsForTwoMinutes, "nothing"),
            (
                400,
                "Build already exists.",
                RepeatsForTwoMinutes,
                "not Sofy's form",
            ),
            (200, PAGE, RepeatsForTwoMinutes, "a captive portal"),
            (200, "", RepeatsForTwoMinutes, "nothing"),
            (204, "", RepeatsForTwoMinutes, "nothing"),
            (200, "null", RepeatsForTwoMinutes, "as good as nothing"),
            (200, r#""OK""#, RepeatsForTwoMinutes, "not Sofy's form"),
            (
                200,
                r#"{"data":{"appHash":"4dde0684"}"#,
                RepeatsForTwoMinutes,
                "half an answer",
            ),
        ] {
            assert_judged(status, body, expected, why);
        }
        for (status, body) in [
            (400, r#"{"error":{"message":"Build already exists."}}"#),
            (
                200,
                r#"{"data":{"appHash":"4dde0684"},"message":"It has ALREADY been uploaded"}"#,
            ),
            (409, r#"{"message":"Duplicate build"}"#),
            (
                409,
                r#"{"Message":"A build with this version ALREADY EXISTS"}"#,
            ),
            (500, r#"{"error":{"details":"Build already\u0020exists."}}"#),
            (
                200,
                r#"{"data":{"appHash":"4dde0684"},"message":"Build already exists."}"#,
            ),
        ] {
            assert_judged(status, body, Proves, "the same build twice");
        }
    }

    #[test]
    fn a_success_is_one_hash_with_no_error_beside_it() {
        let no = Ends("whether the build is there");
        for (body, expected, why) in [
            (
                r#"{"data":{"appHash":"4dde0684"},"message":"OK"}"#,
                Succeeds,
                "public",
            ),
            (r#"{"AppHash":"4dde0684"}"#, Succeeds, "classic"),
            (
                r#"{"data":[{"appHash":"4dde0684"}]}"#,
                Succeeds,
                "in a list",
            ),
            (
                r#"{"error":null,"data":{"appHash":"4dde0684","error":""}}"#,
                Succeeds,
                "no error",
            ),
            (
                r#"{"error":false,"errors":[],"appHash":"4dde0684"}"#,
                Succeeds,
                "no error",
            ),
            (r#"{"error":{},"appHash":"4dde0684"}"#, Succeeds, "no error"),
            (
                r#"{"error":"Corrupt.","appHash":"4dde0684"}"#,
                no,
                "an error beside it",
            ),
            (
                r#"{"Error":{"code":7},"appHash":"4dde0684"}"#,
                no,
                "an error beside it",
            ),
            (
                r#"{"error":true,"appHash":"4dde0684"}"#,
                no,
                "an error beside it",
            ),
            (
                r#"{"error":0,"appHash":"4dde0684"}"#,
                no,
                "an error beside it",
            ),
            (
                r#"{"success":false,"appHash":"4dde0684"}"#,
                no,
                "no success",
            ),
            (
                r#"{"data":{"isSuccess":false,"appHash":"4dde0684"}}"#,
                no,
                "no success, deeper",
            ),
            (
                r#"{"success":true,"appHash":"4dde0684"}"#,
                Succeeds,
                "a success that is said twice",
            ),
            (
                r#"{"error":" ","appHash":"4dde0684"}"#,
                no,
                "what cannot be understood",
            ),
            (
                r#"{"data":{"appHash":"4dde0684","error":"x"}}"#,
                no,
                "an error in it",
            ),
            (
                r#"{"data":{"appHash":"4dde0684","errors":["x"]}}"#,
                no,
                "errors in it",
            ),
            (r#"{"data":{"appHash":""}}"#, no, "blank"),
            (r#"{"data":{"appHash":null}}"#, no, "nothing"),
            (r#"{"data":{"appHash":0}}"#, no, "zero"),
            (r#"{"data":{"appHash":"-"}}"#, no, "a word for nothing"),
            (r#"{"data":{"appHash":"N/A"}}"#, no, "a word for nothing"),
            (
                r#"{"data":{"appHash":"undefined"}}"#,
                no,
                "a word for nothing",
            ),
            (r#"{"data":{"appHash":"pending"}}"#, no, "not yet"),
            (r#"{"data":{"appHash":"../x"}}"#, no, "a path"),
            (r#"{"data":{"appHash":"4dde 0684"}}"#, no, "white space"),
            (
                r#"{"data":{"appHash":"4dde0684\u001b[1m"}}"#,
                no,
                "a control character",
            ),
            (r#"{"data":{"appHash":"secret-key"}}"#, no, "the key"),
            (
                r#"{"data":{"appHash":"\u0073ecret-key"}}"#,
                no,
                "the key behind an escape",
            ),
            (
                r#"{"data":[{"appHash":"4dde0684"},{"appHash":"4dde0685"}]}"#,
                no,
                "which?",
            ),
            (
                r#"{"appHash":"4dde0684","appHash":"4dde0685"}"#,
                no,
                "which?",
            ),
            (
                r#"{"data":{"appHash":"4dde0684"},"data":{"appHash":"4dde0685"}}"#,
                no,
                "which?",
            ),
            (
                r#"{"message":"Application Upload Successful."}"#,
                no,
                "no hash at all",
            ),
            ("[]", no, "no hash at all"),
        ] {
            assert_judged(200, body, expected, why);
        }
    }

    #[tokio::test]
    async fn each_generation_is_sent_the_fields_and_the_file() {
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
                        "form-data; name=\"applicationFile\"; filename=\"Pr\u{fc}f \\\\\"1\\\\\" a.apk\"\r\n",
                        "\r\nContent-Type: application/octet-stream\r\n",
                        "\r\n\r\nPK in two\r\n--",
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
            let file = Part::bytes(b"PK in two").file_name("Pr\u{fc}f \"1\" a.apk");
            let details = Details {
                application_guid: Some("a-guid".into()),
                ..Details::default()
            };

            let answer = sofy.upload(&details, file).await;
            let listed = sofy.builds().await.expect("a list");

            let created = UploadAnswer::Created("4dde0684".into());
            assert_eq!(answer, Ok(created), "{path}");
            assert_eq!(listed.list.len(), 1, "{path}");
            upload.assert_async().await;
        }
    }
}
