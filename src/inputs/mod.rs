//! What does the user want? `INPUT_*` pairs become [`Inputs`], or every problem at once.
//!
//! Pure: takes the environment as pairs, and must not know Sofy's API nor the file system.

pub(crate) mod upload;

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::path::{Component, Path, PathBuf};
use std::str::FromStr as _;
use std::time::Duration;

use jiff::SignedDuration;
use reqwest::Url;
use serde::Deserialize;

use crate::model::group_id::GroupId;
use crate::model::report::Paths;
use crate::model::schedule::AppHash;
use crate::model::schedule::ResultsAfter;
use crate::model::schedule::{ScheduleId, TriggerRequest};
use crate::model::test_run::TestStatus;
use crate::model::verdict::Policy;
use crate::secret::ApiKey;
use crate::text::span;

/// Long enough for a morning's queue; a forgotten run does not hold a runner for the six hours of a job.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(60 * 60);
/// A developer does not notice fifteen seconds; Sofy does notice a poll every second from every pull request.
const DEFAULT_POLL_INTERVAL: Duration = Duration::from_secs(15);

/// What `fail-on` may list, and its default. It is that of action.yml, which tests/contract.rs compares: were one more
/// word here than there, it would be tolerated unasked.
const FAIL_ON_WORDS: &str = "failed, incomplete, not-executed, stopped";

/// What the user wrote under `with:`, understood.
#[derive(Debug)]
pub(crate) struct Inputs {
    pub(crate) api_key: ApiKey,
    pub(crate) schedule: ScheduleId,
    pub(crate) api_url: Option<Url>,
    pub(crate) start: Start,
    /// The build to test, or with a group that an earlier step started, the one that it must have tested.
    pub(crate) app_hash: Option<String>,
    pub(crate) timeout: Duration,
    pub(crate) poll_interval: Duration,
    pub(crate) policy: Policy,
    pub(crate) abort_unfinished: bool,
    /// The number of this attempt of the workflow run; none outside GitHub.
    pub(crate) attempt: Option<u32>,
    pub(crate) paths: Paths,
}

impl Inputs {
    /// Tells whether Sofy is left to take the latest build, whoever uploaded it.
    pub(crate) fn asks_for_latest_build(&self) -> bool {
        match self.start {
            Start::Trigger(_) | Start::Detach(_) => self.app_hash.is_none(),
            Start::Attach { .. } => false,
        }
    }
}

/// Where the run comes from and whether it is waited for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Start {
    /// Trigger a run, then wait for it.
    Trigger(TriggerRequest),
    /// Trigger a run and leave it alone.
    Detach(TriggerRequest),
    /// Wait for a run that an earlier step triggered.
    Attach {
        group_id: GroupId,
        /// Classic API only.
        results_after: Option<ResultsAfter>,
    },
}

/// The inputs as text; absent and blank are one and the same.
#[derive(Default, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
struct Raw {
    api_key: Option<String>,
    schedule_id: Option<String>,
    app_hash: Option<String>,
    require_app_hash: Option<String>,
    device_serials: Option<String>,
    test_run_group_id: Option<String>,
    results_after: Option<String>,
    wait: Option<String>,
    timeout: Option<String>,
    poll_interval: Option<String>,
    fail_on: Option<String>,
    abort_unfinished: Option<String>,
    junit_path: Option<String>,
    json_path: Option<String>,
    api_url: Option<String>,
}

/// Finds the key alone, so that it can be masked before anything else is said.
pub(crate) fn api_key(env: &[(String, String)]) -> Option<ApiKey> {
    inputs_of(env)
        .into_iter()
        .find_map(|(name, value)| (name == "api-key").then(|| ApiKey::new(value)))
}

/// Tells whether a report file is asked for, before anything is checked.
pub(crate) fn ask_for_reports(env: &[(String, String)]) -> bool {
    inputs_of(env)
        .iter()
        .any(|(name, _)| matches!(name.as_str(), "junit-path" | "json-path"))
}

/// Understands the inputs, or lists every problem, each naming its input.
pub(crate) fn parse(env: &[(String, String)]) -> Result<Inputs, Vec<String>> {
    let raw: Raw = envy::from_iter(inputs_of(env))
        .map_err(|error| vec![format!("the inputs cannot be read: {error}")])?;
    let mut problems = Problems::default();
    problems.note_leaks(env);
    let workspace = value_of(env, "GITHUB_WORKSPACE");

    let api_key = problems.note(key(raw.api_key, env));
    let schedule = problems.note(schedule(raw.schedule_id));
    let app_hash = problems.note(app_hash(raw.app_hash));
    let require_app_hash = problems.note(boolean("require-app-hash", raw.require_app_hash, false));
    let group_id = problems.note(group_id(raw.test_run_group_id));
    let results_after = problems.note(results_after(raw.results_after));
    let wait = problems.note(boolean("wait", raw.wait, true));
    let timeout = problems.note(duration("timeout", raw.timeout, DEFAULT_TIMEOUT));
    let poll_interval = problems.note(poll_interval(raw.poll_interval));
    let tolerated = problems.note(tolerated(raw.fail_on));
    let abort = problems.note(boolean("abort-unfinished", raw.abort_unfinished, true));
    let junit = problems.note(below_workspace("junit-path", raw.junit_path, workspace));
    let json = problems.note(below_workspace("json-path", raw.json_path, workspace));
    let api_url = problems.note(api_url(raw.api_url));
    let device_serials: Vec<String> = words(raw.device_serials.as_deref().unwrap_or_default())
        .map(str::to_owned)
        .collect();

    let (classic, public) = match &schedule {
        Some(ScheduleId::Classic(_)) => (true, false),
        Some(ScheduleId::Public(_)) => (false, true),
        None => (false, false),
    };
    let attach = given(&group_id);
    for (excluded, input, problem) in [
        (
            classic && !device_serials.is_empty(),
            "device-serials",
            "the classic API (a schedule-id that is a number) cannot choose devices; remove it, \
             or use the schedule's GUID",
        ),
        (
            attach && !classic && !device_serials.is_empty(),
            "device-serials",
            "does not go with test-run-group-id, whose devices are already chosen; remove one of \
             them",
        ),
        (
            attach && wait == Some(false),
            "wait",
            "false does not go with test-run-group-id, which waits for a run; remove one of them",
        ),
        (
            !attach && group_id.is_some() && given(&results_after),
            "results-after",
            "goes with test-run-group-id only; remove it, or name the group to wait for",
        ),
        (
            attach && public && given(&results_after),
            "results-after",
            "is for the classic API only; remove it",
        ),
        (
            attach && classic && matches!(results_after, Some(None)),
            "results-after",
            "is required with test-run-group-id on the classic API: use the output of the same \
             name of the step that triggered",
        ),
        (
            require_app_hash == Some(true) && matches!(app_hash, Some(None)),
            "app-hash",
            "is blank although require-app-hash is true; hand over the output app-hash of the \
             step that uploaded, and check its name for a misspelling",
        ),
        (
            given(&junit) && junit == json,
            "json-path",
            "is the same file as junit-path; give each report its own path",
        ),
    ] {
        if excluded {
            problems.add(input, problem);
        }
    }

    let understood = || {
        let app_hash = app_hash?;
        let order = TriggerRequest {
            app_hash: app_hash.clone(),
            device_serials,
        };
        Some(Inputs {
            api_key: api_key?,
            schedule: schedule?,
            api_url: api_url?,
            start: match (group_id?, wait?) {
                (Some(group_id), _) => Start::Attach {
                    group_id,
                    results_after: results_after?,
                },
                (None, true) => Start::Trigger(order),
                (None, false) => Start::Detach(order),
            },
            app_hash,
            timeout: timeout?,
            poll_interval: poll_interval?,
            policy: Policy {
                tolerated: tolerated?,
            },
            abort_unfinished: abort?,
            attempt: value_of(env, "GITHUB_RUN_ATTEMPT").parse().ok(),
            paths: Paths {
                junit: junit?,
                json: json?,
            },
        })
    };
    match understood() {
        Some(inputs) if problems.0.is_empty() => Ok(inputs),
        Some(_) | None => Err(problems.said()),
    }
}

/// Understands only what the post step needs besides its state.
pub(crate) fn key_and_url(env: &[(String, String)]) -> Result<(ApiKey, Option<Url>), Vec<String>> {
    let raw: Raw = envy::from_iter(inputs_of(env))
        .map_err(|error| vec![format!("the inputs cannot be read: {error}")])?;
    let mut problems = Problems::default();
    let api_key = problems.note(key(raw.api_key, env));
    let api_url = problems.note(api_url(raw.api_url));
    match (api_key, api_url) {
        (Some(api_key), Some(api_url)) => Ok((api_key, api_url)),
        (None, _) | (_, None) => Err(problems.said()),
    }
}

/// Tells whether an optional input was given and understood.
fn given<T>(value: &Option<Option<T>>) -> bool {
    matches!(value, Some(Some(_)))
}

/// The `INPUT_*` pairs by the name in action.yml, trimmed, without the blank ones.
///
/// The runner keeps hyphens (`INPUT_SCHEDULE-ID`); shells cannot set such a name, so underscores
/// are read too. The hyphenated name wins where both are set.
fn inputs_of(env: &[(String, String)]) -> Vec<(String, String)> {
    let mut found: Vec<(String, String)> = Vec::new();
    for hyphenated in [true, false] {
        for (name, value) in env {
            let Some(input) = name.strip_prefix("INPUT_") else {
                continue;
            };
            let value = value.trim();
            let input_name = input.to_lowercase().replace('_', "-");
            if input.contains('_') == hyphenated
                || value.is_empty()
                || found.iter().any(|(seen, _)| *seen == input_name)
            {
                continue;
            }
            found.push((input_name, value.to_owned()));
        }
    }
    found
}

pub(crate) fn value_of<'env>(env: &'env [(String, String)], name: &str) -> &'env str {
    env.iter()
        .find_map(|(key, value)| (key == name).then_some(value.as_str()))
        .unwrap_or_default()
}

/// The problems found so far, each with its input.
#[derive(Default)]
struct Problems(Vec<(String, String)>);

impl Problems {
    fn add(&mut self, input: &str, problem: &str) {
        self.0.push((input.to_owned(), problem.to_owned()));
    }

    fn note<T>(&mut self, found: Found<T>) -> Option<T> {
        found
            .map_err(|(input, problem)| self.add(input, &problem))
            .ok()
    }

    /// Notes every input that holds the key, pasted into the wrong place.
    fn note_leaks(&mut self, env: &[(String, String)]) {
        let Some(key) = api_key(env) else {
            return;
        };
        for (input, value) in inputs_of(env) {
            if input != "api-key" && key.is_in(&value) {
                self.add(&input, LEAK);
            }
        }
    }

    /// Says every problem, but nothing that might quote the key.
    fn said(self) -> Vec<String> {
        let leaks: BTreeSet<String> = self
            .0
            .iter()
            .filter(|(_, problem)| problem == LEAK)
            .map(|(input, _)| input.clone())
            .collect();
        self.0
            .into_iter()
            .filter(|(input, problem)| problem == LEAK || !leaks.contains(input))
            .map(|(input, problem)| format!("input {input}: {problem}"))
            .collect()
    }
}

const LEAK: &str = "holds the value of api-key; pass the key in api-key alone, and replace it in \
    Sofy if it was ever shown";

type Found<T> = Result<T, (&'static str, String)>;

fn key(raw: Option<String>, env: &[(String, String)]) -> Found<ApiKey> {
    let Some(key) = raw else {
        let hint = if value_of(env, "GITHUB_ACTOR") == "dependabot[bot]" {
            " Workflows that Dependabot starts get Dependabot secrets only: store the key there \
             too."
        } else if value_of(env, "GITHUB_EVENT_NAME") == "pull_request" {
            " Pull requests from forks get no secrets."
        } else {
            ""
        };
        return Err((
            "api-key",
            format!(
                "is missing or blank; take the key from Account > API Key in Sofy and pass it \
                 from a secret.{hint}"
            ),
        ));
    };
    if key.chars().all(|c| matches!(c, ' '..='~')) {
        Ok(ApiKey::new(key))
    } else {
        Err(("api-key", "holds a character that no key has (a line break, or one outside ASCII); copy it again from Account > API Key in Sofy".to_owned()))
    }
}

fn schedule(raw: Option<String>) -> Found<ScheduleId> {
    const SHAPES: &str = "give a number such as 1888 (classic API) or a GUID such as \
        3f2504e0-4f89-41d3-9a0c-0305e82c3301 (public API)";
    let Some(text) = raw else {
        return Err(("schedule-id", format!("is missing or blank; {SHAPES}")));
    };
    if let Some(schedule) = ScheduleId::parse(&text) {
        return Ok(schedule);
    }
    let quote = if text.parse::<f64>().is_ok() && text.contains(char::is_alphabetic) {
        "; YAML read it as a number, so quote it: schedule-id: \"…\""
    } else {
        ""
    };
    Err((
        "schedule-id",
        format!(
            "{:?} is neither a number nor a GUID; {SHAPES}{quote}",
            shortened(&text)
        ),
    ))
}

/// Refuses what is not a hash: the step before this one went wrong.
fn app_hash(raw: Option<String>) -> Found<Option<String>> {
    let Some(text) = raw else {
        return Ok(None);
    };
    match AppHash::parse(&text) {
        Ok(hash) => Ok(Some(hash.as_str().to_owned())),
        Err(meant) => Err((
            "app-hash",
            format!("{:?} is not a build hash: {meant}", shortened(&text)),
        )),
    }
}

fn group_id(raw: Option<String>) -> Found<Option<GroupId>> {
    match raw {
        Some(id) if GroupId::parse(&id).is_none() => Err((
            "test-run-group-id",
            format!(
                "{:?} is not the ID of a group; use the output test-run-group-id of the step \
                 that triggered, in quotes",
                shortened(&id)
            ),
        )),
        id => Ok(id.as_deref().and_then(GroupId::parse)),
    }
}

fn results_after(raw: Option<String>) -> Found<Option<ResultsAfter>> {
    let Some(text) = raw else {
        return Ok(None);
    };
    match ResultsAfter::parse(&text) {
        Some(after) => Ok(Some(after)),
        None => Err((
            "results-after",
            format!(
                "{:?} is not what an earlier step wrote; use the output results-after of the \
                 step that triggered",
                shortened(&text)
            ),
        )),
    }
}

fn boolean(name: &'static str, raw: Option<String>, default: bool) -> Found<bool> {
    match raw.as_deref() {
        None => Ok(default),
        Some("true" | "True" | "TRUE") => Ok(true),
        Some("false" | "False" | "FALSE") => Ok(false),
        Some(text) => Err((
            name,
            format!("{:?} is neither true nor false", shortened(text)),
        )),
    }
}

fn duration(name: &'static str, raw: Option<String>, default: Duration) -> Found<Duration> {
    const SHAPES: &str = "write it with units, such as 90s, 45m or 1h30m";
    let Some(text) = raw else {
        return Ok(default);
    };
    if text.parse::<f64>().is_ok() {
        return Err((
            name,
            format!("{:?} has no unit; {SHAPES}", shortened(&text)),
        ));
    }
    match SignedDuration::from_str(&text).ok().map(Duration::try_from) {
        Some(Ok(duration)) if duration.is_zero() => Err((
            name,
            format!("is zero, which leaves no time at all; {SHAPES}"),
        )),
        Some(Ok(duration)) if duration <= LONGEST => Ok(duration),
        Some(Ok(_)) => Err((name, format!("is longer than {}", span(LONGEST)))),
        Some(Err(_)) | None => Err((
            name,
            format!("{:?} is not a duration; {SHAPES}", shortened(&text)),
        )),
    }
}

/// GitHub ends every job on a self-hosted runner after five days; no wait is longer.
const LONGEST: Duration = Duration::from_secs(5 * 24 * 60 * 60);

fn poll_interval(raw: Option<String>) -> Found<Duration> {
    let interval = duration("poll-interval", raw, DEFAULT_POLL_INTERVAL)?;
    if (Duration::from_secs(1)..=Duration::from_secs(600)).contains(&interval) {
        Ok(interval)
    } else {
        Err(("poll-interval", "must be from 1s to 10m".to_owned()))
    }
}

/// Reads which statuses fail the step, and tells which of them do not.
fn tolerated(raw: Option<String>) -> Found<BTreeSet<TestStatus>> {
    let text = raw.unwrap_or_else(|| FAIL_ON_WORDS.to_owned());
    if words(&text).next().is_none() {
        return Err((
            "fail-on",
            format!(
                "{:?} names no status; give some of {FAIL_ON_WORDS}",
                shortened(&text)
            ),
        ));
    }
    let mut tolerated: BTreeSet<TestStatus> = words(FAIL_ON_WORDS).map(TestStatus::parse).collect();
    let known = tolerated.clone();
    for word in words(&text) {
        let status = TestStatus::parse(word);
        if !known.contains(&status) {
            return Err((
                "fail-on",
                format!("{:?} is not one of {FAIL_ON_WORDS}", shortened(word)),
            ));
        }
        tolerated.remove(&status);
    }
    Ok(tolerated)
}

/// Makes a path relative to the workspace; `${{ github.workspace }}/…` is what many people write.
fn below_workspace(
    name: &'static str,
    raw: Option<String>,
    workspace: &str,
) -> Found<Option<PathBuf>> {
    let Some(text) = raw else {
        return Ok(None);
    };
    let path = Path::new(&text);
    let relative = if workspace.is_empty() {
        path
    } else {
        path.strip_prefix(workspace).unwrap_or(path)
    };
    let mut inside = PathBuf::new();
    for part in relative.components() {
        match part {
            Component::CurDir => {}
            Component::Normal(part) => inside.push(part),
            Component::ParentDir if inside.pop() => {}
            Component::ParentDir | Component::RootDir | Component::Prefix(_) => {
                return Err((
                    name,
                    format!(
                        "{:?} leaves the workspace; give a path relative to it",
                        shortened(&text)
                    ),
                ));
            }
        }
    }
    if inside.as_os_str().is_empty() || text.ends_with('/') || text.contains('\0') {
        return Err((name, format!("{:?} does not name a file", shortened(&text))));
    }
    Ok(Some(inside))
}

fn api_url(raw: Option<String>) -> Found<Option<Url>> {
    let Some(text) = raw else {
        return Ok(None);
    };
    let wrong = |problem: &str| Err(("api-url", problem.to_owned()));
    let Ok(url) = Url::parse(&text) else {
        return wrong("is not a URL such as https://sofy.example.com");
    };
    let Some(host) = url.host_str() else {
        return wrong("has no host");
    };
    if !url.username().is_empty() || url.password().is_some() {
        return wrong("must not hold a user name or password");
    }
    if url.query().is_some() || url.fragment().is_some() {
        return wrong("must not hold a query or fragment; give the base URL alone");
    }
    match url.scheme() {
        "https" => {}
        "http" if is_local(host) => {}
        "http" => {
            return wrong(
                "would send the key in clear text; use https (plain http only to a loopback or \
                 private address, or a name without dots)",
            );
        }
        _ => return wrong("must begin with https://"),
    }
    Ok(Some(url))
}

fn is_local(host: &str) -> bool {
    match IpAddr::from_str(host.trim_matches(['[', ']'])) {
        Ok(IpAddr::V4(address)) => address.is_loopback() || address.is_private(),
        Ok(IpAddr::V6(address)) => address.is_loopback() || address.is_unique_local(),
        Err(_) => !host.contains('.'),
    }
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split([',', '\n', '\r'])
        .map(str::trim)
        .filter(|word| !word.is_empty())
}

/// Keeps a pasted novel out of an error message, and with it the beginning of a misplaced secret.
fn shortened(text: &str) -> String {
    match text.chars().count() {
        n if n > 60 => format!("a text of {n} characters"),
        _ => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(pairs: &[(&str, &str)]) -> Result<Inputs, Vec<String>> {
        let mut env = vec![
            ("INPUT_API-KEY".to_owned(), "a-key-of-sofy".to_owned()),
            ("INPUT_SCHEDULE-ID".to_owned(), "1888".to_owned()),
        ];
        for (name, value) in pairs {
            env.retain(|(known, _)| known != name);
            env.push(((*name).to_owned(), (*value).to_owned()));
        }
        parse(&env)
    }

    #[test]
    fn a_bad_input_is_one_problem_that_names_it() {
        for (name, value, words, why) in [
            (
                "INPUT_API-KEY",
                " ",
                "api-key: is missing",
                "blank is absent",
            ),
            (
                "INPUT_API-KEY",
                "a\nb",
                "api-key: holds",
                "cannot be a header",
            ),
            (
                "INPUT_SCHEDULE-ID",
                "",
                "schedule-id: is missing",
                "blank is absent",
            ),
            (
                "INPUT_SCHEDULE-ID",
                "Infinity",
                "quote it",
                "an unquoted GUID that looks like 123e4567",
            ),
            (
                "INPUT_SCHEDULE-ID",
                "1E+16",
                "quote it",
                "an unquoted long number",
            ),
            (
                "INPUT_SCHEDULE-ID",
                "-1",
                "neither",
                "no schedule is negative",
            ),
            ("INPUT_SCHEDULE-ID", "0", "neither", "no schedule is zero"),
            (
                "INPUT_SCHEDULE-ID",
                "nightly",
                "GUID such as",
                "shows both shapes",
            ),
            ("INPUT_TIMEOUT", "60", "no unit", "seconds or minutes?"),
            ("INPUT_TIMEOUT", "-5m", "not a duration", "the past"),
            ("INPUT_TIMEOUT", "soon", "not a duration", "a word"),
            ("INPUT_TIMEOUT", "0s", "no time at all", "no wait at all"),
            (
                "INPUT_TIMEOUT",
                "121h",
                "is longer than",
                "longer than any job",
            ),
            ("INPUT_POLL-INTERVAL", "500ms", "from 1s", "too eager"),
            ("INPUT_POLL-INTERVAL", "11m", "to 10m", "too lazy"),
            (
                "INPUT_WAIT",
                "yes",
                "neither true nor false",
                "YAML 1.1 is not spoken",
            ),
            (
                "INPUT_FAIL-ON",
                "failed, flaky",
                "\"flaky\"",
                "not a status",
            ),
            (
                "INPUT_FAIL-ON",
                ",",
                "names no status",
                "would tolerate everything",
            ),
            (
                "INPUT_APP-HASH",
                "null",
                "app-hash: \"null\" is not a build hash: ",
                "jq found nothing",
            ),
            (
                "INPUT_APP-HASH",
                "${{steps.x}}",
                "an expression that was not evaluated",
                "the rule says what was meant",
            ),
            (
                "INPUT_REQUIRE-APP-HASH",
                "true",
                "app-hash: is blank",
                "a misspelt output",
            ),
            (
                "INPUT_REQUIRE-APP-HASH",
                "1",
                "neither true",
                "not a boolean",
            ),
            (
                "INPUT_TEST-RUN-GROUP-ID",
                "7/7",
                "not the ID",
                "another address",
            ),
            (
                "INPUT_FAIL-ON",
                "passed",
                "not one of",
                "would make no sense",
            ),
            (
                "INPUT_JUNIT-PATH",
                "../x.xml",
                "leaves the workspace",
                "outside",
            ),
            (
                "INPUT_JSON-PATH",
                "/etc/passwd",
                "leaves the workspace",
                "outside",
            ),
            (
                "INPUT_JSON-PATH",
                "reports/",
                "does not name a file",
                "a folder",
            ),
            (
                "INPUT_API-URL",
                "http://sofy.example.com",
                "clear text",
                "the key would be seen",
            ),
            (
                "INPUT_API-URL",
                "http://8.8.8.8",
                "clear text",
                "a public address",
            ),
            (
                "INPUT_API-URL",
                "ftp://sofy",
                "https://",
                "another protocol",
            ),
            (
                "INPUT_API-URL",
                "https://u:p@sofy.ai",
                "user name",
                "a second secret",
            ),
            (
                "INPUT_API-URL",
                "https://u@sofy.ai",
                "user name",
                "half of one",
            ),
            (
                "INPUT_API-URL",
                "https://sofy.ai?a=b",
                "a query or fragment",
                "paths are added to it",
            ),
            (
                "INPUT_API-URL",
                "https://sofy.ai#a",
                "a query or fragment",
                "paths are added to it",
            ),
            (
                "INPUT_DEVICE-SERIALS",
                "a,b",
                "cannot choose devices",
                "a classic schedule",
            ),
            (
                "INPUT_RESULTS-AFTER",
                "2022-10-07T20:39:26",
                "goes with",
                "nothing to attach to",
            ),
            (
                "INPUT_TEST-RUN-GROUP-ID",
                "77",
                "results-after: is required",
                "a classic schedule",
            ),
        ] {
            let problems = parsed(&[(name, value)]).expect_err(why);

            assert_eq!(problems.len(), 1, "{name}={value}: {problems:?}");
            assert!(problems[0].contains(words), "{why}: {problems:?}");
        }
    }

    #[test]
    fn inputs_that_do_not_go_together_are_one_problem() {
        const GUID: &str = "3f2504e0-4f89-41d3-9a0c-0305e82c3301";
        let public = ("INPUT_SCHEDULE-ID", GUID);
        let attach = ("INPUT_TEST-RUN-GROUP-ID", "77");
        for (pairs, words) in [
            (
                &[public, attach, ("INPUT_DEVICE-SERIALS", "a")][..],
                "device-serials: does not go with",
            ),
            (
                &[public, attach, ("INPUT_WAIT", "false")],
                "wait: false does not go with",
            ),
            (
                &[public, attach, ("INPUT_RESULTS-AFTER", "none")],
                "results-after: is for the classic API only",
            ),
            (
                &[public, ("INPUT_RESULTS-AFTER", "none")],
                "results-after: goes with",
            ),
            (
                &[
                    ("INPUT_JUNIT-PATH", "a/../report"),
                    ("INPUT_JSON-PATH", "report"),
                ],
                "json-path: is the same file",
            ),
            (
                &[("INPUT_SCHEDULE-ID", "3f2504e04f8941d39a0c0305e82c3301")],
                "neither a number nor a GUID",
            ),
        ] {
            let problems = parsed(pairs).expect_err(words);

            assert_eq!(problems.len(), 1, "{pairs:?}: {problems:?}");
            assert!(problems[0].contains(words), "{pairs:?}: {problems:?}");
        }
    }

    #[test]
    fn every_problem_is_reported_at_once() {
        let problems = parsed(&[
            ("INPUT_API-KEY", ""),
            ("INPUT_TIMEOUT", "1"),
            ("INPUT_TEST-RUN-GROUP-ID", "77"),
            ("INPUT_RESULTS-AFTER", "yesterday"),
            ("INPUT_WAIT", "false"),
        ])
        .expect_err("four problems");

        assert_eq!(problems.len(), 4, "{problems:?}");
    }

    #[test]
    fn good_inputs_are_understood() {
        let inputs = parsed(&[
            (
                "INPUT_SCHEDULE-ID",
                "{3F2504E0-4F89-41D3-9A0C-0305E82C3301}",
            ),
            ("INPUT_DEVICE-SERIALS", "one,two\nthree"),
            ("INPUT_TIMEOUT", "1h30m"),
            ("INPUT_FAIL-ON", "Failed\nNot Executed"),
            ("INPUT_API-URL", "http://172.17.0.1:8080/sofy/"),
            ("GITHUB_WORKSPACE", "/github/workspace"),
            ("INPUT_JUNIT-PATH", "/github/workspace/a/../b.xml"),
        ])
        .expect("all good");

        assert_eq!(
            inputs.schedule,
            ScheduleId::Public("3F2504E0-4F89-41D3-9A0C-0305E82C3301".into())
        );
        assert_eq!(inputs.timeout, Duration::from_secs(5400));
        assert_eq!(
            inputs.policy.tolerated,
            BTreeSet::from([TestStatus::Incomplete, TestStatus::Stopped])
        );
        assert_eq!(
            inputs.api_url.as_ref().map(Url::as_str),
            Some("http://172.17.0.1:8080/sofy/")
        );
        assert_eq!(inputs.paths.junit.as_deref(), Some(Path::new("b.xml")));
        let Start::Trigger(order) = inputs.start else {
            panic!("a trigger")
        };
        assert_eq!(order.device_serials, ["one", "two", "three"]);
    }

    #[test]
    fn the_hyphenated_name_wins_unless_it_is_blank() {
        for (hyphenated, expected, why) in [("5", 5, "both are set"), (" ", 7, "blank is absent")] {
            let inputs = parsed(&[
                ("INPUT_SCHEDULE_ID", "7"),
                ("INPUT_SCHEDULE-ID", hyphenated),
            ])
            .expect(why);

            assert_eq!(inputs.schedule, ScheduleId::Classic(expected), "{why}");
        }
    }

    #[test]
    fn plain_http_goes_only_where_nobody_can_listen() {
        for (url, allowed) in [
            ("https://sofy.example.com", true),
            ("http://127.0.0.1:8080", true),
            ("http://10.0.0.1", true),
            ("http://[::1]", true),
            ("http://[fd00::1]", true),
            ("http://sofy", true),
            ("http://8.8.8.8", false),
            ("http://[2001:db8::1]", false),
            ("http://sofy.example.com", false),
        ] {
            assert_eq!(parsed(&[("INPUT_API-URL", url)]).is_ok(), allowed, "{url}");
        }
    }

    #[test]
    fn a_long_value_is_not_repeated() {
        for (length, words) in [(60, "\"yyyy"), (61, "a text of 61 characters")] {
            let problems =
                parsed(&[("INPUT_TIMEOUT", &"y".repeat(length))]).expect_err("no duration");

            assert!(problems[0].contains(words), "{problems:?}");
        }
    }

    #[test]
    fn the_latest_build_is_asked_for_only_by_a_trigger_without_a_hash() {
        let attach = [
            ("INPUT_TEST-RUN-GROUP-ID", "77"),
            ("INPUT_RESULTS-AFTER", "none"),
        ];
        for (pairs, latest, why) in [
            (&[][..], true, "a trigger"),
            (&[("INPUT_WAIT", "false")], true, "one that is left alone"),
            (&[("INPUT_APP-HASH", "4dde0684")], false, "a hash"),
            (&attach, false, "the run is there already"),
        ] {
            let inputs = parsed(pairs).expect(why);

            assert_eq!(inputs.asks_for_latest_build(), latest, "{why}");
        }
    }

    #[test]
    fn a_report_is_asked_for_by_either_input_unless_it_is_blank() {
        for (input, value, asked) in [
            ("INPUT_JUNIT-PATH", "a.xml", true),
            ("INPUT_JSON_PATH", "a.json", true),
            ("INPUT_JUNIT-PATH", " ", false),
            ("INPUT_API-URL", "https://a", false),
        ] {
            let env = [(input.to_owned(), value.to_owned())];

            assert_eq!(ask_for_reports(&env), asked, "{input}={value}");
        }
    }

    #[test]
    fn a_key_in_the_wrong_input_is_one_problem_that_does_not_repeat_it() {
        for key in ["a-key-of-sofy-that-is-short", &"long-key-".repeat(12)] {
            for input in ["INPUT_SCHEDULE-ID", "INPUT_APP-HASH", "INPUT_API-URL"] {
                let value = format!("x{}", key.to_uppercase());

                let problems = parsed(&[("INPUT_API-KEY", key), (input, &value)])
                    .expect_err("the key in the wrong place");

                assert_eq!(problems.len(), 1, "{problems:?}");
                assert!(problems[0].contains("value of api-key"), "{problems:?}");
                let said = problems[0].to_lowercase();
                assert!(!said.contains(&key[..12]), "{problems:?}");
            }
        }
    }

    #[test]
    fn what_an_earlier_step_wrote_is_taken_over() {
        for (after, app_hash) in [("2022-10-07T20:39:26", ""), ("none;attempt=2", "4dde0684")] {
            let inputs = parsed(&[
                ("INPUT_TEST-RUN-GROUP-ID", "77"),
                ("INPUT_RESULTS-AFTER", after),
                ("INPUT_APP-HASH", app_hash),
                ("GITHUB_RUN_ATTEMPT", "3"),
            ])
            .expect("all good");

            let Start::Attach { results_after, .. } = inputs.start else {
                panic!("an attach")
            };
            assert_eq!(results_after.expect("a time").to_string(), after);
            assert_eq!(inputs.app_hash.unwrap_or_default(), app_hash);
            assert_eq!(inputs.attempt, Some(3));
        }
    }

    #[test]
    fn the_key_is_not_shown_by_debug() {
        let inputs = parsed(&[]).expect("good inputs");

        assert!(!format!("{inputs:?}").contains("a-key-of-sofy"));
    }
}
