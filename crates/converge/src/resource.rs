//! Names of resources and what is wanted of each; knows no section's meaning and no machine.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::Path;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::poke::Poke;
use crate::state::State;

/// What a resource is, the part of its id before the colon.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// A file, directory or symbolic link, or (with `#part`) a part of a file that belongs to others.
    File,
    /// A package of the distribution.
    Package,
    /// A systemd unit.
    Unit,
    /// A container image in podman's storage.
    Image,
    /// A single value that the system keeps: `hostname`.
    Setting,
    /// Mirrored images in a registry.
    Content,
}

impl Kind {
    const ALL: [(Self, &'static str); 6] = [
        (Self::File, "file"),
        (Self::Package, "package"),
        (Self::Unit, "unit"),
        (Self::Image, "image"),
        (Self::Setting, "setting"),
        (Self::Content, "content"),
    ];

    fn name(self) -> &'static str {
        Self::ALL.iter().find(|(kind, _)| *kind == self).map_or("", |(_, name)| name)
    }
}

/// The name of a resource: `file:/etc/hosts#provision`, `unit:registry.service`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ResourceId {
    kind: Kind,
    name: String,
}

impl ResourceId {
    /// The id of a whole file, directory or symbolic link at an absolute path.
    pub fn file(path: impl AsRef<Path>) -> Self {
        Self { kind: Kind::File, name: path.as_ref().to_string_lossy().into_owned() }
    }

    /// The id of one part of a file that belongs to others: see [`crate::part`].
    pub fn part(path: impl AsRef<Path>, part: &str) -> Self {
        Self { kind: Kind::File, name: format!("{}#{part}", path.as_ref().to_string_lossy()) }
    }

    /// The id of a package.
    pub fn package(name: impl Into<String>) -> Self {
        Self { kind: Kind::Package, name: name.into() }
    }

    /// The id of a systemd unit, suffix included.
    pub fn unit(name: impl Into<String>) -> Self {
        Self { kind: Kind::Unit, name: name.into() }
    }

    /// The id of a container image by the name podman knows it under.
    pub fn image(name: impl Into<String>) -> Self {
        Self { kind: Kind::Image, name: name.into() }
    }

    /// The id of a setting.
    pub fn setting(name: impl Into<String>) -> Self {
        Self { kind: Kind::Setting, name: name.into() }
    }

    /// The id of a set of mirrored images.
    pub fn content(name: impl Into<String>) -> Self {
        Self { kind: Kind::Content, name: name.into() }
    }

    /// What the resource is.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// The name without the kind.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The path of a file resource, without the part.
    pub fn path(&self) -> &Path {
        Path::new(self.name.split_once('#').map_or(self.name.as_str(), |(path, _)| path))
    }

    /// The part of the file that the resource is about, if it is not the whole file.
    pub fn file_part(&self) -> Option<&str> {
        match self.kind {
            Kind::File => self.name.split_once('#').map(|(_, part)| part),
            _ => None,
        }
    }
}

impl fmt::Display for ResourceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.kind.name(), self.name)
    }
}

/// A text that is not a resource id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is not a resource id: expected file:, package:, unit:, image:, setting: or content: and a name"
)]
pub struct BadResourceId(String);

impl FromStr for ResourceId {
    type Err = BadResourceId;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let bad = || BadResourceId(text.to_owned());
        let (kind, name) = text.split_once(':').ok_or_else(bad)?;
        let (kind, _) = Kind::ALL.iter().find(|(_, known)| *known == kind).ok_or_else(bad)?;
        if name.is_empty() || (*kind == Kind::File && !name.starts_with('/')) {
            return Err(bad());
        }
        Ok(Self { kind: *kind, name: name.to_owned() })
    }
}

impl Serialize for ResourceId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for ResourceId {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// What is wanted of one resource, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resource {
    /// The section of the profile that asks for it.
    pub section: String,
    /// The section's place in the order of sections; resources of one phase are done in this order.
    pub order: u32,
    /// The state wanted.
    pub state: State,
    /// Who has to be told when the resource changes.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub pokes: BTreeSet<Poke>,
}

/// Resources by their id.
pub type Resources = BTreeMap<ResourceId, Resource>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_read_back_as_written() {
        for text in [
            "file:/etc/hosts",
            "file:/etc/hosts#provision",
            "package:podman",
            "unit:registry.service",
            "image:localhost/registry:1",
            "setting:hostname",
            "content:ocp4/openshift4",
        ] {
            let id: ResourceId = text.parse().unwrap();
            assert_eq!(id.to_string(), text);
        }
    }

    #[test]
    fn texts_that_are_no_ids_are_refused() {
        for text in ["", "file:", "file:etc/hosts", "disk:/dev/sda", "package"] {
            assert!(text.parse::<ResourceId>().is_err(), "{text:?} was taken");
        }
    }

    #[test]
    fn a_part_has_its_file_s_path() {
        let id = ResourceId::part("/etc/hosts", "provision");
        assert_eq!((id.path(), id.file_part()), (Path::new("/etc/hosts"), Some("provision")));
        assert_eq!(ResourceId::file("/etc/hosts").file_part(), None);
    }
}
