//! What an administrator would carry into the air gap: a release on media, and a registry's image in an archive.
//!
//! Made by programs of the package `integration`, which needs libraries that this one installs first.

use std::path::Path;

use anyhow::{Context as _, Result};

use crate::run::cargo;

/// A release on media.
#[derive(Debug, Clone)]
pub struct Carried {
    /// The release image.
    pub release: String,
    /// One of its components, by the digest reference that the release names it by.
    pub component: String,
    /// How many images it has, the release itself included.
    pub images: usize,
}

/// Writes a small release of the shape of OpenShift 4.10 to `directory`.
pub fn release(directory: &Path) -> Result<Carried> {
    let printed = example("payload", directory)?;
    let mut names = printed.lines().map(str::to_owned);
    let release = names.next().context("the generator of payloads names no release")?;
    let component = names.next().context("the generator of payloads names no component")?;
    Ok(Carried { release, component, images: printed.lines().count() })
}

/// Packs CNCF distribution into an OCI archive.
pub fn distribution(archive: &Path) -> Result<()> {
    example("distribution_image", archive).map(drop)
}

fn example(name: &str, path: &Path) -> Result<String> {
    let path = path.to_string_lossy();
    cargo(&["run", "--quiet", "--package", "integration", "--example", name, "--", &path])
}
