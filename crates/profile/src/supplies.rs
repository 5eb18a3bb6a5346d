//! What a profile takes from the machine that it lies on, and that is read only when something is made of it: to change
//! another host, it has to come along.
//!
//! Knows which keys name such things. Must not know how they travel. Files that loading reads (imports, sources, anchors)
//! are not told here: whoever loads has read them.

use std::collections::BTreeSet;
use std::path::PathBuf;

use crate::profile::Profile;
use crate::secret::Secret;
use crate::section::registry::{Backend, ServerImage};

/// Things beside a profile.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Supplies {
    /// Files.
    pub files: BTreeSet<PathBuf>,
    /// Variables of the environment.
    pub variables: BTreeSet<String>,
    /// Credentials of systemd: files below `CREDENTIALS_DIRECTORY`.
    pub credentials: BTreeSet<String>,
}

impl Profile {
    /// What making things of this profile will ask for, beyond what loading it has read.
    pub fn supplies(&self) -> Supplies {
        let mut supplies = Supplies::default();
        if let Some(registry) = &self.registry {
            match &registry.password {
                Secret::Generate(_) => {}
                Secret::File(path) => drop(supplies.files.insert(path.clone())),
                Secret::Env(name) => drop(supplies.variables.insert(name.clone())),
                Secret::Credential(name) => drop(supplies.credentials.insert(name.clone())),
            }
            if let Backend::Distribution(ServerImage::Archive { path, .. }) = &registry.backend {
                supplies.files.insert(path.clone());
            }
        }
        supplies.files.extend(self.trust.pair.iter().map(|pair| pair.key.clone()));
        supplies
            .files
            .extend(self.pull_secret.iter().flat_map(|secret| &secret.base).map(|(path, _)| path.clone()));
        supplies
    }
}
