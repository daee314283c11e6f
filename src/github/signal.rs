//! Which signal did the runner send? Its signals as one value to wait for.

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch::{Receiver, Sender, channel};

/// Listens from now on; the value is the name of the latest signal.
pub(crate) fn listen() -> Receiver<Option<&'static str>> {
    let (sender, receiver) = channel(None);
    forward(SignalKind::interrupt(), "SIGINT", sender.clone());
    forward(SignalKind::terminate(), "SIGTERM", sender.clone());
    if !ignores_hangup() {
        forward(SignalKind::hangup(), "SIGHUP", sender);
    }
    receiver
}

/// Tells whether whoever started us wants SIGHUP ignored, as nohup does. Only Linux says so.
fn ignores_hangup() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let ignored = ignored.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    // The first bit is signal 1, which is SIGHUP.
    ignored.is_some_and(|mask| mask & 1 == 1)
}

/// Forwards a signal forever: as PID 1, a second one would be ignored or kill us otherwise.
fn forward(kind: SignalKind, name: &'static str, sender: Sender<Option<&'static str>>) {
    let mut signals = match signal(kind) {
        Ok(signals) => signals,
        Err(error) => return tracing::warn!("{name} cannot be handled: {error}"),
    };
    drop(tokio::spawn(async move {
        while signals.recv().await.is_some() {
            _ = sender.send(Some(name));
        }
    }));
}
