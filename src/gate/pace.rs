//! When to look next, and how long to be patient? Pure: takes counts and times, gives pauses.

use std::time::Duration;

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
