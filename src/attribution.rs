//! Which of the rows that Sofy lists are our run's?
//!
//! The classic API lists rows by schedule alone: of the newest execution, of several, or for a
//! while still of the previous one, perhaps all under one `ScheduledAt`. Pure: compares rows with
//! what was listed before the trigger, and uses no clock. What cannot be told apart is counted,
//! never judged.

use std::collections::{BTreeMap, BTreeSet};
use std::str::FromStr as _;

use jiff::civil::DateTime;

use crate::test_run::{TestRun, TestStatus};

/// A listed test run, with the group that it names.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    /// Empty where the row names no group.
    pub(crate) group_id: String,
    pub(crate) test_run: TestRun,
}

/// What tells our rows from others.
#[derive(Debug)]
pub(crate) struct Ours {
    group_id: String,
    rule: Rule,
    /// The `ScheduledAt` of every row that was ours so far, where the rule is about times.
    scheduled: BTreeSet<String>,
}

#[derive(Debug)]
enum Rule {
    /// The list was asked for by group.
    Listed,
    /// Newer than the newest row before the trigger, as another step wrote it down.
    NewerThan(DateTime),
    /// Different from what was listed before the trigger.
    Changed(Changes),
}

/// The rows that are ours, and how many may be ours or not.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Picked {
    pub(crate) test_runs: Vec<TestRun>,
    pub(crate) indistinct: usize,
}

/// What stays the same for a row that two executions share.
type Slot = (String, String, String);

/// What a new execution changes in a slot.
type State = (String, TestStatus);

#[derive(Debug)]
struct Changes {
    earlier: BTreeMap<Slot, Vec<State>>,
    /// Every `ScheduledAt` that was listed before the trigger.
    before: BTreeSet<String>,
    /// Slots whose rows were seen to be replaced rather than joined by new ones.
    replaced: BTreeSet<Slot>,
}

impl Ours {
    /// Every row of a list that was asked for by group.
    pub(crate) const fn listed(group_id: String) -> Self {
        Self {
            group_id,
            rule: Rule::Listed,
            scheduled: BTreeSet::new(),
        }
    }

    /// Rows newer than this `ScheduledAt`; the inputs have checked that it is one.
    pub(crate) fn newer_than(group_id: String, scheduled_at: &str) -> Self {
        Self {
            group_id,
            rule: Rule::NewerThan(instant(scheduled_at).unwrap_or(DateTime::MAX)),
            scheduled: BTreeSet::new(),
        }
    }

    /// Rows that differ from those listed before the trigger.
    pub(crate) fn unlike(group_id: String, baseline: &[Row]) -> Self {
        let mut earlier: BTreeMap<Slot, Vec<State>> = BTreeMap::new();
        for row in baseline {
            earlier
                .entry(slot(&row.test_run))
                .or_default()
                .push(state(&row.test_run));
        }
        Self {
            group_id,
            rule: Rule::Changed(Changes {
                before: earlier.keys().map(|(_, _, at)| at.clone()).collect(),
                earlier,
                replaced: BTreeSet::new(),
            }),
            scheduled: BTreeSet::new(),
        }
    }

    /// Picks our rows from a list. Where rows name their group, that decides.
    pub(crate) fn pick(&mut self, rows: Vec<Row>) -> Picked {
        let (named, unnamed): (Vec<_>, Vec<_>) =
            rows.into_iter().partition(|row| !row.group_id.is_empty());
        let named: Vec<TestRun> = named
            .into_iter()
            .filter(|row| row.group_id == self.group_id)
            .map(|row| row.test_run)
            .collect();
        let unnamed: Vec<TestRun> = unnamed.into_iter().map(|row| row.test_run).collect();
        let listed = unnamed.len();
        let mut picked = match &mut self.rule {
            Rule::Listed => {
                return Picked {
                    test_runs: [named, unnamed].concat(),
                    indistinct: 0,
                };
            }
            Rule::NewerThan(time) => {
                let timeless = unnamed
                    .iter()
                    .filter(|run| instant(&run.scheduled_at).is_none())
                    .count();
                let test_runs: Vec<TestRun> = unnamed
                    .into_iter()
                    .filter(|run| instant(&run.scheduled_at).is_some_and(|at| at > *time))
                    .collect();
                let indistinct = if test_runs.is_empty() {
                    listed
                } else {
                    timeless
                };
                Picked {
                    test_runs,
                    indistinct,
                }
            }
            Rule::Changed(changes) => changes.pick(unnamed),
        };
        let scheduled = scheduled(&picked.test_runs);
        if self.scheduled.is_subset(&scheduled) {
            self.scheduled = scheduled;
        } else {
            // Rows that were ours are gone: a later execution may have taken their place.
            picked = Picked {
                test_runs: Vec::new(),
                indistinct: listed,
            };
        }
        if !named.is_empty() {
            // Sofy names groups, so what names none is not ours.
            picked.indistinct = 0;
        }
        picked.test_runs.extend(named);
        picked
    }
}

impl Changes {
    fn pick(&mut self, rows: Vec<TestRun>) -> Picked {
        let mut slots: BTreeMap<Slot, Vec<TestRun>> = BTreeMap::new();
        for run in rows {
            slots.entry(slot(&run)).or_default().push(run);
        }
        let mut ours = Vec::new();
        let mut unchanged: Vec<(String, usize)> = Vec::new();
        for (slot, runs) in slots {
            let earlier = self.earlier.entry(slot.clone()).or_default();
            let joined = runs.len() > earlier.len();
            let listed = runs.len();
            let (new, old) = split(runs, earlier);
            if !new.is_empty() && !joined {
                self.replaced.insert(slot.clone());
            }
            if self.replaced.contains(&slot) {
                // Which of them was replaced cannot be said: all count, so that a mistake falls on the red side.
                ours.extend(new);
                ours.extend(old);
            } else if joined {
                ours.extend(new);
            } else {
                unchanged.push((slot.2, listed));
            }
        }
        // Times set executions apart only where none of ours was listed before the trigger.
        let times_tell = !ours.is_empty()
            && ours
                .iter()
                .all(|run| !self.before.contains(&run.scheduled_at));
        let indistinct = unchanged
            .iter()
            .filter(|(at, _)| !times_tell || instant(at).is_none())
            .map(|(_, n)| n)
            .sum();
        Picked {
            test_runs: ours,
            indistinct,
        }
    }
}

/// Splits the rows of a slot into those that are new and those listed before the trigger.
///
/// A row that still ran before the trigger and has ended since is that same row, so it is not new.
fn split(runs: Vec<TestRun>, earlier: &mut [State]) -> (Vec<TestRun>, Vec<TestRun>) {
    let mut unmatched: Vec<usize> = (0..earlier.len()).collect();
    let (mut new, mut old) = (Vec::new(), Vec::new());
    for run in runs {
        let state = state(&run);
        if let Some(at) = unmatched.iter().position(|index| earlier[*index] == state) {
            unmatched.swap_remove(at);
            old.push(run);
        } else {
            new.push(run);
        }
    }
    unmatched.retain(|index| !earlier[*index].1.is_final());
    for index in unmatched {
        if let Some(at) = new.iter().position(|run| run.build == earlier[index].0) {
            let run = new.swap_remove(at);
            earlier[index] = state(&run);
            old.push(run);
        }
    }
    (new, old)
}

/// The newest `ScheduledAt` of the rows, as Sofy spelled it; empty where no row has one.
pub(crate) fn newest_scheduled_at(rows: &[Row]) -> String {
    rows.iter()
        .filter_map(|row| {
            Some((
                instant(&row.test_run.scheduled_at)?,
                &row.test_run.scheduled_at,
            ))
        })
        .max_by_key(|(at, _)| *at)
        .map(|(_, text)| text.clone())
        .unwrap_or_default()
}

/// Reads Sofy's time. One with a zone is taken to UTC; one without is compared as it stands.
fn instant(text: &str) -> Option<DateTime> {
    jiff::Timestamp::from_str(text)
        .map(|at| jiff::tz::Offset::UTC.to_datetime(at))
        .or_else(|_| DateTime::from_str(text))
        .ok()
}

fn scheduled(test_runs: &[TestRun]) -> BTreeSet<String> {
    test_runs
        .iter()
        .map(|run| run.scheduled_at.clone())
        .collect()
}

fn slot(run: &TestRun) -> Slot {
    (
        run.scenario.clone(),
        run.device.clone(),
        run.scheduled_at.clone(),
    )
}

fn state(run: &TestRun) -> State {
    (run.build.clone(), run.status.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    const YESTERDAY: &str = "2022-10-07T20:39:26.02";
    const TODAY: &str = "2022-10-08T09:00:00";
    const LATER: &str = "2022-10-08T09:05:00";

    fn row(scenario: &str, at: &str, status: &str) -> Row {
        Row {
            group_id: String::new(),
            test_run: TestRun {
                scenario: scenario.into(),
                device: "Apple iPhone13,2".into(),
                build: "1.0".into(),
                status: TestStatus::parse(status),
                scheduled_at: at.into(),
            },
        }
    }

    fn rows(at: &str, statuses: &[&str]) -> Vec<Row> {
        statuses
            .iter()
            .enumerate()
            .map(|(n, status)| row(&format!("S{n}"), at, status))
            .collect()
    }

    fn statuses(picked: &Picked) -> Vec<String> {
        picked
            .test_runs
            .iter()
            .map(|run| run.status.to_string())
            .collect()
    }

    /// Plays the looks and says what the last one picked: our statuses, and how many rows are indistinct.
    fn last(baseline: &[Row], looks: &[Vec<Row>]) -> (Vec<String>, usize) {
        let mut ours = Ours::unlike("77".into(), baseline);
        let mut picked = None;
        for look in looks {
            picked = Some(ours.pick(look.clone()));
        }
        let picked = picked.expect("a look");
        (statuses(&picked), picked.indistinct)
    }

    #[test]
    fn rows_that_are_ours_are_told_under_each_hypothesis() {
        let old = || rows(YESTERDAY, &["Passed", "Failed"]);
        let new = |statuses: &[&str]| rows(TODAY, statuses);
        let both = |statuses: &[&str]| [old(), new(statuses)].concat();
        let same = |statuses: &[&str]| rows(YESTERDAY, statuses);
        for (why, baseline, looks, ours, indistinct) in [
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
                "the previous one is listed for ever",
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
            assert_eq!(
                last(&baseline, &looks),
                (ours.into_iter().map(str::to_owned).collect(), indistinct),
                "{why}"
            );
        }
    }

    #[test]
    fn a_row_that_names_its_group_is_believed() {
        let mut named = rows(YESTERDAY, &["Passed", "Failed"]);
        named[0].group_id = "77".into();
        named[1].group_id = "76".into();
        let mut ours = Ours::unlike("77".into(), &named);

        let picked = ours.pick(named);

        assert_eq!(statuses(&picked), ["Passed"]);
        assert_eq!(picked.indistinct, 0);
    }

    #[test]
    fn after_an_attach_only_newer_rows_are_ours() {
        let mut ours = Ours::newer_than("77".into(), YESTERDAY);

        let old = ours.pick(rows(YESTERDAY, &["Passed"]));
        let both = ours.pick([rows(YESTERDAY, &["Failed"]), rows(TODAY, &["Passed"])].concat());

        assert_eq!((old.test_runs.len(), old.indistinct), (0, 1));
        assert_eq!(
            (statuses(&both), both.indistinct),
            (vec!["Passed".to_owned()], 0)
        );
    }

    #[test]
    fn after_an_attach_another_execution_never_takes_our_rows_place() {
        let mut ours = Ours::newer_than("77".into(), YESTERDAY);
        ours.pick(rows(TODAY, &["Running"]));

        let replaced = ours.pick(rows(LATER, &["Passed"]));

        assert_eq!((replaced.test_runs.len(), replaced.indistinct), (0, 1));
    }

    #[test]
    fn a_row_without_a_time_is_never_taken_for_an_old_one() {
        let mut attached = Ours::newer_than("77".into(), YESTERDAY);
        let mut triggered = Ours::unlike(
            "77".into(),
            &[row("A", YESTERDAY, "Passed"), row("B", "", "Not Executed")],
        );
        let listed = vec![row("A", TODAY, "Passed"), row("B", "", "Not Executed")];

        assert_eq!(attached.pick(listed.clone()).indistinct, 1);
        assert_eq!(triggered.pick(listed).indistinct, 1);
    }

    #[test]
    fn where_times_do_not_set_executions_apart_an_unchanged_failure_is_not_old() {
        let mut ours = Ours::unlike(
            "77".into(),
            &[row("A", YESTERDAY, "Passed"), row("B", TODAY, "Failed")],
        );
        ours.pick(vec![
            row("A", YESTERDAY, "Running"),
            row("B", TODAY, "Failed"),
        ]);

        let picked = ours.pick(vec![
            row("A", YESTERDAY, "Passed"),
            row("B", TODAY, "Failed"),
        ]);

        assert_eq!(picked.indistinct, 1);
    }

    #[test]
    fn older_rows_without_a_group_do_not_veil_ours_that_name_it() {
        let old = rows(YESTERDAY, &["Failed"]);
        let mut new = rows(TODAY, &["Passed"]);
        new[0].group_id = "77".into();
        let mut ours = Ours::unlike("77".into(), &old);

        let picked = ours.pick([old, new].concat());

        assert_eq!(
            (statuses(&picked), picked.indistinct),
            (vec!["Passed".to_owned()], 0)
        );
    }

    #[test]
    fn the_newest_time_is_found_whatever_its_fraction() {
        for (times, newest, why) in [
            (
                &["2022-10-07T20:39:26.02", "2022-10-07T20:39:26.1"][..],
                "2022-10-07T20:39:26.1",
                "fractions differ in length",
            ),
            (
                &["2023-10-24T06:14:39.200Z", "2023-10-24T08:14:39+03:00"],
                "2023-10-24T06:14:39.200Z",
                "zones are taken to UTC",
            ),
            (&["yesterday", ""], "", "not times"),
        ] {
            let rows: Vec<Row> = times.iter().map(|at| row("S", at, "Passed")).collect();

            assert_eq!(newest_scheduled_at(&rows), newest, "{why}");
        }
    }
}
