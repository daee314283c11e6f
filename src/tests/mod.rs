//! What only tests, fuzz targets and benches use; the program has none of it.

#[cfg(feature = "bench")]
pub mod bench;
#[cfg(test)]
mod endings;
#[cfg(test)]
mod entries;
#[cfg(any(test, fuzzing))]
#[cfg_attr(
    not(test),
    expect(dead_code, reason = "the fuzz targets call only some of it")
)]
pub(crate) mod fixtures;
#[cfg(any(test, fuzzing))]
pub mod fuzz;
#[cfg(any(test, fuzzing))]
pub(crate) mod network;
#[cfg(test)]
pub(crate) mod scripted;
#[cfg(test)]
mod simulation;
