//! The judges, one file each: a probe that looks at the host, and a pure function that judges what was seen.

pub(crate) mod capacity;
pub(crate) mod cgroup2;
pub(crate) mod clock;
pub(crate) mod disk;
pub(crate) mod linger;
pub(crate) mod name;
pub(crate) mod name_sources;
pub(crate) mod packages;
pub(crate) mod podman;
pub(crate) mod port;
pub(crate) mod selinux;
pub(crate) mod ssh_keys;
pub(crate) mod ssh_login;
pub(crate) mod subordinate_ids;
pub(crate) mod sudo;

#[cfg(test)]
mod tests {
    //! Facts to start from.

    use provision_host::{Facts, Family, OsRelease, Selinux};

    pub(in crate::judge) fn facts(family: Family) -> Facts {
        let os = match family {
            Family::Debian => "ID=debian\nVERSION_ID=12\nPRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\n",
            Family::RedHat => {
                "ID=rhel\nVERSION_ID=9.6\nPRETTY_NAME=\"Red Hat Enterprise Linux 9.6 (Plow)\"\n"
            }
        };
        Facts {
            os: OsRelease::parse(os),
            family,
            arch: "x86_64".into(),
            kernel: "6.1.0".into(),
            hostname: "bastion".into(),
            podman: None,
            podman_candidate: None,
            selinux: Selinux::Absent,
            cgroup2: true,
            systemd: Some(252),
        }
    }
}
