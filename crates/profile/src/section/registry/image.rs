//! The image that the registry's service runs: its name on the host, its exact id, and where it comes from.
//!
//! Knows the three sources. Must not know how an image is assembled, loaded or pulled.

use provision_converge::{Content, ImageSource, ImageState, ResourceId, State};
use provision_host::facts::Facts;

use crate::draft::Draft;
use crate::error::Error;
use crate::lock::Exact;
use crate::recipe::Recipe;
use crate::resolve::LockedImage;
use crate::section::registry::{Backend, Registry, ServerImage};

/// The role of the registry's image among those that are made exact.
pub const ROLE: &str = "registry";

/// Adds the image, and gives the name that the service runs it by.
pub(crate) fn add(
    registry: &Registry,
    facts: &Facts,
    exact: &Exact,
    draft: &mut Draft,
) -> Result<String, Error> {
    let LockedImage { name, id } = exact.images.get(ROLE).cloned().ok_or_else(|| Error::NotExact {
        what: "the registry's image".to_owned(),
        origin: registry.origin.clone(),
    })?;
    // One name in the vault for each image: what is there is never another.
    let archive = format!("registry-image-{}", id.get(..12).unwrap_or(&id));
    let recipe = match &registry.backend {
        Backend::Embedded => Some(Recipe::OwnImage {
            name: archive.clone(),
            reference: name.clone(),
            id: id.clone(),
            machine: facts.arch.clone(),
        }),
        Backend::Distribution(ServerImage::Archive { path, digest, .. }) => Some(Recipe::CarriedImage {
            name: archive.clone(),
            reference: name.clone(),
            id: id.clone(),
            file: path.clone(),
            digest: digest.clone(),
        }),
        Backend::Distribution(ServerImage::Pull(_)) => None,
        Backend::NotBuilt(word, origin) => return Err(word.not_built(origin)),
    };
    let source = match recipe {
        Some(recipe) => {
            draft.recipe(recipe);
            ImageSource::Generated { content: Content::generated(archive, false) }
        }
        None => ImageSource::Pull { reference: name.clone() },
    };
    let state = State::Image(ImageState { id, source });
    draft.add(ResourceId::image(name.as_str()), state, &[], None);
    Ok(name)
}
