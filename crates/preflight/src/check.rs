//! The table of checks: what each is called, what its failure costs, and why it is made.

use serde::{Deserialize, Serialize};

/// What a failed check costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// The host is refused.
    Error,
    /// People should look at it; nothing is refused.
    Warning,
}

/// One kind of check.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Check {
    /// Its name; stable, for programs.
    pub id: &'static str,
    /// What a failure costs.
    pub severity: Severity,
    /// Why it is made, in a sentence.
    pub why: &'static str,
    /// Whether files below a root are enough to tell; all else needs the running system.
    pub files_only: bool,
}

const fn error(id: &'static str, why: &'static str) -> Check {
    Check { id, severity: Severity::Error, why, files_only: false }
}

const fn warning(id: &'static str, why: &'static str) -> Check {
    Check { id, severity: Severity::Warning, why, files_only: false }
}

const fn by_files(check: Check) -> Check {
    Check { files_only: true, ..check }
}

/// podman is there and new enough.
pub const PODMAN: Check =
    error("podman", "services run as containers, and older versions of podman lack what their units need");
/// Packages can be had.
pub const PACKAGES: Check =
    error("packages", "packages are installed from what this host's repositories offer");
/// Root can be had without a password.
pub const SUDO: Check = error("sudo", "changing the host takes root, and nobody is there to type a password");
/// There are keys that ssh offers.
pub const SSH_KEYS: Check = by_files(error(
    "ssh-keys",
    "ssh ignores keys, and sshd logins, whose files others could read or replace",
));
/// A login works.
pub const SSH_LOGIN: Check = error(
    "ssh-login",
    "the installation logs in over SSH, with the host key checked and nobody to answer questions",
);
/// A name leads to this host.
pub const NAME: Check =
    error("name", "clients and the certificate use this one name, so it has to lead to this host");
/// `/etc/hosts` and DNS say the same.
pub const NAME_SOURCES: Check = warning(
    "name-sources",
    "this host asks /etc/hosts first, all others ask DNS: they should end at the same machine",
);
/// A port can be had.
pub const PORT: Check = error("port", "the registry listens here, and only one program can");
/// Room on disk.
pub const DISK: Check = by_files(error("disk", "a disk that fills up half-way leaves an incomplete mirror"));
/// Memory.
pub const MEMORY: Check =
    error("memory", "with too little memory the kernel kills the services that run here");
/// Processors.
pub const CPUS: Check = error("cpus", "with too few processors health checks time out");
/// The unified hierarchy of control groups.
pub const CGROUP2: Check = error("cgroup2", "Quadlet requires cgroup v2 (podman-systemd.unit(5))");
/// SELinux.
pub const SELINUX: Check = warning("selinux", "SELinux keeps containers away from the host's files");
/// The clock.
pub const CLOCK: Check =
    error("clock", "certificates are valid from a date to a date: a wrong clock makes TLS fail");
/// Ids for a user's containers.
pub const SUBORDINATE_IDS: Check = by_files(error(
    "subordinate-ids",
    "containers of a user other than root need user and group ids of their own",
));
/// Services without a login.
pub const LINGER: Check = by_files(error(
    "linger",
    "without it a user's services end with the last login, and do not start at boot",
));

/// All checks.
pub const CHECKS: &[Check] = &[
    PODMAN,
    PACKAGES,
    SUDO,
    SSH_KEYS,
    SSH_LOGIN,
    NAME,
    NAME_SOURCES,
    PORT,
    DISK,
    MEMORY,
    CPUS,
    CGROUP2,
    SELINUX,
    CLOCK,
    SUBORDINATE_IDS,
    LINGER,
];
