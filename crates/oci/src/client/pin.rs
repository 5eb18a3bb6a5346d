//! What a name stands for now, exactly: the digest, and for each kind of machine the image's own digest and id.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::Registry;
use super::error::ClientError;
use crate::digest::Digest;
use crate::manifest::{Body, Descriptor, Manifest};
use crate::reference::Repository;

/// A configuration may be this large; those of real images have a few KiB.
const CONFIG_LIMIT: u64 = 4 * 1024 * 1024;

/// An image, or a list of images for several kinds of machines, exactly.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pinned {
    /// The digest of what the name stood for.
    pub digest: Digest,
    /// The images by the architecture they are for, as Go names it: `amd64`.
    pub platforms: BTreeMap<String, PinnedImage>,
}

/// One image, exactly.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PinnedImage {
    /// The digest of its manifest.
    pub digest: Digest,
    /// Its id: the digest of its configuration.
    pub id: Digest,
}

#[derive(Deserialize)]
struct Config {
    architecture: String,
}

impl Registry {
    /// What a tag or digest stands for now. Of a list, images for Linux count; of several for one architecture (its
    /// variants), the first.
    pub async fn pin(&self, repository: &Repository, wanted: &str) -> Result<Pinned, ClientError> {
        let top = self.manifest(repository, wanted).await?;
        let mut platforms = BTreeMap::new();
        let mut take = |architecture: String, image: PinnedImage| {
            platforms.entry(architecture).or_insert(image);
        };
        match &top.body {
            Body::Image { config, .. } => {
                let image = PinnedImage { digest: top.digest, id: config.digest };
                take(self.architecture(repository, config).await?, image);
            }
            Body::Index { manifests } => {
                for child in manifests {
                    if let Some((architecture, image)) = self.platform(repository, child).await? {
                        take(architecture, image);
                    }
                }
            }
        }
        Ok(Pinned { digest: top.digest, platforms })
    }

    /// One image of a list; none for what is no image for Linux, such as an attestation.
    async fn platform(
        &self,
        repository: &Repository,
        child: &Descriptor,
    ) -> Result<Option<(String, PinnedImage)>, ClientError> {
        if child.platform.as_ref().is_some_and(|platform| platform.os != "linux") {
            return Ok(None);
        }
        let manifest: Manifest = self.manifest(repository, &child.digest.to_string()).await?;
        let Body::Image { config, .. } = &manifest.body else { return Ok(None) };
        let architecture = match &child.platform {
            Some(platform) => platform.architecture.clone(),
            None => self.architecture(repository, config).await?,
        };
        Ok(Some((architecture, PinnedImage { digest: manifest.digest, id: config.digest })))
    }

    async fn architecture(
        &self,
        repository: &Repository,
        config: &Descriptor,
    ) -> Result<String, ClientError> {
        let what = format!("{repository}@{}", config.digest);
        if config.size > CONFIG_LIMIT {
            return Err(self.nonsense(&what, &format!("a configuration of {} bytes", config.size)));
        }
        let bytes = self.read_blob(repository, config).await?;
        let read: Result<Config, _> = serde_json::from_slice(&bytes);
        read.map(|config| config.architecture).map_err(|error| self.nonsense(&what, &error.to_string()))
    }
}
