//! Does the step do what `contract.md` promises? The compiled binary as the runner starts it, against a fake Sofy.
#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "a harness that breaks fails its test")]

#[path = "../fake_sofy/mod.rs"]
mod fake_sofy;
mod hostile;
mod inputs;
mod interrupted;
mod reports;
mod step;
mod trigger;
mod verdict;
mod weather;
