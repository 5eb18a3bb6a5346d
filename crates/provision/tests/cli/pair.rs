//! Two systems on one machine, each in a directory of its own: one with an SSH server, and one with a client that may log in
//! there as root. They share the loopback interface and nothing else.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::bench::Ran;
use crate::sandbox::{Sandbox, UPDATE, as_root};

/// What a target has to have beside a shell.
const COREUTILS: [&str; 8] = ["uname", "sha256sum", "mkdir", "mv", "rm", "chmod", "cat", "id"];
/// Since OpenSSH 9.8 sessions have a program of their own; it is not there before.
const SERVERS: [&str; 3] = ["/usr/sbin/sshd", "/usr/lib/openssh/sshd-session", "/usr/lib/openssh/sshd-auth"];
/// What has not happened by then will not.
const PATIENCE: Duration = Duration::from_secs(60);

/// A client and a server.
pub(crate) struct Pair {
    pub(crate) here: Sandbox,
    pub(crate) there: Sandbox,
    pub(crate) port: u16,
    server: Child,
}

impl Pair {
    /// The server runs, and the client knows its key. Its name is `there`.
    pub(crate) fn new() -> Self {
        let (here, there) = (Sandbox::new(), Sandbox::new());
        for sandbox in [&here, &there] {
            write(
                sandbox,
                "/etc/passwd",
                "root:x:0:0::/root:/bin/sh\nsshd:x:100:65534::/run/sshd:/bin/false\n",
            );
            write(sandbox, "/etc/group", "root:x:0:\nnogroup:x:65534:\n");
            fs::create_dir_all(sandbox.bench.at("/root/.ssh")).unwrap();
        }
        here.install(Path::new("/usr/bin/ssh"), "/usr/bin/ssh");
        for name in COREUTILS {
            let path = format!("/usr/bin/{name}");
            there.install(Path::new(&path), &path);
        }
        for server in SERVERS.into_iter().filter(|server| Path::new(server).exists()) {
            there.install(Path::new(server), server);
        }
        key(&here.bench.at("/root/.ssh/id_ed25519"));
        key(&there.bench.at("/etc/host_key"));
        let public = fs::read_to_string(here.bench.at("/root/.ssh/id_ed25519.pub")).unwrap();
        write(&there, "/root/.ssh/authorized_keys", &public);
        there.program("update-ca-certificates", UPDATE);
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let config = format!(
            "Port {port}\nListenAddress 127.0.0.1\nHostKey /etc/host_key\nPidFile /run/sshd.pid\nStrictModes no\n\
             UsePAM no\nUseDNS no\nPrintMotd no\nPasswordAuthentication no\nPermitRootLogin prohibit-password\n"
        );
        write(&there, "/etc/sshd_config", &config);
        let way = format!("Host there\nHostName 127.0.0.1\nPort {port}\nUser root\n");
        write(&here, "/root/.ssh/config", &way);
        fs::create_dir_all(there.bench.at("/run/sshd")).unwrap();
        let server = start(&there);
        let pair = Self { here, there, port, server };
        pair.know(&pair.host_key());
        pair
    }

    /// The server's public key.
    pub(crate) fn host_key(&self) -> String {
        fs::read_to_string(self.there.bench.at("/etc/host_key.pub")).unwrap()
    }

    /// What the client takes for the server's public key from now on.
    pub(crate) fn know(&self, key: &str) {
        let line = if key.is_empty() { String::new() } else { format!("[127.0.0.1]:{} {key}", self.port) };
        write(&self.here, "/root/.ssh/known_hosts", &line);
    }

    /// The command line, from here to there.
    pub(crate) fn run(&self, arguments: &[&str]) -> Ran {
        self.here.run(&[arguments, &["--target", "there"]].concat())
    }

    /// The same, not waited for.
    pub(crate) fn start(&self, arguments: &[&str]) -> Child {
        self.here.command(&[arguments, &["--target", "there"]].concat()).spawn().unwrap()
    }

    /// Makes the next update of the certificates there say that it has begun, and wait until it may go on.
    pub(crate) fn hold(&self) {
        let slow = "[ -e /tmp/begun ] || { echo > /tmp/begun; n=0; while [ ! -e /tmp/go ] && [ $n -lt 900 ]; do sleep 0.1; n=$((n+1)); done; }";
        self.there.program("update-ca-certificates", &format!("{slow}\n{UPDATE}"));
    }

    /// Waits until an update has begun.
    pub(crate) fn wait_until_held(&self) {
        wait("the update has begun", || self.there.bench.at("/tmp/begun").exists());
    }

    /// Lets the update go on.
    pub(crate) fn let_go(&self) {
        write(&self.there, "/tmp/go", "");
    }

    /// Sends a signal to what serves the connections that stand.
    pub(crate) fn signal_sessions(&self, signal: &str) {
        let server = fs::read_to_string(self.there.bench.at("/run/sshd.pid")).unwrap();
        let sessions: Vec<u32> =
            processes().into_iter().filter(|(_, parent)| parent == server.trim()).map(|one| one.0).collect();
        assert!(!sessions.is_empty(), "no connection stands");
        sessions.iter().for_each(|pid| send(signal, *pid));
    }
}

impl Drop for Pair {
    fn drop(&mut self) {
        let pid = fs::read_to_string(self.there.bench.at("/run/sshd.pid")).unwrap_or_default();
        if let Ok(pid) = pid.trim().parse() {
            send("TERM", pid);
        }
        let _ = self.server.wait();
    }
}

/// Starts the server, and waits until it listens.
fn start(there: &Sandbox) -> Child {
    let words = ["/usr/sbin/sshd", "-D", "-e", "-f", "/etc/sshd_config"];
    let mut command = there.command_of_root(&words);
    let log = fs::File::create(there.bench.directory().join("sshd.log")).unwrap();
    command.stdout(Stdio::null()).stderr(log);
    let mut server = command.spawn().unwrap();
    wait("sshd listens; its package is among those that vm-tests/src/needs.rs names", || {
        let log = fs::read_to_string(there.bench.directory().join("sshd.log")).unwrap();
        assert_eq!(server.try_wait().unwrap(), None, "sshd has ended:\n{log}");
        log.contains("Server listening")
    });
    server
}

/// Waits for something, but not for ever.
#[track_caller]
pub(crate) fn wait(what: &str, mut happened: impl FnMut() -> bool) {
    let until = Instant::now() + PATIENCE;
    while !happened() {
        assert!(Instant::now() < until, "waited in vain until {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// All processes of this machine, each with its parent's number.
pub(crate) fn processes() -> Vec<(u32, String)> {
    let all = fs::read_dir("/proc").unwrap().flatten();
    all.filter_map(|entry| {
        let pid = entry.file_name().to_str()?.parse().ok()?;
        // A process may end while it is looked at.
        let stat = fs::read_to_string(entry.path().join("stat")).ok()?;
        let parent = stat.rsplit_once(')')?.1.split_whitespace().nth(1)?.to_owned();
        Some((pid, parent))
    })
    .collect()
}

pub(crate) fn send(signal: &str, pid: u32) {
    // It may have ended by itself.
    let _ = as_root(&["kill", "-s", signal, &pid.to_string()]).stderr(Stdio::null()).status().unwrap();
}

pub(crate) fn key(path: &PathBuf) {
    let made =
        Command::new("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(path).status().unwrap();
    assert!(made.success());
}

pub(crate) fn write(sandbox: &Sandbox, path: &str, text: &str) {
    fs::write(sandbox.bench.at(path), text).unwrap();
    fs::set_permissions(sandbox.bench.at(path), fs::Permissions::from_mode(0o600)).unwrap();
}
