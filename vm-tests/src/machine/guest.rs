//! Commands and files in a guest, through its agent: it works without network, sshd, or a shell of ours.

use std::fs;
use std::io::{Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Value, json};

use super::{CARRIER_MIB, Machine};
use crate::qmp::Channel;
use crate::run::checked;

/// The longest command of any test, under software emulation.
const LIMIT: Duration = Duration::from_secs(900);
/// A guest that failed may be too sick to answer.
const EVIDENCE_LIMIT: Duration = Duration::from_secs(60);

/// How a command in the guest ended.
#[derive(Debug, Clone)]
pub struct Ran {
    /// The command.
    pub command: String,
    /// Its exit status.
    pub status: i64,
    /// What it wrote to both streams, in order.
    pub output: String,
    /// How long it took.
    pub took: Duration,
}

impl Machine {
    /// Runs a shell command; anything but success is an error with its output.
    pub fn run(&mut self, command: &str) -> Result<String> {
        let ran = self.try_run(command)?;
        if ran.status != 0 {
            self.failed = true;
            bail!("in the guest: {command}\nexit status {}\n{}", ran.status, ran.output);
        }
        Ok(ran.output)
    }

    /// Runs a shell command, however it ends.
    pub fn try_run(&mut self, command: &str) -> Result<Ran> {
        self.watch(command, &mut |_| ())
    }

    /// Runs a shell command, and shows what it writes while it writes it.
    pub fn watch(&mut self, command: &str, show: &mut dyn FnMut(&str)) -> Result<Ran> {
        self.run_within(LIMIT, command, show)
    }

    fn run_within(&mut self, limit: Duration, command: &str, show: &mut dyn FnMut(&str)) -> Result<Ran> {
        let begun = Instant::now();
        // Its output goes to a file that is read from where it was left: the agent itself hands over only the whole.
        let script = format!(
            "export HOME=/root PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8; \
             cd /root; ( {command}\n) >/run/test-output 2>&1 </dev/null; \
             echo $? >/run/test-status.new; mv /run/test-status.new /run/test-status"
        );
        self.execute("rm -f /run/test-status; : >/run/test-output")?;
        let arguments = json!({ "path": "/bin/sh", "arg": ["-c", script], "capture-output": false });
        self.agent()?.command("guest-exec", arguments)?;
        let (mut output, mut pending) = (String::new(), Vec::new());
        let mut read = 0;
        loop {
            // The status first: once it is there, nothing more is written.
            let poll = format!(
                "printf '%s\\n' \"$(cat /run/test-status 2>/dev/null)\"; tail -c +{} /run/test-output",
                read + 1
            );
            let answer = self.execute(&poll)?;
            let line = answer.iter().position(|byte| *byte == b'\n').unwrap_or(answer.len());
            let status = String::from_utf8_lossy(&answer[..line]).trim().parse();
            let more = answer.get(line + 1..).unwrap_or_default();
            read += more.len();
            pending.extend_from_slice(more);
            let whole = if status.is_ok() { pending.len() } else { whole_characters(&pending) };
            if whole > 0 {
                let text = String::from_utf8_lossy(&pending[..whole]).into_owned();
                pending.drain(..whole);
                show(&text);
                output.push_str(&text);
            }
            if let Ok(status) = status {
                return Ok(Ran { command: command.to_owned(), status, output, took: begun.elapsed() });
            }
            if begun.elapsed() > limit {
                self.failed = true;
                bail!("in the guest: {command}\nnot ended after {} s\n{output}", limit.as_secs());
            }
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// Runs a script by the agent itself, and gives its standard output.
    fn execute(&mut self, script: &str) -> Result<Vec<u8>> {
        let agent = self.agent()?;
        let arguments = json!({ "path": "/bin/sh", "arg": ["-c", script], "capture-output": true });
        let started = agent.command("guest-exec", arguments)?;
        let pid = &started["pid"];
        loop {
            let status = agent.command("guest-exec-status", json!({ "pid": pid }))?;
            if status["exited"] == Value::Bool(true) {
                return Ok(BASE64.decode(status["out-data"].as_str().unwrap_or_default())?);
            }
            std::thread::sleep(Duration::from_millis(25));
        }
    }

    fn agent(&mut self) -> Result<&mut Channel> {
        self.agent.as_mut().context("the guest does not run yet")
    }

    /// Carries a directory of this machine into the guest, as a tar archive on a disk of its own.
    pub fn push(&mut self, from: &Path, to: &str) -> Result<()> {
        let archive = checked_bytes(
            Command::new("tar")
                .args(["--create", "--sparse", "--owner=0", "--group=0", "-C"])
                .arg(from)
                .arg("."),
        )?;
        let room = usize::try_from(CARRIER_MIB << 20)?;
        if archive.len() > room {
            bail!("{} is larger than the {CARRIER_MIB} MiB that can be carried in", from.display());
        }
        let mut carrier = fs::OpenOptions::new().write(true).open(self.directory.path().join("carrier"))?;
        carrier.seek(SeekFrom::Start(0))?;
        carrier.write_all(&archive)?;
        carrier.sync_all()?;
        self.run(&format!(
            "mkdir -p {to} && blockdev --flushbufs /dev/vdb && tar --extract --file /dev/vdb --directory {to}"
        ))
        .with_context(|| format!("carrying {} into the guest", from.display()))
        .map(drop)
    }

    /// How a person gets in over SSH, with the keys of the guest itself laid beside its evidence.
    pub fn way_in(&mut self) -> Result<String> {
        let (key, hosts) = (self.evidence.join("id_ed25519"), self.evidence.join("known_hosts"));
        let host_key = self.run("cat /etc/ssh/ssh_host_ed25519_key.pub")?;
        fs::write(&hosts, format!("[127.0.0.1]:{} {host_key}", self.ssh_port))?;
        let private = self.run("cat /root/.ssh/id_ed25519")?;
        let _ = fs::remove_file(&key);
        let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&key)?;
        file.write_all(private.as_bytes())?;
        Ok(format!(
            "ssh -i {} -o UserKnownHostsFile={} -p {} root@127.0.0.1",
            key.display(),
            hosts.display(),
            self.ssh_port
        ))
    }

    /// Keeps what explains a failure: journal, units, and where to find it all.
    pub(super) fn collect_evidence(&mut self) {
        let asked = [
            ("journal.log", "journalctl --no-pager --boot | tail -n 3000"),
            ("units.log", "systemctl --no-pager --all list-units; systemctl --no-pager --failed"),
            (
                "provision.log",
                "cat /var/lib/provision/generations/*/report.json /var/lib/provision/journal.ndjson",
            ),
            ("podman.log", "podman ps --all; podman images; podman info"),
        ];
        for (name, command) in asked {
            let text = match self.run_within(EVIDENCE_LIMIT, command, &mut |_| ()) {
                Ok(ran) => ran.output,
                Err(error) => format!("{error:#}"),
            };
            // Evidence that can't be written must not hide the failure it is about.
            let _ = fs::write(self.evidence.join(name), text);
        }
        say(&format!("evidence: {}", self.evidence.display()));
    }
}

/// How many bytes are whole characters; the last one may not have arrived in full.
fn whole_characters(bytes: &[u8]) -> usize {
    match std::str::from_utf8(bytes) {
        Err(error) if error.error_len().is_none() => error.valid_up_to(),
        _ => bytes.len(),
    }
}

fn checked_bytes(command: &mut Command) -> Result<Vec<u8>> {
    let output = command.output()?;
    if !output.status.success() {
        // Once more for the words.
        checked(command)?;
    }
    Ok(output.stdout)
}

#[expect(clippy::print_stderr, reason = "whoever reads the failure has to find it")]
fn say(text: &str) {
    eprintln!("{text}");
}
