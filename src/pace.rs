//! When to look next, and when to stop asking? Pure: takes counts, gives pauses.

use std::time::Duration;

/// The first pause after something unusual.
const FIRST: Duration = Duration::from_secs(1);
/// However lazy the poll interval, trouble is looked at again within a minute.
const LONGEST_BACKOFF: Duration = Duration::from_secs(60);
/// About six minutes at the default poll interval: a deployment of Sofy's passes, a lost cause ends.
const FAILURES_WHILE_WATCHING: u32 = 20;
/// About half a minute: nothing has been started yet, so failing is cheap.
const FAILURES_BEFORE_TRIGGER: u32 = 6;
/// About a minute and a quarter at the default poll interval for rows that lag behind their group.
const LOOKS_TO_SETTLE: u32 = 8;

/// How often Sofy is asked.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pace {
    poll_interval: Duration,
    budget: u32,
}

impl Pace {
    /// The pace of the watch.
    pub(crate) const fn of_watch(poll_interval: Duration) -> Self {
        Self {
            poll_interval,
            budget: FAILURES_WHILE_WATCHING,
        }
    }

    /// The pace before and during the trigger.
    pub(crate) const fn of_trigger(poll_interval: Duration) -> Self {
        Self {
            poll_interval,
            budget: FAILURES_BEFORE_TRIGGER,
        }
    }

    /// The pause while all is well.
    pub(crate) const fn between_looks(&self) -> Duration {
        self.poll_interval
    }

    /// The pause before looking again at a group that is over but not at rest; none when that was enough.
    pub(crate) fn while_settling(&self, looks: u32) -> Option<Duration> {
        (looks < LOOKS_TO_SETTLE).then(|| doubled(looks).min(self.poll_interval))
    }

    /// The pause after consecutive failures; none when the budget is spent.
    ///
    /// `jitter` from 0 to 1 shortens the pause by up to half, so that a matrix of jobs does not
    /// come back in step. Sofy's `Retry-After` is a lower bound.
    pub(crate) fn after_failure(
        &self,
        failures: u32,
        retry_after: Option<Duration>,
        jitter: f64,
    ) -> Option<Duration> {
        if failures >= self.budget {
            return None;
        }
        let longest = (self.poll_interval * 2).min(LONGEST_BACKOFF);
        let backoff = doubled(failures.saturating_sub(1)).min(longest);
        Some(
            backoff
                .mul_f64(1.0 - jitter / 2.0)
                .max(retry_after.unwrap_or_default()),
        )
    }
}

fn doubled(times: u32) -> Duration {
    FIRST.saturating_mul(1_u32.checked_shl(times).unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn the_backoff_grows_to_twice_the_poll_interval_and_ends() {
        let pace = Pace::of_watch(15 * SECOND);

        let pauses: Vec<u64> = (1..)
            .map_while(|failures| pace.after_failure(failures, None, 0.0))
            .map(|pause| pause.as_secs())
            .collect();

        assert_eq!(pauses[..7], [1, 2, 4, 8, 16, 30, 30]);
        assert_eq!(pauses.len(), 19);
    }

    #[test]
    fn retry_after_is_a_lower_bound_and_jitter_halves_at_most() {
        let pace = Pace::of_watch(15 * SECOND);

        assert_eq!(
            pace.after_failure(1, Some(40 * SECOND), 0.9),
            Some(40 * SECOND)
        );
        assert_eq!(pace.after_failure(2, None, 1.0), Some(SECOND));
    }

    #[test]
    fn settling_is_quick_at_first_and_bounded() {
        let pace = Pace::of_watch(15 * SECOND);

        let pauses: Vec<u64> = (0..)
            .map_while(|looks| pace.while_settling(looks))
            .map(|pause| pause.as_secs())
            .collect();

        assert_eq!(pauses, [1, 2, 4, 8, 15, 15, 15, 15]);
    }
}
