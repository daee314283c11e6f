//! Sofy Schedule Run: triggers a Sofy schedule, waits for it, reports every test run, and fails
//! unless the tests passed.
//!
//! # Layout
//!
//! A directory is a border with the outside world; a file beside this one is the inside.
//!
//! - `sofy/`: HTTPS to Sofy, two generations of its API behind one seam.
//! - `github/`: the runner's environment, files and log.
//! - [`action`]: the story of one step. [`inputs`]: what the user wants. [`watch`], [`pace`],
//!   [`progress`]: until when, how often, and with which words. [`verdict`]: what it means.
//! - [`report`] is the one value that [`summary`], [`outputs`] and [`junit`] render.

mod action;
mod github;
mod inputs;
mod junit;
mod outputs;
mod pace;
mod progress;
mod report;
mod secret;
mod sofy;
mod summary;
mod test_run;
mod text;
mod verdict;
mod watch;

use std::path::Path;
use std::process::ExitCode;

use github::Runner;
use github::command::{self, Level};
use github::log::{self, Style, tone};
use inputs::Inputs;
use report::Report;
use test_run::{TestRun, TestStatus};
use tokio::signal::unix::{SignalKind, signal};
use verdict::{Conclusion, Verdict};

/// The runner shows ten annotations of a kind; the verdict takes one, "and more" another.
const ANNOTATED_TEST_RUNS: usize = 8;

fn main() -> ExitCode {
    let env: Vec<(String, String)> = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect();
    if let Some(key) = inputs::api_key(&env) {
        log::print(&command::mask(key.expose()));
    }
    log::start(Style::of(&env));
    let mut runner = Runner::open(&env);
    match github::user::become_owner_of(runner.workspace()) {
        Ok(done) => tracing::debug!("{done}"),
        Err(problem) => tracing::warn!("still running as root: {problem}"),
    }
    let (report, paths) = match inputs::parse(&env) {
        Ok(inputs) => {
            let report = run(&inputs, &mut runner);
            annotate(&report);
            (report, (inputs.junit_path, inputs.json_path))
        }
        Err(problems) => (Report::of(bad_inputs(&problems)), (None, None)),
    };
    publish(&report, &mut runner, paths.0.as_deref(), paths.1.as_deref());
    ExitCode::from(report.verdict.conclusion.exit_status())
}

fn bad_inputs(problems: &[String]) -> Verdict {
    for problem in problems {
        tracing::error!("{problem}");
    }
    Verdict::new(Conclusion::Error, problems.join("; "))
        .advise("Correct the inputs under with: in the workflow. Nothing was sent to Sofy.")
}

/// Runs the step on a runtime of its own, with the runner's signals.
fn run(inputs: &Inputs, runner: &mut Runner) -> Report {
    let failed = |what: &str, problem: &dyn std::fmt::Display| {
        Report::of(
            Verdict::new(Conclusion::Error, format!("{what}: {problem}"))
                .advise("Run the job again; report it if it stays."),
        )
    };
    if rustls::crypto::ring::default_provider()
        .install_default()
        .is_err()
    {
        return failed("TLS cannot start", &"a provider is installed already");
    }
    let runtime = match tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => return failed("the runtime cannot start", &error),
    };
    runtime.block_on(async {
        let (sender, receiver) = tokio::sync::watch::channel(None);
        for (kind, name) in [
            (SignalKind::interrupt(), "SIGINT"),
            (SignalKind::terminate(), "SIGTERM"),
        ] {
            match signal(kind) {
                Ok(mut signals) => {
                    let sender = sender.clone();
                    // Stays for ever: as PID 1, a second signal would be ignored or kill us otherwise.
                    drop(tokio::spawn(async move {
                        while signals.recv().await.is_some() {
                            _ = sender.send(Some(name));
                        }
                    }));
                }
                Err(error) => tracing::warn!("{name} cannot be handled: {error}"),
            }
        }
        action::run(inputs, runner, receiver).await
    })
}

/// Tells everybody: log, outputs, job summary and report files.
fn publish(report: &Report, runner: &mut Runner, junit: Option<&Path>, json: Option<&Path>) {
    print_table(&report.test_runs);
    runner.set_outputs(&outputs::pairs(report));
    runner.add_summary(&summary::render(report));
    let written = |input: &str, path: &Path, text: &str| {
        if let Err(error) = runner.write_report(path, text) {
            tracing::warn!("input {input}: {} is not written: {error}", path.display());
        }
    };
    if let Some(path) = json {
        written("json-path", path, &outputs::json(report));
    }
    if let Some(path) = junit {
        match junit::render(report) {
            Ok(xml) => written("junit-path", path, &xml),
            Err(error) => tracing::warn!("input junit-path: the report cannot be written: {error}"),
        }
    }
    let verdict = &report.verdict;
    let tone = if verdict.conclusion.is_green() {
        tone::GREEN
    } else {
        tone::RED
    };
    tracing::info!(tone, "{}: {}", verdict.conclusion.as_str(), verdict.reason);
}

/// Annotates the verdict first, then the worst test runs.
fn annotate(report: &Report) {
    let verdict = &report.verdict;
    for warning in &verdict.warnings {
        tracing::warn!("{warning}");
    }
    if verdict.conclusion.is_green() {
        return;
    }
    log::print(&command::message(
        Level::Error,
        &format!("Sofy schedule {}", report.schedule_id),
        &format!("{}\n{}", verdict.reason, verdict.advice),
    ));
    let mut bad: Vec<&TestRun> = report
        .test_runs
        .iter()
        .filter(|run| run.status != TestStatus::Passed)
        .collect();
    bad.sort_by(|a, b| a.status.cmp(&b.status));
    for run in bad.iter().take(ANNOTATED_TEST_RUNS) {
        let text = format!("{} on {}: {}", run.scenario, run.device, run.status);
        log::print(&command::message(
            Level::Error,
            &format!("{} on {}", run.scenario, run.device),
            &text,
        ));
    }
    if let Some(more @ 1..) = bad.len().checked_sub(ANNOTATED_TEST_RUNS) {
        log::print(&command::message(
            Level::Error,
            "",
            &format!("and {more} more; see the job summary"),
        ));
    }
}

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
