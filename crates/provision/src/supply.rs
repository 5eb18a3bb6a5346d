//! Where a profile, and what it names beside itself, is read from: this machine, or the one that a command came from.
//! Never the host that is changed, which may be another root file system.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use provision_host::{Error as HostError, Root};

use crate::exit::Exit;
use crate::failure::Failure;
use crate::remote::Bundle;

/// Files and variables of the machine on which a command was typed.
#[derive(Debug, Clone, Default)]
pub enum Supply {
    /// This one.
    #[default]
    Here,
    /// Another one; everything that is needed came along.
    Carried(Arc<Bundle>),
}

impl Supply {
    /// Reads a file.
    pub fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        match self {
            Self::Here => read(path),
            Self::Carried(bundle) => bundle.read(path),
        }
    }

    /// A variable of the environment.
    pub fn variable(&self, name: &str) -> Option<String> {
        match self {
            Self::Here => provision_host::var(name),
            Self::Carried(bundle) => bundle.variable(name),
        }
    }

    /// A path as it was typed, from the root.
    pub fn absolute(&self, path: &Path) -> Result<PathBuf, Failure> {
        match self {
            Self::Here => absolute(path),
            Self::Carried(bundle) => Ok(bundle.directory().join(path)),
        }
    }

    /// Whether a file is a plan and no profile: no TOML file starts like this.
    pub fn is_plan(bytes: &[u8]) -> bool {
        bytes.trim_ascii_start().starts_with(b"{")
    }
}

fn read(path: &Path) -> io::Result<Vec<u8>> {
    let plain = |error: HostError| match error {
        HostError::File { source, .. } => source,
        other => io::Error::other(other.to_string()),
    };
    let root = Root::live().map_err(plain)?;
    if root.list(path).is_ok_and(|names| names.is_some()) {
        return Err(io::ErrorKind::IsADirectory.into());
    }
    root.read(path).map_err(plain)?.ok_or_else(|| io::ErrorKind::NotFound.into())
}

/// A path as it was typed here, from the root.
pub fn absolute(path: &Path) -> Result<PathBuf, Failure> {
    if path.is_absolute() {
        return Ok(path.to_owned());
    }
    let here = provision_host::current_dir().map_err(|error| {
        Failure::new(
            Exit::Failed,
            format!("cannot tell where {} is: the current directory is gone", path.display()),
        )
        .cause(&error)
        .hint("change to a directory that is there, or give the path from /")
    })?;
    Ok(here.join(path))
}
