//! Whether a release is at a target already: every image under its tag, with its digest.
//!
//! Asks for names and digests only; neither the source of the images nor their bytes are needed.

use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};
use provision_oci::{Digest, Repository, Tag};

use crate::endpoint::Target;
use crate::error::Result;
use crate::payload::Payload;

/// Images asked for at the same time.
const PARALLEL: usize = 12;

impl Payload {
    /// The images of this release, each with its tag at a target; the release image last.
    fn tags(&self) -> Result<Vec<(Tag, Digest)>> {
        let mut tags = Vec::new();
        for component in &self.components {
            // Components are named by digest: the payload was refused otherwise.
            if let Some(digest) = component.reference.digest {
                tags.push((self.component_tag(component).parse()?, digest));
            }
        }
        tags.push((self.release_tag().parse()?, self.digest));
        Ok(tags)
    }

    /// The tags that a target lacks, or has with another digest; none when all of the release is there.
    pub async fn missing(&self, target: &Target, repository: &Repository) -> Result<Vec<Tag>> {
        let asked: Vec<Option<Tag>> = stream::iter(self.tags()?)
            .map(|(tag, digest)| async move {
                let found = target.head(repository, tag.as_str()).await?;
                Ok::<_, crate::Error>((found != Some(digest)).then_some(tag))
            })
            .buffered(PARALLEL)
            .try_collect()
            .await?;
        Ok(asked.into_iter().flatten().collect())
    }
}
