//! Whatever comes in, does what goes out keep its promises? Generated answers and inputs, from bytes to reports.
//!
//! Real clients read generated bodies from a socket, and what they understood goes through every renderer.
//! `PROPTEST_CASES=100000 cargo test --release fuzz` looks for longer; what it finds stays as a case of a table.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener};
use std::sync::{Arc, Mutex};
use std::{fs, io, thread};

use bytes::Bytes;
use proptest::prelude::*;
use proptest::sample::select;
use reqwest::Url;
use serde_json::Value;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::mpsc;

use crate::abort::State;
use crate::attribution::{Attribution, ResultsAfter};
use crate::github::Runner;
use crate::github::command::{self, Level};
use crate::inputs::upload::Details;
use crate::inputs::{self, Order, ScheduleId};
use crate::report::annotations::{Severity, annotations};
use crate::report::upload::{self as upload_report, Delivery, UploadReport};
use crate::report::{Report, junit, outputs, summary};
use crate::secret::ApiKey;
use crate::sofy::upload::{self, Payload, Received, Sent, Uploads as _};
use crate::sofy::{ApiError, Baseline, Classic, Generation, Public, SofyApi};
use crate::test_run::{Group, TestRun, is_group_id};
use crate::trigger::Origin;
use crate::verdict::{Conclusion, Ending, Observation, Policy, Verdict, judge};

/// It has what JSON escapes in two ways, and letters of both cases.
const KEY: &str = "Se/cret\"Key-42";
/// Every letter of it may stand in a hash too.
const KEY_LIKE_A_HASH: &str = "Se/cret+Key-42";
const GUID: &str = "3f2504e0-4f89-41d3-9a0c-0305e82c3301";

/// Names that Sofy's answers have, as far as anything is read of them.
const FIELDS: [&str; 29] = [
    "data",
    "message",
    "Message",
    "error",
    "details",
    "ScheduleTestRunsGroupID",
    "ScheduleTestRunsGroupStatus",
    "Scheduled_Name",
    "ScenarioName",
    "ScheduledAt",
    "Version",
    "BuildNumber",
    "Manufacturer",
    "Model",
    "Statusvalue",
    "testRunGroupId",
    "executedAt",
    "status",
    "scenarioName",
    "scheduledAt",
    "build",
    "device",
    "application_builds",
    "app_hash",
    "application_guid",
    "build_id",
    "build_friendly_name",
    "appHash",
    "AppHash",
];

/// Text that has been, or looks like, trouble.
const TEXTS: [&str; 32] = [
    "Passed",
    "Failed",
    "NotExecuted",
    "Run Stopped",
    "Running",
    "Complete",
    "Complete with errors",
    "70001",
    "0",
    "2026-01-05T06:14:39.2",
    "2026-01-05T06:14:39.200Z",
    "::error::x",
    "##[error]x",
    "a\n::error::x\r\n##[x",
    "\u{2028}::set-output name=x::y",
    "%0A%0D::stop-commands::x",
    "x\nghadelimiter_x\nconclusion<<E\nsuccess\nE\n",
    "]]>&lt;<b>\u{0}\u{b}\u{fffe}",
    "a|b`c``d</details>\n\n# e",
    "@team #1 GH-2 :lock: www.x.example",
    "\u{202e}gnp\u{200b}\u{1b}[31m",
    "Se/cret\"Key-42",
    "sE/CRET\"kEY-42",
    "x Se/cret\"Key-42 y Se/cret\"Key-42",
    "Se/cret+Key-42",
    "4ddeSE/CRET+KEY-424dde",
    "Build already exists.",
    "null",
    "",
    " ",
    "\u{feff}",
    "e\u{301}\u{302}\u{303}",
];

fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        6 => select(&TEXTS[..]).prop_map(str::to_owned),
        1 => any::<String>(),
        1 => (select(&TEXTS[..]), 0..150_usize).prop_map(|(text, times)| text.repeat(times)),
    ]
}

/// Text as JSON, each letter plain or escaped.
fn quoted() -> impl Strategy<Value = String> {
    quoted_from(text())
}

fn quoted_from(text: impl Strategy<Value = String>) -> impl Strategy<Value = String> {
    (text, any::<u64>()).prop_map(|(text, escaped)| {
        let letters = text.chars().enumerate().map(|(n, c)| {
            if escaped >> (n % 64) & 1 == 1 && c as u32 <= 0xffff {
                format!("\\u{:04x}", c as u32)
            } else {
                let json = Value::from(c.to_string()).to_string();
                json[1..json.len() - 1].to_owned()
            }
        });
        format!("\"{}\"", letters.collect::<String>())
    })
}

fn json() -> impl Strategy<Value = String> {
    let odd = [
        "null",
        "true",
        "0",
        "-1",
        "70001",
        "1e999",
        "12345678901234567890123",
        "\"\\ud800\"",
    ];
    let leaf = prop_oneof![
        4 => quoted(),
        2 => select(&FIELDS[..]).prop_map(|name| format!("\"{name}\"")),
        1 => select(odd.to_vec()).prop_map(str::to_owned),
    ];
    leaf.prop_recursive(5, 80, 8, |inner| {
        let field = (select(&FIELDS[..]), inner.clone());
        let object = prop::collection::vec(field, 0..8).prop_map(|fields| {
            let fields = fields
                .iter()
                .map(|(name, value)| format!("\"{name}\":{value}"));
            format!("{{{}}}", fields.collect::<Vec<_>>().join(","))
        });
        let list =
            prop::collection::vec(inner, 0..6).prop_map(|list| format!("[{}]", list.join(",")));
        prop_oneof![3 => object, 2 => list]
    })
}

/// A list of rows that both generations can read, with some fields that are odd.
fn rows() -> impl Strategy<Value = String> {
    let row = prop::collection::vec(quoted(), 5).prop_map(|v| {
        format!(
            r#"{{"ScenarioName":{0},"scenarioName":{0},"Model":{1},"device":{1},"build":{2},"Statusvalue":{3},"status":{3},"ScheduledAt":{4},"scheduledAt":{4}}}"#,
            v[0], v[1], v[2], v[3], v[4]
        )
    });
    prop::collection::vec(row, 0..12).prop_map(|rows| format!("[{}]", rows.join(",")))
}

/// What an upload or its list of builds is answered with, with fields that are odd.
fn upload_answer() -> impl Strategy<Value = String> {
    let hash = prop_oneof![
        4 => quoted_from("[0-9a-f]{32}"),
        3 => quoted(),
        1 => quoted_from((text(), "[0-9a-f]{4}").prop_map(|(text, hash)| hash.clone() + &text + &hash)),
        1 => json(),
    ];
    let received =
        (hash, select(vec!["appHash", "AppHash"]), 0..4_u8).prop_map(|(hash, name, whole)| {
            let entry = format!(r#"{{"{name}":{hash}}}"#);
            match whole {
                0 => entry,
                1 => format!("[{entry}]"),
                2 => format!(r#"{{"data":{entry},"message":"OK"}}"#),
                _ => format!(r#"{{"data":[{entry},{entry}]}}"#),
            }
        });
    let build = prop::collection::vec(quoted(), 4).prop_map(|v| {
        format!(
            r#"{{"application_guid":{0},"application_builds":[{{"app_hash":{1},"build_id":{2},"build_friendly_name":{3}}}]}}"#,
            v[0], v[1], v[2], v[3]
        )
    });
    let builds = prop::collection::vec(build, 0..4);
    prop_oneof![
        4 => received,
        2 => builds.prop_map(|builds| format!(r#"{{"data":[{}]}}"#, builds.join(","))),
        2 => quoted().prop_map(|said| format!(r#"{{"message":{said},"error":{{"details":{said}}}}}"#)),
        1 => json(),
        1 => any::<String>(),
    ]
}

/// Rows or any JSON.
fn run_answer() -> impl Strategy<Value = String> {
    prop_oneof![
        3 => rows(),
        1 => rows().prop_map(|rows| format!(r#"{{"data":{rows},"message":"OK"}}"#)),
        3 => json(),
        1 => any::<String>(),
    ]
}

/// A body: an answer, perhaps cut, with bytes that do not belong there.
fn body(whole: impl Strategy<Value = String>) -> impl Strategy<Value = Vec<u8>> {
    let damage = prop_oneof![
        4 => Just(None),
        1 => (any::<prop::sample::Index>(), any::<u8>(), any::<bool>()).prop_map(Some),
    ];
    (whole, damage).prop_map(|(whole, damage)| {
        let mut bytes = whole.into_bytes();
        if let Some((place, byte, cut)) = damage {
            let place = place.index(bytes.len() + 1);
            if cut {
                bytes.truncate(place);
            }
            bytes.insert(place.min(bytes.len()), byte);
        }
        bytes
    })
}

/// A Sofy that answers every call alike, and clients of both generations.
struct Sofy {
    runtime: Runtime,
    answer: Arc<Mutex<(u16, Vec<u8>)>>,
    classic: Classic,
    public: Public,
    uploads: [upload::Sofy; 2],
}

impl Sofy {
    fn start() -> Self {
        _ = rustls::crypto::ring::default_provider().install_default();
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let answer = Arc::new(Mutex::new((200, Vec::new())));
        let shared = Arc::clone(&answer);
        thread::spawn(move || {
            for mut socket in listener.incoming().flatten() {
                let (status, body) = shared.lock().expect("no panic").clone();
                let head = format!(
                    "HTTP/1.1 {status} X\r\nContent-Length: {}\r\n\r\n",
                    body.len()
                );
                // What is asked does not matter, only that it was.
                _ = socket.read(&mut [0; 4096]);
                _ = socket.write_all(head.as_bytes());
                _ = socket.write_all(&body);
                // An end before all is read is a reset, which can cost the answer.
                _ = socket.shutdown(Shutdown::Write);
                _ = io::copy(&mut socket, &mut io::sink());
            }
        });
        let url = Url::parse(&format!("http://{address}")).expect("a URL");
        let key = ApiKey::new(KEY.into());
        Self {
            runtime: Builder::new_current_thread()
                .enable_all()
                .build()
                .expect("a runtime"),
            answer,
            classic: Classic::new(Some(&url), key.clone(), 1888).expect("a client"),
            public: Public::new(Some(&url), key, GUID.into()).expect("a client"),
            uploads: [Generation::Classic, Generation::Public].map(|generation| {
                let key = ApiKey::new(KEY_LIKE_A_HASH.into());
                upload::Sofy::new(Some(&url), key, generation).expect("a client")
            }),
        }
    }
}

fn has_key(text: &str) -> bool {
    ApiKey::new(KEY.into()).is_in(text)
}

/// Every call of a generation, with what it understood.
async fn read_all<A: SofyApi>(api: &A) -> Vec<TestRun> {
    let mut errors: Vec<ApiError> = Vec::new();
    match api.trigger(&Order::default()).await {
        Ok(named) => assert!(named.iter().all(|id| is_group_id(id) && !has_key(id))),
        Err(error) => errors.push(error),
    }
    match api.abort("70001").await {
        Ok(said) => assert!(!has_key(&said) && said.chars().count() <= 2_001),
        Err(error) => errors.push(error),
    }
    match api.builds().await {
        Ok(builds) => {
            for build in builds {
                assert!(!has_key(&format!("{build:?}")));
            }
        }
        Err(error) => errors.push(error),
    }
    match api.group("70001").await {
        Ok(group) => assert!(!has_key(&group.verbatim)),
        Err(error) => errors.push(error),
    }
    let mut listed = Vec::new();
    match api.baseline().await {
        Ok(Baseline::Rows(rows)) => listed.extend(rows),
        Ok(Baseline::Groups(groups)) => {
            assert!(groups.list.iter().all(|group| !has_key(&group.id)))
        }
        Err(error) => errors.push(error),
    }
    match api.rows("70001").await {
        Ok(rows) => {
            assert!(!has_key(&rows.schedule_name));
            listed.extend(rows.list);
        }
        Err(error) => errors.push(error),
    }
    for error in errors {
        assert!(!has_key(&error.message), "{}", error.message);
        assert!(error.message.chars().count() < 1_000, "{}", error.message);
    }
    let mut attribution = Attribution::listed_by_group("70001".into());
    let attributed = attribution.attribute(&Group::parse("Complete"), listed);
    for run in &attributed.test_runs {
        for text in [&run.scenario, &run.device, run.scheduled_at.text()] {
            assert!(text.chars().count() <= 2_001 && !has_key(text), "{text}");
        }
    }
    attributed.test_runs
}

/// Both calls of an upload, and what is reported of what they understood.
async fn upload_once(sofy: &upload::Sofy) -> UploadReport {
    let has_key = |text: &str| ApiKey::new(KEY_LIKE_A_HASH.into()).is_in(text);
    let assert_said = |said: &str| {
        assert!(!has_key(said), "{said}");
        assert!(said.chars().count() < 1_000, "{said}");
    };
    let (sender, pieces) = mpsc::channel(1);
    sender
        .try_send(Ok(Bytes::from_static(b"PK")))
        .expect("room for a piece");
    drop(sender);
    let payload = Payload {
        name: "app.apk".into(),
        size: 2,
        pieces,
        sent: Sent::default(),
    };
    let mut report = match sofy.upload(&Details::default(), payload).await {
        Ok(Received::As { app_hash }) => {
            assert!(!app_hash.is_empty() && app_hash.len() <= 2_000);
            assert!(
                !app_hash.contains(|c: char| c.is_whitespace() || c.is_control()),
                "{app_hash:?}"
            );
            assert!(!has_key(&app_hash), "{app_hash}");
            UploadReport {
                app_hash,
                delivery: Some(Delivery::Uploaded),
                ..UploadReport::of(Verdict::new(Conclusion::Success, "app.apk was uploaded"))
            }
        }
        Ok(Received::Before { said }) => {
            assert_said(&said);
            UploadReport::of(Verdict::new(Conclusion::Error, said))
        }
        Err(error) => {
            assert_said(&error.message);
            UploadReport::of(Verdict::new(Conclusion::Error, error.message).advise(error.advice))
        }
    };
    match sofy.builds().await {
        Ok(builds) => {
            for build in &builds {
                assert!(!has_key(&format!("{build:?}")), "{build:?}");
                assert!(!build.app_hash.is_empty(), "{build:?}");
            }
            if let Some(build) = builds.first() {
                build.name().clone_into(&mut report.build);
            }
        }
        Err(error) => assert_said(&error.message),
    }
    let page = upload_report::summary(&report);
    assert!(!has_key(&page) && !page.contains("##["), "{page}");
    if let Some(annotation) = upload_report::annotation(&report) {
        let line = command::message(Level::Error, &annotation.title, &annotation.text);
        assert!(!has_key(&line), "{line}");
        assert!(
            !line.contains(['\r', '\n']) && !line.contains("##["),
            "{line}"
        );
    }
    assert_written(&upload_report::outputs(&report));
    report
}

/// What every reader may rely on, whatever the report holds.
fn assert_readable(report: &Report) {
    for annotation in annotations(report) {
        let level = match annotation.severity {
            Severity::Error => Level::Error,
            Severity::Warning => Level::Warning,
        };
        let line = command::message(level, &annotation.title, &annotation.text);
        assert!(
            line.starts_with("::error") || line.starts_with("::warning"),
            "{line}"
        );
        assert!(
            !line.contains(['\r', '\n']) && !line.contains("##["),
            "{line}"
        );
        assert!(!has_key(&line), "{line}");
    }
    let count = report.test_runs.len();

    let pairs = outputs::pairs(report);
    for (name, value) in &pairs {
        assert!(!has_key(value), "{name}: {value}");
    }
    assert_written(&pairs);
    let value = |wanted: &str| {
        &pairs
            .iter()
            .find(|(name, _)| *name == wanted)
            .expect("listed")
            .1
    };
    let results = value("results-json");
    assert!(
        results.len() <= 98_304 && !results.contains('\n'),
        "{results}"
    );
    let shown: Vec<Value> = serde_json::from_str(results).expect("JSON");
    assert_eq!(shown.len() == count, value("results-truncated") == "false");
    let counts = [
        "passed",
        "failed",
        "incomplete",
        "not-executed",
        "stopped",
        "other",
    ];
    let sum = counts.map(|name| {
        value(&format!("{name}-count"))
            .parse::<usize>()
            .expect("a number")
    });
    assert_eq!(sum.iter().sum::<usize>(), count);

    let json: Value = serde_json::from_str(&outputs::json(report)).expect("JSON");
    assert_eq!(json["results"].as_array().map(Vec::len), Some(count));
    assert_eq!(json["total_count"], count);

    let xml = junit::render(report).expect("XML");
    assert!(!has_key(&xml) && !xml.contains("##["), "{xml}");
    let read = quick_junit::Report::deserialize_from_str(&xml).expect("XML");
    let cases = read
        .test_suites
        .iter()
        .map(|suite| suite.test_cases.len())
        .sum::<usize>();
    assert!(
        cases == count || cases == count + 1,
        "{cases} of {count}: {xml}"
    );

    let page = summary::render(report);
    assert!(!has_key(&page) && page.len() <= 1_048_576, "{page}");
    assert!(!page.contains("##[") && !page.contains('\r'), "{page}");
}

/// The pairs come back from the runner's file as they were, and nothing else does.
fn assert_written(pairs: &[(&str, String)]) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("output");
    let env = [("GITHUB_OUTPUT".to_owned(), path.display().to_string())];
    Runner::open(&env).set_outputs(pairs);
    let written = fs::read_to_string(&path).expect("outputs");
    let mut rest = written.as_str();
    for (name, value) in pairs {
        let (head, after) = rest.split_once('\n').expect("a head");
        let (read, delimiter) = head.split_once("<<").expect("a delimiter");
        let end = format!("\n{delimiter}\n");
        let (value_read, after) = after.split_once(&end).expect("an end");
        assert_eq!((read, value_read), (*name, value.as_str()));
        rest = after;
    }
    assert_eq!(rest, "");
}

fn report_of(test_runs: Vec<TestRun>, group: &str, ending: Ending) -> Report {
    let seen = Observation {
        snapshot: Some(crate::test_run::Snapshot {
            schedule_name: String::new(),
            group: Group::parse(group),
            test_runs: test_runs.clone(),
            ambiguous: None,
            late: Vec::new(),
        }),
        lost: Vec::new(),
        retried: Vec::new(),
        provenance: None,
        origin: Origin::Named,
        ending,
    };
    let policy = Policy::default();
    let report = Report {
        test_runs,
        ..Report::of(judge(&seen, &policy))
    };
    assert!(
        !report.verdict.conclusion.is_green()
            || report
                .test_runs
                .iter()
                .any(|run| run.status.to_string() == "Passed"),
        "green without a pass"
    );
    report
}

/// A case here is slow beside that of a parser; `PROPTEST_CASES` counts all the same.
fn config() -> ProptestConfig {
    let default = ProptestConfig::default();
    ProptestConfig {
        cases: default.cases.div_ceil(4),
        ..default
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn whatever_sofy_answers_is_read_within_bounds_and_reported_whole(
        status in select(vec![200_u16, 200, 200, 200, 400, 401, 500, 502]),
        body in body(run_answer()),
    ) {
        SOFY.with(|sofy| {
            *sofy.answer.lock().expect("no panic") = (status, body);
            let ours = sofy.runtime.block_on(async {
                [read_all(&sofy.classic).await, read_all(&sofy.public).await]
            });
            for test_runs in ours {
                assert_readable(&report_of(test_runs, "Complete", Ending::Settled));
            }
        });
    }

    #[test]
    fn whatever_an_upload_is_answered_a_success_has_a_hash_and_nothing_has_the_key(
        status in select(vec![200_u16, 200, 200, 200, 302, 400, 401, 409, 413, 500, 503]),
        body in body(upload_answer()),
    ) {
        SOFY.with(|sofy| {
            *sofy.answer.lock().expect("no panic") = (status, body);
            for uploads in &sofy.uploads {
                sofy.runtime.block_on(upload_once(uploads));
            }
        });
    }

    #[test]
    fn whatever_a_report_holds_its_readers_get_it_whole(
        texts in prop::collection::vec(text(), 8),
        rows in prop::collection::vec((text(), text(), text(), text()), 0..12),
    ) {
        let redact = |text: &String| ApiKey::new(KEY.into()).redact(text.clone());
        let texts: Vec<String> = texts.iter().map(redact).collect();
        let test_runs = rows
            .iter()
            .map(|(scenario, device, status, time)| {
                crate::fixtures::at(&redact(time), &redact(scenario), &redact(device), &redact(status))
            })
            .collect();
        let mut report = report_of(test_runs, &texts[0], Ending::Settled);
        report.schedule_name.clone_from(&texts[1]);
        report.group_status.clone_from(&texts[2]);
        report.abort.clone_from(&texts[3]);
        report.app_hash.clone_from(&texts[4]);
        report.verdict.reason.clone_from(&texts[5]);
        report.verdict.advice.clone_from(&texts[6]);
        report.verdict.warnings = vec![texts[7].clone()];

        assert_readable(&report);
    }

    #[test]
    fn whatever_the_inputs_say_no_problem_repeats_the_key(
        values in prop::collection::vec((select(&INPUTS[..]), prop_oneof![text(), value()]), 0..12),
    ) {
        let mut env: Vec<(String, String)> = vec![
            ("INPUT_API-KEY".to_owned(), KEY.to_owned()),
            ("INPUT_SCHEDULE-ID".to_owned(), GUID.to_owned()),
        ];
        env.extend(values.into_iter().map(|(name, value)| (format!("INPUT_{name}"), value)));

        match inputs::parse(&env) {
            Ok(inputs) => {
                prop_assert!((1..=600).contains(&inputs.poll_interval.as_secs()));
                prop_assert!(!inputs.timeout.is_zero());
                let shown = format!("{inputs:?}");
                prop_assert!(!shown.contains(KEY));
            }
            Err(problems) => {
                prop_assert!(!problems.is_empty());
                prop_assert!(problems.iter().all(|problem| !has_key(problem)), "{problems:?}");
            }
        }
    }

    #[test]
    fn results_after_is_read_as_it_was_written_or_not_at_all(
        text in prop_oneof![text(), "(none|unknown|20[0-9]{2}-0[1-9]-1[0-9]T[0-9:.]{0,12})(;attempt=[0-9]{0,12})?"],
    ) {
        if let Some(read) = ResultsAfter::parse(&text) {
            prop_assert_eq!(ResultsAfter::parse(&read.to_string()), Some(read));
        }
    }

    #[test]
    fn a_state_is_read_as_it_was_written(schedule in schedule(), group in "[a-zA-Z0-9_-]{1,72}") {
        prop_assume!(is_group_id(&group));
        let schedule = ScheduleId::parse(&schedule);
        prop_assume!(schedule.is_some());

        let written = schedule.map(|schedule| State::unfinished(schedule, group));

        prop_assert_eq!(written.as_ref().and_then(|state| State::parse(&state.to_string())), written);
    }

    #[test]
    fn a_text_that_no_step_saves_is_no_state(
        text in prop_oneof![
            1 => text(),
            1 => (schedule(), text()).prop_map(|(schedule, group)| format!("1 {schedule} {group}")),
            2 => (schedule(), "[a-z0-9_/-]{1,74}").prop_map(|(schedule, group)| format!("1 {schedule} {group}")),
            1 => "[12 ]{1,2} ?[0-9]{0,20} {0,2}[0-9]{0,5}[ \n]?",
        ],
    ) {
        if let Some(read) = State::parse(&text) {
            prop_assert_eq!(read.to_string(), text.as_str());
            let group = text.rsplit(' ').next().unwrap_or_default();
            prop_assert!(is_group_id(group), "{text:?}");
        }
    }
}

thread_local! {
    static SOFY: Sofy = Sofy::start();
}

/// A schedule as people write it, right and nearly so.
fn schedule() -> impl Strategy<Value = String> {
    prop_oneof![
        "0{0,2}[1-9][0-9]{0,20}",
        "[{]?3f2504e0-4f89-41d3-9a0c-0305E82C330[0-9a-f][}]?",
    ]
}

#[test]
fn both_generations_take_a_hash_from_the_fuzzed_sofy() {
    SOFY.with(|sofy| {
        let body = br#"{"data":{"appHash":"4dde0684"},"message":"OK"}"#;
        *sofy.answer.lock().expect("no panic") = (200, body.to_vec());
        for uploads in &sofy.uploads {
            let report = sofy.runtime.block_on(upload_once(uploads));

            assert_eq!(report.app_hash, "4dde0684");
        }
    });
}

const INPUTS: [&str; 14] = [
    "SCHEDULE-ID",
    "APP-HASH",
    "REQUIRE-APP-HASH",
    "DEVICE-SERIALS",
    "TEST-RUN-GROUP-ID",
    "RESULTS-AFTER",
    "WAIT",
    "TIMEOUT",
    "POLL-INTERVAL",
    "FAIL-ON",
    "ABORT-UNFINISHED",
    "JUNIT-PATH",
    "JSON-PATH",
    "API-URL",
];

/// Values as people write them, right and nearly so.
fn value() -> impl Strategy<Value = String> {
    select(vec![
        "true",
        "False",
        "1888",
        "00123",
        "1h30m",
        "90",
        "1s",
        "-5s",
        "99999999999h",
        "failed",
        "failed, stopped",
        ",",
        "../x",
        "/etc/passwd",
        "reports/x.xml",
        "https://sofy.example/a",
        "http://sofy.example",
        "http://127.0.0.1:80",
        "none",
        "70001",
    ])
    .prop_map(str::to_owned)
}
