//! `[mirror]`: the images that the registry shall hold.
//!
//! Knows the keys. Must not know how images are copied.

use crate::problem::{Problem, Problems};
use crate::read::table;
use crate::scalar::{HostPath, Image, RepositoryPath};

table! {
    /// `[mirror]` as written.
    pub struct Mirror {
        /// Where in the registry the images go, such as "ocp4/openshift4".
        repository: RepositoryPath,
        /// OpenShift releases.
        release: Vec<Release>,
    }
}

table! {
    /// `[[mirror.release]]`.
    pub struct Release {
        /// The release image.
        image: Image,
        /// The directory that carries it into the air gap; without it, the image's own registry is asked.
        media: Option<HostPath>,
    }
}

impl Mirror {
    pub(crate) fn validate(self, registry: bool, problems: &mut Problems) -> Self {
        if !registry {
            let title = "`mirror` needs a `[registry]` section to mirror into";
            problems.push(Problem::new(&self.origin, title, ""));
        }
        self
    }
}
