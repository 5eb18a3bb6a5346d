//! A blob that is a file here, hashed while it is read.

use std::path::{Path, PathBuf};

use bytes::{Bytes, BytesMut};
use tokio::fs::File;
use tokio::io::AsyncReadExt as _;

use crate::client::error::ClientError;
use crate::digest::{Digest, Hasher};
use crate::error::Error;
use crate::manifest::Descriptor;

/// How much is read at once.
const CHUNK: usize = 256 * 1024;

/// A file on its way to a registry.
pub(super) struct FileStream {
    file: File,
    path: PathBuf,
    hasher: Option<Hasher>,
    expected: Digest,
}

impl FileStream {
    /// Opens a file that has to be as long as its descriptor says.
    pub(super) async fn open(path: &Path, descriptor: &Descriptor) -> Result<Self, ClientError> {
        let failed = |source| ClientError::Reading { what: path.display().to_string(), source };
        let file = File::open(path).await.map_err(failed)?;
        let (found, expected) = (file.metadata().await.map_err(failed)?.len(), descriptor.size);
        if found != expected {
            return Err(Error::Size { path: path.to_path_buf(), expected, found }.into());
        }
        Ok(Self { file, path: path.to_path_buf(), hasher: Some(Hasher::new()?), expected: descriptor.digest })
    }

    /// The next bytes; none at the end, when all of them were what the digest says.
    pub(super) async fn next(&mut self) -> Result<Option<Bytes>, ClientError> {
        let failed = |source| ClientError::Reading { what: self.path.display().to_string(), source };
        let mut bytes = BytesMut::with_capacity(CHUNK);
        if self.file.read_buf(&mut bytes).await.map_err(failed)? > 0 {
            if let Some(hasher) = &mut self.hasher {
                hasher.update(&bytes)?;
            }
            return Ok(Some(bytes.freeze()));
        }
        let Some(hasher) = self.hasher.take() else { return Ok(None) };
        let (found, expected) = (hasher.finish()?, self.expected);
        if found == expected {
            return Ok(None);
        }
        let what = format!("{} is damaged", self.path.display());
        Err(Error::DigestMismatch { what, expected, found }.into())
    }
}
