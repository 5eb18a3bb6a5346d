//! What a profile names that a lock makes exact, each with the line that names it.

use std::path::PathBuf;

use provision_host::facts::Facts;
use provision_oci::{Digest, Reference};

use super::{Key, Kind};
use crate::profile::Profile;
use crate::scalar::Url;
use crate::section::host::{Bytes, WantedVersion};
use crate::section::registry::{Backend, ServerImage};
use crate::source::Origin;

/// One thing that a profile names.
#[derive(Clone, Debug)]
pub struct Pin {
    /// Its entry in a lock.
    pub key: Key,
    /// What has to be asked to make it exact.
    pub what: What,
    /// Where it is named.
    pub origin: Origin,
}

/// What has to be asked.
#[derive(Clone, Debug)]
pub enum What {
    /// A file of the machine that the profile is on.
    Archive(PathBuf),
    /// A web server.
    File(Url),
    /// A registry.
    Image(Reference),
    /// The package manager of the host.
    Package,
    /// A registry, or the directory that carries the release.
    Release {
        /// The release image.
        image: Reference,
        /// The directory.
        media: Option<PathBuf>,
    },
}

impl Pin {
    /// Whether it can become something else by itself. An archive lies beside the profile like any other file of it.
    pub fn is_loose(&self) -> bool {
        match self.what {
            What::Archive(_) => false,
            // Of an image that is named by its digest, the id is not known yet.
            What::Image(_) | What::File(_) | What::Package => true,
            What::Release { .. } => self.digest().is_none(),
        }
    }

    /// The digest that the profile itself names.
    pub fn digest(&self) -> Option<Digest> {
        match &self.what {
            What::Image(image) | What::Release { image, .. } => image.digest,
            What::Archive(_) | What::File(_) | What::Package => None,
        }
    }
}

impl Profile {
    /// All that a lock makes exact for hosts with these facts, in the order of the lock.
    pub fn pins(&self, facts: &Facts) -> Vec<Pin> {
        let mut pins = Vec::new();
        if let Some(registry) = &self.registry {
            match &registry.backend {
                Backend::Distribution(ServerImage::Archive { written, path, digest: None }) => {
                    pins.push(Pin {
                        key: Key::new(Kind::Archive, written.value.as_str()),
                        what: What::Archive(path.clone()),
                        origin: written.origin.clone(),
                    })
                }
                Backend::Distribution(ServerImage::Pull(image)) => pins.push(Pin {
                    key: Key::new(Kind::Image, image.value.to_string()),
                    what: What::Image(image.value.0.clone()),
                    origin: image.origin.clone(),
                }),
                _ => {}
            }
        }
        for file in self.host.files.values() {
            if let Bytes::Remote { url, digest: None } = &file.bytes {
                let key = Key::new(Kind::File, url.value.0.as_str());
                pins.push(Pin { key, what: What::File(url.value.clone()), origin: url.origin.clone() });
            }
        }
        for (name, package) in &self.host.packages {
            if let WantedVersion::Locked = package.value {
                let key = Key::package(&name.0, facts);
                pins.push(Pin { key, what: What::Package, origin: package.origin.clone() });
            }
        }
        for release in self.mirror.iter().flat_map(|mirror| &mirror.release) {
            let image = release.image.value.0.clone();
            let media = release.media.as_ref().map(|path| path.0.clone().into());
            let key = Key::new(Kind::Release, image.to_string());
            pins.push(Pin {
                key,
                what: What::Release { image, media },
                origin: release.image.origin.clone(),
            });
        }
        pins.sort_by(|one, other| one.key.cmp(&other.key));
        // Two files may come from one address.
        pins.dedup_by(|one, other| one.key == other.key);
        pins
    }
}
