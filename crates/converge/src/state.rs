//! What a resource is, was, or shall be: plain data, the same type for all three.
//!
//! A wanted state may leave things open (any version of a package, whatever label the system gives a
//! file); an observed one is always complete. [`State::satisfies`] is the only comparison.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The state of one resource.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "is")]
pub enum State {
    /// It is not there.
    Absent,
    /// A regular file, all of it ours.
    File(FileState),
    /// A directory.
    Directory(DirectoryState),
    /// A symbolic link.
    Symlink(SymlinkState),
    /// A part of a file that belongs to others; the file is there.
    Part(PartState),
    /// An installed package.
    Package(PackageState),
    /// A systemd unit that systemd knows.
    Unit(UnitState),
    /// A container image in podman's storage.
    Image(ImageState),
    /// The value of a setting.
    Setting {
        /// The value in force now.
        value: String,
        /// The value after the next boot; none: the system's own default.
        configured: Option<String>,
    },
    /// Mirrored images, all present.
    Content(ContentState),
    /// Something that provision can neither make nor restore, such as a device or a socket.
    Foreign {
        /// What it is.
        what: String,
    },
    /// It could not be read; never the same as anything.
    Unknown {
        /// Why not.
        reason: String,
    },
}

/// Bytes, named by what they are, never held.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Content {
    /// `sha256:…`, or for a secret `hmac:…` under this host's key; none: not made yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fingerprint: Option<String>,
    /// The name in the vault, for what is made once on this host.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub generated: Option<String>,
    /// Secret bytes live in the vault only and are never shown.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub secret: bool,
}

impl Content {
    /// Content made once on this host under a name; not made yet as long as the vault has not filled it in.
    pub fn generated(name: impl Into<String>, secret: bool) -> Self {
        Self { fingerprint: None, generated: Some(name.into()), secret }
    }

    /// Content that is no secret, by its fingerprint.
    pub fn kept(fingerprint: impl Into<String>) -> Self {
        Self { fingerprint: Some(fingerprint.into()), generated: None, secret: false }
    }

    /// Whether both are known and the same bytes.
    pub fn same(&self, other: &Self) -> bool {
        self.fingerprint.is_some() && self.fingerprint == other.fingerprint
    }
}

/// A regular file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileState {
    /// Its bytes.
    pub content: Content,
    /// Permission bits, such as 0o644.
    pub mode: u32,
    /// Name of the owner, or the number where it has none.
    pub owner: String,
    /// Name of the group, or the number where it has none.
    pub group: String,
    /// Extended attributes in hexadecimal; none: whatever the system gives (SELinux label by policy).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub xattrs: Option<BTreeMap<String, String>>,
}

/// A directory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DirectoryState {
    /// Permission bits; used when the directory is made.
    pub mode: u32,
    /// Name of the owner.
    pub owner: String,
    /// Name of the group.
    pub group: String,
    /// Any directory satisfies a parent; it is made when missing and goes again only when empty.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub parent: bool,
    /// Extended attributes in hexadecimal; none: whatever the system gives.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub xattrs: Option<BTreeMap<String, String>>,
}

/// A symbolic link.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SymlinkState {
    /// Where it points, as written in the link.
    pub target: String,
    /// Name of the owner.
    pub owner: String,
    /// Name of the group.
    pub group: String,
}

/// A part of a file that belongs to others.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartState {
    /// The part's bytes; none: the file has no such part.
    pub content: Option<Content>,
    /// Permission bits for the file, used only when the part is the first thing in it.
    pub mode: u32,
}

/// An installed package.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PackageState {
    /// The exact version; none: any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
}

/// A systemd unit; what is none is left as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnitState {
    /// Starts at boot by a link of its own (a generated unit has none).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
    /// Runs now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub active: Option<bool>,
    /// Can't be started at all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub masked: Option<bool>,
}

/// A container image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageState {
    /// The image id: sha256 of its configuration, in hexadecimal without prefix.
    pub id: String,
    /// Where it comes from.
    pub source: ImageSource,
}

/// Where an image comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "from")]
pub enum ImageSource {
    /// An archive that the vault holds.
    Generated {
        /// Its bytes.
        content: Content,
    },
    /// An OCI or docker archive on this host.
    Archive {
        /// Its absolute path.
        path: String,
    },
    /// A registry, by digest.
    Pull {
        /// The reference, with its digest.
        reference: String,
    },
    /// It was found in podman's storage.
    Storage,
}

/// Mirrored images.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContentState {
    /// What is mirrored and where to, as the mirror crate describes it.
    pub content: serde_json::Value,
}

impl State {
    /// A setting with the same value now and after the next boot.
    pub fn setting(value: impl Into<String>) -> Self {
        let value = value.into();
        Self::Setting { configured: Some(value.clone()), value }
    }

    /// Whether a host in this (observed) state needs no change to be as `wanted`.
    pub fn satisfies(&self, wanted: &Self) -> bool {
        match (self, wanted) {
            (Self::Absent, Self::Absent) => true,
            (Self::File(is), Self::File(wanted)) => is.satisfies(wanted),
            (Self::Directory(is), Self::Directory(wanted)) => is.satisfies(wanted),
            (Self::Symlink(is), Self::Symlink(wanted)) => is == wanted,
            (Self::Part(is), Self::Part(wanted)) => match (&is.content, &wanted.content) {
                (None, None) => true,
                (Some(is), Some(wanted)) => is.same(wanted),
                _ => false,
            },
            // A part that is to go is gone with its file.
            (Self::Absent, Self::Part(PartState { content: None, .. })) => true,
            (Self::Package(is), Self::Package(wanted)) => {
                wanted.version.is_none() || is.version == wanted.version
            }
            (Self::Unit(is), Self::Unit(wanted)) => is.satisfies(wanted),
            // A unit that systemd does not know neither runs nor starts at boot.
            (Self::Absent, Self::Unit(wanted)) => UnitState::GONE.satisfies(wanted),
            (Self::Unit(is), Self::Absent) => is.satisfies(&UnitState::GONE),
            (Self::Image(is), Self::Image(wanted)) => is.id == wanted.id,
            (Self::Setting { .. }, Self::Setting { .. }) => self == wanted,
            (Self::Content(is), Self::Content(wanted)) => is == wanted,
            _ => false,
        }
    }

    /// The bytes this state is about, if it is about any.
    pub fn content(&self) -> Option<&Content> {
        match self {
            Self::File(file) => Some(&file.content),
            Self::Part(part) => part.content.as_ref(),
            Self::Image(ImageState { source: ImageSource::Generated { content }, .. }) => Some(content),
            _ => None,
        }
    }

    /// The bytes this state is about, to fill in what the vault knows.
    pub fn content_mut(&mut self) -> Option<&mut Content> {
        match self {
            Self::File(file) => Some(&mut file.content),
            Self::Part(part) => part.content.as_mut(),
            Self::Image(ImageState { source: ImageSource::Generated { content }, .. }) => Some(content),
            _ => None,
        }
    }
}

impl FileState {
    fn satisfies(&self, wanted: &Self) -> bool {
        self.content.same(&wanted.content)
            && (self.mode, &self.owner, &self.group) == (wanted.mode, &wanted.owner, &wanted.group)
            && (wanted.xattrs.is_none() || self.xattrs == wanted.xattrs)
    }
}

impl DirectoryState {
    fn satisfies(&self, wanted: &Self) -> bool {
        wanted.parent
            || ((self.mode, &self.owner, &self.group) == (wanted.mode, &wanted.owner, &wanted.group)
                && (wanted.xattrs.is_none() || self.xattrs == wanted.xattrs))
    }
}

impl UnitState {
    /// What a unit is that systemd does not know.
    pub const GONE: Self = Self { enabled: Some(false), active: Some(false), masked: Some(false) };

    /// A unit that runs and, unless it is generated, starts at boot.
    pub fn running(generated: bool) -> Self {
        Self { enabled: (!generated).then_some(true), active: Some(true), masked: Some(false) }
    }

    fn satisfies(&self, wanted: &Self) -> bool {
        let one = |is: Option<bool>, wanted: Option<bool>| wanted.is_none() || is == wanted || is.is_none();
        one(self.enabled, wanted.enabled)
            && one(self.active, wanted.active)
            && one(self.masked, wanted.masked)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(fingerprint: Option<&str>) -> State {
        State::File(FileState {
            content: Content { fingerprint: fingerprint.map(str::to_owned), generated: None, secret: false },
            mode: 0o644,
            owner: "root".into(),
            group: "root".into(),
            xattrs: None,
        })
    }

    #[test]
    fn content_that_is_not_made_yet_is_never_satisfied() {
        assert!(file(Some("sha256:a")).satisfies(&file(Some("sha256:a"))));
        assert!(!file(Some("sha256:a")).satisfies(&file(Some("sha256:b"))));
        assert!(!file(None).satisfies(&file(None)));
    }

    #[test]
    fn an_unknown_unit_is_as_good_as_a_stopped_one() {
        let stopped = State::Unit(UnitState { active: Some(false), ..UnitState::default() });
        assert!(State::Absent.satisfies(&stopped));
        assert!(!State::Absent.satisfies(&State::Unit(UnitState::running(true))));
    }

    #[test]
    fn any_version_satisfies_a_package_without_one() {
        let package =
            |version: Option<&str>| State::Package(PackageState { version: version.map(str::to_owned) });
        assert!(package(Some("4.3.1")).satisfies(&package(None)));
        assert!(!package(Some("4.3.1")).satisfies(&package(Some("5.0"))));
        assert!(!State::Absent.satisfies(&package(None)));
    }

    #[test]
    fn what_could_not_be_read_satisfies_nothing() {
        let unknown = State::Unknown { reason: "permission denied".into() };
        assert!(!unknown.satisfies(&unknown));
    }
}
