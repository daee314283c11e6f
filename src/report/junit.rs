//! What do readers of JUnit XML see? One suite, in which devices are classes and scenarios are test cases.
//!
//! Must not know where the file goes, nor decide what fails: it never shows a success for a failed gate.

use std::borrow::Cow;
use std::collections::HashMap;
use std::io::{self, Write};

use quick_xml::Writer;
use quick_xml::events::{BytesDecl, BytesText, Event};

use crate::model::report::Report;
use crate::model::test_run::{TestRun, TestStatus};
use crate::model::verdict::Outcome;
use crate::text::known;

/// The class of the case that carries the verdict, and the name of the suite if there is no better one.
const OURS: &str = "Sofy Schedule Run";

/// Writes the report as JUnit XML, one test run at a time.
///
/// Sofy does not say how long a test run took, so that only the suite has a time: how long it was watched.
pub(crate) fn write(report: &Report, out: &mut dyn Write) -> io::Result<()> {
    let elements = || report.test_runs.iter().map(|run| element(run, report));
    let count = |element| elements().filter(|one| *one == Some(element)).count();
    let (failures, errors) = (count("failure"), count("error"));
    let lacks_verdict = !report.verdict.conclusion.is_green() && failures + errors == 0;
    let more = usize::from(lacks_verdict);
    let whole = [
        ("name", named(title(report), OURS)),
        (
            "tests",
            Cow::from((report.test_runs.len() + more).to_string()),
        ),
        ("failures", Cow::from(failures.to_string())),
        ("errors", Cow::from((errors + more).to_string())),
        (
            "time",
            Cow::from(format!("{:.3}", report.duration.as_secs_f64())),
        ),
    ];
    let attributes = || whole.iter().map(|(name, value)| (*name, value.as_ref()));
    let skipped = count("skipped").to_string();

    let mut xml = Writer::new_with_indent(out, b' ', 2);
    xml.write_event(Event::Decl(BytesDecl::new("1.0", Some("UTF-8"), None)))?;
    let suites = xml
        .create_element("testsuites")
        .with_attributes(attributes());
    suites.write_inner_content(|xml| {
        let suite = xml
            .create_element("testsuite")
            .with_attributes(attributes());
        // The common schema has this on suites only.
        let suite = suite.with_attribute(("skipped", skipped.as_str()));
        suite.write_inner_content(|xml| {
            let mut names = Names::default();
            for run in &report.test_runs {
                test_case(xml, run, report, &mut names)?;
            }
            if lacks_verdict {
                verdict_case(xml, report, &mut names)?;
            }
            Ok(())
        })?;
        Ok(())
    })?;
    xml.get_mut().write_all(b"\n")
}

type Xml<'a> = Writer<&'a mut dyn Write>;

/// Tells what a test case holds; nothing if the test run passed.
fn element(run: &TestRun, report: &Report) -> Option<&'static str> {
    match report.outcome(run) {
        Outcome::Passed => None,
        Outcome::Tolerated => Some("skipped"),
        Outcome::Failing if run.status == TestStatus::Failed => Some("failure"),
        Outcome::Failing | Outcome::Unfinished => Some("error"),
    }
}

fn test_case<'a>(
    xml: &mut Xml<'_>,
    run: &'a TestRun,
    report: &'a Report,
    names: &mut Names<'a>,
) -> io::Result<()> {
    let device = named(&run.device, "Unknown device");
    // Readers show what is behind the last dot of a class name, and a device is no class.
    let class = if device.contains('.') {
        Cow::from(device.replace('.', "\u{2024}"))
    } else {
        device
    };
    let name = names.unique(class.clone(), named(&run.scenario, "Unnamed scenario"));
    let case = xml
        .create_element("testcase")
        .with_attributes([("name", &*name), ("classname", &*class)]);
    let Some(element) = element(run, report) else {
        return case.write_empty().map(|_| ());
    };
    let status = run.status.to_string();
    let status = legal(&status);
    let mut message = format!("Sofy reports the status \"{status}\"");
    if element == "skipped" {
        message.push_str("; tolerated, because fail-on does not list it");
    }
    let attributes = [("type", &*status), ("message", &message)];
    case.write_inner_content(|xml| {
        let element = xml.create_element(element).with_attributes(attributes);
        element.write_empty().map(|_| ())
    })?;
    Ok(())
}

/// Carries a verdict that no test run shows.
fn verdict_case<'a>(
    xml: &mut Xml<'_>,
    report: &'a Report,
    names: &mut Names<'a>,
) -> io::Result<()> {
    let verdict = &report.verdict;
    let name = names.unique(Cow::from(OURS), named(title(report), "Schedule"));
    let reason = legal(&verdict.reason);
    let advice = verdict.advice.as_deref().unwrap_or_default();
    let attributes = [("type", verdict.conclusion.as_str()), ("message", &*reason)];
    xml.create_element("testcase")
        .with_attributes([("name", &*name), ("classname", OURS)])
        .write_inner_content(|xml| {
            xml.create_element("error")
                .with_attributes(attributes)
                .write_text_content(BytesText::new(&legal(advice)))?;
            Ok(())
        })?;
    Ok(())
}

/// How often each name was given in each class: of two equal ones, some readers keep only one.
#[derive(Default)]
struct Names<'a>(HashMap<(Cow<'a, str>, Cow<'a, str>), usize>);

impl<'a> Names<'a> {
    /// Gives the name, or the next one that is free: `Log in (2)`.
    fn unique(&mut self, class: Cow<'a, str>, name: Cow<'a, str>) -> Cow<'a, str> {
        let mut place = (class, name);
        let Some(mut number) = self.0.get(&place).copied() else {
            self.0.insert(place.clone(), 1);
            return place.1;
        };
        let name = place.1.clone();
        while self.0.contains_key(&place) {
            number += 1;
            place.1 = Cow::from(format!("{name} ({number})"));
        }
        self.0.insert((place.0.clone(), name), number);
        self.0.insert(place.clone(), 1);
        place.1
    }
}

/// What people call the run.
fn title(report: &Report) -> &str {
    let name = known(&report.title).or(known(&report.schedule_name));
    name.unwrap_or_default()
}

/// Gives a name to what has none, since readers drop or merge nameless cases.
fn named<'a>(text: &'a str, otherwise: &'static str) -> Cow<'a, str> {
    match legal(text.trim()) {
        text if text.trim().is_empty() => Cow::from(otherwise),
        text => text,
    }
}

/// Replaces what XML forbids, and what readers would fold or interpret.
///
/// A reader prints names to the job's log, where `##[` anywhere and `::` at the start are commands: a space without
/// width keeps them apart.
fn legal(text: &str) -> Cow<'_, str> {
    let is_illegal = |c: char| c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}');
    if !text.contains(is_illegal) && !text.contains("##[") && !text.contains("::") {
        return Cow::from(text);
    }
    let replaced = |c| match c {
        '\n' | '\r' | '\t' => ' ',
        c if is_illegal(c) => '\u{fffd}',
        c => c,
    };
    let text: String = text.chars().map(replaced).collect();
    let text = text.replace("##[", "##\u{200b}[");
    // Twice, for three colons in a row.
    let text = text.replace("::", ":\u{200b}:");
    Cow::from(text.replace("::", ":\u{200b}:"))
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
