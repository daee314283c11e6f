//! What did Sofy show us? Test runs, their statuses, and the group's.
//!
//! Plain data; must not know which API generation it came from, nor what counts as success.

use std::fmt;

/// One scenario on one device against one build: a row of the report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TestRun {
    pub(crate) scenario: String,
    pub(crate) device: String,
    pub(crate) build: String,
    pub(crate) status: TestStatus,
    /// Sofy's own spelling; the classic API gives it no time zone.
    pub(crate) scheduled_at: String,
}

/// Where a test run stands now: an open set, since it is Sofy's.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum TestStatus {
    Failed,
    Incomplete,
    NotExecuted,
    Stopped,
    /// A status that Sofy's documentation does not list, as Sofy spelled it.
    Other(String),
    Running,
    Passed,
}

impl TestStatus {
    /// Reads Sofy's spelling; case, spaces and hyphens do not matter.
    pub(crate) fn parse(text: &str) -> Self {
        match folded(text).as_str() {
            "passed" => Self::Passed,
            "failed" => Self::Failed,
            "incomplete" => Self::Incomplete,
            "notexecuted" => Self::NotExecuted,
            "stopped" | "runstopped" => Self::Stopped,
            "running" => Self::Running,
            _ => Self::Other(text.to_owned()),
        }
    }

    /// Tells whether the status is one that is known not to change any more.
    pub(crate) const fn is_final(&self) -> bool {
        match self {
            Self::Passed | Self::Failed | Self::Incomplete | Self::NotExecuted | Self::Stopped => {
                true
            }
            Self::Running | Self::Other(_) => false,
        }
    }
}

impl fmt::Display for TestStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Passed => "Passed",
            Self::Failed => "Failed",
            Self::Incomplete => "Incomplete",
            Self::NotExecuted => "Not Executed",
            Self::Stopped => "Stopped",
            Self::Running => "Running",
            Self::Other(text) => text,
        })
    }
}

/// The status of the test run group as a whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum GroupStatus {
    Queued,
    Running,
    Complete,
    CompleteWithErrors,
    /// A status that Sofy's documentation does not list.
    Other,
}

/// The group's status, with Sofy's own spelling of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Group {
    pub(crate) status: GroupStatus,
    pub(crate) verbatim: String,
}

impl Group {
    /// Reads Sofy's spelling; case, spaces and hyphens do not matter.
    pub(crate) fn parse(text: &str) -> Self {
        let status = match folded(text).as_str() {
            "queued" => GroupStatus::Queued,
            "running" => GroupStatus::Running,
            "complete" => GroupStatus::Complete,
            "completewitherrors" => GroupStatus::CompleteWithErrors,
            _ => GroupStatus::Other,
        };
        Self {
            status,
            verbatim: text.to_owned(),
        }
    }

    /// Tells whether the group's status will not change any more.
    pub(crate) const fn is_terminal(&self) -> bool {
        match self.status {
            GroupStatus::Complete | GroupStatus::CompleteWithErrors => true,
            GroupStatus::Queued | GroupStatus::Running | GroupStatus::Other => false,
        }
    }
}

/// Tells whether a text can be the ID of a group: it becomes part of addresses and outputs.
pub(crate) fn is_group_id(text: &str) -> bool {
    !text.is_empty()
        && text
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'))
}

/// What one look at our run showed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Snapshot {
    /// The schedule's name as people know it; empty where Sofy gave none.
    pub(crate) schedule_name: String,
    pub(crate) group: Group,
    pub(crate) test_runs: Vec<TestRun>,
    /// Rows that may be ours or an earlier execution's. They are never judged.
    pub(crate) indistinct: usize,
}

impl Snapshot {
    /// Passes every text that came from Sofy through a filter.
    pub(crate) fn filtered(mut self, filter: impl Fn(String) -> String) -> Self {
        self.schedule_name = filter(self.schedule_name);
        self.group.verbatim = filter(self.group.verbatim);
        for run in &mut self.test_runs {
            for text in [
                &mut run.scenario,
                &mut run.device,
                &mut run.build,
                &mut run.scheduled_at,
            ] {
                *text = filter(std::mem::take(text));
            }
            if let TestStatus::Other(text) = &mut run.status {
                *text = filter(std::mem::take(text));
            }
        }
        self
    }

    /// Tells whether every test run that is ours has a final status.
    pub(crate) fn all_final(&self) -> bool {
        self.test_runs.iter().all(|run| run.status.is_final())
    }
}

/// How many test runs stand where; derived, never stored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) passed: usize,
    pub(crate) failed: usize,
    pub(crate) incomplete: usize,
    pub(crate) not_executed: usize,
    pub(crate) stopped: usize,
    /// Running and unknown statuses, so that the counts add up.
    pub(crate) other: usize,
}

impl Tally {
    /// Counts the test runs by status.
    pub(crate) fn of(test_runs: &[TestRun]) -> Self {
        let mut tally = Self::default();
        for run in test_runs {
            *match run.status {
                TestStatus::Passed => &mut tally.passed,
                TestStatus::Failed => &mut tally.failed,
                TestStatus::Incomplete => &mut tally.incomplete,
                TestStatus::NotExecuted => &mut tally.not_executed,
                TestStatus::Stopped => &mut tally.stopped,
                TestStatus::Running | TestStatus::Other(_) => &mut tally.other,
            } += 1;
        }
        tally
    }

    /// Adds the counts up.
    pub(crate) const fn total(&self) -> usize {
        self.passed + self.failed + self.incomplete + self.not_executed + self.stopped + self.other
    }
}

/// Folds away what is not stable in Sofy's spelling.
fn folded(text: &str) -> String {
    text.chars()
        .filter(|c| !c.is_whitespace() && !matches!(c, '-' | '_'))
        .flat_map(char::to_lowercase)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_are_read_whatever_their_case_and_spacing() {
        for (text, expected, why) in [
            ("Passed", TestStatus::Passed, "as documented"),
            (
                " passed ",
                TestStatus::Passed,
                "case and spaces are not stable",
            ),
            ("NotExecuted", TestStatus::NotExecuted, "without the space"),
            (
                "not-executed",
                TestStatus::NotExecuted,
                "as the input spells it",
            ),
            (
                "Run Stopped",
                TestStatus::Stopped,
                "the public API's sample row",
            ),
            (
                "Pass",
                TestStatus::Other("Pass".into()),
                "not in the list: never guessed",
            ),
            (
                "",
                TestStatus::Other(String::new()),
                "no status is not a pass",
            ),
        ] {
            assert_eq!(TestStatus::parse(text), expected, "{text:?}: {why}");
        }
    }

    #[test]
    fn only_the_two_documented_group_statuses_are_terminal() {
        for (text, terminal, why) in [
            ("Complete", true, "as documented"),
            ("COMPLETE WITH ERRORS", true, "case is not stable"),
            ("CompleteWithErrors", true, "spacing is not stable"),
            ("Completed", false, "a word we do not know is not a success"),
            ("Running", false, "in progress"),
            ("Queued", false, "waiting for devices"),
            ("", false, "no word at all"),
        ] {
            assert_eq!(
                Group::parse(text).is_terminal(),
                terminal,
                "{text:?}: {why}"
            );
        }
    }
}
