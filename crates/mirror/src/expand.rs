//! What there is to copy: a selection of images, taken apart into manifests with their names at the target.

use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};
use provision_oci::{Manifest, Reference, Repository, Tag};

use crate::endpoint::{Source, of_image};
use crate::error::Result;
use crate::payload::Payload;

/// Manifests asked for at the same time.
const PARALLEL: usize = 8;

/// What is to be copied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Selection {
    /// The image, manifest list, or release image.
    pub image: Reference,
    /// It is a release: all its components come along.
    pub release: bool,
}

/// One image with its names.
#[derive(Debug, Clone)]
pub struct Image {
    /// Where it comes from, by digest.
    pub from: Reference,
    /// Its repository at the target.
    pub repository: Repository,
    /// Its tag at the target.
    pub tag: Option<Tag>,
    /// Its manifest.
    pub manifest: Manifest,
    /// The manifests of a list, each with its own children none.
    pub children: Vec<Manifest>,
}

/// Everything there is to copy.
#[derive(Debug, Clone)]
pub struct Work {
    /// The images, the release image last, so that who finds it finds all of it.
    pub images: Vec<Image>,
    /// The payload, for a release.
    pub payload: Option<Payload>,
}

/// Where images go at the target.
pub(crate) enum Naming<'a> {
    /// All into one repository, told apart by tags.
    One(&'a Repository),
    /// Each into the repository that media have for its origin.
    Media,
}

impl Naming<'_> {
    fn repository(&self, from: &Reference) -> Result<Repository> {
        match self {
            Self::One(repository) => Ok((*repository).clone()),
            Self::Media => crate::media::Media::repository(from),
        }
    }
}

/// Takes a selection apart. `tag` renames a single image; a release has tags of its own.
pub async fn expand(
    source: &Source,
    selection: &Selection,
    to: Option<&Repository>,
    tag: Option<&Tag>,
) -> Result<Work> {
    let naming = to.map_or(Naming::Media, Naming::One);
    if !selection.release {
        let tag = tag.or(selection.image.tag.as_ref()).cloned();
        let image = image(source, &selection.image, naming.repository(&selection.image)?, tag).await?;
        return Ok(Work { images: vec![image], payload: None });
    }
    let payload = Payload::read(source, &selection.image).await?;
    let mut wanted = Vec::new();
    for component in &payload.components {
        let repository = naming.repository(&component.reference)?;
        wanted.push((
            component.reference.clone(),
            repository,
            payload.component_tag(component).parse::<Tag>()?,
        ));
    }
    let repository = naming.repository(&selection.image)?;
    wanted.push((selection.image.clone(), repository, payload.release_tag().parse()?));
    let images = stream::iter(wanted)
        .map(|(from, repository, tag)| async move { image(source, &from, repository, Some(tag)).await })
        .buffered(PARALLEL)
        .try_collect()
        .await?;
    Ok(Work { images, payload: Some(payload) })
}

async fn image(source: &Source, from: &Reference, repository: Repository, tag: Option<Tag>) -> Result<Image> {
    let name = from.to_string();
    let manifest = source.manifest(from).await.map_err(|error| of_image(&name, error))?;
    let from = from.with_digest(manifest.digest);
    let mut children = Vec::new();
    for child in manifest.children() {
        let child = source.manifest(&from.with_digest(child.digest)).await;
        children.push(child.map_err(|error| of_image(&name, error))?);
    }
    Ok(Image { from, repository, tag, manifest, children })
}

impl Image {
    /// The image's manifests, children before the list that names them.
    pub fn manifests(&self) -> impl Iterator<Item = &Manifest> {
        self.children.iter().chain(std::iter::once(&self.manifest))
    }
}
