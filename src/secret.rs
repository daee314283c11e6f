//! How is the API key kept from being seen? One type that shows itself in one place only, and finds itself anywhere.

use std::fmt;

/// A shorter text is no key: replacing it would only garble what people read.
const SHORTEST: usize = 6;

/// How deep encodings may be nested: JSON in a query string in a page is three.
const LAYERS: u8 = 3;

/// The bytes that one character may take: each layer makes up to ten of one.
const LONGEST_SPELLING: usize = 1_000;

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

    /// Replaces the key in a text that came from outside, however it is spelled there.
    pub(crate) fn redact(&self, text: String) -> String {
        let mut redacted = String::new();
        let mut end = 0;
        while let Some((start, length)) = self.find(&text[end..]) {
            redacted.push_str(&text[end..end + start]);
            redacted.push_str("***");
            end += start + length;
        }
        if end == 0 {
            return text;
        }
        redacted + &text[end..]
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
            beginning
                .truncate(beginning.floor_char_boundary(beginning.len().saturating_sub(spelling)));
        }
        match beginning.char_indices().nth(most) {
            Some((end, _)) => format!("{}…", &beginning[..end]),
            None if is_part => beginning + "…",
            None => beginning,
        }
    }

    /// Tells whether a text contains the key.
    pub(crate) fn is_in(&self, text: &str) -> bool {
        self.find(text).is_some()
    }

    /// The place and the length of the key in a text, in any case and any mixture of encodings.
    fn find(&self, text: &str) -> Option<(usize, usize)> {
        let first = self.0.chars().next().filter(|_| self.0.len() >= SHORTEST)?;
        text.char_indices()
            .filter(|(_, c)| c.eq_ignore_ascii_case(&first) || matches!(c, '%' | '&' | '\\'))
            .find_map(|(start, _)| Some((start, spelled(&text[start..], &self.0)?)))
    }
}

/// The length of the secret at the start of a text; none if something else is there.
fn spelled(text: &str, secret: &str) -> Option<usize> {
    let mut rest = secret.chars();
    let Some(next) = rest.next() else {
        return Some(0);
    };
    let mut tried = None;
    // The longest spelling first, so that nothing of it is left.
    (0..=LAYERS).rev().find_map(|layers| {
        let (c, length) = decoded(text, layers)?;
        let is_new = tried.replace(length) != Some(length);
        (is_new && c.eq_ignore_ascii_case(&next)).then_some(())?;
        Some(length + spelled(&text[length..], rest.as_str())?)
    })
}

/// The first character of a text behind so many layers of encoding, and how long its spelling is.
///
/// Knows percent-encoding, the escapes of JSON and scripts, and the entities of HTML.
fn decoded(text: &str, layers: u8) -> Option<(char, usize)> {
    let Some(layers) = layers.checked_sub(1) else {
        return text.chars().next().map(|c| (c, c.len_utf8()));
    };
    let (first, start) = decoded(text, layers)?;
    let code = |from: usize, digits: usize| {
        let (code, end) = word(&text[from..], layers, digits, |c| c.is_ascii_hexdigit());
        let full = code.len() == digits;
        Some((number(&code, 16).filter(|_| full)?, from + end))
    };
    let escaped = match first {
        '%' => code(start, 2),
        '\\' => decoded(&text[start..], layers).and_then(|(kind, length)| {
            let after = start + length;
            match kind {
                'u' => code(after, 4),
                'x' => code(after, 2),
                '"' | '\\' | '/' | '\'' => Some((kind, after)),
                _ => None,
            }
        }),
        '&' => {
            let is_part = |c: char| c.is_ascii_alphanumeric() || c == '#';
            // Pages may leave the semicolon out, and then the name ends where it can.
            (2..=LONGEST_ENTITY).rev().find_map(|most| {
                let (name, end) = word(&text[start..], layers, most, is_part);
                let end = start + end;
                let semicolon = decoded(&text[end..], layers).filter(|(c, _)| *c == ';');
                Some((
                    entity(&name)?,
                    end + semicolon.map_or(0, |(_, length)| length),
                ))
            })
        }
        _ => None,
    };
    Some(escaped.unwrap_or((first, start)))
}

/// The letters of the longest entity that matters, zeros before a number included.
const LONGEST_ENTITY: usize = 10;

/// At most so many characters of a kind, and the length of their spelling.
fn word(text: &str, layers: u8, most: usize, is_part: fn(char) -> bool) -> (String, usize) {
    let (mut word, mut end) = (String::new(), 0);
    while word.len() < most
        && let Some((c, length)) = decoded(&text[end..], layers)
        && is_part(c)
    {
        word.push(c);
        end += length;
    }
    (word, end)
}

/// The character of an entity of HTML that a key may contain.
fn entity(name: &str) -> Option<char> {
    if let Some(digits) = name.strip_prefix('#') {
        return match digits.strip_prefix(['x', 'X']) {
            Some(digits) => number(digits, 16),
            None => number(digits, 10),
        };
    }
    let known = [
        ("amp", '&'),
        ("quot", '"'),
        ("apos", '\''),
        ("lt", '<'),
        ("gt", '>'),
        ("plus", '+'),
        ("sol", '/'),
        ("equals", '='),
        ("lowbar", '_'),
        ("period", '.'),
        ("colon", ':'),
        ("percnt", '%'),
        ("num", '#'),
        ("bsol", '\\'),
        ("excl", '!'),
        ("commat", '@'),
        ("dollar", '$'),
        ("ast", '*'),
        ("comma", ','),
        ("semi", ';'),
        ("quest", '?'),
        ("lpar", '('),
        ("rpar", ')'),
        ("lsqb", '['),
        ("rsqb", ']'),
        ("lcub", '{'),
        ("rcub", '}'),
        ("verbar", '|'),
        ("Hat", '^'),
        ("grave", '`'),
        ("nbsp", ' '),
    ];
    known
        .iter()
        .find(|(known, _)| *known == name)
        .map(|(_, c)| *c)
}

fn number(digits: &str, radix: u32) -> Option<char> {
    u32::from_str_radix(digits, radix)
        .ok()
        .and_then(char::from_u32)
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
