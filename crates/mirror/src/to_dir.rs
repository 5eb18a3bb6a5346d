//! Directories that `oc adm release mirror --to-dir` or `oc image mirror --dir` wrote; read, never written.
//!
//! Knows their layout (openshift/oc, `pkg/cli/image/imagesource/file.go`); on Windows `-` stands for the `:`.
//!
//! ```text
//! v2/REPOSITORY/blobs/sha256:HEX
//! v2/REPOSITORY/manifests/sha256:HEX      the same file as the blob, or a copy
//! v2/REPOSITORY/manifests/TAG             a link to sha256:HEX, or a copy
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use provision_oci::{Descriptor, Digest, Manifest, Reference, Repository, Tag};
use tokio::fs;

use crate::endpoint::Source;
use crate::error::{Error, Result};
use crate::media::Root;
use crate::payload::Payload;

/// The registry in the names of images of which only the repository is known.
pub const UNKNOWN_REGISTRY: &str = "localhost";

/// A directory of oc's, as it was when it was opened.
#[derive(Debug, Clone)]
pub struct ToDir(Arc<Content>);

#[derive(Debug, Default)]
struct Content {
    directory: PathBuf,
    blobs: BTreeMap<Digest, PathBuf>,
    manifests: BTreeMap<Digest, PathBuf>,
    tags: BTreeMap<(Repository, Tag), Digest>,
}

impl ToDir {
    /// Whether a directory looks like one of oc's.
    pub async fn is_one(directory: &Path) -> bool {
        fs::metadata(directory.join("v2")).await.is_ok_and(|meta| meta.is_dir())
    }

    /// Looks through a directory; blobs are read, and checked, only when they are needed.
    pub async fn open(directory: &Path) -> Result<Self> {
        let mut content = Content { directory: directory.to_path_buf(), ..Content::default() };
        let top = directory.join("v2");
        let mut left = vec![top.clone()];
        while let Some(folder) = left.pop() {
            for (name, path) in entries(&folder).await? {
                let repository = folder.strip_prefix(&top).unwrap_or(&folder).to_string_lossy();
                match (name.as_str(), repository.parse::<Repository>()) {
                    ("blobs", Ok(_)) => content.add_blobs(&path).await?,
                    ("manifests", Ok(repository)) => content.add_manifests(&path, &repository).await?,
                    _ if fs::metadata(&path).await.is_ok_and(|meta| meta.is_dir()) => left.push(path),
                    _ => {}
                }
            }
        }
        Ok(Self(Arc::new(content)))
    }

    /// What it holds: releases, and images that belong to none of them.
    pub async fn roots(&self) -> Result<Vec<Root>> {
        let source = Source::ToDir(self.clone());
        let (mut roots, mut parts) = (Vec::new(), BTreeSet::new());
        for ((repository, tag), digest) in &self.0.tags {
            let reference = named(repository, tag);
            // Only what has components beside it is worth a look into its layers.
            let prefix = format!("{tag}-");
            let beside =
                |(other, name): &(Repository, Tag)| other == repository && name.as_str().starts_with(&prefix);
            let payload = match self.0.tags.keys().any(beside) {
                true => match Payload::read(&source, &reference).await {
                    Err(Error::NotARelease { .. }) => None,
                    read => Some(read?),
                },
                false => None,
            };
            for component in payload.iter().flat_map(|payload| &payload.components) {
                parts.extend(component.reference.digest);
            }
            let (reference, release) = (reference.to_string(), payload.is_some());
            roots.push(Root { reference, digest: *digest, release });
        }
        roots.retain(|root| root.release || !parts.contains(&root.digest));
        Ok(roots)
    }

    pub(crate) async fn manifest(&self, reference: &Reference) -> Result<Manifest> {
        let digest = self.find(reference).ok_or_else(|| self.missing(reference))?;
        let path = self.0.manifests.get(&digest).ok_or_else(|| self.missing(reference))?;
        Ok(Manifest::parse(read(path, &digest).await?, None)?)
    }

    pub(crate) async fn read_blob(&self, descriptor: &Descriptor) -> Result<Vec<u8>> {
        read(&self.blob_path(&descriptor.digest)?, &descriptor.digest).await
    }

    /// Where a blob is.
    pub(crate) fn blob_path(&self, digest: &Digest) -> Result<PathBuf> {
        let path = self.0.blobs.get(digest).or_else(|| self.0.manifests.get(digest));
        path.cloned().ok_or_else(|| self.missing(digest))
    }

    /// By digest, by repository and tag, or by a tag that no other repository has: oc keeps no registry's name.
    fn find(&self, reference: &Reference) -> Option<Digest> {
        if reference.digest.is_some() {
            return reference.digest;
        }
        let tag = reference.tag.clone()?;
        if let Some(digest) = self.0.tags.get(&(reference.repository.clone(), tag.clone())) {
            return Some(*digest);
        }
        let mut same = self.0.tags.iter().filter(|((_, other), _)| *other == tag).map(|(_, digest)| *digest);
        same.next().filter(|first| same.all(|other| other == *first))
    }

    fn missing(&self, image: &dyn std::fmt::Display) -> Error {
        let directory = self.0.directory.display().to_string();
        Error::NotOnMedia { image: image.to_string(), directory }
    }
}

impl Content {
    async fn add_blobs(&mut self, folder: &Path) -> Result<()> {
        for (name, path) in entries(folder).await? {
            self.blobs.extend(digest(&name).map(|digest| (digest, path)));
        }
        Ok(())
    }

    async fn add_manifests(&mut self, folder: &Path, repository: &Repository) -> Result<()> {
        for (name, path) in entries(folder).await? {
            if let Some(digest) = digest(&name) {
                self.manifests.insert(digest, path);
            } else if let Ok(tag) = name.parse::<Tag>() {
                let link = fs::read_link(&path).await.ok();
                let target = link.and_then(|to| digest(&to.file_name()?.to_string_lossy()));
                let digest = match target {
                    Some(digest) => digest,
                    // On file systems without links it is a copy.
                    None => Digest::of(&fs::read(&path).await.map_err(|source| unreadable(&path, source))?),
                };
                self.manifests.entry(digest).or_insert(path);
                self.tags.insert((repository.clone(), tag), digest);
            }
        }
        Ok(())
    }
}

fn named(repository: &Repository, tag: &Tag) -> Reference {
    let (repository, tag) = (repository.clone(), Some(tag.clone()));
    Reference { registry: UNKNOWN_REGISTRY.to_owned(), repository, tag, digest: None }
}

/// `sha256:HEX`, or `sha256-HEX` where Windows wrote it.
fn digest(name: &str) -> Option<Digest> {
    name.replacen("sha256-", "sha256:", 1).parse().ok()
}

async fn read(path: &Path, expected: &Digest) -> Result<Vec<u8>> {
    let bytes = fs::read(path).await.map_err(|source| unreadable(path, source))?;
    let found = Digest::of(&bytes);
    if found == *expected {
        return Ok(bytes);
    }
    let what = format!("{} is damaged", path.display());
    Err(provision_oci::Error::DigestMismatch { what, expected: *expected, found }.into())
}

/// The names in a directory with their paths, sorted.
async fn entries(folder: &Path) -> Result<Vec<(String, PathBuf)>> {
    let failed = |source| unreadable(folder, source);
    let mut listed = fs::read_dir(folder).await.map_err(failed)?;
    let mut entries = Vec::new();
    while let Some(entry) = listed.next_entry().await.map_err(failed)? {
        entries.push((entry.file_name().to_string_lossy().into_owned(), entry.path()));
    }
    entries.sort();
    Ok(entries)
}

fn unreadable(path: &Path, source: std::io::Error) -> Error {
    Error::File { action: "read", file: path.display().to_string(), source }
}
