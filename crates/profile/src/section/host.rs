//! `[host]`: name, addresses, packages and files of the machine.
//!
//! Knows what each key becomes. Must not know how a package is installed or a file written.

use std::collections::BTreeMap;
use std::net::IpAddr;

use provision_converge::{Remote, ResourceId, State};
use provision_host::facts::Facts;
use provision_host::packages;
use provision_oci::Digest;
use serde_json::{Value as Json, json};

use crate::attachment::Attachments;
use crate::draft::{Access, Draft};
use crate::error::Error;
use crate::lock::Exact;
use crate::podman;
use crate::problem::{Problem, Problems};
use crate::read::{Read, Text, table};
use crate::scalar::{Account, HostName, HostPath, Mode, NearPath, PackageName, Url};
use crate::source::{Located, Origin};
use crate::tree::{Node, Value};

table! {
    /// `[host]` as written.
    pub struct HostWritten {
        /// The one name that everything else uses.
        hostname: Option<Located<HostName>>,
        /// Lines in /etc/hosts: addresses by name.
        addresses: BTreeMap<HostName, Vec<IpAddr>>,
        /// Packages of the distribution that are installed: a name, or a name with the version it shall have.
        packages: Vec<Located<PackageWritten>>,
        /// Files.
        file: Vec<FileWritten>,
    }
}

table! {
    /// `[[host.file]]` as written.
    pub struct FileWritten {
        /// Where it lies on the host.
        path: Located<HostPath>,
        /// Its text; or `source`, or `url`.
        content: Option<String>,
        /// A file beside the profile that holds its bytes; or `content`, or `url`.
        source: Option<NearPath>,
        /// Where its bytes are fetched from; `provision lock` notes which they are.
        url: Option<Located<Url>>,
        /// For `url`: the digest of its bytes, which then needs no lock.
        digest: Option<Located<Digest>>,
        /// Permission bits.
        mode: Mode = Mode(0o644),
        /// The owner.
        owner: Account = Account("root".to_owned()),
        /// The group.
        group: Account = Account("root".to_owned()),
    }
}

table! {
    /// A package with the version it shall have.
    pub struct VersionedWritten {
        /// Its name.
        name: PackageName,
        /// The version: "locked" for the one that `provision lock` notes, or one in full.
        version: WantedVersion,
    }
}

/// One item of `packages`.
#[derive(Clone, Debug)]
pub enum PackageWritten {
    /// A name: whatever version the distribution has.
    Name(PackageName),
    /// A name and a version.
    Versioned(VersionedWritten),
}

impl Read for PackageWritten {
    fn read(node: &Node, problems: &mut Problems) -> Option<Self> {
        match &node.value {
            Value::Table(_) => VersionedWritten::read(node, problems).map(Self::Versioned),
            _ => PackageName::read(node, problems).map(Self::Name),
        }
    }

    fn schema() -> Json {
        json!({ "anyOf": [PackageName::schema(), VersionedWritten::schema()] })
    }
}

/// The version that a package shall have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WantedVersion {
    /// Whatever the distribution has, and what is there stays.
    Any,
    /// The one in the lock.
    Locked,
    /// This one, as the package manager writes it.
    Exactly(String),
}

impl Text for WantedVersion {
    const EXPECTED: &'static str = "\"locked\" or a version such as \"1.6-2.1+deb12u1\"";

    fn parse(text: &str) -> Result<Self, String> {
        match text {
            "locked" => Ok(Self::Locked),
            text if packages::is_version(text) => Ok(Self::Exactly(text.to_owned())),
            _ => Err("a version in full: letters, digits and `+-._:~^`, a letter or digit first".to_owned()),
        }
    }
}

/// `[host]`, validated.
#[derive(Clone, Debug, Default)]
pub struct Host {
    /// The one name that everything else uses, if the profile gives one.
    pub hostname: Option<HostName>,
    /// Lines of /etc/hosts.
    pub addresses: BTreeMap<HostName, Vec<IpAddr>>,
    /// Packages to install, each with where it is named.
    pub packages: BTreeMap<PackageName, Located<WantedVersion>>,
    /// Files by path.
    pub files: BTreeMap<HostPath, HostFile>,
}

/// One file of the host.
#[derive(Clone, Debug)]
pub struct HostFile {
    /// Its bytes.
    pub bytes: Bytes,
    /// Permission bits.
    pub mode: Mode,
    /// The owner.
    pub owner: Account,
    /// The group.
    pub group: Account,
    /// Where it is declared.
    pub origin: Origin,
}

/// The bytes of a file.
#[derive(Clone, Debug)]
pub enum Bytes {
    /// Given with the profile.
    Given(Vec<u8>),
    /// On a web server.
    Remote {
        /// Where.
        url: Located<Url>,
        /// Which; none: the lock says.
        digest: Option<Digest>,
    },
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
            packages: packages_by_name(written.packages, problems),
            files: BTreeMap::new(),
        };
        for file in written.file {
            let origin = file.path.origin.clone();
            let Some(bytes) = bytes(&file, files, problems) else { continue };
            let new = HostFile { bytes, mode: file.mode, owner: file.owner, group: file.group, origin };
            if let Some(old) = host.files.get(&file.path.value) {
                let title = format!("{} is declared twice", file.path.value.0);
                problems.push(Problem::new(&new.origin, title, "again here").and(&old.origin, "first here"));
            }
            host.files.insert(file.path.value, new);
        }
        host
    }

    pub(crate) fn resources(&self, facts: &Facts, exact: &Exact, draft: &mut Draft) -> Result<(), Error> {
        if let Some(name) = &self.hostname {
            draft.because(&["host.hostname"]);
            draft.add(ResourceId::setting("hostname"), State::setting(&name.0), &[], None);
        }
        if !self.addresses.is_empty() {
            draft.because(&["host.addresses"]);
            let content = draft.desired.literal(self.hosts_lines());
            draft.part("/etc/hosts", "provision", content, 0o644);
        }
        draft.because(&["host.packages"]);
        for (PackageName(name), wanted) in &self.packages {
            if name == podman::PACKAGE {
                draft.podman(facts)?;
            }
            let version = match &wanted.value {
                WantedVersion::Any => None,
                WantedVersion::Exactly(version) => Some(version.clone()),
                WantedVersion::Locked => {
                    Some(exact.packages.get(name).cloned().ok_or_else(not(name, wanted))?)
                }
            };
            draft.package_in(name, version, None);
        }
        draft.because(&["host.file"]);
        for (path, file) in &self.files {
            let content = match &file.bytes {
                Bytes::Given(bytes) => draft.desired.literal(bytes.clone()),
                Bytes::Remote { url, digest } => {
                    let locked = exact.files.get(&url.value.0).map(|(digest, size)| (*digest, Some(*size)));
                    let (digest, size) =
                        digest.map(|digest| (digest, None)).or(locked).ok_or_else(not(&url.value.0, url))?;
                    let remote = Remote { address: url.value.0.clone(), size };
                    draft.desired.remote(digest.to_string(), remote)
                }
            };
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

/// What was not made exact before resolving.
fn not<'a, T>(name: &'a str, place: &'a Located<T>) -> impl FnOnce() -> Error + 'a {
    || Error::NotExact { what: name.to_owned(), origin: place.origin.clone() }
}

/// Packages by name. The same one twice is no harm, two versions of it are.
fn packages_by_name(
    written: Vec<Located<PackageWritten>>,
    problems: &mut Problems,
) -> BTreeMap<PackageName, Located<WantedVersion>> {
    let mut all: BTreeMap<PackageName, Located<WantedVersion>> = BTreeMap::new();
    for Located { value, origin } in written {
        let (name, value) = match value {
            PackageWritten::Name(name) => (name, WantedVersion::Any),
            PackageWritten::Versioned(one) => (one.name, one.version),
        };
        if let Some(old) = all.get(&name).filter(|old| old.value != value) {
            let title = format!("the package {} is named in two versions", name.0);
            problems.push(Problem::new(&origin, title, "again here").and(&old.origin, "first here"));
        }
        all.insert(name, Located { value, origin });
    }
    all
}

/// Where a file's bytes are, which has to be one place.
fn bytes(file: &FileWritten, files: &mut Attachments<'_>, problems: &mut Problems) -> Option<Bytes> {
    let path = &file.path.value.0;
    let mut wrong = |origin: &Origin, title: String, label: &str| {
        problems.push(Problem::new(origin, title, label));
        None
    };
    if let (Some(digest), None) = (&file.digest, &file.url) {
        return wrong(
            &digest.origin,
            format!("{path} has a `digest` without `url`"),
            "it is for `url` alone",
        );
    }
    match (&file.content, &file.source, &file.url) {
        (Some(content), None, None) => Some(Bytes::Given(content.clone().into_bytes())),
        (None, Some(source), None) => files.read(source, problems).map(Bytes::Given),
        (None, None, Some(url)) => {
            let digest = file.digest.as_ref().map(|digest| digest.value);
            Some(Bytes::Remote { url: url.clone(), digest })
        }
        (None, None, None) => {
            let title = format!("{path} has neither `content` nor `source` nor `url`");
            wrong(&file.origin, title, "one of them is required")
        }
        (Some(_), Some(source), None) => {
            wrong(source.origin(), format!("{path} has both `content` and `source`"), "keep one of them")
        }
        (_, _, Some(url)) => {
            let title = format!("{path} has `url` beside `content` or `source`");
            wrong(&url.origin, title, "keep one of them")
        }
    }
}
