//! Who is told, and where? Log, annotations, outputs, job summary and report files.

use std::io::{self, Write};

use crate::gate::abort::PostStep;
use crate::github::Runner;
use crate::github::command::{self, Level};
use crate::github::log::{self, tone};
use crate::model::report::{Paths, Report};
use crate::model::test_run::{TestRun, TestStatus};
use crate::model::verdict::Verdict;
use crate::report::annotations::{Annotation, Severity, annotations};
use crate::report::upload::{self, UploadReport};
use crate::report::{junit, outputs, summary};
use crate::text;

/// Tells everybody how the step ended.
pub(crate) fn report(report: &Report, paths: &Paths, runner: &mut Runner) {
    annotations(report).iter().for_each(annotate);
    print_table(&report.test_runs);
    write_outputs_and_summary(report, runner);
    let files = write_files(report, paths, runner);
    conclude(&report.verdict);
    let summary = runner.has_summary().then(|| "the job summary".to_owned());
    let places: Vec<String> = summary.into_iter().chain(files).collect();
    if !places.is_empty() {
        tracing::info!("the report is in {}", places.join(", "));
    }
}

/// Tells everybody that the inputs are wrong: an annotation for each problem.
pub(crate) fn problems(problems: &[String], report: &Report, runner: &mut Runner) {
    write_outputs_and_summary(report, runner);
    list(problems, &report.verdict);
}

/// Tells everybody how an upload ended.
pub(crate) fn upload(report: &UploadReport, runner: &mut Runner) {
    upload::annotation(report).iter().for_each(annotate);
    runner.set_outputs(&upload::outputs(report));
    runner.add_summary(&upload::summary(report));
    conclude(&report.verdict);
}

/// Tells everybody that the inputs of an upload are wrong.
pub(crate) fn upload_problems(problems: &[String], report: &UploadReport, runner: &mut Runner) {
    runner.set_outputs(&upload::outputs(report));
    runner.add_summary(&upload::summary(report));
    list(problems, &report.verdict);
}

fn list(problems: &[String], verdict: &Verdict) {
    for problem in problems {
        tracing::error!("{problem}");
    }
    let tone = tone::RED;
    if let Some(advice) = &verdict.advice {
        tracing::info!(tone, "{advice}");
    }
}

fn annotate(annotation: &Annotation) {
    let level = match annotation.severity {
        Severity::Error => Level::Error,
        Severity::Warning => Level::Warning,
    };
    log::print(&command::message(
        level,
        &annotation.title,
        &annotation.text,
    ));
}

fn conclude(verdict: &Verdict) {
    let tone = if verdict.conclusion.is_green() {
        tone::GREEN
    } else {
        tone::RED
    };
    tracing::info!(tone, "{}: {}", verdict.conclusion.as_str(), verdict.reason);
}

/// Tells what the post step did; where it did nothing, only those who debug hear of it.
pub(crate) fn post_step(done: &PostStep, runner: &mut Runner) {
    match done {
        PostStep::Nothing(why) => tracing::debug!("nothing to abort: {why}"),
        PostStep::Trouble(problem) => {
            tracing::warn!("{problem}");
            runner.add_summary(&summary::line(problem));
        }
        PostStep::Acted(said) => {
            tracing::info!("{said}");
            runner.add_summary(&summary::line(said));
        }
    }
}

fn write_outputs_and_summary(report: &Report, runner: &mut Runner) {
    runner.set_outputs(&outputs::pairs(report));
    runner.add_summary(&summary::render(report));
}

/// Writes the files that were asked for, and gives those that are there.
fn write_files(report: &Report, paths: &Paths, runner: &Runner) -> Vec<String> {
    let mut written = Vec::new();
    for (input, path, write) in [
        (
            "json-path",
            &paths.json,
            outputs::write_json as fn(&Report, &mut dyn Write) -> io::Result<()>,
        ),
        ("junit-path", &paths.junit, junit::write),
    ] {
        let Some(path) = path else {
            continue;
        };
        match runner.write_report(path, |out| write(report, out)) {
            Ok(()) => written.push(path.display().to_string()),
            Err(error) => {
                tracing::warn!("input {input}: {} is not written: {error}", path.display());
            }
        }
    }
    written
}

/// Prints every test run, in a fold of the log.
fn print_table(test_runs: &[TestRun]) {
    if test_runs.is_empty() {
        return;
    }
    log::print(&command::group(&text::count(test_runs.len(), "test run")));
    for run in test_runs {
        let tone = match run.status {
            TestStatus::Passed => tone::GREEN,
            TestStatus::Running | TestStatus::Other(_) => tone::YELLOW,
            TestStatus::Failed
            | TestStatus::Incomplete
            | TestStatus::NotExecuted
            | TestStatus::Stopped => tone::RED,
        };
        let status = run.status.to_string();
        tracing::info!(
            tone,
            "{status:<12} {} | {} | {}",
            run.scenario,
            run.device,
            run.build
        );
    }
    log::print(command::END_GROUP);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::verdict::Conclusion;
    use crate::tests::fixtures::test_runs;

    /// What the log shows where nothing else is to be had.
    fn log_of(tell: impl FnOnce(&mut Runner)) -> String {
        let style = log::Style {
            debug: false,
            colour: false,
        };
        let _listening = tracing::subscriber::set_default(log::subscriber(style));
        log::tests::taken_down();
        tell(&mut Runner::open(&[]));
        log::tests::taken_down()
    }

    fn verdict() -> Verdict {
        Verdict::new(Conclusion::Failure, "one failed").advise("Look at it.")
    }

    #[test]
    fn the_log_lists_every_test_run_and_ends_with_why() {
        let done = Report {
            test_runs: test_runs(&["Passed", "Failed"]),
            ..Report::of(verdict())
        };

        let log = log_of(|runner| report(&done, &Paths::default(), runner));

        let (_, table) = log.split_once("::group::").expect("a fold");
        assert_eq!(
            table,
            "2 test runs\n\
             sofy | Passed       S0 | Pixel 8 | 1.0(1)\n\
             sofy | Failed       S1 | Pixel 8 | 1.0(1)\n\
             ::endgroup::\n\
             sofy | failure: one failed\n"
        );
    }

    #[test]
    fn the_log_ends_with_what_is_wrong_and_what_to_do() {
        let problems = ["input wait: no".to_owned()];
        let bad_gate = Report::of(verdict());
        let bad_upload = UploadReport::of(verdict());
        let listed = "::error::input wait: no\nsofy | Look at it.\n";
        for (log, end) in [
            (
                log_of(|runner| super::problems(&problems, &bad_gate, runner)),
                listed,
            ),
            (
                log_of(|runner| upload_problems(&problems, &bad_upload, runner)),
                listed,
            ),
            (
                log_of(|runner| upload(&bad_upload, runner)),
                "sofy | failure: one failed\n",
            ),
            (
                log_of(|runner| post_step(&PostStep::Acted("Asked.".into()), runner)),
                "sofy | Asked.\n",
            ),
        ] {
            assert!(log.ends_with(end), "{log}");
        }
    }
}
