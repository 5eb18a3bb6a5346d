//! The engine: resources, plan, ops, journal, generations.
//!
//! Knows states, ops, order and undo; must not know what a section of a profile means, and prints nothing.

pub mod desired;
pub mod health;
pub mod poke;
pub mod resource;
pub mod state;

pub use desired::Desired;
pub use health::Health;
pub use poke::Poke;
pub use resource::{Kind, Resource, ResourceId, Resources};
pub use state::{
    Content, ContentState, DirectoryState, FileState, ImageSource, ImageState, PackageState, PartState,
    State, SymlinkState, UnitState,
};
