//! What happens on the runner? The steps of a world, as `main` would run them, and what they leave.

use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Duration;

use serde_json::Value;
use tokio::sync::watch::{Sender, channel};
use tokio::time::sleep;

use super::sofy::Network;
use super::upload::{self, Upload};
use super::world::{Ms, SECOND, Status, World};
use super::{GUID, KEY, NUMBER};
use crate::gate::abort;
use crate::github::Runner;
use crate::github::log::tests::taken_down;
use crate::{Entry, step};

/// All that a world left behind.
pub(super) struct Trace {
    pub(super) network: Network,
    pub(super) steps: Vec<Step>,
}

impl Trace {
    /// The logs of all steps.
    pub(super) fn log(&self) -> String {
        let steps = self.steps.iter().map(|step| {
            format!(
                "--- {:?} from {} to {}, exit {:?}\n{}",
                step.kind, step.began, step.ended, step.exit, step.log
            )
        });
        steps.collect()
    }
}

/// One step and its traces.
#[derive(Debug, Default)]
pub(super) struct Step {
    pub(super) kind: StepKind,
    pub(super) began: Ms,
    pub(super) ended: Ms,
    /// When the workflow was cancelled while it ran.
    pub(super) cancelled: Option<Ms>,
    /// None where it was killed.
    pub(super) exit: Option<u8>,
    pub(super) log: String,
    /// The runner's files as they are, and the outputs and the state by name.
    pub(super) files: [String; 5],
    pub(super) outputs: Vec<(String, String)>,
    pub(super) state: String,
    pub(super) json: Value,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum StepKind {
    /// Uploads the build.
    Upload,
    /// Triggers and waits.
    #[default]
    Gate,
    /// Triggers and leaves the run alone.
    Start,
    /// Waits for what an earlier step started.
    Attach,
    /// The post step.
    Post,
}

impl Step {
    pub(super) fn output(&self, name: &str) -> &str {
        self.outputs
            .iter()
            .rev()
            .find_map(|(key, value)| (key == name).then_some(value.as_str()))
            .unwrap_or_default()
    }

    pub(super) fn summary(&self) -> &str {
        &self.files[1]
    }

    pub(super) fn junit(&self) -> &str {
        &self.files[3]
    }
}

const FILES: [&str; 5] = ["output", "summary", "state", "junit.xml", "results.json"];

/// Plays the story of a world in a folder that is reused.
pub(super) async fn play(world: &Rc<World>, folder: &Path) -> Trace {
    let network = Network::new(Rc::clone(world));
    super::enter(&network, world.seed);
    let mut trace = Trace {
        network,
        steps: Vec::new(),
    };
    let mut runner = Job {
        world,
        folder,
        trace: &mut trace,
    };
    runner.run().await;
    super::leave();
    trace
}

struct Job<'world> {
    world: &'world World,
    folder: &'world Path,
    trace: &'world mut Trace,
}

impl Job<'_> {
    async fn run(&mut self) {
        let mut asked = Vec::new();
        if let Some(upload) = &self.world.upload {
            let step = self.upload(upload).await;
            if step.exit == Some(0) {
                asked.push(("app-hash", step.output("app-hash").to_owned()));
            }
            self.trace.steps.push(step);
            if asked.is_empty() {
                return;
            }
        } else if self.world.asked.app_hash {
            asked.push(("app-hash", self.world.builds[0].hash.clone()));
        }
        self.trace.network.begin_the_gate();
        let story = &self.world.story;
        let Some(later) = story.detached else {
            return self.gate(StepKind::Gate, 1, &asked).await;
        };
        let detached = [&asked[..], &[("wait", "false".to_owned())]].concat();
        self.gate(StepKind::Start, 1, &detached).await;
        let started = |step: &&Step| step.kind == StepKind::Start && step.exit == Some(0);
        let Some(start) = self.trace.steps.iter().find(started) else {
            return;
        };
        let mut pairs = asked;
        pairs.push((
            "test-run-group-id",
            start.output("test-run-group-id").to_owned(),
        ));
        if !self.world.asked.public {
            pairs.push(("results-after", start.output("results-after").to_owned()));
        }
        sleep(millis(later)).await;
        let attempt = if story.rerun { 2 } else { 1 };
        self.gate(StepKind::Attach, attempt, &pairs).await;
    }

    /// Uploads the build.
    async fn upload(&self, drawn: &Upload) -> Step {
        for name in FILES {
            std::fs::write(self.path(name), "").expect("a file");
        }
        upload::write(&self.path("app.apk"), &drawn.file, 0);
        let mut env = self.files();
        for (name, value) in [
            ("API-KEY", KEY.to_owned()),
            ("APP-PATH", "app.apk".to_owned()),
            ("TIMEOUT", format!("{}s", drawn.timeout / SECOND)),
            ("API", self.generation().to_owned()),
        ] {
            env.push((format!("INPUT_{name}"), value));
        }
        let (sender, receiver) = channel(None);
        let began = self.trace.network.now();
        taken_down();
        let step = async {
            let mut runner = Runner::open(&env);
            step(
                Entry::Upload,
                &env,
                &mut runner,
                receiver,
                super::jitter,
                |_, _| Ok(()),
            )
            .await
        };
        let exit = tokio::select! {
            biased;
            exit = step => Some(exit),
            () = signals(drawn.cancelled, &sender) => None,
            () = self.change(drawn) => None,
        };
        self.left(StepKind::Upload, began, drawn.cancelled, exit)
    }

    /// Writes to the file when it is time, and waits forever.
    async fn change(&self, drawn: &Upload) {
        if let Some(change) = drawn.change {
            sleep(millis(change.at)).await;
            change.apply(&self.path("app.apk"), &drawn.file);
        }
        std::future::pending().await
    }

    const fn generation(&self) -> &'static str {
        if self.world.asked.public {
            "public"
        } else {
            "classic"
        }
    }

    /// Runs a step and, where the runner would, its post step.
    async fn gate(&mut self, kind: StepKind, attempt: u32, more: &[(&str, String)]) {
        for name in FILES {
            std::fs::write(self.path(name), "").expect("a file");
        }
        let env = self.env(attempt, more);
        let (sender, receiver) = channel(None);
        let began = self.trace.network.now();
        let story = &self.world.story;
        let killed = async {
            match story.killed {
                Some(at) => sleep(millis(at)).await,
                None => std::future::pending().await,
            }
        };
        taken_down();
        let step = async {
            let mut runner = Runner::open(&env);
            step(
                Entry::Gate,
                &env,
                &mut runner,
                receiver,
                super::jitter,
                |_, _| Ok(()),
            )
            .await
        };
        let exit = tokio::select! {
            biased;
            exit = step => Some(exit),
            () = killed => None,
            () = signals(story.cancelled, &sender) => None,
        };
        let step = self.left(kind, began, story.cancelled, exit);
        let state = step.state.clone();
        let failed = step.exit != Some(0);
        self.trace.steps.push(step);
        if failed {
            self.post(attempt, &state).await;
        }
    }

    async fn post(&mut self, attempt: u32, state: &str) {
        for name in FILES {
            std::fs::write(self.path(name), "").expect("a file");
        }
        let mut env = self.env(attempt, &[]);
        env.push((format!("STATE_{}", abort::STATE), state.to_owned()));
        let (_sender, receiver) = channel(None);
        let began = self.trace.network.now();
        taken_down();
        let mut runner = Runner::open(&env);
        let entry = Entry::AbortUnfinished;
        let exit = step(entry, &env, &mut runner, receiver, super::jitter, |_, _| {
            Ok(())
        })
        .await;
        let step = self.left(StepKind::Post, began, None, Some(exit));
        self.trace.steps.push(step);
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// What a step has left, just now.
    fn left(&self, kind: StepKind, began: Ms, cancelled: Option<Ms>, exit: Option<u8>) -> Step {
        let ended = self.trace.network.now();
        let mut step = Step {
            kind,
            began,
            ended,
            cancelled: cancelled.map(|at| began + at).filter(|at| *at <= ended),
            exit,
            log: taken_down(),
            ..Step::default()
        };
        step.files = FILES.map(|name| std::fs::read_to_string(self.path(name)).unwrap_or_default());
        step.outputs = heredocs(&step.files[0]);
        step.state = heredocs(&step.files[2])
            .pop()
            .map(|(_, value)| value)
            .unwrap_or_default();
        step.json = serde_json::from_str(&step.files[4]).unwrap_or_default();
        step
    }

    /// What every step is trace of the runner.
    fn files(&self) -> Vec<(String, String)> {
        let mut env = vec![
            ("GITHUB_ACTIONS".to_owned(), "true".to_owned()),
            (
                "GITHUB_WORKSPACE".to_owned(),
                self.folder.display().to_string(),
            ),
        ];
        for (name, file) in [
            ("GITHUB_OUTPUT", FILES[0]),
            ("GITHUB_STEP_SUMMARY", FILES[1]),
            ("GITHUB_STATE", FILES[2]),
        ] {
            env.push((name.to_owned(), self.path(file).display().to_string()));
        }
        env
    }

    fn env(&self, attempt: u32, more: &[(&str, String)]) -> Vec<(String, String)> {
        let asked = &self.world.asked;
        let schedule = if asked.public { GUID } else { NUMBER };
        let mut env = self.files();
        env.push(("GITHUB_RUN_ATTEMPT".to_owned(), attempt.to_string()));
        let mut input = |name: &str, value: String| {
            env.push((format!("INPUT_{}", name.to_uppercase()), value));
        };
        input("api-key", KEY.to_owned());
        input("schedule-id", schedule.to_owned());
        input("timeout", format!("{}s", asked.timeout / SECOND));
        input(
            "poll-interval",
            format!("{}s", asked.poll_interval / SECOND),
        );
        input("abort-unfinished", asked.abort.to_string());
        input("junit-path", FILES[3].to_owned());
        input("json-path", FILES[4].to_owned());
        if !asked.tolerated.is_empty() {
            let fail_on: Vec<&str> = [
                (Status::Failed, "failed"),
                (Status::Incomplete, "incomplete"),
                (Status::NotExecuted, "not-executed"),
                (Status::Stopped, "stopped"),
            ]
            .into_iter()
            .filter(|(status, _)| !asked.tolerated.contains(status))
            .map(|(_, text)| text)
            .collect();
            input("fail-on", fail_on.join(", "));
        }
        for (name, value) in more {
            input(name, value.clone());
        }
        env
    }
}

/// Sends what the runner sends where a workflow is cancelled.
async fn signals(cancelled: Option<Ms>, sender: &Sender<Option<&'static str>>) {
    if let Some(at) = cancelled {
        sleep(millis(at)).await;
        _ = sender.send(Some("SIGINT"));
        sleep(Duration::from_millis(7_500)).await;
        _ = sender.send(Some("SIGTERM"));
    }
    std::future::pending().await
}

fn millis(ms: Ms) -> Duration {
    Duration::from_millis(ms.unsigned_abs())
}

/// Reads a file of the runner's as the runner does.
fn heredocs(text: &str) -> Vec<(String, String)> {
    let mut pairs = Vec::new();
    let mut lines = text.lines();
    while let Some((name, delimiter)) = lines.next().and_then(|line| line.split_once("<<")) {
        let value: Vec<&str> = lines
            .by_ref()
            .take_while(|line| *line != delimiter)
            .collect();
        pairs.push((name.to_owned(), value.join("\n")));
    }
    pairs
}
