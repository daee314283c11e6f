//! How are counts, durations and sizes formatted for people, and which characters are invisible?
//!
//! Also finds a value among named texts, as the environment is.

use std::time::Duration;

use jiff::fmt::friendly::{Spacing, SpanPrinter};

/// Says a count with its noun in the singular or plural.
pub(crate) fn count(n: usize, noun: &str) -> String {
    let plural = if n == 1 { "" } else { "s" };
    format!("{n} {noun}{plural}")
}

/// Begins a sentence with a capital.
pub(crate) fn capitalized(text: &str) -> String {
    let mut text = text.to_owned();
    if let Some(first) = text.get_mut(..1) {
        first.make_ascii_uppercase();
    }
    text
}

/// The most items that one sentence names: enough to recognize a pattern, and still read at a glance.
const MOST_NAMED: usize = 5;

/// Lists the first few of many: a sentence has an end, however long the list is.
pub(crate) fn list<T: ToString>(items: impl IntoIterator<Item = T>) -> String {
    let mut items: Vec<String> = items.into_iter().map(|item| item.to_string()).collect();
    if items.len() > MOST_NAMED {
        let more = format!("{} more", items.len() - MOST_NAMED);
        items.truncate(MOST_NAMED);
        items.push(more);
    }
    match items.as_slice() {
        [first @ .., last] if !first.is_empty() => format!("{} and {last}", first.join(", ")),
        all => all.concat(),
    }
}

/// Says a duration to the second, such as `1h5m` or `3m20s`.
pub(crate) fn span(duration: Duration) -> String {
    const PRINTER: SpanPrinter = SpanPrinter::new().spacing(Spacing::None);
    PRINTER.unsigned_duration_to_string(&Duration::from_secs(duration.as_secs()))
}

/// Says a number of bytes, such as `12.3 MiB`.
pub(crate) fn bytes(n: u64) -> String {
    const MIB: f64 = 1_048_576.0;
    match n as f64 {
        n if n < 1024.0 => format!("{n} B"),
        n if n < MIB => format!("{:.1} KiB", n / 1024.0),
        n if n < 1024.0 * MIB => format!("{:.1} MiB", n / MIB),
        n => format!("{:.1} GiB", n / (1024.0 * MIB)),
    }
}

/// Tells whether a character is invisible but breaks, hides or reorders what people see.
pub(crate) fn is_invisible(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

/// Keeps a text unless it is blank.
pub(crate) fn known(text: String) -> Option<String> {
    Some(text).filter(|text| !text.trim().is_empty())
}

/// Finds the value of a name; empty if it is not there.
pub(crate) fn value_of<'env>(pairs: &'env [(String, String)], name: &str) -> &'env str {
    let mut values = pairs.iter().filter(|(key, _)| key == name);
    values.next().map_or("", |(_, value)| value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_ends_after_a_few_and_says_how_many_more_there_are() {
        for (items, expected) in [
            (0, ""),
            (1, "0"),
            (2, "0 and 1"),
            (3, "0, 1 and 2"),
            (5, "0, 1, 2, 3 and 4"),
            (6, "0, 1, 2, 3, 4 and 1 more"),
            (900, "0, 1, 2, 3, 4 and 895 more"),
        ] {
            assert_eq!(list(0..items), expected);
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
            (100 * 3600, "100h"),
            (u64::MAX, "5124095576030431h15s"),
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
            (1_048_576, "1.0 MiB"),
            (52_428_800, "50.0 MiB"),
            (1_073_741_824, "1.0 GiB"),
            (5_368_709_120, "5.0 GiB"),
            (5_497_558_138_880, "5120.0 GiB"),
        ] {
            assert_eq!(bytes(n), expected);
        }
    }
}
