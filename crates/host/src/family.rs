//! Which distribution: os-release(5), and the two families whose tools are known.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::root::Root;
use crate::{Error, Result};

/// The fields of os-release(5) that say which system this is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OsRelease {
    /// `ID`: `debian`, `rhel`, `fedora`, …
    pub id: String,
    /// `ID_LIKE`: the systems it derives from, closest first.
    pub id_like: Vec<String>,
    /// `VERSION_ID`; rolling releases have none.
    pub version_id: Option<String>,
    /// `PRETTY_NAME`: for people.
    pub pretty_name: String,
}

/// A family of distributions: the same package manager and the same places.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Family {
    /// Debian, Ubuntu and theirs: apt and dpkg.
    Debian,
    /// RHEL, Fedora, CentOS Stream, Rocky, Alma: dnf and rpm.
    RedHat,
}

impl OsRelease {
    /// Reads `/etc/os-release`, else `/usr/lib/os-release`, as os-release(5) orders it.
    pub fn read(root: &Root) -> Result<OsRelease> {
        for path in ["/etc/os-release", "/usr/lib/os-release"] {
            if let Some(text) = root.read_text(Path::new(path))? {
                return Ok(OsRelease::parse(&text));
            }
        }
        Err(Error::BadPath {
            path: "/etc/os-release".into(),
            reason: "expected the file that says which distribution this is; nothing is there",
        })
    }

    /// Understands the text of the file. Missing fields get the defaults of os-release(5).
    pub fn parse(text: &str) -> OsRelease {
        let mut fields = BTreeMap::new();
        for line in text.lines().map(str::trim).filter(|line| !line.starts_with('#')) {
            if let Some((name, value)) = line.split_once('=') {
                fields.insert(name.to_owned(), unquoted(value));
            }
        }
        let mut take = |name: &str| fields.remove(name).filter(|value| !value.is_empty());
        OsRelease {
            id: take("ID").unwrap_or_else(|| "linux".to_owned()),
            id_like: take("ID_LIKE").unwrap_or_default().split_whitespace().map(str::to_owned).collect(),
            version_id: take("VERSION_ID"),
            pretty_name: take("PRETTY_NAME").unwrap_or_else(|| "Linux".to_owned()),
        }
    }

    /// The family, from `ID` and then from `ID_LIKE`; [`Error::UnknownFamily`] for any other system.
    pub fn family(&self) -> Result<Family> {
        let names = std::iter::once(&self.id).chain(&self.id_like);
        names
            .filter_map(|name| match name.as_str() {
                "debian" | "ubuntu" => Some(Family::Debian),
                "rhel" | "fedora" | "centos" => Some(Family::RedHat),
                _ => None,
            })
            .next()
            .ok_or_else(|| Error::UnknownFamily { id: self.id.clone(), id_like: self.id_like.join(" ") })
    }
}

/// A value as the shell would read it: one pair of quotes, and a backslash before the characters it may protect.
fn unquoted(value: &str) -> String {
    let value = value.trim();
    let inner = ['"', '\'']
        .iter()
        .find_map(|quote| value.strip_prefix(*quote)?.strip_suffix(*quote))
        .unwrap_or(value);
    let mut plain = String::new();
    let mut chars = inner.chars().peekable();
    while let Some(c) = chars.next() {
        match (c, chars.peek()) {
            ('\\', Some('"' | '\'' | '\\' | '$' | '`')) => plain.extend(chars.next()),
            _ => plain.push(c),
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(text: &str, id: &str, version: Option<&str>, family: Option<Family>) {
        let os = OsRelease::parse(text);
        assert_eq!((os.id.as_str(), os.version_id.as_deref()), (id, version), "{text}");
        assert_eq!(os.family().ok(), family, "{text}");
    }

    #[test]
    fn recorded_systems() {
        let (debian, redhat) = (Some(Family::Debian), Some(Family::RedHat));
        check(
            "PRETTY_NAME=\"Debian GNU/Linux 11 (bullseye)\"\nVERSION_ID=\"11\"\nID=debian\n",
            "debian",
            Some("11"),
            debian,
        );
        check(
            "PRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\nVERSION_ID=\"12\"\nID=debian\n",
            "debian",
            Some("12"),
            debian,
        );
        check(
            "PRETTY_NAME=\"Debian GNU/Linux 13 (trixie)\"\nVERSION_ID=\"13\"\nDEBIAN_VERSION_FULL=13.1\nID=debian\n",
            "debian",
            Some("13"),
            debian,
        );
        check("PRETTY_NAME=\"Debian GNU/Linux forky/sid\"\nID=debian\n", "debian", None, debian);
        check(
            "NAME=\"Ubuntu\"\nVERSION_ID=\"24.04\"\nID=ubuntu\nID_LIKE=debian\n",
            "ubuntu",
            Some("24.04"),
            debian,
        );
        check(
            "ID=linuxmint\nID_LIKE=\"ubuntu debian\"\nVERSION_ID=\"22\"\n",
            "linuxmint",
            Some("22"),
            debian,
        );
        check(
            "NAME=\"Red Hat Enterprise Linux\"\nVERSION=\"8.10 (Ootpa)\"\nID=\"rhel\"\nID_LIKE=\"fedora\"\nVERSION_ID=\"8.10\"\n",
            "rhel",
            Some("8.10"),
            redhat,
        );
        check("ID=\"rhel\"\nID_LIKE=\"fedora\"\nVERSION_ID=\"9.4\"\n", "rhel", Some("9.4"), redhat);
        check("ID=\"rhel\"\nID_LIKE=\"centos fedora\"\nVERSION_ID=\"10.0\"\n", "rhel", Some("10.0"), redhat);
        check("ID=fedora\nVERSION_ID=42\n", "fedora", Some("42"), redhat);
        check("ID=\"centos\"\nID_LIKE=\"rhel fedora\"\nVERSION_ID=\"9\"\n", "centos", Some("9"), redhat);
        check(
            "ID=\"rocky\"\nID_LIKE=\"rhel centos fedora\"\nVERSION_ID=\"9.5\"\n",
            "rocky",
            Some("9.5"),
            redhat,
        );
        check(
            "ID=\"almalinux\"\nID_LIKE=\"rhel centos fedora\"\nVERSION_ID=\"8.9\"\n",
            "almalinux",
            Some("8.9"),
            redhat,
        );
        check("# comment\nID=alpine\nVERSION_ID=3.20.0\n", "alpine", Some("3.20.0"), None);
        check("", "linux", None, None);
    }

    #[test]
    fn an_unknown_system_is_named() {
        let error = OsRelease::parse("ID=opensuse-leap\nID_LIKE=\"suse opensuse\"").family().unwrap_err();
        assert!(error.to_string().contains("ID=\"opensuse-leap\", ID_LIKE=\"suse opensuse\""), "{error}");
    }

    #[test]
    fn quotes_and_backslashes() {
        for (value, expected) in [
            ("\"a \\\"b\\\" \\$c\"", "a \"b\" $c"),
            ("'x'", "x"),
            ("plain", "plain"),
            ("\"", "\""),
            ("\\n", "\\n"),
        ] {
            assert_eq!(unquoted(value), expected);
        }
    }

    proptest! {
        #[test]
        fn any_text_is_understood(text in "\\PC*|(ID|ID_LIKE|X)=[\"'\\\\a-z \n]*") {
            let _ = OsRelease::parse(&text).family();
        }
    }
}
