//! What can be asked of Sofy? One trait, which both generations of its API fulfil.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::time::Instant;

use super::error::Result;
use crate::model::group_id::GroupId;
use crate::model::schedule::{Build, TriggerRequest};
use crate::model::test_run::{Completeness, Group, Row};

/// One generation of Sofy's API, for one schedule.
pub(crate) trait SofyApi {
    /// Whether it can abort a group.
    const CAN_ABORT: bool;
    /// Whether rows are asked for by group, so that all of them are one run's.
    const LISTS_BY_GROUP: bool;

    /// Reads what the schedule shows before a trigger, which also checks key and schedule.
    async fn baseline(&self) -> Result<Baseline>;

    /// Triggers, once, and gives the IDs of the groups that the answer names.
    ///
    /// An error of kind [`ErrorKind::OutcomeUnknown`](super::ErrorKind::OutcomeUnknown) means that a run may have started.
    async fn trigger(&self, request: &TriggerRequest) -> Result<Vec<GroupId>>;

    /// Asks for the status of a group.
    async fn group(&self, group_id: &GroupId) -> Result<Group>;

    /// Asks for the rows that may be those of a group.
    async fn rows(&self, group_id: &GroupId) -> Result<Rows>;

    /// Lists the builds that were uploaded.
    async fn builds(&self) -> Result<BuildList>;

    /// Asks Sofy to stop this one group; gives Sofy's answer.
    ///
    /// An answer that nothing was aborted is an error: the run may be over, or may go on.
    async fn abort(&self, group_id: &GroupId) -> Result<String>;
}

/// What a schedule shows before a trigger.
#[derive(Clone, Debug)]
pub(crate) enum Baseline {
    /// The rows of earlier executions (classic API).
    Rows(Vec<Row>),
    /// The groups of earlier executions (public API).
    Groups(Groups),
}

impl Baseline {
    /// Tells whether it shows no earlier execution.
    pub(crate) const fn is_empty(&self) -> bool {
        match self {
            Self::Rows(rows) => rows.is_empty(),
            Self::Groups(groups) => groups.list.is_empty(),
        }
    }

    /// Tells whether it shows this group.
    pub(crate) fn names(&self, group_id: &GroupId) -> bool {
        let is_named = |row: &Row| row.group_id.as_ref() == Some(group_id);
        match self {
            Self::Rows(rows) => rows.iter().any(is_named),
            Self::Groups(groups) => groups.list.iter().any(|group| group.id == *group_id),
        }
    }
}

/// `Date` has whole seconds, and Sofy's machines have more than one clock.
pub(crate) const CLOCK_SLACK: SignedDuration = SignedDuration::from_secs(2);

/// The test run groups of a schedule.
#[derive(Clone, Debug, Default)]
pub(crate) struct Groups {
    pub(crate) list: Vec<ListedGroup>,
    /// How many entries could not be read, or had no ID.
    pub(crate) unreadable: usize,
    pub(crate) completeness: Completeness,
    /// What the answer says of Sofy's clock.
    pub(crate) clock: Option<ClockReading>,
}

impl Groups {
    /// If it may leave out groups, a time before which a group was certainly one of them.
    pub(crate) fn leaves_out_before(&self) -> Option<Timestamp> {
        let clock = self.clock?;
        let is_partial = self.completeness.not_whole.is_some() || self.unreadable > 0;
        // An empty one may be a mistake: nearly every schedule has run before.
        let is_doubtful = is_partial || clock.has_age || self.list.is_empty();
        let made_at = clock.date.filter(|_| is_doubtful)?;
        let listed_at = made_at.checked_add(clock.age).ok()?;
        listed_at.checked_sub(CLOCK_SLACK).ok()
    }

    /// Finds the group that was over last before this one; none where that cannot be told.
    pub(crate) fn before(&self, group_id: &GroupId) -> Option<&GroupId> {
        let this = self.list.iter().find(|group| group.id == *group_id);
        let others = self.list.iter().filter(|group| group.id != *group_id);
        let mut finished: Vec<_> = others.filter(|one| one.group.is_terminal()).collect();
        if this.is_some() || finished.len() > 1 {
            let limit = this.map_or(Some(Timestamp::MAX), |this| this.group.executed_at)?;
            let times: Option<Vec<_>> = finished.iter().map(|one| one.group.executed_at).collect();
            let newest = times?.into_iter().filter(|at| *at < limit).max();
            finished.retain(|one| newest.is_some() && one.group.executed_at == newest);
        }
        let [last] = finished[..] else { return None };
        Some(&last.id)
    }
}

/// What one answer says of Sofy's clock: at some moment between the two, it showed the date.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ClockReading {
    pub(crate) sent_at: Instant,
    pub(crate) received_at: Instant,
    /// Whole seconds: what is behind them is cut off.
    pub(crate) date: Option<Timestamp>,
    /// A cache gave the answer, so that its date is an old one.
    pub(crate) has_age: bool,
    /// How long a cache had kept it; a second if it does not say.
    pub(crate) age: Duration,
}

/// One entry of the list of groups.
#[derive(Clone, Debug)]
pub(crate) struct ListedGroup {
    pub(crate) id: GroupId,
    pub(crate) group: Group,
}

/// The rows of one answer.
#[derive(Clone, Debug, Default)]
pub(crate) struct Rows {
    /// Empty where Sofy gave none.
    pub(crate) schedule_name: String,
    pub(crate) list: Vec<Row>,
    pub(crate) completeness: Completeness,
}

/// The builds that were uploaded, of every application.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct BuildList {
    pub(crate) list: Vec<Build>,
    /// How many entries could not be read, or had no hash.
    pub(crate) unreadable: usize,
    pub(crate) completeness: Completeness,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::test_run::GroupStatus;
    use crate::tests::scripted::groups;

    #[test]
    fn the_previous_group_is_named_only_where_it_can_be_told() {
        for (list, ours, expected, why) in [
            (&[][..], "9", None, "there is none"),
            (&[("7", None)], "9", Some("7"), "the only one"),
            (
                &[("7", Some(1)), ("8", Some(2))],
                "9",
                Some("8"),
                "the newest",
            ),
            (
                &[("8", Some(2)), ("7", Some(1))],
                "9",
                Some("8"),
                "in any order",
            ),
            (&[("7", Some(1)), ("8", None)], "9", None, "one has no time"),
            (&[("7", Some(1)), ("8", Some(1))], "9", None, "at one time"),
            (
                &[("9", Some(3)), ("7", Some(1))],
                "9",
                Some("7"),
                "never ours",
            ),
            (
                &[("9", Some(2)), ("8", Some(3)), ("7", Some(1))],
                "9",
                Some("7"),
                "nor a later one",
            ),
            (
                &[("9", Some(2)), ("8", Some(2)), ("7", Some(1))],
                "9",
                Some("7"),
                "nor one of the same time",
            ),
            (
                &[("9", None), ("7", Some(1))],
                "9",
                None,
                "ours has no time",
            ),
        ] {
            let Baseline::Groups(mut groups) = groups(list, None) else {
                unreachable!("groups");
            };
            for group in &mut groups.list {
                group.group.status = GroupStatus::Complete;
            }

            let ours = GroupId::parse(ours).expect("an ID");
            assert_eq!(groups.before(&ours).map(|id| &**id), expected, "{why}");
        }
        let Baseline::Groups(running) = groups(&[("7", Some(1))], None) else {
            unreachable!("groups");
        };
        let ours = GroupId::parse("9").expect("an ID");
        assert_eq!(running.before(&ours), None, "it is not over");
    }
}
