//! The lock: what a profile names loosely, made exact, as a file beside the profile.
//!
//! Knows entries, what a profile has to have there, and how two locks differ. Must not know how a name is resolved:
//! that takes a registry, a web server, a package manager or a file, and is for whoever may ask them.

use std::collections::BTreeMap;
use std::fmt;

use provision_host::facts::Facts;
use provision_host::{Family, OsRelease};
use provision_oci::Digest;
use serde::Serialize;

mod exact;
mod pin;
pub mod read;
mod text;

pub use exact::Exact;
pub use pin::{Pin, What};

/// All entries, in the order of the file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lock {
    /// What each thing that is named stands for.
    pub entries: BTreeMap<Key, Entry>,
}

/// What kind of thing an entry is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// An archive of an image, a file beside the profile.
    Archive,
    /// A file from a web server.
    File,
    /// A container image.
    Image,
    /// A package of the distribution.
    Package,
    /// An OpenShift release.
    Release,
}

/// Which thing an entry is about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Key {
    /// What kind of thing.
    pub kind: Kind,
    /// Its name, as the profile writes it.
    pub name: String,
    /// For a package: the hosts whose repositories were asked, such as `debian-12 x86_64`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
}

/// What a thing is, exactly.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Entry {
    /// An archive.
    Archive {
        /// The digest of the file.
        digest: Digest,
    },
    /// A file from a web server.
    File {
        /// The digest of its bytes.
        digest: Digest,
        /// How many there are.
        size: u64,
    },
    /// A container image.
    Image {
        /// The digest of what the name stood for: an image, or a list of them.
        digest: Digest,
        /// The images by architecture, as Go names it: `amd64`.
        platforms: BTreeMap<String, Platform>,
    },
    /// A package.
    Package {
        /// Its version, as the package manager writes it.
        version: String,
    },
    /// An OpenShift release.
    Release(Release),
}

/// The image for one architecture.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Platform {
    /// The digest of its manifest.
    pub digest: Digest,
    /// Its id: the digest of its configuration, by which podman knows it.
    pub id: Digest,
}

/// An OpenShift release with all that belongs to it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Release {
    /// The digest of the release image, or of the list of them.
    pub digest: Digest,
    /// Such as `4.10.0`.
    pub version: String,
    /// As OpenShift names it: `x86_64`, `multi`.
    pub architecture: String,
    /// Bytes of all blobs together, each counted once.
    pub size: u64,
    /// The component images by name.
    pub components: BTreeMap<String, Component>,
}

/// A component of a release.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Component {
    /// Where it is, by digest.
    pub image: String,
    /// Bytes of its blobs, each counted once.
    pub size: u64,
}

/// One entry that came, went or is another now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Change {
    /// Which.
    #[serde(flatten)]
    pub key: Key,
    /// What it was.
    pub from: Option<Entry>,
    /// What it is.
    pub to: Option<Entry>,
}

impl Lock {
    /// What is different in another lock, in the order of the file.
    pub fn changes(&self, other: &Self) -> Vec<Change> {
        let mut keys: Vec<&Key> = self.entries.keys().chain(other.entries.keys()).collect();
        keys.sort();
        keys.dedup();
        let change = |key: &Key| {
            let (from, to) = (self.entries.get(key), other.entries.get(key));
            (from != to).then(|| Change { key: key.clone(), from: from.cloned(), to: to.cloned() })
        };
        keys.into_iter().filter_map(change).collect()
    }

    /// Drops what is no longer named. Versions of packages that belong to other hosts stay while the package is named.
    pub fn keep_only(&mut self, pins: &[Pin]) {
        let same = |one: &Key, key: &Key| one.kind == key.kind && one.name == key.name;
        self.entries.retain(|key, _| pins.iter().any(|pin| same(&pin.key, key)));
    }
}

impl Kind {
    /// The name of its blocks in the file.
    pub fn word(self) -> &'static str {
        match self {
            Self::Archive => "archive",
            Self::File => "file",
            Self::Image => "image",
            Self::Package => "package",
            Self::Release => "release",
        }
    }
}

impl Key {
    /// The key of something that is the same on every host.
    pub(crate) fn new(kind: Kind, name: impl Into<String>) -> Self {
        Self { kind, name: name.into(), host: None }
    }

    /// The key of a package on hosts with these facts: another distribution or machine has other versions.
    pub(crate) fn package(name: &str, facts: &Facts) -> Self {
        let OsRelease { id, version_id, .. } = &facts.os;
        // A minor release of RHEL is an update like any other; Debian's and Ubuntu's numbers are whole.
        let release = version_id.as_deref().map(|version| match facts.family {
            Family::RedHat => version.split('.').next().unwrap_or(version),
            Family::Debian => version,
        });
        let system = release.map_or(id.clone(), |release| format!("{id}-{release}"));
        Self { kind: Kind::Package, name: name.to_owned(), host: Some(format!("{system} {}", facts.arch)) }
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind.word(), self.name)?;
        match &self.host {
            Some(host) => write!(f, " ({host})"),
            None => Ok(()),
        }
    }
}

impl Entry {
    /// The digest that the entry is about; a package has none.
    pub fn digest(&self) -> Option<&Digest> {
        match self {
            Self::Archive { digest } | Self::File { digest, .. } | Self::Image { digest, .. } => Some(digest),
            Self::Release(release) => Some(&release.digest),
            Self::Package { .. } => None,
        }
    }

    fn kind(&self) -> Kind {
        match self {
            Self::Archive { .. } => Kind::Archive,
            Self::File { .. } => Kind::File,
            Self::Image { .. } => Kind::Image,
            Self::Package { .. } => Kind::Package,
            Self::Release(_) => Kind::Release,
        }
    }
}
