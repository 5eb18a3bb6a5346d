//! Packages of the distribution: what is installed, what could be, and one transaction that changes it. What the two
//! families' tools are called and how they answer is in `debian` and `redhat`.

mod debian;
mod redhat;

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::family::Family;
use crate::host::Host;
use crate::{Error, Result};

/// What a transaction did to the set of installed packages, dependencies included. Name to version.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Changed {
    /// Not installed before.
    pub added: BTreeMap<String, String>,
    /// No longer installed, with the version they had.
    pub removed: BTreeMap<String, String>,
    /// Installed before and after, in another version: `(from, to)`.
    pub upgraded: BTreeMap<String, (String, String)>,
}

/// The installed version of each name, `None` when it is not installed. Debian's versions are as dpkg writes them;
/// those of rpm are `[epoch:]version-release`.
pub fn installed<S: AsRef<str>>(
    host: &Host,
    family: Family,
    names: &[S],
) -> Result<BTreeMap<String, Option<String>>> {
    let names = checked(names)?;
    if names.is_empty() {
        return Ok(BTreeMap::new());
    }
    let found = match family {
        Family::Debian => debian::installed(host, &names)?,
        Family::RedHat => redhat::installed(host, &names)?,
    };
    Ok(names.into_iter().map(|name| (name.clone(), found.get(&name).cloned())).collect())
}

/// Every installed package with its version.
pub fn all_installed(host: &Host, family: Family) -> Result<BTreeMap<String, String>> {
    match family {
        Family::Debian => debian::installed(host, &[]),
        Family::RedHat => redhat::installed(host, &[]),
    }
}

/// The version that an installation would bring, as far as the lists on this host know; nothing is downloaded.
pub fn candidate(host: &Host, family: Family, name: &str) -> Result<Option<String>> {
    checked(&[name])?;
    match family {
        Family::Debian => debian::candidate(host, name),
        Family::RedHat => redhat::candidate(host, name),
    }
}

/// Brings the lists of available packages up to date. Needs root.
pub fn refresh(host: &Host, family: Family) -> Result<()> {
    match family {
        Family::Debian => debian::refresh(host),
        Family::RedHat => redhat::refresh(host),
    }
}

/// Every version of a package that the lists on this host offer; nothing is downloaded.
pub fn offered(host: &Host, family: Family, name: &str) -> Result<BTreeSet<String>> {
    checked(&[name])?;
    match family {
        Family::Debian => debian::offered(host, name),
        Family::RedHat => redhat::offered(host, name),
    }
}

/// Makes sure that what is wanted in one exact version is installed in it or offered; the lists are refreshed when they
/// do not know one. Otherwise it is [`Error::NotOffered`]. Nothing else is changed.
pub fn can_be_had(host: &Host, family: Family, install: &BTreeMap<String, Option<String>>) -> Result<()> {
    checked(&install.keys().collect::<Vec<_>>())?;
    let exact: Vec<Wanted<'_>> =
        install.iter().filter(|(_, version)| version.is_some()).map(wanted).collect::<Result<_>>()?;
    if exact.is_empty() {
        return Ok(());
    }
    let is = all_installed(host, family)?;
    to_be_had(host, family, &exact.into_iter().filter(|one| !one.is_in(&is)).collect::<Vec<_>>())
}

/// Installs and removes, without questions, recommended packages or changes to the administrator's configuration
/// files; a removal takes the configuration along (Debian: purge). What is installed by name only stays in the version
/// that it has; what is wanted in one exact version is brought to it, also down. The lists are refreshed first when they
/// do not know a wanted package or version. A removal that would take along packages not named is
/// [`Error::WouldRemove`], a version that nobody offers is [`Error::NotOffered`], and nothing is changed then. Needs root.
pub fn transaction<S: AsRef<str>>(
    host: &Host,
    family: Family,
    install: &BTreeMap<String, Option<String>>,
    remove: &[S],
) -> Result<Changed> {
    checked(&install.keys().collect::<Vec<_>>())?;
    let remove = checked(remove)?;
    if family == Family::Debian {
        debian::finish_cut_off(host)?;
    }
    let before = all_installed(host, family)?;
    let mut install: Vec<Wanted<'_>> = install.iter().map(wanted).collect::<Result<_>>()?;
    install.retain(|one| !one.is_in(&before));
    let remove: Vec<String> = remove.into_iter().filter(|name| before.contains_key(name)).collect();
    if !remove.is_empty() {
        let taken = match family {
            Family::Debian => debian::would_remove(host, &remove)?,
            Family::RedHat => redhat::would_remove(host, &remove)?,
        };
        let extra: Vec<String> = taken.into_iter().filter(|name| !remove.contains(name)).collect();
        if !extra.is_empty() {
            return Err(Error::WouldRemove { packages: remove, others: extra });
        }
    }
    if !install.is_empty() {
        to_be_had(host, family, &install)?;
        match family {
            Family::Debian => debian::install(host, &install)?,
            Family::RedHat => redhat::install(host, &install)?,
        }
    }
    if !remove.is_empty() {
        match family {
            Family::Debian => debian::remove(host, &remove)?,
            Family::RedHat => redhat::remove(host, &remove)?,
        }
    }
    Ok(difference(&before, &all_installed(host, family)?))
}

/// A package to install, in any version or in one.
struct Wanted<'a> {
    name: &'a str,
    version: Option<&'a str>,
}

fn wanted<'a>((name, version): (&'a String, &'a Option<String>)) -> Result<Wanted<'a>> {
    let version = version.as_deref();
    match version.filter(|version| !is_version(version)) {
        Some(version) => Err(Error::BadPackageVersion { name: name.clone(), version: version.to_owned() }),
        None => Ok(Wanted { name, version }),
    }
}

impl Wanted<'_> {
    fn is_in(&self, installed: &BTreeMap<String, String>) -> bool {
        let is = installed.get(self.name);
        is.is_some_and(|is| self.version.is_none_or(|wanted| is == wanted))
    }
}

/// Makes sure that the lists know all of it, and reads them again if they do not.
fn to_be_had(host: &Host, family: Family, install: &[Wanted<'_>]) -> Result<()> {
    for one in install {
        let known = match one.version {
            None => candidate(host, family, one.name)?.is_some(),
            Some(version) => offered(host, family, one.name)?.contains(version),
        };
        if !known {
            refresh(host, family)?;
            break;
        }
    }
    for one in install {
        let Some(version) = one.version else { continue };
        let offered = offered(host, family, one.name)?;
        if !offered.contains(version) {
            let offered = offered.into_iter().collect::<Vec<_>>().join(", ");
            let offered = if offered.is_empty() { "none".to_owned() } else { offered };
            return Err(Error::NotOffered { wanted: format!("{} {version}", one.name), offered });
        }
    }
    Ok(())
}

/// Whether a text can be the version of a package, and nothing that a tool could take for more (deb-version(7); rpm's
/// `[epoch:]version-release`).
pub fn is_version(text: &str) -> bool {
    let letters = text.chars().all(|c| c.is_ascii_alphanumeric() || "+-._:~^".contains(c));
    letters && text.starts_with(|c: char| c.is_ascii_alphanumeric())
}

/// The part of a package version that the software's authors gave: no epoch, no release of the distribution.
/// `2:4.9.4-1.el9` and `4.9.4+ds1-8+deb12u1` are both `4.9.4`.
pub fn upstream_version(version: &str) -> &str {
    let version = version.split_once(':').map_or(version, |(_epoch, rest)| rest);
    let end = version.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(version.len());
    version[..end].trim_end_matches('.')
}

/// What changed between two sets of installed packages.
fn difference(before: &BTreeMap<String, String>, after: &BTreeMap<String, String>) -> Changed {
    let only = |a: &BTreeMap<String, String>, b: &BTreeMap<String, String>| {
        a.iter().filter(|(name, _)| !b.contains_key(*name)).map(|(n, v)| (n.clone(), v.clone())).collect()
    };
    let moved = before.iter().filter_map(|(name, from)| {
        let to = after.get(name).filter(|to| *to != from)?;
        Some((name.clone(), (from.clone(), to.clone())))
    });
    Changed { added: only(after, before), removed: only(before, after), upgraded: moved.collect() }
}

/// Names without duplicates, in order, none of which a tool could take for an option, a pattern or a wish to remove
/// (`apt-get install name-`).
fn checked<S: AsRef<str>>(names: &[S]) -> Result<Vec<String>> {
    let names: BTreeSet<&str> = names.iter().map(AsRef::as_ref).collect();
    for name in &names {
        let letters = name.chars().all(|c| c.is_ascii_alphanumeric() || "+-._:".contains(c));
        let start = name.starts_with(|c: char| c.is_ascii_alphanumeric());
        if !letters || !start || name.ends_with('-') {
            return Err(Error::BadPackageName { name: (*name).to_owned() });
        }
    }
    Ok(names.into_iter().map(str::to_owned).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_a_tool_would_misread_are_refused() {
        for name in ["", "-y", "--root=/x", "a b", "podman-", "lib*", "+x", "a;b", "[a]"] {
            assert!(checked(&[name]).is_err(), "{name:?}");
        }
        assert_eq!(checked(&["g++", "a", "libc6:i386", "a"]).unwrap(), ["a", "g++", "libc6:i386"]);
    }

    #[test]
    fn versions_that_a_tool_would_misread_are_refused() {
        for text in ["", "-1", "1 2", "1=2", "1/stable", "1*", "~1"] {
            assert!(!is_version(text), "{text:?}");
        }
        for text in ["1.6-2.1+deb12u1", "2:4.9.4-18.el9_4", "1.0~rc1-1", "1.0^git1-1.fc42"] {
            assert!(is_version(text), "{text:?}");
        }
    }

    #[test]
    fn upstream_versions() {
        for (version, expected) in [
            ("4.3.1+ds1-8+deb12u1", "4.3.1"),
            ("2:4.9.4-18.el9_4", "4.9.4"),
            ("4.9.4-rhel", "4.9.4"),
            ("5.4.2", "5.4.2"),
            ("3.0.1+dfsg1-3+deb11u5", "3.0.1"),
            ("5.~rc1", "5"),
            ("", ""),
        ] {
            assert_eq!(upstream_version(version), expected);
        }
    }

    #[test]
    fn the_difference_of_two_sets() {
        let set = |pairs: &[(&str, &str)]| {
            pairs.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect::<BTreeMap<_, _>>()
        };
        let before = set(&[("bash", "5"), ("old", "1"), ("libc6", "2.36")]);
        let after = set(&[("bash", "5"), ("podman", "4"), ("libc6", "2.37")]);
        let changed = difference(&before, &after);
        assert_eq!(changed.added, set(&[("podman", "4")]));
        assert_eq!(changed.removed, set(&[("old", "1")]));
        assert_eq!(changed.upgraded["libc6"], ("2.36".to_owned(), "2.37".to_owned()));
        assert_eq!(difference(&before, &before), Changed::default());
    }
}
