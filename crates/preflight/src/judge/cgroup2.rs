//! The unified hierarchy of control groups.

use provision_host::{Facts, Family};

use crate::verdict::Verdict;
use crate::version::{TIERS, Version};

pub(crate) fn judge(facts: &Facts) -> Verdict {
    let expected = "cgroup v2 at /sys/fs/cgroup";
    if facts.cgroup2 {
        return Verdict::pass("v2", expected);
    }
    let podman = facts.podman.as_ref().or(facts.podman_candidate.as_ref());
    let version = podman.and_then(|text| text.parse::<Version>().ok());
    let plain = version.is_some_and(|version| TIERS.first().is_some_and(|(quadlet, _)| version < *quadlet));
    let verdict = match plain {
        // Plain units of root run on both; podman 5 and newer give version 1 up.
        true => Verdict::warn("v1; good enough for this podman, not for newer ones", expected),
        false => Verdict::fail("v1", expected),
    };
    verdict.remedy(match facts.family {
        Family::RedHat => {
            "sudo grubby --update-kernel=ALL --args=\"systemd.unified_cgroup_hierarchy=1\" && sudo reboot"
        }
        Family::Debian => {
            "sudo sed -i 's/^GRUB_CMDLINE_LINUX=\"/&systemd.unified_cgroup_hierarchy=1 /' /etc/default/grub \
             && sudo update-grub && sudo reboot"
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finding::Status::{Fail, Pass, Warn};
    use crate::judge::tests as sample;

    #[test]
    fn versions_of_both() {
        for (cgroup2, podman, status) in [
            (true, None, Pass),
            (false, Some("4.3.1"), Warn),
            (false, Some("4.9.4-rhel"), Fail),
            (false, None, Fail),
        ] {
            let mut facts = sample::facts(Family::RedHat);
            (facts.cgroup2, facts.podman, facts.podman_candidate) =
                (cgroup2, podman.map(str::to_owned), None);
            let verdict = judge(&facts);
            assert_eq!(verdict.status, status, "{podman:?}");
            assert_eq!(verdict.remedy.is_some_and(|one| one.contains("grubby")), !cgroup2);
        }
    }
}
