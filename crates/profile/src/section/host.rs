//! `[host]`: name, addresses, packages and files of the machine.
//!
//! Knows what each key becomes. Must not know how a package is installed or a file written.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use provision_converge::{ResourceId, State};
use provision_host::facts::Facts;

use crate::attachment::Attachments;
use crate::draft::{Access, Draft};
use crate::error::Error;
use crate::podman;
use crate::problem::{Problem, Problems};
use crate::read::table;
use crate::scalar::{Account, HostName, HostPath, Mode, NearPath, PackageName};
use crate::source::{Located, Origin};

table! {
    /// `[host]` as written.
    pub struct HostWritten {
        /// The one name that everything else uses.
        hostname: Option<Located<HostName>>,
        /// Lines in /etc/hosts: addresses by name.
        addresses: BTreeMap<HostName, Vec<IpAddr>>,
        /// Packages of the distribution that are installed.
        packages: Vec<PackageName>,
        /// Files.
        file: Vec<FileWritten>,
    }
}

table! {
    /// `[[host.file]]` as written.
    pub struct FileWritten {
        /// Where it lies on the host.
        path: Located<HostPath>,
        /// Its text; or `source`.
        content: Option<String>,
        /// A file beside the profile that holds its bytes; or `content`.
        source: Option<NearPath>,
        /// Permission bits.
        mode: Mode = Mode(0o644),
        /// The owner.
        owner: Account = Account("root".to_owned()),
        /// The group.
        group: Account = Account("root".to_owned()),
    }
}

/// `[host]`, validated.
#[derive(Clone, Debug, Default)]
pub struct Host {
    /// The one name that everything else uses, if the profile gives one.
    pub hostname: Option<HostName>,
    /// Lines of /etc/hosts.
    pub addresses: BTreeMap<HostName, Vec<IpAddr>>,
    /// Packages to install.
    pub packages: BTreeSet<PackageName>,
    /// Files by path.
    pub files: BTreeMap<HostPath, HostFile>,
}

/// One file of the host.
#[derive(Clone, Debug)]
pub struct HostFile {
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// Permission bits.
    pub mode: Mode,
    /// The owner.
    pub owner: Account,
    /// The group.
    pub group: Account,
    /// Where it is declared.
    pub origin: Origin,
}

impl Host {
    pub(crate) fn validate(
        written: HostWritten,
        files: &mut Attachments<'_>,
        problems: &mut Problems,
    ) -> Self {
        let mut host = Self {
            hostname: written.hostname.map(|name| name.value),
            addresses: written.addresses,
            packages: written.packages.into_iter().collect(),
            files: BTreeMap::new(),
        };
        for file in written.file {
            let origin = file.path.origin.clone();
            let bytes = match (file.content, &file.source) {
                (Some(content), None) => Some(content.into_bytes()),
                (None, Some(source)) => files.read(source, problems),
                (Some(_), Some(source)) => {
                    let title = format!("{} has both `content` and `source`", file.path.value.0);
                    problems.push(Problem::new(source.origin(), title, "keep one of them"));
                    None
                }
                (None, None) => {
                    let title = format!("{} has neither `content` nor `source`", file.path.value.0);
                    problems.push(Problem::new(&file.origin, title, "one of them is required"));
                    None
                }
            };
            let Some(bytes) = bytes else { continue };
            let new = HostFile { bytes, mode: file.mode, owner: file.owner, group: file.group, origin };
            if let Some(old) = host.files.get(&file.path.value) {
                let title = format!("{} is declared twice", file.path.value.0);
                problems.push(Problem::new(&new.origin, title, "again here").and(&old.origin, "first here"));
            }
            host.files.insert(file.path.value, new);
        }
        host
    }

    pub(crate) fn resources(&self, facts: &Facts, draft: &mut Draft) -> Result<(), Error> {
        if let Some(name) = &self.hostname {
            draft.add(ResourceId::setting("hostname"), State::setting(&name.0), &[], None);
        }
        if !self.addresses.is_empty() {
            let content = draft.desired.literal(self.hosts_lines());
            draft.part("/etc/hosts", "provision", content, 0o644);
        }
        for package in &self.packages {
            match package.0.as_str() {
                podman::PACKAGE => draft.podman(facts)?,
                name => draft.package(name, None),
            }
        }
        for (path, file) in &self.files {
            let content = draft.desired.literal(file.bytes.clone());
            let access = Access::of(file.mode.0, &file.owner.0, &file.group.0);
            draft.file(&path.0, content, access, &[], Some(&file.origin));
        }
        Ok(())
    }

    /// Lines of hosts(5), one for each name and address.
    fn hosts_lines(&self) -> String {
        let each = |(name, addresses): (&HostName, &Vec<IpAddr>)| {
            addresses.iter().map(|address| format!("{address} {}\n", name.0)).collect::<String>()
        };
        self.addresses.iter().map(each).collect()
    }

    /// Every address that the profile gives to a name.
    pub fn addresses_of(&self, name: &HostName) -> &[IpAddr] {
        self.addresses.get(name).map_or(&[], Vec::as_slice)
    }
}
