//! A running system in a directory on which a whole bastion can be applied: packages, files, parts, an image, anchors and
//! a unit. Its programs keep what they do in files; its registry is the real one.

use std::collections::BTreeMap;
use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, Mutex, Weak};

use provision_oci::Digest;
use provision_oci::assemble::{ImageSpec, scratch_image};
use rustix::fs::XattrFlags;

use crate::bench::{Bench, Ran};
use crate::disk::{Cut, Disk};
use crate::trace::{Change, Go, Trace, held};

/// Memory as a file system, where there is one.
const MEMORY: &str = "/dev/shm";

/// The programs, and where the system looks for them. Their own working files are in `/run`.
const PROGRAMS: [(&str, &str); 7] = [
    ("/usr/bin/apt-get", include_str!("bastion/apt-get.sh")),
    ("/usr/bin/apt-cache", include_str!("bastion/apt-cache.sh")),
    ("/usr/bin/dpkg-query", include_str!("bastion/dpkg-query.sh")),
    ("/usr/bin/systemctl", include_str!("bastion/systemctl.sh")),
    ("/usr/bin/journalctl", "#!/bin/sh\ncat /run/registry.service.log\n"),
    ("/usr/sbin/update-ca-certificates", include_str!("bastion/update-ca-certificates.sh")),
    // Not where it is found, until its package is there.
    ("/opt/podman", include_str!("bastion/podman.sh")),
];

/// Enters the directory `$1` as the root file system, with a host name of its own as after a boot, and runs the rest
/// there; the process id stays. A service that runs is in the control group that systemd would have put it into.
const ENTER: &str = "mount --rbind /proc \"$1/proc\" && mount --bind /dev/null \"$1/dev/null\" || exit 99
read -r name < \"$1/etc/hostname\"; hostname \"${name:-bare}\"
if read -r pid < \"$1/run/registry.service.pid\" && [ -e \"/proc/$pid\" ]; then
    mount --bind \"$1/opt/cgroup\" \"$1/proc/$pid/cgroup\"
fi 2> /dev/null
exec chroot \"$@\"";

/// What makes a bastion, in short.
const PROFILE: &str = r#"schema = 1
name = "bastion"
[host]
hostname = "registry.example.test"
addresses = { "registry.example.test" = ["127.0.0.1"] }
packages = ["podman"]
[[host.file]]
path = "/etc/motd"
content = "bastion of the disconnected site\n"
[[host.file]]
path = "/etc/new/folder/file"
content = "new\n"
[registry]
backend = "distribution"
archive = "registry.tar"
port = PORT
admin = { user = "init", password = { generate = 32 } }
[trust]
anchors = ["@registry"]
key = "ecdsa-p256"
[pull-secret]
write = ["/root/.config/containers/auth.json"]
[redirect]
sources = ["quay.io/openshift-release-dev/ocp-release"]
[mirror]
repository = "ocp4/openshift4"
"#;

/// What is not the state of the host: what the test put there, what a boot clears, and provision's own records.
const NOT_STATE: [&str; 7] = ["proc", "dev", "tmp", "run", "lib", "lib64", "var/lib/provision"];

/// What is made once on each host: it is there or not, and its bytes are its own.
const GENERATED: [&str; 5] = [
    "etc/provision/registry",
    "usr/local/share/ca-certificates",
    "etc/ssl/certs",
    "root/.config/containers/auth.json",
    "etc/containers/certs.d",
];

/// What is copied to another host; the rest is the same on all.
const FOLDERS: [&str; 8] = ["dev", "etc", "opt", "root", "run", "tmp", "usr", "var"];

/// One node of the host: all that has to come back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Seen {
    kind: &'static str,
    mode: u32,
    owner: (u32, u32),
    attributes: BTreeMap<String, Vec<u8>>,
    /// The digest of its bytes, or where it points to.
    content: String,
}

/// Every node by its path from the root.
pub(crate) type Manifest = BTreeMap<PathBuf, Seen>;

/// The system.
pub(crate) struct Bastion {
    pub(crate) bench: Bench,
    _programs: Arc<Programs>,
}

impl Bastion {
    /// A host as it was delivered, with things in it that are in the way of a bastion.
    pub(crate) fn new() -> Self {
        let bastion = Self::empty();
        let port = port();
        let image = scratch_image(b"registry", &spec()).unwrap();
        for (path, text) in PROGRAMS {
            bastion.put(path, text, 0o755);
        }
        let files = [
            ("/opt/port", format!("{port}\n")),
            ("/opt/image-id", format!("{}\n", image.image_id)),
            ("/opt/image-name", format!("{}\n", spec().name)),
            ("/opt/cgroup", "0::/system.slice/registry.service\n".to_owned()),
            ("/etc/hosts", "127.0.0.1 localhost".to_owned()),
            ("/etc/hostname", "bare\n".to_owned()),
            ("/etc/nsswitch.conf", "hosts: files\n".to_owned()),
            ("/etc/ssl/certs/ca-certificates.crt", String::new()),
            ("/var/lib/dpkg/info/base-files", "12.4\n".to_owned()),
            ("/var/lib/dpkg/info/iptables", "1.8.9-2\n".to_owned()),
            ("/dev/null", String::new()),
            ("/tmp/bastion.toml", PROFILE.replace("PORT", &port.to_string())),
        ];
        for (path, text) in files {
            bastion.put(path, text, 0o644);
        }
        bastion.put("/tmp/registry.tar", image.archive, 0o644);
        bastion.put("/etc/motd", "Debian GNU/Linux\n", 0o640);
        let motd = bastion.bench.at("/etc/motd");
        std::os::unix::fs::chown(&motd, None, Some(4)).ok();
        rustix::fs::setxattr(&motd, "user.origin", b"installer", XattrFlags::empty()).ok();
        symlink("../run/motd.dynamic", bastion.bench.at("/etc/motd.link")).unwrap();
        bastion
    }

    /// A system with a shell and the binary. In memory, where there is room: every step waits until it is on disk.
    fn empty() -> Self {
        let memory = Path::new(MEMORY);
        let bench = if memory.is_dir() { Bench::inside(memory) } else { Bench::new() };
        let programs = Programs::kept();
        let bastion = Self { bench, _programs: Arc::clone(&programs) };
        let folders = [
            "proc dev tmp run/systemd/system opt root bin usr/bin usr/sbin etc/ssl/certs usr/local/share/ca-certificates",
            "var/lib/dpkg/info var/lib/containers/storage etc/systemd/system/multi-user.target.wants",
        ];
        for folder in folders.iter().flat_map(|folders| folders.split(' ')) {
            fs::create_dir_all(bastion.bench.root().join(folder)).unwrap();
        }
        for (from, to) in &programs.files {
            let to = bastion.bench.at(to);
            fs::create_dir_all(to.parent().unwrap()).unwrap();
            if fs::hard_link(from, &to).is_err() {
                fs::copy(from, &to).unwrap();
            }
        }
        bastion
    }

    /// Puts a file on the host.
    pub(crate) fn put(&self, path: &str, bytes: impl AsRef<[u8]>, mode: u32) {
        let path = self.bench.at(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, bytes).unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }

    /// The same host once more, as it is on disk: nothing runs on it.
    pub(crate) fn copy(&self) -> Self {
        Self::like(&self.disk(), Cut::Nothing)
    }

    /// A host with what is left of a disk.
    pub(crate) fn like(disk: &Disk, cut: Cut) -> Self {
        let other = Self::empty();
        for folder in FOLDERS {
            fs::remove_dir_all(other.bench.at(folder)).ok();
        }
        disk.lay_out(&other.bench.root(), cut);
        other
    }

    /// Everything on disk that a run may change.
    pub(crate) fn disk(&self) -> Disk {
        Disk::of(&self.bench.root(), &FOLDERS)
    }

    fn arguments(&self, arguments: &[&str]) -> Command {
        let mut command = self.entered(ENTER);
        command.arg(self.bench.root()).args(arguments);
        command
    }

    /// A script with mounts and a host name of its own.
    fn entered(&self, script: &str) -> Command {
        let unprivileged: &[&str] =
            if rustix::process::geteuid().is_root() { &[] } else { &["--user", "--map-root-user"] };
        let mut command = Command::new("unshare");
        command.args(unprivileged).args(["--mount", "--uts", "sh", "-c", script, "sh"]);
        command
    }

    fn prepared(mut command: Command) -> Command {
        command.env_clear().env("PATH", "/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin").current_dir("/");
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// The binary in the system.
    pub(crate) fn run(&self, arguments: &[&str]) -> Ran {
        let command = self.arguments(&[&["/bin/provision"], arguments].concat());
        self.bench.finish(Self::prepared(command))
    }

    /// The binary in the system, after something was mounted in it.
    pub(crate) fn run_within(&self, mounts: &str, arguments: &[&str]) -> Ran {
        let mut command = self.entered(&format!("{mounts} || exit 98\n{ENTER}"));
        command.arg(self.bench.root()).arg("/bin/provision").args(arguments);
        self.bench.finish(Self::prepared(command))
    }

    /// As [`Bastion::run_within`], several commands with something between them, each followed by its exit code.
    pub(crate) fn run_all_within(&self, mounts: &str, commands: &[&[&str]], between: &str) -> Ran {
        let enter = ENTER.replace("exec chroot \"$@\"", "root=$1");
        let each = |words: &&[&str]| {
            format!("chroot \"$root\" /bin/provision {}; echo \"exit $?\"", words.join(" "))
        };
        let commands: Vec<String> = commands.iter().map(each).collect();
        let script = commands.join(&format!("\n{between} || exit 97\n"));
        let mut command = self.entered(&format!("{mounts} || exit 98\n{enter}\n{script}"));
        command.arg(self.bench.root());
        self.bench.finish(Self::prepared(command))
    }

    /// A boot: what was in memory is gone, what was cut off is taken back, and units that start by themselves do so.
    pub(crate) fn boot(&self) {
        self.stop();
        fs::remove_dir_all(self.bench.at("/run")).unwrap();
        fs::create_dir_all(self.bench.at("/run/systemd/system")).unwrap();
        // It may well fail: what is on disk may be half a service.
        let run = |arguments: &[&str]| drop(Self::prepared(self.arguments(arguments)).output().unwrap());
        let wants = fs::read_dir(self.bench.at("/etc/systemd/system/multi-user.target.wants")).unwrap();
        let mut units: Vec<String> =
            wants.map(|unit| unit.unwrap().file_name().into_string().unwrap()).collect();
        units.sort();
        for unit in units {
            let text =
                fs::read_to_string(self.bench.at("/etc/systemd/system").join(&unit)).unwrap_or_default();
            match text.lines().find_map(|line| line.strip_prefix("ExecStart=/var/lib/provision/")) {
                Some(line) => {
                    let words: Vec<&str> = line.split(' ').collect();
                    run(&[&[&*format!("/var/lib/provision/{}", words[0])], &words[1..]].concat());
                }
                None => run(&["/usr/bin/systemctl", "start", &unit]),
            }
        }
    }

    /// The binary in the system, asked before and told after every change of a file. What it prints is in the answer.
    pub(crate) fn traced(
        &self,
        arguments: &[&str],
        before: &mut dyn FnMut(&Change) -> Go,
        after: &mut dyn FnMut(&Change),
    ) -> Ran {
        let mut command = Self::prepared(held(&self.arguments(&[&["/bin/provision"], arguments].concat())));
        let told = fs::File::create(self.bench.directory().join("told")).unwrap();
        command.stdout(told.try_clone().unwrap()).stderr(told);
        let status = Trace::new(&self.bench.root(), "registry serve", before, after).run(command);
        let told = fs::read_to_string(self.bench.directory().join("told")).unwrap();
        self.bench.told(format!("{arguments:?} under trace"), status, told)
    }

    /// Everything on the host, but what is not its state.
    pub(crate) fn manifest(&self) -> Manifest {
        let (root, mut manifest) = (self.bench.root(), Manifest::new());
        walk(&root, &root, &mut manifest);
        manifest
    }

    /// Names that the product gives to what it has not finished, wherever they are.
    pub(crate) fn unfinished(&self) -> Vec<PathBuf> {
        fn find(folder: &Path, found: &mut Vec<PathBuf>) {
            for entry in fs::read_dir(folder).into_iter().flatten() {
                let path = entry.unwrap().path();
                if path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(".provision-")) {
                    found.push(path.clone());
                }
                if path.is_dir() && !path.is_symlink() {
                    find(&path, found);
                }
            }
        }
        let mut found = Vec::new();
        for folder in ["etc", "usr", "var", "root", "opt"] {
            find(&self.bench.root().join(folder), &mut found);
        }
        found
    }

    /// Ends the service, should it run.
    fn stop(&self) {
        let pid = fs::read_to_string(self.bench.at("/run/registry.service.pid")).unwrap_or_default();
        let Ok(pid) = pid.trim().parse() else { return };
        let pid = nix::unistd::Pid::from_raw(pid);
        let command = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        if String::from_utf8_lossy(&command).contains("registry\0serve") {
            let _ = nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGKILL);
            while Path::new(&format!("/proc/{pid}/exe")).exists() {
                std::thread::sleep(std::time::Duration::from_millis(5));
            }
        }
    }
}

impl Drop for Bastion {
    fn drop(&mut self) {
        self.stop();
    }
}

/// A port that neither another test nor the kernel (ip_local_port_range) gives to somebody else.
fn port() -> u16 {
    static TAKEN: AtomicU16 = AtomicU16::new(0);
    let first = 10_000 + u16::try_from(std::process::id() % 1000).unwrap() * 20;
    let mut ports = std::iter::from_fn(|| Some(first + TAKEN.fetch_add(1, Ordering::Relaxed)));
    ports.find(|port| TcpListener::bind(("0.0.0.0", *port)).is_ok()).unwrap()
}

fn spec() -> ImageSpec {
    ImageSpec {
        name: "localhost/registry:2".into(),
        program: "registry".into(),
        entrypoint: vec!["/registry".into()],
        directories: vec!["data".into()],
        labels: [].into(),
        architecture: "amd64".into(),
    }
}

/// A shell, what its scripts call, and the binary, with the libraries of all: where they are and where they go. Copied
/// once, so that each system has them as links; they go with the last system.
struct Programs {
    _place: tempfile::TempDir,
    files: Vec<(PathBuf, String)>,
}

impl Programs {
    fn kept() -> Arc<Self> {
        static KEPT: Mutex<Weak<Programs>> = Mutex::new(Weak::new());
        let mut kept = KEPT.lock().unwrap();
        kept.upgrade().unwrap_or_else(|| {
            let programs = Arc::new(Self::copied());
            *kept = Arc::downgrade(&programs);
            programs
        })
    }

    fn copied() -> Self {
        let memory = Path::new(MEMORY);
        let place = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() }.unwrap();
        let keep = |(number, (to, from)): (usize, (String, String))| {
            let kept = place.path().join(number.to_string());
            // What only a debugger needs is much, and an apply makes a copy of the binary.
            let stripped = Command::new("strip").arg("-o").arg(&kept).arg(&from).output();
            if !stripped.is_ok_and(|ran| ran.status.success()) {
                fs::copy(from, &kept).unwrap();
            }
            (kept, to)
        };
        let files = Self::wanted().into_iter().enumerate().map(keep).collect();
        Self { _place: place, files }
    }

    /// Where each goes, and where it comes from.
    fn wanted() -> BTreeMap<String, String> {
        let mut wanted = BTreeMap::new();
        let tools =
            ["sh", "sleep", "cat", "ln", "mv", "rm", "sync", "getent"].map(|tool| format!("/bin/{tool}"));
        let tools = tools.iter().map(|tool| (tool.as_str(), tool.as_str()));
        for (program, path) in tools.chain([(env!("CARGO_BIN_EXE_provision"), "/bin/provision")]) {
            wanted.insert(path.to_owned(), program.to_owned());
            let ldd = Command::new("ldd").arg(program).output().unwrap();
            let words = String::from_utf8_lossy(&ldd.stdout).into_owned();
            for word in words.split_whitespace().filter(|word| word.starts_with('/')) {
                wanted.insert(word.to_owned(), word.to_owned());
            }
        }
        wanted
    }
}

fn walk(root: &Path, folder: &Path, manifest: &mut Manifest) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.strip_prefix(root).unwrap();
        // The very first run makes the directory of its records under such a name; the next one sweeps it away.
        let begun = name.to_string_lossy().starts_with("var/lib/.provision-");
        if begun || NOT_STATE.iter().any(|other| name == Path::new(other)) {
            continue;
        }
        let meta = path.symlink_metadata().unwrap();
        let generated = GENERATED.iter().any(|made| name.starts_with(made)) && meta.is_file();
        let (kind, content) = if meta.is_dir() {
            walk(root, &path, manifest);
            ("directory", String::new())
        } else if meta.is_symlink() {
            ("link", fs::read_link(&path).unwrap().to_string_lossy().into_owned())
        } else if generated {
            ("file", if meta.len() == 0 { "empty" } else { "made here" }.to_owned())
        } else if name.starts_with("bin") {
            ("file", "program".to_owned())
        } else {
            ("file", Digest::of(&fs::read(&path).unwrap()).to_string())
        };
        let owner = (meta.uid(), meta.gid());
        let seen = Seen { kind, mode: meta.mode(), owner, attributes: attributes(&path), content };
        manifest.insert(name.to_path_buf(), seen);
    }
}

/// The attributes that anybody may set on a file.
pub(crate) fn attributes(path: &Path) -> BTreeMap<String, Vec<u8>> {
    let (mut list, mut found) = (vec![0; 4096], BTreeMap::new());
    let Ok(length) = rustix::fs::llistxattr(path, &mut list) else { return found };
    for name in list[..length].split(|byte| *byte == 0).filter(|name| name.starts_with(b"user.")) {
        let (name, mut value) = (String::from_utf8(name.to_vec()).unwrap(), vec![0; 4096]);
        let length = rustix::fs::lgetxattr(path, &name, &mut value).unwrap();
        found.insert(name, value[..length].to_vec());
    }
    found
}

#[test]
fn a_bastion_comes_and_goes() {
    let bastion = Bastion::new();
    let before = bastion.manifest();
    bastion.run(&["apply", "/tmp/bastion.toml"]).expect(0).says("generation 1: bastion");
    let after = bastion.manifest();
    assert_ne!(after, before);
    bastion.run(&["apply", "/tmp/bastion.toml"]).expect(0).says("Nothing to do");
    bastion.run(&["status"]).expect(0).says("No drift");
    bastion.boot();
    bastion.run(&["status"]).expect(0).says("No drift");
    bastion.run(&["destroy"]).expect(0);
    assert_eq!(bastion.manifest(), before);
}
