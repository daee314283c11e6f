//! What is worth a line in the log? Each change, each failure by name, and a sign of life after a while without one.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::model::test_run::{Snapshot, Tally, TestRun, TestStatus};
use crate::text::{count, span};

/// Often enough to show life, seldom enough to keep the log readable over an hour.
const HEARTBEAT: Duration = Duration::from_secs(5 * 60);

/// More names would hide what else the log says; the list at its end has all of them.
const MOST_NAMED: usize = 20;

/// What the log has said so far.
#[derive(Debug, Default)]
pub(crate) struct Progress {
    said: String,
    said_at: Duration,
    named: BTreeSet<String>,
}

impl Progress {
    /// Gives the lines that a poll is worth: new failures, and the state if it changed or the heartbeat is due.
    pub(crate) fn lines(
        &mut self,
        seen: &Snapshot,
        elapsed: Duration,
        next: Duration,
    ) -> Vec<String> {
        let mut lines = self.failures(&seen.test_runs);
        let state = state(seen);
        if state != self.said || elapsed.saturating_sub(self.said_at) >= HEARTBEAT {
            lines.push(if seen.test_runs.is_empty() && seen.ambiguous.is_none() {
                state.clone()
            } else if state.starts_with(FINISHED) {
                format!("{state}; checking for 7s that nothing changes")
            } else {
                format!(
                    "after {}: {state}; next poll in {}",
                    span(elapsed),
                    span(next)
                )
            });
            self.said = state;
            self.said_at = elapsed;
        }
        lines
    }

    /// Names what failed since the last poll.
    fn failures(&mut self, test_runs: &[TestRun]) -> Vec<String> {
        let mut lines = Vec::new();
        let failed = |run: &&TestRun| run.status.is_final() && run.status != TestStatus::Passed;
        for run in test_runs.iter().filter(failed) {
            if self.named.len() == MOST_NAMED {
                break;
            }
            let status = run.status.to_string().to_lowercase();
            let line = format!("{status}: {} on {}", run.scenario, run.device);
            if self.named.insert(line.clone()) {
                lines.push(line);
            }
        }
        lines
    }
}

const FINISHED: &str = "finished: ";

fn state(seen: &Snapshot) -> String {
    let group = &seen.group.verbatim;
    let total = seen.test_runs.len();
    let tally = Tally::of(&seen.test_runs);
    let done = tally.only(|status| *status != TestStatus::Running);
    let number = done.total();
    let counts = done.to_string().to_lowercase();
    let mut line = match (total, number) {
        (0, _) => format!("no test runs listed yet (group {group})"),
        (_, 0) => format!("0 of {} done (group {group})", count(total, "test run")),
        _ if number == total && seen.group.is_terminal() => format!("{FINISHED}{counts}"),
        _ => format!(
            "{number} of {} done: {counts} (group {group})",
            count(total, "test run")
        ),
    };
    if let Some(ambiguous) = seen.ambiguous {
        line.push_str(&format!(
            ", {} listed that may belong to another run",
            ambiguous.rows
        ));
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::test_run::Group;
    use crate::tests::fixtures::{test_run, test_runs};

    fn seen(group: &str, test_runs: Vec<TestRun>) -> Snapshot {
        Snapshot {
            schedule_name: String::new(),
            group: Group::parse(group),
            test_runs,
            ambiguous: None,
            late: Vec::new(),
        }
    }

    #[test]
    fn one_line_a_change_each_failure_by_name_and_a_heartbeat() {
        let mut progress = Progress::default();
        let mut lines = |group, statuses: &[&str], at| {
            let (at, next) = (Duration::from_secs(at), Duration::from_secs(15));
            progress.lines(&seen(group, test_runs(statuses)), at, next)
        };

        for (group, statuses, at, expected, why) in [
            (
                "Queued",
                &[][..],
                2,
                &["no test runs listed yet (group Queued)"][..],
                "nothing yet",
            ),
            (
                "Running",
                &["Running", "Passed"],
                200,
                &["after 3m20s: 1 of 2 test runs done: 1 passed (group Running); next poll in 15s"],
                "a change",
            ),
            ("Running", &["Running", "Passed"], 215, &[], "no change"),
            (
                "Running",
                &["Failed", "Passed", "Flaky"],
                230,
                &[
                    "failed: S0 on Pixel 8",
                    "after 3m50s: 3 of 3 test runs done: 1 failed, 1 of unknown status \"flaky\" and 1 passed (group Running); \
                     next poll in 15s",
                ],
                "a failure by name, and no name for what nobody knows",
            ),
            (
                "Running",
                &["Failed", "Passed", "Flaky"],
                530,
                &[
                    "after 8m50s: 3 of 3 test runs done: 1 failed, 1 of unknown status \"flaky\" and 1 passed (group Running); \
                     next poll in 15s",
                ],
                "a heartbeat, without the name",
            ),
            (
                "Complete",
                &["Failed", "Passed", "Not Executed"],
                540,
                &[
                    "not executed: S2 on Pixel 8",
                    "finished: 1 failed, 1 not executed and 1 passed; checking for 7s that nothing changes",
                ],
                "the end",
            ),
        ] {
            assert_eq!(lines(group, statuses, at), expected, "{why}");
        }
    }

    #[test]
    fn only_the_first_failures_are_named() {
        let failed = |n: usize| test_run(&format!("S{n}"), "Pixel 8", "Failed");
        let list = seen("Running", (0..99).map(failed).collect());
        let mut progress = Progress::default();

        let first = progress.lines(&list, Duration::ZERO, Duration::ZERO);
        let second = progress.lines(&list, Duration::ZERO, Duration::ZERO);

        assert_eq!(first.len(), MOST_NAMED + 1);
        assert_eq!(second, [""; 0]);
    }
}
