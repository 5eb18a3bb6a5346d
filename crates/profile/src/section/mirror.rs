//! `[mirror]`: the images that the registry shall hold.
//!
//! Knows the keys. Must not know how images are copied.

use std::collections::BTreeMap;

use provision_converge::{ContentState, ResourceId, State};
use serde_json::{Value as Json, json};

use crate::draft::Draft;
use crate::lock::Exact;
use crate::problem::{Problem, Problems};
use crate::read::table;
use crate::recipe;
use crate::scalar::{HostPath, Image, RepositoryPath};
use crate::section::pull_secret::PullSecret;
use crate::section::registry::Registry;
use crate::section::trust::Trust;
use crate::source::Located;

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
        image: Located<Image>,
        /// The directory that carries it into the air gap; without it, the image's own registry is asked.
        media: Option<HostPath>,
    }
}

impl Release {
    /// The image by its digest, with the tag it goes by.
    fn exact(&self, exact: &Exact) -> String {
        let mut image = self.image.value.0.clone();
        image.digest = exact.releases.get(&image.to_string()).copied().or(image.digest);
        image.to_string()
    }

    fn media(&self) -> Option<&str> {
        self.media.as_ref().map(|path| path.0.as_str())
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
        exact: &Exact,
        draft: &mut Draft,
    ) {
        if self.release.is_empty() {
            return;
        }
        let mut releases: Vec<(String, Option<&str>)> =
            self.release.iter().map(|release| (release.exact(exact), release.media())).collect();
        // The order in a file, or of imports, has no meaning.
        releases.sort();
        let releases: Vec<Json> =
            releases.into_iter().map(|(image, media)| json!({ "image": image, "media": media })).collect();
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
