//! Does a workflow get from the action what README.md promises?
//!
//! act runs whole workflows: those of `tests/act/`, and the recipes of `examples/workflows/` as they are. What they
//! use is laid out as in a release, with a built image for the Dockerfile; Sofy is played on this machine. How act
//! differs from GitHub is said in docs/testing.md. `.ci/act IMAGE` prepares what it needs and starts it.
#![cfg(target_os = "linux")]
#![expect(clippy::print_stdout, reason = "a failed test shows act's log")]

#[path = "fake_sofy/mod.rs"]
mod fake_sofy;

use std::collections::BTreeMap;
use std::error::Error;
use std::fs::{self, File, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use fake_sofy::{FakeSofy, Pace, Request, Row, Script, TriggerFault};
use serde_json::Value;

type Try<T = ()> = Result<T, Box<dyn Error>>;

/// act masks what it is given as a secret, so that leaks are looked for elsewhere.
const KEY: &str = "0b5e55ed-c0de-4bad-beef-5ec2e7000002";

/// Far longer than any workflow here takes, so that a hang is a failure and not an endless job.
const PATIENCE: Duration = Duration::from_mins(10);

/// A user's repository, which is at the same time the action as a release has it.
struct Project {
    id: String,
    folder: PathBuf,
    sofy: FakeSofy,
}

/// act while it runs.
struct Running {
    act: Act,
    project: Project,
}

/// The process, which is not left behind by a test that fails.
struct Act(Child);

/// What act said.
struct Ended {
    project: Project,
    green: bool,
    log: Vec<Value>,
}

impl Project {
    fn new(script: Script) -> Try<Self> {
        let sofy = FakeSofy::start(script);
        let id = uuid::Uuid::new_v4().simple().to_string();
        let folder = std::env::temp_dir().join(format!("sofy-act-{id}"));
        fs::create_dir(&folder)?;
        done(
            Command::new("git")
                .args(["init", "--quiet", "--initial-branch=main"])
                .arg(&folder),
        )?;

        let commit = [
            "-c",
            "user.name=a",
            "-c",
            "user.email=a@example.com",
            "commit",
            "--quiet",
            "--allow-empty",
            "--message=app",
        ];
        done(Command::new("git").current_dir(&folder).args(commit))?;
        let project = Self { id, folder, sofy };
        project.lay_out_the_action()?;
        project.lay_out_an_app()?;
        Ok(project)
    }

    /// Both actions as a release has them: the image by its name, the upload's program by its digest.
    fn lay_out_the_action(&self) -> Try {
        let image = variable("SOFY_TEST_IMAGE")?;
        // Workflows name no `api-url`, as users' do not, and must not reach Sofy from here.
        let address = format!("api-url:\n    default: {}", self.sofy.url());

        let action = file("action.yml")?;
        let action = replaced(
            &action,
            "image: Dockerfile",
            &format!("image: docker://{image}"),
        )?;
        let action = replaced(&action, "api-url:", &address)?;
        fs::write(self.folder.join("action.yml"), action)?;

        let download = self.folder.join("download/v0.0.0");
        fs::create_dir_all(&download)?;
        let program = download.join("sofy-schedule-run");
        let container = docker(&["create", &image])?;
        let container = container.trim();
        docker(&[
            "cp",
            &format!("{container}:/sofy-schedule-run"),
            &program.display().to_string(),
        ])?;
        docker(&["rm", container])?;
        let digest = done(Command::new("sha256sum").arg(&program))?;
        let digest = digest.split(' ').next().unwrap_or_default();
        let mut action = replaced(
            &file("upload/action.yml")?,
            "  api-url:",
            &format!("  {address}"),
        )?;
        action = replaced(&action, "SOFY_RELEASE: \"\"", "SOFY_RELEASE: 0.0.0")?;
        for machine in ["amd64", "arm64"] {
            let name = format!("SOFY_SHA256_LINUX_{}: ", machine.to_uppercase());
            action = replaced(&action, &format!("{name}\"\""), &format!("{name}{digest}"))?;
            let name = format!("sofy-schedule-run-v0.0.0-linux-{machine}");
            fs::copy(&program, download.join(name))?;
        }
        fs::create_dir(self.folder.join("upload"))?;
        fs::write(self.folder.join("upload/action.yml"), action)?;
        fs::copy(root().join("upload/run"), self.folder.join("upload/run"))?;
        Ok(())
    }

    /// What stands in for the user's build, in the words of the recipes.
    fn lay_out_an_app(&self) -> Try {
        let gradlew = self.folder.join("gradlew");
        let build = "#!/bin/sh\nset -e\nfolder=app/build/outputs/apk/debug\nmkdir -p $folder\n\
                     printf 'PK\\003\\004an app' > $folder/app-debug.apk\n";
        fs::write(&gradlew, build)?;
        fs::set_permissions(&gradlew, Permissions::from_mode(0o755))?;
        fs::write(
            self.folder.join("Makefile"),
            "MyApp.ipa:\n\tprintf 'PK\\003\\004an app' > $@\n",
        )?;
        Ok(())
    }

    fn start(self, event: &str, workflow: &str) -> Try<Running> {
        // act names its containers after the workflow, and there may be another of us on this machine.
        let text = replaced(
            &file(workflow)?,
            "\nname: ",
            &format!("\nname: {} ", self.id),
        )?;
        // It does not know this key, and would have no use for it.
        let known = |line: &&str| !line.trim_start().starts_with("queue: max");
        let text: String = text.split_inclusive('\n').filter(known).collect();
        let workflow = self.folder.join("workflow.yml");
        fs::write(&workflow, text)?;
        let runner = variable("SOFY_TEST_RUNNER")?;
        let log = File::create(self.folder.join("act.log"))?;
        let act = Command::new(variable("SOFY_TEST_ACT")?)
            .arg(event)
            .args(["--json", "--no-cache-server", "--pull=false", "--rm"])
            .args(
                ["ubuntu-latest", "macos-latest"]
                    .map(|label| format!("--platform={label}={runner}")),
            )
            .arg(format!(
                "--local-repository=OWNER/REPO@v1={}",
                self.folder.display()
            ))
            .arg(format!("--workflows={}", workflow.display()))
            .arg(format!("--secret=SOFY_API_KEY={KEY}"))
            .args([
                "--var=SOFY_SHORT_SCHEDULE=1888",
                "--var=SOFY_LONG_SCHEDULE=1889",
            ])
            .arg(format!(
                "--env=SOFY_DOWNLOAD_URL=file://{}/download",
                self.folder.display()
            ))
            .current_dir(&self.folder)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()?;
        Ok(Running {
            act: Act(act),
            project: self,
        })
    }

    fn run(self, event: &str, workflow: &str) -> Try<Ended> {
        self.start(event, workflow)?.end()
    }

    /// The containers or volumes of act's that bear our name.
    fn list(&self, command: &[&str]) -> Try<Vec<String>> {
        let name = format!("--filter=name={}", self.id);
        let found = docker(&[command, &["--quiet", &name]].concat())?;
        Ok(found.lines().map(str::to_owned).collect())
    }
}

impl Drop for Project {
    fn drop(&mut self) {
        // act cleans up itself, but for where a test failed or what runs was killed.
        for (list, remove) in [
            (&["ps", "--all"][..], &["rm", "--force"][..]),
            (&["volume", "ls"], &["volume", "rm"]),
        ] {
            for left in self.list(list).unwrap_or_default() {
                docker(&[remove, &[&left]].concat()).ok();
            }
        }
        fs::remove_dir_all(&self.folder).ok();
    }
}

impl Drop for Act {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

impl Running {
    fn until(&mut self, seen: impl Fn(&FakeSofy) -> bool) -> Try {
        let start = Instant::now();
        while !seen(&self.project.sofy) {
            if self.act.0.try_wait()?.is_some() || start.elapsed() > PATIENCE {
                return Err("what was waited for never came".into());
            }
            thread::sleep(Duration::from_millis(50));
        }
        Ok(())
    }

    /// Kills the container of the step that runs, as a runner does that has lost its patience.
    fn kill(&self) -> Try {
        let image = format!("--filter=ancestor={}", variable("SOFY_TEST_IMAGE")?);
        for container in self.project.list(&["ps", &image])? {
            docker(&["kill", &container])?;
        }
        Ok(())
    }

    fn end(mut self) -> Try<Ended> {
        let start = Instant::now();
        let status = loop {
            if let Some(status) = self.act.0.try_wait()? {
                break status;
            }
            if start.elapsed() > PATIENCE {
                return Err("act did not end".into());
            }
            thread::sleep(Duration::from_millis(50));
        };
        let text = fs::read_to_string(self.project.folder.join("act.log"))?;
        println!("{text}");
        // act's own `Error: …` at the end is no JSON.
        let log: Vec<Value> = text
            .lines()
            .filter(|line| line.starts_with('{'))
            .map(serde_json::from_str)
            .collect::<Result<_, _>>()?;
        Ok(Ended {
            project: self.project,
            green: status.success(),
            log,
        })
    }
}

impl Ended {
    /// What each job came to; a job that did not run is not there.
    fn jobs(&self) -> BTreeMap<&str, &str> {
        self.log
            .iter()
            .filter_map(|line| {
                let name = line["job"].as_str()?.rsplit('/').next()?;
                Some((name.trim_end(), line["jobResult"].as_str()?))
            })
            .collect()
    }

    /// What one field of the lines says, for one step, given as its ID or by what it shows.
    fn said<'a>(&'a self, field: &str, step: &str) -> Vec<&'a str> {
        let of_step = |line: &&Value| line["stepID"][0] == step || line["step"] == step;
        let lines = self.log.iter().filter(of_step);
        lines.filter_map(|line| line[field].as_str()).collect()
    }

    fn printed(&self, text: &str) -> bool {
        let printed = |line: &&Value| line["raw_output"] == true;
        let mut lines = self.log.iter().filter(printed);
        lines.any(|line| line["msg"].as_str().is_some_and(|msg| msg.contains(text)))
    }
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn file(name: &str) -> Try<String> {
    Ok(fs::read_to_string(root().join(name))?)
}

fn variable(name: &str) -> Try<String> {
    std::env::var(name).map_err(|_| format!("{name} is not set: start this with .ci/act").into())
}

fn docker(arguments: &[&str]) -> Try<String> {
    done(Command::new("docker").args(arguments))
}

/// Runs it, and returns what it printed where it succeeded.
fn done(command: &mut Command) -> Try<String> {
    let output = command.output()?;
    if !output.status.success() {
        return Err(format!("{command:?}: {}", String::from_utf8_lossy(&output.stderr)).into());
    }
    Ok(String::from_utf8(output.stdout)?)
}

/// The text with the one place replaced.
fn replaced(text: &str, from: &str, to: &str) -> Try<String> {
    match text.matches(from).count() {
        1 => Ok(text.replacen(from, to, 1)),
        count => Err(format!("{from:?} is there {count} times").into()),
    }
}

fn script() -> Script {
    let failing = vec![
        Row::new("Log in", "Pixel 8", "Passed"),
        Row::new("Search", "Pixel 8", "Failed"),
        Row::new("Check out", "iPhone13,2", "Not Executed"),
    ];
    Script {
        rows_of: BTreeMap::from([("1889".to_owned(), failing)]),
        ..Script::default()
    }
}

#[test]
#[ignore = "needs Docker, act and an image: .ci/act IMAGE"]
fn outputs_reach_later_steps_and_jobs_and_another_job_picks_up_a_run() -> Try {
    let ended = Project::new(script())?.run("push", "tests/act/outputs.yml")?;

    assert!(ended.green);
    let expected = ["attach", "gate", "later", "start", "tolerated", "upload"];
    let expected = expected.map(|job| (job, "success"));
    assert_eq!(ended.jobs(), BTreeMap::from(expected));
    let sofy = &ended.project.sofy;
    assert_eq!(sofy.triggers(), 4, "one for each schedule");
    let [upload] = sofy.uploads().try_into().map_err(|_| "not one upload")?;
    let order = format!("execute?appHash={}", upload.md5);
    let ordered = |request: &Request| request.target.ends_with(&order);
    assert!(sofy.requests().iter().any(ordered), "{order}");
    let summaries = ended.said("content", "sofy").join("\n");
    let passed = "## ✅ Sofy schedule Nightly: passed";
    for headline in [passed, "## ❌ Sofy schedule Nightly: failed"] {
        assert!(summaries.contains(headline), "{summaries}");
    }
    Ok(())
}

#[test]
#[ignore = "needs Docker, act and an image: .ci/act IMAGE"]
fn a_failure_makes_the_job_red_and_stops_what_hangs_on_it() -> Try {
    let ended = Project::new(script())?.run("push", "tests/act/red.yml")?;

    assert!(!ended.green);
    let red = ["gate", "no-build"].map(|job| (job, "failure"));
    assert_eq!(ended.jobs(), BTreeMap::from(red));
    assert_eq!(ended.project.sofy.triggers(), 1, "none without a build");
    assert!(ended.printed("seen as failed, 1 of 3"));
    assert!(!ended.printed("this must not run"));
    Ok(())
}

#[test]
#[ignore = "needs Docker, act and an image: .ci/act IMAGE"]
fn after_a_killed_step_its_post_step_runs() -> Try {
    let endless = Script {
        pace: Pace::Never,
        ..Script::default()
    };
    let mut running = Project::new(endless)?.start("push", "tests/act/endless.yml")?;
    running.until(|sofy| sofy.requests().len() > 3)?;

    running.kill()?;
    let ended = running.end()?;

    assert_eq!(ended.jobs(), BTreeMap::from([("gate", "failure")]));
    let post = |line: &&Value| line["stage"] == "Post" && line["stepResult"] == "success";
    assert!(ended.log.iter().any(|line| post(&line)));
    assert_eq!(
        ended.project.sofy.triggers(),
        1,
        "a post step never triggers"
    );
    Ok(())
}

/// A recipe as it is.
struct Recipe {
    name: &'static str,
    event: &'static str,
    /// Its jobs, as act calls them; all must succeed.
    jobs: &'static [&'static str],
    /// How many runs it triggers, and how many builds it uploads.
    sends: (usize, usize),
}

const fn one_job(name: &'static str, event: &'static str, sends: (usize, usize)) -> Recipe {
    Recipe {
        name,
        event,
        jobs: &["Device tests"],
        sends,
    }
}

const fn decided(event: &'static str, sends: (usize, usize)) -> Recipe {
    Recipe {
        name: "forks-and-dependabot",
        event,
        jobs: &["Decide whether to test on devices", "Device tests"],
        sends,
    }
}

/// The others cannot be run here: they need reporters from GitHub, or a proxy.
const RECIPES: [Recipe; 10] = [
    one_job("android", "pull_request", (1, 1)),
    Recipe {
        name: "android-and-ios",
        event: "pull_request",
        jobs: &[
            "Build for Android",
            "Build for iOS",
            "Device tests",
            "Test on Android-1",
            "Test on iOS-2",
        ],
        sends: (2, 2),
    },
    one_job("cancel-superseded", "pull_request", (1, 0)),
    decided("merge_group", (1, 1)),
    // An event without a repository, as far as act's go, is a fork's.
    decided("pull_request", (0, 0)),
    Recipe {
        name: "ios",
        event: "pull_request",
        jobs: &["Build and upload", "Device tests"],
        sends: (1, 1),
    },
    one_job("merge-queue", "pull_request", (1, 1)),
    one_job("nightly", "schedule", (1, 0)),
    one_job("one-at-a-time", "pull_request", (1, 0)),
    Recipe {
        name: "start-early",
        event: "push",
        jobs: &["Device tests", "Other work", "Start the phones"],
        sends: (1, 0),
    },
];

#[test]
#[ignore = "needs Docker, act and an image: .ci/act IMAGE"]
fn recipes_run_as_they_are() {
    let run = |recipe: &Recipe| {
        let name = recipe.name;
        let project = Project::new(script()).unwrap();
        let ended = project.run(recipe.event, &path_of(name)).unwrap();
        let expected = recipe.jobs.iter().map(|job| (*job, "success"));
        assert_eq!(ended.jobs(), expected.collect(), "{name}");
        assert!(ended.green, "{name}");
        let sofy = &ended.project.sofy;
        assert_eq!(
            (sofy.triggers(), sofy.uploads().len()),
            recipe.sends,
            "{name}"
        );
    };
    // All at once, because nearly all of their time is waiting.
    thread::scope(|scope| {
        for recipe in &RECIPES {
            scope.spawn(move || run(recipe));
        }
    });
}

/// A job that is skipped counts as passed in a required check.
#[test]
#[ignore = "needs Docker, act and an image: .ci/act IMAGE"]
fn a_required_check_is_red_where_a_job_before_it_failed() {
    // Whether a run started is not known then, so that none may be triggered after it.
    let unclear = Script {
        trigger: TriggerFault::EchoedKey,
        ..script()
    };
    let run = |event, name, script, makefile: Option<&str>, triggers| {
        let project = Project::new(script).unwrap();
        if let Some(makefile) = makefile {
            fs::write(project.folder.join("Makefile"), makefile).unwrap();
        }
        let ended = project.run(event, &path_of(name)).unwrap();
        assert!(!ended.green, "{name}");
        assert_eq!(ended.jobs().get("Device tests"), Some(&"failure"), "{name}");
        assert_eq!(ended.project.sofy.triggers(), triggers, "{name}");
    };
    let broken = "MyApp.ipa:\n\tfalse\n";
    thread::scope(|scope| {
        scope.spawn(|| run("pull_request", "ios", script(), Some(broken), 0));
        scope.spawn(|| run("pull_request", "android-and-ios", script(), Some(broken), 0));
        scope.spawn(|| run("push", "start-early", unclear, None, 1));
    });
}

/// Without `!cancelled()`, the second job would be skipped exactly when it is needed.
#[test]
#[ignore = "needs Docker, act and an image: .ci/act IMAGE"]
fn the_nightly_recipe_posts_a_failure_from_a_second_job() -> Try {
    let failing = Script {
        rows: vec![
            Row::new("Log in", "Pixel 8", "Passed"),
            Row::new("Search", "Pixel 8", "Failed"),
        ],
        ..Script::default()
    };

    let ended = Project::new(failing)?.run("schedule", &path_of("nightly"))?;

    assert!(!ended.green);
    let expected = [("Device tests", "failure"), ("Post the failure", "success")];
    assert_eq!(ended.jobs(), BTreeMap::from(expected));
    let posted = |line: &&Value| {
        let job = line["job"].as_str().unwrap_or_default().trim_end();
        let message = line["msg"].as_str().unwrap_or_default().trim_end();
        job.ends_with("/Post the failure")
            && line["raw_output"] == true
            && message == "1 of 2 test runs did not pass: 1 Failed"
    };
    assert!(ended.log.iter().any(|line| posted(&line)));
    Ok(())
}

fn path_of(recipe: &str) -> String {
    format!("examples/workflows/{recipe}.yml")
}

#[test]
#[ignore = "needs Docker, act and an image: .ci/act IMAGE"]
fn the_shell_script_uploads_and_gates() -> Try {
    let project = Project::new(script())?;
    done(Command::new("./gradlew").current_dir(&project.folder))?;
    let image = variable("SOFY_TEST_IMAGE")?;
    let here = format!(
        "docker run --network=host --env=INPUT_API_URL={}",
        project.sofy.url()
    );
    let text = file("examples/docker-run.sh")?;
    let text = replaced(&text, "ghcr.io/OWNER/REPO:v1.2.3@sha256:…", &image)?;
    let text = replaced(&text, "docker run", &here)?;
    fs::write(project.folder.join("docker-run.sh"), text)?;

    let printed = done(
        Command::new("bash")
            .args(["docker-run.sh", "app/build/outputs/apk/debug/app-debug.apk"])
            .env("SOFY_API_KEY", KEY)
            .current_dir(&project.folder),
    )?;

    assert!(!printed.contains(KEY), "{printed}");
    assert_eq!(
        (project.sofy.triggers(), project.sofy.uploads().len()),
        (1, 1),
        "{printed}"
    );
    assert!(project.folder.join("sofy.xml").exists());
    Ok(())
}
