//! The packages that demo and verification want on the build machine; installs them, or says the one command that does.

use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Result, bail};

use crate::run::{checked, run};

/// Packages, and a file that is there once they are installed.
const PACKAGES: [(&str, &str); 17] = [
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
    ("openssl", "/usr/bin/openssl"),
    ("pkg-config", "/usr/bin/pkg-config"),
    ("libssl-dev", "/usr/include/openssl/ssl.h"),
    ("systemd", "/usr/bin/systemd-analyze"),
    ("skopeo", "/usr/bin/skopeo"),
    ("docker-registry", "/usr/bin/docker-registry"),
];

/// Debian 12's own QEMU (7.2) is good enough for its guests; Debian 13's kernel panicked in it with `-cpu max`.
const BACKPORTS: &str = "bookworm-backports";

/// Installs what is missing, and says so before.
pub fn install() -> Result<()> {
    let missing: Vec<&str> =
        PACKAGES.iter().filter(|(_, file)| !Path::new(file).exists()).map(|(package, _)| *package).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let list = missing.join(" ");
    let sudo = match (is_root(), has_sudo()) {
        (true, _) => &[][..],
        (false, true) => &["sudo", "-n"],
        (false, false) => bail!(
            "these packages are missing: {list}\nhint: install them with\n    \
             sudo apt-get update && sudo apt-get install --yes --no-install-recommends {list}"
        ),
    };
    say(&format!("installing with apt-get: {list}"));
    apt(sudo, &["update"])?;
    let qemu = missing.contains(&"qemu-system-x86") && has_backports();
    for package in
        ["qemu-system-x86", "qemu-utils"].iter().filter(|package| qemu && missing.contains(package))
    {
        apt(sudo, &["install", "--yes", "--no-install-recommends", "-t", BACKPORTS, package])?;
    }
    let mut arguments = vec!["install", "--yes", "--no-install-recommends"];
    arguments.extend(missing.iter().filter(|package| !(qemu && package.starts_with("qemu"))));
    apt(sudo, &arguments)
}

fn apt(sudo: &[&str], arguments: &[&str]) -> Result<()> {
    let words: Vec<&str> =
        sudo.iter().copied().chain(["env", "DEBIAN_FRONTEND=noninteractive", "apt-get"]).collect();
    checked(Command::new(words[0]).args(&words[1..]).args(arguments)).map(drop)
}

fn is_root() -> bool {
    run("id", &["-u"]).is_ok_and(|id| id.trim() == "0")
}

fn has_sudo() -> bool {
    let asked = Command::new("sudo").args(["-n", "true"]).stderr(Stdio::null()).status();
    asked.is_ok_and(|status| status.success())
}

/// Whether apt knows a newer QEMU in the backports.
fn has_backports() -> bool {
    run("apt-cache", &["madison", "qemu-system-x86"]).is_ok_and(|text| text.contains(BACKPORTS))
}

#[expect(clippy::print_stderr, reason = "people wait for apt")]
fn say(text: &str) {
    eprintln!("{text}");
}
