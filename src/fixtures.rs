//! What do tests compare with? One test run, made in one place.

use crate::test_run::{TestRun, TestStatus};

/// A test run on build 1.0(1).
pub(crate) fn test_run(scenario: &str, device: &str, status: &str) -> TestRun {
    TestRun {
        scenario: scenario.into(),
        device: device.into(),
        build: "1.0(1)".into(),
        status: TestStatus::parse(status),
        scheduled_at: "2024-05-01T10:00:00".into(),
    }
}
