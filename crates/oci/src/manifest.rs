//! Manifests: a typed view over raw bytes. The bytes are what has the digest, so they are kept and never made again.

use serde::{Deserialize, Serialize};

use crate::digest::Digest;
use crate::error::{Error, Result};

/// Docker image manifest, schema 2.
pub const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
/// Docker manifest list.
pub const DOCKER_LIST: &str = "application/vnd.docker.distribution.manifest.list.v2+json";
/// OCI image manifest.
pub const OCI_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
/// OCI image index.
pub const OCI_INDEX: &str = "application/vnd.oci.image.index.v1+json";

/// What a client has to accept so that no registry converts anything.
pub const ALL_MANIFESTS: [&str; 4] = [DOCKER_MANIFEST, DOCKER_LIST, OCI_MANIFEST, OCI_INDEX];

/// What something is, how large, and its digest (OCI image specification, descriptor.md).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Descriptor {
    /// The media type.
    #[serde(default)]
    pub media_type: String,
    /// The digest of its bytes.
    pub digest: Digest,
    /// How many bytes it has.
    pub size: u64,
    /// Other places to get it from; layers that must not be distributed have nothing but these.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub urls: Vec<String>,
    /// In an index: which machines it is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub platform: Option<Platform>,
}

/// Which machines an image is for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Platform {
    /// As Go names it: `amd64`, `arm64`, `s390x`, `ppc64le`.
    pub architecture: String,
    /// `linux`.
    pub os: String,
}

/// A manifest with the bytes it was read from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manifest {
    /// Its media type.
    pub media_type: String,
    /// Its digest.
    pub digest: Digest,
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// What it refers to.
    pub body: Body,
}

/// What a manifest refers to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Body {
    /// One image.
    Image {
        /// Its configuration.
        config: Descriptor,
        /// Its layers, the lowest first.
        layers: Vec<Descriptor>,
    },
    /// Images for several kinds of machines.
    Index {
        /// Their manifests.
        manifests: Vec<Descriptor>,
    },
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Written {
    #[serde(default)]
    media_type: Option<String>,
    #[serde(default)]
    config: Option<Descriptor>,
    #[serde(default)]
    layers: Vec<Descriptor>,
    #[serde(default)]
    manifests: Option<Vec<Descriptor>>,
    #[serde(default)]
    subject: Option<Descriptor>,
}

impl Manifest {
    /// Reads a manifest. `media_type` is what the registry said; without it the body's own word or its shape decides.
    pub fn parse(bytes: impl Into<Vec<u8>>, media_type: Option<&str>) -> Result<Self> {
        let bytes = bytes.into();
        let digest = Digest::of(&bytes);
        let what = || digest.to_string();
        let written: Written =
            serde_json::from_slice(&bytes).map_err(|source| Error::Manifest { what: what(), source })?;
        let media_type = media_type.map(|said| said.split(';').next().unwrap_or(said).trim().to_owned());
        let media_type = media_type.filter(|said| ALL_MANIFESTS.contains(&said.as_str()));
        let media_type = media_type.or_else(|| written.media_type.clone()).unwrap_or_else(|| {
            // OCI's own media type is optional in the body, so the shape decides.
            if written.manifests.is_some() { OCI_INDEX } else { OCI_MANIFEST }.to_owned()
        });
        let unsupported = || Error::MediaType { what: what(), media_type: media_type.clone() };
        let contradicts = written.media_type.as_ref().is_some_and(|own| *own != media_type);
        let body = match (media_type.as_str(), written.config, written.manifests) {
            _ if contradicts => return Err(unsupported()),
            (DOCKER_MANIFEST | OCI_MANIFEST, Some(config), None) => {
                Body::Image { config, layers: written.layers }
            }
            (DOCKER_LIST | OCI_INDEX, None, Some(manifests)) => Body::Index { manifests },
            _ => return Err(unsupported()),
        };
        Ok(Self { media_type, digest, bytes, body })
    }

    /// The blobs of an image: configuration first, then layers; none for an index.
    pub fn blobs(&self) -> Vec<&Descriptor> {
        match &self.body {
            Body::Image { config, layers } => std::iter::once(config).chain(layers).collect(),
            Body::Index { .. } => Vec::new(),
        }
    }

    /// The manifests of an index; none for an image.
    pub fn children(&self) -> &[Descriptor] {
        match &self.body {
            Body::Image { .. } => &[],
            Body::Index { manifests } => manifests,
        }
    }

    /// The manifest that this one is about (OCI `subject`), if it says so.
    pub fn subject(&self) -> Option<Digest> {
        let written: Written = serde_json::from_slice(&self.bytes).ok()?;
        written.subject.map(|subject| subject.digest)
    }

    /// Itself, as a descriptor.
    pub fn descriptor(&self) -> Descriptor {
        Descriptor {
            media_type: self.media_type.clone(),
            digest: self.digest,
            size: self.bytes.len() as u64,
            urls: Vec::new(),
            platform: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn image(media_type: &str) -> Vec<u8> {
        let digest = Digest::of(b"x");
        let one = |media: &str| serde_json::json!({ "mediaType": media, "digest": digest, "size": 1 });
        serde_json::json!({
            "schemaVersion": 2, "mediaType": media_type, "config": one("c"), "layers": [one("l"), one("l")],
        })
        .to_string()
        .into_bytes()
    }

    #[test]
    fn images_of_both_kinds_keep_their_bytes() {
        for media_type in [DOCKER_MANIFEST, OCI_MANIFEST] {
            let bytes = image(media_type);
            let manifest = Manifest::parse(bytes.clone(), Some(media_type)).unwrap();
            assert_eq!((manifest.blobs().len(), manifest.children().len()), (3, 0));
            assert_eq!((manifest.digest, &manifest.bytes), (Digest::of(&bytes), &bytes));
        }
    }

    #[test]
    fn the_shape_decides_where_nothing_is_said() {
        let bytes = br#"{"schemaVersion":2,"manifests":[]}"#;
        assert_eq!(Manifest::parse(bytes, None).unwrap().media_type, OCI_INDEX);
        assert_eq!(Manifest::parse(bytes, Some("text/plain")).unwrap().media_type, OCI_INDEX);
    }

    #[test]
    fn a_body_that_contradicts_its_type_is_refused() {
        assert!(Manifest::parse(image(DOCKER_MANIFEST), Some(OCI_MANIFEST)).is_err());
        assert!(Manifest::parse(image(OCI_INDEX), Some(OCI_INDEX)).is_err());
        let schema1 =
            br#"{"schemaVersion":1,"mediaType":"application/vnd.docker.distribution.manifest.v1+json"}"#;
        assert!(Manifest::parse(schema1, None).unwrap_err().to_string().contains("v1+json"));
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = Manifest::parse(bytes, None);
        }
    }
}
