//! What a host says about itself, gathered once and then plain data: it can be recorded, and a plan made from the
//! record. It must not judge anything.

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::family::{Family, OsRelease};
use crate::host::Host;
use crate::selinux::{self, Selinux};
use crate::{Error, Result, hostname, packages, systemd};

/// The facts of one host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Facts {
    /// Distribution.
    pub os: OsRelease,
    /// Its family.
    pub family: Family,
    /// Machine as uname(2) names it: `x86_64`, `aarch64`.
    pub arch: String,
    /// Release of the kernel.
    pub kernel: String,
    /// The name it has now.
    pub hostname: String,
    /// Version of the installed podman as it says itself: `4.3.1`, `4.9.4-rhel`; the end of what it says when it does
    /// not tell its version.
    pub podman: Option<String>,
    /// Version of podman that an installation would bring, without epoch and release: `4.3.1`. Not asked for where
    /// podman is installed; see [`podman_candidate`].
    pub podman_candidate: Option<String>,
    /// What SELinux does.
    pub selinux: Selinux,
    /// Whether `/sys/fs/cgroup` is the unified hierarchy.
    pub cgroup2: bool,
    /// Version of systemd, when it runs the host.
    pub systemd: Option<u32>,
}

impl Facts {
    /// Asks the host. Changes nothing and needs no root. Without programs (a root that is not the running system)
    /// there are no versions of podman and systemd.
    pub fn gather(host: &Host) -> Result<Facts> {
        let os = OsRelease::read(&host.root)?;
        let family = os.family()?;
        let uname = rustix::system::uname();
        let podman = podman(host)?;
        let podman_candidate = if podman.is_none() { podman_candidate(host, family)? } else { None };
        Ok(Facts {
            family,
            arch: uname.machine().to_string_lossy().into_owned(),
            kernel: uname.release().to_string_lossy().into_owned(),
            hostname: hostname::get(host)?.running,
            podman,
            podman_candidate,
            selinux: selinux::mode(host)?,
            cgroup2: host.root.node(Path::new("/sys/fs/cgroup/cgroup.controllers"))?.is_some(),
            systemd: systemd_version(host)?,
            os,
        })
    }
}

fn podman(host: &Host) -> Result<Option<String>> {
    if !host.has_program("podman") {
        return Ok(None);
    }
    let output = host.program("podman").arg("--version").output()?;
    // One that does not work is a fact too: what it says instead of a version is kept for whoever judges.
    let said = || output.stdout.lines().chain(output.stderr.lines()).map(str::trim).next_back();
    Ok(parse_podman(&output.stdout).or_else(|| Some(said().unwrap_or("nothing").to_owned())))
}

/// `podman version 4.9.4-rhel`.
fn parse_podman(text: &str) -> Option<String> {
    let version = text.trim().strip_prefix("podman version ")?.split_whitespace().next()?;
    version.starts_with(|c: char| c.is_ascii_digit()).then(|| version.to_owned())
}

/// The version of podman that the package manager would install, or bring an installed one to. dnf takes seconds to
/// answer.
pub fn podman_candidate(host: &Host, family: Family) -> Result<Option<String>> {
    let manager = match family {
        Family::Debian => "apt-cache",
        Family::RedHat => "dnf",
    };
    if !host.has_program(manager) {
        return Ok(None);
    }
    let candidate = packages::candidate(host, family, "podman")?;
    Ok(candidate.map(|version| packages::upstream_version(&version).to_owned()))
}

/// Whether systemd is the init system: sd_booted(3).
fn systemd_version(host: &Host) -> Result<Option<u32>> {
    let booted = host.root.node(Path::new("/run/systemd/system"))?.is_some();
    if !booted || !host.has_program("systemctl") {
        return Ok(None);
    }
    let output = host.program("systemctl").arg("--version").run()?;
    let version = systemd::parse_version(&output.stdout);
    version
        .map(Some)
        .ok_or_else(|| Error::unexpected("systemctl --version", "`systemd` and a number", &output.stdout))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recorded_podman_versions() {
        for (text, expected) in [
            ("podman version 4.3.1\n", Some("4.3.1")),
            ("podman version 4.9.4-rhel\n", Some("4.9.4-rhel")),
            ("podman version 5.4.2\n", Some("5.4.2")),
            ("docker version 27\n", None),
            ("podman version unknown\n", None),
            ("", None),
        ] {
            assert_eq!(parse_podman(text).as_deref(), expected);
        }
    }
}
