//! Which hashes may Sofy give a file? Its digests, computed while its bytes pass by.
//!
//! Sofy says nowhere how it makes a hash, so that the usual three are compared.

use std::fmt::Write as _;

use md5::{Digest as _, Md5};
use ring::digest::{Context, SHA1_FOR_LEGACY_USE_ONLY, SHA256};

/// The digests of a file, each in lower-case hexadecimal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Digests([(&'static str, String); 3]);

impl Digests {
    /// Tells which of the digests a listed hash is.
    pub(crate) fn name(&self, hash: &str) -> Option<&'static str> {
        let mut digests = self.0.iter();
        let (name, _) = digests.find(|(_, digest)| digest.eq_ignore_ascii_case(hash))?;
        Some(name)
    }
}

/// Takes in bytes.
pub(crate) struct Hasher {
    md5: Md5,
    sha1: Context,
    sha256: Context,
}

impl Hasher {
    pub(crate) fn new() -> Self {
        Self {
            md5: Md5::new(),
            sha1: Context::new(&SHA1_FOR_LEGACY_USE_ONLY),
            sha256: Context::new(&SHA256),
        }
    }

    pub(crate) fn update(&mut self, bytes: &[u8]) {
        self.md5.update(bytes);
        self.sha1.update(bytes);
        self.sha256.update(bytes);
    }

    pub(crate) fn finish(self) -> Digests {
        Digests([
            ("MD5", hexadecimal(&self.md5.finalize())),
            ("SHA-1", hexadecimal(self.sha1.finish().as_ref())),
            ("SHA-256", hexadecimal(self.sha256.finish().as_ref())),
        ])
    }
}

fn hexadecimal(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        // A String takes any text.
        _ = write!(text, "{byte:02x}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_is_told_by_what_it_is_of_the_file() {
        let mut hasher = Hasher::new();
        hasher.update(b"a");
        hasher.update(b"bc");

        let digests = hasher.finish();

        for (hash, expected, why) in [
            (
                "900150983cd24fb0d6963f7d28e17f72",
                Some("MD5"),
                "of abc, by RFC 1321",
            ),
            (
                "900150983CD24FB0D6963F7D28E17F72",
                Some("MD5"),
                "in capitals",
            ),
            (
                "a9993e364706816aba3e25717850c26c9cd0d89d",
                Some("SHA-1"),
                "by FIPS 180",
            ),
            (
                "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
                Some("SHA-256"),
                "by FIPS 180",
            ),
            ("900150983cd24fb0", None, "a part of one"),
            ("", None, "nothing"),
        ] {
            assert_eq!(digests.name(hash), expected, "{why}");
        }
    }
}
