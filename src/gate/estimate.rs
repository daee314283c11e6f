//! When is this run likely to be over, and so, when is it worth looking again?
//!
//! Knows only what the looks have shown: no clock, no I/O. A device is taken to work through its test runs
//! one by one, so the time between two of its results is the length of one. The same scenario takes as long
//! on another device, and one that has ended nowhere as long as the mean. What a device has left,
//! less the time since its last result, is its rest; that of the slowest device is the run's.
//!
//! Where an end is expected after a rest *r*, give or take as much, looks and delay together cost least
//! when pauses grow with √*r*. So a pause is the geometric mean of the poll interval and a quarter of the
//! rest. `cargo bench --bench pace` measures what comes of it.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::time::Duration;

use crate::gate::pace::shortest_pause;
use crate::model::test_run::{GroupStatus, TestRun, TestStatus};

/// Pauses reach the poll interval where the rest is this many of it. More notices the end sooner; at
/// four, a long run takes some 10 % more looks than a fixed pace would, and 15 % is what we allow.
const POLL_INTERVALS_OF_REST: f64 = 4.0;
/// What outlasts its estimate is expected to go on for a tenth of the time it has taken. More is late
/// for the many that end soon; less looks at a straggler every two seconds.
const OVERDUE: u32 = 10;
/// While rows are listed only as they start, the run may go on for another third of its age: less
/// looks hard at the end of every row, more is late at the end of the last one.
const UNANNOUNCED: u32 = 3;
/// A device without work is believed to be done after this and half of a typical length. Between two
/// test runs it is idle too, while it is made ready again.
const BETWEEN_TEST_RUNS: Duration = Duration::from_secs(3);
/// The share of a pause that jitter may take while the run is queued: jobs that started together part
/// here, where a look more costs nothing.
const JITTER_WHILE_QUEUED: f64 = 1.0 / 3.0;
/// The same afterwards, where each look counts: enough for jobs that have parted to stay apart.
const JITTER: f64 = 1.0 / 20.0;

/// Stands for a name of Sofy's in 8 bytes. Two names that fall together would cost a late look.
type Name = u64;

/// What the looks so far tell about the end of the run.
#[derive(Debug, Default)]
pub(crate) struct Estimate {
    /// When the last look was taken in; like every time here, since the start of the watch.
    at: Duration,
    /// How many rows the last look showed.
    listed: usize,
    /// The first sign that the run is no longer queued.
    begun: Option<Duration>,
    /// Whether rows joined the list after others had ended.
    growing: bool,
    /// The lengths of all test runs that were seen to end.
    lengths: Lengths,
    devices: HashMap<Name, Device>,
    /// How long each scenario took, on whatever device.
    scenarios: HashMap<Name, Lengths>,
    /// How many final rows each device showed for each scenario.
    finals: HashMap<(Name, Name), u32>,
    /// Which scenarios the previous execution had on each device.
    previous: HashMap<Name, Vec<Name>>,
    /// None while the run is queued.
    rest: Option<Duration>,
}

#[derive(Debug, Default)]
struct Device {
    /// When it began the test run that it is at: its last result, or its first sign of work.
    since: Option<Duration>,
    /// Whether the last look shows that it has begun.
    has_begun: bool,
    listed: usize,
    /// The scenarios that it has not ended.
    left: Vec<Name>,
    /// The scenarios that it has ended since the look before.
    ended: Vec<Name>,
}

/// A sum and a count, for their mean.
#[derive(Clone, Copy, Debug, Default)]
struct Lengths {
    sum: Duration,
    count: u32,
}

impl Lengths {
    fn add(&mut self, length: Duration) {
        self.sum = self.sum.saturating_add(length);
        self.count = self.count.saturating_add(1);
    }

    fn mean(self) -> Option<Duration> {
        self.sum.checked_div(self.count)
    }
}

impl Estimate {
    /// Starts with what the schedule's previous execution listed: a hint of the rows to come.
    pub(crate) fn after(previous: &[TestRun]) -> Self {
        let mut estimate = Self::default();
        for run in previous {
            let scenarios = estimate.previous.entry(name(&run.device)).or_default();
            scenarios.push(name(&run.scenario));
        }
        estimate
    }

    /// Takes in a look at a group that is not over. The cost grows in step with the rows.
    pub(crate) fn take(&mut self, at: Duration, group: &GroupStatus, test_runs: &[TestRun]) {
        // Rows may be missing from one look: a shorter list is believed when it comes twice.
        let is_shorter = test_runs.len() < self.listed;
        self.listed = test_runs.len();
        if is_shorter {
            return;
        }
        let is_queued =
            *group == GroupStatus::Queued && !test_runs.iter().any(|run| run.status.is_final());
        // What has happened since the last look happened half way, for all that we know.
        let between = self.at.saturating_add(at.saturating_sub(self.at) / 2);
        self.at = at;
        if is_queued {
            self.rest = None;
            return;
        }
        let begun = *self.begun.get_or_insert(between);
        self.sort(test_runs);
        self.measure(between);
        self.rest = Some(self.rest(at.saturating_sub(begun)));
    }

    /// How long to pause after the look that was taken in last; `jitter` from 0 to 1 shortens it.
    pub(crate) fn pause(&self, poll_interval: Duration, jitter: f64) -> Duration {
        let shortest = shortest_pause(poll_interval);
        let poll_secs = poll_interval.as_secs_f64();
        let (secs, share) = match self.rest {
            None => (poll_secs, JITTER_WHILE_QUEUED),
            Some(rest) => {
                let secs = (rest.as_secs_f64() / POLL_INTERVALS_OF_REST * poll_secs).sqrt();
                (secs, JITTER)
            }
        };
        // The shortest pauses have room for jitter too.
        let secs = secs
            .max(shortest.as_secs_f64() / (1.0 - share))
            .min(poll_secs);
        Duration::try_from_secs_f64(secs * (1.0 - share * jitter))
            .unwrap_or(poll_interval)
            .clamp(shortest, poll_interval)
    }

    /// Sorts the rows by device: what has ended since the look before, and what is left.
    fn sort(&mut self, test_runs: &[TestRun]) {
        let devices = std::mem::take(&mut self.devices);
        let scenarios = std::mem::take(&mut self.scenarios);
        // Waiting rows may bear a word that we do not know; or every unfinished one may.
        let waiting_is_told_apart = test_runs
            .iter()
            .any(|run| run.status == TestStatus::Running);
        let mut finals: HashMap<(Name, Name), u32> = HashMap::with_capacity(test_runs.len());
        for run in test_runs {
            let (on, of) = (name(&run.device), name(&run.scenario));
            let lengths = scenarios.get(&of).copied().unwrap_or_default();
            self.scenarios.entry(of).or_insert(lengths);
            let device = self.devices.entry(on).or_insert_with(|| Device {
                since: devices.get(&on).and_then(|device| device.since),
                ..Device::default()
            });
            device.listed += 1;
            let before = self.finals.get(&(on, of));
            self.growing |= before.is_none() && self.lengths.count > 0;
            let now = finals.entry((on, of)).or_default();
            if run.status.is_final() {
                *now += 1;
                device.has_begun = true;
                if *now > before.copied().unwrap_or_default() {
                    device.ended.push(of);
                }
            } else {
                device.left.push(of);
                device.has_begun |= run.status == TestStatus::Running || !waiting_is_told_apart;
            }
        }
        self.finals = finals;
    }

    /// Measures what has ended since the look before.
    fn measure(&mut self, between: Duration) {
        for device in self.devices.values_mut().filter(|device| device.has_begun) {
            let Some(since) = device.since.filter(|_| !device.ended.is_empty()) else {
                // What was over before it was seen to begin tells no length.
                device.since.get_or_insert(between);
                continue;
            };
            let count = u32::try_from(device.ended.len()).unwrap_or(u32::MAX);
            let length = between.saturating_sub(since) / count;
            for scenario in &device.ended {
                self.lengths.add(length);
                self.scenarios.entry(*scenario).or_default().add(length);
            }
            device.since = Some(between);
        }
    }

    /// The rest of a run that began so long ago.
    fn rest(&self, age: Duration) -> Duration {
        let typical = self.lengths.mean().filter(|_| !self.devices.is_empty());
        let Some(typical) = typical else {
            // Nothing to go by: each test run left may take as long as the first ones have so far.
            let left = self.devices.values().map(|device| device.left.len()).max();
            return times(age, left.unwrap_or_default().max(1));
        };
        let is_done = |device: &Device| {
            device.left.is_empty() && self.worked(device) > typical / 2 + BETWEEN_TEST_RUNS
        };
        let rest = self
            .devices
            .iter()
            .map(|(on, device)| {
                let to_come = if is_done(device) {
                    Duration::ZERO
                } else {
                    self.to_come(*on, device, typical)
                };
                self.announced(device, typical).saturating_add(to_come)
            })
            .max()
            .unwrap_or_default();
        let is_known = self.devices.keys().all(|on| self.previous.contains_key(on));
        if self.growing && !is_known && !self.devices.values().any(is_done) {
            return rest.saturating_add(age / UNANNOUNCED);
        }
        if self.devices.values().all(|device| device.left.is_empty()) {
            // Every row is final and the group is not: it lags, or more is to come.
            let idle = self
                .devices
                .values()
                .map(|device| self.worked(device))
                .min();
            return rest.max(idle.unwrap_or_default() / OVERDUE);
        }
        rest
    }

    /// The rest of a device, by the rows that are listed for it.
    fn announced(&self, device: &Device, typical: Duration) -> Duration {
        let Ok(count @ 1..) = u32::try_from(device.left.len()) else {
            return Duration::ZERO;
        };
        let all = device.left.iter().fold(Duration::ZERO, |sum, scenario| {
            sum.saturating_add(self.length(*scenario, typical))
        });
        // Which of them it is at, nothing says.
        let current = all / count;
        let worked = self.worked(device);
        let rest_of_current = current.saturating_sub(worked).max(worked / OVERDUE);
        (all - current).saturating_add(rest_of_current)
    }

    /// What a device will probably be given besides the rows that are listed for it.
    ///
    /// That is what it had in the previous execution; else, where the list grows and most scenarios
    /// run on most devices, those that only other devices have shown.
    fn to_come(&self, on: Name, device: &Device, typical: Duration) -> Duration {
        if let Some(previous) = self.previous.get(&on) {
            return previous
                .iter()
                .filter(|of| !self.finals.contains_key(&(on, **of)))
                .fold(Duration::ZERO, |sum, of| {
                    sum.saturating_add(self.length(*of, typical))
                });
        }
        let most = self.scenarios.len().saturating_mul(self.devices.len()) / 2;
        if self.growing && self.listed > most {
            times(typical, self.scenarios.len().saturating_sub(device.listed))
        } else {
            Duration::ZERO
        }
    }

    fn length(&self, scenario: Name, typical: Duration) -> Duration {
        self.scenarios
            .get(&scenario)
            .and_then(|lengths| lengths.mean())
            .unwrap_or(typical)
    }

    /// The time since a device's last result or first sign of work.
    fn worked(&self, device: &Device) -> Duration {
        device
            .since
            .map_or(Duration::ZERO, |since| self.at.saturating_sub(since))
    }
}

fn times(length: Duration, count: usize) -> Duration {
    length.saturating_mul(u32::try_from(count).unwrap_or(u32::MAX))
}

fn name(text: &str) -> Name {
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::test_run::ScheduledAt;
    use proptest::prelude::*;

    const SECOND: Duration = Duration::from_secs(1);
    const POLL_INTERVAL: Duration = Duration::from_secs(15);

    /// Reads rows as short as `D1:PR. D2:PW`: a letter is a scenario's status, a dot a row not listed.
    fn rows(text: &str) -> Vec<TestRun> {
        let mut rows = Vec::new();
        for device in text.split_whitespace() {
            let (device, statuses) = device.split_once(':').expect("a device");
            for (scenario, status) in statuses.chars().enumerate() {
                rows.push(TestRun {
                    scenario: scenario.to_string(),
                    device: device.to_owned(),
                    build: String::new(),
                    status: match status {
                        'P' => TestStatus::Passed,
                        'F' => TestStatus::Failed,
                        'R' => TestStatus::Running,
                        'W' => TestStatus::Other("Waiting".into()),
                        '.' => continue,
                        other => panic!("{other} is no status"),
                    },
                    scheduled_at: ScheduledAt::default(),
                });
            }
        }
        rows
    }

    /// Takes in looks; one at rows that start with `Queued` finds the group queued.
    fn looks(mut estimate: Estimate, looks: &[(u64, &str)]) -> Estimate {
        for (at, text) in looks {
            let (group, text) = match text.strip_prefix("Queued") {
                Some(text) => (GroupStatus::Queued, text),
                None => (GroupStatus::Running, *text),
            };
            estimate.take(Duration::from_secs(*at), &group, &rows(text));
        }
        estimate
    }

    #[test]
    fn the_rest_is_estimated_from_all_that_was_seen() {
        for (seen, rest, why) in [
            (&[(0, "Queued")][..], None, "queued"),
            (
                &[(0, "Queued"), (90, "Queued D1:RR")],
                None,
                "rows may be listed long before they begin",
            ),
            (
                &[(0, "Queued"), (20, "Queued D1:RR"), (30, "Queued D1:PR")],
                Some(5),
                "a result is a beginning, whatever the group says: it began 5 ago, and one is left",
            ),
            (&[(0, ""), (20, "")], Some(20), "it runs and shows nothing"),
            (
                &[(0, "D1:R"), (40, "D1:R")],
                Some(40),
                "a single test may go on as long as it has",
            ),
            (
                &[(0, "Queued"), (20, "D1:R"), (40, "D1:R")],
                Some(30),
                "the queue is not a part of the test; it ended half way between two looks",
            ),
            (
                &[(0, "D1:RRR D2:R"), (40, "D1:RRR D2:R")],
                Some(120),
                "nothing has ended: each of the three left may take as long",
            ),
            (
                &[(0, "D1:RRR"), (28, "D1:RRR"), (32, "D1:PRR")],
                Some(58),
                "it ended at 30, so two more take 60, of which 2 are over",
            ),
            (
                &[(0, "D1:RRR"), (58, "D1:RRR"), (62, "D1:PPR")],
                Some(28),
                "two that ended between the same looks took half each",
            ),
            (
                &[(0, "D1:RRR D2:RR"), (20, "D1:PRR D2:PR")],
                Some(10 + 1),
                "the device with most left: one is due, a tenth of its 10 on top, and one of 10 \
                 follows",
            ),
            (
                &[
                    (0, "D1:RR D2:RR"),
                    (20, "D1:PR D2:RR"),
                    (60, "D1:PP D2:PR"),
                    (64, "D1:PP D2:PR"),
                ],
                Some(6),
                "the scenario took 30 on the other device, whatever the mean; 24 are over",
            ),
            (
                &[(0, "D1:RR"), (20, "D1:PR"), (210, "D1:PR")],
                Some(20),
                "a straggler goes on for a tenth of the 200 it has taken",
            ),
            (
                &[(0, "D1:RR D2:RR"), (20, "D1:PR D2:PR"), (60, "D1:PF D2:PR")],
                Some(5),
                "the same scenario took 25 on the other device; 50 are over",
            ),
            (
                &[(0, "D1:RR"), (20, "D1:FR"), (40, "D1:RR"), (60, "D1:PR")],
                Some(15),
                "a status may flip: what ran again ended again, after 40 more; the mean is 25",
            ),
            (
                &[(0, "D1:R"), (20, "D1:PR"), (40, "D1:PPR")],
                Some(5 + 13),
                "rows join as they start: a third of the age on top, for those to come",
            ),
            (
                &[(0, "D1:R D2:R"), (20, "D1:PR D2:P"), (32, "D1:PR D2:P")],
                Some(2),
                "one device has nothing left for long: only the other, overdue, goes on",
            ),
            (
                &[(0, "D1:R D2:R"), (20, "D1:PR D2:PR"), (40, "D1:PPRR D2:PP")],
                Some(30 + 13),
                "most scenarios run on both: D2 will get two of 15 as well; a third of the age \
                 on top",
            ),
            (
                &[(0, "D1:RRR D2:R"), (12, "D1:PRR D2:P")],
                Some(6),
                "a list that does not grow is complete: D2 is done, D1 has one of 6 after one \
                 overdue",
            ),
            (
                &[
                    (0, "D1:R D2:.R"),
                    (20, "D1:P.R D2:.R"),
                    (40, "D1:P.P.R D2:.R"),
                ],
                Some(5 + 13),
                "no scenario runs on both: none is to come from the other device",
            ),
            (
                &[(0, "D1:RW D2:WW"), (40, "D1:RW D2:WW"), (60, "D1:PR D2:WW")],
                Some(100),
                "a device that waits has not begun: two of 50",
            ),
            (
                &[(0, "D1:WW"), (40, "D1:WW"), (60, "D1:PW")],
                Some(40),
                "where no row is Running, the unknown word may mean it",
            ),
            (
                &[(0, "D1:RR"), (20, "D1:PP"), (60, "D1:PP")],
                Some(5),
                "every row is final and the group is not: a tenth of the wait",
            ),
            (
                &[(100, "D1:PPPRR"), (110, "D1:PPPRR")],
                Some(120),
                "what was over at the first look tells no length",
            ),
            (
                &[(0, "D1:RRR"), (20, "D1:PRR"), (25, "D1:P"), (30, "D1:PRR")],
                Some(12),
                "rows missing from one look are not gone: one of 10 after one that is overdue",
            ),
            (
                &[(0, "D1:RRR"), (20, "D1:PRR"), (25, "D1:R"), (30, "D1:R")],
                Some(2),
                "rows missing from two looks are gone: the one there goes on",
            ),
            (
                &[(0, "D1:R"), (20, "D1:PR"), (30, ""), (40, "")],
                Some(40),
                "a list that has become empty tells nothing, and nothing is not the end",
            ),
            (
                &[(0, "D1:RR"), (40, "D1:PR"), (10, "D1:PP"), (0, "D1:PP")],
                Some(0),
                "a clock that goes back breaks nothing",
            ),
        ] {
            let estimate = looks(Estimate::default(), seen);

            assert_eq!(
                estimate.rest.map(|rest| rest.as_secs()),
                rest,
                "{seen:?}: {why}"
            );
        }
    }

    #[test]
    fn the_previous_execution_tells_which_rows_are_to_come() {
        for (seen, rest, why) in [
            (
                &[(0, "D1:R"), (20, "D1:PR"), (40, "D1:PPR")][..],
                5 + 15,
                "one more of the mean, 15, and none that nobody knows of",
            ),
            (
                &[(0, "D1:R"), (20, "D1:PR"), (40, "D1:PP"), (60, "D1:PP")],
                3,
                "what does not come when the device is free for long will not come",
            ),
            (
                &[(0, "D2:R"), (20, "D2:PR"), (40, "D2:PPR")],
                5 + 13,
                "a device that it did not have",
            ),
        ] {
            let estimate = looks(Estimate::after(&rows("D1:PPPP")), seen);

            assert_eq!(
                estimate.rest.map(|rest| rest.as_secs()),
                Some(rest),
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
            (Some(60), 0.0, 15, 15.0, "four poll intervals off"),
            (
                Some(15),
                0.0,
                15,
                7.5,
                "a quarter of that, so half the pause",
            ),
            (Some(15), 1.0, 15, 7.125, "jitter takes a twentieth"),
            (Some(0), 1.0, 15, 2.0, "never shorter than two seconds"),
            (Some(0), 0.0, 15, 2.0 / 0.95, "with room for jitter"),
            (Some(0), 0.5, 1, 1.0, "a poll interval below that"),
            (
                Some(60),
                0.0,
                60,
                30.0,
                "a lazy poll interval is lazy throughout",
            ),
        ] {
            let estimate = Estimate {
                rest: rest.map(Duration::from_secs),
                ..Estimate::default()
            };

            let paused = estimate.pause(Duration::from_secs(poll_secs), jitter);

            assert!(
                (paused.as_secs_f64() - pause).abs() < 0.001,
                "{why}: {paused:?}"
            );
        }
    }

    #[test]
    fn jobs_that_start_together_part() {
        let estimate = looks(Estimate::default(), &[(0, "Queued")]);

        let early = estimate.pause(POLL_INTERVAL, 1.0);
        let late = estimate.pause(POLL_INTERVAL, 0.0);

        assert!(late - early >= 5 * SECOND);
    }

    proptest! {
        #[test]
        fn a_pause_keeps_its_bounds_whatever_was_seen(
            seen in prop::collection::vec(
                (0..3_u8, any::<u64>(), "( ?D[1-3]:[PFRW.]{0,4}){0,3}", 0..4_u8),
                0..12,
            ),
            previous in "( ?D[1-3]:[PFRW.]{0,4}){0,3}",
            poll_interval in prop_oneof![
                (0..700_000_u64).prop_map(Duration::from_millis),
                Just(Duration::MAX),
            ],
            jitter in prop_oneof![0.0..=1.0, -9.0..9.0, Just(f64::NAN), Just(f64::MAX), Just(f64::MIN)],
        ) {
            let mut estimate = Estimate::after(&rows(&spaced(&previous)));
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
                estimate.take(now, &group, &rows(&spaced(&text)));

                let pause = estimate.pause(poll_interval, jitter);

                prop_assert!(pause <= poll_interval, "{pause:?}");
                prop_assert!(pause >= poll_interval.min(2 * SECOND), "{pause:?}");
            }
        }
    }

    fn spaced(text: &str) -> String {
        text.replace('D', " D")
    }
}
