//! How did the same test end in the schedule's previous run?
//!
//! Informational: it never affects the verdict, and the previous run may be from another branch. Pure.

use std::collections::{BTreeMap, BTreeSet};

use super::test_run::{TestRun, TestStatus};

/// The statuses that the previous run showed of each scenario on each device.
#[derive(Clone, Debug, Default)]
pub(crate) struct PreviousRun(BTreeMap<(String, String), BTreeSet<TestStatus>>);

/// How a test run that did not pass compares with the previous run; new failures come first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Change {
    /// It passed in the previous run.
    New,
    /// The previous run does not show it.
    Unknown,
    /// It did not pass there either.
    FailingBefore,
}

impl PreviousRun {
    /// Reads the test runs of the previous run.
    pub(crate) fn of(test_runs: &[TestRun]) -> Self {
        let mut previous = Self::default();
        for run in test_runs {
            let statuses = previous.0.entry(place(run)).or_default();
            statuses.insert(run.status.clone());
        }
        previous
    }

    /// Finds how a test run that did not pass ended there; none if the rows contradict each other.
    pub(crate) fn status(&self, run: &TestRun) -> Option<&TestStatus> {
        let did_not_pass = !matches!(run.status, TestStatus::Passed | TestStatus::Running);
        let statuses = self.0.get(&place(run)).filter(|_| did_not_pass)?;
        statuses.first().filter(|_| statuses.len() == 1)
    }

    /// Compares a test run with the previous run.
    pub(crate) fn change(&self, run: &TestRun) -> Change {
        use TestStatus::{Failed, Incomplete, NotExecuted, Other, Passed, Running, Stopped};
        match self.status(run) {
            Some(Passed) => Change::New,
            Some(Failed | Incomplete) => Change::FailingBefore,
            // A test that was not run to its end says nothing.
            Some(NotExecuted | Stopped | Running | Other(_)) | None => Change::Unknown,
        }
    }
}

fn place(run: &TestRun) -> (String, String) {
    (run.scenario.clone(), run.device.clone())
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
