//! How far is a transfer, and is it stuck? Pure: takes bytes and times, gives lines for the log.

use std::time::Duration;

use crate::text::{bytes, span};

/// Seldom enough for the log, often enough to show life.
const HEARTBEAT: Duration = Duration::from_secs(15);

/// Longer than a line's bad moment; a connection that nothing goes over is as good as cut.
const STUCK: Duration = Duration::from_secs(60);

/// What Sofy may take to read a large file before it answers; a gateway gives up sooner.
const NO_ANSWER: Duration = Duration::from_secs(5 * 60);

/// A transfer as its watcher knows it.
#[derive(Debug)]
pub(crate) struct Transfer {
    size: u64,
    sent: u64,
    moved_at: Duration,
    said_tenth: u64,
    said_at: Duration,
}

/// What there is to say about a transfer.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Progress {
    /// Nothing worth a line.
    Quiet,
    Line(String),
    /// Nothing moves any more.
    Stuck(String),
}

impl Transfer {
    pub(crate) const fn of(size: u64) -> Self {
        Self {
            size,
            sent: 0,
            moved_at: Duration::ZERO,
            said_tenth: 0,
            said_at: Duration::ZERO,
        }
    }

    /// Takes in how much is sent so far, and how long after the start.
    pub(crate) fn look(&mut self, sent: u64, elapsed: Duration) -> Progress {
        if sent > self.sent {
            self.sent = sent;
            self.moved_at = elapsed;
        }
        let quiet_for = elapsed.saturating_sub(self.moved_at);
        let all = sent >= self.size;
        if !all && quiet_for >= STUCK {
            let state = self.state(sent, elapsed);
            return Progress::Stuck(format!("nothing was taken for {}: {state}", span(STUCK)));
        }
        if all && quiet_for >= NO_ANSWER {
            return Progress::Stuck(format!(
                "the whole file was sent, and no answer came for {}",
                span(NO_ANSWER)
            ));
        }
        let tenth = self.share(sent) / 10;
        if tenth <= self.said_tenth && elapsed.saturating_sub(self.said_at) < HEARTBEAT {
            return Progress::Quiet;
        }
        self.said_tenth = tenth;
        self.said_at = elapsed;
        Progress::Line(self.state(sent, elapsed))
    }

    /// Says how much is sent, and how fast.
    pub(crate) fn state(&self, sent: u64, elapsed: Duration) -> String {
        let size = bytes(self.size);
        if sent >= self.size {
            return format!("all of {size} is sent; waiting for Sofy's answer");
        }
        let (done, share) = (bytes(sent), self.share(sent));
        let rate = bytes(per_second(sent, elapsed));
        format!("{done} of {size} ({share} %) at {rate}/s")
    }

    fn share(&self, sent: u64) -> u64 {
        let share = u128::from(sent) * 100 / u128::from(self.size.max(1));
        u64::try_from(share).unwrap_or(100)
    }
}

fn per_second(sent: u64, elapsed: Duration) -> u64 {
    let rate = u128::from(sent) * 1000 / elapsed.as_millis().max(1);
    u64::try_from(rate).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1024 * 1024;

    #[test]
    fn a_line_comes_with_each_tenth_or_after_a_while() {
        let mut transfer = Transfer::of(100 * MIB);
        for (sent, seconds, expected, why) in [
            (0, 1, None, "nothing yet"),
            (9 * MIB, 2, None, "less than a tenth"),
            (
                25 * MIB,
                5,
                Some("25.0 MiB of 100.0 MiB (25 %) at 5.0 MiB/s"),
                "two tenths at once",
            ),
            (26 * MIB, 8, None, "the same tenth"),
            (
                27 * MIB,
                20,
                Some("27.0 MiB of 100.0 MiB (27 %) at 1.3 MiB/s"),
                "a sign of life",
            ),
            (
                100 * MIB,
                40,
                Some("all of 100.0 MiB is sent; waiting for Sofy's answer"),
                "the end",
            ),
            (100 * MIB, 41, None, "said already"),
        ] {
            let look = transfer.look(sent, Duration::from_secs(seconds));

            let expected = expected.map_or(Progress::Quiet, |line| Progress::Line(line.to_owned()));
            assert_eq!(look, expected, "{why}");
        }
    }

    #[test]
    fn what_does_not_move_is_stuck_sooner_than_what_waits_for_an_answer() {
        for (sent, seconds, stuck, why) in [
            (0, 59, false, "a slow start"),
            (0, 60, true, "nothing was ever taken"),
            (50, 60, false, "moved just now"),
            (100, 299, false, "Sofy reads it"),
        ] {
            let look = Transfer::of(100).look(sent, Duration::from_secs(seconds));

            assert_eq!(matches!(look, Progress::Stuck(_)), stuck, "{why}");
        }
        let mut waits = Transfer::of(100);
        waits.look(100, Duration::from_secs(10));
        let look = waits.look(100, Duration::from_secs(309));
        assert!(matches!(look, Progress::Line(_)), "{look:?}");
        let look = waits.look(100, Duration::from_secs(310));
        assert!(matches!(look, Progress::Stuck(_)), "{look:?}");
    }
}
