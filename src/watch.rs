//! When is the run over? Looks again and again until an ending.
//!
//! Knows time only through tokio's clock, and Sofy only through the seam.

use std::time::Duration;

use tokio::time::{Instant, sleep_until, timeout_at};

use crate::limits::Limits;
use crate::pace::Pace;
use crate::report::progress::Progress;
use crate::sofy::{ApiError, RunHandle, SofyApi};
use crate::test_run::{GroupStatus, Snapshot};
use crate::verdict::{Ending, Observation, Unrest};

/// The last look may outlast the deadline by this much, and no more.
const LAST_LOOK: Duration = Duration::from_secs(15);

/// An empty list is looked at again for some seconds: rows may lag behind their group.
const LOOKS_AT_NOTHING: u32 = 3;

/// A random share from 0 to 1.
pub(crate) type Jitter = fn() -> f64;

/// What the watch learnt besides the ending.
#[derive(Debug)]
pub(crate) struct Watched {
    pub(crate) observation: Observation,
    /// From the first look to the first sign of running; none where there was no such sign.
    pub(crate) queued: Option<Duration>,
}

/// Looks at the run until it settles, the deadline or a signal comes, or contact is lost.
pub(crate) async fn watch<A: SofyApi>(
    api: &A,
    run: &mut RunHandle,
    pace: Pace,
    limits: &mut Limits,
    jitter: Jitter,
) -> Watched {
    let start = Instant::now();
    let deadline = limits.deadline();
    let mut seen = Seen::default();
    let mut progress = Progress::default();
    let mut failures = 0;
    let mut queued = None;
    let ending = loop {
        let look = tokio::select! {
            biased;
            name = limits.signal() => break Ending::Cancelled(name),
            look = timeout_at(deadline + LAST_LOOK, api.observe(run)) => look,
        };
        let pause = match look {
            Err(_) => break Ending::Deadline(limits.timeout()),
            Ok(Ok(snapshot)) => {
                failures = 0;
                if queued.is_none() && has_begun(&snapshot) {
                    queued = Some(start.elapsed());
                }
                let next = seen.take(snapshot, pace);
                if let (Some(snapshot), Next::LookAfter(pause)) = (&seen.snapshot, &next)
                    && let Some(line) = progress.line(snapshot, start.elapsed(), *pause)
                {
                    tracing::info!("{line}");
                }
                match next {
                    Next::End(ending) => break ending,
                    Next::LookAfter(pause) => pause,
                }
            }
            Ok(Err(error)) => {
                failures += 1;
                match after_failure(&error, failures, pace, jitter) {
                    Ok(pause) => pause,
                    Err(ending) => break ending,
                }
            }
        };
        if Instant::now() >= deadline {
            break Ending::Deadline(limits.timeout());
        }
        // Clamped, so that the last look falls on the deadline.
        let wake = Instant::now()
            .checked_add(pause)
            .map_or(deadline, |at| at.min(deadline));
        tokio::select! {
            biased;
            name = limits.signal() => break Ending::Cancelled(name),
            () = sleep_until(wake) => {}
        }
    };
    Watched {
        observation: Observation {
            snapshot: seen.snapshot,
            ending,
        },
        queued,
    }
}

/// Decides what a failed look means: a pause, or the end.
fn after_failure(
    error: &ApiError,
    failures: u32,
    pace: Pace,
    jitter: Jitter,
) -> Result<Duration, Ending> {
    let lost = |reason: String| Ending::LostContact {
        reason,
        advice: error.advice.clone(),
    };
    if !error.is_transient() {
        return Err(lost(error.message.clone()));
    }
    let Some(pause) = pace.after_failure(failures, error.retry_after, jitter()) else {
        return Err(lost(format!(
            "lost contact after {failures} failed looks in a row, the last one {}",
            error.message
        )));
    };
    if failures == 1 {
        tracing::warn!("{}; looking again", error.message);
    } else {
        tracing::debug!("{}; {failures} failures in a row", error.message);
    }
    Ok(pause)
}

fn has_begun(snapshot: &Snapshot) -> bool {
    match snapshot.group.status {
        GroupStatus::Running | GroupStatus::Complete | GroupStatus::CompleteWithErrors => true,
        GroupStatus::Queued | GroupStatus::Other => false,
    }
}

enum Next {
    LookAfter(Duration),
    End(Ending),
}

/// What the looks have shown so far.
#[derive(Default)]
struct Seen {
    snapshot: Option<Snapshot>,
    /// The most test runs that one look showed.
    most: usize,
    /// Looks at a group that is over but not at rest.
    settling: u32,
}

impl Seen {
    /// Takes in a look and decides whether it was the last.
    ///
    /// A group is at rest when it is over, every test run is final, and two looks in a row agree
    /// on how many there are: a list may lag behind its group.
    fn take(&mut self, snapshot: Snapshot, pace: Pace) -> Next {
        let before = self.snapshot.as_ref().map(|seen| seen.test_runs.len());
        let now = snapshot.test_runs.len();
        self.most = self.most.max(now);
        let unrest = if snapshot.indistinct > 0 {
            Some(Unrest::Indistinct)
        } else if now < self.most {
            Some(Unrest::Vanished { most: self.most })
        } else if !snapshot.all_final() {
            Some(Unrest::Unfinished)
        } else if before != Some(now) || (now == 0 && self.settling < LOOKS_AT_NOTHING) {
            Some(Unrest::Growing)
        } else if !snapshot.group.is_terminal() {
            Some(Unrest::UnknownGroup)
        } else {
            None
        };
        let may_be_over = match snapshot.group.status {
            GroupStatus::Complete | GroupStatus::CompleteWithErrors => true,
            // A word that we do not know may mean the end, once there are test runs and all are final.
            GroupStatus::Other => now > 0 && snapshot.all_final(),
            GroupStatus::Queued | GroupStatus::Running => false,
        };
        self.snapshot = Some(snapshot);
        if !may_be_over {
            self.settling = 0;
            return Next::LookAfter(pace.between_looks());
        }
        let Some(unrest) = unrest else {
            return Next::End(Ending::Settled);
        };
        let pause = pace.while_settling(self.settling);
        self.settling += 1;
        pause.map_or(Next::End(Ending::Unsettled(unrest)), Next::LookAfter)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inputs::Order;
    use crate::sofy::{Kind, Ours};
    use crate::test_run::{Group, TestRun, TestStatus};
    use std::cell::RefCell;
    use std::collections::VecDeque;

    /// A Sofy that plays a script; its last scene goes on for ever.
    struct Scripted {
        scenes: RefCell<VecDeque<Result<Snapshot, ApiError>>>,
        looks: RefCell<Vec<Instant>>,
    }

    impl Scripted {
        fn new(scenes: impl IntoIterator<Item = Result<Snapshot, ApiError>>) -> Self {
            Self {
                scenes: RefCell::new(scenes.into_iter().collect()),
                looks: RefCell::default(),
            }
        }
    }

    impl SofyApi for Scripted {
        type Baseline = ();
        const CAN_ABORT: bool = false;

        async fn baseline(&self) -> Result<(), ApiError> {
            Ok(())
        }
        async fn trigger(&self, _order: &Order, _baseline: &()) -> Result<RunHandle, ApiError> {
            Ok(handle())
        }
        async fn attach(
            &self,
            _group_id: &str,
            _results_after: &str,
        ) -> Result<RunHandle, ApiError> {
            Ok(handle())
        }
        async fn observe(&self, _run: &mut RunHandle) -> Result<Snapshot, ApiError> {
            self.looks.borrow_mut().push(Instant::now());
            let mut scenes = self.scenes.borrow_mut();
            if scenes.len() > 1 {
                scenes.pop_front().expect("a scene")
            } else {
                scenes.front().cloned().expect("a last scene")
            }
        }
        async fn abort(&self, _run: &RunHandle) -> Result<String, ApiError> {
            Ok(String::new())
        }
    }

    fn handle() -> RunHandle {
        RunHandle {
            group_id: "77".into(),
            results_after: String::new(),
            ours: Ours::listed("77".into()),
        }
    }

    fn scene(group: &str, statuses: &[&str]) -> Result<Snapshot, ApiError> {
        let run = |status: &&str| TestRun {
            scenario: "S".into(),
            device: "D".into(),
            build: String::new(),
            status: TestStatus::parse(status),
            scheduled_at: String::new(),
        };
        Ok(Snapshot {
            schedule_name: String::new(),
            group: Group::parse(group),
            test_runs: statuses.iter().map(run).collect(),
            indistinct: 0,
        })
    }

    fn error(kind: Kind) -> Result<Snapshot, ApiError> {
        Err(ApiError::new(kind, "GET /x: 502"))
    }

    async fn ending(api: &Scripted, timeout_minutes: u64) -> (Ending, Duration) {
        let start = Instant::now();
        let timeout = Duration::from_secs(timeout_minutes * 60);
        let (_sender, signal) = tokio::sync::watch::channel(None);
        let mut limits = Limits::new(timeout, signal);
        let pace = Pace::of_watch(Duration::from_secs(15));
        let watched = watch(api, &mut handle(), pace, &mut limits, || 0.0).await;
        (watched.observation.ending, start.elapsed())
    }

    #[tokio::test(start_paused = true)]
    async fn a_run_is_watched_to_each_ending() {
        let minute = Duration::from_secs(60);
        for (scenes, expected, within, why) in [
            (
                vec![
                    scene("Queued", &[]),
                    scene("Running", &["Running"]),
                    scene("Complete", &["Passed"]),
                ],
                Ending::Settled,
                minute,
                "the ordinary way",
            ),
            (
                vec![scene("Complete", &["Passed"])],
                Ending::Settled,
                minute,
                "over at the first look, seen twice",
            ),
            (
                vec![scene("Complete", &[])],
                Ending::Settled,
                minute,
                "no test runs, seen twice",
            ),
            (
                vec![
                    scene("Complete", &[]),
                    scene("Complete", &["Passed"]),
                    scene("Complete", &["Passed", "Failed"]),
                ],
                Ending::Settled,
                minute,
                "rows lag behind the group",
            ),
            (
                vec![scene("Complete", &["Passed", "Running"])],
                Ending::Unsettled(Unrest::Unfinished),
                2 * minute,
                "a row that never ends",
            ),
            (
                vec![scene("Complete", &["Passed", "Odd"])],
                Ending::Unsettled(Unrest::Unfinished),
                2 * minute,
                "a status that we do not know",
            ),
            (
                vec![
                    scene("Running", &["Passed", "Failed"]),
                    scene("Complete", &["Passed"]),
                ],
                Ending::Unsettled(Unrest::Vanished { most: 2 }),
                2 * minute,
                "a failed row goes missing",
            ),
            (
                vec![
                    scene("Complete", &[]),
                    scene("Complete", &[]),
                    scene("Complete", &[]),
                    scene("Complete", &["Passed", "Running"]),
                ],
                Ending::Unsettled(Unrest::Unfinished),
                2 * minute,
                "rows that lag some seconds behind the group are waited for",
            ),
            (
                vec![scene("Aborted", &["Passed"])],
                Ending::Unsettled(Unrest::UnknownGroup),
                2 * minute,
                "a group status that we do not know",
            ),
            (
                vec![scene("Running", &["Running"])],
                Ending::Deadline(60 * minute),
                61 * minute,
                "for ever",
            ),
            (
                vec![scene("Preparing", &[])],
                Ending::Deadline(60 * minute),
                61 * minute,
                "an unknown word and nothing to judge",
            ),
        ] {
            let (ending, took) = ending(&Scripted::new(scenes), 60).await;

            assert_eq!(ending, expected, "{why}");
            assert!(took <= within, "{why}: {took:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn bad_minutes_are_outlived() {
        let mut scenes = vec![scene("Running", &["Running"])];
        scenes.extend((0..15).map(|_| error(Kind::Unclear)));
        scenes.push(scene("Complete", &["Passed"]));

        let (ending, _) = ending(&Scripted::new(scenes), 60).await;

        assert_eq!(ending, Ending::Settled);
    }

    #[tokio::test(start_paused = true)]
    async fn contact_is_lost_when_the_budget_is_spent_and_at_once_when_refused() {
        for (kind, looks, why) in [
            (Kind::Unclear, 20, "the budget"),
            (Kind::Refused, 1, "asking again changes nothing"),
        ] {
            let api = Scripted::new([error(kind)]);

            let (ending, _) = ending(&api, 60).await;

            assert!(matches!(ending, Ending::LostContact { .. }), "{why}");
            assert_eq!(api.looks.borrow().len(), looks, "{why}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_last_look_falls_on_the_deadline_and_counts() {
        let start = Instant::now();
        let mut scenes: Vec<_> = (0..4).map(|_| scene("Running", &["Running"])).collect();
        scenes.push(scene("Complete", &["Passed"]));
        let api = Scripted::new(scenes);

        let (ending, _) = ending(&api, 1).await;

        assert_eq!(ending, Ending::Settled);
        assert_eq!(
            api.looks.borrow().last().map(|at| *at - start),
            Some(Duration::from_secs(60))
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_signal_ends_the_watch_at_once() {
        let api = Scripted::new([scene("Running", &["Running"])]);
        let (sender, signal) = tokio::sync::watch::channel(None);
        let start = Instant::now();
        let timeout = Duration::from_secs(3600);
        let mut limits = Limits::new(timeout, signal);
        let mut run = handle();
        let watching = watch(
            &api,
            &mut run,
            Pace::of_watch(timeout / 6),
            &mut limits,
            || 0.0,
        );
        let signalling = async {
            tokio::time::sleep(Duration::from_secs(5)).await;
            sender.send(Some("SIGTERM")).expect("a receiver");
        };

        let (watched, ()) = tokio::join!(watching, signalling);

        assert_eq!(watched.observation.ending, Ending::Cancelled("SIGTERM"));
        assert_eq!(start.elapsed(), Duration::from_secs(5));
    }
}
