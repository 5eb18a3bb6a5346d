//! Content: images and OpenShift releases, from where they are to where they are needed.
//!
//! Knows payloads, media and mirror sets. Must not know hosts, units or terminals: progress leaves as [`Event`]s.

mod copy;
mod endpoint;
mod error;
mod event;
mod expand;
mod inventory;
mod media;
mod mirror_set;
mod payload;
mod presence;
mod to_dir;

pub use copy::{Summary, copy};
pub use endpoint::{Source, Target};
pub use error::{Error, Result};
pub use event::{Event, Listener};
pub use expand::{Image, Selection, Work, expand};
pub use inventory::{Inventory, Part};
pub use media::{Media, Root};
pub use mirror_set::{Kind, MirrorSet, Redirect, instructions};
pub use payload::{Component, Payload};
pub use to_dir::{ToDir, UNKNOWN_REGISTRY};
