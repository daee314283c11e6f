//! Sofy Schedule Run: triggers a Sofy schedule, waits for it, reports every test run, and fails
//! unless the tests passed.
//!
//! # Layers
//!
//! Each line imports only from the lines below its own; `tests/layers.rs` holds the list.
//!
//! - this file: the entries, and the one path from the environment to the exit status
//! - `publish`: log, annotations, outputs, summary, report files
//! - `gate`, `upload`: the two stories and their decisions
//! - `report`, `inputs`, `sofy`, `github`: renderers, environment, HTTPS, runner; none imports another
//! - `model`: plain data
//! - `stop`, `retry`, `text`, `secret`: deadline and signals, pauses, formatting, the API key

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

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use tokio::sync::watch::Receiver;

use gate::Api;
use gate::abort::{self, AbortOutcome, Unfinished};
use github::log::{self, Style};
use github::privileges::{self, Writes};
use github::{Runner, command, signal};
use inputs::Inputs;
use model::report::{Paths, Report};
use model::verdict::{Conclusion, Verdict};
use publish::publish;
use report::Publication;
use report::annotations::Severity;
use report::upload::UploadReport;
use retry::Jitter;
use sofy::{ApiError, ErrorKind};
use upload::{NotReady, Upload};

/// The environment. What is not UTF-8 has replacement characters, which no input takes.
type Env = Vec<(String, String)>;

const HELP: &str = concat!(
    "Triggers a Sofy schedule, waits for it, reports every test run, and fails unless the tests passed.\n\n",
    "Usage: sofy-schedule-run [gate | upload] [--help | --version]\n\n",
    "  gate     trigger a schedule and judge its run (the default)\n",
    "  upload   upload a build, whose hash a gate can ask for\n\n",
    "Inputs are environment variables, for example:\n\n",
    "  INPUT_API_KEY=... INPUT_SCHEDULE_ID=1888 INPUT_TIMEOUT=45m sofy-schedule-run\n\n",
    "README.md describes each input."
);
const VERSION: &str = concat!(env!("CARGO_PKG_NAME"), " ", env!("CARGO_PKG_VERSION"));

/// Runs the entry that name and arguments select; the exit status is the step's.
pub fn main() -> ExitCode {
    let command = Command::of(std::env::args_os());
    if let Command::Print(text) = command {
        log::print(text);
        return ExitCode::SUCCESS;
    }
    let env: Env = std::env::vars_os()
        .map(|(name, value)| {
            let text = |text: OsString| text.to_string_lossy().into_owned();
            (text(name), text(value))
        })
        .collect();
    // Elsewhere the command that hides the key would be what shows it.
    if env.contains(&("GITHUB_ACTIONS".to_owned(), "true".to_owned()))
        && let Some(key) = inputs::api_key(&env)
    {
        log::print(&command::mask(key.expose()));
    }
    log::start(Style::of(&env));
    let mut runner = Runner::open(&env);
    let entry = match command {
        Command::Run(entry) => entry,
        Command::Unknown(entry, argument) => {
            // It may be a key that was meant for an input.
            let argument = match inputs::api_key(&env) {
                Some(key) => key.redact(argument),
                None => argument,
            };
            return ExitCode::from(refuse(entry, unknown(&argument), &mut runner));
        }
        Command::Print(_) => return ExitCode::SUCCESS,
    };
    if entry != Entry::AbortUnfinished {
        tracing::info!("{} {}", env!("CARGO_PKG_NAME"), env!("CARGO_PKG_VERSION"));
    }
    let status = with_runtime(async |signal| {
        step(entry, &env, &mut runner, signal, jitter, give_up_root).await
    });
    ExitCode::from(
        status.unwrap_or_else(|problem| refuse(entry, cannot_start(&problem), &mut runner)),
    )
}

/// Gives up root; nothing may have started a thread before, which would keep it.
fn give_up_root(workspace: &Path, writes: Writes) -> Result<(), String> {
    let user = privileges::give_up_root(workspace, writes)?;
    tracing::debug!("runs as {user}");
    if let Some(warning) = user.warning {
        tracing::warn!("{warning}");
    }
    Ok(())
}

/// What a step has once its inputs are understood, and all is open that only root may open.
#[expect(clippy::large_enum_variant, reason = "there is one in a process")]
enum Ready {
    Gate(Result<Inputs, Vec<String>>, Result<Api, ApiError>),
    Upload(Result<Upload, NotReady>),
    AbortUnfinished(Result<Unfinished, AbortOutcome>),
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
    give_up_root: impl FnOnce(&Path, Writes) -> Result<(), String>,
) -> u8 {
    let ready = match entry {
        Entry::Gate => {
            // Before anything else, so that the variable is always the runner's.
            runner.save_state(abort::STATE, "");
            let inputs = inputs::parse(env, resolved);
            let api = match &inputs {
                Ok(inputs) => Api::new(inputs),
                Err(problems) => Err(ApiError::new(ErrorKind::Rejected, problems.join(" "))),
            };
            Ready::Gate(inputs, api)
        }
        Entry::Upload => {
            Ready::Upload(Upload::prepare(env, runner.workspace(), signal.clone()).await)
        }
        Entry::AbortUnfinished => Ready::AbortUnfinished(Unfinished::of(env)),
    };
    if let Err(problem) = give_up_root(runner.workspace(), entry.writes(env)) {
        return refuse(entry, still_privileged(&problem), runner);
    }
    match ready {
        Ready::Gate(inputs, api) => {
            let run = async |inputs: &Inputs, runner: &mut Runner| {
                gate::run(api, inputs, runner, signal, jitter).await
            };
            gate_step(inputs, runner, run).await
        }
        Ready::Upload(ready) => {
            let (report, problems) = match ready {
                Ok(upload) => (upload.run(jitter).await, Vec::new()),
                Err(NotReady::Ended(report)) => (report, Vec::new()),
                Err(NotReady::BadInputs(problems)) => {
                    (UploadReport::of(bad_inputs(&problems, runner)), problems)
                }
            };
            let mut publication = Publication::of_upload(&report);
            if !problems.is_empty() {
                publication = publication.with_problems("Sofy upload", &problems);
            }
            publish(&publication, runner);
            report.verdict.conclusion.exit_status()
        }
        Ready::AbortUnfinished(unfinished) => {
            match abort::post_step(unfinished, signal).await {
                AbortOutcome::NotNeeded(why) => tracing::debug!("nothing to abort: {why}"),
                AbortOutcome::Failed(problem) => {
                    publish(
                        &Publication::line(Some(Severity::Warning), &problem),
                        runner,
                    );
                }
                AbortOutcome::Aborted(message) | AbortOutcome::LeftRunning(message) => {
                    publish(&Publication::line(None, &message), runner);
                }
            }
            // The post step never fails the job, whatever it finds.
            0
        }
    }
}

/// Runs a gate whose story the caller gives, so that tests can put a script in Sofy's place.
pub(crate) async fn gate_step(
    inputs: Result<Inputs, Vec<String>>,
    runner: &mut Runner,
    run: impl AsyncFnOnce(&Inputs, &mut Runner) -> Report,
) -> u8 {
    let inputs = match inputs {
        Ok(inputs) => inputs,
        Err(problems) => {
            let report = Report::of(bad_inputs(&problems, runner));
            let paths = Paths::default();
            let publication = Publication::of(&report, &paths);
            publish(
                &publication.with_problems(&report.subject(), &problems),
                runner,
            );
            return report.verdict.conclusion.exit_status();
        }
    };
    let report = run(&inputs, runner).await;
    publish(&Publication::of(&report, &inputs.paths), runner);
    report.verdict.conclusion.exit_status()
}

/// Follows the symbolic links of a path, as far as it exists.
fn resolved(path: &Path) -> PathBuf {
    let existing = path.ancestors().find_map(|above| {
        let rest = path.strip_prefix(above).ok()?;
        Some(above.canonicalize().ok()?.join(rest))
    });
    existing.unwrap_or_else(|| path.to_owned())
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

/// What the command line asks for.
enum Command {
    Run(Entry),
    Print(&'static str),
    /// An argument of this entry that nobody knows.
    Unknown(Entry, String),
}

impl Command {
    /// Reads the name that the binary was started by, which takes precedence, and the arguments.
    fn of(mut words: impl Iterator<Item = OsString>) -> Self {
        let name = words.next().unwrap_or_default();
        if Path::new(&name).file_name() == Some(OsStr::new("abort-unfinished")) {
            return Self::Run(Entry::AbortUnfinished);
        }
        let words: Vec<OsString> = words.collect();
        let words: Vec<Option<&str>> = words.iter().map(|word| word.to_str()).collect();
        let (entry, rest) = match words.split_first() {
            Some((Some("upload"), rest)) => (Entry::Upload, rest),
            Some((Some("gate"), rest)) => (Entry::Gate, rest),
            Some(_) | None => (Entry::Gate, &words[..]),
        };
        match rest {
            [] => Self::Run(entry),
            [Some("--help")] => Self::Print(HELP),
            [Some("--version")] => Self::Print(VERSION),
            [argument, ..] => {
                let argument = argument.unwrap_or("(not UTF-8)");
                Self::Unknown(entry, argument.to_owned())
            }
        }
    }
}

impl Entry {
    fn writes(&self, env: &[(String, String)]) -> Writes {
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
        Entry::Gate => {
            let (report, paths) = (Report::of(verdict), Paths::default());
            publish(&Publication::of(&report, &paths), runner);
        }
        Entry::Upload => publish(&Publication::of_upload(&UploadReport::of(verdict)), runner),
        Entry::AbortUnfinished => {
            publish(
                &Publication::line(Some(Severity::Warning), &verdict.reason),
                runner,
            );
            return 0;
        }
    }
    status
}

fn unknown(argument: &str) -> Verdict {
    let argument: String = argument.chars().take(60).collect();
    let reason = format!("The argument {argument:?} is unknown");
    Verdict::new(Conclusion::Error, reason).advise(
        "Use none, gate, upload, --help or --version. Inputs are environment variables, such as INPUT_SCHEDULE_ID. \
         Nothing was sent to Sofy.",
    )
}

fn bad_inputs(problems: &[String], runner: &Runner) -> Verdict {
    let place = if runner.is_github() {
        "under `with:` in the workflow"
    } else {
        "environment variables such as INPUT_SCHEDULE_ID"
    };
    Verdict::new(Conclusion::Error, problems.join(" ")).advise(format!(
        "Fix these inputs ({place}). Nothing was sent to Sofy."
    ))
}

fn still_privileged(problem: &str) -> Verdict {
    Verdict::new(Conclusion::Error, problem).advise(
        "Allow the container to drop capabilities (check its seccomp profile), or start it as a \
         non-root user. Nothing was sent to Sofy.",
    )
}

fn cannot_start(problem: &str) -> Verdict {
    Verdict::new(Conclusion::Error, problem)
        .advise("Run the job again, and report it if it happens again.")
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
        .map_err(|_| "TLS could not start: a provider is installed already".to_owned())?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| format!("The runtime could not start: {error}"))?;
    let told = runtime.block_on(async { story(signal::listen()).await });
    // Name resolution blocks a thread, perhaps for longer than the runner waits for us.
    runtime.shutdown_background();
    Ok(told)
}
