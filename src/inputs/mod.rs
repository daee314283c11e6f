//! What does the user want? `INPUT_*` pairs become [`Inputs`], or every problem at once.
//!
//! Takes the environment as pairs, reads the file system only to follow links, and must not know Sofy's API.

mod reader;
pub(crate) mod upload;

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::path::{Component, Path, PathBuf};
use std::str::FromStr as _;
use std::time::Duration;

use jiff::SignedDuration;
use reqwest::Url;

use crate::model::schedule::{self, ResultsAfter, ScheduleId, TriggerRequest};
use crate::model::{group_id::GroupId, report::Paths, test_run::TestStatus, verdict::Policy};
use crate::secret::ApiKey;
use crate::text::span;
pub(crate) use crate::text::value_of;
use reader::{Reader, or_wrong, quoted, wrong};

/// Long enough for a morning's queue; a forgotten run does not hold a runner for the six hours of a job.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(60 * 60);
/// A developer does not notice fifteen seconds; Sofy does notice a poll every second from every pull request.
const DEFAULT_POLL_INTERVAL: Duration = Duration::from_secs(15);
/// GitHub ends every job on a self-hosted runner after five days; no wait is longer.
const LONGEST: Duration = Duration::from_secs(5 * 24 * 60 * 60);

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
    /// What to call the run instead of by its schedule.
    pub(crate) title: Option<String>,
    /// The number of this attempt of the workflow run; none outside GitHub.
    pub(crate) attempt: Option<u32>,
    pub(crate) paths: Paths,
}

/// Where the run comes from and whether it is waited for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Start {
    /// Trigger a run, then wait for it.
    Trigger(TriggerRequest),
    /// Trigger a run and leave it alone.
    Detach(TriggerRequest),
    /// Wait for a run that an earlier step triggered.
    ///
    /// What its rows come after is for the classic API only.
    Attach(GroupId, Option<ResultsAfter>),
}

/// Finds the key alone, so that it can be masked before anything else is said.
pub(crate) fn api_key(env: &[(String, String)]) -> Option<ApiKey> {
    Reader::new(env).key
}

/// Understands the inputs, or lists every problem, each naming its input.
pub(crate) fn parse(env: &[(String, String)]) -> Result<Inputs, Vec<String>> {
    understood(Reader::new(env))
}

/// Understands only what the post step needs: the others may have changed meanwhile, and must not keep the run going.
pub(crate) fn for_post_step(env: &[(String, String)]) -> Result<Inputs, Vec<String>> {
    understood(Reader::new(env).only(&["api-key", "schedule-id", "api-url"]))
}

fn understood(mut input: Reader<'_>) -> Result<Inputs, Vec<String>> {
    let workspace = Path::new(input.variable("GITHUB_WORKSPACE"));
    let report_path = |text: &str| below_workspace(text, workspace);

    let api_key = key(&mut input);
    let schedule = input.required("schedule-id", SCHEDULES, schedule);
    let app_hash = input.optional("app-hash", app_hash);
    let needs_hash = input.or("require-app-hash", false, boolean) && !input.is_given("app-hash");
    input.conflict(needs_hash, "app-hash", NO_HASH);
    let start = start(&mut input, schedule.as_ref(), app_hash.as_ref());
    let timeout = input.or("timeout", DEFAULT_TIMEOUT, duration);
    let poll_interval = input.or("poll-interval", DEFAULT_POLL_INTERVAL, poll_interval);
    let tolerated = input.or("fail-on", BTreeSet::new(), tolerated);
    let abort_unfinished = input.or("abort-unfinished", true, boolean);
    let title = input.optional("title", title);
    let paths = Paths {
        junit: input.optional("junit-path", report_path),
        json: input.optional("json-path", report_path),
    };
    let is_one_file = paths.junit.is_some() && paths.junit == paths.json;
    input.conflict(is_one_file, "json-path", ONE_FILE);
    let api_url = input.optional("api-url", api_url);

    let attempt = input.variable("GITHUB_RUN_ATTEMPT").parse().ok();
    let inputs = api_key.zip(schedule).map(|(api_key, schedule)| Inputs {
        api_key,
        schedule,
        api_url,
        start,
        app_hash,
        timeout,
        poll_interval,
        policy: Policy { tolerated },
        abort_unfinished,
        title,
        attempt,
        paths,
    });
    input.finish(inputs)
}

const NO_HASH: &str = "is blank, but `require-app-hash` is true. Pass the `app-hash` of the step that uploaded the build.";
const ONE_FILE: &str = "is the same file as `junit-path`. Give each report its own path.";
const NO_CHOICE: &str = "is for the public API only. Remove it, or use the schedule's GUID.";
const NOT_BOTH: &str = "cannot be combined with `test-run-group-id`. Remove one of the two.";
const NO_GROUP: &str = "is for `test-run-group-id` only. Remove it, or name the group.";
const PUBLIC_AFTER: &str = "is for the classic API only. Remove it.";
const NO_AFTER: &str = "is required on the classic API. Use the triggering step's `results-after`.";

/// Reads where the run comes from; what contradicts the schedule's API or each other is a problem.
fn start(input: &mut Reader<'_>, schedule: Option<&ScheduleId>, hash: Option<&String>) -> Start {
    let device_serials = input.or("device-serials", Vec::new(), device_serials);
    let group_id = input.optional("test-run-group-id", or_wrong(GroupId::parse, A_GROUP));
    let results_after = input.optional("results-after", or_wrong(ResultsAfter::parse, AN_AFTER));
    let wait = input.or("wait", true, boolean);

    let (attach, after) = (group_id.is_some(), results_after.is_some());
    let no_group = !input.is_given("test-run-group-id");
    let no_after = !input.is_given("results-after");
    let serials = !device_serials.is_empty();
    let classic = matches!(schedule, Some(ScheduleId::Classic(_)));
    let public = matches!(schedule, Some(ScheduleId::Public(_)));
    input.conflict(classic && serials, "device-serials", NO_CHOICE);
    input.conflict(attach && !classic && serials, "device-serials", NOT_BOTH);
    input.conflict(attach && !wait, "wait", NOT_BOTH);
    input.conflict(no_group && after, "results-after", NO_GROUP);
    input.conflict(attach && public && after, "results-after", PUBLIC_AFTER);
    input.conflict(attach && classic && no_after, "results-after", NO_AFTER);

    let request = TriggerRequest {
        app_hash: hash.cloned(),
        device_serials,
    };
    match (group_id, wait) {
        (Some(group_id), _) => Start::Attach(group_id, results_after),
        (None, true) => Start::Trigger(request),
        (None, false) => Start::Detach(request),
    }
}

/// Reads the key; if it is missing, GitHub's rules for secrets are the likely reason.
fn key(input: &mut Reader<'_>) -> Option<ApiKey> {
    let variable = |name| input.variable(name);
    let hint = match (variable("GITHUB_ACTOR"), variable("GITHUB_EVENT_NAME")) {
        ("dependabot[bot]", _) => DEPENDABOT,
        (_, "pull_request") => " Pull requests from forks get no secrets.",
        _ => "",
    };
    input.required("api-key", &format!("{COPY}{hint}"), |text| {
        let is_odd = text.contains(|c| !matches!(c, ' '..='~'));
        let key = (!is_odd).then(|| ApiKey::new(text.to_owned()));
        key.ok_or_else(|| NO_KEY.to_owned())
    })
}

const COPY: &str = "Save the key from Account > API Key in Sofy as a secret, and pass that.";
const DEPENDABOT: &str = " Dependabot's workflows get only Dependabot secrets. Save it there too.";
const NO_KEY: &str = "contains a line break or a non-ASCII character. Copy it again from Sofy.";
const NO_SERIAL: &str = "is not the serial number of a device. Separate them by commas or newlines, without brackets, and \
    put the whole list in quotes, not each entry.";
const NO_DEVICE: &str = "lists no device. Remove it to use the schedule's own devices.";
const OUTSIDE: &str = "is outside the workspace. Give a path relative to it.";
const CLEAR_TEXT: &str = "would send the key in clear text. Use https (plain http is only for a loopback or private \
    address, or a name without dots).";
const TWO_LINES: &str = "contains a line break or another control character. Write it on one line.";
const SCHEDULES: &str = "Use a number such as 1888 (classic API) or a GUID such as \
    3f2504e0-4f89-41d3-9a0c-0305e82c3301 (public API).";
const QUOTE_IT: &str = " YAML read it as a number, so put it in quotes: schedule-id: \"…\"";
const A_GROUP: &str = "is not a test run group's ID. Use the triggering step's output, in quotes.";
const AN_AFTER: &str = "is not what this action writes. Use the triggering step's `results-after`.";

fn schedule(text: &str) -> Result<ScheduleId, String> {
    let is_rounded = text.parse::<f64>().is_ok() && text.contains(char::is_alphabetic);
    let advice = if is_rounded { QUOTE_IT } else { "" };
    let what = format!("is neither a number nor a GUID. {SCHEDULES}{advice}");
    or_wrong(ScheduleId::parse, &what)(text)
}

fn app_hash(text: &str) -> Result<String, String> {
    schedule::app_hash(text).map_err(|meant| wrong(text, &format!("is not a build hash. {meant}.")))
}

/// Reads the serial numbers of devices: what is no serial would be another device, or none.
fn device_serials(text: &str) -> Result<Vec<String>, String> {
    let is_serial = |serial: &str| {
        let nothing = ["null", "undefined", "nan", "infinity"];
        let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | ':' | '-');
        serial.chars().all(allowed) && !nothing.contains(&serial.to_lowercase().as_str())
    };
    let serials: Vec<String> = words(text).map(str::to_owned).collect();
    match words(text).find(|serial| !is_serial(serial)) {
        Some(serial) => Err(format!("contains {}, which {NO_SERIAL}", quoted(serial))),
        None if serials.is_empty() => Err(NO_DEVICE.to_owned()),
        None => Ok(serials),
    }
}

fn boolean(text: &str) -> Result<bool, String> {
    match text {
        "true" | "True" | "TRUE" => Ok(true),
        "false" | "False" | "FALSE" => Ok(false),
        _ => Err(wrong(text, "is neither true nor false.")),
    }
}

fn duration(text: &str) -> Result<Duration, String> {
    const SHAPES: &str = "Write it with units, such as 90s, 45m or 1h30m.";
    if text.parse::<f64>().is_ok() {
        return Err(wrong(text, &format!("has no unit. {SHAPES}")));
    }
    let parsed = SignedDuration::from_str(text).ok();
    match parsed.and_then(|duration| Duration::try_from(duration).ok()) {
        Some(Duration::ZERO) => Err(format!("must be longer than zero. {SHAPES}")),
        Some(duration) if duration <= LONGEST => Ok(duration),
        Some(_) => Err(format!("must not be longer than {}.", span(LONGEST))),
        None => Err(wrong(text, &format!("is not a duration. {SHAPES}"))),
    }
}

fn poll_interval(text: &str) -> Result<Duration, String> {
    let limits = Duration::from_secs(1)..=Duration::from_mins(10);
    let interval = Some(duration(text)?).filter(|interval| limits.contains(interval));
    interval.ok_or_else(|| "must be from 1s to 10m.".to_owned())
}

/// Reads which statuses fail the step, and gives those that do not.
fn tolerated(text: &str) -> Result<BTreeSet<TestStatus>, String> {
    let statuses = |text| -> BTreeSet<TestStatus> { words(text).map(TestStatus::parse).collect() };
    let (all, given) = (statuses(FAIL_ON_WORDS), statuses(text));
    match words(text).find(|word| !all.contains(&TestStatus::parse(word))) {
        _ if given.is_disjoint(&all) => Err(format!(
            "is {}, which lists none of {FAIL_ON_WORDS}. For a report that never fails the job, set \
             `continue-on-error: true` on the step instead.",
            quoted(text)
        )),
        Some(word) => Err(wrong(word, &format!("is not one of {FAIL_ON_WORDS}."))),
        None => Ok(&all - &given),
    }
}

/// Reads what tells this run's summary and annotations from others'.
fn title(text: &str) -> Result<String, String> {
    /// More does not fit into the title of an annotation.
    const MOST: usize = 100;
    match text.chars().count() {
        0..=MOST => one_line(text),
        length => Err(format!("has {length} characters. Use at most {MOST}.")),
    }
}

/// Takes what is shown on one line, here or in Sofy's portal.
fn one_line(text: &str) -> Result<String, String> {
    if text.contains(|c: char| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}')) {
        return Err(TWO_LINES.to_owned());
    }
    Ok(text.to_owned())
}

/// Makes a path relative to the workspace; `${{ github.workspace }}/…` is what many people write.
fn below_workspace(text: &str, workspace: &Path) -> Result<PathBuf, String> {
    let path = Path::new(text);
    // Perhaps only a link makes the path and the workspace begin differently.
    let absolute = path.is_absolute().then(|| resolved(path));
    let unlinked = || absolute.as_ref()?.strip_prefix(resolved(workspace)).ok();
    let relative = path.strip_prefix(workspace).ok().or_else(unlinked);
    let relative = relative.unwrap_or(path);
    let mut inside = PathBuf::new();
    for part in relative.components() {
        match part {
            Component::CurDir => {}
            Component::Normal(part) => inside.push(part),
            Component::ParentDir if inside.pop() => {}
            Component::ParentDir | Component::RootDir | Component::Prefix(_) => {
                return Err(wrong(text, OUTSIDE));
            }
        }
    }
    if inside.as_os_str().is_empty() || text.ends_with('/') {
        return Err(wrong(text, "does not name a file."));
    }
    Ok(inside)
}

/// Follows the symbolic links of a path, as far as it exists.
pub(crate) fn resolved(path: &Path) -> PathBuf {
    let existing = path.ancestors().find_map(|above| {
        let rest = path.strip_prefix(above).ok()?;
        Some(above.canonicalize().ok()?.join(rest))
    });
    existing.unwrap_or_else(|| path.to_owned())
}

fn api_url(text: &str) -> Result<Url, String> {
    let url = Url::parse(text).map_err(|_| "is not a URL such as https://sofy.example.com.")?;
    let has_user = !url.username().is_empty() || url.password().is_some();
    let has_query = url.query().is_some() || url.fragment().is_some();
    let problem = match (url.scheme(), url.host_str()) {
        _ if has_user => "must not contain a user name or password.",
        _ if has_query => "must not contain a query or fragment. Give the base URL alone.",
        ("https", Some(_)) => return Ok(url),
        ("http", Some(host)) if is_local(host) => return Ok(url),
        ("http", Some(_)) => CLEAR_TEXT,
        _ => "must begin with https://.",
    };
    Err(problem.to_owned())
}

fn is_local(host: &str) -> bool {
    match IpAddr::from_str(host.trim_matches(['[', ']'])).map(|address| address.to_canonical()) {
        Ok(IpAddr::V4(address)) => address.is_loopback() || address.is_private(),
        Ok(IpAddr::V6(address)) => address.is_loopback() || address.is_unique_local(),
        Err(_) => !host.contains('.'),
    }
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    let words = text.split([',', '\n', '\r']).map(str::trim);
    words.filter(|word| !word.is_empty())
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
                "`api-key` is missing",
                "blank is absent",
            ),
            (
                "INPUT_API-KEY",
                "a\nb",
                "`api-key` contains a line break",
                "cannot be a header",
            ),
            (
                "INPUT_SCHEDULE-ID",
                "",
                "`schedule-id` is missing",
                "blank is absent",
            ),
            (
                "INPUT_SCHEDULE-ID",
                "Infinity",
                "put it in quotes",
                "an unquoted GUID that looks like 123e4567",
            ),
            (
                "INPUT_SCHEDULE-ID",
                "1E+16",
                "put it in quotes",
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
            ("INPUT_TIMEOUT", "0s", "longer than zero", "no wait at all"),
            (
                "INPUT_TIMEOUT",
                "121h",
                "not be longer than",
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
                "lists none of failed",
                "would tolerate everything",
            ),
            (
                "INPUT_APP-HASH",
                "null",
                "not a build hash",
                "jq found nothing",
            ),
            (
                "INPUT_APP-HASH",
                "${{steps.x}}",
                "The expression was not evaluated",
                "the rule says what was meant",
            ),
            (
                "INPUT_REQUIRE-APP-HASH",
                "true",
                "`app-hash` is blank",
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
                "not a test run group",
                "another address",
            ),
            (
                "INPUT_FAIL-ON",
                "failed, passed",
                "not one of",
                "would make no sense",
            ),
            (
                "INPUT_FAIL-ON",
                "none",
                "continue-on-error: true",
                "a report only",
            ),
            ("INPUT_TITLE", "a\nb", "line break", "two lines"),
            ("INPUT_TITLE", "a\u{1b}[1mb", "control", "a colour"),
            ("INPUT_TITLE", "a\u{2028}b", "line break", "two lines"),
            ("INPUT_TITLE", &"é".repeat(101), "101 characters", "a novel"),
            (
                "INPUT_JUNIT-PATH",
                "../x.xml",
                "outside the workspace",
                "outside",
            ),
            (
                "INPUT_JSON-PATH",
                "/etc/passwd",
                "outside the workspace",
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
            ("INPUT_API-URL", "mailto:x@y.z", "https://", "no host"),
            (
                "INPUT_API-URL",
                "https://u:p@sofy.ai",
                "a user name",
                "a second secret",
            ),
            (
                "INPUT_API-URL",
                "https://u@sofy.ai",
                "a user name",
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
                "is for the public API only",
                "a classic schedule",
            ),
            (
                "INPUT_RESULTS-AFTER",
                "2022-10-07T20:39:26",
                "is for `test-run-group-id` only",
                "nothing to attach to",
            ),
            (
                "INPUT_TEST-RUN-GROUP-ID",
                "77",
                "`results-after` is required",
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
                "`device-serials` cannot be combined",
            ),
            (
                &[public, attach, ("INPUT_WAIT", "false")],
                "`wait` cannot be combined",
            ),
            (
                &[public, attach, ("INPUT_RESULTS-AFTER", "none")],
                "`results-after` is for the classic API only",
            ),
            (
                &[public, ("INPUT_RESULTS-AFTER", "none")],
                "`results-after` is for `test-run-group-id` only",
            ),
            (
                &[
                    ("INPUT_JUNIT-PATH", "a/../report"),
                    ("INPUT_JSON-PATH", "report"),
                ],
                "`json-path` is the same file",
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
    fn what_is_no_serial_number_is_named() {
        let public = ("INPUT_SCHEDULE-ID", "3f2504e0-4f89-41d3-9a0c-0305e82c3301");
        for (serials, entry, why) in [
            ("[\"R58M1\",\"R58M2\"]", r#""[\"R58M1\"""#, "JSON"),
            ("R58M1,- R58M2", "\"- R58M2\"", "a list of YAML"),
            ("R58M1 R58M2", "\"R58M1 R58M2\"", "two of them"),
            ("'R58M1'", "\"'R58M1'\"", "in quotes"),
            ("R58M1,null", "\"null\"", "nothing"),
            ("Undefined", "\"Undefined\"", "nothing"),
            ("NaN", "\"NaN\"", "no number"),
            ("Infinity", "\"Infinity\"", "123e4567 of YAML"),
            ("1.23E+31", "\"1.23E+31\"", "a number that YAML rounded"),
            (
                "${{ inputs.serials }}",
                "${{ inputs.serials }}",
                "nobody expanded it",
            ),
            ("$SERIALS", "\"$SERIALS\"", "nobody expanded it"),
            ("R58Ä1", "\"R58Ä1\"", "outside ASCII"),
            (",", "lists no device", "no entry"),
        ] {
            let problems = parsed(&[public, ("INPUT_DEVICE-SERIALS", serials)]).expect_err(why);

            assert_eq!(problems.len(), 1, "{why}: {problems:?}");
            assert!(problems[0].starts_with("`device-serials` "), "{problems:?}");
            assert!(problems[0].contains(entry), "{why}: {problems:?}");
        }
        let inputs = parsed(&[
            public,
            ("INPUT_DEVICE-SERIALS", "R58M1\n emulator-5554,a.b_c:1"),
        ]);
        let Start::Trigger(request) = inputs.expect("serials").start else {
            panic!("a trigger")
        };
        assert_eq!(
            request.device_serials,
            ["R58M1", "emulator-5554", "a.b_c:1"]
        );
    }

    #[test]
    fn a_path_is_inside_whichever_side_of_a_link_it_is_written_from() {
        let folder = tempfile::tempdir().expect("a folder");
        let root = folder.path().canonicalize().expect("a path without links");
        for name in ["real", "reality"] {
            std::fs::create_dir(root.join(name)).expect("a folder");
        }
        std::os::unix::fs::symlink(root.join("real"), root.join("link")).expect("a link");
        for (workspace, path, expected) in [
            ("link", "real/a.xml", Some("a.xml")),
            ("real", "link/a/b.xml", Some("a/b.xml")),
            ("link", "link/a.xml", Some("a.xml")),
            ("link", "reality/a.xml", None),
            ("link", "real/../a.xml", None),
            ("link", "/etc/a.xml", None),
        ] {
            let absolute = root.join(path).display().to_string();
            let found = below_workspace(&absolute, &root.join(workspace)).ok();

            assert_eq!(
                found.as_deref(),
                expected.map(Path::new),
                "{workspace}, {path}"
            );
        }
        assert!(below_workspace("/real/a.xml", Path::new("")).is_err());
    }

    #[test]
    fn the_post_step_needs_a_key_and_a_schedule() {
        let pairs = |pairs: &[(&str, &str)]| -> Vec<(String, String)> {
            let pair = |(name, value): &(&str, &str)| ((*name).into(), (*value).into());
            pairs.iter().map(pair).collect()
        };
        let key = ("INPUT_API-KEY", "a-key-of-sofy");

        let understood = for_post_step(&pairs(&[key, ("INPUT_SCHEDULE-ID", "1888")]));
        let problems = for_post_step(&pairs(&[key, ("INPUT_SCHEDULE_ID", "1888")]));

        let understood = understood.expect("both");
        assert_eq!(understood.schedule, ScheduleId::Classic(1888));
        assert_eq!(problems.expect_err("no schedule").len(), 1);
    }

    #[test]
    fn plain_http_goes_only_where_nobody_can_listen() {
        for (url, allowed) in [
            ("https://sofy.example.com", true),
            ("http://127.0.0.1:8080", true),
            ("http://10.0.0.1", true),
            ("http://[::1]", true),
            ("http://[fd00::1]", true),
            ("http://[::ffff:10.0.0.1]", true),
            ("http://[::ffff:8.8.8.8]", false),
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
    fn a_report_is_asked_for_by_either_input_unless_it_is_blank() {
        for (input, value, asked) in [
            ("INPUT_JUNIT-PATH", "a.xml", true),
            ("INPUT_JSON-PATH", "a.json", true),
            ("INPUT_JUNIT-PATH", " ", false),
            ("INPUT_API-URL", "https://a", false),
        ] {
            let inputs = parsed(&[(input, value)]).expect(input);

            assert_eq!(inputs.paths != Paths::default(), asked, "{input}={value}");
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
                assert!(problems[0].contains("contains the API key"), "{problems:?}");
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

            let Start::Attach(_, results_after) = inputs.start else {
                panic!("an attach")
            };
            assert_eq!(results_after.expect("a time").to_string(), after);
            assert_eq!(inputs.app_hash, schedule::app_hash(app_hash).ok());
            assert_eq!(inputs.attempt, Some(3));
        }
    }

    #[test]
    fn the_longest_wait_is_that_of_the_longest_job() {
        let inputs = parsed(&[("INPUT_TIMEOUT", "120h")]).expect("five days");

        assert_eq!(inputs.timeout, LONGEST);
    }

    #[test]
    fn the_key_is_known_whatever_else_is_wrong() {
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let wrong = [
            pair("INPUT_API-KEY", " a-key-of-sofy\n"),
            pair("INPUT_TIMEOUT", "soon"),
        ];

        let key = api_key(&wrong).expect("a key to hide");

        assert_eq!(key.expose(), "a-key-of-sofy");
        assert!(api_key(&wrong[1..]).is_none(), "nothing to hide");
    }

    #[test]
    fn the_key_is_not_shown_by_debug() {
        let inputs = parsed(&[]).expect("good inputs");

        assert!(!format!("{inputs:?}").contains("a-key-of-sofy"));
    }
}
