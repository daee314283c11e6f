//! How is the API key kept from being seen? One type that shows itself in one place only, and finds itself anywhere.

use std::fmt;

/// A shorter text is no key: replacing it would only garble what people read.
const SHORTEST: usize = 6;

/// How deep encodings may be nested: JSON in a query string in a page is three.
const LAYERS: usize = 3;

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
        let mut search = Search::of(&text);
        let mut redacted = String::new();
        let mut end = 0;
        while let Some((start, after)) = search.find(&self.0, end) {
            redacted.push_str(&text[end..start]);
            redacted.push_str("***");
            end = after;
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
        Search::of(text).find(&self.0, 0).is_some()
    }
}

/// The character that a spelling stands for, and where the spelling ends.
type Decoded = Option<(char, usize)>;

/// A text in which the key is looked for, in any case and any mixture of encodings.
struct Search<'text> {
    text: &'text str,
    /// What stands at each position behind one, two and three layers, as far as it was decoded: otherwise a text of
    /// nested escapes would be decoded again for each of its layers, which takes minutes.
    known: [Vec<Option<Decoded>>; LAYERS],
}

impl<'text> Search<'text> {
    const fn of(text: &'text str) -> Self {
        Self {
            text,
            known: [const { Vec::new() }; LAYERS],
        }
    }

    /// The start and the end of the key at or after a position.
    fn find(&mut self, key: &str, from: usize) -> Option<(usize, usize)> {
        let first = key.chars().next().filter(|_| key.len() >= SHORTEST)?;
        let text = self.text;
        text[from..]
            .char_indices()
            .filter(|(_, c)| c.eq_ignore_ascii_case(&first) || is_mark(*c))
            .find_map(|(at, _)| Some((from + at, self.spelled(from + at, key)?)))
    }

    /// The end of the key if it starts here.
    fn spelled(&mut self, at: usize, key: &str) -> Option<usize> {
        let mut rest = key.chars();
        let Some(next) = rest.next() else {
            return Some(at);
        };
        let mut tried = None;
        // The longest spelling first, so that nothing of it is left.
        (0..=LAYERS).rev().find_map(|layers| {
            let (c, end) = self.decoded(at, layers)?;
            let is_new = tried.replace(end) != Some(end);
            (is_new && c.eq_ignore_ascii_case(&next)).then_some(())?;
            self.spelled(end, rest.as_str())
        })
    }

    /// The character here behind so many layers of encoding.
    ///
    /// Knows percent-encoding, the escapes of JSON and scripts, and the entities of HTML.
    fn decoded(&mut self, at: usize, layers: usize) -> Decoded {
        let plain = self.text[at..].chars().next()?;
        let Some(layers) = layers.checked_sub(1).filter(|_| is_mark(plain)) else {
            return Some((plain, at + plain.len_utf8()));
        };
        if let Some(Some(known)) = self.known[layers].get(at) {
            return *known;
        }
        let decoded = self.decode(at, layers);
        if self.known[layers].is_empty() {
            self.known[layers].resize(self.text.len(), None);
        }
        self.known[layers][at] = Some(decoded);
        decoded
    }

    /// Decodes one layer more than the given ones.
    fn decode(&mut self, at: usize, layers: usize) -> Decoded {
        let (first, start) = self.decoded(at, layers)?;
        let escaped = match first {
            '%' => self.code(start, layers, 2),
            '\\' => self
                .decoded(start, layers)
                .and_then(|(kind, after)| match kind {
                    'u' => self.code(after, layers, 4),
                    'x' => self.code(after, layers, 2),
                    '"' | '\\' | '/' | '\'' => Some((kind, after)),
                    _ => None,
                }),
            '&' => self.entity(start, layers),
            _ => None,
        };
        Some(escaped.unwrap_or((first, start)))
    }

    /// A character by so many hexadecimal digits.
    fn code(&mut self, at: usize, layers: usize, digits: usize) -> Decoded {
        let (code, ends) = self.word(at, layers, digits, |c| c.is_ascii_hexdigit());
        let end = ends.last().filter(|_| code.len() == digits)?;
        Some((number(&code, 16)?, *end))
    }

    /// A character by its name or number on a page, which may leave the semicolon out: then it ends where it can.
    fn entity(&mut self, at: usize, layers: usize) -> Decoded {
        let is_part = |c: char| c.is_ascii_alphanumeric() || c == '#';
        let (name, ends) = self.word(at, layers, LONGEST_ENTITY, is_part);
        let (c, end) = (2..=name.len())
            .rev()
            .find_map(|most| Some((entity(&name[..most])?, ends[most - 1])))?;
        let semicolon = self.decoded(end, layers).filter(|(c, _)| *c == ';');
        Some((c, semicolon.map_or(end, |(_, after)| after)))
    }

    /// At most so many ASCII characters of a kind, and where the spelling of each ends.
    fn word(
        &mut self,
        at: usize,
        layers: usize,
        most: usize,
        is_part: fn(char) -> bool,
    ) -> (String, Vec<usize>) {
        let (mut word, mut ends) = (String::new(), Vec::new());
        while word.len() < most
            && let Some((c, end)) = self.decoded(ends.last().copied().unwrap_or(at), layers)
            && is_part(c)
        {
            word.push(c);
            ends.push(end);
        }
        (word, ends)
    }
}

/// Whether an encoding may start with the character.
const fn is_mark(c: char) -> bool {
    matches!(c, '%' | '&' | '\\')
}

/// The letters of the longest entity that matters, zeros before a number included.
const LONGEST_ENTITY: usize = 10;

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
