//! `[mirror]`: the images that the registry shall hold.
//!
//! Knows the keys. Must not know how images are copied.

use std::collections::BTreeMap;

use provision_converge::{ContentState, ResourceId, State};
use serde_json::{Value as Json, json};

use crate::draft::Draft;
use crate::problem::{Problem, Problems};
use crate::read::table;
use crate::recipe;
use crate::scalar::{HostPath, Image, RepositoryPath};
use crate::section::pull_secret::PullSecret;
use crate::section::registry::Registry;
use crate::section::trust::Trust;

table! {
    /// `[mirror]` as written.
    pub struct Mirror {
        /// Where in the registry the images go, such as "ocp4/openshift4".
        repository: RepositoryPath,
        /// OpenShift releases.
        release: Vec<Release>,
    }
}

table! {
    /// `[[mirror.release]]`.
    pub struct Release {
        /// The release image.
        image: Image,
        /// The directory that carries it into the air gap; without it, the image's own registry is asked.
        media: Option<HostPath>,
    }
}

impl Mirror {
    pub(crate) fn validate(self, registry: bool, problems: &mut Problems) -> Self {
        if !registry {
            let title = "`mirror` needs a `[registry]` section to mirror into";
            problems.push(Problem::new(&self.origin, title, ""));
        }
        self
    }

    /// The images as one resource; what it says is for the mirror crate. Credentials go by their names in the vault.
    pub(crate) fn resources(
        &self,
        registry: &Registry,
        trust: &Trust,
        pull_secret: Option<&PullSecret>,
        draft: &mut Draft,
    ) {
        if self.release.is_empty() {
            return;
        }
        let releases: Vec<Json> = self
            .release
            .iter()
            .map(|release| {
                let media = release.media.as_ref().map(|path| path.0.as_str());
                json!({ "image": release.image.to_string(), "media": media })
            })
            .collect();
        let content = json!({
            "registry": registry.address(),
            "repository": self.repository.0,
            "authority": trust.pair.is_none().then_some(recipe::AUTHORITY_CERTIFICATE),
            "user": registry.user,
            "password": recipe::REGISTRY_PASSWORD,
            "releases": releases,
            "credentials": pull_secret.map(|secret| self.credentials(registry, secret)).unwrap_or_default(),
        });
        let id = ResourceId::content(self.repository.0.as_str());
        draft.add(id, State::Content(ContentState { content }), &[], None);
    }

    /// The entries of the pull secret by their names in the vault; a payload may name any registry. None are needed
    /// where everything comes from media.
    fn credentials(&self, registry: &Registry, pull_secret: &PullSecret) -> BTreeMap<String, String> {
        if self.release.iter().all(|release| release.media.is_some()) {
            return BTreeMap::new();
        }
        let entries = pull_secret.base_entries().into_iter();
        entries.filter(|(key, _)| *key != registry.address()).collect()
    }
}
