//! How is the API key kept from being seen? One type that shows itself in one place only.

use std::fmt;

/// A shorter text is no key: striking it out would only garble what people read.
const SHORTEST: usize = 6;

/// The Sofy API key.
#[derive(Clone)]
pub(crate) struct ApiKey(String);

impl ApiKey {
    /// Wraps the key.
    pub(crate) const fn new(key: String) -> Self {
        Self(key)
    }

    /// Shows the key, for the request that carries it and the mask that hides it.
    pub(crate) fn expose(&self) -> &str {
        &self.0
    }

    /// Strikes the key out of a text that came from outside, in whatever case it is spelled.
    pub(crate) fn strike(&self, text: String) -> String {
        // ASCII keeps its length, so that a place in the one is a place in the other.
        let lower = text.to_ascii_lowercase();
        let spellings = self.spellings();
        let mut struck = String::new();
        let mut end = 0;
        while let Some((start, length)) = first(&lower[end..], &spellings) {
            struck.push_str(&text[end..end + start]);
            struck.push_str("***");
            end += start + length;
        }
        if end == 0 {
            return text;
        }
        struck.push_str(&text[end..]);
        struck
    }

    /// Tells whether a text holds the key.
    pub(crate) fn is_in(&self, text: &str) -> bool {
        first(&text.to_ascii_lowercase(), &self.spellings()).is_some()
    }

    /// The key as it is and as JSON may escape it, in lower case.
    fn spellings(&self) -> Vec<String> {
        if self.0.len() < SHORTEST {
            return Vec::new();
        }
        let key = self.0.to_ascii_lowercase();
        let escaped = key.replace('\\', r"\\").replace('"', "\\\"");
        let mut spellings = vec![escaped.replace('/', r"\/"), escaped, key];
        spellings.dedup();
        spellings
    }
}

/// Finds the first of some patterns: its place and its length.
fn first(text: &str, patterns: &[String]) -> Option<(usize, usize)> {
    patterns
        .iter()
        .filter_map(|pattern| Some((text.find(pattern)?, pattern.len())))
        .min()
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_key_is_struck_however_it_is_spelled() {
        let key = ApiKey::new("Se/cret\"Key".into());
        for (text, expected, why) in [
            ("a Se/cret\"Key b", "a *** b", "as it is"),
            ("SE/CRET\"KEY", "***", "in capitals"),
            (
                r#"{"m":"Se/cret\"Key"}"#,
                r#"{"m":"***"}"#,
                "as JSON escapes quotes",
            ),
            ("Se/cret\"KeySe/cret\"Key", "******", "twice"),
            ("Se/cret", "Se/cret", "not the key"),
        ] {
            assert_eq!(key.strike(text.into()), expected, "{why}");
        }
        assert_eq!(
            ApiKey::new("key".into()).strike("a key".into()),
            "a key",
            "too short to be one"
        );
    }

    proptest! {
        #[test]
        fn nothing_is_left_of_the_key(key in "[a-zA-Z0-9/\"+=-]{6,20}", before in any::<String>(), after in any::<String>()) {
            let struck = ApiKey::new(key.clone()).strike(format!("{before}{key}{after}{key}"));

            prop_assert!(!struck.to_ascii_lowercase().contains(&key.to_ascii_lowercase()));
        }
    }
}
