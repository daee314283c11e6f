//! Did the tests really pass? An observation and a policy become a verdict.
//!
//! Success is stated positively; everything else is red with its own reason. No I/O, no clock.

use crate::model::verdict::Conclusion;
use crate::model::verdict::Outcome;
use crate::model::verdict::Policy;
use crate::model::verdict::Verdict;
use std::collections::BTreeMap;
use std::time::Duration;

use crate::gate::settle::{Blocker, SeenFailure};
use crate::model::report::BuildCheck;
use crate::model::schedule::Origin;
use crate::model::test_run::{
    AmbiguityReason, Ambiguous, GroupStatus, Snapshot, Tally, TestStatus,
};
use crate::sofy::{ApiError, ErrorKind};
use crate::text::{count, span};

/// How the watch ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// Nothing in the snapshot can change any more.
    Settled,
    /// The group is over, and this did not become clear within a bounded wait.
    Stuck(Blocker),
    /// The deadline came first.
    Deadline(Duration),
    /// The runner sent this signal.
    Cancelled(&'static str),
    /// Sofy did not answer any more until the deadline.
    LostContact { timeout: Duration, error: ApiError },
    /// Sofy kept saying no to our questions.
    Refused(ApiError),
}

/// What was seen, and how the watch ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Observation {
    pub(crate) snapshot: Option<Snapshot>,
    /// Test runs that had not passed and are gone, or that are no longer listed.
    pub(crate) lost: Vec<SeenFailure>,
    /// Test runs that Sofy itself ran again until they passed.
    pub(crate) retried: Vec<SeenFailure>,
    /// Which build was tested; none where no hash was asked for.
    pub(crate) build_check: Option<BuildCheck>,
    pub(crate) origin: Origin,
    pub(crate) ending: Ending,
}

/// Decides what the observation means.
pub(crate) fn judge(seen: &Observation, policy: &Policy) -> Verdict {
    let snapshot = seen.snapshot.as_ref();
    let (conclusion, what, problem, advice) = match &seen.ending {
        Ending::Settled => {
            let mut verdict =
                snapshot.map_or_else(nothing_seen, |snapshot| settled(seen, snapshot, policy));
            verdict.warnings.extend(retried(&seen.retried));
            return verdict;
        }
        Ending::Stuck(obstacle) => {
            return snapshot.map_or_else(nothing_seen, |snapshot| stuck(seen, snapshot, *obstacle));
        }
        Ending::Deadline(timeout) => (
            Conclusion::TimedOut,
            format!("the timeout of {} was reached", span(*timeout)),
            "",
            "Raise the input timeout if the run only needs longer.",
        ),
        Ending::Cancelled(signal) => (
            Conclusion::Cancelled,
            format!("the workflow was cancelled ({signal})"),
            "",
            "Run the job again for a result.",
        ),
        Ending::LostContact { timeout, error } => (
            Conclusion::Error,
            format!(
                "Sofy could not be asked any more until the timeout of {}",
                span(*timeout)
            ),
            error.message.as_str(),
            "Run the job again when Sofy answers.",
        ),
        Ending::Refused(error) if snapshot.is_none() && error.kind == ErrorKind::NotFound => {
            return Verdict::new(Conclusion::Error, error.message.clone())
                .advise(error.advice.clone());
        }
        Ending::Refused(error) => (
            Conclusion::Error,
            "Sofy refuses to show the run".to_owned(),
            error.message.as_str(),
            error.advice.as_str(),
        ),
    };
    let mut reason = format!("{}{what}; {}", so_far(snapshot), last_seen(snapshot));
    if !problem.is_empty() {
        reason.push_str(&format!("; the last problem was: {problem}"));
    }
    Verdict::new(conclusion, reason).advise(advice)
}

fn nothing_seen() -> Verdict {
    Verdict::new(Conclusion::Error, "Sofy never showed the run")
        .advise("Look at the schedule in Sofy's portal, then run the job again.")
}

/// Says what had already failed, for endings that are not about the tests.
fn so_far(snapshot: Option<&Snapshot>) -> String {
    let bad = snapshot.map_or_else(BTreeMap::new, |seen| {
        by_status(seen, |status| {
            status.is_final() && *status != TestStatus::Passed
        })
    });
    if bad.is_empty() {
        return String::new();
    }
    format!("{} so far; ", kinds(&bad))
}

/// Says what the last look showed, for endings that are not about the tests.
fn last_seen(snapshot: Option<&Snapshot>) -> String {
    let Some(seen) = snapshot else {
        return "nothing of the run was seen".to_owned();
    };
    let group = &seen.group.verbatim;
    let done = seen
        .test_runs
        .iter()
        .filter(|run| run.status.is_final())
        .count();
    match seen.test_runs.len() {
        0 => format!("no test run was listed, and the group was \"{group}\""),
        total => format!(
            "{done} of {} were done, and the group was \"{group}\"",
            count(total, "test run")
        ),
    }
}

fn settled(seen: &Observation, snapshot: &Snapshot, policy: &Policy) -> Verdict {
    let tally = Tally::of(&snapshot.test_runs);
    if snapshot.test_runs.is_empty() {
        return failure("the group is over and has no test runs")
            .advise("Check in Sofy's portal that the schedule has scenarios and devices.");
    }
    if let Some(BuildCheck::Another { asked_for, tested }) = &seen.build_check {
        return failure(format!(
            "another build was tested: {tested}, and app-hash is that of {asked_for}"
        ))
        .advise(
            "Hand over the output app-hash of the step that uploaded the build, and see in Sofy's \
             portal that the schedule does not fix a build of its own.",
        );
    }
    let breaking = by_status(snapshot, |status| {
        matches!(
            policy.outcome(status),
            Outcome::Failing | Outcome::Unfinished
        )
    });
    let tolerated = by_status(snapshot, |status| {
        policy.outcome(status) == Outcome::Tolerated
    });
    if !breaking.is_empty() {
        return failure(not_passed(&breaking, &tolerated, tally.total()))
            .advise(about_the_tests(&breaking));
    }
    if !seen.lost.is_empty() {
        return lost(&seen.lost);
    }
    if tally.passed == 0 {
        return failure(format!(
            "nothing passed: {}, which fail-on tolerates",
            kinds(&tolerated)
        ))
        .advise("Run the job again: a gate needs at least one pass, whatever the input fail-on.");
    }
    let late = |bearing| {
        let late = snapshot.late.iter();
        late.filter(|status| policy.outcome(status) == bearing)
            .count()
    };
    if tally.passed == late(Outcome::Passed) {
        return failure(format!(
            "nothing passed for certain: {}, which fail-on tolerates; {} that were listed later \
             passed, and may be a later execution's",
            kinds(&tolerated),
            count(tally.passed, "test run")
        ))
        .advise(OVERLAP);
    }
    if seen.origin == Origin::Adopted
        && seen
            .build_check
            .as_ref()
            .is_some_and(|build_check| !build_check.is_verified())
    {
        return failure(
            "nothing in the group failed, but the answer to the trigger was lost, and nothing proves \
             that the group is ours",
        )
        .advise(
            "Look at the group in Sofy's portal. If it is ours, run the job again with its ID as the \
             input test-run-group-id.",
        );
    }
    if tolerated.is_empty() && snapshot.group.status != GroupStatus::Complete {
        return failure(format!(
            "every listed test run passed, but Sofy reports the group as \"{}\": it has errors \
             that its list does not show",
            snapshot.group.verbatim
        ))
        .advise("Look for the errors in Sofy's portal, or run the job again.");
    }
    let all_late = tolerated.values().sum::<usize>() == late(Outcome::Tolerated);
    if all_late && snapshot.group.status != GroupStatus::Complete {
        return failure(format!(
            "Sofy reports the group as \"{}\", and nothing that is ours for certain explains it: what \
             fail-on tolerates, {}, was listed later and may be a later execution's",
            snapshot.group.verbatim,
            kinds(&tolerated)
        ))
        .advise(OVERLAP);
    }
    Verdict::new(
        Conclusion::Success,
        if tolerated.is_empty() {
            match tally.total() {
                1 => "the test run passed".to_owned(),
                n => format!("all {n} test runs passed"),
            }
        } else {
            format!(
                "{} of {} passed; tolerated: {}",
                tally.passed,
                count(tally.total(), "test run"),
                kinds(&tolerated)
            )
        },
    )
}

/// Says what to do about test runs that did not pass.
fn about_the_tests(breaking: &BTreeMap<&TestStatus, usize>) -> &'static str {
    let any = |pick: fn(&TestStatus) -> bool| breaking.keys().any(|status| pick(status));
    let failed = any(|status| *status == TestStatus::Failed);
    if any(|status| !status.is_final()) {
        "Look at the test runs in Sofy's portal. This action never guesses that a status it does \
         not know means a pass; please report it."
    } else if !failed {
        "Run the job again: nothing failed by its own result, and the devices or a person may have \
         been the cause. Sofy's portal shows what happened."
    } else if breaking.len() == 1 {
        "Open the test runs below in Sofy's portal."
    } else {
        "Open the test runs below in Sofy's portal, those that failed first: the others may be a \
         matter of devices, and pass when the job is run again."
    }
}

/// Warns of test runs that Sofy ran again on its own.
fn retried(retried: &[SeenFailure]) -> Option<String> {
    (!retried.is_empty()).then(|| {
        format!(
            "Sofy itself ran {} again, and the second result counts: {}",
            count(retried.len(), "test run"),
            named(retried)
        )
    })
}

fn stuck(seen: &Observation, snapshot: &Snapshot, obstacle: Blocker) -> Verdict {
    let group = &snapshot.group.verbatim;
    match obstacle {
        Blocker::Ambiguous => ambiguous(group, snapshot.ambiguous),
        Blocker::Unfinished => unfinished(snapshot),
        Blocker::Missing => lost(&seen.lost),
        Blocker::Empty => failure(format!(
            "the group is \"{group}\", but its list of test runs kept changing and is empty"
        ))
        .advise("Look at the group in Sofy's portal, then run the job again."),
        Blocker::Changing => failure(format!(
            "the group is \"{group}\", but its list of test runs kept changing"
        ))
        .advise("Look at the group in Sofy's portal, then run the job again."),
        Blocker::UnknownGroup => failure(format!(
            "Sofy reports the group as \"{group}\", which this action does not know"
        ))
        .advise(
            "Look at the group in Sofy's portal. This action never guesses that a status it does not \
             know means a pass; please report it.",
        ),
    }
}

fn failure(reason: impl Into<String>) -> Verdict {
    Verdict::new(Conclusion::Failure, reason)
}

/// What to do where another execution's test runs may be among ours.
const OVERLAP: &str = "Look at the group in Sofy's portal. Two executions of one schedule at a time cause \
     this: give the job a concurrency group, or use the schedule's GUID.";

fn ambiguous(group: &str, ambiguous: Option<Ambiguous>) -> Verdict {
    let (rows, doubt) = ambiguous.map_or((0, AmbiguityReason::EarlierExecution), |ambiguous| {
        (ambiguous.rows, ambiguous.doubt)
    });
    let rows = count(rows, "test run");
    let (why, advice) = match doubt {
        AmbiguityReason::EarlierExecution => (
            format!("Sofy lists {rows} that may be an earlier execution's"),
            OVERLAP,
        ),
        AmbiguityReason::LaterExecution => (
            format!(
                "test runs of ours are gone, and Sofy lists {rows} that may be a later execution's"
            ),
            OVERLAP,
        ),
        AmbiguityReason::LostContact => (
            format!(
                "Sofy was silent for more than a minute before it listed a test run of ours, and \
                 {rows} may be another execution's"
            ),
            "Look at the group in Sofy's portal, then run the job again.",
        ),
        AmbiguityReason::EarlierAttempt => (
            format!(
                "it was over before this attempt of the workflow run began, and {rows} may be \
                 another execution's"
            ),
            "Choose \"Re-run all jobs\", so that the schedule is triggered anew.",
        ),
        AmbiguityReason::OtherGroup => (
            format!("Sofy lists {rows} of another group in it"),
            "Look at the group in Sofy's portal, and please report it.",
        ),
    };
    failure(format!(
        "the group is \"{group}\", but {why}, so nothing was judged"
    ))
    .advise(advice)
}

fn unfinished(snapshot: &Snapshot) -> Verdict {
    let bad = by_status(snapshot, |status| {
        !matches!(status, TestStatus::Passed | TestStatus::Running)
    });
    let running = snapshot
        .test_runs
        .iter()
        .filter(|run| run.status == TestStatus::Running)
        .count();
    let also = if bad.is_empty() {
        String::new()
    } else {
        format!("; {}", kinds(&bad))
    };
    failure(format!(
        "the group is \"{}\", but {} never finished{also}",
        snapshot.group.verbatim,
        count(running, "test run")
    ))
    .advise(
        "Look at the group in Sofy's portal: a device may have been lost, or somebody else may be \
         running the schedule too.",
    )
}

fn lost(lost: &[SeenFailure]) -> Verdict {
    let failed = lost.iter().any(|lost| lost.status.is_some());
    failure(if failed {
        format!(
            "{} did not pass, which Sofy's list does not show any more: {}",
            count(lost.len(), "test run"),
            named(lost)
        )
    } else {
        format!("Sofy listed {} before, and does not any more", named(lost))
    })
    .advise("Look at the group in Sofy's portal, then run the job again.")
}

/// The most test runs and statuses that one sentence names.
const MOST_NAMED: usize = 5;

fn named(lost: &[SeenFailure]) -> String {
    let mut names: Vec<String> = lost
        .iter()
        .take(MOST_NAMED)
        .map(|lost| match &lost.status {
            Some(status) => format!("{} on {} ({status})", lost.scenario, lost.device),
            None => format!("{} on {}", lost.scenario, lost.device),
        })
        .collect();
    if let Some(more @ 1..) = lost.len().checked_sub(MOST_NAMED) {
        names.push(format!("{more} more"));
    }
    names.join(", ")
}

/// Counts the test runs whose status the predicate picks, worst first.
fn by_status(seen: &Snapshot, pick: impl Fn(&TestStatus) -> bool) -> BTreeMap<&TestStatus, usize> {
    let mut counts = BTreeMap::new();
    for run in seen.test_runs.iter().filter(|run| pick(&run.status)) {
        *counts.entry(&run.status).or_insert(0) += 1;
    }
    counts
}

fn kinds(counts: &BTreeMap<&TestStatus, usize>) -> String {
    let mut kinds: Vec<String> = counts
        .iter()
        .take(MOST_NAMED)
        .map(|(status, n)| match status {
            TestStatus::Other(text) => format!("{n} of unknown status \"{text}\""),
            TestStatus::Running => format!("{n} never finished"),
            TestStatus::Passed
            | TestStatus::Failed
            | TestStatus::Incomplete
            | TestStatus::NotExecuted
            | TestStatus::Stopped => format!("{n} {status}"),
        })
        .collect();
    if counts.len() > MOST_NAMED {
        let more: usize = counts.values().skip(MOST_NAMED).sum();
        kinds.push(format!("{more} of other statuses"));
    }
    kinds.join(", ")
}

fn not_passed(
    breaking: &BTreeMap<&TestStatus, usize>,
    tolerated: &BTreeMap<&TestStatus, usize>,
    total: usize,
) -> String {
    let all: usize = breaking.values().chain(tolerated.values()).sum();
    let mut reason = format!(
        "{all} of {} did not pass: {}",
        count(total, "test run"),
        kinds(breaking)
    );
    if !tolerated.is_empty() {
        reason.push_str(&format!("; tolerated: {}", kinds(tolerated)));
    }
    reason
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::model::test_run::Group;
    use crate::tests::fixtures::test_runs;

    fn seen(group: &str, statuses: &[&str], ending: Ending) -> Observation {
        Observation {
            snapshot: Some(Snapshot {
                schedule_name: String::new(),
                group: Group::parse(group),
                test_runs: test_runs(statuses),
                ambiguous: None,
                late: Vec::new(),
            }),
            lost: Vec::new(),
            retried: Vec::new(),
            build_check: None,
            origin: Origin::Triggered,
            ending,
        }
    }

    fn failed() -> SeenFailure {
        SeenFailure {
            scenario: "Log in".into(),
            device: "Pixel 8".into(),
            status: Some(TestStatus::Failed),
        }
    }

    fn policy(fail_on: &[TestStatus]) -> Policy {
        let named = ["Failed", "Incomplete", "Not Executed", "Stopped"].map(TestStatus::parse);
        let tolerated = named.into_iter().filter(|status| !fail_on.contains(status));
        Policy {
            tolerated: tolerated.collect(),
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
    fn each_conclusion_has_its_word_and_its_exit_status() {
        for (conclusion, word, status) in [
            (Conclusion::Success, "success", 0),
            (Conclusion::Detached, "detached", 0),
            (Conclusion::Failure, "failure", 1),
            (Conclusion::Error, "error", 2),
            (Conclusion::TimedOut, "timed_out", 3),
            (Conclusion::Cancelled, "cancelled", 130),
        ] {
            assert_eq!(conclusion.as_str(), word);
            assert_eq!(conclusion.exit_status(), status, "{word}");
            assert_eq!(conclusion.is_green(), status == 0, "{word}");
        }
    }

    #[test]
    fn what_to_do_next_depends_on_what_went_wrong() {
        for (statuses, advice, why) in [
            (&["Failed"][..], "Open the test runs", "the app's own"),
            (&["Failed", "Incomplete"], "those that failed first", "both"),
            (
                &["Incomplete", "Stopped"],
                "Run the job again",
                "nothing failed",
            ),
            (
                &["Failed", "Weird"],
                "please report it",
                "an unknown status",
            ),
        ] {
            let verdict = judge(&seen("Complete", statuses, Ending::Settled), &strict());

            assert!(verdict.advice.contains(advice), "{why}: {}", verdict.advice);
        }
    }

    #[test]
    fn a_failure_that_is_gone_stays_red_and_one_that_sofy_ran_again_is_said() {
        let mut seen = seen("Complete", &["Passed"], Ending::Settled);
        seen.retried = vec![failed()];

        let verdict = judge(&seen, &strict());
        assert_eq!(verdict.conclusion, Conclusion::Success);
        assert!(
            verdict.warnings[0].contains("Log in on Pixel 8 (Failed)"),
            "{verdict:?}"
        );

        seen.lost = vec![failed()];
        let verdict = judge(&seen, &strict());
        assert_eq!(verdict.conclusion, Conclusion::Failure);
        assert!(
            verdict.reason.contains("Log in on Pixel 8 (Failed)"),
            "{verdict:?}"
        );
    }

    #[test]
    fn the_build_that_was_asked_for_has_to_be_the_one_that_was_tested() {
        let verified = || BuildCheck::Verified {
            build: "2.0".into(),
        };
        let unverified = || BuildCheck::Unverified {
            because: "the list failed".into(),
        };
        let another = || BuildCheck::Another {
            asked_for: "2.0".into(),
            tested: "1.0".into(),
        };
        let named = Origin::Triggered;
        for (build_check, origin, conclusion, why) in [
            (None, named, Conclusion::Success, "no hash was asked for"),
            (Some(verified()), named, Conclusion::Success, "proven"),
            (
                Some(unverified()),
                named,
                Conclusion::Success,
                "nothing is held against it",
            ),
            (Some(another()), named, Conclusion::Failure, "another build"),
            (
                None,
                Origin::Adopted,
                Conclusion::Success,
                "adopted, and no hash to prove it by",
            ),
            (
                Some(verified()),
                Origin::Adopted,
                Conclusion::Success,
                "adopted and proven",
            ),
            (
                Some(unverified()),
                Origin::Adopted,
                Conclusion::Failure,
                "adopted, perhaps not ours",
            ),
        ] {
            let mut seen = seen("Complete", &["Passed"], Ending::Settled);
            seen.build_check = build_check;
            seen.origin = origin;

            assert_eq!(judge(&seen, &strict()).conclusion, conclusion, "{why}");
        }
    }

    #[test]
    fn what_breaks_the_gate_and_what_is_tolerated_are_counted_apart() {
        for (statuses, fail_on, reason) in [
            (
                &["Passed", "Failed", "Stopped", "Stopped"][..],
                policy(&[TestStatus::Failed]),
                "3 of 4 test runs did not pass: 1 Failed; tolerated: 2 Stopped",
            ),
            (
                &["Passed", "Failed", "Stopped"],
                strict(),
                "2 of 3 test runs did not pass: 1 Failed, 1 Stopped",
            ),
        ] {
            let verdict = judge(&seen("Complete", statuses, Ending::Settled), &fail_on);

            assert_eq!(verdict.reason, reason);
        }
    }

    #[test]
    fn an_unknown_status_among_others_is_counted_with_them() {
        let statuses = ["Passed", "Weird", "Failed", "Stopped", "Failed"];
        let seen = seen("Complete", &statuses, Ending::Settled);

        let verdict = judge(&seen, &strict());

        assert_eq!(
            verdict.reason,
            "4 of 5 test runs did not pass: 2 Failed, 1 Stopped, 1 of unknown status \"Weird\""
        );
    }

    #[test]
    fn however_many_statuses_there_are_the_reason_stays_short() {
        let statuses: Vec<String> = (0..1_000).map(|n| format!("Odd {n}")).collect();
        let statuses: Vec<&str> = statuses.iter().map(String::as_str).collect();

        let verdict = judge(&seen("Complete", &statuses, Ending::Settled), &strict());

        assert!(
            verdict.reason.ends_with("995 of other statuses"),
            "{verdict:?}"
        );
        assert!(verdict.reason.len() < 300, "{verdict:?}");
        let all_named = judge(
            &seen("Complete", &statuses[..5], Ending::Settled),
            &strict(),
        );
        assert!(
            all_named.reason.ends_with("\"Odd 4\""),
            "none is left over: {all_named:?}"
        );

        let mut gone = seen("Complete", &["Passed"], Ending::Settled);
        gone.lost = vec![failed(); 1_000];
        let reason = judge(&gone, &strict()).reason;
        assert!(reason.ends_with("995 more"), "{reason}");
        assert!(reason.len() < 300, "{reason}");
    }

    #[test]
    fn what_failed_so_far_comes_first_in_an_ending_that_is_not_about_the_tests() {
        let statuses = ["Passed", "Failed", "Running"];
        let seen = seen(
            "Running",
            &statuses,
            Ending::Deadline(Duration::from_secs(60)),
        );

        let verdict = judge(&seen, &strict());

        assert_eq!(
            verdict.reason,
            "1 Failed so far; the timeout of 1m was reached; 2 of 3 test runs were done, and the \
             group was \"Running\""
        );
    }

    #[test]
    fn what_may_be_another_executions_speaks_against_a_run_and_never_for_it() {
        const COMPLETE: &str = "Complete";
        const WITH_ERRORS: &str = "Complete with errors";
        let policy = Policy {
            tolerated: BTreeSet::from([TestStatus::Stopped]),
        };
        for (group, statuses, late, conclusion, why) in [
            (
                WITH_ERRORS,
                &["Stopped", "Passed"][..],
                &["Passed"][..],
                Conclusion::Failure,
                "no other passed",
            ),
            (
                WITH_ERRORS,
                &["Stopped", "Passed", "Passed"],
                &["Passed"],
                Conclusion::Success,
                "another passed",
            ),
            (
                WITH_ERRORS,
                &["Passed", "Stopped"],
                &["Stopped"],
                Conclusion::Failure,
                "no other explains the errors",
            ),
            (
                WITH_ERRORS,
                &["Passed", "Stopped", "Stopped"],
                &["Stopped"],
                Conclusion::Success,
                "another explains them",
            ),
            (
                COMPLETE,
                &["Passed", "Stopped"],
                &["Stopped"],
                Conclusion::Success,
                "there are no errors to explain",
            ),
            (
                COMPLETE,
                &["Passed", "Failed"],
                &["Failed"],
                Conclusion::Failure,
                "it may be ours, and it failed",
            ),
        ] {
            let mut seen = seen(group, statuses, Ending::Settled);
            if let Some(snapshot) = &mut seen.snapshot {
                snapshot.late = late
                    .iter()
                    .map(|status| TestStatus::parse(status))
                    .collect();
            }

            let verdict = judge(&seen, &policy);

            assert_eq!(verdict.conclusion, conclusion, "{why}: {verdict:?}");
        }
    }

    #[test]
    fn only_a_group_that_was_never_listed_speaks_for_itself() {
        for (kind, rows, reason, why) in [
            (ErrorKind::NotFound, None, "no", "the message says it all"),
            (
                ErrorKind::Rejected,
                None,
                "Sofy refuses to show the run; nothing of the run was seen; the last problem was: no",
                "another refusal needs its context",
            ),
            (
                ErrorKind::NotFound,
                Some(&["Passed", "Passed"][..]),
                "Sofy refuses to show the run; 2 of 2 test runs were done, and the group was \
                 \"Running\"; the last problem was: no",
                "it was listed before",
            ),
        ] {
            let ending = Ending::Refused(ApiError::new(kind, "no"));
            let mut seen = seen("Running", rows.unwrap_or_default(), ending);
            seen.snapshot = seen.snapshot.filter(|_| rows.is_some());

            assert_eq!(judge(&seen, &strict()).reason, reason, "{why}");
        }
    }

    #[test]
    fn no_other_ending_is_ever_green_even_if_every_row_passed() {
        for (ending, conclusion, why) in [
            (
                Ending::Stuck(Blocker::Ambiguous),
                Conclusion::Failure,
                "perhaps yesterday's rows",
            ),
            (
                Ending::Stuck(Blocker::Unfinished),
                Conclusion::Failure,
                "a row never finished",
            ),
            (
                Ending::Stuck(Blocker::Missing),
                Conclusion::Failure,
                "rows went missing",
            ),
            (
                Ending::Stuck(Blocker::Changing),
                Conclusion::Failure,
                "more may come",
            ),
            (
                Ending::Stuck(Blocker::UnknownGroup),
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
                    timeout: Duration::from_secs(60),
                    error: ApiError::new(ErrorKind::OutcomeUnknown, "gone"),
                },
                Conclusion::Error,
                "no judgement",
            ),
            (
                Ending::Refused(ApiError::new(ErrorKind::Rejected, "no")),
                Conclusion::Error,
                "no judgement either",
            ),
            (
                Ending::Stuck(Blocker::Empty),
                Conclusion::Failure,
                "nothing listed",
            ),
        ] {
            let verdict = judge(&seen("Complete", &["Passed"], ending), &strict());

            assert_eq!(verdict.conclusion, conclusion, "{why}");
            assert!(!verdict.reason.is_empty(), "{why}");
        }
    }
}
