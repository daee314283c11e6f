//! How is a text of Sofy's compared? By a key, such as the time or the ID that it spells.

use std::cmp::Ordering;
use std::fmt;
use std::ops::Deref;

/// A text as Sofy or the user spelled it. Two of them are equal if their keys are.
#[derive(Clone, Debug, Default)]
pub(crate) struct Spelled<K> {
    pub(super) key: K,
    text: String,
}

impl<K> Spelled<K> {
    pub(super) fn new(key: K, text: &str) -> Self {
        let text = text.to_owned();
        Self { key, text }
    }
}

impl<K: Ord> PartialEq for Spelled<K> {
    fn eq(&self, other: &Self) -> bool {
        self.key == other.key
    }
}

impl<K: Ord> Eq for Spelled<K> {}

impl<K: Ord> PartialOrd for Spelled<K> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<K: Ord> Ord for Spelled<K> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.key.cmp(&other.key)
    }
}

impl<K> Deref for Spelled<K> {
    type Target = str;
    fn deref(&self) -> &str {
        &self.text
    }
}

impl<K> fmt::Display for Spelled<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}
