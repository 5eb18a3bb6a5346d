//! What an administrator would carry into the air gap: a release on media.

use std::path::Path;

use anyhow::Result;
use integration::payload::Payload;
use provision_mirror::Payload as Release;
use provision_oci::{Reference, Store};

/// A release on media.
#[derive(Debug, Clone)]
pub struct Carried {
    /// The release image.
    pub release: Reference,
    /// One of its components, by the digest reference that the release names it by.
    pub component: Reference,
    /// How many images it has, the release itself included.
    pub images: usize,
}

/// Writes a small release of the shape of OpenShift 4.10 to `directory`.
pub fn release(directory: &Path) -> Result<Carried> {
    let payload = Payload {
        version: "4.10.0".into(),
        architecture: "x86_64".into(),
        components: 6,
        size: 4 << 20,
        oci: false,
        lists: false,
    };
    let images = payload.components + 1;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let store = Store::create(directory).await?;
        let release = payload.write(&store).await?;
        let media = provision_mirror::Source::Media(provision_mirror::Media::over(store));
        let read = Release::read(&media, &release).await?;
        let component = read.components.into_iter().next().map(|component| component.reference);
        let component = component.ok_or_else(|| anyhow::anyhow!("a release without components"))?;
        Ok(Carried { release, component, images })
    })
}
