//! What is to be uploaded, and where? The `INPUT_*` pairs of the upload.
//!
//! Must not know the file system: whoever calls it says what `app-path` names.

use std::time::Duration;

use reqwest::Url;

use super::reader::{Reader, or_wrong, wrong};
use super::{api_url, duration, key, one_line};
use crate::model::schedule::{Details, Generation, guid};
use crate::secret::ApiKey;

/// A large app over a slow line; a forgotten upload does not hold a runner for hours.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(15 * 60);

const NO_NAME: &str = "is for the public API only. Remove it, or remove `api: classic`.";
const NO_GUID: &str = "is not a GUID. Copy it from Sofy.";

/// What the user wrote under `with:`, understood, with the app that `app-path` names.
#[derive(Debug)]
pub(crate) struct UploadInputs<App> {
    pub(crate) api_key: ApiKey,
    pub(crate) app: App,
    pub(crate) details: Details,
    pub(crate) api: Generation,
    pub(crate) api_url: Option<Url>,
}

/// What the app is searched for by: the path or glob, blank if there is none, and how long the upload may take.
pub(crate) fn search(env: &[(String, String)]) -> (String, Duration) {
    let mut input = Reader::new(env);
    let app_path = input.or("app-path", String::new(), |text| Ok(text.to_owned()));
    (app_path, input.or("timeout", DEFAULT_TIMEOUT, duration))
}

/// Understands the inputs, or lists every problem, each naming its input.
///
/// `app` is what `app-path` names, or what is wrong with it.
pub(crate) fn parse<App>(
    env: &[(String, String)],
    app: Result<App, String>,
) -> Result<UploadInputs<App>, Vec<String>> {
    const PATH: &str =
        "Give the path of the .apk or .ipa, or a glob such as app/build/outputs/apk/debug/*.apk.";
    let mut input = Reader::new(env);

    let api_key = key(&mut input);
    let app = app.map_err(|problem| format!("is wrong: {problem}."));
    let app = input.required("app-path", PATH, |_| app);
    let details = Details {
        application_guid: input.optional("application-guid", or_wrong(guid, NO_GUID)),
        certificate_name: input.optional("certificate-name", one_line),
        build_name: input.optional("build-name", one_line),
    };
    let api = input.or("api", Generation::Public, api);
    input.optional("timeout", duration);
    let api_url = input.optional("api-url", api_url);

    let takes_no_name = api == Generation::Classic && details.build_name.is_some();
    input.conflict(takes_no_name, "build-name", NO_NAME);
    input.finish(api_key.zip(app).map(|(api_key, app)| UploadInputs {
        api_key,
        app,
        details,
        api,
        api_url,
    }))
}

fn api(text: &str) -> Result<Generation, String> {
    match text {
        "public" => Ok(Generation::Public),
        "classic" => Ok(Generation::Classic),
        _ => Err(wrong(text, "is neither public nor classic.")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(pairs: &[(&str, &str)]) -> Result<UploadInputs<String>, Vec<String>> {
        let mut env = vec![
            ("INPUT_API_KEY".to_owned(), "a-key-of-sofy".to_owned()),
            ("INPUT_APP_PATH".to_owned(), "app.apk".to_owned()),
        ];
        for (name, value) in pairs {
            env.retain(|(known, _)| known != name);
            env.push(((*name).to_owned(), (*value).to_owned()));
        }
        let app = match search(&env).0 {
            path if path == "none" => Err("matches nothing".to_owned()),
            path => Ok(path),
        };
        parse(&env, app)
    }

    #[test]
    fn a_bad_input_is_one_problem_that_names_it() {
        for (name, value, words, why) in [
            (
                "INPUT_API_KEY",
                " ",
                "`api-key` is missing",
                "blank is absent",
            ),
            (
                "INPUT_APP_PATH",
                "",
                "`app-path` is missing",
                "it is required",
            ),
            (
                "INPUT_APP_PATH",
                "none",
                "`app-path` is wrong: matches nothing.",
                "what the finder says",
            ),
            (
                "INPUT_APPLICATION_GUID",
                "7",
                "`application-guid` is \"7\", which is not a GUID",
                "no GUID",
            ),
            (
                "INPUT_API",
                "Public2",
                "`api` is \"Public2\", which is neither",
                "an unknown word",
            ),
            (
                "INPUT_TIMEOUT",
                "15",
                "`timeout` is \"15\", which has no unit",
                "as in the gate",
            ),
            (
                "INPUT_API_URL",
                "http://sofy.ai",
                "`api-url` would send the key",
                "as in the gate",
            ),
            (
                "INPUT_BUILD_NAME",
                "a\nb",
                "`build-name` contains a line break",
                "a slip of YAML",
            ),
            (
                "INPUT_CERTIFICATE_NAME",
                "a\rb",
                "`certificate-name` contains a line",
                "a slip of YAML",
            ),
            (
                "INPUT_BUILD_NAME",
                "a-key-of-sofy",
                "`build-name` contains the API key",
                "a leak",
            ),
        ] {
            let problems = parsed(&[(name, value)]).expect_err(why);

            assert_eq!(problems.len(), 1, "{why}: {problems:?}");
            assert!(problems[0].contains(words), "{why}: {problems:?}");
            assert!(!problems[0].contains("a-key-of-sofy"), "{why}");
        }
    }

    #[test]
    fn every_problem_is_said_at_once_and_a_leak_is_never_quoted() {
        let problems = parsed(&[
            ("INPUT_API_KEY", "none-such-key"),
            ("INPUT_APP_PATH", "none"),
            ("INPUT_API", "classic"),
            ("INPUT_BUILD_NAME", "Nightly"),
            ("INPUT_APPLICATION_GUID", "none-such-key"),
            ("INPUT_TIMEOUT", "0s"),
        ])
        .expect_err("four problems");

        let inputs: Vec<&str> = problems
            .iter()
            .filter_map(|problem| problem.split('`').nth(1))
            .collect();
        assert_eq!(
            inputs,
            ["app-path", "application-guid", "timeout", "build-name"]
        );
        assert!(!problems.concat().contains("none-such-key"));
    }

    #[test]
    fn what_is_asked_for_is_understood() {
        let guid = "3F2504E0-4f89-41d3-9a0c-0305e82c3301";
        let inputs = parsed(&[
            ("INPUT_APP_PATH", "out/*.ipa"),
            ("INPUT_APPLICATION_GUID", guid),
            ("INPUT_CERTIFICATE_NAME", "Team"),
            ("INPUT_BUILD_NAME", "Nightly 7"),
            ("INPUT_TIMEOUT", "1h"),
        ])
        .expect("inputs");

        assert_eq!(inputs.app, "out/*.ipa");
        assert_eq!(inputs.api, Generation::Public);
        let details = Details {
            application_guid: Some(guid.into()),
            certificate_name: Some("Team".into()),
            build_name: Some("Nightly 7".into()),
        };
        assert_eq!(inputs.details, details);
        for (api, generation) in [
            ("classic", Generation::Classic),
            ("public", Generation::Public),
        ] {
            let asked = parsed(&[("INPUT_API", api)]).expect("inputs");
            assert_eq!(asked.api, generation);
        }
        let limit = |env: &[(&str, &str)]| {
            let pair = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
            search(&env.iter().map(pair).collect::<Vec<_>>()).1
        };
        assert_eq!(limit(&[]), Duration::from_secs(900));
        assert_eq!(limit(&[("INPUT_TIMEOUT", "1h")]), Duration::from_secs(3600));
    }
}
