//! How does text stay text on a page? It is escaped, so that it shows as it is and means nothing to GitHub.
//!
//! All text that this crate did not write itself reaches the page through [`name`], [`code`] or [`sentence`].

use std::fmt::Write as _;

use crate::secret::without_key;
use crate::text::{capitalized, is_invisible};

/// The most characters of a name: enough to tell names apart, few enough to keep a table readable.
pub(super) const NAME_CHARS: usize = 200;

/// The most characters of a sentence: an error's text may quote a server's answer.
const SENTENCE_CHARS: usize = 2_000;

/// A longer word gets places to break.
const LONGEST_WORD: usize = 24;

/// A shorter part joins the next one, so that a word does not fall to pieces; a longer one may break anywhere.
const SHORTEST_PART: usize = 6;
const LONGEST_PART: usize = 16;

/// A place where a line may break, and where GitHub's filters stop. It is not copied with the text.
pub(super) const BREAK: &str = "<wbr>";

/// What a sentence may show as code. No other backticks count, since Sofy's texts are in the same sentences.
const CODE: &str = "abort-unfinished|api|api-key|api-url|app-hash|app-path|application-guid|build-name|\
     certificate-name|concurrency|continue-on-error: true|device-serials|fail-on|failed|false|id|incomplete|json-path|\
     junit-path|not-executed|poll-interval|require-app-hash|results-after|schedule-id|stopped|test-run-group-id|timeout|\
     title|true|wait|wait: false|wait: true|with:";

/// Escapes a name, shortened if it is too long; a blank one becomes a dash.
pub(super) fn name(text: &str) -> String {
    let plain = plain(text, NAME_CHARS);
    escape(if plain.is_empty() { "–" } else { &plain })
}

/// Escapes a name and shows it as code.
pub(super) fn code(text: &str) -> String {
    format!("<code>{}</code>", name(text))
}

/// Escapes a sentence, with a capital at its start and a period at its end. The names in [`CODE`] become code.
pub(super) fn sentence(text: &str) -> String {
    let mut plain = capitalized(&plain(text, SENTENCE_CHARS));
    let end = plain.trim_end_matches('"');
    if !end.ends_with(['.', '!', '?', '…', ':']) {
        plain.push('.');
    }
    CODE.split('|').fold(escape(&plain), |sentence, code| {
        let quoted = format!("`{code}`");
        sentence.replace(&escape(&quoted), &quoted)
    })
}

/// Replaces every character that an ID or a time does not need: in a block of code, nothing can be escaped.
pub(super) fn unescaped(text: &str) -> String {
    let is_harmless = |c: char| c.is_ascii_alphanumeric() || " -_.:;=+/".contains(c);
    text.replace(|c| !is_harmless(c), "\u{fffd}")
}

/// Reduces a text to one line of visible characters without the key, and shortens it.
///
/// White space is folded: several blanks at the start of a cell or a line would be structure.
pub(super) fn plain(text: &str, most: usize) -> String {
    let text = without_key(text);
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let is_cut = line.chars().nth(most).is_some();
    let beginning: String = line.chars().take(most).collect();
    let plain = beginning.replace(is_invisible, "\u{fffd}");
    plain + if is_cut { "…" } else { "" }
}

/// Turns one line of text into Markdown that shows just that text.
///
/// A mark that may mean something to Markdown, HTML or GitHub becomes a numeric entity, which cannot start a
/// structure. GitHub looks for mentions (`@team`), references (`#1`, `GH-1`, a commit's hash) and emoji (`:lock:`)
/// after it has decoded the entities. So these get a [`BREAK`], and so do long words, which would push the next
/// column out of view.
fn escape(line: &str) -> String {
    let mut escaped = String::with_capacity(line.len() + line.len() / 4);
    let mut start = 0;
    for word in line.split(' ') {
        if start > 0 {
            escaped.push(' ');
        }
        let is_long = word.chars().count() > LONGEST_WORD;
        let mut unbroken = 0;
        let mut chars = word.char_indices().peekable();
        while let Some((at, c)) = chars.next() {
            let next = chars.peek().map(|(_, next)| *next);
            let before = &line[..start + at];
            if has_meaning(c, before, next) {
                // Writing to a string cannot fail.
                _ = write!(escaped, "&#{};", u32::from(c));
            } else {
                escaped.push(c);
            }
            unbroken += 1;
            let Some(next) = next else { continue };
            let is_joint = !c.is_alphanumeric() || (c.is_lowercase() && next.is_uppercase());
            let is_due = (unbroken >= SHORTEST_PART && is_joint) || unbroken >= LONGEST_PART;
            // Never before an accent, which belongs to the letter.
            let may_break = next.is_alphanumeric() || next.is_ascii();
            if is_reference(c, before, next)
                || is_inside_a_hash(word, at)
                || (is_long && is_due && may_break)
            {
                escaped.push_str(BREAK);
                unbroken = 0;
            }
        }
        start += word.len() + 1;
    }
    escaped
}

/// Tells whether a mark may mean something at its place, rather than end a sentence or join two words.
fn has_meaning(c: char, before: &str, next: Option<char>) -> bool {
    match c {
        ',' | ';' | '\'' | '"' | '/' | '%' | '?' => false,
        // At the start of a line: a list, a rule, a heading.
        c if before.is_empty() => c.is_ascii_punctuation(),
        '(' | '!' | '+' | '=' => false,
        // `1.` and `1)` begin a list, and `www.` a link.
        '.' | ')' => {
            let is_number = before.bytes().all(|b| b.is_ascii_digit());
            (is_number && next.is_none()) || ends_with(before, "www")
        }
        '-' => ends_with(before, "gh"),
        ':' => next.is_some(),
        c => c.is_ascii_punctuation(),
    }
}

/// Tells whether GitHub may make a link or an emoji of what begins here.
fn is_reference(c: char, before: &str, next: char) -> bool {
    matches!(c, '@' | '#' | ':') || (c == '-' && next.is_ascii_digit() && ends_with(before, "gh"))
}

fn ends_with(text: &str, word: &str) -> bool {
    let end = text.get(text.len().saturating_sub(word.len())..);
    end.is_some_and(|end| end.eq_ignore_ascii_case(word))
}

/// Tells whether this is a sixth character of what GitHub may take for a commit's hash: seven of them would be one.
fn is_inside_a_hash(word: &str, at: usize) -> bool {
    let is_mark = |c: char| !c.is_ascii_alphanumeric();
    let (before, rest) = word.split_at(at);
    let before = before.rsplit(is_mark).next().unwrap_or_default();
    let rest = rest.split(is_mark).next().unwrap_or_default();
    let is_hex = |text: &str| text.bytes().all(|b| b.is_ascii_hexdigit());
    before.len() % 6 == 5 && rest.len() >= 2 && is_hex(before) && is_hex(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_that_mean_nothing_where_they_stand_stay_as_they_are() {
        for (text, why) in [
            ("Passed (3m20s). Done: all 2-4 of a+b=c!", "a sentence"),
            ("1.0(1)", "a build"),
            ("com.example.shop", "a package"),
            ("2024-04-30 10:", "a date"),
            ("100% of it, \"quoted\"; 'so' / or?", "quotes"),
        ] {
            assert_eq!(escape(text), text, "{why}");
        }
    }

    #[test]
    fn a_sentence_is_whole_and_shows_names_of_inputs_as_code() {
        for (text, expected, why) in [
            ("why", "Why.", "a capital and a period"),
            (
                "Sofy said \"No.\"",
                "Sofy said \"No.\"",
                "a quote that ends it",
            ),
            (
                "`wait: false` and (`api-key`)",
                "`wait: false` and (`api-key`).",
                "ours",
            ),
            ("under `with:`.", "Under `with:`.", "with a colon"),
            (
                "a `name` of Sofy's",
                "A &#96;name&#96; of Sofy's.",
                "not ours",
            ),
            ("`a`pi-key`", "&#96;a&#96;pi-key&#96;.", "not ours either"),
        ] {
            assert_eq!(sentence(text), expected, "{why}");
        }
    }

    #[test]
    fn what_github_would_turn_into_something_else_is_broken_up() {
        for (text, expected, why) in [
            (":lock:", "&#58;<wbr>lock:", "an emoji"),
            ("a :lock:", "a &#58;<wbr>lock:", "an emoji inside"),
            ("a: b", "a: b", "an ordinary colon"),
            ("GH-12", "GH&#45;<wbr>12", "a reference"),
            ("GH12", "GH12", "not a reference"),
            ("log-in", "log-in", "an ordinary hyphen"),
            ("0a1b2c3", "0a1b2c<wbr>3", "a commit's hash"),
            (
                "a6ccb6b0b73a60471ddaf29840d28639",
                "a6ccb6<wbr>b0b73a<wbr>60471d<wbr>daf298<wbr>40d286<wbr>39",
                "a long hash: its parts would be hashes",
            ),
            ("(0a1b2c3)", "&#40;0a1b2c<wbr>3)", "within brackets"),
            ("facade", "facade", "shorter than a hash"),
            ("defaced1x", "defaced1x", "no hash"),
            ("Pixel 8", "Pixel 8", "an ordinary name"),
            ("see WWW.x.example", "see WWW&#46;x.example", "a link"),
            ("1. x", "1&#46; x", "a list"),
            ("12) x", "12&#41; x", "another list"),
        ] {
            assert_eq!(escape(text), expected, "{why}");
        }
    }

    #[test]
    fn long_words_may_break_where_people_would_break_them() {
        let test = "com.example.app.LoginTest.testThatAUserWithAnExpiredPasswordIsAsked";

        let escaped = escape(test);

        let parts: Vec<&str> = escaped.split(BREAK).collect();
        assert!(parts.len() > 2, "{escaped}");
        assert!(
            parts.iter().all(|part| part.len() <= LONGEST_WORD),
            "{escaped}"
        );
        assert_eq!(parts.concat(), test);
        for (word, expected, why) in [
            ("testThatAUserLogsIn", "testThatAUserLogsIn", "short enough"),
            (
                "testThatTheUserMayLogIn1",
                "testThatTheUserMayLogIn1",
                "just short enough",
            ),
            (
                &"ü".repeat(25),
                "üüüüüüüüüüüüüüüü<wbr>üüüüüüüüü",
                "letters of other languages",
            ),
            (
                "(%%%%%%%%%%%%%%%%%%%%%%%%%",
                "&#40;%%%%%<wbr>%%%%%%<wbr>%%%%%%<wbr>%%%%%%<wbr>%%",
                "marks",
            ),
            (
                "ooooooooooooooou\u{301}ttttttttt",
                "ooooooooooooooou\u{301}<wbr>ttttttttt",
                "never between a letter and its accent",
            ),
        ] {
            assert_eq!(escape(word), expected, "{why}");
        }
    }

    #[test]
    fn a_name_is_shortened_with_a_sign_and_a_blank_one_is_a_dash() {
        let whole = "é".repeat(NAME_CHARS);
        for (text, expected, why) in [
            (whole.clone(), whole.clone(), "it fits"),
            (
                format!("{whole}!"),
                format!("{whole}…"),
                "one character more",
            ),
            ("  ".to_owned(), "–".to_owned(), "blank"),
            (String::new(), "–".to_owned(), "empty"),
        ] {
            assert_eq!(name(&text).replace(BREAK, ""), expected, "{why}");
        }
    }

    #[test]
    fn no_mark_with_a_meaning_stays_raw() {
        for mark in "\\`*_{}[]<>()+-.!|~:=^$".chars() {
            let escaped = format!("&#{};", u32::from(mark));

            assert_eq!(
                escape(&mark.to_string()),
                escaped,
                "{mark}: alone, whatever closes it"
            );
        }
        for mark in "\\`*_{}[]<>|~^$#@&".chars() {
            let escaped = escape(&format!("x{mark}y"));
            assert!(
                escaped.starts_with(&format!("x&#{};", u32::from(mark))),
                "{escaped}"
            );
        }
    }
}
