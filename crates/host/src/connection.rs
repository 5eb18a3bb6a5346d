//! The SSH connection that a process was started over. sshd(8) gives `SSH_CONNECTION` to what it starts; sudo(8) takes
//! it away again, so that it is looked for in the processes above as well.

use std::path::Path;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::Result;
use crate::root::Root;

/// What sshd tells: address and port of the client, address and port here.
const VARIABLE: &str = "SSH_CONNECTION";

/// Ticks of a second in /proc (proc_pid_stat(5)): 100 on every architecture of Linux, whatever the kernel counts in.
const TICK: Duration = Duration::from_millis(10);

/// No chain of processes is longer than this; one that changes while it is walked could lead in a circle.
const GENERATIONS: usize = 64;

/// One connection.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Connection {
    /// `CLIENT PORT SERVER PORT`, as sshd writes it.
    pub endpoints: String,
    /// When the server's process for it was started: milliseconds since boot.
    pub since: u64,
}

/// One process, as /proc has it.
struct Process {
    parent: u32,
    started: u64,
    connection: Option<String>,
}

/// The connection that this process came over; none at a console, in a timer, in a container that hides it.
pub fn current() -> Result<Option<Connection>> {
    let root = Root::live()?;
    Ok(above(std::process::id(), |pid| process(&root, pid)))
}

/// The nearest connection among a process and those above it. The process above all that have it is the server's, one
/// for each connection: its age tells a new connection from a new session on an old one.
fn above(mut pid: u32, process: impl Fn(u32) -> Option<Process>) -> Option<Connection> {
    let mut found: Option<String> = None;
    for _ in 0..GENERATIONS {
        let Some(process) = process(pid) else { break };
        match (&found, process.connection) {
            (None, connection) => found = connection,
            (Some(endpoints), connection) if connection.as_ref() != Some(endpoints) => {
                return Some(Connection { endpoints: endpoints.clone(), since: process.started });
            }
            _ => {}
        }
        pid = process.parent;
    }
    // Nobody above it is seen: as old as can be.
    found.map(|endpoints| Connection { endpoints, since: 0 })
}

fn process(root: &Root, pid: u32) -> Option<Process> {
    let place = Path::new("/proc").join(pid.to_string());
    let stat = root.read_text(&place.join("stat")).ok()??;
    // Whose environment may not be read was not started by who asks, or by root: the server.
    let environment = root.read(&place.join("environ")).ok().flatten().unwrap_or_default();
    let (parent, started) = parse(&stat)?;
    Some(Process { parent, started, connection: variable(&environment) })
}

/// The parent's id, and the start in milliseconds since boot: fields 4 and 22 of proc_pid_stat(5).
fn parse(stat: &str) -> Option<(u32, u64)> {
    // The name of the program may hold anything, brackets too.
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let ticks: u64 = fields.get(19)?.parse().ok()?;
    Some((fields.get(1)?.parse().ok()?, ticks.saturating_mul(TICK.as_millis().try_into().ok()?)))
}

fn variable(environment: &[u8]) -> Option<String> {
    let named = |entry: &[u8]| {
        let (name, value) = entry.split_at_checked(VARIABLE.len())?;
        let value = value.strip_prefix(b"=").filter(|value| !value.is_empty())?;
        (name == VARIABLE.as_bytes()).then(|| String::from_utf8_lossy(value).into_owned())
    };
    environment.split(|byte| *byte == 0).find_map(named)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A chain of processes from the one that asks (pid 1 here) upwards: start and variable of each.
    fn check(chain: &[(u64, Option<&str>)], expected: Option<(&str, u64)>) {
        let process = |pid: u32| {
            let (started, connection) = chain.get(usize::try_from(pid).unwrap().checked_sub(1)?)?;
            Some(Process { parent: pid + 1, started: *started, connection: connection.map(str::to_owned) })
        };
        let found = above(1, process).map(|found| (found.endpoints, found.since));
        assert_eq!(found, expected.map(|(endpoints, since)| (endpoints.to_owned(), since)));
    }

    #[test]
    fn the_server_s_process_is_above_those_that_have_the_variable() {
        check(&[(90, Some("a")), (80, Some("a")), (70, None), (10, None)], Some(("a", 70)));
        // Through sudo, which takes the variable away and has it itself.
        check(&[(95, None), (90, Some("a")), (80, Some("a")), (70, None)], Some(("a", 70)));
        // A terminal multiplexer that outlived the connection it was started over.
        check(&[(90, Some("a")), (50, Some("a")), (0, None)], Some(("a", 0)));
        check(&[(90, Some("b")), (80, Some("a")), (70, None)], Some(("b", 80)));
        check(&[(90, Some("a"))], Some(("a", 0)));
        check(&[(90, None), (80, None)], None);
    }

    #[test]
    fn recorded_stat_and_environment() {
        let stat = "712 (sh) x) S 700 712 712 34816 900 4194304 1 0 0 0 5 3 0 0 20 0 1 0 123456 2 3 4";
        assert_eq!(parse(stat), Some((700, 1_234_560)));
        assert_eq!(parse("712 (sh) S 700"), None);
        let environment = b"A=1\0SSH_CONNECTION=10.0.0.9 5000 10.0.0.5 22\0B=\0";
        assert_eq!(variable(environment).as_deref(), Some("10.0.0.9 5000 10.0.0.5 22"));
        for other in [&b"SSH_CONNECTION=\0"[..], b"SSH_CONNECTIONS=x\0", b"", b"X"] {
            assert_eq!(variable(other), None);
        }
    }

    proptest! {
        #[test]
        fn anything_is_understood(text in "\\PC*", bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            parse(&text);
            variable(&bytes);
        }
    }
}
