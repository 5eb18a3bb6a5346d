//! From a profile, facts and what a lock makes exact to what the host shall be. Pure: no clock, no environment, no chance; the same
//! input gives the same bytes on every machine.

use std::collections::{BTreeMap, BTreeSet};

use provision_converge::{Desired, ResourceId};
use provision_host::facts::Facts;
use serde::{Deserialize, Serialize};

use crate::draft::Draft;
use crate::error::Error;
use crate::lock::Exact;
use crate::profile::Profile;
use crate::recipe::Recipe;
use crate::section::registry::{Backend, Registry};
use crate::source::Origin;

/// One image, exactly.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LockedImage {
    /// The name that podman knows it under.
    pub name: String,
    /// Its id: sha256 of the configuration, in hexadecimal.
    pub id: String,
}

/// What a profile means on a host with these facts.
#[derive(Clone, Debug)]
pub struct Resolution {
    /// What the host shall be. Generated content has no fingerprint yet: the vault fills it in.
    pub desired: Desired,
    /// What has to be made on the host, each after what it is made from.
    pub recipes: Vec<Recipe>,
    /// Where each resource is declared.
    pub origins: BTreeMap<ResourceId, Origin>,
    /// The keys of the profile that each resource comes from: sections, or keys in them.
    pub keys: BTreeMap<ResourceId, BTreeSet<&'static str>>,
}

/// Resolves a profile. Sections come in their order: host, trust, registry, pull-secret, redirect, mirror.
pub fn resolve(profile: &Profile, facts: &Facts, exact: &Exact) -> Result<Resolution, Error> {
    let registry = profile.registry.as_ref();
    if let Some(Registry { backend: Backend::NotBuilt(word, origin), .. }) = registry {
        return Err(word.not_built(origin));
    }
    let place = |section: &str| profile.merged.origin(section);
    let mut draft = Draft::new(Origin::new(profile.merged.source(), 0..0));
    draft.section("host", place("host"));
    profile.host.resources(facts, exact, &mut draft)?;
    draft.section("trust", place("trust").or(place("registry")));
    profile.trust.resources(registry, &profile.host, facts.family, &mut draft);
    draft.section("registry", place("registry"));
    if let Some(registry) = registry {
        registry.resources(&profile.trust, facts, exact, &mut draft)?;
    }
    draft.section("pull-secret", place("pull-secret"));
    if let Some(pull_secret) = &profile.pull_secret {
        pull_secret.resources(registry, &mut draft);
    }
    draft.section("redirect", place("redirect"));
    if let (Some(redirect), Some(mirror), Some(registry)) = (&profile.redirect, &profile.mirror, registry) {
        redirect.resources(&format!("{}/{}", registry.address(), mirror.repository.0), &mut draft);
    }
    draft.section("mirror", place("mirror"));
    if let (Some(mirror), Some(registry)) = (&profile.mirror, registry) {
        mirror.resources(registry, &profile.trust, profile.pull_secret.as_ref(), exact, &mut draft);
    }
    draft.finish().map_err(Error::Invalid)
}
