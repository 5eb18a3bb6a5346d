//! What a podman can do, from its version.

use std::fmt;
use std::str::FromStr;

/// podman's version: the three numbers; what distributions append is left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version {
    /// First number.
    pub major: u32,
    /// Second number.
    pub minor: u32,
    /// Third number; 0 where there is none.
    pub patch: u32,
}

impl Version {
    /// A version without a third number.
    pub const fn new(major: u32, minor: u32) -> Self {
        Self { major, minor, patch: 0 }
    }
}

/// A text that is no version of podman.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no version of podman: expected numbers such as 4.9.4")]
pub struct BadVersion(String);

impl FromStr for Version {
    type Err = BadVersion;

    /// Reads `4.9.4`, `4.9.4-rhel`, `4.3.1+ds1-8`, `5.0`. By hand, since semver holds `4.9.4-rhel` for older than `4.9.4`.
    fn from_str(text: &str) -> Result<Self, BadVersion> {
        let bad = || BadVersion(text.to_owned());
        let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
        let mut numbers =
            text[..end].trim_end_matches('.').split('.').map(|number| number.parse().map_err(|_| bad()));
        let major = numbers.next().ok_or_else(bad)??;
        let minor = numbers.next().ok_or_else(bad)??;
        Ok(Self { major, minor, patch: numbers.next().unwrap_or(Ok(0))? })
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.major, self.minor, self.patch)
    }
}

/// What a podman can do for services.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tier {
    /// Older than 3.3: secrets and restart behaviour are not good enough.
    Unsupported(Version),
    /// 3.3 to 4.3: units that call `podman run`.
    PlainUnit,
    /// 4.4 and newer: podman's generator makes the unit from a Quadlet file.
    Quadlet(Version),
}

impl Tier {
    /// The oldest podman that is supported.
    pub const OLDEST: Version = Version::new(3, 3);
    /// The first podman with a generator.
    pub const QUADLET: Version = Version::new(4, 4);

    /// The tier of a version.
    pub fn of(version: Version) -> Self {
        if version < Self::OLDEST {
            Self::Unsupported(version)
        } else if version < Self::QUADLET {
            Self::PlainUnit
        } else {
            Self::Quadlet(version)
        }
    }
}

impl fmt::Display for Tier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unsupported(version) => write!(f, "unsupported ({version} is older than {})", Self::OLDEST),
            Self::PlainUnit => f.write_str("plain units"),
            Self::Quadlet(_) => f.write_str("Quadlet"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_of_distributions_are_read() {
        let check = |text: &str, expected: &str| {
            assert_eq!(text.parse::<Version>().unwrap().to_string(), expected);
        };
        check("3.0.1", "3.0.1");
        check("4.3.1+ds1-8+deb12u1", "4.3.1");
        check("4.9.4-rhel", "4.9.4");
        check("5.4", "5.4.0");
        for text in ["", "podman", "5", "v4.3.1", "4.x"] {
            assert!(text.parse::<Version>().is_err(), "{text:?} was taken");
        }
    }

    #[test]
    fn each_version_has_its_tier() {
        let check = |text: &str, expected: &str| {
            assert_eq!(Tier::of(text.parse().unwrap()).to_string(), expected);
        };
        check("3.0.1", "unsupported (3.0.1 is older than 3.3.0)");
        check("3.3.0", "plain units");
        check("4.3.1", "plain units");
        check("4.4.0", "Quadlet");
        check("4.9.4-rhel", "Quadlet");
    }
}
