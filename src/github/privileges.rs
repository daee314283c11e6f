//! Which user do we switch to, and how? What needs root is opened first; then root is given up for good.
//!
//! The runner starts the image as root and mounts `docker.sock` into it. Privileges must be dropped before any
//! thread or connection exists.

use std::fmt;

/// The user and the group that own nothing, by convention of every Linux.
#[cfg(target_os = "linux")]
const NOBODY: u32 = 65534;

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
    const fn new(name: String, warning: Option<String>) -> Self {
        Self { name, warning }
    }
}

impl fmt::Display for User {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

#[cfg(target_os = "linux")]
pub(crate) use linux::give_up_root;

/// Containers run on Linux; elsewhere there is no root to give up.
#[cfg(not(target_os = "linux"))]
pub(crate) fn give_up_root(_: &std::path::Path, _: Writes) -> Result<User, String> {
    Ok(User::new("the user who started it".to_owned(), None))
}

/// Chooses the uid that root becomes; none where a file can be written by root alone.
#[cfg(target_os = "linux")]
const fn successor(workspace_owner: Option<u32>, writes: Writes) -> Option<u32> {
    match (workspace_owner, writes) {
        (Some(0), Writes::Reports) => None,
        (Some(0), Writes::Nothing) | (None, Writes::Reports | Writes::Nothing) => Some(NOBODY),
        (Some(owner), Writes::Reports | Writes::Nothing) => Some(owner),
    }
}

/// Says that root privileges are still there.
#[cfg(target_os = "linux")]
pub(crate) fn capabilities_remain(name: &str) -> String {
    format!("Root privileges could not be dropped: {name} keeps capabilities")
}

/// Says what is left of root privileges.
#[cfg(target_os = "linux")]
pub(crate) fn dropped_in_part(name: &str, problems: &[String]) -> String {
    format!(
        "Root privileges could be dropped only in part: {}. Continuing as {name} without capabilities.",
        problems.join("; ")
    )
}

/// How privileges are dropped on Linux, and what is left of them.
///
/// Whatever can be refused is tried, and what became of it is looked at afterwards. Only capabilities that
/// remain are a reason to stop: without them uid 0 is a user like any other, but for the files that it owns.
#[cfg(target_os = "linux")]
mod linux {
    use std::os::unix::fs::MetadataExt as _;
    use std::path::Path;

    use rustix::io::Errno;
    use rustix::net::{self, AddressFamily, SocketAddrUnix, SocketFlags, SocketType};
    use rustix::process::{self, DumpableBehavior, Gid, Uid};
    use rustix::thread::{self, CapabilitySet, CapabilitySets};

    use super::{NOBODY, User, Writes, capabilities_remain, dropped_in_part, successor};

    /// Where the runner mounts the socket of the Docker daemon, which makes root of whoever can open it.
    const DOCKER_SOCKET: &str = "/var/run/docker.sock";

    /// Gives up root for good. Fails only where capabilities remain.
    pub(crate) fn give_up_root(workspace: &Path, writes: Writes) -> Result<User, String> {
        let was_root = process::geteuid().is_root();
        let mut refused = Refused::default();
        refused.note("no_new_privs", thread::set_no_new_privs(true));
        empty_bounding_set();
        if was_root {
            let owner = std::fs::metadata(workspace).ok();
            change_user(
                successor(owner.map(|folder| folder.uid()), writes),
                &mut refused,
            );
        }
        drop_capabilities();
        // A change of user switches it on again, so this comes last. It keeps the key, which is in our environment,
        // from other processes of the same user.
        refused.note(
            "PR_SET_DUMPABLE",
            process::set_dumpable_behavior(DumpableBehavior::NotDumpable),
        );
        let name = format!("uid {}", process::geteuid().as_raw());
        if has_capabilities() {
            return Err(capabilities_remain(&name));
        }
        let warning = was_root.then(|| warning(&name, &refused)).flatten();
        Ok(User::new(name, warning))
    }

    /// What the system did not allow, with its reasons.
    #[derive(Default)]
    struct Refused(Vec<String>);

    impl Refused {
        fn note(&mut self, call: &str, result: Result<(), Errno>) {
            if let Err(error) = result {
                self.0.push(format!("{call}: {error}"));
            }
        }
    }

    /// Takes a group that owns nothing, no others, and the user, where there is one to become.
    ///
    /// Not the workspace's group, which on many machines is the socket's: reports need their owner only.
    fn change_user(uid: Option<u32>, refused: &mut Refused) {
        let gid = Gid::from_raw(NOBODY);
        refused.note("setgroups", thread::set_thread_groups(&[]));
        refused.note("setresgid", thread::set_thread_res_gid(gid, gid, gid));
        if let Some(uid) = uid.map(Uid::from_raw) {
            refused.note("setresuid", thread::set_thread_res_uid(uid, uid, uid));
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

    /// Drops every capability; what became of it is for [`has_capabilities`] to say.
    fn drop_capabilities() {
        _ = thread::clear_ambient_capability_set();
        let none = CapabilitySet::empty();
        _ = thread::set_capabilities(
            None,
            CapabilitySets {
                effective: none,
                permitted: none,
                inheritable: none,
            },
        );
    }

    /// What cannot be looked at counts as kept.
    fn has_capabilities() -> bool {
        !thread::capabilities(None)
            .map(|sets| sets.effective | sets.permitted | sets.inheritable)
            .is_ok_and(|left| left.is_empty())
    }

    /// Says all that is not as it should be in one warning.
    fn warning(name: &str, refused: &Refused) -> Option<String> {
        let refused =
            (!refused.0.is_empty()).then(|| format!("the system refused {}", refused.0.join(", ")));
        let socket = can_be_opened(DOCKER_SOCKET)
            .then(|| format!("the Docker socket {DOCKER_SOCKET} can still be opened"));
        let problems: Vec<String> = refused.into_iter().chain(socket).collect();
        (!problems.is_empty()).then(|| dropped_in_part(name, &problems))
    }

    /// Tries to connect, without waiting for a daemon that is busy.
    fn can_be_opened(socket: &str) -> bool {
        let connected = || {
            let address = SocketAddrUnix::new(socket)?;
            let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
            let ours = net::socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
            net::connect(&ours, &address)
        };
        matches!(connected(), Ok(()) | Err(Errno::AGAIN))
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
