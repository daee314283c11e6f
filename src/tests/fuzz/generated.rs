//! What may come in? Drawn by proptest.

use proptest::prelude::*;
use proptest::sample::select;
use serde_json::Value;

use super::properties::{self, Answer};

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

/// A case here is slow compared with a parser's: an eighth of `PROPTEST_CASES` is played, or `unset` if it is not set.
/// CI plays 64.
fn config(unset: u32) -> ProptestConfig {
    let default = ProptestConfig::default();
    ProptestConfig {
        cases: match std::env::var_os("PROPTEST_CASES") {
            Some(_) => default.cases.div_ceil(8),
            None => unset,
        },
        ..default
    }
}

proptest! {
    // 150 ms each without optimisation.
    #![proptest_config(config(12))]

    #[test]
    fn whatever_sofy_answers_is_read_within_bounds_and_reported_whole(
        status in select(vec![200_u16, 200, 200, 200, 400, 401, 500, 502]),
        body in body(run_answer()),
    ) {
        properties::answers(&Answer::new(status, body));
    }
}

proptest! {
    #![proptest_config(config(32))]

    #[test]
    fn whatever_an_upload_is_answered_a_success_has_a_hash_and_nothing_has_the_key(
        status in select(vec![200_u16, 200, 200, 200, 302, 400, 401, 409, 413, 500, 503]),
        body in body(upload_answer()),
    ) {
        properties::uploads(&Answer::new(status, body));
    }

    #[test]
    fn whatever_a_report_holds_its_readers_get_it_whole(
        texts in prop::collection::vec(text(), 9),
        rows in prop::collection::vec(prop::collection::vec(text(), 4), 0..12),
    ) {
        let texts = texts.try_into().expect("nine");
        let rows: Vec<[String; 4]> = rows.into_iter().map(|row| row.try_into().expect("four")).collect();

        properties::report(&texts, &rows);
    }

    #[test]
    fn whatever_the_inputs_say_no_problem_repeats_the_key(
        values in prop::collection::vec((select(&INPUTS[..]), prop_oneof![text(), value()]), 0..12),
    ) {
        properties::inputs(values.iter().map(|(name, value)| (*name, value.as_str())));
    }

    #[test]
    fn results_after_is_read_as_it_was_written_or_not_at_all(
        text in prop_oneof![text(), "(none|unknown|20[0-9]{2}-0[1-9]-1[0-9]T[0-9:.]{0,12})(;attempt=[0-9]{0,12})?"],
    ) {
        properties::results_after(&text);
    }

    #[test]
    fn a_state_is_read_as_it_was_written(schedule in schedule(), group in "[a-zA-Z0-9_-]{1,72}") {
        properties::saved_state(&schedule, &group);
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
        properties::state(&text);
    }
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
    let body = br#"{"data":{"appHash":"4dde0684"},"message":"OK"}"#;

    for report in properties::uploads(&Answer::new(200, body.to_vec())) {
        assert_eq!(report.app_hash, "4dde0684");
    }
}

const INPUTS: [&str; 20] = [
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
    "APP-PATH",
    "APPLICATION-GUID",
    "CERTIFICATE-NAME",
    "BUILD-NAME",
    "API",
    "NO-INPUT-OF-OURS",
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
