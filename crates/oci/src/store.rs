//! Images on disk: what a registry serves and what media carry through an air gap.
//!
//! No links and no `:` in names, so that FAT32 and exFAT can hold it; names below the store are parsed types, so
//! that none can lead out of it.
//!
//! ```text
//! store.json                                  {"schema":1}
//! blobs/sha256/HEX                            the bytes, once each
//! repositories/NAME/_manifests/HEX            a descriptor: media type, digest, size
//! repositories/NAME/_tags/TAG                 a digest
//! repositories/NAME/_blobs/HEX                empty: the repository has this blob
//! uploads/ID                                  bytes on their way
//! ```

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use tokio::fs;

use crate::digest::Digest;
use crate::error::{Error, Result};
use crate::manifest::{Descriptor, Manifest};
use crate::reference::{Repository, Tag};

mod upload;

pub use upload::Upload;

const MARKER: &str = "store.json";

/// A store of images in a directory.
#[derive(Debug, Clone)]
pub struct Store {
    directory: PathBuf,
}

impl Store {
    /// Opens a store that is there.
    pub async fn open(directory: impl Into<PathBuf>) -> Result<Self> {
        let directory = directory.into();
        match fs::metadata(directory.join(MARKER)).await {
            Ok(_) => Ok(Self { directory }),
            Err(error) if error.kind() == ErrorKind::NotFound => Err(Error::NotAStore { path: directory }),
            Err(error) => Err(Error::file("open", &directory, error)),
        }
    }

    /// Opens a store, and makes it when the directory is missing or empty.
    pub async fn create(directory: impl Into<PathBuf>) -> Result<Self> {
        let store = Self::open_or_empty(directory).await?;
        let directory = store.directory();
        fs::create_dir_all(directory).await.map_err(|e| Error::file("make", directory, e))?;
        if absent(fs::metadata(directory.join(MARKER)).await, "look at", directory)?.is_none() {
            store.put(&directory.join(MARKER), b"{\"schema\":1}\n").await?;
        }
        Ok(store)
    }

    /// Opens a store to read that may not be made yet: a directory that is missing or empty is a store of nothing.
    pub async fn open_or_empty(directory: impl Into<PathBuf>) -> Result<Self> {
        let directory = directory.into();
        let found = names(&directory).await?;
        // The second one is an empty file system's own, the third what a `create` that was cut off leaves.
        let fits = |name: &String| [MARKER, "lost+found", "uploads"].contains(&name.as_str());
        if found.iter().any(|name| name == MARKER) || found.iter().all(fits) {
            return Ok(Self { directory });
        }
        Err(Error::NotAStore { path: directory })
    }

    /// The directory.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// The path of a blob, whether or not it is there.
    pub fn blob_path(&self, digest: &Digest) -> PathBuf {
        self.directory.join("blobs/sha256").join(digest.hex())
    }

    /// The size of a blob in bytes; none when the store has not got it.
    pub async fn blob_size(&self, digest: &Digest) -> Result<Option<u64>> {
        let path = self.blob_path(digest);
        absent(fs::metadata(&path).await.map(|meta| meta.len()), "look at", &path)
    }

    /// A blob to read, and its size; none when the store has not got it.
    pub async fn open_blob(&self, digest: &Digest) -> Result<Option<(fs::File, u64)>> {
        let path = self.blob_path(digest);
        let Some(file) = absent(fs::File::open(&path).await, "open", &path)? else { return Ok(None) };
        let size = file.metadata().await.map_err(|e| Error::file("look at", &path, e))?.len();
        Ok(Some((file, size)))
    }

    /// All bytes of a small blob, such as a configuration, checked against its digest.
    pub async fn read_blob(&self, digest: &Digest) -> Result<Option<Vec<u8>>> {
        let path = self.blob_path(digest);
        let Some(bytes) = absent(fs::read(&path).await, "read", &path)? else { return Ok(None) };
        let found = Digest::of(&bytes);
        if found != *digest {
            let what = path.display().to_string();
            return Err(Error::DigestMismatch { what, expected: *digest, found });
        }
        Ok(Some(bytes))
    }

    /// Begins a blob whose bytes will come.
    pub async fn begin(&self) -> Result<Upload> {
        Upload::begin(self).await
    }

    /// Begins a blob that nobody will resume: unless it is committed, its bytes go when the upload is dropped.
    pub async fn begin_passing(&self) -> Result<Upload> {
        Upload::begin_passing(self).await
    }

    /// Begins a blob whose bytes are checked by whoever writes them, so that they are hashed once only.
    pub(crate) async fn begin_checked(&self) -> Result<Upload> {
        Upload::begin_checked(self).await
    }

    /// Goes on with a blob that was begun; none when there is no such upload (any more).
    pub async fn resume(&self, id: &str) -> Result<Option<Upload>> {
        Upload::resume(self, id).await
    }

    /// Puts a small blob whole.
    pub async fn put_blob(&self, bytes: &[u8]) -> Result<Digest> {
        let digest = Digest::of(bytes);
        // One that a power cut left shorter than it was is put again.
        if self.blob_size(&digest).await? != Some(bytes.len() as u64) {
            self.put(&self.blob_path(&digest), bytes).await?;
        }
        Ok(digest)
    }

    /// Notes that a repository has a blob.
    pub async fn link_blob(&self, repository: &Repository, digest: &Digest) -> Result<()> {
        let path = self.repository(repository).join("_blobs").join(digest.hex());
        match fs::metadata(&path).await {
            Ok(_) => Ok(()),
            Err(_) => self.put(&path, b"").await,
        }
    }

    /// Whether a repository has a blob.
    pub async fn repository_has_blob(&self, repository: &Repository, digest: &Digest) -> Result<bool> {
        let path = self.repository(repository).join("_blobs").join(digest.hex());
        let linked = absent(fs::metadata(&path).await, "look at", &path)?.is_some();
        Ok(linked && self.blob_size(digest).await?.is_some())
    }

    /// Puts a manifest into a repository, and under a tag if one is given.
    pub async fn put_manifest(
        &self,
        repository: &Repository,
        tag: Option<&Tag>,
        manifest: &Manifest,
    ) -> Result<Digest> {
        let digest = self.put_blob(&manifest.bytes).await?;
        let path = self.repository(repository).join("_manifests").join(digest.hex());
        let descriptor = serde_json::to_vec(&manifest.descriptor())
            .map_err(|source| Error::Manifest { what: digest.to_string(), source })?;
        self.put(&path, &descriptor).await?;
        if let Some(tag) = tag {
            self.put(&self.tag_path(repository, tag), digest.to_string().as_bytes()).await?;
        }
        Ok(digest)
    }

    /// The digest a tag stands for.
    pub async fn tag(&self, repository: &Repository, tag: &Tag) -> Result<Option<Digest>> {
        let path = self.tag_path(repository, tag);
        let Some(text) = absent(fs::read_to_string(&path).await, "read", &path)? else { return Ok(None) };
        text.trim().parse().map(Some)
    }

    /// A manifest of a repository by its digest, checked.
    pub async fn manifest(&self, repository: &Repository, digest: &Digest) -> Result<Option<Manifest>> {
        let path = self.repository(repository).join("_manifests").join(digest.hex());
        let Some(bytes) = absent(fs::read(&path).await, "read", &path)? else { return Ok(None) };
        let what = || path.display().to_string();
        let descriptor: Descriptor =
            serde_json::from_slice(&bytes).map_err(|source| Error::Manifest { what: what(), source })?;
        let Some(bytes) = self.read_blob(digest).await? else { return Ok(None) };
        Manifest::parse(bytes, Some(&descriptor.media_type)).map(Some)
    }

    /// The tags of a repository, sorted; none when the store has no such repository.
    pub async fn tags(&self, repository: &Repository) -> Result<Option<Vec<Tag>>> {
        let directory = self.repository(repository);
        if absent(fs::metadata(directory.join("_manifests")).await, "look at", &directory)?.is_none() {
            return Ok(None);
        }
        let names = names(&directory.join("_tags")).await?;
        Ok(Some(names.iter().filter_map(|name| name.parse().ok()).collect()))
    }

    /// The manifests of a repository by digest, sorted.
    pub async fn manifests(&self, repository: &Repository) -> Result<Vec<Digest>> {
        let names = names(&self.repository(repository).join("_manifests")).await?;
        Ok(names.iter().filter_map(|name| format!("sha256:{name}").parse().ok()).collect())
    }

    /// The repositories, sorted.
    pub async fn repositories(&self) -> Result<Vec<Repository>> {
        let top = self.directory.join("repositories");
        let mut found = Vec::new();
        let mut left = vec![top.clone()];
        while let Some(directory) = left.pop() {
            for name in names(&directory).await? {
                if name == "_manifests" {
                    let name = directory.strip_prefix(&top).unwrap_or(&directory).to_string_lossy();
                    found.extend(name.parse::<Repository>());
                } else if !name.starts_with('_') {
                    left.push(directory.join(name));
                }
            }
        }
        found.sort();
        Ok(found)
    }

    /// Removes a tag; false when it was not there.
    pub async fn delete_tag(&self, repository: &Repository, tag: &Tag) -> Result<bool> {
        let path = self.tag_path(repository, tag);
        Ok(absent(fs::remove_file(&path).await, "remove", &path)?.is_some())
    }

    /// Takes a manifest out of a repository, with all tags that stand for it; false when it was not there.
    pub async fn delete_manifest(&self, repository: &Repository, digest: &Digest) -> Result<bool> {
        for tag in self.tags(repository).await?.unwrap_or_default() {
            if self.tag(repository, &tag).await? == Some(*digest) {
                self.delete_tag(repository, &tag).await?;
            }
        }
        let path = self.repository(repository).join("_manifests").join(digest.hex());
        Ok(absent(fs::remove_file(&path).await, "remove", &path)?.is_some())
    }

    /// Takes a blob out of a repository; false when it was not there. The bytes stay for others that have it.
    pub async fn unlink_blob(&self, repository: &Repository, digest: &Digest) -> Result<bool> {
        let path = self.repository(repository).join("_blobs").join(digest.hex());
        Ok(absent(fs::remove_file(&path).await, "remove", &path)?.is_some())
    }

    fn repository(&self, repository: &Repository) -> PathBuf {
        self.directory.join("repositories").join(repository.as_str())
    }

    fn tag_path(&self, repository: &Repository, tag: &Tag) -> PathBuf {
        self.repository(repository).join("_tags").join(tag.as_str())
    }

    /// Writes a small file whole or not at all.
    async fn put(&self, path: &Path, bytes: &[u8]) -> Result<()> {
        let mut upload = Upload::begin_passing(self).await?;
        upload.write(bytes).await?;
        upload.place(path).await
    }
}

/// Nothing there is no error.
fn absent<T>(result: std::io::Result<T>, action: &'static str, path: &Path) -> Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => Ok(None),
        Err(error) => Err(Error::file(action, path, error)),
    }
}

/// Sorted names in a directory; none when there is no such directory.
async fn names(directory: &Path) -> Result<Vec<String>> {
    let Some(mut entries) = absent(fs::read_dir(directory).await, "read", directory)? else {
        return Ok(Vec::new());
    };
    let mut names = Vec::new();
    while let Some(entry) = entries.next_entry().await.map_err(|e| Error::file("read", directory, e))? {
        names.extend(entry.file_name().into_string());
    }
    names.sort();
    Ok(names)
}
