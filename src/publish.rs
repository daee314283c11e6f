//! Who is told, and where? Outputs, job summary and report files first, then annotations and the log.

use std::io;

use crate::github::Runner;
use crate::model::report::{Paths, Report};
use crate::model::{test_run::TestRun, verdict::Outcome};
use crate::report::annotations::Severity;
use crate::report::{Publication, junit, outputs};
use crate::text::count;

/// Publishes how a step ended, and gives its exit status. The log comes last, since its reader may be slow or gone.
pub(crate) fn publish(it: &Publication<'_>, runner: &mut Runner) -> u8 {
    runner.set_outputs(&it.outputs);
    let mut places = Vec::new();
    if runner.add_summary(&it.summary) {
        places.push("the job summary".to_owned());
    }
    if let Some((report, paths)) = it.report {
        places.extend(write_files(report, paths, runner));
    }
    for annotation in &it.annotations {
        let (title, text) = (&annotation.title, &annotation.text);
        match annotation.severity {
            Severity::Error => tracing::error!(title, "{text}"),
            Severity::Warning => tracing::warn!(title, "{text}"),
        }
    }
    if let Some((report, _)) = it.report.filter(|(report, _)| !report.test_runs.is_empty()) {
        print_test_runs(report, runner);
    }
    let lines = it.last_lines.iter();
    lines.for_each(|line| tracing::info!("{line}"));
    if it.report.is_some() && !places.is_empty() {
        tracing::info!("the report is in {}", places.join(", "));
    }
    it.exit_status
}

/// Writes the files that were asked for, and gives those that are there.
fn write_files(report: &Report, paths: &Paths, runner: &Runner) -> Vec<String> {
    type Write = fn(&Report, &mut dyn io::Write) -> io::Result<()>;
    let mut written = Vec::new();
    for (input, path, write) in [
        ("json-path", &paths.json, outputs::write_json as Write),
        ("junit-path", &paths.junit, junit::write),
    ] {
        let Some(path) = path else { continue };
        let name = path.display();
        match runner.write_report(path, |out| write(report, out)) {
            Ok(()) => written.push(name.to_string()),
            Err(error) => tracing::warn!("{name} (input {input}) was not written: {error}"),
        }
    }
    written
}

/// Prints every test run in a fold of the log, the failed ones first.
fn print_test_runs(report: &Report, runner: &Runner) {
    let mut runs: Vec<&TestRun> = report.test_runs.iter().collect();
    runs.sort_by_key(|run| report.outcome(run));
    let lines = runs.iter().map(|run| {
        let remark = match report.outcome(run) {
            Outcome::Tolerated => " | tolerated",
            Outcome::Failing | Outcome::Unfinished | Outcome::Passed => "",
        };
        let (scenario, device, build) = (&run.scenario, &run.device, &run.build);
        let status = run.status.to_string();
        format!("{status:<12} {scenario} | {device} | {build}{remark}")
    });
    runner.print_fold(&count(runs.len(), "test run"), lines);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::github::log;
    use crate::model::test_run::TestStatus;
    use crate::model::verdict::{Conclusion, Verdict};
    use crate::tests::fixtures::test_runs;

    /// The log of what is published, on GitHub or elsewhere.
    fn log_of(it: &Publication<'_>, commands: bool) -> String {
        let style = log::Style {
            debug: false,
            commands,
        };
        let actions = ("GITHUB_ACTIONS".to_owned(), commands.to_string());
        let _listening = log::tests::listening(style);
        publish(it, &mut Runner::open(&[actions]));
        log::tests::taken_down()
    }

    fn verdict() -> Verdict {
        Verdict::new(Conclusion::Failure, "one failed").advise("Look at it.")
    }

    #[test]
    fn the_log_says_every_problem_of_the_inputs_however_many_there_are() {
        for many in [1, 10, 11, 14] {
            let mut report = Report::of(verdict());
            report.verdict.problems = (0..many).map(|n| format!("`input-{n}` is odd")).collect();
            let paths = Paths::default();

            for on_github in [true, false] {
                let log = log_of(&Publication::of(&report, &paths), on_github);

                for problem in &report.verdict.problems {
                    assert_eq!(log.matches(problem.as_str()).count(), 1, "{many}: {log}");
                }
            }
        }
    }

    #[test]
    fn the_log_lists_every_test_run_the_failed_ones_first_and_ends_with_why() {
        let mut report = Report {
            test_runs: test_runs(&["Passed", "Stopped", "Failed"]),
            ..Report::of(verdict())
        };
        report.policy.tolerated.insert(TestStatus::Stopped);
        let paths = Paths::default();
        let publication = Publication::of(&report, &paths);
        let table = "sofy | Failed       S2 | Pixel 8 | 1.0(1)\n\
                     sofy | Stopped      S1 | Pixel 8 | 1.0(1) | tolerated\n\
                     sofy | Passed       S0 | Pixel 8 | 1.0(1)\n";

        let log = log_of(&publication, true);
        let end =
            format!("::group::3 test runs\n{table}::endgroup::\nsofy | failure: one failed\n");
        assert!(log.ends_with(&end), "{log}");

        let log = log_of(&publication, false);
        let end = format!("sofy | 3 test runs:\n{table}sofy | failure: one failed\n");
        assert!(log.ends_with(&end), "{log}");
        assert!(!log.contains("::"), "{log}");
    }

    #[test]
    fn the_log_names_what_was_written_last_and_warns_of_what_was_not() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = |name: &str| folder.path().join(name);
        std::fs::create_dir(path("taken")).expect("a folder");
        let report = Report::of(verdict());
        let summary = ("GITHUB_STEP_SUMMARY", path("summary"));
        let workspace = ("GITHUB_WORKSPACE", folder.path().to_owned());
        for (env, json, named, warnings, why) in [
            (
                vec![workspace.clone(), summary.clone()],
                Some("a/report.json"),
                "sofy | the report is in the job summary, a/report.json, junit.xml\n",
                0,
                "all of it",
            ),
            (
                vec![workspace.clone(), summary],
                Some("taken"),
                "sofy | the report is in the job summary, junit.xml\n",
                1,
                "a folder stands in the place of a file",
            ),
            (
                vec![workspace],
                None,
                "sofy | the report is in junit.xml\n",
                0,
                "there is no summary",
            ),
        ] {
            let paths = Paths {
                json: json.map(Into::into),
                junit: Some("junit.xml".into()),
            };
            let env: Vec<_> = env
                .into_iter()
                .map(|(name, path)| (name.to_owned(), path.display().to_string()))
                .collect();
            let style = log::Style {
                debug: false,
                commands: false,
            };
            let _listening = log::tests::listening(style);

            publish(&Publication::of(&report, &paths), &mut Runner::open(&env));

            let log = log::tests::taken_down();
            assert!(log.ends_with(named), "{why}: {log}");
            let warned = "sofy | warning: taken (input json-path) was not written: ";
            assert_eq!(log.matches(warned).count(), warnings, "{why}: {log}");
            let there = ["a/report.json", "junit.xml"].map(|name| path(name).exists());
            assert!(there[0] && there[1], "{why}");
        }
    }

    #[test]
    fn one_sentence_is_said_once_and_asks_for_no_outputs() {
        for (severity, expected) in [
            (None, "sofy | Asked.\n"),
            (
                Some(Severity::Warning),
                "::warning title=Sofy post step::Asked.\n",
            ),
        ] {
            let line = Publication::line(severity, "Asked.");
            let log = log_of(&line, true);

            assert_eq!(line.summary, "Asked.\n\n");

            assert_eq!(log.matches("Asked.").count(), 1, "{log}");
            assert!(log.ends_with(expected) && !log.contains("outputs"), "{log}");
        }
    }

    #[test]
    fn each_problem_is_one_annotation_and_the_log_ends_with_what_to_do() {
        let report = Report::of(Verdict {
            problems: (0..12).map(|n| format!("`input-{n}` is wrong.")).collect(),
            ..verdict()
        });
        let paths = Paths::default();

        let publication = Publication::of(&report, &paths);
        let log = log_of(&publication, true);

        assert_eq!(
            log.matches("::error title=Sofy gate%3A invalid inputs::")
                .count(),
            10
        );
        assert!(log.contains("::`input-8` is wrong.\n"), "{log}");
        assert!(
            log.contains("::And 3 more; see the job summary.\n"),
            "{log}"
        );
        assert!(log.ends_with("sofy | Look at it.\n"), "{log}");
        assert!(
            publication
                .summary
                .contains("\n- &#96;input-11&#96; is wrong.\n")
        );
    }
}
