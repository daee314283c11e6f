//! Can the result still change? Only a finished group whose list stays the same for a while is settled.
//!
//! A list may lag behind its group, a group may be `Complete` for a moment between two batches, and rows may
//! come back. Pure: takes snapshots with the times of their polls.

use std::time::Duration;

use crate::gate::failures::SeenFailures;
use crate::gate::pace::while_settling;
use crate::model::test_run::{GroupStatus, Snapshot};
use crate::sofy::SofyApi;
use crate::text::span;

/// Nothing may change over this time, in at least this many polls.
const UNCHANGED_FOR: Duration = Duration::from_secs(7);
const UNCHANGED_POLLS: u32 = 3;

/// Two polls further apart than this show nothing of the time between: a group that was `Complete` for a moment
/// may have gone on unseen. Longer than any pause while a run settles, so that only failed polls make it.
const LONGEST_GAP: Duration = Duration::from_secs(30);

/// A list that lacks rows of a group that has finished is given this long to show them.
const PATIENCE_WITH_THE_LIST: Duration = Duration::from_secs(20);
/// A test run or a group that does not finish is given this long, after the last progress.
const PATIENCE: Duration = Duration::from_secs(75);

/// How far a run has come to a result that can be judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Settlement {
    /// The group has not finished.
    Running,
    /// The group has finished, and it is not yet certain that this is all; the pause before the next poll.
    Waiting(Duration),
    /// Nothing can change now.
    Settled,
    /// The group has finished, and this did not become clear within the patience.
    GaveUp(Blocker),
}

/// Why a finished group does not settle.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Blocker {
    /// Rows may belong to another run.
    Ambiguous,
    /// A test run has a status that is not known to be final.
    Unfinished,
    /// Test runs that were listed before are not listed now.
    Missing,
    /// There is no test run.
    Empty,
    /// Sofy gives the group a status that is not documented.
    UnknownGroup,
    /// The list may still change, or keeps changing.
    #[default]
    Changing,
}

impl Blocker {
    /// Finds what keeps a finished group from settling; `is_missing` tells whether rows have disappeared.
    fn of(snapshot: &Snapshot, is_missing: bool) -> Self {
        let signs = [
            (snapshot.ambiguous.is_some(), Self::Ambiguous),
            (!snapshot.all_final(), Self::Unfinished),
            (is_missing, Self::Missing),
            (snapshot.test_runs.is_empty(), Self::Empty),
            (!snapshot.group.is_terminal(), Self::UnknownGroup),
        ];
        let first = signs.into_iter().find(|(fits, _)| *fits);
        first.map_or(Self::Changing, |(_, blocker)| blocker)
    }

    /// How long to wait, and for what.
    const fn patience(self) -> (Duration, &'static str) {
        match self {
            Self::Ambiguous => (PATIENCE_WITH_THE_LIST, "Sofy to show whose they are"),
            Self::Missing => (PATIENCE_WITH_THE_LIST, "those that are no longer listed"),
            Self::Empty => (PATIENCE_WITH_THE_LIST, "Sofy to list test runs"),
            Self::Unfinished => (PATIENCE, "the unfinished ones"),
            Self::UnknownGroup => (PATIENCE, "a final group status"),
            Self::Changing => (PATIENCE, "the list to stay the same"),
        }
    }
}

/// When a poll was made, since the watch began.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PollTime {
    pub(crate) started: Duration,
    pub(crate) finished: Duration,
    /// For how long the polls just before it had failed.
    pub(crate) silence: Duration,
}

/// What the polls have shown so far, and since when it has not changed.
#[derive(Debug, Default)]
pub(crate) struct History {
    pub(crate) latest: Option<Snapshot>,
    pub(crate) failures: SeenFailures,
    polled_at: Duration,
    unchanged_since: Duration,
    unchanged_polls: u32,
    /// The most rows and the most results that one poll showed: a list that flickers makes no progress.
    most: (usize, usize),
    /// When the group finished, or made progress after that.
    progress_at: Duration,
    blocker: Blocker,
    blocked_at: Duration,
}

impl History {
    /// Has seen nothing yet.
    pub(crate) fn of<A: SofyApi>() -> Self {
        let mut history = Self::default();
        history.failures.trusts_retries = A::LISTS_BY_GROUP;
        history
    }

    /// Takes in a poll, and tells how far the run has come.
    pub(crate) fn observe(&mut self, seen: Snapshot, when: PollTime) -> Settlement {
        self.failures.observe(Some(&seen.group), &seen.test_runs);
        let before = self.latest.as_ref().filter(|before| has_finished(before));
        let is_unchanged = when.started.saturating_sub(self.polled_at) <= LONGEST_GAP
            && before.is_some_and(|before| is_same(before, &seen));
        if !is_unchanged {
            self.unchanged_since = when.finished;
            self.unchanged_polls = 0;
        }
        self.unchanged_polls += 1;
        self.polled_at = when.finished;

        // Patience is counted on a clock that stands still while polls fail.
        self.progress_at += when.silence;
        self.blocked_at += when.silence;
        let results = seen.test_runs.iter().filter(|run| run.status.is_final());
        let (rows, results) = (seen.test_runs.len(), results.count());
        let most = (rows.max(self.most.0), results.max(self.most.1));
        let is_progress = before.is_none() || most != self.most;
        let is_missing = !self.failures.missing(&seen.test_runs).is_empty();
        let blocker = Blocker::of(&seen, is_missing);
        if is_progress {
            self.progress_at = when.finished;
        }
        if is_progress || blocker != self.blocker {
            self.blocked_at = when.finished;
        }
        (self.most, self.blocker) = (most, blocker);
        let finished = has_finished(&seen);
        self.latest = Some(seen);
        if !finished {
            return Settlement::Running;
        }
        self.settlement(when.started)
    }

    /// Says what is being waited for, as a part of a line of the log; none while the group has not finished.
    pub(crate) fn purpose(&self) -> Option<String> {
        self.latest.as_ref().filter(|latest| has_finished(latest))?;
        let (patience, what) = self.blocker.patience();
        Some(if self.blocker == Blocker::Changing {
            format!("checking for {} that nothing changes", span(UNCHANGED_FOR))
        } else {
            format!("waiting up to {} for {what}", span(patience))
        })
    }

    /// How far a finished group has come. An answer shows nothing later than the moment it was asked for.
    fn settlement(&self, asked_at: Duration) -> Settlement {
        let blocker = self.blocker;
        let blocked_for = asked_at.saturating_sub(self.blocked_at);
        let (patience, _) = blocker.patience();
        // A new blocker may clear up by itself; but the total patience is bounded.
        let total = PATIENCE.saturating_sub(asked_at.saturating_sub(self.progress_at));
        let left = patience.saturating_sub(blocked_for).min(total);
        let is_all = blocker == Blocker::Changing || blocker == Blocker::Empty && left.is_zero();
        let is_unchanged = self.unchanged_polls >= UNCHANGED_POLLS
            && asked_at.saturating_sub(self.unchanged_since) >= UNCHANGED_FOR;
        if is_all && is_unchanged {
            Settlement::Settled
        } else if left.is_zero() {
            Settlement::GaveUp(blocker)
        } else {
            // If only time is lacking, polls stay close.
            let is_blocked = blocker != Blocker::Changing;
            Settlement::Waiting(while_settling(blocked_for * u32::from(is_blocked)).min(left))
        }
    }
}

/// Tells whether the group may have finished. A status that is not documented may mean that, once there are test
/// runs and all of them are final.
fn has_finished(snapshot: &Snapshot) -> bool {
    match snapshot.group.status {
        GroupStatus::Complete | GroupStatus::CompleteWithErrors => true,
        GroupStatus::Other => !snapshot.test_runs.is_empty() && snapshot.all_final(),
        GroupStatus::Queued | GroupStatus::Running => false,
    }
}

/// Compares two snapshots as sets of rows, whatever their order.
fn is_same(one: &Snapshot, other: &Snapshot) -> bool {
    let [mut rows, mut others] = [one, other].map(|seen| seen.test_runs.iter().collect::<Vec<_>>());
    if rows != others {
        rows.sort();
        others.sort();
    }
    let doubts = |seen: &Snapshot| (seen.ambiguous, seen.completeness.not_whole.clone());
    one.group.verbatim == other.group.verbatim && doubts(one) == doubts(other) && rows == others
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::test_run::TestRun;
    use crate::model::test_run::{AmbiguityReason, Ambiguous, Completeness, Group};
    use crate::tests::fixtures::test_runs;
    use crate::tests::scripted::{Classic, Public};

    fn seen(group: &str, test_runs: Vec<TestRun>) -> Snapshot {
        Snapshot {
            schedule_name: String::new(),
            group: Group::parse(group),
            test_runs,
            ambiguous: None,
            completeness: Completeness::default(),
        }
    }

    fn polled(started: Duration, finished: Duration) -> PollTime {
        PollTime {
            started,
            finished,
            silence: Duration::ZERO,
        }
    }

    /// Takes polls at these seconds; gives where the run stands after each.
    fn play(history: &mut History, polls: &[(u64, &str, Vec<TestRun>)]) -> Vec<Settlement> {
        polls
            .iter()
            .map(|(second, group, rows)| {
                let at = Duration::from_secs(*second);
                let when = polled(at, at);
                history.observe(seen(group, rows.clone()), when)
            })
            .collect()
    }

    fn last(polls: &[(u64, &str, Vec<TestRun>)]) -> Option<Settlement> {
        play(&mut History::of::<Public>(), polls).last().copied()
    }

    #[test]
    fn settled_needs_seven_seconds_and_three_polls_without_a_change() {
        let one = || test_runs(&["Passed"]);
        let two = || test_runs(&["Passed", "Passed"]);
        let mut other_build = one();
        other_build[0].build = "2.0".into();
        let mut turned = two();
        turned.reverse();
        for (polls, settled, why) in [
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
                "too few polls",
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
                    (0, "Running", one()),
                    (4, "Complete", one()),
                    (12, "Complete", one()),
                ],
                false,
                "too few polls since the group finished",
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
                "30 s between two polls are not too long",
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
            assert_eq!(last(&polls) == Some(Settlement::Settled), settled, "{why}");
        }
    }

    #[test]
    fn a_list_that_is_incomplete_in_between_has_changed() {
        let mut history = History::of::<Public>();
        let polls = [(0, Some("more")), (4, None), (8, None)].map(|(second, sign)| {
            let mut seen = seen("Complete", test_runs(&["Passed"]));
            seen.completeness.not_whole = sign.map(str::to_owned);
            let at = Duration::from_secs(second);
            history.observe(seen, polled(at, at))
        });

        assert_ne!(polls[2], Settlement::Settled);
    }

    #[test]
    fn a_group_of_an_unknown_status_is_over_once_all_that_is_listed_is() {
        for (statuses, over, why) in [
            (&[][..], false, "nothing is listed"),
            (&["Passed", "Running"][..], false, "one still runs"),
            (&["Passed", "Failed"][..], true, "all are final"),
        ] {
            let settlement = last(&[(0, "Archived", test_runs(statuses))]);

            assert_eq!(settlement != Some(Settlement::Running), over, "{why}");
        }
    }

    #[test]
    fn a_look_counts_from_its_beginning_and_against_the_end_of_the_first() {
        let mut history = History::of::<Public>();
        let mut settlement = None;
        for (began, ended) in [(0, 3), (4, 5), (8, 12)] {
            let when = polled(Duration::from_secs(began), Duration::from_secs(ended));
            settlement = Some(history.observe(seen("Complete", test_runs(&["Passed"])), when));
        }

        assert_ne!(
            settlement,
            Some(Settlement::Settled),
            "five seconds lie between"
        );
    }

    #[test]
    fn a_slow_answer_is_no_gap_between_two_polls() {
        let mut history = History::of::<Public>();
        let passed = || seen("Complete", test_runs(&["Passed"]));
        let [slow, second, third] = [(0, 20), (45, 45), (50, 50)]
            .map(|(from, to)| polled(Duration::from_secs(from), Duration::from_secs(to)));

        history.observe(passed(), slow);
        history.observe(passed(), second);

        assert_eq!(history.observe(passed(), third), Settlement::Settled);
    }

    #[test]
    fn polls_stay_close_while_only_time_is_lacking() {
        let build = |build: &str| {
            let mut rows = test_runs(&["Passed"]);
            rows[0].build = build.into();
            rows
        };

        let settlement = last(&[
            (0, "Complete", build("1.0")),
            (30, "Complete", build("1.1")),
        ]);

        let pause = Duration::from_millis(3_500);
        assert_eq!(settlement, Some(Settlement::Waiting(pause)));
    }

    #[test]
    fn patience_is_bounded_and_starts_anew_with_progress() {
        let running = || test_runs(&["Passed", "Running"]);
        let more = || test_runs(&["Passed", "Running", "Running"]);
        let stuck = Some(Settlement::GaveUp(Blocker::Unfinished));
        for (polls, expected, why) in [
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
                    (0, "Complete", more()),
                    (60, "Complete", test_runs(&["Passed", "Passed", "Running"])),
                    (134, "Complete", test_runs(&["Passed", "Passed", "Running"])),
                ],
                None,
                "a result more at a minute",
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
                Some(Settlement::GaveUp(Blocker::Empty)),
                "nothing, and the group itself is not still",
            ),
            (
                vec![
                    (0, "Complete", vec![]),
                    (10, "Complete", vec![]),
                    (20, "Complete", vec![]),
                ],
                Some(Settlement::Settled),
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
            let settlement = last(&polls);

            match expected {
                Some(expected) => assert_eq!(settlement, Some(expected), "{why}"),
                None => assert!(
                    matches!(settlement, Some(Settlement::Waiting(_))),
                    "{why}: {settlement:?}"
                ),
            }
        }
    }

    #[test]
    fn a_status_that_is_not_known_to_be_final_gets_the_patience_of_one_that_runs() {
        for status in ["Running", "Queued", "", "null", "In Progress", "Done"] {
            let rows = || test_runs(&["Passed", status]);
            let mut polls: Vec<_> = (0..4).map(|n| (n * 24, "Complete", rows())).collect();
            let gave_up = Some(Settlement::GaveUp(Blocker::Unfinished));

            assert!(
                matches!(last(&polls), Some(Settlement::Waiting(_))),
                "{status}: {:?}",
                last(&polls)
            );
            let mut passed = polls.clone();
            passed
                .extend([74, 78, 82].map(|at| (at, "Complete", test_runs(&["Passed", "Passed"]))));
            assert_eq!(last(&passed), Some(Settlement::Settled), "{status}");
            polls.push((75, "Complete", rows()));
            assert_eq!(last(&polls), gave_up, "{status}");
        }
    }

    #[test]
    fn time_without_an_answer_does_not_use_up_patience() {
        let empty = || seen("Complete", vec![]);
        for (polls, gives_up, why) in [
            (
                &[(0, 0), (19, 0), (20, 0)][..],
                true,
                "every poll was answered",
            ),
            (&[(0, 0), (20, 16)], false, "most polls failed"),
            (
                &[(0, 0), (4, 0), (30, 20)],
                false,
                "from the 6th to the 26th second, say",
            ),
            (
                &[(0, 0), (4, 0), (30, 20), (40, 0)],
                true,
                "after it, what was left of the patience is spent",
            ),
            (
                &[(0, 0), (400, 390), (500, 95)],
                false,
                "however often polls fail",
            ),
        ] {
            let mut history = History::of::<Public>();
            let mut settlement = None;
            for (at, silence) in polls {
                let when = PollTime {
                    silence: Duration::from_secs(*silence),
                    ..polled(Duration::from_secs(*at), Duration::from_secs(*at))
                };
                settlement = Some(history.observe(empty(), when));
            }

            let waits = matches!(settlement, Some(Settlement::Waiting(_)));
            assert_eq!(!waits, gives_up, "{why}: {settlement:?}");
        }
    }

    #[test]
    fn a_slow_answer_shows_nothing_later_than_it_was_asked_for() {
        let mut history = History::of::<Public>();
        history.observe(
            seen("Complete", vec![]),
            polled(Duration::ZERO, Duration::ZERO),
        );

        let slow = polled(Duration::from_secs(4), Duration::from_secs(30));
        let settlement = history.observe(seen("Complete", vec![]), slow);

        assert!(
            matches!(settlement, Settlement::Waiting(_)),
            "{settlement:?}"
        );
    }

    #[test]
    fn an_unfinished_test_run_is_waited_for_while_another_is_missing() {
        let mut history = History::of::<Public>();

        let settlements = play(
            &mut history,
            &[
                (0, "Complete", test_runs(&["Running", "Failed"])),
                (4, "Complete", test_runs(&["Running"])),
                (30, "Complete", test_runs(&["Running"])),
            ],
        );

        assert!(
            matches!(settlements[2], Settlement::Waiting(_)),
            "{settlements:?}"
        );
        assert_eq!(history.blocker, Blocker::Unfinished);
    }

    #[test]
    fn the_log_says_what_is_waited_for() {
        for (group, rows, purpose) in [
            ("Running", &["Passed"][..], None),
            (
                "Complete",
                &["Passed"],
                Some("checking for 7s that nothing changes"),
            ),
            (
                "Complete",
                &["Queued"],
                Some("waiting up to 1m15s for the unfinished ones"),
            ),
            (
                "Complete",
                &[],
                Some("waiting up to 20s for Sofy to list test runs"),
            ),
        ] {
            let mut history = History::of::<Public>();
            play(&mut history, &[(0, group, test_runs(rows))]);

            assert_eq!(history.purpose().as_deref(), purpose);
        }
    }

    #[test]
    fn what_comes_into_the_way_late_has_its_own_patience() {
        let running = || test_runs(&["Passed", "Running"]);
        let one = || test_runs(&["Passed"]);
        let since_25 = |more: &[(u64, &'static str, Vec<TestRun>)]| {
            let mut polls = vec![
                (0, "Complete", running()),
                (12, "Complete", running()),
                (25, "Complete", one()),
            ];
            polls.extend_from_slice(more);
            last(&polls)
        };
        for (settlement, expected, why) in [
            (
                since_25(&[]),
                Settlement::Waiting(Duration::from_millis(3_500)),
                "one look without a row is no end, however long the group is over",
            ),
            (
                since_25(&[(44, "Complete", one())]),
                Settlement::Waiting(Duration::from_secs(1)),
                "nor is a second one, and the next comes when the patience ends",
            ),
            (
                since_25(&[(45, "Complete", one())]),
                Settlement::GaveUp(Blocker::Missing),
                "it stays away",
            ),
            (
                since_25(&[
                    (44, "Complete", running()),
                    (60, "Complete", one()),
                    (75, "Complete", running()),
                ]),
                Settlement::GaveUp(Blocker::Unfinished),
                "it comes and goes",
            ),
        ] {
            assert_eq!(settlement, Some(expected), "{why}");
        }
    }

    #[test]
    fn a_doubt_that_goes_away_is_a_change_too() {
        let mut history = History::of::<Classic>();
        let doubted = Snapshot {
            ambiguous: Some(Ambiguous {
                rows: 1,
                doubt: AmbiguityReason::EarlierExecution,
            }),
            ..seen("Complete", test_runs(&["Passed"]))
        };
        let at = Duration::ZERO;
        let when = polled(at, at);
        history.observe(doubted, when);

        let after = play(
            &mut history,
            &[
                (4, "Complete", test_runs(&["Passed"])),
                (8, "Complete", test_runs(&["Passed"])),
            ],
        );

        assert_ne!(after.last(), Some(&Settlement::Settled));
    }

    #[test]
    fn rows_that_come_and_go_for_ever_are_an_end_too() {
        let polls: Vec<_> = (0..40)
            .map(|n| {
                let rows = [&["Passed"][..], &["Passed", "Passed"]];
                (n as u64 * 2, "Complete", test_runs(rows[n % 2]))
            })
            .collect();

        assert!(
            matches!(last(&polls), Some(Settlement::GaveUp(_))),
            "{:?}",
            last(&polls)
        );
    }

    #[test]
    fn a_list_that_flickers_for_ever_is_an_end_too() {
        let polls: Vec<_> = (0..40)
            .map(|n| {
                let builds = ["1.0", "1.1"];
                let mut rows = test_runs(&["Passed"]);
                rows[0].build = builds[n % 2].into();
                (n as u64 * 2, "Complete", rows)
            })
            .collect();

        assert_eq!(last(&polls), Some(Settlement::GaveUp(Blocker::Changing)));
    }
}
