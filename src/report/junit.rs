//! What do readers of JUnit XML see? One suite, in which devices are classes and scenarios are test cases.
//!
//! Must not know where the file goes, nor decide what fails: it never shows a success for a failed gate.

use std::collections::HashMap;
use std::io::{self, Write};

use quick_xml::Writer;
use quick_xml::events::{BytesDecl, BytesText, Event};

use crate::model::test_run::{TestRun, TestStatus};
use crate::model::{report::Report, verdict::Outcome};

/// The class of the case that carries the verdict, and the name of the suite if there is no better one.
const OURS: &str = "Sofy Schedule Run";

const TOLERATED: &str = "; tolerated, because fail-on does not list it";

/// One test case.
struct Case {
    class: String,
    name: String,
    /// What it contains; none if it passed.
    element: Option<&'static str>,
    kind: String,
    message: String,
    text: String,
}

/// Writes the report as JUnit XML.
///
/// Sofy does not say how long a test run took, so only the suite has a time: how long it was watched.
pub(crate) fn write(report: &Report, out: &mut dyn Write) -> io::Result<()> {
    let test_runs = report.test_runs.iter();
    let mut cases: Vec<Case> = test_runs.map(|run| test_case(run, report)).collect();
    let is_bad = |case: &Case| matches!(case.element, Some("failure" | "error"));
    if !report.verdict.conclusion.is_green() && !cases.iter().any(is_bad) {
        cases.push(verdict_case(report));
    }
    make_unique(&mut cases);
    let count = |element| {
        let cases = cases.iter().filter(|case| case.element == Some(element));
        cases.count().to_string()
    };
    let whole = [
        ("name", named(title(report), OURS)),
        ("tests", cases.len().to_string()),
        ("failures", count("failure")),
        ("errors", count("error")),
        ("time", format!("{:.3}", report.duration.as_secs_f64())),
    ];
    // The common schema has this on suites only.
    let skipped = count("skipped");
    let attributes = || whole.iter().map(|(name, value)| (*name, value.as_str()));

    let mut xml = Writer::new_with_indent(out, b' ', 2);
    xml.write_event(Event::Decl(BytesDecl::new("1.0", Some("UTF-8"), None)))?;
    let suites = xml.create_element("testsuites");
    let suites = suites.with_attributes(attributes());
    suites.write_inner_content(|xml| {
        let attributes = attributes().chain([("skipped", &*skipped)]);
        let suite = xml.create_element("testsuite").with_attributes(attributes);
        suite.write_inner_content(|xml| cases.iter().try_for_each(|case| write_case(case, xml)))?;
        Ok(())
    })?;
    xml.get_mut().write_all(b"\n")
}

fn write_case(case: &Case, xml: &mut Writer<&mut dyn Write>) -> io::Result<()> {
    let attributes = [("name", case.name.as_str()), ("classname", &case.class)];
    let test_case = xml.create_element("testcase").with_attributes(attributes);
    let Some(element) = case.element else {
        return test_case.write_empty().map(|_| ());
    };
    let attributes = [("type", case.kind.as_str()), ("message", &case.message)];
    test_case.write_inner_content(|xml| {
        let element = xml.create_element(element).with_attributes(attributes);
        match case.text.as_str() {
            "" => element.write_empty()?,
            text => element.write_text_content(BytesText::new(text))?,
        };
        Ok(())
    })?;
    Ok(())
}

fn test_case(run: &TestRun, report: &Report) -> Case {
    let (element, why) = match report.outcome(run) {
        Outcome::Passed => (None, ""),
        Outcome::Tolerated => (Some("skipped"), TOLERATED),
        Outcome::Failing if run.status == TestStatus::Failed => (Some("failure"), ""),
        Outcome::Failing | Outcome::Unfinished => (Some("error"), ""),
    };
    let kind = legal(&run.status.to_string());
    Case {
        // Readers show what is behind the last dot of a class name, and a device is no class.
        class: named(&run.device, "Unknown device").replace('.', "\u{2024}"),
        name: named(&run.scenario, "Unnamed scenario"),
        element,
        message: format!("Sofy reports the status \"{kind}\"{why}"),
        kind,
        text: String::new(),
    }
}

/// Carries a verdict that no test run shows.
fn verdict_case(report: &Report) -> Case {
    let verdict = &report.verdict;
    Case {
        class: OURS.to_owned(),
        name: named(title(report), "Schedule"),
        element: Some("error"),
        kind: verdict.conclusion.as_str().to_owned(),
        message: legal(&verdict.reason),
        text: legal(verdict.advice.as_deref().unwrap_or_default()),
    }
}

/// Numbers equal names of one class, as in `Log in (2)`: of two equal cases, some readers keep only one.
fn make_unique(cases: &mut [Case]) {
    // The last number that was given to each name, so that many equal names take linear time.
    let mut classes: HashMap<String, HashMap<String, usize>> = HashMap::new();
    for case in cases {
        let numbers = classes.entry(case.class.clone()).or_default();
        let asked_for = case.name.clone();
        let mut number = numbers.get(&asked_for).copied().unwrap_or(1);
        while numbers.contains_key(&case.name) {
            number += 1;
            case.name = format!("{asked_for} ({number})");
        }
        numbers.insert(case.name.clone(), 1);
        numbers.insert(asked_for, number);
    }
}

/// What people call the run.
fn title(report: &Report) -> &str {
    let title = report.title.as_ref().or(report.schedule_name.as_ref());
    title.map_or("", String::as_str)
}

/// Gives a name to what has none, since readers drop or merge nameless cases.
fn named(text: &str, otherwise: &str) -> String {
    match text.trim() {
        "" => legal(otherwise),
        text => legal(text),
    }
}

/// Replaces what XML forbids, and what readers would fold or interpret.
///
/// A reader prints names to the job's log, where `##[` anywhere and `::` at the start are commands: a space without
/// width keeps them apart.
fn legal(text: &str) -> String {
    let replaced = |c: char| match c {
        '\n' | '\r' | '\t' => ' ',
        '\u{fffe}' | '\u{ffff}' => '\u{fffd}',
        c if c.is_control() => '\u{fffd}',
        c => c,
    };
    let text: String = text.chars().map(replaced).collect();
    let text = text.replace("##[", "##\u{200b}[");
    // Twice, for three colons in a row.
    (0..2).fold(text, |text, _| text.replace("::", ":\u{200b}:"))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::time::Duration;

    use proptest::prelude::*;
    use quick_junit::TestCaseStatus;

    use super::*;
    use crate::model::verdict::{Conclusion, Verdict};
    use crate::tests::fixtures::test_run as run;

    fn report(conclusion: Conclusion, test_runs: Vec<TestRun>) -> Report {
        Report {
            schedule_name: Some("Nightly".into()),
            duration: Duration::from_secs(200),
            test_runs,
            ..Report::of(Verdict::new(conclusion, "why").advise("what next"))
        }
    }

    fn written(report: &Report) -> String {
        let mut xml = Vec::new();
        write(report, &mut xml).unwrap();
        String::from_utf8(xml).unwrap()
    }

    fn parsed(report: &Report) -> quick_junit::Report {
        quick_junit::Report::deserialize_from_str(&written(report)).unwrap()
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

    /// Class and name of each test case.
    fn cases(report: &Report) -> Vec<(String, String)> {
        let suites = parsed(report).test_suites;
        let cases = suites.into_iter().flat_map(|suite| suite.test_cases);
        cases
            .map(|case| {
                (
                    case.classname.unwrap().into_string(),
                    case.name.into_string(),
                )
            })
            .collect()
    }

    #[test]
    fn devices_are_classes_and_scenarios_are_cases_in_the_order_of_the_list() {
        let report = report(
            Conclusion::Success,
            vec![
                run("A", "Pixel", "Passed"),
                run("B", "iPhone", "Passed"),
                run("", "Pixel", "Passed"),
                run("C", "", "Passed"),
            ],
        );

        let expected = [
            ("Pixel", "A"),
            ("iPhone", "B"),
            ("Pixel", "Unnamed scenario"),
            ("Unknown device", "C"),
        ];
        assert_eq!(
            cases(&report),
            expected.map(|(class, name)| (class.into(), name.into()))
        );
    }

    #[test]
    fn the_suite_is_called_by_the_title_or_else_as_the_schedule() {
        for (title, schedule, expected) in [
            (Some("Android"), Some("Nightly"), "Android"),
            (None, Some("Nightly"), "Nightly"),
            (None, None, OURS),
        ] {
            let report = Report {
                title: title.map(str::to_owned),
                schedule_name: schedule.map(str::to_owned),
                ..report(Conclusion::Success, vec![run("A", "P", "Passed")])
            };

            let xml = parsed(&report);

            assert_eq!(xml.name.as_ref().unwrap().as_str(), expected);
            assert_eq!(xml.test_suites[0].name.as_str(), expected);
        }
    }

    #[test]
    fn no_two_cases_have_the_same_class_and_name() {
        for (runs, expected, why) in [
            (
                &[("Log in", "P"), ("Log in", "P"), ("Log in", "P")][..],
                &["Log in", "Log in (2)", "Log in (3)"][..],
                "phones of one model",
            ),
            (
                &[("Log in", "P"), ("Log in", "Q")],
                &["Log in", "Log in"],
                "two models",
            ),
            (
                &[("Log in", "P"), ("Log in (2)", "P"), ("Log in", "P")],
                &["Log in", "Log in (2)", "Log in (3)"],
                "a number that is taken",
            ),
            (
                &[("Log in", "P"), ("Log in", "P"), ("Log in (2)", "P")],
                &["Log in", "Log in (2)", "Log in (2) (2)"],
                "a name that was given away",
            ),
            (
                &[("", "P"), (" ", "P")],
                &["Unnamed scenario", "Unnamed scenario (2)"],
                "no names",
            ),
            (
                &[("A", "P.1"), ("A", "P\u{2024}1")],
                &["A", "A (2)"],
                "classes that become one",
            ),
            (
                &[("A", "P"), ("A ", "P")],
                &["A", "A (2)"],
                "names that readers trim",
            ),
            (
                &[("A\0", "P"), ("A\u{1}", "P")],
                &["A\u{fffd}", "A\u{fffd} (2)"],
                "names that become one",
            ),
        ] {
            let runs = runs
                .iter()
                .map(|(name, device)| run(name, device, "Failed"));
            let cases = cases(&report(Conclusion::Failure, runs.collect()));

            let names: Vec<&str> = cases.iter().map(|(_, name)| name.as_str()).collect();
            assert_eq!(names, expected, "{why}");
        }
        let mut alike = report(Conclusion::Failure, vec![run("Nightly", OURS, "Passed")]);
        alike.schedule_name = Some("Nightly".into());
        assert_eq!(cases(&alike)[1].1, "Nightly (2)", "the verdict's own case");
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
    fn the_times_add_up_to_how_long_the_run_was_watched() {
        for (statuses, seconds, why) in [
            (&["Passed", "Failed"][..], 200, "with test runs"),
            (&[], 200, "with the verdict alone"),
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

        let xml = written(&report);

        let root = xml.lines().nth(1).unwrap();
        assert!(
            root.starts_with("<testsuites ") && !root.contains("skipped"),
            "{root}"
        );
        let suite = xml.lines().nth(2).unwrap().trim();
        assert!(
            suite.starts_with("<testsuite ") && suite.ends_with(" skipped=\"1\">"),
            "{suite}"
        );
    }

    #[test]
    fn a_device_is_one_class_whatever_dots_are_in_it() {
        let xml = parsed(&report(
            Conclusion::Success,
            vec![run("A", "Tab A 10.1", "Passed")],
        ));

        let suite = &xml.test_suites[0];
        assert_eq!(suite.name.as_str(), "Nightly");
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
            (":::x", ":\u{200b}:\u{200b}:x", "nor three colons"),
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
            let cases = cases(&report(Conclusion::Success, runs));

            prop_assert_eq!(cases.len(), n);
            prop_assert_eq!(BTreeSet::from_iter(cases).len(), n);
        }
    }
}
