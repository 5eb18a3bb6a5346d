//! Copies images: blobs first, each once and only where it is missing, then manifests, then tags.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};
use provision_oci::client::Progress;
use provision_oci::{Descriptor, Digest, Reference, Repository};
use serde::Serialize;

use crate::endpoint::{Source, Target, of_image};
use crate::error::Result;
use crate::event::{Event, Listener};
use crate::expand::{Image, Work};

/// Blobs on their way at the same time.
const PARALLEL: usize = 6;

/// What a copy came to.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Summary {
    /// Images at the target now, manifest lists counted once.
    pub images: usize,
    /// Those that were there already.
    pub present: usize,
    /// Blobs that were sent (or would be, in a dry run).
    pub blobs: usize,
    /// Their bytes.
    pub bytes: u64,
}

/// One blob that some image needs.
struct Needed<'a> {
    descriptor: &'a Descriptor,
    from: &'a Reference,
    image: String,
}

/// Brings everything to the target. With `dry_run` only asks what is missing there.
pub async fn copy(
    source: &Source,
    target: &Target,
    work: &Work,
    dry_run: bool,
    listener: Listener<'_>,
) -> Result<Summary> {
    let mut summary = Summary { images: work.images.len(), ..Summary::default() };
    let missing = missing_images(target, work, listener).await?;
    summary.present = work.images.len() - missing.len();
    let blobs = missing_blobs(target, &missing).await?;
    summary.blobs = blobs.len();
    summary.bytes = blobs.iter().map(|(_, needed)| needed.descriptor.size).sum();
    listener(Event::Planned { images: missing.len(), blobs: summary.blobs, bytes: summary.bytes });
    if dry_run {
        return Ok(summary);
    }
    let (sender, mut told) = tokio::sync::mpsc::unbounded_channel::<u64>();
    let progress: Progress = Arc::new(move |bytes| {
        // Nobody listens any more once the copy has ended.
        let _ = sender.send(bytes);
    });
    let sending = send_blobs(source, target, blobs, progress, listener);
    tokio::pin!(sending);
    loop {
        tokio::select! {
            Some(bytes) = told.recv() => listener(Event::Bytes { bytes }),
            ended = &mut sending => break ended?,
        }
    }
    for image in missing {
        put_manifests(target, image, listener).await?;
    }
    Ok(summary)
}

/// The images whose tag does not stand for their digest yet, in their order.
async fn missing_images<'a>(
    target: &Target,
    work: &'a Work,
    listener: Listener<'_>,
) -> Result<Vec<&'a Image>> {
    let asked: Vec<Option<&Image>> = stream::iter(&work.images)
        .map(|image| async move {
            let wanted =
                image.tag.as_ref().map_or_else(|| image.manifest.digest.to_string(), ToString::to_string);
            let found = target.head(&image.repository, &wanted).await;
            let found = found.map_err(|error| of_image(&name(target, image), error))?;
            Ok::<_, crate::Error>((found != Some(image.manifest.digest)).then_some(image))
        })
        .buffered(PARALLEL * 2)
        .try_collect()
        .await?;
    for (image, missing) in work.images.iter().zip(&asked) {
        if missing.is_none() {
            listener(Event::Present { image: name(target, image) });
        }
    }
    Ok(asked.into_iter().flatten().collect())
}

/// The blobs of these images that the target lacks, each once per repository.
async fn missing_blobs<'a>(target: &Target, images: &[&'a Image]) -> Result<Vec<(Repository, Needed<'a>)>> {
    let mut needed: BTreeMap<(&Repository, Digest), Needed<'a>> = BTreeMap::new();
    for image in images {
        for blob in image.manifests().flat_map(|manifest| manifest.blobs()) {
            // A layer that may only be had from its vendor's address is not in any registry.
            if blob.urls.is_empty() {
                let one = || Needed { descriptor: blob, from: &image.from, image: name(target, image) };
                needed.entry((&image.repository, blob.digest)).or_insert_with(one);
            }
        }
    }
    let asked: Vec<Option<(Repository, Needed<'a>)>> = stream::iter(needed)
        .map(|((repository, _), needed)| async move {
            let has = target.has_blob(repository, needed.descriptor).await;
            let has = has.map_err(|error| of_image(&needed.image, error))?;
            Ok::<_, crate::Error>((!has).then(|| (repository.clone(), needed)))
        })
        .buffered(PARALLEL * 2)
        .try_collect()
        .await?;
    Ok(asked.into_iter().flatten().collect())
}

async fn send_blobs(
    source: &Source,
    target: &Target,
    blobs: Vec<(Repository, Needed<'_>)>,
    progress: Progress,
    listener: Listener<'_>,
) -> Result<()> {
    stream::iter(blobs)
        .map(|(repository, needed)| {
            let progress = progress.clone();
            async move {
                let Needed { descriptor, from, image } = needed;
                let brought = target.bring_blob(&repository, descriptor, source, from, progress).await;
                brought.map_err(|error| of_image(&image, error))?;
                let (digest, size) = (descriptor.digest.to_string(), descriptor.size);
                listener(Event::Blob { digest, size, present: false });
                Ok::<_, crate::Error>(())
            }
        })
        .buffer_unordered(PARALLEL)
        .try_collect::<Vec<()>>()
        .await
        .map(drop)
}

async fn put_manifests(target: &Target, image: &Image, listener: Listener<'_>) -> Result<()> {
    let shown = name(target, image);
    if let Target::Media(media) = target {
        // On media a blob may be there for another repository only.
        for blob in
            image.manifests().flat_map(|manifest| manifest.blobs()).filter(|blob| blob.urls.is_empty())
        {
            media.store().link_blob(&image.repository, &blob.digest).await?;
        }
    }
    for child in &image.children {
        let put = target.put_manifest(&image.repository, None, child).await;
        put.map_err(|error| of_image(&shown, error))?;
    }
    let put = target.put_manifest(&image.repository, image.tag.as_ref(), &image.manifest).await;
    put.map_err(|error| of_image(&shown, error))?;
    listener(Event::Copied { image: shown, digest: image.manifest.digest.to_string() });
    Ok(())
}

/// An image's name at a registry; on media, that of where it comes from.
fn name(target: &Target, image: &Image) -> String {
    let repository = match target {
        Target::Registry(registry) => format!("{}/{}", registry.name(), image.repository),
        Target::Media(_) => image.from.name(),
    };
    match &image.tag {
        Some(tag) => format!("{repository}:{tag}"),
        None => format!("{repository}@{}", image.manifest.digest),
    }
}
