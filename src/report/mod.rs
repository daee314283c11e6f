//! The border with those who read: the one value that every renderer sees.
//!
//! All of it is pure; nothing in here may know the runner's files.

pub(crate) mod annotations;
pub(crate) mod junit;
pub(crate) mod outputs;
pub(crate) mod progress;
pub(crate) mod summary;

use std::time::Duration;

use crate::provenance::Provenance;
use crate::test_run::{Tally, TestRun};
use crate::verdict::Verdict;

/// Where people look at their runs; Sofy documents no deeper link.
pub(crate) const PORTAL: &str = "https://portal.sofy.ai";

/// The whole result of one step.
#[derive(Clone, Debug)]
pub(crate) struct Report {
    pub(crate) verdict: Verdict,
    /// As the user wrote it; empty where the inputs did not hold one.
    pub(crate) schedule_id: String,
    /// Empty where Sofy gave no name.
    pub(crate) schedule_name: String,
    /// Empty where none was asked for.
    pub(crate) app_hash: String,
    /// The trigger names no build, so that Sofy takes the latest one.
    pub(crate) latest_build: bool,
    /// Which build was tested; none where no hash was asked for.
    pub(crate) provenance: Option<Provenance>,
    /// Empty before the group is known.
    pub(crate) group_id: String,
    /// Sofy's last word for the group, verbatim.
    pub(crate) group_status: String,
    /// The newest `ScheduledAt` before the trigger; classic API only.
    pub(crate) results_after: String,
    /// From the trigger, or the attach, to the end.
    pub(crate) duration: Duration,
    /// How long the group was queued before its first sign of running.
    pub(crate) queued: Option<Duration>,
    /// What became of the abort, as a sentence; empty where none was tried.
    pub(crate) abort: String,
    pub(crate) test_runs: Vec<TestRun>,
}

impl Report {
    /// A report of a step that ended before anything was sent.
    pub(crate) fn of(verdict: Verdict) -> Self {
        Self {
            verdict,
            schedule_id: String::new(),
            schedule_name: String::new(),
            app_hash: String::new(),
            latest_build: false,
            provenance: None,
            group_id: String::new(),
            group_status: String::new(),
            results_after: String::new(),
            duration: Duration::ZERO,
            queued: None,
            abort: String::new(),
            test_runs: Vec::new(),
        }
    }

    /// Counts the test runs by status.
    pub(crate) fn tally(&self) -> Tally {
        Tally::of(&self.test_runs)
    }
}
