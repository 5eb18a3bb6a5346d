//! The packages that demo and verification want on the build machine; installs them, or says the one command that does.

use std::path::Path;

use anyhow::{Result, bail};

use crate::apt::{Apt, BACKPORTS, has_backports, mirror};
use crate::machine::qemu_version;

/// What guests need: packages, and a file that is there once they are installed.
const GUESTS: [(&str, &str); 13] = [
    ("qemu-system-x86", "/usr/bin/qemu-system-x86_64"),
    ("qemu-utils", "/usr/bin/qemu-img"),
    ("mmdebstrap", "/usr/bin/mmdebstrap"),
    ("debian-archive-keyring", "/usr/share/keyrings/debian-archive-keyring.gpg"),
    ("busybox-static", "/bin/busybox"),
    ("cpio", "/usr/bin/cpio"),
    ("kmod", "/sbin/modprobe"),
    ("xz-utils", "/usr/bin/xz"),
    ("e2fsprogs", "/sbin/mkfs.ext4"),
    ("apt-utils", "/usr/bin/apt-ftparchive"),
    ("openssh-client", "/usr/bin/ssh-keygen"),
    ("pkg-config", "/usr/bin/pkg-config"),
    ("libssl-dev", "/usr/include/openssl/ssl.h"),
];

/// What tests on this machine need beyond that.
const TESTS: [(&str, &str); 9] = [
    ("openssl", "/usr/bin/openssl"),
    ("systemd", "/usr/bin/systemd-analyze"),
    ("skopeo", "/usr/bin/skopeo"),
    ("podman", "/usr/bin/podman"),
    ("docker-registry", "/usr/bin/docker-registry"),
    (SSH_SERVER, "/usr/sbin/sshd"),
    // The other family's tools, for tests of the code that calls them.
    ("rpm", "/usr/bin/rpmbuild"),
    ("dnf", "/usr/bin/dnf"),
    ("createrepo-c", "/usr/bin/createrepo_c"),
];

/// Tests start its program; the service of this machine is its owner's matter.
const SSH_SERVER: &str = "openssh-server";

/// The two packages of QEMU; both are of one version.
const QEMU: [&str; 2] = ["qemu-system-x86", "qemu-utils"];

/// Installs what guests need and is missing, and says so before.
pub fn install() -> Result<()> {
    install_all(&GUESTS)
}

/// Installs what guests and all tests need and is missing, and says so before.
pub fn install_for_tests() -> Result<()> {
    install_all(&[GUESTS.as_slice(), TESTS.as_slice()].concat())
}

/// The registry that `cargo demo --registry distribution` carries into the guest.
pub fn install_distribution() -> Result<()> {
    install_all(&[("docker-registry", "/usr/bin/docker-registry")])
}

fn install_all(wanted: &[(&'static str, &str)]) -> Result<()> {
    let mut missing: Vec<&str> =
        wanted.iter().filter(|(_, file)| !Path::new(file).exists()).map(|(package, _)| *package).collect();
    // Debian 12's own QEMU (7.2) panics Debian 13's kernel.
    let newer =
        has_backports() && (missing.iter().any(|name| QEMU.contains(name)) || is_old(&qemu_version()));
    if newer {
        missing.retain(|package| !QEMU.contains(package));
    }
    if missing.is_empty() && !newer {
        return Ok(());
    }
    let list = missing.join(" ");
    let Some(apt) = Apt::new() else {
        bail!("packages are missing, and only root can install them; run\n    {}", by_hand(&list, newer));
    };
    if !missing.is_empty() {
        say(&format!("installing with apt-get: {list}"));
        match missing.contains(&SSH_SERVER) {
            true => apt.install_stopped(&missing, &["ssh.service", "ssh.socket"])?,
            false => apt.install(&missing)?,
        }
    }
    if newer {
        say(&format!("installing with apt-get from backports: {}", QEMU.join(" ")));
        apt.install_from_backports(&QEMU)?;
    }
    Ok(())
}

/// The one command that installs everything.
fn by_hand(list: &str, newer: bool) -> String {
    let install = "apt-get install --yes --no-install-recommends";
    let mut steps = vec!["apt-get update".to_owned()];
    if !list.is_empty() {
        steps.push(format!("{install} {list}"));
    }
    if newer {
        let mirror = mirror().unwrap_or_else(|_| "MIRROR".to_owned());
        steps.push(format!(
            "echo \"deb {mirror} {BACKPORTS} main\" >/etc/apt/sources.list.d/{BACKPORTS}.list"
        ));
        steps.push("apt-get update".to_owned());
        steps.push(format!("{install} -t {BACKPORTS} {}", QEMU.join(" ")));
    }
    format!("sudo sh -c '{}'", steps.join(" && "))
}

fn is_old(version: &str) -> bool {
    version.split('.').next().and_then(|major| major.parse::<u32>().ok()).is_none_or(|major| major < 8)
}

#[expect(clippy::print_stderr, reason = "people wait for apt")]
fn say(text: &str) {
    eprintln!("{text}");
}
