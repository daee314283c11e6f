//! Did the tests really pass? An observation and a policy become a verdict.
//!
//! Rules in the order of the contract; the first that fits decides. Success is what is left if none does. No I/O, no clock.

use std::time::Duration;

use crate::gate::failures::SeenFailure;
use crate::gate::settle::Blocker;
use crate::model::report::BuildCheck;
use crate::model::schedule::Origin;
use crate::model::test_run::{AmbiguityReason, GroupStatus, Snapshot, Tally, TestStatus};
use crate::model::verdict::{Conclusion, Outcome, Policy, Verdict};
use crate::sofy::{ApiError, ErrorKind};
use crate::stop::StopReason;
use crate::text::{count, list, span};

/// How the watch ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// Nothing in the snapshot can change any more.
    Settled,
    /// The group has finished, and this did not become clear within a bounded wait.
    Stuck(Blocker),
    /// The deadline or a signal came first.
    Stopped(StopReason),
    /// Sofy did not answer any more until the deadline.
    LostContact { timeout: Duration, error: ApiError },
    /// Sofy kept refusing to show the run.
    Refused(ApiError),
}

/// What was seen, and how the watch ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Observation {
    pub(crate) snapshot: Option<Snapshot>,
    /// Test runs that were seen as not passed and have disappeared or changed, or that are no longer listed.
    pub(crate) lost: Vec<SeenFailure>,
    /// Test runs that Sofy itself retried until they passed.
    pub(crate) retried: Vec<SeenFailure>,
    /// Whether an `app-hash` was asked for.
    pub(crate) asks_for_build: bool,
    /// Which build was tested; none if no hash was asked for, or nothing has settled.
    pub(crate) build_check: Option<BuildCheck>,
    pub(crate) origin: Origin,
    /// Whether the run is still going on Sofy and can be judged by a later step.
    pub(crate) still_running: bool,
    pub(crate) ending: Ending,
}

/// Decides what the observation means.
pub(crate) fn judge(seen: &Observation, policy: &Policy) -> Verdict {
    match &seen.ending {
        Ending::Settled | Ending::Stuck(_) => match &seen.snapshot {
            Some(snapshot) => judge_tests(seen, snapshot, policy),
            None => Verdict::new(Conclusion::Error, "Sofy never showed the run")
                .advise("Check the schedule in Sofy's portal, then run the job again."),
        },
        Ending::Stopped(reason) => {
            let advice = match reason {
                StopReason::Deadline(_) => {
                    Some("If the run just needs more time, raise `timeout`.")
                }
                StopReason::Signal(_) if seen.still_running => None,
                StopReason::Signal(_) => Some("Run the job again for a result."),
            };
            cut_short(seen, Verdict::stopped(*reason, &so_far(seen)), advice)
        }
        Ending::LostContact { timeout, error } => {
            let reason = format!(
                "Lost contact with Sofy until the {} timeout{}. Last error: {}",
                span(*timeout),
                so_far(seen),
                error.message
            );
            let advice = (!seen.still_running).then_some("Run the job again when Sofy answers.");
            cut_short(seen, Verdict::new(Conclusion::Error, reason), advice)
        }
        Ending::Refused(error) => {
            let reason = match (error.kind, &seen.snapshot) {
                (ErrorKind::NotFound, None) => error.message.clone(),
                _ => format!(
                    "Sofy denies access to the run{}: {}",
                    so_far(seen),
                    error.message
                ),
            };
            let verdict = Verdict::new(Conclusion::Error, reason);
            let mut verdict = cut_short(seen, verdict, Some(&error.advice));
            verdict.advice = verdict.advice.map(|advice| error.with_details(&advice));
            verdict
        }
    }
}

/// Adds what to do next to a verdict that is not about the tests.
fn cut_short(seen: &Observation, verdict: Verdict, advice: Option<&str>) -> Verdict {
    // With which inputs a later step judges it, the reports say.
    let attach = seen
        .still_running
        .then_some("The run is still going on Sofy.");
    verdict.advise(
        advice
            .into_iter()
            .chain(attach)
            .collect::<Vec<_>>()
            .join(" "),
    )
}

/// What the last poll showed, as the rest of a sentence.
fn so_far(seen: &Observation) -> String {
    let Some(snapshot) = &seen.snapshot else {
        return ", before any result was seen".to_owned();
    };
    let group = &snapshot.group.verbatim;
    let tally = Tally::of(&snapshot.test_runs);
    let done = tally.only(TestStatus::is_final);
    let bad = done.only(|status| *status != TestStatus::Passed);
    let bad = match bad.total() {
        0 => String::new(),
        _ => format!(", {bad}"),
    };
    match tally.total() {
        0 => format!(" with no test runs listed (group status \"{group}\")"),
        total => format!(
            " with {} of {} done{bad} (group status \"{group}\")",
            done.total(),
            count(total, "test run")
        ),
    }
}

/// What the rules compare.
struct Facts<'run> {
    seen: &'run Observation,
    snapshot: &'run Snapshot,
    tally: Tally<'run>,
    failing: Tally<'run>,
    tolerated: Tally<'run>,
    /// How many test runs passed, or are tolerated, that were listed later than this run's first ones.
    late_passes: usize,
    late_tolerated: usize,
}

/// The contract's table from its second row on, in its order. What no rule fits is a success.
const RULES: [fn(&Facts<'_>) -> Option<Verdict>; 12] = [
    ambiguous,
    unfinished,
    no_test_runs,
    wrong_build,
    failing,
    disappeared,
    unknown_group,
    unstable,
    incomplete_list,
    nothing_passed,
    perhaps_not_ours,
    hidden_errors,
];

fn judge_tests(seen: &Observation, snapshot: &Snapshot, policy: &Policy) -> Verdict {
    let tally = Tally::of(&snapshot.test_runs);
    let with = |outcome| tally.only(|status| policy.outcome(status) == outcome);
    let late = |outcome| {
        let late = snapshot.test_runs.iter().filter(|run| run.late);
        late.filter(|run| policy.outcome(&run.status) == outcome)
            .count()
    };
    let facts = Facts {
        seen,
        snapshot,
        failing: with(Outcome::Failing),
        tolerated: with(Outcome::Tolerated),
        late_passes: late(Outcome::Passed),
        late_tolerated: late(Outcome::Tolerated),
        tally,
    };
    let mut verdict = RULES
        .iter()
        .find_map(|rule| rule(&facts))
        .unwrap_or_else(|| success(&facts));
    verdict.warnings = warnings(&facts);
    verdict
}

fn failure(reason: impl Into<String>, advice: &str) -> Option<Verdict> {
    Some(Verdict::new(Conclusion::Failure, reason).advise(advice))
}

const LOOK_AND_RERUN: &str = "Check the group in Sofy's portal, then run the job again.";
const REPORT_UNKNOWN: &str = "An unknown status never counts as a pass. Check the run in Sofy's portal, and please \
     report the status so that it can be supported.";
/// What to do if another run's test runs may be among this run's.
const OVERLAP: &str = "Check the group in Sofy's portal. This happens when two runs of a schedule overlap. Give the job a \
     `concurrency` group, or use the schedule's GUID.";

fn ambiguous(facts: &Facts<'_>) -> Option<Verdict> {
    let ambiguous = facts.snapshot.ambiguous?;
    let rows = count(ambiguous.rows, "test run");
    let (why, advice) = match ambiguous.doubt {
        AmbiguityReason::EarlierExecution => (
            format!("Sofy lists {rows} that may belong to an earlier run"),
            OVERLAP,
        ),
        AmbiguityReason::LaterExecution => (
            format!(
                "Test runs of this run have disappeared, and Sofy lists {rows} that may belong to a later run"
            ),
            OVERLAP,
        ),
        AmbiguityReason::LostContact => (
            format!(
                "Sofy did not answer for over a minute before it listed this run's first test run, and {rows} may \
                 belong to another run"
            ),
            LOOK_AND_RERUN,
        ),
        AmbiguityReason::EarlierAttempt => (
            format!(
                "The run had already finished before this re-run attempt started, and {rows} may belong to another run"
            ),
            "Choose \"Re-run all jobs\" to trigger the schedule again.",
        ),
        AmbiguityReason::OtherGroup => (
            format!("Sofy lists {rows} of another group in this one"),
            "Check the group in Sofy's portal, and please report it.",
        ),
    };
    failure(format!("{why}, so no verdict is possible"), advice)
}

fn unfinished(facts: &Facts<'_>) -> Option<Verdict> {
    let unfinished = facts.tally.only(|status| !status.is_final());
    let unknown = unfinished.count(|status| *status != TestStatus::Running);
    let bad = facts
        .tally
        .only(|status| status.is_final() && *status != TestStatus::Passed);
    if unfinished.total() == 0 {
        return None;
    }
    let mut reason = format!(
        "Sofy reports \"{}\", but {} never finished ({unfinished})",
        facts.snapshot.group.verbatim,
        count(unfinished.total(), "test run")
    );
    if bad.total() > 0 {
        reason.push_str(&format!("; {bad}"));
    }
    failure(
        reason,
        if unknown > 0 {
            REPORT_UNKNOWN
        } else {
            "Check the group in Sofy's portal: a device may have been lost, or someone else may be running the \
             schedule too."
        },
    )
}

fn no_test_runs(facts: &Facts<'_>) -> Option<Verdict> {
    if facts.tally.total() > 0 {
        return None;
    }
    failure(
        "The run finished without a single test run",
        "Check in Sofy's portal that the schedule has scenarios and devices.",
    )
}

fn wrong_build(facts: &Facts<'_>) -> Option<Verdict> {
    let Some(BuildCheck::Wrong { asked_for, tested }) = &facts.seen.build_check else {
        return None;
    };
    failure(
        format!("The wrong build was tested: {tested} instead of {asked_for}"),
        "Pass the upload step's `app-hash`, and check in Sofy's portal that the schedule is not pinned to a build.",
    )
}

fn failing(facts: &Facts<'_>) -> Option<Verdict> {
    let (failing, tolerated) = (&facts.failing, &facts.tolerated);
    let (bad, total) = (failing.total() + tolerated.total(), facts.tally.total());
    if failing.total() == 0 {
        return None;
    }
    let reason = match total {
        1 => format!("The test run did not pass: {failing}"),
        _ => format!(
            "{bad} of {total} test runs did not pass: {failing}{}",
            and_tolerated(tolerated)
        ),
    };
    let failed = failing.count(|status| *status == TestStatus::Failed);
    failure(
        reason,
        if failed == 0 {
            "Nothing failed by its own result, so devices or a person may be the cause. Sofy's portal shows what \
             happened. Run the job again."
        } else if failed == failing.total() {
            "Open the test runs in Sofy's portal."
        } else {
            "In Sofy's portal, look at the Failed test runs first. Incomplete, Stopped and Not Executed are often \
             device problems that pass on a re-run."
        },
    )
}

fn and_tolerated(tolerated: &Tally<'_>) -> String {
    match tolerated.total() {
        0 => String::new(),
        1 => format!("; {tolerated} is tolerated"),
        _ => format!("; {tolerated} are tolerated"),
    }
}

fn disappeared(facts: &Facts<'_>) -> Option<Verdict> {
    let lost = &facts.seen.lost;
    if lost.is_empty() {
        return None;
    }
    let what = if lost.iter().any(|lost| lost.status.is_some()) {
        "Some of this run's test runs did not pass and have since disappeared or changed in Sofy's list"
    } else {
        "Some of this run's test runs have disappeared from Sofy's list"
    };
    failure(format!("{what} ({})", named(lost)), LOOK_AND_RERUN)
}

/// The most test runs that one sentence names.
const MOST_NAMED: usize = 5;

fn named(test_runs: &[SeenFailure]) -> String {
    let names = test_runs.iter().map(|run| match &run.status {
        Some(status) => format!("{} on {}: {status}", run.scenario, run.device),
        None => format!("{} on {}", run.scenario, run.device),
    });
    list(names, MOST_NAMED)
}

fn unknown_group(facts: &Facts<'_>) -> Option<Verdict> {
    let group = &facts.snapshot.group;
    if group.is_terminal() {
        return None;
    }
    failure(
        format!(
            "Sofy reports the unknown group status \"{}\"",
            group.verbatim
        ),
        REPORT_UNKNOWN,
    )
}

fn unstable(facts: &Facts<'_>) -> Option<Verdict> {
    match facts.seen.ending {
        Ending::Settled => None,
        Ending::Stuck(_) | Ending::Stopped(_) | Ending::LostContact { .. } | Ending::Refused(_) => {
            failure(
                format!(
                    "Sofy reports \"{}\", but its list of test runs kept changing",
                    facts.snapshot.group.verbatim
                ),
                LOOK_AND_RERUN,
            )
        }
    }
}

fn incomplete_list(facts: &Facts<'_>) -> Option<Verdict> {
    let sign = facts.snapshot.completeness.not_whole.as_ref()?;
    failure(
        format!("Sofy's list of test runs is incomplete: {sign}"),
        "Test runs that are not listed may have failed. Check the group in Sofy's portal, and please report it.",
    )
}

fn nothing_passed(facts: &Facts<'_>) -> Option<Verdict> {
    let [passed, ..] = facts.tally.columns();
    let tolerated = &facts.tolerated;
    if passed == 0 {
        return failure(
            format!("No test run passed ({tolerated}, tolerated)"),
            "At least one test run must pass, whatever `fail-on` says. Run the job again.",
        );
    }
    if passed > facts.late_passes {
        return None;
    }
    let also = match tolerated.total() {
        0 => String::new(),
        _ => format!(" ({tolerated}, tolerated)"),
    };
    failure(
        format!(
            "No test run passed for certain{also}: {} that passed were listed later and may belong to a later run",
            count(passed, "test run")
        ),
        OVERLAP,
    )
}

fn perhaps_not_ours(facts: &Facts<'_>) -> Option<Verdict> {
    let check = facts.seen.build_check.as_ref();
    let is_verified = check.is_some_and(BuildCheck::is_verified);
    if facts.seen.origin != Origin::Adopted || !facts.seen.asks_for_build || is_verified {
        return None;
    }
    failure(
        "Nothing failed, but Sofy's answer to the trigger was lost, so it is not certain that this is the run that \
         this step started",
        "Check the group in Sofy's portal. If it is the right one, run the job again with its ID as \
         `test-run-group-id`.",
    )
}

fn hidden_errors(facts: &Facts<'_>) -> Option<Verdict> {
    let (group, tolerated) = (&facts.snapshot.group, &facts.tolerated);
    if group.status == GroupStatus::Complete || tolerated.total() > facts.late_tolerated {
        return None;
    }
    if tolerated.total() == 0 {
        return failure(
            format!(
                "All listed test runs passed, but Sofy reports \"{}\", so some error is missing from its list",
                group.verbatim
            ),
            "Look for the error in Sofy's portal, or run the job again.",
        );
    }
    failure(
        format!(
            "Sofy reports \"{}\", and none of this run's own test runs explains it: {tolerated}, tolerated, came into \
             the list later and may belong to a later run",
            group.verbatim
        ),
        OVERLAP,
    )
}

fn success(facts: &Facts<'_>) -> Verdict {
    let [passed, ..] = facts.tally.columns();
    let reason = match (facts.tally.total(), facts.tolerated.total()) {
        (1, 0) => "The test run passed".to_owned(),
        (all, 0) => format!("All {all} test runs passed"),
        (all, _) => format!(
            "{passed} of {all} test runs passed{}",
            and_tolerated(&facts.tolerated)
        ),
    };
    Verdict::new(Conclusion::Success, reason)
}

/// What is odd about the run though it decides nothing.
fn warnings(facts: &Facts<'_>) -> Vec<String> {
    let retried = &facts.seen.retried;
    let mut warnings = Vec::new();
    if !retried.is_empty() {
        warnings.push(format!(
            "Sofy retried {}; the retry's result counts: {}",
            count(retried.len(), "test run"),
            named(retried)
        ));
    }
    if let Some(fetched) = facts.snapshot.completeness.fetched {
        warnings.push(format!(
            "Sofy says that it fetched {}, but lists only {}. Check that none is missing",
            count(fetched, "record"),
            count(facts.tally.total(), "test run")
        ));
    }
    warnings
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::model::test_run::{Ambiguous, Completeness, Group};
    use crate::tests::fixtures::test_runs;

    const MINUTE: Duration = Duration::from_secs(60);

    fn seen(group: &str, statuses: &[&str], ending: Ending) -> Observation {
        Observation {
            snapshot: Some(Snapshot {
                schedule_name: String::new(),
                group: Group::parse(group),
                test_runs: test_runs(statuses),
                ambiguous: None,
                completeness: Completeness::default(),
            }),
            lost: Vec::new(),
            retried: Vec::new(),
            asks_for_build: false,
            build_check: None,
            origin: Origin::Triggered,
            still_running: false,
            ending,
        }
    }

    fn settled(group: &str, statuses: &[&str]) -> Observation {
        seen(group, statuses, Ending::Settled)
    }

    fn failed() -> SeenFailure {
        SeenFailure {
            scenario: "Log in".into(),
            device: "Pixel 8".into(),
            status: Some(TestStatus::Failed),
        }
    }

    fn strict() -> Policy {
        Policy::default()
    }

    fn tolerating(statuses: &[&str]) -> Policy {
        Policy {
            tolerated: statuses
                .iter()
                .map(|status| TestStatus::parse(status))
                .collect(),
        }
    }

    #[test]
    fn each_row_of_the_contracts_table_has_its_conclusion_and_its_words() {
        let lenient = || tolerating(&["Incomplete", "Not Executed", "Stopped"]);
        for (group, statuses, policy, conclusion, reason) in [
            (
                "Complete",
                &["Passed", "Passed"][..],
                strict(),
                Conclusion::Success,
                "All 2 test runs passed",
            ),
            (
                "Complete",
                &["Passed"],
                strict(),
                Conclusion::Success,
                "The test run passed",
            ),
            (
                "Complete",
                &["Failed"],
                strict(),
                Conclusion::Failure,
                "The test run did not pass: 1 Failed",
            ),
            (
                "Complete with errors",
                &["Passed", "Failed", "Stopped", "Stopped"],
                strict(),
                Conclusion::Failure,
                "3 of 4 test runs did not pass: 1 Failed and 2 Stopped",
            ),
            (
                "Complete with errors",
                &["Passed", "Failed", "Stopped", "Stopped"],
                lenient(),
                Conclusion::Failure,
                "3 of 4 test runs did not pass: 1 Failed; 2 Stopped are tolerated",
            ),
            (
                "Complete with errors",
                &["Passed", "Stopped"],
                lenient(),
                Conclusion::Success,
                "1 of 2 test runs passed; 1 Stopped is tolerated",
            ),
            (
                "Complete",
                &["Stopped", "Incomplete"],
                lenient(),
                Conclusion::Failure,
                "No test run passed (1 Incomplete and 1 Stopped, tolerated)",
            ),
            (
                "Complete",
                &["Passed", "Weird"],
                lenient(),
                Conclusion::Failure,
                "Sofy reports \"Complete\", but 1 test run never finished (1 of unknown status \"Weird\")",
            ),
            (
                "Complete",
                &["Passed", "Running", "Failed"],
                lenient(),
                Conclusion::Failure,
                "Sofy reports \"Complete\", but 1 test run never finished (1 Running); 1 Failed",
            ),
            (
                "Complete with errors",
                &["Passed"],
                strict(),
                Conclusion::Failure,
                "All listed test runs passed, but Sofy reports \"Complete with errors\", so some error is missing from \
                 its list",
            ),
            (
                "Complete",
                &[],
                strict(),
                Conclusion::Failure,
                "The run finished without a single test run",
            ),
            (
                "Archived",
                &["Passed"],
                lenient(),
                Conclusion::Failure,
                "Sofy reports the unknown group status \"Archived\"",
            ),
        ] {
            let verdict = judge(&settled(group, statuses), &policy);

            assert_eq!(verdict.reason, reason);
            assert_eq!(verdict.conclusion, conclusion, "{reason}");
        }
    }

    /// Makes one more rule of the table fit.
    type Spoil = fn(&mut Observation);

    #[test]
    fn of_the_rules_that_fit_the_first_one_decides() {
        fn snapshot(seen: &mut Observation) -> &mut Snapshot {
            seen.snapshot.as_mut().expect("a snapshot")
        }
        // From the last rule to the first: each wins over all that came before it.
        let rules: [(Spoil, &str); 11] = [
            (
                |seen| snapshot(seen).group = Group::parse("Complete with errors"),
                "so some error is missing",
            ),
            (
                |seen| {
                    seen.origin = Origin::Adopted;
                    seen.asks_for_build = true;
                    seen.build_check = Some(BuildCheck::Unverified {
                        because: "no list".into(),
                    });
                },
                "it is not certain",
            ),
            (
                |seen| {
                    snapshot(seen)
                        .test_runs
                        .iter_mut()
                        .for_each(|run| run.late = true)
                },
                "No test run passed for certain",
            ),
            (
                |seen| snapshot(seen).completeness.not_whole = Some("1 of 5".into()),
                "list of test runs is incomplete: 1 of 5",
            ),
            (
                |seen| seen.ending = Ending::Stuck(Blocker::Changing),
                "kept changing",
            ),
            (
                |seen| snapshot(seen).group = Group::parse("Archived"),
                "unknown group status",
            ),
            (|seen| seen.lost = vec![failed()], "disappeared"),
            (
                |seen| snapshot(seen).test_runs.extend(test_runs(&["Failed"])),
                "did not pass",
            ),
            (
                |seen| {
                    seen.build_check = Some(BuildCheck::Wrong {
                        asked_for: "2.0".into(),
                        tested: "1.0".into(),
                    });
                },
                "The wrong build was tested: 1.0 instead of 2.0",
            ),
            (
                |seen| snapshot(seen).test_runs.extend(test_runs(&["Running"])),
                "never finished",
            ),
            (
                |seen| {
                    snapshot(seen).ambiguous = Some(Ambiguous {
                        rows: 2,
                        doubt: AmbiguityReason::EarlierExecution,
                    });
                },
                "Sofy lists 2 test runs that may belong to an earlier run, so no verdict is possible",
            ),
        ];
        let mut seen = settled("Complete", &["Passed"]);
        for (spoil, words) in rules {
            spoil(&mut seen);

            let verdict = judge(&seen, &strict());

            assert_eq!(verdict.conclusion, Conclusion::Failure, "{words}");
            assert!(verdict.reason.contains(words), "{words}: {verdict:?}");
        }
        for (ending, conclusion) in [
            (StopReason::Deadline(MINUTE), Conclusion::TimedOut),
            (StopReason::Signal("SIGINT"), Conclusion::Cancelled),
        ] {
            seen.ending = Ending::Stopped(ending);

            assert_eq!(judge(&seen, &strict()).conclusion, conclusion);
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
        assert!(
            !Verdict::default().conclusion.is_green(),
            "nobody has reached it"
        );
    }

    #[test]
    fn what_to_do_next_depends_on_what_went_wrong() {
        for (statuses, advice, why) in [
            (&["Failed"][..], "Open the test runs", "the app's own"),
            (
                &["Failed", "Incomplete"],
                "look at the Failed test runs first",
                "both",
            ),
            (
                &["Incomplete", "Stopped"],
                "Run the job again",
                "nothing failed",
            ),
            (&["Failed", "Weird"], "please report", "an unknown status"),
        ] {
            let verdict = judge(&settled("Complete", statuses), &strict());

            let text = verdict.advice.unwrap_or_default();
            assert!(text.contains(advice), "{why}: {text}");
        }
    }

    #[test]
    fn a_failure_that_has_disappeared_fails_and_one_that_sofy_retried_is_said() {
        let mut seen = settled("Complete", &["Passed"]);
        seen.retried = vec![failed()];

        let verdict = judge(&seen, &strict());
        assert_eq!(verdict.conclusion, Conclusion::Success);
        assert!(
            verdict.warnings[0].contains("Log in on Pixel 8: Failed"),
            "{verdict:?}"
        );

        seen.lost = vec![failed()];
        let verdict = judge(&seen, &strict());
        assert_eq!(verdict.conclusion, Conclusion::Failure);
        assert!(
            verdict.reason.contains("Log in on Pixel 8: Failed"),
            "{verdict:?}"
        );
    }

    #[test]
    fn more_records_than_test_runs_are_warned_of_and_fail_nothing() {
        let mut seen = settled("Complete", &["Passed"]);
        if let Some(snapshot) = &mut seen.snapshot {
            snapshot.completeness.fetched = Some(5);
        }

        let verdict = judge(&seen, &strict());

        assert_eq!(verdict.conclusion, Conclusion::Success);
        assert!(
            verdict.warnings[0].contains("fetched 5 records"),
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
        let another = || BuildCheck::Wrong {
            asked_for: "2.0".into(),
            tested: "1.0".into(),
        };
        let (named, adopted) = (Origin::Triggered, Origin::Adopted);
        let (success, failure) = (Conclusion::Success, Conclusion::Failure);
        for (asks, build_check, origin, conclusion, why) in [
            (false, None, named, success, "no hash was asked for"),
            (true, Some(verified()), named, success, "proven"),
            (
                true,
                Some(unverified()),
                named,
                success,
                "nothing speaks against it",
            ),
            (true, None, named, success, "nor does a list not read"),
            (true, Some(another()), named, failure, "another build"),
            (
                false,
                None,
                adopted,
                success,
                "adopted, and no hash to prove it by",
            ),
            (
                true,
                Some(verified()),
                adopted,
                success,
                "adopted and proven",
            ),
            (
                true,
                Some(unverified()),
                adopted,
                failure,
                "perhaps not this step's",
            ),
            (true, None, adopted, failure, "nothing has proven it"),
        ] {
            let mut seen = settled("Complete", &["Passed"]);
            seen.asks_for_build = asks;
            seen.build_check = build_check;
            seen.origin = origin;

            assert_eq!(judge(&seen, &strict()).conclusion, conclusion, "{why}");
        }
    }

    #[test]
    fn however_many_statuses_there_are_the_reason_stays_short() {
        let statuses: Vec<String> = (0..1_000).map(|n| format!("Odd {n}")).collect();
        let statuses: Vec<&str> = statuses.iter().map(String::as_str).collect();

        let reason = judge(&settled("Complete", &statuses), &strict()).reason;
        assert!(reason.ends_with("and 995 more)"), "{reason}");
        assert!(reason.len() < 300, "{reason}");

        let mut gone = settled("Complete", &["Passed"]);
        gone.lost = vec![failed(); 1_000];
        let reason = judge(&gone, &strict()).reason;
        assert!(reason.ends_with("and 995 more)"), "{reason}");
        assert!(reason.len() < 300, "{reason}");
    }

    #[test]
    fn an_ending_that_is_not_about_the_tests_says_how_far_they_were() {
        let error = || ApiError::new(ErrorKind::OutcomeUnknown, "502");
        let deadline = || Ending::Stopped(StopReason::Deadline(MINUTE));
        for (ending, statuses, reason) in [
            (
                deadline(),
                Some(&["Passed", "Failed", "Running"][..]),
                "Timed out after 1m with 2 of 3 test runs done, 1 Failed (group status \"Running\")",
            ),
            (
                deadline(),
                Some(&[]),
                "Timed out after 1m with no test runs listed (group status \"Running\")",
            ),
            (
                deadline(),
                None,
                "Timed out after 1m, before any result was seen",
            ),
            (
                Ending::Stopped(StopReason::Signal("SIGINT")),
                Some(&["Running"]),
                "The workflow was cancelled (SIGINT) with 0 of 1 test run done (group status \"Running\")",
            ),
            (
                Ending::LostContact {
                    timeout: MINUTE,
                    error: error(),
                },
                None,
                "Lost contact with Sofy until the 1m timeout, before any result was seen. Last error: 502",
            ),
            (
                Ending::Refused(ApiError::new(ErrorKind::NotFound, "no such group")),
                None,
                "no such group",
            ),
            (
                Ending::Refused(ApiError::new(ErrorKind::NotFound, "no such group")),
                Some(&["Passed", "Passed"]),
                "Sofy denies access to the run with 2 of 2 test runs done (group status \"Running\"): no such \
                 group",
            ),
            (
                Ending::Refused(ApiError::new(ErrorKind::Rejected, "403")),
                None,
                "Sofy denies access to the run, before any result was seen: 403",
            ),
        ] {
            let mut seen = seen("Running", statuses.unwrap_or_default(), ending);
            seen.snapshot = seen.snapshot.filter(|_| statuses.is_some());

            assert_eq!(judge(&seen, &strict()).reason, reason);
        }
    }

    #[test]
    fn a_run_that_is_still_going_is_not_to_be_triggered_again() {
        let lost = Ending::LostContact {
            timeout: MINUTE,
            error: ApiError::new(ErrorKind::OutcomeUnknown, "502"),
        };
        for ending in [
            Ending::Stopped(StopReason::Deadline(MINUTE)),
            Ending::Stopped(StopReason::Signal("SIGINT")),
            lost,
        ] {
            let mut seen = seen("Running", &["Running"], ending);
            seen.still_running = true;

            let advice = judge(&seen, &strict()).advice.unwrap_or_default();

            assert!(advice.contains("still going"), "{advice}");
            assert!(!advice.contains("Run the job again"), "{advice}");
        }
    }

    #[test]
    fn what_may_belong_to_another_run_speaks_against_a_run_and_never_for_it() {
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
                "it may be this run's, and it failed",
            ),
        ] {
            let mut seen = settled(group, statuses);
            if let Some(snapshot) = &mut seen.snapshot {
                for status in late {
                    let mut runs = snapshot.test_runs.iter_mut();
                    let run = runs.find(|run| !run.late && run.status == TestStatus::parse(status));
                    run.expect("a test run of the status").late = true;
                }
            }

            let verdict = judge(&seen, &policy);

            assert_eq!(verdict.conclusion, conclusion, "{why}: {verdict:?}");
        }
    }

    #[test]
    fn no_other_ending_succeeds_even_if_every_test_run_passed() {
        for (ending, conclusion, why) in [
            (
                Ending::Stuck(Blocker::Ambiguous),
                Conclusion::Failure,
                "perhaps an earlier run's",
            ),
            (
                Ending::Stuck(Blocker::Unfinished),
                Conclusion::Failure,
                "one never finished",
            ),
            (
                Ending::Stuck(Blocker::Missing),
                Conclusion::Failure,
                "some are missing",
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
                Ending::Stuck(Blocker::Empty),
                Conclusion::Failure,
                "nothing listed",
            ),
            (
                Ending::Stopped(StopReason::Deadline(MINUTE)),
                Conclusion::TimedOut,
                "the deadline",
            ),
            (
                Ending::Stopped(StopReason::Signal("SIGINT")),
                Conclusion::Cancelled,
                "the signal",
            ),
            (
                Ending::LostContact {
                    timeout: MINUTE,
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
        ] {
            let verdict = judge(&seen("Complete", &["Passed"], ending), &strict());

            assert_eq!(verdict.conclusion, conclusion, "{why}");
            assert!(!verdict.reason.is_empty(), "{why}");
            assert!(
                verdict.advice.is_some_and(|advice| !advice.is_empty()),
                "{why}"
            );
        }
    }
}
