//! What can go wrong with images, digests and the store. Each error names the image, blob or file.

use std::io;
use std::path::{Path, PathBuf};

use crate::digest::Digest;

/// The result of everything in this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// A failure of the store, of an archive, or of a text that is no name.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A text is not what the grammar of the distribution specification asks for.
    #[error("{text:?} is not {expected}")]
    Grammar {
        /// The text.
        text: String,
        /// What was expected.
        expected: &'static str,
    },
    /// A file or directory of the store refused.
    #[error("cannot {action} {}", path.display())]
    File {
        /// What was tried, as a verb.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// The system's answer.
        #[source]
        source: io::Error,
    },
    /// A directory that is no store.
    #[error("{} is not a store of images: expected a file store.json in it", path.display())]
    NotAStore {
        /// The directory.
        path: PathBuf,
    },
    /// Bytes that are not those of their digest.
    #[error("{what}: the bytes are {found}, expected {expected}")]
    DigestMismatch {
        /// Which blob or manifest, and where it came from.
        what: String,
        /// The digest asked for.
        expected: Digest,
        /// The digest of the bytes.
        found: Digest,
    },
    /// A file that is longer or shorter than it has to be.
    #[error("{} is damaged: it has {found} bytes, expected {expected}", path.display())]
    Size {
        /// The file.
        path: PathBuf,
        /// The size of the blob.
        expected: u64,
        /// The size of the file.
        found: u64,
    },
    /// A manifest that can't be read.
    #[error("{what} is not a manifest")]
    Manifest {
        /// Which.
        what: String,
        /// What the parser said.
        #[source]
        source: serde_json::Error,
    },
    /// A manifest of a kind that is not supported.
    #[error(
        "{what} has media type {media_type:?}: expected an image manifest or index of Docker (schema 2) or OCI"
    )]
    MediaType {
        /// Which.
        what: String,
        /// The media type.
        media_type: String,
    },
    /// An archive that holds no image that podman could load.
    #[error("{what} is no archive of one image: {problem}")]
    Archive {
        /// Which.
        what: String,
        /// What is wrong with it.
        problem: String,
    },
    /// OpenSSL gives no hash or no randomness.
    #[error("OpenSSL failed")]
    Crypto(#[from] openssl::error::ErrorStack),
}

impl Error {
    pub(crate) fn file(action: &'static str, path: &Path, source: io::Error) -> Self {
        Self::File { action, path: path.to_path_buf(), source }
    }

    /// Whether the file system is full.
    pub fn is_disk_full(&self) -> bool {
        matches!(self, Self::File { source, .. } if source.kind() == io::ErrorKind::StorageFull)
    }
}
