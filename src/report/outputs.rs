//! What do later steps read? The outputs of the contract, and the file of `json-path`.
//!
//! Must not know the runner's files, nor how an output gets into them.

use std::io::{self, Write};

use serde_json::{Value, json};

use crate::model::report::{BuildCheck, Report};
use crate::model::test_run::{Tally, TestRun, TestStatus};
use crate::text::is_invisible;

/// The most bytes that `results-json` takes.
///
/// People use it as an environment variable, and Linux refuses one above 128 KiB, name included. The file of
/// `json-path` has no limit.
const RESULTS_LIMIT: usize = 98_304;

/// The most characters of the reason: a person reads it, and it may quote Sofy.
const REASON_LIMIT: usize = 4_000;

/// Lists every output of the contract as text, the ones that grow with the run last.
pub(crate) fn pairs(report: &Report) -> Vec<(&'static str, String)> {
    let (results, is_truncated) = bounded_results(&report.test_runs);
    let as_text = |(name, value)| match value {
        Value::String(text) => (name, text),
        Value::Null => (name, String::new()),
        value => (name, value.to_string()),
    };
    let mut pairs = fields(report).map(as_text).to_vec();
    pairs.push(("results-truncated", is_truncated.to_string()));
    pairs.push(("results-json", results));
    pairs
}

/// Writes the file of `json-path`: every output with its type, and the results complete.
pub(crate) fn write_json(report: &Report, out: &mut dyn Write) -> io::Result<()> {
    let field = |(name, value): (&str, Value)| format!("\"{}\":{value}", name.replace('-', "_"));
    let fields = fields(report).map(field).join(",");
    write!(out, "{{{fields},\"results\":[")?;
    for (n, run) in report.test_runs.iter().enumerate() {
        let comma = if n > 0 { "," } else { "" };
        write!(out, "{comma}{}", object(run, report.previous.status(run)))?;
    }
    write!(out, "]}}")
}

/// Writes one test run as the contract shows it, with how it ended in the schedule's previous run.
fn object(run: &TestRun, previous: Option<&TestStatus>) -> String {
    let mut fields = vec![
        ("scenario", run.scenario.clone()),
        ("device", run.device.clone()),
        ("build", run.build.clone()),
        ("status", run.status.to_string()),
        ("scheduled_at", run.scheduled_at.to_string()),
    ];
    fields.extend(previous.map(|status| ("previous_status", status.to_string())));
    let fields = fields.iter();
    let fields = fields.map(|(name, text)| format!("\"{name}\":{}", json!(text)));
    format!("{{{}}}", fields.collect::<Vec<_>>().join(","))
}

/// The one list that outputs and file share, so that they cannot drift apart.
fn fields(report: &Report) -> [(&'static str, Value); 14] {
    let tally = Tally::of(&report.test_runs);
    let [passed, failed, incomplete, not_executed, stopped, other] = tally.columns();
    let text = |text: &Option<String>| json!(text.as_deref().unwrap_or_default());
    let is_verified = matches!(report.build_check, Some(BuildCheck::Verified { .. }));
    // None if no hash was asked for.
    let build_verified = report.app_hash.as_ref().map(|_| is_verified);
    [
        ("test-run-group-id", text(&report.group_id)),
        ("conclusion", json!(report.verdict.conclusion.as_str())),
        ("reason", json!(one_line(&report.verdict.reason))),
        ("group-status", text(&report.group_status)),
        ("total-count", json!(tally.total())),
        ("passed-count", json!(passed)),
        ("failed-count", json!(failed)),
        ("incomplete-count", json!(incomplete)),
        ("not-executed-count", json!(not_executed)),
        ("stopped-count", json!(stopped)),
        ("other-count", json!(other)),
        ("results-after", text(&report.results_after)),
        ("build-verified", json!(build_verified)),
        ("duration-seconds", json!(report.duration.as_secs())),
    ]
}

/// Renders as many test runs as fit, in their order, and tells whether some were dropped: passed ones first.
fn bounded_results(test_runs: &[TestRun]) -> (String, bool) {
    let mut by_worth: Vec<(usize, &TestRun)> = test_runs.iter().enumerate().collect();
    by_worth.sort_by_key(|(_, run)| run.status == TestStatus::Passed);
    let mut kept = Vec::new();
    // One bracket; each row brings a comma, or the other bracket.
    let mut length = 1;
    for (place, run) in by_worth {
        let row = object(run, None);
        length += row.len() + 1;
        if length > RESULTS_LIMIT {
            break;
        }
        kept.push((place, row));
    }
    kept.sort_unstable();
    let is_truncated = kept.len() < test_runs.len();
    let rows: Vec<String> = kept.into_iter().map(|(_, row)| row).collect();
    (format!("[{}]", rows.join(",")), is_truncated)
}

/// Removes line breaks and other control characters, since the text may quote Sofy.
pub(super) fn one_line(text: &str) -> String {
    let beginning: String = text.chars().take(REASON_LIMIT).collect();
    beginning.replace(is_invisible, " ")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;
    use crate::model::previous::PreviousRun;
    use crate::model::verdict::{Conclusion, Verdict};
    use crate::tests::fixtures::test_run;

    fn run(scenario: &str, status: &str) -> TestRun {
        test_run(scenario, "Pixel 8", status)
    }

    fn report(test_runs: Vec<TestRun>) -> Report {
        Report {
            group_id: Some("77".into()),
            group_status: Some("Complete with errors".into()),
            results_after: Some("2024-04-30T10:00:00".into()),
            duration: Duration::from_millis(61_900),
            test_runs,
            ..Report::of(Verdict::new(Conclusion::Failure, "1 of 2\nfailed"))
        }
    }

    fn output(report: &Report, name: &str) -> String {
        pairs(report)
            .into_iter()
            .find(|(n, _)| *n == name)
            .unwrap()
            .1
    }

    #[test]
    fn every_output_has_its_exact_text_in_the_order_of_the_contract() {
        let report = report(vec![
            run("Log in", "Failed"),
            run("Log out", "passed"),
            run("Pay", "Weird"),
        ]);

        let expected = [
            ("test-run-group-id", "77"),
            ("conclusion", "failure"),
            ("reason", "1 of 2 failed"),
            ("group-status", "Complete with errors"),
            ("total-count", "3"),
            ("passed-count", "1"),
            ("failed-count", "1"),
            ("incomplete-count", "0"),
            ("not-executed-count", "0"),
            ("stopped-count", "0"),
            ("other-count", "1"),
            ("results-after", "2024-04-30T10:00:00"),
            ("build-verified", ""),
            ("duration-seconds", "61"),
            ("results-truncated", "false"),
            (
                "results-json",
                r#"[{"scenario":"Log in","device":"Pixel 8","build":"1.0(1)","status":"Failed","scheduled_at":"2024-05-01T10:00:00"},{"scenario":"Log out","device":"Pixel 8","build":"1.0(1)","status":"Passed","scheduled_at":"2024-05-01T10:00:00"},{"scenario":"Pay","device":"Pixel 8","build":"1.0(1)","status":"Weird","scheduled_at":"2024-05-01T10:00:00"}]"#,
            ),
        ]
        .map(|(name, text)| (name, text.to_owned()));

        assert_eq!(pairs(&report), expected);
    }

    fn file(report: &Report) -> Value {
        let mut file = Vec::new();
        write_json(report, &mut file).unwrap();
        serde_json::from_slice(&file).unwrap()
    }

    #[test]
    fn in_the_file_each_value_has_its_type_and_the_results_are_there_once() {
        let mut report = report(vec![run("Log in", "Failed"), run("Pay", "Stopped")]);
        report.previous = PreviousRun::of(&[run("Log in", "Passed")]);

        let expected = |build_verified: Value| {
            json!({
                "test_run_group_id": "77",
                "conclusion": "failure",
                "reason": "1 of 2 failed",
                "group_status": "Complete with errors",
                "total_count": 2,
                "passed_count": 0,
                "failed_count": 1,
                "incomplete_count": 0,
                "not_executed_count": 0,
                "stopped_count": 1,
                "other_count": 0,
                "results_after": "2024-04-30T10:00:00",
                "build_verified": build_verified,
                "duration_seconds": 61,
                "results": [
                    {"scenario": "Log in", "device": "Pixel 8", "build": "1.0(1)", "status": "Failed",
                     "scheduled_at": "2024-05-01T10:00:00", "previous_status": "Passed"},
                    {"scenario": "Pay", "device": "Pixel 8", "build": "1.0(1)", "status": "Stopped",
                     "scheduled_at": "2024-05-01T10:00:00"},
                ],
            })
        };
        assert_eq!(
            file(&report),
            expected(Value::Null),
            "no hash was asked for"
        );
        report.app_hash = Some("4dde068421cc".into());
        assert_eq!(file(&report), expected(json!(false)), "nothing is proven");
        report.build_check = Some(BuildCheck::Verified {
            build: "1.0(1)".into(),
        });
        assert_eq!(file(&report), expected(json!(true)), "proven");
    }

    #[test]
    fn passed_test_runs_are_dropped_first_then_the_others_from_the_end() {
        for (passed, failed, why) in [
            (20_000, 10, "only passed ones go"),
            (10, 20_000, "the passed ones go, and some more"),
        ] {
            let mut test_runs: Vec<_> = (0..passed)
                .map(|i| run(&format!("p{i}"), "Passed"))
                .collect();
            test_runs.extend((0..failed).map(|i| run(&format!("f{i}"), "Failed")));
            let report = report(test_runs);

            let json = output(&report, "results-json");
            let rows: Vec<Value> = serde_json::from_str(&json).unwrap();
            let kept = |letter| {
                rows.iter()
                    .filter(|row| row["scenario"].as_str().unwrap().starts_with(letter))
                    .count()
            };

            assert!(
                json.len() <= RESULTS_LIMIT && json.len() > RESULTS_LIMIT - 200,
                "{why}"
            );
            assert_eq!(output(&report, "results-truncated"), "true", "{why}");
            if failed == 10 {
                assert_eq!(kept('f'), 10, "{why}");
                assert_eq!(rows[0]["scenario"], "p0", "{why}: the order stays");
            } else {
                assert_eq!(kept('p'), 0, "{why}");
                assert_eq!(rows[0]["scenario"], "f0", "{why}: the first stay");
            }
            let whole = file(&report);
            assert_eq!(
                whole["results"].as_array().unwrap().len(),
                20_010,
                "{why}: the file is complete"
            );
        }
    }

    #[test]
    fn the_limit_is_met_to_the_byte() {
        let bare = object(&run("", "Failed"), None).len() + 2;
        for (length, truncated, why) in [
            (RESULTS_LIMIT - bare, "false", "exactly the limit"),
            (RESULTS_LIMIT - bare + 1, "true", "one byte more"),
        ] {
            let report = report(vec![run(&"x".repeat(length), "Failed")]);

            assert_eq!(output(&report, "results-truncated"), truncated, "{why}");
            assert!(
                output(&report, "results-json").len() <= RESULTS_LIMIT,
                "{why}"
            );
        }
    }

    #[test]
    fn nothing_known_is_an_empty_array() {
        let report = Report::of(Verdict::new(Conclusion::Error, "bad input"));

        assert_eq!(output(&report, "results-json"), "[]");
        assert_eq!(output(&report, "results-truncated"), "false");
    }

    proptest! {
        #[test]
        fn the_json_round_trips_and_stays_on_one_line(scenario in any::<String>(), status in any::<String>()) {
            let report = report(vec![run(&scenario, &status)]);
            let pairs = pairs(&report);

            let whole = file(&report);
            let results = output(&report, "results-json");
            let rows: Value = serde_json::from_str(&results).unwrap();

            prop_assert!(!results.contains(['\n', '\r']));
            prop_assert_eq!(&rows, &whole["results"]);
            prop_assert_eq!(rows[0]["scenario"].as_str(), Some(scenario.as_str()));
            let status = TestStatus::parse(&status).to_string();
            prop_assert_eq!(rows[0]["status"].as_str(), Some(status.as_str()));
            // Without the two that carry the results, with the results.
            prop_assert_eq!(whole.as_object().unwrap().len(), pairs.len() - 2 + 1);
            for (name, text) in pairs.into_iter().filter(|(name, _)| !name.starts_with("results-")) {
                match &whole[name.replace('-', "_")] {
                    Value::String(value) => prop_assert_eq!(value, &text),
                    Value::Null => prop_assert_eq!((name, text.as_str()), ("build-verified", "")),
                    value => prop_assert_eq!(value.to_string(), text),
                }
            }
        }
    }
}
