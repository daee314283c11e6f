//! Sofy Schedule Run: triggers a Sofy schedule, waits for it, reports every test run, and fails
//! unless the tests passed.
//!
//! # Layers
//!
//! Each line imports only from the lines below its own; `tests/layers.rs` holds the list.
//!
//! - this file: the entries, and the one path from the environment to the exit status
//! - [`publish`]: log, annotations, outputs, summary, report files
//! - [`gate`], [`mod@upload`]: the two stories and their decisions
//! - [`report`], [`inputs`], [`sofy`], [`github`]: renderers, environment, HTTPS, runner; none imports another
//! - [`model`]: plain data
//! - [`stop`], [`retry`], [`text`], [`secret`]: deadline and signals, pauses, formatting, the API key

mod gate;
mod github;
mod inputs;
mod model;
mod publish;
mod report;
mod retry;
mod secret;
mod sofy;
mod stop;
#[cfg(any(test, fuzzing, feature = "bench"))]
mod tests;
mod text;
mod upload;

#[cfg(feature = "bench")]
pub use tests::bench;
#[cfg(any(test, fuzzing))]
pub use tests::fuzz;

use std::ffi::OsStr;
use std::path::Path;
use std::process::ExitCode;

use tokio::sync::watch::Receiver;

use gate::abort::{self, PostStep};
use github::log::{self, Style};
use github::privileges::{self, Writes};
use github::{Runner, command, signal};
use inputs::Inputs;
use model::report::{Paths, Report};
use model::verdict::{Conclusion, Verdict};
use report::upload::UploadReport;
use retry::Jitter;
use upload::app_file;

/// The environment, as far as it is text.
type Env = Vec<(String, String)>;

/// Runs the entry that name and arguments select; the exit status is the step's.
pub fn main() -> ExitCode {
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
    match privileges::give_up_root(runner.workspace(), entry.writes(&env)) {
        Ok(user) => {
            tracing::debug!("runs as {user}");
            if let Some(warning) = user.warning {
                tracing::warn!("{warning}");
            }
        }
        Err(problem) => {
            return ExitCode::from(refuse(entry, still_privileged(&problem), &mut runner));
        }
    }
    let status = with_runtime(async |signal| step(entry, &env, &mut runner, signal, jitter).await);
    ExitCode::from(
        status.unwrap_or_else(|problem| refuse(entry, cannot_start(&problem), &mut runner)),
    )
}

/// Runs one step from its environment to what it publishes, and gives its exit status.
///
/// The simulation calls this too, so that nothing between the inputs and the exit status is out of its sight.
pub(crate) async fn step(
    entry: Entry,
    env: &[(String, String)],
    runner: &mut Runner,
    signal: Receiver<Option<&'static str>>,
    jitter: Jitter,
) -> u8 {
    match entry {
        Entry::Gate => {
            let run = async |inputs: &Inputs, runner: &mut Runner| {
                gate::run(inputs, runner, signal, jitter).await
            };
            gate_step(env, runner, run).await
        }
        Entry::Upload => {
            let found = inputs::upload::parse(env, |path| app_file::find(runner, path));
            let report = match found {
                Ok(inputs) => {
                    let report = upload::run(&inputs, signal, jitter).await;
                    publish::upload(&report, runner);
                    report
                }
                Err(problems) => {
                    let report = UploadReport::of(bad_inputs(&problems));
                    publish::upload_problems(&problems, &report, runner);
                    report
                }
            };
            report.verdict.conclusion.exit_status()
        }
        // The post step never fails the job, whatever it finds.
        Entry::AbortUnfinished => {
            let done = abort::post_step(env, signal).await;
            publish::post_step(&done, runner);
            0
        }
    }
}

/// Runs a gate whose story the caller gives, so that tests can put a script in Sofy's place.
pub(crate) async fn gate_step(
    env: &[(String, String)],
    runner: &mut Runner,
    run: impl AsyncFnOnce(&Inputs, &mut Runner) -> Report,
) -> u8 {
    let report = match inputs::parse(env) {
        Ok(inputs) => {
            let report = run(&inputs, runner).await;
            publish::report(&report, &inputs.paths, runner);
            report
        }
        Err(problems) => {
            let report = Report::of(bad_inputs(&problems));
            publish::problems(&problems, &report, runner);
            report
        }
    };
    report.verdict.conclusion.exit_status()
}

/// What the binary is started for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Entry {
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

/// Ends before anything is sent.
fn refuse(entry: Entry, verdict: Verdict, runner: &mut Runner) -> u8 {
    let status = verdict.conclusion.exit_status();
    match entry {
        Entry::Gate => publish::report(&Report::of(verdict), &Paths::default(), runner),
        Entry::Upload => publish::upload(&UploadReport::of(verdict), runner),
        Entry::AbortUnfinished => {
            publish::post_step(&PostStep::Trouble(verdict.reason), runner);
            return 0;
        }
    }
    status
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
fn with_runtime<T>(
    story: impl AsyncFnOnce(Receiver<Option<&'static str>>) -> T,
) -> Result<T, String> {
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
