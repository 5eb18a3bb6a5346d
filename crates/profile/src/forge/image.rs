//! Archives of images: assembled from our own binary, or read from the file that carried them here.
//!
//! Must not know how podman loads them.

use provision_converge::Bytes;

use super::Forge;
use crate::error::{Error, FileError};
use crate::recipe::Recipe;

impl Forge<'_> {
    /// The bytes of an image's archive.
    pub(super) fn image(&self, recipe: &Recipe) -> Result<Bytes, Error> {
        let path = match recipe {
            Recipe::CarriedImage { file, .. } => file,
            _ => &self.binary,
        };
        (self.read)(path).map(Bytes::new).map_err(|error| Error::File(FileError::from_io(path, error)))
    }
}
