//! The border with those who read: the one value that every renderer sees.
//!
//! All of it is pure; nothing in here may know the runner's files.

pub(crate) mod annotations;
pub(crate) mod junit;
pub(crate) mod outputs;
pub(crate) mod progress;
pub(crate) mod summary;
pub(crate) mod upload;
