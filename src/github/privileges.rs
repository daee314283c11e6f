//! Which user do we switch to, and how? What needs root is opened first; then root is given up for good.
//!
//! The runner starts the image as root and mounts `docker.sock` into it. Privileges must be dropped before any
//! thread or connection exists.

/// Whether files will be written below the workspace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Writes {
    Reports,
    Nothing,
}

#[cfg(target_os = "linux")]
pub(crate) use linux::*;

/// Containers run on Linux; elsewhere there is no root to give up.
#[cfg(not(target_os = "linux"))]
pub(crate) fn give_up_root(_: &std::path::Path, _: Writes) -> Result<(), String> {
    Ok(())
}

/// How privileges are dropped on Linux, and what is left of them.
///
/// Each call may be refused, so the result is checked afterwards. Only capabilities that remain end the step: without
/// them uid 0 is a user like any other, except for the files that it owns.
#[cfg(target_os = "linux")]
mod linux {
    use std::os::unix::fs::MetadataExt as _;
    use std::path::Path;

    use rustix::fs::{Access, access};
    use rustix::io::Errno;
    use rustix::process::{self, DumpableBehavior, Gid, Uid};
    use rustix::thread::{self, CapabilitySet, CapabilitySets};

    use super::Writes;

    /// The user and the group that own nothing, by convention of every Linux.
    pub(super) const NOBODY: u32 = 65534;

    /// Where the runner mounts the socket of the Docker daemon, which makes root of whoever can open it.
    const DOCKER_SOCKET: &str = "/var/run/docker.sock";

    /// Gives up root for good. Fails only if capabilities remain.
    pub(crate) fn give_up_root(workspace: &Path, writes: Writes) -> Result<(), String> {
        let was_root = process::geteuid().is_root();
        let mut problems = Vec::new();
        let mut note = |call: &str, result: Result<(), Errno>| {
            if let Err(error) = result {
                problems.push(format!("the system refused {call}: {error}"));
            }
        };
        note("no_new_privs", thread::set_no_new_privs(true));
        empty_bounding_set();
        if was_root {
            // Not the workspace's group, which on many machines is the socket's: reports need their owner only.
            let gid = Gid::from_raw(NOBODY);
            note("setgroups", thread::set_thread_groups(&[]));
            note("setresgid", thread::set_thread_res_gid(gid, gid, gid));
            let owner = std::fs::metadata(workspace).ok().map(|folder| folder.uid());
            if let Some(uid) = successor(owner, writes).map(Uid::from_raw) {
                note("setresuid", thread::set_thread_res_uid(uid, uid, uid));
            }
        }
        _ = thread::clear_ambient_capability_set();
        let none = CapabilitySet::empty();
        let sets = CapabilitySets {
            effective: none,
            permitted: none,
            inheritable: none,
        };
        _ = thread::set_capabilities(None, sets);
        // A change of user switches it on again, so this comes last. It keeps the key, which is in our environment,
        // from other processes of the same user.
        let dumpable = process::set_dumpable_behavior(DumpableBehavior::NotDumpable);
        note("PR_SET_DUMPABLE", dumpable);
        let name = format!("uid {}", process::geteuid().as_raw());
        // What cannot be read counts as kept.
        if thread::capabilities(None).ok() != Some(sets) {
            return Err(capabilities_remain(&name));
        }
        tracing::debug!("runs as {name}");
        if access(DOCKER_SOCKET, Access::WRITE_OK).is_ok() {
            let open = format!("the Docker socket {DOCKER_SOCKET} can still be opened");
            problems.push(open);
        }
        if was_root && !problems.is_empty() {
            tracing::warn!("{}", dropped_in_part(&name, &problems));
        }
        Ok(())
    }

    /// Chooses the uid that root becomes; none if only root can write the reports.
    pub(super) const fn successor(workspace_owner: Option<u32>, writes: Writes) -> Option<u32> {
        match (workspace_owner, writes) {
            (Some(0), Writes::Reports) => None,
            (Some(0), Writes::Nothing) | (None, Writes::Reports | Writes::Nothing) => Some(NOBODY),
            (Some(owner), Writes::Reports | Writes::Nothing) => Some(owner),
        }
    }

    /// Empties the set of what a program started later could regain.
    ///
    /// Refused without `CAP_SETPCAP`, which costs nothing: `no_new_privs` allows no program to regain any.
    fn empty_bounding_set() {
        for capability in (0..u64::BITS).map(|bit| CapabilitySet::from_bits_retain(1 << bit)) {
            match thread::capability_is_in_bounding_set(capability) {
                Ok(true) => _ = thread::remove_capability_from_bounding_set(capability),
                Ok(false) => {}
                // Past the last one that this kernel knows.
                Err(_) => return,
            }
        }
    }

    pub(crate) fn capabilities_remain(name: &str) -> String {
        format!("Root privileges could not be dropped: {name} keeps capabilities")
    }

    pub(crate) fn dropped_in_part(name: &str, problems: &[String]) -> String {
        let why = problems.join("; ");
        format!("Root privileges could be dropped only in part: {why}. Continuing as {name}.")
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
