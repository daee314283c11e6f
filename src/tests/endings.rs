//! What does each ending look like? Its page, its JUnit XML, and every sentence that it says.
//!
//! Plays each ending through the whole story, and compares what readers get with the files that were looked at last.
//! `UPDATE_GOLDEN=1 cargo test golden` writes them again: read `git diff tests/golden` before you commit them.

use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

use crate::gate::abort::{AbortOutcome, STATE, Unfinished, post_step};
use crate::github::Runner;
use crate::model::report::Report;
use crate::model::schedule::Build;
use crate::model::test_run::{GroupStatus, TestRun};
use crate::model::verdict::Verdict;
use crate::report::annotations::{Severity, annotations};
use crate::report::upload::UploadReport;
use crate::report::{Publication, junit, summary};
use crate::sofy::{ApiError, Baseline, ErrorKind, SofyApi};
use crate::tests::fixtures::{at, gate, test_run, written};
use crate::tests::scripted::{Classic, Public, groups, rows, unnamed};
use crate::upload::app_file::AppFile;
use crate::upload::tests::{self as upload, HASH, MD5, MINUTE, created, exists, not_sofy};
use crate::{ROOT_REMAINS, RUN_AGAIN, bad_inputs, inputs, refusal};

const SECOND: Duration = Duration::from_secs(1);
const GUID: &str = "3f2504e0-4f89-41d3-9a0c-0305e82c3301";
const FOUND: &str = "test-run-group-id";

/// What an ending leaves behind.
struct Ending {
    name: &'static str,
    report: Report,
}

#[derive(Default)]
struct Endings(Vec<Ending>);

impl Endings {
    async fn add<A: SofyApi>(&mut self, name: &'static str, api: A, pairs: &[(&str, &str)]) {
        self.add_cancelled(name, api, pairs, None).await;
    }

    async fn add_cancelled<A: SofyApi>(
        &mut self,
        name: &'static str,
        api: A,
        pairs: &[(&str, &str)],
        cancelled_after: Option<Duration>,
    ) {
        let mut runner = Runner::open(&[]);
        let (report, _) = gate(&api, &environment(pairs), &mut runner, cancelled_after).await;
        self.0.push(Ending { name, report });
    }
}

fn environment(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    [("api-key", "a-key-of-sofy"), ("schedule-id", GUID)]
        .iter()
        .filter(|(name, _)| !pairs.iter().any(|(given, _)| given == name))
        .chain(pairs)
        .map(|(name, value)| {
            let name = match name.strip_prefix("GITHUB_") {
                Some(_) => (*name).to_owned(),
                None => format!("INPUT_{}", name.to_uppercase()),
            };
            (name, (*value).to_owned())
        })
        .collect()
}

const CLASSIC: (&str, &str) = ("schedule-id", "1888");
const SCENARIOS: [&str; 4] = [
    "Log in",
    "Search for shoes",
    "Check out as guest",
    "Pay with a saved card",
];
const DEVICES: [&str; 3] = ["Pixel 8", "Galaxy S24", "iPhone 15 Pro"];

/// Every scenario on every device: all of them passed, but for these.
fn run(but: &[(usize, usize, &str)]) -> Vec<TestRun> {
    of_time("2024-05-01T10:00:00", but)
}

fn of_time(time: &str, but: &[(usize, usize, &str)]) -> Vec<TestRun> {
    let place = |scenario: usize, device: usize| {
        let status = but
            .iter()
            .find(|(s, d, _)| (*s, *d) == (scenario, device))
            .map_or("Passed", |(_, _, status)| *status);
        at(time, SCENARIOS[scenario], DEVICES[device], status)
    };
    (0..SCENARIOS.len())
        .flat_map(|scenario| (0..DEVICES.len()).map(move |device| place(scenario, device)))
        .collect()
}

fn before(list: &[(&str, Option<i64>)]) -> Result<Baseline, ApiError> {
    let Baseline::Groups(mut listed) = groups(list, Some(10)) else {
        unreachable!("groups");
    };
    for group in &mut listed.list {
        group.group.status = GroupStatus::Complete;
    }
    Ok(Baseline::Groups(listed))
}

/// The public API, with a previous run.
fn public() -> Public {
    Public::new()
        .baseline(before(&[("76", Some(5))]))
        .trigger(Ok(&["77"]), SECOND)
        .look("Queued", vec![])
        .look("Queued", vec![])
        .abort(
            Ok("Scheduled run aborted by user Kim successfully."),
            SECOND,
        )
}

/// The classic API, with yesterday's execution.
fn classic() -> Classic {
    Classic::new()
        .baseline(Ok(rows(of_time("2024-04-30T10:00:00", &[]))))
        .trigger(Ok(&["77"]), SECOND)
        .look("Queued", vec![])
}

fn answered(kind: ErrorKind, answer: &str) -> ApiError {
    ApiError {
        call: format!("GET /scheduler-microservice/scheduled-runs/{GUID}/status/77"),
        ..ApiError::new(kind, format!("Sofy answered {answer}"))
    }
}

fn bad_gateway() -> ApiError {
    answered(ErrorKind::OutcomeUnknown, "502 \"Bad gateway\"")
}

fn builds(list: &[(&str, &str)]) -> Result<Vec<Build>, ApiError> {
    let build = |(hash, id): &(&str, &str)| Build {
        app_hash: Some((*hash).into()),
        application: "app".into(),
        id: (*id).into(),
        friendly_name: String::new(),
    };
    Ok(list.iter().map(build).collect())
}

/// Endings that are about the tests.
async fn judged(all: &mut Endings) {
    let unfinished = run(&[(3, 1, "Running"), (3, 2, "Running")]);
    all.add(
        "passed",
        public()
            .look("Running", unfinished.clone())
            .look("Complete", run(&[])),
        &[],
    )
    .await;
    all.add(
        "passed-verified",
        public()
            .look("Complete", run(&[]))
            .builds(builds(&[("4dde068421cc", "1.0(1)")])),
        &[("app-hash", "4dde068421cc")],
    )
    .await;
    let red = run(&[(2, 1, "Failed"), (3, 0, "Failed"), (3, 1, "Failed")]);
    all.add(
        "failed",
        public()
            .look("Running", unfinished)
            .look("Complete", red.clone())
            .previous(run(&[(3, 0, "Failed")])),
        &[],
    )
    .await;
    all.add(
        "failed-before-too",
        public().look("Complete", red.clone()).previous(red.clone()),
        &[],
    )
    .await;
    let broken = [
        (0, 1, "Failed"),
        (1, 1, "Failed"),
        (2, 1, "Incomplete"),
        (3, 1, "Incomplete"),
    ];
    all.add(
        "one-device",
        public().look("Complete with errors", run(&broken)),
        &[],
    )
    .await;
    let mixed = [
        (0, 0, "Failed"),
        (1, 1, "Incomplete"),
        (2, 2, "Not Executed"),
        (3, 0, "Run Stopped"),
    ];
    all.add(
        "mixed",
        public()
            .look("Complete with errors", run(&mixed))
            .previous(run(&[])),
        &[],
    )
    .await;
    let stopped = [(3, 1, "Stopped"), (3, 2, "Not Executed")];
    all.add(
        "tolerated",
        public().look("Complete with errors", run(&stopped)),
        &[("fail-on", "failed")],
    )
    .await;
    all.add(
        "failed-and-tolerated",
        public().look(
            "Complete with errors",
            run(&[(0, 0, "Failed"), (3, 1, "Stopped")]),
        ),
        &[("fail-on", "failed")],
    )
    .await;
    let none = [
        test_run("Log in", "Pixel 8", "Stopped"),
        test_run("Log in", "Galaxy S24", "Not Executed"),
    ];
    all.add(
        "nothing-passed",
        public().look("Complete with errors", none.to_vec()),
        &[("fail-on", "failed")],
    )
    .await;
    all.add(
        "hidden-errors",
        public().look("Complete with errors", run(&[])),
        &[],
    )
    .await;
    all.add("no-test-runs", public().look("Complete", vec![]), &[])
        .await;
    let odd = [(0, 0, "Failed"), (2, 1, "Flaky|<b>")];
    all.add("unknown-status", public().look("Complete", run(&odd)), &[])
        .await;
    let again = [(2, 1, "Running")];
    all.add(
        "run-again-by-sofy",
        public()
            .look("Running", run(&[(2, 1, "Failed")]))
            .look("Running", run(&again))
            .look("Complete", run(&[])),
        &[],
    )
    .await;
    all.add(
        "another-build",
        public().look("Complete", run(&[])).builds(builds(&[
            ("4dde068421cc", "2.0(2)"),
            ("b01dface0000", "1.0(1)"),
        ])),
        &[("app-hash", "4dde068421cc")],
    )
    .await;
    all.add(
        "perhaps-not-ours",
        Public::new()
            .baseline(before(&[("76", Some(5))]))
            .trigger(Err(bad_gateway()), SECOND)
            .baseline(before(&[("76", Some(5)), ("77", Some(11))]))
            .look("Complete", run(&[]))
            .builds(builds(&[])),
        &[("app-hash", "4dde068421cc")],
    )
    .await;
}

/// Endings in which the group is over and something about it did not become clear.
async fn stuck(all: &mut Endings) {
    let unfinished = run(&[(0, 0, "Failed"), (2, 1, "Running")]);
    all.add("never-finished", public().look("Complete", unfinished), &[])
        .await;
    let yesterday = || of_time("2024-04-30T10:00:00", &[]);
    all.add(
        "earlier-execution",
        classic().look("Complete", yesterday()),
        &[CLASSIC],
    )
    .await;
    all.add(
        "later-execution",
        classic()
            .look("Running", run(&[(2, 1, "Running")]))
            .look("Complete", of_time("2024-05-01T11:00:00", &[])),
        &[CLASSIC],
    )
    .await;
    let stopped = vec![test_run("Log in", "Pixel 8", "Stopped")];
    let later = of_time("2024-05-01T11:00:00", &[]);
    all.add(
        "late-pass",
        classic()
            .look("Running", stopped.clone())
            .look("Complete with errors", [stopped, later].concat()),
        &[CLASSIC, ("fail-on", "failed")],
    )
    .await;
    let ours = run(&[]);
    let later = vec![at("2024-05-01T11:00:00", "Log in", "Pixel 8", "Stopped")];
    all.add(
        "late-error",
        classic()
            .look("Running", ours.clone())
            .look("Complete with errors", [ours, later].concat()),
        &[CLASSIC, ("fail-on", "failed")],
    )
    .await;
    all.add(
        "silence-before-the-first-row",
        classic()
            .failures(&bad_gateway(), 9)
            .look("Complete", run(&[])),
        &[CLASSIC],
    )
    .await;
    let mut of_another = unnamed(test_run("Log in", "Pixel 8", "Passed"));
    of_another.group_id = Some("78".into());
    all.add(
        "another-group",
        public().look_at_rows("Complete", vec![of_another]),
        &[],
    )
    .await;
    let second_attempt = [
        CLASSIC,
        (FOUND, "77"),
        ("results-after", "2024-04-30T10:00:00;attempt=1"),
        ("GITHUB_RUN_ATTEMPT", "2"),
    ];
    all.add(
        "earlier-attempt",
        Classic::new().look("Complete", run(&[])),
        &second_attempt,
    )
    .await;
    let red = run(&[(0, 0, "Failed")]);
    all.add(
        "vanished",
        public()
            .look("Running", red.clone())
            .look("Complete", run(&[])),
        &[],
    )
    .await;
    all.add(
        "missing",
        public()
            .look("Running", run(&[]))
            .look("Complete", run(&[])[1..].to_vec()),
        &[],
    )
    .await;
    let mut changing = public();
    for look in 0..40 {
        changing = changing.look("Complete", run(&[(0, 0, ["Passed", "Failed"][look % 2])]));
    }
    all.add("changing", changing, &[]).await;
    all.add(
        "unknown-group",
        public().look("Archived", run(&[])),
        &[("timeout", "5m")],
    )
    .await;
}

/// Endings that are not about the tests.
async fn cut_short(all: &mut Endings) {
    let timeout = ("timeout", "10m");
    let left = [(0, 0, "Failed"), (2, 1, "Running"), (3, 1, "Running")];
    all.add(
        "timed-out",
        public().look("Running", run(&left)),
        &[timeout],
    )
    .await;
    all.add("timed-out-in-the-queue", public(), &[timeout])
        .await;
    all.add(
        "timed-out-classic",
        classic().look("Running", run(&left)),
        &[timeout, CLASSIC],
    )
    .await;
    all.add(
        "timed-out-without-an-abort",
        public().look("Running", run(&left[1..])),
        &[timeout, ("abort-unfinished", "false")],
    )
    .await;
    let at = Some(90 * SECOND);
    all.add_cancelled("cancelled", public().look("Running", run(&left)), &[], at)
        .await;
    all.add_cancelled(
        "cancelled-classic",
        classic().look("Running", run(&left[1..])),
        &[CLASSIC],
        at,
    )
    .await;
    let no_abort = || {
        Public::new()
            .baseline(before(&[("76", Some(5))]))
            .trigger(Ok(&["77"]), SECOND)
            .abort(Err(bad_gateway()), SECOND)
    };
    all.add(
        "lost-contact",
        no_abort()
            .look("Running", run(&left))
            .failures(&bad_gateway(), 1),
        &[timeout],
    )
    .await;
    all.add(
        "lost-contact-at-once",
        no_abort().failures(&bad_gateway(), 1),
        &[timeout],
    )
    .await;
    let no = answered(ErrorKind::Rejected, "403 \"Forbidden\"");
    all.add(
        "refused",
        no_abort().look("Running", run(&left)).failures(&no, 1),
        &[],
    )
    .await;
    let not_listed = ApiError::new(
        ErrorKind::NotFound,
        format!("Schedule {GUID} has no test run group 77 (or Sofy does not list it)"),
    );
    all.add(
        "not-listed",
        Public::new().failures(&not_listed, 1),
        &[(FOUND, "77")],
    )
    .await;
    all.add("started", public(), &[("wait", "false")]).await;
    all.add("started-classic", classic(), &[("wait", "false"), CLASSIC])
        .await;
}

/// Endings before there is a run.
async fn not_started(all: &mut Endings) {
    let hour = 3600 * SECOND;
    let no_key = answered(ErrorKind::Rejected, "401 \"Invalid Auth Key.\"")
        .advise("Copy `api-key` again from Account > API Key in Sofy.");
    all.add("bad-key", Public::new().baseline(Err(no_key)), &[])
        .await;
    let why = "Sofy could not be reached (failed to lookup address information)";
    let unsent = ApiError {
        call: "POST /api/CICD/ScheduleAutomatedTestRunStatus".to_owned(),
        ..ApiError::new(ErrorKind::NotSent, why)
    };
    all.add("unreachable", Public::new().baseline(Err(unsent)), &[])
        .await;
    all.add(
        "unintelligible",
        Public::new().baseline(Err(bad_gateway())),
        &[],
    )
    .await;
    let mut busy = answered(ErrorKind::Busy, "429 \"Too many requests\"");
    busy.retry_after = Some(1200 * SECOND);
    all.add(
        "told-to-wait-too-long",
        Public::new().baseline(Err(busy)),
        &[("timeout", "10m")],
    )
    .await;
    all.add(
        "unclear-trigger-classic",
        classic_trigger(Err(bad_gateway())),
        &[CLASSIC],
    )
    .await;
    let lost = |after: Result<Baseline, ApiError>| {
        Public::new()
            .baseline(before(&[("76", Some(5))]))
            .trigger(Err(bad_gateway()), SECOND)
            .baseline(after)
    };
    for (name, after) in [
        ("unclear-trigger-none-found", before(&[("76", Some(5))])),
        (
            "unclear-trigger-two-found",
            before(&[("76", Some(5)), ("77", Some(11)), ("78", Some(11))]),
        ),
        (
            "unclear-trigger-without-times",
            before(&[("76", Some(5)), ("77", None)]),
        ),
        ("unclear-trigger-no-list", Err(bad_gateway())),
    ] {
        all.add(name, lost(after), &[]).await;
    }
    all.add(
        "several-groups",
        classic_trigger(Ok(&["77", "78"])),
        &[CLASSIC],
    )
    .await;
    all.add("an-old-group", classic_trigger_of("76"), &[CLASSIC])
        .await;
    let slow = || {
        Public::new()
            .baseline(before(&[("76", Some(5))]))
            .trigger(Ok(&["77"]), hour)
    };
    let at = Some(3 * SECOND);
    all.add_cancelled("cancelled-during-the-trigger", slow(), &[], at)
        .await;
    all.add(
        "timed-out-during-the-trigger",
        slow(),
        &[("timeout", "30s")],
    )
    .await;
    let pausing = || Public::new().baseline(Err(bad_gateway()));
    let early = Some(SECOND / 2);
    all.add_cancelled("cancelled-before-the-trigger", pausing(), &[], early)
        .await;
}

fn classic_trigger(named: Result<&[&str], ApiError>) -> Classic {
    Classic::new()
        .baseline(Ok(rows(of_time("2024-04-30T10:00:00", &[]))))
        .trigger(named, SECOND)
}

fn classic_trigger_of(group: &str) -> Classic {
    let mut old = unnamed(test_run("Log in", "Pixel 8", "Passed"));
    old.group_id = Some("76".into());
    Classic::new()
        .baseline(Ok(Baseline::Rows(vec![old])))
        .trigger(Ok(&[group]), SECOND)
}

/// Pages that show how texts are laid out rather than an ending.
async fn looks(all: &mut Endings) {
    let java = "com.example.shop.checkout.GuestCheckoutTest.testThatAGuestCanPayWithoutAnAccountAndIsAskedOnce";
    let hostile = "@team #1 GH-12 0a1b2c3 :lock: <b>x</b> | ` ##[error] ::error::";
    let mut list: Vec<TestRun> = DEVICES
        .iter()
        .map(|device| test_run(java, device, "Failed"))
        .collect();
    list.push(test_run(hostile, "Galaxy Tab A 10.1", "Failed"));
    list.push(test_run("Buy 10", "Pixel 2", "Stopped"));
    list.push(test_run("Buy 2", "Pixel 10", "Stopped"));
    list.push(test_run(java, "Pixel 10", "Passed"));
    all.add(
        "names",
        public().look("Complete with errors", list),
        &[("fail-on", "failed, incomplete")],
    )
    .await;
    let mut many = Vec::new();
    for n in 0..30 {
        for device in DEVICES {
            let status = if n % 4 == 0 { "Failed" } else { "Passed" };
            many.push(test_run(&format!("Scenario {n}"), device, status));
        }
    }
    all.add("many", public().look("Complete", many), &[]).await;
}

async fn endings() -> Vec<Ending> {
    let mut all = Endings::default();
    judged(&mut all).await;
    stuck(&mut all).await;
    cut_short(&mut all).await;
    not_started(&mut all).await;
    looks(&mut all).await;
    all.0
}

/// The golden files that differ from what readers get now.
#[derive(Default)]
struct Golden(Vec<String>);

impl Golden {
    /// Compares a text with a golden file, or writes it.
    fn compare(&mut self, file: &str, text: &str) {
        let path = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("tests/golden")
            .join(file);
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            std::fs::write(&path, text).expect("a golden file");
        }
        let golden = std::fs::read_to_string(&path).unwrap_or_default();
        if text == golden {
            return;
        }
        let both = text.lines().zip(golden.lines());
        let equal = both.take_while(|(now, before)| now == before).count();
        let line = |text: &str| text.lines().nth(equal).unwrap_or_default().to_owned();
        self.0.push(format!(
            "{file}, line {}\n  now:    {}\n  before: {}\n",
            equal + 1,
            line(text),
            line(&golden)
        ));
    }

    /// Fails if a file differs, and names all that do.
    fn assert_equal(self) {
        assert!(
            self.0.is_empty(),
            "These files in tests/golden differ, first in this line:\n\n{}\nIf the change is on purpose, run \
             `UPDATE_GOLDEN=1 cargo test golden`, then read `git diff tests/golden`.",
            self.0.concat()
        );
    }
}

#[tokio::test(start_paused = true)]
async fn the_page_and_the_junit_xml_of_each_ending_are_the_golden_ones() {
    let mut golden = Golden::default();
    for Ending { name, report } in endings().await {
        golden.compare(&format!("{name}.md"), &summary::render(&report));
        golden.compare(
            &format!("{name}.xml"),
            &written(|out| junit::write(&report, out)),
        );
    }
    golden.assert_equal();
}

#[tokio::test(start_paused = true)]
async fn every_sentence_that_the_program_ends_with_is_a_golden_one() {
    let mut text = String::from(
        "# Every sentence that the program ends with\n\nWritten by a test of `src/tests/endings.rs`; read them in one sitting.\n",
    );
    for Ending { name, report } in endings().await {
        sentences(&mut text, name, &report);
    }
    let problem = "The runtime could not start: no more file descriptors";
    let failed = Report::of(refusal(problem, RUN_AGAIN));
    sentences(&mut text, "cannot-start", &failed);
    #[cfg(target_os = "linux")]
    privileges(&mut text);
    input_problems(&mut text);
    uploads(&mut text).await;
    upload_problems(&mut text).await;
    post_steps(&mut text).await;

    let mut golden = Golden::default();
    golden.compare("messages.txt", &text);
    golden.assert_equal();
}

fn sentences(text: &mut String, name: &str, report: &Report) {
    let verdict = &report.verdict;
    let (exit, word) = (
        verdict.conclusion.exit_status(),
        verdict.conclusion.as_str(),
    );
    _ = write!(
        text,
        "\n## {name}\n\nexit {exit}, {word}\nwhy:     {}\n",
        verdict.reason
    );
    for (label, said) in [
        ("news", report.change_summary().unwrap_or_default()),
        ("next", verdict.advice.clone().unwrap_or_default()),
        ("abort", report.abort.clone().unwrap_or_default()),
        (
            "build",
            report
                .build_check
                .as_ref()
                .map(ToString::to_string)
                .unwrap_or_default(),
        ),
    ] {
        if !said.is_empty() {
            _ = writeln!(text, "{:<9}{said}", format!("{label}:"));
        }
    }
    for (input, value) in &report.inputs_to_attach {
        _ = writeln!(text, "{:<9}{input}: \"{value}\"", "paste:");
    }
    for annotation in annotations(report) {
        let first = annotation.text.lines().next().unwrap_or_default();
        let severity = match annotation.severity {
            Severity::Error => "error:",
            Severity::Warning => "warning:",
        };
        _ = writeln!(text, "{severity:<9}{}: {first}", annotation.title);
    }
}

#[cfg(target_os = "linux")]
fn privileges(text: &mut String) {
    use crate::github::privileges::{capabilities_remain, dropped_in_part};

    let kept = Report::of(refusal(&capabilities_remain("uid 0"), ROOT_REMAINS));
    sentences(text, "privileges", &kept);
    let problems = [
        "the system refused setgroups: Operation not permitted".to_owned(),
        "the Docker socket /var/run/docker.sock can still be opened".to_owned(),
    ];
    _ = writeln!(text, "warning: {}", dropped_in_part("uid 0", &problems));
}

fn input_problems(text: &mut String) {
    _ = write!(text, "\n## inputs\n\n");
    for pairs in [
        &[("api-key", ""), ("schedule-id", "")][..],
        &[("api-key", "a\u{e9}b")],
        &[("schedule-id", "abc")],
        &[("schedule-id", "Infinity")],
        &[("schedule-id", "a-key-of-sofy")],
        &[("app-hash", "null")],
        &[("require-app-hash", "true")],
        &[("require-app-hash", "yes")],
        &[CLASSIC, ("device-serials", "R58N")],
        &[(FOUND, "77"), ("device-serials", "R58N")],
        &[(FOUND, "0")],
        &[(FOUND, "77"), ("wait", "false")],
        &[(FOUND, "77"), ("results-after", "none")],
        &[CLASSIC, (FOUND, "77")],
        &[CLASSIC, (FOUND, "77"), ("results-after", "yesterday")],
        &[("results-after", "none")],
        &[("timeout", "30")],
        &[("timeout", "0s")],
        &[("timeout", "soon")],
        &[("timeout", "1000h")],
        &[("poll-interval", "0.1s")],
        &[("fail-on", ",")],
        &[("fail-on", "passed")],
        &[("fail-on", "failed, passed")],
        &[("title", "two\nlines")],
        &[("device-serials", "- R58M1"), ("schedule-id", GUID)],
        &[("junit-path", "../x.xml")],
        &[("junit-path", "x"), ("json-path", "./x")],
        &[("junit-path", ".")],
        &[("api-url", "ftp://x")],
        &[("api-url", "http://sofy.example")],
        &[("api-url", "https://user:pw@sofy.example")],
        &[("api-url", "no address")],
    ] {
        let problems = inputs::parse(&environment(pairs)).expect_err("bad inputs");
        for problem in problems {
            _ = writeln!(text, "{problem}");
        }
    }
    for variable in [
        ("GITHUB_EVENT_NAME", "pull_request"),
        ("GITHUB_ACTOR", "dependabot[bot]"),
    ] {
        let env = environment(&[("api-key", ""), variable]);
        for problem in inputs::parse(&env).expect_err("no key") {
            _ = writeln!(text, "{problem}");
        }
    }
    let verdict = bad_inputs(
        vec!["`wait` is \"x\", which is neither true nor false.".to_owned()],
        &Runner::open(&[]),
    );
    sentences(text, "bad-inputs", &Report::of(verdict));
}

/// Endings of the upload.
async fn uploads(text: &mut String) {
    let once = |answer| Public::new().upload(answer, Duration::ZERO);
    let rejected = || once(Err(answered(ErrorKind::Rejected, "400 \"No.\"")));
    let refused = "tcp connect error: Connection refused";
    let not_reached = || once(Err(ApiError::new(ErrorKind::NotSent, refused)));
    let too_late = || {
        let mut error = bad_gateway();
        error.retry_after = Some(Duration::from_hours(1));
        once(Err(error))
    };
    let slow = || Public::new().upload(created(), Duration::from_hours(5));
    let cancelled = Some(SECOND);
    for (name, api, cancelled) in [
        (
            "uploaded",
            once(created()).builds(builds(&[(HASH, "1.0(1)")])),
            None,
        ),
        (
            "had",
            once(exists()).builds(builds(&[(MD5, "1.0(1)")])),
            None,
        ),
        (
            "had-another",
            once(exists()).builds(builds(&[(HASH, "1.0(1)")])),
            None,
        ),
        ("rejected", rejected(), None),
        ("not-reached", not_reached(), None),
        ("not-sofy", once(not_sofy()), None),
        (
            "hash-before-the-end",
            Public::new().upload(created(), SECOND),
            None,
        ),
        ("timed-out", slow(), None),
        ("timed-out-between-attempts", once(Err(bad_gateway())), None),
        ("told-to-wait-too-long", too_late(), None),
        ("cancelled", slow(), cancelled),
        (
            "cancelled-while-looking",
            once(exists()).slow_builds(2 * MINUTE),
            cancelled,
        ),
    ] {
        let report = upload::run(&api, cancelled).await;
        upload_sentences(text, name, &report);
    }
    let changed = upload::run_while(|path| std::fs::write(path, "PK").expect("written")).await;
    upload_sentences(text, "changed", &changed);
}

fn upload_sentences(text: &mut String, name: &str, report: &UploadReport) {
    let Verdict {
        conclusion,
        reason,
        advice,
        warnings: _,
        problems: _,
    } = &report.verdict;
    let (exit, word) = (conclusion.exit_status(), conclusion.as_str());
    _ = write!(
        text,
        "\n## upload-{name}\n\nexit {exit}, {word}\nwhy:     {reason}\n"
    );
    if let Some(advice) = advice {
        _ = writeln!(text, "next:    {advice}");
    }
    let publication = Publication::of_upload(report);
    _ = writeln!(text, "page:    {}", publication.summary.trim_end());
    for line in publication.last_lines {
        _ = writeln!(text, "log:     {line}");
    }
}

/// What can be wrong with the inputs of an upload.
async fn upload_problems(text: &mut String) {
    _ = write!(text, "\n## upload inputs\n\n");
    let folder = tempfile::tempdir().expect("a folder");
    let empty = tempfile::tempdir().expect("a folder");
    for (name, bytes) in [
        ("a.apk", "PK"),
        ("b.apk", ""),
        ("c.aab", "PK"),
        ("d\t.apk", "PK"),
        ("e.apk/f", ""),
    ] {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().expect("a parent")).expect("a folder");
        std::fs::write(path, bytes).expect("a file");
    }
    std::os::unix::fs::symlink("/dev/null", folder.path().join("g.apk")).expect("a link");
    for (workspace, pairs) in [
        (&folder, &[("app-path", "")][..]),
        (&folder, &[("app-path", "[ab].apk"), ("api", "both")]),
        (&folder, &[("app-path", "x.apk"), ("application-guid", "7")]),
        (
            &folder,
            &[
                ("app-path", "\u{fc}.apk"),
                ("api", "classic"),
                ("build-name", "x"),
            ],
        ),
        (&folder, &[("app-path", "[.apk")]),
        (&folder, &[("app-path", "a.apk")]),
        (&folder, &[("app-path", "b.apk")]),
        (&folder, &[("app-path", "c.*")]),
        (&folder, &[("app-path", "d*.apk")]),
        (&folder, &[("app-path", "e.apk")]),
        (&folder, &[("app-path", "g.apk")]),
        (&folder, &[("app-path", "../x.apk")]),
        (&empty, &[("app-path", "*.apk")]),
    ] {
        let env = environment(pairs);
        let (app_path, _) = inputs::upload::search(&env);
        let app = AppFile::find([workspace.path(), Path::new("")], Path::new(&app_path)).await;
        for problem in inputs::upload::parse(&env, app).expect_err("bad inputs") {
            _ = writeln!(text, "{problem}");
        }
    }
}

async fn post_steps(text: &mut String) {
    _ = write!(text, "\n## post step\n\n");
    for (schedule, state) in [
        (CLASSIC, ""),
        (CLASSIC, "garbled"),
        (CLASSIC, "1 1888 77"),
        (CLASSIC, "1 1889 77"),
    ] {
        let mut env = environment(&[schedule]);
        env.push((format!("STATE_{STATE}"), state.to_owned()));
        let (_sender, receiver) = tokio::sync::watch::channel(None);
        let (word, said) = match post_step(Unfinished::of(&env), receiver).await {
            AbortOutcome::NotNeeded(why) => ("debug", format!("nothing to abort: {why}")),
            AbortOutcome::Failed(problem) => ("warning", problem),
            AbortOutcome::Aborted(message) | AbortOutcome::LeftRunning(message) => {
                ("info", message)
            }
        };
        _ = writeln!(text, "{:<9}{said}", format!("{word}:"));
    }
}
