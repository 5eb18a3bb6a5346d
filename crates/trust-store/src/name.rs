//! Names a server certificate is made for: host names and addresses (RFC 5280 section 4.2.1.6).

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use crate::error::{Error, Result};

/// One subject alternative name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SubjectName {
    /// A host name in lower case, perhaps with `*.` in front.
    Dns(String),
    /// An address.
    Ip(IpAddr),
}

impl FromStr for SubjectName {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        if let Ok(address) = text.parse() {
            return Ok(Self::Ip(address));
        }
        let bad = |reason| Error::BadName { name: text.to_owned(), reason };
        let host = text.strip_prefix("*.").unwrap_or(text);
        if host.is_empty() || host.len() > 253 {
            return Err(bad("expected 1 to 253 characters"));
        }
        for label in host.split('.') {
            let fits = (1..=63).contains(&label.len())
                && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
                && !label.starts_with('-')
                && !label.ends_with('-');
            if !fits {
                return Err(bad("each label has 1 to 63 letters, digits or inner hyphens"));
            }
        }
        Ok(Self::Dns(text.to_ascii_lowercase()))
    }
}

impl fmt::Display for SubjectName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Dns(name) => f.write_str(name),
            Self::Ip(address) => write!(f, "{address}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_addresses_are_told_apart() {
        assert_eq!(
            "Registry.Example.Test".parse::<SubjectName>().unwrap().to_string(),
            "registry.example.test"
        );
        assert!(matches!("10.0.0.1".parse().unwrap(), SubjectName::Ip(_)));
        assert!(matches!("::1".parse().unwrap(), SubjectName::Ip(_)));
        assert!(matches!("*.example.test".parse().unwrap(), SubjectName::Dns(_)));
    }

    #[test]
    fn what_no_certificate_can_hold_is_refused() {
        for text in ["", "a..b", "-a", "a b", "host:8443", "a.*.b", "ä.test"] {
            assert!(text.parse::<SubjectName>().is_err(), "{text:?} was taken");
        }
    }
}
