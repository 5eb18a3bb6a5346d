//! `[preflight]`: what the host must offer before anything is changed.
//!
//! Knows the keys and the requirements they become. Must not know how a requirement is checked.

use std::fmt;

use crate::read::{Text, choice, table};
use crate::scalar::{Account, AtLeast, Count, HostName, HostPath, Size};

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
        /// A user whose containers shall run without root, also when nobody is logged in.
        rootless: Option<Account>,
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
        login: Option<Login>,
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

/// `user@host`, in parts that ssh cannot take for options.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Login {
    /// The account.
    pub user: Account,
    /// The host.
    pub host: HostName,
}

impl Text for Login {
    const EXPECTED: &'static str = "a login such as \"root@localhost\"";

    fn parse(text: &str) -> Result<Self, String> {
        let (user, host) = text.split_once('@').ok_or("an account, `@` and a host")?;
        Ok(Self { user: Account::parse(user)?, host: HostName::parse(host)? })
    }
}

impl fmt::Display for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.user.0, self.host.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logins() {
        assert_eq!(Login::parse("root@localhost").unwrap().to_string(), "root@localhost");
        for text in ["", "root", "@localhost", "-oProxyCommand=x@h", "root@-h", "a@b@c"] {
            assert!(Login::parse(text).is_err(), "{text:?} was taken");
        }
    }
}
