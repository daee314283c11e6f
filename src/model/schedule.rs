//! What does the action send to Sofy, and which IDs does it use? Schedules, builds, and what separates two runs.
//!
//! Plain data: what two layers or more have to name.

use std::fmt;

use super::test_run::ScheduledAt;

/// The two generations of Sofy's API.
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
        let is_digits = text.bytes().all(|b| b.is_ascii_digit());
        let number = text.parse().ok().filter(|n| is_digits && *n > 0);
        let guid = || guid(text).map(Self::Public);
        number.map(Self::Classic).or_else(guid)
    }

    /// What people call the API that the ID belongs to.
    pub(crate) const fn api_name(&self) -> &'static str {
        match self {
            Self::Classic(_) => "classic API",
            Self::Public(_) => "public API",
        }
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
    let opened = text.strip_prefix('{');
    let guid = opened.and_then(|rest| rest.strip_suffix('}'));
    let guid = guid.unwrap_or(text);
    // As it was written: nothing says that Sofy ignores case here.
    (guid.len() == 36 && uuid::Uuid::try_parse(guid).is_ok()).then(|| guid.to_owned())
}

/// What an upload sends besides the file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Details {
    pub(crate) application_guid: Option<String>,
    pub(crate) certificate_name: Option<String>,
    pub(crate) build_name: Option<String>,
}

/// One build that Sofy lists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Build {
    /// None if Sofy does not give it.
    pub(crate) app_hash: Option<String>,
    /// Sofy's ID of the application; builds of different ones are never compared.
    pub(crate) application: String,
    /// Such as `2.3.6(203060)`, which is what test runs show.
    pub(crate) id: String,
    /// What a person called it; blank for most.
    pub(crate) friendly_name: String,
}

impl Build {
    /// Tells whether it has this hash. Only hexadecimal digits mean the same in either case.
    pub(crate) fn has_hash(&self, app_hash: &str) -> bool {
        let hex = app_hash.chars().all(|c| c.is_ascii_hexdigit());
        let same = |hash: &str| hash == app_hash || hex && hash.eq_ignore_ascii_case(app_hash);
        self.app_hash.as_deref().is_some_and(same)
    }

    /// What people know the build by.
    pub(crate) fn name(&self) -> &str {
        match self.id.trim() {
            "" => &self.friendly_name,
            _ => &self.id,
        }
    }
}

const NOT_A_HASH: &str = "A hash is 8 to 256 letters, digits and - _ + / =. Check the `id` of the upload step and the \
     output's name";

/// Reads the hash of a build, or says what the text was probably meant to be: the step before went wrong.
pub(crate) fn app_hash(text: &str) -> Result<String, &'static str> {
    let in_a_hash = |c: char| c.is_ascii_alphanumeric() || "-_+/=".contains(c);
    let word = text.trim_start_matches(['-', '+']).to_ascii_lowercase();
    // Other words for nothing are too short to look like a hash.
    let is_nothing = matches!(&*word, "undefined" | "infinity");
    if (8..=256).contains(&text.len()) && text.chars().all(in_a_hash) && !is_nothing {
        return Ok(text.to_owned());
    }
    let is_number = text.parse::<f64>().is_ok_and(f64::is_finite);
    Err(match text.chars().next() {
        _ if text.contains("${{") => "The expression was not evaluated. Check where it is written",
        Some('$' | '%') => "A variable was not expanded. Use ${{ steps.upload.outputs.app-hash }}",
        _ if text.contains("***") => "The runner masked it. A hash cannot contain a secret",
        Some('{' | '[') => "It is JSON. Pass only the value of its field appHash",
        Some('"' | '\'' | '\u{201c}') => "It is in quotes. Use jq -r, which prints none",
        _ if is_number => "It is a number, which YAML may have rounded. Put the hash in quotes",
        _ if text.contains(char::is_whitespace) => "It has several words. Pass only the hash",
        _ => NOT_A_HASH,
    })
}

/// How the run's group is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// Sofy named it in its answer to our trigger.
    Triggered,
    /// The answer to the trigger was lost, and this is the only new group. It may be another run's.
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
    /// The attempt of the workflow run that triggered; none if the runner gave no number.
    pub(crate) attempt: Option<u32>,
}

impl fmt::Display for ResultsAfter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match &self.newest {
            Cutoff::NoRows => "none",
            Cutoff::NoTimes => "unknown",
            Cutoff::At(at) => at,
        })?;
        self.attempt
            .map_or(Ok(()), |attempt| write!(f, ";attempt={attempt}"))
    }
}

impl ResultsAfter {
    /// Reads the output of an earlier step, or a bare time.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (newest, attempt) = match text.split_once(";attempt=") {
            Some((newest, attempt)) => (newest, Some(attempt.parse().ok()?)),
            None => (text, None),
        };
        let at = ScheduledAt::parse(newest);
        let newest = match newest {
            "none" => Cutoff::NoRows,
            "unknown" => Cutoff::NoTimes,
            _ => at.time().map(|_| Cutoff::At(at))?,
        };
        Some(Self { newest, attempt })
    }

    /// Tells whether it was written by an earlier attempt of the workflow run than this one.
    pub(crate) fn is_of_an_earlier_attempt(&self, now: Option<u32>) -> bool {
        now.is_some_and(|now| self.attempt.unwrap_or(1) < now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_id_tells_the_api() {
        for (text, name) in [
            ("1888", Some("classic API")),
            ("3f2504e0-4f89-41d3-9a0c-0305e82c3301", Some("public API")),
            ("0", None),
        ] {
            let id = ScheduleId::parse(text);

            assert_eq!(id.as_ref().map(ScheduleId::api_name), name, "{text}");
        }
    }

    #[test]
    fn what_is_not_a_hash_is_said_with_what_it_was_meant_to_be() {
        let longest = "a".repeat(256);
        let (too_long, not_ascii) = (format!("{longest}a"), "4dde068\u{e4}");
        for (text, meant, why) in [
            ("4dde0684", None, "the shortest"),
            (longest.as_str(), None, "the longest"),
            ("A-b_c+d/e=", None, "each character that may occur"),
            ("12345678", None, "digits only"),
            ("4dde068", Some("8 to 256"), "too short"),
            ("", Some("8 to 256"), "nothing"),
            (&too_long, Some("8 to 256"), "too long"),
            (not_ascii, Some("8 to 256"), "a letter outside ASCII"),
            ("../../x.apk", Some("8 to 256"), "a path"),
            ("null", Some("8 to 256"), "jq found nothing"),
            ("UNDEFINED", Some("8 to 256"), "a script found nothing"),
            ("Infinity", Some("8 to 256"), "YAML read 123e4567"),
            ("-Infinity", Some("8 to 256"), "YAML read -123e4567"),
            ("pending", Some("8 to 256"), "not a hash yet"),
            ("\"4dde0684\"", Some("jq -r"), "jq without -r"),
            ("'4dde0684'", Some("quotes"), "quotes of a shell"),
            (
                r#"{"appHash":"4dde0684"}"#,
                Some("JSON"),
                "the whole answer",
            ),
            ("***", Some("masked"), "the runner masked it"),
            ("4dde***0684", Some("masked"), "a part of it is a secret"),
            ("$APP_HASH", Some("variable"), "single quotes in a shell"),
            ("${{ env.HASH }}", Some("expression"), "in a file"),
            ("4.5e+31", Some("YAML"), "a hash that YAML read as a number"),
            ("4dde0684 4dde0684", Some("several"), "two of them"),
        ] {
            let problem = app_hash(text).err();

            match meant {
                None => assert_eq!(problem, None, "{why}"),
                Some(meant) => assert!(
                    problem.is_some_and(|said| said.contains(meant)),
                    "{why}: {problem:?}"
                ),
            }
        }
    }

    #[test]
    fn a_listed_build_has_a_hash_whatever_its_case() {
        for (listed, is_it, why) in [
            (Some("4Dde0684"), true, "in other letters"),
            (Some("4dde0685"), false, "another one"),
            (Some(""), false, "blank"),
            (None, false, "not known"),
        ] {
            let build = Build {
                app_hash: listed.map(str::to_owned),
                application: String::new(),
                id: String::new(),
                friendly_name: String::new(),
            };

            assert_eq!(build.has_hash("4dDE0684"), is_it, "{why}");
        }
        let base64 = Build {
            app_hash: Some("abcDEFgh+/=1".to_owned()),
            application: String::new(),
            id: String::new(),
            friendly_name: String::new(),
        };
        assert!(base64.has_hash("abcDEFgh+/=1"));
        assert!(
            !base64.has_hash("ABCdefGH+/=1"),
            "another hash, unless it is hexadecimal"
        );
    }
}
