//! Which of the rows that Sofy lists are this run's?
//!
//! The classic API lists rows by schedule alone: of the newest execution, of several, for a while
//! still of the previous one, perhaps all under one `ScheduledAt`. Pure: compares rows with what
//! was listed before the trigger, and uses no clock.
//!
//! A *slot* is a scenario on a device at a time. For the rows of a slot:
//!
//! | now, against before the trigger | attributed to us |
//! |---|---|
//! | its time is newer than every time before, or nothing was listed before | all of them |
//! | one more of them is `Running`, and before the trigger nothing of that time was unfinished | from then on: all of them, or where rows were added, the added ones |
//! | anything else: the same rows, another spelling, a build filled in, a corrected result | none |
//!
//! Rows that are not attributed are an earlier execution's only where times tell: where something
//! is attributed, and all of it bears times that were not listed before. Otherwise they are
//! *ambiguous*, as is every row without a time. Three rules stand above the table:
//!
//! 1. If a time of this run is no longer listed, a later run may have taken its place:
//!    nothing is judged.
//! 2. A row that names its group is ours or another's, whatever its time.
//! 3. If the list before the trigger may leave out groups (public API), a group that began before it is an earlier run.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use jiff::civil::DateTime;

use crate::model::group_id::GroupId;
use crate::model::schedule::{Cutoff, Origin, ResultsAfter};
use crate::model::test_run::{
    AmbiguityReason, Ambiguous, Group, GroupStatus, Row, ScheduledAt, Slot, TestRun, TestStatus,
};
use crate::sofy::Baseline;

/// A run on Sofy, and what tells its rows from others.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) group_id: GroupId,
    pub(crate) origin: Origin,
    rule: Rule,
    /// Every time of a row without a group's name that was attributed so far.
    times: BTreeSet<ScheduledAt>,
    /// The times of the first poll that showed rows of this run.
    first_times: BTreeSet<ScheduledAt>,
    /// Why rows that name no group cannot be this run's for certain.
    doubt: Option<AmbiguityReason>,
    /// If the list before the trigger may leave out groups, one that began before this time is an earlier run.
    pub(crate) not_before: Option<Timestamp>,
    /// Whether a poll has shown that it did.
    is_old: bool,
    /// Whether the first poll has to show a group that is not terminal. If an earlier attempt of the workflow run
    /// wrote down the time, anybody's run may have come into the list since the group finished.
    expects_unfinished: bool,
}

#[derive(Debug)]
enum Rule {
    /// The list was asked for by group.
    ListedByGroup,
    /// Newer than what an earlier step found before its trigger.
    After(Cutoff),
    /// Different from what was listed before the trigger.
    Since(BaselineRows),
}

impl Run {
    /// A run that this step triggered; `before` is what the schedule showed just before.
    pub(crate) fn triggered(group_id: GroupId, origin: Origin, before: Option<&Baseline>) -> Self {
        let (rule, not_before) = match before {
            Some(Baseline::Rows(rows)) => (Rule::Since(BaselineRows::of(rows)), None),
            Some(Baseline::Groups(groups)) => (Rule::ListedByGroup, groups.leaves_out_before()),
            None => (Rule::ListedByGroup, None),
        };
        Self {
            not_before,
            ..Self::by(group_id, origin, rule)
        }
    }

    /// A run that an earlier step triggered; `attempt` is this step's.
    pub(crate) fn attached(
        group_id: GroupId,
        after: Option<ResultsAfter>,
        attempt: Option<u32>,
    ) -> Self {
        let is_earlier = |after: &ResultsAfter| after.is_of_an_earlier_attempt(attempt);
        let expects_unfinished = after.as_ref().is_some_and(is_earlier);
        let rule = after.map_or(Rule::ListedByGroup, |after| Rule::After(after.newest));
        Self {
            expects_unfinished,
            ..Self::by(group_id, Origin::Attached, rule)
        }
    }

    const fn by(group_id: GroupId, origin: Origin, rule: Rule) -> Self {
        Self {
            group_id,
            origin,
            rule,
            times: BTreeSet::new(),
            first_times: BTreeSet::new(),
            doubt: None,
            not_before: None,
            is_old: false,
            expects_unfinished: false,
        }
    }

    /// Doubts every row that names no group, from now on.
    pub(crate) const fn mark_ambiguous(&mut self, doubt: AmbiguityReason) {
        self.doubt = Some(doubt);
    }

    /// Tells whether the group began before this step's trigger, so that all it lists is another run's.
    pub(crate) fn is_older(&self, group: &Group) -> bool {
        let times = group.executed_at.zip(self.not_before);
        self.is_old || times.is_some_and(|(began, not_before)| began < not_before)
    }

    /// Finds this run's rows, and those that cannot be told, in a list that was read after the group's status; none if
    /// that could not be read.
    pub(crate) fn attribute(
        &mut self,
        group: Option<&Group>,
        rows: Vec<Row>,
    ) -> (Vec<TestRun>, Option<Ambiguous>) {
        self.is_old = group.map_or(self.is_old, |group| self.is_older(group));
        if self.is_old {
            let doubt = AmbiguityReason::EarlierExecution;
            return (Vec::new(), ambiguous(rows.len(), doubt));
        }
        if let Some(group) = group
            && std::mem::take(&mut self.expects_unfinished)
            && group.is_terminal()
        {
            self.mark_ambiguous(AmbiguityReason::EarlierAttempt);
        }
        let (mut named, mut unnamed, mut others) = (Vec::new(), Vec::new(), 0);
        for row in rows {
            match row.group_id {
                None => unnamed.push(row.test_run),
                Some(id) if id == self.group_id => named.push(row.test_run),
                Some(_) => others += 1,
            }
        }
        let listed = unnamed.len();
        let (mut ours, unclear) = match &mut self.rule {
            Rule::ListedByGroup => {
                named.extend(unnamed);
                return (named, ambiguous(others, AmbiguityReason::OtherGroup));
            }
            Rule::After(newest) => after(newest, unnamed, &named),
            Rule::Since(before) => before.attribute(unnamed, &named),
        };
        if let Some(doubt) = self.doubt {
            return (named, ambiguous(ours.len() + unclear, doubt));
        }
        let time = |run: &TestRun| run.scheduled_at.clone();
        let times: BTreeSet<ScheduledAt> = ours.iter().map(time).collect();
        if !times.is_superset(&self.times) {
            return (named, ambiguous(listed, AmbiguityReason::LaterExecution));
        }
        self.times = times;
        if self.first_times.is_empty() {
            self.first_times = ours.iter().chain(&named).map(time).collect();
        }
        for run in &mut ours {
            run.late = !self.first_times.contains(&run.scheduled_at);
        }
        ours.extend(named);
        (ours, ambiguous(unclear, AmbiguityReason::EarlierExecution))
    }
}

/// Tells whether a list shows test runs that started since an earlier one.
pub(crate) fn have_started(before: &[Row], now: &[Row]) -> bool {
    let rows = now.iter().map(|row| row.test_run.clone()).collect();
    let (started, _) = BaselineRows::of(before).attribute(rows, &[]);
    !started.is_empty()
}

fn ambiguous(rows: usize, doubt: AmbiguityReason) -> Option<Ambiguous> {
    (rows > 0).then_some(Ambiguous { rows, doubt })
}

impl ResultsAfter {
    /// Finds the newest time of the rows before a trigger.
    pub(crate) fn of(rows: &[Row], attempt: Option<u32>) -> Self {
        // Rows without a time come before those with one.
        let newest = match rows.iter().map(|row| &row.test_run.scheduled_at).max() {
            None => Cutoff::NoRows,
            Some(at) if at.time().is_none() => Cutoff::NoTimes,
            Some(at) => Cutoff::At(at.clone()),
        };
        Self { newest, attempt }
    }
}

/// Gives the rows that are newer than a time, and how many others cannot be told.
fn after(newest: &Cutoff, rows: Vec<TestRun>, named: &[TestRun]) -> (Vec<TestRun>, usize) {
    let newest = match newest {
        Cutoff::NoRows => return (rows, 0),
        Cutoff::NoTimes => return (Vec::new(), rows.len()),
        Cutoff::At(at) => at.time(),
    };
    let is_newer = |run: &TestRun| run.scheduled_at.time() > newest;
    let (ours, mut others): (Vec<TestRun>, Vec<TestRun>) = rows.into_iter().partition(is_newer);
    let times_tell = !(ours.is_empty() && named.is_empty()) && named.iter().all(is_newer);
    others.retain(|run| !times_tell || run.scheduled_at.time().is_none() || may_start(&run.status));
    (ours, others.len())
}

/// Tells whether a test run may still start, and get another time then. Of other words that are not documented for
/// rows, some end a run, and an old row with one of them stays.
fn may_start(status: &TestStatus) -> bool {
    use GroupStatus::{Queued, Running};
    let group = Group::parse(&status.to_string());
    group.verbatim.trim().is_empty() || matches!(group.status, Queued | Running)
}

/// The newest test run of each scenario on each device: what the previous execution showed.
///
/// Rows without a time cannot be told by it, so they stay, and what they contradict is not known.
pub(crate) fn previous_execution(rows: Vec<Row>) -> Vec<TestRun> {
    let place = |run: &TestRun| (run.scenario.clone(), run.device.clone());
    let mut runs: Vec<TestRun> = rows.into_iter().map(|row| row.test_run).collect();
    let mut newest: BTreeMap<(String, String), Option<DateTime>> = BTreeMap::new();
    for run in &runs {
        let time = newest.entry(place(run)).or_default();
        *time = run.scheduled_at.time().max(*time);
    }
    runs.retain(|run| {
        let time = run.scheduled_at.time();
        time.is_none() || newest.get(&place(run)) == Some(&time)
    });
    runs
}

/// What was listed before the trigger, and what has changed since.
#[derive(Debug, Default)]
struct BaselineRows {
    /// Each time, and whether somebody's test run was unfinished at it: what runs there may still be theirs.
    times: BTreeMap<ScheduledAt, bool>,
    slots: BTreeMap<Slot, Vec<TestRun>>,
    /// Slots of those times or older ones in which this run was seen to run, with the earlier rows that stand beside
    /// its own: none if they were replaced.
    changes: BTreeMap<Slot, Vec<TestRun>>,
}

impl BaselineRows {
    fn of(baseline: &[Row]) -> Self {
        let mut before = Self::default();
        for Row { test_run: run, .. } in baseline {
            *before.times.entry(run.scheduled_at.clone()).or_default() |= !run.status.is_final();
            let slot = before.slots.entry(run.slot()).or_default();
            slot.push(run.clone());
        }
        before
    }

    /// Gives this run's rows, and how many others cannot be told.
    fn attribute(&mut self, rows: Vec<TestRun>, named: &[TestRun]) -> (Vec<TestRun>, usize) {
        let newest = self.times.last_key_value().and_then(|(at, _)| at.time());
        let is_newer = |run: &TestRun| self.times.is_empty() || run.scheduled_at.time() > newest;
        let (newer, others): (Vec<TestRun>, Vec<TestRun>) = rows.into_iter().partition(is_newer);
        let gone = self.gone_unfinished(&others);
        let is_of_gone = |run: &TestRun| gone.contains(&(&*run.scenario, &*run.device));
        let (moved, mut ours): (Vec<_>, Vec<_>) = newer.into_iter().partition(is_of_gone);
        let mut slots: BTreeMap<Slot, Vec<TestRun>> = BTreeMap::new();
        for run in others {
            slots.entry(run.slot()).or_default().push(run);
        }
        let mut rest = Vec::new();
        for (slot, runs) in slots {
            let was_unfinished = self.times.get(&slot.2) == Some(&true);
            if !was_unfinished && runs.iter().any(|run| run.status == TestStatus::Running) {
                let earlier = self.slots.get(&slot).map_or(&[][..], Vec::as_slice);
                let added = without(runs.clone(), earlier).len();
                let are_added = added + earlier.len() == runs.len();
                let beside = if are_added { earlier } else { &[] };
                let change = self.changes.entry(slot.clone());
                change.or_insert_with(|| beside.to_vec());
            }
            match self.changes.get(&slot) {
                Some(beside) => ours.extend(without(runs, beside)),
                None => rest.extend(runs),
            }
        }
        let is_of_old_time = |run: &TestRun| self.times.contains_key(&run.scheduled_at);
        let mut attributed = ours.iter().chain(named).peekable();
        let times_tell = attributed.peek().is_some() && !attributed.any(is_of_old_time);
        rest.retain(|run| !times_tell || run.scheduled_at.time().is_none());
        (ours, rest.len() + moved.len())
    }

    /// The scenarios and devices of rows that were unfinished before the trigger and are gone. A newer row of theirs may
    /// be the same one, which got its time only when it started.
    fn gone_unfinished(&self, listed: &[TestRun]) -> BTreeSet<(&str, &str)> {
        let listed: BTreeSet<Slot> = listed.iter().map(TestRun::slot).collect();
        let before = self.slots.iter().filter(|(slot, _)| !listed.contains(slot));
        let may_move = |run: &&TestRun| may_start(&run.status) || run.scheduled_at.time().is_none();
        let unfinished = before.flat_map(|(_, runs)| runs).filter(may_move);
        let places = unfinished.map(|run| (&*run.scenario, &*run.device));
        places.collect()
    }
}

/// Leaves out the rows that stood in the slot before.
fn without(mut runs: Vec<TestRun>, earlier: &[TestRun]) -> Vec<TestRun> {
    let mut left: BTreeMap<&TestRun, usize> = BTreeMap::new();
    for run in earlier {
        *left.entry(run).or_default() += 1;
    }
    runs.retain(|run| {
        let left = left.get_mut(run).filter(|n| **n > 0);
        left.map(|n| *n -= 1).is_none()
    });
    runs
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::previous::{self, PreviousRun};
    use crate::tests::fixtures::at;

    const YESTERDAY: &str = "2022-10-07T20:39:26.02";
    const TODAY: &str = "2022-10-08T09:00:00";
    const LATER: &str = "2022-10-08T09:05:00";

    fn row(scenario: &str, time: &str, status: &str) -> Row {
        Row {
            group_id: None,
            test_run: at(time, scenario, "Apple iPhone13,2", status),
        }
    }

    fn rows(time: &str, statuses: &[&str]) -> Vec<Row> {
        statuses
            .iter()
            .enumerate()
            .map(|(n, status)| row(&format!("S{n}"), time, status))
            .collect()
    }

    fn named(mut rows: Vec<Row>, group: &str) -> Vec<Row> {
        for row in &mut rows {
            row.group_id = Some((*group).into());
        }
        rows
    }

    fn since(baseline: &[Row]) -> Run {
        let before = Baseline::Rows(baseline.to_vec());
        Run::triggered("77".into(), Origin::Triggered, Some(&before))
    }

    fn look(run: &mut Run, rows: &[Row]) -> (Vec<String>, usize) {
        let (test_runs, ambiguous) = run.attribute(Some(&Group::parse("Running")), rows.to_vec());
        let statuses = test_runs.iter();
        (
            statuses.map(|run| run.status.to_string()).collect(),
            ambiguous.map_or(0, |ambiguous| ambiguous.rows),
        )
    }

    /// Plays the looks and says what the last one showed: our statuses, and how many rows are ambiguous.
    fn last(baseline: &[Row], looks: &[Vec<Row>]) -> (Vec<String>, usize) {
        let mut run = since(baseline);
        let mut shown = None;
        for rows in looks {
            shown = Some(look(&mut run, rows));
        }
        shown.expect("a look")
    }

    #[test]
    fn a_row_that_gets_its_time_only_when_it_starts_is_not_taken_for_ours() {
        for (time, before, after, statuses, ambiguous, why) in [
            (
                "",
                "Queued",
                "Passed",
                &[][..],
                1,
                "it waited without a time",
            ),
            (
                YESTERDAY,
                "Running",
                "Passed",
                &[],
                1,
                "it ran under an older time",
            ),
            (YESTERDAY, "", "Passed", &[], 1, "it had no status yet"),
            (YESTERDAY, " ", "Passed", &[], 1, "nor is a space one"),
            (
                YESTERDAY,
                "Failed",
                "Passed",
                &["Passed"],
                0,
                "an earlier run that had finished",
            ),
            (
                "",
                "Pending",
                "Passed",
                &[],
                1,
                "it waited under another word",
            ),
            (
                "",
                "Failed",
                "Passed",
                &[],
                1,
                "a result that may have got its time and been corrected",
            ),
            (
                YESTERDAY,
                "Odd",
                "Passed",
                &["Passed"],
                0,
                "a word that nobody documents",
            ),
        ] {
            let baseline = [row("S", time, before)];

            let now = last(&baseline, &[vec![row("S", TODAY, after)]]);

            assert_eq!(now, expected(statuses, ambiguous), "{why}");
            let both = vec![row("S", time, before), row("S", TODAY, after)];
            let (listed, _) = last(&baseline, &[both]);
            assert_eq!(listed, ["Passed"], "{why}: it is still listed");
        }
    }

    fn expected(statuses: &[&str], ambiguous: usize) -> (Vec<String>, usize) {
        let statuses = statuses.iter().map(|status| (*status).to_owned());
        (statuses.collect(), ambiguous)
    }

    #[test]
    fn what_bears_a_time_that_came_into_the_list_later_may_be_another_executions() {
        let named = |rows: &[Row]| named(rows.to_vec(), "77");
        let stopped = rows(TODAY, &["Stopped"]);
        let both = [stopped.clone(), rows(LATER, &["Passed", "Failed"])].concat();
        let named_later = [stopped.clone(), named(&rows(LATER, &["Passed"]))].concat();
        for (looks, late, why) in [
            (
                vec![both.clone()],
                &[][..],
                "nobody knows which was there first",
            ),
            (
                vec![stopped.clone(), both.clone()],
                &["Passed", "Failed"],
                "it came later",
            ),
            (
                vec![stopped.clone(), both.clone(), both.clone()],
                &["Passed", "Failed"],
                "it stays the later one",
            ),
            (
                vec![Vec::new(), both],
                &[],
                "an empty look has shown no time yet",
            ),
            (
                vec![stopped.clone(), rows(TODAY, &["Stopped", "Passed"])],
                &[],
                "of the first time",
            ),
            (
                vec![stopped, named_later],
                &[],
                "a row that names our group",
            ),
            (
                vec![named(&rows(TODAY, &["Stopped"])), rows(LATER, &["Passed"])],
                &["Passed"],
                "after a row that names our group",
            ),
        ] {
            let mut run = since(&rows(YESTERDAY, &["Passed"]));
            let mut found = None;
            for rows in looks {
                let group = Group::parse("Running");
                let (test_runs, _) = run.attribute(Some(&group), rows);
                let late = test_runs.into_iter().filter(|run| run.late);
                found = Some(late.map(|run| run.status).collect::<Vec<_>>());
            }

            let late = late.iter().map(|status| TestStatus::parse(status));
            assert_eq!(found, Some(late.collect()), "{why}");
        }
    }

    #[test]
    fn rows_that_are_ours_are_told_under_each_hypothesis() {
        let old = || rows(YESTERDAY, &["Passed", "Failed"]);
        let new = |statuses: &[&str]| rows(TODAY, statuses);
        let both = |statuses: &[&str]| [old(), new(statuses)].concat();
        let same = |statuses: &[&str]| rows(YESTERDAY, statuses);
        let slot = |statuses: &[&str]| {
            let rows = statuses.iter();
            let rows = rows.map(|status| row("S0", YESTERDAY, status));
            rows.collect::<Vec<Row>>()
        };
        for (why, baseline, looks, ours, ambiguous) in [
            (
                "only the newest execution is listed",
                old(),
                vec![new(&["Running", "Running"]), new(&["Passed", "Passed"])],
                vec!["Passed", "Passed"],
                0,
            ),
            (
                "all executions are listed",
                old(),
                vec![both(&["Running", "Running"]), both(&["Passed", "Passed"])],
                vec!["Passed", "Passed"],
                0,
            ),
            (
                "the previous one is listed for a while",
                old(),
                vec![old(), old(), new(&["Passed", "Passed"])],
                vec!["Passed", "Passed"],
                0,
            ),
            (
                "the previous one is listed forever",
                old(),
                vec![old(), old()],
                vec![],
                2,
            ),
            (
                "ScheduledAt never changes, rows are replaced",
                old(),
                vec![same(&["Running", "Running"]), same(&["Passed", "Passed"])],
                vec!["Passed", "Passed"],
                0,
            ),
            (
                "ScheduledAt never changes, our failure looks like yesterday's",
                old(),
                vec![same(&["Running", "Failed"]), same(&["Passed", "Failed"])],
                vec!["Passed"],
                1,
            ),
            (
                "ScheduledAt never changes, rows are added",
                old(),
                vec![
                    [old(), same(&["Running", "Running"])].concat(),
                    [old(), same(&["Passed", "Passed"])].concat(),
                ],
                vec!["Passed", "Passed"],
                0,
            ),
            (
                "ScheduledAt never changes, a row is replaced by two of its slot",
                slot(&["Failed"]),
                vec![slot(&["Running", "Running"]), slot(&["Failed", "Passed"])],
                vec!["Failed", "Passed"],
                0,
            ),
            (
                "ScheduledAt never changes, a row is added in its slot",
                slot(&["Failed"]),
                vec![slot(&["Failed", "Running"]), slot(&["Failed", "Passed"])],
                vec!["Passed"],
                0,
            ),
            (
                "a schedule that never ran",
                vec![],
                vec![new(&["Passed", "Failed"])],
                vec!["Passed", "Failed"],
                0,
            ),
            (
                "another execution still ran before ours and passes",
                rows(YESTERDAY, &["Running"]),
                vec![rows(YESTERDAY, &["Passed"])],
                vec![],
                1,
            ),
            (
                "two test runs of another execution still ran before ours and pass",
                rows(YESTERDAY, &["Running", "Running"]),
                vec![
                    rows(YESTERDAY, &["Running", "Running"]),
                    rows(YESTERDAY, &["Passed", "Passed"]),
                ],
                vec![],
                2,
            ),
            (
                "another execution takes our rows' place",
                old(),
                vec![
                    new(&["Running", "Running"]),
                    rows(LATER, &["Passed", "Passed"]),
                ],
                vec![],
                2,
            ),
            (
                "another execution takes the place of some of our rows",
                old(),
                vec![
                    [
                        new(&["Running"]),
                        vec![row("S1", "2022-10-08T09:01:00", "Running")],
                    ]
                    .concat(),
                    vec![
                        row("S1", "2022-10-08T09:01:00", "Passed"),
                        row("S0", LATER, "Passed"),
                    ],
                ],
                vec![],
                2,
            ),
            (
                "a schedule that never ran, and whose rows have no time",
                vec![],
                vec![rows("", &["Passed"])],
                vec!["Passed"],
                0,
            ),
            (
                "another execution is listed beside ours",
                old(),
                vec![
                    new(&["Running"]),
                    [new(&["Passed"]), rows(LATER, &["Failed"])].concat(),
                ],
                vec!["Passed", "Failed"],
                0,
            ),
        ] {
            assert_eq!(last(&baseline, &looks), expected(&ours, ambiguous), "{why}");
        }
    }

    #[test]
    fn only_evidence_of_an_execution_makes_an_old_row_ours() {
        let old = || rows(YESTERDAY, &["Failed"]);
        let mut respelt = rows("2022-10-07T20:39:26.020", &["Failed"]);
        respelt[0].test_run.build = "1.0(1) beta".into();
        for (baseline, looks, ours, ambiguous, why) in [
            (
                old(),
                vec![respelt],
                &[][..],
                1,
                "a time respelt and a build filled in",
            ),
            (
                old(),
                vec![rows(YESTERDAY, &["Passed"])],
                &[],
                1,
                "a person's correction",
            ),
            (
                old(),
                vec![rows(YESTERDAY, &[""]), rows(YESTERDAY, &["Passed"])],
                &[],
                1,
                "a status that flickers",
            ),
            (
                old(),
                vec![rows(YESTERDAY, &["Failed", "Passed"])],
                &[],
                2,
                "a late row of the same time",
            ),
            (
                rows(TODAY, &["Failed"]),
                vec![rows(YESTERDAY, &["Passed"])],
                &[],
                1,
                "an older execution comes up",
            ),
            (
                rows(YESTERDAY, &["Running"]),
                vec![
                    rows(YESTERDAY, &["Running", "Running"]),
                    rows(YESTERDAY, &["Passed", "Passed"]),
                ],
                &[],
                2,
                "somebody's execution of that time was under way before ours",
            ),
            (
                rows(YESTERDAY, &["Running"]),
                vec![
                    rows(YESTERDAY, &["Running", "Running"]),
                    [
                        rows(YESTERDAY, &["Failed", "Passed"]),
                        rows(TODAY, &["Passed"]),
                    ]
                    .concat(),
                ],
                &["Passed"],
                0,
                "and does not veil ours, which is newer",
            ),
        ] {
            assert_eq!(last(&baseline, &looks), expected(ours, ambiguous), "{why}");
        }
    }

    #[test]
    fn a_row_that_names_its_group_is_believed() {
        let list = [
            named(rows(YESTERDAY, &["Passed"]), "77"),
            named(rows(TODAY, &["Failed"]), "76"),
        ]
        .concat();

        assert_eq!(
            last(&list, std::slice::from_ref(&list)),
            expected(&["Passed"], 0)
        );
    }

    #[test]
    fn one_named_row_does_not_switch_off_the_doubt_about_the_others() {
        let old = rows(YESTERDAY, &["Failed"]);
        for (ours, ambiguous, why) in [
            (
                named(vec![row("S9", TODAY, "Passed")], "77"),
                0,
                "ours is newer",
            ),
            (
                named(vec![row("S9", YESTERDAY, "Passed")], "77"),
                1,
                "times do not tell",
            ),
        ] {
            let list = [old.clone(), ours].concat();

            assert_eq!(
                last(&old, &[list]),
                expected(&["Passed"], ambiguous),
                "{why}"
            );
        }
    }

    #[test]
    fn another_group_in_our_own_list_is_not_passed_over() {
        let mut run = Run::triggered("77".into(), Origin::Triggered, None);
        let ours = rows(TODAY, &["Passed"]);
        let both = [ours.clone(), named(rows(TODAY, &["Failed"]), "76")].concat();

        for (list, others, why) in [
            (&both, 1, "it is seen"),
            (&both, 1, "it is one row, however often it is seen"),
            (&ours, 0, "it is gone"),
        ] {
            let expected = expected(&["Passed"], others);
            assert_eq!(look(&mut run, list), expected, "{why}");
        }
    }

    #[test]
    fn a_group_that_began_before_the_trigger_stays_an_earlier_one() {
        let mut run = Run::triggered("77".into(), Origin::Triggered, None);
        run.not_before = Some(Timestamp::UNIX_EPOCH);
        let began = |seconds| Group {
            executed_at: Timestamp::from_second(seconds).ok(),
            ..Group::parse("Complete")
        };
        for (group, is_ours, why) in [
            (Some(began(1)), true, "after it"),
            (Some(began(0)), true, "at that very time"),
            (Some(Group::parse("Complete")), true, "nobody says when"),
            (Some(began(-1)), false, "before it"),
            (Some(Group::parse("Complete")), false, "the time is gone"),
            (None, false, "the group is gone"),
        ] {
            let (ours, _) = run.attribute(group.as_ref(), rows(TODAY, &["Passed"]));

            assert_eq!(!ours.is_empty(), is_ours, "{why}");
        }
    }

    fn attached(after: &str) -> Run {
        let after = ResultsAfter::parse(after).expect("a text");
        Run::attached("77".into(), Some(after), None)
    }

    #[test]
    fn after_an_attach_only_newer_rows_are_ours() {
        let both = [rows(YESTERDAY, &["Failed"]), rows(TODAY, &["Passed"])].concat();
        for (after, list, ours, ambiguous, why) in [
            (
                YESTERDAY,
                rows(YESTERDAY, &["Passed"]),
                &[][..],
                1,
                "nothing newer yet",
            ),
            (YESTERDAY, both.clone(), &["Passed"], 0, "the newer one"),
            (
                "none",
                rows(TODAY, &["Passed"]),
                &["Passed"],
                0,
                "the first execution of all",
            ),
            ("unknown", both, &[], 2, "nothing had a time"),
            (
                YESTERDAY,
                [rows(TODAY, &["Passed"]), rows("", &["Failed"])].concat(),
                &["Passed"],
                1,
                "a row without a time",
            ),
            (
                YESTERDAY,
                [
                    rows(TODAY, &["Passed"]),
                    rows(YESTERDAY, &["Running", "queued", "Failed", "Archived"]),
                ]
                .concat(),
                &["Passed"],
                2,
                "an old time that may move when the test run starts",
            ),
            (
                YESTERDAY,
                [
                    rows(YESTERDAY, &["Failed"]),
                    named(rows(TODAY, &["Passed"]), "77"),
                ]
                .concat(),
                &["Passed"],
                0,
                "ours name their group, and the others are old",
            ),
            (
                YESTERDAY,
                [
                    rows(YESTERDAY, &["Failed"]),
                    named(rows(YESTERDAY, &["Passed"]), "77"),
                ]
                .concat(),
                &["Passed"],
                1,
                "what names our group shows that the time never changes",
            ),
            (
                YESTERDAY,
                [
                    rows(YESTERDAY, &["Failed"]),
                    rows(TODAY, &["Passed"]),
                    named(rows("", &["Passed"]), "77"),
                ]
                .concat(),
                &["Passed", "Passed"],
                1,
                "or it does not tell",
            ),
        ] {
            assert_eq!(
                look(&mut attached(after), &list),
                expected(ours, ambiguous),
                "{why}"
            );
        }
    }

    #[test]
    fn a_doubt_is_about_every_row_that_names_no_group_and_is_not_old() {
        let mut run = attached(YESTERDAY);
        run.mark_ambiguous(AmbiguityReason::LostContact);
        let list = [
            rows(YESTERDAY, &["Failed"]),
            rows(TODAY, &["Passed"]),
            rows("", &["Failed"]),
        ]
        .concat();

        assert_eq!(look(&mut run, &list), expected(&[], 2));
    }

    #[test]
    fn another_execution_never_takes_our_rows_place() {
        let mut run = attached(YESTERDAY);
        look(&mut run, &rows(TODAY, &["Running"]));

        let (test_runs, ambiguous) =
            run.attribute(Some(&Group::parse("Running")), rows(LATER, &["Passed"]));

        assert_eq!(test_runs, []);
        let doubt = ambiguous.map(|ambiguous| ambiguous.doubt);
        assert_eq!(doubt, Some(AmbiguityReason::LaterExecution));
        assert_eq!(
            look(&mut run, &rows(TODAY, &["Passed"])),
            expected(&["Passed"], 0),
            "a list that flickers"
        );
    }

    #[test]
    fn a_row_without_a_time_is_never_taken_for_an_old_one() {
        let baseline = [row("A", YESTERDAY, "Passed"), row("B", "", "Not Executed")];
        let list = vec![row("A", TODAY, "Passed"), row("B", "", "Not Executed")];

        assert_eq!(last(&baseline, &[list]), expected(&["Passed"], 1));
    }

    #[test]
    fn where_times_do_not_set_executions_apart_an_unchanged_failure_is_not_old() {
        let list = |status| vec![row("A", YESTERDAY, status), row("B", TODAY, "Failed")];

        assert_eq!(
            last(&list("Passed"), &[list("Running"), list("Passed")]),
            expected(&["Passed"], 1)
        );
    }

    #[test]
    fn the_newest_time_is_found_whatever_its_spelling() {
        for (times, newest, why) in [
            (
                &["2022-10-07T20:39:26.02", "2022-10-07T20:39:26.1"][..],
                "2022-10-07T20:39:26.1",
                "digits",
            ),
            (
                &["2023-10-24T06:14:39.200Z", "2023-10-24T08:14:39+03:00"],
                "2023-10-24T06:14:39.200Z",
                "zones",
            ),
            (&["yesterday", ""], "unknown", "no times"),
            (&[], "none", "no rows"),
        ] {
            let rows: Vec<Row> = times.iter().map(|at| row("S", at, "Passed")).collect();
            let after = ResultsAfter::of(&rows, None);

            assert_eq!(after.to_string(), newest, "{why}");
            assert_eq!(ResultsAfter::parse(newest), Some(after), "{why}: read back");
        }
    }

    #[test]
    fn the_previous_execution_is_the_newest_of_each_scenario_and_device() {
        let rows = [
            rows(YESTERDAY, &["Passed", "Failed"]),
            rows(TODAY, &["Failed"]),
            rows("", &["Passed"]),
        ]
        .concat();

        let statuses: Vec<String> = previous_execution(rows)
            .iter()
            .map(|run| format!("{} {}", run.scenario, run.status))
            .collect();

        assert_eq!(statuses, ["S1 Failed", "S0 Failed", "S0 Passed"]);
    }

    #[test]
    fn a_failure_is_compared_with_the_list_before_the_trigger_under_each_hypothesis() {
        let yesterday = |status: &str| rows(YESTERDAY, &[status]);
        let today = |status: &str| rows(TODAY, &[status]);
        for (baseline, expected, why) in [
            (
                yesterday("Passed"),
                previous::Change::New,
                "only the newest is listed",
            ),
            (
                yesterday("Failed"),
                previous::Change::FailingBefore,
                "only the newest is listed",
            ),
            (
                [yesterday("Failed"), today("Passed")].concat(),
                previous::Change::New,
                "all are listed, and the newest counts",
            ),
            (
                [today("Failed"), yesterday("Passed")].concat(),
                previous::Change::FailingBefore,
                "in any order",
            ),
            (
                [
                    today("Failed"),
                    yesterday("Passed"),
                    rows(LATER, &["Running"]),
                ]
                .concat(),
                previous::Change::Unknown,
                "the newest has not ended",
            ),
            (
                [yesterday("Passed"), yesterday("Passed")].concat(),
                previous::Change::New,
                "times never change, and all agree",
            ),
            (
                [yesterday("Passed"), yesterday("Failed")].concat(),
                previous::Change::Unknown,
                "times never change, and they contradict",
            ),
            (
                [rows("", &["Failed"]), today("Passed")].concat(),
                previous::Change::Unknown,
                "a row without a time may be the newest",
            ),
            (vec![], previous::Change::Unknown, "it never ran"),
            (
                vec![row("S1", YESTERDAY, "Passed")],
                previous::Change::Unknown,
                "another scenario",
            ),
        ] {
            let previous = PreviousRun::of(&previous_execution(baseline));

            let change = previous.change(&today("Failed")[0].test_run);

            assert_eq!(change, expected, "{why}");
        }
    }

    #[test]
    fn the_attempt_that_triggered_travels_with_the_time() {
        for (text, now, earlier, why) in [
            ("none;attempt=1", Some(2), true, "re-run"),
            ("none;attempt=2", Some(2), false, "this attempt"),
            (YESTERDAY, Some(2), true, "a re-run, and no attempt"),
            (YESTERDAY, Some(1), false, "the first attempt"),
            (YESTERDAY, None, false, "outside GitHub"),
        ] {
            let after = ResultsAfter::parse(text).expect(why);

            assert_eq!(after.to_string(), text, "{why}");
            assert_eq!(after.is_of_an_earlier_attempt(now), earlier, "{why}");
        }
        for text in ["", "yesterday", "none;attempt=x", ";attempt=1"] {
            assert_eq!(ResultsAfter::parse(text), None, "{text}");
        }
    }
}
