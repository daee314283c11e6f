//! What is asked of Sofy, and by which names? Schedules, builds, and what tells one run from another.
//!
//! Plain data: what two layers or more have to name.

use std::fmt;

use super::test_run::ScheduledAt;

/// The two generations, where what they can do matters to the story.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Generation {
    /// Lists rows by schedule, and cannot abort.
    Classic,
    /// Lists rows by group, and aborts one group.
    Public,
}

/// Identifies the schedule and thereby chooses the generation of the API.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ScheduleId {
    Classic(u64),
    Public(String),
}

impl ScheduleId {
    /// Reads a number, or a GUID with or without braces.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        if text.chars().all(|c| c.is_ascii_digit())
            && let Ok(number) = text.parse()
            && number > 0
        {
            return Some(Self::Classic(number));
        }
        guid(text).map(Self::Public)
    }
}

impl fmt::Display for ScheduleId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Classic(number) => write!(f, "{number}"),
            Self::Public(guid) => f.write_str(guid),
        }
    }
}

/// What a trigger carries besides the schedule.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct TriggerRequest {
    pub(crate) app_hash: Option<String>,
    pub(crate) device_serials: Vec<String>,
}

/// Reads a GUID, with or without braces.
pub(crate) fn guid(text: &str) -> Option<String> {
    let guid = text
        .strip_prefix('{')
        .and_then(|inner| inner.strip_suffix('}'))
        .unwrap_or(text);
    // As it was written: nothing says that Sofy compares it without regard to case.
    (guid.len() == 36 && uuid::Uuid::try_parse(guid).is_ok()).then(|| guid.to_owned())
}

/// What Sofy is told beside the file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Details {
    pub(crate) application_guid: Option<String>,
    pub(crate) certificate_name: Option<String>,
    pub(crate) build_name: Option<String>,
}

/// One build that Sofy lists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Build {
    pub(crate) app_hash: String,
    /// Sofy's ID of the application; builds of different ones are never compared.
    pub(crate) application: String,
    /// Such as `2.3.6(203060)`, which is what test runs show.
    pub(crate) id: String,
    /// What a person called it; blank for most.
    pub(crate) friendly_name: String,
}

impl Build {
    /// Tells whether a test run that shows this text may have used the build.
    pub(crate) fn is_called(&self, text: &str) -> bool {
        !text.is_empty() && (self.id == text || self.friendly_name == text)
    }

    /// What people know the build by.
    pub(crate) fn name(&self) -> &str {
        if self.id.is_empty() {
            &self.friendly_name
        } else {
            &self.id
        }
    }
}

/// Tells whether a text can be the hash of a build; what a step that went wrong hands over cannot.
pub(crate) fn is_app_hash(text: &str) -> bool {
    !text.is_empty()
        && !["null", "undefined", "none", "true", "false"]
            .iter()
            .any(|word| text.eq_ignore_ascii_case(word))
        && !text.contains("${{")
        && !text.contains(char::is_whitespace)
}

/// How the run's group is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// Sofy named it in its answer to our trigger.
    Triggered,
    /// Our trigger's answer was lost; this is the one group that is new since. Perhaps not ours.
    Adopted,
    /// The input `test-run-group-id` names it.
    Attached,
}

/// The newest time that a schedule's rows bore.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Cutoff {
    /// There was no row.
    NoRows,
    /// There were rows, and none had a time.
    NoTimes,
    At(ScheduledAt),
}

/// What a later step needs to know in order to attribute rows: the output `results-after`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ResultsAfter {
    pub(crate) newest: Cutoff,
    /// The attempt of the workflow run that triggered, where the runner gave its number.
    pub(crate) attempt: Option<u32>,
}

impl fmt::Display for ResultsAfter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match &self.newest {
            Cutoff::NoRows => "none",
            Cutoff::NoTimes => "unknown",
            Cutoff::At(at) => at.text(),
        })?;
        match self.attempt {
            Some(attempt) => write!(f, ";attempt={attempt}"),
            None => Ok(()),
        }
    }
}

impl ResultsAfter {
    /// Reads the output of an earlier step, or a bare time.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (newest, attempt) = match text.split_once(";attempt=") {
            Some((newest, attempt)) => (newest, Some(attempt.parse().ok()?)),
            None => (text, None),
        };
        let newest = match newest {
            "none" => Cutoff::NoRows,
            "unknown" => Cutoff::NoTimes,
            text => Cutoff::At(Some(ScheduledAt::parse(text)).filter(|at| at.time().is_some())?),
        };
        Some(Self { newest, attempt })
    }

    /// Tells whether it was written by an earlier attempt of the workflow run than this one.
    pub(crate) fn is_of_an_earlier_attempt(&self, now: Option<u32>) -> bool {
        now.is_some_and(|now| self.attempt.unwrap_or(1) < now)
    }
}
