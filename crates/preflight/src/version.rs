//! Versions of podman, and what each can do.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Three numbers; what distributions append is left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version([u32; 3]);

/// A text that does not begin with a version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadVersion(String);

/// What podman can do for services, newest first: what is built on a tier works with all above it.
pub const TIERS: &[(Version, &str)] = &[(Version::new(4, 4), "Quadlet"), (Version::new(3, 3), "plain units")];

impl Version {
    /// A version without a third number.
    pub const fn new(major: u32, minor: u32) -> Version {
        Version([major, minor, 0])
    }

    /// What this version can do; `None` below all tiers.
    pub(crate) fn tier(self) -> Option<&'static str> {
        TIERS.iter().find(|(first, _)| self >= *first).map(|(_, tier)| *tier)
    }
}

impl FromStr for Version {
    type Err = BadVersion;

    /// Reads `4.9.4`, `4.9.4-rhel`, `4.3.1+ds1-8`, `5`.
    fn from_str(text: &str) -> Result<Version, BadVersion> {
        let bad = || BadVersion(text.to_owned());
        let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
        let mut numbers = [0; 3];
        for (index, part) in text[..end].trim_end_matches('.').split('.').enumerate() {
            let number = part.parse().map_err(|_| bad())?;
            // A fourth number decides nothing here.
            if let Some(place) = numbers.get_mut(index) {
                *place = number;
            }
        }
        Ok(Version(numbers))
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [major, minor, patch] = self.0;
        write!(f, "{major}.{minor}")?;
        if patch > 0 { write!(f, ".{patch}") } else { Ok(()) }
    }
}

impl Serialize for Version {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Version {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Version, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

impl fmt::Display for BadVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} is no version: expected numbers such as 4.9.4", self.0)
    }
}

impl std::error::Error for BadVersion {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_and_their_tiers() {
        for (text, shown, tier) in [
            ("3.0.1", "3.0.1", None),
            ("3.3", "3.3", Some("plain units")),
            ("4.3.1+ds1-8+deb12u1", "4.3.1", Some("plain units")),
            ("4.9.4-rhel", "4.9.4", Some("Quadlet")),
            ("5", "5.0", Some("Quadlet")),
            ("10.0.0", "10.0", Some("Quadlet")),
        ] {
            let version: Version = text.parse().unwrap();
            assert_eq!((version.to_string().as_str(), version.tier()), (shown, tier), "{text}");
        }
        for text in ["", "podman", "v4", ".4", "4..1"] {
            assert!(text.parse::<Version>().is_err(), "{text:?} was taken");
        }
    }
}
