//! How does a step end? The conclusion, its reason, and what a status means for it.
//!
//! Plain data; how a verdict is reached is `gate::verdict`'s to know.

use std::collections::BTreeSet;

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
    /// Spells the conclusion as the output of that name does.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Failure => "failure",
            Self::TimedOut => "timed_out",
            Self::Cancelled => "cancelled",
            Self::Error => "error",
            Self::Detached => "detached",
        }
    }

    /// The exit status of the step.
    pub(crate) const fn exit_status(self) -> u8 {
        match self {
            Self::Success | Self::Detached => 0,
            Self::Failure => 1,
            Self::Error => 2,
            Self::TimedOut => 3,
            Self::Cancelled => 130,
        }
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
        let (conclusion, what) = match reason {
            StopReason::Deadline(timeout) => (
                Conclusion::TimedOut,
                format!("Timed out after {}", span(timeout)),
            ),
            StopReason::Signal(name) => (
                Conclusion::Cancelled,
                format!("The workflow was cancelled ({name})"),
            ),
        };
        Self::new(conclusion, format!("{what}{details}"))
    }

    /// Says what the user does next.
    pub(crate) fn advise(mut self, advice: impl Into<String>) -> Self {
        self.advice = Some(advice.into());
        self
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
        match status {
            TestStatus::Passed => Outcome::Passed,
            TestStatus::Running => Outcome::Unfinished,
            TestStatus::Failed
            | TestStatus::Incomplete
            | TestStatus::NotExecuted
            | TestStatus::Stopped
                if self.tolerated.contains(status) =>
            {
                Outcome::Tolerated
            }
            TestStatus::Failed
            | TestStatus::Incomplete
            | TestStatus::NotExecuted
            | TestStatus::Stopped
            | TestStatus::Other(_) => Outcome::Failing,
        }
    }
}
