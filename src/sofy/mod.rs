//! The border with Sofy: one seam, two generations behind it.
//!
//! What differs between the generations dies in `classic` and `public`.

mod classic;
mod error;
mod http;
mod public;
mod wire;

pub(crate) use crate::attribution::Ours;
pub(crate) use classic::Classic;
pub(crate) use error::{ApiError, Kind};
pub(crate) use public::Public;

use crate::attribution::Row;
use crate::inputs::Order;
use crate::test_run::{Group, Snapshot};

/// One generation of Sofy's API, for one schedule.
pub(crate) trait SofyApi {
    /// What the schedule showed before the trigger.
    type Baseline;

    /// Whether this generation can abort a group.
    const CAN_ABORT: bool;

    /// Looks at the schedule before the trigger, which also checks key and schedule.
    async fn baseline(&self) -> Result<Self::Baseline, ApiError>;

    /// Starts a run, once. An error of kind [`Kind::Unclear`] means that it may have started.
    async fn trigger(
        &self,
        order: &Order,
        baseline: &Self::Baseline,
    ) -> Result<RunHandle, ApiError>;

    /// Takes up a run that an earlier step started.
    async fn attach(&self, group_id: &str, results_after: &str) -> Result<RunHandle, ApiError>;

    /// Looks once.
    async fn observe(&self, run: &mut RunHandle) -> Result<Snapshot, ApiError>;

    /// Asks Sofy to stop this one group; gives Sofy's answer.
    async fn abort(&self, run: &RunHandle) -> Result<String, ApiError>;
}

/// What identifies a run after its trigger.
#[derive(Debug)]
pub(crate) struct RunHandle {
    pub(crate) group_id: String,
    /// The newest `ScheduledAt` before the trigger; empty where there was none.
    pub(crate) results_after: String,
    pub(crate) ours: Ours,
}

impl RunHandle {
    /// Makes a snapshot of a group and the rows that are ours.
    fn snapshot(&mut self, schedule_name: String, group: Group, rows: Vec<Row>) -> Snapshot {
        let picked = self.ours.pick(rows);
        Snapshot {
            schedule_name,
            group,
            test_runs: picked.test_runs,
            indistinct: picked.indistinct,
        }
    }
}
