//! How does a step run? Start or attach, watch, abort what is left, check the build, judge, report.

pub(crate) mod abort;
pub(crate) mod attribution;
pub(crate) mod build_check;
pub(crate) mod failures;
pub(crate) mod pace;
mod previous;
pub(crate) mod settle;
pub(crate) mod trigger;
pub(crate) mod verdict;
pub(crate) mod watch;

use std::time::Duration;

use tokio::sync::watch::Receiver;
use tokio::time::Instant;

use crate::gate::abort::{AbortOutcome, STATE, abort_unfinished, state};
use crate::gate::trigger::{Sent, failed, not_one, trigger};
use crate::gate::verdict::{Ending, IF_RIGHT, JUDGE_LATER, Observation, judge};
use crate::gate::watch::watch;
use crate::gate::{attribution::Run, build_check::check_build, previous::previous_run};
use crate::github::Runner;
use crate::inputs::{Inputs, Start};
use crate::model::schedule::{Origin, ResultsAfter, ScheduleId};
use crate::model::verdict::{Conclusion, Outcome, Verdict};
use crate::model::{report::Report, test_run::Group};
use crate::retry::Jitter;
use crate::sofy::{ApiError, Baseline, Classic, ErrorKind, Public, SofyApi};
use crate::stop::Stop;
use crate::text::{known, span};

/// The API generation that the schedule's ID selects, with a client that has read the CA certificates.
pub(crate) enum Api {
    Classic(Classic),
    Public(Public),
}

impl Api {
    /// Prepares the client. Sends nothing, and starts no thread.
    pub(crate) fn new(inputs: &Inputs) -> Result<Self, ApiError> {
        let (url, key) = (inputs.api_url.as_ref(), inputs.api_key.clone());
        match &inputs.schedule {
            ScheduleId::Classic(number) => Classic::new(url, key, *number).map(Self::Classic),
            ScheduleId::Public(guid) => Public::new(url, key, guid.clone()).map(Self::Public),
        }
    }
}

/// Runs the step.
pub(crate) async fn run(
    api: Result<Api, ApiError>,
    inputs: &Inputs,
    runner: &mut Runner,
    signal: Receiver<Option<&'static str>>,
    jitter: Jitter,
) -> Report {
    let stop = &mut Stop::new(inputs.timeout, signal);
    match api {
        Ok(Api::Classic(api)) => run_gate(&api, inputs, runner, stop, jitter).await,
        Ok(Api::Public(api)) => run_gate(&api, inputs, runner, stop, jitter).await,
        Err(error) => Report {
            verdict: failed(&error),
            ..of_inputs(inputs)
        },
    }
}

/// The report of what the inputs say.
fn of_inputs(inputs: &Inputs) -> Report {
    Report {
        title: inputs.title.clone(),
        schedule_id: Some(inputs.schedule.to_string()),
        app_hash: inputs.app_hash.as_ref().map(ToString::to_string),
        policy: inputs.policy.clone(),
        ..Report::default()
    }
}

/// Runs the step with one of the APIs.
pub(crate) async fn run_gate<A: SofyApi>(
    api: &A,
    inputs: &Inputs,
    runner: &mut Runner,
    stop: &mut Stop,
    jitter: Jitter,
) -> Report {
    let mut report = of_inputs(inputs);
    let mut sent = Sent::default();
    let started = start(api, inputs, &mut sent, stop, jitter).await;
    let after = match (&inputs.start, &sent.before) {
        (Start::Attach(_, after), _) => after.clone(),
        (_, Some(Baseline::Rows(rows))) => Some(ResultsAfter::of(rows, inputs.attempt)),
        (_, Some(Baseline::Groups(_)) | None) => None,
    };
    report.results_after = after.map(|after| after.to_string());
    match started {
        Err(verdict) => report.verdict = verdict,
        Ok(mut run) => {
            report.group_id = Some(run.group_id.to_string());
            report.origin = Some(run.origin);
            runner.set_outputs(&[("test-run-group-id", run.group_id.to_string())]);
            if let (Start::Detach(_), None) = (&inputs.start, stop.signalled()) {
                report.inputs_to_attach = inputs_to_attach(&report);
                report.verdict = detached(inputs, &run);
            } else {
                watch_run(api, inputs, &mut run, &mut report, runner, stop, jitter).await;
            }
            let did_not_pass = |outcome| matches!(outcome, Outcome::Failing | Outcome::Tolerated);
            let mut test_runs = report.test_runs.iter();
            if test_runs.any(|run| did_not_pass(report.outcome(run))) {
                report.previous = previous_run(api, &run.group_id, sent.before, stop).await;
            }
        }
    }
    report.duration = sent.at.map_or(Duration::ZERO, |at| at.elapsed());
    report
}

/// Triggers a run, or attaches to the one that the inputs name.
async fn start<A: SofyApi>(
    api: &A,
    inputs: &Inputs,
    sent: &mut Sent,
    stop: &mut Stop,
    jitter: Jitter,
) -> Result<Run, Verdict> {
    let (did, run) = match &inputs.start {
        Start::Attach(group_id, after) => {
            sent.at = Some(Instant::now());
            let run = Run::attached(group_id.clone(), after.clone(), inputs.attempt);
            ("attached to", run)
        }
        Start::Trigger(request) | Start::Detach(request) => {
            if request.app_hash.is_none() {
                tracing::info!("no app-hash: Sofy tests the latest build, whoever uploaded it");
            }
            let (group_id, origin) = trigger(api, request, sent, stop, jitter).await?;
            let run = Run::triggered(group_id, origin, sent.before.as_ref());
            // Whoever does not wait sees the group only here, and a later step would believe it.
            if let (Start::Detach(_), Some(_)) = (&inputs.start, run.not_before)
                && let Ok(Ok(group)) = stop.run_until_stopped(api.group(&run.group_id)).await
                && run.is_older(&group)
            {
                return Err(not_one(&[run.group_id]));
            }
            ("triggered", run)
        }
    };
    let (schedule, group, timeout) = (&inputs.schedule, &run.group_id, span(inputs.timeout));
    let api = schedule.api_name();
    tracing::info!("{did} schedule {schedule} ({api}): test run group {group}; timeout {timeout}");
    Ok(run)
}

/// The inputs with which a later step judges this run.
fn inputs_to_attach(report: &Report) -> Vec<(&'static str, String)> {
    let group = report.group_id.clone().map(|id| ("test-run-group-id", id));
    let after = report.results_after.clone();
    let after = after.map(|after| ("results-after", after));
    group.into_iter().chain(after).collect()
}

/// The end of a step that does not wait.
///
/// A later step could not tell that the group was adopted, and would believe it without the proof that is asked for
/// here.
fn detached(inputs: &Inputs, run: &Run) -> Verdict {
    let group_id = &run.group_id;
    if run.origin == Origin::Adopted && inputs.app_hash.is_some() {
        let reason = format!(
            "Sofy's answer to the trigger was lost. Test run group {group_id} was found, but without waiting nothing \
             proves that it tests the build of `app-hash`"
        );
        return Verdict::new(Conclusion::Error, reason).advise(IF_RIGHT);
    }
    let reason = format!("Started test run group {group_id}; not waiting (`wait: false`)");
    Verdict::new(Conclusion::Detached, reason).advise(JUDGE_LATER)
}

/// Watches the run to its end, and reports it.
async fn watch_run<A: SofyApi>(
    api: &A,
    inputs: &Inputs,
    run: &mut Run,
    report: &mut Report,
    runner: &mut Runner,
    stop: &mut Stop,
    jitter: Jitter,
) {
    if inputs.abort_unfinished && run.origin != Origin::Adopted {
        runner.save_state(STATE, &state(&inputs.schedule, &run.group_id));
    }
    let mut seen = watch(api, run, inputs.poll_interval, stop, jitter).await;
    let (abort, mut group) = end_of_run(api, inputs, run, &seen, stop).await;
    report.abort = abort.message().map(str::to_owned);
    if let Some(message) = &report.abort {
        tracing::info!("{message}");
    }
    if !matches!(abort, AbortOutcome::Failed(_)) {
        runner.save_state(STATE, "");
    }
    if let (Ending::Settled, Some(app_hash), Some(snapshot)) =
        (&seen.ending, &inputs.app_hash, &seen.snapshot)
    {
        match check_build(api, app_hash.as_str(), &snapshot.test_runs, stop).await {
            Ok(check) => seen.build_check = Some(check),
            Err(reason) => seen.ending = Ending::Stopped(reason),
        }
    }
    // An input may name a run that is not there.
    let exists = run.origin != Origin::Attached || seen.snapshot.is_some();
    seen.still_running = exists && abort.is_running();
    report.verdict = judge(&seen, &inputs.policy);
    if seen.still_running {
        report.inputs_to_attach = inputs_to_attach(report);
    }
    if let Some(snapshot) = seen.snapshot {
        report.schedule_name = known(snapshot.schedule_name);
        report.test_runs = snapshot.test_runs;
        group.get_or_insert(snapshot.group);
    }
    report.group_status = group.and_then(|group| known(group.verbatim));
    report.build_check = seen.build_check;
    report.queued = seen.queued;
}

/// Aborts what is unfinished, if that is wanted and possible; gives the group's last status if it was read.
async fn end_of_run<A: SofyApi>(
    api: &A,
    inputs: &Inputs,
    run: &Run,
    seen: &Observation,
    stop: &mut Stop,
) -> (AbortOutcome, Option<Group>) {
    use Ending::{LostContact, Refused, Settled, Stopped, Stuck};
    let (group_id, wanted) = (&run.group_id, inputs.abort_unfinished);
    let group = seen.snapshot.as_ref().map(|seen| &seen.group);
    let is_over = group.is_some_and(|group| group.is_terminal() || run.is_older(group));
    match &seen.ending {
        Stopped(_) | LostContact { .. } if !is_over => {
            abort_unfinished(api, wanted, run.origin, group_id, stop).await
        }
        Refused(error) if error.kind != ErrorKind::NotFound => {
            let said = format!("Test run group {group_id} was not aborted: Sofy denies access.");
            (AbortOutcome::LeftRunning(said), None)
        }
        // The group has finished or is not ours, or the input names one that is not there.
        Settled | Stuck(_) | Stopped(_) | LostContact { .. } | Refused(_) => {
            (AbortOutcome::NotNeeded("nothing is unfinished"), None)
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::github::log;
    use crate::model::schedule::Build;
    use crate::model::test_run::GroupStatus;
    use crate::sofy::{ApiError, Baseline, Groups};
    use crate::tests::fixtures::{at, gate, test_run, test_runs};
    use crate::tests::scripted::{Classic as Rows, Public as Scripted, failure, groups, rows};

    const SECOND: Duration = Duration::from_secs(1);

    fn environment(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        let guid = "3f2504e0-4f89-41d3-9a0c-0305e82c3301";
        [("api-key", "a-key-of-sofy"), ("schedule-id", guid)]
            .iter()
            .filter(|(name, _)| !pairs.iter().any(|(given, _)| given == name))
            .chain(pairs)
            .map(|(name, value)| match name.strip_prefix("GITHUB_") {
                Some(_) => ((*name).to_owned(), (*value).to_owned()),
                None => (
                    format!("INPUT_{}", name.to_uppercase()),
                    (*value).to_owned(),
                ),
            })
            .collect()
    }

    /// The report of a step, and each time that the state was saved, whether the post step would find something to do
    /// if the step were killed then.
    async fn step<A: SofyApi>(
        api: &A,
        pairs: &[(&str, &str)],
        cancelled_after: Option<Duration>,
    ) -> (Report, Vec<bool>) {
        let mut env = environment(pairs);
        let folder = tempfile::tempdir().expect("a folder");
        let state = folder.path().join("state");
        env.push(("GITHUB_STATE".to_owned(), state.display().to_string()));
        let mut runner = Runner::open(&env);

        let (report, _) = gate(api, &env, &mut runner, cancelled_after).await;

        let saved = std::fs::read_to_string(&state).expect("the state");
        let values = saved.lines().skip(1).step_by(3);
        (report, values.map(|value| value.starts_with('1')).collect())
    }

    fn triggered() -> Scripted {
        Scripted::new()
            .baseline(Ok(groups(&[("76", None)], None)))
            .trigger(Ok(&["77"]), SECOND)
            .abort(Ok("aborted"), Duration::ZERO)
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_unfinished_at_an_early_end_is_aborted_and_nothing_else() {
        let running = |api: Scripted| api.look("Running", test_runs(&["Failed", "Running"]));
        let over = |api: Scripted| api.look("Complete", test_runs(&["Running"]));
        let no = failure(ErrorKind::Rejected);
        let silence = failure(ErrorKind::OutcomeUnknown);
        let short = ("timeout", "30s");
        for (api, pairs, cancelled, conclusion, aborts, left, why) in [
            (
                running(triggered()),
                vec![],
                Some(9),
                Conclusion::Cancelled,
                1,
                &[true, false][..],
                "cancelled",
            ),
            (
                running(triggered()),
                vec![short],
                None,
                Conclusion::TimedOut,
                1,
                &[true, false],
                "the deadline",
            ),
            (
                triggered().failures(&silence, 1),
                vec![short],
                None,
                Conclusion::Error,
                1,
                &[true, false],
                "lost contact at the deadline",
            ),
            (
                triggered().failures(&no, 1),
                vec![],
                None,
                Conclusion::Error,
                0,
                &[true, false],
                "Sofy keeps saying no",
            ),
            (
                over(triggered()),
                vec![],
                Some(9),
                Conclusion::Cancelled,
                0,
                &[true, false],
                "its group is over",
            ),
            (
                running(triggered()),
                vec![("abort-unfinished", "false")],
                Some(9),
                Conclusion::Cancelled,
                0,
                &[false],
                "not wanted",
            ),
            (
                running(triggered()),
                vec![("wait", "false")],
                Some(0),
                Conclusion::Cancelled,
                1,
                &[true, false],
                "cancelled while a detached run starts",
            ),
            (
                triggered(),
                vec![("wait", "false")],
                None,
                Conclusion::Detached,
                0,
                &[],
                "detached",
            ),
        ] {
            let cancelled = cancelled.map(|at| at * SECOND + SECOND / 2);

            let (report, left_to_do) = step(&api, &pairs, cancelled).await;

            assert_eq!(
                report.verdict.conclusion, conclusion,
                "{why}: {:?}",
                report.verdict
            );
            assert_eq!(api.calls("abort").len(), aborts, "{why}");
            assert_eq!(left_to_do, left, "{why}: for the post step");
            assert_eq!(report.group_id.as_deref(), Some("77"), "{why}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_group_that_is_older_than_a_doubtful_list_before_the_trigger_is_not_this_runs() {
        const DATE: i64 = 1_000;
        let whole: fn(&mut Groups) = |_| {};
        let partial: fn(&mut Groups) =
            |list| list.completeness.not_whole = Some("1 of 2".to_owned());
        let cached: fn(&mut Groups) = |list| {
            let clock = list.clock.as_mut().expect("a clock");
            (clock.has_age, clock.age) = (true, 50 * SECOND);
        };
        for (list, began, is_ours, why) in [
            (whole, Some(DATE - 60), true, "it is not in a whole list"),
            (partial, Some(DATE - 60), false, "the list may leave it out"),
            (partial, Some(DATE - 3), false, "just before"),
            (partial, Some(DATE - 1), true, "Sofy's machines differ"),
            (partial, Some(DATE + 9), true, "it is new"),
            (partial, None, true, "nothing tells"),
            (cached, Some(DATE - 60), false, "the list is older"),
            (
                cached,
                Some(DATE + 47),
                false,
                "it began since the list was made",
            ),
            (
                cached,
                Some(DATE + 49),
                true,
                "it began after the list came",
            ),
            (
                |list| list.unreadable = 1,
                Some(DATE - 60),
                false,
                "it may be the entry that cannot be read",
            ),
            (
                |list| list.list.clear(),
                Some(DATE - 60),
                false,
                "the list was empty by mistake",
            ),
            (
                |list| {
                    list.list.clear();
                    list.clock = None;
                },
                Some(DATE - 60),
                true,
                "nothing tells when the list was made",
            ),
        ] {
            let Baseline::Groups(mut before) = groups(&[("76", None)], Some(DATE)) else {
                unreachable!("groups");
            };
            list(&mut before);
            let wait = ("timeout", "90s");
            for (silence, status, pair, conclusion, aborts) in [
                (
                    0,
                    "Complete",
                    wait,
                    [Conclusion::Failure, Conclusion::Success],
                    0,
                ),
                (
                    1,
                    "Complete",
                    wait,
                    [Conclusion::Failure, Conclusion::Success],
                    0,
                ),
                (0, "Running", wait, [Conclusion::TimedOut; 2], 1),
                (
                    0,
                    "Running",
                    ("wait", "false"),
                    [Conclusion::Error, Conclusion::Detached],
                    0,
                ),
            ] {
                let what = format!("{status} after {silence} failed polls, {pair:?}");
                let api = Scripted::new()
                    .baseline(Ok(Baseline::Groups(before.clone())))
                    .trigger(Ok(&["77"]), SECOND)
                    .failures(&failure(ErrorKind::OutcomeUnknown), silence)
                    .passed_since(began, status)
                    .abort(Ok("aborted"), Duration::ZERO);

                let (report, saved) = step(&api, &[pair], None).await;

                let Verdict { reason, .. } = &report.verdict;
                let conclusion = conclusion[usize::from(is_ours)];
                assert_eq!(
                    report.verdict.conclusion, conclusion,
                    "{why}, {what}: {reason}"
                );
                match conclusion {
                    Conclusion::Error => {
                        assert!(reason.contains("77, which already existed"), "{reason}");
                        assert_eq!(saved, [] as [bool; 0], "{why}, {what}: for the post step");
                    }
                    Conclusion::Failure => {
                        assert!(reason.contains("may belong to an earlier run"), "{reason}");
                    }
                    _ => {}
                }
                let aborts = aborts * usize::from(is_ours);
                assert_eq!(api.calls("abort").len(), aborts, "{why}, {what}");
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_run_that_sofy_no_longer_shows_is_left_running_and_can_be_attached_to() {
        let api = triggered().failures(&failure(ErrorKind::Rejected), 1);

        let (report, _) = step(&api, &[], None).await;

        assert_eq!(
            report.abort.as_deref(),
            Some("Test run group 77 was not aborted: Sofy denies access.")
        );
        assert_eq!(
            report.inputs_to_attach,
            [("test-run-group-id", "77".to_owned())]
        );
    }

    #[tokio::test(start_paused = true)]
    async fn the_duration_counts_from_the_trigger_or_the_attach_to_the_end() {
        let listed = || Ok(groups(&[("76", None)], None));
        let passes = |api: Scripted| api.look("Complete", test_runs(&["Passed"]));
        let slow = || Scripted::new().slow_baseline(listed(), 20 * SECOND);
        let answered = || slow().trigger(Ok(&["77"]), 40 * SECOND);
        let unclear = || Err(failure(ErrorKind::OutcomeUnknown));
        let no = || Err(failure(ErrorKind::Rejected));
        for (api, pairs, seconds, why) in [
            (passes(answered()), vec![], 47, "Sofy answers late"),
            (answered(), vec![("wait", "false")], 40, "nobody waits"),
            (
                slow()
                    .trigger(unclear(), 40 * SECOND)
                    .baseline(Err(failure(ErrorKind::OutcomeUnknown))),
                vec![],
                55,
                "the run is looked for in vain",
            ),
            (slow().trigger(no(), SECOND), vec![], 0, "Sofy said no"),
            (
                passes(Scripted::new()),
                vec![("test-run-group-id", "77")],
                7,
                "attached",
            ),
        ] {
            let (report, _) = step(&api, &pairs, None).await;

            assert_eq!(report.duration.as_secs(), seconds, "{why}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn an_abort_without_an_answer_is_left_to_the_post_step_and_the_run_can_be_attached_to() {
        let api = Scripted::new()
            .baseline(Ok(groups(&[("76", None)], None)))
            .trigger(Ok(&["77"]), SECOND)
            .look("Running", test_runs(&["Running"]))
            .abort(Err(failure(ErrorKind::OutcomeUnknown)), Duration::ZERO);

        let (report, left_to_do) = step(&api, &[], Some(9 * SECOND)).await;

        assert_eq!(left_to_do, [true]);
        assert_eq!(
            report.inputs_to_attach,
            [("test-run-group-id", "77".to_owned())]
        );
        assert!(
            report
                .abort
                .as_ref()
                .is_some_and(|abort| abort.contains("could not be aborted")),
            "{:?}",
            report.abort
        );
    }

    #[tokio::test(start_paused = true)]
    async fn an_adopted_group_is_never_aborted_and_never_left_to_the_post_step() {
        let api = Scripted::new()
            .baseline(Ok(groups(&[("76", None)], Some(0))))
            .trigger(Err(failure(ErrorKind::OutcomeUnknown)), SECOND)
            .baseline(Ok(groups(&[("76", None), ("77", Some(1))], Some(0))))
            .look("Running", test_runs(&["Running"]))
            .abort(Ok("aborted"), Duration::ZERO);

        let (report, left_to_do) = step(&api, &[], Some(60 * SECOND)).await;

        assert_eq!(report.verdict.conclusion, Conclusion::Cancelled);
        assert_eq!(api.calls("abort"), []);
        assert_eq!(left_to_do, [false]);
        assert_eq!(
            report.inputs_to_attach,
            [("test-run-group-id", "77".to_owned())]
        );
    }

    #[tokio::test(start_paused = true)]
    async fn an_attach_that_is_cancelled_before_its_first_look_names_its_run() {
        let api = Scripted::new()
            .hang(60 * SECOND)
            .abort(Ok("aborted"), Duration::ZERO);

        let (report, _) = step(&api, &[("test-run-group-id", "77")], Some(SECOND)).await;

        assert_eq!(report.verdict.conclusion, Conclusion::Cancelled);
        assert_eq!(api.calls("abort").len(), 1);
        assert!(
            !report
                .verdict
                .advice
                .as_ref()
                .is_some_and(|advice| advice.contains("Nothing was started")),
            "{:?}",
            report.verdict
        );
    }

    #[tokio::test(start_paused = true)]
    async fn what_a_later_step_needs_is_told_on_the_classic_api() {
        let ran = || rows(vec![test_run("S0", "Pixel 8", "Passed")]);
        for (baseline, attempt, expected) in [
            (ran(), "", "2024-05-01T10:00:00"),
            (ran(), "2", "2024-05-01T10:00:00;attempt=2"),
            (rows(vec![]), "1", "none;attempt=1"),
        ] {
            let api = Rows::new()
                .baseline(Ok(baseline))
                .trigger(Ok(&["77"]), SECOND)
                .look(
                    "Complete",
                    vec![at("2024-05-01T11:00:00", "S0", "D", "Passed")],
                );
            for wait in ["false", "true"] {
                let pairs = [
                    ("schedule-id", "1888"),
                    ("wait", wait),
                    ("GITHUB_RUN_ATTEMPT", attempt),
                ];

                let (report, _) = step(&api, &pairs, None).await;

                assert!(report.verdict.conclusion.is_green(), "{:?}", report.verdict);
                assert_eq!(
                    report.results_after.as_deref(),
                    Some(expected),
                    "wait: {wait}"
                );
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_re_run_of_the_gate_alone_is_red_and_hands_on_what_it_was_given() {
        for (after, attempt, conclusion) in [
            ("none;attempt=1", "1", Conclusion::Success),
            ("none;attempt=1", "2", Conclusion::Failure),
            ("2024-05-01T10:00:00", "2", Conclusion::Failure),
            ("2024-05-01T10:00:00", "", Conclusion::Success),
        ] {
            let api = Rows::new().look(
                "Complete",
                vec![at("2024-05-01T11:00:00", "S0", "D", "Passed")],
            );
            let pairs = [
                ("schedule-id", "1888"),
                ("test-run-group-id", "77"),
                ("results-after", after),
                ("GITHUB_RUN_ATTEMPT", attempt),
            ];

            let (report, _) = step(&api, &pairs, None).await;

            assert_eq!(
                report.verdict.conclusion, conclusion,
                "{after}, {attempt}: {:?}",
                report.verdict
            );
            assert_eq!(report.results_after.as_deref(), Some(after));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn nothing_is_said_to_have_started_only_where_that_is_certain() {
        let listed = || Ok(groups(&[("76", None)], None));
        let (deadline, signal) = (("timeout", "2s"), Some(2 * SECOND));
        let no_timeout = ("timeout", "60m");
        for (api, timeout, cancelled, conclusion, words, why) in [
            (
                Scripted::new().baseline(Err(failure(ErrorKind::OutcomeUnknown))),
                deadline,
                None,
                Conclusion::Error,
                "Nothing was triggered: ",
                "no attempt can meet the deadline",
            ),
            (
                Scripted::new().slow_baseline(listed(), 60 * SECOND),
                deadline,
                None,
                Conclusion::TimedOut,
                "before anything was triggered",
                "the deadline during the look before the trigger",
            ),
            (
                Scripted::new().slow_baseline(listed(), 60 * SECOND),
                no_timeout,
                signal,
                Conclusion::Cancelled,
                "before anything was triggered",
                "a signal during the look before the trigger",
            ),
            (
                Scripted::new()
                    .baseline(listed())
                    .trigger(Ok(&["77"]), 60 * SECOND),
                deadline,
                None,
                Conclusion::TimedOut,
                "may have started",
                "the deadline during the trigger",
            ),
            (
                Scripted::new()
                    .baseline(listed())
                    .trigger(Ok(&["77"]), 60 * SECOND),
                no_timeout,
                signal,
                Conclusion::Cancelled,
                "may have started",
                "a signal during the trigger",
            ),
            (
                Scripted::new()
                    .baseline(listed())
                    .trigger(Err(failure(ErrorKind::OutcomeUnknown)), SECOND),
                no_timeout,
                None,
                Conclusion::Error,
                "may have started",
                "nobody knows what became of it",
            ),
            (
                Scripted::new().baseline(Err(failure(ErrorKind::Rejected))),
                no_timeout,
                None,
                Conclusion::Error,
                "Nothing was triggered: ",
                "Sofy said no",
            ),
        ] {
            let (report, left_to_do) = step(&api, &[timeout], cancelled).await;

            let verdict = &report.verdict;
            assert_eq!(verdict.conclusion, conclusion, "{why}: {verdict:?}");
            assert!(verdict.reason.contains(words), "{why}: {verdict:?}");
            let perhaps = words == "may have started";
            assert_eq!(
                verdict
                    .advice
                    .clone()
                    .unwrap_or_default()
                    .contains("if a run has started"),
                perhaps,
                "{why}: {verdict:?}"
            );
            assert!(left_to_do.is_empty(), "{why}: no group is known");
        }
    }

    fn listed(builds: &[(&str, &str)]) -> Result<Vec<Build>, ApiError> {
        let build = |(hash, id): &(&str, &str)| Build {
            app_hash: Some((*hash).into()),
            application: "app".into(),
            id: (*id).into(),
            friendly_name: String::new(),
        };
        Ok(builds.iter().map(build).collect())
    }

    #[tokio::test(start_paused = true)]
    async fn a_green_gate_says_whether_the_right_build_was_tested() {
        let ours = || listed(&[("4dde0684", "1.0(1)")]);
        let another = || listed(&[("4dde0684", "2.0(2)"), ("b01d", "1.0(1)")]);
        let no = || Err(failure(ErrorKind::Rejected));
        let silence = || Err(failure(ErrorKind::OutcomeUnknown));
        let lag = || listed(&[("b01d", "0.9(9)")]);
        for (builds, conclusion, verified, asked, why) in [
            (
                vec![ours()],
                Conclusion::Success,
                Some(true),
                1,
                "proven at once",
            ),
            (
                vec![lag(), ours()],
                Conclusion::Success,
                Some(true),
                2,
                "listed late",
            ),
            (
                vec![silence(), ours()],
                Conclusion::Success,
                Some(true),
                2,
                "failed first",
            ),
            (
                vec![lag(), another()],
                Conclusion::Failure,
                Some(false),
                2,
                "another, seen late",
            ),
            (
                vec![another()],
                Conclusion::Failure,
                Some(false),
                1,
                "another",
            ),
            (
                vec![no()],
                Conclusion::Success,
                Some(false),
                1,
                "may not be asked again",
            ),
            (
                vec![silence()],
                Conclusion::Success,
                Some(false),
                5,
                "never answered",
            ),
        ] {
            for attached in [false, true] {
                let mut api = triggered().look("Complete", test_runs(&["Passed"]));
                for answer in builds.clone() {
                    api = api.builds(answer);
                }
                let mut pairs = vec![("app-hash", "4dde0684")];
                if attached {
                    pairs.push(("test-run-group-id", "77"));
                }

                let (report, _) = step(&api, &pairs, None).await;

                assert_eq!(
                    report.verdict.conclusion, conclusion,
                    "{why}: {:?}",
                    report.verdict
                );
                let proven = report
                    .build_check
                    .map(|build_check| build_check.is_verified());
                assert_eq!(proven, verified, "{why}");
                let builds = api.calls("builds");
                assert_eq!(builds.len(), asked, "{why}");
                assert!(
                    builds.first() >= api.calls("look").last(),
                    "{why}: only then"
                );
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn an_adopted_group_is_green_only_where_its_build_is_proven() {
        for (hash, builds, conclusion, why) in [
            ("", vec![], Conclusion::Success, "no build was asked for"),
            (
                "4dde0684",
                vec![("4dde0684", "1.0(1)")],
                Conclusion::Success,
                "it is proven",
            ),
            (
                "4dde0684",
                vec![("b01d", "9.9(9)")],
                Conclusion::Failure,
                "perhaps not ours",
            ),
        ] {
            let api = Scripted::new()
                .baseline(Ok(groups(&[("76", None)], Some(0))))
                .trigger(Err(failure(ErrorKind::OutcomeUnknown)), SECOND)
                .baseline(Ok(groups(&[("76", None), ("77", Some(1))], Some(0))))
                .look("Complete", test_runs(&["Passed"]))
                .builds(listed(&builds));

            let (report, _) = step(&api, &[("app-hash", hash)], None).await;

            assert_eq!(
                report.verdict.conclusion, conclusion,
                "{why}: {:?}",
                report.verdict
            );
        }
    }

    #[tokio::test(start_paused = true)]
    async fn an_adopted_group_is_handed_on_only_where_no_proof_was_asked_for() {
        for (hash, conclusion) in [("", Conclusion::Detached), ("4dde0684", Conclusion::Error)] {
            let api = Scripted::new()
                .baseline(Ok(groups(&[("76", None)], Some(0))))
                .trigger(Err(failure(ErrorKind::OutcomeUnknown)), SECOND)
                .baseline(Ok(groups(&[("76", None), ("77", Some(1))], Some(0))))
                .builds(listed(&[("4dde0684", "1.0(1)")]));

            let (report, _) = step(&api, &[("wait", "false"), ("app-hash", hash)], None).await;

            assert_eq!(report.verdict.conclusion, conclusion, "{hash}");
            assert_eq!(
                report.group_id.as_deref(),
                Some("77"),
                "{hash}: it can be judged in any case"
            );
            assert_eq!(
                report.inputs_to_attach,
                [("test-run-group-id", "77".to_owned())]
            );
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_list_of_builds_that_hangs_costs_seconds_and_nothing_else() {
        let api = triggered()
            .look("Complete", test_runs(&["Passed"]))
            .slow_builds(600 * SECOND);

        let (report, _) = step(&api, &[("app-hash", "4dde0684")], None).await;

        assert_eq!(report.verdict.conclusion, Conclusion::Success);
        assert_eq!(api.calls("trigger"), [Duration::ZERO]);
        let (first, last) = (
            api.calls("look")[0],
            *api.calls("builds").last().expect("a call"),
        );
        assert!(last - first < 60 * SECOND, "{last:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn the_latest_build_is_named_where_sofy_is_left_to_choose() {
        for (pairs, latest, why) in [
            (vec![], true, "nothing is asked for"),
            (vec![("wait", "false")], true, "nor for a run left alone"),
            (vec![("app-hash", "4dde0684")], false, "a hash"),
            (
                vec![("test-run-group-id", "77")],
                false,
                "an earlier step chose",
            ),
        ] {
            let api = triggered()
                .look("Complete", test_runs(&["Passed"]))
                .builds(listed(&[]));
            let style = log::Style {
                debug: false,
                commands: false,
            };
            let _listening = log::tests::listening(style);

            let (report, _) = step(&api, &pairs, None).await;

            let log = log::tests::taken_down();
            assert_eq!(log.contains("the latest build"), latest, "{why}: {log}");
            let page = crate::report::summary::render(&report).to_lowercase();
            assert_eq!(page.contains("latest build"), latest, "{why}: {page}");
            let asked = pairs.iter().any(|(name, _)| *name == "app-hash");
            assert_eq!(api.calls("builds").is_empty(), !asked, "{why}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_failure_is_compared_with_the_previous_run_where_that_can_be_told() {
        let over = |list: &[(&str, Option<i64>)]| {
            let Baseline::Groups(mut listed) = groups(list, None) else {
                unreachable!("groups");
            };
            for group in &mut listed.list {
                group.group.status = GroupStatus::Complete;
            }
            Baseline::Groups(listed)
        };
        for (list, status, expected, why) in [
            (
                over(&[("76", Some(5))]),
                "Failed",
                "It also failed",
                "the one before",
            ),
            (
                over(&[("76", None), ("75", None)]),
                "Failed",
                "",
                "which of them?",
            ),
            (over(&[("76", Some(5))]), "Passed", "", "nothing to compare"),
        ] {
            let api = Scripted::new()
                .baseline(Ok(list))
                .trigger(Ok(&["77"]), SECOND)
                .look("Complete", test_runs(&[status]));

            let (report, _) = step(&api, &[], None).await;

            assert!(
                report
                    .change_summary()
                    .unwrap_or_default()
                    .contains(expected),
                "{why}: {}",
                report.change_summary().unwrap_or_default()
            );
            assert_eq!(
                report.change_summary().unwrap_or_default().is_empty(),
                expected.is_empty(),
                "{why}"
            );
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_previous_run_is_asked_for_once_and_only_where_something_did_not_pass() {
        let hour = 3600 * SECOND;
        let passed = || Ok(test_runs(&["Passed"]));
        for (status, answer, takes, asked, news, why) in [
            ("Failed", passed(), Duration::ZERO, 1, true, "it answers"),
            (
                "Passed",
                passed(),
                Duration::ZERO,
                0,
                false,
                "nothing to compare",
            ),
            (
                "Failed",
                Err(failure(ErrorKind::OutcomeUnknown)),
                Duration::ZERO,
                1,
                false,
                "it fails",
            ),
            ("Failed", passed(), hour, 1, false, "it hangs"),
        ] {
            for attached in [false, true] {
                let Ok(Baseline::Groups(mut list)) =
                    Ok::<_, ApiError>(groups(&[("76", Some(5))], None))
                else {
                    unreachable!("groups");
                };
                list.list[0].group.status = GroupStatus::Complete;
                let api = Scripted::new()
                    .baseline(Ok(Baseline::Groups(list)))
                    .trigger(Ok(&["77"]), SECOND)
                    .look("Complete", test_runs(&[status]))
                    .previous_after(answer.clone(), takes);
                let pairs = [("test-run-group-id", "77")];
                let pairs = if attached { &pairs[..] } else { &[] };
                let start = Instant::now();

                let (report, _) = step(&api, pairs, None).await;

                let conclusion = if status == "Passed" {
                    Conclusion::Success
                } else {
                    Conclusion::Failure
                };
                assert_eq!(report.verdict.conclusion, conclusion, "{why}");
                assert_eq!(api.calls("previous").len(), asked, "{why}");
                let lists = usize::from(!attached) + usize::from(attached) * asked;
                assert_eq!(api.calls("baseline").len(), lists, "{why}");
                assert_eq!(
                    !report.change_summary().unwrap_or_default().is_empty(),
                    news,
                    "{why}"
                );
                assert!(
                    start.elapsed() < 30 * SECOND,
                    "{why}: {:?}",
                    start.elapsed()
                );
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_classic_list_before_the_trigger_is_what_a_failure_is_compared_with() {
        let newer = |status| at("2024-05-01T11:00:00", "S0", "Pixel 8", status);
        for (before, expected) in [("Passed", "It passed"), ("Failed", "It also failed")] {
            let old = test_run("S0", "Pixel 8", before);
            let api = Rows::new()
                .baseline(Ok(rows(vec![old.clone()])))
                .trigger(Ok(&["77"]), SECOND)
                .look("Complete", vec![old, newer("Failed")]);

            let (report, _) = step(&api, &[("schedule-id", "1888")], None).await;

            assert_eq!(
                report.verdict.conclusion,
                Conclusion::Failure,
                "{:?}",
                report.verdict
            );
            assert!(
                report
                    .change_summary()
                    .unwrap_or_default()
                    .contains(expected),
                "{}",
                report.change_summary().unwrap_or_default()
            );
            assert_eq!(api.calls("baseline").len(), 1, "no request for it");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_classic_run_of_an_earlier_step_is_compared_with_nothing() {
        let failed = at("2024-05-01T11:00:00", "S0", "Pixel 8", "Failed");
        let api = Rows::new()
            .baseline(Ok(rows(vec![test_run("S0", "Pixel 8", "Passed")])))
            .look("Complete", vec![failed]);
        let pairs = [
            ("schedule-id", "1888"),
            ("test-run-group-id", "77"),
            ("results-after", "2024-05-01T10:00:00"),
        ];

        let (report, _) = step(&api, &pairs, None).await;

        assert_eq!(report.verdict.conclusion, Conclusion::Failure);
        assert_eq!(report.change_summary(), None);
        assert_eq!(
            api.calls("baseline"),
            [],
            "a list of now has this run's own rows in it"
        );
    }
}
