//! How did the same test fare in the schedule's previous run?
//!
//! It informs and never decides: the verdict must not know it, and the previous run may be another
//! branch's. Pure.

use std::collections::BTreeMap;

use crate::model::test_run::{TestRun, TestStatus};

/// What the previous run showed of each scenario on each device.
#[derive(Clone, Debug, Default)]
pub(crate) struct PreviousRun {
    /// None where its rows contradict each other.
    statuses: BTreeMap<(String, String), Option<TestStatus>>,
}

/// What a test run that did not pass tells beside it; the news comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Change {
    /// It passed in the previous run.
    New,
    /// The previous run does not tell.
    Unknown,
    /// It did not pass there either.
    FailingBefore,
}

impl PreviousRun {
    /// Reads the test runs of the previous run.
    pub(crate) fn of(test_runs: &[TestRun]) -> Self {
        let mut statuses: BTreeMap<_, Option<TestStatus>> = BTreeMap::new();
        for run in test_runs {
            statuses
                .entry((run.scenario.clone(), run.device.clone()))
                .and_modify(|known| *known = known.take().filter(|status| *status == run.status))
                .or_insert_with(|| Some(run.status.clone()));
        }
        Self { statuses }
    }

    /// Finds the status of the same scenario on the same device.
    pub(crate) fn status(&self, run: &TestRun) -> Option<&TestStatus> {
        self.statuses
            .get(&(run.scenario.clone(), run.device.clone()))?
            .as_ref()
    }

    /// Compares a test run that did not pass with the previous run.
    pub(crate) fn change(&self, run: &TestRun) -> Change {
        match self.status(run) {
            Some(TestStatus::Passed) => Change::New,
            Some(TestStatus::Failed | TestStatus::Incomplete) => Change::FailingBefore,
            // What was not run, or not to its end, says nothing of the test.
            Some(
                TestStatus::NotExecuted
                | TestStatus::Stopped
                | TestStatus::Running
                | TestStatus::Other(_),
            )
            | None => Change::Unknown,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::fixtures::test_run;

    #[test]
    fn a_failure_is_new_only_where_the_same_test_passed_before() {
        for (before, expected, why) in [
            (&["Passed"][..], Change::New, "it passed"),
            (&["Passed", "Passed"], Change::New, "listed twice, alike"),
            (&["Failed"], Change::FailingBefore, "it failed"),
            (&["Incomplete"], Change::FailingBefore, "it broke off"),
            (&["Stopped"], Change::Unknown, "a person stopped it"),
            (&["Not Executed"], Change::Unknown, "it never ran"),
            (&["Running"], Change::Unknown, "it runs still"),
            (&["Flaky"], Change::Unknown, "nobody knows what it means"),
            (
                &["Passed", "Failed"],
                Change::Unknown,
                "rows that contradict",
            ),
            (
                &["Failed", "Passed", "Passed"],
                Change::Unknown,
                "in any number",
            ),
            (&[], Change::Unknown, "a new test"),
        ] {
            let rows: Vec<_> = before
                .iter()
                .map(|status| test_run("Pay", "Pixel 8", status))
                .chain([
                    test_run("Pay", "iPhone 15", "Passed"),
                    test_run("Log in", "Pixel 8", "Passed"),
                ])
                .collect();

            let change = PreviousRun::of(&rows).change(&test_run("Pay", "Pixel 8", "Failed"));

            assert_eq!(change, expected, "{why}");
        }
    }
}
