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
#[derive(Debug, Default)]
pub(crate) struct Transfer {
    size: u64,
    sent: u64,
    moved_at: Duration,
    said_tenth: u64,
    said_at: Duration,
}

impl Transfer {
    pub(crate) fn of(size: u64) -> Self {
        Self {
            size,
            ..Self::default()
        }
    }

    /// Takes in how much is sent so far, and how long after the start; gives a line for the log, if it is time for one.
    ///
    /// # Errors
    ///
    /// The transfer is stuck.
    pub(crate) fn update(&mut self, sent: u64, after: Duration) -> Result<Option<String>, String> {
        if sent > self.sent {
            (self.sent, self.moved_at) = (sent, after);
        }
        let is_sent = self.sent >= self.size;
        let patience = if is_sent { NO_ANSWER } else { STUCK };
        if after.saturating_sub(self.moved_at) >= patience {
            let state = self.state(after);
            return Err(format!("Nothing happened for {}: {state}", span(patience)));
        }
        let tenth = self.sent.saturating_mul(10) / self.size.max(1);
        if tenth <= self.said_tenth && after.saturating_sub(self.said_at) < HEARTBEAT {
            return Ok(None);
        }
        (self.said_tenth, self.said_at) = (tenth, after);
        Ok(Some(self.state(after)))
    }

    /// Says how much is sent, and how fast.
    pub(crate) fn state(&self, elapsed: Duration) -> String {
        let size = bytes(self.size);
        if self.sent >= self.size {
            return format!("all of {size} is sent; waiting for Sofy's answer");
        }
        let percent = self.sent.saturating_mul(100) / self.size.max(1);
        let rate = self.sent as f64 / elapsed.as_secs_f64().max(0.001);
        let (sent, rate) = (bytes(self.sent), bytes(rate as u64));
        format!("{sent} of {size} ({percent} %) at {rate}/s")
    }
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
            let line = transfer.update(sent, Duration::from_secs(seconds));

            assert_eq!(line, Ok(expected.map(str::to_owned)), "{why}");
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
            let line = Transfer::of(100).update(sent, Duration::from_secs(seconds));

            assert_eq!(line.is_err(), stuck, "{why}");
        }
        let mut waits = Transfer::of(100);
        for (seconds, stuck, why) in [
            (10, false, "all is sent"),
            (309, false, "Sofy reads it"),
            (310, true, "no answer comes"),
        ] {
            let line = waits.update(100, Duration::from_secs(seconds));

            assert_eq!(line.is_err(), stuck, "{why}: {line:?}");
        }
    }
}
