//! The story of one step: trigger or attach, watch, judge, abort what is left.

use std::time::Duration;

use tokio::time::{Instant, sleep_until, timeout};

use crate::github::Runner;
use crate::inputs::{AbortUnfinished, Inputs, Order, ScheduleId, Start};
use crate::limits::Limits;
use crate::pace::Pace;
use crate::report::{PORTAL, Report};
use crate::sofy::{ApiError, Classic, Kind, Public, RunHandle, SofyApi};
use crate::verdict::{Conclusion, Ending, Verdict, judge};
use crate::watch::watch;
use tokio::sync::watch::Receiver;

/// With the abort it stays below the 7.5 s that the runner waits before it insists.
const ABORT_BUDGET: Duration = Duration::from_secs(3);
/// Long enough to learn the group of a trigger under way, so that it can be aborted.
const TRIGGER_GRACE: Duration = Duration::from_secs(3);
/// Where nothing can be aborted, the answer is worth less than a quick end.
const TRIGGER_GRACE_WITHOUT_ABORT: Duration = Duration::from_secs(1);

/// Runs the step with the API generation that the schedule's ID selects.
pub(crate) async fn run(
    inputs: &Inputs,
    runner: &mut Runner,
    signal: Receiver<Option<&'static str>>,
) -> Report {
    let (url, key) = (inputs.api_url.as_deref(), inputs.api_key.clone());
    match &inputs.schedule {
        ScheduleId::Classic(number) => {
            conduct(Classic::new(url, key, *number), inputs, runner, signal).await
        }
        ScheduleId::Public(guid) => {
            conduct(Public::new(url, key, guid.clone()), inputs, runner, signal).await
        }
    }
}

async fn conduct<A: SofyApi>(
    api: Result<A, ApiError>,
    inputs: &Inputs,
    runner: &mut Runner,
    signal: Receiver<Option<&'static str>>,
) -> Report {
    let mut report = Report::of(Verdict::new(
        Conclusion::Error,
        "the step did not come to its end",
    ));
    report.schedule_id = inputs.schedule.to_string();
    let mut limits = Limits::new(inputs.timeout, signal);
    let api = match api {
        Ok(api) => api,
        Err(error) => {
            return report
                .ended(Verdict::new(Conclusion::Error, error.message).advise(error.advice));
        }
    };
    if let Start::Trigger(order) | Start::Detach(order) = &inputs.start {
        report.app_hash = order.app_hash.clone().unwrap_or_default();
    }
    let begun = Beginning {
        api: &api,
        pace: Pace::of_trigger(inputs.poll_interval),
        limits: &mut limits,
    }
    .begin(&inputs.start)
    .await;
    let started_at = Instant::now();
    let mut run = match begun {
        Ok(run) => run,
        Err(stop) => return report.ended(stop.verdict(inputs.timeout)),
    };
    report.group_id.clone_from(&run.group_id);
    report.results_after.clone_from(&run.results_after);
    runner.set_outputs(&[("test-run-group-id", run.group_id.clone())]);
    if let Start::Detach(_) = inputs.start {
        tracing::info!(
            "test run group {} is started and left alone; see {PORTAL}",
            run.group_id
        );
        return report.ended(
            Verdict::new(
                Conclusion::Detached,
                format!(
                    "test run group {} was started; this step does not wait for it",
                    run.group_id
                ),
            )
            .advise("Judge it in a later step or job with the input test-run-group-id."),
        );
    }
    tracing::info!(
        "watching test run group {} of schedule {}; see {PORTAL}",
        run.group_id,
        inputs.schedule
    );

    let pace = Pace::of_watch(inputs.poll_interval);
    let watched = watch(&api, &mut run, pace, &mut limits, jitter).await;

    report.queued = watched.queued;
    let unfinished = match watched.observation.ending {
        Ending::Deadline(_) | Ending::Cancelled(_) => watched
            .observation
            .snapshot
            .as_ref()
            .is_none_or(|seen| !seen.group.is_terminal()),
        Ending::Settled | Ending::Unsettled(_) | Ending::LostContact { .. } => false,
    };
    if unfinished {
        report.abort = match inputs.abort_unfinished {
            AbortUnfinished::Yes => abort(&api, &run).await,
            AbortUnfinished::No => "The run goes on at Sofy: abort-unfinished is false.".to_owned(),
        };
        tracing::info!("{}", report.abort);
    }
    report.verdict = judge(&watched.observation, &inputs.policy);
    report.duration = started_at.elapsed();
    if let Some(seen) = watched.observation.snapshot {
        report.schedule_name = seen.schedule_name;
        report.group_status = seen.group.verbatim;
        report.test_runs = seen.test_runs;
    }
    report
}

impl Report {
    fn ended(mut self, verdict: Verdict) -> Self {
        self.verdict = verdict;
        self
    }
}

/// Everything up to a run handle.
struct Beginning<'step, A> {
    api: &'step A,
    pace: Pace,
    limits: &'step mut Limits,
}

/// Why there is no run to watch.
enum Stop {
    Cancelled {
        signal: &'static str,
        triggered: Triggered,
    },
    Deadline {
        last: Option<ApiError>,
    },
    Failed(ApiError),
    /// The trigger may have started a run.
    Ambiguous(ApiError),
}

/// Whether a trigger was under way.
enum Triggered {
    No,
    Perhaps,
}

impl<A: SofyApi> Beginning<'_, A> {
    async fn begin(mut self, start: &Start) -> Result<RunHandle, Stop> {
        match start {
            Start::Trigger(order) | Start::Detach(order) => {
                let api = self.api;
                let baseline = self.patiently(async || api.baseline().await).await?;
                self.trigger(order, &baseline).await
            }
            Start::Attach {
                group_id,
                results_after,
            } => {
                let api = self.api;
                self.patiently(async || api.attach(group_id, results_after).await)
                    .await
            }
        }
    }

    /// Asks until there is an answer; only for calls that change nothing.
    async fn patiently<T>(
        &mut self,
        call: impl AsyncFn() -> Result<T, ApiError>,
    ) -> Result<T, Stop> {
        let mut failures = 0;
        loop {
            let deadline = self.limits.deadline();
            let answer = tokio::select! {
                biased;
                signal = self.limits.signal() => return Err(Stop::Cancelled { signal, triggered: Triggered::No }),
                () = sleep_until(deadline) => return Err(Stop::Deadline { last: None }),
                answer = call() => answer,
            };
            match answer {
                Ok(value) => return Ok(value),
                Err(error) if error.is_transient() => self.pause(error, &mut failures).await?,
                Err(error) => return Err(Stop::Failed(error)),
            }
        }
    }

    /// Triggers once; again only where it certainly did not happen.
    async fn trigger(&mut self, order: &Order, baseline: &A::Baseline) -> Result<RunHandle, Stop> {
        let mut failures = 0;
        loop {
            let trigger = self.api.trigger(order, baseline);
            tokio::pin!(trigger);
            let answer = tokio::select! {
                biased;
                signal = self.limits.signal() => {
                    // The run may be starting just now. Its ID is needed to abort it.
                    let grace = if A::CAN_ABORT { TRIGGER_GRACE } else { TRIGGER_GRACE_WITHOUT_ABORT };
                    match timeout(grace, trigger).await {
                        Ok(Ok(run)) => return Ok(run),
                        Ok(Err(error)) if error.kind != Kind::Unclear => {
                            return Err(Stop::Cancelled { signal, triggered: Triggered::No });
                        }
                        Ok(Err(_)) | Err(_) => return Err(Stop::Cancelled { signal, triggered: Triggered::Perhaps }),
                    }
                }
                answer = &mut trigger => answer,
            };
            match answer {
                Ok(run) => return Ok(run),
                Err(error) => match error.kind {
                    Kind::Unsent => self.pause(error, &mut failures).await?,
                    Kind::Unclear => return Err(Stop::Ambiguous(error)),
                    Kind::Refused => return Err(Stop::Failed(error)),
                },
            }
        }
    }

    async fn pause(&mut self, error: ApiError, failures: &mut u32) -> Result<(), Stop> {
        *failures += 1;
        let Some(pause) = self
            .pace
            .after_failure(*failures, error.retry_after, jitter())
        else {
            return Err(Stop::Failed(error));
        };
        tracing::debug!("{}; asking again", error.message);
        let wake = Instant::now()
            .checked_add(pause)
            .unwrap_or(self.limits.deadline());
        if wake >= self.limits.deadline() {
            return Err(Stop::Deadline { last: Some(error) });
        }
        tokio::select! {
            biased;
            signal = self.limits.signal() => Err(Stop::Cancelled { signal, triggered: Triggered::No }),
            () = sleep_until(wake) => Ok(()),
        }
    }
}

impl Stop {
    fn verdict(self, timeout: Duration) -> Verdict {
        match self {
            Self::Cancelled { signal, triggered: Triggered::No } => Verdict::new(
                Conclusion::Cancelled,
                format!("the workflow was cancelled ({signal}) before anything was triggered"),
            )
            .advise("Nothing was started. Run the job again for a result."),
            Self::Cancelled { signal, triggered: Triggered::Perhaps } => Verdict::new(
                Conclusion::Cancelled,
                format!("the workflow was cancelled ({signal}) while the trigger was under way; a run may have started"),
            )
            .advise(format!("Look at the schedule in {PORTAL} and stop the run there if there is one.")),
            Self::Deadline { last } => {
                let last = last.map(|error| format!("; {}", error.message)).unwrap_or_default();
                Verdict::new(
                    Conclusion::TimedOut,
                    format!("the timeout of {} was reached before there was a run to watch{last}", crate::text::span(timeout)),
                )
                .advise("Nothing was started. Raise the input timeout, or run the job again when Sofy answers.")
            }
            Self::Failed(error) => Verdict::new(Conclusion::Error, error.message).advise(error.advice),
            Self::Ambiguous(error) => Verdict::new(
                Conclusion::Error,
                format!("the trigger ended unclearly and is not sent again; a run may have started: {}", error.message),
            )
            .advise(format!("Look at the schedule in {PORTAL}: if a run has started, stop it there or wait for it, then run the job again.")),
        }
    }
}

/// Asks Sofy to stop our group, best effort, and says what came of it.
async fn abort<A: SofyApi>(api: &A, run: &RunHandle) -> String {
    if !A::CAN_ABORT {
        return format!(
            "The run goes on at Sofy: the classic API has no call to abort test run group {}.",
            run.group_id
        );
    }
    let patient = async {
        loop {
            match api.abort(run).await {
                Ok(said) => return Ok(said),
                Err(error) if error.is_transient() => {
                    tokio::time::sleep(Duration::from_millis(500)).await
                }
                Err(error) => return Err(error),
            }
        }
    };
    match timeout(ABORT_BUDGET, patient).await {
        Ok(Ok(said)) => format!(
            "Asked Sofy to abort test run group {}; it answered: {said}",
            run.group_id
        ),
        Ok(Err(error)) => format!(
            "Test run group {} could not be aborted: {}",
            run.group_id, error.message
        ),
        Err(_) => format!(
            "Test run group {} could not be aborted: Sofy did not answer in time.",
            run.group_id
        ),
    }
}

/// A random share from 0 to 1, so that a matrix of jobs does not ask in step.
fn jitter() -> f64 {
    f64::from(uuid::Uuid::new_v4().as_fields().0) / f64::from(u32::MAX)
}
