//! Did the tests really pass? An observation and a policy become a verdict.
//!
//! Rules in the order of the contract; the first that fits decides. Success is what is left if none does. No I/O, no clock.

use std::time::Duration;

use crate::gate::settle::Blocker;
use crate::model::test_run::{AmbiguityReason, GroupStatus, Snapshot, Tally, TestStatus};
use crate::model::verdict::{Conclusion, Outcome, Policy, Verdict};
use crate::model::{report::BuildCheck, schedule::Origin};
use crate::sofy::{ApiError, ErrorKind};
use crate::stop::StopReason;
use crate::text::{count, list, span};

/// How the watch ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// Nothing in the snapshot can change now.
    Settled,
    /// The group has finished, and this did not become clear within a bounded wait.
    Stuck(Blocker),
    /// The deadline or a signal came first.
    Stopped(StopReason),
    /// Sofy stopped answering until the deadline.
    LostContact { timeout: Duration, error: ApiError },
    /// Sofy kept refusing to show the run.
    Refused(ApiError),
}

/// What was seen, and how the watch ended. Test runs are named as people read them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Observation {
    pub(crate) snapshot: Option<Snapshot>,
    /// Test runs that were seen as not passed and have disappeared or changed, or that are no longer listed.
    pub(crate) lost: Vec<String>,
    /// Test runs that Sofy itself retried until they passed.
    pub(crate) retried: Vec<String>,
    /// From the first poll to the first sign of running; none if there was no such sign.
    pub(crate) queued: Option<Duration>,
    pub(crate) ending: Ending,
    pub(crate) origin: Origin,
    /// Which build was tested; none if no hash was asked for, or nothing has settled.
    pub(crate) build_check: Option<BuildCheck>,
    /// Whether the run is still going on Sofy and can be judged by a later step.
    pub(crate) still_running: bool,
}

/// Decides what the observation means.
pub(crate) fn judge(seen: &Observation, policy: &Policy) -> Verdict {
    if let (Ending::Settled | Ending::Stuck(_), Some(snapshot)) = (&seen.ending, &seen.snapshot) {
        return judge_tests(seen, snapshot, policy);
    }
    let so_far = so_far(seen);
    let no_judgement = |reason: &str| Verdict::new(Conclusion::Error, reason);
    // What became of the run, and with which inputs a later step judges it, the reports say.
    let later = seen.still_running.then_some(JUDGE_LATER);
    match &seen.ending {
        Ending::Settled | Ending::Stuck(_) => {
            no_judgement("Nothing was seen").advise(CHECK_AND_RERUN)
        }
        Ending::Stopped(reason) => Verdict::stopped(*reason, &so_far).advise(match reason {
            StopReason::Deadline(_) => "If the run just needs more time, raise `timeout`.",
            StopReason::Signal(_) => later.unwrap_or("Run the job again for a result."),
        }),
        Ending::LostContact { timeout, error } => {
            let (timeout, last) = (span(*timeout), &error.message);
            let lost = format!("Lost contact with Sofy until the {timeout} timeout{so_far}");
            let verdict = no_judgement(&format!("{lost}. Last error: {last}"));
            verdict.advise(later.unwrap_or(&error.advice))
        }
        Ending::Refused(error) => {
            let no = &error.message;
            let denied = format!("Sofy denies access to the run{so_far}: {no}");
            let is_unknown = error.kind == ErrorKind::NotFound && seen.snapshot.is_none();
            let verdict = no_judgement(if is_unknown { no } else { &denied });
            verdict.advise(error.with_details(&error.advice))
        }
    }
}

/// What the last poll showed, as the rest of a sentence.
fn so_far(seen: &Observation) -> String {
    let Some(snapshot) = &seen.snapshot else {
        return ", before any result was seen".to_owned();
    };
    let group = &snapshot.group.verbatim;
    let tally = Tally::of(&snapshot.test_runs);
    if tally.total() == 0 {
        return format!(" with no test runs listed (group status \"{group}\")");
    }
    let done = tally.count(TestStatus::is_final);
    let all = count(tally.total(), "test run");
    let bad = after(", ", &tally.only(TestStatus::is_failure));
    format!(" with {done} of {all} done{bad} (group status \"{group}\")")
}

/// Says a tally after some words; nothing if it is empty.
fn after(words: &str, tally: &Tally<'_>) -> String {
    match tally.total() {
        0 => String::new(),
        _ => format!("{words}{tally}"),
    }
}

/// What the rules compare.
struct Facts<'run> {
    seen: &'run Observation,
    snapshot: &'run Snapshot,
    policy: &'run Policy,
    tally: Tally<'run>,
    failing: Tally<'run>,
    tolerated: Tally<'run>,
}

/// Whether a row of the contract's table fits, the reason that it gives, and what to do then.
type Rule = (bool, String, &'static str);

fn judge_tests(seen: &Observation, snapshot: &Snapshot, policy: &Policy) -> Verdict {
    let tally = Tally::of(&snapshot.test_runs);
    let facts = Facts {
        seen,
        snapshot,
        policy,
        failing: tally.only(|status| policy.outcome(status) == Outcome::Failing),
        tolerated: tally.only(|status| policy.outcome(status) == Outcome::Tolerated),
        tally,
    };
    // The contract's table from its second row on, in its order. What no row fits is a success.
    let rows = [rows_3_to_5, rows_6_to_9, rows_10_to_12];
    let mut rules = rows.iter().flat_map(|rows| rows(&facts));
    let failure = not_attributed(snapshot)
        .or_else(|| rules.find_map(|(fits, reason, advice)| fits.then_some((reason, advice))));
    let mut verdict = match failure {
        Some((reason, advice)) => Verdict::new(Conclusion::Failure, reason).advise(advice),
        None => Verdict::new(Conclusion::Success, results(&facts)),
    };
    verdict.warnings = warnings(&facts);
    verdict
}

/// If the run is still going, a later step can judge it.
pub(super) const JUDGE_LATER: &str = "Judge it in a later step or job with `test-run-group-id`.";
pub(super) const IF_RIGHT: &str =
    "Check the group in Sofy's portal. If it is the right one, judge it with `test-run-group-id`.";
const CHECK_AND_RERUN: &str = "Check the group in Sofy's portal, then run the job again.";
const REPORT_UNKNOWN: &str = "An unknown status never counts as a pass. Check the run in Sofy's portal, and please \
     report the status so that it can be supported.";
/// What to do if another run's test runs may be among this run's.
const OVERLAP: &str = "Check the group in Sofy's portal. This happens when two runs of a schedule overlap. Give the job a \
     `concurrency` group, or use the schedule's GUID.";

/// Row 2: what may belong to another run is never judged.
fn not_attributed(snapshot: &Snapshot) -> Option<(String, &'static str)> {
    let ambiguous = snapshot.ambiguous?;
    let rows = count(ambiguous.rows, "test run");
    let (whose, advice) = match ambiguous.doubt {
        AmbiguityReason::EarlierExecution => ("that may belong to an earlier run", OVERLAP),
        AmbiguityReason::LaterExecution => ("that may belong to a later run", OVERLAP),
        AmbiguityReason::LostContact => (
            "that may belong to another run, because it did not answer for over a minute before the first of them",
            CHECK_AND_RERUN,
        ),
        AmbiguityReason::EarlierAttempt => (
            "that may belong to another run. The run had already finished before this re-run attempt started",
            "Choose \"Re-run all jobs\" to trigger the schedule again.",
        ),
        AmbiguityReason::OtherGroup => (
            "of another group in this one",
            "Check the group in Sofy's portal, and please report it.",
        ),
    };
    let reason = format!("Sofy lists {rows} {whose}, so no verdict is possible");
    Some((reason, advice))
}

/// Is there something to judge, and was the right build tested?
fn rows_3_to_5(facts: &Facts<'_>) -> Vec<Rule> {
    let unfinished = facts.tally.only(|status| !status.is_final());
    let unknown = unfinished.count(|status| *status != TestStatus::Running);
    let never_finished = format!(
        "Sofy reports \"{}\", but {} never finished ({unfinished}){}",
        facts.snapshot.group.verbatim,
        count(unfinished.total(), "test run"),
        after("; ", &facts.tally.only(TestStatus::is_failure))
    );
    let wrong = match &facts.seen.build_check {
        Some(BuildCheck::Wrong(builds)) => Some(builds.as_str()),
        Some(BuildCheck::Verified { .. } | BuildCheck::Unverified { .. }) | None => None,
    };
    vec![
        (unknown > 0, never_finished.clone(), REPORT_UNKNOWN),
        (
            unfinished.total() > 0,
            never_finished,
            "Check the group in Sofy's portal: perhaps a device was lost, or someone else also runs the schedule.",
        ),
        (
            facts.tally.total() == 0,
            "The run finished without a single test run".to_owned(),
            "Check in Sofy's portal that the schedule has scenarios and devices.",
        ),
        (
            wrong.is_some(),
            format!("The wrong build was tested: {}", wrong.unwrap_or_default()),
            "Pass the upload step's `app-hash`, and check in Sofy's portal that the schedule is not pinned to a build.",
        ),
    ]
}

/// Did everything pass, in all that was ever seen and in the whole list?
fn rows_6_to_9(facts: &Facts<'_>) -> Vec<Rule> {
    let (group, lost) = (&facts.snapshot.group, &facts.seen.lost);
    let (gone, lost) = (count(lost.len(), "test run"), list(lost));
    let (status, sign) = (&group.verbatim, &facts.snapshot.completeness.not_whole);
    let missing = sign.as_deref().unwrap_or_default();
    let failing = facts.failing.total();
    let failed = facts.failing.count(|status| *status == TestStatus::Failed);
    let advice = if failed == 0 {
        "Nothing failed by its own result, so devices or a person may be the cause. Sofy's portal shows what happened. \
         Run the job again."
    } else if failed == failing {
        "Open the test runs in Sofy's portal."
    } else {
        "In Sofy's portal, look at the Failed test runs first. Others are often device problems that pass on a re-run."
    };
    vec![
        (failing > 0, results(facts), advice),
        (
            !lost.is_empty(),
            format!("{gone} disappeared or changed in Sofy's list ({lost})"),
            CHECK_AND_RERUN,
        ),
        (
            !group.is_terminal(),
            format!("Sofy reports the unknown group status \"{status}\""),
            REPORT_UNKNOWN,
        ),
        (
            facts.seen.ending != Ending::Settled,
            format!("Sofy reports \"{status}\", but its list of test runs kept changing"),
            CHECK_AND_RERUN,
        ),
        (
            sign.is_some(),
            format!("Sofy's list of test runs is incomplete: {missing}"),
            "Test runs that are not listed may have failed. Check the group in Sofy's portal, and please report it.",
        ),
    ]
}

/// Does a pass of this very run explain the status of its group?
fn rows_10_to_12(facts: &Facts<'_>) -> Vec<Rule> {
    let (group, tolerated) = (&facts.snapshot.group, &facts.tolerated);
    let passed = facts.tally.count(|status| *status == TestStatus::Passed);
    let certain = Tally::of(facts.snapshot.test_runs.iter().filter(|run| !run.late));
    let has_certain = |outcome| certain.count(|status| facts.policy.outcome(status) == outcome) > 0;
    let check = facts.seen.build_check.as_ref();
    let is_unproven = check.is_some_and(|check| !check.is_verified());
    let has_errors = group.status != GroupStatus::Complete;
    let (group, runs) = (&group.verbatim, count(passed, "test run"));
    vec![
        (
            passed == 0,
            format!("No test run passed ({tolerated}, tolerated)"),
            "At least one test run must pass, whatever `fail-on` says. Run the job again.",
        ),
        (
            !has_certain(Outcome::Passed),
            format!("No test run passed for certain: {runs} that passed may belong to a later run"),
            OVERLAP,
        ),
        (
            facts.seen.origin == Origin::Adopted && is_unproven,
            "Sofy's answer to the trigger was lost, so this may not be this step's run".to_owned(),
            IF_RIGHT,
        ),
        (
            has_errors && tolerated.total() == 0,
            format!(
                "All listed test runs passed, but Sofy reports \"{group}\", so an error is missing from its list"
            ),
            "Look for the error in Sofy's portal, or run the job again.",
        ),
        (
            has_errors && !has_certain(Outcome::Tolerated),
            format!("Sofy reports \"{group}\"; the errors may belong to a later run ({tolerated})"),
            OVERLAP,
        ),
    ]
}

/// Says how many test runs passed, or did not.
fn results(facts: &Facts<'_>) -> String {
    let (failing, tolerated) = (&facts.failing, &facts.tolerated);
    let bad = failing.total() + tolerated.total();
    let also = after("; tolerated: ", tolerated);
    match (facts.tally.total(), failing.total()) {
        (1, 0) => "The test run passed".to_owned(),
        (1, _) => format!("The test run did not pass: {failing}"),
        (all, 0) if bad == 0 => format!("All {all} test runs passed"),
        (all, 0) => format!("{} of {all} test runs passed{also}", all - bad),
        (all, _) => format!("{bad} of {all} test runs did not pass: {failing}{also}"),
    }
}

/// What is odd about the run though it decides nothing.
fn warnings(facts: &Facts<'_>) -> Vec<String> {
    let (retried, runs) = (&facts.seen.retried, |n| count(n, "test run"));
    let again = (!retried.is_empty()).then(|| {
        let (retried, names) = (runs(retried.len()), list(retried));
        format!("Sofy retried {retried}; only the retry counts. Before it: {names}")
    });
    let fewer = facts.snapshot.completeness.fetched.map(|fetched| {
        let (fetched, listed) = (count(fetched, "record"), runs(facts.tally.total()));
        format!("Sofy says that it fetched {fetched}, but lists only {listed}. Check that none is missing")
    });
    again.into_iter().chain(fewer).collect()
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
            queued: None,
            build_check: None,
            origin: Origin::Triggered,
            still_running: false,
            ending,
        }
    }

    fn settled(group: &str, statuses: &[&str]) -> Observation {
        seen(group, statuses, Ending::Settled)
    }

    fn failed() -> String {
        "Log in on Pixel 8: Failed".to_owned()
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
                "3 of 4 test runs did not pass: 1 Failed; tolerated: 2 Stopped",
            ),
            (
                "Complete with errors",
                &["Passed", "Stopped"],
                lenient(),
                Conclusion::Success,
                "1 of 2 test runs passed; tolerated: 1 Stopped",
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
                "All listed test runs passed, but Sofy reports \"Complete with errors\", so an error is missing from its list",
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
                "so an error is missing from its list",
            ),
            (
                |seen| {
                    seen.origin = Origin::Adopted;
                    seen.build_check = Some(BuildCheck::Unverified {
                        because: "no list".into(),
                    });
                },
                "may not be this step's run",
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
                    seen.build_check = Some(BuildCheck::Wrong("1.0 instead of 2.0".into()));
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
        let another = || BuildCheck::Wrong("1.0 instead of 2.0".into());
        let (named, adopted) = (Origin::Triggered, Origin::Adopted);
        let (success, failure) = (Conclusion::Success, Conclusion::Failure);
        for (build_check, origin, conclusion, why) in [
            (None, named, success, "no hash was asked for"),
            (Some(verified()), named, success, "proven"),
            (
                Some(unverified()),
                named,
                success,
                "nothing speaks against it",
            ),
            (Some(another()), named, failure, "another build"),
            (
                None,
                adopted,
                success,
                "adopted, and no hash to prove it by",
            ),
            (Some(verified()), adopted, success, "adopted and proven"),
            (
                Some(unverified()),
                adopted,
                failure,
                "perhaps not this step's",
            ),
        ] {
            let mut seen = settled("Complete", &["Passed"]);
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
        for (ending, words) in [
            (
                Ending::Stopped(StopReason::Deadline(MINUTE)),
                "raise `timeout`",
            ),
            (Ending::Stopped(StopReason::Signal("SIGINT")), JUDGE_LATER),
            (lost, JUDGE_LATER),
        ] {
            let mut seen = seen("Running", &["Running"], ending);
            seen.still_running = true;

            let advice = judge(&seen, &strict()).advice.unwrap_or_default();

            assert!(advice.contains(words), "{advice}");
            assert!(!advice.contains("Run the job again"), "{advice}");
        }
    }

    #[test]
    fn what_to_do_after_a_lost_contact_is_what_the_last_error_says_unless_the_run_is_going() {
        for (still_running, advice, why) in [
            (false, "Check it.", "perhaps an input names another run"),
            (true, JUDGE_LATER, "a second run would be billed"),
        ] {
            let lost = Ending::LostContact {
                timeout: MINUTE,
                error: ApiError::new(ErrorKind::OutcomeUnknown, "502").advise("Check it."),
            };
            let mut seen = seen("Running", &[], lost);
            seen.still_running = still_running;

            assert_eq!(
                judge(&seen, &strict()).advice.as_deref(),
                Some(advice),
                "{why}"
            );
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
