//! The peer: ansible-core of the guest's own distribution, and the play that keeps what `bastion.toml` declares.
//!
//! The image of the guest has neither; both are carried in, so that no image and no snapshot changes for it.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use vm_tests::apt::mirror;
use vm_tests::machine::Machine;
use vm_tests::run::{checked, target};

/// ansible-playbook, and what its module for packages needs.
const PACKAGES: [&str; 2] = ["ansible-core", "python3-apt"];
const KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";
const PLAY: &str = include_str!("equivalent.yml");

/// What the play copies onto the host: a person who writes such a play has these files beside it.
const FILES: [&str; 9] = [
    "/etc/motd",
    "/etc/containers/certs.d/registry.example.test:8443/ca.crt",
    "/usr/local/share/ca-certificates/provision-registry.crt",
    "/etc/containers/registries.conf.d/50-provision.conf",
    "/etc/containers/systemd/registry.container",
    "/etc/provision/registry/auth/htpasswd",
    "/etc/provision/registry/tls/registry.crt",
    "/etc/provision/registry/tls/registry.key",
    "/root/.config/containers/auth.json",
];

/// Installs ansible-core in a guest, and gives its version.
pub(crate) fn install(machine: &mut Machine) -> Result<String> {
    let directory = tempfile::tempdir()?;
    let debs = directory.path().join("srv/peer");
    fs::create_dir_all(&debs)?;
    download(machine, &debs)?;
    machine.push(directory.path(), "/")?;
    machine.run("DEBIAN_FRONTEND=noninteractive apt-get install --yes --quiet /srv/peer/*.deb >/dev/null")?;
    let version = machine.run("ansible-playbook --version")?;
    let first = version.lines().next().context("ansible-playbook tells no version")?;
    Ok(first.replace("ansible-playbook ", ""))
}

/// Downloads what the guest lacks, with lists and caches of our own.
fn download(machine: &mut Machine, debs: &Path) -> Result<()> {
    let folder = target().join("apt").join(machine.suite.name());
    fs::create_dir_all(folder.join("lists/partial"))?;
    fs::create_dir_all(folder.join("archives/partial"))?;
    let file = |name: &str| folder.join(name).display().to_string();
    let source = format!("deb [signed-by={KEYRING}] {} {} main\n", mirror()?, machine.suite.name());
    fs::write(file("sources.list"), source)?;
    fs::write(file("status"), machine.run("cat /var/lib/dpkg/status")?)?;
    let options = [
        format!("Dir::Etc::SourceList={}", file("sources.list")),
        "Dir::Etc::SourceParts=-".to_owned(),
        format!("Dir::State::Lists={}", file("lists")),
        format!("Dir::State::Status={}", file("status")),
        format!("Dir::Cache={}", folder.display()),
        format!("Dir::Cache::Archives={}", file("archives")),
        "APT::Sandbox::User=root".to_owned(),
    ];
    let apt_get = || {
        let mut command = Command::new("apt-get");
        command.args(options.iter().flat_map(|option| ["-o", option]));
        command
    };
    checked(apt_get().arg("update"))?;
    let words = ["--download-only", "--yes", "--no-install-recommends", "install"];
    checked(apt_get().args(words).args(PACKAGES))?;
    for entry in fs::read_dir(folder.join("archives"))?.flatten() {
        let path = entry.path();
        if path.extension().is_some_and(|extension| extension == "deb") {
            fs::rename(&path, debs.join(entry.file_name()))
                .or_else(|_| fs::copy(&path, debs.join(entry.file_name())).map(drop))?;
        }
    }
    Ok(())
}

/// Lays the play and its files out, plays it until nothing changes, and gives the command that plays it.
pub(crate) fn prepare(machine: &mut Machine) -> Result<String> {
    let directory = tempfile::tempdir()?;
    fs::create_dir_all(directory.path().join("srv/play/files"))?;
    fs::write(directory.path().join("srv/play/equivalent.yml"), PLAY)?;
    machine.push(directory.path(), "/")?;
    for file in FILES {
        machine.run(&format!("cp --parents {file} /srv/play/files"))?;
    }
    let image = machine.run("sed -n 's/^Image=//p' /etc/containers/systemd/registry.container")?;
    let play = format!(
        "ansible-playbook --connection local --inventory localhost, --extra-vars image={} /srv/play/equivalent.yml",
        image.trim()
    );
    // What ansible makes once for itself, and modes that its own copies have.
    machine.run(&play)?;
    let again = machine.run(&play)?;
    ensure!(again.contains("changed=0"), "the play still changes something:\n{again}");
    Ok(play)
}
