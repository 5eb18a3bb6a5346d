//! Asks what the names in a profile stand for: registries, web servers, the package manager of the host, files. Changes
//! nothing anywhere.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use provision_host::names::resolve_here;
use provision_host::{Root, packages};
use provision_mirror::{Inventory, Source};
use provision_oci::client::{Options, PinnedImage, SYSTEM_BUNDLES, download};
use provision_oci::{ClientError, Digest, Reference, Registry};
use provision_profile::Profile;
use provision_profile::lock::{Component, Entry, Pin, Platform, Release, What};
use provision_profile::section::trust::Anchor;
use provision_pull_secret::{AuthFile, Match};
use tokio::runtime::Runtime;

use crate::exit::Exit;
use crate::failure::Failure;
use crate::site::Site;
use crate::supply::Supply;

/// A file is held in memory, and kept in the store of the host: images and disks belong elsewhere.
const FILE_LIMIT: u64 = 512 << 20;

/// All that may be asked for one profile.
pub struct Inquiry<'a> {
    site: &'a Site,
    options: Options,
    registries: Source,
    runtime: Runtime,
}

impl<'a> Inquiry<'a> {
    /// With the credentials of the profile's pull secret, and the authorities that the profile trusts beside the system's.
    pub fn of(site: &'a Site, profile: &Profile) -> Result<Self, Failure> {
        let options = Options { credentials: credentials(site.supply(), profile)?, ..web(profile)? };
        let runtime = runtime()?;
        Ok(Self { site, registries: Source::registries(options.clone()), options, runtime })
    }

    /// What one name stands for now.
    pub fn ask(&self, pin: &Pin) -> Result<Entry, Failure> {
        match &pin.what {
            What::Archive(path) => archive(self.site.supply(), path),
            What::Package => self.package(&pin.key.name),
            What::File(url) => {
                let got = self.runtime.block_on(download(&url.0, &self.options, FILE_LIMIT));
                let bytes =
                    got.map_err(|error| Failure::from(error).during(format!("cannot fetch {}", url.0)))?;
                Ok(Entry::File { digest: Digest::of(&bytes), size: bytes.len() as u64 })
            }
            What::Image(image) => self.image(image),
            What::Release { image, media } => self.release(image, media.as_deref()),
        }
    }

    fn package(&self, name: &str) -> Result<Entry, Failure> {
        let found = packages::candidate(&self.site.host, self.site.family()?, name)?;
        let unknown = || {
            Failure::new(Exit::Failed, format!("the package lists of this host do not know {name}"))
                .hint("bring them up to date (apt-get update, dnf makecache), and check the name")
        };
        found.map(|version| Entry::Package { version }).ok_or_else(unknown)
    }

    fn image(&self, image: &Reference) -> Result<Entry, Failure> {
        let registry = Registry::new(&image.registry, &self.options)?;
        let pinned = self.runtime.block_on(registry.pin(&image.repository, &image.wanted()))?;
        let platform = |image: PinnedImage| Platform { digest: image.digest, id: image.id };
        let platforms = pinned.platforms.into_iter().map(|(name, image)| (name, platform(image)));
        Ok(Entry::Image { digest: pinned.digest, platforms: platforms.collect() })
    }

    /// From the directory that carries it, where that is at hand already; else from its registry.
    fn release(&self, image: &Reference, media: Option<&Path>) -> Result<Entry, Failure> {
        let here = Root::live()?;
        let found = self.runtime.block_on(async {
            let source = match media {
                Some(directory) if here.node(directory).is_ok_and(|node| node.is_some()) => {
                    Source::open(directory).await?
                }
                _ => self.registries.clone(),
            };
            Inventory::read(&source, image).await
        })?;
        let component = |part: provision_mirror::Part| {
            (part.name, Component { image: part.image.to_string(), size: part.size })
        };
        let components: BTreeMap<String, Component> = found.components.into_iter().map(component).collect();
        Ok(Entry::Release(Release {
            digest: found.digest,
            version: found.version,
            architecture: found.architecture,
            size: found.size,
            components,
        }))
    }
}

/// The bytes at an address, which have to be these and no more than `size`.
pub fn fetch(
    profile: &Profile,
    address: &str,
    expected: &str,
    size: Option<u64>,
) -> Result<Vec<u8>, Failure> {
    let got = runtime()?.block_on(download(address, &web(profile)?, size.unwrap_or(FILE_LIMIT)));
    let other = |found: &str| {
        let what = format!("{address} is another file: expected {expected}, found {found}");
        Failure::new(Exit::Failed, what).hint(other_file(address))
    };
    match got {
        Ok(bytes) => match Digest::of(&bytes).to_string() {
            found if found == expected => Ok(bytes),
            found => Err(other(&found)),
        },
        Err(ClientError::TooLarge { limit, .. }) if size.is_some() => {
            Err(other(&format!("more than its {limit} bytes")))
        }
        Err(error) => Err(Failure::from(error).during(format!("cannot fetch {address}"))),
    }
}

/// What to do about a file that is not the one that was expected.
pub fn other_file(name: &str) -> String {
    format!(
        "nothing was changed; find out why it is another one, and if that is as it should be: \
         provision lock --update {name} PROFILE, or the new `digest` in the profile"
    )
}

/// The digest of an archive, which lies where the profile does.
pub fn archive(supply: &Supply, path: &Path) -> Result<Entry, Failure> {
    let failed = |error: std::io::Error| {
        let what = format!("{} cannot be read", path.display());
        Failure::new(Exit::Usage, what)
            .cause(&error)
            .hint("the profile names it: carry it here, beside the profile")
    };
    Ok(Entry::Archive { digest: Digest::of(&supply.read(path).map_err(failed)?) })
}

fn runtime() -> Result<Runtime, Failure> {
    let built = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    built.map_err(|error| Failure::because(Exit::Failed, &error))
}

/// How servers are spoken to: verified with what the profile trusts as well, since its host may not do so yet.
fn web(profile: &Profile) -> Result<Options, Failure> {
    let own = profile.trust.anchors.iter().filter_map(|anchor| match anchor {
        Anchor::Pem { bytes, .. } => Some(bytes.clone()),
        Anchor::Registry => None,
    });
    let mut authorities: Vec<Vec<u8>> = own.collect();
    if !authorities.is_empty() {
        let here = Root::live()?;
        for bundle in SYSTEM_BUNDLES {
            authorities.extend(here.read(Path::new(bundle))?);
        }
    }
    Ok(Options { authorities, ..Options::new(resolve_here) })
}

/// The entries of the pull secret's base; the same that content is mirrored with.
fn credentials(supply: &Supply, profile: &Profile) -> Result<Option<provision_oci::client::Lookup>, Failure> {
    let Some((path, _)) = profile.pull_secret.as_ref().and_then(|secret| secret.base.as_ref()) else {
        return Ok(None);
    };
    let failed = |error: &(dyn std::error::Error + 'static)| {
        Failure::because(Exit::Usage, error).hint(format!("the file is {}", path.display()))
    };
    let bytes = zeroize::Zeroizing::new(supply.read(path).map_err(|error| failed(&error))?);
    let auths = AuthFile::parse(&bytes).map_err(|error| failed(&error))?;
    Ok(Some(Arc::new(move |name: &str| match auths.lookup(name) {
        Some(Match::Credentials { credentials, .. }) => Some(credentials),
        _ => None,
    })))
}
