//! Registry credentials as kept in `auth.json`, a pull secret or Docker's `config.json`.
//!
//! Knows the format and the lookup rules of containers-auth.json(5): [`AuthFile`] reads, edits, merges, redacts and
//! judges one such file, [`search_path`] says where such files are. It is pure: bytes in, bytes out.
//! Must not know what an image is, what a registry holds, or where this process keeps its files: it reads no file,
//! no environment variable, and starts no credential helper.
//!
//! Edits are made in the text of the file. What an edit does not concern (unknown fields, order, numbers, blanks)
//! stays as it was, byte for byte.

mod auth_file;
mod credentials;
mod document;
mod error;
mod finding;
mod lookup;
mod merge;
mod search;
mod show;
mod syntax;

pub use auth_file::AuthFile;
pub use credentials::{AuthDefect, Credentials};
pub use error::{Error, Result};
pub use finding::{Finding, Severity};
pub use lookup::{HelperSource, Match};
pub use merge::merge;
pub use search::{Candidate, Environment, Format, search_path};
pub use show::{Shown, ShownEntry, ShownKind};
