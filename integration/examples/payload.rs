//! Writes a release payload to a directory, as `provision mirror save --release` would have done from the internet;
//! prints the name of the release, then those of its components.
//!
//! `cargo run -p integration --example payload -- DIR [--components N] [--mebibytes N] [--version V] [--oci] [--lists]`

#![expect(clippy::print_stdout, reason = "it says what it wrote")]

use anyhow::{Context as _, Result, bail};
use integration::payload::Payload;
use provision_mirror::{Media, Payload as Release, Source};
use provision_oci::Store;

fn main() -> Result<()> {
    let mut directory = None;
    let mut payload = Payload {
        version: "4.10.0".into(),
        architecture: "x86_64".into(),
        components: 6,
        size: 4 << 20,
        oci: false,
        lists: false,
    };
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().with_context(|| format!("{argument} needs a value"));
        match argument.as_str() {
            "--components" => payload.components = value()?.parse()?,
            "--mebibytes" => payload.size = value()?.parse::<u64>()? << 20,
            "--version" => payload.version = value()?,
            "--oci" => payload.oci = true,
            "--lists" => payload.lists = true,
            other if other.starts_with('-') => bail!("unknown option {other}"),
            other => directory = Some(other.to_owned()),
        }
    }
    let directory = directory.context("where to? give a directory")?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (release, read) = runtime.block_on(async {
        let store = Store::create(&directory).await?;
        let release = payload.write(&store).await?;
        let read = Release::read(&Source::Media(Media::over(store)), &release).await?;
        anyhow::Ok((release, read))
    })?;
    println!("{release}");
    for component in read.components {
        println!("{}", component.reference);
    }
    Ok(())
}
