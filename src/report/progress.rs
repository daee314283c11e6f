//! What is worth a line in the log? Each failure by name, each change, and a sign of life after a while without one.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::model::test_run::{Slot, Snapshot, Tally, TestStatus};
use crate::text::{count, span};

/// Often enough to show life, seldom enough to keep the log readable over an hour.
const HEARTBEAT: Duration = Duration::from_secs(5 * 60);

/// Enough to see what is wrong while the run is going; the list at the end has all of them.
const MOST_NAMED: usize = 20;

/// What the log has said so far.
#[derive(Debug, Default)]
pub(crate) struct Progress {
    state: String,
    said_at: Duration,
    failures: BTreeSet<(Slot, TestStatus)>,
}

impl Progress {
    /// Gives the lines for what a poll shows; `purpose` says what is being waited for if the group has finished.
    pub(crate) fn lines(
        &mut self,
        seen: &Snapshot,
        purpose: Option<&str>,
        elapsed: Duration,
    ) -> Vec<String> {
        let mut lines = self.failures(seen);
        let state = state(seen, purpose);
        if state != self.state {
            lines.push(state.clone());
        } else if elapsed.saturating_sub(self.said_at) >= HEARTBEAT {
            lines.push(format!("after {}: {state}", span(elapsed)));
        } else {
            return lines;
        }
        (self.state, self.said_at) = (state, elapsed);
        lines
    }

    /// A line for each failure that was not seen before, the first few of them by name.
    fn failures(&mut self, seen: &Snapshot) -> Vec<String> {
        let mut lines = Vec::new();
        for run in seen.test_runs.iter().filter(|run| run.status.is_failure()) {
            let named = self.failures.len();
            if named <= MOST_NAMED && self.failures.insert((run.slot(), run.status.clone())) {
                lines.push(match named {
                    MOST_NAMED => "more did not pass; all are named at the end".to_owned(),
                    _ => format!("{}: {} on {}", word(&run.status), run.scenario, run.device),
                });
            }
        }
        lines
    }
}

fn state(seen: &Snapshot, purpose: Option<&str>) -> String {
    let tally = Tally::of(&seen.test_runs);
    let total = tally.total();
    let is_said = |status: &TestStatus| purpose.is_some() || *status != TestStatus::Running;
    let mut counts: Vec<(&TestStatus, usize)> = tally.only(is_said).iter().collect();
    // The rest stays worst first.
    counts.sort_by_key(|(status, _)| **status != TestStatus::Passed);
    let counts = counts.iter();
    let counts = counts.map(|(status, n)| format!("{n} {}", word(status)));
    let counts = counts.collect::<Vec<_>>().join(", ");
    let done = tally.count(TestStatus::is_final);
    let done = format!("{done} of {} done", count(total, "test run"));
    let group = &seen.group.verbatim;
    let mut state = match (purpose, total) {
        (Some(purpose), 0) => format!("finished without test runs; {purpose}"),
        (Some(purpose), _) => format!("finished: {counts}; {purpose}"),
        (None, 0) => format!("no test runs listed yet (group {group})"),
        (None, _) if counts.is_empty() => format!("{done} (group {group})"),
        (None, _) => format!("{done}: {counts} (group {group})"),
    };
    if let Some(ambiguous) = seen.ambiguous {
        let rows = count(ambiguous.rows, "test run");
        state += &format!("; not counted: {rows} that may belong to another run");
    }
    state
}

fn word(status: &TestStatus) -> String {
    match status {
        TestStatus::Other(_) => status.after_a_number(),
        known => known.to_string().to_lowercase(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::test_run::{AmbiguityReason, Ambiguous, Completeness, Group};
    use crate::tests::fixtures::{test_run, test_runs};

    fn seen(group: &str, statuses: &[&str]) -> Snapshot {
        Snapshot {
            schedule_name: String::new(),
            group: Group::parse(group),
            test_runs: test_runs(statuses),
            ambiguous: None,
            completeness: Completeness::default(),
        }
    }

    #[test]
    fn each_state_is_one_line() {
        let checking = Some("checking for 7s that nothing changes");
        for (group, statuses, purpose, line) in [
            (
                "Queued",
                &[][..],
                None,
                "no test runs listed yet (group Queued)",
            ),
            (
                "Running",
                &["Running"],
                None,
                "0 of 1 test run done (group Running)",
            ),
            (
                "Running",
                &["Running", "Failed", "Passed", "Odd", "Not Executed"],
                None,
                "3 of 5 test runs done: 1 passed, 1 failed, 1 not executed, 1 of unknown status \"Odd\" \
                 (group Running)",
            ),
            (
                "Complete",
                &["Passed", "Passed", "Passed", "Passed", "Failed"],
                checking,
                "finished: 4 passed, 1 failed; checking for 7s that nothing changes",
            ),
            (
                "Complete",
                &["Passed", "Running"],
                Some("waiting up to 75s for the unfinished ones"),
                "finished: 1 passed, 1 running; waiting up to 75s for the unfinished ones",
            ),
            (
                "Complete",
                &[],
                Some("waiting"),
                "finished without test runs; waiting",
            ),
        ] {
            assert_eq!(state(&seen(group, statuses), purpose), line);
        }
        let doubted = Snapshot {
            ambiguous: Some(Ambiguous {
                rows: 2,
                doubt: AmbiguityReason::EarlierExecution,
            }),
            ..seen("Running", &["Passed"])
        };
        assert_eq!(
            state(&doubted, None),
            "1 of 1 test run done: 1 passed (group Running); not counted: 2 test runs that may belong to another run"
        );
    }

    #[test]
    fn one_line_a_change_and_a_heartbeat() {
        let mut progress = Progress::default();
        let mut line = |statuses: &[&str], at| {
            let seen = seen("Running", statuses);
            progress.lines(&seen, None, Duration::from_secs(at)).pop()
        };

        let first = line(&["Running", "Passed"], 200);
        assert!(first.is_some());
        assert_eq!(line(&["Running", "Passed"], 215), None);
        let changed = line(&["Failed", "Passed"], 230);
        assert_ne!(changed, first);
        assert_eq!(line(&["Failed", "Passed"], 529), None);
        assert_eq!(
            line(&["Failed", "Passed"], 530),
            changed.map(|line| format!("after 8m50s: {line}"))
        );
        assert_eq!(line(&["Failed", "Passed"], 540), None);
    }

    #[test]
    fn each_failure_is_named_once_as_soon_as_it_is_seen() {
        let mut progress = Progress::default();
        let mut running = seen("Running", &["Passed", "Running", "Odd"]);
        assert!(progress.failures(&running).is_empty());

        running
            .test_runs
            .push(test_run("Check out as guest", "Galaxy S24", "Failed"));
        running
            .test_runs
            .push(test_run("Log in", "Pixel 8", "Not Executed"));
        assert_eq!(
            progress.failures(&running),
            [
                "failed: Check out as guest on Galaxy S24",
                "not executed: Log in on Pixel 8"
            ]
        );
        assert!(progress.failures(&running).is_empty());

        let many = seen("Running", &vec!["Failed"; 50]);
        let lines = progress.failures(&many);
        assert_eq!(lines.len(), MOST_NAMED - 2 + 1);
        assert_eq!(
            lines.last().map(|line| &line[..22]),
            Some("more did not pass; all")
        );
        assert!(
            progress
                .failures(&seen("Running", &vec!["Stopped"; 50]))
                .is_empty()
        );
    }
}
