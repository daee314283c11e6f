//! How is a run triggered, at most once? A trigger is sent again only if it certainly did not happen.
//!
//! Sofy has no idempotency key: a trigger that is sent twice runs, and is billed, twice. If the answer is lost, the
//! groups are listed, if the API has such a list, and the one that must be this step's is adopted.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::time::{Instant, sleep, timeout};

use crate::gate::attribution::have_started;
use crate::model::group_id::GroupId;
use crate::model::schedule::{Origin, TriggerRequest};
use crate::model::verdict::{Conclusion, Verdict};
use crate::retry::{Jitter, Patience, Retry};
use crate::sofy::{ApiError, Baseline, CLOCK_SLACK, ErrorKind, Groups, SofyApi};
use crate::stop::{Stop, StopReason};
use crate::text::{list, span};

/// Long enough to learn the group of a trigger in flight, so that it can be aborted; with the abort and the reports
/// it stays below the 7.5 s that the runner waits before it insists.
const GRACE: Duration = Duration::from_secs(3);

/// The pauses, in seconds, before the polls for a run whose trigger ended unclearly: 15 s for a list that lags.
const SEARCH: [u64; 5] = [0, 1, 2, 4, 8];

/// What is known of a trigger, however it ends.
#[derive(Debug, Default)]
pub(crate) struct Sent {
    /// What the schedule showed just before it.
    pub(crate) before: Option<Baseline>,
    /// When it was sent; none if it certainly did not happen.
    pub(crate) at: Option<Instant>,
}

/// Triggers a run, or gives the verdict of a step that has no run to watch.
pub(crate) async fn trigger<A: SofyApi>(
    api: &A,
    request: &TriggerRequest,
    sent: &mut Sent,
    stop: &mut Stop,
    jitter: Jitter,
) -> Result<(GroupId, Origin), Verdict> {
    let mut retry = Retry::new(jitter);
    let mut refused = Vec::new();
    loop {
        // Read again each time: during a pause, other groups may have come into the list.
        let before = match stop.run_until_stopped(read_baseline(api)).await {
            Ok(Ok(baseline)) => {
                if let Some((flight, what)) = started_anyway(&refused, &baseline) {
                    sent.at = Some(flight.sent_at);
                    let what = format!("Sofy refused the trigger, but now lists new {what}");
                    return Err(perhaps_started(&what, ""));
                }
                sent.before.insert(baseline)
            }
            Ok(Err(error)) => {
                pause(error, &mut retry, stop).await?;
                continue;
            }
            Err(reason) => return Err(nothing_sent(reason, retry.latest.as_ref())),
        };
        let sent_at = Instant::now();
        let answer = send(api, request, stop).await;
        let flight = Flight {
            sent_at,
            took: sent_at.elapsed(),
            names_a_build: request.app_hash.is_some(),
        };
        match answer {
            (Err(mut error), None) if !error.is_unclear() => {
                if error.kind == ErrorKind::Busy {
                    refused.push((before.clone(), flight));
                }
                // What let the list through a moment ago may let the trigger through a moment later.
                error.is_permanent = false;
                pause(error, &mut retry, stop).await?;
            }
            (Err(error), Some(reason)) if !error.is_unclear() => {
                return Err(nothing_sent(reason, None));
            }
            (answer, stopped) => {
                sent.at = Some(sent_at);
                return match (answer.as_deref(), stopped) {
                    (Ok([id]), _) if !before.names(id) => Ok((id.clone(), Origin::Triggered)),
                    (_, Some(reason)) => Err(in_flight(reason)),
                    (Ok(named), None) => Err(not_one(named)),
                    (Err(error), None) => search(api, before, flight, error, stop).await,
                };
            }
        }
    }
}

/// Reads what the schedule shows before the trigger; an empty list is asked for twice.
///
/// Nearly every schedule has run before. A list that is empty by mistake would make yesterday's rows this run's, and
/// someone else's group the one that is new.
async fn read_baseline<A: SofyApi>(api: &A) -> Result<Baseline, ApiError> {
    match api.baseline().await? {
        baseline if baseline.is_empty() => api.baseline().await,
        baseline => Ok(baseline),
    }
}

/// Waits before the next attempt, if there may be one.
async fn pause(
    error: ApiError,
    retry: &mut Retry<ApiError>,
    stop: &mut Stop,
) -> Result<(), Verdict> {
    if !error.is_transient() {
        return Err(failed(&error));
    }
    let asked = error.retry_after;
    let left = stop.deadline.saturating_duration_since(Instant::now());
    match retry.failed(error.clone(), Instant::now(), asked, Patience::BEFORE_A_RUN) {
        Some(pause) if pause < left => {
            tracing::info!("{}; next try in {}", error.message, span(pause));
            let slept = stop.run_until_stopped(sleep(pause)).await;
            slept.map_err(|reason| nothing_sent(reason, Some(&error)))
        }
        Some(_) if asked >= Some(left) => {
            let (asked, limit) = (span(asked.unwrap_or_default()), span(stop.timeout));
            let reason = format!(
                "Nothing was triggered: Sofy asked to retry in {asked}, which is past the {limit} timeout ({})",
                error.message
            );
            Err(Verdict::new(Conclusion::Error, reason)
                .advise("Raise `timeout`, or run the job again when Sofy answers."))
        }
        Some(_) | None => Err(failed(&error)),
    }
}

/// Sends the trigger once. A stop is given beside the answer if one came in the grace after it.
async fn send<A: SofyApi>(
    api: &A,
    request: &TriggerRequest,
    stop: &mut Stop,
) -> (Result<Vec<GroupId>, ApiError>, Option<StopReason>) {
    let call = api.trigger(request);
    tokio::pin!(call);
    let reason = match stop.run_until_stopped(&mut call).await {
        Ok(answer) => return (answer, None),
        Err(reason) => reason,
    };
    // The run may be starting just now. Its ID is needed to abort it, or to judge it in a later step.
    let late = ApiError::new(ErrorKind::OutcomeUnknown, "Sofy did not answer in time");
    let answer = timeout(GRACE, call).await.unwrap_or(Err(late));
    (answer, Some(reason))
}

/// The verdict if the answer to the trigger does not name the one group that this step judges.
pub(crate) fn not_one(named: &[GroupId]) -> Verdict {
    let what = match named {
        [one] => format!("Sofy answered with test run group {one}, which already existed"),
        several => format!(
            "Sofy answered with several test run groups ({}), but one step can judge only one",
            list(several)
        ),
    };
    perhaps_started(&what, "")
}

/// The verdict if no call succeeded, before anything was triggered.
pub(crate) fn failed(error: &ApiError) -> Verdict {
    let reason = format!("Nothing was triggered: {}", error.message);
    Verdict::new(Conclusion::Error, reason).advise(error.with_details(&error.advice))
}

/// The verdict if a stop came before anything was triggered; a deadline is the reason only if no call failed before.
fn nothing_sent(reason: StopReason, latest: Option<&ApiError>) -> Verdict {
    match (reason, latest) {
        (StopReason::Deadline(_), Some(error)) => failed(error),
        (StopReason::Deadline(_), None) | (StopReason::Signal(_), _) => {
            Verdict::stopped(reason, " before anything was triggered")
                .advise("Nothing was started. Run the job again for a result.")
        }
    }
}

const CHECK_PORTAL: &str = "Check the schedule in Sofy's portal: if a run has started, stop it there or wait for it, then \
     run the job again.";

/// The verdict if a stop came while a run may have been starting.
fn in_flight(reason: StopReason) -> Verdict {
    let details = " before the outcome of the trigger was known; a run may have started";
    Verdict::stopped(reason, details).advise(CHECK_PORTAL)
}

/// The verdict if a run may have started and is not known.
fn perhaps_started(what: &str, details: &str) -> Verdict {
    let reason = format!(
        "{what}, so a run may have started. It is not triggered again, because a second run would be billed{details}"
    );
    Verdict::new(Conclusion::Error, reason).advise(CHECK_PORTAL)
}

/// Looks for the run of a trigger whose answer was lost.
async fn search<A: SofyApi>(
    api: &A,
    before: &Baseline,
    flight: Flight,
    error: &ApiError,
    stop: &mut Stop,
) -> Result<(GroupId, Origin), Verdict> {
    let message = &error.message;
    let lost = format!("Sofy's answer to the trigger was lost or is unclear ({message})");
    let Baseline::Groups(before) = before else {
        return Err(perhaps_started(&lost, ""));
    };
    let mut lists = Vec::new();
    for pause in SEARCH {
        let poll = async {
            sleep(Duration::from_secs(pause)).await;
            api.baseline().await
        };
        let answer = stop.run_until_stopped(poll).await.map_err(in_flight)?;
        match answer {
            Ok(Baseline::Groups(groups)) => lists.push(groups),
            // What came into the list at the end would not be seen.
            Ok(_) | Err(_) if pause == SEARCH[4] => lists.clear(),
            Ok(_) | Err(_) => {}
        }
    }
    let id =
        adopt(before, &lists, flight).map_err(|why| perhaps_started(&lost, &format!(". {why}")))?;
    tracing::warn!(
        "{lost}, but Sofy lists a new test run group, {id}. It is taken as this step's run; nothing is triggered again"
    );
    Ok((id, Origin::Adopted))
}

/// While when a lost trigger may have started a run.
#[derive(Clone, Copy, Debug)]
struct Flight {
    sent_at: Instant,
    took: Duration,
    /// A build that Sofy's list names can prove afterwards that the run is this step's.
    names_a_build: bool,
}

/// Without a build to prove it by, a run is adopted only if it started this soon: the longer the time, the likelier
/// is another one.
const UNPROVEN: SignedDuration = SignedDuration::from_secs(30);

/// Finds what a refused trigger may have started in spite of its answer.
fn started_anyway(refused: &[(Baseline, Flight)], now: &Baseline) -> Option<(Flight, String)> {
    refused.iter().find_map(|(before, flight)| {
        let what = match (before, now) {
            (Baseline::Groups(before), Baseline::Groups(now)) => {
                let new = new_in_flight(before, std::slice::from_ref(now), *flight);
                new.into_keys().next().map(|id| format!("group ({id})"))
            }
            (Baseline::Rows(before), Baseline::Rows(now)) => {
                have_started(before, now).then(|| "test runs".to_owned())
            }
            (Baseline::Groups(_) | Baseline::Rows(_), _) => None,
        };
        Some((*flight, what?))
    })
}

/// The new groups that may have started in flight, each with the number of lists by which it certainly did.
fn new_in_flight<'list>(
    before: &Groups,
    lists: &'list [Groups],
    flight: Flight,
) -> BTreeMap<&'list GroupId, u32> {
    let all = std::iter::once(before).chain(lists);
    let any_time = (Timestamp::MIN, Timestamp::MAX);
    let (earliest, latest) = sofys_clock(all, flight.sent_at).unwrap_or(any_time);
    let took = SignedDuration::try_from(flight.took).unwrap_or(SignedDuration::MAX);
    let until = took.saturating_add(CLOCK_SLACK);
    let old: BTreeSet<&GroupId> = before.list.iter().map(|group| &group.id).collect();
    let mut new = BTreeMap::new();
    for group in lists.iter().flat_map(|groups| &groups.list) {
        // How long after the sending it started, by the latest and by the earliest possible clock.
        let any_time = (SignedDuration::MIN, SignedDuration::MAX);
        let (least, most) = group.group.executed_at.map_or(any_time, |at| {
            (at.duration_since(latest), at.duration_since(earliest))
        });
        if old.contains(&group.id) || most < -CLOCK_SLACK || least > until {
            continue;
        }
        let is_soon = flight.names_a_build || most <= UNPROVEN;
        let is_certain = least >= -CLOCK_SLACK && most <= until && is_soon;
        *new.entry(&group.id).or_default() += u32::from(is_certain);
    }
    new
}

/// Finds the one group that a lost trigger started, in the lists that were read after it; else says why not.
///
/// No group proves nothing, since the list may lag. Several cannot be told apart, and one that only the last list
/// shows may be followed by another.
fn adopt(before: &Groups, lists: &[Groups], flight: Flight) -> Result<GroupId, String> {
    let all = || std::iter::once(before).chain(lists);
    if lists.is_empty() {
        return Err("Sofy's list of groups could not be read either".to_owned());
    }
    if let Some(sign) = all().find_map(|groups| groups.completeness.not_whole.as_ref()) {
        return Err(format!("Sofy's list of groups is incomplete: {sign}"));
    }
    if all().any(|groups| groups.unreadable > before.unreadable) {
        return Err("Sofy's list of groups has a new entry that cannot be read".to_owned());
    }
    let new = new_in_flight(before, lists, flight);
    let doubt = match (new.len(), new.first_key_value()) {
        (_, None) => "no new group yet, but its list can lag".to_owned(),
        (1, Some((id, 2..))) => return Ok((*id).clone()),
        (1, Some((id, 1))) => format!("one new group ({id}), which only the last poll showed"),
        (1, Some((id, 0))) => format!("one new group ({id}), but perhaps another request's"),
        (n, _) => {
            let ids = list(new.into_keys());
            format!("{n} new groups ({ids}), and it is unclear which one this step started")
        }
    };
    Err(format!("Sofy lists {doubt}"))
}

/// The earliest and the latest time that Sofy's clock can have shown at the sending; none if the answers contradict each
/// other, or one is a cache's.
///
/// Each answer says that the clock stood between its `Date` and a second later at some moment between the sending
/// of the request and the receipt of the answer.
fn sofys_clock<'list>(
    lists: impl Iterator<Item = &'list Groups>,
    sent_at: Instant,
) -> Option<(Timestamp, Timestamp)> {
    let (mut earliest, mut latest) = (Timestamp::MIN, Timestamp::MAX);
    for reading in lists.filter_map(|groups| groups.clock) {
        if reading.has_age {
            return None;
        }
        if let Some(date) = reading.date {
            let end = date.checked_add(SignedDuration::from_secs(1)).ok()?;
            let since_received = between(reading.received_at, sent_at);
            let since_asked = between(reading.sent_at, sent_at);
            earliest = earliest.max(date.checked_add(since_received).ok()?);
            latest = latest.min(end.checked_add(since_asked).ok()?);
        }
    }
    (earliest <= latest).then_some((earliest, latest))
}

/// The time from one instant to another, which may be before it.
fn between(from: Instant, to: Instant) -> SignedDuration {
    let signed = |duration| SignedDuration::try_from(duration).unwrap_or(SignedDuration::MAX);
    signed(to.saturating_duration_since(from)) - signed(from.saturating_duration_since(to))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::test_run::{Completeness, Group};
    use crate::sofy::{ClockReading, ListedGroup};
    use crate::tests::fixtures::{stop, test_runs};
    use crate::tests::scripted::{Classic, Public, failure, groups, rows};

    const SECOND: Duration = Duration::from_secs(1);
    const NO_TIME: Duration = Duration::ZERO;
    /// A second of Sofy's clock.
    const NOON: i64 = 1_700_000_000;

    fn old() -> Result<Baseline, ApiError> {
        Ok(groups(&[("76", Some(NOON - 900))], Some(NOON)))
    }

    /// A request without a build, and one that names a build.
    fn request(app_hash: Option<&str>) -> TriggerRequest {
        TriggerRequest {
            app_hash: app_hash.map(str::to_owned),
            ..TriggerRequest::default()
        }
    }

    /// The old group and these, executed so many seconds after the trigger.
    fn new(ids: &[(&str, i64)]) -> Result<Baseline, ApiError> {
        let all: Vec<(&str, Option<i64>)> = [("76", NOON - 900)]
            .into_iter()
            .chain(ids.iter().map(|(id, after)| (*id, NOON + after)))
            .map(|(id, at)| (id, Some(at)))
            .collect();
        Ok(groups(&all, Some(NOON)))
    }

    fn unclear() -> ApiError {
        failure(ErrorKind::OutcomeUnknown)
    }

    type Triggered = Result<(GroupId, Origin), Verdict>;

    /// The step has no run to judge, and says so in these words.
    fn is_error(result: &Triggered, words: &str) -> bool {
        result.as_ref().is_err_and(|verdict| {
            verdict.conclusion == Conclusion::Error && verdict.reason.contains(words)
        })
    }

    const NOTHING: &str = "Nothing was triggered: ";
    const PERHAPS: &str = "so a run may have started. It is not triggered again";

    async fn triggered<A: SofyApi>(api: &A) -> (Triggered, Duration) {
        within(api, 600 * SECOND).await
    }

    async fn within<A: SofyApi>(api: &A, timeout: Duration) -> (Triggered, Duration) {
        let (_sender, mut stop) = stop(timeout);
        let start = Instant::now();
        let result = trigger(api, &request(None), &mut Sent::default(), &mut stop, || 0.0).await;
        (result, start.elapsed())
    }

    fn found(result: &Triggered) -> Option<(&str, Origin)> {
        let (group_id, origin) = result.as_ref().ok()?;
        Some((group_id, *origin))
    }

    #[tokio::test(start_paused = true)]
    async fn a_trigger_is_sent_again_only_where_it_certainly_did_not_happen() {
        for (kind, triggers, why) in [
            (ErrorKind::NotSent, 2, "the connection was never made"),
            (ErrorKind::Busy, 2, "Sofy refused in so many words"),
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
        let mut untrusted = failure(ErrorKind::NotSent);
        untrusted.is_permanent = true;
        let untrusted_once = Public::new()
            .baseline(old())
            .trigger(Err(untrusted), NO_TIME)
            .trigger(Ok(&["77"]), NO_TIME);
        let (result, _) = triggered(&untrusted_once).await;
        assert!(
            result.is_ok(),
            "the list was read a moment before: {result:?}"
        );
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
        let (_sender, mut stop) = stop(HOUR);
        let mut sent = Sent::default();
        let of_rows = trigger(&empty_rows, &request(None), &mut sent, &mut stop, || 0.0).await;

        assert_eq!(again.calls("baseline").len(), 2);
        assert_eq!(empty.calls("baseline").len(), 2);
        assert!(of_rows.is_ok());
        assert!(
            sent.before.is_some_and(|before| !before.is_empty()),
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
        assert!(is_error(&triggered(&classic).await.0, PERHAPS));
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
            (
                vec![new(&[("77", -1)])],
                Some("77"),
                "two seconds of slack, by the latest clock",
            ),
            (vec![new(&[("77", -2)])], None, "and no more"),
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
            (
                vec![new(&[("77", 1), ("78", 30)])],
                Some("77"),
                "the other started long after it",
            ),
            (vec![Err(unclear())], None, "the list cannot be read"),
            (
                vec![Err(unclear()), new(&[("77", 1)])],
                Some("77"),
                "the list can be read again",
            ),
            (
                vec![
                    new(&[("77", 1)]),
                    new(&[("77", 1)]),
                    new(&[("77", 1)]),
                    new(&[("77", 1)]),
                    Err(unclear()),
                ],
                None,
                "what the last list would show is not known",
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
            assert!(adopted.is_some() || is_error(&result, PERHAPS), "{why}");
            assert_eq!(api.calls("trigger").len(), 1, "{why}");
            assert_eq!(api.calls("baseline").len(), 1 + SEARCH.len(), "{why}");
            assert!(took < 20 * SECOND, "{why}: {took:?}");
        }
    }

    /// Whether a trigger was in flight when a stop came.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    enum InFlight {
        No,
        Perhaps,
    }

    /// Triggers with a stop after a second; gives the group, or whether a trigger was in flight.
    async fn limited_after_a_second<A: SofyApi>(
        api: &A,
        limit: StopReason,
    ) -> (Result<String, InFlight>, Duration) {
        let (sender, mut stop) = stop(match limit {
            StopReason::Deadline(timeout) => timeout,
            StopReason::Signal(_) => HOUR,
        });
        let start = Instant::now();
        let signalling = async {
            sleep(SECOND).await;
            if let StopReason::Signal(name) = limit {
                sender.send(Some(name)).expect("a receiver");
            }
        };
        let (request, mut sent) = (request(None), Sent::default());
        let triggering = trigger(api, &request, &mut sent, &mut stop, || 0.0);
        let (result, ()) = tokio::join!(triggering, signalling);
        let result = match result {
            Ok((group_id, _)) => Ok(group_id.to_string()),
            Err(verdict) if verdict == nothing_sent(limit, None) => Err(InFlight::No),
            Err(verdict) if verdict == in_flight(limit) => Err(InFlight::Perhaps),
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
                "the run is learnt in time, and returned",
            ),
            (
                Ok(&["77"]),
                4,
                Ok("77"),
                Ok("77"),
                "at the end of the grace",
            ),
            (
                Ok(&["77"]),
                3600,
                Err(InFlight::Perhaps),
                Err(InFlight::Perhaps),
                "its answer does not come",
            ),
            (
                Err(unclear()),
                2,
                Err(InFlight::Perhaps),
                Err(InFlight::Perhaps),
                "it ends unclearly",
            ),
            (
                Err(failure(ErrorKind::NotSent)),
                2,
                Err(InFlight::No),
                Err(InFlight::No),
                "it certainly did not happen",
            ),
            (
                Err(failure(ErrorKind::Rejected)),
                2,
                Err(InFlight::No),
                Err(InFlight::No),
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
                assert!(classic_took <= SECOND + GRACE, "{why}: {classic_took:?}");
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

            assert_eq!((of_slow, took), (Err(InFlight::No), SECOND), "{limit:?}");
            assert_eq!(slow.calls("trigger"), [], "{limit:?}");
            if limit != StopReason::Deadline(SECOND) {
                let (of_busy, took) = limited_after_a_second(&busy, limit).await;
                assert_eq!((of_busy, took), (Err(InFlight::No), SECOND), "{limit:?}");
                assert_eq!(busy.calls("trigger").len(), 1, "{limit:?}");
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_deadline_that_no_attempt_can_meet_ends_the_step_at_once() {
        let early = Public::new().baseline(Err(unclear()));

        let (result, took) = within(&early, 10 * SECOND).await;

        assert!(is_error(&result, NOTHING), "{result:?}");
        assert!(
            !is_error(&result, "asked to retry"),
            "Sofy asked for nothing: {result:?}"
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
                "Sofy's list of groups could not be read either",
                "no look was answered",
            ),
            (
                vec![Err(unclear()), new(&[])],
                "Sofy lists no new group yet, but its list can lag",
                "one look was",
            ),
            (
                vec![untold(&["76", "77"])],
                "Sofy lists one new group (77), but perhaps another request's",
                "one, at no time",
            ),
            (
                vec![new(&[]), new(&[]), new(&[]), new(&[]), new(&[("77", 1)])],
                "Sofy lists one new group (77), which only the last poll showed",
                "one, once",
            ),
            (
                vec![untold(&["76", "77", "78"])],
                "Sofy lists 2 new groups (77 and 78), and it is unclear which one this step started",
                "two, at no time",
            ),
            (
                vec![new(&[("77", 1), ("78", 1)])],
                "Sofy lists 2 new groups (77 and 78), and it is unclear which one this step started",
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
                "Sofy lists 2 new groups (77 and 78), and it is unclear which one this step started",
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

            assert!(is_error(&result, PERHAPS), "{why}: {result:?}");
            assert!(is_error(&result, reason), "{why}: {result:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_limit_during_the_search_is_obeyed() {
        let searching = Public::new()
            .baseline(old())
            .trigger(Err(unclear()), NO_TIME);

        let (result, took) = within(&searching, 5 * SECOND).await;

        let deadline = StopReason::Deadline(5 * SECOND);
        assert_eq!(result.err(), Some(in_flight(deadline)));
        assert_eq!(took, 5 * SECOND);
    }

    #[tokio::test(start_paused = true)]
    async fn before_there_is_a_run_the_budget_is_short() {
        let unreachable = Public::new().baseline(Err(unclear()));
        let (result, took) = triggered(&unreachable).await;
        assert!(is_error(&result, NOTHING), "{result:?}");
        assert!(took < 60 * SECOND, "{took:?}");

        let busy = Public::new()
            .baseline(old())
            .trigger(Err(failure(ErrorKind::NotSent)), NO_TIME);
        let (result, took) = triggered(&busy).await;
        assert!(is_error(&result, NOTHING), "{result:?}");
        assert!(took < 60 * SECOND, "{took:?}");
        assert_eq!(busy.calls("trigger").len(), 6);

        let refused = Public::new().baseline(Err(failure(ErrorKind::Rejected)));
        let (result, took) = triggered(&refused).await;
        assert!(is_error(&result, NOTHING), "{result:?}");
        assert_eq!(took, NO_TIME, "a key that never worked");
    }

    #[tokio::test(start_paused = true)]
    async fn however_many_groups_are_named_the_reason_stays_short() {
        let many: Vec<String> = (100..1_000).map(|id| id.to_string()).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        let listed: Vec<(&str, i64)> = many.iter().map(|id| (*id, 1)).collect();
        let named = Public::new().baseline(old()).trigger(Ok(&many), NO_TIME);
        let found = Public::new()
            .baseline(old())
            .trigger(Err(unclear()), NO_TIME)
            .baseline(new(&listed));

        for api in [named, found] {
            let (result, _) = triggered(&api).await;

            let words = "(100, 101, 102, 103, 104 and 895 more)";
            assert!(is_error(&result, PERHAPS), "{result:?}");
            assert!(is_error(&result, words), "{result:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_refused_trigger_is_not_sent_again_if_a_group_started_meanwhile() {
        for (kind, after, triggers, why) in [
            (
                ErrorKind::Busy,
                1,
                1,
                "it started while the request was in flight",
            ),
            (
                ErrorKind::Busy,
                -600,
                2,
                "it is an older one that the list had left out",
            ),
            (
                ErrorKind::NotSent,
                1,
                2,
                "without a connection nothing of this step's can start",
            ),
        ] {
            let api = Public::new()
                .baseline(old())
                .trigger(Err(failure(kind)), SECOND)
                .baseline(new(&[("99", after)]))
                .trigger(Ok(&["77"]), NO_TIME);

            let (result, _) = triggered(&api).await;

            assert_eq!(api.calls("trigger").len(), triggers, "{why}");
            assert_eq!(
                is_error(&result, PERHAPS),
                triggers == 1,
                "{why}: {result:?}"
            );
            assert_eq!(result.is_ok(), triggers == 2, "{why}: {result:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_refused_trigger_of_the_classic_api_is_not_sent_again_beside_new_test_runs() {
        for (new, triggers, why) in [
            (
                &["Passed", "Running"][..],
                1,
                "a test run has started since",
            ),
            (&["Passed"], 2, "the list is as it was"),
        ] {
            let api = Classic::new()
                .baseline(Ok(rows(test_runs(&["Passed"]))))
                .trigger(Err(failure(ErrorKind::Busy)), SECOND)
                .baseline(Ok(rows(test_runs(new))))
                .trigger(Ok(&["77"]), NO_TIME);

            let (result, _) = triggered(&api).await;

            assert_eq!(api.calls("trigger").len(), triggers, "{why}");
            assert_eq!(
                is_error(&result, PERHAPS),
                triggers == 1,
                "{why}: {result:?}"
            );
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_pause_beyond_the_deadline_is_said_and_not_waited_for() {
        for (seconds, words) in [
            (300, "retry in 5m, which is past the 8s timeout"),
            (8, "retry in 8s, which is past the 8s timeout"),
        ] {
            let mut error = failure(ErrorKind::NotSent);
            error.retry_after = Some(seconds * SECOND);
            let api = Public::new().baseline(old()).trigger(Err(error), NO_TIME);

            let (result, took) = within(&api, 8 * SECOND).await;

            assert!(is_error(&result, words), "{result:?}");
            assert_eq!(took, NO_TIME);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_deadline_after_failures_is_a_failure_and_not_a_timeout() {
        let unreachable = Public::new()
            .baseline(Err(failure(ErrorKind::NotSent)))
            .slow_baseline(old(), HOUR);

        let (result, took) = within(&unreachable, 10 * SECOND).await;

        assert!(is_error(&result, NOTHING), "{result:?}");
        assert_eq!(took, 10 * SECOND);
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_that_takes_minutes_is_waited_for() {
        for seconds in [34, 290] {
            let api = Public::new()
                .baseline(old())
                .trigger(Ok(&["77"]), seconds * SECOND);

            let (result, took) = triggered(&api).await;

            assert_eq!(found(&result), Some(("77", Origin::Triggered)));
            assert_eq!(took, seconds * SECOND);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_read_before_the_trigger_is_known_however_it_ends() {
        for (answer, kind) in [
            (Err(unclear()), "unclear"),
            (Err(failure(ErrorKind::Rejected)), "rejected"),
            (Ok(&["77"][..]), "triggered"),
        ] {
            let (_sender, mut stop) = stop(HOUR);
            let api = Classic::new()
                .baseline(Ok(rows(test_runs(&["Passed"]))))
                .trigger(answer, NO_TIME);
            let mut sent = Sent::default();

            _ = trigger(&api, &request(None), &mut sent, &mut stop, || 0.0).await;

            assert!(
                matches!(sent.before, Some(Baseline::Rows(rows)) if rows.len() == 1),
                "{kind}"
            );
        }
    }

    /// A list of groups, and when it was asked for, came and was stamped, in seconds after the trigger was sent.
    /// Sofy's clock then showed noon.
    fn listed(
        sent_at: Instant,
        (asked, came, stamped): (f64, f64, i64),
        list: &[(&str, f64)],
    ) -> Groups {
        let local = |seconds: f64| {
            let later = Duration::from_secs_f64(seconds.abs());
            if seconds < 0.0 {
                sent_at - later
            } else {
                sent_at + later
            }
        };
        let remote = |seconds: f64| {
            Timestamp::from_millisecond(NOON * 1_000 + (seconds * 1_000.0) as i64).expect("a time")
        };
        let Baseline::Groups(mut read) = groups(&[], None) else {
            unreachable!("groups");
        };
        read.list = list
            .iter()
            .map(|(id, started)| ListedGroup {
                id: (*id).into(),
                group: Group {
                    executed_at: Some(remote(*started)),
                    ..Group::parse("Running")
                },
            })
            .collect();
        read.clock = Some(ClockReading {
            sent_at: local(asked),
            received_at: local(came),
            date: Some(remote(stamped as f64)),
            has_age: false,
            age: Duration::ZERO,
        });
        read
    }

    #[test]
    fn a_group_is_adopted_only_if_it_started_in_flight_by_a_clock_that_all_answers_agree_on() {
        let prompt = (-1.0, -0.5, -1);
        let slow_stamped_at_once = (-15.0, 0.0, -15);
        let slow_stamped_at_the_end = (-15.0, 0.0, -1);
        let from_a_cache = (-1.0, -0.5, -60);
        let sent_at = Instant::now() + HOUR;
        for (before, took, started, hash, adopted, why) in [
            (prompt, 1.0, 0.5, false, true, "in flight"),
            (prompt, 1.0, -1.0, false, true, "within the slack before it"),
            (prompt, 1.0, -4.0, false, false, "before it"),
            (prompt, 1.0, 2.7, false, true, "within the slack after it"),
            (prompt, 1.0, 5.1, false, false, "after it"),
            (
                slow_stamped_at_once,
                1.0,
                -13.0,
                false,
                false,
                "13 s before it",
            ),
            (
                slow_stamped_at_once,
                1.0,
                0.5,
                false,
                true,
                "the later answers tell the time",
            ),
            (
                slow_stamped_at_the_end,
                1.0,
                0.5,
                false,
                true,
                "and so when stamped at the end",
            ),
            (from_a_cache, 1.0, -59.0, false, false, "an old answer"),
            (
                from_a_cache,
                1.0,
                0.5,
                false,
                false,
                "which contradicts the others",
            ),
            (
                (-1.0, -0.5, 1),
                1.0,
                0.5,
                false,
                false,
                "answers that contradict each other by half a second",
            ),
            (
                (-1.5, -1.0, 0),
                1.0,
                0.5,
                false,
                true,
                "answers that agree on one instant only",
            ),
            (prompt, 60.0, 20.0, false, true, "soon after it was sent"),
            (prompt, 60.0, 29.8, false, true, "30 s after it was sent"),
            (prompt, 60.0, 29.9, false, false, "and no more"),
            (
                prompt,
                60.0,
                40.0,
                false,
                false,
                "too late without a build to prove it by",
            ),
            (prompt, 60.0, 40.0, true, true, "a build can prove it"),
            (prompt, 60.0, 65.0, true, false, "after it was given up"),
        ] {
            let flight = Flight {
                sent_at,
                took: Duration::from_secs_f64(took),
                names_a_build: hash,
            };
            let old = ("76", -900.0);
            let after = |later: i64| {
                let at = took + later as f64;
                listed(sent_at, (at, at + 0.2, at as i64), &[old, ("77", started)])
            };

            let found = adopt(
                &listed(sent_at, before, &[old]),
                &[after(0), after(1)],
                flight,
            );

            assert_eq!(found.is_ok(), adopted, "{why}: {found:?}");
        }
    }

    #[test]
    fn nothing_is_adopted_beside_another_group_that_may_have_started_in_flight() {
        let sent_at = Instant::now() + HOUR;
        let flight = Flight {
            sent_at,
            took: SECOND,
            names_a_build: false,
        };
        let before = listed(sent_at, (-1.0, -0.5, -1), &[]);
        // By these answers, Sofy's clock may be 0.2 s behind, or up to a second ahead.
        for (other, adopted, why) in [
            (-2.3, true, "too early by any clock"),
            (-2.2, false, "just early enough by the earliest clock"),
            (4.0, false, "just late enough by the latest clock"),
            (4.1, true, "too late by any clock"),
        ] {
            let after = [1, 2].map(|at| {
                let times = (at as f64, at as f64 + 0.2, at);
                listed(sent_at, times, &[("77", 0.5), ("78", other)])
            });

            let found = adopt(&before, &after, flight);

            assert_eq!(found.is_ok(), adopted, "{why}: {found:?}");
        }
    }

    #[test]
    fn nothing_is_adopted_by_lists_that_prove_nothing() {
        let sent_at = Instant::now() + HOUR;
        let flight = Flight {
            sent_at,
            took: SECOND,
            names_a_build: true,
        };
        let before = || listed(sent_at, (-1.0, -0.5, -1), &[("76", -900.0)]);
        let after = || {
            let new = [("76", -900.0), ("77", 0.5)];
            [1, 2].map(|at| listed(sent_at, (at as f64, at as f64 + 0.2, at), &new))
        };
        assert!(
            adopt(&before(), &after(), flight).is_ok(),
            "as it should be"
        );
        let incomplete = || Completeness {
            not_whole: Some("hasNextPage is true".into()),
            ..Completeness::default()
        };
        type Spoil = fn(&mut Groups, &mut [Groups; 2]);
        let spoils: [(Spoil, &str); 7] = [
            (
                |_, after| after[1].clock.as_mut().expect("a clock").has_age = true,
                "a cache's",
            ),
            (
                |before, _| before.clock.as_mut().expect("a clock").has_age = true,
                "a cache's",
            ),
            (
                |before, after| {
                    before.clock = None;
                    after.iter_mut().for_each(|list| list.clock = None);
                },
                "no clock",
            ),
            (
                |_, after| after[0].unreadable = 1,
                "a new entry that cannot be read",
            ),
            (
                |_, after| after[1].list[1].group.executed_at = None,
                "no time in one of them",
            ),
            (
                |_, after| {
                    let mut other = after[0].list[1].clone();
                    other.id = "78".into();
                    other.group.executed_at = None;
                    after[0].list.push(other);
                },
                "another one that may have started then",
            ),
            (
                |_, after| {
                    let mut other = after[0].list[1].clone();
                    other.id = "78".into();
                    after[1].list.push(other);
                },
                "another one that did",
            ),
        ];
        for (spoil, why) in spoils {
            let (mut before, mut after) = (before(), after());
            spoil(&mut before, &mut after);

            let found = adopt(&before, &after, flight);

            assert!(found.is_err(), "{why}: {found:?}");
        }
        for at in 0..3 {
            let (mut before, mut after) = (before(), after());
            let spoiled = match at {
                0 => &mut before,
                n => &mut after[n - 1],
            };
            spoiled.completeness = incomplete();

            assert!(
                adopt(&before, &after, flight).is_err(),
                "list {at} is not whole"
            );
        }
    }
}
