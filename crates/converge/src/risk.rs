//! Which changes can cut off the person who makes them: one table, asked for every step.

use std::path::Path;

use serde::Serialize;

use crate::op::Op;
use crate::poke::Poke;

/// What a step may break on the way to a host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Risk {
    /// Logging in over SSH.
    Ssh,
    /// What the firewall lets through.
    Firewall,
    /// Addresses, routes, and the names of hosts.
    Network,
}

impl std::fmt::Display for Risk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Ssh => "SSH",
            Self::Firewall => "the firewall",
            Self::Network => "the network",
        })
    }
}

/// One row: the files and directories with all below them, the units, and the packages that bring them.
struct Row {
    risk: Risk,
    files: &'static [&'static str],
    units: &'static [&'static str],
    packages: &'static [&'static str],
}

/// nftables and iptables are missing among the packages: containers need them, and without a unit they do nothing.
const TABLE: [Row; 3] = [
    Row {
        risk: Risk::Ssh,
        files: &["/etc/ssh", "/etc/pam.d", "/etc/security", "/etc/hosts.allow", "/etc/hosts.deny"],
        units: &["ssh.service", "ssh.socket", "sshd.service", "sshd.socket"],
        packages: &["openssh-server"],
    },
    Row {
        risk: Risk::Firewall,
        files: &[
            "/etc/firewalld",
            "/etc/iptables",
            "/etc/nftables",
            "/etc/nftables.conf",
            "/etc/sysconfig/ip6tables",
            "/etc/sysconfig/iptables",
            "/etc/sysconfig/nftables.conf",
            "/etc/ufw",
        ],
        units: &[
            "firewalld.service",
            "ip6tables.service",
            "iptables.service",
            "netfilter-persistent.service",
            "nftables.service",
            "ufw.service",
        ],
        packages: &["firewalld", "iptables-persistent", "iptables-services", "ufw"],
    },
    Row {
        risk: Risk::Network,
        files: &[
            "/etc/NetworkManager",
            "/etc/netplan",
            "/etc/network",
            "/etc/resolv.conf",
            "/etc/sysconfig/network",
            "/etc/sysconfig/network-scripts",
            "/etc/systemd/network",
            "/etc/systemd/networkd.conf",
            "/etc/systemd/resolved.conf",
            "/etc/systemd/resolved.conf.d",
        ],
        units: &[
            "NetworkManager.service",
            "network.service",
            "networking.service",
            "systemd-networkd.service",
            "systemd-networkd.socket",
            "systemd-resolved.service",
        ],
        packages: &["NetworkManager", "ifupdown", "netplan.io", "network-manager", "systemd-networkd"],
    },
];

/// Where administrators put units and what they add to them.
const UNIT_FILES: &str = "/etc/systemd/system";

/// What a change may break, if it is one of those.
pub fn risk(op: &Op) -> Option<Risk> {
    let row = |at: &dyn Fn(&Row) -> bool| TABLE.iter().find(|row| at(row)).map(|row| row.risk);
    match op {
        Op::Put { id, .. } => row(&|row| has_file(row, id.path())),
        Op::Unit { name: unit, .. } | Op::Poke { poke: Poke::Restart { unit } } => {
            row(&|row| row.units.contains(&unit.as_str()))
        }
        Op::Packages { install, remove } => {
            let has = |name: &String, row: &Row| row.packages.contains(&name.as_str());
            row(&|row| install.keys().chain(remove).any(|name| has(name, row)))
        }
        Op::Image { .. } | Op::Set { .. } | Op::Content { .. } | Op::Poke { .. } => None,
    }
}

fn has_file(row: &Row, path: &Path) -> bool {
    let unit = path.strip_prefix(UNIT_FILES).ok().and_then(|rest| rest.iter().next()?.to_str());
    let keys = row.risk == Risk::Ssh && path.file_name().is_some_and(|name| name == "authorized_keys");
    keys || row.files.iter().any(|place| path.starts_with(place))
        || unit.is_some_and(|unit| row.units.contains(&unit.strip_suffix(".d").unwrap_or(unit)))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::resource::ResourceId;
    use crate::state::State;

    fn put(path: &str) -> Op {
        let id = match path.split_once('#') {
            Some((path, part)) => ResourceId::part(path, part),
            None => ResourceId::file(path),
        };
        Op::Put { id, from: State::Absent, to: State::Absent }
    }

    fn packages(install: &str, remove: &str) -> Op {
        let words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<BTreeSet<_>>();
        Op::Packages {
            install: words(install).into_iter().map(|name| (name, None)).collect(),
            remove: words(remove),
        }
    }

    #[test]
    fn every_row_is_seen_in_every_way() {
        for row in TABLE {
            for file in row.files {
                for path in [file.to_string(), format!("{file}/below"), format!("{file}#provision")] {
                    assert_eq!(risk(&put(&path)), Some(row.risk), "{path}");
                }
                // Another name that begins the same.
                assert_eq!(risk(&put(&format!("{file}-other"))), None, "{file}-other");
            }
            for unit in row.units {
                let name = (*unit).to_owned();
                let ops = [
                    Op::Unit { name: name.clone(), from: State::Absent, to: State::Absent },
                    Op::Poke { poke: Poke::Restart { unit: name } },
                    put(&format!("/etc/systemd/system/{unit}")),
                    put(&format!("/etc/systemd/system/{unit}.d/ours.conf")),
                ];
                ops.iter().for_each(|op| assert_eq!(risk(op), Some(row.risk), "{op:?}"));
            }
            for package in row.packages {
                assert_eq!(risk(&packages(package, "")), Some(row.risk), "{package}");
                assert_eq!(risk(&packages("podman", package)), Some(row.risk), "{package}");
            }
        }
        assert_eq!(risk(&put("/home/core/.ssh/authorized_keys")), Some(Risk::Ssh));
    }

    #[test]
    fn what_a_bastion_changes_cuts_nobody_off() {
        for path in
            ["/etc/hosts#provision", "/etc/motd", "/etc/containers/systemd/registry.container", "/etc/sshd"]
        {
            assert_eq!(risk(&put(path)), None, "{path}");
        }
        assert_eq!(risk(&packages("podman nftables netavark iptables", "")), None);
        let ops = [
            Op::Unit { name: "registry.service".into(), from: State::Absent, to: State::Absent },
            Op::Poke { poke: Poke::DaemonReload },
            Op::Set { name: "hostname".into(), from: State::Absent, to: State::Absent },
            put("/etc/systemd/system/registry.service"),
        ];
        ops.iter().for_each(|op| assert_eq!(risk(op), None, "{op:?}"));
    }
}
