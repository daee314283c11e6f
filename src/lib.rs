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

use std::ffi::OsStr;
use std::path::Path;
use std::process::ExitCode;

use tokio::runtime::Builder;
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
    "Inputs are environment variables, for example:\n\n  INPUT_API_KEY=... INPUT_SCHEDULE_ID=1888 INPUT_TIMEOUT=45m sofy-schedule-run\n\n",
    "README.md describes each input."
);
const VERSION: &str = concat!(env!("CARGO_PKG_NAME"), " ", env!("CARGO_PKG_VERSION"));

/// Runs the entry that name and arguments select; the exit status is the step's.
pub fn main() -> ExitCode {
    let (entry, rest) = command();
    let text = match rest.join(" ").as_str() {
        "--help" => HELP,
        "--version" => VERSION,
        _ => "",
    };
    if !text.is_empty() {
        log::print(text);
        return ExitCode::SUCCESS;
    }
    // What is not UTF-8 gets replacement characters, which no input takes.
    let env = std::env::vars_os().map(|(name, value)| (lossy(&name), lossy(&value)));
    let env: Vec<(String, String)> = env.collect();
    let mut runner = Runner::open(&env);
    let key = inputs::api_key(&env);
    // Elsewhere the command that hides the key would be what shows it.
    if let (true, Some(key)) = (runner.is_github(), &key) {
        log::print(&command::mask(key.expose()));
    }
    _ = key.map(|key| secret::KEY.set(key));
    runner.start_log();
    if let Some(argument) = rest.into_iter().next() {
        // It may be a key that was meant for an input.
        let argument: String = secret::without_key(&argument).chars().take(60).collect();
        let reason = format!("The argument {argument:?} is unknown");
        return ExitCode::from(refuse(entry, refusal(&reason, ARGUMENTS), &mut runner));
    }
    // It fails only if there is one already.
    _ = rustls::crypto::ring::default_provider().install_default();
    let runtime = Builder::new_current_thread().enable_all().build();
    ExitCode::from(match runtime {
        Ok(runtime) => {
            let status = runtime.block_on(async {
                let signal = signal::listen();
                // Who reads this line may send a signal.
                if entry != Entry::AbortUnfinished {
                    tracing::info!("{VERSION}");
                }
                step(entry, &env, &mut runner, signal, jitter, give_up_root).await
            });
            // Name resolution blocks a thread, perhaps for longer than the runner waits for us.
            runtime.shutdown_background();
            status
        }
        Err(error) => {
            let problem = format!("The runtime could not start: {error}");
            refuse(entry, refusal(&problem, RUN_AGAIN), &mut runner)
        }
    })
}

/// What a step has once its inputs are understood, and all is open that only root may open.
enum Ready {
    Gate(Result<Api, ApiError>, Inputs),
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
            let inputs = inputs::parse(env).map_err(NotReady::BadInputs);
            inputs.map(|inputs| Ready::Gate(Api::new(&inputs), inputs))
        }
        Entry::Upload => Upload::prepare(env, &runner.workspace, signal.clone())
            .await
            .map(Ready::Upload),
        Entry::AbortUnfinished => Ok(Ready::AbortUnfinished(Unfinished::of(env))),
    };
    // Bad inputs leave no report file.
    let writes = match &ready {
        Ok(Ready::Gate(_, inputs)) if inputs.paths != Paths::default() => Writes::Reports,
        Ok(_) | Err(_) => Writes::Nothing,
    };
    if let Err(problem) = give_up_root(&runner.workspace, writes) {
        return refuse(entry, refusal(&problem, ROOT_REMAINS), runner);
    }
    match ready {
        Ok(Ready::Gate(api, inputs)) => {
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
                AbortOutcome::Failed(said) => (Some(Severity::Warning), said + CHECK_PORTAL),
                AbortOutcome::Aborted(said) | AbortOutcome::LeftRunning(said) => (None, said),
            };
            publish(&Publication::line(severity, &message), runner)
        }
        Err(NotReady::Ended(verdict)) => refuse(entry, verdict, runner),
        Err(NotReady::BadInputs(problems)) => refuse(entry, bad_inputs(problems, runner), runner),
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

/// Reads the name that the binary was started by, which takes precedence, and the arguments; gives what is left of them.
fn command() -> (Entry, Vec<String>) {
    let mut words = std::env::args_os().map(|word| lossy(&word));
    let name = words.next().unwrap_or_default();
    let mut words: Vec<String> = words.collect();
    let is_post_step = Path::new(&name).ends_with("abort-unfinished");
    let (entry, known) = match words.first().map(String::as_str) {
        _ if is_post_step => (Entry::AbortUnfinished, words.len()),
        Some("upload") => (Entry::Upload, 1),
        Some("gate") => (Entry::Gate, 1),
        Some(_) | None => (Entry::Gate, 0),
    };
    (entry, words.split_off(known))
}

fn lossy(text: &OsStr) -> String {
    text.to_string_lossy().into_owned()
}

/// Ends before anything is sent.
fn refuse(entry: Entry, verdict: Verdict, runner: &mut Runner) -> u8 {
    let (report, paths) = (Report::of(verdict.clone()), Paths::default());
    let publication = match entry {
        Entry::Gate => Publication::of(&report, &paths),
        Entry::Upload => Publication::of_upload(&UploadReport::of(verdict)),
        Entry::AbortUnfinished => Publication::line(Some(Severity::Warning), &verdict.reason),
    };
    publish(&publication, runner)
}

const ARGUMENTS: &str = "Use no argument, gate, upload, --help or --version. Inputs are environment variables, such as \
    INPUT_SCHEDULE_ID. Nothing was sent to Sofy.";
const CHECK_PORTAL: &str = " Check the schedule in Sofy's portal.";
const RUN_AGAIN: &str = "Run the job again, and report it if it happens again.";
const ROOT_REMAINS: &str = "Allow the container to drop capabilities (check its seccomp profile), or start it as a \
    non-root user. Nothing was sent to Sofy.";

fn bad_inputs(problems: Vec<String>, runner: &Runner) -> Verdict {
    const WITH: &str = "under `with:` in the workflow";
    const VARIABLES: &str = "environment variables such as INPUT_SCHEDULE_ID";
    let place = if runner.is_github() { WITH } else { VARIABLES };
    let advice = format!("Fix these inputs ({place}). Nothing was sent to Sofy.");
    let mut verdict = refusal(&problems.join(" "), &advice);
    verdict.problems = problems;
    verdict
}

fn refusal(reason: &str, advice: &str) -> Verdict {
    Verdict::new(Conclusion::Error, reason).advise(advice)
}

/// A random share from 0 to 1.
fn jitter() -> f64 {
    f64::from(uuid::Uuid::new_v4().as_fields().0) / f64::from(u32::MAX)
}
