//! The only crate that touches a machine: files below a root directory, one way to run a program, and the
//! questions and changes that systemd, the package manager and the name service understand.
//!
//! It must not know profiles, podman, registries or certificates, and it never prints.
//! Everything is synchronous. Absence is `Ok(None)`, never an error.

mod error;
mod node;
mod root;

pub use error::{Error, Result};
pub use node::{Meta, Node, NodeKind, Space};
pub use root::{Root, TEMPORARY_PREFIX};
