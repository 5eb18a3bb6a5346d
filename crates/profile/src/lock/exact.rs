//! What a profile names on one host, all of it exact: from the lock, or from the profile itself.

use std::collections::BTreeMap;

use provision_host::facts::Facts;
use provision_oci::Digest;

use super::{Entry, Kind, Lock, Pin, What};
use crate::error::Error;
use crate::forge::go_architecture;
use crate::problem::{Problem, Problems};
use crate::profile::Profile;
use crate::resolve::LockedImage;
use crate::section::registry::image::ROLE;

/// Everything exact that resolving needs beside the profile and the facts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Exact {
    /// Images by role: `registry`.
    pub images: BTreeMap<String, LockedImage>,
    /// The digest of each archive that is locked, by its name in the profile.
    pub archives: BTreeMap<String, Digest>,
    /// Digest and size of each file from a web server, by its address.
    pub files: BTreeMap<String, (Digest, u64)>,
    /// The version of each package that is locked.
    pub packages: BTreeMap<String, String>,
    /// The digest of each release, by its name in the profile.
    pub releases: BTreeMap<String, Digest>,
}

impl Exact {
    /// Looks up all that the profile names. What is missing, or is there for something else, comes at once as
    /// [`Error::Unlocked`]. Without a lock only what can change by itself is missing.
    pub fn of(profile: &Profile, facts: &Facts, lock: Option<&Lock>) -> Result<Self, Error> {
        let (mut exact, mut problems) = (Self::default(), Problems::default());
        for pin in profile.pins(facts) {
            match lock.and_then(|lock| lock.entries.get(&pin.key)) {
                Some(entry) => exact.take(&pin, entry, facts, &mut problems),
                None if lock.is_some() || pin.is_loose() => problems.push(missing(&pin)),
                None => {
                    // Named by its digest, so it is exact as it is.
                    exact.releases.extend(pin.digest().map(|digest| (pin.key.name, digest)));
                }
            }
        }
        if problems.is_empty() { Ok(exact) } else { Err(Error::Unlocked(problems)) }
    }

    fn take(&mut self, pin: &Pin, entry: &Entry, facts: &Facts, problems: &mut Problems) {
        let name = pin.key.name.clone();
        if let (Some(named), Some(locked)) = (pin.digest(), entry.digest())
            && named != *locked
        {
            let title = format!("the lock has another {}: expected {named}, found {locked}", pin.key);
            problems.push(Problem::new(&pin.origin, title, "named here"));
            return;
        }
        match entry {
            Entry::Archive { digest } => drop(self.archives.insert(name, *digest)),
            Entry::File { digest, size } => drop(self.files.insert(name, (*digest, *size))),
            Entry::Package { version } => drop(self.packages.insert(name, version.clone())),
            Entry::Release(release) => drop(self.releases.insert(name, release.digest)),
            Entry::Image { digest, platforms } => {
                let architecture = go_architecture(&facts.arch);
                let Some(platform) = platforms.get(architecture) else {
                    let have: Vec<&str> = platforms.keys().map(String::as_str).collect();
                    let title = format!("{} is not made for {architecture}", pin.key);
                    let label = format!("the lock has it for {}", have.join(", "));
                    problems.push(Problem::new(&pin.origin, title, label));
                    return;
                };
                // podman takes a digest without a tag only.
                let name = match &pin.what {
                    What::Image(image) => image.with_digest(*digest).to_string(),
                    _ => name,
                };
                let image = LockedImage { name, id: platform.id.hex() };
                self.images.insert(ROLE.to_owned(), image);
            }
        }
    }
}

fn missing(pin: &Pin) -> Problem {
    let label = match pin.key.kind {
        Kind::Archive => "named here",
        Kind::File => "what is there today may be another file tomorrow",
        Kind::Image if pin.digest().is_some() => "its registry has to say which image this is",
        Kind::Image | Kind::Release => "a tag can become another image",
        Kind::Package => "its version is to be locked",
    };
    Problem::new(&pin.origin, format!("{} is not locked", pin.key), label)
}
