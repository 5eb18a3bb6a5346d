//! A name that has to lead to this host, as programs on it resolve it now, and as they will once our lines are in
//! `/etc/hosts`.

use std::net::{IpAddr, Ipv4Addr};

use provision_host::Error;
use provision_host::names::{self, HostsLine};

use crate::scene::Scene;
use crate::verdict::Verdict;

/// What is known about one name.
#[derive(Debug, Clone, Default)]
struct Seen {
    /// What we write into `/etc/hosts`.
    declared: Vec<IpAddr>,
    /// What programs get now.
    resolved: Vec<IpAddr>,
    /// The lines of `/etc/hosts` that have the name.
    lines: Vec<HostsLine>,
    /// The addresses of this machine.
    local: Vec<IpAddr>,
}

pub(crate) fn probe(scene: &Scene<'_>, name: &str, declared: &[IpAddr]) -> Result<Verdict, Error> {
    let lines = names::hosts_file(scene.host)?.into_iter().filter(|line| has(line, name)).collect();
    let seen = Seen {
        declared: declared.to_vec(),
        resolved: names::resolve(scene.host, name)?,
        lines,
        local: names::local_addresses()?,
    };
    Ok(judge(name, &seen))
}

fn judge(name: &str, seen: &Seen) -> Verdict {
    let expected = format!("an address of this host, such as {}", best(&seen.local));
    let stray = |addresses: &[IpAddr]| {
        addresses.iter().copied().filter(|one| !is_local(*one, &seen.local)).collect::<Vec<_>>()
    };
    let wrong = stray(&seen.declared);
    if !wrong.is_empty() {
        let found = format!("the profile gives it {}, which is not this host", shown(&wrong));
        return Verdict::fail(found, expected).remedy(declare(name, &seen.local));
    }
    if let Some(line) = seen.lines.iter().find(|line| !is_local(line.address, &seen.local)) {
        let found =
            format!("line {} of /etc/hosts gives it {}, which is not this host", line.line, line.address);
        return Verdict::fail(found, expected).remedy(comment_out(line));
    }
    let missing = seen.declared.iter().any(|one| seen.lines.iter().all(|line| line.address != *one));
    let will = format!("the profile writes {} into /etc/hosts", shown(&seen.declared));
    let stray = stray(&seen.resolved);
    match (seen.resolved.is_empty(), stray.is_empty()) {
        (true, _) if missing => Verdict::pass(format!("not known yet; {will}"), expected),
        (true, _) => Verdict::fail("it does not resolve", expected).remedy(declare(name, &seen.local)),
        (false, true) if missing => Verdict::pass(format!("{}; {will}", shown(&seen.resolved)), expected),
        (false, true) => Verdict::pass(shown(&seen.resolved), expected),
        (false, false) if missing => Verdict::warn(
            format!("{} now, which is not this host; {will}, which is asked first", shown(&stray)),
            expected,
        )
        .remedy(format!("getent -s dns ahosts {name}   # correct DNS: other hosts follow it")),
        (false, false) => Verdict::fail(format!("{}, which is not this host", shown(&stray)), expected)
            .remedy(declare(name, &seen.local)),
    }
}

/// Whether a line of `/etc/hosts` has the name; names have no case.
pub(super) fn has(line: &HostsLine, name: &str) -> bool {
    line.names.iter().any(|one| one.eq_ignore_ascii_case(name))
}

pub(super) fn shown(addresses: &[IpAddr]) -> String {
    addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

/// A line of the profile, under `[host]`.
fn declare(name: &str, local: &[IpAddr]) -> String {
    format!("addresses = {{ \"{name}\" = [\"{}\"] }}   # in the profile, under [host]", best(local))
}

/// The line is kept as a comment: who wrote it had a reason.
pub(super) fn comment_out(line: &HostsLine) -> String {
    let at = line.line;
    format!("sudo sed -i '{at}s/^/# /' /etc/hosts   # line {at}: {} {}", line.address, line.names.join(" "))
}

/// All of 127.0.0.0/8 is this host (RFC 1122 section 3.2.1.3), whatever the interface lists: Debian uses 127.0.1.1.
fn is_local(address: IpAddr, local: &[IpAddr]) -> bool {
    address.is_loopback() || local.contains(&address)
}

/// The address that other hosts most likely reach.
fn best(local: &[IpAddr]) -> IpAddr {
    let reachable = |address: &&IpAddr| match address {
        IpAddr::V4(four) => !four.is_loopback() && !four.is_link_local(),
        IpAddr::V6(_) => false,
    };
    local.iter().find(reachable).copied().unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finding::Status::{self, Fail, Pass, Warn};

    fn addresses(text: &str) -> Vec<IpAddr> {
        text.split_whitespace().map(|one| one.parse().unwrap()).collect()
    }

    #[test]
    fn where_a_name_leads() {
        let check = |declared: &str, resolved: &str, hosts: &str, status: Status, found: &str| {
            let line =
                |(index, address)| HostsLine { line: index + 1, address, names: vec!["r.test".into()] };
            let seen = Seen {
                declared: addresses(declared),
                resolved: addresses(resolved),
                lines: addresses(hosts).into_iter().enumerate().map(line).collect(),
                local: addresses("127.0.0.1 10.0.0.5 ::1"),
            };
            let verdict = judge("r.test", &seen);
            assert_eq!((verdict.status, verdict.found.as_str()), (status, found));
            assert_eq!(verdict.expected, "an address of this host, such as 10.0.0.5");
            assert_eq!(verdict.remedy.is_some(), status != Pass);
        };
        check("", "10.0.0.5", "", Pass, "10.0.0.5");
        check("", "127.0.1.1", "127.0.1.1", Pass, "127.0.1.1");
        check("127.0.0.1", "127.0.0.1", "127.0.0.1", Pass, "127.0.0.1");
        check("127.0.0.1", "", "", Pass, "not known yet; the profile writes 127.0.0.1 into /etc/hosts");
        check("10.0.0.5", "::1", "", Pass, "::1; the profile writes 10.0.0.5 into /etc/hosts");
        check("", "", "", Fail, "it does not resolve");
        check("10.0.0.5", "", "10.0.0.5", Fail, "it does not resolve");
        check("10.0.0.9", "10.0.0.5", "", Fail, "the profile gives it 10.0.0.9, which is not this host");
        check("", "10.0.0.9", "", Fail, "10.0.0.9, which is not this host");
        let found = "line 1 of /etc/hosts gives it 10.0.0.9, which is not this host";
        check("10.0.0.5", "10.0.0.9", "10.0.0.9", Fail, found);
        let found = "10.0.0.9 now, which is not this host; the profile writes 10.0.0.5 into /etc/hosts, which is asked first";
        check("10.0.0.5", "10.0.0.9", "", Warn, found);
    }
}
