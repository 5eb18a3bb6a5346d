//! What a release consists of, with sizes: every image by its digest, and how many bytes its blobs have.

use std::collections::BTreeMap;

use provision_oci::{Digest, Reference};

use crate::endpoint::Source;
use crate::error::{Error, Result};
use crate::expand::{Image, Selection, expand};

/// A release, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inventory {
    /// The digest of the release image, or of the list of them.
    pub digest: Digest,
    /// Such as `4.10.0`.
    pub version: String,
    /// As OpenShift names it in tags: `x86_64`, `multi`.
    pub architecture: String,
    /// Bytes of all blobs of the release, each counted once.
    pub size: u64,
    /// The component images, in the order of the payload.
    pub components: Vec<Part>,
}

/// One component image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// Such as `machine-config-operator`.
    pub name: String,
    /// Where it is, by digest.
    pub image: Reference,
    /// Bytes of its blobs, each counted once; of a list, those of all its images.
    pub size: u64,
}

impl Inventory {
    /// Reads the payload of a release and the manifests of all its images; no layer but the payload's own.
    pub async fn read(source: &Source, release: &Reference) -> Result<Self> {
        let selection = Selection { image: release.clone(), release: true };
        let taken = expand(source, &selection, Some(&release.repository), None).await;
        let work = taken.map_err(|error| match error {
            // Nothing was to be copied; what was looked for says the error below.
            Error::Copy { source, .. } => *source,
            error => error,
        })?;
        let no_payload =
            || Error::NotARelease { image: release.to_string(), problem: "no payload".to_owned() };
        let payload = work.payload.ok_or_else(no_payload)?;
        // The images come in the order of the components, the release image last.
        let parts = payload.components.iter().zip(&work.images);
        let part = |(component, image): (&crate::Component, &Image)| Part {
            name: component.name.clone(),
            image: component.reference.clone(),
            size: bytes([image]),
        };
        Ok(Self {
            digest: payload.digest,
            version: payload.version.clone(),
            architecture: payload.architecture.clone(),
            size: bytes(&work.images),
            components: parts.map(part).collect(),
        })
    }
}

/// The bytes of the blobs of images, each blob counted once. The sizes are what manifests say.
fn bytes<'a>(images: impl IntoIterator<Item = &'a Image>) -> u64 {
    let manifests = images.into_iter().flat_map(Image::manifests);
    let blobs =
        manifests.flat_map(|manifest| manifest.blobs().into_iter().map(|blob| (blob.digest, blob.size)));
    let each: BTreeMap<Digest, u64> = blobs.collect();
    each.into_values().fold(0, u64::saturating_add)
}

#[cfg(test)]
mod tests {
    use provision_oci::Manifest;
    use serde_json::json;

    use super::*;

    fn image(blobs: &[(&[u8], u64)]) -> Image {
        let blob = |(bytes, size): &(&[u8], u64)| json!({ "mediaType": "x", "digest": Digest::of(bytes), "size": size });
        let layers: Vec<_> = blobs.iter().map(blob).collect();
        let text = json!({ "schemaVersion": 2, "config": blob(&(b"config", 5)), "layers": layers });
        let manifest = Manifest::parse(text.to_string(), None).unwrap();
        let from: Reference = format!("quay.io/a/b@{}", manifest.digest).parse().unwrap();
        Image { repository: from.repository.clone(), from, tag: None, manifest, children: Vec::new() }
    }

    #[test]
    fn a_blob_that_images_share_counts_once() {
        let (one, two) = (image(&[(b"a", 10), (b"b", 20), (b"a", 10)]), image(&[(b"b", 20), (b"c", 40)]));
        assert_eq!((bytes([&one]), bytes([&two]), bytes([&one, &two])), (35, 65, 75));
        assert_eq!(
            bytes([&image(&[(b"a", u64::MAX)])]),
            u64::MAX,
            "what a manifest says makes nothing overflow"
        );
    }
}
