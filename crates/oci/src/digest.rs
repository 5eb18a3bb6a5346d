//! Digests: the name of bytes by what they are (OCI image specification, descriptor.md, Digests).

use std::fmt;
use std::str::FromStr;

use openssl::hash::{Hasher as OpenSsl, MessageDigest};
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// A sha256 digest. Other algorithms are registered, but no registry of the field uses them.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest([u8; 32]);

impl Digest {
    /// The digest of bytes.
    pub fn of(bytes: &[u8]) -> Self {
        Self(openssl::sha::sha256(bytes))
    }

    /// The 64 lower-case hexadecimal digits.
    pub fn hex(&self) -> String {
        self.0.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sha256:{}", self.hex())
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Digest {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let bad = || Error::Grammar {
            text: text.chars().take(100).collect(),
            expected: "a digest: `sha256:` and 64 lower-case hexadecimal digits",
        };
        let hex = text.strip_prefix("sha256:").ok_or_else(bad)?.as_bytes();
        let mut bytes = [0; 32];
        if hex.len() != 64 {
            return Err(bad());
        }
        for (byte, pair) in bytes.iter_mut().zip(hex.chunks_exact(2)) {
            let digit = |c: u8| match c {
                b'0'..=b'9' => Some(c - b'0'),
                b'a'..=b'f' => Some(c - b'a' + 10),
                _ => None,
            };
            *byte = pair.iter().try_fold(0, |sum, c| Some(sum * 16 + digit(*c)?)).ok_or_else(bad)?;
        }
        Ok(Self(bytes))
    }
}

impl Serialize for Digest {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Digest {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// Computes a digest while bytes go by, with OpenSSL's assembly: twice as fast as pure Rust without SHA extensions.
pub struct Hasher(OpenSsl);

impl Hasher {
    /// A hasher that has seen nothing.
    pub fn new() -> Result<Self> {
        Ok(Self(OpenSsl::new(MessageDigest::sha256())?))
    }

    /// Takes in bytes.
    pub fn update(&mut self, bytes: &[u8]) -> Result<()> {
        Ok(self.0.update(bytes)?)
    }

    /// The digest of all bytes so far.
    pub fn finish(mut self) -> Result<Digest> {
        let mut bytes = [0; 32];
        bytes.copy_from_slice(&self.0.finish()?);
        Ok(Digest(bytes))
    }
}

impl std::io::Write for Hasher {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        std::io::Write::write(&mut self.0, bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_digest_of_nothing_is_the_known_one() {
        let empty = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(Digest::of(b"").to_string(), empty);
        assert_eq!(Hasher::new().unwrap().finish().unwrap(), empty.parse().unwrap());
    }

    #[test]
    fn what_is_no_digest_is_refused() {
        let upper = format!("sha256:{}", "A".repeat(64));
        for text in ["", "sha256:", "sha256:abc", &upper, "sha512:00", "../../etc/passwd"] {
            assert!(text.parse::<Digest>().is_err(), "{text:?} was taken");
        }
    }

    proptest! {
        #[test]
        fn parts_hash_like_the_whole(bytes in proptest::collection::vec(any::<u8>(), 0..100), at in 0..100usize) {
            let (first, second) = bytes.split_at(at.min(bytes.len()));
            let mut hasher = Hasher::new().unwrap();
            hasher.update(first).unwrap();
            hasher.update(second).unwrap();
            prop_assert_eq!(hasher.finish().unwrap(), Digest::of(&bytes));
        }

        #[test]
        fn no_text_makes_it_panic(text in ".{0,100}") {
            let _ = text.parse::<Digest>();
        }
    }
}
