//! podman: the installed one, or the one that will be installed.

use provision_host::facts::podman_candidate;
use provision_host::{Facts, Family};

use crate::scene::{Scene, install};
use crate::verdict::Verdict;
use crate::version::Version;

pub(crate) fn probe(scene: &Scene<'_>, at_least: Version, installed_by_us: bool) -> Verdict {
    let version = scene.facts.podman.as_ref().and_then(|text| text.parse::<Version>().ok());
    if version.is_none_or(|version| version >= at_least) {
        return judge(scene.facts, at_least, installed_by_us);
    }
    // Without an answer the remedy says less, and the finding is the same.
    let podman_candidate = podman_candidate(scene.host, scene.family()).unwrap_or_default();
    judge(&Facts { podman_candidate, ..scene.facts.clone() }, at_least, installed_by_us)
}

fn judge(facts: &Facts, at_least: Version, installed_by_us: bool) -> Verdict {
    let expected = format!("podman {at_least} or newer");
    match (&facts.podman, &facts.podman_candidate) {
        (Some(text), candidate) => match text.parse::<Version>() {
            Err(_) => Verdict::unknown(format!("installed, but `podman --version` says {text:?}"), expected)
                .remedy("podman --version   # see what is wrong with it"),
            Ok(version) if version >= at_least => Verdict::pass(format!("{text}{}", tier(version)), expected),
            Ok(_) => Verdict::fail(format!("{text} is installed"), expected).remedy(upgrade(
                facts,
                at_least,
                candidate.as_deref(),
            )),
        },
        (None, Some(text)) if installed_by_us => match text.parse::<Version>() {
            Err(bad) => {
                Verdict::unknown(format!("podman is not installed, and of what would be, {bad}"), expected)
            }
            Ok(version) if version >= at_least => {
                Verdict::pass(format!("will be installed: {text}{}", tier(version)), expected)
            }
            Ok(_) => Verdict::fail(format!("not installed; would be installed: {text}"), expected)
                .remedy(upgrade(facts, at_least, None)),
        },
        (None, None) if installed_by_us => {
            let found = "not installed, and the package lists of this host do not know it";
            Verdict::unknown(found, expected).remedy(match facts.family {
                Family::Debian => "sudo apt-get update && apt-cache policy podman",
                Family::RedHat => {
                    "sudo dnf makecache && sudo dnf --cacheonly repoquery podman   # then check as root"
                }
            })
        }
        (None, _) => {
            Verdict::fail("not installed", expected).remedy(install(facts.family, "podman", "podman"))
        }
    }
}

fn tier(version: Version) -> String {
    version.tier().map(|tier| format!(" ({tier})")).unwrap_or_default()
}

fn upgrade(facts: &Facts, at_least: Version, candidate: Option<&str>) -> String {
    let enough = candidate.and_then(|text| text.parse::<Version>().ok()).is_some_and(|one| one >= at_least);
    match (facts.family, enough) {
        (Family::Debian, true) => "sudo apt-get install --yes --only-upgrade podman".to_owned(),
        (Family::RedHat, true) => "sudo dnf upgrade --assumeyes podman".to_owned(),
        // What one can paste is a question: the answer is a newer release of the distribution.
        (family, false) => {
            let ask = match family {
                Family::Debian => "apt-cache policy podman",
                Family::RedHat => "dnf list --showduplicates podman",
            };
            let comes =
                first_with(family, at_least).map(|release| format!("; {release} and newer come with it"));
            let offered = format!("nothing new enough is offered on {}", facts.os.pretty_name);
            format!("{ask}   # {offered}{}", comes.unwrap_or_default())
        }
    }
}

/// The first release of a family whose podman is new enough, as far as this was known when it was written.
fn first_with(family: Family, at_least: Version) -> Option<&'static str> {
    let releases: &[(Version, &str)] = match family {
        Family::Debian => &[(Version::new(4, 3), "Debian 12"), (Version::new(5, 4), "Debian 13")],
        Family::RedHat => &[
            (Version::new(4, 0), "RHEL 8.6 and 9.0"),
            (Version::new(4, 4), "RHEL 8.8 and 9.2"),
            (Version::new(4, 9), "RHEL 8.10 and 9.4"),
            (Version::new(5, 2), "RHEL 9.5"),
        ],
    };
    releases.iter().find(|(podman, _)| *podman >= at_least).map(|(_, release)| *release)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finding::Status::{self, Fail, Pass, Unknown};
    use crate::judge::tests as sample;

    #[test]
    fn installed_and_candidates() {
        let check = |installed: Option<&str>, candidate: Option<&str>, ours, status: Status, found: &str| {
            let mut facts = sample::facts(Family::Debian);
            (facts.podman, facts.podman_candidate) =
                (installed.map(str::to_owned), candidate.map(str::to_owned));
            let verdict = judge(&facts, Version::new(3, 3), ours);
            assert_eq!((verdict.status, verdict.found.as_str()), (status, found));
            assert_eq!(verdict.remedy.is_some(), verdict.status != Pass, "{found}");
        };
        check(Some("5.4.2"), None, true, Pass, "5.4.2 (Quadlet)");
        check(Some("4.9.4-rhel"), None, false, Pass, "4.9.4-rhel (Quadlet)");
        check(Some("4.3.1"), None, true, Pass, "4.3.1 (plain units)");
        check(Some("3.3.0"), None, true, Pass, "3.3.0 (plain units)");
        check(Some("3.0.1"), Some("4.3.1"), true, Fail, "3.0.1 is installed");
        check(Some("four"), None, true, Unknown, "installed, but `podman --version` says \"four\"");
        check(None, Some("5.4.2"), true, Pass, "will be installed: 5.4.2 (Quadlet)");
        check(None, Some("3.0.1"), true, Fail, "not installed; would be installed: 3.0.1");
        check(None, None, true, Unknown, "not installed, and the package lists of this host do not know it");
        check(None, Some("5.4.2"), false, Fail, "not installed");
    }

    #[test]
    fn the_remedy_follows_the_distribution() {
        for (family, candidate, begins) in [
            (Family::Debian, Some("4.3.1"), "sudo apt-get install --yes --only-upgrade podman"),
            (Family::Debian, Some("3.0.1"), "apt-cache policy podman"),
            (Family::RedHat, Some("5.2.2"), "sudo dnf upgrade --assumeyes podman"),
            (Family::RedHat, None, "dnf list --showduplicates podman"),
        ] {
            let mut facts = sample::facts(family);
            (facts.podman, facts.podman_candidate) = (Some("3.0.1".into()), candidate.map(str::to_owned));
            let remedy = judge(&facts, Version::new(3, 3), true).remedy.unwrap();
            assert!(remedy.starts_with(begins), "{remedy}");
        }
    }

    #[test]
    fn only_releases_that_have_it_are_recommended() {
        let check = |family, at_least, ends: &str| {
            let mut facts = sample::facts(family);
            facts.podman = Some("3.0.1".into());
            let remedy = judge(&facts, at_least, true).remedy.unwrap();
            assert!(remedy.ends_with(ends), "{remedy}");
        };
        check(Family::Debian, Version::new(3, 3), "; Debian 12 and newer come with it");
        check(Family::Debian, Version::new(4, 4), "; Debian 13 and newer come with it");
        check(Family::RedHat, Version::new(4, 4), "; RHEL 8.8 and 9.2 and newer come with it");
        let mut facts = sample::facts(Family::Debian);
        facts.podman = Some("3.0.1".into());
        let remedy = judge(&facts, Version::new(9, 0), true).remedy.unwrap();
        assert!(remedy.ends_with(&facts.os.pretty_name), "{remedy}");
    }
}
