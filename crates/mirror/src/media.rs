//! Media: a store of images in a directory, with an index of what was put on it for whom.
//!
//! Repositories on media carry their registry's name, so that images of several registries do not meet.

use std::path::Path;

use provision_oci::client::Progress;
use provision_oci::{Descriptor, Digest, Manifest, Reference, Repository, Store, Tag};
use serde::{Deserialize, Serialize};
use tokio::io::AsyncReadExt as _;

use crate::error::{Error, Result};

const INDEX: &str = "media.json";
const CHUNK: usize = 256 * 1024;

/// A directory that carries images.
#[derive(Debug, Clone)]
pub struct Media {
    store: Store,
}

/// One image or release that was put on the media.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Root {
    /// Its name where it comes from.
    pub reference: String,
    /// Its digest.
    pub digest: Digest,
    /// Whether it is a release, with all its components.
    pub release: bool,
}

#[derive(Serialize, Deserialize)]
struct Index {
    schema: u32,
    roots: Vec<Root>,
}

impl Media {
    /// Media to read.
    pub async fn open(directory: &Path) -> Result<Self> {
        Ok(Self { store: Store::open(directory).await? })
    }

    /// Media to write; made when the directory is missing or empty.
    pub async fn create(directory: &Path) -> Result<Self> {
        Ok(Self { store: Store::create(directory).await? })
    }

    /// Media to look at before they are made: a directory that is missing or empty is media with nothing on them.
    pub async fn open_or_empty(directory: &Path) -> Result<Self> {
        Ok(Self { store: Store::open_or_empty(directory).await? })
    }

    /// Media over a store that is open.
    pub fn over(store: Store) -> Self {
        Self { store }
    }

    /// The store.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// What was put on the media, sorted by name.
    pub async fn roots(&self) -> Result<Vec<Root>> {
        let path = self.store.directory().join(INDEX);
        let file = path.display().to_string();
        match tokio::fs::read(&path).await {
            Ok(bytes) => {
                let index: Index =
                    serde_json::from_slice(&bytes).map_err(|source| Error::MediaIndex { file, source })?;
                Ok(index.roots)
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
            Err(source) => Err(Error::File { action: "read", file, source }),
        }
    }

    /// Notes what was put on the media.
    pub async fn add_root(&self, root: Root) -> Result<()> {
        let mut roots = self.roots().await?;
        roots.retain(|known| known.reference != root.reference);
        roots.push(root);
        roots.sort();
        let path = self.store.directory().join(INDEX);
        let file = || path.display().to_string();
        let mut text = serde_json::to_vec_pretty(&Index { schema: 1, roots })
            .map_err(|source| Error::MediaIndex { file: file(), source })?;
        text.push(b'\n');
        let beside = path.with_extension("new");
        let written = async {
            tokio::fs::write(&beside, &text).await?;
            tokio::fs::File::open(&beside).await?.sync_all().await?;
            tokio::fs::rename(&beside, &path).await?;
            tokio::fs::File::open(self.store.directory()).await?.sync_all().await
        };
        written.await.map_err(|source| Error::File { action: "write", file: file(), source })
    }

    /// The repository on the media of a repository somewhere: `quay.io/a/b`, the port behind a hyphen.
    pub fn repository(reference: &Reference) -> Result<Repository> {
        let registry: String = reference
            .registry
            .to_ascii_lowercase()
            .chars()
            .map(|c| if c.is_ascii_alphanumeric() || c == '.' || c == '-' { c } else { '-' })
            .collect();
        Ok(format!("{}/{}", registry.trim_matches('-'), reference.repository).parse()?)
    }

    pub(crate) async fn manifest(&self, reference: &Reference) -> Result<Manifest> {
        let missing = || Error::NotOnMedia {
            image: reference.to_string(),
            directory: self.store.directory().display().to_string(),
        };
        let repository = Self::repository(reference)?;
        let digest = match (&reference.digest, &reference.tag) {
            (Some(digest), _) => *digest,
            (None, Some(tag)) => self.store.tag(&repository, tag).await?.ok_or_else(missing)?,
            (None, None) => {
                let latest: Tag = "latest".parse()?;
                self.store.tag(&repository, &latest).await?.ok_or_else(missing)?
            }
        };
        self.store.manifest(&repository, &digest).await?.ok_or_else(missing)
    }

    pub(crate) async fn read_blob(&self, digest: &Digest) -> Result<Vec<u8>> {
        let missing = || Error::NotOnMedia {
            image: digest.to_string(),
            directory: self.store.directory().display().to_string(),
        };
        self.store.read_blob(digest).await?.ok_or_else(missing)
    }

    pub(crate) async fn head(&self, repository: &Repository, wanted: &str) -> Result<Option<Digest>> {
        let digest = match wanted.parse::<Digest>() {
            Ok(digest) => Some(digest),
            Err(_) => self.store.tag(repository, &wanted.parse()?).await?,
        };
        let Some(digest) = digest else { return Ok(None) };
        Ok(self.store.manifest(repository, &digest).await?.map(|manifest| manifest.digest))
    }

    /// Copies a blob from a file, checked.
    pub(crate) async fn take_file(
        &self,
        from: &Path,
        descriptor: &Descriptor,
        progress: &Progress,
    ) -> Result<()> {
        let failed = |source| Error::File { action: "read", file: from.display().to_string(), source };
        let mut file = tokio::fs::File::open(from).await.map_err(failed)?;
        let mut upload = self.store.begin_passing().await?;
        let mut buffer = vec![0; CHUNK];
        loop {
            let read = file.read(&mut buffer).await.map_err(failed)?;
            if read == 0 {
                upload.commit(&descriptor.digest).await?;
                return Ok(());
            }
            upload.write(&buffer[..read]).await?;
            progress(read as u64);
        }
    }
}
