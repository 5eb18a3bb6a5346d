//! `[preflight]`: what the host must offer before anything is changed.
//!
//! Knows the keys and the requirements they become. Must not know how a requirement is checked.

use crate::read::{choice, table};
use crate::scalar::{AtLeast, Count, HostPath, Size};

table! {
    /// `[preflight]` as written; every key is a requirement by itself.
    pub struct Preflight {
        /// The lowest podman version, such as ">=3.3".
        podman: Option<AtLeast>,
        /// Whether sudo must work without asking.
        sudo: Option<Sudo>,
        /// Keys for SSH and a login that must work.
        ssh: Option<Ssh>,
        /// Free space by path.
        disk: Vec<Disk>,
        /// The least memory, such as "4GiB".
        memory: Option<Size>,
        /// The least number of processors.
        cpus: Option<Count>,
    }
}

choice! {
    /// What is asked of sudo.
    pub enum Sudo {
        /// `sudo -n` works.
        Passwordless = "passwordless",
    }
}

table! {
    /// `ssh = { … }`.
    pub struct Ssh {
        /// The user has a key pair that ssh would offer.
        keys: bool = true,
        /// `user@host` to which a login without questions must work.
        login: Option<String>,
    }
}

table! {
    /// One entry of `disk = [ … ]`.
    pub struct Disk {
        /// A path on the file system that is meant; it need not exist yet.
        path: HostPath,
        /// The least free space, such as "30GiB".
        free: Size,
    }
}
