//! Release payloads: the image that lists the component images of one OpenShift version.
//!
//! `release-manifests/image-references` is an ImageStream whose tags name the components by digest;
//! `release-manifests/release-metadata` names the version.

use std::io::Read as _;

use flate2::read::MultiGzDecoder;
use provision_oci::{Body, Digest, Reference};
use serde::Deserialize;

use crate::endpoint::Source;
use crate::error::{Error, Result};

const REFERENCES: &str = "release-manifests/image-references";
/// A file of the payload, or the configuration, may be this large; the largest known has 0.1 MB.
const FILE_LIMIT: u64 = 16 << 20;
/// A layer is read into memory, and may have this many bytes.
const PACKED_LIMIT: u64 = 512 << 20;
/// A layer may unpack to this much: more is a bomb, not a release.
const LAYER_LIMIT: u64 = 1 << 30;

/// What a release consists of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Payload {
    /// The digest of the release image, or of the list of them.
    pub digest: Digest,
    /// Such as `4.10.0`.
    pub version: String,
    /// As OpenShift names it in tags: `x86_64`, `aarch64`, `ppc64le`, `s390x`, `multi`.
    pub architecture: String,
    /// The components, in the order of the payload.
    pub components: Vec<Component>,
}

/// One component image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Component {
    /// Such as `machine-config-operator`.
    pub name: String,
    /// Where it is, by digest.
    pub reference: Reference,
}

#[derive(Deserialize)]
struct ImageStream {
    metadata: Metadata,
    spec: Spec,
}

#[derive(Deserialize)]
struct Metadata {
    name: String,
}

#[derive(Deserialize)]
struct Spec {
    tags: Vec<StreamTag>,
}

#[derive(Deserialize)]
struct StreamTag {
    name: String,
    from: From,
}

#[derive(Deserialize)]
struct From {
    kind: String,
    name: String,
}

#[derive(Deserialize)]
struct Config {
    architecture: String,
}

impl Payload {
    /// Reads the payload of a release image; of a manifest list, that of its first image.
    pub async fn read(source: &Source, release: &Reference) -> Result<Self> {
        let mut manifest = source.manifest(release).await?;
        let digest = manifest.digest;
        let multi = matches!(manifest.body, Body::Index { .. });
        if let Some(first) = manifest.children().first() {
            manifest = source.manifest(&release.with_digest(first.digest)).await?;
        }
        let not =
            |problem: &str| Error::NotARelease { image: release.to_string(), problem: problem.to_owned() };
        let Body::Image { config, layers } = &manifest.body else { return Err(not("it holds no image")) };
        if config.size > FILE_LIMIT {
            return Err(not(&format!("its configuration has {} bytes, more than any release", config.size)));
        }
        let config: Config =
            serde_json::from_slice(&source.read_blob(release, config).await?).map_err(|source| {
                Error::Payload { image: release.to_string(), file: "its configuration", source }
            })?;
        // Later layers override earlier ones, and the last one has it: usually no other is read.
        for layer in layers.iter().rev() {
            if layer.size > PACKED_LIMIT {
                return Err(not(&format!(
                    "its layer {} has {} bytes, more than any release",
                    layer.digest, layer.size
                )));
            }
            let bytes = source.read_blob(release, layer).await?;
            if let Some(text) = find(&bytes, REFERENCES).map_err(|problem| not(&problem))? {
                let architecture = if multi { "multi" } else { architecture(&config.architecture) };
                return Self::parse(&text, release, digest, architecture);
            }
        }
        Err(not(&format!("none of its layers has {REFERENCES}")))
    }

    fn parse(text: &[u8], release: &Reference, digest: Digest, architecture: &str) -> Result<Self> {
        let image = || release.to_string();
        let stream: ImageStream = serde_json::from_slice(text).map_err(|source| Error::Payload {
            image: image(),
            file: "image-references",
            source,
        })?;
        let not = |problem: String| Error::NotARelease { image: image(), problem };
        let mut components = Vec::new();
        for tag in stream.spec.tags.into_iter().filter(|tag| tag.from.kind == "DockerImage") {
            let reference: Reference = tag.from.name.parse()?;
            if reference.digest.is_none() {
                return Err(not(format!(
                    "component {} is named without digest: {}",
                    tag.name, tag.from.name
                )));
            }
            components.push(Component { name: tag.name, reference });
        }
        if components.is_empty() {
            return Err(not("it names no components".to_owned()));
        }
        Ok(Self { digest, version: stream.metadata.name, architecture: architecture.to_owned(), components })
    }

    /// The tag of the release image at the target, as `oc adm release mirror` names it.
    pub fn release_tag(&self) -> String {
        format!("{}-{}", self.version, self.architecture)
    }

    /// The tag of a component at the target.
    pub fn component_tag(&self, component: &Component) -> String {
        format!("{}-{}", self.release_tag(), component.name)
    }
}

/// Go's name of an architecture, as OpenShift writes it in tags.
fn architecture(go: &str) -> &str {
    match go {
        "amd64" => "x86_64",
        "arm64" => "aarch64",
        other => other,
    }
}

/// A file in a layer: a tar archive, perhaps packed with gzip.
fn find(layer: &[u8], wanted: &str) -> Result<Option<Vec<u8>>, String> {
    let reader: Box<dyn std::io::Read> = match layer {
        [0x1f, 0x8b, ..] => Box::new(MultiGzDecoder::new(layer)),
        [0x28, 0xb5, 0x2f, 0xfd, ..] => {
            return Err("a layer is packed with zstd, which is not handled yet".into());
        }
        _ => Box::new(layer),
    };
    let unreadable = |error: std::io::Error| format!("a layer cannot be unpacked: {error}");
    let mut archive = tar::Archive::new(reader.take(LAYER_LIMIT));
    let mut found = None;
    for entry in archive.entries().map_err(unreadable)? {
        let entry = entry.map_err(unreadable)?;
        let path = entry.path().map_err(unreadable)?.to_string_lossy().trim_start_matches("./").to_owned();
        if path == wanted && entry.header().entry_type().is_file() {
            if entry.size() > FILE_LIMIT {
                return Err(format!("{wanted} has {} bytes, more than any release", entry.size()));
            }
            let mut bytes = Vec::new();
            entry.take(FILE_LIMIT).read_to_end(&mut bytes).map_err(unreadable)?;
            found = Some(bytes);
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn release() -> Reference {
        "quay.io/openshift-release-dev/ocp-release:4.10.0-x86_64".parse().unwrap()
    }

    #[test]
    fn components_are_named_by_digest_or_refused() {
        let text = |from: &str| {
            format!(
                r#"{{"metadata":{{"name":"4.10.0"}},"spec":{{"tags":[{{"name":"cli","from":{{"kind":"DockerImage","name":"{from}"}}}}]}}}}"#
            )
        };
        let digest = provision_oci::Digest::of(b"x");
        let parse = |text: String| Payload::parse(text.as_bytes(), &release(), digest, "x86_64");
        let payload = parse(text(&format!("quay.io/a/b@{digest}"))).unwrap();
        assert_eq!(payload.release_tag(), "4.10.0-x86_64");
        assert_eq!(payload.component_tag(&payload.components[0]), "4.10.0-x86_64-cli");
        let error = parse(text("quay.io/a/b:latest")).unwrap_err();
        assert!(error.to_string().contains("cli is named without digest"), "{error}");
    }

    #[test]
    fn a_layer_of_an_unknown_kind_is_named() {
        assert!(find(&[0x28, 0xb5, 0x2f, 0xfd, 0], REFERENCES).unwrap_err().contains("zstd"));
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
            let _ = find(&bytes, REFERENCES);
            let _ = Payload::parse(&bytes, &release(), Digest::of(b"x"), "x86_64");
        }
    }
}
