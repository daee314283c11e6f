//! How is the API key kept from being seen? One type that shows itself in one place only, and finds itself anywhere.

use std::fmt;
use std::iter::successors;
use std::sync::OnceLock;

/// A shorter text is not a key: replacing it would only garble what people read.
const SHORTEST: usize = 6;

/// How deep encodings may be nested: JSON in a query string in a page is three.
const LAYERS: usize = 3;

/// The bytes that one character may take: each layer makes up to ten of one.
const LONGEST_SPELLING: usize = 1_000;

/// The entities of HTML for what a key may contain, each with its character behind it. A name that begins with
/// another's comes before it.
const ENTITIES: &str = "amp& apos' ast* bsol\\ colon: commat@ comma, dollar$ equals= excl! grave` gt> Hat^ lcub{ lowbar_ \
    lpar( lsqb[ lt< num# percnt% period. plus+ quest? quot\" rcub} rpar) rsqb] semi; sol/ verbar|";

/// The Sofy API key.
#[derive(Clone)]
pub(crate) struct ApiKey(String);

/// The key of this process, if there is one. A file's name or a variable may contain it, not only Sofy's texts.
pub(crate) static KEY: OnceLock<ApiKey> = OnceLock::new();

/// A text without the key of this process.
pub(crate) fn without_key(text: &str) -> String {
    let key = KEY.get();
    key.map_or_else(|| text.to_owned(), |key| key.redact(text.to_owned()))
}

impl ApiKey {
    /// Wraps the key.
    pub(crate) const fn new(key: String) -> Self {
        Self(key)
    }

    /// Shows the key, for the request that carries it and the mask that hides it.
    pub(crate) fn expose(&self) -> &str {
        &self.0
    }

    /// Tells whether a text contains the key.
    pub(crate) fn is_in(&self, text: &str) -> bool {
        self.redact(text.to_owned()) != text
    }

    /// Replaces the key in a text that came from outside, in any case and any mixture of encodings.
    pub(crate) fn redact(&self, text: String) -> String {
        // No spelling of a letter or a digit is without one, so most texts need no search.
        let letters = |text: &str| text.bytes().filter(u8::is_ascii_alphanumeric).count();
        if self.0.len() < SHORTEST || letters(&text) < letters(&self.0) {
            return text;
        }
        let decoded = Decoded::of(&text);
        let (mut redacted, mut at) = (String::new(), 0);
        while let Some(c) = text[at..].chars().next() {
            if let Some(end) = decoded.end_of(&self.0, at) {
                redacted.push_str("***");
                at = end;
            } else {
                redacted.push(c);
                at += c.len_utf8();
            }
        }
        redacted
    }

    /// The beginning of a text, at most so many characters, without the key.
    ///
    /// A text of megabytes is not searched as a whole. So that no half of a key remains, more than is wanted is
    /// searched, and what might be the first half of a key at its end is left out.
    pub(crate) fn redact_and_cut(&self, text: &str, most: usize) -> String {
        let spelling = LONGEST_SPELLING * self.0.len();
        let searched = text.floor_char_boundary(4 * most + spelling);
        let mut beginning = self.redact(text[..searched].to_owned());
        let is_part = searched < text.len();
        if is_part {
            let end = beginning.len().saturating_sub(spelling);
            beginning.truncate(beginning.floor_char_boundary(end));
        }
        match beginning.char_indices().nth(most) {
            Some((end, _)) => format!("{}…", &beginning[..end]),
            None if is_part => beginning + "…",
            None => beginning,
        }
    }
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// A text, and what its parts stand for.
struct Decoded<'text> {
    text: &'text str,
    /// For each layer and each position, the character that is spelled there and where its spelling ends; none if
    /// the layer decodes nothing there.
    layers: Vec<Vec<Option<(char, usize)>>>,
}

impl<'text> Decoded<'text> {
    fn of(text: &'text str) -> Self {
        let layers = Vec::new();
        let mut decoded = Self { text, layers };
        for _ in 0..LAYERS {
            let layer: Vec<_> = (0..text.len()).map(|at| decoded.decode(at)).collect();
            // Nothing that is spelled in this layer, so nothing in the next one.
            if layer.iter().all(Option::is_none) {
                break;
            }
            decoded.layers.push(layer);
        }
        decoded
    }

    /// The characters that may be meant at a position, the longest spelling first.
    fn characters(&self, at: usize) -> impl Iterator<Item = (char, usize)> {
        let layers = self.layers.iter().rev();
        let encoded = layers.filter_map(move |layer| layer.get(at).copied().flatten());
        let plain = self.text[at..].chars().next();
        encoded.chain(plain.map(|c| (c, at + c.len_utf8())))
    }

    /// The character behind all layers that are decoded yet.
    fn character(&self, at: usize) -> Option<(char, usize)> {
        self.characters(at).next()
    }

    /// The end of the key if it starts here. The longest spelling counts, so that nothing of it is left.
    fn end_of(&self, key: &str, at: usize) -> Option<usize> {
        let Some(next) = key.chars().next() else {
            return Some(at);
        };
        self.characters(at)
            .filter(|(c, _)| c.eq_ignore_ascii_case(&next))
            .filter_map(|(_, end)| self.end_of(&key[next.len_utf8()..], end))
            .max()
    }

    /// Decodes one layer more than before at a position.
    fn decode(&self, at: usize) -> Option<(char, usize)> {
        // What an encoding starts with: of a query, of a page, and of JSON or a script.
        self.text.get(at..)?.strip_prefix(['%', '&', '\\'])?;
        let (mark, start) = self.character(at)?;
        let code: Vec<(char, usize)> =
            successors(self.character(start), |(_, end)| self.character(*end))
                .take_while(|(c, _)| c.is_ascii_alphanumeric() || "#;\\/'\"".contains(*c))
                // No more spell one character, zeros before a number included.
                .take(11)
                .collect();
        let letters: String = code.iter().map(|(c, _)| c).collect();
        let (c, length) = spelled(mark, &letters)?;
        Some((c, code[length - 1].1))
    }
}

/// The character that a mark and the beginning of what follows it spell, and the length of that beginning.
fn spelled(mark: char, code: &str) -> Option<(char, usize)> {
    match (mark, code.chars().next()?) {
        ('%', _) => Some((number(code.get(..2)?, 16)?, 2)),
        ('\\', 'u') => Some((number(code.get(1..5)?, 16)?, 5)),
        ('\\', 'x') => Some((number(code.get(1..3)?, 16)?, 3)),
        ('\\', c @ ('"' | '\\' | '/' | '\'')) => Some((c, 1)),
        ('&', _) => entity(code),
        _ => None,
    }
}

/// The character of an entity of HTML, and its length. The semicolon may be missing.
fn entity(code: &str) -> Option<(char, usize)> {
    let (c, length) = if let Some(number) = code.strip_prefix('#') {
        let is_hex = number.starts_with(['x', 'X']);
        let (radix, start) = (if is_hex { 16 } else { 10 }, 1 + usize::from(is_hex));
        let digits = code[start..].chars().take_while(|c| c.is_digit(radix));
        let end = start + digits.count();
        (self::number(&code[start..end], radix)?, end)
    } else {
        let mut entities = ENTITIES.split(' ');
        let entity = entities.find(|entity| code.starts_with(&entity[..entity.len() - 1]))?;
        (entity.chars().last()?, entity.len() - 1)
    };
    Some((c, length + usize::from(code[length..].starts_with(';'))))
}

fn number(digits: &str, radix: u32) -> Option<char> {
    char::from_u32(u32::from_str_radix(digits, radix).ok()?)
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
            ("Se%2Fcret%22Key", "***", "in a query"),
            ("%53e%2fcret%22Key", "***", "in a query of small letters"),
            ("Se&#47;cret&quot;Key.", "***.", "on a page"),
            (
                "Se&#x2F;cret&#034;Key",
                "***",
                "on a page, by other numbers",
            ),
            (
                "Se&sol;cret&quotKey",
                "***",
                "on a page, by name and without an end",
            ),
            (r"\u0053e\/cret\u0022Key", "***", "in JSON"),
            (r"Se\x2fcret\x22Key", "***", "in a script"),
            ("Se%2Fcret&quot;Key", "***", "in two ways"),
            ("Se%252Fcret%2522Key", "***", "in a query twice"),
            ("Se&amp;#47;cret&amp;quot;Key", "***", "on a page twice"),
            (r"Se/cret\&quot;Key", "***", "in JSON on a page"),
            ("%5Cu0053e/cret%5C%22Key", "***", "in JSON in a query"),
            ("& Se % \\ Se/cret", "& Se % \\ Se/cret", "nothing of it"),
            ("é%&\\%C3", "é%&\\%C3", "not even text"),
        ] {
            assert_eq!(key.redact(text.into()), expected, "{why}");
        }
        let percent = ApiKey::new("100%25&more".into());
        for text in ["100%25&more", "100%25&amp;more", "100%2525%26more"] {
            assert_eq!(percent.redact(text.into()), "***", "{text}");
        }
        let backslashes = ApiKey::new(r"a-key-\\u".into());
        for text in [r"a-key-%5C%5C\u0075", r"a-key-\\\u0075", r"a-key-\\u"] {
            let redacted = backslashes.redact(text.into());
            assert_eq!(redacted, "***", "{text}: of several spellings the longest");
        }
        assert_eq!(
            ApiKey::new("key".into()).redact("a key".into()),
            "a key",
            "too short to be one"
        );
    }

    #[test]
    fn a_text_is_cut_after_the_key_is_looked_for() {
        let key = ApiKey::new("secret-key".into());
        let long = "x".repeat(100_000);
        for (text, most, expected, why) in [
            ("secret-key".to_owned(), 3, "***".to_owned(), "all of it"),
            ("secret-key!".to_owned(), 3, "***…".to_owned(), "more"),
            (
                "ééé".to_owned(),
                2,
                "éé…".to_owned(),
                "in characters, not bytes",
            ),
            (long.clone(), 5, "xxxxx…".to_owned(), "much more"),
            (
                "xsecret-key".to_owned() + &long,
                4,
                "x***…".to_owned(),
                "at the cut",
            ),
        ] {
            assert_eq!(key.redact_and_cut(&text, most), expected, "{why}");
        }
        let keys = "secret-key".repeat(10_000);
        let cut = key.redact_and_cut(&keys, 5_000);
        assert!(cut.chars().all(|c| matches!(c, '*' | '…')), "{cut}");
    }

    #[test]
    fn no_half_of_a_key_is_left_where_the_search_ends() {
        // So long that what replaces it is shorter than what is wanted.
        let key = "0123456789abcdefghijklmnopqrstuvwxyzABCD";
        let keys = format!("<{}", key.repeat(10_000));

        let cut = ApiKey::new(key.into()).redact_and_cut(&keys, 5_000);

        let beginning = cut.strip_suffix('…').expect("a sign that there is more");
        assert!(beginning.chars().all(|c| "<*".contains(c)), "{cut}");
    }

    #[test]
    fn a_key_is_found_before_a_cut_however_long_its_spelling_is() {
        let escaped = |text: &str| -> String {
            let escape = |c| format!("\\u{:04x}", u32::from(c));
            text.chars().map(escape).collect()
        };
        let spelled = escaped(&escaped(&escaped("secret-key")));
        let text = format!("a {spelled} b");

        let cut = ApiKey::new("secret-key".into()).redact_and_cut(&text, 7);

        assert_eq!(cut, "a *** b");
    }

    #[test]
    fn a_text_of_nested_escapes_is_searched_in_one_pass() {
        let key = ApiKey::new("secret-key".into());
        for part in [
            "&",
            "&amp",
            "&amp;",
            "&#38",
            "%25",
            "%2525",
            "\\",
            "\\u005c",
            "&#x26;#65",
            "&&&&&&&&&x",
            "%26%23",
        ] {
            let text = part.repeat(300_000 / part.len());

            assert_eq!(key.redact(text.clone()), text, "{part}");
        }
    }

    proptest! {
        #[test]
        fn nothing_is_left_of_the_key(key in "[a-zA-Z0-9/\"+=-]{6,20}", before in any::<String>(), after in any::<String>()) {
            let redacted = ApiKey::new(key.clone()).redact(format!("{before}{key}{after}{key}"));

            prop_assert!(!redacted.to_ascii_lowercase().contains(&key.to_ascii_lowercase()));
        }

        #[test]
        fn nothing_is_left_of_an_encoded_key(key in "[a-z0-9/+=&%\"\\\\-]{6,20}", ways in proptest::collection::vec(0..6_u8, 20)) {
            let spelled: String = key.chars().zip(ways).map(|(c, way)| match way {
                0 => format!("%{:02X}", u32::from(c)),
                1 => format!("&#{};", u32::from(c)),
                2 => format!("&#x{:x};", u32::from(c)),
                3 => format!("\\u{:04x}", u32::from(c)),
                4 => format!("%25{:02x}", u32::from(c)),
                _ => c.to_string(),
            }).collect();

            prop_assert_eq!(ApiKey::new(key).redact(format!("<{spelled}>")), "<***>");
        }
    }
}
