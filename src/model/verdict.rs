//! How does a step end? The conclusion, its reason, and what a status means for it.
//!
//! Plain data; how a verdict is reached is `gate::verdict`'s to know.

use std::collections::BTreeSet;
use std::fmt;

use super::test_run::TestStatus;
use crate::stop::StopReason;
use crate::text::span;

/// The final word, in GitHub's vocabulary.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Conclusion {
    Success,
    Failure,
    TimedOut,
    Cancelled,
    /// The default, so that a verdict that nobody has reached fails.
    #[default]
    Error,
    Detached,
}

impl Conclusion {
    /// How the output spells it, and the exit status of the step.
    const fn row(self) -> (&'static str, u8) {
        match self {
            Self::Success => ("success", 0),
            Self::Failure => ("failure", 1),
            Self::TimedOut => ("timed_out", 3),
            Self::Cancelled => ("cancelled", 130),
            Self::Error => ("error", 2),
            Self::Detached => ("detached", 0),
        }
    }

    /// Spells the conclusion as the output of that name does.
    pub(crate) const fn as_str(self) -> &'static str {
        self.row().0
    }

    /// The exit status of the step.
    pub(crate) const fn exit_status(self) -> u8 {
        self.row().1
    }

    /// Tells whether the step stays green.
    pub(crate) const fn is_green(self) -> bool {
        self.exit_status() == 0
    }
}

/// A conclusion and the sentence that justifies it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Verdict {
    pub(crate) conclusion: Conclusion,
    /// One line without a period at its end.
    pub(crate) reason: String,
    /// What the user does next; none if there is nothing to do.
    pub(crate) advice: Option<String>,
    /// What is odd about the run though it decides nothing, a sentence each.
    pub(crate) warnings: Vec<String>,
    /// The problems of the inputs, each naming its input, if they are the reason.
    pub(crate) problems: Vec<String>,
}

impl Verdict {
    /// States a verdict without advice or warnings.
    pub(crate) fn new(conclusion: Conclusion, reason: impl Into<String>) -> Self {
        Self {
            conclusion,
            reason: reason.into(),
            ..Self::default()
        }
    }

    /// States that the deadline or a signal came first; `details` is the rest of the sentence.
    pub(crate) fn stopped(reason: StopReason, details: &str) -> Self {
        use Conclusion::{Cancelled, TimedOut};
        let (conclusion, what) = match reason {
            StopReason::Deadline(time) => (TimedOut, format!("Timed out after {}", span(time))),
            StopReason::Signal(name) => (Cancelled, format!("The workflow was cancelled ({name})")),
        };
        Self::new(conclusion, what + details)
    }

    /// Says what the user does next.
    pub(crate) fn advise(mut self, advice: impl Into<String>) -> Self {
        self.advice = Some(advice.into());
        self
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.conclusion.as_str(), self.reason)
    }
}

/// Which final statuses do not fail the step; by default none. What is tolerated is listed, and not what fails, so that
/// a status that somebody forgets fails.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Policy {
    pub(crate) tolerated: BTreeSet<TestStatus>,
}

/// What a status means for the gate; what matters most comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Outcome {
    /// It fails the step.
    Failing,
    /// It is not known yet, and fails the step if it stays so.
    Unfinished,
    /// It did not pass, and `fail-on` does not list it.
    Tolerated,
    Passed,
}

impl Policy {
    /// Tells what a status means for the gate.
    pub(crate) fn outcome(&self, status: &TestStatus) -> Outcome {
        use TestStatus::{Failed, Incomplete, NotExecuted, Other, Passed, Running, Stopped};
        let is_tolerated = self.tolerated.contains(status);
        match status {
            Passed => Outcome::Passed,
            Running => Outcome::Unfinished,
            Failed | Incomplete | NotExecuted | Stopped if is_tolerated => Outcome::Tolerated,
            Failed | Incomplete | NotExecuted | Stopped | Other(_) => Outcome::Failing,
        }
    }
}
