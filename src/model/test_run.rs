//! What did Sofy show us? Test runs, their statuses, and the group's.
//!
//! Plain data; must not know which API generation it came from, nor what counts as success.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr as _;

use jiff::civil::DateTime;

use super::group_id::GroupId;
use crate::text::{MOST_NAMED, list};

/// One scenario on one device against one build: a row of the report.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct TestRun {
    pub(crate) scenario: String,
    pub(crate) device: String,
    pub(crate) build: String,
    pub(crate) status: TestStatus,
    pub(crate) scheduled_at: ScheduledAt,
    /// Whether its time was first listed after this run's first rows: it may belong to a later run, which nothing
    /// else shows on the classic API. Such a test run may count against this run, and never for it.
    pub(crate) late: bool,
}

impl TestRun {
    /// The place that this row fills in Sofy's list.
    pub(crate) fn slot(&self) -> Slot<'_> {
        Slot {
            scenario: Cow::Borrowed(&self.scenario),
            device: Cow::Borrowed(&self.device),
            scheduled_at: Cow::Borrowed(&self.scheduled_at),
        }
    }
}

/// A scenario on a device at a time: what stays the same while a test run goes on.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Slot<'row> {
    pub(crate) scenario: Cow<'row, str>,
    pub(crate) device: Cow<'row, str>,
    pub(crate) scheduled_at: Cow<'row, ScheduledAt>,
}

impl Slot<'_> {
    /// Makes it outlive the list that it was found in.
    pub(crate) fn into_owned(self) -> Slot<'static> {
        Slot {
            scenario: Cow::Owned(self.scenario.into_owned()),
            device: Cow::Owned(self.device.into_owned()),
            scheduled_at: Cow::Owned(self.scheduled_at.into_owned()),
        }
    }
}

/// When Sofy scheduled a test run: its text, and the time in it where there is one.
///
/// Two of them are the same where their times are, whatever the spelling. The classic API gives no
/// time zone, so that times are compared with each other and never with a clock.
#[derive(Clone, Debug, Default)]
pub(crate) struct ScheduledAt {
    text: String,
    time: Option<DateTime>,
}

impl ScheduledAt {
    /// Reads Sofy's text. A time with a zone is taken to UTC; one without stands as it is.
    pub(crate) fn parse(text: &str) -> Self {
        let time = jiff::Timestamp::from_str(text)
            .map(|at| jiff::tz::Offset::UTC.to_datetime(at))
            .or_else(|_| DateTime::from_str(text))
            .ok();
        Self {
            text: text.to_owned(),
            time,
        }
    }

    /// Sofy's own spelling.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// The time; none where the text is not one.
    pub(crate) const fn time(&self) -> Option<DateTime> {
        self.time
    }

    fn key(&self) -> (Option<DateTime>, &str) {
        match self.time {
            Some(_) => (self.time, ""),
            None => (None, &self.text),
        }
    }
}

impl PartialEq for ScheduledAt {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl Eq for ScheduledAt {}

impl PartialOrd for ScheduledAt {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for ScheduledAt {
    fn cmp(&self, other: &Self) -> Ordering {
        self.key().cmp(&other.key())
    }
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

    /// Tells whether the status is final and not a pass.
    pub(crate) fn is_failure(&self) -> bool {
        self.is_final() && *self != Self::Passed
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

/// What an answer says of the length of its list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Completeness {
    /// The explicit sign that entries are missing, as words that follow "the list is not whole:".
    pub(crate) not_whole: Option<String>,
    /// The number of `Fetched N record(s)`, if it is above the length of the list: worth a warning, no proof.
    pub(crate) fetched: Option<usize>,
}

/// A listed test run, with the group that it names.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    pub(crate) group_id: Option<GroupId>,
    pub(crate) test_run: TestRun,
}

/// What one look at our run showed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Snapshot {
    /// The schedule's name as people know it; empty where Sofy gave none.
    pub(crate) schedule_name: String,
    pub(crate) group: Group,
    pub(crate) test_runs: Vec<TestRun>,
    /// Rows that cannot be told from another execution's. They are never judged.
    pub(crate) ambiguous: Option<Ambiguous>,
    /// What the answer says of the length of its list.
    pub(crate) completeness: Completeness,
}

/// How many rows cannot be attributed, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ambiguous {
    pub(crate) rows: usize,
    pub(crate) doubt: AmbiguityReason,
}

/// Why a row cannot be attributed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AmbiguityReason {
    /// It may be an earlier execution's.
    EarlierExecution,
    /// A row that was ours is no longer listed; a later execution may have taken its place.
    LaterExecution,
    /// It came up after Sofy had been silent for a while, when anybody may have triggered.
    LostContact,
    /// The group was over before this attempt of the workflow run began.
    EarlierAttempt,
    /// It stands in our group's own list and names another group.
    OtherGroup,
}

impl Snapshot {
    /// Tells whether every test run that is ours has a final status.
    pub(crate) fn all_final(&self) -> bool {
        self.test_runs.iter().all(|run| run.status.is_final())
    }

    /// Tells whether the group is terminal and shows results only.
    pub(crate) fn may_settle(&self) -> bool {
        self.group.is_terminal() && !self.test_runs.is_empty() && self.all_final()
    }
}

/// How many test runs have each status, worst first. Derived, never stored.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally<'runs>(BTreeMap<&'runs TestStatus, usize>);

impl<'runs> Tally<'runs> {
    /// Counts test runs by status.
    pub(crate) fn of(test_runs: impl IntoIterator<Item = &'runs TestRun>) -> Self {
        let mut counts = BTreeMap::new();
        for run in test_runs {
            *counts.entry(&run.status).or_default() += 1;
        }
        Self(counts)
    }

    /// Keeps the statuses that `pick` accepts.
    pub(crate) fn only(&self, pick: impl Fn(&TestStatus) -> bool) -> Self {
        let picked = self.0.iter().filter(|(status, _)| pick(status));
        Self(picked.map(|(status, n)| (*status, *n)).collect())
    }

    /// Counts the test runs whose status `pick` accepts.
    pub(crate) fn count(&self, pick: impl Fn(&TestStatus) -> bool) -> usize {
        self.only(pick).total()
    }

    /// Counts all of them.
    pub(crate) fn total(&self) -> usize {
        self.0.values().sum()
    }

    /// Gives each status with its count, worst first.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&'runs TestStatus, usize)> {
        self.0.iter().map(|(status, n)| (*status, *n))
    }

    /// The outputs `passed-count` to `other-count`, in their order. They add up to the total.
    pub(crate) fn columns(&self) -> [usize; 6] {
        let mut columns = [0; 6];
        for (status, n) in self.iter() {
            columns[match status {
                TestStatus::Passed => 0,
                TestStatus::Failed => 1,
                TestStatus::Incomplete => 2,
                TestStatus::NotExecuted => 3,
                TestStatus::Stopped => 4,
                TestStatus::Running | TestStatus::Other(_) => 5,
            }] += n;
        }
        columns
    }
}

impl fmt::Display for Tally<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let counts = self.iter().map(|(status, n)| match status {
            TestStatus::Other(text) => format!("{n} of unknown status \"{text}\""),
            TestStatus::Failed
            | TestStatus::Incomplete
            | TestStatus::NotExecuted
            | TestStatus::Stopped
            | TestStatus::Running
            | TestStatus::Passed => format!("{n} {status}"),
        });
        f.write_str(&list(counts, MOST_NAMED))
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
    use crate::tests::fixtures::test_runs;

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
    fn every_status_is_counted_in_one_column_and_they_add_up() {
        for (status, column, is_final) in [
            ("Passed", 0, true),
            ("Failed", 1, true),
            ("Incomplete", 2, true),
            ("Not Executed", 3, true),
            ("Stopped", 4, true),
            ("Running", 5, false),
            ("Weird", 5, false),
        ] {
            let runs = test_runs(&["Passed", "Failed", "Running", status, status]);
            let tally = Tally::of(&runs);
            let others = Tally::of(&runs[..3]).columns();

            let columns = tally.columns();

            assert_eq!(columns[column], others[column] + 2, "{status}");
            assert_eq!(columns.iter().sum::<usize>(), 5, "{status}");
            assert_eq!(tally.total(), 5, "{status}");
            assert_eq!(TestStatus::parse(status).is_final(), is_final, "{status}");
            // The compiler asks for a line above when a status is added.
            match TestStatus::parse(status) {
                TestStatus::Passed
                | TestStatus::Failed
                | TestStatus::Incomplete
                | TestStatus::NotExecuted
                | TestStatus::Stopped
                | TestStatus::Running
                | TestStatus::Other(_) => {}
            }
        }
    }

    #[test]
    fn a_tally_is_said_worst_first() {
        let runs = test_runs(&["Passed", "Weird", "Failed", "Stopped", "Failed"]);

        let said = Tally::of(&runs).to_string();

        assert_eq!(
            said,
            "2 Failed, 1 Stopped, 1 of unknown status \"Weird\" and 1 Passed"
        );
    }

    #[test]
    fn times_are_compared_and_not_their_spelling() {
        for (one, other, expected, why) in [
            (
                "2022-10-07T20:39:26.02",
                "2022-10-07T20:39:26.020",
                Ordering::Equal,
                "digits",
            ),
            (
                "2022-10-07T20:39:26.02",
                "2022-10-07T20:39:26.1",
                Ordering::Less,
                "no text",
            ),
            (
                "2023-10-24T06:14:39Z",
                "2023-10-24T08:14:39+03:00",
                Ordering::Greater,
                "zones",
            ),
            ("soon", "soon", Ordering::Equal, "no time at all"),
            (
                "",
                "2022-10-07T20:39:26.02",
                Ordering::Less,
                "no text at all",
            ),
        ] {
            let compared = ScheduledAt::parse(one).cmp(&ScheduledAt::parse(other));

            assert_eq!(compared, expected, "{one}, {other}: {why}");
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
