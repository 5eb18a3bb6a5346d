//! Names and addresses as programs on the host see them: hosts, users, groups. getent(1) is asked, not the C library
//! of this process: linked statically it could not load the host's name service modules.

use std::io;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::host::Host;
use crate::{Error, Result};

/// A line of the user database.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct User {
    /// Login name.
    pub name: String,
    /// User id.
    pub uid: u32,
    /// Id of the first group.
    pub gid: u32,
    /// Home directory.
    pub home: PathBuf,
}

/// A line of `/etc/hosts`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostsLine {
    /// Line number, from 1.
    pub line: usize,
    /// The address.
    pub address: IpAddr,
    /// Canonical name first.
    pub names: Vec<String>,
}

/// The addresses of a name as every program gets them (getaddrinfo(3) over nsswitch.conf(5)); empty when there are
/// none.
pub fn resolve(host: &Host, name: &str) -> Result<Vec<IpAddr>> {
    ahosts(host, &[], name)
}

/// The same for connections of this process itself: the running system is asked, whatever root is worked on. A name
/// without addresses is an error.
pub fn resolve_here(name: &str) -> io::Result<Vec<IpAddr>> {
    let addresses = Host::live().and_then(|host| resolve(&host, name)).map_err(io::Error::other)?;
    match addresses.is_empty() {
        true => Err(io::Error::new(io::ErrorKind::NotFound, format!("no address is known for {name}"))),
        false => Ok(addresses),
    }
}

/// The addresses that DNS alone has for a name; empty as well when no server answers.
pub fn resolve_dns(host: &Host, name: &str) -> Result<Vec<IpAddr>> {
    ahosts(host, &["-s", "dns"], name)
}

/// The lines of `/etc/hosts`.
pub fn hosts_file(host: &Host) -> Result<Vec<HostsLine>> {
    Ok(parse_hosts(&host.root.read_text(Path::new("/etc/hosts"))?.unwrap_or_default()))
}

/// Every address of this machine's interfaces, loopback included.
pub fn local_addresses() -> Result<Vec<IpAddr>> {
    let interfaces = nix::ifaddrs::getifaddrs()
        .map_err(|e| Error::file("list the addresses with", Path::new("getifaddrs(3)"), e))?;
    let mut addresses: Vec<IpAddr> = interfaces
        .filter_map(|interface| {
            let address = interface.address?;
            let four = address.as_sockaddr_in().map(|a| IpAddr::V4(a.ip()));
            four.or_else(|| address.as_sockaddr_in6().map(|a| IpAddr::V6(a.ip())))
        })
        .collect();
    addresses.sort();
    addresses.dedup();
    Ok(addresses)
}

/// The user of that name, `None` when there is none. Below a root that is not the running system, `/etc/passwd`.
pub fn passwd(host: &Host, user: &str) -> Result<Option<User>> {
    let line = database(host, "passwd", "/etc/passwd", user)?;
    Ok(line.lines().filter_map(parse_user).find(|found| found.name == user))
}

/// The id of the group of that name, `None` when there is none.
pub fn group(host: &Host, group: &str) -> Result<Option<u32>> {
    let line = database(host, "group", "/etc/group", group)?;
    let ids = line.lines().filter_map(|line| {
        let mut fields = line.split(':');
        (fields.next()? == group).then(|| fields.nth(1)?.parse().ok())?
    });
    Ok(ids.into_iter().next())
}

/// The user who asked for this process: the one behind sudo(8), else the one who runs it.
pub fn invoking_user(host: &Host) -> Result<Option<User>> {
    let behind = crate::environment::var("SUDO_USER").filter(|_| crate::environment::effective_uid() == 0);
    match behind {
        Some(name) => passwd(host, &name),
        None => current_user(host),
    }
}

/// The user who runs this process, from the user database.
pub fn current_user(host: &Host) -> Result<Option<User>> {
    let uid = crate::environment::effective_uid().to_string();
    let line = database(host, "passwd", "/etc/passwd", &uid)?;
    Ok(line.lines().filter_map(parse_user).find(|user| user.uid.to_string() == uid))
}

fn database(host: &Host, name: &str, file: &str, key: &str) -> Result<String> {
    if !host.root.is_live() {
        return Ok(host.root.read_text(Path::new(file))?.unwrap_or_default());
    }
    getent(host, &[], name, key)
}

fn ahosts(host: &Host, options: &[&str], name: &str) -> Result<Vec<IpAddr>> {
    Ok(parse_ahosts(&getent(host, options, "ahosts", name)?))
}

/// Exit status 2: no such key (getent(1)). All others but 0 are failures.
fn getent(host: &Host, options: &[&str], database: &str, key: &str) -> Result<String> {
    let query = host.program("getent").args(options.iter().copied()).args([database, "--", key]);
    // Asking DNS alone is for comparing, and in an air gap no server answers: do not wait for long.
    let query = if options.is_empty() { query } else { query.env("RES_OPTIONS", "timeout:2 attempts:1") };
    let command = query.command_line();
    let output = query.output()?;
    match output.status {
        0 => Ok(output.stdout),
        2 => Ok(String::new()),
        _ => Err(output.into_error(command)),
    }
}

/// Three lines per address, one for each type of socket.
fn parse_ahosts(text: &str) -> Vec<IpAddr> {
    let mut addresses = Vec::new();
    for word in text.lines().filter_map(|line| line.split_whitespace().next()) {
        // A link-local address carries its interface: fe80::1%eth0.
        if let Ok(address) = word.split('%').next().unwrap_or(word).parse()
            && !addresses.contains(&address)
        {
            addresses.push(address);
        }
    }
    addresses
}

fn parse_user(line: &str) -> Option<User> {
    let fields: Vec<&str> = line.trim_end().split(':').collect();
    let [name, _, uid, gid, _, home, ..] = fields.as_slice() else { return None };
    Some(User {
        name: (*name).to_owned(),
        uid: uid.parse().ok()?,
        gid: gid.parse().ok()?,
        home: PathBuf::from(home),
    })
}

/// hosts(5). Lines that are not understood are no lines, as for the resolver.
fn parse_hosts(text: &str) -> Vec<HostsLine> {
    let entry = |(index, line): (usize, &str)| {
        let mut words = line.split('#').next()?.split_whitespace();
        let address = words.next()?.split('%').next()?.parse().ok()?;
        let names: Vec<String> = words.map(str::to_owned).collect();
        (!names.is_empty()).then_some(HostsLine { line: index + 1, address, names })
    };
    text.lines().enumerate().filter_map(entry).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn recorded_ahosts() {
        let text = "127.0.0.1       STREAM registry.example.test\n127.0.0.1       DGRAM  \n127.0.0.1       RAW    \n\
                    fe80::1%eth0    STREAM \n2001:db8::1     STREAM \n";
        let expected: Vec<IpAddr> =
            ["127.0.0.1", "fe80::1", "2001:db8::1"].iter().map(|a| a.parse().unwrap()).collect();
        assert_eq!(parse_ahosts(text), expected);
        assert_eq!(parse_ahosts(""), Vec::<IpAddr>::new());
    }

    #[test]
    fn recorded_passwd() {
        let user = parse_user("core:x:1000:1001:CoreOS Admin,,,:/var/home/core:/bin/bash\n").unwrap();
        assert_eq!((user.uid, user.gid, user.home.to_str()), (1000, 1001, Some("/var/home/core")));
        for line in ["", "root:x:zero:0:root:/root:/bin/sh", "root:x:0"] {
            assert_eq!(parse_user(line), None, "{line}");
        }
    }

    #[test]
    fn recorded_hosts() {
        let text = "127.0.0.1 localhost\n# comment\n\n10.0.0.5\tregistry.example.test registry # ours\n10.0.0.6\nbad name\n";
        let lines = parse_hosts(text);
        assert_eq!(lines.len(), 2);
        assert_eq!(
            (lines[1].line, lines[1].names.as_slice()),
            (4, &["registry.example.test".to_owned(), "registry".to_owned()][..])
        );
    }

    #[test]
    fn this_machine_has_a_loopback() {
        assert!(local_addresses().unwrap().iter().any(IpAddr::is_loopback));
    }

    proptest! {
        #[test]
        fn any_output_is_understood(text in "([0-9.:%#\n \t]|\\PC)*") {
            parse_ahosts(&text);
            parse_hosts(&text);
            parse_user(&text);
        }
    }
}
