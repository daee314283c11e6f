//! When is the next poll worth it? The sooner, the closer the run is to its end.
//!
//! Pure: it knows only what the polls have shown, and gives pauses. The run is taken as one queue of test
//! runs that finish at an even rate. If its end is expected after a time *t*, give or take as much, polls and
//! delay together cost least when pauses grow with √*t*. `cargo bench --bench pace` measures the result.

use std::time::Duration;

use crate::model::test_run::{GroupStatus, TestRun};

/// No two polls are closer: a result a second earlier is not worth more requests than this.
const SHORTEST_PAUSE: Duration = Duration::from_secs(2);

/// Pauses reach the poll interval when the rest of the run is this many of it. More notices the end sooner;
/// at three, a long run takes some 14 % more polls than a fixed pace would, and 20 % is the limit.
const POLL_INTERVALS_OF_REST: f64 = 3.0;
/// A test run that outlasts its estimate is expected to need another tenth of the time since the last result.
/// More is late for the many that finish soon; less polls every two seconds for one slow test run.
const OVERDUE: u32 = 10;
/// If rows are listed only as they start, the run is expected to need another twentieth of its age. Less polls
/// hard at the end of every row; more is late at the end of the last one.
const UNLISTED: u32 = 20;
/// The share of a pause that jitter may take while the run is queued: jobs that started together part
/// here, where one more poll costs nothing.
const JITTER_WHILE_QUEUED: f64 = 1.0 / 3.0;
/// The same afterwards, when each poll counts: enough for jobs that have parted to stay apart.
const JITTER: f64 = 1.0 / 20.0;

/// How long polls are as close as possible until the first row of this run is listed, if rows do not name
/// their group. Another run can take its place only unseen; a long queue must not cost hundreds of requests.
pub(crate) const FIRST_ROW: Duration = Duration::from_secs(30);

/// Three polls this far apart span the 7 s for which a settled list must not change.
const SETTLING_PAUSE: Duration = Duration::from_millis(3_500);
/// A list that changed and changed back between polls further apart would look unchanged.
const LONGEST_SETTLING_PAUSE: Duration = Duration::from_secs(20);

/// What the polls tell about the rest of the run. Times count from the start of the watch.
#[derive(Debug, Default)]
pub(crate) struct Pace {
    polled_at: Duration,
    /// The first sign that the run is no longer queued.
    started_at: Option<Duration>,
    /// The most test runs that one poll showed, and the most finished ones: a list may flicker.
    listed: usize,
    finished: usize,
    last_finish_at: Duration,
    /// Whether rows joined the list after others had finished.
    grows: bool,
    /// None while the run is queued.
    rest: Option<Duration>,
}

impl Pace {
    /// Takes in a poll of a group that has not finished.
    pub(crate) fn observe(&mut self, at: Duration, group: &GroupStatus, test_runs: &[TestRun]) {
        let since = |then| at.saturating_sub(then);
        // What has happened since the last poll happened half way, for all that is known.
        let between = at.saturating_sub(since(self.polled_at) / 2);
        self.polled_at = at;
        let results = test_runs.iter().filter(|run| run.status.is_final());
        let (listed, finished) = (test_runs.len(), results.count());
        if *group == GroupStatus::Queued && finished == 0 {
            self.rest = None;
            return;
        }
        let started_at = *self.started_at.get_or_insert(between);
        self.grows |= self.finished > 0 && listed > self.listed;
        self.listed = self.listed.max(listed);
        if finished > self.finished {
            self.finished = finished;
            self.last_finish_at = between;
        }
        let (age, idle) = (since(started_at), since(self.last_finish_at));
        let (left, finished) = ((listed - finished) as u32, self.finished as u32);
        let rest = if self.finished == 0 {
            // Nothing to go by: each test run left may take as long as the first ones have so far.
            age.saturating_mul(left.max(1))
        } else {
            let each = self.last_finish_at.saturating_sub(started_at) / finished;
            let estimate = each.saturating_mul(left).saturating_sub(idle);
            estimate.max(idle / OVERDUE)
        };
        let unlisted = age / UNLISTED * u32::from(self.grows);
        self.rest = Some(rest.saturating_add(unlisted));
    }

    /// The pause while the group has not finished; `jitter` from 0 to 1 shortens it.
    pub(crate) fn pause(&self, poll_interval: Duration, jitter: f64) -> Duration {
        let longest = poll_interval.as_secs_f64();
        let root = |rest: Duration| (rest.as_secs_f64() / POLL_INTERVALS_OF_REST * longest).sqrt();
        let (secs, share) = match self.rest {
            None => (longest, JITTER_WHILE_QUEUED),
            Some(rest) => (root(rest), JITTER),
        };
        // The shortest pauses have room for jitter too.
        let shortest = SHORTEST_PAUSE.as_secs_f64() / (1.0 - share);
        let secs = secs.max(shortest).min(longest) * (1.0 - share * jitter);
        let pause = Duration::try_from_secs_f64(secs).unwrap_or(poll_interval);
        bounded(pause, poll_interval)
    }
}

/// Keeps a pause between the shortest one and the poll interval; a user who wants more polls than that gets them.
pub(crate) fn bounded(pause: Duration, poll_interval: Duration) -> Duration {
    pause.max(SHORTEST_PAUSE).min(poll_interval)
}

/// The pause while a finished group is given time to settle: short if only time is lacking, else growing.
pub(crate) fn while_settling(blocked_for: Duration) -> Duration {
    (blocked_for / 2).clamp(SETTLING_PAUSE, LONGEST_SETTLING_PAUSE)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::fixtures::test_runs;
    use proptest::prelude::*;

    const SECOND: Duration = Duration::from_secs(1);
    const POLL_INTERVAL: Duration = Duration::from_secs(15);

    /// Reads rows as short as `PRW`, a letter a status.
    fn rows(text: &str) -> Vec<TestRun> {
        let statuses: Vec<&str> = text
            .chars()
            .map(|status| match status {
                'P' => "Passed",
                'F' => "Failed",
                'R' => "Running",
                'W' => "Waiting",
                other => panic!("{other} is not a status"),
            })
            .collect();
        test_runs(&statuses)
    }

    /// Observes polls; one at rows that start with `Queued` finds the group queued.
    fn polls(polls: &[(u64, &str)]) -> Pace {
        let mut pace = Pace::default();
        for (at, text) in polls {
            let (group, text) = match text.strip_prefix("Queued ") {
                Some(text) => (GroupStatus::Queued, text),
                None => (GroupStatus::Running, *text),
            };
            pace.observe(Duration::from_secs(*at), &group, &rows(text));
        }
        pace
    }

    #[test]
    fn the_rest_is_that_of_one_queue_of_test_runs() {
        for (seen, rest, why) in [
            (&[(0, "Queued ")][..], None, "queued"),
            (
                &[(0, "Queued "), (90, "Queued RR")],
                None,
                "rows may be listed long before they start",
            ),
            (
                &[(0, "Queued "), (20, "Queued RR"), (30, "Queued PR")],
                Some(0),
                "a result is a start, whatever the group says: at 25, as the result itself",
            ),
            (&[(0, ""), (20, "")], Some(20), "it runs and shows nothing"),
            (
                &[(0, "R"), (40, "R")],
                Some(40),
                "a single test run may need as long again",
            ),
            (
                &[(0, "Queued "), (20, "R"), (40, "R")],
                Some(30),
                "the queue is not a part of the test; it ended half way between two polls",
            ),
            (
                &[(0, "RRRR"), (40, "RRRR")],
                Some(160),
                "nothing has finished: each of the four left may take as long",
            ),
            (
                &[(0, "RRR"), (28, "RRR"), (32, "PRR")],
                Some(58),
                "it finished at 30, so two more take 60, of which 2 are over",
            ),
            (
                &[(0, "RRR"), (58, "RRR"), (62, "PPR")],
                Some(28),
                "two in 60 are one in 30",
            ),
            (
                &[(0, "RRRWW"), (40, "RRRWW"), (60, "PRRWW")],
                Some(190),
                "an unknown word is not a result: four of 50",
            ),
            (
                &[(0, "RR"), (20, "PR"), (210, "PR")],
                Some(20),
                "a slow one goes on for a tenth of the 200 since the last result",
            ),
            (
                &[(0, "RR"), (20, "PP"), (60, "PP")],
                Some(5),
                "every row is final and the group is not: a tenth of the wait",
            ),
            (
                &[(0, "RR"), (20, "FR"), (40, "RR")],
                Some(3),
                "what runs again is left again, at the old rate: 2 of 10, 30 after the last result",
            ),
            (
                &[(0, "R"), (20, "PR"), (40, "PPR")],
                Some(5 + 2),
                "rows join as they start: a twentieth of the age on top, for those to come",
            ),
            (
                &[(0, "R"), (20, "PR"), (40, "PPR"), (60, "PPPR")],
                Some(6 + 3),
                "and again",
            ),
            (
                &[(0, "RRR"), (20, "PRR"), (25, "P"), (30, "PRR")],
                Some(2),
                "rows missing from one poll do not make a list that grows: two of 10, all but due",
            ),
            (
                &[(0, "R"), (20, "PR"), (30, ""), (40, "")],
                Some(3),
                "a list that has become empty is not the end",
            ),
            (
                &[(0, "RR"), (40, "PR"), (10, "PP"), (0, "PP")],
                Some(0),
                "a clock that goes back breaks nothing",
            ),
        ] {
            let rest = rest.map(Duration::from_secs);
            let estimate = polls(seen).rest;

            assert_eq!(
                estimate.map(|rest| rest.as_secs()),
                rest.map(|rest| rest.as_secs()),
                "{seen:?}: {why}"
            );
        }
    }

    #[test]
    fn pauses_are_denser_towards_the_end() {
        for (rest, jitter, poll_secs, pause, why) in [
            (None, 0.0, 15, 15.0, "queued"),
            (None, 1.0, 15, 10.0, "queued: jobs part by up to a third"),
            (Some(600), 0.0, 15, 15.0, "far off"),
            (Some(45), 0.0, 15, 15.0, "three poll intervals off"),
            (
                Some(20),
                0.0,
                15,
                10.0,
                "four ninths of that, so two thirds of the pause",
            ),
            (Some(20), 1.0, 15, 9.5, "jitter takes a twentieth"),
            (Some(0), 1.0, 15, 2.0, "never shorter than two seconds"),
            (Some(0), 0.0, 15, 2.0 / 0.95, "with room for jitter"),
            (Some(0), 0.5, 1, 1.0, "a poll interval below that"),
            (
                Some(45),
                0.0,
                60,
                30.0,
                "a lazy poll interval is lazy throughout",
            ),
        ] {
            let pace = Pace {
                rest: rest.map(Duration::from_secs),
                ..Pace::default()
            };

            let paused = pace.pause(Duration::from_secs(poll_secs), jitter);

            assert!(
                (paused.as_secs_f64() - pause).abs() < 0.001,
                "{why}: {paused:?}"
            );
        }
    }

    #[test]
    fn jobs_that_start_together_part() {
        let pace = polls(&[(0, "Queued ")]);

        let early = pace.pause(POLL_INTERVAL, 1.0);
        let late = pace.pause(POLL_INTERVAL, 0.0);

        assert!(late - early >= 5 * SECOND);
    }

    proptest! {
        #[test]
        fn a_pause_keeps_its_bounds_whatever_was_seen(
            seen in prop::collection::vec((0..3_u8, any::<u64>(), "[PFRW]{0,6}", 0..4_u8), 0..12),
            poll_interval in prop_oneof![
                (0..700_000_u64).prop_map(Duration::from_millis),
                Just(Duration::MAX),
            ],
            jitter in prop_oneof![0.0..=1.0, -9.0..9.0, Just(f64::NAN), Just(f64::MAX), Just(f64::MIN)],
        ) {
            let mut pace = Pace::default();
            let mut now = Duration::ZERO;
            for (step, secs, text, group) in seen {
                now = match step {
                    0 => now.saturating_add(Duration::from_millis(secs % 60_000)),
                    1 => Duration::from_secs(secs),
                    _ => Duration::MAX,
                };
                let group = match group {
                    0 => GroupStatus::Queued,
                    1 => GroupStatus::Running,
                    2 => GroupStatus::Complete,
                    _ => GroupStatus::Other,
                };
                pace.observe(now, &group, &rows(&text));

                let pause = pace.pause(poll_interval, jitter);

                prop_assert!(pause <= poll_interval, "{pause:?}");
                prop_assert!(pause >= poll_interval.min(2 * SECOND), "{pause:?}");
            }
        }
    }

    #[test]
    fn settling_is_polled_often_first_and_never_less_than_asked_for() {
        for (blocked_for, poll, pause) in [
            (0, 15, 3.5),
            (7, 15, 3.5),
            (20, 15, 10.0),
            (60, 15, 15.0),
            (60, 600, 20.0),
            (0, 1, 1.0),
        ] {
            let expected = Duration::from_secs_f64(pause);

            let paused = bounded(while_settling(blocked_for * SECOND), poll * SECOND);

            assert_eq!(paused, expected);
        }
    }

    #[test]
    fn no_two_polls_are_closer_than_two_seconds_unless_a_user_asks_for_that() {
        for (pause, poll, bound) in [(0, 15, 2), (0, 1, 1), (9, 15, 9), (60, 15, 15)] {
            assert_eq!(bounded(pause * SECOND, poll * SECOND), bound * SECOND);
        }
    }
}
