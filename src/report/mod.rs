//! The border with those who read: the one value that every renderer sees.
//!
//! All of it is pure; nothing in here may know the runner's files.

pub(crate) mod annotations;
pub(crate) mod junit;
pub(crate) mod outputs;
pub(crate) mod progress;
pub(crate) mod summary;
pub(crate) mod upload;

use std::time::Duration;

use crate::previous::{Change, Previous};
use crate::provenance::Provenance;
use crate::test_run::{Tally, TestRun};
use crate::verdict::{Bearing, Policy, Verdict};

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
    /// Which build was tested; none where no hash was asked for.
    pub(crate) provenance: Option<Provenance>,
    /// An earlier step triggered the run.
    pub(crate) attached: bool,
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
    /// The inputs by which a later step judges a run that goes on; empty where none does.
    pub(crate) inputs_to_attach: Vec<(&'static str, String)>,
    pub(crate) test_runs: Vec<TestRun>,
    pub(crate) policy: Policy,
    pub(crate) previous: Previous,
}

impl Report {
    /// A report of a step that ended before anything was sent.
    pub(crate) fn of(verdict: Verdict) -> Self {
        Self {
            verdict,
            schedule_id: String::new(),
            schedule_name: String::new(),
            app_hash: String::new(),
            provenance: None,
            attached: false,
            group_id: String::new(),
            group_status: String::new(),
            results_after: String::new(),
            duration: Duration::ZERO,
            queued: None,
            abort: String::new(),
            inputs_to_attach: Vec::new(),
            test_runs: Vec::new(),
            policy: Policy::default(),
            previous: Previous::default(),
        }
    }

    /// Tells what a test run means for the gate.
    pub(crate) fn bearing(&self, run: &TestRun) -> Bearing {
        self.policy.bearing(&run.status)
    }

    /// Compares a test run that did not pass with the schedule's previous run.
    pub(crate) fn change(&self, run: &TestRun) -> Change {
        match self.bearing(run) {
            Bearing::Breaking | Bearing::Tolerated => self.previous.change(run),
            Bearing::Unfinished | Bearing::Passed => Change::Unknown,
        }
    }

    /// Says how many of the test runs that fail the step are new; empty where nothing is known.
    pub(crate) fn news(&self) -> String {
        let changes: Vec<Change> = self
            .test_runs
            .iter()
            .filter(|run| self.bearing(run) == Bearing::Breaking)
            .map(|run| self.change(run))
            .collect();
        let count = |change| changes.iter().filter(|one| **one == change).count();
        match (count(Change::New), count(Change::FailingBefore)) {
            (0, 0) => String::new(),
            (0, before) if before == changes.len() => {
                "None of them is new: all were failing in the schedule's previous run too"
                    .to_owned()
            }
            (new, 0) => format!("{new} of them new since the schedule's previous run"),
            (new, before) => format!(
                "{new} of them new since the schedule's previous run, {before} failing before too"
            ),
        }
    }

    /// Counts the test runs by status.
    pub(crate) fn tally(&self) -> Tally {
        Tally::of(&self.test_runs)
    }
}
