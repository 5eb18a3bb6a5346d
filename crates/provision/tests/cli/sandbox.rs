//! A running system in a directory: the binary has it as `/`, and every program in it is one that the test wrote.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use provision_trust_store::{Authority, KeyKind};

use crate::bench::{Bench, Ran};

/// Where the system looks for programs first.
const PROGRAMS: &str = "/usr/local/sbin";

/// Enters the directory `$1` as the root file system and runs the rest there; the process id stays.
const ENTER: &str = "mount --rbind /proc \"$1/proc\" && mount --bind /dev/null \"$1/dev/null\" && exec chroot $USERSPEC \"$@\"";

/// A system with a shell and the binary, and nothing else.
pub(crate) struct Sandbox {
    pub(crate) bench: Bench,
}

impl Sandbox {
    pub(crate) fn new() -> Self {
        let sandbox = Self { bench: Bench::new() };
        for directory in
            ["proc", "dev", "tmp", "usr/local/sbin", "usr/local/share/ca-certificates", "etc/ssl/certs"]
        {
            fs::create_dir_all(sandbox.bench.root().join(directory)).unwrap();
        }
        sandbox.bench.write("root/dev/null", "");
        for program in ["/bin/sh", "/bin/sleep", "/bin/cat"] {
            sandbox.install(Path::new(program), program);
        }
        // One package is installed, whichever is asked for.
        sandbox.program("dpkg-query", "for name; do :; done; printf 'installed\\t%s\\t1.0\\n' \"$name\"");
        sandbox.install(Path::new(env!("CARGO_BIN_EXE_provision")), "/bin/provision");
        sandbox
    }

    /// Copies a program with the libraries it needs.
    pub(crate) fn install(&self, program: &Path, path: &str) {
        self.copy(program, path);
        let ldd = Command::new("ldd").arg(program).output().unwrap();
        for word in
            String::from_utf8_lossy(&ldd.stdout).split_whitespace().filter(|word| word.starts_with('/'))
        {
            self.copy(Path::new(word), word);
        }
    }

    fn copy(&self, from: &Path, to: &str) {
        let to = self.bench.at(to);
        fs::create_dir_all(to.parent().unwrap()).unwrap();
        // Ours is large, and nobody writes to it; another file system takes a copy.
        let ours = from == Path::new(env!("CARGO_BIN_EXE_provision"));
        let linked = to.exists() || ours && fs::hard_link(from, &to).is_ok();
        if !linked {
            fs::copy(from, to).unwrap();
        }
    }

    /// Puts a shell script among the system's programs.
    pub(crate) fn program(&self, name: &str, script: &str) {
        let path = self.bench.at(PROGRAMS).join(name);
        fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    }

    /// A program in the system, as root of this machine. This takes root or sudo.
    pub(crate) fn command_of_root(&self, words: &[&str]) -> Command {
        let mut command = as_root(&["unshare", "--mount", "sh", "-c", ENTER, "sh"]);
        command.arg(self.bench.root()).args(words);
        prepared(command)
    }

    /// The binary in the system, as root.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let unprivileged: &[&str] =
            if rustix::process::geteuid().is_root() { &[] } else { &["--user", "--map-root-user"] };
        let mut command = Command::new("unshare");
        command.args(unprivileged).args(["--mount", "sh", "-c", ENTER, "sh"]).arg(self.bench.root());
        command.arg("/bin/provision").args(arguments);
        prepared(command)
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Ran {
        self.bench.finish(self.command(arguments))
    }

    /// The binary in the system, as a user who may do nothing. This takes root or sudo.
    pub(crate) fn run_as_nobody(&self, arguments: &[&str]) -> Ran {
        let mut command = as_root(&["unshare", "--mount", "sh", "-c"]);
        command
            .arg(ENTER.replace("$USERSPEC", "--userspec=65534:65534"))
            .arg("sh")
            .arg(self.bench.root())
            .arg("/bin/provision")
            .args(arguments);
        self.bench.finish(prepared(command))
    }

    /// A profile that wants an authority trusted, as the system sees its path.
    pub(crate) fn trusting_profile(&self) -> &'static str {
        let authority =
            Authority::generate("site CA", KeyKind::EcdsaP256, std::time::SystemTime::now(), 30).unwrap();
        self.bench.write("root/tmp/site-ca.pem", authority.certificate().to_pem().unwrap());
        let body = "schema = 1\nname = \"trusting\"\n[trust]\nanchors = [\"site-ca.pem\"]\n";
        self.bench.write("root/tmp/trusting.toml", body);
        "/tmp/trusting.toml"
    }

    /// What is on the system, but for what the test itself put there.
    pub(crate) fn tree(&self) -> std::collections::BTreeMap<PathBuf, (u32, Vec<u8>)> {
        let mut tree = self.bench.tree();
        tree.retain(|path, _| {
            !path.starts_with(self.bench.at("/tmp")) && !path.starts_with(self.bench.at(PROGRAMS))
        });
        tree
    }
}

/// A command as root of this machine, through sudo if need be.
pub(crate) fn as_root(words: &[&str]) -> Command {
    let prefix: &[&str] = if rustix::process::geteuid().is_root() { &["env"] } else { &["sudo", "-n"] };
    let mut command = Command::new(prefix[0]);
    command.args(&prefix[1..]).args(words);
    command
}

fn prepared(mut command: Command) -> Command {
    command.env_clear().env("PATH", "/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin").current_dir("/");
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    // As at a terminal, where Ctrl-C goes to the group.
    command.process_group(0);
    command
}

/// What `update-ca-certificates` does, in short.
pub(crate) const UPDATE: &str =
    "cat /usr/local/share/ca-certificates/*.crt > /etc/ssl/certs/ca-certificates.crt 2> /dev/null; exit 0";

#[test]
fn four_when_the_host_is_not_healthy_afterwards() {
    let sandbox = Sandbox::new();
    let profile = sandbox.trusting_profile();
    fs::write(sandbox.bench.at("/etc/ssl/certs/ca-certificates.crt"), "").unwrap();
    // The real tool skips files that it does not like, in silence.
    sandbox.program("update-ca-certificates", "exit 0");
    let before = sandbox.tree();
    let ran = sandbox.run(&["apply", profile]);
    ran.expect(4).complains("does not hold the certificate").complains("hint: everything is taken back");
    assert_eq!(sandbox.tree(), before);
    sandbox.program("update-ca-certificates", UPDATE);
    sandbox.run(&["apply", profile]).expect(0).says("generation 2: trusting");
    sandbox.run(&["apply", profile]).expect(0).says("Nothing to do");
    sandbox.run(&["status"]).expect(0).says("No drift");
    sandbox.run(&["destroy"]).expect(0);
    assert_eq!(sandbox.tree(), before);
}

#[test]
fn five_when_the_program_that_failed_also_fails_to_undo() {
    let sandbox = Sandbox::new();
    let profile = sandbox.trusting_profile();
    sandbox.program("update-ca-certificates", "echo 'disk full' >&2; exit 7");
    let ran = sandbox.run(&["apply", profile]);
    ran.expect(5).complains("update-ca-certificates").complains("exit status 7").complains("disk full");
    ran.complains("taking it back failed as well").complains("hint: run the same command again");
    sandbox.run(&["status"]).expect(2).says("was cut off");
    sandbox.program("update-ca-certificates", UPDATE);
    sandbox.run(&["apply", profile]).expect(0).complains("recover").says("generation 2: trusting");
}

#[test]
fn ctrl_c_waits_for_the_program_that_runs_and_takes_back_the_rest() {
    let sandbox = Sandbox::new();
    let profile = sandbox.trusting_profile();
    fs::write(sandbox.bench.at("/etc/ssl/certs/ca-certificates.crt"), "").unwrap();
    // The first time it says that it has begun, takes as long as it is made to, and says that it has ended.
    let slow = "[ -e /tmp/begun ] || { echo > /tmp/begun; while [ ! -e /tmp/go ]; do sleep 0.1; done; echo > /tmp/ended; }";
    sandbox.program("update-ca-certificates", &format!("{slow}\n{UPDATE}"));
    let before = sandbox.tree();
    let mut child = sandbox.command(&["apply", profile]).spawn().unwrap();
    // Should it end before, what follows tells why.
    while !sandbox.bench.at("/tmp/begun").exists() && child.try_wait().unwrap().is_none() {
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    let group = format!("-{}", child.id());
    let _ = Command::new("kill").args(["-s", "INT", "--", &group]).status().unwrap();
    // Time for the signal to be heard, and for a program that it reached to die of it.
    std::thread::sleep(std::time::Duration::from_millis(500));
    sandbox.bench.write("root/tmp/go", "");
    let ran = sandbox.bench.ran("apply and Ctrl-C".to_owned(), child);
    ran.expect(1).complains("interrupted: the step under way ends").complains("error: interrupted before");
    assert!(sandbox.bench.at("/tmp/ended").exists(), "the program was not killed half-way");
    assert_eq!(sandbox.tree(), before);
    sandbox.run(&["status"]).expect(0).says("has not changed this host");
    sandbox.run(&["apply", profile]).expect(0).says("generation 2: trusting");
}

#[test]
fn who_may_not_read_the_records_is_told_or_becomes_root() {
    let sandbox = Sandbox::new();
    let profile = sandbox.trusting_profile();
    sandbox.program("update-ca-certificates", UPDATE);
    sandbox.run_as_nobody(&["status"]).expect(0).says("has not changed this host");
    sandbox.run(&["apply", profile]).expect(0);
    for command in [&["status"][..], &["generations"], &["plan", profile], &["apply", profile], &["destroy"]]
    {
        let ran = sandbox.run_as_nobody(command);
        ran.expect(1).complains("root is needed").complains("sudo is not installed").complains("hint: ");
    }
    // With sudo the same command runs again as root, once: same binary, same arguments.
    sandbox.program("sudo", "[ \"$2\" = true ] && exit 0\necho \"as root: $*\"");
    sandbox
        .run_as_nobody(&["status", "--json"])
        .expect(0)
        .says("as root: -n -- /bin/provision status --json");
    sandbox.program("sudo", "echo 'sudo: a password is required' >&2; exit 1");
    sandbox.run_as_nobody(&["status"]).expect(1).complains("a password is required");
}
