//! What did Sofy list? Test runs, their statuses, and the group's.
//!
//! Plain data; must not know which API generation it came from, nor what counts as success.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::Offset;

use super::group_id::GroupId;
use super::spelled::Spelled;
use crate::text::list;

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
    /// The place of this row in Sofy's list.
    pub(crate) fn slot(&self) -> Slot {
        let (scenario, device) = (self.scenario.clone(), self.device.clone());
        (scenario, device, self.scheduled_at.clone())
    }
}

/// A scenario on a device at a time: what stays the same while a test run is going.
pub(crate) type Slot = (String, String, ScheduledAt);

/// When Sofy scheduled a test run: the time, or else the text that is not one.
///
/// The classic API gives no time zone, so times are compared with each other and never with a clock.
pub(crate) type ScheduledAt = Spelled<(Option<DateTime>, String)>;

impl ScheduledAt {
    /// Reads Sofy's text. A time with a zone is converted to UTC; one without is taken as it is.
    pub(crate) fn parse(text: &str) -> Self {
        let in_utc = |at: Timestamp| Offset::UTC.to_datetime(at);
        match text.parse().map(in_utc).or_else(|_| text.parse()) {
            Ok(time) => Self::new((Some(time), String::new()), text),
            Err(_) => Self::new((None, text.to_owned()), text),
        }
    }

    /// The time; none if the text is not one.
    pub(crate) const fn time(&self) -> Option<DateTime> {
        self.key.0
    }
}

/// The status of a test run. Sofy may send others than those that it documents.
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

    /// How it is spelled, and the column of the outputs that counts it; the last one is for those that are not final.
    const fn row(&self) -> (&str, usize) {
        match self {
            Self::Passed => ("Passed", 0),
            Self::Failed => ("Failed", 1),
            Self::Incomplete => ("Incomplete", 2),
            Self::NotExecuted => ("Not Executed", 3),
            Self::Stopped => ("Stopped", 4),
            Self::Running => ("Running", 5),
            Self::Other(text) => (text.as_str(), 5),
        }
    }

    /// Tells whether the status is known to be final.
    pub(crate) const fn is_final(&self) -> bool {
        self.row().1 < 5
    }

    /// Names the status after a number: "2 Failed", "1 of unknown status".
    pub(crate) fn after_a_number(&self) -> String {
        match self {
            Self::Other(text) => format!("of unknown status \"{text}\""),
            known => known.to_string(),
        }
    }

    /// Tells whether the status is final and not a pass.
    pub(crate) fn is_failure(&self) -> bool {
        self.is_final() && *self != Self::Passed
    }
}

impl fmt::Display for TestStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.row().0)
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
    /// When it began, if Sofy gives that time with its zone.
    pub(crate) executed_at: Option<Timestamp>,
    /// How long a cache had kept the answer.
    pub(crate) age: Duration,
}

impl Group {
    /// Reads Sofy's spelling; case, spaces and hyphens do not matter.
    pub(crate) fn parse(text: &str) -> Self {
        Self {
            status: match folded(text).as_str() {
                "queued" => GroupStatus::Queued,
                "running" => GroupStatus::Running,
                "complete" => GroupStatus::Complete,
                "completewitherrors" => GroupStatus::CompleteWithErrors,
                _ => GroupStatus::Other,
            },
            verbatim: text.to_owned(),
            executed_at: None,
            age: Duration::ZERO,
        }
    }

    /// Tells whether the group's status is known to be final.
    pub(crate) const fn is_terminal(&self) -> bool {
        use GroupStatus::{Complete, CompleteWithErrors};
        matches!(self.status, Complete | CompleteWithErrors)
    }
}

/// What an answer says of the length of its list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Completeness {
    /// The explicit sign that entries are missing, as words that follow "the list is not whole:".
    pub(crate) not_whole: Option<String>,
    /// The number of `Fetched N record(s)`, if it is above the length of the list: worth a warning, no proof.
    pub(crate) fetched: Option<usize>,
    /// How long a cache had kept the answer.
    pub(crate) age: Duration,
}

/// A listed test run, with the group that it names.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    pub(crate) group_id: Option<GroupId>,
    pub(crate) test_run: TestRun,
}

/// What one poll of a run showed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Snapshot {
    /// The schedule's name as people know it; empty if Sofy gave none.
    pub(crate) schedule_name: String,
    pub(crate) group: Group,
    pub(crate) test_runs: Vec<TestRun>,
    /// Rows that may belong to another run. They are never judged.
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
    /// A row of this run is no longer listed; a later run may have replaced it.
    LaterExecution,
    /// It came up after Sofy had been silent for a while, when anybody may have triggered.
    LostContact,
    /// The group had finished before this attempt of the workflow run began.
    EarlierAttempt,
    /// It stands in our group's own list and names another group.
    OtherGroup,
}

impl Snapshot {
    /// Tells whether every test run has a final status.
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
            columns[status.row().1] += n;
        }
        columns
    }
}

impl fmt::Display for Tally<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let counts = self.iter();
        let counts = counts.map(|(status, n)| format!("{n} {}", status.after_a_number()));
        f.write_str(&list(counts))
    }
}

/// Removes what varies in Sofy's spelling.
fn folded(text: &str) -> String {
    let varies = |c: char| c.is_whitespace() || matches!(c, '-' | '_');
    text.to_lowercase().replace(varies, "")
}

#[cfg(test)]
mod tests {
    use std::cmp::Ordering;

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
    fn only_a_finished_group_of_results_may_settle() {
        for (group, statuses, expected, why) in [
            ("Complete", &["Passed", "Failed"][..], true, "all finished"),
            ("Running", &["Passed"], false, "the group still runs"),
            ("Running", &["Running"], false, "nothing has finished"),
            ("Complete", &["Passed", "Running"], false, "one still runs"),
            ("Complete", &[], false, "nothing is listed"),
        ] {
            let snapshot = Snapshot {
                schedule_name: String::new(),
                group: Group::parse(group),
                test_runs: test_runs(statuses),
                ambiguous: None,
                completeness: Completeness::default(),
            };

            assert_eq!(snapshot.may_settle(), expected, "{why}");
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
