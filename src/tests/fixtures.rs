//! What do tests compare with? Test runs and stop, made in one place.

use std::io;
use std::time::Duration;

use tokio::sync::watch::{Sender, channel};
use tokio::time::sleep;

use crate::gate::run_gate;
use crate::github::Runner;
use crate::inputs;
use crate::model::report::Report;
use crate::model::test_run::{ScheduledAt, TestRun, TestStatus};
use crate::publish::publish;
use crate::report::Publication;
use crate::sofy::SofyApi;
use crate::stop::Stop;

/// A test run on build 1.0(1).
pub(crate) fn test_run(scenario: &str, device: &str, status: &str) -> TestRun {
    at("2024-05-01T10:00:00", scenario, device, status)
}

/// A test run of a time.
pub(crate) fn at(time: &str, scenario: &str, device: &str, status: &str) -> TestRun {
    TestRun {
        scenario: scenario.into(),
        device: device.into(),
        build: "1.0(1)".into(),
        status: TestStatus::parse(status),
        scheduled_at: ScheduledAt::parse(time),
        late: false,
    }
}

/// Test runs of different scenarios on one device.
pub(crate) fn test_runs(statuses: &[&str]) -> Vec<TestRun> {
    statuses
        .iter()
        .enumerate()
        .map(|(n, status)| test_run(&format!("S{n}"), "Pixel 8", status))
        .collect()
}

/// Runs a gate against a scripted Sofy, by the way that the program takes from its environment to the exit status.
pub(crate) async fn gate<A: SofyApi>(
    api: &A,
    env: &[(String, String)],
    runner: &mut Runner,
    cancelled_after: Option<Duration>,
) -> (Report, u8) {
    let (sender, receiver) = channel(None);
    let Ok(inputs) = inputs::parse(env) else {
        unreachable!("the inputs can be read");
    };
    let mut stop = Stop::new(inputs.timeout, receiver);
    let signal = async {
        if let Some(after) = cancelled_after {
            sleep(after).await;
            _ = sender.send(Some("SIGINT"));
        }
    };
    let (report, ()) = tokio::join!(run_gate(api, &inputs, runner, &mut stop, || 0.5), signal);
    let exit = publish(&Publication::of(&report, &inputs.paths), runner);
    assert_eq!(exit, report.verdict.conclusion.exit_status());
    (report, exit)
}

/// What a report's file would hold.
pub(crate) fn written(write: impl FnOnce(&mut dyn io::Write) -> io::Result<()>) -> String {
    let mut file = Vec::new();
    let written = write(&mut file);
    let (Ok(()), Ok(text)) = (written, String::from_utf8(file)) else {
        unreachable!("all of it is text, in memory");
    };
    text
}

/// The end of the runner's signals, and what listens to it.
pub(crate) fn stop(timeout: Duration) -> (Sender<Option<&'static str>>, Stop) {
    let (sender, receiver) = channel(None);
    (sender, Stop::new(timeout, receiver))
}
