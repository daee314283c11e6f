//! The border with Sofy: one seam, two generations behind it.
//!
//! What differs between the generations dies in `classic` and `public`.

mod answer;
mod api;
mod builds;
mod classic;
mod error;
mod http;
mod json;
mod public;
mod transport;
pub(crate) mod upload;

pub(crate) use api::{Baseline, BuildList, CLOCK_SLACK, Groups, SofyApi};
#[cfg(test)]
pub(crate) use api::{ClockReading, ListedGroup, Rows};
pub(crate) use classic::Classic;
pub(crate) use error::{ApiError, ErrorKind};
pub(crate) use public::Public;
#[cfg(feature = "bench")]
pub(crate) use {answer::Answer, public::rows as public_rows};
