//! Which run is watched? Its group, how the group is known, and what tells its test runs from others.

use crate::gate::attribution::Attribution;
use crate::model::group_id::GroupId;
use crate::model::schedule::{Cutoff, Origin, ResultsAfter};
use crate::sofy::Baseline;

/// A run on Sofy.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) group_id: GroupId,
    pub(crate) origin: Origin,
    pub(crate) attribution: Attribution,
    /// None if the API names the group of each row.
    pub(crate) results_after: Option<ResultsAfter>,
    /// What the schedule showed before the trigger; none if another step triggered.
    pub(crate) before: Option<Baseline>,
}

impl Run {
    /// A run that this step triggered.
    pub(crate) fn triggered(
        group_id: GroupId,
        origin: Origin,
        before: Option<Baseline>,
        attempt: Option<u32>,
    ) -> Self {
        Self {
            attribution: match &before {
                Some(Baseline::Rows(rows)) => Attribution::since(group_id.clone(), rows),
                Some(Baseline::Groups(_)) | None => Attribution::listed_by_group(group_id.clone()),
            },
            results_after: results_after(before.as_ref(), attempt),
            group_id,
            origin,
            before,
        }
    }

    /// A run that an earlier step triggered.
    pub(crate) fn attached(
        group_id: GroupId,
        results_after: Option<ResultsAfter>,
        attempt: Option<u32>,
    ) -> Self {
        Self {
            attribution: match &results_after {
                Some(after) => Attribution::after(group_id.clone(), after.clone(), attempt),
                None => Attribution::listed_by_group(group_id.clone()),
            },
            results_after,
            group_id,
            origin: Origin::Attached,
            before: None,
        }
    }

    /// The inputs with which a later step judges this run.
    pub(crate) fn inputs_to_attach(&self) -> Vec<(&'static str, String)> {
        let after = self.results_after.as_ref();
        let after = after.map(|after| ("results-after", after.to_string()));
        let group = ("test-run-group-id", self.group_id.to_string());
        std::iter::once(group).chain(after).collect()
    }
}

/// What a later step needs to tell a run's rows from those before it; none if no list of rows was read.
pub(crate) fn results_after(
    before: Option<&Baseline>,
    attempt: Option<u32>,
) -> Option<ResultsAfter> {
    match before? {
        Baseline::Rows(rows) => Some(ResultsAfter {
            newest: Cutoff::of(rows),
            attempt,
        }),
        Baseline::Groups(_) => None,
    }
}
