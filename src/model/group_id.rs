//! Which test run group is meant? Sofy's IDs, compared by what they name.

use super::spelled::Spelled;

/// Sofy's ID of a test run group.
///
/// IDs are equal if they name the same group: neither the case of letters nor zeros before a number matter.
pub(crate) type GroupId = Spelled<String>;

/// Twice as long as a GUID, and short enough for any address.
const LONGEST_GROUP_ID: usize = 72;

impl GroupId {
    /// Reads the ID in an input or a saved state.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        Some(Self::of(text)).filter(Self::fits_an_address)
    }

    /// Reads the ID in an answer; none if it is blank or zero, which usually means "no ID".
    pub(crate) fn named(text: &str) -> Option<Self> {
        let text = text.trim();
        let id = Self::of(whole_number(text).as_deref().unwrap_or(text));
        let names = |c: char| !matches!(c, '0' | '-' | '.') && !c.is_whitespace();
        id.contains(names).then_some(id)
    }

    fn of(text: &str) -> Self {
        let is_number = text.bytes().all(|b| b.is_ascii_digit());
        let key = text.trim_start_matches(|c| is_number && c == '0');
        Self::new(key.to_ascii_lowercase(), text)
    }

    /// Tells whether it can become part of addresses and outputs.
    ///
    /// Every ID has a digit, which `null`, `undefined` and `All` do not have: an abort of such a group could mean
    /// every group.
    pub(crate) fn fits_an_address(&self) -> bool {
        let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
        self.len() <= LONGEST_GROUP_ID
            && self.chars().all(allowed)
            && self.starts_with(|c: char| c.is_ascii_alphanumeric())
            && self.contains(|c: char| c.is_ascii_digit())
            && self.contains(|c| !matches!(c, '0' | '-' | '_'))
    }
}

#[cfg(any(test, fuzzing))]
impl From<&str> for GroupId {
    fn from(text: &str) -> Self {
        Self::of(text)
    }
}

/// Writes `48213.0` or `4.8213E4` as digits, exactly; none if it is not such a number, or not a whole one.
fn whole_number(text: &str) -> Option<String> {
    // "12E5" may be an ID of letters and digits.
    text.contains(['.', '+']).then_some(())?;
    let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
    let (integer, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let length = integer.len().checked_add_signed(exponent.parse().ok()?)?;
    let digits = format!("{integer}{fraction:0<LONGEST_GROUP_ID$}");
    let (whole, rest) = digits.split_at_checked(length)?;
    let is_whole = whole.bytes().all(|b| b.is_ascii_digit()) && rest.bytes().all(|b| b == b'0');
    (is_whole && !whole.is_empty()).then(|| whole.to_owned())
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
            ("null", false, "a word for nothing"),
            ("undefined", false, "another one"),
            ("All", false, "a word for all groups"),
            ("true", false, "a boolean"),
            ("-1", false, "an error code"),
            ("g-77", true, "letters and digits"),
            (&"7".repeat(LONGEST_GROUP_ID), true, "the longest"),
            (&"7".repeat(LONGEST_GROUP_ID + 1), false, "longer"),
        ] {
            assert_eq!(GroupId::parse(text).is_some(), expected, "{text:?}: {why}");
        }
    }
}
