//! The whole job, with nothing to set up: the real binary uploads a build to a fake Sofy on loopback, and tests it.
//!
//! `cargo run --example demo` for the public API, `cargo run --example demo -- classic` for the classic one. With
//! `--markdown` it also prints what GitHub makes the page of.

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "what it prints is its purpose"
)]

use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, ExitStatus};
use std::time::Duration;
use std::{env, fs, process};

#[path = "../tests/fake_sofy/mod.rs"]
mod fake_sofy;
#[path = "../tests/file_command/mod.rs"]
mod file_command;

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
    const USAGE: &str = "usage: demo [public|classic] [--markdown]";
    let mut api = "public";
    let mut markdown = false;
    for argument in env::args().skip(1) {
        match argument.as_str() {
            "public" => api = "public",
            "classic" => api = "classic",
            "--markdown" => markdown = true,
            "--help" => {
                println!("{USAGE}");
                return Ok(());
            }
            _ => return Err(USAGE.into()),
        }
    }
    let binary = build()?;
    let row = |scenario, device, ends| Row::new(scenario, device, ends);
    let fake = FakeSofy::try_start(Script {
        // Of today's two failures, one is new and one was there yesterday.
        yesterday: vec![
            row("Log in", "Pixel 8", "Passed"),
            row("Search for shoes", "Pixel 8", "Passed"),
            row("Check out as guest", "Galaxy S24", "Failed"),
        ],
        rows: vec![
            row("Log in", "Pixel 8", "Passed"),
            row("Search for shoes", "Pixel 8", "Failed"),
            row("Check out as guest", "Galaxy S24", "Failed"),
            row("Log in", "iPhone13,2", "Passed"),
            row("Search for shoes", "iPhone13,2", "Passed"),
        ],
        pace: Pace::Time {
            queued: Duration::from_secs(2),
            running: Duration::from_secs(5),
        },
        ..Script::default()
    })?;
    let folder = env::temp_dir().join(format!("sofy-schedule-run-demo-{}", process::id()));
    fs::create_dir_all(&folder)?;
    let shown = show(&binary, &fake, api, &folder, markdown);
    fs::remove_dir_all(&folder).ok();
    shown
}

fn show(
    binary: &Path,
    fake: &FakeSofy,
    api: &str,
    folder: &Path,
    markdown: bool,
) -> Result<(), Box<dyn Error>> {
    println!(
        "── The log of the step that uploads a build (a fake Sofy listens on {}) ──",
        fake.url()
    );
    // No real app, but it begins as one does.
    fs::write(folder.join("shop.apk"), b"PK\x03\x04 an app of the demo")?;
    let inputs = [("APP-PATH", "*.apk"), ("API", api)];
    let uploaded = step(binary, fake, folder, &["upload"], &inputs)?;
    if !uploaded.status.success() {
        return Err("the build was not uploaded".into());
    }
    let mut outputs = uploaded.outputs.iter();
    let hash = outputs.find(|(name, _)| name == "app-hash");
    let hash = hash.map_or("", |(_, hash)| hash);

    println!("\n── The log of the step that tests it ──");
    let schedule = if api == "classic" { CLASSIC } else { PUBLIC };
    let inputs = [
        ("SCHEDULE-ID", schedule),
        ("APP-HASH", hash),
        ("REQUIRE-APP-HASH", "true"),
        ("POLL-INTERVAL", "1s"),
        ("TIMEOUT", "1m"),
    ];
    let Step {
        status,
        outputs,
        summary,
    } = step(binary, fake, folder, &[], &inputs)?;

    // A page for each API, so that one can be compared with the other.
    let page = binary.with_file_name(format!("job-summary-{api}.html"));
    fs::write(&page, as_a_page(&summary))?;
    println!(
        "\n── The job summary, as GitHub shows it: open it in a browser ──\n{}",
        link(&page)
    );
    if markdown {
        println!("\n── Its Markdown ──\n{}", summary.trim_end());
    }
    println!("\n── The outputs ──");
    for (name, value) in outputs {
        println!("{name} = {value}");
    }
    let colour = if status.success() { "green" } else { "red" };
    match status.code() {
        Some(code) => println!("\nOn GitHub, the step would have been {colour} (exit {code})."),
        None => return Err(format!("the binary was ended by a signal: {status}").into()),
    }
    Ok(())
}

/// A step that ended.
struct Step {
    status: ExitStatus,
    outputs: Vec<(String, String)>,
    /// The page of the job so far.
    summary: String,
}

/// Runs a step as the runner does.
fn step(
    binary: &Path,
    fake: &FakeSofy,
    folder: &Path,
    arguments: &[&str],
    inputs: &[(&str, &str)],
) -> Result<Step, Box<dyn Error>> {
    let (output, summary) = (folder.join("output"), folder.join("summary"));
    fs::write(&output, "")?;
    let inputs = inputs
        .iter()
        .map(|(name, value)| (format!("INPUT_{name}"), *value));
    let status = Command::new(binary)
        .args(arguments)
        .env_clear()
        .envs(inputs)
        .env("INPUT_API-KEY", "demo-key-not-a-secret")
        .env("INPUT_API-URL", fake.url())
        .env("GITHUB_WORKSPACE", folder)
        .env("GITHUB_OUTPUT", &output)
        .env("GITHUB_STEP_SUMMARY", &summary)
        .current_dir(folder)
        .status()?;
    Ok(Step {
        status,
        outputs: file_command::read(&fs::read_to_string(&output)?)?,
        summary: fs::read_to_string(&summary)?,
    })
}

/// Spells a path as a URL, so that a terminal makes a link of it whatever its folders are called.
fn link(path: &Path) -> String {
    let path = path.as_os_str().as_encoded_bytes().iter();
    let spelled = path.map(|byte| match byte {
        b'/' | b'-' | b'.' | b'_' | b'~' => char::from(*byte).to_string(),
        _ if byte.is_ascii_alphanumeric() => char::from(*byte).to_string(),
        _ => format!("%{byte:02X}"),
    });
    format!("file://{}", spelled.collect::<String>())
}

/// Makes a page of the summary that stands alone, light or dark as the browser is.
fn as_a_page(markdown: &str) -> String {
    let mut body = String::new();
    pulldown_cmark::html::push_html(
        &mut body,
        pulldown_cmark::Parser::new_ext(markdown, pulldown_cmark::Options::ENABLE_TABLES),
    );
    let style = include_str!("summary.css");
    format!(
        "<!DOCTYPE html>\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" \
         content=\"width=device-width\">\n<title>Job summary</title>\n\
         <style>\n{style}</style>\n{body}"
    )
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
    // Beside an example, so that crates are built with the features that this example's build gave them: alone, the
    // binary would need most of them once more.
    let status = cargo
        .args(["build", "--bin", "sofy-schedule-run", "--example", "demo"])
        .args(["--profile", profile])
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
