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
//! - [`action`], [`mod@upload`]: the stories of a gate and of an upload. [`attribution`]: whose rows are these? [`watch`], [`pace`],
//!   [`limits`]: how often to look, and until when. [`verdict`]: what it means. [`publish`]: who is told.

mod abort;
mod action;
mod attribution;
mod digests;
#[cfg(test)]
mod endings;
mod estimate;
#[cfg(any(test, fuzzing))]
mod fixtures;
#[cfg(any(test, fuzzing))]
pub mod fuzz;
mod github;
mod inputs;
mod limits;
mod pace;
mod previous;
mod provenance;
mod publish;
mod report;
mod secret;
mod settle;
#[cfg(test)]
mod simulation;
mod sofy;
mod test_run;
mod text;
mod transfer;
mod trigger;
mod upload;
mod verdict;
mod watch;

use std::ffi::OsStr;
use std::path::Path;
use std::process::ExitCode;

use abort::PostStep;
use github::log::{self, Style};
use github::user::{self, Writes};
use github::{Runner, command, signal};
use publish::Paths;
use report::Report;
use report::upload::UploadReport;
use tokio::sync::watch::Receiver;
use verdict::{Conclusion, Verdict};

/// The environment, as far as it is text.
type Env = Vec<(String, String)>;

fn main() -> ExitCode {
    let env: Env = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect();
    // Elsewhere the command that hides the key would be what shows it.
    if env.contains(&("GITHUB_ACTIONS".to_owned(), "true".to_owned()))
        && let Some(key) = inputs::api_key(&env)
    {
        log::print(&command::mask(key.expose()));
    }
    log::start(Style::of(&env));
    let entry = match Entry::of(std::env::args_os()) {
        Ok(entry) => entry,
        Err(argument) => {
            tracing::error!(
                "the argument {argument:?} is not known; give none, gate or upload. Inputs \
                 are environment variables, such as INPUT_SCHEDULE_ID"
            );
            return ExitCode::from(Conclusion::Error.exit_status());
        }
    };
    let mut runner = Runner::open(&env);
    match user::give_up_root(runner.workspace(), entry.writes(&env)) {
        Ok(user) => {
            tracing::debug!("runs as {user}");
            if let Some(warning) = user.warning {
                tracing::warn!("{warning}");
            }
        }
        Err(problem) => return refuse(&entry, &problem, &mut runner),
    }
    match entry {
        Entry::Gate => gate(&env, &mut runner),
        Entry::Upload => upload(&env, &mut runner),
        Entry::AbortUnfinished => abort_unfinished(&env, &mut runner),
    }
}

/// What the binary is started for.
enum Entry {
    /// The step.
    Gate,
    /// The step before it, which uploads the build.
    Upload,
    /// The post step.
    AbortUnfinished,
}

impl Entry {
    /// Reads the name that the binary was started by, which outranks any argument, and the arguments.
    fn of(mut words: impl Iterator<Item = std::ffi::OsString>) -> Result<Self, String> {
        let name = words.next().unwrap_or_default();
        if Path::new(&name).file_name() == Some(OsStr::new("abort-unfinished")) {
            return Ok(Self::AbortUnfinished);
        }
        let arguments: Vec<String> = words
            .map(|word| word.to_string_lossy().into_owned())
            .collect();
        match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
            [] | ["gate"] => Ok(Self::Gate),
            ["upload"] => Ok(Self::Upload),
            _ => Err(arguments.join(" ")),
        }
    }

    fn writes(&self, env: &Env) -> Writes {
        match self {
            Self::Gate if inputs::ask_for_reports(env) => Writes::Reports,
            Self::Gate | Self::Upload | Self::AbortUnfinished => Writes::Nothing,
        }
    }
}

/// Ends before anything is sent, with capabilities that the network must not meet.
fn refuse(entry: &Entry, problem: &str, runner: &mut Runner) -> ExitCode {
    match entry {
        Entry::Gate => {
            let report = Report::of(still_privileged(problem));
            publish::report(&report, &Paths::default(), runner);
            ExitCode::from(report.verdict.conclusion.exit_status())
        }
        Entry::Upload => {
            let report = UploadReport::of(still_privileged(problem));
            publish::upload(&report, runner);
            ExitCode::from(report.verdict.conclusion.exit_status())
        }
        Entry::AbortUnfinished => {
            publish::post_step(&PostStep::Trouble(problem.to_owned()), runner);
            ExitCode::SUCCESS
        }
    }
}

fn gate(env: &Env, runner: &mut Runner) -> ExitCode {
    let report = match inputs::parse(env) {
        Ok(inputs) => {
            let report = run(async |signal| action::run(&inputs, runner, signal, jitter).await)
                .unwrap_or_else(|problem| Report::of(cannot_start(&problem)));
            publish::report(&report, &inputs.paths, runner);
            report
        }
        Err(problems) => {
            let report = Report::of(bad_inputs(&problems));
            publish::problems(&problems, &report, runner);
            report
        }
    };
    ExitCode::from(report.verdict.conclusion.exit_status())
}

fn upload(env: &Env, runner: &mut Runner) -> ExitCode {
    let inputs = inputs::upload::parse(env, |path| runner.find_app(path));
    let report = match inputs {
        Ok(inputs) => {
            let report = run(async |signal| upload::run(&inputs, signal, jitter).await)
                .unwrap_or_else(|problem| UploadReport::of(cannot_start(&problem)));
            publish::upload(&report, runner);
            report
        }
        Err(problems) => {
            let report = UploadReport::of(bad_inputs(&problems));
            publish::upload_problems(&problems, &report, runner);
            report
        }
    };
    ExitCode::from(report.verdict.conclusion.exit_status())
}

/// The post step never fails the job, whatever it finds.
fn abort_unfinished(env: &Env, runner: &mut Runner) -> ExitCode {
    let done =
        run(async |signal| abort::post_step(env, signal).await).unwrap_or_else(PostStep::Trouble);
    publish::post_step(&done, runner);
    ExitCode::SUCCESS
}

fn bad_inputs(problems: &[String]) -> Verdict {
    Verdict::new(Conclusion::Error, problems.join("; "))
        .advise("Correct the inputs under with: in the workflow. Nothing was sent to Sofy.")
}

fn still_privileged(problem: &str) -> Verdict {
    Verdict::new(Conclusion::Error, problem).advise(
        "Let the container drop capabilities: start it without a seccomp profile that forbids it, or as \
         another user than root. Nothing was sent to Sofy.",
    )
}

fn cannot_start(problem: &str) -> Verdict {
    Verdict::new(Conclusion::Error, problem).advise("Run the job again; report it if it stays.")
}

/// A random share from 0 to 1.
fn jitter() -> f64 {
    f64::from(uuid::Uuid::new_v4().as_fields().0) / f64::from(u32::MAX)
}

/// Runs a story on a runtime of its own, with the runner's signals.
fn run<T>(story: impl AsyncFnOnce(Receiver<Option<&'static str>>) -> T) -> Result<T, String> {
    rustls::crypto::ring::default_provider()
        .install_default()
        .map_err(|_| "TLS cannot start: a provider is installed already".to_owned())?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| format!("the runtime cannot start: {error}"))?;
    let told = runtime.block_on(async { story(signal::listen()).await });
    // Name resolution blocks a thread, perhaps for longer than the runner waits for us.
    runtime.shutdown_background();
    Ok(told)
}
