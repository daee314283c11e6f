//! How is a workflow command written, and any other text kept from being one?
//!
//! The runner takes `::name::` at the start of a line and `##[name]` anywhere in it as a command.

use crate::text::is_invisible;

/// Makes one harmless line of a text: no line breaks, no control characters, no `##[`, no `::`.
pub(crate) fn plain(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    for c in text.chars() {
        // A space in between suffices, and people can still read it.
        if (c == '[' && line.ends_with("##")) || (c == ':' && line.ends_with(':')) {
            line.push(' ');
        }
        line.push(match c {
            '\u{1b}' => '␛',
            c if is_invisible(c) => ' ',
            c => c,
        });
    }
    line
}

/// The runner cuts a message here anyway, perhaps inside an escape.
const LONGEST_MESSAGE: usize = 4_000;

/// Writes an annotation of a severity, or a debug line; the message may contain our line breaks.
pub(crate) fn message(severity: &str, title: &str, message: &str) -> String {
    let lines: Vec<String> = message.split('\n').map(plain).collect();
    let text: String = lines.join("\n").chars().take(LONGEST_MESSAGE).collect();
    let data = escape(&text);
    if title.is_empty() {
        return format!("::{severity}::{data}");
    }
    let title: String = plain(title).chars().take(200).collect();
    // Not the equals sign: the runner splits at the first one, and would show the escape of another.
    let title = escape(&title).replace(':', "%3A").replace(',', "%2C");
    format!("::{severity} title={title}::{data}")
}

/// Hides a value from the log from now on.
pub(crate) fn mask(secret: &str) -> String {
    format!("::add-mask::{}", escape(secret))
}

/// Opens a fold of the log, which `::endgroup::` closes.
pub(crate) fn group(title: &str) -> String {
    format!("::group::{}", escape(&plain(title)))
}

/// Escapes the data of a command as the runner unescapes it.
fn escape(data: &str) -> String {
    let data = data.replace('%', "%25");
    data.replace('\r', "%0D").replace('\n', "%0A")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The runner's own rule: `##[` anywhere, `::` after leading white space, lines also end at CR.
    fn commands(text: &str) -> usize {
        text.split(['\r', '\n'])
            .filter(|line| line.trim_start().starts_with("::") || line.contains("##["))
            .count()
    }

    #[test]
    fn hostile_texts_are_no_commands() {
        for (text, expected, why) in [
            ("a\r::error::x", "a : :error: :x", "a lone CR starts a line"),
            ("a ##[error]x", "a ## [error]x", "anywhere in the line"),
            (
                "a\u{2028}::error::",
                "a : :error: :",
                "Unicode's line separator",
            ),
            (
                "Log in: all fine",
                "Log in: all fine",
                "an ordinary name stays",
            ),
            (
                "\u{202e}evil\u{1b}[31m",
                " evil␛[31m",
                "what hides is shown",
            ),
        ] {
            assert_eq!(plain(text), expected, "{why}");
        }
    }

    #[test]
    fn a_title_is_escaped_as_the_runner_reads_it() {
        assert_eq!(
            message("error", "a=b, c: 5%", "x"),
            "::error title=a=b%2C c%3A 5%25::x"
        );
        assert_eq!(
            message("error", "", "5%0A\nb"),
            "::error::5%250A%0Ab",
            "the runner resolves what we escape, and nothing else"
        );
    }

    #[test]
    fn a_key_is_masked_as_the_runner_reads_it() {
        assert_eq!(mask("5%:\n"), "::add-mask::5%25:%0A");
    }

    proptest! {
        #[test]
        fn a_message_is_exactly_one_command(title in any::<String>(), text in any::<String>()) {
            let line = message("error", &title, &text);

            prop_assert_eq!(commands(&line), 1);
            prop_assert!(!line.contains(['\r', '\n']));
            prop_assert_eq!(line.matches("::").count(), 2);
        }

        #[test]
        fn text_behind_a_word_of_ours_is_never_a_command(text in any::<String>()) {
            prop_assert_eq!(commands(&format!("ours {}", plain(&text))), 0);
        }
    }
}
