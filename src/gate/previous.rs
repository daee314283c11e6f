//! How did the schedule's previous run go? One or two quick calls; what they do not tell is not known.

use std::time::Duration;

use tokio::time::Instant;

use crate::gate::attribution::previous_execution;
use crate::model::{group_id::GroupId, previous::PreviousRun};
use crate::sofy::{Baseline, SofyApi};
use crate::stop::Stop;

/// How long a remark about the previous run may keep the report waiting.
const AT_MOST: Duration = Duration::from_secs(5);

/// Reads what the previous run showed.
pub(crate) async fn previous_run<A: SofyApi>(
    api: &A,
    group_id: &GroupId,
    before: Option<Baseline>,
    stop: &mut Stop,
) -> PreviousRun {
    let until = Instant::now() + AT_MOST;
    let read = async {
        let before = match before {
            Some(before) => before,
            // Rows that name no group can only be told by what was listed before the trigger.
            None if !A::LISTS_BY_GROUP => return None,
            None => api.baseline().await.ok()?,
        };
        match before {
            Baseline::Rows(rows) => Some(previous_execution(rows)),
            Baseline::Groups(groups) => {
                let rows = api.rows(groups.before(group_id)?).await.ok()?.list;
                Some(rows.into_iter().map(|row| row.test_run).collect())
            }
        }
    };
    let test_runs = stop.run_until(until, read).await.ok().flatten();
    PreviousRun::of(&test_runs.unwrap_or_default())
}
