//! How is this run's group stopped on Sofy, at once or by the post step? Best effort, and never another group.
//!
//! If the main step was killed, or could not do it within the runner's grace, the post step does it with patience,
//! from what the main step had saved.

use std::future::Future;
use std::time::Duration;

use tokio::sync::watch::Receiver;
use tokio::time::{sleep, timeout};

use crate::inputs;
use crate::model::schedule::{Origin, ScheduleId};
use crate::model::{group_id::GroupId, test_run::Group};
use crate::retry::backoff;
use crate::sofy::{Public, SofyApi};
use crate::stop::Stop;

/// With the trigger's grace it stays below the 7.5 s that the runner waits before it insists.
const AFTER_A_SIGNAL: Duration = Duration::from_secs(3);
/// At a deadline nobody waits but the job, which pays for every minute.
const WITHOUT_A_SIGNAL: Duration = Duration::from_secs(20);
/// The post step has minutes; a job that is cancelled should not take many of them.
const WITH_PATIENCE: Duration = Duration::from_secs(60);
/// The group's status after an abort is worth one quick call.
const STATUS: Duration = Duration::from_secs(2);

/// What became of the run on Sofy when the step, or the post step, ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum AbortOutcome {
    /// There is nothing to abort, and why.
    NotNeeded(&'static str),
    /// Sofy aborted it.
    Aborted(String),
    /// It is left running on purpose; the post step leaves it running too.
    LeftRunning(String),
    /// Sofy did not confirm the abort, or nobody could ask; the post step tries again.
    Failed(String),
}

impl AbortOutcome {
    /// What to say of it; none if the run had finished.
    pub(crate) fn message(&self) -> Option<&str> {
        match self {
            Self::NotNeeded(_) => None,
            Self::Aborted(text) | Self::LeftRunning(text) | Self::Failed(text) => Some(text),
        }
    }

    /// Tells whether the run is still going on Sofy, as far as is known.
    pub(crate) const fn is_running(&self) -> bool {
        matches!(self, Self::LeftRunning(_) | Self::Failed(_))
    }
}

/// Aborts the group if that is wanted and possible; gives its last status too, if that was read.
pub(crate) async fn abort_unfinished<A: SofyApi>(
    api: &A,
    wanted: bool,
    origin: Origin,
    group_id: &GroupId,
    stop: &mut Stop,
) -> (AbortOutcome, Option<Group>) {
    let why = match origin {
        _ if !wanted => "`abort-unfinished` is false",
        _ if !A::CAN_ABORT => NO_CALL,
        Origin::Adopted => "after a lost answer it may be someone else's, so it is never aborted",
        Origin::Triggered | Origin::Attached => {
            let patience = async {
                _ = timeout(WITHOUT_A_SIGNAL, stop.signal()).await;
                sleep(AFTER_A_SIGNAL).await;
            };
            return abort(api, group_id, patience).await;
        }
    };
    (left_running(group_id, why), None)
}

const NO_CALL: &str = "the classic API cannot abort a run";

fn left_running(group_id: &GroupId, why: &str) -> AbortOutcome {
    let said = format!("Test run group {group_id} keeps running on Sofy: {why}.");
    AbortOutcome::LeftRunning(said)
}

fn failed(group_id: &GroupId, why: &str) -> AbortOutcome {
    let said = format!("Test run group {group_id} could not be aborted: {why}.");
    AbortOutcome::Failed(said)
}

/// Asks until Sofy has aborted the group, or shows that it has finished, or patience ends.
///
/// A gateway may refuse during a brief outage, an answer may be lost or blank, and a group that has just been triggered
/// may not be abortable yet: after a single attempt it would keep running.
async fn abort<A: SofyApi>(
    api: &A,
    group_id: &GroupId,
    patience: impl Future,
) -> (AbortOutcome, Option<Group>) {
    let mut outcome = failed(group_id, "Sofy did not answer in time");
    let mut status = None;
    let attempts = async {
        for failures in 1.. {
            let answer = api.abort(group_id).await;
            outcome = match &answer {
                Ok(words) => AbortOutcome::Aborted(format!(
                    "Aborted test run group {group_id}. Sofy answered: {words}"
                )),
                Err(error) => failed(group_id, &error.message),
            };
            if let Ok(Ok(group)) = timeout(STATUS, api.group(group_id)).await {
                if group.is_terminal() && answer.is_err() {
                    outcome = AbortOutcome::NotNeeded("its group has finished");
                }
                status = Some(group);
            }
            let (AbortOutcome::Failed(_), Err(error)) = (&outcome, answer) else {
                return;
            };
            // The shortest pauses: a cancelled step has three seconds.
            sleep(backoff(failures, error.retry_after, 1.0)).await;
        }
    };
    tokio::select! {
        biased;
        () = attempts => {}
        _ = patience => {}
    }
    (outcome, status)
}

/// The name under which the runner keeps what the main step saves for the post step.
pub(crate) const STATE: &str = "unfinished";

/// What the main step saves of a run that the post step has to abort if the main step is killed. It never holds the key.
///
/// The number is the version: another version of the action may have written the state.
pub(crate) fn state(schedule: &ScheduleId, group_id: &GroupId) -> String {
    format!("1 {schedule} {group_id}")
}

const UNUSABLE: &str = "the saved state does not name a run of the schedule in `schedule-id`";

/// Reads what [`state`] writes for this schedule, and nothing else.
pub(crate) fn saved_group(state_text: &str, schedule: &ScheduleId) -> Option<GroupId> {
    let (_, id) = state_text.rsplit_once(' ')?;
    GroupId::parse(id).filter(|id| state(schedule, id) == state_text)
}

/// Does what the post step is for. It never triggers.
pub(crate) async fn post_step(
    unfinished: Result<Unfinished, AbortOutcome>,
    signal: Receiver<Option<&'static str>>,
) -> AbortOutcome {
    let mut stop = Stop::new(WITH_PATIENCE, signal);
    match unfinished {
        Ok(Unfinished { api, group_id }) => abort(&api, &group_id, stop.reached()).await.0,
        Err(outcome) => outcome,
    }
}

/// A run that the main step left unfinished, and the API to abort it by.
pub(crate) struct Unfinished {
    api: Public,
    group_id: GroupId,
}

impl Unfinished {
    /// Reads what the main step saved; gives the outcome if there is nothing to do, or no way to do it.
    pub(crate) fn of(env: &[(String, String)]) -> Result<Self, AbortOutcome> {
        let saved = inputs::value_of(env, &format!("STATE_{STATE}"));
        if saved.is_empty() {
            return Err(AbortOutcome::NotNeeded("no run was left unfinished"));
        }
        let inputs = inputs::for_post_step(env)
            .map_err(|problems| AbortOutcome::Failed(problems.join(" ")))?;
        let group_id = saved_group(saved, &inputs.schedule);
        let group_id = group_id.ok_or(AbortOutcome::NotNeeded(UNUSABLE))?;
        let guid = match inputs.schedule {
            ScheduleId::Classic(_) => return Err(left_running(&group_id, NO_CALL)),
            ScheduleId::Public(guid) => guid,
        };
        let api = Public::new(inputs.api_url.as_ref(), inputs.api_key, guid)
            .map_err(|error| failed(&group_id, &error.message))?;
        Ok(Self { api, group_id })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sofy::ErrorKind;
    use crate::tests::fixtures::stop;
    use crate::tests::scripted::{Classic, Public as Scripted, failure};
    use tokio::time::Instant;

    const KEY: &str = "a-key-of-sofy";
    const GUID: &str = "3f2504e0-4f89-41d3-9a0c-0305e82c3301";
    const HOUR: Duration = Duration::from_secs(3600);

    #[tokio::test(start_paused = true)]
    async fn an_abort_is_tried_until_sofy_answers_or_the_time_is_over() {
        let second = Duration::from_secs(1);
        for (signalled, at_most, why) in [
            (true, AFTER_A_SIGNAL, "the runner waits"),
            (false, AFTER_A_SIGNAL + WITHOUT_A_SIGNAL, "nobody waits"),
        ] {
            for (api, aborted) in [
                (Scripted::new().abort(Ok("aborted"), second), true),
                (
                    Scripted::new()
                        .abort(Err(failure(ErrorKind::OutcomeUnknown)), Duration::ZERO)
                        .abort(Ok("aborted"), second),
                    true,
                ),
                (
                    Scripted::new()
                        .abort(Err(failure(ErrorKind::Rejected)), Duration::ZERO)
                        .abort(Ok("aborted"), second),
                    true,
                ),
                (
                    Scripted::new().abort(Err(failure(ErrorKind::OutcomeUnknown)), Duration::ZERO),
                    false,
                ),
                (
                    Scripted::new().abort(Err(failure(ErrorKind::Rejected)), Duration::ZERO),
                    false,
                ),
                (Scripted::new().abort(Ok("too late"), HOUR), false),
            ] {
                let api = api.look("Running", Vec::new());
                let (sender, mut stop) = stop(HOUR);
                sender
                    .send(signalled.then_some("SIGINT"))
                    .expect("a receiver");
                let start = Instant::now();

                let (end, _) =
                    abort_unfinished(&api, true, Origin::Triggered, &"77".into(), &mut stop).await;

                assert_eq!(
                    matches!(end, AbortOutcome::Aborted(_)),
                    aborted,
                    "{why}: {end:?}"
                );
                assert_eq!(end.is_running(), !aborted, "{why}");
                assert!(start.elapsed() <= at_most, "{why}: {:?}", start.elapsed());
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_pauses_between_aborts_grow() {
        let api = Scripted::new()
            .abort(Err(failure(ErrorKind::OutcomeUnknown)), Duration::ZERO)
            .look("Running", Vec::new());
        let (_sender, stop) = stop(WITH_PATIENCE);

        patiently(&api, &stop).await;

        let at: Vec<u128> = api.calls("abort").iter().map(Duration::as_millis).collect();
        assert_eq!(at, [0, 500, 1_500, 3_500, 7_500, 15_500, 31_500]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_group_that_is_over_needs_no_further_abort() {
        let nothing =
            || Scripted::new().abort(Err(failure(ErrorKind::OutcomeUnknown)), Duration::ZERO);
        for (api, over, why) in [
            (nothing().look("Complete", Vec::new()), true, "at once"),
            (
                nothing()
                    .look("Running", Vec::new())
                    .look("Complete with errors", Vec::new()),
                true,
                "after a while",
            ),
            (nothing().look("Running", Vec::new()), false, "it runs on"),
            (
                nothing().look("Paused", Vec::new()),
                false,
                "an unknown word",
            ),
            (
                nothing().failures(&failure(ErrorKind::OutcomeUnknown), 1),
                false,
                "nothing is known",
            ),
        ] {
            let (_sender, stop) = stop(WITH_PATIENCE);

            let mut again = stop.clone();
            let ours = "77".into();
            let end = abort_unfinished(&api, true, Origin::Triggered, &ours, &mut again).await;
            let post = patiently(&api, &stop).await;

            for (outcome, group) in [end, post] {
                let is_over = matches!(outcome, AbortOutcome::NotNeeded(_));
                assert_eq!(is_over, over, "{why}: {outcome:?}");
                let terminal = group.is_some_and(|group| group.is_terminal());
                assert_eq!(terminal, over, "{why}");
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_status_after_an_abort_is_known_if_it_can_be_read_soon() {
        let second = Duration::from_secs(1);
        let aborted = || Scripted::new().abort(Ok("aborted"), second);
        for (api, status, why) in [
            (
                aborted().look("Complete with errors", Vec::new()),
                Some("Complete with errors"),
                "it is listed as finished",
            ),
            (
                aborted().look("Running", Vec::new()),
                Some("Running"),
                "it lags",
            ),
            (
                aborted().failures(&failure(ErrorKind::OutcomeUnknown), 1),
                None,
                "it fails",
            ),
            (aborted().hang(HOUR), None, "it hangs"),
        ] {
            let (sender, mut stop) = stop(HOUR);
            sender.send(Some("SIGINT")).expect("a receiver");
            let start = Instant::now();

            let ours = "77".into();
            let (end, group) =
                abort_unfinished(&api, true, Origin::Triggered, &ours, &mut stop).await;

            assert!(matches!(end, AbortOutcome::Aborted(_)), "{why}: {end:?}");
            assert_eq!(
                group.map(|group| group.verbatim).as_deref(),
                status,
                "{why}"
            );
            assert!(
                start.elapsed() <= AFTER_A_SIGNAL,
                "{why}: {:?}",
                start.elapsed()
            );
            assert_eq!(api.calls("look").len(), 1, "{why}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_signal_during_an_unhurried_abort_cuts_it_short() {
        let api = Scripted::new().abort(Ok("too late"), HOUR);
        let (sender, mut stop) = stop(HOUR);
        let start = Instant::now();
        let signalling = async {
            sleep(Duration::from_secs(5)).await;
            sender.send(Some("SIGINT")).expect("a receiver");
        };

        let ours = "77".into();
        let aborting = abort_unfinished(&api, true, Origin::Triggered, &ours, &mut stop);
        let ((end, _), ()) = tokio::join!(aborting, signalling);

        let said = "Test run group 77 could not be aborted: Sofy did not answer in time.";
        assert_eq!(end, AbortOutcome::Failed(said.into()));
        assert_eq!(start.elapsed(), Duration::from_secs(5) + AFTER_A_SIGNAL);
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_not_ours_or_not_wanted_is_left_alone() {
        for (wanted, origin, left_alone, why) in [
            (false, Origin::Triggered, true, "abort-unfinished is false"),
            (true, Origin::Adopted, true, "perhaps somebody else's"),
            (true, Origin::Attached, false, "the user named it"),
        ] {
            let (_sender, mut stop) = stop(HOUR);
            let api = Scripted::new()
                .abort(Ok("aborted"), Duration::ZERO)
                .look("Running", Vec::new());

            let ours = "77".into();
            let (end, _) = abort_unfinished(&api, wanted, origin, &ours, &mut stop).await;

            assert_eq!(
                matches!(end, AbortOutcome::LeftRunning(_)),
                left_alone,
                "{why}"
            );
            assert_eq!(api.calls("abort").is_empty(), left_alone, "{why}");
        }
        let (_sender, mut stop) = stop(HOUR);
        let classic = Classic::new().abort(Ok("never"), Duration::ZERO);
        let (end, _) =
            abort_unfinished(&classic, true, Origin::Triggered, &"77".into(), &mut stop).await;
        assert!(
            end.message()
                .is_some_and(|message| message.contains("cannot abort")),
            "{end:?}"
        );
        assert!(classic.calls("abort").is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn the_post_step_asks_for_a_minute_whatever_sofy_says() {
        for (kind, why) in [
            (ErrorKind::OutcomeUnknown, "a bad minute"),
            (ErrorKind::Rejected, "a gateway's no"),
        ] {
            let back = Scripted::new()
                .abort(Err(failure(kind)), Duration::ZERO)
                .abort(Err(failure(kind)), Duration::ZERO)
                .abort(Ok("aborted"), Duration::ZERO)
                .look("Running", Vec::new());
            let silent = Scripted::new()
                .abort(Err(failure(kind)), Duration::ZERO)
                .look("Running", Vec::new());
            let (_sender, stop) = stop(WITH_PATIENCE);

            let done = patiently(&back, &stop).await;
            let start = Instant::now();
            let given_up = patiently(&silent, &stop).await;

            assert!(
                matches!(done.0, AbortOutcome::Aborted(_)),
                "{why}: {done:?}"
            );
            assert!(
                matches!(given_up.0, AbortOutcome::Failed(_)),
                "{why}: {given_up:?}"
            );
            assert!(start.elapsed() <= WITH_PATIENCE, "{why}");
            assert!(silent.calls("abort").len() > 5, "{why}");
        }
    }

    async fn patiently(api: &Scripted, stop: &Stop) -> (AbortOutcome, Option<Group>) {
        abort(api, &"77".into(), stop.clone().reached()).await
    }

    async fn post_step_of(state: &str, key: &str, schedule: &str) -> AbortOutcome {
        let env = [
            (format!("STATE_{STATE}"), state.to_owned()),
            ("INPUT_API-KEY".to_owned(), key.to_owned()),
            ("INPUT_SCHEDULE-ID".to_owned(), schedule.to_owned()),
        ];
        let (_sender, receiver) = tokio::sync::watch::channel(None);
        post_step(Unfinished::of(&env), receiver).await
    }

    #[tokio::test]
    async fn the_post_step_knows_the_run_only_from_the_state() {
        assert!(matches!(
            post_step_of("", KEY, GUID).await,
            AbortOutcome::NotNeeded(_)
        ));
        for (state, why) in [
            ("2 1888 77", "another version"),
            ("1 1888", "a part"),
            ("1 1888 77 78", "more"),
            ("1 1888 7/7", "no group"),
            ("1 nightly 77", "no schedule"),
            (
                "1 01888 77",
                "a schedule that we would write in another way",
            ),
            ("garbled", "garbled"),
        ] {
            let done = post_step_of(state, KEY, "1888").await;

            assert_eq!(done, AbortOutcome::NotNeeded(UNUSABLE), "{why}");
        }
        let AbortOutcome::LeftRunning(said) = post_step_of("1 1888 77", KEY, "1888").await else {
            panic!("a classic run is said to go on")
        };
        assert!(said.contains("cannot abort"), "{said}");
        let AbortOutcome::Failed(said) = post_step_of(&format!("1 {GUID} 77"), "", GUID).await
        else {
            panic!("without a key nothing can be done")
        };
        assert!(said.contains("api-key"), "{said}");
        let of_another = post_step_of(&format!("1 {GUID} 77"), KEY, "1888").await;
        assert_eq!(
            of_another,
            AbortOutcome::NotNeeded(UNUSABLE),
            "an earlier step may have written the state"
        );
    }

    #[test]
    fn the_state_is_read_back() {
        for schedule in [ScheduleId::Classic(1888), ScheduleId::Public(GUID.into())] {
            let saved = state(&schedule, &"77".into());

            assert_eq!(saved_group(&saved, &schedule), Some("77".into()));
        }
    }
}
