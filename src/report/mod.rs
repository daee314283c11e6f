//! What does a step publish? Either report becomes one [`Publication`].
//!
//! All of it is pure; nothing in here may know the runner's files.

pub(crate) mod annotations;
pub(crate) mod junit;
mod markdown;
pub(crate) mod outputs;
pub(crate) mod progress;
mod publication;
pub(crate) mod summary;
pub(crate) mod upload;

pub(crate) use publication::Publication;
