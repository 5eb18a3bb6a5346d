//! Packages that will be installed: whether they are there already, or can be had.

use std::collections::BTreeMap;

use provision_host::{Error, Family, packages};

use crate::scene::Scene;
use crate::verdict::Verdict;

/// One package: installed in a version, to be had in one, or not known.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Package {
    Installed,
    Candidate(String),
    NotKnown,
}

pub(crate) fn probe(scene: &Scene<'_>, names: &[String]) -> Result<Verdict, Error> {
    let mut seen = BTreeMap::new();
    for (name, version) in packages::installed(scene.host, scene.family(), names)? {
        let package = match version {
            Some(_) => Package::Installed,
            None => packages::candidate(scene.host, scene.family(), &name)?
                .map_or(Package::NotKnown, |version| {
                    Package::Candidate(packages::upstream_version(&version).to_owned())
                }),
        };
        seen.insert(name, package);
    }
    Ok(judge(scene.family(), &seen))
}

fn judge(family: Family, seen: &BTreeMap<String, Package>) -> Verdict {
    let expected = "installed, or offered by the repositories of this host";
    let (mut missing, mut coming) = (Vec::new(), Vec::new());
    for (name, package) in seen {
        match package {
            Package::Installed => {}
            Package::Candidate(version) => coming.push(format!("{name} {version}")),
            Package::NotKnown => missing.push(name.as_str()),
        }
    }
    if !missing.is_empty() {
        let names = missing.join(" ");
        // An apply refreshes the lists first, so this is not the last word.
        return Verdict::warn(format!("the package lists of this host do not know {names}"), expected)
            .remedy(match family {
                Family::Debian => format!("sudo apt-get update && apt-cache policy {names}"),
                Family::RedHat => format!("sudo dnf makecache && sudo dnf repoquery {names}"),
            });
    }
    match coming.is_empty() {
        true => Verdict::pass("all are installed", expected),
        false => Verdict::pass(format!("will be installed: {}", coming.join(", ")), expected),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finding::Status::{Pass, Warn};

    #[test]
    fn packages() {
        for (jq, tar, status, found) in [
            (Package::Installed, Package::Installed, Pass, "all are installed"),
            (Package::Candidate("1.6".into()), Package::Installed, Pass, "will be installed: jq 1.6"),
            (
                Package::NotKnown,
                Package::Candidate("1.34".into()),
                Warn,
                "the package lists of this host do not know jq",
            ),
        ] {
            let seen = BTreeMap::from([("jq".to_owned(), jq), ("tar".to_owned(), tar)]);
            let verdict = judge(Family::RedHat, &seen);
            assert_eq!((verdict.status, verdict.found.as_str()), (status, found));
        }
    }
}
