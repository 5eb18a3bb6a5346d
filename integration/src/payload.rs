//! Release payloads for tests, since no public registry can be reached from them: the shape of a real one, any size,
//! and the same bytes every time.

use std::io::Write as _;

use anyhow::Result;
use flate2::Compression;
use flate2::write::GzEncoder;
use provision_mirror::{Media, Root};
use provision_oci::{
    DOCKER_LIST, DOCKER_MANIFEST, Descriptor, Digest, Manifest, OCI_INDEX, OCI_MANIFEST, Reference, Store,
    Tag,
};
use serde_json::{Value, json};

/// What to make.
#[derive(Debug, Clone)]
pub struct Payload {
    /// Such as `4.10.0`.
    pub version: String,
    /// As OpenShift names it: `x86_64`.
    pub architecture: String,
    /// How many components.
    pub components: usize,
    /// Bytes of all layers together, before packing; they do not pack.
    pub size: u64,
    /// OCI media types instead of Docker's.
    pub oci: bool,
    /// Every component is a list of images for two architectures.
    pub lists: bool,
}

/// Names that real payloads have.
const NAMES: [&str; 8] = [
    "cli",
    "cluster-version-operator",
    "etcd",
    "hyperkube",
    "installer",
    "machine-config-operator",
    "machine-os-content",
    "pod",
];
const COMPONENTS: &str = "quay.io/openshift-release-dev/ocp-v4.0-art-dev";
const RELEASES: &str = "quay.io/openshift-release-dev/ocp-release";
const LAYERS: u64 = 2;

/// Random-looking bytes that are the same every time (xorshift64*): real layers do not pack either.
struct Noise(u64);

impl Noise {
    fn fill(&mut self, bytes: &mut [u8]) {
        for chunk in bytes.chunks_mut(8) {
            self.0 ^= self.0 >> 12;
            self.0 ^= self.0 << 25;
            self.0 ^= self.0 >> 27;
            let word = self.0.wrapping_mul(0x2545_F491_4F6C_DD1D).to_le_bytes();
            chunk.copy_from_slice(&word[..chunk.len()]);
        }
    }
}

impl Payload {
    /// Makes the payload and puts it on media, as `provision mirror save --release` would have. Gives the release's name.
    pub async fn write(&self, store: &Store) -> Result<Reference> {
        self.write_as(store, RELEASES, COMPONENTS).await
    }

    /// The same for a payload that is published elsewhere: `registry/repository` of the release and of its components.
    pub async fn write_as(&self, store: &Store, releases: &str, components: &str) -> Result<Reference> {
        let mut tags = Vec::new();
        for number in 0..self.components {
            let name =
                NAMES.get(number).map_or_else(|| format!("component-{number:03}"), |name| (*name).to_owned());
            let image = self.component(store, components, number).await?;
            let tag: Tag = format!("{}-{}-{name}", self.version, self.architecture).parse()?;
            let from: Reference = format!("{components}@{}", image.digest).parse()?;
            store.put_manifest(&Media::repository(&from)?, Some(&tag), &image).await?;
            tags.push(json!({ "name": name, "from": { "kind": "DockerImage", "name": from.to_string() } }));
        }
        self.release(store, releases, tags).await
    }

    async fn release(&self, store: &Store, releases: &str, tags: Vec<Value>) -> Result<Reference> {
        let stream = json!({
            "kind": "ImageStream", "apiVersion": "image.openshift.io/v1",
            "metadata": { "name": self.version }, "spec": { "tags": tags },
        });
        let metadata = json!({
            "kind": "cincinnati-metadata-v0", "version": self.version, "previous": [], "metadata": {},
        });
        let layers = [
            layer(&[("etc/release", b"an earlier layer\n".to_vec())])?,
            layer(&[
                ("release-manifests/image-references", stream.to_string().into_bytes()),
                ("release-manifests/release-metadata", metadata.to_string().into_bytes()),
            ])?,
        ];
        let tag: Tag = format!("{}-{}", self.version, self.architecture).parse()?;
        let reference: Reference = format!("{releases}:{tag}").parse()?;
        let repository = Media::repository(&reference)?;
        let manifest = self.image(store, &repository, &layers, "amd64").await?;
        let digest = store.put_manifest(&repository, Some(&tag), &manifest).await?;
        let root = Root { reference: reference.to_string(), digest, release: true };
        Media::over(store.clone()).add_root(root).await?;
        Ok(reference)
    }

    /// One component: an image, or a list of two.
    async fn component(&self, store: &Store, components: &str, number: usize) -> Result<Manifest> {
        let repository = Media::repository(&format!("{components}:x").parse()?)?;
        let architectures: &[&str] = if self.lists { &["amd64", "arm64"] } else { &["amd64"] };
        let images = (self.components * architectures.len()) as u64;
        let bytes = usize::try_from(self.size / images.max(1) / LAYERS)?;
        let mut children = Vec::new();
        for (place, architecture) in architectures.iter().enumerate() {
            let mut layers = Vec::new();
            for layer_number in 0..LAYERS {
                let seed = (number as u64 + 1) * 1000 + place as u64 * 10 + layer_number;
                let mut noise = vec![0; bytes];
                Noise(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1).fill(&mut noise);
                layers.push(layer(&[("usr/share/noise", noise)])?);
            }
            let image = self.image(store, &repository, &layers, architecture).await?;
            store.put_manifest(&repository, None, &image).await?;
            children.push((image, *architecture));
        }
        match children.as_slice() {
            [(only, _)] => Ok(only.clone()),
            children => self.list(children),
        }
    }

    fn list(&self, children: &[(Manifest, &str)]) -> Result<Manifest> {
        let media_type = if self.oci { OCI_INDEX } else { DOCKER_LIST };
        let entries: Vec<Value> = children
            .iter()
            .map(|(child, architecture)| {
                json!({
                    "mediaType": child.media_type, "digest": child.digest, "size": child.bytes.len(),
                    "platform": { "architecture": architecture, "os": "linux" },
                })
            })
            .collect();
        let text = json!({ "schemaVersion": 2, "mediaType": media_type, "manifests": entries });
        Ok(Manifest::parse(text.to_string(), Some(media_type))?)
    }

    async fn image(
        &self,
        store: &Store,
        repository: &provision_oci::Repository,
        layers: &[(Vec<u8>, Digest)],
        architecture: &str,
    ) -> Result<Manifest> {
        let (manifest_type, config_type, layer_type) = if self.oci {
            (
                OCI_MANIFEST,
                "application/vnd.oci.image.config.v1+json",
                "application/vnd.oci.image.layer.v1.tar+gzip",
            )
        } else {
            (
                DOCKER_MANIFEST,
                "application/vnd.docker.container.image.v1+json",
                "application/vnd.docker.image.rootfs.diff.tar.gzip",
            )
        };
        let diff_ids: Vec<Digest> = layers.iter().map(|(_, diff_id)| *diff_id).collect();
        let config = json!({
            "architecture": architecture, "os": "linux", "config": {},
            "rootfs": { "type": "layers", "diff_ids": diff_ids },
        });
        let config = blob(store, repository, config_type, config.to_string().as_bytes()).await?;
        let mut described = Vec::new();
        for (packed, _) in layers {
            described.push(blob(store, repository, layer_type, packed).await?);
        }
        let text =
            json!({ "schemaVersion": 2, "mediaType": manifest_type, "config": config, "layers": described });
        Ok(Manifest::parse(text.to_string(), Some(manifest_type))?)
    }
}

async fn blob(
    store: &Store,
    repository: &provision_oci::Repository,
    media_type: &str,
    bytes: &[u8],
) -> Result<Descriptor> {
    let digest = store.put_blob(bytes).await?;
    store.link_blob(repository, &digest).await?;
    let size = bytes.len() as u64;
    Ok(Descriptor { media_type: media_type.to_owned(), digest, size, urls: Vec::new(), platform: None })
}

/// A layer as registries have it (packed), and its diff id (of the unpacked bytes).
fn layer(files: &[(&str, Vec<u8>)]) -> Result<(Vec<u8>, Digest)> {
    let mut archive = tar::Builder::new(Vec::new());
    for (name, bytes) in files {
        let mut header = tar::Header::new_ustar();
        header.set_mode(0o644);
        header.set_size(bytes.len() as u64);
        header.set_mtime(0);
        archive.append_data(&mut header, name, bytes.as_slice())?;
    }
    let unpacked = archive.into_inner()?;
    let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
    packed.write_all(&unpacked)?;
    Ok((packed.finish()?, Digest::of(&unpacked)))
}
