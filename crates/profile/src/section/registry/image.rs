//! The image that the registry's service runs: its name on the host, its exact id, and where it comes from.
//!
//! Knows the three sources. Must not know how an image is assembled, loaded or pulled.

use provision_converge::{Content, ImageSource, ImageState, ResourceId, State};

use crate::draft::Draft;
use crate::error::Error;
use crate::recipe::Recipe;
use crate::resolve::Lock;
use crate::section::registry::{Backend, Registry, ServerImage};

/// The role under which the lock holds the registry's image.
pub const ROLE: &str = "registry";

/// Adds the image, and gives the name that the service runs it by.
pub(crate) fn add(registry: &Registry, lock: &Lock, draft: &mut Draft) -> Result<String, Error> {
    let id = lock.images.get(ROLE).ok_or_else(|| Error::Unlocked {
        what: "the registry's image".to_owned(),
        origin: registry.origin.clone(),
    })?;
    // The name follows the content: another image has another name, so that the unit's text changes with it,
    // and a rollback finds the image it ran before.
    let short = id.get(..12).unwrap_or(id);
    let archive = format!("registry-image-{short}");
    let (name, recipe) = match &registry.backend {
        Backend::Embedded => {
            let reference = format!("localhost/provision-registry:{short}");
            let recipe =
                Recipe::OwnImage { name: archive.clone(), reference: reference.clone(), id: id.clone() };
            (reference, Some(recipe))
        }
        Backend::Distribution(ServerImage::Archive { path, digest }) => {
            let reference = format!("localhost/distribution:{short}");
            let recipe = Recipe::CarriedImage {
                name: archive.clone(),
                reference: reference.clone(),
                id: id.clone(),
                file: path.clone(),
                digest: digest.clone(),
            };
            (reference, Some(recipe))
        }
        Backend::Distribution(ServerImage::Pull(image)) => (image.to_string(), None),
        Backend::NotBuilt(word, origin) => return Err(word.not_built(origin)),
    };
    let source = match recipe {
        Some(recipe) => {
            draft.recipe(recipe);
            ImageSource::Generated { content: Content::generated(archive, false) }
        }
        None => ImageSource::Pull { reference: name.clone() },
    };
    let state = State::Image(ImageState { id: id.clone(), source });
    draft.add(ResourceId::image(name.as_str()), state, &[], None);
    Ok(name)
}
