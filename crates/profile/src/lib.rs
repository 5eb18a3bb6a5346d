//! Profiles: from TOML to a typed, checked declaration of one host, and on to its desired state.
//!
//! Knows every section's meaning, the rules of merging, and the line every value came from. Must not know how a
//! change is made. [`load`] touches no file itself: it is handed a function that reads.
//!
//! Three types for one profile: [`tree::Table`] as written, [`profile::Merged`] after imports and variables,
//! [`Profile`] after validation.

pub mod attachment;
mod draft;
pub mod error;
pub mod explain;
pub mod forge;
pub mod import;
pub mod lock;
mod merge;
mod podman;
pub mod problem;
pub mod profile;
mod read;
pub mod recipe;
mod requirements;
pub mod resolve;
pub mod scalar;
pub mod secret;
pub mod section;
pub mod source;
mod supplies;
pub mod tree;
mod variable;

pub use error::{Error, FileError};
pub use forge::{Forge, Making};
pub use import::ReadFile;
pub use lock::{Exact, Lock};
pub use problem::{Problem, Problems};
pub use profile::{Profile, load};
pub use recipe::Recipe;
pub use resolve::{LockedImage, Resolution, resolve};
pub use supplies::Supplies;
