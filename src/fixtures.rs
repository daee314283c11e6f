//! What do tests compare with? Test runs and limits, made in one place.

use std::time::Duration;

use tokio::sync::watch::{Sender, channel};

use crate::limits::Limits;
use crate::test_run::{ScheduledAt, TestRun, TestStatus};

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

/// The end of the runner's signals, and what listens to it.
pub(crate) fn limits(timeout: Duration) -> (Sender<Option<&'static str>>, Limits) {
    let (sender, receiver) = channel(None);
    (sender, Limits::new(timeout, receiver))
}
