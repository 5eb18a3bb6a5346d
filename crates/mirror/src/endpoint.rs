//! Where images come from and go to: registries, or media.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use provision_oci::client::{Options, Progress, Registry};
use provision_oci::{Descriptor, Digest, Manifest, Reference, Repository, Tag};

use crate::error::{Error, Result};
use crate::media::{Media, Root};
use crate::to_dir::ToDir;

/// Where images come from.
#[derive(Clone)]
pub enum Source {
    /// Registries, each spoken to when a reference names it.
    Registries(Registries),
    /// Media that were written by [`crate::copy()`].
    Media(Media),
    /// A directory that oc wrote.
    ToDir(ToDir),
}

/// Where images go to.
#[derive(Clone)]
pub enum Target {
    /// A registry.
    Registry(Registry),
    /// Media.
    Media(Media),
}

/// Clients of all registries that were spoken to, made when they are needed.
#[derive(Clone)]
pub struct Registries {
    options: Options,
    clients: Arc<Mutex<HashMap<String, Registry>>>,
}

impl Registries {
    fn client(&self, name: &str) -> Result<Registry> {
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(client) = clients.get(name) {
            return Ok(client.clone());
        }
        let client = Registry::new(name, &self.options)?;
        clients.insert(name.to_owned(), client.clone());
        Ok(client)
    }
}

impl Source {
    /// All registries, spoken to in this way.
    pub fn registries(options: Options) -> Self {
        Self::Registries(Registries { options, clients: Arc::default() })
    }

    /// Images in a directory, whoever wrote it: media, or a directory of oc's.
    pub async fn open(directory: &Path) -> Result<Self> {
        match Media::open(directory).await {
            Err(Error::Image(provision_oci::Error::NotAStore { .. })) if ToDir::is_one(directory).await => {
                Ok(Self::ToDir(ToDir::open(directory).await?))
            }
            opened => Ok(Self::Media(opened?)),
        }
    }

    /// What is there to be copied; nothing for registries, which do not say.
    pub async fn roots(&self) -> Result<Vec<Root>> {
        match self {
            Self::Registries(_) => Ok(Vec::new()),
            Self::Media(media) => media.roots().await,
            Self::ToDir(directory) => directory.roots().await,
        }
    }

    /// The manifest of a reference.
    pub(crate) async fn manifest(&self, reference: &Reference) -> Result<Manifest> {
        match self {
            Self::Registries(registries) => {
                let client = registries.client(&reference.registry)?;
                Ok(client.manifest(&reference.repository, &reference.wanted()).await?)
            }
            Self::Media(media) => media.manifest(reference).await,
            Self::ToDir(directory) => directory.manifest(reference).await,
        }
    }

    /// All bytes of a small blob.
    pub(crate) async fn read_blob(&self, reference: &Reference, descriptor: &Descriptor) -> Result<Vec<u8>> {
        match self {
            Self::Registries(registries) => {
                let client = registries.client(&reference.registry)?;
                Ok(client.read_blob(&reference.repository, descriptor).await?)
            }
            Self::Media(media) => media.read_blob(&descriptor.digest).await,
            Self::ToDir(directory) => directory.read_blob(descriptor).await,
        }
    }
}

impl Target {
    /// The digest under a tag or digest, if it is there.
    pub(crate) async fn head(&self, repository: &Repository, wanted: &str) -> Result<Option<Digest>> {
        match self {
            Self::Registry(registry) => Ok(registry.head_manifest(repository, wanted).await?),
            Self::Media(media) => media.head(repository, wanted).await,
        }
    }

    /// Whether a blob is there.
    pub(crate) async fn has_blob(&self, repository: &Repository, blob: &Descriptor) -> Result<bool> {
        match self {
            Self::Registry(registry) => Ok(registry.has_blob(repository, &blob.digest).await?),
            // What a power cut left shorter than it was comes again.
            Self::Media(media) => Ok(media.store().blob_size(&blob.digest).await? == Some(blob.size)),
        }
    }

    /// Brings a blob from the source.
    pub(crate) async fn bring_blob(
        &self,
        repository: &Repository,
        descriptor: &Descriptor,
        source: &Source,
        from: &Reference,
        progress: Progress,
    ) -> Result<()> {
        match (self, source) {
            (Self::Registry(registry), Source::Registries(registries)) => {
                let client = registries.client(&from.registry)?;
                registry.relay_blob(repository, descriptor, &client, &from.repository, progress).await?;
            }
            (Self::Registry(registry), Source::Media(media)) => {
                let path = media.store().blob_path(&descriptor.digest);
                registry.send_file(repository, descriptor, &path, progress).await?;
            }
            (Self::Registry(registry), Source::ToDir(directory)) => {
                let path = directory.blob_path(&descriptor.digest)?;
                registry.send_file(repository, descriptor, &path, progress).await?;
            }
            (Self::Media(media), Source::Registries(registries)) => {
                let client = registries.client(&from.registry)?;
                let told = |bytes| progress(bytes);
                client.fetch_blob(&from.repository, descriptor, media.store(), &told).await?;
            }
            (Self::Media(to), Source::Media(from)) => {
                to.take_file(&from.store().blob_path(&descriptor.digest), descriptor, &progress).await?;
            }
            (Self::Media(to), Source::ToDir(from)) => {
                to.take_file(&from.blob_path(&descriptor.digest)?, descriptor, &progress).await?;
            }
        }
        if let Self::Media(media) = self {
            media.store().link_blob(repository, &descriptor.digest).await?;
        }
        Ok(())
    }

    /// Puts a manifest, under a tag if one is given. All it refers to is there.
    pub(crate) async fn put_manifest(
        &self,
        repository: &Repository,
        tag: Option<&Tag>,
        manifest: &Manifest,
    ) -> Result<()> {
        match self {
            Self::Registry(registry) => {
                let wanted = tag.map_or_else(|| manifest.digest.to_string(), ToString::to_string);
                Ok(registry.put_manifest(repository, &wanted, manifest).await?)
            }
            Self::Media(media) => {
                Ok(media.store().put_manifest(repository, tag, manifest).await.map(drop)?)
            }
        }
    }
}

/// An error of one image, with its name.
pub(crate) fn of_image(image: &str, error: Error) -> Error {
    match error {
        error @ (Error::Copy { .. } | Error::NotARelease { .. } | Error::NotOnMedia { .. }) => error,
        error => Error::Copy { image: image.to_owned(), source: Box::new(error) },
    }
}
