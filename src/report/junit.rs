//! What do readers of JUnit XML see? One suite a device.
//!
//! Must not know where the file goes, nor decide what is red: it never shows green for a red gate.

use std::collections::BTreeMap;
use std::time::Duration;

use quick_junit::{NonSuccessKind, SerializeError, TestCase, TestCaseStatus, TestSuite};

use crate::model::report::Report;
use crate::model::test_run::{TestRun, TestStatus};
use crate::model::verdict::Outcome;
use crate::text::without_stacks;

/// The name of the whole, and of the suite that carries a red verdict no test case shows.
const OURS: &str = "Sofy Schedule Run";

/// Renders the report as JUnit XML.
///
/// Sofy does not say how long a test run took. Readers take a missing time for a broken one, so each
/// device gets the time that its suite was watched.
pub(crate) fn render(report: &Report) -> Result<String, SerializeError> {
    let mut xml = quick_junit::Report::new(OURS);
    xml.set_time(report.duration);

    let mut by_device: BTreeMap<&str, TestSuite> = BTreeMap::new();
    for run in &report.test_runs {
        by_device
            .entry(run.device.as_str())
            .or_insert_with(|| suite(&named(&run.device, "Unknown device"), report))
            .add_test_case(test_case(run, report));
    }
    xml.add_test_suites(by_device.into_values());

    let shows_red = report
        .test_runs
        .iter()
        .any(|run| matches!(report.outcome(run), Outcome::Failing | Outcome::Unfinished));
    if !report.verdict.conclusion.is_green() && !shows_red {
        xml.add_test_suite(verdict_suite(report));
    }
    let text = xml.to_string()?;
    // The library says on the whole how many were skipped, which the common schema has on suites only.
    let skipped = report
        .test_runs
        .iter()
        .filter(|run| report.outcome(run) == Outcome::Tolerated)
        .count();
    Ok(text.replacen(&format!(" skipped=\"{skipped}\""), "", 1))
}

fn suite(name: &str, report: &Report) -> TestSuite {
    let mut suite = TestSuite::new(name);
    suite.set_time(report.duration);
    suite
}

fn test_case(run: &TestRun, report: &Report) -> TestCase {
    let spelled = legal(&run.status.to_string());
    let status = match report.outcome(run) {
        Outcome::Passed => TestCaseStatus::success(),
        Outcome::Tolerated => {
            let mut status = TestCaseStatus::skipped();
            status.set_message(format!(
                "Sofy reports the status \"{spelled}\"; tolerated, since the input fail-on does not \
                 list it"
            ));
            status
        }
        Outcome::Failing if run.status == TestStatus::Failed => {
            not_passed(NonSuccessKind::Failure, &spelled)
        }
        Outcome::Failing | Outcome::Unfinished => not_passed(NonSuccessKind::Error, &spelled),
    };
    let mut case = TestCase::new(named(&run.scenario, "Unnamed scenario"), status);
    case.set_classname(class(&named(
        &run.device,
        &named(&report.schedule_name, OURS),
    )));
    case
}

/// Readers show what is behind the last dot of a class name, and a device is no class.
fn class(device: &str) -> String {
    device.replace('.', "\u{2024}")
}

fn not_passed(kind: NonSuccessKind, spelled: &str) -> TestCaseStatus {
    let mut status = TestCaseStatus::non_success(kind);
    status
        .set_type(spelled)
        .set_message(format!("Sofy reports the status \"{spelled}\""));
    status
}

/// Carries a verdict that is red for a reason other than a test run's status.
fn verdict_suite(report: &Report) -> TestSuite {
    let verdict = &report.verdict;
    let mut status = TestCaseStatus::non_success(NonSuccessKind::Error);
    status
        .set_type(verdict.conclusion.as_str())
        .set_message(legal(&verdict.reason));
    if !verdict.advice.is_empty() {
        status.set_description(legal(&verdict.advice));
    }
    let mut case = TestCase::new(named(&report.schedule_name, "Schedule"), status);
    case.set_classname(OURS);
    let mut suite = suite(OURS, report);
    if !report.test_runs.is_empty() {
        // Readers add the suites up, and the devices have the time already.
        suite.set_time(Duration::ZERO);
    }
    suite.add_test_case(case);
    suite
}

/// Gives what has no name a name, since readers drop or merge nameless cases.
fn named(text: &str, otherwise: &str) -> String {
    let text = legal(text);
    if text.trim().is_empty() {
        otherwise.to_owned()
    } else {
        text
    }
}

/// Replaces what XML forbids, and what readers would fold or interpret.
///
/// The library removes control characters silently, and after an ESC whatever follows; it lets
/// U+FFFE and U+FFFF through, which no XML parser takes. A reader prints names to the job's log, where
/// `##[` anywhere and `::` at the start are commands: a space without width keeps them apart.
fn legal(text: &str) -> String {
    let text: String = without_stacks(text)
        .map(|c| match c {
            '\n' | '\r' | '\t' => ' ',
            '\u{fffe}' | '\u{ffff}' => '\u{fffd}',
            c if c.is_control() => '\u{fffd}',
            c => c,
        })
        .collect();
    text.replace("##[", "##\u{200b}[")
        .replace("::", ":\u{200b}:")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::model::verdict::{Conclusion, Verdict};
    use crate::tests::fixtures::test_run as run;

    fn report(conclusion: Conclusion, test_runs: Vec<TestRun>) -> Report {
        Report {
            schedule_name: "Nightly".into(),
            duration: Duration::from_secs(200),
            test_runs,
            ..Report::of(Verdict::new(conclusion, "why").advise("what next"))
        }
    }

    fn parsed(report: &Report) -> quick_junit::Report {
        quick_junit::Report::deserialize_from_str(&render(report).unwrap()).unwrap()
    }

    #[test]
    fn each_status_becomes_what_junit_calls_it() {
        for (status, failures, errors, why) in [
            ("Passed", 0, 0, "a pass"),
            ("Failed", 1, 0, "an assertion did not hold"),
            ("Incomplete", 0, 1, "the test did not get to its end"),
            (
                "Not Executed",
                0,
                1,
                "never skipped: readers show skipped as green",
            ),
            ("Stopped", 0, 1, "no judgement"),
            ("Running", 0, 1, "never finished"),
            ("Weird", 0, 1, "never guessed"),
        ] {
            let xml = parsed(&report(
                Conclusion::Failure,
                vec![run("A", "P", status), run("B", "P", "Failed")],
            ));

            assert_eq!(
                (xml.tests, xml.failures, xml.errors),
                (2, failures + 1, errors),
                "{status}: {why}"
            );
        }
    }

    #[test]
    fn suites_are_devices_and_cases_are_scenarios() {
        let xml = parsed(&report(
            Conclusion::Success,
            vec![
                run("A", "Pixel", "Passed"),
                run("B", "iPhone", "Passed"),
                run("B", "Pixel", "Passed"),
                run("C", "", "Passed"),
            ],
        ));

        let shape: Vec<_> = xml
            .test_suites
            .iter()
            .flat_map(|suite| {
                suite.test_cases.iter().map(|case| {
                    (
                        suite.name.as_str(),
                        case.name.as_str(),
                        case.classname.as_deref().unwrap(),
                    )
                })
            })
            .collect();
        assert_eq!(
            shape,
            [
                ("Unknown device", "C", "Nightly"),
                ("Pixel", "A", "Pixel"),
                ("Pixel", "B", "Pixel"),
                ("iPhone", "B", "iPhone")
            ]
        );
        for suite in &xml.test_suites {
            assert_eq!(
                suite.time,
                Some(Duration::from_secs(200)),
                "as long as was watched"
            );
        }
    }

    #[test]
    fn what_is_tolerated_is_skipped_and_says_why() {
        for (status, word, why) in [
            ("Stopped", "Stopped", "tolerated"),
            ("Not Executed", "Not Executed", "tolerated too"),
        ] {
            let mut report = report(
                Conclusion::Success,
                vec![run("A", "P", "Passed"), run("B", "P", status)],
            );
            report.policy.tolerated.insert(TestStatus::parse(status));

            let xml = parsed(&report);

            assert_eq!((xml.failures, xml.errors), (0, 0), "{why}");
            let TestCaseStatus::Skipped { message, .. } = &xml.test_suites[0].test_cases[1].status
            else {
                unreachable!("skipped");
            };
            let message = message.as_deref().unwrap_or_default();
            assert!(
                message.contains(word) && message.contains("fail-on"),
                "{message}"
            );
        }
    }

    #[test]
    fn a_gate_that_is_red_over_tolerated_test_runs_shows_it() {
        let mut report = report(Conclusion::Failure, vec![run("A", "P", "Stopped")]);
        report.policy.tolerated.insert(TestStatus::Stopped);

        let xml = parsed(&report);

        assert_eq!((xml.tests, xml.errors), (2, 1), "nothing passed");
    }

    #[test]
    fn the_times_add_up_to_what_the_devices_took() {
        for (statuses, seconds, why) in [
            (&["Passed"][..], 200, "the verdict's own suite adds nothing"),
            (&[], 200, "there is no other suite"),
        ] {
            let runs = statuses.iter().map(|status| run("A", "P", status));
            let xml = parsed(&report(Conclusion::Failure, runs.collect()));

            let times = xml.test_suites.iter().filter_map(|suite| suite.time);
            assert_eq!(times.sum::<Duration>().as_secs(), seconds, "{why}");
        }
    }

    #[test]
    fn the_whole_says_nothing_that_the_common_schema_does_not_have() {
        let mut report = report(
            Conclusion::Success,
            vec![run(" skipped=\"1\"", "P", "Stopped")],
        );
        report.policy.tolerated.insert(TestStatus::Stopped);

        let xml = render(&report).unwrap();

        let root = xml.lines().nth(1).unwrap();
        assert!(
            root.starts_with("<testsuites ") && !root.contains("skipped"),
            "{root}"
        );
        assert!(
            xml.contains("<testsuite name=\"P\" tests=\"1\" skipped=\"1\""),
            "{xml}"
        );
    }

    #[test]
    fn a_device_is_one_class_whatever_dots_are_in_it() {
        let xml = parsed(&report(
            Conclusion::Success,
            vec![run("A", "Tab A 10.1", "Passed")],
        ));

        let suite = &xml.test_suites[0];
        assert_eq!(suite.name.as_str(), "Tab A 10.1");
        assert_eq!(
            suite.test_cases[0].classname.as_deref(),
            Some("Tab A 10\u{2024}1")
        );
    }

    #[test]
    fn a_red_gate_is_never_green_in_junit() {
        for (conclusion, statuses, extra, why) in [
            (
                Conclusion::Failure,
                &["Failed"][..],
                0,
                "the case is red already",
            ),
            (Conclusion::Failure, &["Passed"], 1, "the group had errors"),
            (Conclusion::Failure, &[], 1, "no test runs"),
            (Conclusion::TimedOut, &["Passed"], 1, "the deadline"),
            (Conclusion::Cancelled, &[], 1, "the signal"),
            (Conclusion::Error, &[], 1, "no judgement"),
            (Conclusion::Success, &["Passed"], 0, "green"),
            (
                Conclusion::Detached,
                &[],
                0,
                "nothing to show, nothing wrong",
            ),
        ] {
            let runs: Vec<_> = statuses
                .iter()
                .map(|status| run("A", "P", status))
                .collect();
            let xml = parsed(&report(conclusion, runs));

            assert_eq!(xml.tests, statuses.len() + extra, "{why}");
            assert_eq!(
                xml.failures + xml.errors > 0,
                !conclusion.is_green(),
                "{why}"
            );
        }
    }

    #[test]
    fn hostile_names_stay_whole() {
        for (name, expected, why) in [
            ("a|`<b>&\"']]>-->", "a|`<b>&\"']]>-->", "markup is text"),
            ("a\r\nb", "a  b", "no line breaks"),
            (
                "a\0b\u{1b}]c",
                "a\u{fffd}b\u{fffd}]c",
                "nothing after an ESC is lost",
            ),
            ("\u{fffe}\u{ffff}", "\u{fffd}\u{fffd}", "forbidden in XML"),
            (
                "::error::x %0A ##[error]x",
                ":\u{200b}:error:\u{200b}:x %0A ##\u{200b}[error]x",
                "no command in the log of whoever prints it",
            ),
            ("🦀", "🦀", "beyond the basic plane"),
        ] {
            let xml = parsed(&report(Conclusion::Success, vec![run(name, "P", "Passed")]));

            assert_eq!(
                xml.test_suites[0].test_cases[0].name.as_str(),
                expected,
                "{why}"
            );
        }
    }

    proptest! {
        #[test]
        fn whatever_the_names_the_cases_come_back(names in prop::collection::vec((any::<String>(), any::<String>(), any::<String>()), 0..8)) {
            let runs: Vec<_> = names.iter().map(|(scenario, device, status)| run(scenario, device, status)).collect();
            let n = runs.len();
            let xml = parsed(&report(Conclusion::Success, runs));

            prop_assert_eq!(xml.test_suites.iter().map(|suite| suite.test_cases.len()).sum::<usize>(), n);
        }
    }
}
