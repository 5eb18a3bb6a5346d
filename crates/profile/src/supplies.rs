//! What a profile takes from the machine that it lies on, and that is read only when something is made of it: to change
//! another host, it has to come along.
//!
//! Knows which keys name such things. Must not know how they travel. Files that loading reads (imports, sources, anchors)
//! are not told here: whoever loads has read them.

use std::collections::BTreeSet;
use std::path::PathBuf;

use crate::profile::Profile;
use crate::recipe::Recipe;
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

impl Supplies {
    /// What making things by these recipes will ask for.
    pub fn of(recipes: &[Recipe]) -> Self {
        let mut supplies = Self::default();
        for recipe in recipes {
            match recipe {
                Recipe::Password { source, .. } => supplies.secret(source),
                Recipe::OwnPair { key_file: file, .. }
                | Recipe::BaseEntry { file, .. }
                | Recipe::CarriedImage { file, .. } => drop(supplies.files.insert(file.clone())),
                Recipe::Authority { .. }
                | Recipe::Certificate { .. }
                | Recipe::Htpasswd { .. }
                | Recipe::AuthEntry { .. }
                | Recipe::OwnImage { .. } => {}
            }
        }
        supplies
    }

    fn secret(&mut self, secret: &Secret) {
        match secret {
            Secret::Generate(_) => {}
            Secret::File(path) => drop(self.files.insert(path.clone())),
            Secret::Env(name) => drop(self.variables.insert(name.clone())),
            Secret::Credential(name) => drop(self.credentials.insert(name.clone())),
        }
    }
}

impl Profile {
    /// What making things of this profile will ask for, beyond what loading it has read.
    pub fn supplies(&self) -> Supplies {
        let mut supplies = Supplies::default();
        if let Some(registry) = &self.registry {
            supplies.secret(&registry.password);
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
