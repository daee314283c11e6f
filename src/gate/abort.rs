//! How is our group stopped at Sofy, at once or by the post step?
//!
//! Always our own group alone, best effort. Where the main step could not do it within the runner's
//! grace, or was killed, the post step does it with patience, from what the main step had saved.

use std::time::Duration;

use tokio::sync::watch::Receiver;
use tokio::time::{Instant, sleep, timeout};

use crate::inputs::{self};
use crate::model::group_id::GroupId;
use crate::model::schedule::Generation;
use crate::model::schedule::Origin;
use crate::model::schedule::ScheduleId;
use crate::retry::{Patience, Retry};
use crate::sofy::{ApiError, Public, SofyApi};
use crate::stop::Stop;

/// With the trigger's grace it stays below the 7.5 s that the runner waits before it insists.
const AFTER_A_SIGNAL: Duration = Duration::from_secs(3);
/// Nobody waits for us at a deadline but the job, which pays for every minute.
const WITHOUT_A_SIGNAL: Duration = Duration::from_secs(20);
/// The post step has minutes; a job that is cancelled should not take many of them.
const WITH_PATIENCE: Duration = Duration::from_secs(60);

/// What became of the run at Sofy when the step ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// Its group is over.
    Over,
    /// Sofy answered the abort.
    Aborted(String),
    /// It is left alone on purpose; the post step leaves it alone too.
    LeftAlone(String),
    /// Sofy did not answer the abort; the post step tries again.
    NotAborted(String),
}

impl End {
    /// Says what became of the run; blank where there is nothing to say.
    pub(crate) fn said(&self) -> &str {
        match self {
            Self::Over => "",
            Self::Aborted(said) | Self::LeftAlone(said) | Self::NotAborted(said) => said,
        }
    }

    /// Tells whether the run goes on at Sofy as far as we know.
    pub(crate) const fn goes_on(&self) -> bool {
        match self {
            Self::Over | Self::Aborted(_) => false,
            Self::LeftAlone(_) | Self::NotAborted(_) => true,
        }
    }
}

/// Aborts our group where that is wanted and possible.
pub(crate) async fn abort_unfinished<A: SofyApi>(
    api: &A,
    wanted: bool,
    origin: Origin,
    group_id: &GroupId,
    stop: &mut Stop,
) -> End {
    match (wanted, A::GENERATION, origin) {
        (false, _, _) => {
            End::LeftAlone("The run goes on at Sofy: abort-unfinished is false.".to_owned())
        }
        (true, Generation::Classic, _) => End::LeftAlone(no_call(group_id)),
        (true, Generation::Public, Origin::Adopted) => End::LeftAlone(format!(
            "Test run group {group_id} goes on at Sofy: it was found after a lost answer and may \
             be somebody else's, so it is never aborted."
        )),
        (true, Generation::Public, Origin::Triggered | Origin::Attached) => {
            let mut latest = unanswered(group_id);
            let patience = async {
                _ = timeout(WITHOUT_A_SIGNAL, stop.signal()).await;
                sleep(AFTER_A_SIGNAL).await;
            };
            let stopped = tokio::select! {
                biased;
                stopped = until_stopped(api, group_id, &mut latest) => Some(stopped),
                () = patience => None,
            };
            match stopped {
                Some(Stopped::Aborted(said)) => End::Aborted(said),
                Some(Stopped::Over) => End::Over,
                None => End::NotAborted(latest),
            }
        }
    }
}

/// Why a group needs no further abort.
#[derive(Debug)]
enum Stopped {
    /// Sofy aborted it; what to say of it.
    Aborted(String),
    /// It was over already.
    Over,
}

/// Asks until Sofy has aborted the group, or shows that it is over, whatever it says before.
///
/// A gateway says no in a bad minute, an answer may be lost, and a group that has just been
/// triggered may not be abortable yet: given up, it would run on. `latest` tells how it stands to
/// whoever stops waiting.
async fn until_stopped<A: SofyApi>(api: &A, group_id: &GroupId, latest: &mut String) -> Stopped {
    let mut retry = Retry::new(|| SHORTEST);
    loop {
        let sent_at = Instant::now();
        let error = match api.abort(group_id).await {
            Ok(said) => return Stopped::Aborted(answered(group_id, &said)),
            Err(error) => error,
        };
        *latest = refused(group_id, &error);
        if let Ok(group) = api.group(group_id).await
            && group.is_terminal()
        {
            return Stopped::Over;
        }
        let retry_after = error.retry_after;
        let pause = retry.failed(error, sent_at, retry_after, Patience::ENDLESS);
        sleep(pause.unwrap_or_default()).await;
    }
}

/// The jitter of the shortest pauses: a cancelled step has three seconds.
const SHORTEST: f64 = 1.0;

fn answered(group_id: &GroupId, said: &str) -> String {
    format!("Asked Sofy to abort test run group {group_id}; it answered: {said}")
}

fn refused(group_id: &GroupId, error: &ApiError) -> String {
    format!(
        "Test run group {group_id} could not be aborted: {}",
        error.message
    )
}

fn unanswered(group_id: &GroupId) -> String {
    format!("Test run group {group_id} could not be aborted: Sofy did not answer in time.")
}

fn no_call(group_id: &GroupId) -> String {
    format!(
        "The run goes on at Sofy: the classic API has no call to abort test run group {group_id}."
    )
}

/// What the main step saves for the post step. It never holds the key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct State {
    schedule: ScheduleId,
    group_id: GroupId,
}

/// The name under which the runner keeps the state.
pub(crate) const STATE: &str = "unfinished";
/// Another version of the action may have written the state.
const VERSION: &str = "1";

impl State {
    /// A run that the post step has to abort where the main step does not come to its end.
    pub(crate) const fn unfinished(schedule: ScheduleId, group_id: GroupId) -> Self {
        Self { schedule, group_id }
    }

    /// Reads what [`Self::unfinished`] writes, and nothing else.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let mut words = text.split(' ').skip(1);
        let state = Self {
            schedule: ScheduleId::parse(words.next()?)?,
            group_id: GroupId::parse(words.next()?)?,
        };
        // We write a state in one way only: another version or a word more is not ours.
        (state.to_string() == text).then_some(state)
    }
}

impl std::fmt::Display for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{VERSION} {} {}", self.schedule, self.group_id)
    }
}

/// What the post step found to do.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum PostStep {
    /// Nothing, and why.
    Nothing(&'static str),
    /// It cannot tell what to do, or could not do it.
    Trouble(String),
    /// It acted; this is what the job summary says.
    Acted(String),
}

/// Does what the post step is for. It never triggers.
pub(crate) async fn post_step(
    env: &[(String, String)],
    signal: Receiver<Option<&'static str>>,
) -> PostStep {
    let state = inputs::value_of(env, &format!("STATE_{STATE}"));
    if state.is_empty() {
        return PostStep::Nothing("the main step left no run unfinished");
    }
    let Some(State { schedule, group_id }) = State::parse(state) else {
        return PostStep::Trouble(
            "the state that the main step saved cannot be read, so nothing is aborted; look at \
             the schedule in Sofy's portal"
                .to_owned(),
        );
    };
    let inputs = match inputs::for_post_step(env) {
        Ok(inputs) => inputs,
        Err(problems) => return PostStep::Trouble(problems.join(" ")),
    };
    if inputs.schedule != schedule {
        return PostStep::Trouble(
            "the saved state is about another schedule than the input schedule-id, so nothing is aborted; look at \
             the schedule in Sofy's portal"
                .to_owned(),
        );
    }
    let guid = match schedule {
        ScheduleId::Classic(_) => return PostStep::Acted(no_call(&group_id)),
        ScheduleId::Public(guid) => guid,
    };
    let api = match Public::new(inputs.api_url.as_ref(), inputs.api_key, guid) {
        Ok(api) => api,
        Err(error) => return PostStep::Trouble(refused(&group_id, &error)),
    };
    let mut stop = Stop::new(WITH_PATIENCE, signal);
    patient_abort(&api, &group_id, &mut stop).await
}

async fn patient_abort<A: SofyApi>(api: &A, group_id: &GroupId, stop: &mut Stop) -> PostStep {
    let mut latest = unanswered(group_id);
    match stop
        .run_until_stopped(until_stopped(api, group_id, &mut latest))
        .await
    {
        Ok(Stopped::Aborted(said)) => PostStep::Acted(said),
        Ok(Stopped::Over) => PostStep::Nothing("its group is over"),
        Err(_) => PostStep::Trouble(latest),
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

                let end =
                    abort_unfinished(&api, true, Origin::Triggered, &"77".into(), &mut stop).await;

                assert_eq!(matches!(end, End::Aborted(_)), aborted, "{why}: {end:?}");
                assert_eq!(end.goes_on(), !aborted, "{why}");
                assert!(start.elapsed() <= at_most, "{why}: {:?}", start.elapsed());
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_pauses_between_aborts_grow() {
        let api = Scripted::new()
            .abort(Err(failure(ErrorKind::OutcomeUnknown)), Duration::ZERO)
            .look("Running", Vec::new());
        let (_sender, mut stop) = stop(WITH_PATIENCE);

        patient_abort(&api, &"77".into(), &mut stop).await;

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
            let (_sender, mut stop) = stop(WITH_PATIENCE);

            let end = abort_unfinished(
                &api,
                true,
                Origin::Triggered,
                &"77".into(),
                &mut stop.clone(),
            )
            .await;
            let post = patient_abort(&api, &"77".into(), &mut stop).await;

            assert_eq!(end == End::Over, over, "{why}: {end:?}");
            assert_eq!(
                matches!(post, PostStep::Nothing(_)),
                over,
                "{why}: {post:?}"
            );
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
        let (end, ()) = tokio::join!(aborting, signalling);

        let said = "Test run group 77 could not be aborted: Sofy did not answer in time.";
        assert_eq!(end, End::NotAborted(said.into()));
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
            let api = Scripted::new().abort(Ok("aborted"), Duration::ZERO);

            let end = abort_unfinished(&api, wanted, origin, &"77".into(), &mut stop).await;

            assert_eq!(matches!(end, End::LeftAlone(_)), left_alone, "{why}");
            assert_eq!(api.calls("abort").is_empty(), left_alone, "{why}");
        }
        let (_sender, mut stop) = stop(HOUR);
        let classic = Classic::new().abort(Ok("never"), Duration::ZERO);
        let end =
            abort_unfinished(&classic, true, Origin::Triggered, &"77".into(), &mut stop).await;
        assert!(end.said().contains("no call to abort"), "{end:?}");
        assert_eq!(classic.calls("abort"), []);
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
            let (_sender, mut stop) = stop(WITH_PATIENCE);

            let done = patient_abort(&back, &"77".into(), &mut stop.clone()).await;
            let start = Instant::now();
            let given_up = patient_abort(&silent, &"77".into(), &mut stop).await;

            assert!(matches!(done, PostStep::Acted(_)), "{why}: {done:?}");
            assert!(
                matches!(given_up, PostStep::Trouble(_)),
                "{why}: {given_up:?}"
            );
            assert!(start.elapsed() <= WITH_PATIENCE, "{why}");
            assert!(silent.calls("abort").len() > 5, "{why}");
        }
    }

    async fn post_step_of(state: &str, key: &str, schedule: &str) -> PostStep {
        let env = [
            (format!("STATE_{STATE}"), state.to_owned()),
            ("INPUT_API-KEY".to_owned(), key.to_owned()),
            ("INPUT_SCHEDULE-ID".to_owned(), schedule.to_owned()),
        ];
        let (_sender, receiver) = tokio::sync::watch::channel(None);
        post_step(&env, receiver).await
    }

    #[tokio::test]
    async fn the_post_step_knows_the_run_only_from_the_state() {
        assert!(matches!(
            post_step_of("", KEY, GUID).await,
            PostStep::Nothing(_)
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

            assert!(matches!(done, PostStep::Trouble(_)), "{why}: {done:?}");
        }
        let PostStep::Acted(said) = post_step_of("1 1888 77", KEY, "1888").await else {
            panic!("a classic run is said to go on")
        };
        assert!(said.contains("no call to abort"), "{said}");
        let PostStep::Trouble(said) = post_step_of(&format!("1 {GUID} 77"), "", GUID).await else {
            panic!("without a key nothing can be done")
        };
        assert!(said.contains("api-key"), "{said}");
        let of_another = post_step_of(&format!("1 {GUID} 77"), KEY, "1888").await;
        let PostStep::Trouble(said) = of_another else {
            panic!("an earlier step may have written the state")
        };
        assert!(said.contains("another schedule"), "{said}");
    }

    #[test]
    fn the_state_is_read_back() {
        for schedule in [ScheduleId::Classic(1888), ScheduleId::Public(GUID.into())] {
            let state = State::unfinished(schedule, "77".into());

            assert_eq!(State::parse(&state.to_string()), Some(state));
        }
    }
}
