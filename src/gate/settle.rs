//! Can anything that we saw of the run still change?
//!
//! A list may lag behind its group, a group may flash `Complete` between two batches, and rows may
//! come back. So a run is settled only when its group is over and nothing has moved for a while.
//! Pure: takes snapshots with their times, and remembers what had not passed.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::model::schedule::Generation;
use crate::model::test_run::{GroupStatus, OwnedSlot, Slot, Snapshot, TestRun, TestStatus};

/// Nothing may move over this time, in at least this many looks.
const STILL_FOR: Duration = Duration::from_secs(7);
const STILL_LOOKS: u32 = 3;

/// Two looks further apart than this tell nothing of the time between: a group that flashed `Complete` may
/// have run on unseen. Longer than any pause of ours while a run settles, so that only failed looks make it.
const LONGEST_GAP: Duration = Duration::from_secs(30);

/// A list that lacks rows of a group that is over is given this long to show them.
const PATIENCE_WITH_THE_LIST: Duration = Duration::from_secs(20);
/// A test run or a group that does not end is given this long, after the last progress.
const PATIENCE: Duration = Duration::from_secs(75);

/// When a look was taken, since the watch began.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Taken {
    pub(crate) began: Duration,
    pub(crate) ended: Duration,
}

/// Where the run stands after a look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// The group is not over.
    Open,
    /// The group is over; whether that was all is not certain yet.
    Settling(Settling),
    /// Nothing can change any more.
    Settled,
    /// The group is over, and something about it did not become clear within the patience.
    Stuck(Blocker),
}

/// What a group that is over still lacks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Settling {
    /// For how long it has made no progress; zero where nothing but time is lacking.
    pub(crate) obstructed_for: Duration,
    /// What is left of the patience with it.
    pub(crate) left: Duration,
    /// What stands in the way besides time.
    pub(crate) obstacle: Option<Blocker>,
}

/// Why a group that is over does not settle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Blocker {
    /// Rows cannot be told from another execution's.
    Ambiguous,
    /// Test runs that were listed before are gone.
    Missing,
    /// A test run still runs.
    Unfinished,
    /// There is no test run.
    Empty,
    /// Sofy gives the group a status that we do not know.
    UnknownGroup,
    /// The list keeps changing.
    Changing,
}

impl Blocker {
    const fn patience(self) -> Duration {
        match self {
            Self::Ambiguous | Self::Missing | Self::Empty => PATIENCE_WITH_THE_LIST,
            Self::Unfinished | Self::UnknownGroup | Self::Changing => PATIENCE,
        }
    }
}

/// A test run that had not passed and is gone, or has another status now.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct SeenFailure {
    pub(crate) scenario: String,
    pub(crate) device: String,
    /// None where it was only seen unfinished or passed.
    pub(crate) status: Option<TestStatus>,
}

/// What the looks have shown so far.
#[derive(Debug)]
pub(crate) struct History {
    generation: Generation,
    latest: Option<Snapshot>,
    /// The most rows that one look showed of a scenario on a device.
    most: BTreeMap<(String, String), usize>,
    /// What had not passed, with the most rows that one look showed of it.
    failures: BTreeMap<OwnedSlot, BTreeMap<TestStatus, usize>>,
    /// Failures that Sofy itself runs again.
    retried: BTreeMap<OwnedSlot, TestStatus>,
    /// Whether the group was ever seen terminal.
    was_over: bool,
    over_since: Option<Duration>,
    still_since: Duration,
    still_looks: u32,
    progress: (usize, usize),
    progress_at: Duration,
    /// What stood in the way at the latest look, and since when.
    obstacle: Option<Blocker>,
    obstacle_since: Duration,
    looked_at: Duration,
}

impl History {
    /// Remembers nothing yet.
    pub(crate) const fn new(generation: Generation) -> Self {
        Self {
            generation,
            latest: None,
            most: BTreeMap::new(),
            failures: BTreeMap::new(),
            retried: BTreeMap::new(),
            was_over: false,
            over_since: None,
            still_since: Duration::ZERO,
            still_looks: 0,
            progress: (0, 0),
            progress_at: Duration::ZERO,
            obstacle: None,
            obstacle_since: Duration::ZERO,
            looked_at: Duration::ZERO,
        }
    }

    /// The latest snapshot.
    pub(crate) const fn latest(&self) -> Option<&Snapshot> {
        self.latest.as_ref()
    }

    /// Gives the latest snapshot away.
    pub(crate) fn into_latest(self) -> Option<Snapshot> {
        self.latest
    }

    /// Tells whether a test run of ours was ever seen.
    pub(crate) fn has_shown_test_runs(&self) -> bool {
        !self.most.is_empty()
    }

    /// Takes in a look and tells where the run stands.
    pub(crate) fn take(&mut self, snapshot: Snapshot, taken: Taken) -> Standing {
        let over = is_over(&snapshot);
        self.was_over |= snapshot.group.is_terminal();
        self.remember_rows(&snapshot.test_runs);
        self.remember_failures(&snapshot.test_runs);
        self.note_progress(&snapshot, taken.ended);
        let blind = taken.began.saturating_sub(self.looked_at) > LONGEST_GAP;
        self.looked_at = taken.ended;
        if blind {
            // Nor is silence what patience is spent on.
            self.progress_at = taken.ended;
        }
        let still = over
            && !blind
            && self
                .latest
                .as_ref()
                .is_some_and(|latest| same(latest, &snapshot));
        if !still {
            self.still_since = taken.ended;
            self.still_looks = 0;
        }
        self.still_looks += 1;
        let obstacle = self.find_obstacle(&snapshot);
        if obstacle != self.obstacle {
            self.obstacle = obstacle;
            self.obstacle_since = taken.ended;
        }
        self.latest = Some(snapshot);
        if !over {
            self.over_since = None;
            return Standing::Open;
        }
        let over_since = *self.over_since.get_or_insert(taken.ended);
        let still = self.still_looks >= STILL_LOOKS
            && taken.began.saturating_sub(self.still_since) >= STILL_FOR;
        let since = over_since.max(self.progress_at);
        let waited = taken.ended.saturating_sub(since);
        // What has just come into the way may go as it came. Whatever comes and goes, there is an end.
        let obstructed_for = taken.ended.saturating_sub(since.max(self.obstacle_since));
        let patience = obstacle.map_or(PATIENCE, Blocker::patience);
        let left = patience
            .saturating_sub(obstructed_for)
            .min(PATIENCE.saturating_sub(waited));
        match obstacle {
            None if still => Standing::Settled,
            Some(Blocker::Empty) if still && left.is_zero() => Standing::Settled,
            obstacle if left.is_zero() => Standing::Stuck(obstacle.unwrap_or(Blocker::Changing)),
            obstacle => Standing::Settling(Settling {
                obstructed_for: obstacle.map_or(Duration::ZERO, |_| obstructed_for),
                left,
                obstacle,
            }),
        }
    }

    /// Lists what had not passed and is gone or changed, and what is no longer listed at all.
    pub(crate) fn lost(&self) -> Vec<SeenFailure> {
        let Some(latest) = &self.latest else {
            return Vec::new();
        };
        let slots = Counts::of(&latest.test_runs);
        let mut lost = Vec::new();
        for (slot, statuses) in &self.failures {
            for (status, most) in statuses {
                let gone = most.saturating_sub(slots.count(slot.as_slot(), status));
                lost.extend(std::iter::repeat_n(
                    SeenFailure {
                        scenario: slot.scenario.clone(),
                        device: slot.device.clone(),
                        status: Some(status.clone()),
                    },
                    gone,
                ));
            }
        }
        // What Sofy runs again has to end in the same slot.
        lost.extend(
            self.retried()
                .into_iter()
                .zip(self.retried.keys())
                .filter_map(|(retried, slot)| {
                    (!slots.0.contains_key(&slot.as_slot())).then_some(retried)
                }),
        );
        if lost.is_empty() {
            lost.extend(self.missing(&latest.test_runs));
        }
        lost
    }

    /// Lists the test runs whose failure gave way to a pass, since Sofy ran them again.
    pub(crate) fn retried(&self) -> Vec<SeenFailure> {
        self.retried
            .iter()
            .map(|(slot, status)| SeenFailure {
                scenario: slot.scenario.clone(),
                device: slot.device.clone(),
                status: Some(status.clone()),
            })
            .collect()
    }

    fn find_obstacle(&self, snapshot: &Snapshot) -> Option<Blocker> {
        if snapshot.ambiguous.is_some() {
            Some(Blocker::Ambiguous)
        } else if self.missing(&snapshot.test_runs).next().is_some() {
            Some(Blocker::Missing)
        } else if snapshot.test_runs.is_empty() {
            Some(Blocker::Empty)
        } else if is_running(snapshot) {
            Some(Blocker::Unfinished)
        } else if !snapshot.group.is_terminal() {
            Some(Blocker::UnknownGroup)
        } else {
            None
        }
    }

    /// Test runs of which fewer are listed than before, by scenario and device: a time may change.
    fn missing(&self, test_runs: &[TestRun]) -> impl Iterator<Item = SeenFailure> {
        let now = by_place(test_runs);
        self.most
            .iter()
            .filter(move |((scenario, device), most)| {
                now.get(&(scenario.as_str(), device.as_str()))
                    .is_none_or(|now| now < most)
            })
            .map(|((scenario, device), _)| SeenFailure {
                scenario: scenario.clone(),
                device: device.clone(),
                status: None,
            })
    }

    fn remember_rows(&mut self, test_runs: &[TestRun]) {
        for ((scenario, device), now) in by_place(test_runs) {
            let most = self
                .most
                .entry((scenario.to_owned(), device.to_owned()))
                .or_default();
            *most = now.max(*most);
        }
    }

    /// Remembers what has not passed, and forgets what Sofy itself runs again.
    ///
    /// Only the public API is believed in that, and only before its group was over: elsewhere the
    /// row may be another execution's.
    fn remember_failures(&mut self, test_runs: &[TestRun]) {
        let now = Counts::of(test_runs);
        let running_before = self
            .latest
            .as_ref()
            .map(|latest| Counts::of(&latest.test_runs));
        if self.generation == Generation::Public && !self.was_over {
            for (slot, statuses) in &mut self.failures {
                let running = now.count(slot.as_slot(), &TestStatus::Running);
                let before = running_before.as_ref().map_or(0, |before| {
                    before.count(slot.as_slot(), &TestStatus::Running)
                });
                let mut started = running.saturating_sub(before);
                for (status, most) in statuses {
                    let gone = most
                        .saturating_sub(now.count(slot.as_slot(), status))
                        .min(started);
                    if gone > 0 {
                        *most -= gone;
                        started -= gone;
                        self.retried.insert(slot.clone(), status.clone());
                    }
                }
            }
        }
        for (slot, statuses) in now.0 {
            for (status, now) in statuses {
                if status.is_final() && *status != TestStatus::Passed {
                    let statuses = self.failures.entry(OwnedSlot::of(slot)).or_default();
                    let most = statuses.entry(status.clone()).or_default();
                    *most = now.max(*most);
                    self.retried.remove(&OwnedSlot::of(slot));
                }
            }
        }
    }

    /// Progress is a row or a result more than ever; a list that flickers makes none.
    fn note_progress(&mut self, snapshot: &Snapshot, at: Duration) {
        let rows = snapshot.test_runs.len();
        let done = snapshot
            .test_runs
            .iter()
            .filter(|run| run.status.is_final())
            .count();
        let progress = (self.progress.0.max(rows), self.progress.1.max(done));
        if progress != self.progress {
            self.progress = progress;
            self.progress_at = at;
        }
    }
}

/// How many rows of a slot have a status.
struct Counts<'rows>(BTreeMap<Slot<'rows>, BTreeMap<&'rows TestStatus, usize>>);

impl<'rows> Counts<'rows> {
    fn of(test_runs: &'rows [TestRun]) -> Self {
        let mut counts: BTreeMap<Slot<'rows>, BTreeMap<&TestStatus, usize>> = BTreeMap::new();
        for run in test_runs {
            *counts
                .entry(run.slot())
                .or_default()
                .entry(&run.status)
                .or_default() += 1;
        }
        Self(counts)
    }

    fn count(&self, slot: Slot<'_>, status: &TestStatus) -> usize {
        self.0
            .get(&slot)
            .and_then(|statuses| statuses.get(status))
            .copied()
            .unwrap_or_default()
    }
}

fn by_place(test_runs: &[TestRun]) -> BTreeMap<(&str, &str), usize> {
    let mut counts = BTreeMap::new();
    for run in test_runs {
        *counts
            .entry((run.scenario.as_str(), run.device.as_str()))
            .or_default() += 1;
    }
    counts
}

/// Tells whether the group may be over. A word that we do not know may mean the end, once there
/// are test runs and all of them are final.
fn is_over(snapshot: &Snapshot) -> bool {
    match snapshot.group.status {
        GroupStatus::Complete | GroupStatus::CompleteWithErrors => true,
        GroupStatus::Other => !snapshot.test_runs.is_empty() && snapshot.all_final(),
        GroupStatus::Queued | GroupStatus::Running => false,
    }
}

fn is_running(snapshot: &Snapshot) -> bool {
    snapshot
        .test_runs
        .iter()
        .any(|run| run.status == TestStatus::Running)
}

/// Compares two snapshots as sets of rows, whatever their order.
fn same(one: &Snapshot, other: &Snapshot) -> bool {
    fn sorted(snapshot: &Snapshot) -> Vec<&TestRun> {
        let mut rows: Vec<&TestRun> = snapshot.test_runs.iter().collect();
        rows.sort();
        rows
    }
    one.group == other.group && one.ambiguous == other.ambiguous && sorted(one) == sorted(other)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::test_run::{AmbiguityReason, Ambiguous, Group};
    use crate::tests::fixtures::{at, test_run, test_runs};

    fn seen(group: &str, test_runs: Vec<TestRun>) -> Snapshot {
        Snapshot {
            schedule_name: String::new(),
            group: Group::parse(group),
            test_runs,
            ambiguous: None,
            late: Vec::new(),
        }
    }

    /// Takes looks at these seconds; gives where the run stands after each.
    fn play(history: &mut History, looks: &[(u64, &str, Vec<TestRun>)]) -> Vec<Standing> {
        looks
            .iter()
            .map(|(second, group, rows)| {
                let at = Duration::from_secs(*second);
                let taken = Taken {
                    began: at,
                    ended: at,
                };
                history.take(seen(group, rows.clone()), taken)
            })
            .collect()
    }

    fn last(looks: &[(u64, &str, Vec<TestRun>)]) -> Option<Standing> {
        play(&mut History::new(Generation::Public), looks)
            .last()
            .copied()
    }

    #[test]
    fn settled_needs_seven_seconds_and_three_looks_without_a_change() {
        let one = || test_runs(&["Passed"]);
        let two = || test_runs(&["Passed", "Passed"]);
        let mut other_build = one();
        other_build[0].build = "2.0".into();
        let mut turned = two();
        turned.reverse();
        for (looks, settled, why) in [
            (
                vec![
                    (0, "Complete", one()),
                    (4, "Complete", one()),
                    (7, "Complete", one()),
                ],
                true,
                "as it should be",
            ),
            (
                vec![
                    (0, "Complete", one()),
                    (4, "Complete", one()),
                    (6, "Complete", one()),
                ],
                false,
                "too short",
            ),
            (
                vec![(0, "Complete", one()), (9, "Complete", one())],
                false,
                "too few looks",
            ),
            (
                vec![
                    (0, "Running", one()),
                    (4, "Complete", one()),
                    (7, "Complete", one()),
                ],
                false,
                "the first look was at a running group",
            ),
            (
                vec![
                    (0, "Complete", one()),
                    (3, "Running", one()),
                    (6, "Complete", one()),
                    (9, "Complete", one()),
                ],
                false,
                "Complete flashed between two batches",
            ),
            (
                vec![
                    (0, "Complete", one()),
                    (4, "Complete", one()),
                    (90, "Complete", one()),
                ],
                false,
                "nobody saw whether it ran on in between",
            ),
            (
                vec![
                    (0, "Complete", one()),
                    (30, "Complete", one()),
                    (60, "Complete", one()),
                ],
                true,
                "half a minute between two looks is not too long",
            ),
            (
                vec![
                    (0, "Complete", one()),
                    (4, "Complete", two()),
                    (7, "Complete", two()),
                ],
                false,
                "a row more",
            ),
            (
                vec![
                    (0, "Complete", one()),
                    (4, "Complete", other_build.clone()),
                    (8, "Complete", other_build),
                ],
                false,
                "a row changed",
            ),
            (
                vec![
                    (0, "Complete", one()),
                    (4, "Complete with errors", one()),
                    (8, "Complete with errors", one()),
                ],
                false,
                "another end",
            ),
            (
                vec![
                    (0, "Complete", two()),
                    (4, "Complete", turned),
                    (8, "Complete", two()),
                ],
                true,
                "in another order",
            ),
        ] {
            assert_eq!(last(&looks) == Some(Standing::Settled), settled, "{why}");
        }
    }

    #[test]
    fn a_group_of_an_unknown_status_is_over_once_all_that_is_listed_is() {
        for (statuses, over, why) in [
            (&[][..], false, "nothing is listed"),
            (&["Passed", "Running"][..], false, "one still runs"),
            (&["Passed", "Failed"][..], true, "all are final"),
        ] {
            let standing = last(&[(0, "Archived", test_runs(statuses))]);

            assert_eq!(standing != Some(Standing::Open), over, "{why}");
        }
    }

    #[test]
    fn a_look_counts_from_its_beginning_and_against_the_end_of_the_first() {
        let mut history = History::new(Generation::Public);
        let mut standing = None;
        for (began, ended) in [(0, 3), (4, 5), (8, 12)] {
            let taken = Taken {
                began: Duration::from_secs(began),
                ended: Duration::from_secs(ended),
            };
            standing = Some(history.take(seen("Complete", test_runs(&["Passed"])), taken));
        }

        assert_ne!(
            standing,
            Some(Standing::Settled),
            "five seconds lie between"
        );
    }

    #[test]
    fn patience_is_bounded_and_starts_anew_with_progress() {
        let running = || test_runs(&["Passed", "Running"]);
        let more = || test_runs(&["Passed", "Running", "Running"]);
        let stuck = Some(Standing::Stuck(Blocker::Unfinished));
        for (looks, expected, why) in [
            (
                vec![
                    (0, "Complete", running()),
                    (25, "Complete", running()),
                    (50, "Complete", running()),
                    (75, "Complete", running()),
                ],
                stuck,
                "no progress",
            ),
            (
                vec![
                    (0, "Complete", running()),
                    (25, "Complete", running()),
                    (75, "Complete", running()),
                ],
                None,
                "half of the time nobody could look",
            ),
            (
                vec![
                    (0, "Complete", running()),
                    (30, "Complete", running()),
                    (60, "Complete", more()),
                    (90, "Complete", more()),
                    (120, "Complete", more()),
                    (134, "Complete", more()),
                ],
                None,
                "a row more at a minute",
            ),
            (
                vec![
                    (0, "Running", running()),
                    (74, "Running", running()),
                    (75, "Complete", running()),
                ],
                None,
                "the group ended just now",
            ),
            (
                vec![
                    (0, "Complete", running()),
                    (10, "Running", running()),
                    (100, "Complete", running()),
                ],
                None,
                "the group was over for a moment only, and is again just now",
            ),
            (
                vec![
                    (0, "Complete", vec![]),
                    (19, "Complete with errors", vec![]),
                    (21, "Complete with errors", vec![]),
                ],
                Some(Standing::Stuck(Blocker::Empty)),
                "nothing, and the group itself is not still",
            ),
            (
                vec![
                    (0, "Complete", vec![]),
                    (10, "Complete", vec![]),
                    (20, "Complete", vec![]),
                ],
                Some(Standing::Settled),
                "nothing at all",
            ),
            (
                vec![
                    (0, "Complete", vec![]),
                    (9, "Complete", vec![]),
                    (19, "Complete", vec![]),
                ],
                None,
                "nothing yet",
            ),
        ] {
            let standing = last(&looks);

            match expected {
                Some(expected) => assert_eq!(standing, Some(expected), "{why}"),
                None => assert!(
                    matches!(standing, Some(Standing::Settling(_))),
                    "{why}: {standing:?}"
                ),
            }
        }
    }

    #[test]
    fn what_comes_into_the_way_late_has_its_own_patience() {
        let running = || test_runs(&["Passed", "Running"]);
        let one = || test_runs(&["Passed"]);
        let since_25 = |more: &[(u64, &'static str, Vec<TestRun>)]| {
            let mut looks = vec![
                (0, "Complete", running()),
                (12, "Complete", running()),
                (25, "Complete", one()),
            ];
            looks.extend_from_slice(more);
            last(&looks)
        };
        for (standing, expected, why) in [
            (
                since_25(&[]),
                Standing::Settling(Settling {
                    obstructed_for: Duration::ZERO,
                    left: PATIENCE_WITH_THE_LIST,
                    obstacle: Some(Blocker::Missing),
                }),
                "one look without a row is no end, however long the group is over",
            ),
            (
                since_25(&[(45, "Complete", one())]),
                Standing::Stuck(Blocker::Missing),
                "it stays away",
            ),
            (
                since_25(&[
                    (44, "Complete", running()),
                    (60, "Complete", one()),
                    (75, "Complete", running()),
                ]),
                Standing::Stuck(Blocker::Unfinished),
                "it comes and goes",
            ),
        ] {
            assert_eq!(standing, Some(expected), "{why}");
        }
    }

    #[test]
    fn a_doubt_that_goes_away_is_a_change_too() {
        let mut history = History::new(Generation::Classic);
        let doubted = Snapshot {
            ambiguous: Some(Ambiguous {
                rows: 1,
                doubt: AmbiguityReason::EarlierExecution,
            }),
            ..seen("Complete", test_runs(&["Passed"]))
        };
        let at = Duration::ZERO;
        let taken = Taken {
            began: at,
            ended: at,
        };
        history.take(doubted, taken);

        let after = play(
            &mut history,
            &[
                (4, "Complete", test_runs(&["Passed"])),
                (8, "Complete", test_runs(&["Passed"])),
            ],
        );

        assert_ne!(after.last(), Some(&Standing::Settled));
    }

    #[test]
    fn rows_that_come_and_go_for_ever_are_an_end_too() {
        let looks: Vec<_> = (0..40)
            .map(|n| {
                let rows = [&["Passed"][..], &["Passed", "Passed"]];
                (n as u64 * 2, "Complete", test_runs(rows[n % 2]))
            })
            .collect();

        assert!(
            matches!(last(&looks), Some(Standing::Stuck(_))),
            "{:?}",
            last(&looks)
        );
    }

    #[test]
    fn a_list_that_flickers_for_ever_is_an_end_too() {
        let looks: Vec<_> = (0..40)
            .map(|n| {
                let builds = ["1.0", "1.1"];
                let mut rows = test_runs(&["Passed"]);
                rows[0].build = builds[n % 2].into();
                (n as u64 * 2, "Complete", rows)
            })
            .collect();

        assert_eq!(last(&looks), Some(Standing::Stuck(Blocker::Changing)));
    }

    fn same_slot(statuses: &[&str]) -> Vec<TestRun> {
        statuses
            .iter()
            .map(|status| at("2024-05-01T10:00:00", "S", "D", status))
            .collect()
    }

    fn lost(generation: Generation, looks: &[(u64, &str, Vec<TestRun>)]) -> (usize, usize) {
        let mut history = History::new(generation);
        play(&mut history, looks);
        (history.lost().len(), history.retried().len())
    }

    #[test]
    fn what_had_not_passed_is_remembered() {
        let failed = || test_runs(&["Failed", "Passed"]);
        let again = || test_runs(&["Running", "Passed"]);
        let passed = || test_runs(&["Passed", "Passed"]);
        let (public, classic) = (Generation::Public, Generation::Classic);
        for (generation, looks, expected, why) in [
            (
                public,
                vec![(0, "Running", failed()), (5, "Complete", passed())],
                (1, 0),
                "it says otherwise all at once",
            ),
            (
                public,
                vec![
                    (0, "Running", failed()),
                    (5, "Running", passed()),
                    (9, "Complete", passed()),
                ],
                (1, 0),
                "nobody saw it run again",
            ),
            (
                public,
                vec![
                    (0, "Running", test_runs(&["Stopped", "Passed"])),
                    (5, "Complete", passed()),
                ],
                (1, 0),
                "whatever it was, if it was no pass",
            ),
            (
                public,
                vec![
                    (0, "Running", same_slot(&["Failed", "Running"])),
                    (5, "Running", same_slot(&["Running"])),
                    (9, "Complete", same_slot(&["Passed", "Passed"])),
                ],
                (1, 0),
                "what ran in its slot ran before",
            ),
            (
                public,
                vec![
                    (0, "Running", same_slot(&["Failed", "Stopped"])),
                    (5, "Running", same_slot(&["Running"])),
                    (9, "Complete", same_slot(&["Passed", "Passed"])),
                ],
                (1, 1),
                "one that runs again makes good for one",
            ),
            (
                public,
                vec![
                    (0, "Running", same_slot(&["Failed"])),
                    (5, "Running", same_slot(&["Running"])),
                    (
                        9,
                        "Complete",
                        vec![at("2024-05-01T11:00:00", "S", "D", "Passed")],
                    ),
                ],
                (1, 1),
                "it ran again, and another stands in its place",
            ),
            (
                public,
                vec![
                    (0, "Running", failed()),
                    (5, "Complete", test_runs(&["Gone", "Passed"])[1..].to_vec()),
                ],
                (1, 0),
                "it is gone",
            ),
            (
                public,
                vec![
                    (0, "Running", failed()),
                    (5, "Running", again()),
                    (9, "Complete", passed()),
                ],
                (0, 1),
                "Sofy ran it again",
            ),
            (
                classic,
                vec![
                    (0, "Running", failed()),
                    (5, "Running", again()),
                    (9, "Complete", passed()),
                ],
                (1, 0),
                "on the classic API that may be another execution",
            ),
            (
                public,
                vec![
                    (0, "Complete", failed()),
                    (5, "Running", again()),
                    (9, "Complete", passed()),
                ],
                (1, 0),
                "the group was over before",
            ),
            (
                public,
                vec![
                    (0, "Preparing", failed()),
                    (5, "Running", again()),
                    (9, "Complete", passed()),
                ],
                (0, 1),
                "a word that we do not know is no end",
            ),
            (
                public,
                vec![
                    (0, "Running", failed()),
                    (5, "Running", again()),
                    (9, "Complete", failed()),
                ],
                (0, 0),
                "it failed again, and its row says so",
            ),
            (
                public,
                vec![
                    (0, "Running", failed()),
                    (5, "Running", again()),
                    (9, "Complete", passed()[1..].to_vec()),
                ],
                (1, 1),
                "it ran again and is gone",
            ),
            (
                public,
                vec![
                    (0, "Running", failed()),
                    (5, "Running", failed()[1..].to_vec()),
                    (9, "Complete", failed()),
                ],
                (0, 0),
                "missing in one look is not gone",
            ),
            (
                public,
                vec![
                    (0, "Running", test_runs(&["Passed", "Running"])),
                    (5, "Complete", test_runs(&["Passed"])),
                ],
                (1, 0),
                "one that still ran is gone",
            ),
            (
                public,
                vec![
                    (0, "Running", same_slot(&["Passed", "Running"])),
                    (5, "Complete", same_slot(&["Passed"])),
                ],
                (1, 0),
                "one of two in its slot is gone",
            ),
            (
                public,
                vec![
                    (
                        0,
                        "Running",
                        vec![at("2024-05-01T10:00:00", "S", "D", "Failed")],
                    ),
                    (
                        5,
                        "Complete",
                        vec![at("2024-05-01T11:00:00", "S", "D", "Passed")],
                    ),
                ],
                (1, 0),
                "another time is another test run",
            ),
            (
                public,
                vec![
                    (
                        0,
                        "Running",
                        vec![at("2024-05-01T10:00:00", "S", "D", "Running")],
                    ),
                    (
                        5,
                        "Complete",
                        vec![at("2024-05-01T10:00:09", "S", "D", "Passed")],
                    ),
                ],
                (0, 0),
                "a time that moves once a row starts",
            ),
            (
                public,
                vec![
                    (
                        0,
                        "Running",
                        vec![test_run("S", "D", "Failed"), test_run("S", "D", "Failed")],
                    ),
                    (
                        5,
                        "Complete",
                        vec![test_run("S", "D", "Failed"), test_run("S", "D", "Passed")],
                    ),
                ],
                (1, 0),
                "two of the same, one of them says otherwise",
            ),
        ] {
            assert_eq!(lost(generation, &looks), expected, "{why}");
        }
    }
}
