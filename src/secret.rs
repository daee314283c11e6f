//! How is the API key kept from being seen? One type that shows itself in one place only.

use std::fmt;

/// A shorter text is no key: replacing it would only garble what people read.
const SHORTEST: usize = 6;

/// The Sofy API key.
#[derive(Clone)]
pub(crate) struct ApiKey {
    key: String,
    /// The key as it is and as JSON may escape it, in lower case; none where it is too short.
    spellings: Vec<String>,
}

impl ApiKey {
    /// Wraps the key.
    pub(crate) fn new(key: String) -> Self {
        let mut spellings = Vec::new();
        if key.len() >= SHORTEST {
            let plain = key.to_ascii_lowercase();
            let escaped = plain.replace('\\', r"\\").replace('"', "\\\"");
            spellings = vec![escaped.replace('/', r"\/"), escaped, plain];
            spellings.dedup();
        }
        Self { key, spellings }
    }

    /// Shows the key, for the request that carries it and the mask that hides it.
    pub(crate) fn expose(&self) -> &str {
        &self.key
    }

    /// Replaces the key in a text that came from outside, in whatever case it is spelled.
    pub(crate) fn redact(&self, text: String) -> String {
        if !self.is_in(&text) {
            return text;
        }
        self.spellings.iter().fold(text, without)
    }

    /// Tells whether a text holds the key.
    pub(crate) fn is_in(&self, text: &str) -> bool {
        let text = text.to_ascii_lowercase();
        self.spellings
            .iter()
            .any(|spelling| text.contains(spelling))
    }
}

/// Replaces every occurrence of a secret that is given in lower case, in one pass.
fn without(text: String, secret: &String) -> String {
    // ASCII keeps its length, so that a place in the one is a place in the other.
    let lower = text.to_ascii_lowercase();
    let mut redacted = String::new();
    let mut end = 0;
    for (start, found) in lower.match_indices(secret) {
        redacted.push_str(&text[end..start]);
        redacted.push_str("***");
        end = start + found.len();
    }
    if end == 0 {
        return text;
    }
    redacted.push_str(&text[end..]);
    redacted
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
    fn the_key_is_redacted_however_it_is_spelled() {
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
            assert_eq!(key.redact(text.into()), expected, "{why}");
        }
        assert_eq!(
            ApiKey::new("key".into()).redact("a key".into()),
            "a key",
            "too short to be one"
        );
    }

    proptest! {
        #[test]
        fn nothing_is_left_of_the_key(key in "[a-zA-Z0-9/\"+=-]{6,20}", before in any::<String>(), after in any::<String>()) {
            let redacted = ApiKey::new(key.clone()).redact(format!("{before}{key}{after}{key}"));

            prop_assert!(!redacted.to_ascii_lowercase().contains(&key.to_ascii_lowercase()));
        }
    }
}
