//! Until when may the step go on? Its deadline and the runner's signal, as one thing to wait for.
//!
//! Knows time only through tokio's clock, and must not know what is being waited for.

use std::convert::Infallible;
use std::future::pending;
use std::time::Duration;

use tokio::sync::watch::Receiver;
use tokio::time::{Instant, sleep_until};

/// What ends the step early.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StopReason {
    /// The deadline came, this long after the start: the input `timeout`.
    Deadline(Duration),
    /// The runner sent this signal.
    Signal(&'static str),
}

/// The deadline and the signal of one step.
#[derive(Clone, Debug)]
pub(crate) struct Stop {
    /// The instant after which only what was begun is finished.
    pub(crate) deadline: Instant,
    /// The input `timeout`.
    pub(crate) timeout: Duration,
    signal: Receiver<Option<&'static str>>,
}

impl Stop {
    /// Starts the clock.
    pub(crate) fn new(timeout: Duration, signal: Receiver<Option<&'static str>>) -> Self {
        Self {
            deadline: Instant::now() + timeout,
            timeout,
            signal,
        }
    }

    /// Tells the signal that was sent already.
    pub(crate) fn signalled(&self) -> Option<&'static str> {
        *self.signal.borrow()
    }

    /// Waits for a signal; forever, if there is none.
    pub(crate) async fn signal(&mut self) -> &'static str {
        let signal = self.signal.wait_for(Option::is_some).await;
        match signal.map(|name| *name) {
            Ok(Some(name)) => name,
            Ok(None) | Err(_) => pending().await,
        }
    }

    /// Waits for a limit.
    pub(crate) async fn reached(&mut self) -> StopReason {
        let Err(reason) = self.run_until_stopped(pending::<Infallible>()).await;
        reason
    }

    /// Lets a call run to its end, or to a limit.
    pub(crate) async fn run_until_stopped<T>(
        &mut self,
        call: impl Future<Output = T>,
    ) -> Result<T, StopReason> {
        self.run_until(self.deadline, call).await
    }

    /// Lets a call run to its end, to an instant near the deadline, or to a signal.
    pub(crate) async fn run_until<T>(
        &mut self,
        at: Instant,
        call: impl Future<Output = T>,
    ) -> Result<T, StopReason> {
        tokio::select! {
            biased;
            name = self.signal() => Err(StopReason::Signal(name)),
            () = sleep_until(at) => Err(StopReason::Deadline(self.timeout)),
            value = call => Ok(value),
        }
    }
}
