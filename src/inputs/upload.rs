//! What is to be uploaded, and where? The `INPUT_*` pairs of the upload.
//!
//! Must not know the file system: whoever calls it says what it is that `app-path` names.

use std::path::Path;
use std::time::Duration;

use reqwest::Url;
use serde::Deserialize;

use super::{Found, Problems, api_url, below_workspace, duration, inputs_of, key, shortened};
use super::{given, value_of};
use crate::model::schedule::Generation;
use crate::model::schedule::{Details, guid};
use crate::secret::ApiKey;

/// A large app over a slow line; a forgotten upload does not hold a runner for hours.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(15 * 60);

/// What the user wrote under `with:`, understood, with the app that `app-path` names.
#[derive(Debug)]
pub(crate) struct UploadInputs<App> {
    pub(crate) api_key: ApiKey,
    pub(crate) app: App,
    pub(crate) details: Details,
    pub(crate) api: Generation,
    pub(crate) api_url: Option<Url>,
    pub(crate) timeout: Duration,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
struct Raw {
    api_key: Option<String>,
    app_path: Option<String>,
    application_guid: Option<String>,
    certificate_name: Option<String>,
    build_name: Option<String>,
    api: Option<String>,
    timeout: Option<String>,
    api_url: Option<String>,
}

/// Understands the inputs and finds the app, or lists every problem, each naming its input.
pub(crate) fn parse<App>(
    env: &[(String, String)],
    find: impl FnOnce(&Path) -> Result<App, Vec<String>>,
) -> Result<UploadInputs<App>, Vec<String>> {
    let raw: Raw = envy::from_iter(inputs_of(env))
        .map_err(|error| vec![format!("the inputs cannot be read: {error}")])?;
    let mut problems = Problems::default();
    problems.note_leaks(env);

    let api_key = problems.note(key(raw.api_key, env));
    let workspace = value_of(env, "GITHUB_WORKSPACE");
    let path = problems.note(below_workspace("app-path", raw.app_path, workspace));
    let application_guid = problems.note(application_guid(raw.application_guid));
    let certificate_name = problems.note(one_line("certificate-name", raw.certificate_name));
    let build_name = problems.note(one_line("build-name", raw.build_name));
    let api = problems.note(api(raw.api));
    let timeout = problems.note(duration("timeout", raw.timeout, DEFAULT_TIMEOUT));
    let api_url = problems.note(api_url(raw.api_url));

    if api == Some(Generation::Classic) && given(&build_name) {
        problems.add(
            "build-name",
            "is for the public API only; remove it, or remove api: classic",
        );
    }
    let app = match &path {
        Some(Some(path)) => find(path)
            .map_err(|found| found.iter().for_each(|why| problems.add("app-path", why)))
            .ok(),
        Some(None) => {
            problems.add(
                "app-path",
                "is missing or blank; give the path of the .apk or .ipa, or a glob such as \
                 app/build/outputs/apk/release/*.apk",
            );
            None
        }
        None => None,
    };

    let understood = || {
        Some(UploadInputs {
            api_key: api_key?,
            app: app?,
            details: Details {
                application_guid: application_guid?,
                certificate_name: certificate_name?,
                build_name: build_name?,
            },
            api: api?,
            api_url: api_url?,
            timeout: timeout?,
        })
    };
    match understood() {
        Some(inputs) if problems.0.is_empty() => Ok(inputs),
        Some(_) | None => Err(problems.said()),
    }
}

fn application_guid(raw: Option<String>) -> Found<Option<String>> {
    let Some(text) = raw else {
        return Ok(None);
    };
    match guid(&text) {
        Some(guid) => Ok(Some(guid)),
        None => Err((
            "application-guid",
            format!(
                "{:?} is not a GUID such as 3f2504e0-4f89-41d3-9a0c-0305e82c3301; copy it from the \
                 application in Sofy",
                shortened(&text)
            ),
        )),
    }
}

/// Refuses what would be several lines in Sofy's portal, and is a slip of YAML.
fn one_line(name: &'static str, raw: Option<String>) -> Found<Option<String>> {
    match raw {
        Some(text) if text.contains(char::is_control) => {
            Err((name, "holds a line break; write it on one line".to_owned()))
        }
        text => Ok(text),
    }
}

fn api(raw: Option<String>) -> Found<Generation> {
    match raw.as_deref() {
        None | Some("public") => Ok(Generation::Public),
        Some("classic") => Ok(Generation::Classic),
        Some(text) => Err((
            "api",
            format!("{:?} is neither public nor classic", shortened(text)),
        )),
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
        parse(&env, |path| match path.to_str() {
            Some("none") => Err(vec!["matches nothing".into()]),
            Some("bad") => Err(vec!["is empty".into(), "is no app".into()]),
            path => Ok(path.unwrap_or_default().to_owned()),
        })
    }

    #[test]
    fn a_bad_input_is_one_problem_that_names_it() {
        for (name, value, words, why) in [
            (
                "INPUT_API_KEY",
                " ",
                "api-key: is missing",
                "blank is absent",
            ),
            (
                "INPUT_APP_PATH",
                "",
                "app-path: is missing",
                "it is required",
            ),
            (
                "INPUT_APP_PATH",
                "../*.apk",
                "app-path: \"../*.apk\" leaves",
                "a glob that leaves",
            ),
            (
                "INPUT_APP_PATH",
                "/etc/x.apk",
                "app-path: \"/etc/x.apk\" leaves",
                "another place",
            ),
            ("INPUT_APP_PATH", "out/", "does not name a file", "a folder"),
            (
                "INPUT_APP_PATH",
                "none",
                "app-path: matches nothing",
                "what the finder says",
            ),
            (
                "INPUT_APPLICATION_GUID",
                "7",
                "application-guid: \"7\" is not a GUID",
                "no GUID",
            ),
            (
                "INPUT_API",
                "Public2",
                "api: \"Public2\" is neither",
                "an unknown word",
            ),
            (
                "INPUT_TIMEOUT",
                "15",
                "timeout: \"15\" has no unit",
                "as in the gate",
            ),
            (
                "INPUT_API_URL",
                "http://sofy.ai",
                "api-url: would send the key",
                "as in the gate",
            ),
            (
                "INPUT_BUILD_NAME",
                "a\nb",
                "build-name: holds a line break",
                "a slip of YAML",
            ),
            (
                "INPUT_CERTIFICATE_NAME",
                "a\rb",
                "certificate-name: holds a line",
                "a slip of YAML",
            ),
            (
                "INPUT_BUILD_NAME",
                "a-key-of-sofy",
                "build-name: holds the value of api-key",
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
            ("INPUT_APP_PATH", "bad"),
            ("INPUT_API", "classic"),
            ("INPUT_BUILD_NAME", "Nightly"),
            ("INPUT_APPLICATION_GUID", "none-such-key"),
            ("INPUT_TIMEOUT", "0s"),
        ])
        .expect_err("five problems");

        let inputs: Vec<&str> = problems
            .iter()
            .filter_map(|problem| problem.strip_prefix("input ")?.split(':').next())
            .collect();
        assert_eq!(
            inputs,
            [
                "application-guid",
                "timeout",
                "build-name",
                "app-path",
                "app-path"
            ]
        );
        assert!(!problems.concat().contains("none-such-key"));
    }

    #[test]
    fn what_is_asked_for_is_understood() {
        let guid = "3F2504E0-4f89-41d3-9a0c-0305e82c3301";
        let inputs = parsed(&[
            ("GITHUB_WORKSPACE", "/w"),
            ("INPUT_APP_PATH", "/w/./out/*.ipa"),
            ("INPUT_APPLICATION_GUID", guid),
            ("INPUT_CERTIFICATE_NAME", "Team"),
            ("INPUT_BUILD_NAME", "Nightly 7"),
            ("INPUT_TIMEOUT", "1h"),
        ])
        .expect("inputs");

        assert_eq!(inputs.app, "out/*.ipa");
        assert_eq!(inputs.api, Generation::Public);
        assert_eq!(inputs.timeout, Duration::from_secs(3600));
        let details = Details {
            application_guid: Some(guid.into()),
            certificate_name: Some("Team".into()),
            build_name: Some("Nightly 7".into()),
        };
        assert_eq!(inputs.details, details);
        let classic = parsed(&[("INPUT_API", "classic")]).expect("inputs");
        assert_eq!(classic.api, Generation::Classic);
        assert_eq!(classic.timeout, Duration::from_secs(900));
    }
}
