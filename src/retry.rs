//! How long to wait after a failure, and when to give up? Counts the failures of one call in a row.

use std::time::Duration;

use tokio::time::Instant;

/// A random share from 0 to 1, so that a matrix of jobs does not ask in step.
pub(crate) type Jitter = fn() -> f64;

/// The first pause after a failure.
const FIRST: Duration = Duration::from_secs(1);

/// After an outage the next poll comes within a minute.
const LONGEST: Duration = Duration::from_secs(60);

/// The pause after consecutive failures.
///
/// `jitter` from 0 to 1 shortens it by up to half. Sofy's `Retry-After` is a lower bound.
pub(crate) fn backoff(failures: u32, retry_after: Option<Duration>, jitter: f64) -> Duration {
    let times = 2_u32.saturating_pow(failures.saturating_sub(1));
    let pause = FIRST.saturating_mul(times).min(LONGEST);
    let pause = pause.mul_f64(1.0 - jitter.clamp(0.0, 1.0) / 2.0);
    pause.max(retry_after.unwrap_or_default())
}

/// The failures of one call in a row.
#[derive(Debug)]
pub(crate) struct Retry<E> {
    pub(crate) jitter: Jitter,
    pub(crate) failures: u32,
    /// When the first of them was sent: a call that hangs brings no answer either.
    since: Option<Instant>,
    /// None if there was a success since.
    pub(crate) latest: Option<E>,
}

impl<E> Retry<E> {
    pub(crate) const fn new(jitter: Jitter) -> Self {
        Self {
            jitter,
            failures: 0,
            since: None,
            latest: None,
        }
    }

    /// Notes a failure of a call that was sent at an instant, and gives the pause before the next; none if
    /// that was one too many.
    pub(crate) fn failed(
        &mut self,
        error: E,
        sent_at: Instant,
        retry_after: Option<Duration>,
        patience: Patience,
    ) -> Option<Duration> {
        self.failures = self.failures.saturating_add(1);
        self.since.get_or_insert(sent_at);
        self.latest = Some(error);
        let is_allowed = patience.allows(self.failures, self.silence());
        is_allowed.then(|| backoff(self.failures, retry_after, (self.jitter)()))
    }

    /// Notes a success; gives the time since the first failure, if there was one.
    pub(crate) fn succeeded(&mut self) -> Option<Duration> {
        let silence = self.since.map(|since| since.elapsed());
        *self = Self::new(self.jitter);
        silence
    }

    /// For how long every call has failed.
    pub(crate) fn silence(&self) -> Duration {
        self.since.map(|since| since.elapsed()).unwrap_or_default()
    }
}

/// The most that a poll's `Retry-After` counts: a gateway may name an hour, and the run has finished by then.
pub(crate) const LONGEST_OF_A_POLL: Duration = Duration::from_mins(5);

/// How many failures to tolerate before giving up, and for how long; whichever is later counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Patience(u32, Duration);

impl Patience {
    /// About 30 s: nothing has been started yet, so failing is cheap.
    pub(crate) const BEFORE_A_RUN: Self = Self(6, Duration::ZERO);
    /// Nothing more: asking again changes nothing.
    pub(crate) const NONE: Self = Self(0, Duration::ZERO);
    /// Gateways refuse for a minute or two while they are set up again; a run that Sofy named is worth that.
    pub(crate) const OF_A_REFUSAL: Self = Self(0, Duration::from_mins(2));
    /// Until the deadline.
    pub(crate) const ENDLESS: Self = Self(u32::MAX, Duration::MAX);

    /// Tells whether to ask again after this many failures in a row, over this time.
    pub(crate) fn allows(self, failures: u32, time: Duration) -> bool {
        let Self(most_failures, longest) = self;
        failures < most_failures || time < longest
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
        assert_eq!(backoff(3, Some(SECOND), 0.0), 4 * SECOND);
        assert_eq!(backoff(2, None, 1.0), SECOND);
        assert_eq!(backoff(2, None, 7.0), SECOND);
        assert_eq!(backoff(1, Some(Duration::MAX), 0.0), Duration::MAX);
    }

    #[tokio::test(start_paused = true)]
    async fn failures_are_counted_until_a_success() {
        let mut retry = Retry::new(|| 0.0);
        let start = Instant::now();
        let patience = Patience::BEFORE_A_RUN;
        for (pause, failures) in [(1, 1), (2, 2), (4, 3)] {
            let pauses = retry.failed(failures, Instant::now(), None, patience);

            assert_eq!(pauses, Some(pause * SECOND));
            assert_eq!(retry.failures, failures);
            tokio::time::advance(10 * SECOND).await;
        }
        assert_eq!(retry.silence(), 30 * SECOND);
        assert_eq!(retry.succeeded(), Some(30 * SECOND));
        assert_eq!((retry.succeeded(), retry.failures), (None, 0));

        for failure in 1..=5 {
            assert!(retry.failed(failure, start, None, patience).is_some());
        }
        assert_eq!(retry.failed(6, Instant::now(), None, patience), None);
        assert_eq!(retry.silence(), 30 * SECOND, "since the first was sent");
        assert_eq!(retry.latest, Some(6));
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
