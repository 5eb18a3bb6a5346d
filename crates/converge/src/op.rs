//! A primitive change. Every op carries both ends, so undo, diff, resume and destroy are written once.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::poke::Poke;
use crate::resource::ResourceId;
use crate::state::State;

/// A primitive change of the host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "op")]
pub enum Op {
    /// A file, directory, symbolic link or part of a file is made, changed or removed.
    Put {
        /// Which.
        id: ResourceId,
        /// What is there before.
        from: State,
        /// What is there after.
        to: State,
    },
    /// Packages come and go, in one transaction of the package manager.
    Packages {
        /// Names to install, with the exact version where one is wanted.
        install: BTreeMap<String, Option<String>>,
        /// Names to remove, with their configuration.
        remove: BTreeSet<String>,
    },
    /// A unit is enabled, started, masked, or the other way round.
    Unit {
        /// Its name, suffix included.
        name: String,
        /// What it is before.
        from: State,
        /// What it is after.
        to: State,
    },
    /// An image is loaded into podman's storage, or removed from it.
    Image {
        /// The name podman knows it under.
        name: String,
        /// What is there before.
        from: State,
        /// What is there after.
        to: State,
    },
    /// A setting takes another value.
    Set {
        /// Which.
        name: String,
        /// The value before.
        from: State,
        /// The value after.
        to: State,
    },
    /// Images are mirrored. They are data: an undo keeps them.
    Content {
        /// Name of the set.
        name: String,
        /// What has to be present afterwards.
        to: State,
    },
    /// Something is told of changes; no lasting state.
    Poke {
        /// What.
        poke: Poke,
    },
}

/// How exactly a step can be taken back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Undo {
    /// Byte for byte.
    Exact,
    /// To an equivalent state: the same package, perhaps with other files in its caches.
    Equivalent,
    /// Not at all: data is kept.
    Kept,
}

impl fmt::Display for Undo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Exact => "exact",
            Self::Equivalent => "equivalent",
            Self::Kept => "kept",
        })
    }
}

impl Op {
    /// The op that takes this one back; none when there is nothing to take back.
    pub fn inverse(&self) -> Option<Self> {
        match self.clone() {
            Self::Put { id, from, to } => Some(Self::Put { id, from: to, to: from }),
            Self::Packages { install, remove } => Some(Self::Packages {
                install: remove.into_iter().map(|name| (name, None)).collect(),
                remove: install.into_keys().collect(),
            }),
            Self::Unit { name, from, to } => Some(Self::Unit { name, from: to, to: from }),
            Self::Image { name, from, to } => Some(Self::Image { name, from: to, to: from }),
            Self::Set { name, from, to } => Some(Self::Set { name, from: to, to: from }),
            Self::Content { .. } | Self::Poke { .. } => None,
        }
    }

    /// How exactly this op can be taken back.
    pub fn undo(&self) -> Undo {
        match self {
            Self::Packages { .. } => Undo::Equivalent,
            Self::Content { .. } => Undo::Kept,
            _ => Undo::Exact,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_inverse_of_the_inverse_is_the_op() {
        let value = |value: &str| State::setting(value);
        let ops = [
            Op::Set { name: "hostname".into(), from: value("a"), to: value("b") },
            Op::Put { id: ResourceId::file("/etc/x"), from: State::Absent, to: value("b") },
            Op::Packages {
                install: [("podman".to_owned(), None)].into(),
                remove: ["docker".to_owned()].into(),
            },
        ];
        for op in ops {
            let inverse = op.inverse().unwrap();
            assert_ne!(inverse, op);
            assert_eq!(inverse.inverse().unwrap(), op);
        }
    }

    #[test]
    fn content_is_kept() {
        let op = Op::Content { name: "x".into(), to: State::Absent };
        assert_eq!((op.inverse(), op.undo()), (None, Undo::Kept));
    }
}
