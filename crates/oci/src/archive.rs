//! Archives of one image, OCI or docker: which image they hold, before anything is loaded.

use std::collections::BTreeMap;
use std::io::Read as _;

use serde::Deserialize;

use crate::digest::Digest;
use crate::error::{Error, Result};
use crate::manifest::{Body, Descriptor, Manifest};

/// What podman knows the reference name of an image in an OCI layout by.
const REFERENCE_NAME: &str = "org.opencontainers.image.ref.name";
/// Manifests and configurations are small; anything larger is a layer and is passed over.
const LIMIT: u64 = 4 * 1024 * 1024;

/// The image in an archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArchivedImage {
    /// The image id: sha256 of the configuration, in hexadecimal.
    pub image_id: String,
    /// The names it carries.
    pub names: Vec<String>,
    /// The digest of its manifest; a docker archive has none.
    pub manifest: Option<Digest>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct DockerManifest {
    config: String,
    #[serde(default)]
    repo_tags: Option<Vec<String>>,
}

#[derive(Deserialize)]
struct OciIndex {
    manifests: Vec<OciEntry>,
}

#[derive(Deserialize)]
struct OciEntry {
    #[serde(flatten)]
    descriptor: Descriptor,
    #[serde(default)]
    annotations: BTreeMap<String, String>,
}

/// Says which image an archive holds. It has to hold exactly one.
pub fn read(archive: &[u8]) -> Result<ArchivedImage> {
    let files = small_files(archive)?;
    match (files.get("index.json"), files.get("manifest.json")) {
        (Some(index), _) => oci(index, &files),
        (None, Some(manifest)) => docker(manifest, &files),
        (None, None) => Err(bad("it has neither index.json (OCI) nor manifest.json (docker)")),
    }
}

fn bad(problem: impl Into<String>) -> Error {
    Error::Archive { what: "the file".to_owned(), problem: problem.into() }
}

fn small_files(archive: &[u8]) -> Result<BTreeMap<String, Vec<u8>>> {
    let unreadable = |error: std::io::Error| bad(format!("it cannot be read as a tar archive: {error}"));
    let mut files = BTreeMap::new();
    let mut tar = tar::Archive::new(archive);
    for entry in tar.entries().map_err(unreadable)? {
        let entry = entry.map_err(unreadable)?;
        if entry.size() > LIMIT || !entry.header().entry_type().is_file() {
            continue;
        }
        let name = entry.path().map_err(unreadable)?.to_string_lossy().trim_start_matches("./").to_owned();
        let mut bytes = Vec::new();
        entry.take(LIMIT).read_to_end(&mut bytes).map_err(unreadable)?;
        files.insert(name, bytes);
    }
    Ok(files)
}

fn docker(manifest: &[u8], files: &BTreeMap<String, Vec<u8>>) -> Result<ArchivedImage> {
    let images: Vec<DockerManifest> = serde_json::from_slice(manifest)
        .map_err(|source| Error::Manifest { what: "manifest.json".to_owned(), source })?;
    let [image] = images.as_slice() else { return Err(bad(format!("it holds {} images", images.len()))) };
    let config = files.get(&image.config).ok_or_else(|| bad(format!("{} is missing in it", image.config)))?;
    let names = image.repo_tags.clone().unwrap_or_default();
    Ok(ArchivedImage { image_id: Digest::of(config).hex(), names, manifest: None })
}

fn oci(index: &[u8], files: &BTreeMap<String, Vec<u8>>) -> Result<ArchivedImage> {
    let index: OciIndex = serde_json::from_slice(index)
        .map_err(|source| Error::Manifest { what: "index.json".to_owned(), source })?;
    let [entry] = index.manifests.as_slice() else {
        return Err(bad(format!("it holds {} images", index.manifests.len())));
    };
    let digest = entry.descriptor.digest;
    let path = format!("blobs/sha256/{}", digest.hex());
    let bytes = files.get(&path).ok_or_else(|| bad(format!("{path} is missing in it")))?;
    let found = Digest::of(bytes);
    if found != digest {
        return Err(Error::DigestMismatch { what: path, expected: digest, found });
    }
    let manifest = Manifest::parse(bytes.clone(), Some(&entry.descriptor.media_type))?;
    let Body::Image { config, .. } = manifest.body else {
        return Err(bad("it holds an index of several platforms, where one image is expected"));
    };
    let names = entry.annotations.get(REFERENCE_NAME).cloned().into_iter().collect();
    Ok(ArchivedImage { image_id: config.digest.hex(), names, manifest: Some(digest) })
}
