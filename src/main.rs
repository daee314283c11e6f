//! Sofy Schedule Run: triggers a Sofy schedule, waits for it, reports every test run, and fails
//! unless the tests passed.
//!
//! # Layout
//!
//! A directory is a border with the outside world; a file beside this one is the inside.
//!
//! - `inputs/`: the border with those who write workflows.
//! - `sofy/`: the border with Sofy: two generations of its API behind one seam.
//! - `github/`: the border with the runner: its environment, files, log and signals.
//! - `report/`: the border with those who read: one value, and what renders it.
//! - [`action`]: the story of one step. [`attribution`]: whose rows are these? [`watch`], [`pace`],
//!   [`limits`]: how often to look, and until when. [`verdict`]: what it means. [`publish`]: who is told.

mod action;
mod attribution;
#[cfg(test)]
mod fixtures;
mod github;
mod inputs;
mod limits;
mod pace;
mod publish;
mod report;
mod secret;
mod sofy;
mod test_run;
mod text;
mod verdict;
mod watch;

use std::process::ExitCode;

use github::log::{self, Style};
use github::{Runner, command, signal, user};
use inputs::Inputs;
use report::Report;
use verdict::{Conclusion, Verdict};

fn main() -> ExitCode {
    let env: Vec<(String, String)> = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect();
    if let Some(key) = inputs::api_key(&env) {
        log::print(&command::mask(key.expose()));
    }
    log::start(Style::of(&env));
    let mut runner = Runner::open(&env);
    match user::become_owner_of(runner.workspace()) {
        Ok(done) => tracing::debug!("{done}"),
        Err(problem) => tracing::warn!("still running as root: {problem}"),
    }
    let report = match inputs::parse(&env) {
        Ok(inputs) => {
            let report = run(&inputs, &mut runner);
            publish::report(&report, &inputs.paths, &mut runner);
            report
        }
        Err(problems) => {
            let report = Report::of(bad_inputs(&problems));
            publish::problems(&problems, &report, &mut runner);
            report
        }
    };
    ExitCode::from(report.verdict.conclusion.exit_status())
}

fn bad_inputs(problems: &[String]) -> Verdict {
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
    let report = runtime.block_on(async { action::run(inputs, runner, signal::listen()).await });
    // Name resolution blocks a thread, perhaps for longer than the runner waits for us.
    runtime.shutdown_background();
    report
}
