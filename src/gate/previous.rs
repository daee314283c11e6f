//! How did the schedule's previous run go? One or two quick calls; what they do not tell is not known.

use std::time::Duration;

use tokio::time::Instant;

use crate::gate::attribution::previous_execution;
use crate::model::group_id::GroupId;
use crate::model::previous::PreviousRun;
use crate::model::test_run::TestRun;
use crate::sofy::{ApiError, Baseline, SofyApi};
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
    let until = stop.deadline.min(Instant::now() + AT_MOST);
    let read = stop.run_until(until, read(api, group_id, before)).await;
    let test_runs = read.ok().and_then(Result::ok).unwrap_or_default();
    PreviousRun::of(&test_runs)
}

async fn read<A: SofyApi>(
    api: &A,
    group_id: &GroupId,
    before: Option<Baseline>,
) -> Result<Vec<TestRun>, ApiError> {
    let before = match before {
        // Rows that name no group can only be told by what was listed before the trigger.
        None if !A::LISTS_BY_GROUP => return Ok(Vec::new()),
        None => api.baseline().await?,
        Some(before) => before,
    };
    let groups = match before {
        Baseline::Rows(rows) => return Ok(previous_execution(rows)),
        Baseline::Groups(groups) => groups,
    };
    let Some(id) = groups.before(group_id) else {
        return Ok(Vec::new());
    };
    let rows = api.rows(id).await?.list;
    Ok(rows.into_iter().map(|row| row.test_run).collect())
}
