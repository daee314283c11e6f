//! One step of a workflow: the binary as the runner starts it, and what the runner would make of it.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::io::Read;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Condvar, LazyLock, Mutex, PoisonError};
use std::thread::Thread;
use std::time::{Duration, Instant};
use std::{fs, thread};

use serde_json::Value;

use crate::fake_sofy::FakeSofy;
use crate::file_command;
use crate::tls;

/// No real key looks like this, and nothing else contains it.
pub(crate) const KEY: &str = "k3y-0f-the-tests-9d41c7";

/// No test waits longer than this for the step to end.
const PATIENCE: Duration = Duration::from_secs(180);

/// Between two looks at a step whose log says nothing new: hundreds of steps are looked at.
const A_LOOK: Duration = Duration::from_millis(200);

/// How long a start takes its turn at least: a herd of steps would be slow, and most of a step's time is waiting.
const A_TURN: Duration = Duration::from_millis(25);

/// How long a step may take until it prints something before the next one starts. On a busy machine this keeps
/// deadlines of a few seconds from passing while hundreds of steps begin.
const A_START: Duration = Duration::from_millis(200);

/// Starts of steps, as many at a time as there are cores.
static TURNS: LazyLock<Mutex<Turns>> = LazyLock::new(|| {
    let free = thread::available_parallelism().map_or(1, usize::from);
    let waiting = BTreeMap::new();
    Mutex::new(Turns { free, waiting })
});

struct Turns {
    free: usize,
    /// By place of the claim and number of the start.
    waiting: BTreeMap<(usize, u32), Thread>,
}

thread_local! {
    /// The place of the claim that this thread makes. The first claim, which takes longest, starts its steps first.
    pub(crate) static PLACE: Cell<usize> = const { Cell::new(0) };
}

/// A start of a step, until it is dropped.
struct Turn;

impl Turn {
    fn take() -> Self {
        let mut turns = TURNS.lock().unwrap();
        if turns.free > 0 {
            turns.free -= 1;
            return Self;
        }
        let number = COUNTER.fetch_add(1, Ordering::SeqCst);
        let place = (PLACE.get(), number);
        turns.waiting.insert(place, thread::current());
        while turns.waiting.contains_key(&place) {
            drop(turns);
            thread::park();
            turns = TURNS.lock().unwrap();
        }
        Self
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let mut turns = TURNS.lock().unwrap_or_else(PoisonError::into_inner);
        match turns.waiting.pop_first() {
            Some((_, next)) => next.unpark(),
            None => turns.free += 1,
        }
    }
}

static COUNTER: AtomicU32 = AtomicU32::new(0);

/// What the steps trust. To read one certificate also takes a sixth of the time of a system's whole bundle.
static AUTHORITIES: LazyLock<String> = LazyLock::new(|| {
    let file = crate::FOLDER.join("authorities.pem");
    fs::write(&file, tls::our_authority()).unwrap();
    file.to_str().unwrap().to_owned()
});

/// A step about to be run.
pub(crate) struct Gate {
    folder: PathBuf,
    environment: BTreeMap<String, OsString>,
    /// The name that the binary is started by, and its arguments.
    words: Vec<String>,
}

impl Gate {
    /// A classic schedule with a valid key, looked at each second.
    pub(crate) fn new(fake: &FakeSofy) -> Self {
        Self::at(&fake.url())
    }

    /// The same with the base URL of whatever stands in for Sofy.
    pub(crate) fn at(url: &str) -> Self {
        let number = COUNTER.fetch_add(1, Ordering::SeqCst);
        let folder = crate::FOLDER.join(number.to_string());
        fs::create_dir_all(folder.join("workspace")).unwrap();
        for file in ["output", "summary", "state"] {
            fs::write(folder.join(file), "").unwrap();
        }
        let file = |name: &str| folder.join(name).to_str().unwrap().to_owned();
        let environment = [
            ("GITHUB_ACTIONS", "true".to_owned()),
            ("GITHUB_OUTPUT", file("output")),
            ("GITHUB_STEP_SUMMARY", file("summary")),
            ("GITHUB_STATE", file("state")),
            ("GITHUB_WORKSPACE", file("workspace")),
            ("SSL_CERT_FILE", AUTHORITIES.clone()),
        ];
        let environment = environment
            .map(|(name, value)| (name.to_owned(), value.into()))
            .into();
        Self {
            folder,
            environment,
            words: Vec::new(),
        }
        .input("api-key", KEY)
        .input("schedule-id", crate::fake_sofy::CLASSIC)
        .input("poll-interval", "1s")
        .input("timeout", "30s")
        .input("api-url", url)
    }

    /// A binary that is started without an environment.
    pub(crate) fn bare(fake: &FakeSofy) -> Self {
        Self {
            environment: BTreeMap::new(),
            ..Self::new(fake)
        }
    }

    /// An upload of what is put into the workspace.
    pub(crate) fn upload(fake: &FakeSofy) -> Self {
        Self::new(fake)
            .without_input("schedule-id")
            .without_input("poll-interval")
            .input("app-path", "out/app.apk")
            .argument("upload")
    }

    pub(crate) fn workspace(&self) -> PathBuf {
        self.folder.join("workspace")
    }

    /// Puts a file into the workspace.
    pub(crate) fn file(self, name: &str, bytes: &[u8]) -> Self {
        let path = self.workspace().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
        self
    }

    /// Sets an input as the runner does.
    pub(crate) fn input(self, name: &str, value: &str) -> Self {
        self.env(&format!("INPUT_{}", name.to_uppercase()), value)
    }

    pub(crate) fn without_input(self, name: &str) -> Self {
        self.without_env(&format!("INPUT_{}", name.to_uppercase()))
    }

    pub(crate) fn env(mut self, name: &str, value: &str) -> Self {
        self.environment.insert(name.to_owned(), value.into());
        self
    }

    /// Sets a variable that need not be text.
    pub(crate) fn env_bytes(mut self, name: &str, value: &[u8]) -> Self {
        let value = OsStr::from_bytes(value).to_owned();
        self.environment.insert(name.to_owned(), value);
        self
    }

    /// Spells the inputs as a shell can.
    pub(crate) fn with_underscores(mut self) -> Self {
        let spelled = |name: String| match name.starts_with("INPUT_") {
            true => name.replace('-', "_"),
            false => name,
        };
        let environment = std::mem::take(&mut self.environment).into_iter();
        self.environment = environment
            .map(|(name, value)| (spelled(name), value))
            .collect();
        self
    }

    /// Starts the step from a shell that has run a line before; a shell drops names with hyphens.
    pub(crate) fn start_after(self, line: &str) -> Started {
        let mut this = self.with_underscores();
        let binary = env!("CARGO_BIN_EXE_sofy-schedule-run");
        this.words = vec!["-c".to_owned(), format!("{line}\nexec {binary}")];
        this.start_as(Path::new("/bin/sh"))
    }

    /// Leaves something of another tool in one of the runner's files.
    pub(crate) fn left(self, file: &str, text: &str) -> Self {
        fs::write(self.folder.join(file), text).unwrap();
        self
    }

    pub(crate) fn without_env(mut self, name: &str) -> Self {
        self.environment.remove(name);
        self
    }

    /// Hands over an argument.
    pub(crate) fn argument(mut self, word: &str) -> Self {
        self.words.push(word.to_owned());
        self
    }

    /// Runs the post step with what a step has saved, as the runner does.
    pub(crate) fn post_step_of(mut self, step: &Step) -> Step {
        for (name, value) in &step.state {
            self = self.env(&format!("STATE_{name}"), value);
        }
        self.post_step()
    }

    pub(crate) fn post_step(self) -> Step {
        let name = self.folder.join("abort-unfinished");
        std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_sofy-schedule-run"), &name).unwrap();
        self.start_as(&name).end()
    }

    pub(crate) fn run(self) -> Step {
        self.start().end()
    }

    pub(crate) fn start(self) -> Started {
        self.start_as(Path::new(env!("CARGO_BIN_EXE_sofy-schedule-run")))
    }

    fn start_as(self, name: &Path) -> Started {
        let turn = Turn::take();
        let begun = Instant::now();
        let mut child = Command::new(name)
            .args(&self.words)
            .env_clear()
            .envs(&self.environment)
            .current_dir(self.folder.join("workspace"))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let started = Started {
            stdout: Stream::of(child.stdout.take().unwrap()),
            stderr: Stream::of(child.stderr.take().unwrap()),
            child,
            folder: self.folder,
        };
        thread::sleep(A_TURN);
        while !started.stdout.has_begun() && begun.elapsed() < A_START {
            thread::sleep(Duration::from_millis(5));
        }
        drop(turn);
        started
    }
}

/// What a step has printed so far.
struct Stream {
    printed: Arc<Printed>,
    reader: thread::JoinHandle<()>,
}

#[derive(Default)]
struct Printed {
    text: Mutex<Vec<u8>>,
    more: Condvar,
}

impl Stream {
    fn of(mut source: impl Read + Send + 'static) -> Self {
        let printed = Arc::new(Printed::default());
        let sink = Arc::clone(&printed);
        let reader = thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(n @ 1..) = source.read(&mut buffer) {
                sink.text.lock().unwrap().extend_from_slice(&buffer[..n]);
                sink.more.notify_all();
            }
            sink.more.notify_all();
        });
        Self { printed, reader }
    }

    fn so_far(&self) -> String {
        String::from_utf8_lossy(&self.printed.text.lock().unwrap()).into_owned()
    }

    fn has_begun(&self) -> bool {
        !self.printed.text.lock().unwrap().is_empty()
    }

    /// Waits until there is more, and at most for [`A_LOOK`].
    fn wait(&self) {
        let text = self.printed.text.lock().unwrap();
        if self.reader.is_finished() {
            // It ends about now, or a test waits for something else.
            drop(text);
            thread::sleep(Duration::from_millis(5));
        } else {
            drop(self.printed.more.wait_timeout(text, A_LOOK).unwrap());
        }
    }

    fn whole(self) -> String {
        self.reader.join().unwrap();
        String::from_utf8_lossy(&self.printed.text.lock().unwrap()).into_owned()
    }
}

/// A step that runs.
pub(crate) struct Started {
    child: Child,
    folder: PathBuf,
    stdout: Stream,
    stderr: Stream,
}

impl Started {
    /// Waits until something is true of the log, or of the world.
    #[track_caller]
    pub(crate) fn wait_until(&self, holds: impl Fn(&str) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let over = self.stdout.reader.is_finished() || Instant::now() > deadline;
            if holds(&self.stdout.so_far()) {
                return;
            }
            assert!(!over, "never:\n{}", self.stdout.so_far());
            self.stdout.wait();
        }
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal by its name, such as `INT`.
    pub(crate) fn signal(&self, name: &str) {
        let sent = Command::new("/bin/kill")
            .arg(format!("-{name}"))
            .arg(self.child.id().to_string())
            .status();
        let sent = sent.or_else(|_| {
            let line = format!("kill -{name} {}", self.child.id());
            Command::new("/bin/sh").args(["-c", &line]).status()
        });
        assert!(sent.unwrap().success());
    }

    pub(crate) fn end(mut self) -> Step {
        let deadline = Instant::now() + PATIENCE;
        let mut peak_memory = 0;
        let status = loop {
            self.stdout.wait();
            // Until it has become our binary, a child has the memory of these tests.
            if self.stdout.has_begun() {
                peak_memory = memory(self.child.id()).max(peak_memory);
            }
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            if Instant::now() > deadline {
                self.child.kill().unwrap();
                panic!("the step did not end:\n{}", self.stdout.whole());
            }
        };
        let outputs = fs::read_to_string(self.folder.join("output")).unwrap();
        let summary = fs::read_to_string(self.folder.join("summary")).unwrap();
        let state = fs::read_to_string(self.folder.join("state")).unwrap();
        let report =
            |name| fs::read_to_string(self.folder.join("workspace").join(name)).unwrap_or_default();
        let (junit, json) = (report("report.xml"), report("report.json"));
        fs::remove_dir_all(&self.folder).ok();
        Step {
            status: status.code(),
            stdout: self.stdout.whole(),
            stderr: self.stderr.whole(),
            outputs: BTreeMap::from_iter(file_command::read(&outputs).unwrap()),
            raw_outputs: outputs,
            state: BTreeMap::from_iter(file_command::read(&state).unwrap()),
            summary,
            junit,
            json,
            peak_memory,
        }
    }
}

/// The most memory that a process had so far.
fn memory(process: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = peak.and_then(|peak| peak.trim().strip_suffix(" kB")?.parse::<u64>().ok());
    kib.unwrap_or(0) * 1024
}

/// A step that ended, as the runner sees it.
#[derive(Debug)]
pub(crate) struct Step {
    pub(crate) status: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    pub(crate) outputs: BTreeMap<String, String>,
    pub(crate) raw_outputs: String,
    /// What the runner hands to the post step.
    pub(crate) state: BTreeMap<String, String>,
    pub(crate) summary: String,
    /// What stands in `report.xml` and `report.json`, if the step was to write there.
    pub(crate) junit: String,
    pub(crate) json: String,
    /// In bytes, as far as it was seen, and where the system tells it.
    pub(crate) peak_memory: u64,
}

impl Step {
    /// Fails with the whole log unless the step ended so.
    #[track_caller]
    pub(crate) fn expect(&self, status: i32, conclusion: &str) -> &Self {
        assert_eq!(
            (self.status, self.output("conclusion")),
            (Some(status), conclusion),
            "log:\n{}\nstderr:\n{}\noutputs: {:#?}",
            self.stdout,
            self.stderr,
            self.outputs
        );
        if status != 0 {
            assert!(
                !self.annotations("error").is_empty(),
                "no ::error in:\n{}",
                self.stdout
            );
        }
        self
    }

    /// An output; an absent one is empty, as in an expression.
    pub(crate) fn output(&self, name: &str) -> &str {
        self.outputs.get(name).map_or("", String::as_str)
    }

    #[track_caller]
    pub(crate) fn count(&self, name: &str) -> u64 {
        let output = self.output(&format!("{name}-count"));
        output
            .parse()
            .unwrap_or_else(|_| panic!("{name}-count is {output:?}"))
    }

    #[track_caller]
    pub(crate) fn results(&self) -> Vec<Value> {
        serde_json::from_str(self.output("results-json")).unwrap()
    }

    pub(crate) fn annotations(&self, kind: &str) -> Vec<String> {
        let commands = commands(&self.stdout).into_iter();
        commands
            .filter(|c| c.name == kind)
            .map(|c| c.data)
            .collect()
    }

    /// Everything that people or later steps get to see, without the command that masks the key.
    pub(crate) fn shown(&self) -> String {
        let masked = format!("::add-mask::{KEY}");
        let log: Vec<&str> = self.stdout.lines().filter(|line| *line != masked).collect();
        [
            &log.join("\n"),
            &self.stderr,
            &self.raw_outputs,
            &self.summary,
            &self.junit,
            &self.json,
        ]
        .map(String::as_str)
        .join("\n")
    }
}

/// Makes the same claim of each case, all at once: most of a step's time is waiting.
pub(crate) fn each<T: Sync>(cases: &[T], claim: impl Fn(&T) + Sync) {
    let place = PLACE.get();
    thread::scope(|scope| {
        let claim = &claim;
        let claims: Vec<_> = cases
            .iter()
            .map(|case| {
                scope.spawn(move || {
                    PLACE.set(place);
                    claim(case);
                })
            })
            .collect();
        for claim in claims {
            if let Err(panic) = claim.join() {
                std::panic::resume_unwind(panic);
            }
        }
    });
}

/// A workflow command.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Parsed {
    pub(crate) name: String,
    pub(crate) data: String,
}

/// Finds workflow commands as the runner does: lines end at a lone CR too, white space
/// of any kind may come before `::`, and `##[` counts anywhere.
pub(crate) fn commands(log: &str) -> Vec<Parsed> {
    log.split(['\n', '\r']).filter_map(command).collect()
}

fn command(line: &str) -> Option<Parsed> {
    let (head, data) = match line
        .trim_start()
        .strip_prefix("::")
        .and_then(|rest| rest.split_once("::"))
    {
        Some(parts) => parts,
        None => line.split_once("##[")?.1.split_once(']')?,
    };
    let unescaped = data
        .replace("%0D", "\r")
        .replace("%0A", "\n")
        .replace("%25", "%");
    let name = head.split(' ').next().unwrap_or_default().to_lowercase();
    (!name.is_empty()).then_some(Parsed {
        name,
        data: unescaped,
    })
}

pub(crate) mod tests {
    use super::*;

    pub(crate) fn file_commands_are_read_as_the_runner_reads_them() {
        for (text, expected) in [
            ("a=1", Some(("a", "1"))),
            ("a<<E\nx\ny\nE", Some(("a", "x\ny"))),
            ("a<<E\nE\n", Some(("a", ""))),
            ("a<<E\n\nE\n", Some(("a", ""))),
            ("a<<E\nx\n", None),
            ("a<<E\nx", None),
            ("a=b<<c", Some(("a", "b<<c"))),
            ("a<<b=c\nv\nb=c\n", Some(("a", "v"))),
            ("=x", None),
            ("noeq", None),
        ] {
            let read = file_command::read(text).ok().map(BTreeMap::from_iter);

            let expected =
                expected.map(|(name, value)| BTreeMap::from([(name.to_owned(), value.to_owned())]));
            assert_eq!(read, expected, "{text:?}");
        }
    }

    pub(crate) fn commands_are_found_where_the_runner_finds_them() {
        for (line, found) in [
            ("  ::error::x", true),
            ("\u{2028}::error::x", true),
            ("ok\r::error::x", true),
            ("some test ##[error]x", true),
            ("text ::error::x", false),
            ("| ::error::x", false),
        ] {
            assert_eq!(!commands(line).is_empty(), found, "{line:?}");
        }
    }
}
