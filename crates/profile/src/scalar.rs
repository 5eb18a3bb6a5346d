//! The forms of text and number that several sections share: ports, modes, paths, names, sizes.
//!
//! Knows forms. Must not know which key holds which.

use std::path::Path;

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use provision_oci::{Digest, Reference};
use serde_json::{Value as Json, json};

use crate::problem::Problems;
use crate::read::{Read, Text, integer};
use crate::source::{Located, Origin};
use crate::tree::Node;

/// A TCP port, never 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Port(pub u16);

impl Read for Port {
    fn read(node: &Node, problems: &mut Problems) -> Option<Self> {
        integer(node, 1..=65535, problems).and_then(|number| u16::try_from(number).ok()).map(Self)
    }

    fn schema() -> Json {
        json!({ "type": "integer", "minimum": 1, "maximum": 65535 })
    }
}

/// A small number of things, such as processors or characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Count(pub u32);

impl Read for Count {
    fn read(node: &Node, problems: &mut Problems) -> Option<Self> {
        integer(node, 1..=4096, problems).and_then(|number| u32::try_from(number).ok()).map(Self)
    }

    fn schema() -> Json {
        json!({ "type": "integer", "minimum": 1, "maximum": 4096 })
    }
}

/// Permission bits, written in octal as `"0644"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mode(pub u32);

impl Text for Mode {
    const EXPECTED: &'static str = "permission bits in octal such as \"0644\"";

    fn parse(text: &str) -> Result<Self, String> {
        let octal = (3..=4).contains(&text.len()) && text.bytes().all(|byte| (b'0'..=b'7').contains(&byte));
        u32::from_str_radix(text, 8).ok().filter(|_| octal).map(Self).ok_or_else(String::new)
    }
}

/// An absolute path on the host, without `.`, `..`, `//` or a slash at its end.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct HostPath(pub String);

impl Text for HostPath {
    const EXPECTED: &'static str = "an absolute path of the host";

    fn parse(text: &str) -> Result<Self, String> {
        let Some(relative) = text.strip_prefix('/') else { return Err("it begins with `/`".to_owned()) };
        if text.contains(['\0', '\n', '#']) {
            return Err("`#`, NUL and line ends are not possible in it".to_owned());
        }
        if relative.split('/').any(|part| matches!(part, "" | "." | "..")) {
            return Err("without `.`, `..`, `//` and a `/` at the end".to_owned());
        }
        let own = [provision_converge::STATE_DIRECTORY, "/proc", "/sys", "/dev"];
        if own.iter().any(|place| Path::new(text).starts_with(place)) {
            return Err(
                "not in /var/lib/provision, where provision keeps its records, nor in /proc, /sys and /dev"
                    .to_owned(),
            );
        }
        Ok(Self(text.to_owned()))
    }
}

/// A file beside the profile: made absolute, or relative to where we run, by the file it was written in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NearPath(pub Located<String>);

impl NearPath {
    /// The path to read.
    pub fn path(&self) -> std::path::PathBuf {
        self.0.origin.resolve(&self.0.value)
    }

    /// Where it was written.
    pub fn origin(&self) -> &Origin {
        &self.0.origin
    }
}

impl Read for NearPath {
    fn read(node: &Node, problems: &mut Problems) -> Option<Self> {
        let text = FileName::read(node, problems)?.0;
        Some(Self(Located { value: text, origin: node.origin.clone() }))
    }

    fn schema() -> Json {
        FileName::schema()
    }
}

struct FileName(String);

impl Text for FileName {
    const EXPECTED: &'static str = "the path of a file, relative to the profile";

    fn parse(text: &str) -> Result<Self, String> {
        match text {
            "" => Err("it is empty".to_owned()),
            text if text.contains('\0') => Err("it holds a NUL byte".to_owned()),
            text => Ok(Self(text.to_owned())),
        }
    }
}

/// A DNS name in lower case (RFC 1123), without a dot at its end.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct HostName(pub String);

impl Text for HostName {
    const EXPECTED: &'static str = "a host name";

    fn parse(text: &str) -> Result<Self, String> {
        let label = |label: &str| {
            (1..=63).contains(&label.len())
                && label.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
                && !label.starts_with('-')
                && !label.ends_with('-')
        };
        if text.bytes().any(|byte| byte.is_ascii_uppercase()) {
            return Err("in lower case".to_owned());
        }
        if text.parse::<IpAddr>().is_ok() {
            return Err("an address is not a name".to_owned());
        }
        if text.len() > 253 || !text.split('.').all(label) {
            return Err("letters, digits and `-`, parts joined by single dots".to_owned());
        }
        Ok(Self(text.to_owned()))
    }
}

/// A name or an address that a certificate shall hold.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Subject {
    /// A DNS name.
    Name(HostName),
    /// An IP address.
    Address(IpAddr),
}

impl Text for Subject {
    const EXPECTED: &'static str = "a host name or an IP address";

    fn parse(text: &str) -> Result<Self, String> {
        match text.parse() {
            Ok(address) => Ok(Self::Address(address)),
            Err(_) => HostName::parse(text).map(Self::Name),
        }
    }
}

impl serde::Serialize for Subject {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for Subject {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text: String = serde::Deserialize::deserialize(deserializer)?;
        Self::parse(&text).map_err(|reason| serde::de::Error::custom(format!("{text:?}: {reason}")))
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => f.write_str(&name.0),
            Self::Address(address) => address.fmt(f),
        }
    }
}

/// A size in bytes, written as `"30GiB"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size(pub u64);

impl Text for Size {
    const EXPECTED: &'static str = "a size such as \"30GiB\"";

    fn parse(text: &str) -> Result<Self, String> {
        const UNITS: [(&str, u32); 4] = [("KiB", 10), ("MiB", 20), ("GiB", 30), ("TiB", 40)];
        let unit =
            UNITS.iter().find_map(|(unit, shift)| text.strip_suffix(unit).map(|number| (number, shift)));
        let (number, shift) = unit.ok_or("a number and KiB, MiB, GiB or TiB")?;
        let number = u64::from_str(number.trim_end()).map_err(|_| "a whole number before the unit")?;
        number.checked_mul(1 << shift).map(Self).ok_or_else(|| "too large".to_owned())
    }
}

/// A lowest version, written as `">=3.3"`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AtLeast(pub String);

impl Text for AtLeast {
    const EXPECTED: &'static str = "a lowest version such as \">=3.3\"";

    fn parse(text: &str) -> Result<Self, String> {
        let version = text.strip_prefix(">=").map(str::trim).ok_or("it begins with `>=`")?;
        let parts: Vec<&str> = version.split('.').collect();
        if !(1..=3).contains(&parts.len()) || parts.iter().any(|part| u32::from_str(part).is_err()) {
            return Err("one to three numbers joined by dots".to_owned());
        }
        Ok(Self(version.to_owned()))
    }
}

/// The name of an account, a group, or a number in their place (useradd(8)).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account(pub String);

impl Text for Account {
    const EXPECTED: &'static str = "the name or number of an account";

    fn parse(text: &str) -> Result<Self, String> {
        let good = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
        match text {
            "" => Err("it is empty".to_owned()),
            text if text.bytes().all(|byte| byte.is_ascii_digit())
                && text.parse().map_or(true, |number: u32| number == u32::MAX) =>
            {
                Err("the highest number is 4294967294".to_owned())
            }
            text if text.len() <= 32 && text.bytes().all(good) && !text.starts_with('-') => {
                Ok(Self(text.to_owned()))
            }
            _ => Err("letters, digits, `_`, `-` and `.`".to_owned()),
        }
    }
}

/// The name of a registry's user; the form that every back end takes (a colon would end it in an htpasswd line).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserName(pub String);

impl Text for UserName {
    const EXPECTED: &'static str = "a user name";

    fn parse(text: &str) -> Result<Self, String> {
        let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
        let good = |byte: u8| plain(byte) || matches!(byte, b'.' | b'_' | b'-');
        let edges = text.bytes().next().zip(text.bytes().last());
        if (2..=255).contains(&text.len())
            && text.bytes().all(good)
            && edges.is_some_and(|(first, last)| plain(first) && plain(last))
        {
            return Ok(Self(text.to_owned()));
        }
        Err("2 or more lower-case letters, digits, `.`, `_`, `-`; a letter or digit at both ends".to_owned())
    }
}

/// The name of a package of the distribution.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct PackageName(pub String);

impl Text for PackageName {
    const EXPECTED: &'static str = "the name of a package";

    fn parse(text: &str) -> Result<Self, String> {
        let good = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.' | b'_');
        if !text.is_empty() && text.bytes().all(good) && text.as_bytes()[0].is_ascii_alphanumeric() {
            return Ok(Self(text.to_owned()));
        }
        Err("letters, digits, `+`, `-`, `.` and `_`, without a version".to_owned())
    }
}

/// A path of repositories inside a registry, such as `ocp4/openshift4`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RepositoryPath(pub String);

impl Text for RepositoryPath {
    const EXPECTED: &'static str = "a repository path such as \"ocp4/openshift4\"";

    fn parse(text: &str) -> Result<Self, String> {
        let parsed: Result<provision_oci::Repository, _> = text.parse();
        parsed
            .map(|_| Self(text.to_owned()))
            .map_err(|_| "lower-case letters and digits, joined by `.`, `_`, `-` and `/`".to_owned())
    }
}

/// Reads a reference that names its registry: what a short name means depends on the host that it is used on.
fn full_reference(text: &str) -> Result<Reference, String> {
    let reference: Reference = text.parse().map_err(|error: provision_oci::Error| error.to_string())?;
    if reference.to_string() == text {
        return Ok(reference);
    }
    Err(format!("its registry is missing; perhaps {reference}"))
}

/// A repository with the registry that it is in, such as `quay.io/openshift-release-dev/ocp-release`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Repository(pub String);

impl Text for Repository {
    const EXPECTED: &'static str =
        "a registry and repository without tag, such as \"quay.io/openshift-release-dev/ocp-release\"";

    fn parse(text: &str) -> Result<Self, String> {
        match full_reference(text)? {
            Reference { tag: None, digest: None, .. } => Ok(Self(text.to_owned())),
            _ => Err("without tag and digest".to_owned()),
        }
    }
}

/// A SHA-256 digest (OCI image specification, descriptor).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sha256(pub String);

impl Text for Sha256 {
    const EXPECTED: &'static str = "a digest: `sha256:` and 64 hexadecimal digits";

    fn parse(text: &str) -> Result<Self, String> {
        let parsed: Result<Digest, _> = text.parse();
        parsed.map(|digest| Self(digest.to_string())).map_err(|_| String::new())
    }
}

impl Text for Digest {
    const EXPECTED: &'static str = Sha256::EXPECTED;

    fn parse(text: &str) -> Result<Self, String> {
        text.parse().map_err(|_| String::new())
    }
}

/// A number of bytes, written as a plain number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bytes(pub u64);

impl Read for Bytes {
    fn read(node: &Node, problems: &mut Problems) -> Option<Self> {
        integer(node, 0..=i64::MAX, problems).and_then(|number| u64::try_from(number).ok()).map(Self)
    }

    fn schema() -> Json {
        json!({ "type": "integer", "minimum": 0 })
    }
}

/// Where a file is on the web: `https://host/path`, without user and password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Url(pub String);

impl Text for Url {
    const EXPECTED: &'static str = "an address such as \"https://files.example.test/site.conf\"";

    fn parse(text: &str) -> Result<Self, String> {
        let Some(rest) = text.strip_prefix("https://") else {
            return Err("it begins with `https://`".to_owned());
        };
        let host = rest.split(['/', '?']).next().unwrap_or_default();
        if host.contains('@') {
            return Err("without user and password: a profile holds no secrets".to_owned());
        }
        let letters = |byte: u8| byte.is_ascii_graphic() && !b"\"<>\\^`{|}#".contains(&byte);
        // A path that begins with a question mark would be one without a path.
        if host.is_empty() || rest[host.len()..].starts_with('?') || !text.bytes().all(letters) {
            return Err(
                "a host and a path, with everything unusual percent-encoded, and without `#`".to_owned()
            );
        }
        Ok(Self(text.to_owned()))
    }
}

/// An image: registry, repository, and a tag or a digest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image(pub Reference);

impl Text for Image {
    const EXPECTED: &'static str =
        "an image such as \"quay.io/openshift-release-dev/ocp-release:4.10.0-x86_64\"";

    fn parse(text: &str) -> Result<Self, String> {
        match full_reference(text)? {
            Reference { tag: None, digest: None, .. } => {
                Err("a tag or a digest is required: nothing is latest by chance".to_owned())
            }
            reference => Ok(Self(reference)),
        }
    }
}

impl fmt::Display for Image {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check<T: Text>(good: &[&str], bad: &[&str]) {
        for text in good {
            assert!(T::parse(text).is_ok(), "{text:?}: {:?}", T::parse(text).err());
        }
        for text in bad {
            assert!(T::parse(text).is_err(), "{text:?} was taken as {}", T::EXPECTED);
        }
    }

    #[test]
    fn forms() {
        check::<Mode>(&["0644", "600", "1777"], &["", "644 ", "0888", "06440", "0o644", "-rw"]);
        check::<HostPath>(
            &["/etc/motd", "/a"],
            &[
                "",
                "/",
                "a",
                "/a/",
                "/a//b",
                "/a/../b",
                "/a#b",
                "/a\nb",
                "/proc/x",
                "/var/lib/provision/current",
            ],
        );
        check::<HostName>(
            &["registry.example.test", "a", "1a-b"],
            &["", "a..b", "-a", "A.b", "a_b", "10.0.0.1", "a."],
        );
        check::<Subject>(&["a.b", "10.0.0.1", "::1"], &["", "10.0.0.1/8"]);
        check::<Size>(&["30GiB", "1 TiB", "512MiB"], &["30", "30GB", "GiB", "-1GiB", "99999999999999TiB"]);
        check::<AtLeast>(&[">=3.3", ">= 4.4.1", ">=5"], &["3.3", ">3.3", ">=", ">=4.x", ">=1.2.3.4"]);
        check::<Account>(
            &["root", "1000", "www-data"],
            &["", "-x", "a b", "a:b", "4294967295", "99999999999"],
        );
        check::<UserName>(&["init", "a1", "a-b.c_d"], &["", "a", "X1", "-ab", "ab.", "a:b"]);
        check::<PackageName>(&["podman", "libstdc++6"], &["", "podman=4", "-y", "a b", "../x.deb"]);
        check::<RepositoryPath>(&["ocp4/openshift4", "a__b-c.d"], &["", "/a", "a/", "Ocp4", "a._b", "a:1"]);
        check::<Repository>(
            &["quay.io/a/b", "localhost/a", "registry.example.test:8443/ocp4", "10.0.0.1:5000/a"],
            &["", "quay.io", "a/b", "quay.io/a:1", "quay.io:x/a"],
        );
        check::<Url>(
            &["https://a.b/c", "https://a.b:8443/c%20d?e=f&g", "https://[::1]/x", "https://a.b"],
            &[
                "",
                "a.b/c",
                "http://a.b/c",
                "https://",
                "https:///c",
                "https://u:p@a.b/c",
                "https://a.b/c d",
                "https://a.b/c#d",
                "https://a.b?c",
            ],
        );
        let digest = format!("sha256:{}", "a".repeat(64));
        check::<Sha256>(&[&digest], &["sha256:abc", "md5:00", &digest.to_uppercase()]);
        let by_digest = format!("quay.io/a/b@{digest}");
        check::<Image>(
            &["quay.io/a/b:1", "h.x:5000/a:v1", &by_digest],
            &["quay.io/a/b", "quay.io/a/b:", "b:1", "quay.io/a@sha256:1"],
        );
    }

    #[test]
    fn an_image_shows_as_written() {
        let text = format!("h.x:5000/a:v1@sha256:{}", "0".repeat(64));
        assert_eq!(Image::parse(&text).unwrap().to_string(), text);
    }
}
