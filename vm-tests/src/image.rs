//! Guest images: a bare Debian with a package repository of its own, a kernel, and an initrd of one megabyte.
//!
//! Built once per recipe and cached; the key is a hash of everything that goes in.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};

use crate::apt::{is_root, mirror};
use crate::run::{checked, run, short_hash, target};

mod initrd;

/// A release of Debian that guests are made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Suite {
    /// Debian 11: podman 3.0.1, too old.
    Bullseye,
    /// Debian 12: podman 4.3.1, plain units.
    Bookworm,
    /// Debian 13: podman 5.4, Quadlet.
    Trixie,
}

impl Suite {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Trixie, Self::Bookworm, Self::Bullseye];

    /// Its code name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Bullseye => "bullseye",
            Self::Bookworm => "bookworm",
            Self::Trixie => "trixie",
        }
    }

    /// podman, with what it needs to give a container a network.
    pub fn podman(self) -> &'static [&'static str] {
        match self {
            Self::Bullseye => &["podman", "crun"],
            Self::Bookworm => &["podman", "crun", "netavark", "iptables"],
            Self::Trixie => &["podman", "crun", "netavark", "nftables"],
        }
    }

    /// What is installed beforehand, beyond what every guest has.
    fn installed(self) -> &'static [&'static str] {
        match self {
            // The host that is refused has podman already, and it is too old.
            Self::Bullseye => &["podman", "crun"],
            _ => &[],
        }
    }
}

/// What every guest has: what a server installation has, no podman.
const INSTALLED: [&str; 17] = [
    "systemd",
    "systemd-sysv",
    "libpam-systemd",
    "dbus",
    "openssh-server",
    "sudo",
    "iproute2",
    "ca-certificates",
    "curl",
    "openssl",
    "procps",
    "kmod",
    "e2fsprogs",
    "qemu-guest-agent",
    "apt",
    "attr",
    "udev",
];
/// Size of the disk in MiB; the file is sparse.
const DISK_MIB: u64 = 6144;
/// Part of every key: raise it when this file changes what comes out.
const RECIPE: u32 = 5;

/// The files of one guest image.
#[derive(Debug, Clone)]
pub struct Image {
    /// Which Debian.
    pub suite: Suite,
    /// The root file system.
    pub disk: PathBuf,
    /// The kernel.
    pub kernel: PathBuf,
    /// The initrd.
    pub initrd: PathBuf,
    /// The key of its cache entry.
    pub key: String,
}

/// What a program is called with when it is run again as root, to build one image.
const AS_ROOT: &str = "--build-image";

/// Builds an image if that is what this process was started for; the first thing that every program here asks.
pub fn build_if_asked() -> Result<bool> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [option, name] = arguments.as_slice() else { return Ok(false) };
    let suite = Suite::ALL.into_iter().find(|suite| suite.name() == name).filter(|_| option == AS_ROOT);
    suite.map(image).transpose().map(|built| built.is_some())
}

/// The image of a suite, built if it is not there yet.
pub fn image(suite: Suite) -> Result<Image> {
    let recipe =
        format!("{RECIPE} {suite:?} {INSTALLED:?} {:?} {:?} {DISK_MIB}", suite.installed(), suite.podman());
    let key = short_hash(&recipe);
    let place = target().join("images").join(format!("{}-{key}", suite.name()));
    if !place.join("disk.raw").exists() {
        let built = if is_root() { build_once(suite, &place) } else { build_as_root(suite, &place) };
        built.with_context(|| format!("the guest image of {}", suite.name()))?;
    }
    let file = |name: &str| place.join(name);
    Ok(Image { suite, disk: file("disk.raw"), kernel: file("vmlinuz"), initrd: file("initrd"), key })
}

/// Owners and devices of a root file system take root to make.
fn build_as_root(suite: Suite, place: &Path) -> Result<()> {
    // The folders are this user's, whoever makes what is in them.
    fs::create_dir_all(place)?;
    let program = std::env::current_exe()?;
    checked(Command::new("sudo").arg("-n").arg(program).args([AS_ROOT, suite.name()])).map(drop)
}

fn build_once(suite: Suite, place: &Path) -> Result<()> {
    let _lock = lock(place)?;
    if place.join("disk.raw").exists() {
        return Ok(());
    }
    build(suite, &mirror()?, place)
}

/// Only one process builds; others wait for it.
fn lock(place: &Path) -> Result<fs::File> {
    fs::create_dir_all(place)?;
    let file = fs::File::create(place.join("lock"))?;
    file.lock()?;
    Ok(file)
}

fn build(suite: Suite, mirror: &str, place: &Path) -> Result<()> {
    let work = tempfile::Builder::new().prefix("build-").tempdir_in(place)?;
    let rootfs = work.path().join("rootfs");
    let include: Vec<&str> = INSTALLED.iter().chain(suite.installed()).copied().collect();
    checked(
        Command::new("mmdebstrap")
            .args(["--mode=root", "--variant=minbase", "--aptopt=APT::Install-Recommends \"false\""])
            .arg(format!("--include={}", include.join(",")))
            .arg(suite.name())
            .arg(&rootfs)
            .arg(mirror),
    )?;
    repository(suite, &rootfs)?;
    initrd::kernel(&rootfs, place)?;
    furnish(&rootfs)?;
    let disk = work.path().join("disk.raw");
    fs::File::create(&disk)?.set_len(DISK_MIB << 20)?;
    checked(
        Command::new("mkfs.ext4")
            .args(["-q", "-F", "-E", "lazy_itable_init=1", "-d"])
            .arg(&rootfs)
            .arg(&disk),
    )?;
    fs::rename(&disk, place.join("disk.raw"))?;
    Ok(())
}

/// Puts podman with all it needs, and the kernel, into a repository inside the guest, which has no other.
fn repository(suite: Suite, rootfs: &Path) -> Result<()> {
    let repository = rootfs.join("srv/repo");
    fs::create_dir_all(&repository)?;
    chroot(rootfs, &["apt-get", "update"])?;
    let mut words = vec!["apt-get", "install", "--yes", "--download-only", "--no-install-recommends"];
    // What is installed already is offered as well, so that removing and installing again works offline.
    words.extend(suite.podman());
    words.push("linux-image-cloud-amd64");
    chroot(rootfs, &words)?;
    for entry in fs::read_dir(rootfs.join("var/cache/apt/archives"))? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "deb")
            && let Some(name) = path.file_name()
        {
            match name.to_string_lossy().starts_with("linux-image") {
                true => fs::rename(&path, repository.join(name))?,
                false => unpack(&path, &repository.join(name))?,
            }
        }
    }
    Ok(())
}

/// The same package without compression: under emulation, unpacking is most of what an installation takes.
fn unpack(from: &Path, to: &Path) -> Result<()> {
    let content = tempfile::tempdir()?;
    checked(Command::new("dpkg-deb").arg("--raw-extract").arg(from).arg(content.path().join("it")))?;
    checked(Command::new("dpkg-deb").args(["-Znone", "--build"]).arg(content.path().join("it")).arg(to))?;
    Ok(())
}

/// What an installation would have set up: names, keys, network, and a small list of public authorities.
fn furnish(rootfs: &Path) -> Result<()> {
    let packages =
        checked(Command::new("apt-ftparchive").args(["packages", "."]).current_dir(rootfs.join("srv/repo")))?;
    let write = |path: &str, text: &str| {
        let path = rootfs.join(path);
        fs::create_dir_all(path.parent().unwrap_or(rootfs))?;
        fs::write(&path, text).with_context(|| path.display().to_string())
    };
    write("srv/repo/Packages", &packages)?;
    write("etc/apt/sources.list", "deb [trusted=yes] file:/srv/repo ./\n")?;
    for entry in fs::read_dir(rootfs.join("etc/apt/sources.list.d"))?.flatten() {
        fs::remove_file(entry.path())?;
    }
    write("etc/hostname", "bastion\n")?;
    write("etc/hosts", "127.0.0.1\tlocalhost\n127.0.1.1\tbastion\n::1\tlocalhost ip6-localhost\n")?;
    write("etc/resolv.conf", "")?;
    write("etc/fstab", "/dev/vda / ext4 defaults 0 1\n")?;
    write("etc/systemd/network/80-dhcp.network", "[Match]\nName=eth*\n[Network]\nDHCP=ipv4\n")?;
    write("etc/ssh/sshd_config.d/test.conf", "UseDNS no\n")?;
    let authorities = fs::read_to_string(rootfs.join("etc/ca-certificates.conf"))?;
    let two: Vec<&str> = authorities.lines().filter(|line| line.starts_with("mozilla/ISRG")).collect();
    write("etc/ca-certificates.conf", &(two.join("\n") + "\n"))?;
    chroot(rootfs, &["update-ca-certificates", "--fresh"])?;
    chroot(rootfs, &["systemctl", "enable", "systemd-networkd", "ssh"])?;
    chroot(
        rootfs,
        &[
            "systemctl",
            "mask",
            "apt-daily.timer",
            "apt-daily-upgrade.timer",
            "ldconfig.service",
            "e2scrub_reap.service",
        ],
    )?;
    chroot(rootfs, &["apt-get", "update"])?;
    // The agent logs every command it is given, several a second.
    write("etc/systemd/system/qemu-guest-agent.service.d/quiet.conf", "[Service]\nLogLevelMax=warning\n")?;
    login(rootfs)?;
    // Tells systemd that the caches under /etc and /var are as new as /usr.
    write("etc/.updated", "")?;
    write("var/.updated", "")
}

/// root can log in to localhost with a key, as installers want it.
fn login(rootfs: &Path) -> Result<()> {
    let ssh = rootfs.join("root/.ssh");
    fs::create_dir_all(&ssh)?;
    run("chmod", &["700", &ssh.to_string_lossy()])?;
    let key = ssh.join("id_ed25519");
    run(
        "ssh-keygen",
        &["-q", "-t", "ed25519", "-N", "", "-C", "root@bastion", "-f", &key.to_string_lossy()],
    )?;
    let public = fs::read(ssh.join("id_ed25519.pub"))?;
    fs::write(ssh.join("authorized_keys"), public)?;
    run("chmod", &["600", &ssh.join("authorized_keys").to_string_lossy()])?;
    let host = fs::read_to_string(rootfs.join("etc/ssh/ssh_host_ed25519_key.pub"))?;
    fs::write(ssh.join("known_hosts"), format!("localhost {host}"))?;
    Ok(())
}

fn chroot(rootfs: &Path, words: &[&str]) -> Result<()> {
    let mut command = Command::new("chroot");
    command.arg(rootfs).args(words).env("DEBIAN_FRONTEND", "noninteractive").env("LC_ALL", "C");
    checked(&mut command).map(drop)
}
