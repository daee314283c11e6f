//! What do the layers talk about? Plain data without I/O.

pub(crate) mod group_id;
pub(crate) mod previous;
pub(crate) mod report;
pub(crate) mod schedule;
mod spelled;
pub(crate) mod test_run;
pub(crate) mod verdict;
