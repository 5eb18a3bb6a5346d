//! Uses the crate alone: says what an image in a registry consists of, and reads its configuration, checked.
//!
//! `cargo run -p provision-oci --example alone -- REGISTRY/REPOSITORY:TAG [--plain-http]`
//!
//! Without an image it names one from a text, and puts one into a store.

#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use std::error::Error;

use provision_oci::client::{Options, by_c_library};
use provision_oci::{Body, Digest, Reference, Registry, Store};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    match arguments.next() {
        Some(image) => ask(&image.parse()?, arguments.next().is_some()).await,
        None => keep().await,
    }
}

async fn ask(image: &Reference, plain_http: bool) -> Result<(), Box<dyn Error>> {
    let registry = Registry::new(&image.registry, &Options { plain_http, ..Options::new(by_c_library) })?;
    let manifest = registry.manifest(&image.repository, &image.wanted()).await?;
    println!("{} {}", manifest.digest, manifest.media_type);
    for child in manifest.children() {
        println!("  {} {} bytes, {:?}", child.digest, child.size, child.platform);
    }
    for blob in manifest.blobs() {
        println!("  {} {} bytes, {}", blob.digest, blob.size, blob.media_type);
    }
    if let Body::Image { config, .. } = &manifest.body {
        let bytes = registry.read_blob(&image.repository, config).await?;
        println!("{}", String::from_utf8_lossy(&bytes));
    }
    Ok(())
}

async fn keep() -> Result<(), Box<dyn Error>> {
    let image: Reference = "alpine:3".parse()?;
    println!("alpine:3 is {image}");
    let directory = std::env::temp_dir().join(format!("provision-oci-example-{}", std::process::id()));
    let store = Store::create(&directory).await?;
    let mut upload = store.begin_passing().await?;
    upload.write(b"hello ").await?;
    upload.write(b"world").await?;
    let size = upload.commit(&Digest::of(b"hello world")).await?;
    println!("a blob of {size} bytes is in {}", store.blob_path(&Digest::of(b"hello world")).display());
    std::fs::remove_dir_all(&directory)?;
    Ok(())
}
