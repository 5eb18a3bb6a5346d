//! One virtual machine: booted once per image, then restored from memory in well under a second.
//!
//! The guest's memory is a file that restored machines share copy-on-write; the rest of its state is half a megabyte.

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result, bail};
use serde_json::json;

use crate::image::{Image, Suite, image};
use crate::qmp::Channel;
use crate::run::{checked, run, short_hash, target};

mod guest;
mod link;

pub use guest::Ran;
use link::Wire;

/// Memory of a guest in MiB.
const MEMORY_MIB: u32 = 1536;
/// Size of the disk that carries files in, in MiB; the same in the snapshot and after.
const CARRIER_MIB: u64 = 256;
/// A cold boot under software emulation takes up to three minutes on a busy machine.
const BOOT: Duration = Duration::from_secs(300);

/// A running guest.
pub struct Machine {
    /// Which Debian runs in it.
    pub suite: Suite,
    /// Where its evidence is: console, journal, report.
    pub evidence: PathBuf,
    /// The port of this machine that leads to the guest's SSH.
    pub ssh_port: u16,
    directory: tempfile::TempDir,
    qemu: Child,
    /// None as long as the guest does not run. QEMU takes one connection at a time.
    agent: Option<Channel>,
    failed: bool,
}

/// What was done to a guest before its snapshot was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Flavour {
    /// Nothing.
    Bare,
    /// podman was installed.
    Podman,
}

impl Flavour {
    fn name(self) -> &'static str {
        match self {
            Self::Bare => "bare",
            Self::Podman => "podman",
        }
    }
}

/// How QEMU starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Start {
    /// It boots, and its memory is kept as a file.
    Cold,
    /// It waits for a snapshot.
    Snapshot,
    /// It boots a disk that was used before; its memory is its own.
    Again,
}

/// What a snapshot is made of.
struct Snapshot {
    memory: PathBuf,
    disk: PathBuf,
    state: PathBuf,
}

impl Machine {
    /// A bare guest as it was right after its first boot. `name` names the folder of its evidence.
    pub fn fresh(suite: Suite, name: &str) -> Result<Self> {
        Self::wired(suite, Flavour::Bare, name, &Wire::Alone)
    }

    /// A guest on which somebody had installed podman before; installing it takes a minute and a half under emulation.
    pub fn with_podman(suite: Suite, name: &str) -> Result<Self> {
        Self::wired(suite, Flavour::Podman, name, &Wire::Alone)
    }

    fn wired(suite: Suite, flavour: Flavour, name: &str, wire: &Wire) -> Result<Self> {
        let image = image(suite)?;
        let snapshot = snapshot(&image, flavour)?;
        Self::restore(&image, &snapshot, name, wire).or_else(|first| {
            // QEMU's emulation aborts once in a while (an assertion in its TLB); the second try is the last.
            Self::restore(&image, &snapshot, name, wire)
                .with_context(|| format!("twice; the first time: {first:#}"))
        })
    }

    fn restore(image: &Image, snapshot: &Snapshot, name: &str, wire: &Wire) -> Result<Self> {
        let directory = tempfile::Builder::new().prefix("provision-vm-").tempdir()?;
        let disk = directory.path().join("disk.qcow2");
        overlay(&snapshot.disk, "qcow2", &disk)?;
        let mut machine = Self::start(image, directory, &disk, Some(wire), &snapshot.memory, name)?;
        machine.agent = Some(machine.resume(snapshot)?);
        let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
        machine.run(&format!("date --utc --set @{now} >/dev/null"))?;
        Ok(machine)
    }

    fn resume(&self, snapshot: &Snapshot) -> Result<Channel> {
        let mut monitor = self.monitor()?;
        let capability = json!({ "capabilities": [{ "capability": "x-ignore-shared", "state": true }] });
        monitor.command("migrate-set-capabilities", capability)?;
        let uri = format!("exec:cat {}", snapshot.state.display());
        monitor.command("migrate-incoming", json!({ "uri": uri }))?;
        let until = Instant::now() + Duration::from_secs(60);
        while monitor.command("query-status", json!({}))?["status"] == "inmigrate" {
            if Instant::now() > until {
                bail!("the snapshot was not restored within a minute");
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        monitor.command("cont", json!({}))?;
        Channel::agent(&self.directory.path().join("agent"), Duration::from_secs(60))
    }

    /// Starts QEMU. With a wire it waits for a snapshot; without one it boots.
    fn start(
        image: &Image,
        directory: tempfile::TempDir,
        disk: &Path,
        wire: Option<&Wire>,
        memory: &Path,
        name: &str,
    ) -> Result<Self> {
        let evidence = target().join(name);
        fs::create_dir_all(&evidence)?;
        let ssh_port = free_port()?;
        fs::File::create(directory.path().join("carrier"))?.set_len(CARRIER_MIB << 20)?;
        let nets = wire.unwrap_or(&Wire::Alone).netdevs(directory.path(), ssh_port);
        let start = if wire.is_some() { Start::Snapshot } else { Start::Cold };
        let command = qemu(image, directory.path(), disk, memory, start, &nets);
        let qemu = spawn(command, &evidence.join("console.log"))?;
        Ok(Self { suite: image.suite, evidence, ssh_port, directory, qemu, agent: None, failed: false })
    }

    /// Cuts the power, and boots the same disk again, alone: what the guest had not synced is lost.
    ///
    /// QEMU writes what it holds back of the disk's format whenever the guest syncs, also with `cache=unsafe`.
    pub fn cut_power(&mut self) -> Result<()> {
        self.agent = None;
        self.qemu.kill()?;
        self.qemu.wait()?;
        let (image, place) = (image(self.suite)?, self.directory.path());
        let nets = Wire::Alone.netdevs(place, self.ssh_port);
        let (disk, memory) = (place.join("disk.qcow2"), place.join("memory"));
        let command = qemu(&image, place, &disk, &memory, Start::Again, &nets);
        self.qemu = spawn(command, &self.evidence.join("console-again.log"))?;
        self.agent = Some(Channel::agent(&place.join("agent"), BOOT)?);
        Ok(())
    }

    fn monitor(&self) -> Result<Channel> {
        let log = self.evidence.join("qemu.log");
        Channel::monitor(&self.directory.path().join("monitor"), Duration::from_secs(20))
            .with_context(|| format!("QEMU said: {}", fs::read_to_string(log).unwrap_or_default()))
    }

    /// The test failed: its evidence is collected when the machine goes.
    pub fn fail(&mut self) {
        self.failed = true;
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        if self.failed || std::thread::panicking() {
            self.collect_evidence();
        }
        // What is left of a QEMU that can't be killed is the kernel's matter.
        let _ = self.qemu.kill();
        let _ = self.qemu.wait();
    }
}

/// Starts QEMU, and keeps what it and the guest's console say.
fn spawn(mut command: Command, console: &Path) -> Result<Child> {
    command.arg("-serial").arg(format!("file:{}", console.display()));
    let log = fs::File::create(console.with_file_name("qemu.log"))?;
    command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
    command.spawn().context("cannot start qemu-system-x86_64 (through setpriv)")
}

fn free_port() -> Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

fn overlay(base: &Path, format: &str, to: &Path) -> Result<()> {
    checked(
        Command::new("qemu-img").args(["create", "-q", "-f", "qcow2", "-F", format, "-b"]).arg(base).arg(to),
    )
    .map(drop)
}

/// QEMU's command line. Every device has to be the same in the snapshot and after; what stands behind it may differ.
fn qemu(
    image: &Image,
    directory: &Path,
    disk: &Path,
    memory: &Path,
    start: Start,
    nets: &[String],
) -> Command {
    let file = |name: &str| directory.join(name).display().to_string();
    let share = if start == Start::Cold { "on" } else { "off" };
    let mut command = Command::new("setpriv");
    // QEMU ends with us, however we end.
    command.args(["--pdeathsig", "KILL", "qemu-system-x86_64"]);
    command.args(["-machine", "q35,memory-backend=m0", "-accel", "tcg", "-cpu", cpu(), "-smp", "1"]);
    command.arg("-m").arg(MEMORY_MIB.to_string()).args(["-display", "none", "-no-reboot"]);
    command.arg("-object").arg(format!(
        "memory-backend-file,id=m0,size={MEMORY_MIB}M,mem-path={},share={share}",
        memory.display()
    ));
    command.arg("-kernel").arg(&image.kernel).arg("-initrd").arg(&image.initrd);
    command.args(["-append", "console=ttyS0 net.ifnames=0 apparmor=0 selinux=0 quiet root=/dev/vda rw"]);
    command.arg("-drive").arg(format!("file={},if=virtio,cache=unsafe", disk.display()));
    command.arg("-drive").arg(format!("file={},if=virtio,format=raw,readonly=on", file("carrier")));
    for net in nets {
        command.args(["-netdev", net]);
    }
    command.args([
        "-device",
        "virtio-net-pci,netdev=n0",
        "-device",
        "virtio-rng-pci",
        "-device",
        "virtio-serial-pci",
    ]);
    command.arg("-chardev").arg(format!("socket,id=agent,path={},server=on,wait=off", file("agent")));
    command.args(["-device", "virtserialport,chardev=agent,name=org.qemu.guest_agent.0"]);
    command.arg("-qmp").arg(format!("unix:{},server=on,wait=off", file("monitor")));
    if start == Start::Snapshot {
        command.args(["-incoming", "defer"]);
    }
    command
}

/// QEMU 7.2's emulation of CX16 broke Debian 13's kernel; newer ones are whole.
fn cpu() -> &'static str {
    if qemu_version().starts_with("7.") { "max,-cx16" } else { "max" }
}

/// QEMU's version, such as `10.0.2`; empty when there is no QEMU.
pub fn qemu_version() -> String {
    let text = run("qemu-system-x86_64", &["--version"]).unwrap_or_default();
    text.split_whitespace().nth(3).unwrap_or_default().to_owned()
}

/// The snapshot of an image: made by booting it once.
fn snapshot(image: &Image, flavour: Flavour) -> Result<Snapshot> {
    let recipe = format!("{} {MEMORY_MIB} {CARRIER_MIB} {} 1", image.key, qemu_version());
    let key = short_hash(&recipe);
    let name = format!("{}-{}-{key}", image.suite.name(), flavour.name());
    let place = target().join("snapshots").join(&name);
    fs::create_dir_all(&place)?;
    let lock = fs::File::create(place.join("lock"))?;
    lock.lock()?;
    // Memory in memory; without it the first restore would read a gigabyte from disk. Each clone has its own.
    let clone = short_hash(&place.to_string_lossy());
    let memory = PathBuf::from(format!("/dev/shm/provision-{name}-{clone}.ram"));
    let snapshot = Snapshot { memory, disk: place.join("disk.qcow2"), state: place.join("state") };
    if !(snapshot.state.exists() && snapshot.memory.exists()) {
        take(image, flavour, &snapshot).with_context(|| format!("the first boot of {name}"))?;
    }
    Ok(snapshot)
}

/// Boots, waits until nothing happens any more, and keeps memory and state.
fn take(image: &Image, flavour: Flavour, snapshot: &Snapshot) -> Result<()> {
    for file in [&snapshot.memory, &snapshot.disk, &snapshot.state] {
        if file.exists() {
            fs::remove_file(file)?;
        }
    }
    overlay(&image.disk, "raw", &snapshot.disk)?;
    let directory = tempfile::Builder::new().prefix("provision-vm-").tempdir()?;
    let name = format!("boot-{}-{}", image.suite.name(), flavour.name());
    let mut machine = Machine::start(image, directory, &snapshot.disk, None, &snapshot.memory, &name)?;
    machine.agent = Some(Channel::agent(&machine.directory.path().join("agent"), BOOT)?);
    if flavour == Flavour::Podman {
        let packages = image.suite.podman().join(" ");
        machine.run(&format!("DEBIAN_FRONTEND=noninteractive apt-get install --yes --quiet {packages}"))?;
    }
    machine.run(
        "systemctl is-system-running --wait >/dev/null; systemctl --failed --no-legend; sync; sleep 2",
    )?;
    let mut monitor = machine.monitor()?;
    monitor.command("stop", json!({}))?;
    let capability = json!({ "capabilities": [{ "capability": "x-ignore-shared", "state": true }] });
    monitor.command("migrate-set-capabilities", capability)?;
    let part = snapshot.state.with_extension("part");
    monitor.command("migrate", json!({ "uri": format!("exec:cat > {}", part.display()) }))?;
    let until = Instant::now() + Duration::from_secs(60);
    loop {
        match monitor.command("query-migrate", json!({}))?["status"].as_str() {
            Some("completed") => break,
            Some("failed") => bail!("QEMU could not save the state"),
            _ if Instant::now() > until => bail!("QEMU took more than a minute to save the state"),
            _ => std::thread::sleep(Duration::from_millis(20)),
        }
    }
    // The monitor may close the connection before it answers.
    let _ = monitor.command("quit", json!({}));
    machine.qemu.wait()?;
    fs::rename(part, &snapshot.state)?;
    Ok(())
}
