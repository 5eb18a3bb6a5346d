//! TCP sockets that listen on this machine, and the processes that hold them, from proc(5). It must not know which
//! service ought to hold one.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::host::Host;
use crate::root::Root;
use crate::{Error, Result};

/// The state LISTEN in the kernel's numbering (`include/net/tcp_states.h`).
const LISTEN: &str = "0A";

/// A socket that listens.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listener {
    /// Where it listens.
    pub address: SocketAddr,
    /// The user who made it.
    pub uid: u32,
    /// Who holds it; `None` when that cannot be seen: only root sees the files of other users' processes.
    pub holder: Option<Process>,
}

/// A running process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Process {
    /// Its id.
    pub pid: u32,
    /// The program's short name: `conmon`.
    pub program: String,
    /// The unit of systemd whose control group it is in: `registry.service`.
    pub unit: Option<String>,
}

/// A line of `/proc/net/tcp`.
#[derive(Debug, PartialEq, Eq)]
struct Socket {
    address: SocketAddr,
    uid: u32,
    inode: u64,
}

/// All sockets that listen on a TCP port.
pub fn listeners(host: &Host, port: u16) -> Result<Vec<Listener>> {
    let mut found = Vec::new();
    for table in ["/proc/net/tcp", "/proc/net/tcp6"] {
        let text = host.root.read_text(Path::new(table))?.unwrap_or_default();
        for socket in parse_listening(&text).into_iter().filter(|socket| socket.address.port() == port) {
            let holder = holder(&host.root, socket.inode)?;
            found.push(Listener { address: socket.address, uid: socket.uid, holder });
        }
    }
    Ok(found)
}

/// The first process that has the socket open. Processes end while we look, and those of others may not be looked
/// into: neither is an error.
fn holder(root: &Root, inode: u64) -> Result<Option<Process>> {
    let wanted = format!("socket:[{inode}]");
    let pids = root.list(Path::new("/proc"))?.unwrap_or_default();
    for pid in pids.iter().filter_map(|name| name.parse::<u32>().ok()) {
        let folder = format!("/proc/{pid}/fd");
        let numbers = root.list(Path::new(&folder)).unwrap_or_default().unwrap_or_default();
        let holds = numbers.iter().any(|number| {
            let target = root.link_target(Path::new(&format!("{folder}/{number}")));
            target.is_ok_and(|target| target.as_deref() == Some(&wanted))
        });
        if holds {
            return process(root, pid);
        }
    }
    Ok(None)
}

fn process(root: &Root, pid: u32) -> Result<Option<Process>> {
    let read = |file: &str| match root.read_text(Path::new(&format!("/proc/{pid}/{file}"))) {
        // It ended in between: ESRCH.
        Err(Error::File { .. }) => Ok(None),
        other => other,
    };
    let Some(program) = read("comm")? else { return Ok(None) };
    let unit = read("cgroup")?.as_deref().and_then(parse_unit);
    Ok(Some(Process { pid, program: program.trim().to_owned(), unit }))
}

/// The sockets in state LISTEN. Columns: `sl local_address rem_address st tx:rx tr:when retrnsmt uid timeout inode`.
fn parse_listening(text: &str) -> Vec<Socket> {
    let socket = |line: &str| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let [_, local, _, LISTEN, _, _, _, uid, _, inode, ..] = fields.as_slice() else { return None };
        let (address, port) = local.split_once(':')?;
        let address = SocketAddr::new(parse_address(address)?, u16::from_str_radix(port, 16).ok()?);
        Some(Socket { address, uid: uid.parse().ok()?, inode: inode.parse().ok()? })
    };
    text.lines().filter_map(socket).collect()
}

/// Words of 32 bits, each as this machine's byte order has it in memory.
fn parse_address(text: &str) -> Option<IpAddr> {
    let word = |at: usize| u32::from_str_radix(text.get(at..at + 8)?, 16).ok().map(u32::to_ne_bytes);
    match text.len() {
        8 => Some(Ipv4Addr::from(word(0)?).into()),
        32 => {
            let mut bytes = [0; 16];
            for (index, chunk) in bytes.chunks_mut(4).enumerate() {
                chunk.copy_from_slice(&word(index * 8)?);
            }
            let six = Ipv6Addr::from(bytes);
            Some(six.to_ipv4_mapped().map_or(IpAddr::V6(six), IpAddr::V4))
        }
        _ => None,
    }
}

/// The innermost service or scope of cgroups(7): `0::/system.slice/registry.service/runtime`. With version 1 there
/// is a line for each hierarchy, and systemd's own is among them.
fn parse_unit(text: &str) -> Option<String> {
    let path = |line: &str| {
        let path = line.splitn(3, ':').nth(2)?;
        let unit = path.rsplit('/').find(|part| part.ends_with(".service") || part.ends_with(".scope"))?;
        Some(unit.to_owned())
    };
    text.lines().find_map(path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const TCP: &str = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n   \
        0: 00000000:20FB 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 29798 1 0 100 0 0 10 0\n   \
        1: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 1060 1 0 100 0 0 10 0\n   \
        2: 020200C0:E24C 507100CB:01BB 01 00000000:00000000 00:00000000 00000000     0        0 33192 1 0 20 4 1 75 146\n";

    #[cfg(target_endian = "little")]
    #[test]
    fn recorded_sockets() {
        let six = "   0: 00000000000000000000000001000000:20FB 00000000000000000000000000000000:0000 0A 0:0 00:0 0 0 0 7 1\n   \
                   1: 0000000000000000FFFF00000100007F:20FB 00000000000000000000000000000000:0000 0A 0:0 00:0 0 0 0 8 1\n";
        let shown = |text: &str| {
            let sockets = parse_listening(text).into_iter();
            sockets.map(|one| format!("{} {} {}", one.address, one.uid, one.inode)).collect::<Vec<_>>()
        };
        assert_eq!(shown(TCP), ["0.0.0.0:8443 0 29798", "127.0.0.1:8080 1000 1060"]);
        assert_eq!(shown(six), ["[::1]:8443 0 7", "127.0.0.1:8443 0 8"]);
        assert_eq!(parse_listening("nonsense\n"), []);
    }

    #[test]
    fn recorded_control_groups() {
        for (text, expected) in [
            ("0::/system.slice/registry.service/runtime\n", Some("registry.service")),
            ("0::/system.slice/nginx.service\n", Some("nginx.service")),
            ("0::/user.slice/user-1000.slice/user@1000.service/app.slice/web.service\n", Some("web.service")),
            ("12:pids:/x\n1:name=systemd:/system.slice/sshd.service\n0::/\n", Some("sshd.service")),
            ("0::/machine.slice/libpod-conmon-abc.scope\n", Some("libpod-conmon-abc.scope")),
            ("0::/\n", None),
            ("", None),
        ] {
            assert_eq!(parse_unit(text).as_deref(), expected, "{text}");
        }
    }

    #[cfg(target_endian = "little")]
    #[test]
    fn the_holder_is_found_below_a_root() {
        let folder = tempfile::tempdir().unwrap();
        let write = |path: &str, text: &str| {
            let path = folder.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        write("proc/net/tcp", TCP);
        write("proc/712/comm", "conmon\n");
        write("proc/712/cgroup", "0::/system.slice/registry.service/runtime\n");
        std::fs::create_dir_all(folder.path().join("proc/712/fd")).unwrap();
        std::os::unix::fs::symlink("socket:[29798]", folder.path().join("proc/712/fd/5")).unwrap();
        let host = Host::with_root(folder.path()).unwrap();
        let found = listeners(&host, 8443).unwrap();
        let holder = found[0].holder.clone().unwrap();
        assert_eq!((holder.pid, holder.program.as_str()), (712, "conmon"));
        assert_eq!(holder.unit.as_deref(), Some("registry.service"));
        assert_eq!(listeners(&host, 8080).unwrap()[0].holder, None);
        assert_eq!(listeners(&host, 1).unwrap(), []);
    }

    #[test]
    fn our_own_socket_is_found() {
        let socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = socket.local_addr().unwrap();
        let found = listeners(&Host::live().unwrap(), address.port()).unwrap();
        let ours = found.iter().find(|one| one.address == address).unwrap();
        assert_eq!(ours.holder.as_ref().unwrap().pid, std::process::id());
    }

    proptest! {
        #[test]
        fn any_text_is_understood(text in "( 0: |[0-9A-F]{8}:[0-9A-F]{4} |0A |0::/|[a-z./]|[\n ]|\\PC)*") {
            parse_listening(&text);
            parse_unit(&text);
        }
    }
}
