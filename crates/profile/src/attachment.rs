//! Files that a profile refers to and that are read when it is loaded, so that all that follows is pure.
//!
//! Knows how to read them and report failures at the line that names them. Never used for secrets: those stay
//! references until they are needed.

use crate::error::FileError;
use crate::import::ReadFile;
use crate::problem::{Problem, Problems};
use crate::scalar::NearPath;

/// Reads attachments through the same function as the profile.
pub struct Attachments<'a> {
    read: ReadFile<'a>,
}

impl<'a> Attachments<'a> {
    /// `read` is what the profile itself is read with.
    pub fn new(read: ReadFile<'a>) -> Self {
        Self { read }
    }

    /// The bytes of a file, or a finding at the line that names it.
    pub fn read(&mut self, file: &NearPath, problems: &mut Problems) -> Option<Vec<u8>> {
        let path = file.path();
        match (self.read)(&path) {
            Ok(bytes) => Some(bytes),
            Err(source) => {
                let (title, label) = FileError::from_io(&path, source).sentence();
                problems.push(Problem::new(file.origin(), title, label));
                None
            }
        }
    }
}
