//! Names of images: `registry/repository:tag@digest` (OCI distribution specification; docker's normalisation).

use std::fmt;
use std::str::FromStr;

use crate::digest::Digest;
use crate::error::{Error, Result};

/// A repository's name, checked: lower-case parts between slashes, at most 255 characters.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Repository(String);

/// A tag, checked: a letter, digit or `_`, then also `.` and `-`, at most 128 characters.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tag(String);

/// An image in a registry.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Reference {
    /// `host` or `host:port`.
    pub registry: String,
    /// The repository.
    pub repository: Repository,
    /// The tag, if one is named.
    pub tag: Option<Tag>,
    /// The digest, if one is named; it wins over the tag.
    pub digest: Option<Digest>,
}

impl Repository {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Tag {
    /// The tag as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Repository {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn bad(text: &str, expected: &'static str) -> Error {
    Error::Grammar { text: text.chars().take(300).collect(), expected }
}

impl FromStr for Repository {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let fits = !text.is_empty() && text.len() <= 255 && text.split('/').all(is_component);
        let expected = "a repository: lower-case letters, digits and single separators `.`, `_`, `__` or `-`, \
                        between slashes, at most 255 characters";
        if fits { Ok(Self(text.to_owned())) } else { Err(bad(text, expected)) }
    }
}

/// `[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*`
fn is_component(text: &str) -> bool {
    let alphanumeric = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit();
    let bytes = text.as_bytes();
    let ends = |end: Option<&u8>| end.is_some_and(|c| alphanumeric(*c));
    if !ends(bytes.first()) || !ends(bytes.last()) {
        return false;
    }
    let separators = bytes.split(|c| alphanumeric(*c)).filter(|separator| !separator.is_empty());
    let mut separators = separators
        .map(|separator| matches!(separator, b"." | b"_" | b"__") || separator.iter().all(|c| *c == b'-'));
    separators.all(|fits| fits)
}

impl FromStr for Tag {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let first = |c: u8| c.is_ascii_alphanumeric() || c == b'_';
        let rest = |c: u8| first(c) || c == b'.' || c == b'-';
        let fits = text.bytes().next().is_some_and(first) && text.bytes().all(rest) && text.len() <= 128;
        let expected =
            "a tag: letters, digits, `_`, `.` and `-`, not beginning with `.` or `-`, at most 128 characters";
        if fits { Ok(Self(text.to_owned())) } else { Err(bad(text, expected)) }
    }
}

impl FromStr for Reference {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let (name, digest) = match text.split_once('@') {
            Some((name, digest)) => (name, Some(digest.parse()?)),
            None => (text, None),
        };
        // A colon behind the last slash begins the tag; one before it is a port.
        let (name, tag) = match name.rsplit_once(':') {
            Some((name, tag)) if !tag.contains('/') => (name, Some(tag.parse()?)),
            _ => (name, None),
        };
        let (registry, repository) = match name.split_once('/') {
            Some((host, rest)) if host.contains(['.', ':']) || host == "localhost" => (host, rest.to_owned()),
            Some(_) => ("docker.io", name.to_owned()),
            None => ("docker.io", format!("library/{name}")),
        };
        if !is_registry(registry) {
            return Err(bad(text, "an image: a host, perhaps with a port, then a repository"));
        }
        Ok(Self { registry: registry.to_owned(), repository: repository.parse()?, tag, digest })
    }
}

/// `host`, `host:port`, `[::1]:port`.
fn is_registry(text: &str) -> bool {
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) if !text.ends_with(']') => (host, Some(port)),
        _ => (text, None),
    };
    let bracketed = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    let host_fits = match bracketed {
        Some(address) => address.parse::<std::net::Ipv6Addr>().is_ok(),
        None => {
            !host.is_empty()
                && host.bytes().all(|c| c.is_ascii_alphanumeric() || c == b'.' || c == b'-')
                && !host.starts_with(['-', '.'])
        }
    };
    host_fits && port.is_none_or(|port| port.parse::<u16>().is_ok_and(|port| port > 0))
}

impl Reference {
    /// `registry/repository`, without tag and digest.
    pub fn name(&self) -> String {
        format!("{}/{}", self.registry, self.repository)
    }

    /// What the manifest is asked for by: the digest, else the tag, else `latest`.
    pub fn wanted(&self) -> String {
        match (&self.digest, &self.tag) {
            (Some(digest), _) => digest.to_string(),
            (None, Some(tag)) => tag.to_string(),
            (None, None) => "latest".to_owned(),
        }
    }

    /// The same repository by a digest.
    pub fn with_digest(&self, digest: Digest) -> Self {
        Self { tag: None, digest: Some(digest), ..self.clone() }
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.registry, self.repository)?;
        if let Some(tag) = &self.tag {
            write!(f, ":{tag}")?;
        }
        if let Some(digest) = &self.digest {
            write!(f, "@{digest}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_are_taken_apart_and_normalised() {
        let check = |text: &str, expected: &str| {
            assert_eq!(text.parse::<Reference>().unwrap().to_string(), expected);
        };
        check("alpine", "docker.io/library/alpine");
        check("bitnami/redis:7", "docker.io/bitnami/redis:7");
        check("localhost/x", "localhost/x");
        check(
            "registry.example.test:8443/ocp4/openshift4:4.10.0-x86_64",
            "registry.example.test:8443/ocp4/openshift4:4.10.0-x86_64",
        );
        let digest = Digest::of(b"x");
        check(&format!("quay.io/a/b:t@{digest}"), &format!("quay.io/a/b:t@{digest}"));
        check("[::1]:5000/a", "[::1]:5000/a");
    }

    #[test]
    fn what_is_no_name_is_refused() {
        for text in [
            "",
            "UPPER",
            "a/../b",
            "host:99999/a",
            "a:",
            "a@sha256:12",
            "-x.test/a",
            "h.test/a//b",
            "h.test/_manifests",
            "h.test/a___b",
        ] {
            assert!(text.parse::<Reference>().is_err(), "{text:?} was taken");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic_and_what_is_taken_reads_back(text in "[a-z0-9.:/@_\\-\\[\\]]{0,40}") {
            if let Ok(reference) = text.parse::<Reference>() {
                prop_assert_eq!(reference.to_string().parse::<Reference>().unwrap(), reference);
            }
        }
    }
}
