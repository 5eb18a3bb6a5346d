//! What is asked of a host: plain data, made from a profile or by hand.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::SystemTime;

use provision_host::Error;
use serde::{Deserialize, Serialize};

use crate::check::{self, Check};
use crate::judge;
use crate::scene::Scene;
use crate::verdict::Verdict;
use crate::version::Version;

/// One thing that a host must offer. Each becomes one finding.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "require", deny_unknown_fields)]
pub enum Requirement {
    /// podman.
    Podman {
        /// The oldest version that will do.
        at_least: Version,
        /// It will be installed when it is missing: then what would be installed is judged.
        installed_by_us: bool,
    },
    /// Packages of the distribution that will be installed.
    Packages {
        /// Their names.
        names: Vec<String>,
    },
    /// Root without a password.
    Sudo,
    /// The user who asks has a key for SSH.
    SshKeys,
    /// A login over SSH works without questions.
    SshLogin {
        /// The account.
        user: String,
        /// The host, as `known_hosts` has it.
        host: String,
    },
    /// A name leads to this host.
    Name {
        /// The name.
        name: String,
        /// The addresses that we write for it into `/etc/hosts`.
        declared: Vec<IpAddr>,
    },
    /// `/etc/hosts` and DNS agree about a name.
    NameSources {
        /// The name.
        name: String,
        /// The addresses that we write for it into `/etc/hosts`.
        declared: Vec<IpAddr>,
    },
    /// A TCP port is free, or our own service has it.
    Port {
        /// The port.
        port: u16,
        /// Our own service.
        unit: String,
    },
    /// Free space.
    Disk {
        /// A path on the file system that is meant; it need not exist.
        path: PathBuf,
        /// Bytes that have to be free.
        free: u64,
        /// What is kept there may be there already, so that too little room is worth a warning only.
        filled_by_us: bool,
    },
    /// Memory.
    Memory {
        /// Bytes of a machine that is bought or ordered: an eighth may be missing from what the kernel shows.
        bytes: u64,
    },
    /// Processors.
    Cpus {
        /// How many.
        count: u32,
    },
    /// The unified hierarchy of control groups.
    Cgroup2,
    /// SELinux enforces, where the distribution has it.
    Selinux,
    /// The clock is right.
    Clock {
        /// A time that has passed for certain, such as when the newest certificate was made.
        after: Option<SystemTime>,
    },
    /// Ids for the containers of a user.
    SubordinateIds {
        /// The user.
        user: String,
        /// How many of each kind; 65536 are usual.
        count: u64,
    },
    /// A user's services run without a login.
    Linger {
        /// The user.
        user: String,
    },
}

impl Requirement {
    /// The check that answers it.
    pub fn check(&self) -> &'static Check {
        match self {
            Self::Podman { .. } => &check::PODMAN,
            Self::Packages { .. } => &check::PACKAGES,
            Self::Sudo => &check::SUDO,
            Self::SshKeys => &check::SSH_KEYS,
            Self::SshLogin { .. } => &check::SSH_LOGIN,
            Self::Name { .. } => &check::NAME,
            Self::NameSources { .. } => &check::NAME_SOURCES,
            Self::Port { .. } => &check::PORT,
            Self::Disk { .. } => &check::DISK,
            Self::Memory { .. } => &check::MEMORY,
            Self::Cpus { .. } => &check::CPUS,
            Self::Cgroup2 => &check::CGROUP2,
            Self::Selinux => &check::SELINUX,
            Self::Clock { .. } => &check::CLOCK,
            Self::SubordinateIds { .. } => &check::SUBORDINATE_IDS,
            Self::Linger { .. } => &check::LINGER,
        }
    }

    /// What the check is made on, when a host can have several.
    pub(crate) fn subject(&self) -> Option<String> {
        match self {
            Self::SshLogin { user, host } => Some(format!("{user}@{host}")),
            Self::Name { name, .. } | Self::NameSources { name, .. } => Some(name.clone()),
            Self::Port { port, .. } => Some(port.to_string()),
            Self::Disk { path, .. } => Some(path.display().to_string()),
            Self::SubordinateIds { user, .. } | Self::Linger { user } => Some(user.clone()),
            _ => None,
        }
    }

    /// Looks at the host, and judges.
    pub(crate) fn probe(&self, scene: &Scene<'_>) -> Result<Verdict, Error> {
        match self {
            Self::Podman { at_least, installed_by_us } => {
                Ok(judge::podman::probe(scene, *at_least, *installed_by_us))
            }
            Self::Packages { names } => judge::packages::probe(scene, names),
            Self::Sudo => judge::sudo::probe(scene),
            Self::SshKeys => judge::ssh_keys::probe(scene),
            Self::SshLogin { user, host } => judge::ssh_login::probe(scene, user, host),
            Self::Name { name, declared } => judge::name::probe(scene, name, declared),
            Self::NameSources { name, declared } => judge::name_sources::probe(scene, name, declared),
            Self::Port { port, unit } => judge::port::probe(scene, *port, unit),
            Self::Disk { path, free, filled_by_us } => {
                Ok(judge::disk::judge(path, *free, *filled_by_us, &scene.host.root.space(path)?))
            }
            Self::Memory { bytes } => judge::capacity::memory(*bytes),
            Self::Cpus { count } => judge::capacity::cpus(*count),
            Self::Cgroup2 => Ok(judge::cgroup2::judge(scene.facts)),
            Self::Selinux => Ok(judge::selinux::judge(scene.facts)),
            Self::Clock { after } => judge::clock::probe(scene, *after),
            Self::SubordinateIds { user, count } => judge::subordinate_ids::probe(scene, user, *count),
            Self::Linger { user } => judge::linger::probe(scene, user),
        }
    }
}
