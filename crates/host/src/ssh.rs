//! One connection to another host through the system's ssh(1): opened once, then shared by every command (ControlMaster).
//! Nothing is ever asked for, host keys are always checked, and the socket lies where only this user may look.
//!
//! Knows ssh's options and its words. Must not know what is run on the other side.

use std::fmt;
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::time::Duration;

use tempfile::TempDir;

use crate::host::Host;
use crate::program::{Heard, Line, Program, Running, quoted};
use crate::{Error, Result, environment};

/// Options of every command, whatever the user's configuration says. A name's first value wins, so these come first.
const OPTIONS: &[&str] = &[
    "BatchMode=yes",
    "LogLevel=ERROR",
    "ConnectTimeout=15",
    "ConnectionAttempts=1",
    // A host that fell silent is given up after a minute.
    "ServerAliveInterval=15",
    "ServerAliveCountMax=4",
    "RequestTTY=no",
    "RemoteCommand=none",
    "PermitLocalCommand=no",
    "ClearAllForwardings=yes",
    "ForwardAgent=no",
    "ForwardX11=no",
];

/// How long a connection stays open for the next command, in seconds; should we be killed, it closes by itself then.
const LINGER: u32 = 30;

/// A path of a socket has at most 107 bytes (unix(7)), and ssh adds 17 to the name while it makes it.
const LONGEST_FOLDER: usize = 60;

/// How long closing may take.
const CLOSING: Duration = Duration::from_secs(5);

/// How often a caller that wants to stop is asked.
const PULSE: Duration = Duration::from_millis(50);

/// Where to connect, as ssh takes it: `user@host`, a name from ssh_config(5), `ssh://user@host:port`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target(String);

impl Target {
    /// `None` for what ssh could take for something else: an option, or more than one word.
    pub fn parse(text: &str) -> Option<Target> {
        let bad = |c: char| c.is_whitespace() || c.is_control();
        let good = !text.is_empty() && !text.starts_with('-') && !text.contains(bad);
        good.then(|| Target(text.to_owned()))
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What becomes of the key of a host that was never seen before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HostKeys {
    /// It is refused.
    Known,
    /// It is written into `known_hosts`. One that changed is refused all the same.
    AcceptNew,
}

/// An open connection.
#[derive(Debug)]
pub struct Connection<'h> {
    host: &'h Host,
    target: Target,
    keys: HostKeys,
    folder: TempDir,
}

impl<'h> Connection<'h> {
    /// Connects and runs a first command, whose answer it gives. `stop` is asked again and again; true gives it up.
    pub fn open(
        host: &'h Host,
        target: Target,
        keys: HostKeys,
        command: &str,
        stop: &dyn Fn() -> bool,
    ) -> Result<(Connection<'h>, Answer)> {
        let folder = private_folder()?;
        let connection = Connection { host, target, keys, folder };
        let persist = format!("ControlPersist={LINGER}");
        let first = connection.ssh(&["ControlMaster=yes", &persist], command);
        let answer = connection.answer(first.start()?, stop)?;
        Ok((connection, answer))
    }

    /// Where it leads.
    pub fn target(&self) -> &Target {
        &self.target
    }

    /// Runs a command with these bytes as its standard input, to its end.
    pub fn run(&self, command: &str, stdin: &[u8], stop: &dyn Fn() -> bool) -> Result<Answer> {
        let running = self.start(command)?;
        if let Some(input) = running.input() {
            input.send(stdin);
        }
        self.answer(running, stop)
    }

    /// Starts a command to speak with.
    pub fn start(&self, command: &str) -> Result<Running> {
        self.ssh(&["ControlMaster=no"], command).start()
    }

    /// The error that ssh's own end stands for, by what it said.
    pub fn broken(&self, said: &str) -> Error {
        // Without the frame that ssh draws around a warning.
        let lines: Vec<&str> = said.lines().map(str::trim).filter(|line| !line.starts_with('@')).collect();
        Error::Unreached {
            target: self.target.to_string(),
            refusal: Refusal::of(said),
            said: lines.join("\n").trim().to_owned(),
        }
    }

    fn ssh(&self, options: &[&str], command: &str) -> Program<'h> {
        let mut ssh = self.program();
        let keys = match self.keys {
            HostKeys::Known => "StrictHostKeyChecking=yes",
            HostKeys::AcceptNew => "StrictHostKeyChecking=accept-new",
        };
        for option in OPTIONS.iter().chain(options).chain([&keys]) {
            ssh = ssh.args(["-o", option]);
        }
        // The user's shell may be any; a command for sh is one word to all of them.
        ssh.args(["--", &self.target.0, &format!("exec /bin/sh -c {}", quoted(command))])
    }

    fn program(&self) -> Program<'h> {
        let mut ssh = self.host.program("ssh").arg("-T");
        // Where the Kerberos ticket lies that it may log in with.
        if let Some(cache) = environment::var("KRB5CCNAME") {
            ssh = ssh.env("KRB5CCNAME", cache);
        }
        ssh.arg("-o").arg(format!("ControlPath={}", self.folder.path().join("s").display()))
    }

    fn answer(&self, mut running: Running, stop: &dyn Fn() -> bool) -> Result<Answer> {
        running.close();
        let mut answer = Answer::default();
        loop {
            match running.hear(PULSE)? {
                Heard::Line(Line::Out(line)) => answer.stdout.push(line),
                Heard::Line(Line::Err(line)) => answer.stderr.push(line),
                Heard::End(OWN_FAILURE) => return Err(self.broken(&answer.stderr.join("\n"))),
                Heard::End(status) => return Ok(Answer { status, ..answer }),
                Heard::Silence => {}
            }
            if stop() {
                return Err(Error::Unreached {
                    target: self.target.to_string(),
                    refusal: Refusal::GivenUp,
                    said: String::new(),
                });
            }
        }
    }
}

impl Drop for Connection<'_> {
    fn drop(&mut self) {
        // Without a connection there is nothing to close.
        let _ = self.program().args(["-O", "exit", "--", &self.target.0]).timeout(CLOSING).output();
    }
}

/// ssh's exit status for failures of its own.
pub const OWN_FAILURE: i32 = 255;

/// How a command on the other side ended.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Answer {
    /// Its exit status.
    pub status: i32,
    /// The lines of its standard output. The login shell's own files may have written some of them.
    pub stdout: Vec<String>,
    /// The lines of its standard error.
    pub stderr: Vec<String>,
}

/// Why a host is not reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// It has another host key than the one that is known.
    KeyChanged,
    /// No host key of it is known.
    KeyUnknown,
    /// It accepts no key that was offered.
    Denied,
    /// Its name leads to no address.
    Unresolved,
    /// Nobody answers at its address.
    Unreachable,
    /// The connection ended by itself.
    Lost,
    /// The caller wanted to stop.
    GivenUp,
    /// Something else, in ssh's own words.
    Other,
}

impl Refusal {
    /// What ssh means by its standard error.
    fn of(said: &str) -> Refusal {
        let any = |texts: &[&str]| texts.iter().any(|text| said.contains(text));
        // A changed key ends like an unknown one, and what is denied may name a connection that is closed.
        if any(&["REMOTE HOST IDENTIFICATION HAS CHANGED", "has changed and you have requested strict"]) {
            Refusal::KeyChanged
        } else if any(&["Host key verification failed", "host key is known for"]) {
            Refusal::KeyUnknown
        } else if any(&["Permission denied (", "Too many authentication failures"]) {
            Refusal::Denied
        } else if any(&["Could not resolve hostname"]) {
            Refusal::Unresolved
        } else if any(&["ssh: connect to host", "Connection timed out during banner exchange"]) {
            Refusal::Unreachable
        } else if any(&[
            "Connection to ",
            "Connection closed",
            "Connection reset",
            "Broken pipe",
            "Timeout, server",
        ]) || said.trim().is_empty()
        {
            Refusal::Lost
        } else {
            Refusal::Other
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Refusal::KeyChanged => "its host key is not the one that is known",
            Refusal::KeyUnknown => "its host key is not known",
            Refusal::Denied => "no SSH key is accepted there, and no password is asked for",
            Refusal::Unresolved => "the name leads to no address",
            Refusal::Unreachable => "nobody answers there",
            Refusal::Lost => "the connection ended",
            Refusal::GivenUp => "interrupted while connecting",
            Refusal::Other => "ssh failed",
        })
    }
}

/// A folder that nobody else may look into, with a name that is short enough for a socket.
fn private_folder() -> Result<TempDir> {
    let own = environment::var("XDG_RUNTIME_DIR").map(PathBuf::from);
    let own = own.filter(|folder| folder.is_dir() && folder.as_os_str().len() <= LONGEST_FOLDER);
    let place = own.unwrap_or_else(|| PathBuf::from("/tmp"));
    tempfile::Builder::new()
        .prefix("provision-")
        .permissions(Permissions::from_mode(0o700))
        .tempdir_in(&place)
        .map_err(|source| Error::file("make a folder in", &place, source))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_is_one_word_and_no_option() {
        for text in ["root@bastion", "bastion", "ssh://core@bastion.example:2222", "core@2001:db8::1"] {
            assert_eq!(Target::parse(text).map(|target| target.to_string()).as_deref(), Some(text));
        }
        for text in ["", "-oProxyCommand=reboot", "root@bastion reboot", "bastion\n", " bastion"] {
            assert_eq!(Target::parse(text), None, "{text:?}");
        }
    }

    #[test]
    fn what_ssh_says_is_told_apart() {
        for (said, expected) in [
            (
                "@    WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!     @\nHost key verification failed.",
                Refusal::KeyChanged,
            ),
            (
                "Host key for bastion has changed and you have requested strict checking.\nHost key verification failed.",
                Refusal::KeyChanged,
            ),
            (
                "No ED25519 host key is known for bastion and you have requested strict checking.\r\n\
                 Host key verification failed.\r",
                Refusal::KeyUnknown,
            ),
            ("root@bastion: Permission denied (publickey,password).", Refusal::Denied),
            (
                "Received disconnect from ::1 port 22:2: Too many authentication failures\nDisconnected from ::1",
                Refusal::Denied,
            ),
            (
                "ssh: Could not resolve hostname bastion: Temporary failure in name resolution",
                Refusal::Unresolved,
            ),
            ("ssh: connect to host bastion port 22: Connection refused\r", Refusal::Unreachable),
            ("ssh: connect to host bastion port 22: No route to host\r", Refusal::Unreachable),
            ("Connection to bastion closed by remote host.\r", Refusal::Lost),
            ("kex_exchange_identification: Connection closed by remote host", Refusal::Lost),
            ("client_loop: send disconnect: Broken pipe", Refusal::Lost),
            ("Timeout, server bastion not responding.", Refusal::Lost),
            ("", Refusal::Lost),
            ("/root/.ssh/config: line 3: Bad configuration option: hostnam", Refusal::Other),
        ] {
            assert_eq!(Refusal::of(said), expected, "{said}");
        }
    }
}
