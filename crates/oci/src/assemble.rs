//! An image made of nothing but one static program: the same program gives the same image, byte for byte.
//!
//! Written as a docker archive (`podman load`, `docker load`), the one form that all versions of podman name on loading.

use std::collections::BTreeMap;
use std::io::Write;

use serde_json::json;

use crate::digest::{Digest, Hasher};
use crate::error::{Error, Result};

/// What the image is called and does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageSpec {
    /// The name podman gives it, with a tag.
    pub name: String,
    /// Where the program is in the image, without the leading slash.
    pub program: String,
    /// The first words of what is run; the service's arguments follow.
    pub entrypoint: Vec<String>,
    /// Empty directories for mounts, without the leading slash, parents first.
    pub directories: Vec<String>,
    /// Labels.
    pub labels: BTreeMap<String, String>,
    /// As Go names it: `amd64`, `arm64`.
    pub architecture: String,
}

/// An image as an archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assembled {
    /// The docker archive.
    pub archive: Vec<u8>,
    /// The image id: sha256 of the configuration, in hexadecimal.
    pub image_id: String,
}

/// Makes the image.
pub fn scratch_image(program: &[u8], spec: &ImageSpec) -> Result<Assembled> {
    let layer = layer(Vec::with_capacity(program.len() + 16 * 1024), program, spec)?;
    let layer_digest = Digest::of(&layer);
    let config = configuration(&layer_digest, spec);
    let image_id = Digest::of(config.as_bytes()).hex();
    let (config_name, layer_name) = (format!("{image_id}.json"), format!("{}.tar", layer_digest.hex()));
    let manifest =
        json!([{ "Config": config_name, "Layers": [layer_name], "RepoTags": [spec.name] }]).to_string();
    let mut archive = tar::Builder::new(Vec::with_capacity(layer.len() + 16 * 1024));
    for (name, bytes) in [
        (config_name.as_str(), config.as_bytes()),
        (&layer_name, &layer),
        ("manifest.json", manifest.as_bytes()),
    ] {
        add(&mut archive, name, tar::EntryType::Regular, 0o644, bytes)?;
    }
    Ok(Assembled { archive: finish(archive)?, image_id })
}

/// The id of the image that [`scratch_image`] makes. Makes none: of a large program nothing is copied.
pub fn scratch_image_id(program: &[u8], spec: &ImageSpec) -> Result<String> {
    let layer_digest = layer(Hasher::new()?, program, spec)?.finish()?;
    Ok(Digest::of(configuration(&layer_digest, spec).as_bytes()).hex())
}

/// The image's configuration, whose digest is the image's id.
fn configuration(layer: &Digest, spec: &ImageSpec) -> String {
    let epoch = "1970-01-01T00:00:00Z";
    let config = json!({
        "architecture": spec.architecture,
        "config": { "Entrypoint": spec.entrypoint, "Labels": spec.labels },
        "created": epoch,
        "history": [{ "created": epoch, "created_by": "provision" }],
        "os": "linux",
        "rootfs": { "diff_ids": [layer], "type": "layers" },
    });
    config.to_string()
}

/// The image's only layer.
fn layer<W: Write>(out: W, program: &[u8], spec: &ImageSpec) -> Result<W> {
    let mut layer = tar::Builder::new(out);
    for directory in &spec.directories {
        add(&mut layer, &format!("{directory}/"), tar::EntryType::Directory, 0o755, b"")?;
    }
    add(&mut layer, &spec.program, tar::EntryType::Regular, 0o755, program)?;
    finish(layer)
}

/// One entry of root's, as old as the epoch, so that the same content gives the same bytes.
fn add<W: Write>(
    archive: &mut tar::Builder<W>,
    name: &str,
    kind: tar::EntryType,
    mode: u32,
    bytes: &[u8],
) -> Result<()> {
    let mut header = tar::Header::new_ustar();
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_size(bytes.len() as u64);
    header.set_mtime(0);
    header.set_uid(0);
    header.set_gid(0);
    archive.append_data(&mut header, name, bytes).map_err(|e| Error::file("pack", name.as_ref(), e))
}

fn finish<W: Write>(archive: tar::Builder<W>) -> Result<W> {
    let packed = archive.into_inner().and_then(|mut out| out.flush().map(|()| out));
    packed.map_err(|e| Error::file("pack", "the image".as_ref(), e))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::archive::ArchivedImage;

    fn spec() -> ImageSpec {
        ImageSpec {
            name: "localhost/tool:1".into(),
            program: "tool".into(),
            entrypoint: vec!["/tool".into(), "serve".into()],
            directories: vec!["data".into()],
            labels: [("a".to_owned(), "b".to_owned())].into(),
            architecture: "amd64".into(),
        }
    }

    #[test]
    fn the_same_program_gives_the_same_image() {
        let one = scratch_image(b"program", &spec()).unwrap();
        assert_eq!(one, scratch_image(b"program", &spec()).unwrap());
        assert_eq!(one.image_id, scratch_image_id(b"program", &spec()).unwrap());
        assert_ne!(one.image_id, scratch_image(b"another", &spec()).unwrap().image_id);
    }

    #[test]
    fn the_archive_says_what_it_holds() {
        let image = scratch_image(b"program", &spec()).unwrap();
        let expected = ArchivedImage {
            image_id: image.image_id.clone(),
            names: vec!["localhost/tool:1".into()],
            manifest: None,
        };
        assert_eq!(crate::archive::read(&image.archive).unwrap(), expected);
    }
}
