//! What a write that was cut off leaves beside the file that it was for, and where to look for it.

use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use provision_host::{Error as HostError, TEMPORARY_PREFIX};

use super::Engine;
use crate::error::Result;
use crate::guard::Guard;
use crate::resource::Kind;

/// The directories of our own in which every directory may hold such a file.
const OURS: [&str; 4] = ["generations", "recover", "secrets", "store/sha256"];

/// Where the name of the host is written (hostname(5)).
const ETC: &str = "/etc";

impl Engine<'_> {
    /// Removes what is left among our own records. A run may have been cut off there at any time, also before it had a
    /// journal; the very first one while it made the directories above.
    pub(super) fn sweep_own(&self) -> Result<()> {
        let own = self.machine.vault.directory();
        let root = &self.machine.host.root;
        let mut places: BTreeSet<PathBuf> = own.ancestors().map(Path::to_path_buf).collect();
        places.extend(["lost+found", "store"].map(|place| own.join(place)));
        for place in OURS.map(|place| own.join(place)) {
            let names = root.list(&place)?.unwrap_or_default();
            places.extend(names.iter().map(|name| place.join(name)));
            places.insert(place);
        }
        places.iter().try_for_each(|place| self.sweep_directory(place))
    }

    /// Removes what is left beside the files of a generation and of the one before.
    pub(super) fn sweep(&self, number: u64) -> Result<()> {
        let mut resources = self.recorded()?.resources;
        resources.extend(self.attempted(number)?.resources);
        let mut directories: BTreeSet<PathBuf> = Guard::places().map(Path::to_path_buf).into();
        for id in resources.keys() {
            match id.kind() {
                Kind::File => {
                    directories.extend(id.path().parent().map(Path::to_path_buf));
                    // Parts are written where a link leads to; where one leads in a circle, nothing was.
                    let behind = self.machine.host.root.behind(id.path()).ok();
                    directories.extend(behind.iter().filter_map(|file| file.parent()).map(Path::to_path_buf));
                }
                Kind::Setting => drop(directories.insert(PathBuf::from(ETC))),
                Kind::Package | Kind::Unit | Kind::Image | Kind::Content => {}
            }
        }
        directories.iter().try_for_each(|directory| self.sweep_directory(directory))
    }

    fn sweep_directory(&self, directory: &Path) -> Result<()> {
        let root = &self.machine.host.root;
        let names = match root.list(directory) {
            // Asking each first whether it is a directory would take longer than looking.
            Err(HostError::File { source, .. }) if source.kind() == ErrorKind::NotADirectory => None,
            listed => listed?,
        };
        for name in names.unwrap_or_default().iter().filter(|name| name.starts_with(TEMPORARY_PREFIX)) {
            root.remove(&directory.join(name))?;
        }
        Ok(())
    }
}
