//! Writes an OCI archive of CNCF distribution, made of Debian's package docker-registry.
//!
//! `cargo run -p integration --example distribution_image -- FILE`

use anyhow::{Context as _, Result};

fn main() -> Result<()> {
    let file = std::env::args_os().nth(1).context("where to? give a file")?;
    integration::distribution_image::write(file.as_ref())
}
