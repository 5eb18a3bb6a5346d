//! The handle on a machine: its files below a root, and the programs that may be run for it.

use std::path::Path;

use crate::program::{self, Program};
use crate::root::Root;
use crate::{Error, Result};

/// Where programs are looked for on the running system, whatever `PATH` says: an administrator's own `PATH` must not
/// decide which `systemctl` runs as root, and under sudo or cron `sbin` is often missing.
pub const SYSTEM_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// One machine: files and programs.
#[derive(Debug)]
pub struct Host {
    /// The files.
    pub root: Root,
    path: Option<String>,
    booting: bool,
}

impl Host {
    /// The running system with the programs of [`SYSTEM_PATH`].
    pub fn live() -> Result<Host> {
        Ok(Host { root: Root::live()?, path: Some(SYSTEM_PATH.to_owned()), booting: false })
    }

    /// The system below a directory. It has no programs, because those of the running system would change the
    /// running system: each attempt is [`Error::NotLive`], until [`Host::with_path`] says where its own are.
    pub fn with_root(path: &Path) -> Result<Host> {
        let root = Root::open(path)?;
        let path = root.is_live().then(|| SYSTEM_PATH.to_owned());
        Ok(Host { root, path, booting: false })
    }

    /// Looks for programs in these folders (`:` between them, first wins), and gives them to children as `PATH`.
    #[must_use]
    pub fn with_path(mut self, path: impl Into<String>) -> Host {
        self.path = Some(path.into());
        self
    }

    /// The host is being booted by a unit that others wait for, and this process is that unit: what it starts may only
    /// come up after it, so that nothing is waited for.
    #[must_use]
    pub fn while_booting(mut self) -> Host {
        self.booting = true;
        self
    }

    /// Whether [`Host::while_booting`] was said.
    pub fn is_booting(&self) -> bool {
        self.booting
    }

    /// Whether programs can be run at all.
    pub fn runs_programs(&self) -> bool {
        self.path.is_some()
    }

    /// A program to be given arguments and run.
    pub fn program(&self, name: &str) -> Program<'_> {
        Program::new(self, name)
    }

    /// Whether a program of that name is installed.
    pub fn has_program(&self, name: &str) -> bool {
        self.path.as_deref().is_some_and(|path| program::find(name, path).is_some())
    }

    /// The folders that programs are looked for in; an error when there are none.
    pub(crate) fn search_path(&self, what: &str) -> Result<&str> {
        self.path
            .as_deref()
            .ok_or_else(|| Error::NotLive { what: what.to_owned(), root: self.root.path().to_path_buf() })
    }
}
