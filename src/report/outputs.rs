//! What do later steps read? The outputs of the contract, and the file of `json-path`.
//!
//! Must not know the runner's files, nor how an output gets into them.

use serde::ser::SerializeMap as _;
use serde::{Serialize, Serializer};

use crate::model::report::Report;
use crate::model::test_run::{TestRun, TestStatus};
use crate::model::verdict::Outcome;
use crate::text::is_invisible;

/// The most bytes that `results-json` takes.
///
/// People hand it on as an environment variable, and Linux refuses one above 128 KiB, name included.
/// Whoever needs more reads the file of `json-path`.
const RESULTS_LIMIT: usize = 98_304;

/// The most characters of the reason: a person reads it, and Sofy's words may be in it.
const REASON_LIMIT: usize = 4_000;

/// Lists every output of the contract, in its order, as text.
pub(crate) fn pairs(report: &Report) -> Vec<(&'static str, String)> {
    fields(report)
        .into_iter()
        .map(|(name, value)| match value {
            Value::Count(n) => (name, n.to_string()),
            Value::Text(text) => (name, text),
        })
        .collect()
}

/// Renders the file of `json-path`: every output, and the results complete.
pub(crate) fn json(report: &Report) -> String {
    serialized(&Document(report))
}

/// The value of an output before it becomes text.
enum Value {
    Count(usize),
    Text(String),
}

/// The object in the file of `json-path`.
struct Document<'a>(&'a Report);

impl Serialize for Document<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for (name, value) in fields(self.0) {
            let name = name.replace('-', "_");
            match value {
                Value::Count(n) => map.serialize_entry(&name, &n)?,
                Value::Text(text) => map.serialize_entry(&name, &text)?,
            }
        }
        map.serialize_entry("results", &Rows(self.0))?;
        map.end()
    }
}

/// All test runs as a JSON array, one row at a time.
struct Rows<'a>(&'a Report);

impl Serialize for Rows<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.test_runs.iter().map(|run| {
            Row {
                previous_status: match self.0.outcome(run) {
                    Outcome::Failing | Outcome::Tolerated => self.0.previous.status(run),
                    Outcome::Unfinished | Outcome::Passed => None,
                }
                .map(ToString::to_string),
                ..Row::of(run)
            }
        }))
    }
}

/// One test run as the contract shows it.
#[derive(Serialize)]
struct Row<'a> {
    scenario: &'a str,
    device: &'a str,
    build: &'a str,
    #[serde(serialize_with = "as_displayed")]
    status: &'a TestStatus,
    scheduled_at: &'a str,
    /// How the same scenario fared on the same device in the schedule's previous run.
    #[serde(skip_serializing_if = "Option::is_none")]
    previous_status: Option<String>,
}

impl<'a> Row<'a> {
    fn of(run: &'a TestRun) -> Self {
        Self {
            scenario: &run.scenario,
            device: &run.device,
            build: &run.build,
            status: &run.status,
            scheduled_at: run.scheduled_at.text(),
            previous_status: None,
        }
    }
}

fn as_displayed<S: Serializer>(status: &TestStatus, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(status)
}

/// The one list of outputs, so that the outputs and the file cannot drift apart.
fn fields(report: &Report) -> Vec<(&'static str, Value)> {
    let tally = report.tally();
    let text = |text: &str| Value::Text(text.to_owned());
    let (results, truncated) = bounded_results(&report.test_runs);
    vec![
        ("test-run-group-id", text(&report.group_id)),
        ("conclusion", text(report.verdict.conclusion.as_str())),
        ("reason", Value::Text(one_line(&report.verdict.reason))),
        ("group-status", text(&report.group_status)),
        ("total-count", Value::Count(tally.total())),
        ("passed-count", Value::Count(tally.passed)),
        ("failed-count", Value::Count(tally.failed)),
        ("incomplete-count", Value::Count(tally.incomplete)),
        ("not-executed-count", Value::Count(tally.not_executed)),
        ("stopped-count", Value::Count(tally.stopped)),
        ("other-count", Value::Count(tally.other)),
        ("results-after", text(&report.results_after)),
        ("build-verified", text(build_verified(report))),
        (
            "duration-seconds",
            Value::Text(report.duration.as_secs().to_string()),
        ),
        ("results-json", Value::Text(results)),
        ("results-truncated", Value::Text(truncated.to_string())),
    ]
}

/// Blank where no hash was asked for.
fn build_verified(report: &Report) -> &'static str {
    if report.app_hash.is_empty() {
        return "";
    }
    match &report.build_check {
        Some(build_check) if build_check.is_verified() => "true",
        Some(_) | None => "false",
    }
}

/// Renders as many test runs as fit, in their order, and tells whether some were dropped.
fn bounded_results(test_runs: &[TestRun]) -> (String, bool) {
    let rows: Vec<String> = test_runs
        .iter()
        .map(|run| serialized(&Row::of(run)))
        .collect();
    let passed = |i: &usize| {
        test_runs
            .get(*i)
            .is_some_and(|run| run.status == TestStatus::Passed)
    };
    let by_worth = (0..rows.len())
        .filter(|i| !passed(i))
        .chain((0..rows.len()).filter(passed));

    // The brackets; every row then brings its comma, and the first row's is not written.
    let mut size = 1;
    let mut kept = vec![false; rows.len()];
    let mut truncated = false;
    for i in by_worth {
        size += rows[i].len() + 1;
        if size > RESULTS_LIMIT {
            truncated = true;
            break;
        }
        kept[i] = true;
    }

    let mut json = String::with_capacity(size.min(RESULTS_LIMIT) + 1);
    json.push('[');
    for (row, _) in rows.iter().zip(kept).filter(|(_, kept)| *kept) {
        if json.len() > 1 {
            json.push(',');
        }
        json.push_str(row);
    }
    json.push(']');
    (json, truncated)
}

/// Serializes what has nothing in it that could fail: strings, numbers, and string keys.
fn serialized(value: &impl Serialize) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

/// Folds line breaks and other control characters away, since Sofy's words may be in the text.
pub(super) fn one_line(text: &str) -> String {
    text.chars()
        .take(REASON_LIMIT)
        .map(|c| if is_invisible(c) { ' ' } else { c })
        .collect()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;
    use crate::model::verdict::{Conclusion, Verdict};
    use crate::tests::fixtures::test_run;

    fn run(scenario: &str, status: &str) -> TestRun {
        test_run(scenario, "Pixel 8", status)
    }

    fn report(test_runs: Vec<TestRun>) -> Report {
        Report {
            group_id: "77".into(),
            group_status: "Complete with errors".into(),
            results_after: "2024-04-30T10:00:00".into(),
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
            (
                "results-json",
                r#"[{"scenario":"Log in","device":"Pixel 8","build":"1.0(1)","status":"Failed","scheduled_at":"2024-05-01T10:00:00"},{"scenario":"Log out","device":"Pixel 8","build":"1.0(1)","status":"Passed","scheduled_at":"2024-05-01T10:00:00"},{"scenario":"Pay","device":"Pixel 8","build":"1.0(1)","status":"Weird","scheduled_at":"2024-05-01T10:00:00"}]"#,
            ),
            ("results-truncated", "false"),
        ]
        .map(|(name, text)| (name, text.to_owned()));

        assert_eq!(pairs(&report), expected);
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
            let rows: Vec<serde_json::Value> = serde_json::from_str(&json).unwrap();
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
            let whole: serde_json::Value = serde_json::from_str(&super::json(&report)).unwrap();
            assert_eq!(
                whole["results"].as_array().unwrap().len(),
                20_010,
                "{why}: the file is complete"
            );
        }
    }

    #[test]
    fn the_limit_is_met_to_the_byte() {
        let bare = serialized(&Row::of(&run("", "Failed"))).len() + 2;
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

            let whole: serde_json::Value = serde_json::from_str(&json(&report)).unwrap();
            let results = output(&report, "results-json");
            let rows: serde_json::Value = serde_json::from_str(&results).unwrap();

            prop_assert!(!results.contains(['\n', '\r']));
            prop_assert_eq!(&rows, &whole["results"]);
            prop_assert_eq!(rows[0]["scenario"].as_str(), Some(scenario.as_str()));
            let status = TestStatus::parse(&status).to_string();
            prop_assert_eq!(rows[0]["status"].as_str(), Some(status.as_str()));
            prop_assert_eq!(whole.as_object().unwrap().len(), pairs.len() + 1);
            for (name, text) in pairs {
                let value = &whole[name.replace('-', "_")];
                if name.ends_with("-count") {
                    prop_assert_eq!(value.as_u64(), text.parse().ok());
                } else {
                    prop_assert_eq!(value.as_str(), Some(text.as_str()));
                }
            }
        }
    }
}
