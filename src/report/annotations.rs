//! What is worth an annotation? The verdict first, then the worst test runs.
//!
//! Must not know how the runner spells an annotation.

use crate::model::test_run::{Tally, TestRun};
use crate::model::{previous::Change, report::Report, verdict::Outcome};
use crate::text::{capitalized, count};

/// The runner shows ten annotations of a kind for a step.
pub(super) const MOST: usize = 10;

/// The other half is for warnings that the step gave while it ran.
const MOST_WARNINGS: usize = 5;

/// One annotation, before it is a workflow command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Annotation {
    pub(crate) severity: Severity,
    /// What it is about.
    pub(crate) title: String,
    pub(crate) text: String,
}

impl Annotation {
    /// An annotation whose text begins with a capital.
    pub(super) fn new(severity: Severity, title: &str, text: &str) -> Self {
        Self {
            severity,
            title: title.to_owned(),
            text: capitalized(text),
        }
    }
}

/// How grave it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Severity {
    Error,
    Warning,
}

/// Lists the annotations of a gate, the most important error first.
pub(crate) fn annotations(report: &Report) -> Vec<Annotation> {
    let subject = report.subject();
    let warning = |text: String| Annotation::new(Severity::Warning, &subject, &text);
    let warnings = report.verdict.warnings.iter().cloned();
    if report.verdict.conclusion.is_green() {
        let warnings = warnings.chain(tolerated(report));
        return first(MOST_WARNINGS, warnings.map(warning));
    }
    let verdict = Annotation::new(Severity::Error, &subject, &verdict(report));
    let mut all = first(MOST, [verdict].into_iter().chain(failed(report)));
    all.extend(first(MOST_WARNINGS, warnings.map(warning)));
    all
}

/// Keeps the first few annotations. If there are more, the last one says so.
pub(super) fn first(most: usize, mut all: impl Iterator<Item = Annotation>) -> Vec<Annotation> {
    let mut kept: Vec<Annotation> = all.by_ref().take(most).collect();
    let title = kept.first().map(|first| first.title.clone());
    if let (more @ 1.., Some(title), Some(last)) = (all.count(), title, kept.last_mut()) {
        last.title = title;
        last.text = format!("And {} more; see the job summary.", more + 1);
    }
    kept
}

const TO_ATTACH: &str = "\nInputs that judge this run without starting another: ";

/// Says why the step failed and what to do.
fn verdict(report: &Report) -> String {
    let mut text = report.verdict.reason.clone();
    if let Some(changes) = report.change_summary() {
        text = format!("{}. {changes}.", text.trim_end_matches('.'));
    }
    if let Some(advice) = &report.verdict.advice {
        text += &format!("\n{advice}");
    }
    for (n, (input, value)) in report.inputs_to_attach.iter().enumerate() {
        let before = if n == 0 { TO_ATTACH } else { ", " };
        text += &format!("{before}{input}: \"{value}\"");
    }
    text
}

/// One annotation for each test run that fails the step, new ones first.
fn failed(report: &Report) -> impl Iterator<Item = Annotation> {
    let mut failed: Vec<&TestRun> = report.with(Outcome::Failing).collect();
    failed.sort_by_cached_key(|run| (report.previous.change(run), &run.status));
    failed.into_iter().map(|run| {
        let before = match report.previous.change(run) {
            Change::New => " It passed in the previous run.",
            Change::FailingBefore => " It also failed in the previous run.",
            Change::Unknown => "",
        };
        let title = report.title.as_ref().map(|title| format!("{title}: "));
        let title = title.unwrap_or_default() + &format!("{} on {}", run.scenario, run.device);
        Annotation::new(Severity::Error, &title, &format!("{}.{before}", run.status))
    })
}

/// Says what was tolerated, a sentence for each status.
fn tolerated(report: &Report) -> Vec<String> {
    let is_tolerated = |status: &_| report.policy.outcome(status) == Outcome::Tolerated;
    let tolerated = Tally::of(&report.test_runs).only(is_tolerated);
    let sentences = tolerated.iter().map(|(status, n)| {
        let (runs, were) = (count(n, "test run"), if n == 1 { "was" } else { "were" });
        let word = status.to_string().to_lowercase().replace(' ', "-");
        format!("{runs} {were} {status}. Tolerated, because `fail-on` does not list `{word}`.")
    });
    sentences.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::previous::PreviousRun;
    use crate::model::test_run::TestStatus;
    use crate::model::verdict::{Conclusion, Verdict};
    use crate::tests::fixtures::test_run;

    fn report(conclusion: Conclusion, statuses: &[&str]) -> Report {
        let mut report = Report::of(Verdict::new(conclusion, "why").advise("What next."));
        report.schedule_id = Some("1888".into());
        report.verdict.warnings = vec!["odd".into()];
        report.policy.tolerated.insert(TestStatus::Stopped);
        report.test_runs = statuses
            .iter()
            .enumerate()
            .map(|(n, status)| test_run(&format!("S{n}"), "Pixel 8", status))
            .collect();
        report
    }

    /// Title and text of each annotation of one kind.
    fn of_kind(kind: Severity, report: &Report) -> Vec<(String, String)> {
        let all = annotations(report).into_iter();
        all.filter(|one| one.severity == kind)
            .map(|one| (one.title, one.text))
            .collect()
    }

    fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
        let owned = |(title, text): &(&str, &str)| ((*title).to_owned(), (*text).to_owned());
        expected.iter().map(owned).collect()
    }

    #[test]
    fn a_step_that_succeeds_has_its_warnings_and_no_error() {
        let report = report(Conclusion::Success, &["Passed", "Stopped", "Stopped"]);

        assert_eq!(of_kind(Severity::Error, &report), []);
        assert_eq!(
            of_kind(Severity::Warning, &report),
            pairs(&[
                ("Sofy schedule 1888", "Odd"),
                (
                    "Sofy schedule 1888",
                    "2 test runs were Stopped. Tolerated, because `fail-on` does not list `stopped`."
                ),
            ])
        );
    }

    #[test]
    fn the_verdict_comes_first_then_what_fails_the_step_and_the_new_ones_before_others() {
        let statuses = [
            "Failed",
            "Passed",
            "Incomplete",
            "Stopped",
            "Running",
            "Weird",
        ];
        let mut report = report(Conclusion::TimedOut, &statuses);
        report.schedule_name = Some("Nightly".into());
        report.inputs_to_attach = vec![
            ("test-run-group-id", "77".into()),
            ("results-after", "none".into()),
        ];
        report.previous = PreviousRun::of(&[
            test_run("S0", "Pixel 8", "Failed"),
            test_run("S2", "Pixel 8", "Passed"),
        ]);

        let errors = of_kind(Severity::Error, &report);

        let lines: Vec<&str> = errors[0].1.lines().collect();
        assert_eq!(errors[0].0, "Sofy schedule Nightly");
        assert!(
            lines[0].starts_with("Why. ") && lines[0].ends_with("previous run."),
            "{lines:?}"
        );
        assert_eq!(
            lines[1..],
            [
                "What next.",
                "Inputs that judge this run without starting another: test-run-group-id: \"77\", \
                 results-after: \"none\"",
            ]
        );
        assert_eq!(
            errors[1..],
            pairs(&[
                (
                    "S2 on Pixel 8",
                    "Incomplete. It passed in the previous run."
                ),
                ("S5 on Pixel 8", "Weird."),
                (
                    "S0 on Pixel 8",
                    "Failed. It also failed in the previous run."
                ),
            ])
        );
        assert_eq!(
            of_kind(Severity::Warning, &report).len(),
            1,
            "none for what is tolerated"
        );
    }

    #[test]
    fn a_title_tells_the_jobs_of_a_matrix_apart() {
        let mut report = report(Conclusion::Failure, &["Failed"]);
        report.title = Some("Android".into());

        let errors = of_kind(Severity::Error, &report);

        assert_eq!(errors[0].0, "Android");
        assert_eq!(
            errors[1],
            ("Android: S0 on Pixel 8".into(), "Failed.".into())
        );
        assert_eq!(of_kind(Severity::Warning, &report)[0].0, "Android");
    }

    #[test]
    fn there_are_never_more_annotations_than_the_runner_shows() {
        for (failed, errors, last, why) in [
            (9, 10, "Failed.", "all of them fit"),
            (10, 10, "And 2 more; see the job summary.", "one too many"),
            (99, 10, "And 91 more; see the job summary.", "many"),
        ] {
            let report = report(Conclusion::Failure, &vec!["Failed"; failed]);

            let found = of_kind(Severity::Error, &report);
            assert_eq!(found.len(), errors, "{why}");
            assert_eq!(
                found.last().map(|(_, text)| text.as_str()),
                Some(last),
                "{why}"
            );
        }
        let mut odd = report(Conclusion::Success, &["Passed"]);
        odd.verdict.warnings = vec!["odd".into(); 99];
        let found = of_kind(Severity::Warning, &odd);
        assert_eq!(found.len(), MOST_WARNINGS);
        assert_eq!(
            found[4],
            (
                "Sofy schedule 1888".into(),
                "And 95 more; see the job summary.".into()
            )
        );
    }
}
