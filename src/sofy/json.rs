//! How is a JSON answer read leniently? Lists or single objects, bare or in an envelope, text or number.

use std::fmt;

use serde::de::{Deserialize, DeserializeOwned, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;
use serde_json::{Error, Value, from_str};

use crate::model::test_run::Completeness;

/// Five times the largest schedule that we were told of; a body of empty objects must not fill the memory.
pub(super) const MOST_ENTRIES: usize = 100_000;

/// Each level is read once more by the one around it. What stands deeper may be a sign.
const DEEPEST: u8 = 16;

/// A list as an answer gives it. Its entries are read one by one: all at once they would double the memory.
#[derive(Default)]
pub(super) struct List<'body> {
    pub(super) entries: Vec<&'body RawValue>,
    pub(super) completeness: Completeness,
}

impl List<'_> {
    /// Reads the entries; one that cannot be read stays in the list, as an error.
    pub(super) fn read<T: DeserializeOwned>(&self) -> impl Iterator<Item = Result<T, Error>> {
        self.entries.iter().map(|entry| object(entry.get()))
    }
}

/// Reads a list of entries: `[…]`, `{…}`, `{"data":[…]}`, `{"data":{…}}`, or `null` for none.
pub(super) fn list(body: &str) -> Result<List<'_>, Error> {
    member(body, "data")?.map_or_else(|| entries(body), Ok)
}

/// Reads the list that is a member of an object, with the signs beside it that it is incomplete; none if there is no
/// such member.
pub(super) fn member<'body>(body: &'body str, name: &str) -> Result<Option<List<'body>>, Error> {
    let Parts(members) = from_str(body)?;
    let is_list = |member: &(String, _)| member.0 == name;
    let (lists, around): (Vec<_>, Vec<_>) = members.into_iter().partition(is_list);
    let list = match &lists[..] {
        [] => return Ok(None),
        [(_, list)] => list,
        [_, _, ..] => return Err(serde::de::Error::custom("two of its members are this list")),
    };
    let mut list = entries(list.get())?;
    list.completeness = completeness(&around, Some(list.entries.len()), DEEPEST);
    Ok(Some(list))
}

/// Reads an object. A list is not one, although serde would read its entries as the members in their order.
pub(super) fn object<T: DeserializeOwned>(text: &str) -> Result<T, Error> {
    if text.trim_start().starts_with('{') {
        return from_str(text);
    }
    Err(serde::de::Error::custom("expected an object"))
}

/// Reads a list without an envelope; an object is a list of one.
fn entries(text: &str) -> Result<List<'_>, Error> {
    let mut list = List::default();
    if text.trim_start().starts_with('{') {
        list.entries.push(from_str(text)?);
    } else {
        let Parts(entries) = from_str(text)?;
        list.entries
            .extend(entries.into_iter().map(|(_, entry)| entry));
    }
    Ok(list)
}

/// Tells whether an answer other than a list says that something went wrong.
pub(super) fn reports_an_error(body: &str) -> bool {
    shows_a_sign(body, None, DEEPEST)
}

/// Tells whether something nested contains a sign, or cannot be read.
fn shows_a_sign(nested: &str, list: Option<usize>, deepest: u8) -> bool {
    let parts = from_str(nested).ok().filter(|_| deepest > 0);
    parts.is_none_or(|Parts(parts)| completeness(&parts, list, deepest - 1).not_whole.is_some())
}

/// Searches next to a list for signs that there is more of it, and anywhere for errors, at most so many levels deep.
fn completeness(members: &[(String, &RawValue)], list: Option<usize>, deepest: u8) -> Completeness {
    let mut found = Completeness::default();
    let listed = list.unwrap_or(usize::MAX);
    for (name, raw) in members {
        let value = from_str::<Text>(raw.get()).unwrap_or_default().0;
        let value = value.trim();
        let is_nested = raw.get().starts_with(['{', '[']);
        let number = value.replace(',', "").parse().ok();
        let above = |most: usize| number.map_or(is_nested, |number: f64| number > most as f64);
        let is_sign = match name.replace(['_', '-'], "").to_lowercase().as_str() {
            "error" | "errors" if value == "0" => list.is_none(),
            "nextpage" if value == "0" => false,
            "error" | "errors" | "nextpage" => from_str(raw.get()).map_or(true, is_given),
            "total" | "totalcount" | "totalrecords" | "totalelements" => above(listed),
            "totalpages" => above(1),
            // Such as `pagination` and `meta`.
            _ if is_nested => shows_a_sign(raw.get(), list, deepest),
            "hasnextpage" | "hasmore" => value == "1" || value.eq_ignore_ascii_case("true"),
            "message" => {
                found.fetched = fetched(value).filter(|number| *number > listed);
                list.is_some() && is_part(value)
            }
            "success" | "issuccess" => value == "0" || value.eq_ignore_ascii_case("false"),
            _ => false,
        };
        if is_sign {
            found.not_whole = Some(match value {
                "" if name.to_lowercase().starts_with("error") => format!("it contains \"{name}\""),
                "" => format!("its \"{name}\" says so, or cannot be read"),
                value => format!("its \"{name}\" is \"{value}\", and {listed} are listed"),
            });
        }
    }
    found
}

/// Tells whether a member that should be absent or empty is not.
fn is_given(value: Value) -> bool {
    !matches!(&*value.to_string(), "null" | "false" | "\"\"" | "[]" | "{}")
}

/// Tells whether a message says `N of M` with an M above its N.
fn is_part(message: &str) -> bool {
    let words = message.split_whitespace().filter(|word| *word != "out");
    let words: Vec<&str> = words.collect();
    words.windows(3).any(|words| {
        let (n, m) = (numbers(words[0]), numbers(words[2]));
        words[1].eq_ignore_ascii_case("of") && !n.is_empty() && n.last() < m.first()
    })
}

/// Reads the number of a message such as `Fetched 2 record(s)`.
fn fetched(message: &str) -> Option<usize> {
    let mut words = message.split_whitespace();
    let (first, second) = (words.next()?, words.next()?);
    let number = *numbers(second).first()?;
    let is_fetched = first.eq_ignore_ascii_case("fetched");
    is_fetched.then_some(number as usize)
}

/// The numbers in a word such as `(1-20` or `4,500.`, however large.
fn numbers(word: &str) -> Vec<f64> {
    let word = word.replace(',', "");
    let digits = word.split(|c: char| !c.is_ascii_digit());
    digits.flat_map(str::parse).collect()
}

/// The entries of a list, or the members of an object, not yet read.
#[derive(Default)]
struct Parts<'body>(Vec<(String, &'body RawValue)>);

impl<'body> Parts<'body> {
    fn push<E: serde::de::Error>(&mut self, name: String, part: &'body RawValue) -> Result<(), E> {
        self.0.push((name, part));
        let is_bounded = self.0.len() <= MOST_ENTRIES;
        let problem = || E::custom(format_args!("it has more than {MOST_ENTRIES} entries"));
        is_bounded.then_some(()).ok_or_else(problem)
    }
}

impl<'de> Visitor<'de> for Parts<'de> {
    type Value = Self;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list or an object")
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut entries: A) -> Result<Self, A::Error> {
        while let Some(entry) = entries.next_element()? {
            self.push(String::new(), entry)?;
        }
        Ok(self)
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut members: A) -> Result<Self, A::Error> {
        while let Some((name, value)) = members.next_entry()? {
            self.push(name, value)?;
        }
        Ok(self)
    }

    fn visit_unit<E>(self) -> Result<Self, E> {
        Ok(self)
    }
}

impl<'de> Deserialize<'de> for Parts<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Self::default())
    }
}

/// A text of Sofy's. It becomes the program's only through [`Answer::text`](super::answer::Answer::text).
///
/// Numbers and booleans are read as they are spelled, and nothing as empty. A text with the escape of a lone
/// surrogate, which no Rust string can contain, keeps its escapes.
#[derive(Default)]
pub(super) struct Text(pub(super) String);

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = <&RawValue>::deserialize(deserializer)?.get();
        Ok(Self(match raw.as_bytes().first() {
            Some(b'"') => from_str(raw).unwrap_or_else(|_| raw.trim_matches('"').to_owned()),
            Some(b'n') => String::new(),
            Some(b'{' | b'[') => return Err(serde::de::Error::custom("expected text or a number")),
            Some(_) | None => raw.to_owned(),
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(serde::Deserialize)]
    struct Entry {
        #[serde(default)]
        id: Text,
    }

    /// The IDs; none where one cannot be read.
    fn ids(body: &str) -> Option<Vec<String>> {
        let list = list(body).ok()?;
        let entries = list.read::<Entry>();
        entries.map(|entry| Some(entry.ok()?.id.0)).collect()
    }

    #[test]
    fn every_plausible_envelope_is_read() {
        for (body, expected, why) in [
            (
                r#"[{"id":"a"},{"id":2}]"#,
                Some(vec!["a", "2"]),
                "bare, text and number",
            ),
            (
                r#"{"data":[{"id":"a"}],"message":"ok"}"#,
                Some(vec!["a"]),
                "the envelope",
            ),
            (
                r#"{"data":{"id":7}}"#,
                Some(vec!["7"]),
                "one object in the envelope",
            ),
            (
                r#"{"id":123456789012345678}"#,
                Some(vec!["123456789012345678"]),
                "one bare object, no rounding",
            ),
            (r#"[{"id":null}]"#, Some(vec![""]), "nothing"),
            (
                r#"[{"id":"\ud800x"}]"#,
                Some(vec![r"\ud800x"]),
                "a lone surrogate",
            ),
            ("[]", Some(vec![]), "an empty list is a list"),
            ("null", Some(vec![]), "no entry"),
            (r#"{"data":null}"#, Some(vec![]), "no entry in the envelope"),
            (
                r#"{"data":[{"id":"a"}],"data":[]}"#,
                None,
                "which of the two?",
            ),
            ("<html>", None, "a gateway's page"),
            ("", None, "a cut body"),
            (
                r#"[{"id":{"a":1}}]"#,
                None,
                "an object where a text should be",
            ),
        ] {
            let expected = expected.map(|ids| ids.into_iter().map(str::to_owned).collect());
            assert_eq!(ids(body), expected, "{why}: {body}");
        }
    }

    #[test]
    fn a_sign_that_there_is_more_is_quoted() {
        for (member, expected, why) in [
            (
                r#""total":45"#,
                r#"its "total" is "45", and 2 are listed"#,
                "what it says",
            ),
            (
                r#""pagination":{"total":45}"#,
                r#"its "pagination" says so, or cannot be read"#,
                "an object is not quoted",
            ),
            (
                r#""error":{"code":7}"#,
                r#"it contains "error""#,
                "nor is an error's",
            ),
        ] {
            let body = format!(r#"{{{member},"data":[{{}},{{}}]}}"#);

            let sign = list(&body).expect("a list").completeness.not_whole;

            assert_eq!(sign.as_deref(), Some(expected), "{why}");
        }
    }

    #[test]
    fn a_number_that_is_listed_too_is_not_told() {
        for (fetched, expected) in [(2, None), (3, Some(3))] {
            let body = format!(r#"{{"data":[{{}},{{}}],"message":"Fetched {fetched} record(s)"}}"#);

            let completeness = list(&body).expect("a list").completeness;

            assert_eq!(completeness.fetched, expected, "{fetched}");
        }
    }

    #[test]
    fn what_is_not_a_list_says_what_it_should_be() {
        let error = list("\"later\"").err().expect("a text").to_string();

        assert!(error.contains("expected a list or an object"), "{error}");
    }

    #[test]
    fn what_would_fill_the_memory_is_refused() {
        let entries = |count| format!("[{}]", vec!["{}"; count].join(","));
        assert!(ids(&entries(MOST_ENTRIES)).is_some());
        assert!(ids(&entries(MOST_ENTRIES + 1)).is_none());
    }
}
