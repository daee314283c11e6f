//! What can the caller do about a failed call to Sofy?

use std::time::Duration;

use crate::secret::ApiKey;

pub(crate) type Result<T, E = ApiError> = std::result::Result<T, E>;

/// A call to Sofy that failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ApiError {
    pub(crate) kind: ErrorKind,
    /// What happened, in one line without the key.
    pub(crate) message: String,
    /// What the user does next.
    pub(crate) advice: String,
    /// The call, such as `GET /path`; blank if there was none.
    pub(crate) call: String,
    pub(crate) retry_after: Option<Duration>,
    /// Nothing but a change of this machine's setup helps: its certificates or its proxy.
    pub(crate) is_permanent: bool,
}

/// The kinds of failure, by consequence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ErrorKind {
    /// Sofy refused: asking again changes nothing.
    Rejected,
    /// No connection was made, so the call certainly did not happen: even a trigger may be sent again.
    NotSent,
    /// Sofy refused for now and did nothing: even a trigger may be sent again.
    Busy,
    /// The call may have happened: worth another poll, never another trigger.
    OutcomeUnknown,
    /// Sofy's list does not contain the group; a list may lag.
    NotFound,
}

impl ApiError {
    /// A failure with the usual advice for its kind.
    pub(crate) fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
            advice: usual_advice(kind).to_owned(),
            call: String::new(),
            retry_after: None,
            is_permanent: false,
        }
    }

    /// Names the call in which it happened, and hides the key.
    pub(super) fn during(mut self, call: &str, key: &ApiKey) -> Self {
        self.message = key.redact(self.message);
        call.clone_into(&mut self.call);
        self
    }

    /// Replaces the advice by a better one.
    pub(crate) fn advise(mut self, advice: impl Into<String>) -> Self {
        self.advice = advice.into();
        self
    }

    /// A call that this machine cannot send, however often.
    pub(super) fn unusable(message: String, advice: &str) -> Self {
        let mut error = Self::new(ErrorKind::NotSent, message).advise(advice);
        error.is_permanent = true;
        error
    }

    /// Adds the raw call to what the user does next.
    pub(crate) fn with_details(&self, advice: &str) -> String {
        match self.call.as_str() {
            "" => advice.to_owned(),
            call => format!("{advice} Details: {call}"),
        }
    }

    /// Tells whether the call may have happened.
    pub(crate) const fn is_unclear(&self) -> bool {
        matches!(self.kind, ErrorKind::OutcomeUnknown | ErrorKind::NotFound)
    }

    /// Tells whether asking again may help.
    pub(crate) fn is_transient(&self) -> bool {
        self.kind != ErrorKind::Rejected && !self.is_permanent
    }
}

const fn usual_advice(kind: ErrorKind) -> &'static str {
    use ErrorKind::{Busy, NotFound, NotSent, OutcomeUnknown, Rejected};
    match kind {
        Rejected => "Check `api-key`, `schedule-id` and `app-hash` against Sofy's portal.",
        NotSent => "Check the network, the proxy and `api-url`, then run the job again.",
        Busy => "Sofy is busy. Run the job again later.",
        NotFound => "Use the output `test-run-group-id` of the step that triggered this schedule.",
        OutcomeUnknown => "Run the job again. If it fails again, check the IDs and `api-url`.",
    }
}
