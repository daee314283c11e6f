//! How long to wait after a failure, and when to give up? Pure: takes counts and times, gives pauses.

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
}
