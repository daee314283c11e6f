//! Who do we run as? Root takes what only root can open, then becomes the owner of the workspace.
//!
//! The runner starts the image as root and mounts `docker.sock` into it. Afterwards reports belong
//! to the runner's user and the socket is out of reach.

use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use rustix::process::{Gid, Uid};
use rustix::thread;

/// Gives up root for good; says what was done. Must run before any thread or socket exists.
pub(crate) fn become_owner_of(workspace: &Path) -> Result<String, String> {
    if !rustix::process::geteuid().is_root() {
        return Ok("not started as root; nothing to give up".to_owned());
    }
    let owner = std::fs::metadata(workspace).map_err(|error| {
        format!(
            "the workspace {} cannot be looked at ({error})",
            workspace.display()
        )
    })?;
    let failed =
        |what: &'static str| move |error: rustix::io::Errno| format!("{what} failed ({error})");
    thread::set_no_new_privs(true).map_err(failed("no_new_privs"))?;
    if owner.uid() == 0 {
        return Ok("the workspace belongs to root; stayed root without new privileges".to_owned());
    }
    let (uid, gid) = (Uid::from_raw(owner.uid()), Gid::from_raw(owner.gid()));
    thread::set_thread_groups(&[]).map_err(failed("setgroups"))?;
    thread::set_thread_res_gid(gid, gid, gid).map_err(failed("setresgid"))?;
    // Leaving uid 0 clears every capability.
    thread::set_thread_res_uid(uid, uid, uid).map_err(failed("setresuid"))?;
    Ok(format!(
        "became uid {} gid {}, the owner of the workspace",
        owner.uid(),
        owner.gid()
    ))
}
