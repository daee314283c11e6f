//! What is known at the end of a step? The one value that every renderer sees.
//!
//! Plain data; must not know how it is shown.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use super::previous::{Change, PreviousRun};
use super::schedule::Origin;
use super::test_run::TestRun;
use super::verdict::{Outcome, Policy, Verdict};

/// The site on which people see their runs; Sofy documents no deeper link.
pub(crate) const PORTAL: &str = "https://portal.sofy.ai";

/// The whole result of one step.
#[derive(Clone, Debug, Default)]
pub(crate) struct Report {
    pub(crate) verdict: Verdict,
    /// What people call the step, by the input of that name.
    pub(crate) title: Option<String>,
    /// As the user wrote it; none if the inputs did not contain one.
    pub(crate) schedule_id: Option<String>,
    /// None if Sofy gave no name.
    pub(crate) schedule_name: Option<String>,
    /// None if none was asked for.
    pub(crate) app_hash: Option<String>,
    /// Which build was tested; none if no hash was asked for, or nothing was tested.
    pub(crate) build_check: Option<BuildCheck>,
    /// How the group is known; none before it is.
    pub(crate) origin: Option<Origin>,
    pub(crate) group_id: Option<String>,
    /// The group's last status, as Sofy spelled it.
    pub(crate) group_status: Option<String>,
    /// The output of that name; classic API only.
    pub(crate) results_after: Option<String>,
    /// From the trigger, or the attach, to the end.
    pub(crate) duration: Duration,
    /// How long the group was queued before its first sign of running.
    pub(crate) queued: Option<Duration>,
    /// What became of the run on Sofy, as a sentence; none if it had finished.
    pub(crate) abort: Option<String>,
    /// The inputs with which a later step judges a run that is still going.
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
            ..Self::default()
        }
    }

    /// What the step is about, as headings and annotations say.
    pub(crate) fn subject(&self) -> String {
        match (&self.title, self.schedule()) {
            (Some(title), _) => title.clone(),
            (None, Some(schedule)) => format!("Sofy schedule {schedule}"),
            (None, None) => "Sofy gate".to_owned(),
        }
    }

    /// What people call the schedule.
    pub(crate) fn schedule(&self) -> Option<&str> {
        let schedule = self.schedule_name.as_ref().or(self.schedule_id.as_ref());
        schedule.map(String::as_str)
    }

    /// Returns what a test run means for the step.
    pub(crate) fn outcome(&self, run: &TestRun) -> Outcome {
        self.policy.outcome(&run.status)
    }

    /// Lists the test runs with one outcome.
    pub(crate) fn with(&self, outcome: Outcome) -> impl Iterator<Item = &TestRun> {
        let runs = self.test_runs.iter();
        runs.filter(move |run| self.outcome(run) == outcome)
    }

    /// Says how many of the test runs that fail the step are new; none if nothing is known.
    pub(crate) fn change_summary(&self) -> Option<String> {
        let failing = || self.with(Outcome::Failing);
        let changes = || failing().map(|run| self.previous.change(run));
        let count = |change| changes().filter(|one| *one == change).count();
        let (new, before) = (count(Change::New), count(Change::FailingBefore));
        let are = if new == 1 { "is" } else { "are" };
        let summary = match (new, before, failing().count()) {
            (0, 0, _) => return None,
            (1, _, 1) => "It passed in".to_owned(),
            (_, 1, 1) => "It also failed in".to_owned(),
            (new, _, all) if new == all => "All of them passed in".to_owned(),
            (_, before, all) if before == all => "All of them also failed in".to_owned(),
            (new, 0, _) => format!("{new} {are} new since"),
            (0, before, _) => format!("{before} also failed in"),
            (new, before, _) => format!("{new} {are} new; {before} also failed in"),
        };
        Some(format!("{summary} the schedule's previous run"))
    }
}

/// What the list says of the builds that were tested.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum BuildCheck {
    /// Every test run ran on the build of the hash.
    Verified { build: String },
    /// Nothing is proven, and this is why.
    Unverified { because: String },
    /// Some test run used a build that the list gives to other hashes of the same application: which one instead of
    /// which.
    Wrong(String),
}

impl BuildCheck {
    /// Tells whether it is proven that the right build was tested.
    pub(crate) const fn is_verified(&self) -> bool {
        matches!(self, Self::Verified { .. })
    }
}

impl fmt::Display for BuildCheck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Verified { build } => write!(f, "build {build} verified"),
            Self::Unverified { because } => write!(f, "build not verified, because {because}"),
            Self::Wrong(builds) => write!(f, "wrong build: {builds}"),
        }
    }
}

/// Where the report files go, relative to the workspace.
#[derive(Debug, Default, PartialEq, Eq)]
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
    fn new_failures_are_summed_up_only_as_far_as_they_are_known() {
        const PREVIOUS: &str = "the schedule's previous run";
        for (before, now, expected, why) in [
            (&["Passed"][..], &["Failed"][..], "It passed in", "one"),
            (&["Failed"], &["Failed"], "It also failed in", "one"),
            (&["Stopped"], &["Failed"], "", "stopped says nothing"),
            (&[], &["Failed"], "", "a new test"),
            (&["Failed"], &["Passed"], "", "nothing failed"),
            (&["Passed"], &["Running"], "", "unfinished is not failed"),
            (&["Passed"], &["Stopped"], "", "tolerated"),
            (
                &["Passed", "Passed"],
                &["Failed", "Incomplete"],
                "All of them passed in",
                "all",
            ),
            (
                &["Failed", "Incomplete"],
                &["Failed", "Failed"],
                "All of them also failed in",
                "all",
            ),
            (
                &["Passed", "Stopped"],
                &["Failed", "Failed"],
                "1 is new since",
                "the other is not known",
            ),
            (
                &["Stopped", "Failed"],
                &["Failed", "Failed"],
                "1 also failed in",
                "the other is not known",
            ),
            (
                &["Passed", "Failed", "Stopped", "Passed"],
                &["Failed", "Failed", "Failed", "Failed"],
                "2 are new; 1 also failed in",
                "some of each",
            ),
        ] {
            let mut report = Report::of(Verdict::new(Conclusion::Failure, "why"));
            report.policy.tolerated.insert(TestStatus::Stopped);
            report.test_runs = test_runs(now);
            report.previous = PreviousRun::of(&test_runs(before));

            let expected = (!expected.is_empty()).then(|| format!("{expected} {PREVIOUS}"));
            assert_eq!(report.change_summary(), expected, "{why}");
        }
    }
}
