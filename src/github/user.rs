//! Whom do we become? What needs root is opened first; then root is given up for good.
//!
//! The runner starts the image as root and mounts `docker.sock` into it. How privileges are dropped is
//! [`privileges`]' to know; it must happen before any thread or connection exists.
//!
//! [`privileges`]: super::privileges

use std::fmt;

/// The user and the group that own nothing, by convention of every Linux.
#[cfg(target_os = "linux")]
pub(crate) const NOBODY: u32 = 65534;

/// Whether files will be written below the workspace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Writes {
    Reports,
    Nothing,
}

/// Whom we became, for messages about files that cannot be read or written.
#[derive(Debug)]
pub(crate) struct User {
    name: String,
    /// What is not as it should be, though it is no reason to stop.
    pub(crate) warning: Option<String>,
}

impl User {
    pub(crate) const fn new(name: String, warning: Option<String>) -> Self {
        Self { name, warning }
    }
}

impl fmt::Display for User {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

#[cfg(target_os = "linux")]
pub(crate) use super::privileges::give_up_root;

/// Containers run on Linux; elsewhere there is no root to give up.
#[cfg(not(target_os = "linux"))]
pub(crate) fn give_up_root(_: &std::path::Path, _: Writes) -> Result<User, String> {
    Ok(User::new("the user who started it".to_owned(), None))
}

/// Chooses the uid that root becomes; none where a file can be written by root alone.
#[cfg(target_os = "linux")]
pub(crate) const fn successor(workspace_owner: Option<u32>, writes: Writes) -> Option<u32> {
    match (workspace_owner, writes) {
        (Some(0), Writes::Reports) => None,
        (Some(0), Writes::Nothing) | (None, Writes::Reports | Writes::Nothing) => Some(NOBODY),
        (Some(owner), Writes::Reports | Writes::Nothing) => Some(owner),
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn root_is_kept_only_where_a_report_goes_into_a_folder_of_roots() {
        for (owner, writes, expected, reason) in [
            (
                Some(1001),
                Writes::Reports,
                Some(1001),
                "its reports belong to it",
            ),
            (
                Some(1001),
                Writes::Nothing,
                Some(1001),
                "its files may be for it alone to read",
            ),
            (
                Some(0),
                Writes::Nothing,
                Some(NOBODY),
                "nothing is to be written",
            ),
            (
                Some(0),
                Writes::Reports,
                None,
                "nobody else may write there",
            ),
            (None, Writes::Nothing, Some(NOBODY), "there is no workspace"),
            (
                None,
                Writes::Reports,
                Some(NOBODY),
                "nor can there be a report",
            ),
        ] {
            assert_eq!(successor(owner, writes), expected, "{reason}");
        }
    }
}
