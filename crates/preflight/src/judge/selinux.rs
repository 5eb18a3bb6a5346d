//! SELinux: enforcing where the distribution has it.

use provision_host::{Facts, Family, Selinux};

use crate::verdict::Verdict;

const CONFIGURE: &str = "sudo sed -i 's/^SELINUX=.*/SELINUX=enforcing/' /etc/selinux/config";

pub(crate) fn judge(facts: &Facts) -> Verdict {
    let expected = match facts.family {
        Family::RedHat => "enforcing",
        Family::Debian => "enforcing, or none (the distribution comes without)",
    };
    match facts.selinux {
        Selinux::Enforcing => Verdict::pass("enforcing", expected),
        Selinux::Absent if facts.family == Family::Debian => Verdict::pass("none on this system", expected),
        Selinux::Absent => Verdict::warn("none on this system", expected).remedy(
            "sudo dnf install --assumeyes selinux-policy-targeted && sudo touch /.autorelabel && sudo reboot",
        ),
        Selinux::Permissive => Verdict::warn("permissive: violations are only logged", expected)
            .remedy(format!("sudo setenforce 1 && {CONFIGURE}")),
        Selinux::Disabled => Verdict::warn("disabled", expected).remedy(match facts.family {
            Family::RedHat => format!(
                "{CONFIGURE} && sudo grubby --update-kernel=ALL --remove-args=selinux \
                 && sudo touch /.autorelabel && sudo reboot"
            ),
            Family::Debian => "sudo selinux-activate && sudo reboot".to_owned(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finding::Status::{Pass, Warn};
    use crate::judge::tests as sample;

    #[test]
    fn modes() {
        use Family::{Debian, RedHat};
        for (family, mode, status) in [
            (RedHat, Selinux::Enforcing, Pass),
            (RedHat, Selinux::Permissive, Warn),
            (RedHat, Selinux::Disabled, Warn),
            (RedHat, Selinux::Absent, Warn),
            (Debian, Selinux::Absent, Pass),
            (Debian, Selinux::Disabled, Warn),
        ] {
            let mut facts = sample::facts(family);
            facts.selinux = mode;
            let verdict = judge(&facts);
            assert_eq!((verdict.status, verdict.remedy.is_some()), (status, status != Pass), "{mode:?}");
        }
    }
}
