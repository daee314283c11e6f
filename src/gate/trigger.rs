//! How does a run come to be, at most once?
//!
//! Sofy has no idempotency key: a trigger that is sent twice runs, and bills, twice. It is sent
//! again only where it certainly did not happen. After an unclear end the public API is asked which
//! groups are new; the classic API cannot be asked. Knows time only through tokio's clock.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::time::{Instant, timeout};

use crate::model::group_id::GroupId;
use crate::model::schedule::Generation;
use crate::model::schedule::Origin;
use crate::model::schedule::TriggerRequest;
use crate::retry::{Jitter, Patience, backoff};
use crate::sofy::{ApiError, Baseline, ErrorKind, Groups, ListedGroup, SofyApi};
use crate::stop::{Stop, StopReason};
use crate::text::span;

/// Long enough to learn the group of a trigger under way, so that it can be aborted; with the abort
/// and the reports it stays below the 7.5 s that the runner waits before it insists.
const GRACE: Duration = Duration::from_secs(3);
/// Where nothing can be aborted, the answer is worth less than a quick end.
const GRACE_WITHOUT_ABORT: Duration = Duration::from_secs(1);

/// Looks for a run whose trigger ended unclearly: a quarter of a minute for a list that lags.
const SEARCH: [Duration; 5] = [
    Duration::ZERO,
    Duration::from_secs(1),
    Duration::from_secs(2),
    Duration::from_secs(4),
    Duration::from_secs(8),
];

/// `Date` has whole seconds, and Sofy's machines have more than one clock.
const SLACK: SignedDuration = SignedDuration::from_secs(2);

/// A run that came to be.
#[derive(Debug)]
pub(crate) struct Triggered {
    pub(crate) group_id: GroupId,
    pub(crate) origin: Origin,
    pub(crate) baseline: Baseline,
}

/// Why there is no run to watch.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum TriggerError {
    /// A limit came first.
    Interrupted { limit: StopReason, sent: Sent },
    /// Sofy asks for a longer pause than is left.
    RetryAfterDeadline { error: ApiError, pause: Duration },
    /// Sofy refused, or could not be reached within the budget.
    Rejected(ApiError),
    /// A run may have started; the trigger is not sent again.
    OutcomeUnknown(ApiError),
}

/// Whether a trigger was under way when a limit came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sent {
    No,
    Unknown,
}

/// Triggers a run.
pub(crate) async fn trigger<A: SofyApi>(
    api: &A,
    request: &TriggerRequest,
    stop: &mut Stop,
    jitter: Jitter,
) -> Result<Triggered, TriggerError> {
    let mut attempts = Attempts {
        api,
        stop,
        jitter,
        failures: 0,
        since: Instant::now(),
    };
    loop {
        // Anew each time: after a pause, groups of others may have been listed.
        let baseline = attempts.baseline().await?;
        match attempts.send(request, baseline).await? {
            Attempt::Run(run) => return Ok(run),
            Attempt::NotSent(error) => attempts.pause(error).await?,
        }
    }
}

enum Attempt {
    Run(Triggered),
    /// It certainly did not happen.
    NotSent(ApiError),
}

struct Attempts<'step, A> {
    api: &'step A,
    stop: &'step mut Stop,
    jitter: Jitter,
    failures: u32,
    since: Instant,
}

impl<A: SofyApi> Attempts<'_, A> {
    /// Looks at the schedule before the trigger; an empty answer is asked for twice.
    ///
    /// Nearly every schedule has run before. An empty answer by mistake would make yesterday's rows
    /// ours, and somebody else's group the one that is new.
    async fn baseline(&mut self) -> Result<Baseline, TriggerError> {
        let first = self.look().await?;
        if first.is_empty() {
            return self.look().await;
        }
        Ok(first)
    }

    async fn look(&mut self) -> Result<Baseline, TriggerError> {
        loop {
            match self.stop.run_until_stopped(self.api.baseline()).await {
                Ok(Ok(baseline)) => return Ok(baseline),
                Ok(Err(error)) if error.is_transient() => self.pause(error).await?,
                Ok(Err(error)) => return Err(TriggerError::Rejected(error)),
                Err(limit) => return Err(limited(limit, Sent::No)),
            }
        }
    }

    async fn send(
        &mut self,
        request: &TriggerRequest,
        baseline: Baseline,
    ) -> Result<Attempt, TriggerError> {
        let sent_at = Instant::now();
        let call = self.api.trigger(request);
        tokio::pin!(call);
        let (answer, limit) = match self.stop.run_until_stopped(&mut call).await {
            Ok(answer) => (answer, None),
            Err(limit) => {
                // The run may be starting just now. Its ID is needed to abort it.
                let grace = match A::GENERATION {
                    Generation::Public => GRACE,
                    Generation::Classic => GRACE_WITHOUT_ABORT,
                };
                match timeout(grace, call).await {
                    Ok(answer) => (answer, Some(limit)),
                    Err(_) => return Err(limited(limit, Sent::Unknown)),
                }
            }
        };
        let unclear = match answer {
            Ok(named) => match named.as_slice() {
                [one] if !baseline.names(one) => {
                    return Ok(Attempt::Run(Triggered {
                        group_id: one.clone(),
                        origin: Origin::Triggered,
                        baseline,
                    }));
                }
                [one] => ApiError::new(
                    ErrorKind::OutcomeUnknown,
                    format!("the answer names test run group {one}, which was there before"),
                ),
                several => {
                    return Err(TriggerError::OutcomeUnknown(ApiError::new(
                        ErrorKind::OutcomeUnknown,
                        format!(
                            "the answer names several test run groups, and one step judges one: {}",
                            some_of(several)
                        ),
                    )));
                }
            },
            Err(error) => match (error.kind, limit) {
                (ErrorKind::NotSent | ErrorKind::Rejected, Some(limit)) => {
                    return Err(limited(limit, Sent::No));
                }
                (ErrorKind::NotSent, None) => return Ok(Attempt::NotSent(error)),
                (ErrorKind::Rejected, None) => return Err(TriggerError::Rejected(error)),
                (ErrorKind::OutcomeUnknown | ErrorKind::NotFound, _) => error,
            },
        };
        if let Some(limit) = limit {
            return Err(limited(limit, Sent::Unknown));
        }
        match baseline {
            Baseline::Groups(before) => {
                let begun = Begun::between(&before, sent_at, Instant::now());
                self.search(unclear, before, begun).await.map(Attempt::Run)
            }
            Baseline::Rows(_) => Err(TriggerError::OutcomeUnknown(unclear)),
        }
    }

    /// Finds the run of a trigger that ended unclearly: the one group that was not there before.
    ///
    /// None proves nothing, since the list may lag; several cannot be told apart. Where Sofy gives no
    /// times, somebody's of the quarter of a minute since would pass for ours.
    async fn search(
        &mut self,
        unclear: ApiError,
        before: Groups,
        begun: Option<Begun>,
    ) -> Result<Triggered, TriggerError> {
        let known: BTreeSet<GroupId> = before.list.iter().map(|group| group.id.clone()).collect();
        // Every new group, with the number of looks that showed it begin in our time.
        let mut new: BTreeMap<GroupId, u32> = BTreeMap::new();
        let mut answered = false;
        for pause in SEARCH {
            let look = async {
                tokio::time::sleep(pause).await;
                self.api.baseline().await
            };
            let groups = match self.stop.run_until_stopped(look).await {
                Ok(Ok(Baseline::Groups(groups))) => groups.list,
                Ok(Ok(Baseline::Rows(_)) | Err(_)) => continue,
                Err(limit) => return Err(limited(limit, Sent::Unknown)),
            };
            answered = true;
            for group in groups {
                let when = begun.map_or(When::Unknown, |begun| begun.when(&group));
                if known.contains(&group.id) || when == When::AtAnotherTime {
                    continue;
                }
                let shown = new.entry(group.id).or_default();
                *shown += u32::from(when == When::InOurTime);
            }
        }
        let found = match new.iter().next() {
            None if !answered => "the list of groups could not be read either".to_owned(),
            None => "no new test run group of that time is listed, which proves nothing".to_owned(),
            Some((id, 2..)) if new.len() == 1 => {
                tracing::warn!(
                    "{}; test run group {id} is new in Sofy's list, so nothing is sent again",
                    unclear.message
                );
                return Ok(Triggered {
                    group_id: id.clone(),
                    origin: Origin::Adopted,
                    baseline: Baseline::Groups(before),
                });
            }
            Some((_, 0)) if new.len() == 1 => {
                "one new test run group is listed, but Sofy gives no time to tell it by".to_owned()
            }
            Some(_) if new.len() == 1 => {
                "one new test run group was listed only at the last look".to_owned()
            }
            Some(_) => format!(
                "{} new test run groups are listed and cannot be told apart: {}",
                new.len(),
                some_of(new.keys())
            ),
        };
        Err(TriggerError::OutcomeUnknown(ApiError {
            message: format!("{}; {found}", unclear.message),
            ..unclear
        }))
    }

    /// Waits before the next call, as long as that makes sense.
    async fn pause(&mut self, error: ApiError) -> Result<(), TriggerError> {
        self.failures += 1;
        if !Patience::BEFORE_A_RUN.allows(self.failures, self.since.elapsed()) {
            return Err(TriggerError::Rejected(error));
        }
        let pause = backoff(self.failures, error.retry_after, (self.jitter)());
        let left = self
            .stop
            .deadline()
            .saturating_duration_since(Instant::now());
        if pause >= left {
            return Err(TriggerError::RetryAfterDeadline { error, pause });
        }
        tracing::debug!("{}; asking again in {}", error.message, span(pause));
        self.stop
            .run_until_stopped(tokio::time::sleep(pause))
            .await
            .map_err(|limit| limited(limit, Sent::No))
    }
}

/// Names a few groups: a sentence for people has an end, whatever Sofy lists.
fn some_of<'ids>(ids: impl IntoIterator<Item = &'ids GroupId>) -> String {
    let mut ids = ids.into_iter();
    let named: Vec<&str> = ids.by_ref().take(5).map(|id| &**id).collect();
    let more = if ids.next().is_some() { ", …" } else { "" };
    format!("{}{more}", named.join(", "))
}

const fn limited(limit: StopReason, sent: Sent) -> TriggerError {
    TriggerError::Interrupted { limit, sent }
}

/// When a run of ours can have begun, by Sofy's clock.
#[derive(Clone, Copy, Debug)]
struct Begun {
    earliest: Timestamp,
    latest: Timestamp,
}

impl Begun {
    /// Takes Sofy's clock from its last answer before the trigger, and goes on from there.
    fn between(before: &Groups, sent_at: Instant, ended_at: Instant) -> Option<Self> {
        let answered_at = before.clock?.date?;
        let took = SignedDuration::try_from(ended_at - sent_at).ok()?;
        Some(Self {
            earliest: answered_at.checked_sub(SLACK).ok()?,
            latest: answered_at
                .checked_add(took)
                .ok()?
                .checked_add(SLACK)
                .ok()?,
        })
    }

    /// Tells whether the group began while our trigger was under way.
    fn when(&self, group: &ListedGroup) -> When {
        match group.executed_at {
            None => When::Unknown,
            Some(at) if (self.earliest..=self.latest).contains(&at) => When::InOurTime,
            Some(_) => When::AtAnotherTime,
        }
    }
}

/// When a new group began, by Sofy's own times.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum When {
    InOurTime,
    /// It stands in the way of adopting another, and is not adopted itself.
    Unknown,
    AtAnotherTime,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::fixtures::{stop, test_runs};
    use crate::tests::scripted::{Classic, Public, failure, groups, rows};

    const SECOND: Duration = Duration::from_secs(1);
    const NO_TIME: Duration = Duration::ZERO;
    /// A second of Sofy's clock.
    const NOON: i64 = 1_700_000_000;

    fn old() -> Result<Baseline, ApiError> {
        Ok(groups(&[("76", Some(NOON - 900))], Some(NOON)))
    }

    /// The old group and these, executed so many seconds after the trigger.
    fn new(ids: &[(&str, i64)]) -> Result<Baseline, ApiError> {
        let all: Vec<(&str, Option<i64>)> = [("76", NOON - 900)]
            .into_iter()
            .chain(ids.iter().map(|(id, after)| (*id, NOON + after)))
            .map(|(id, at)| (id, Some(at)))
            .collect();
        Ok(groups(&all, Some(NOON + 30)))
    }

    fn unclear() -> ApiError {
        failure(ErrorKind::OutcomeUnknown)
    }

    async fn triggered<A: SofyApi>(api: &A) -> (Result<Triggered, TriggerError>, Duration) {
        within(api, 600 * SECOND).await
    }

    async fn within<A: SofyApi>(
        api: &A,
        timeout: Duration,
    ) -> (Result<Triggered, TriggerError>, Duration) {
        let (_sender, mut stop) = stop(timeout);
        let start = Instant::now();
        let result = trigger(api, &TriggerRequest::default(), &mut stop, || 0.0).await;
        (result, start.elapsed())
    }

    fn found(result: &Result<Triggered, TriggerError>) -> Option<(&str, Origin)> {
        let run = result.as_ref().ok()?;
        Some((&*run.group_id, run.origin))
    }

    #[tokio::test(start_paused = true)]
    async fn a_trigger_is_sent_again_only_where_it_certainly_did_not_happen() {
        for (kind, triggers, why) in [
            (
                ErrorKind::NotSent,
                2,
                "the connection was never made, or Sofy refused in so many words",
            ),
            (ErrorKind::OutcomeUnknown, 1, "the answer was lost"),
            (ErrorKind::Rejected, 1, "Sofy said no"),
            (ErrorKind::NotFound, 1, "not an answer to a trigger"),
        ] {
            let public = Public::new()
                .baseline(old())
                .trigger(Err(failure(kind)), NO_TIME)
                .trigger(Ok(&["77"]), NO_TIME);
            let classic = Classic::new()
                .baseline(Ok(rows(test_runs(&["Passed"]))))
                .trigger(Err(failure(kind)), NO_TIME)
                .trigger(Ok(&["77"]), NO_TIME);

            let (of_public, _) = triggered(&public).await;
            let (of_classic, _) = triggered(&classic).await;

            assert_eq!(public.calls("trigger").len(), triggers, "{why}");
            assert_eq!(classic.calls("trigger").len(), triggers, "{why}");
            assert_eq!(of_public.is_ok(), triggers == 2, "{why}");
            assert_eq!(of_classic.is_ok(), triggers == 2, "{why}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_schedule_is_looked_at_anew_before_each_attempt_and_an_empty_one_twice() {
        let again = Public::new()
            .baseline(old())
            .trigger(Err(failure(ErrorKind::NotSent)), NO_TIME)
            .trigger(Ok(&["77"]), NO_TIME);
        let empty = Public::new()
            .baseline(Ok(groups(&[], None)))
            .trigger(Ok(&["77"]), NO_TIME);
        let empty_rows = Classic::new()
            .baseline(Ok(rows(vec![])))
            .baseline(Ok(rows(test_runs(&["Passed"]))))
            .trigger(Ok(&["77"]), NO_TIME);

        assert!(triggered(&again).await.0.is_ok());
        assert!(triggered(&empty).await.0.is_ok());
        let (of_rows, _) = triggered(&empty_rows).await;

        assert_eq!(again.calls("baseline").len(), 2);
        assert_eq!(empty.calls("baseline").len(), 2);
        assert!(
            !of_rows.expect("a run").baseline.is_empty(),
            "the second answer counts"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn only_an_answer_that_names_one_new_group_is_believed() {
        for (named, expected, why) in [
            (&["77"][..], Some(("77", Origin::Triggered)), "one"),
            (&["77", "78"], None, "several"),
            (&["76"], None, "one of those before"),
        ] {
            let api = Public::new().baseline(old()).trigger(Ok(named), NO_TIME);

            let (result, _) = triggered(&api).await;

            assert_eq!(found(&result), expected, "{why}");
            assert_eq!(api.calls("trigger").len(), 1, "{why}");
        }
        let mut earlier = vec![crate::tests::scripted::unnamed(
            test_runs(&["Passed"]).remove(0),
        )];
        earlier[0].group_id = Some("76".into());
        let classic = Classic::new()
            .baseline(Ok(Baseline::Rows(earlier)))
            .trigger(Ok(&["76"]), NO_TIME);
        assert!(matches!(
            triggered(&classic).await.0,
            Err(TriggerError::OutcomeUnknown(_))
        ));
    }

    #[tokio::test(start_paused = true)]
    async fn a_lost_run_is_adopted_only_where_it_is_the_one_new_group_of_that_time() {
        for (looks, adopted, why) in [
            (vec![new(&[("77", 1)])], Some("77"), "one new group"),
            (
                vec![new(&[]), new(&[("77", 1)])],
                Some("77"),
                "a list that lags",
            ),
            (vec![new(&[])], None, "none"),
            (vec![new(&[("77", 1), ("78", 1)])], None, "two"),
            (
                vec![
                    new(&[("78", 1)]),
                    new(&[("78", 1)]),
                    new(&[("77", 1), ("78", 1)]),
                ],
                None,
                "a second one at the third look",
            ),
            (
                vec![new(&[]), new(&[]), new(&[]), new(&[]), new(&[("77", 1)])],
                None,
                "seen only once",
            ),
            (
                vec![new(&[("77", -30)])],
                None,
                "executed before the trigger",
            ),
            (vec![new(&[("77", 30)])], None, "executed long after it"),
            (vec![new(&[("77", -2)])], Some("77"), "two seconds of slack"),
            (vec![new(&[("77", -3)])], None, "and no more"),
            (
                vec![new(&[("77", 3)])],
                Some("77"),
                "the second that the trigger took, and two of slack",
            ),
            (vec![new(&[("77", 4)])], None, "and no more after it"),
            (
                vec![new(&[("77", 1), ("78", -30)])],
                Some("77"),
                "the other is of another time",
            ),
            (vec![Err(unclear())], None, "the list cannot be read"),
            (
                vec![Err(unclear()), new(&[("77", 1)])],
                Some("77"),
                "the list can be read again",
            ),
            (
                vec![Ok(groups(&[("76", None), ("77", None)], None))],
                None,
                "Sofy gives no times: anybody's may have begun since",
            ),
            (
                vec![Ok(groups(
                    &[("76", None), ("77", Some(1)), ("78", None)],
                    None,
                ))],
                None,
                "the other may be of that time too",
            ),
        ] {
            let mut api = Public::new()
                .baseline(old())
                .trigger(Err(unclear()), SECOND);
            for look in looks {
                api = api.baseline(look);
            }

            let (result, took) = triggered(&api).await;

            assert_eq!(
                found(&result),
                adopted.map(|id| (id, Origin::Adopted)),
                "{why}"
            );
            assert!(
                adopted.is_some() || matches!(result, Err(TriggerError::OutcomeUnknown(_))),
                "{why}"
            );
            assert_eq!(api.calls("trigger").len(), 1, "{why}");
            assert_eq!(api.calls("baseline").len(), 1 + SEARCH.len(), "{why}");
            assert!(took < 20 * SECOND, "{why}: {took:?}");
        }
    }

    /// Triggers with a limit after a second; gives the group, or whether a trigger was under way.
    async fn limited_after_a_second<A: SofyApi>(
        api: &A,
        limit: StopReason,
    ) -> (Result<String, Sent>, Duration) {
        let (sender, mut stop) = stop(match limit {
            StopReason::Deadline(timeout) => timeout,
            StopReason::Signal(_) => HOUR,
        });
        let start = Instant::now();
        let signalling = async {
            tokio::time::sleep(SECOND).await;
            if let StopReason::Signal(name) = limit {
                sender.send(Some(name)).expect("a receiver");
            }
        };
        let request = TriggerRequest::default();
        let triggering = trigger(api, &request, &mut stop, || 0.0);
        let (result, ()) = tokio::join!(triggering, signalling);
        let result = match result {
            Ok(run) => Ok(run.group_id.to_string()),
            Err(TriggerError::Interrupted { limit: by, sent }) => {
                assert_eq!(by, limit);
                Err(sent)
            }
            Err(other) => panic!("{other:?}"),
        };
        (result, start.elapsed())
    }

    const HOUR: Duration = Duration::from_secs(3600);

    #[tokio::test(start_paused = true)]
    async fn a_limit_is_obeyed_at_every_step_and_never_hides_that_a_run_may_have_started() {
        for (answer, seconds, on_public, on_classic, why) in [
            (
                Ok(&["77"][..]),
                2,
                Ok("77"),
                Ok("77"),
                "the run is learnt in time, and handed over",
            ),
            (
                Ok(&["77"]),
                4,
                Ok("77"),
                Err(Sent::Unknown),
                "where nothing can be aborted, a second suffices",
            ),
            (
                Ok(&["77"]),
                3600,
                Err(Sent::Unknown),
                Err(Sent::Unknown),
                "its answer does not come",
            ),
            (
                Err(unclear()),
                2,
                Err(Sent::Unknown),
                Err(Sent::Unknown),
                "it ends unclearly",
            ),
            (
                Err(failure(ErrorKind::NotSent)),
                2,
                Err(Sent::No),
                Err(Sent::No),
                "it certainly did not happen",
            ),
            (
                Err(failure(ErrorKind::Rejected)),
                2,
                Err(Sent::No),
                Err(Sent::No),
                "Sofy said no",
            ),
        ] {
            for limit in [StopReason::Signal("SIGINT"), StopReason::Deadline(SECOND)] {
                let takes = seconds * SECOND;
                let public = Public::new().baseline(old()).trigger(answer.clone(), takes);
                let classic = Classic::new()
                    .baseline(Ok(rows(test_runs(&["Passed"]))))
                    .trigger(answer.clone(), takes);

                let (of_public, public_took) = limited_after_a_second(&public, limit).await;
                let (of_classic, classic_took) = limited_after_a_second(&classic, limit).await;

                assert_eq!(of_public, on_public.map(str::to_owned), "{why}, {limit:?}");
                assert_eq!(
                    of_classic,
                    on_classic.map(str::to_owned),
                    "{why}, {limit:?}"
                );
                assert!(public_took <= SECOND + GRACE, "{why}: {public_took:?}");
                assert!(
                    classic_took <= SECOND + GRACE_WITHOUT_ABORT,
                    "{why}: {classic_took:?}"
                );
                assert_eq!(public.calls("trigger").len(), 1, "{why}");
                assert_eq!(classic.calls("trigger").len(), 1, "{why}");
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_limit_is_obeyed_during_the_look_before_the_trigger_and_the_pause_after_it() {
        for limit in [StopReason::Signal("SIGTERM"), StopReason::Deadline(SECOND)] {
            let slow = Public::new().slow_baseline(old(), HOUR);
            let busy = Public::new()
                .baseline(old())
                .trigger(Err(failure(ErrorKind::NotSent)), SECOND - SECOND / 4)
                .trigger(Ok(&["77"]), NO_TIME);

            let (of_slow, took) = limited_after_a_second(&slow, limit).await;

            assert_eq!((of_slow, took), (Err(Sent::No), SECOND), "{limit:?}");
            assert_eq!(slow.calls("trigger"), [], "{limit:?}");
            if limit != StopReason::Deadline(SECOND) {
                let (of_busy, took) = limited_after_a_second(&busy, limit).await;
                assert_eq!((of_busy, took), (Err(Sent::No), SECOND), "{limit:?}");
                assert_eq!(busy.calls("trigger").len(), 1, "{limit:?}");
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_deadline_that_no_attempt_can_meet_ends_the_step_at_once() {
        let early = Public::new().baseline(Err(unclear()));

        let (result, took) = within(&early, 10 * SECOND).await;

        assert!(
            matches!(result, Err(TriggerError::RetryAfterDeadline { .. })),
            "{result:?}"
        );
        assert!(took < 10 * SECOND, "{took:?}");
        assert_eq!(early.calls("trigger"), []);
    }

    #[tokio::test(start_paused = true)]
    async fn the_reason_says_why_no_group_was_adopted() {
        let untold = |ids: &[&str]| {
            let all: Vec<_> = ids.iter().map(|id| (*id, None)).collect();
            Ok(groups(&all, None))
        };
        for (looks, reason, why) in [
            (
                vec![Err(unclear())],
                "the list of groups could not be read either",
                "no look was answered",
            ),
            (
                vec![Err(unclear()), new(&[])],
                "no new test run group of that time is listed, which proves nothing",
                "one look was",
            ),
            (
                vec![untold(&["76", "77"])],
                "one new test run group is listed, but Sofy gives no time to tell it by",
                "one, at no time",
            ),
            (
                vec![new(&[]), new(&[]), new(&[]), new(&[]), new(&[("77", 1)])],
                "one new test run group was listed only at the last look",
                "one, once",
            ),
            (
                vec![untold(&["76", "77", "78"])],
                "2 new test run groups are listed and cannot be told apart: 77, 78",
                "two, at no time",
            ),
            (
                vec![new(&[("77", 1), ("78", 1)])],
                "2 new test run groups are listed and cannot be told apart: 77, 78",
                "two of that time",
            ),
            (
                vec![
                    new(&[]),
                    new(&[]),
                    new(&[]),
                    new(&[]),
                    new(&[("77", 1), ("78", 1)]),
                ],
                "2 new test run groups are listed and cannot be told apart: 77, 78",
                "two, once",
            ),
        ] {
            let mut api = Public::new()
                .baseline(old())
                .trigger(Err(unclear()), NO_TIME);
            for look in looks {
                api = api.baseline(look);
            }

            let (result, _) = triggered(&api).await;

            let Err(TriggerError::OutcomeUnknown(error)) = result else {
                panic!("{why}: {result:?}")
            };
            assert!(error.message.ends_with(reason), "{why}: {error:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_limit_during_the_search_is_obeyed() {
        let searching = Public::new()
            .baseline(old())
            .trigger(Err(unclear()), NO_TIME);

        let (result, took) = within(&searching, 5 * SECOND).await;

        let expected = TriggerError::Interrupted {
            limit: StopReason::Deadline(5 * SECOND),
            sent: Sent::Unknown,
        };
        assert_eq!(result.err(), Some(expected));
        assert_eq!(took, 5 * SECOND);
    }

    #[tokio::test(start_paused = true)]
    async fn before_there_is_a_run_the_budget_is_short() {
        let unreachable = Public::new().baseline(Err(unclear()));
        let (result, took) = triggered(&unreachable).await;
        assert!(
            matches!(result, Err(TriggerError::Rejected(_))),
            "{result:?}"
        );
        assert!(took < 60 * SECOND, "{took:?}");

        let busy = Public::new()
            .baseline(old())
            .trigger(Err(failure(ErrorKind::NotSent)), NO_TIME);
        let (result, took) = triggered(&busy).await;
        assert!(
            matches!(result, Err(TriggerError::Rejected(_))),
            "{result:?}"
        );
        assert!(took < 60 * SECOND, "{took:?}");
        assert_eq!(busy.calls("trigger").len(), 6);

        let refused = Public::new().baseline(Err(failure(ErrorKind::Rejected)));
        let (result, took) = triggered(&refused).await;
        assert!(
            matches!(result, Err(TriggerError::Rejected(_))),
            "{result:?}"
        );
        assert_eq!(took, NO_TIME, "a key that never worked");
    }

    #[tokio::test(start_paused = true)]
    async fn however_many_groups_are_named_the_reason_stays_short() {
        let many: Vec<String> = (100..1_000).map(|id| id.to_string()).collect();
        let many: Vec<&str> = many.iter().map(|id| &**id).collect();
        let listed: Vec<(&str, i64)> = many.iter().map(|id| (*id, 1)).collect();
        let named = Public::new().baseline(old()).trigger(Ok(&many), NO_TIME);
        let found = Public::new()
            .baseline(old())
            .trigger(Err(unclear()), NO_TIME)
            .baseline(new(&listed));

        for api in [named, found] {
            let (result, _) = triggered(&api).await;

            let Err(TriggerError::OutcomeUnknown(error)) = result else {
                panic!("{result:?}")
            };
            assert!(
                error.message.ends_with("100, 101, 102, 103, 104, …"),
                "{error:?}"
            );
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_pause_beyond_the_deadline_is_said_and_not_waited_for() {
        let mut error = failure(ErrorKind::NotSent);
        error.retry_after = Some(300 * SECOND);
        let api = Public::new().baseline(old()).trigger(Err(error), NO_TIME);

        let (result, took) = within(&api, 8 * SECOND).await;

        let Err(TriggerError::RetryAfterDeadline { pause, .. }) = result else {
            panic!("{result:?}")
        };
        assert_eq!((pause, took), (300 * SECOND, NO_TIME));
    }
}
