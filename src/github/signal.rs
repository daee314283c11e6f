//! Which signal did the runner send? Its signals as one value to wait for.

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch::{Receiver, Sender, channel};

/// Listens from now on; the value is the name of the latest signal.
pub(crate) fn listen() -> Receiver<Option<&'static str>> {
    let (sender, receiver) = channel(None);
    forward(SignalKind::interrupt(), "SIGINT", sender.clone());
    forward(SignalKind::terminate(), "SIGTERM", sender);
    receiver
}

/// Forwards a signal for ever: as PID 1, a second one would be ignored or kill us otherwise.
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
