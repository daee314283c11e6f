//! When to look next, and how long to be patient? Pure: takes counts and times, gives pauses.

use std::time::Duration;

/// A random share from 0 to 1, so that a matrix of jobs does not ask in step.
pub(crate) type Jitter = fn() -> f64;

/// The first pause after a failure.
const FIRST: Duration = Duration::from_secs(1);
/// Sofy's bad minutes are looked at again within a minute.
const LONGEST: Duration = Duration::from_secs(60);

/// The pause after consecutive failures.
///
/// `jitter` from 0 to 1 shortens it by up to half. Sofy's `Retry-After` is a lower bound.
pub(crate) fn backoff(failures: u32, retry_after: Option<Duration>, jitter: f64) -> Duration {
    let doubled = 1_u32
        .checked_shl(failures.saturating_sub(1))
        .unwrap_or(u32::MAX);
    FIRST
        .saturating_mul(doubled)
        .min(LONGEST)
        .mul_f64(1.0 - jitter.clamp(0.0, 1.0) / 2.0)
        .max(retry_after.unwrap_or_default())
}

/// How much trouble is put up with before it is an end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Patience {
    failures: u32,
    time: Duration,
}

impl Patience {
    /// About half a minute: nothing has been started yet, so failing is cheap.
    pub(crate) const BEFORE_A_RUN: Self = Self {
        failures: 6,
        time: Duration::ZERO,
    };
    /// Nothing more: asking again changes nothing.
    pub(crate) const NONE: Self = Self {
        failures: 0,
        time: Duration::ZERO,
    };
    /// Gateways say no for a minute or two while they are set up anew; a run that Sofy named is worth that.
    pub(crate) const OF_A_REFUSAL: Self = Self {
        failures: 0,
        time: Duration::from_secs(2 * 60),
    };
    /// Until the deadline.
    pub(crate) const ENDLESS: Self = Self {
        failures: u32::MAX,
        time: Duration::MAX,
    };

    /// Tells whether to ask again after this many failures in a row, over this time.
    pub(crate) fn allows(&self, failures: u32, time: Duration) -> bool {
        failures < self.failures || time < self.time
    }
}

/// No look comes sooner after another: a result a second earlier is worth no more requests than this.
const SHORTEST_PAUSE: Duration = Duration::from_secs(2);

/// The least pause between two looks; a user who wants more looks than that gets them.
pub(crate) fn shortest_pause(poll_interval: Duration) -> Duration {
    SHORTEST_PAUSE.min(poll_interval)
}

/// How long the classic API's first row of ours is looked for with the shortest pauses. Somebody else's
/// execution can take its place only while nobody looks; a long queue must not cost hundreds of requests.
const FIRST_ROW: Duration = Duration::from_secs(30);

/// The pause while the first row of ours is awaited among those of others; none after a while.
pub(crate) fn before_the_first_row(elapsed: Duration, poll_interval: Duration) -> Option<Duration> {
    (elapsed < FIRST_ROW).then_some(shortest_pause(poll_interval))
}

/// Three looks this far apart span the seven seconds over which a settled list stands still.
const SETTLING_PAUSE: Duration = Duration::from_millis(3_500);

/// Looks further apart would leave room for what nobody sees.
const LONGEST_SETTLING_PAUSE: Duration = Duration::from_secs(20);

/// The pause while a group that is over is given time to settle: short while time alone is lacking, else
/// growing.
pub(crate) fn while_settling(obstructed_for: Duration, poll_interval: Duration) -> Duration {
    (obstructed_for / 2)
        .clamp(SETTLING_PAUSE, LONGEST_SETTLING_PAUSE)
        .min(poll_interval)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn the_backoff_grows_to_a_minute() {
        let pauses: Vec<u64> = (1..=9)
            .map(|failures| backoff(failures, None, 0.0).as_secs())
            .collect();

        assert_eq!(pauses, [1, 2, 4, 8, 16, 32, 60, 60, 60]);
        assert_eq!(backoff(u32::MAX, None, 0.0), LONGEST);
    }

    #[test]
    fn retry_after_is_a_lower_bound_and_jitter_halves_at_most() {
        assert_eq!(backoff(1, Some(40 * SECOND), 0.9), 40 * SECOND);
        assert_eq!(backoff(2, None, 1.0), SECOND);
        assert_eq!(backoff(2, None, 7.0), SECOND);
    }

    #[test]
    fn patience_ends_with_its_last_failure_or_its_time_whichever_is_later() {
        let minutes = |n: u32| n * 60 * SECOND;
        for (patience, failures, time, allowed, why) in [
            (Patience::BEFORE_A_RUN, 5, minutes(9), true, "one is left"),
            (Patience::BEFORE_A_RUN, 6, minutes(0), false, "that was all"),
            (Patience::OF_A_REFUSAL, 9, minutes(1), true, "in time"),
            (Patience::OF_A_REFUSAL, 1, minutes(2), false, "time is up"),
            (Patience::NONE, 1, minutes(0), false, "asked once"),
            (Patience::ENDLESS, 999, minutes(999), true, "never"),
        ] {
            assert_eq!(patience.allows(failures, time), allowed, "{why}");
        }
    }

    #[test]
    fn the_first_row_is_looked_for_with_the_shortest_pauses_for_half_a_minute() {
        for (elapsed, poll, pause, why) in [
            (0, 15, Some(2), "from the start"),
            (29, 1, Some(1), "a user who wants more looks gets them"),
            (30, 15, None, "no longer"),
        ] {
            assert_eq!(
                before_the_first_row(elapsed * SECOND, poll * SECOND),
                pause.map(Duration::from_secs),
                "{why}"
            );
        }
    }

    #[test]
    fn settling_is_looked_at_often_first_and_never_less_than_asked_for() {
        for (obstructed_for, poll, pause) in [
            (0, 15, 3.5),
            (7, 15, 3.5),
            (20, 15, 10.0),
            (60, 15, 15.0),
            (60, 600, 20.0),
            (0, 1, 1.0),
        ] {
            let expected = Duration::from_secs_f64(pause);

            assert_eq!(
                while_settling(obstructed_for * SECOND, poll * SECOND),
                expected
            );
        }
    }
}
