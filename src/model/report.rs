//! What is known at the end of a step? The one value that every renderer sees.
//!
//! Plain data; must not know how it is shown.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use super::previous::{Change, PreviousRun};
use super::test_run::{Tally, TestRun};
use super::verdict::{Outcome, Policy, Verdict};

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
    pub(crate) build_check: Option<BuildCheck>,
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
    pub(crate) previous: PreviousRun,
}

impl Report {
    /// A report of a step that ended before anything was sent.
    pub(crate) fn of(verdict: Verdict) -> Self {
        Self {
            verdict,
            schedule_id: String::new(),
            schedule_name: String::new(),
            app_hash: String::new(),
            build_check: None,
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
            previous: PreviousRun::default(),
        }
    }

    /// Tells what a test run means for the gate.
    pub(crate) fn outcome(&self, run: &TestRun) -> Outcome {
        self.policy.outcome(&run.status)
    }

    /// Compares a test run that did not pass with the schedule's previous run.
    pub(crate) fn change(&self, run: &TestRun) -> Change {
        match self.outcome(run) {
            Outcome::Failing | Outcome::Tolerated => self.previous.change(run),
            Outcome::Unfinished | Outcome::Passed => Change::Unknown,
        }
    }

    /// Says how many of the test runs that fail the step are new; empty where nothing is known.
    pub(crate) fn news(&self) -> String {
        let changes: Vec<Change> = self
            .test_runs
            .iter()
            .filter(|run| self.outcome(run) == Outcome::Failing)
            .map(|run| self.change(run))
            .collect();
        let count = |change| changes.iter().filter(|one| **one == change).count();
        let (new, before) = (count(Change::New), count(Change::FailingBefore));
        let said = match (new, before, changes.len()) {
            (0, 0, _) => return String::new(),
            (1, _, 1) => "what did not pass is new since",
            (_, 1, 1) => "what did not pass was failing before too, in",
            (new, _, all) if new == all => "all of them are new since",
            (_, before, all) if before == all => "all of them were failing before too, in",
            (new, 0, _) => &format!("{new} of them new since"),
            (0, before, _) => &format!("{before} of them failing before too, in"),
            (new, before, _) => {
                &format!("{new} of them new, {before} failing before too, compared with")
            }
        };
        format!("{said} the schedule's previous run")
    }

    /// Counts the test runs by status.
    pub(crate) fn tally(&self) -> Tally {
        Tally::of(&self.test_runs)
    }
}

/// What the list says of the builds that were tested.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum BuildCheck {
    /// Every test run ran on the build of the hash.
    Verified { build: String },
    /// Nothing is proven, and this is why.
    Unverified { because: String },
    /// Some test run ran on a build that the list gives to other hashes only.
    Another { asked_for: String, tested: String },
}

impl BuildCheck {
    /// Tells whether it is proven that the right build was tested.
    pub(crate) const fn is_verified(&self) -> bool {
        match self {
            Self::Verified { .. } => true,
            Self::Unverified { .. } | Self::Another { .. } => false,
        }
    }
}

impl fmt::Display for BuildCheck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Verified { build } => write!(f, "build {build} verified"),
            Self::Unverified { because } => write!(f, "build not verified, because {because}"),
            Self::Another { asked_for, tested } => {
                write!(
                    f,
                    "build {asked_for} was asked for, and {tested} was tested"
                )
            }
        }
    }
}

/// Where the report files go, relative to the workspace.
#[derive(Debug, Default)]
pub(crate) struct Paths {
    pub(crate) junit: Option<PathBuf>,
    pub(crate) json: Option<PathBuf>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::test_run::TestStatus;
    use crate::model::verdict::Conclusion;
    use crate::tests::fixtures::test_runs;

    #[test]
    fn the_news_are_said_in_words_and_only_where_they_are_known() {
        let run = "the schedule's previous run";
        for (before, now, expected, why) in [
            (
                &["Passed"][..],
                &["Failed"][..],
                "what did not pass is new since",
                "one",
            ),
            (
                &["Failed"],
                &["Failed"],
                "what did not pass was failing before too, in",
                "one",
            ),
            (&["Stopped"], &["Failed"], "", "stopped says nothing"),
            (&[], &["Failed"], "", "a new test"),
            (&["Failed"], &["Passed"], "", "nothing broke"),
            (&["Passed"], &["Running"], "", "unfinished is no failure"),
            (
                &["Passed"],
                &["Stopped"],
                "",
                "what is tolerated is no news",
            ),
            (
                &["Passed", "Passed"],
                &["Failed", "Incomplete"],
                "all of them are new since",
                "all",
            ),
            (
                &["Failed", "Incomplete"],
                &["Failed", "Failed"],
                "all of them were failing before too, in",
                "all",
            ),
            (
                &["Passed", "Stopped"],
                &["Failed", "Failed"],
                "1 of them new since",
                "the other is not known",
            ),
            (
                &["Stopped", "Failed"],
                &["Failed", "Failed"],
                "1 of them failing before too, in",
                "the other is not known",
            ),
            (
                &["Passed", "Failed", "Stopped", "Passed"],
                &["Failed", "Failed", "Failed", "Stopped"],
                "1 of them new, 1 failing before too, compared with",
                "some of each",
            ),
        ] {
            let mut report = Report::of(Verdict::new(Conclusion::Failure, "why"));
            report.policy.tolerated.insert(TestStatus::Stopped);
            report.test_runs = test_runs(now);
            report.previous = PreviousRun::of(&test_runs(before));

            let expected = match expected {
                "" => String::new(),
                words => format!("{words} {run}"),
            };
            assert_eq!(report.news(), expected, "{why}");
        }
    }
}
