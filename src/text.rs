//! How are counts, durations and sizes said to people, and which characters can they not see?

use std::time::Duration;

use icu_properties::CodePointMapData;
use icu_properties::props::{GeneralCategory, GeneralCategoryGroup};

/// Says a count with its noun in the singular or plural.
pub(crate) fn count(n: usize, noun: &str) -> String {
    match n {
        1 => format!("1 {noun}"),
        n => format!("{n} {noun}s"),
    }
}

/// Lists the first few of many: a sentence has an end, however long the list is.
pub(crate) fn list<T: ToString>(items: impl IntoIterator<Item = T>, most: usize) -> String {
    let mut items = items.into_iter();
    let mut named: Vec<String> = items
        .by_ref()
        .take(most)
        .map(|item| item.to_string())
        .collect();
    match items.count() {
        0 => {}
        more => named.push(format!("{more} more")),
    }
    match named.split_last() {
        Some((last, first)) if !first.is_empty() => format!("{} and {last}", first.join(", ")),
        Some(_) | None => named.concat(),
    }
}

/// Says a duration to the second, such as `1h5m` or `3m20s`.
pub(crate) fn span(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let parts = [
        (seconds / 3600, "h"),
        (seconds / 60 % 60, "m"),
        (seconds % 60, "s"),
    ];
    let text: String = parts
        .iter()
        .filter(|(n, _)| *n > 0)
        .map(|(n, unit)| format!("{n}{unit}"))
        .collect();
    if text.is_empty() {
        "0s".to_owned()
    } else {
        text
    }
}

/// Says a number of bytes, such as `12.3 MiB`.
pub(crate) fn bytes(n: u64) -> String {
    let mut value = n as f64;
    let mut unit = "B";
    for next in ["KiB", "MiB", "GiB"] {
        if value < 1024.0 {
            break;
        }
        value /= 1024.0;
        unit = next;
    }
    let digits = if n < 1024 { 0 } else { 1 };
    format!("{value:.digits$} {unit}")
}

/// Tells whether people cannot see the character, though it breaks, hides or reorders what they see.
pub(crate) fn is_invisible(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

/// The most accents that one letter carries; living languages need no more.
const MOST_MARKS: usize = 3;

/// Takes away accents beyond a few on one letter: hundreds would draw over the lines around.
pub(crate) fn without_stacks(text: &str) -> impl Iterator<Item = char> {
    text.chars()
        .scan(0, |marks, c| {
            *marks = if is_mark(c) { *marks + 1 } else { 0 };
            Some((*marks, c))
        })
        .filter_map(|(marks, c)| (marks <= MOST_MARKS).then_some(c))
}

/// Tells whether the character stacks up on the one before it.
pub(crate) fn is_mark(c: char) -> bool {
    let category = CodePointMapData::<GeneralCategory>::new().get(c);
    GeneralCategoryGroup::Mark.contains(category)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accents_do_not_draw_over_the_lines_around() {
        let zalgo = format!("a{}b\u{301}", "\u{301}".repeat(200));
        let calm: String = without_stacks(&zalgo).collect();

        assert_eq!(calm, format!("a{}b\u{301}", "\u{301}".repeat(MOST_MARKS)));
        for text in ["Việt Nam", "Vie\u{302}\u{323}t", "🏴󠁧󠁢󠁥󠁮󠁧󠁿"] {
            assert!(
                without_stacks(text).eq(text.chars()),
                "a living language: {text}"
            );
        }
    }

    #[test]
    fn a_list_ends_after_a_few_and_says_how_many_more_there_are() {
        for (items, expected) in [
            (0, ""),
            (1, "0"),
            (2, "0 and 1"),
            (3, "0, 1 and 2"),
            (4, "0, 1, 2 and 1 more"),
            (900, "0, 1, 2 and 897 more"),
        ] {
            assert_eq!(list(0..items, 3), expected);
        }
    }

    #[test]
    fn durations_are_said_without_their_empty_parts() {
        for (seconds, expected) in [
            (0, "0s"),
            (45, "45s"),
            (200, "3m20s"),
            (3600, "1h"),
            (3905, "1h5m5s"),
        ] {
            assert_eq!(span(Duration::from_secs(seconds)), expected);
        }
    }

    #[test]
    fn sizes_are_said_in_a_unit_for_people() {
        for (n, expected) in [
            (0, "0 B"),
            (1023, "1023 B"),
            (1024, "1.0 KiB"),
            (52_428_800, "50.0 MiB"),
            (5_368_709_120, "5.0 GiB"),
            (5_497_558_138_880, "5120.0 GiB"),
        ] {
            assert_eq!(bytes(n), expected);
        }
    }
}
