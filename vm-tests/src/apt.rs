//! This machine's apt: which mirror it uses, and how packages are installed from it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Result, bail};

use crate::run::{checked, run, target};

/// Where a newer QEMU comes from on Debian 12.
pub const BACKPORTS: &str = "bookworm-backports";
/// Another apt may be at work; it ends some time.
const WAIT: [&str; 2] = ["-o", "DPkg::Lock::Timeout=600"];
const KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";

/// The mirror that this machine's apt uses; guest images are made from it, too.
pub fn mirror() -> Result<String> {
    let mut files = vec![PathBuf::from("/etc/apt/sources.list")];
    let folder = Path::new("/etc/apt/sources.list.d");
    files.extend(fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()));
    for file in files.iter().filter(|file| file.is_file()) {
        for line in fs::read_to_string(file).unwrap_or_default().lines() {
            let is_source = line.starts_with("URIs:") || line.starts_with("deb ");
            let uri = line
                .split_whitespace()
                .find(|word| word.contains("://") && word.trim_end_matches('/').ends_with("/debian"));
            if let (true, Some(uri)) = (is_source, uri) {
                return Ok(uri.to_owned());
            }
        }
    }
    bail!("no Debian mirror found in /etc/apt: guest images are made of Debian packages")
}

/// apt-get, run as root in one way or another.
pub struct Apt {
    prefix: &'static [&'static str],
}

impl Apt {
    /// As root or through sudo; none when neither is to be had without asking.
    pub fn new() -> Option<Self> {
        match (is_root(), has_sudo()) {
            (true, _) => Some(Self { prefix: &[] }),
            (false, true) => Some(Self { prefix: &["sudo", "-n"] }),
            (false, false) => None,
        }
    }

    /// Installs packages of the distribution.
    pub fn install(&self, packages: &[&str]) -> Result<()> {
        self.get(&[], &["update"])?;
        self.get(&[], &[&["install", "--yes", "--no-install-recommends"], packages].concat())
    }

    /// Installs packages of the distribution, without starting these services, now or at the next boot.
    pub fn install_stopped(&self, packages: &[&str], units: &[&str]) -> Result<()> {
        if !Path::new("/run/systemd/system").exists() {
            // Without systemd nothing is started.
            return self.install(packages);
        }
        let systemctl = |verb: &[&str]| {
            let words = [self.prefix, &["systemctl"], verb, units].concat();
            checked(Command::new(words[0]).args(&words[1..]))
        };
        systemctl(&["mask", "--runtime"])?;
        let installed = self.install(packages);
        systemctl(&["unmask", "--runtime"])?;
        installed?;
        systemctl(&["disable"]).map(drop)
    }

    /// Installs packages from the backports of Debian 12, without making them a source of this machine: lists and
    /// configuration are those of a folder of ours.
    pub fn install_from_backports(&self, packages: &[&str]) -> Result<()> {
        let folder = target().join("apt");
        fs::create_dir_all(folder.join("lists/partial"))?;
        let mirror = mirror()?;
        let source = |suite: &str| format!("deb [signed-by={KEYRING}] {mirror} {suite} main\n");
        fs::write(folder.join("sources.list"), source("bookworm") + &source(BACKPORTS))?;
        let options = [
            format!("Dir::Etc::SourceList={}", folder.join("sources.list").display()),
            "Dir::Etc::SourceParts=-".to_owned(),
            format!("Dir::State::Lists={}", folder.join("lists").display()),
            // The folder may be below a home that the user _apt can't enter.
            "APT::Sandbox::User=root".to_owned(),
        ];
        let options: Vec<&str> = options.iter().flat_map(|option| ["-o", option.as_str()]).collect();
        self.get(&options, &["update"])?;
        let install = ["install", "--yes", "--no-install-recommends", "-t", BACKPORTS];
        self.get(&options, &[&install, packages].concat())
    }

    fn get(&self, options: &[&str], arguments: &[&str]) -> Result<()> {
        let words =
            [self.prefix, &["env", "DEBIAN_FRONTEND=noninteractive", "apt-get"], &WAIT, options].concat();
        checked(Command::new(words[0]).args(&words[1..]).args(arguments)).map(drop)
    }
}

/// Whether this machine is Debian 12, whose own QEMU is too old.
pub fn has_backports() -> bool {
    fs::read_to_string("/etc/os-release").is_ok_and(|text| text.contains("VERSION_CODENAME=bookworm"))
}

/// Whether this process may do anything.
pub fn is_root() -> bool {
    run("id", &["-u"]).is_ok_and(|id| id.trim() == "0")
}

fn has_sudo() -> bool {
    let asked = Command::new("sudo").args(["-n", "true"]).stderr(Stdio::null()).status();
    asked.is_ok_and(|status| status.success())
}
