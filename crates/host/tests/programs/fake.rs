//! A host whose programs are scripts, in a folder first in the child's `PATH`; how they were called is noted.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use provision_host::Host;

/// A root directory, and a folder of programs. Scripts find the folder in `$FAKE`.
pub(crate) struct Fake {
    directory: tempfile::TempDir,
}

impl Fake {
    pub(crate) fn new() -> Fake {
        let directory = tempfile::tempdir().unwrap();
        for name in ["bin", "scripts", "root/etc"] {
            fs::create_dir_all(directory.path().join(name)).unwrap();
        }
        Fake { directory }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Installs a program.
    pub(crate) fn program(&self, name: &str, script: &str) {
        self.file(&format!("scripts/{name}"), script);
        let link = self.path("bin").join(name);
        if !link.exists() {
            symlink(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/programs/fake.sh"), link).unwrap();
        }
    }

    /// Writes a file beside the programs, for them to read.
    pub(crate) fn file(&self, name: &str, text: &str) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// The host: the root directory, these programs, and those of the system for the scripts' own use.
    pub(crate) fn host(&self) -> Host {
        let path = format!("{}:/usr/bin:/bin", self.path("bin").display());
        Host::with_root(&self.path("root")).unwrap().with_path(path)
    }

    /// A host without any other programs.
    pub(crate) fn bare_host(&self) -> Host {
        Host::with_root(&self.path("root")).unwrap().with_path(self.path("bin").display().to_string())
    }

    /// The command lines since this was last asked.
    pub(crate) fn calls(&self) -> Vec<String> {
        let text = fs::read_to_string(self.path("calls")).unwrap_or_default();
        let _ = fs::remove_file(self.path("calls"));
        text.lines().map(str::to_owned).collect()
    }
}

/// Packages in any version, as a transaction takes them.
pub(crate) fn any(names: &[&str]) -> BTreeMap<String, Option<String>> {
    names.iter().map(|&name| (name.to_owned(), None)).collect()
}

/// One package in an exact version, as a transaction takes it.
pub(crate) fn exactly(name: &str, version: &str) -> BTreeMap<String, Option<String>> {
    BTreeMap::from([(name.to_owned(), Some(version.to_owned()))])
}
