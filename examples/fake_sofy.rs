//! A fake Sofy to point the action's `api-url` at: `cargo run --example fake_sofy -- --listen 127.0.0.1:8080`.
//!
//! `--scenario` says how its runs end, and `--help` which scenarios there are, so that every kind of page can be seen.
//! It prints each request, without its body, because there the key is.

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "what it prints is its purpose"
)]

use std::io::Write as _;
use std::process::ExitCode;
use std::thread;
use std::time::Duration;

#[path = "../tests/fake_sofy/mod.rs"]
mod fake_sofy;

use fake_sofy::upload::{BUILD, Build, Hashes, UploadFault};
use fake_sofy::{FakeSofy, Listing, Pace, Row, Script, TriggerFault};

/// How runs or uploads end.
struct Scenario {
    name: &'static str,
    shows: &'static str,
    /// Changes a script in which every test run passes.
    change: fn(&mut Script),
}

const fn scenario(name: &'static str, shows: &'static str, change: fn(&mut Script)) -> Scenario {
    Scenario {
        name,
        shows,
        change,
    }
}

/// The hash that the scenarios of wrong builds list.
const HASH: &str = "0a1b2c3d4e5f60718293a4b5c6d7e8f9";
const EVERY_UPLOAD: usize = 1000;

#[rustfmt::skip]
const SCENARIOS: [Scenario; 29] = [
    scenario("passed", "every test run passes", |_| {}),
    scenario("failed", "two of three test runs do not pass", |s| s.rows = ending(["Passed", "Failed", "Not Executed"])),
    scenario("known", "one failure is new, the other was there in the previous run", |s| { s.yesterday = ending(["Passed", "Passed", "Failed"]); s.rows = ending(["Passed", "Failed", "Failed"]); }),
    scenario("tolerated", "one test run is not executed; set fail-on: failed", |s| s.rows = ending(["Passed", "Passed", "Not Executed"])),
    scenario("nothing-passed", "no test run is executed; set fail-on: failed", |s| s.rows = ending(["Not Executed"; 3])),
    scenario("empty", "the run ends without test runs", |s| { s.rows.clear(); s.yesterday.clear(); }),
    scenario("unfinished", "the run ends, and one test run is Running forever", |s| s.rows = ending(["Passed", "Passed", "Running"])),
    scenario("unknown-status", "one test run ends as Exploded", |s| s.rows = ending(["Passed", "Passed", "Exploded"])),
    scenario("unknown-group-status", "the run ends as Exploded", |s| s.group_ends = Some("Exploded".into())),
    scenario("hidden-errors", "every test run passes, and Sofy reports errors", |s| s.group_ends = Some("Complete with errors".into())),
    scenario("stopped", "somebody stops the run on Sofy", |s| s.rows = ending(["Passed", "Stopped", "Stopped"])),
    scenario("many", "400 test runs on 10 devices, 17 of which do not pass", |s| s.rows = many()),
    scenario("hostile", "names that try to be commands and markup", |s| s.rows = hostile()),
    scenario("slow", "30s in the queue, then 3 minutes", |s| s.pace = Pace::Time { queued: Duration::from_secs(30), running: Duration::from_mins(3) }),
    scenario("queued", "the run never leaves the queue; set timeout: 10s", |s| s.pace = Pace::Time { queued: Duration::MAX / 2, running: Duration::ZERO }),
    scenario("never", "the run never ends; set timeout: 10s, or press Ctrl-C", |s| s.pace = Pace::Time { queued: Duration::ZERO, running: Duration::MAX / 2 }),
    scenario("outage", "after the trigger, Sofy answers 503 five times", |s| s.outage = 5),
    scenario("gone", "after the trigger, Sofy answers 503; set timeout: 10s", |s| s.outage = u32::MAX),
    scenario("bad-key", "Sofy refuses the API key", |s| s.bad_key = true),
    scenario("busy", "Sofy refuses the first trigger with 429", |s| s.trigger = TriggerFault::Refused(1)),
    scenario("refused", "Sofy answers the trigger with an error that quotes the key", |s| s.trigger = TriggerFault::EchoedKey),
    scenario("lost", "the run starts, and the answer to the trigger is lost", |s| s.trigger = TriggerFault::LostAnswer),
    scenario("overlapping", "somebody else's run of the schedule begins right after ours, and fails", |s| { s.overlapping = ending(["Failed"; 3]); s.listing = Listing::All; }),
    scenario("indistinct", "rows of the previous run cannot be told from ours (classic API)", |s| { s.listing = Listing::SameScheduledAt; s.pace = Pace::Time { queued: Duration::from_secs(1), running: Duration::ZERO }; }),
    scenario("wrong-build", "the schedule tests another build than app-hash 0a1b2c3d4e5f60718293a4b5c6d7e8f9", |s| s.builds = vec![build(HASH, "1.44.0(5801)"), build("00112233445566778899aabbccddeeff", BUILD)]),
    scenario("same-name", "app-hash 0a1b2c3d4e5f60718293a4b5c6d7e8f9 and another build have one name", |s| s.builds = vec![build(HASH, BUILD), build("00112233445566778899aabbccddeeff", BUILD)]),
    scenario("upload-known", "Sofy says that it has the uploaded build, and does not list it", |s| { s.hashes = Hashes::Opaque; s.uploads = vec![UploadFault::Refused(400, "Build already exists."); EVERY_UPLOAD]; }),
    scenario("upload-damaged", "Sofy refuses the uploaded file", |s| s.uploads = vec![UploadFault::Refused(500, "Corrupt or incomplete data."); EVERY_UPLOAD]),
    scenario("upload-lost", "the answer to the first upload is lost", |s| s.uploads = vec![UploadFault::LostAnswer]),
];

fn ending(statuses: [&str; 3]) -> Vec<Row> {
    let places = [
        ("Log in", "Pixel 8"),
        ("Search", "Pixel 8"),
        ("Check out", "iPhone13,2"),
    ];
    let rows = places.into_iter().zip(statuses);
    rows.map(|((scenario, device), ends)| Row::new(scenario, device, ends))
        .collect()
}

fn many() -> Vec<Row> {
    let row = |n: usize| {
        let ends = match n {
            _ if n.is_multiple_of(31) => "Failed",
            _ if n.is_multiple_of(97) => "Incomplete",
            _ => "Passed",
        };
        let (scenario, device) = (n / 10 + 1, n % 10 + 1);
        Row::new(
            &format!("Scenario {scenario}"),
            &format!("Device {device}"),
            ends,
        )
    };
    (0..400).map(row).collect()
}

fn hostile() -> Vec<Row> {
    let names = [
        "::error::pwned",
        "##[error]pwned",
        "two\n::error::pwned\nlines",
        "a | b ` <b>pwned</b> [link](https://example.com) @team #1",
        "x\nconclusion=success",
    ];
    names.map(|name| Row::new(name, name, "Failed")).into()
}

fn build(app_hash: &str, build_id: &str) -> Build {
    Build {
        app_hash: app_hash.to_owned(),
        build_id: build_id.to_owned(),
        lags: 0,
    }
}

fn help() -> String {
    let scenarios = SCENARIOS.map(|Scenario { name, shows, .. }| format!("  {name:<21} {shows}\n"));
    format!(
        "usage: fake_sofy [--listen ADDRESS:PORT] [--scenario NAME]\n\n\
         Then, in another terminal:\n\
         INPUT_API_KEY=any INPUT_SCHEDULE_ID=1888 INPUT_API_URL=http://ADDRESS:PORT cargo run\n\
         A number is a schedule of the classic API, a GUID one of the public API. Without a scenario, schedule 1889\n\
         fails and every other one passes.\n\n\
         scenarios:\n{}",
        scenarios.concat()
    )
}

fn script(arguments: &[String]) -> Result<Script, String> {
    let mut script = Script {
        pace: Pace::Time {
            queued: Duration::from_secs(1),
            running: Duration::from_secs(3),
        },
        ..Script::default()
    };
    let failing = ending(["Passed", "Failed", "Not Executed"]);
    script.rows_of.insert("1889".to_owned(), failing);
    for option in arguments.chunks(2) {
        match option {
            [name, address] if name == "--listen" => script.listen.clone_from(address),
            [name, wanted] if name == "--scenario" => {
                let known = SCENARIOS.iter().find(|known| known.name == wanted);
                let known = known.ok_or_else(|| format!("there is no scenario {wanted}"))?;
                script.rows_of.clear();
                (known.change)(&mut script);
            }
            _ => return Err(format!("unknown arguments: {}", option.join(" "))),
        }
    }
    Ok(script)
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.iter().any(|argument| argument == "--help") {
        print!("{}", help());
        return ExitCode::SUCCESS;
    }
    let script = match script(&arguments) {
        Ok(script) => script,
        Err(problem) => {
            eprintln!("{problem}\n\n{}", help());
            return ExitCode::from(2);
        }
    };
    let listen = script.listen.clone();
    let fake = match FakeSofy::try_start(script) {
        Ok(fake) => fake,
        Err(error) => {
            eprintln!("cannot listen on {listen}: {error}");
            return ExitCode::FAILURE;
        }
    };
    println!("listening on {}", fake.url());
    // Whoever started this waits for the line, and a closed pipe is no reason to stop serving.
    std::io::stdout().flush().ok();
    let mut printed = 0;
    loop {
        for request in fake.requests().iter().skip(printed) {
            println!("{} {}", request.method, request.target);
            printed += 1;
        }
        std::io::stdout().flush().ok();
        thread::sleep(Duration::from_millis(100));
    }
}
