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

/// Nobody notices two seconds; a gate that asks more often only costs Sofy requests.
const SHORTEST_PAUSE: Duration = Duration::from_secs(2);
/// How long the classic API's first row of ours is looked for often: somebody else's execution can
/// take its place only while nobody looks, and a long queue must not cost hundreds of requests.
const FIRST_ROW: Duration = Duration::from_secs(30);

/// The pause while all is well and the group is not over.
pub(crate) fn between_looks(
    poll_interval: Duration,
    awaited: Awaited,
    elapsed: Duration,
) -> Duration {
    match awaited {
        Awaited::FirstRow if elapsed < FIRST_ROW => SHORTEST_PAUSE.min(poll_interval),
        Awaited::FirstRow | Awaited::End => poll_interval,
    }
}

/// What the next look is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Awaited {
    /// The first row of ours, among those of others.
    FirstRow,
    /// The end of the run.
    End,
}

/// Three looks this far apart span the seven seconds over which a settled list stands still.
const SETTLING_PAUSE: Duration = Duration::from_millis(3_500);

/// The pause while a group that is over is given time to settle: short at first, then growing.
pub(crate) fn while_settling(over_for: Duration, poll_interval: Duration) -> Duration {
    (over_for / 2).max(SETTLING_PAUSE).min(poll_interval)
}
