//! Directories as `oc adm release mirror --to-dir` writes them, made from media.

use std::os::unix::fs::symlink;
use std::path::Path;

use anyhow::{Context as _, Result};
use provision_oci::Store;

/// The repository that oc puts a release into.
pub const REPOSITORY: &str = "openshift/release";

/// Lays out everything on the media the way oc does: one repository, manifests as hard links, tags as symbolic ones.
pub fn write(media: &Path, directory: &Path) -> Result<()> {
    let below = directory.join("v2").join(REPOSITORY);
    let (blobs, manifests) = (below.join("blobs"), below.join("manifests"));
    std::fs::create_dir_all(&blobs)?;
    std::fs::create_dir_all(&manifests)?;
    for entry in std::fs::read_dir(media.join("blobs/sha256"))? {
        let entry = entry?;
        let name = format!("sha256:{}", entry.file_name().to_string_lossy());
        std::fs::copy(entry.path(), blobs.join(name))?;
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let store = Store::open(media).await?;
        for repository in store.repositories().await? {
            for digest in store.manifests(&repository).await? {
                let name = digest.to_string();
                std::fs::hard_link(blobs.join(&name), manifests.join(&name))?;
            }
            for tag in store.tags(&repository).await?.unwrap_or_default() {
                let digest = store.tag(&repository, &tag).await?.context("a tag of nothing")?;
                symlink(digest.to_string(), manifests.join(tag.as_str()))?;
            }
        }
        Ok(())
    })
}
