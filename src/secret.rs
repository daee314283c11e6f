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

    /// Strikes the key out of a text that came from outside.
    pub(crate) fn strike(&self, text: String) -> String {
        if self.0.len() >= SHORTEST && text.contains(&self.0) {
            text.replace(&self.0, "***")
        } else {
            text
        }
    }
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}
