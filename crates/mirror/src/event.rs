//! Progress, as data; the command line turns it into words and bars.

use serde::Serialize;

/// Something happened.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "kebab-case", tag = "event")]
pub enum Event {
    /// It is known what there is to do.
    Planned {
        /// Images, manifest lists counted once.
        images: usize,
        /// Blobs, each counted once.
        blobs: usize,
        /// Their bytes.
        bytes: u64,
    },
    /// An image is at the target already, with the same digest.
    Present {
        /// Its name at the target.
        image: String,
    },
    /// More bytes of blobs have come or gone.
    Bytes {
        /// How many.
        bytes: u64,
    },
    /// A blob is at the target.
    Blob {
        /// Its digest.
        digest: String,
        /// Its size in bytes.
        size: u64,
        /// It was there already.
        present: bool,
    },
    /// An image is at the target, with its tag.
    Copied {
        /// Its name at the target.
        image: String,
        /// Its digest.
        digest: String,
    },
}

/// Who is told.
pub type Listener<'a> = &'a (dyn Fn(Event) + Send + Sync);
