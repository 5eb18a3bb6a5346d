//! The lock beside a profile: where it is, what it says, and how it is written. What an entry means is not its matter.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use provision_host::{Meta, Root};
use provision_profile::Lock;
use provision_profile::import::read_text;

use crate::cli::ProfileArgs;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::supply::Supply;

/// The file, which need not be there.
pub struct LockFile {
    /// `bastion.lock` beside `bastion.toml`.
    pub path: PathBuf,
    /// Its text and what that says.
    pub found: Option<(String, Lock)>,
}

impl LockFile {
    /// Reads the lock beside a profile, if there is one.
    pub fn beside(supply: &Supply, args: &ProfileArgs) -> Result<Self, Failure> {
        let profile = supply.absolute(&args.profile)?;
        let path = profile.with_extension("lock");
        if path == profile {
            return Err(Failure::new(Exit::Usage, format!("{} is the name of a lock", path.display()))
                .hint("name the profile that it belongs to, which ends in .toml"));
        }
        let read = |path: &Path| supply.read(path);
        if read(&path).is_err_and(|error| error.kind() == ErrorKind::NotFound) {
            return Ok(Self { path, found: None });
        }
        let source = read_text(&path, &read).map_err(|error| Failure::because(Exit::Usage, &error))?;
        let lock = Lock::read(&path, source.text())?;
        Ok(Self { path, found: Some((source.text().to_owned(), lock)) })
    }

    /// What it says; none when it is not there.
    pub fn lock(&self) -> Option<&Lock> {
        self.found.as_ref().map(|(_, lock)| lock)
    }

    /// Writes another lock in its place, whole or not at all; false when it says that already. Who may read it stays.
    pub fn write(&self, lock: &Lock) -> Result<bool, Failure> {
        let text = lock.text();
        if self.found.as_ref().is_some_and(|(old, _)| *old == text) {
            return Ok(false);
        }
        let here = Root::live()?;
        let path = here.behind(&self.path)?;
        let meta = here.node(&path)?.map_or(Meta::own(0o644), |node| node.meta);
        here.write(&path, text.as_bytes(), &meta)?;
        Ok(true)
    }

    /// Its name alone.
    pub fn name(&self) -> String {
        self.path.file_name().unwrap_or(Path::new("").as_os_str()).to_string_lossy().into_owned()
    }
}
