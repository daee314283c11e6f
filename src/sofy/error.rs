//! What can the caller do about a failed call to Sofy?

use std::time::Duration;

/// A call to Sofy that failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ApiError {
    pub(crate) kind: ErrorKind,
    /// One line that names the call and what happened, without the key.
    pub(crate) message: String,
    /// What the user does next.
    pub(crate) advice: String,
    pub(crate) retry_after: Option<Duration>,
    /// Nothing but a change of this machine's setup helps: its certificates or its proxy.
    pub(crate) is_permanent: bool,
}

/// The kinds of failure, by consequence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ErrorKind {
    /// Sofy said no: asking again changes nothing.
    Rejected,
    /// The call certainly did not happen: even a trigger may be sent again.
    NotSent,
    /// The call may have happened: worth another look, never another trigger.
    OutcomeUnknown,
    /// Sofy's list does not hold the group; a list may lag.
    NotFound,
}

impl ApiError {
    /// A failure with the usual advice for its kind.
    pub(crate) fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
            advice: match kind {
                ErrorKind::Rejected => {
                    "Check the inputs api-key, schedule-id and app-hash against Sofy's portal."
                }
                ErrorKind::NotSent => {
                    "Check the network, the proxy and the input api-url, then run the job again."
                }
                ErrorKind::NotFound => {
                    "Use the output test-run-group-id of the step that triggered this same \
                     schedule."
                }
                ErrorKind::OutcomeUnknown => {
                    "Look at the schedule in Sofy's portal, then run the job again."
                }
            }
            .to_owned(),
            retry_after: None,
            is_permanent: false,
        }
    }

    /// Replaces the advice by a better one.
    pub(crate) fn advise(mut self, advice: impl Into<String>) -> Self {
        self.advice = advice.into();
        self
    }

    /// Says that asking again changes nothing.
    pub(crate) const fn permanent(mut self) -> Self {
        self.is_permanent = true;
        self
    }

    /// Tells whether asking again may help.
    pub(crate) const fn is_transient(&self) -> bool {
        match self.kind {
            ErrorKind::Rejected => false,
            ErrorKind::NotSent | ErrorKind::OutcomeUnknown | ErrorKind::NotFound => {
                !self.is_permanent
            }
        }
    }
}
