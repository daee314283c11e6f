//! Which test run group is meant? Sofy's IDs, compared as what they name.

use std::fmt;

/// Sofy's ID of a test run group.
///
/// IDs are equal if they name the same group: neither the case of letters nor zeros before a number matter.
#[derive(Clone, Debug)]
pub(crate) struct GroupId(String);

/// Twice as long as a GUID, and short enough for any address.
const LONGEST_GROUP_ID: usize = 72;

impl GroupId {
    /// Reads the ID in an input or a saved state.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        Some(Self(text.to_owned())).filter(Self::fits_an_address)
    }

    /// Reads the ID that an answer gives; none if it is blank or zero, which usually means "no ID".
    pub(crate) fn named(text: &str) -> Option<Self> {
        let text = text.trim();
        let id = whole_number(text).unwrap_or_else(|| text.to_owned());
        let names = |c: char| !matches!(c, '0' | '-' | '.') && !c.is_whitespace();
        id.contains(names).then_some(Self(id))
    }

    /// Tells whether it can become part of addresses and outputs.
    pub(crate) fn fits_an_address(&self) -> bool {
        let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
        self.len() <= LONGEST_GROUP_ID
            && self.chars().all(allowed)
            && self.contains(|c| !matches!(c, '0' | '-' | '_'))
    }

    fn key(&self) -> String {
        let number = self.chars().all(|c| c.is_ascii_digit());
        let key = if number {
            self.trim_start_matches('0')
        } else {
            self
        };
        key.to_ascii_lowercase()
    }
}

/// Writes `48213.0` or `4.8213E4` as digits, exactly; none if it is not such a number, or not a whole one.
fn whole_number(text: &str) -> Option<String> {
    // "12E5" may be an ID of letters and digits.
    if !text.contains(['.', '+']) {
        return None;
    }
    let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
    let (integer, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let length =
        usize::try_from(integer.len() as i64 + exponent.parse::<i32>().map(i64::from).ok()?);
    let length = length.ok().filter(|length| *length <= LONGEST_GROUP_ID)?;
    let mut digits = format!("{integer}{fraction}");
    while digits.len() < length {
        digits.push('0');
    }
    let whole =
        digits.chars().all(|c| c.is_ascii_digit()) && digits[length..].chars().all(|c| c == '0');
    digits.truncate(length);
    (whole && !digits.is_empty()).then_some(digits)
}

impl std::ops::Deref for GroupId {
    type Target = str;
    fn deref(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for GroupId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self)
    }
}

#[cfg(any(test, fuzzing))]
impl From<&str> for GroupId {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

impl PartialEq for GroupId {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl Eq for GroupId {}

impl PartialOrd for GroupId {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for GroupId {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.key().cmp(&other.key())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_id_is_compared_as_what_it_names() {
        let guid = "3f2504e0-4f89-41d3-9a0c-0305e82c3301";
        for (one, other, equal, why) in [
            (
                "48213",
                "48213.0",
                true,
                "a number with a fraction of nothing",
            ),
            ("48213", "4.8213E4", true, "a number with an exponent"),
            ("48213", "48213E+0", true, "an exponent of nothing"),
            ("48213", "482130.0e-1", true, "a negative exponent"),
            ("48213", "48213 ", true, "white space"),
            ("48213", "0048213", true, "zeros before it"),
            ("9007199254740993", "9007199254740993.0", true, "above 2^53"),
            ("9007199254740993", "9007199254740992", false, "above 2^53"),
            (
                "90071992547409931",
                "9.0071992547409931e+16",
                true,
                "above 2^53",
            ),
            (guid, &guid.to_uppercase(), true, "another case"),
            ("48213", "48213.5", false, "a fraction"),
            ("12E5", "1200000", false, "may be letters"),
            ("48213", "482130", false, "another number"),
            ("77", "77/8", false, "not a number"),
            ("77", "1.0e999999999", false, "larger than any ID"),
        ] {
            let named = |text| GroupId::named(text).expect(why);
            assert_eq!(named(one) == named(other), equal, "{one}, {other}: {why}");
            assert_eq!(
                named(one).cmp(&named(other)).is_eq(),
                equal,
                "{one}, {other}"
            );
        }
    }

    #[test]
    fn zero_and_nothing_name_no_group() {
        for (text, named) in [
            ("77", true),
            ("70", true),
            ("0", false),
            ("0.0", false),
            ("00000000-0000-0000-0000-000000000000", false),
            ("", false),
            (" ", false),
        ] {
            assert_eq!(GroupId::named(text).is_some(), named, "{text:?}");
        }
    }

    #[test]
    fn a_group_id_is_a_name_that_fits_an_address() {
        for (text, expected, why) in [
            ("70001", true, "a number"),
            ("3f2504e0-4f89-41d3-9a0c-0305e82c3301", true, "a GUID"),
            ("0", false, "no ID"),
            (
                "00000000-0000-0000-0000-000000000000",
                false,
                "no ID either",
            ),
            ("", false, "nothing"),
            ("1/../2", false, "another address"),
            ("7 7", false, "two words"),
        ] {
            assert_eq!(GroupId::parse(text).is_some(), expected, "{text:?}: {why}");
        }
    }
}
