//! Did the tests really pass? An observation and a policy become a verdict.
//!
//! Success is stated positively; everything else is red with its own reason. No I/O, no clock.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::test_run::{GroupStatus, Snapshot, Tally, TestStatus};
use crate::text::{count, span};

/// The final word, in GitHub's vocabulary.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Conclusion {
    Success,
    Failure,
    TimedOut,
    Cancelled,
    Error,
    Detached,
}

impl Conclusion {
    /// Spells the conclusion as the output of that name does.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Failure => "failure",
            Self::TimedOut => "timed_out",
            Self::Cancelled => "cancelled",
            Self::Error => "error",
            Self::Detached => "detached",
        }
    }

    /// The exit status of the step.
    pub(crate) const fn exit_status(self) -> u8 {
        match self {
            Self::Success | Self::Detached => 0,
            Self::Failure => 1,
            Self::Error => 2,
            Self::TimedOut => 3,
            Self::Cancelled => 130,
        }
    }

    /// Tells whether the step stays green.
    pub(crate) const fn is_green(self) -> bool {
        self.exit_status() == 0
    }
}

/// A conclusion and the sentence that justifies it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Verdict {
    pub(crate) conclusion: Conclusion,
    /// One line without a period at its end.
    pub(crate) reason: String,
    /// What the user does next; empty where nothing is to be done.
    pub(crate) advice: String,
    /// What was tolerated, a sentence for each kind.
    pub(crate) warnings: Vec<String>,
}

impl Verdict {
    /// States a verdict without advice or warnings.
    pub(crate) fn new(conclusion: Conclusion, reason: impl Into<String>) -> Self {
        Self {
            conclusion,
            reason: reason.into(),
            advice: String::new(),
            warnings: Vec::new(),
        }
    }

    /// Says what the user does next.
    pub(crate) fn advise(mut self, advice: impl Into<String>) -> Self {
        self.advice = advice.into();
        self
    }
}

/// Which final statuses fail the step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Policy {
    pub(crate) fail_on: BTreeSet<TestStatus>,
}

/// How the watch ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// Nothing in the snapshot can change any more.
    Settled,
    /// The group is over, its rows never came to rest within the bounded wait.
    Unsettled(Unrest),
    /// The deadline came first.
    Deadline(Duration),
    /// The runner sent this signal.
    Cancelled(&'static str),
    /// Sofy could not be asked any more; the sentence says why and what to do.
    LostContact { reason: String, advice: String },
}

/// Why a group that is over did not come to rest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unrest {
    /// Rows cannot be told from an earlier execution's.
    Indistinct,
    /// A test run still runs, or has a status we do not know.
    Unfinished,
    /// Test runs that were listed before are gone.
    Vanished { most: usize },
    /// The list kept growing.
    Growing,
    /// Sofy gives the group a status that we do not know.
    UnknownGroup,
}

/// What was seen, and how the watch ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Observation {
    pub(crate) snapshot: Option<Snapshot>,
    pub(crate) ending: Ending,
}

/// Decides what the observation means.
pub(crate) fn judge(seen: &Observation, policy: &Policy) -> Verdict {
    let snapshot = seen.snapshot.as_ref();
    match &seen.ending {
        Ending::Settled => snapshot.map_or_else(nothing_seen, |seen| settled(seen, policy)),
        Ending::Unsettled(unrest) => {
            snapshot.map_or_else(nothing_seen, |seen| unsettled(seen, *unrest))
        }
        Ending::Deadline(timeout) => Verdict::new(
            Conclusion::TimedOut,
            format!("the timeout of {} was reached; {}", span(*timeout), last_seen(snapshot)),
        )
        .advise("Look at the schedule in Sofy's portal; raise the input timeout if it only needs longer."),
        Ending::Cancelled(signal) => Verdict::new(
            Conclusion::Cancelled,
            format!("the workflow was cancelled ({signal}); {}", last_seen(snapshot)),
        )
        .advise("Nothing was judged. Run the job again for a result."),
        Ending::LostContact { reason, advice } => Verdict::new(
            Conclusion::Error,
            format!("{reason}; {}", last_seen(snapshot)),
        )
        .advise(advice.as_str()),
    }
}

fn nothing_seen() -> Verdict {
    Verdict::new(Conclusion::Error, "Sofy was never seen to answer")
        .advise("Run the job again; look at the schedule in Sofy's portal first.")
}

/// Says what the last look showed, for endings that are not about the tests.
fn last_seen(snapshot: Option<&Snapshot>) -> String {
    let Some(seen) = snapshot else {
        return "no test run was seen".to_owned();
    };
    let done = seen
        .test_runs
        .iter()
        .filter(|run| run.status.is_final())
        .count();
    let total = seen.test_runs.len();
    format!(
        "last seen: {done} of {} done, group status \"{}\"",
        count(total, "test run"),
        seen.group.verbatim
    )
}

fn settled(seen: &Snapshot, policy: &Policy) -> Verdict {
    let tally = Tally::of(&seen.test_runs);
    let failure = |reason: String| Verdict::new(Conclusion::Failure, reason);
    if seen.test_runs.is_empty() {
        return failure("the group is over and has no test runs".to_owned())
            .advise("Check in Sofy's portal that the schedule has scenarios and devices.");
    }
    let unwanted = by_status(seen, |status| {
        !status.is_final() || policy.fail_on.contains(status)
    });
    if !unwanted.is_empty() {
        return failure(not_passed(&unwanted, tally.total())).advise(
            "Open the test runs named below in Sofy's portal; a status that is not the app's fault is worth a new run.",
        );
    }
    let tolerated = by_status(seen, |status| *status != TestStatus::Passed);
    if tally.passed == 0 {
        return failure(format!(
            "nothing passed: {}",
            not_passed(&tolerated, tally.total())
        ))
        .advise("The input fail-on tolerates these statuses, but a gate needs at least one pass.");
    }
    if tolerated.is_empty() && seen.group.status != GroupStatus::Complete {
        return failure(format!(
            "every listed test run passed, but Sofy reports the group as \"{}\": it has errors that its list does not show",
            seen.group.verbatim
        ))
        .advise("Look at the group in Sofy's portal.");
    }
    let mut verdict = Verdict::new(
        Conclusion::Success,
        if tolerated.is_empty() {
            match tally.total() {
                1 => "the test run passed".to_owned(),
                n => format!("all {n} test runs passed"),
            }
        } else {
            format!(
                "{} of {} passed; the rest is tolerated by fail-on",
                tally.passed,
                count(tally.total(), "test run")
            )
        },
    );
    verdict.warnings = tolerated
        .iter()
        .map(|(status, n)| {
            format!(
                "{} ended as {status}; tolerated, since the input fail-on does not list it",
                count(*n, "test run")
            )
        })
        .collect();
    verdict
}

fn unsettled(seen: &Snapshot, unrest: Unrest) -> Verdict {
    let group = &seen.group.verbatim;
    let verdict = |reason: String| Verdict::new(Conclusion::Failure, reason);
    match unrest {
        Unrest::Indistinct => verdict(format!(
            "the group is \"{group}\", but {} cannot be told from an earlier execution's, so nothing is judged on them",
            count(seen.indistinct, "row")
        ))
        .advise("Look at the group in Sofy's portal. Two executions of one schedule at a time cause this: give the job a concurrency group, or use the schedule's GUID."),
        Unrest::Unfinished => {
            let unknown = by_status(seen, |status| matches!(status, TestStatus::Other(_)));
            if unknown.is_empty() {
                let running = by_status(seen, |status| !status.is_final());
                verdict(format!(
                    "the group is \"{group}\", but {} never finished",
                    count(running.values().sum(), "test run")
                ))
                .advise("Look at the group in Sofy's portal: a device may have been lost, or somebody else's execution of the schedule be listed.")
            } else {
                verdict(not_passed(&unknown, seen.test_runs.len()))
                    .advise("This action does not know the status, and never guesses that it means a pass. Please report it.")
            }
        }
        Unrest::Vanished { most } => verdict(format!(
            "the group is \"{group}\", but only {} of the {most} seen before are still listed",
            count(seen.test_runs.len(), "test run")
        ))
        .advise("Look at the group in Sofy's portal and run the job again."),
        Unrest::Growing => verdict(format!(
            "the group is \"{group}\", but its list of test runs kept changing"
        ))
        .advise("Look at the group in Sofy's portal and run the job again."),
        Unrest::UnknownGroup => verdict(format!(
            "Sofy reports the group as \"{group}\", which this action does not know"
        ))
        .advise("It never guesses that an unknown status means a pass. Please report it."),
    }
}

/// Counts the test runs whose status the predicate picks, worst first.
fn by_status(seen: &Snapshot, pick: impl Fn(&TestStatus) -> bool) -> BTreeMap<&TestStatus, usize> {
    let mut counts = BTreeMap::new();
    for run in seen.test_runs.iter().filter(|run| pick(&run.status)) {
        *counts.entry(&run.status).or_insert(0) += 1;
    }
    counts
}

fn not_passed(counts: &BTreeMap<&TestStatus, usize>, total: usize) -> String {
    let kinds = counts
        .iter()
        .map(|(status, n)| match status {
            TestStatus::Other(text) => format!("{n} of unknown status \"{text}\""),
            TestStatus::Running => format!("{n} never finished"),
            TestStatus::Passed
            | TestStatus::Failed
            | TestStatus::Incomplete
            | TestStatus::NotExecuted
            | TestStatus::Stopped => format!("{n} {status}"),
        })
        .collect::<Vec<_>>()
        .join(", ");
    format!(
        "{} of {} did not pass: {kinds}",
        counts.values().sum::<usize>(),
        count(total, "test run")
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_run::{Group, TestRun};

    fn seen(group: &str, statuses: &[&str], ending: Ending) -> Observation {
        let test_runs = statuses
            .iter()
            .map(|status| TestRun {
                scenario: "Log in".into(),
                device: "Pixel 8".into(),
                build: "1.0(1)".into(),
                status: TestStatus::parse(status),
                scheduled_at: String::new(),
            })
            .collect();
        Observation {
            snapshot: Some(Snapshot {
                schedule_name: String::new(),
                group: Group::parse(group),
                test_runs,
                indistinct: 0,
            }),
            ending,
        }
    }

    fn policy(fail_on: &[TestStatus]) -> Policy {
        Policy {
            fail_on: fail_on.iter().cloned().collect(),
        }
    }

    fn strict() -> Policy {
        policy(&[
            TestStatus::Failed,
            TestStatus::Incomplete,
            TestStatus::NotExecuted,
            TestStatus::Stopped,
        ])
    }

    #[test]
    fn the_table_of_the_contract_holds() {
        let lenient = policy(&[TestStatus::Failed]);
        for (group, statuses, policy, conclusion, words, why) in [
            (
                "Complete",
                &["Passed", "Passed"][..],
                strict(),
                Conclusion::Success,
                "all 2 test runs passed",
                "the one way to be green without warnings",
            ),
            (
                "Complete",
                &["Passed", "Failed"],
                strict(),
                Conclusion::Failure,
                "1 Failed",
                "a listed status fails",
            ),
            (
                "Complete with errors",
                &["Passed", "Stopped"],
                strict(),
                Conclusion::Failure,
                "1 Stopped",
                "whatever the group says",
            ),
            (
                "Complete with errors",
                &["Passed", "Stopped"],
                lenient.clone(),
                Conclusion::Success,
                "1 of 2",
                "tolerated, with a warning",
            ),
            (
                "Complete",
                &["Stopped", "Incomplete"],
                lenient.clone(),
                Conclusion::Failure,
                "nothing passed",
                "tolerance needs one pass",
            ),
            (
                "Complete",
                &["Passed", "Weird"],
                lenient.clone(),
                Conclusion::Failure,
                "\"Weird\"",
                "an unknown status is quoted",
            ),
            (
                "Complete with errors",
                &["Passed"],
                strict(),
                Conclusion::Failure,
                "does not show",
                "Sofy knows of errors",
            ),
            (
                "Complete",
                &[],
                strict(),
                Conclusion::Failure,
                "no test runs",
                "nothing ran",
            ),
            (
                "Complete",
                &["Passed", "Running"],
                lenient,
                Conclusion::Failure,
                "never finished",
                "cannot be tolerated away",
            ),
        ] {
            let verdict = judge(&seen(group, statuses, Ending::Settled), &policy);

            assert_eq!(verdict.conclusion, conclusion, "{why}: {verdict:?}");
            assert!(verdict.reason.contains(words), "{why}: {verdict:?}");
        }
    }

    #[test]
    fn each_tolerated_kind_is_a_warning_of_its_own() {
        let seen = seen(
            "Complete with errors",
            &["Passed", "Stopped", "Stopped", "Incomplete"],
            Ending::Settled,
        );

        let verdict = judge(&seen, &policy(&[TestStatus::Failed]));

        assert_eq!(verdict.conclusion, Conclusion::Success);
        assert_eq!(verdict.warnings.len(), 2);
        assert!(verdict.warnings[1].starts_with("2 test runs ended as Stopped"));
    }

    #[test]
    fn no_other_ending_is_ever_green_even_if_every_row_passed() {
        for (ending, conclusion, why) in [
            (
                Ending::Unsettled(Unrest::Indistinct),
                Conclusion::Failure,
                "perhaps yesterday's rows",
            ),
            (
                Ending::Unsettled(Unrest::Unfinished),
                Conclusion::Failure,
                "a row never finished",
            ),
            (
                Ending::Unsettled(Unrest::Vanished { most: 3 }),
                Conclusion::Failure,
                "rows went missing",
            ),
            (
                Ending::Unsettled(Unrest::Growing),
                Conclusion::Failure,
                "more may come",
            ),
            (
                Ending::Unsettled(Unrest::UnknownGroup),
                Conclusion::Failure,
                "an unknown word",
            ),
            (
                Ending::Deadline(Duration::from_secs(60)),
                Conclusion::TimedOut,
                "the deadline",
            ),
            (
                Ending::Cancelled("SIGINT"),
                Conclusion::Cancelled,
                "the signal",
            ),
            (
                Ending::LostContact {
                    reason: "gone".into(),
                    advice: String::new(),
                },
                Conclusion::Error,
                "no judgement",
            ),
        ] {
            let verdict = judge(&seen("Complete", &["Passed"], ending), &strict());

            assert_eq!(verdict.conclusion, conclusion, "{why}");
            assert!(!verdict.reason.is_empty(), "{why}");
        }
    }
}
