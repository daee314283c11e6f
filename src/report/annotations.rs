//! What is worth an annotation? The verdict first, then the worst test runs.
//!
//! Must not know how the runner spells an annotation.

use std::collections::BTreeMap;

use crate::model::previous::Change;
use crate::model::report::Report;
use crate::model::test_run::{TestRun, TestStatus};
use crate::model::verdict::Outcome;
use crate::text::count;

/// The runner shows ten annotations of a kind; the verdict takes one, "and more" another.
const ANNOTATED_TEST_RUNS: usize = 8;

/// One annotation, before it is a workflow command.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Annotation {
    pub(crate) severity: Severity,
    /// Empty for none.
    pub(crate) title: String,
    pub(crate) text: String,
}

/// How grave it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Severity {
    Error,
    Warning,
}

/// Lists the annotations of a step, the most important error first.
pub(crate) fn annotations(report: &Report) -> Vec<Annotation> {
    let verdict = &report.verdict;
    let warning = |text: String| Annotation {
        severity: Severity::Warning,
        title: String::new(),
        text,
    };
    let mut all: Vec<Annotation> = verdict.warnings.iter().cloned().map(warning).collect();
    if verdict.conclusion.is_green() {
        all.extend(tolerated(report).into_iter().map(warning));
        return all;
    }
    let error = |title: String, text: String| Annotation {
        severity: Severity::Error,
        title,
        text,
    };
    let mut text = verdict.reason.clone();
    if let Some(advice) = &verdict.advice {
        text.push_str(&format!("\n{advice}"));
    }
    for (input, value) in &report.inputs_to_attach {
        text.push_str(&format!("\n{input}: \"{value}\""));
    }
    if let Some(changes) = report.change_summary() {
        text.push_str(&format!("\n{changes}."));
    }
    all.push(error(title(report), text));
    let mut bad: Vec<&TestRun> = report
        .test_runs
        .iter()
        .filter(|run| report.outcome(run) == Outcome::Failing)
        .collect();
    bad.sort_by_key(|run| (report.change(run), &run.status));
    all.extend(bad.iter().take(ANNOTATED_TEST_RUNS).map(|run| {
        let remark = match report.change(run) {
            Change::New => ", new since the previous run",
            Change::FailingBefore => ", failing before too",
            Change::Unknown => "",
        };
        // The log shows the text alone.
        error(
            format!("{}{remark}", run.status),
            format!("{} on {}: {}", run.scenario, run.device, run.status),
        )
    }));
    if let Some(more @ 1..) = bad.len().checked_sub(ANNOTATED_TEST_RUNS) {
        all.push(error(
            String::new(),
            format!("and {more} more; see the job summary"),
        ));
    }
    all
}

/// Names the schedule as people know it.
fn title(report: &Report) -> String {
    match report
        .schedule_name
        .as_ref()
        .or(report.schedule_id.as_ref())
    {
        None => String::new(),
        Some(name) => format!("Sofy schedule {name}"),
    }
}

/// Says what was tolerated, a sentence for each status.
fn tolerated(report: &Report) -> Vec<String> {
    let mut counts: BTreeMap<&TestStatus, usize> = BTreeMap::new();
    for run in &report.test_runs {
        if report.outcome(run) == Outcome::Tolerated {
            *counts.entry(&run.status).or_default() += 1;
        }
    }
    let sentence = |(status, n): (&TestStatus, usize)| {
        let runs = count(n, "test run");
        format!("{runs} ended as {status}; tolerated, since the input fail-on does not list it")
    };
    counts.into_iter().map(sentence).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::previous::PreviousRun;
    use crate::model::verdict::{Conclusion, Verdict};
    use crate::tests::fixtures::test_run;

    fn of(conclusion: Conclusion, statuses: &[&str]) -> Vec<Annotation> {
        let mut report = Report::of(Verdict::new(conclusion, "why").advise("what next"));
        report.schedule_id = Some("1888".into());
        report.verdict.warnings = vec!["odd".into()];
        report.policy.tolerated.insert(TestStatus::Stopped);
        report.test_runs = statuses
            .iter()
            .enumerate()
            .map(|(n, status)| test_run(&format!("S{n}"), "Pixel 8", status))
            .collect();
        annotations(&report)
    }

    fn errors(all: &[Annotation]) -> Vec<&str> {
        all.iter()
            .filter(|one| one.severity == Severity::Error)
            .map(|one| one.text.as_str())
            .collect()
    }

    #[test]
    fn a_green_step_has_its_warnings_and_no_error() {
        let all = of(Conclusion::Success, &["Passed", "Stopped", "Stopped"]);

        assert_eq!(errors(&all), [""; 0]);
        let texts: Vec<&str> = all.iter().map(|one| one.text.as_str()).collect();
        assert_eq!(
            texts,
            [
                "odd",
                "2 test runs ended as Stopped; tolerated, since the input fail-on does not list it"
            ]
        );
    }

    #[test]
    fn the_verdict_comes_first_then_the_worst_test_runs() {
        let all = of(
            Conclusion::Failure,
            &["Incomplete", "Passed", "Failed", "Stopped"],
        );

        assert_eq!(
            errors(&all),
            [
                "why\nwhat next",
                "S2 on Pixel 8: Failed",
                "S0 on Pixel 8: Incomplete"
            ]
        );
        assert_eq!(
            all.len(),
            4,
            "and the warning, but none for what is tolerated"
        );
        assert_eq!(all[1].title, "Sofy schedule 1888");
    }

    #[test]
    fn the_schedule_is_called_as_people_know_it() {
        for (name, id, expected) in [
            (Some("Nightly"), Some("1888"), "Sofy schedule Nightly"),
            (None, Some("1888"), "Sofy schedule 1888"),
            (None, None, ""),
        ] {
            let report = Report {
                schedule_name: name.map(str::to_owned),
                schedule_id: id.map(str::to_owned),
                ..Report::of(Verdict::new(Conclusion::Failure, "why"))
            };

            assert_eq!(title(&report), expected);
        }
    }

    #[test]
    fn only_what_breaks_the_gate_is_an_error_and_the_news_come_first() {
        let mut report = Report::of(Verdict::new(Conclusion::TimedOut, "why").advise("what next"));
        report.policy.tolerated.insert(TestStatus::Stopped);
        report.test_runs = ["Failed", "Running", "Stopped", "Incomplete", "Weird"]
            .iter()
            .map(|status| test_run(status, "Pixel 8", status))
            .collect();
        report.previous = PreviousRun::of(&[
            test_run("Failed", "Pixel 8", "Failed"),
            test_run("Incomplete", "Pixel 8", "Passed"),
        ]);
        report.inputs_to_attach = vec![("test-run-group-id", "77".into())];

        let all = annotations(&report);

        assert_eq!(
            errors(&all),
            [
                "why\nwhat next\ntest-run-group-id: \"77\"\n1 is new; 1 also failed in the \
                 schedule's previous run.",
                "Incomplete on Pixel 8: Incomplete",
                "Weird on Pixel 8: Weird",
                "Failed on Pixel 8: Failed",
            ]
        );
        let titles: Vec<&str> = all[1..].iter().map(|one| one.title.as_str()).collect();
        assert_eq!(
            titles,
            [
                "Incomplete, new since the previous run",
                "Weird",
                "Failed, failing before too"
            ]
        );
    }

    #[test]
    fn there_are_never_more_errors_than_the_runner_shows() {
        for (failed, last, why) in [
            (8, "S7 on Pixel 8: Failed", "all of them fit"),
            (9, "and 1 more; see the job summary", "one too many"),
            (99, "and 91 more; see the job summary", "many"),
        ] {
            let all = of(Conclusion::Failure, &vec!["Failed"; failed]);

            assert!(errors(&all).len() <= 10, "{why}");
            assert_eq!(errors(&all).last(), Some(&last), "{why}");
        }
    }
}
