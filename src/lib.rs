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
use std::path::Path;
use std::process::ExitCode;

use tokio::sync::watch::Receiver;

use gate::Api;
use gate::abort::{self, AbortOutcome, Unfinished};
use github::privileges::{Writes, give_up_root};
use github::{Runner, command, log, signal};
use inputs::Inputs;
use model::report::{Paths, Report};
use model::verdict::{Conclusion, Verdict};
use publish::publish;
use report::Publication;
use report::annotations::Severity;
use report::upload::UploadReport;
use retry::Jitter;
use sofy::ApiError;
use upload::{NotReady, Upload};

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
    let (entry, unknown_argument) = match Command::of(std::env::args_os()) {
        Command::Run(entry, unknown_argument) => (entry, unknown_argument),
        Command::Print(text) => {
            log::print(text);
            return ExitCode::SUCCESS;
        }
    };
    // What is not UTF-8 gets replacement characters, which no input takes.
    let env: Vec<(String, String)> = std::env::vars_os()
        .map(|(name, value)| (lossy(&name), lossy(&value)))
        .collect();
    let mut runner = Runner::open(&env);
    let key = inputs::api_key(&env);
    // Elsewhere the command that hides the key would be what shows it.
    if let (true, Some(key)) = (runner.is_github(), &key) {
        log::print(&command::mask(key.expose()));
    }
    runner.start_log();
    if let Some(argument) = unknown_argument {
        // It may be a key that was meant for an input.
        let argument = key.map_or(argument.clone(), |key| key.redact(argument));
        return ExitCode::from(refuse(entry, unknown(&argument), &[], &mut runner));
    }
    if entry != Entry::AbortUnfinished {
        tracing::info!("{VERSION}");
    }
    let status = with_runtime(async |signal| {
        step(entry, &env, &mut runner, signal, jitter, give_up_root).await
    });
    ExitCode::from(
        status.unwrap_or_else(|problem| refuse(entry, cannot_start(&problem), &[], &mut runner)),
    )
}

/// What a step has once its inputs are understood, and all is open that only root may open.
#[expect(clippy::large_enum_variant, reason = "there is one in a process")]
enum Ready {
    Gate(Inputs, Result<Api, ApiError>),
    Upload(Upload),
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
            inputs::parse(env)
                .map(|inputs| {
                    let api = Api::new(&inputs);
                    Ready::Gate(inputs, api)
                })
                .map_err(NotReady::BadInputs)
        }
        Entry::Upload => Upload::prepare(env, runner.workspace(), signal.clone())
            .await
            .map(Ready::Upload),
        Entry::AbortUnfinished => Ok(Ready::AbortUnfinished(Unfinished::of(env))),
    };
    let writes = match entry {
        Entry::Gate if inputs::ask_for_reports(env) => Writes::Reports,
        Entry::Gate | Entry::Upload | Entry::AbortUnfinished => Writes::Nothing,
    };
    if let Err(problem) = give_up_root(runner.workspace(), writes) {
        return refuse(entry, still_privileged(&problem), &[], runner);
    }
    match ready {
        Ok(Ready::Gate(inputs, api)) => {
            let report = gate::run(api, &inputs, runner, signal, jitter).await;
            publish(&Publication::of(&report, &inputs.paths), runner)
        }
        Ok(Ready::Upload(upload)) => {
            publish(&Publication::of_upload(&upload.run(jitter).await), runner)
        }
        Ok(Ready::AbortUnfinished(unfinished)) => {
            let (severity, message) = match abort::post_step(unfinished, signal).await {
                AbortOutcome::NotNeeded(why) => {
                    tracing::debug!("nothing to abort: {why}");
                    return 0;
                }
                AbortOutcome::Failed(problem) => (Some(Severity::Warning), problem),
                AbortOutcome::Aborted(message) | AbortOutcome::LeftRunning(message) => {
                    (None, message)
                }
            };
            publish(&Publication::line(severity, &message), runner)
        }
        Err(NotReady::Ended(report)) => publish(&Publication::of_upload(&report), runner),
        Err(NotReady::BadInputs(problems)) => {
            refuse(entry, bad_inputs(&problems, runner), &problems, runner)
        }
    }
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
    Print(&'static str),
    /// An entry, with an argument that nobody knows.
    Run(Entry, Option<String>),
}

impl Command {
    /// Reads the name that the binary was started by, which takes precedence, and the arguments.
    fn of(mut words: impl Iterator<Item = OsString>) -> Self {
        let name = words.next().unwrap_or_default();
        if Path::new(&name).file_name() == Some(OsStr::new("abort-unfinished")) {
            return Self::Run(Entry::AbortUnfinished, None);
        }
        let words: Vec<String> = words.map(|word| lossy(&word)).collect();
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let (entry, rest) = match &words[..] {
            ["upload", rest @ ..] => (Entry::Upload, rest),
            ["gate", rest @ ..] | rest => (Entry::Gate, rest),
        };
        match rest {
            [] => Self::Run(entry, None),
            ["--help"] => Self::Print(HELP),
            ["--version"] => Self::Print(VERSION),
            [argument, ..] => Self::Run(entry, Some((*argument).to_owned())),
        }
    }
}

fn lossy(text: &OsStr) -> String {
    text.to_string_lossy().into_owned()
}

/// Ends before anything is sent, because of the verdict's reason or the problems of the inputs.
fn refuse(entry: Entry, verdict: Verdict, problems: &[String], runner: &mut Runner) -> u8 {
    let (report, paths) = (Report::of(verdict.clone()), Paths::default());
    let (publication, subject) = match entry {
        Entry::Gate => (Publication::of(&report, &paths), "Sofy gate"),
        Entry::Upload => {
            let report = UploadReport::of(verdict);
            (Publication::of_upload(&report), "Sofy upload")
        }
        Entry::AbortUnfinished => {
            let warning = Publication::line(Some(Severity::Warning), &verdict.reason);
            (warning, "Sofy post step")
        }
    };
    if problems.is_empty() {
        return publish(&publication, runner);
    }
    publish(&publication.with_problems(subject, problems), runner)
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
    // It fails only if there is one already.
    _ = rustls::crypto::ring::default_provider().install_default();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| format!("The runtime could not start: {error}"))?;
    let result = runtime.block_on(async { story(signal::listen()).await });
    // Name resolution blocks a thread, perhaps for longer than the runner waits for us.
    runtime.shutdown_background();
    Ok(result)
}
