//! What is worth a line in the log? A change, or a sign of life after a while without one.

use std::time::Duration;

use crate::model::test_run::{Snapshot, Tally, TestStatus};
use crate::text::{count, span};

/// Often enough to show life, seldom enough to keep the log readable over an hour.
const HEARTBEAT: Duration = Duration::from_secs(5 * 60);

/// What the log has said so far.
#[derive(Debug, Default)]
pub(crate) struct Progress {
    said: String,
    said_at: Duration,
}

impl Progress {
    /// Gives a line where the snapshot changed since the last one, or the heartbeat is due.
    pub(crate) fn line(
        &mut self,
        seen: &Snapshot,
        elapsed: Duration,
        next: Duration,
    ) -> Option<String> {
        let state = state(seen);
        if state == self.said && elapsed.saturating_sub(self.said_at) < HEARTBEAT {
            return None;
        }
        let line = format!(
            "after {}: {state}; next look in {}",
            span(elapsed),
            span(next)
        );
        self.said = state;
        self.said_at = elapsed;
        Some(line)
    }
}

fn state(seen: &Snapshot) -> String {
    let tally = Tally::of(&seen.test_runs);
    let done = tally.count(TestStatus::is_final);
    let [passed, failed, incomplete, not_executed, stopped, other] = tally.columns();
    let unknown = other - tally.count(|status| *status == TestStatus::Running);
    let counts = [
        (passed, "passed"),
        (failed, "failed"),
        (incomplete, "incomplete"),
        (not_executed, "not executed"),
        (stopped, "stopped"),
        (unknown, "of unknown status"),
    ];
    let mut line = format!(
        "group {}, {done} of {} done",
        seen.group.verbatim,
        count(tally.total(), "test run")
    );
    let counts: Vec<String> = counts
        .iter()
        .filter(|(n, _)| *n > 0)
        .map(|(n, word)| format!("{n} {word}"))
        .collect();
    if !counts.is_empty() {
        line.push_str(&format!(" ({})", counts.join(", ")));
    }
    if let Some(ambiguous) = seen.ambiguous {
        line.push_str(&format!(
            ", {} listed that may be another execution's",
            ambiguous.rows
        ));
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::test_run::Group;
    use crate::tests::fixtures::test_run;

    fn seen(statuses: &[&str]) -> Snapshot {
        Snapshot {
            schedule_name: String::new(),
            group: Group::parse("Running"),
            test_runs: statuses
                .iter()
                .map(|status| test_run("S", "D", status))
                .collect(),
            ambiguous: None,
            late: Vec::new(),
        }
    }

    #[test]
    fn one_line_a_change_and_a_heartbeat() {
        let mut progress = Progress::default();
        let mut line = |statuses: &[&str], at| {
            progress.line(
                &seen(statuses),
                Duration::from_secs(at),
                Duration::from_secs(15),
            )
        };

        assert_eq!(
            line(&["Running", "Passed"], 200).as_deref(),
            Some("after 3m20s: group Running, 1 of 2 test runs done (1 passed); next look in 15s")
        );
        assert_eq!(line(&["Running", "Passed"], 215), None);
        assert_eq!(
            line(&["Failed", "Passed", "Flaky"], 230).as_deref(),
            Some(
                "after 3m50s: group Running, 2 of 3 test runs done (1 passed, 1 failed, 1 of unknown \
                 status); next look in 15s"
            )
        );
        assert!(line(&["Failed", "Passed", "Flaky"], 530).is_some());
    }
}
