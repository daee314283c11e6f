//! How does the run end? It is polled until it has settled, or something ends the watch.
//!
//! Knows time only through tokio's clock, and Sofy only through the seam.

use std::ops::ControlFlow;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::gate::attribution::Run;
use crate::gate::pace::{FIRST_ROW, Pace, bounded};
use crate::gate::settle::{History, PollTime, Settlement};
use crate::gate::verdict::{Ending, Observation};
use crate::model::schedule::Origin;
use crate::model::test_run::{AmbiguityReason, GroupStatus, Snapshot};
use crate::report::progress::Progress;
use crate::retry::{Jitter, LONGEST_OF_A_POLL, Patience, Retry};
use crate::sofy::{ApiError, ErrorKind, SofyApi};
use crate::stop::{Stop, StopReason};
use crate::text::span;

/// The last poll, and the settling that it finds begun, may outlast the deadline by this much.
const LAST_POLL: Duration = Duration::from_secs(15);

/// During a silence this long, someone else could have started a run unnoticed.
const BLIND: Duration = Duration::from_secs(60);

/// An outage is logged after so many failures each: often enough to show life, seldom enough to keep the log readable.
const OUTAGE: u32 = 5;

/// Polls the run until it settles, the deadline or a signal comes, or Sofy keeps refusing.
pub(crate) async fn watch<A: SofyApi>(
    api: &A,
    run: &mut Run,
    poll_interval: Duration,
    stop: &mut Stop,
    jitter: Jitter,
) -> Observation {
    let mut watch = Watch {
        poll_interval,
        start: Instant::now(),
        history: History::of::<A>(),
        pace: Pace::default(),
        queued: None,
        progress: Progress::default(),
        retry: Retry::new(jitter),
        unlisted_since: None,
        refused_since: None,
    };
    let ending = loop {
        if let ControlFlow::Break(ending) = watch.poll(api, run, stop).await {
            break ending;
        }
    };
    let snapshot = watch.history.latest;
    let test_runs = snapshot.as_ref().map_or(&[][..], |seen| &seen.test_runs);
    let (lost, retried) = watch.history.failures.lost_and_retried(test_runs);
    Observation {
        snapshot,
        lost,
        retried,
        queued: watch.queued,
        ending,
        origin: run.origin,
        build_check: None,
        still_running: false,
    }
}

/// The pause before the next poll, or the end.
type Next = ControlFlow<Ending, Duration>;

/// What the polls have shown so far.
struct Watch {
    poll_interval: Duration,
    start: Instant,
    history: History,
    pace: Pace,
    queued: Option<Duration>,
    progress: Progress,
    retry: Retry<ApiError>,
    /// Since when no poll has read the rows.
    unlisted_since: Option<Instant>,
    /// Since when every poll is refused.
    refused_since: Option<Instant>,
}

impl Watch {
    /// Polls once, and waits for the next poll.
    async fn poll<A: SofyApi>(
        &mut self,
        api: &A,
        run: &mut Run,
        stop: &mut Stop,
    ) -> ControlFlow<Ending> {
        let (deadline, sent_at) = (stop.deadline, Instant::now());
        let since = *self.unlisted_since.get_or_insert(sent_at);
        if !self.history.failures.have_shown_test_runs() && sent_at - since > BLIND {
            run.mark_ambiguous(AmbiguityReason::LostContact);
        }
        let read = self.read(api, run);
        let pause = match stop.run_until(deadline + LAST_POLL, read).await {
            Ok(Ok(seen)) => self.answered::<A>(seen, sent_at)?,
            Ok(Err(error)) => self.failed(error, sent_at, run.origin)?,
            Err(reason) => return self.stopped(reason),
        };
        let latest = self.history.latest.as_ref();
        let may_settle = latest.is_some_and(Snapshot::may_settle);
        let last = deadline + LAST_POLL * u32::from(may_settle);
        // A poll that was sent before the deadline is not the last one, however long the process was held up since.
        if sent_at >= last {
            return self.stopped(StopReason::Deadline(stop.timeout));
        }
        // The last poll falls on the deadline.
        let latest = if sent_at < deadline { deadline } else { last };
        let pause = sleep(pause.min(latest.saturating_duration_since(Instant::now())));
        match stop.run_until(latest + LAST_POLL, pause).await {
            Ok(()) => ControlFlow::Continue(()),
            Err(reason) => self.stopped(reason),
        }
    }

    /// Reads the group first, so that the rows are never older than its status.
    async fn read<A: SofyApi>(&mut self, api: &A, run: &mut Run) -> Result<Snapshot, ApiError> {
        let group = match api.group(&run.group_id).await {
            Err(error) if !error.is_unclear() => return Err(error),
            group => group,
        };
        // What the group shows counts even if its rows cannot be read.
        _ = run.attribute(group.as_ref().ok(), Vec::new());
        self.history.failures.observe(group.as_ref().ok(), &[]);
        let rows = api.rows(&run.group_id).await;
        let rows = rows.map_err(|error| group.clone().err().unwrap_or(error))?;
        self.unlisted_since = None;
        let (test_runs, ambiguous) = run.attribute(group.as_ref().ok(), rows.list);
        if group.is_err() {
            // A failure that only this poll shows is one too.
            self.history.failures.observe(None, &test_runs);
        }
        Ok(Snapshot {
            schedule_name: rows.schedule_name,
            group: group?,
            test_runs,
            ambiguous,
            completeness: rows.completeness,
        })
    }

    fn answered<A: SofyApi>(&mut self, seen: Snapshot, sent_at: Instant) -> Next {
        let silence = self.retry.succeeded();
        self.refused_since = None;
        if let Some(silence) = silence {
            tracing::info!("Sofy answers again after {}", span(silence));
        }
        let elapsed = self.start.elapsed();
        let has_started = seen.group.is_terminal() || seen.group.status == GroupStatus::Running;
        self.queued = self.queued.or(has_started.then_some(elapsed));
        self.pace
            .observe(elapsed, &seen.group.status, &seen.test_runs);
        // What a cache gives was made that much earlier.
        let age = seen.group.age.max(seen.completeness.age);
        let when = PollTime {
            started: (sent_at - self.start).saturating_sub(age),
            finished: elapsed,
            silence: silence.unwrap_or_default(),
        };
        let settlement = self.history.observe(seen, when);
        if let Some(seen) = &self.history.latest {
            let purpose = self.history.purpose();
            for line in self.progress.lines(seen, purpose.as_deref(), elapsed) {
                tracing::info!("{line}");
            }
        }
        // Another run's row can take the first one's place only unseen.
        let awaits_first_row = !A::LISTS_BY_GROUP && !self.history.failures.have_shown_test_runs();
        let pause = match settlement {
            Settlement::Settled => return ControlFlow::Break(Ending::Settled),
            Settlement::GaveUp(blocker) => return ControlFlow::Break(Ending::Stuck(blocker)),
            Settlement::Running if awaits_first_row && elapsed < FIRST_ROW => Duration::ZERO,
            Settlement::Running => self.pace.pause(self.poll_interval, (self.retry.jitter)()),
            Settlement::Waiting(pause) => pause,
        };
        ControlFlow::Continue(bounded(pause, self.poll_interval))
    }

    fn failed(&mut self, error: ApiError, sent_at: Instant, origin: Origin) -> Next {
        let is_known = self.history.latest.is_some() || origin != Origin::Attached;
        let since = self.refused_since.unwrap_or_else(Instant::now);
        self.refused_since = (error.kind == ErrorKind::Rejected).then_some(since);
        let is_enough = !is_known || !Patience::OF_A_REFUSAL.allows(1, since.elapsed());
        let patience = match error.kind {
            ErrorKind::Rejected if is_enough => Patience::NONE,
            ErrorKind::NotFound if !is_known => Patience::BEFORE_A_RUN,
            _ => Patience::ENDLESS,
        };
        let after = error.retry_after.map(|pause| pause.min(LONGEST_OF_A_POLL));
        let retry = &mut self.retry;
        let Some(pause) = retry.failed(error.clone(), sent_at, after, patience) else {
            return ControlFlow::Break(Ending::Refused(error));
        };
        let (message, silence) = (&error.message, span(retry.silence()));
        match retry.failures {
            1 => tracing::warn!("{message}; polling again until the timeout"),
            n if n.is_multiple_of(OUTAGE) => tracing::info!("failing for {silence}: {message}"),
            n => tracing::debug!("{message}; {n} failures in a row"),
        }
        // Sofy answers if the rows can be read, and only lacks the group.
        let usual = Some(self.poll_interval).filter(|_| is_known && self.unlisted_since.is_none());
        let pause = usual.map_or(pause, |usual| {
            pause.min(usual.max(after.unwrap_or_default()))
        });
        ControlFlow::Continue(pause.max(bounded(Duration::ZERO, self.poll_interval)))
    }

    /// The ending if the watch was stopped: at the deadline without contact, it is not about the tests.
    fn stopped(&self, reason: StopReason) -> ControlFlow<Ending> {
        let silent = || ApiError::new(ErrorKind::OutcomeUnknown, "Sofy did not answer in time");
        let first = self.history.latest.is_none().then(silent);
        ControlFlow::Break(match (reason, self.retry.latest.clone().or(first)) {
            (StopReason::Deadline(timeout), Some(error)) => Ending::LostContact { timeout, error },
            (StopReason::Deadline(_) | StopReason::Signal(_), _) => Ending::Stopped(reason),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gate::settle::Blocker;
    use crate::model::schedule::ResultsAfter;
    use crate::tests::fixtures::{at, stop, test_runs};
    use crate::tests::scripted::{Classic, Public, failure, handle, rows};
    use std::sync::{Arc, Mutex};
    use tracing::field::{Field, Visit};
    use tracing::{Event, Level, Subscriber};
    use tracing_subscriber::layer::{Context, Layer, SubscriberExt as _};

    const SECOND: Duration = Duration::from_secs(1);
    const MINUTE: Duration = Duration::from_secs(60);
    const POLL: Duration = Duration::from_secs(15);

    async fn watched<A: SofyApi>(
        api: &A,
        mut run: Run,
        origin: Origin,
        timeout: Duration,
    ) -> (Observation, Duration) {
        let start = Instant::now();
        let (_sender, mut stop) = stop(timeout);
        run.origin = origin;
        let observation = watch(api, &mut run, POLL, &mut stop, || 0.0).await;
        (observation, start.elapsed())
    }

    async fn ending<A: SofyApi>(api: &A, timeout: Duration) -> (Ending, Duration) {
        let (observation, took) = watched(api, handle(), Origin::Triggered, timeout).await;
        (observation.ending, took)
    }

    fn is_lost(ending: &Ending) -> bool {
        matches!(ending, Ending::LostContact { .. })
    }

    #[tokio::test(start_paused = true)]
    async fn a_run_is_watched_to_each_ending() {
        let rows = test_runs;
        for (api, expected, within, why) in [
            (
                Public::new()
                    .look("Queued", vec![])
                    .look("Running", rows(&["Running"]))
                    .look("Complete", rows(&["Passed"])),
                Ending::Settled,
                MINUTE,
                "the ordinary way",
            ),
            (
                Public::new().look("Complete", vec![]),
                Ending::Settled,
                25 * SECOND,
                "no test runs",
            ),
            (
                Public::new()
                    .look("Complete", vec![])
                    .look("Complete", vec![])
                    .look("Complete", rows(&["Passed", "Failed"])),
                Ending::Settled,
                MINUTE,
                "rows lag behind the group",
            ),
            (
                Public::new().look("Complete", rows(&["Passed", "Running"])),
                Ending::Stuck(Blocker::Unfinished),
                76 * SECOND,
                "a row that never ends",
            ),
            (
                Public::new().look("Complete", rows(&["Passed", "Queued"])),
                Ending::Stuck(Blocker::Unfinished),
                76 * SECOND,
                "a status that is not known to be final",
            ),
            (
                (0..6)
                    .fold(Public::new(), |api, _| {
                        api.look("Complete", rows(&["Passed", "In Progress"]))
                    })
                    .look("Complete", rows(&["Passed", "Passed"])),
                Ending::Settled,
                MINUTE + 30 * SECOND,
                "nor is it known to stay",
            ),
            (
                Public::new()
                    .look("Running", rows(&["Passed", "Failed"]))
                    .look("Complete", rows(&["Passed"])),
                Ending::Stuck(Blocker::Missing),
                MINUTE,
                "a failed row goes missing",
            ),
            (
                Public::new().look("Aborted", rows(&["Passed"])),
                Ending::Stuck(Blocker::UnknownGroup),
                2 * MINUTE,
                "a group status that we do not know",
            ),
            (
                Public::new().look("Running", rows(&["Running"])),
                Ending::Stopped(StopReason::Deadline(60 * MINUTE)),
                60 * MINUTE,
                "forever",
            ),
            (
                Public::new().look("Preparing", vec![]),
                Ending::Stopped(StopReason::Deadline(60 * MINUTE)),
                60 * MINUTE,
                "an unknown word and nothing to judge",
            ),
        ] {
            let (ending, took) = ending(&api, 60 * MINUTE).await;

            assert_eq!(ending, expected, "{why}");
            assert!(took <= within, "{why}: {took:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn an_outage_is_outlived_until_the_deadline() {
        let error = failure(ErrorKind::OutcomeUnknown);
        let api = Public::new()
            .look("Running", test_runs(&["Running"]))
            .failures(&error, 15)
            .look("Complete", test_runs(&["Passed"]));

        let (ending_after, took) = ending(&api, 60 * MINUTE).await;

        assert_eq!(ending_after, Ending::Settled);
        assert!(took > 10 * MINUTE, "{took:?}");

        let silent = Public::new().failures(&error, 1);
        let (ending, took) = ending(&silent, 20 * MINUTE).await;
        assert!(is_lost(&ending), "{ending:?}");
        assert_eq!(took, 20 * MINUTE);
        let looks = silent.calls("look");
        let longest = looks.windows(2).map(|pair| pair[1] - pair[0]).max();
        assert_eq!(longest, Some(MINUTE));
    }

    #[tokio::test(start_paused = true)]
    async fn a_pause_that_sofy_asks_for_counts_for_five_minutes_of_a_poll() {
        let mut busy = failure(ErrorKind::Busy);
        busy.retry_after = Some(60 * MINUTE);
        let api = Public::new()
            .failures(&busy, 1)
            .look("Complete", test_runs(&["Passed"]));

        let (ending, took) = ending(&api, 60 * MINUTE).await;

        assert_eq!(ending, Ending::Settled);
        assert!((5 * MINUTE..6 * MINUTE).contains(&took), "{took:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_failure_is_seen_although_the_group_cannot_be_read() {
        let (no_group, no_answer) = (ErrorKind::NotFound, ErrorKind::OutcomeUnknown);
        let failed = &["S1 on Pixel 8: Failed"][..];
        for (kind, first, status, lost) in [
            (no_group, "Running", "Failed", failed),
            (no_answer, "Running", "Failed", failed),
            (no_answer, "Running", "Passed", &[]),
            // The group may have been terminal when it ran again, so that this is not Sofy's retry.
            (no_answer, "Failed", "Running", failed),
        ] {
            let api = Public::new()
                .look("Running", test_runs(&["Passed", first]))
                .without_group(&failure(kind), test_runs(&["Passed", status]))
                .look("Complete", test_runs(&["Passed", "Passed"]));

            let (observation, _) = watched(&api, handle(), Origin::Triggered, 60 * MINUTE).await;

            assert_eq!(observation.ending, Ending::Settled, "{kind:?} {status}");
            assert_eq!(observation.lost, lost, "{kind:?} {status}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_group_that_does_not_exist_is_told_although_its_rows_are_refused() {
        let (no_group, refused) = (ErrorKind::NotFound, ErrorKind::Rejected);
        let (no_group, refused) = (failure(no_group), failure(refused));
        let api = Public::new().without_both(&no_group, &refused);

        let (observation, _) = watched(&api, handle(), Origin::Attached, 60 * MINUTE).await;

        assert_eq!(observation.ending, Ending::Refused(no_group));
    }

    #[tokio::test(start_paused = true)]
    async fn polls_that_a_cache_answers_are_as_old_as_its_answer() {
        let cached = |age: u32, of_group: bool| {
            let api = Public::new().look("Complete", test_runs(&["Passed"]));
            api.cached(age * SECOND, of_group)
        };
        for (api, settled, why) in [
            (cached(0, true), true, "no cache"),
            (cached(3, true), true, "some seconds old each time"),
            (cached(3600, true), false, "an old status of the group"),
            (cached(3600, false), false, "an old list"),
        ] {
            let (ending, took) = ending(&api, MINUTE).await;

            assert_eq!(ending == Ending::Settled, settled, "{why}");
            assert!(!settled || took < 15 * SECOND, "{why}: {took:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_group_that_was_terminal_once_has_no_retry_although_its_rows_could_not_be_read() {
        for (group, lost) in [("Complete", 1), ("Running", 0)] {
            let api = Public::new()
                .look("Running", test_runs(&["Failed"]))
                .without_rows(group, &failure(ErrorKind::OutcomeUnknown))
                .look("Running", test_runs(&["Running"]))
                .look("Complete", test_runs(&["Passed"]));

            let (observation, _) = watched(&api, handle(), Origin::Triggered, 60 * MINUTE).await;

            assert_eq!(observation.ending, Ending::Settled, "{group}");
            assert_eq!(observation.lost.len(), lost, "{group}");
            assert_eq!(observation.retried.len(), 1 - lost, "{group}");
        }
    }

    /// The lines of the log that people read, by level.
    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<(Level, String)>>>);

    impl<S: Subscriber> Layer<S> for Lines {
        fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
            struct Message(String);
            impl Visit for Message {
                fn record_debug(&mut self, _: &Field, value: &dyn std::fmt::Debug) {
                    self.0 = format!("{value:?}");
                }
            }
            let mut message = Message(String::new());
            event.record(&mut message);
            let mut lines = self.0.lock().expect("the lines");
            lines.push((*event.metadata().level(), message.0));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn an_outage_is_said_when_it_begins_now_and_then_and_when_it_is_over() {
        let lines = Lines::default();
        let log = tracing_subscriber::registry().with(lines.clone());
        let _listening = tracing::subscriber::set_default(log);
        let api = Public::new()
            .look("Running", test_runs(&["Running"]))
            .failures(&failure(ErrorKind::OutcomeUnknown), 15)
            .look("Complete", test_runs(&["Passed"]));

        let (_, took) = ending(&api, 60 * MINUTE).await;

        assert!((10 * MINUTE..12 * MINUTE).contains(&took), "{took:?}");
        let lines = lines.0.lock().expect("the lines").clone();
        let count = |level: Level, words: &str| {
            let said = |(at, text): &&(Level, String)| *at == level && text.contains(words);
            lines.iter().filter(said).count()
        };
        assert_eq!(count(Level::WARN, ""), 1, "{lines:?}");
        assert_eq!(count(Level::INFO, "failing for"), 3, "{lines:?}");
        assert_eq!(count(Level::INFO, "answers again after"), 1, "{lines:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn each_change_and_each_failure_is_said_once() {
        let lines = Lines::default();
        let log = tracing_subscriber::registry().with(lines.clone());
        let _listening = tracing::subscriber::set_default(log);
        let api = Public::new()
            .look("Queued", vec![])
            .look("Queued", vec![])
            .look("Running", test_runs(&["Running", "Running"]))
            .look("Running", test_runs(&["Running", "Failed"]))
            .look("Complete", test_runs(&["Passed", "Failed"]));

        _ = ending(&api, 5 * MINUTE).await;

        let lines = lines.0.lock().expect("the lines").clone();
        let said = lines.iter().filter(|(level, _)| *level == Level::INFO);
        let said: Vec<&str> = said.map(|(_, text)| text.as_str()).collect();
        assert_eq!(
            said,
            [
                "no test runs listed yet (group Queued)",
                "0 of 2 test runs done (group Running)",
                "failed: S1 on Pixel 8",
                "1 of 2 test runs done: 1 failed (group Running)",
                "finished: 1 passed, 1 failed; checking for 7s that nothing changes",
            ]
        );
    }

    #[tokio::test(start_paused = true)]
    async fn the_queue_is_told_from_the_run() {
        for (api, queued, why) in [
            (
                Public::new()
                    .look("Queued", vec![])
                    .look("Queued", vec![])
                    .look("Running", test_runs(&["Running"]))
                    .look("Complete", test_runs(&["Passed"])),
                Some(2 * POLL),
                "two looks found it queued",
            ),
            (
                Public::new().look("Complete", test_runs(&["Passed"])),
                Some(Duration::ZERO),
                "it was over at once",
            ),
            (Public::new().look("Queued", vec![]), None, "it never began"),
        ] {
            let (_sender, mut stop) = stop(10 * MINUTE);

            let watched = watch(&api, &mut handle(), POLL, &mut stop, || 0.0).await;

            assert_eq!(watched.queued, queued, "{why}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_pause_that_sofy_asks_for_is_kept_and_never_outlasts_the_deadline() {
        let mut busy = failure(ErrorKind::Busy);
        busy.retry_after = Some(5 * MINUTE);
        for (timeout, looks) in [(60 * MINUTE, vec![0, 300, 304, 307]), (MINUTE, vec![0, 60])] {
            let api = Public::new()
                .failures(&busy, 1)
                .look("Complete", test_runs(&["Passed"]));

            _ = ending(&api, timeout).await;

            let at: Vec<u64> = api
                .calls("look")
                .iter()
                .map(|at| at.as_secs_f64().round() as u64)
                .collect();
            assert_eq!(at[..looks.len()], looks, "{at:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn no_pause_that_sofy_asks_for_parks_a_run_for_over_five_minutes() {
        let mut busy = failure(ErrorKind::OutcomeUnknown);
        busy.retry_after = Some(60 * MINUTE);
        for (group, why) in [("Running", "it goes on"), ("Complete", "it has finished")] {
            let api = Public::new()
                .look(group, test_runs(&["Passed"]))
                .failures(&busy, 1)
                .look("Complete", test_runs(&["Passed"]));

            let (ending, took) = ending(&api, 60 * MINUTE).await;

            assert_eq!(ending, Ending::Settled, "{why}");
            assert!((5 * MINUTE..6 * MINUTE).contains(&took), "{why}: {took:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn failed_polls_do_not_use_up_the_patience_with_a_finished_group() {
        let silence = failure(ErrorKind::OutcomeUnknown);
        let api = Public::new()
            .look("Complete", vec![])
            .failures(&silence, 5)
            .look("Complete", vec![])
            .look("Complete", test_runs(&["Passed"]));

        let (ending, took) = ending(&api, 60 * MINUTE).await;

        assert_eq!(ending, Ending::Settled);
        assert!(took > 31 * SECOND, "{took:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn no_two_looks_are_closer_than_two_seconds_or_the_poll_interval() {
        let unclear = failure(ErrorKind::OutcomeUnknown);
        for (poll_interval, least) in [(POLL, 2 * SECOND), (SECOND, SECOND)] {
            for api in [
                Public::new().failures(&unclear, 1),
                Public::new().look("Complete", vec![]),
                Public::new().look("Complete", test_runs(&["Running"])),
                Public::new().look("Running", test_runs(&["Running", "Passed"])),
            ] {
                let (_sender, mut stop) = stop(5 * MINUTE);

                _ = watch(&api, &mut handle(), poll_interval, &mut stop, || 1.0).await;

                let looks = api.calls("look");
                // The last look is the one that falls on the deadline.
                let before_the_last = &looks[..looks.len() - 1];
                let shortest = before_the_last
                    .windows(2)
                    .map(|pair| pair[1] - pair[0])
                    .min();
                assert!(shortest >= Some(least), "{looks:?}");
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_says_no_is_asked_again_for_two_minutes_once_sofy_has_named_the_run() {
        let no = failure(ErrorKind::Rejected);
        let unlisted = failure(ErrorKind::NotFound);
        let running = || Public::new().look("Running", test_runs(&["Running"]));
        for (api, origin, at_least, at_most, why) in [
            (
                Public::new().failures(&no, 1),
                Origin::Triggered,
                2 * MINUTE,
                4 * MINUTE,
                "triggered",
            ),
            (
                Public::new().failures(&no, 1),
                Origin::Adopted,
                2 * MINUTE,
                4 * MINUTE,
                "adopted",
            ),
            (
                Public::new().failures(&no, 1),
                Origin::Attached,
                Duration::ZERO,
                SECOND,
                "a key that never worked",
            ),
            (
                running().failures(&no, 1),
                Origin::Attached,
                2 * MINUTE,
                4 * MINUTE,
                "an answer has confirmed it",
            ),
            (
                Public::new().failures(&unlisted, 1),
                Origin::Attached,
                15 * SECOND,
                MINUTE,
                "a wrong ID",
            ),
        ] {
            let (observation, took) = watched(&api, handle(), origin, 60 * MINUTE).await;

            assert!(matches!(observation.ending, Ending::Refused(_)), "{why}");
            assert!((at_least..at_most).contains(&took), "{why}: {took:?}");
        }
        // Refused from 0 to 63 s and from 183 to 243 s: each time for less than 2 minutes.
        let silence = failure(ErrorKind::OutcomeUnknown);
        let between = Public::new()
            .failures(&no, 7)
            .failures(&silence, 1)
            .failures(&no, 2)
            .look("Complete", test_runs(&["Passed"]));
        assert_eq!(
            ending(&between, 60 * MINUTE).await.0,
            Ending::Settled,
            "another error between two refusals"
        );
        let answered = running()
            .failures(&no, 7)
            .look("Running", test_runs(&["Running"]))
            .failures(&no, 7)
            .look("Complete", test_runs(&["Passed"]));
        assert_eq!(
            ending(&answered, 60 * MINUTE).await.0,
            Ending::Settled,
            "an answer between two refusals"
        );
        let back = running()
            .failures(&no, 6)
            .look("Complete", test_runs(&["Passed"]));
        assert_eq!(
            ending(&back, 60 * MINUTE).await.0,
            Ending::Settled,
            "a gateway's bad minute"
        );
        let listed = Public::new()
            .failures(&unlisted, 9)
            .look("Complete", test_runs(&["Passed"]));
        assert_eq!(
            ending(&listed, 60 * MINUTE).await.0,
            Ending::Settled,
            "a list that lags"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn the_last_look_falls_on_the_deadline_and_counts() {
        let api = Public::new()
            .look("Queued", vec![])
            .look("Queued", vec![])
            .look("Queued", vec![])
            .look("Queued", vec![])
            .look("Complete", test_runs(&["Passed"]));

        let (ending_of_late, took) = ending(&api, MINUTE).await;

        assert_eq!(
            ending_of_late,
            Ending::Settled,
            "settling may outlast the deadline"
        );
        assert_eq!(took, 67 * SECOND);

        let unfinished = Public::new()
            .look("Running", test_runs(&["Running"]))
            .look("Complete", test_runs(&["Running"]));
        let (ending_of_unfinished, took) = ending(&unfinished, 15 * SECOND).await;
        assert_eq!(
            ending_of_unfinished,
            Ending::Stopped(StopReason::Deadline(15 * SECOND))
        );
        assert_eq!(
            took,
            15 * SECOND,
            "what is unfinished at the deadline stays so"
        );

        let interrupted = Public::new()
            .look("Queued", vec![])
            .look("Complete", test_runs(&["Passed"]))
            .failures(&failure(ErrorKind::OutcomeUnknown), 1)
            .look("Complete", test_runs(&["Passed"]));
        let (ending_of_interrupted, took) = ending(&interrupted, 15 * SECOND).await;
        assert_eq!(
            ending_of_interrupted,
            Ending::Settled,
            "a failed poll does not end the settling"
        );
        assert!(took <= 30 * SECOND, "{took:?}");

        let growing = (1..40).fold(Public::new(), |api, rows| {
            api.look("Complete", test_runs(&vec!["Passed"; rows]))
        });
        let (ending, took) = ending(&growing, 15 * SECOND).await;
        assert!(took <= 30 * SECOND, "{took:?}");
        assert_ne!(ending, Ending::Settled);
    }

    #[tokio::test(start_paused = true)]
    async fn a_run_that_settles_over_the_deadline_is_polled_at_it_and_after_it() {
        for (queued, timeout, at, settled, why) in [
            (
                0,
                5,
                &[0, 3_500, 5_000, 8_500][..],
                true,
                "two polls before it",
            ),
            (
                1,
                17,
                &[0, 15_000, 17_000, 20_500, 24_000],
                true,
                "one poll before it",
            ),
            (
                1,
                15,
                &[0, 15_000, 18_500, 22_000],
                true,
                "the first poll is the one at it",
            ),
            (2, 15, &[0, 15_000], false, "it has not finished"),
        ] {
            let queued = (0..queued).fold(Public::new(), |api, _| api.look("Queued", vec![]));
            let api = queued.look("Complete", test_runs(&["Passed"]));

            let (ending, _) = ending(&api, timeout * SECOND).await;

            let polls: Vec<u128> = api.calls("look").iter().map(Duration::as_millis).collect();
            assert_eq!(polls, at, "{why}");
            assert_eq!(ending == Ending::Settled, settled, "{why}: {ending:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_look_that_hangs_over_the_deadline_is_given_up() {
        let api = Public::new()
            .look("Running", test_runs(&["Running"]))
            .hang(60 * MINUTE);

        let (ending, took) = ending(&api, MINUTE).await;

        assert_eq!(ending, Ending::Stopped(StopReason::Deadline(MINUTE)));
        assert_eq!(took, MINUTE + LAST_POLL);
    }

    #[tokio::test(start_paused = true)]
    async fn a_sofy_that_never_answers_a_poll_is_no_run_that_takes_too_long() {
        for seen_before in [false, true] {
            let api = Public::new();
            let api = match seen_before {
                true => api.look("Running", test_runs(&["Running"])),
                false => api,
            };

            let (ending, took) = ending(&api.hang(60 * MINUTE), 12 * SECOND).await;

            assert_eq!(is_lost(&ending), !seen_before, "{ending:?}");
            assert!(took <= 12 * SECOND + LAST_POLL, "{took:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_signal_ends_the_watch_at_once() {
        for api in [
            Public::new().look("Running", test_runs(&["Running"])),
            Public::new().hang(MINUTE),
            Public::new().failures(&failure(ErrorKind::OutcomeUnknown), 1),
        ] {
            let (sender, mut stop) = stop(60 * MINUTE);
            let start = Instant::now();
            let mut run = handle();
            let watching = watch(&api, &mut run, POLL, &mut stop, || 0.0);
            let signalling = async {
                sleep(5 * SECOND).await;
                sender.send(Some("SIGTERM")).expect("a receiver");
            };

            let (watched, ()) = tokio::join!(watching, signalling);

            assert_eq!(
                watched.ending,
                Ending::Stopped(StopReason::Signal("SIGTERM"))
            );
            assert_eq!(start.elapsed(), 5 * SECOND);
        }
    }

    const YESTERDAY: &str = "2024-04-30T10:00:00";
    const TODAY: &str = "2024-05-01T10:00:00";

    fn triggered_after(time: &str) -> Run {
        let before = rows(vec![at(time, "S0", "Pixel 8", "Passed")]);
        Run::triggered("77".into(), Origin::Triggered, Some(&before))
    }

    #[tokio::test(start_paused = true)]
    async fn the_first_row_of_the_classic_api_is_looked_for_often_for_half_a_minute() {
        let old = || vec![at(YESTERDAY, "S0", "Pixel 8", "Passed")];
        let api = Classic::new().look("Queued", old());

        let (_, _) = watched(
            &api,
            triggered_after(YESTERDAY),
            Origin::Triggered,
            2 * MINUTE,
        )
        .await;

        let looks = api.calls("look");
        let early = looks.iter().filter(|at| **at < 30 * SECOND).count();
        assert_eq!(early, 15, "{looks:?}");
        assert_eq!(looks.len() - early, 7, "then at the usual pace: {looks:?}");

        let seen = Classic::new().look("Running", vec![at(TODAY, "S0", "Pixel 8", "Running")]);
        let (_, _) = watched(&seen, triggered_after(YESTERDAY), Origin::Triggered, MINUTE).await;
        let looks = seen.calls("look").len();
        assert!(
            looks < early,
            "no hurry once one of our rows is seen: {looks}"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn rows_first_seen_after_a_silence_are_doubted_on_the_classic_api() {
        let ours = |status| vec![at(TODAY, "S0", "Pixel 8", status)];
        let old = || vec![at(YESTERDAY, "S0", "Pixel 8", "Passed")];
        for (failures, takes, seen_before, doubted, why) in [
            (9, SECOND, false, true, "minutes of silence"),
            (3, SECOND, false, false, "some seconds of silence"),
            (
                2,
                30 * SECOND,
                false,
                true,
                "looks that hang are silence too",
            ),
            (
                1,
                58 * SECOND,
                false,
                false,
                "a minute, with the pause of two seconds after the look",
            ),
            (9, SECOND, true, false, "our rows were known before it"),
        ] {
            let first = if seen_before { ours("Running") } else { old() };
            let api = (0..failures)
                .fold(Classic::new().look("Running", first), |api, _| {
                    api.hang(takes)
                })
                .look("Complete", ours("Passed"));

            let (observation, _) = watched(
                &api,
                triggered_after(YESTERDAY),
                Origin::Triggered,
                60 * MINUTE,
            )
            .await;

            let doubt = observation.snapshot.and_then(|seen| seen.ambiguous);
            assert_eq!(
                doubt.map(|ambiguous| ambiguous.doubt),
                doubted.then_some(AmbiguityReason::LostContact),
                "{why}"
            );
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_group_that_cannot_be_read_is_no_silence_if_the_rows_can() {
        let ours = || vec![at(TODAY, "S0", "Pixel 8", "Passed")];
        let old = || vec![at(YESTERDAY, "S0", "Pixel 8", "Passed")];
        let unread = failure(ErrorKind::OutcomeUnknown);
        let api = (0..9).fold(Classic::new(), |api, _| api.without_group(&unread, old()));
        let api = api.look("Complete", ours());

        let run = triggered_after(YESTERDAY);
        let (observation, took) = watched(&api, run, Origin::Triggered, 60 * MINUTE).await;

        assert_eq!(observation.ending, Ending::Settled);
        assert!(took > 75 * SECOND, "{took:?}");
        let looks = api.calls("look");
        let longest = looks.windows(2).map(|pair| pair[1] - pair[0]).max();
        assert_eq!(longest, Some(POLL), "no silence that grows either");

        let missing = failure(ErrorKind::NotFound);
        let api = Public::new().without_group(&missing, Vec::new());
        let mut run = handle();
        run.origin = Origin::Attached;
        let (_sender, mut stop) = stop(MINUTE);
        let start = Instant::now();
        let observation = watch(&api, &mut run, SECOND, &mut stop, || 0.0).await;
        assert_eq!(observation.ending, Ending::Refused(missing));
        let took = start.elapsed();
        assert!(took > 30 * SECOND, "a list may lag: {took:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_group_of_an_earlier_attempt_was_over_even_if_its_rows_could_not_be_read() {
        let rows = || vec![at(TODAY, "S0", "Pixel 8", "Passed")];
        let api = Classic::new()
            .without_rows("Complete", &failure(ErrorKind::OutcomeUnknown))
            .look("Running", rows())
            .look("Complete", rows());
        let after = ResultsAfter::parse("none;attempt=1").expect("what a step wrote");
        let run = Run::attached("77".into(), Some(after), Some(2));

        let (observation, _) = watched(&api, run, Origin::Attached, 60 * MINUTE).await;

        assert_eq!(observation.ending, Ending::Stuck(Blocker::Ambiguous));
    }

    #[tokio::test(start_paused = true)]
    async fn a_group_of_an_earlier_attempt_that_is_over_at_the_first_look_proves_nothing() {
        for (after, first, expected, why) in [
            (
                "none;attempt=1",
                "Complete",
                Ending::Stuck(Blocker::Ambiguous),
                "an earlier attempt",
            ),
            (
                YESTERDAY,
                "Complete",
                Ending::Stuck(Blocker::Ambiguous),
                "a bare time in a re-run",
            ),
            (
                "none;attempt=2",
                "Complete",
                Ending::Settled,
                "this very attempt",
            ),
            (
                "none;attempt=1",
                "Running",
                Ending::Settled,
                "the group still runs",
            ),
        ] {
            let rows = || vec![at(TODAY, "S0", "Pixel 8", "Passed")];
            let unread = failure(ErrorKind::OutcomeUnknown);
            for api in [
                Classic::new(),
                Classic::new().without_group(&unread, rows()),
            ] {
                let api = api.look(first, rows()).look("Complete", rows());
                let after = ResultsAfter::parse(after).expect("what a step wrote");
                let run = Run::attached("77".into(), Some(after), Some(2));

                let (observation, _) = watched(&api, run, Origin::Attached, 60 * MINUTE).await;

                assert_eq!(observation.ending, expected, "{why}");
            }
        }
    }
}
