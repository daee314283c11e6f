//! Does the image do its work when it is run as GitHub's runner runs it?
//!
//! The command line, the mounts, the environment and the owners of the files are the runner's own (actions/runner,
//! `DockerCommandManager.cs` and `ContainerActionHandler.cs`); Sofy is played on the host. It needs Docker and the image:
//!
//! ```sh
//! docker build --tag sofy-schedule-run:test .
//! SOFY_TEST_IMAGE=sofy-schedule-run:test cargo test --locked --test container -- --ignored
//! ```
#![cfg(target_os = "linux")]
#![expect(clippy::print_stdout, reason = "a failed test shows the step's log")]

#[path = "fake_sofy/mod.rs"]
mod fake_sofy;
#[path = "file_command/mod.rs"]
mod file_command;

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::fs::{self, File, Permissions};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use fake_sofy::upload::UploadFault;
use fake_sofy::{CLASSIC, FakeSofy, PUBLIC, Pace, Row, Script, YESTERDAYS_GROUP};
use rustix::process::{Pid, Signal, kill_process};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

type Try<T = ()> = Result<T, Box<dyn Error>>;

/// What becomes of any of it in the log is a leak.
const KEY: &str = "0b5e55ed-c0de-4bad-beef-5ec2e7000001";

/// The user of GitHub's hosted runners.
const RUNNER: u32 = 1001;

/// The user and the group that own nothing.
const NOBODY: &str = "65534";

const SOCKET: &str = "/var/run/docker.sock";

/// This machine, as a container on Docker's default network sees it.
const HOST: &str = "172.17.0.1";

/// How long the runner waits between SIGINT and SIGTERM.
const GRACE: Duration = Duration::from_millis(7500);

/// Longer than any test takes, so that a hang is a failure and not an endless job.
const PATIENCE: Duration = Duration::from_mins(1);

/// A runner's work folder, and one step in it.
struct Step {
    folder: PathBuf,
    container: String,
    env: BTreeMap<String, String>,
    /// Of `docker run`, beyond those of the runner.
    options: Vec<String>,
    entrypoint: &'static str,
    /// What `args` of action.yml say.
    entry: &'static str,
    /// A folder of the runner's, or a volume, which belongs to root.
    workspace: String,
}

/// A step while it runs.
struct Running {
    step: Step,
    client: Child,
}

/// What is left of a step.
struct Ended {
    step: Step,
    exit: Option<i32>,
    log: String,
}

impl Step {
    fn new(inputs: &[(&str, &str)]) -> Try<Self> {
        let id = uuid::Uuid::new_v4().simple().to_string();
        let folder = std::env::temp_dir().join(format!("sofy-container-{id}"));
        let name: String = image()?
            .chars()
            .filter(|c| c.is_ascii_alphanumeric() || *c == '_')
            .collect();
        let container = format!("{name}_{}", &id[..6]);

        for below in [
            "",
            "_temp",
            "_temp/_github_home",
            "_temp/_github_workflow",
            "_temp/_runner_file_commands",
            "work",
        ] {
            let path = folder.join(below);
            fs::create_dir(&path)?;
            hand_over(&path, 0o755)?;
        }

        let mut env = BTreeMap::new();
        for (variable, kind) in [
            ("GITHUB_OUTPUT", "set_output"),
            ("GITHUB_STEP_SUMMARY", "step_summary"),
            ("GITHUB_ENV", "set_env"),
            ("GITHUB_PATH", "add_path"),
            ("GITHUB_STATE", "save_state"),
        ] {
            let file = format!("{kind}_{id}");
            let path = folder.join("_temp/_runner_file_commands").join(&file);
            File::create(&path)?;
            hand_over(&path, 0o644)?;
            env.insert(variable.to_owned(), format!("/github/file_commands/{file}"));
        }
        let event = folder.join("_temp/_github_workflow/event.json");
        fs::write(&event, "{}")?;
        hand_over(&event, 0o644)?;
        for (variable, value) in [
            ("HOME", "/github/home"),
            ("GITHUB_WORKSPACE", "/github/workspace"),
            ("GITHUB_EVENT_PATH", "/github/workflow/event.json"),
            ("GITHUB_EVENT_NAME", "push"),
            ("GITHUB_REPOSITORY", "octo/app"),
            ("GITHUB_RUN_ID", "1"),
            ("GITHUB_SERVER_URL", "https://github.com"),
            ("RUNNER_OS", "Linux"),
            ("RUNNER_TEMP", "/github/runner_temp"),
            ("ACTIONS_RUNTIME_TOKEN", "never to be seen"),
        ] {
            env.insert(variable.to_owned(), value.to_owned());
        }
        // The runner sets every input of action.yml, blank ones too.
        for name in [
            "app-hash",
            "device-serials",
            "junit-path",
            "json-path",
            "test-run-group-id",
        ] {
            env.insert(variable_of(name), String::new());
        }
        for (name, value) in [("api-key", KEY), ("poll-interval", "1s")]
            .iter()
            .chain(inputs)
        {
            env.insert(variable_of(name), (*value).to_owned());
        }
        Ok(Self {
            workspace: folder.join("work").display().to_string(),
            folder,
            container,
            env,
            options: Vec::new(),
            entrypoint: "/sofy-schedule-run",
            entry: "gate",
        })
    }

    /// An upload of a file in the workspace.
    fn upload(inputs: &[(&str, &str)], file: &str, bytes: &[u8]) -> Try<Self> {
        let mut step = Self::new(inputs)?;
        step.entry = "upload";
        step.env.insert(variable_of("app-path"), file.to_owned());
        let path = step.folder.join("work").join(file);
        fs::write(&path, bytes)?;
        hand_over(&path, 0o600)?;
        Ok(step)
    }

    fn option(mut self, option: &str) -> Self {
        self.options.push(option.to_owned());
        self
    }

    /// Makes root the owner of the workspace, as in a volume of act's or Forgejo's.
    fn in_a_volume(mut self) -> Self {
        self.workspace = format!("{}_work", self.container);
        self
    }

    /// The post step of one that has ended, as the runner runs it: the same but for the entrypoint and the state.
    fn after(main: &Ended, inputs: &[(&str, &str)]) -> Try<Self> {
        let mut post = Self::new(inputs)?;
        post.entrypoint = "/abort-unfinished";
        for (name, value) in main.pairs("GITHUB_STATE")? {
            post.env.insert(format!("STATE_{name}"), value);
        }
        Ok(post)
    }

    fn env(mut self, variable: &str, value: &str) -> Self {
        self.env.insert(variable.to_owned(), value.to_owned());
        self
    }

    fn start(self) -> Try<Running> {
        let mut client = Command::new("docker");
        client
            .args(["run", "--name", &self.container, "--label", "5ca1ab"])
            .args(["--workdir", "/github/workspace", "--rm"]);
        // Names only: the values are in the client's own environment.
        for (variable, value) in &self.env {
            client.args(["-e", variable]).env(variable, value);
        }
        client.args([
            "-e",
            "GITHUB_ACTIONS=true",
            "-e",
            "CI=true",
            "--entrypoint",
            self.entrypoint,
        ]);
        client.args(["-v", &format!("{SOCKET}:{SOCKET}")]);
        for (host, inside) in [
            ("_temp", "/github/runner_temp"),
            ("_temp/_github_home", "/github/home"),
            ("_temp/_github_workflow", "/github/workflow"),
            ("_temp/_runner_file_commands", "/github/file_commands"),
        ] {
            client
                .arg("-v")
                .arg(format!("{}:{inside}", self.folder.join(host).display()));
        }
        client
            .arg("-v")
            .arg(format!("{}:/github/workspace", self.workspace))
            .args(&self.options);
        let log = File::create(self.folder.join("log"))?;
        let mut client = client
            .args([&image()?, self.entry])
            .stdin(Stdio::piped())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()?;
        drop(client.stdin.take());
        Ok(Running { step: self, client })
    }

    fn run(self) -> Try<Ended> {
        self.start()?.end()
    }

    fn binary(&self) -> Try<PathBuf> {
        take_out(&[], "sofy-schedule-run", &self.folder)
    }
}

/// Copies a file or folder out of a container that was never started.
fn take_out(options: &[&str], path: &str, folder: &Path) -> Try<PathBuf> {
    let image = image()?;
    let container = docker(&[&["create"], options, &[&image]].concat())?;
    let copy = folder.join(Path::new(path).file_name().ok_or("a path without a name")?);
    let source = format!("{container}:/{path}");
    let copied = docker(&["cp", &source, &copy.display().to_string()]);
    docker(&["rm", &container])?;
    copied.map(|_| copy)
}

impl Running {
    /// Waits until `seen` holds, which is to say that the step has come so far.
    fn until(&mut self, seen: impl Fn() -> bool) -> Try {
        let start = Instant::now();
        while !seen() {
            if start.elapsed() > PATIENCE || self.client.try_wait()?.is_some() {
                let log = fs::read_to_string(self.step.folder.join("log"))?;
                return Err(format!("what was waited for never came; the log:\n{log}").into());
            }
            thread::sleep(Duration::from_millis(50));
        }
        Ok(())
    }

    /// Where the kernel shows the process.
    fn process(&self) -> Try<PathBuf> {
        let pid = docker(&[
            "inspect",
            "--format",
            "{{.State.Pid}}",
            &self.step.container,
        ])?;
        Ok(Path::new("/proc").join(pid))
    }

    /// Interrupts the docker client, as the runner does when a workflow is cancelled.
    fn interrupt(&self) -> Try {
        let pid = Pid::from_raw(i32::try_from(self.client.id())?).ok_or("the client has no id")?;
        Ok(kill_process(pid, Signal::INT)?)
    }

    fn end(mut self) -> Try<Ended> {
        let start = Instant::now();
        let status = loop {
            if let Some(status) = self.client.try_wait()? {
                break status;
            }
            if start.elapsed() > PATIENCE {
                docker(&["rm", "--force", &self.step.container])?;
                let log = fs::read_to_string(self.step.folder.join("log"))?;
                return Err(format!("the step did not end; the log:\n{log}").into());
            }
            thread::sleep(Duration::from_millis(20));
        };
        let log = fs::read_to_string(self.step.folder.join("log"))?;
        // Shown by the test harness where a test fails.
        println!("{log}");
        Ok(Ended {
            step: self.step,
            exit: status.code(),
            log,
        })
    }
}

impl Ended {
    fn file(&self, variable: &str) -> PathBuf {
        let name =
            self.step.env[variable].replace("/github/file_commands", "_temp/_runner_file_commands");
        self.step.folder.join(name)
    }

    fn outputs(&self) -> Try<BTreeMap<String, String>> {
        self.pairs("GITHUB_OUTPUT")
    }

    /// Names and values in one of the runner's files, as the runner reads them.
    fn pairs(&self, variable: &str) -> Try<BTreeMap<String, String>> {
        let text = fs::read_to_string(self.file(variable))?;
        Ok(BTreeMap::from_iter(file_command::read(&text)?))
    }

    fn warnings(&self) -> Vec<&str> {
        let lines = self.log.lines();
        lines.filter(|line| line.starts_with("::warning")).collect()
    }

    /// A report out of the volume that was the workspace.
    fn report_in_volume(&self, name: &str) -> Try<String> {
        let volume = format!("{}:/volume", self.step.workspace);
        let path = format!("volume/{name}");
        let copy = take_out(&["-v", &volume], &path, &self.step.folder)?;
        Ok(fs::read_to_string(copy)?)
    }

    fn workspace(&self) -> PathBuf {
        self.step.folder.join("work")
    }
}

impl Drop for Step {
    fn drop(&mut self) {
        // A test that failed half-way leaves a container; one that did not, none.
        drop(docker(&["rm", "--force", &self.container]));
        drop(docker(&["volume", "rm", "--force", &self.workspace]));
        drop(fs::remove_dir_all(&self.folder));
    }
}

fn image() -> Try<String> {
    std::env::var("SOFY_TEST_IMAGE").map_err(|_| "SOFY_TEST_IMAGE must name the image".into())
}

fn variable_of(input: &str) -> String {
    format!("INPUT_{}", input.to_uppercase())
}

/// Makes a file or folder the runner's, where this process may. On a runner it is the runner's anyway.
fn hand_over(path: &Path, mode: u32) -> Try {
    fs::set_permissions(path, Permissions::from_mode(mode))?;
    if rustix::process::geteuid().is_root() {
        chown(path, Some(RUNNER), Some(RUNNER))?;
    }
    Ok(())
}

fn docker(arguments: &[&str]) -> Try<String> {
    let output = Command::new("docker").args(arguments).output()?;
    if !output.status.success() {
        return Err(format!(
            "docker {arguments:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        )
        .into());
    }
    Ok(String::from_utf8(output.stdout)?.trim().to_owned())
}

/// A fake Sofy that containers can reach, and its URL.
fn sofy(script: Script) -> (FakeSofy, String) {
    let sofy = FakeSofy::start(Script {
        listen: "0.0.0.0:0".to_owned(),
        ..script
    });
    let url = format!("http://{HOST}:{}", sofy.address().port());
    (sofy, url)
}

/// Makes a CA and a certificate of its for `HOST`: `ca.pem`, `cert.pem` and `key.pem` in the folder.
fn certify(folder: &Path) -> Try {
    let script = format!(
        "set -e
        new='-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes'
        openssl req -x509 $new -keyout ca.key -out ca.pem -days 2 -subj '/CN=Test CA'
        openssl req $new -keyout key.pem -out cert.csr -subj /CN=sofy
        echo 'subjectAltName=IP:{HOST}' > extensions
        openssl x509 -req -in cert.csr -CA ca.pem -CAkey ca.key -CAcreateserial -out cert.pem -days 2 -extfile extensions
        chmod 644 ca.pem"
    );
    let made = Command::new("sh")
        .args(["-c", &script])
        .current_dir(folder)
        .output()?;
    if made.status.success() {
        return Ok(());
    }
    Err(String::from_utf8_lossy(&made.stderr).into_owned().into())
}

/// Puts TLS in front of a fake Sofy: its URL, and how many connections have come.
fn with_tls(sofy: &FakeSofy, folder: &Path) -> Try<(String, Arc<AtomicUsize>)> {
    let plain = sofy.address().port();
    let chain = vec![CertificateDer::from_pem_file(folder.join("cert.pem"))?];
    let key = PrivateKeyDer::from_pem_file(folder.join("key.pem"))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain, key)?;
    let config = Arc::new(config);
    let listener = TcpListener::bind("0.0.0.0:0")?;
    let url = format!("https://{HOST}:{}", listener.local_addr()?.port());
    let count = Arc::new(AtomicUsize::new(0));
    let connections = Arc::clone(&count);
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            count.fetch_add(1, Ordering::SeqCst);
            let config = Arc::clone(&config);
            // A refused certificate ends the connection, which is what one of the tests wants.
            thread::spawn(move || forward(stream, config, plain).ok());
        }
    });
    Ok((url, connections))
}

/// Hands one request on and its answer back.
fn forward(stream: TcpStream, config: Arc<ServerConfig>, port: u16) -> Try {
    let mut client = StreamOwned::new(ServerConnection::new(config)?, stream);
    let mut sofy = TcpStream::connect(("127.0.0.1", port))?;
    let mut request = Vec::new();
    let mut piece = [0; 4096];
    // Whole requests only: the header, and as much body as it announces.
    loop {
        let n = client.read(&mut piece)?;
        request.extend_from_slice(&piece[..n]);
        let text = String::from_utf8_lossy(&request).to_lowercase();
        let Some((header, body)) = text.split_once("\r\n\r\n") else {
            if n == 0 {
                return Ok(());
            }
            continue;
        };
        let length = header
            .lines()
            .find_map(|line| line.strip_prefix("content-length:"));
        if n == 0 || body.len() >= length.map_or(Ok(0), |length| length.trim().parse::<usize>())? {
            break;
        }
    }
    sofy.write_all(&request)?;
    let mut answer = Vec::new();
    sofy.read_to_end(&mut answer)?;
    client.write_all(&answer)?;
    client.conn.send_close_notify();
    Ok(client.flush()?)
}

fn endless() -> Script {
    Script {
        pace: Pace::Never,
        ..Script::default()
    }
}

fn owner(path: &Path) -> Try<(u32, u32)> {
    let metadata = fs::metadata(path).map_err(|error| format!("{}: {error}", path.display()))?;
    Ok((metadata.uid(), metadata.gid()))
}

#[test]
#[ignore = "needs Docker and the image"]
fn a_schedule_that_passes_is_green_on_both_generations() -> Try {
    for schedule in [CLASSIC, PUBLIC] {
        let (sofy, url) = sofy(Script::default());

        let ended = Step::new(&[("schedule-id", schedule), ("api-url", &url)])?.run()?;

        assert_eq!(ended.exit, Some(0), "{schedule}");
        let outputs = ended.outputs()?;
        assert_eq!(outputs["conclusion"], "success");
        assert_eq!(outputs["passed-count"], "3");
        assert_eq!(
            outputs["test-run-group-id"],
            (YESTERDAYS_GROUP + 1).to_string()
        );
        assert!(fs::read_to_string(ended.file("GITHUB_STEP_SUMMARY"))?.contains("Check out"));
        assert_eq!(sofy.triggers(), 1);
    }
    Ok(())
}

#[test]
#[ignore = "needs Docker and the image"]
fn a_schedule_that_fails_is_red_and_says_so() -> Try {
    let rows = vec![
        Row::new("Log in", "Pixel 8", "Passed"),
        Row::new("Search", "Pixel 8", "Failed"),
    ];
    let (_sofy, url) = sofy(Script {
        rows,
        ..Script::default()
    });

    let ended = Step::new(&[("schedule-id", CLASSIC), ("api-url", &url)])?.run()?;

    assert_eq!(ended.exit, Some(1));
    let outputs = ended.outputs()?;
    assert_eq!(outputs["conclusion"], "failure");
    assert_eq!(outputs["failed-count"], "1");
    assert!(ended.log.lines().any(|line| line.starts_with("::error")));
    Ok(())
}

#[test]
#[ignore = "needs Docker and the image"]
fn every_bad_input_is_named_before_anything_is_sent() -> Try {
    let (sofy, url) = sofy(Script::default());

    let inputs = [
        ("schedule-id", "Infinity"),
        ("timeout", "60"),
        ("api-url", url.as_str()),
    ];
    let ended = Step::new(&inputs)?.run()?;

    assert_eq!(ended.exit, Some(2));
    assert_eq!(ended.outputs()?["conclusion"], "error");
    for input in ["schedule-id", "timeout"] {
        let named = |line: &str| line.starts_with("::error") && line.contains(input);
        assert!(ended.log.lines().any(named), "{input}");
    }
    assert!(sofy.requests().is_empty());
    Ok(())
}

#[test]
#[ignore = "needs Docker and the image"]
fn a_cancelled_step_aborts_its_group_and_is_gone_in_time() -> Try {
    let (sofy, url) = sofy(endless());
    let mut step = Step::new(&[("schedule-id", PUBLIC), ("api-url", &url)])?.start()?;
    step.until(|| {
        sofy.requests()
            .iter()
            .any(|request| request.target.contains("/status/"))
    })?;

    let start = Instant::now();
    step.interrupt()?;
    let ended = step.end()?;
    let took = start.elapsed();

    assert_eq!(ended.exit, Some(130));
    assert!(took < GRACE, "{took:?}");
    assert_eq!(
        sofy.aborts(),
        [format!("testRunGroupId={}", YESTERDAYS_GROUP + 1)]
    );
    let outputs = ended.outputs()?;
    assert_eq!(outputs["conclusion"], "cancelled");
    assert_eq!(
        outputs["test-run-group-id"],
        (YESTERDAYS_GROUP + 1).to_string()
    );
    let filter = format!("name={}", ended.step.container);
    assert_eq!(
        docker(&["ps", "--all", "--quiet", "--filter", &filter])?,
        ""
    );
    Ok(())
}

/// Names and versions of the crates that are reached over `edges`, for this machine.
fn crates(edges: &str) -> Try<BTreeSet<String>> {
    let output = Command::new(env!("CARGO"))
        .args([
            "tree",
            "--locked",
            "--prefix=none",
            "--format={p}",
            "--edges",
            edges,
        ])
        .output()?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned().into());
    }
    // Ourselves come first, and a crate as often as it is needed.
    let tree = String::from_utf8(output.stdout)?;
    Ok(tree
        .lines()
        .skip(1)
        .filter_map(|line| {
            let (name, rest) = line.split_once(" v")?;
            let version = rest.split(' ').next()?;
            Some(format!("{name} {version}"))
        })
        .collect())
}

#[test]
#[ignore = "needs Docker and the image"]
fn what_the_binary_records_is_what_is_linked() -> Try {
    let folder = tempfile::tempdir()?;
    let binary = take_out(&[], "sofy-schedule-run", folder.path())?;

    let record = auditable_info::json_from_file(&binary, auditable_info::Limits::default())?;
    let record: serde_json::Value = serde_json::from_str(&record)?;
    let packages = record["packages"].as_array().ok_or("no packages")?;
    // Those without a kind are there when it runs.
    let at_run_time = packages
        .iter()
        .filter(|package| package["kind"].is_null() && package["root"].is_null());
    let recorded: BTreeSet<String> = at_run_time
        .filter_map(|package| Some((package["name"].as_str()?, package["version"].as_str()?)))
        .map(|(name, version)| format!("{name} {version}"))
        .collect();

    let linked = crates("normal,no-proc-macro")?;
    assert!(linked.len() > 50, "{linked:?}");
    assert_eq!(
        linked.difference(&recorded).collect::<Vec<_>>(),
        [""; 0],
        "not recorded"
    );
    // Some proc macros are recorded as if they were linked; what tests want is not.
    let mut needed = crates("normal")?;
    // Recorded, though only reqwest for WebAssembly asks for it: the record knows no targets.
    needed.extend(
        recorded
            .iter()
            .find(|one| one.starts_with("futures-io "))
            .cloned(),
    );
    assert_eq!(
        recorded.difference(&needed).collect::<Vec<_>>(),
        [""; 0],
        "not linked"
    );
    Ok(())
}

#[test]
#[ignore = "needs Docker and the image"]
fn the_image_names_whatever_else_is_in_it_and_has_every_licence() -> Try {
    let folder = tempfile::tempdir()?;
    let packages = take_out(&[], "var/lib/dpkg/status.d", folder.path())?;
    for package in ["libc6-dev", "ca-certificates"] {
        let record = fs::read_to_string(packages.join(package))?;
        assert!(
            record.lines().any(|line| line.starts_with("Version: ")),
            "{record}"
        );
    }
    let system = take_out(&[], "etc/os-release", folder.path())?;
    assert!(fs::read_to_string(system)?.contains("VERSION_ID="));

    let licences = take_out(&[], "licenses", folder.path())?;
    assert!(fs::read_to_string(licences.join("LICENSE"))?.contains("MIT"));
    let notices = Command::new("gzip")
        .args(["--decompress", "--stdout"])
        .arg(licences.join("THIRD-PARTY-NOTICES.txt.gz"))
        .output()?;
    let notices = String::from_utf8(notices.stdout)?;
    let named: BTreeSet<&str> = notices.lines().collect();
    for part in crates("normal,no-proc-macro")? {
        assert!(named.contains(part.as_str()), "{part}");
    }
    for text in [
        "GNU LESSER GENERAL PUBLIC LICENSE",
        "Mozilla Public License Version 2.0",
    ] {
        assert!(notices.contains(text), "{text}");
    }
    Ok(())
}

/// What the kernel says of a process or of a thread, by the names of its `status`.
fn status(process: &Path) -> Try<BTreeMap<String, String>> {
    let status = fs::read_to_string(process.join("status"))?;
    let lines = status.lines().filter_map(|line| line.split_once(':'));
    Ok(lines
        .map(|(name, value)| (name.to_owned(), value.trim().to_owned()))
        .collect())
}

/// What the kernel says of each thread of a process: users and capabilities are per thread.
fn threads(process: &Path) -> Try<Vec<BTreeMap<String, String>>> {
    let mut threads = Vec::new();
    for task in fs::read_dir(process.join("task"))? {
        // One that ended meanwhile keeps nothing.
        threads.extend(status(&task?.path()).ok());
    }
    Ok(threads)
}

/// Holds each thread of a process to be `uid`, in a group that owns nothing, with nothing left of root and no way back.
fn assert_unprivileged(process: &Path, uid: &str) -> Try {
    let threads = threads(process)?;
    assert!(!threads.is_empty(), "the process is there");
    for status in threads {
        assert_eq!(status["Uid"], [uid; 4].join("\t"));
        assert_eq!(status["Gid"], [NOBODY; 4].join("\t"));
        assert_eq!(status["Groups"], "");
        assert_without_capabilities(&status);
        assert_eq!(status["CapBnd"], "0000000000000000");
    }
    assert_eq!(
        owner(&process.join("environ"))?,
        (0, 0),
        "it is not dumpable"
    );
    Ok(())
}

fn assert_without_capabilities(status: &BTreeMap<String, String>) {
    for set in ["CapInh", "CapPrm", "CapEff", "CapAmb"] {
        assert_eq!(status[set], "0000000000000000", "{set}");
    }
    assert_eq!(status["NoNewPrivs"], "1");
}

#[test]
#[ignore = "needs Docker and the image"]
fn while_it_waits_it_is_the_owner_of_the_workspace_and_nothing_more() -> Try {
    // The workspace's own group, and the socket's: on many machines they are one.
    let (_, of_the_socket) = owner(Path::new(SOCKET))?;
    for group in [None, Some(of_the_socket)] {
        let (sofy, url) = sofy(endless());
        let step = Step::new(&[("schedule-id", CLASSIC), ("api-url", &url)])?;
        let workspace = step.folder.join("work");
        chown(&workspace, None, group)?;
        let (uid, gid) = owner(&workspace)?;
        let mut step = step.start()?;
        step.until(|| !sofy.requests().is_empty())?;

        let checked = assert_unprivileged(&step.process()?, &uid.to_string());
        step.interrupt()?;
        let ended = step.end()?;

        checked?;
        assert_ne!(uid, 0, "the test is about a runner's workspace");
        assert!(group.is_none_or(|group| group == gid), "{gid}");
        assert_eq!(ended.warnings(), [""; 0]);
        assert_eq!(ended.exit, Some(130));
    }
    Ok(())
}

#[test]
#[ignore = "needs Docker and the image"]
fn no_thread_of_an_upload_keeps_root() -> Try {
    let (_sofy, url) = sofy(Script {
        uploads: vec![UploadFault::Slow(Duration::from_millis(200))],
        ..Script::default()
    });
    // So large that it is still being read, by threads of their own, while it is looked at.
    let mut app = b"PK\x03\x04".to_vec();
    app.resize(40_000_000, 1);
    let step = Step::upload(&[("api-url", &url)], "app.apk", &app)?;
    let (uid, _) = owner(&step.folder.join("work"))?;
    let log = step.folder.join("log");
    let mut step = step.start()?;
    step.until(|| fs::read_to_string(&log).is_ok_and(|log| log.contains("of 38.1 MiB")))?;
    let process = step.process()?;
    step.until(|| threads(&process).is_ok_and(|threads| threads.len() > 1))?;

    let checked = assert_unprivileged(&process, &uid.to_string());
    step.interrupt()?;
    let ended = step.end()?;

    checked?;
    assert_eq!(ended.warnings(), [""; 0]);
    assert_eq!(ended.exit, Some(130));
    Ok(())
}

#[test]
#[ignore = "needs Docker and the image"]
fn in_a_workspace_of_roots_it_is_nobody() -> Try {
    let (sofy, url) = sofy(endless());
    let step = Step::new(&[("schedule-id", CLASSIC), ("api-url", &url)])?;
    let mut step = step.in_a_volume().start()?;
    step.until(|| !sofy.requests().is_empty())?;

    let checked = assert_unprivileged(&step.process()?, NOBODY);
    step.interrupt()?;
    let ended = step.end()?;

    checked?;
    assert_eq!(ended.warnings(), [""; 0]);
    assert_eq!(ended.exit, Some(130));
    Ok(())
}

#[test]
#[ignore = "needs Docker and the image"]
fn a_report_into_a_workspace_of_roots_is_written_by_root_without_capabilities() -> Try {
    let (sofy, url) = sofy(endless());
    let inputs = [
        ("schedule-id", CLASSIC),
        ("api-url", url.as_str()),
        ("json-path", "sofy.json"),
    ];
    let mut step = Step::new(&inputs)?.in_a_volume().start()?;
    step.until(|| !sofy.requests().is_empty())?;

    let status = status(&step.process()?)?;
    step.interrupt()?;
    let ended = step.end()?;

    assert_eq!(status["Uid"], ["0"; 4].join("\t"));
    assert_eq!(status["Gid"], [NOBODY; 4].join("\t"));
    assert_without_capabilities(&status);
    let json: serde_json::Value = serde_json::from_str(&ended.report_in_volume("sofy.json")?)?;
    assert_eq!(json["conclusion"], "cancelled");
    // The socket is root's, so that it is in reach without any capability; this is said once.
    let [warning] = ended.warnings()[..] else {
        return Err(format!("not one warning: {:?}", ended.warnings()).into());
    };
    assert!(warning.contains(SOCKET), "{warning}");
    Ok(())
}

#[test]
#[ignore = "needs Docker and the image"]
fn a_change_of_user_that_is_refused_is_one_warning() -> Try {
    let (sofy, url) = sofy(endless());
    let step = Step::new(&[("schedule-id", CLASSIC), ("api-url", &url)])?;
    let mut step = step.option("--cap-drop=ALL").start()?;
    step.until(|| !sofy.requests().is_empty())?;

    let status = status(&step.process()?)?;
    step.interrupt()?;
    let ended = step.end()?;

    assert_without_capabilities(&status);
    assert_eq!(ended.exit, Some(130));
    // Others are about the runner's files, which are not for this root to open.
    let refused = |line: &&&str| line.contains("setresuid") && line.contains("as uid 0");
    assert_eq!(ended.warnings().iter().filter(refused).count(), 1);
    Ok(())
}

#[test]
#[ignore = "needs Docker and the image"]
fn capabilities_that_remain_end_the_step_before_anything_is_sent() -> Try {
    let (sofy, url) = sofy(Script::default());
    let inputs = [
        ("schedule-id", CLASSIC),
        ("api-url", url.as_str()),
        ("json-path", "sofy.json"),
    ];
    let step = Step::new(&inputs)?.in_a_volume();
    let profile = step.folder.join("seccomp.json");
    fs::write(
        &profile,
        r#"{"defaultAction": "SCMP_ACT_ALLOW",
            "syscalls": [{"names": ["capset"], "action": "SCMP_ACT_ERRNO"}]}"#,
    )?;
    let step = step
        .option(&format!("--security-opt=seccomp={}", profile.display()))
        // Or the profile would be in force before Docker itself is done.
        .option("--security-opt=no-new-privileges");

    let ended = step.run()?;

    assert_eq!(ended.exit, Some(2));
    assert_eq!(ended.outputs()?["conclusion"], "error");
    let told = |line: &str| line.starts_with("::error") && line.contains("capabilities");
    assert!(ended.log.lines().any(told));
    assert!(sofy.requests().is_empty());
    Ok(())
}

/// In a user namespace with one user, root, as in rootless engines without subordinate ids.
#[test]
#[ignore = "needs the image, and to be root where users may make no namespaces"]
fn where_root_is_the_only_user_it_goes_on_without_capabilities() -> Try {
    let sofy = FakeSofy::start(endless());
    let step = Step::new(&[("schedule-id", CLASSIC), ("api-url", &sofy.url())])?;
    let binary = step.binary()?;
    let workspace = step.folder.join("work");
    let log = File::create(step.folder.join("log"))?;
    let mut namespaced = Command::new("unshare");
    let allowed = namespaced
        .args(["--user", "--map-root-user", "true"])
        .status()?
        .success();
    let mut namespaced = Command::new(if allowed { "unshare" } else { "sudo" });
    if !allowed {
        namespaced.args(["--non-interactive", "--preserve-env", "unshare"]);
    }
    let client = namespaced
        .args(["--user", "--map-root-user"])
        .arg(&binary)
        .envs(&step.env)
        .env("GITHUB_ACTIONS", "true")
        .env("GITHUB_WORKSPACE", &workspace)
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log)
        .spawn()?;
    let mut running = Running { step, client };
    running.until(|| !sofy.requests().is_empty())?;

    let status = status(&Path::new("/proc").join(running.client.id().to_string()))?;
    running.interrupt()?;
    let ended = running.end()?;

    assert_without_capabilities(&status);
    assert_eq!(ended.exit, Some(130));
    let refused = |line: &&&str| line.contains("setgroups") && line.contains("setresgid");
    assert_eq!(ended.warnings().iter().filter(refused).count(), 1);
    Ok(())
}

#[test]
#[ignore = "needs Docker and the image"]
fn what_a_container_that_was_killed_left_is_aborted_by_the_post_step() -> Try {
    let (sofy, url) = sofy(endless());
    let inputs = [("schedule-id", PUBLIC), ("api-url", url.as_str())];
    let mut step = Step::new(&inputs)?.start()?;
    step.until(|| {
        sofy.requests()
            .iter()
            .any(|request| request.target.contains("/status/"))
    })?;

    docker(&["kill", "--signal", "KILL", &step.step.container])?;
    let killed = step.end()?;
    let aborts_before = sofy.aborts();
    let post = Step::after(&killed, &inputs)?.run()?;

    assert_eq!(killed.exit, Some(137));
    assert_eq!(aborts_before, [""; 0]);
    assert_eq!(post.exit, Some(0));
    assert_eq!(
        sofy.aborts(),
        [format!("testRunGroupId={}", YESTERDAYS_GROUP + 1)]
    );
    assert_eq!(sofy.triggers(), 1);
    Ok(())
}

#[test]
#[ignore = "needs Docker and the image"]
fn reports_belong_to_the_owner_of_the_workspace() -> Try {
    let (_sofy, url) = sofy(Script::default());

    let inputs = [
        ("schedule-id", CLASSIC),
        ("api-url", url.as_str()),
        ("junit-path", "reports/deep/sofy.xml"),
        ("json-path", "sofy.json"),
    ];
    let ended = Step::new(&inputs)?.run()?;

    assert_eq!(ended.exit, Some(0));
    let workspace = ended.workspace();
    let (runner, _) = owner(&workspace)?;
    for path in [
        "reports",
        "reports/deep",
        "reports/deep/sofy.xml",
        "sofy.json",
    ] {
        assert_eq!(owner(&workspace.join(path))?.0, runner, "{path}");
    }
    assert!(fs::read_to_string(workspace.join("reports/deep/sofy.xml"))?.contains("<testsuites"));
    let json: serde_json::Value = serde_json::from_slice(&fs::read(workspace.join("sofy.json"))?)?;
    assert_eq!(json["conclusion"], "success");
    assert_eq!(json["passed_count"], 3);
    // The runner's own files stay the runner's, and the other ones stay empty.
    assert_eq!(owner(&ended.file("GITHUB_OUTPUT"))?.0, runner);
    for variable in ["GITHUB_ENV", "GITHUB_PATH"] {
        assert_eq!(fs::metadata(ended.file(variable))?.len(), 0, "{variable}");
    }
    Ok(())
}

#[test]
#[ignore = "needs Docker and the image"]
fn the_log_tells_no_secret() -> Try {
    let (_sofy, url) = sofy(Script::default());

    let step = Step::new(&[("schedule-id", CLASSIC), ("api-url", &url)])?;
    let ended = step.env("RUNNER_DEBUG", "1").run()?;

    assert_eq!(ended.exit, Some(0));
    assert!(!ended.log.contains("never to be seen"));
    let leaks = |line: &&str| line.contains(KEY) && !line.starts_with("::add-mask::");
    assert_eq!(ended.log.lines().find(leaks), None);
    Ok(())
}

#[test]
#[ignore = "needs Docker and the image"]
fn a_runners_proxy_is_used() -> Try {
    let proxy = TcpListener::bind("0.0.0.0:0")?;
    let address = format!("http://{HOST}:{}", proxy.local_addr()?.port());
    let (first, asked) = std::sync::mpsc::channel();
    thread::spawn(move || {
        for stream in proxy.incoming().flatten() {
            let mut line = String::new();
            if BufReader::new(stream).read_line(&mut line).is_err() || first.send(line).is_err() {
                return;
            }
        }
    });

    let step = Step::new(&[("schedule-id", CLASSIC)])?
        .env("HTTPS_PROXY", &address)
        .start()?;
    let line = asked.recv_timeout(PATIENCE);
    step.interrupt()?;
    step.end()?;

    assert_eq!(line?.trim_end(), "CONNECT api.sofy.ai:443 HTTP/1.1");
    Ok(())
}

#[test]
#[ignore = "needs Docker and the image"]
fn a_private_ca_is_trusted_through_ssl_cert_file() -> Try {
    let sofy = FakeSofy::start(Script::default());
    let step = Step::new(&[("schedule-id", CLASSIC)])?;
    let workspace = step.folder.join("work");
    certify(&workspace)?;
    let (url, _) = with_tls(&sofy, &workspace)?;

    let step = step.env("INPUT_API-URL", &url);
    let ended = step
        .env("SSL_CERT_FILE", "/github/workspace/ca.pem")
        .run()?;

    assert_eq!(ended.exit, Some(0));
    assert_eq!(ended.outputs()?["conclusion"], "success");
    Ok(())
}

#[test]
#[ignore = "needs Docker and the image"]
fn an_untrusted_certificate_gets_no_request() -> Try {
    let sofy = FakeSofy::start(Script::default());
    let step = Step::new(&[("schedule-id", CLASSIC)])?;
    let workspace = step.folder.join("work");
    certify(&workspace)?;
    let (url, connections) = with_tls(&sofy, &workspace)?;

    let mut step = step.env("INPUT_API-URL", &url).start()?;
    step.until(|| connections.load(Ordering::SeqCst) > 0)?;
    thread::sleep(Duration::from_secs(1));
    step.interrupt()?;
    let ended = step.end()?;

    assert_ne!(ended.exit, Some(0));
    assert!(sofy.requests().is_empty());
    Ok(())
}

#[test]
#[ignore = "needs Docker and the image"]
fn outside_github_it_needs_nothing_but_its_inputs_and_the_key_is_nowhere() -> Try {
    for user in ["0:0", "65532:65532"] {
        let (sofy, url) = sofy(Script::default());
        let step = Step::new(&[])?;
        let workspace = step.folder.join("work");
        fs::set_permissions(&workspace, Permissions::from_mode(0o777))?;

        let output = Command::new("docker")
            .args(["run", "--name", &step.container, "--user", user])
            .args(["--workdir", "/work", "-v"])
            .arg(format!("{}:/work", workspace.display()))
            .args(["-e", &format!("INPUT_API_KEY={KEY}")])
            .args(["-e", &format!("INPUT_SCHEDULE_ID={CLASSIC}")])
            .args(["-e", &format!("INPUT_API_URL={url}")])
            .args(["-e", "INPUT_JSON_PATH=sofy.json"])
            .args(["-e", "INPUT_JUNIT_PATH=sofy.xml"])
            .args(["-e", "INPUT_POLL_INTERVAL=1s", "-e", "RUNNER_DEBUG=1"])
            .arg(image()?)
            .output()?;

        assert!(output.status.success(), "{output:?}");
        assert!(
            sofy.requests()
                .iter()
                .any(|request| request.target.contains(KEY) || request.body.contains(KEY))
        );
        let log = [output.stdout, output.stderr].concat();
        assert!(log.windows(5).any(|words| words == b"group"), "{user}");
        // Whatever the container wrote, to the workspace and elsewhere.
        let left = step.folder.join("left.tar");
        docker(&[
            "export",
            "--output",
            &left.display().to_string(),
            &step.container,
        ])?;
        for bytes in [
            log,
            fs::read(left)?,
            fs::read(workspace.join("sofy.json"))?,
            fs::read(workspace.join("sofy.xml"))?,
        ] {
            assert!(bytes.len() > 100, "{user}: nothing to look at");
            let leaks = bytes.windows(KEY.len()).any(|part| part == KEY.as_bytes());
            assert!(!leaks, "{user}: {}", String::from_utf8_lossy(&bytes));
        }
    }
    Ok(())
}
