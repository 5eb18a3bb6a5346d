//! An OCI archive of CNCF distribution, as a site would carry one: Debian's docker-registry and the C library it needs.

use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, bail};
use provision_oci::Digest;
use serde_json::{Value, json};

const PROGRAM: &str = "/usr/bin/docker-registry";
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const LAYER: &str = "application/vnd.oci.image.layer.v1.tar";
const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
/// The same archive from the same program, whenever it is made.
const SAME: [&str; 5] = ["--sort=name", "--mtime=@0", "--owner=0", "--group=0", "--numeric-owner"];

/// Writes the archive.
pub fn write(archive: &Path) -> Result<()> {
    let directory = tempfile::tempdir()?;
    let (root, layout) = (directory.path().join("root"), directory.path().join("layout"));
    std::fs::create_dir_all(root.join("bin"))?;
    std::fs::copy(PROGRAM, root.join("bin/registry"))?;
    for library in libraries()? {
        let to = root.join(library.trim_start_matches('/'));
        std::fs::create_dir_all(to.parent().unwrap_or(&root))?;
        std::fs::copy(&library, to)?;
    }
    let layer = directory.path().join("layer.tar");
    pack(&root, &layer)?;
    lay_out(&layout, std::fs::read(layer)?)?;
    pack(&layout, archive)
}

fn pack(directory: &Path, archive: &Path) -> Result<()> {
    let mut tar = Command::new("tar");
    run(tar.args(SAME).arg("--create").arg("--file").arg(archive).arg("-C").arg(directory).arg(".")).map(drop)
}

fn run(command: &mut Command) -> Result<String> {
    let output = command.output().with_context(|| format!("cannot run {command:?}"))?;
    if !output.status.success() {
        bail!("{command:?}: {}\n{}", output.status, String::from_utf8_lossy(&output.stderr));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// An OCI image layout of one image with one layer.
fn lay_out(layout: &Path, layer: Vec<u8>) -> Result<()> {
    let blobs = layout.join("blobs/sha256");
    std::fs::create_dir_all(&blobs)?;
    let put = |media_type: &str, bytes: &[u8]| -> Result<Value> {
        let digest = Digest::of(bytes);
        std::fs::write(blobs.join(digest.hex()), bytes)?;
        Ok(json!({ "mediaType": media_type, "digest": digest, "size": bytes.len() }))
    };
    let config = json!({
        "architecture": "amd64", "os": "linux", "config": { "Entrypoint": ["/bin/registry"] },
        "rootfs": { "type": "layers", "diff_ids": [Digest::of(&layer)] },
    });
    let config = put(CONFIG, config.to_string().as_bytes())?;
    let layers = [put(LAYER, &layer)?];
    let manifest = json!({ "schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": layers });
    let mut manifest = put(MANIFEST, manifest.to_string().as_bytes())?;
    manifest["annotations"] = json!({ "org.opencontainers.image.ref.name": "localhost/distribution:2" });
    let index = json!({ "schemaVersion": 2, "manifests": [manifest] });
    std::fs::write(layout.join("index.json"), index.to_string())?;
    std::fs::write(layout.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#)?;
    Ok(())
}

/// The shared libraries of the program, with its loader, by path.
fn libraries() -> Result<Vec<String>> {
    let listed = run(Command::new("ldd").arg(PROGRAM))?;
    let path = |line: &str| line.split_whitespace().find(|word| word.starts_with('/')).map(str::to_owned);
    Ok(listed.lines().filter_map(path).collect())
}
