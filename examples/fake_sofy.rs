//! A fake Sofy to point the action's `api-url` at: `cargo run --example fake_sofy -- --listen 127.0.0.1:8080`.
//!
//! Classic schedule 1889 has failures, every other schedule passes. It prints each request, without its body, because
//! there the key is.

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

use fake_sofy::{FakeSofy, Pace, Row, Script};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let listen = match arguments
        .iter()
        .map(String::as_str)
        .collect::<Vec<_>>()
        .as_slice()
    {
        [] => "127.0.0.1:0".to_owned(),
        ["--listen", address] => (*address).to_owned(),
        _ => {
            eprintln!("usage: fake_sofy [--listen ADDR:PORT]");
            return ExitCode::from(2);
        }
    };
    let mut script = Script {
        listen: listen.clone(),
        pace: Pace::Time {
            queued: Duration::from_secs(1),
            running: Duration::from_secs(3),
        },
        ..Script::default()
    };
    let failing = vec![
        Row::new("Log in", "Pixel 8", "Passed"),
        Row::new("Search", "Pixel 8", "Failed"),
        Row::new("Check out", "iPhone13,2", "Not Executed"),
    ];
    script.rows_of.insert("1889".to_owned(), failing);

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
