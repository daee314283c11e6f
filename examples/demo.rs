//! The whole job, with nothing to set up: the real binary against a fake Sofy on loopback.
//!
//! `cargo run --example demo` for the classic API, `cargo run --example demo -- public` for the public one.

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "what it prints is its purpose"
)]

use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::Duration;
use std::{env, fs, process};

#[path = "../tests/fake_sofy/mod.rs"]
mod fake_sofy;

use fake_sofy::{CLASSIC, FakeSofy, PUBLIC, Pace, Row, Script};

fn main() -> ExitCode {
    match demo() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("the demo could not be run: {error}");
            ExitCode::FAILURE
        }
    }
}

fn demo() -> Result<(), Box<dyn Error>> {
    let schedule = match env::args().skip(1).collect::<Vec<_>>().as_slice() {
        [] => CLASSIC,
        [word] if word == "classic" => CLASSIC,
        [word] if word == "public" => PUBLIC,
        _ => return Err("usage: demo [classic|public]".into()),
    };
    let binary = build()?;
    let fake = FakeSofy::try_start(Script {
        rows: vec![
            Row::new("Log in", "Pixel 8", "Passed"),
            Row::new("Search for shoes", "Pixel 8", "Passed"),
            Row::new("Check out as guest", "Galaxy S24", "Failed"),
            Row::new("Log in", "iPhone13,2", "Passed"),
            Row::new("Search for shoes", "iPhone13,2", "Passed"),
        ],
        pace: Pace::Time {
            queued: Duration::from_secs(2),
            running: Duration::from_secs(5),
        },
        ..Script::default()
    })?;
    let folder = env::temp_dir().join(format!("sofy-schedule-run-demo-{}", process::id()));
    fs::create_dir_all(&folder)?;
    let shown = show(&binary, &fake, schedule, &folder);
    fs::remove_dir_all(&folder).ok();
    shown
}

fn show(
    binary: &Path,
    fake: &FakeSofy,
    schedule: &str,
    folder: &Path,
) -> Result<(), Box<dyn Error>> {
    let (output, summary) = (folder.join("output"), folder.join("summary"));
    fs::write(&output, "")?;
    fs::write(&summary, "")?;

    println!(
        "── The log of the step (a fake Sofy listens on {}) ──",
        fake.url()
    );
    let status = Command::new(binary)
        .env_clear()
        .env("INPUT_API-KEY", "demo-key-not-a-secret")
        .env("INPUT_SCHEDULE-ID", schedule)
        .env("INPUT_API-URL", fake.url())
        .env("INPUT_POLL-INTERVAL", "1s")
        .env("INPUT_TIMEOUT", "1m")
        .env("GITHUB_WORKSPACE", folder)
        .env("GITHUB_OUTPUT", &output)
        .env("GITHUB_STEP_SUMMARY", &summary)
        .current_dir(folder)
        .status()?;

    println!(
        "\n── The job summary ──\n{}",
        fs::read_to_string(&summary)?.trim_end()
    );
    println!("\n── The outputs ──");
    for (name, value) in outputs(&fs::read_to_string(&output)?) {
        println!("{name} = {value}");
    }
    let colour = if status.success() { "green" } else { "red" };
    match status.code() {
        Some(code) => println!("\nOn GitHub, the step would have been {colour} (exit {code})."),
        None => return Err(format!("the binary was ended by a signal: {status}").into()),
    }
    Ok(())
}

/// Builds the binary with the cargo and the profile that built this example.
fn build() -> Result<PathBuf, Box<dyn Error>> {
    let example = env::current_exe()?;
    // target/debug/examples/demo
    let folder = example
        .parent()
        .and_then(Path::parent)
        .ok_or("no target folder above the example")?;
    let profile = match folder.file_name().and_then(|name| name.to_str()) {
        Some("debug") | None => "dev",
        Some(profile) => profile,
    };
    let binary = folder.join(format!("sofy-schedule-run{}", env::consts::EXE_SUFFIX));
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    // `cargo run` sets these, and build scripts that watch them would compile all of TLS again.
    for (name, _) in env::vars_os() {
        let told = |prefix: &&str| name.to_string_lossy().starts_with(prefix);
        if ["CARGO_PKG_", "CARGO_MANIFEST_"].iter().any(told) {
            cargo.env_remove(&name);
        }
    }
    let status = cargo
        .args(["build", "--bin", "sofy-schedule-run", "--profile", profile])
        .args([
            "--manifest-path",
            concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"),
        ])
        .status()?;
    if !status.success() {
        return Err("cargo could not build the binary".into());
    }
    if !binary.is_file() {
        return Err(format!("cargo built no {}", binary.display()).into());
    }
    Ok(binary)
}

/// Reads the outputs back; the last of a name wins, as with the runner.
fn outputs(text: &str) -> Vec<(String, String)> {
    let mut outputs: Vec<(String, String)> = Vec::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        let Some((name, delimiter)) = line.split_once("<<") else {
            continue;
        };
        let value: Vec<&str> = lines
            .by_ref()
            .take_while(|line| *line != delimiter)
            .collect();
        outputs.retain(|(known, _)| known != name);
        outputs.push((name.to_owned(), value.join("\n")));
    }
    outputs
}
