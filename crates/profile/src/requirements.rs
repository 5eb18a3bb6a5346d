//! From a profile to what it requires of a host: what `[preflight]` asks for, and what the other sections imply.
//!
//! Knows which section needs what. Must not know how a requirement is checked.

use provision_preflight::{Requirement, TIERS, Version};

use crate::profile::Profile;
use crate::scalar::HostName;
use crate::section::preflight::Preflight;
use crate::section::registry::UNIT;

/// What every service that runs as a container needs; packages bring it on both families.
const PODMAN: &str = "podman";

/// Ids that a user's containers need: one for each that an image may use (subuid(5), useradd's own default).
const SUBORDINATE_IDS: u64 = 65_536;

impl Profile {
    /// What a host must offer. `applied`: a generation is in force, so what a profile brings may be there already.
    pub fn requirements(&self, applied: bool) -> Vec<Requirement> {
        let mut out = Vec::new();
        let asked = self.preflight.as_ref();
        let packages = self.host.packages.keys().map(|package| package.0.clone());
        let (podman, packages): (Vec<String>, Vec<String>) = packages.partition(|name| name == PODMAN);
        let installed_by_us = self.registry.is_some() || !podman.is_empty();
        let floor = asked.and_then(|preflight| preflight.podman.as_ref());
        let containers = installed_by_us || floor.is_some();
        if containers {
            let floor = floor.and_then(|version| version.0.parse().ok());
            let at_least = floor.unwrap_or(oldest()).max(oldest());
            out.push(Requirement::Podman { at_least, installed_by_us });
        }
        if !packages.is_empty() {
            out.push(Requirement::Packages { names: packages });
        }
        if let Some(preflight) = asked {
            access(preflight, &mut out);
        }
        self.names(&mut out);
        if let Some(registry) = &self.registry {
            out.push(Requirement::Port { port: registry.port, unit: UNIT.to_owned() });
        }
        if let Some(preflight) = asked {
            room(preflight, applied, &mut out);
        }
        if containers {
            out.extend([Requirement::Cgroup2, Requirement::Selinux]);
        }
        if containers || !self.trust.anchors.is_empty() {
            out.push(Requirement::Clock { after: None });
        }
        out
    }

    /// The host's own name leads to it; every name that it gives addresses to means the same elsewhere.
    fn names(&self, out: &mut Vec<Requirement>) {
        let declared = |name: &HostName| self.host.addresses_of(name).to_vec();
        if let Some(name) = &self.host.hostname {
            out.push(Requirement::Name { name: name.0.clone(), declared: declared(name) });
        }
        let mut names: Vec<&HostName> = self.host.hostname.iter().collect();
        names.extend(self.host.addresses.keys().filter(|name| Some(*name) != self.host.hostname.as_ref()));
        for name in names {
            out.push(Requirement::NameSources { name: name.0.clone(), declared: declared(name) });
        }
    }
}

/// The oldest podman that units are written for.
fn oldest() -> Version {
    TIERS.last().map_or(Version::new(3, 3), |(first, _)| *first)
}

fn access(preflight: &Preflight, out: &mut Vec<Requirement>) {
    if preflight.sudo.is_some() {
        out.push(Requirement::Sudo);
    }
    if let Some(user) = &preflight.rootless {
        out.push(Requirement::SubordinateIds { user: user.0.clone(), count: SUBORDINATE_IDS });
        out.push(Requirement::Linger { user: user.0.clone() });
    }
    let Some(ssh) = &preflight.ssh else { return };
    if ssh.keys {
        out.push(Requirement::SshKeys);
    }
    if let Some(login) = &ssh.login {
        out.push(Requirement::SshLogin { user: login.user.0.clone(), host: login.host.0.clone() });
    }
}

fn room(preflight: &Preflight, applied: bool, out: &mut Vec<Requirement>) {
    for disk in &preflight.disk {
        let path = disk.path.0.clone().into();
        out.push(Requirement::Disk { path, free: disk.free.0, filled_by_us: applied });
    }
    out.extend(preflight.memory.map(|size| Requirement::Memory { bytes: size.0 }));
    out.extend(preflight.cpus.map(|count| Requirement::Cpus { count: count.0 }));
}
