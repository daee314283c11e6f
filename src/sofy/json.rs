//! How is a JSON answer read leniently? Lists or single objects, bare or in an envelope, text or number.

use std::fmt;
use std::marker::PhantomData;

use serde::de::{
    Deserialize, Deserializer, MapAccess, SeqAccess, Visitor, value::MapAccessDeserializer,
};
use serde_json::value::RawValue;

/// Reads a list of entries: `[…]`, `{…}`, `{"data":[…]}`, `{"data":{…}}`, or `null` for none.
pub(crate) fn list<T: for<'de> Deserialize<'de>>(body: &str) -> Result<Vec<T>, serde_json::Error> {
    #[derive(serde::Deserialize)]
    #[serde(bound = "T: for<'a> Deserialize<'a>")]
    struct Envelope<T> {
        data: OneOrMany<T>,
    }
    let enveloped = body.trim_start().starts_with('{');
    match serde_json::from_str::<Envelope<T>>(body) {
        Ok(envelope) if enveloped => Ok(envelope.data.0),
        Ok(_) | Err(_) => serde_json::from_str::<OneOrMany<T>>(body).map(|bare| bare.0),
    }
}

/// Five times the largest schedule that we were told of; a body of empty objects must not fill the memory.
pub(crate) const MOST_ENTRIES: usize = 100_000;

/// Reads text, a number or a boolean as text, and nothing as empty.
///
/// Escapes of lone surrogates, which no Rust string can hold, become replacement characters.
pub(crate) fn text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    struct Bytes(Vec<u8>);
    impl<'de> Deserialize<'de> for Bytes {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            struct ToBytes;
            impl Visitor<'_> for ToBytes {
                type Value = Bytes;
                fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                    f.write_str("a string")
                }
                fn visit_bytes<E>(self, bytes: &[u8]) -> Result<Bytes, E> {
                    Ok(Bytes(bytes.to_vec()))
                }
            }
            deserializer.deserialize_bytes(ToBytes)
        }
    }
    let raw = Box::<RawValue>::deserialize(deserializer)?;
    match raw.get().as_bytes().first() {
        Some(b'"') => serde_json::from_str::<Bytes>(raw.get())
            .map(|bytes| String::from_utf8_lossy(&bytes.0).into_owned())
            .map_err(serde::de::Error::custom),
        Some(b'n') => Ok(String::new()),
        Some(b'{' | b'[') | None => Err(serde::de::Error::custom("expected text or a number")),
        Some(_) => Ok(raw.get().to_owned()),
    }
}

/// The group that a row names; zero and nothing name none.
pub(crate) fn group_name(text: String) -> Option<String> {
    text.chars()
        .any(|c| !matches!(c, '0' | '-') && !c.is_whitespace())
        .then_some(text)
}

/// An entry of a list in which others matter too: nothing, where it cannot be read.
pub(crate) struct Lenient<T>(pub(crate) Option<T>);

impl<'de, T: for<'a> Deserialize<'a>> Deserialize<'de> for Lenient<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = Box::<RawValue>::deserialize(deserializer)?;
        Ok(Self(serde_json::from_str(raw.get()).ok()))
    }
}

/// A list, or an object that stands for a list of one.
struct OneOrMany<T>(Vec<T>);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for OneOrMany<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ToList<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for ToList<T> {
            type Value = Vec<T>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list or an object")
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut entries: A) -> Result<Vec<T>, A::Error> {
                let mut list = Vec::new();
                while let Some(entry) = entries.next_element()? {
                    if list.len() == MOST_ENTRIES {
                        return Err(serde::de::Error::custom(format_args!(
                            "it has more than {MOST_ENTRIES} entries"
                        )));
                    }
                    list.push(entry);
                }
                Ok(list)
            }
            fn visit_unit<E>(self) -> Result<Vec<T>, E> {
                Ok(Vec::new())
            }
            fn visit_map<A: MapAccess<'de>>(self, fields: A) -> Result<Vec<T>, A::Error> {
                T::deserialize(MapAccessDeserializer::new(fields)).map(|entry| vec![entry])
            }
        }
        deserializer.deserialize_any(ToList(PhantomData)).map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq, serde::Deserialize)]
    struct Entry {
        #[serde(default, deserialize_with = "text")]
        id: String,
    }

    fn ids(body: &str) -> Option<Vec<String>> {
        list::<Entry>(body)
            .ok()
            .map(|entries| entries.into_iter().map(|entry| entry.id).collect())
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
                Some(vec!["\u{fffd}\u{fffd}\u{fffd}x"]),
                "a lone surrogate",
            ),
            ("[]", Some(vec![]), "an empty list is a list"),
            ("null", Some(vec![]), "no entry"),
            (r#"{"data":null}"#, Some(vec![]), "no entry in the envelope"),
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
    fn what_would_fill_the_memory_is_refused() {
        let entries = |count| format!("[{}]", vec!["{}"; count].join(","));
        assert!(ids(&entries(MOST_ENTRIES)).is_some());
        assert!(ids(&entries(MOST_ENTRIES + 1)).is_none());
    }

    #[test]
    fn zero_and_nothing_name_no_group() {
        for (text, named) in [
            ("77", true),
            ("70", true),
            ("0", false),
            ("00000000-0000-0000-0000-000000000000", false),
            ("", false),
            (" ", false),
        ] {
            assert_eq!(group_name(text.to_owned()).is_some(), named, "{text:?}");
        }
    }
}
