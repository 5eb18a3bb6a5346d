//! The only crate that touches a machine: files below a root directory, one way to run a program, and the
//! questions and changes that systemd, the package manager and the name service understand.
//!
//! It must not know profiles, podman, registries or certificates, and it never prints.
//! Everything is synchronous. Absence is `Ok(None)`, never an error.

pub mod boot;
pub mod capacity;
pub mod clock;
pub mod connection;
mod environment;
mod error;
pub mod facts;
mod family;
mod host;
pub mod hostname;
pub mod linger;
mod lock;
pub mod names;
mod node;
pub mod packages;
pub mod privilege;
mod program;
mod root;
pub mod selinux;
pub mod sockets;
pub mod ssh;
pub mod subordinate;
pub mod systemd;
pub mod trust;

pub use connection::Connection;
pub use environment::{args, current_dir, current_exe, effective_uid, home, machine, now, var};
pub use error::{Error, Result};
pub use facts::Facts;
pub use family::{Family, OsRelease};
pub use host::{Host, SYSTEM_PATH};
pub use lock::Lock;
pub use node::{Meta, Node, NodeKind, Space};
pub use privilege::re_exec_with_sudo;
pub use program::{DEFAULT_TIMEOUT, Heard, Input, Line, Output, Program, Running};
pub use root::{Root, TEMPORARY_PREFIX};
pub use selinux::Selinux;
