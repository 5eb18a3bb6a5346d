//! A lock from its text. Errors name the file, the line and what to do, as those of a profile do.

use std::collections::BTreeMap;
use std::path::Path;

use provision_host::packages;
use provision_oci::{Digest, Reference};

use super::{Component, Entry, Key, Kind, Lock, Platform, Release};
use crate::error::Error;
use crate::problem::{Problem, Problems};
use crate::read::{Read as _, Text, table};
use crate::scalar::Bytes;
use crate::source::{Located, Origin, Source};
use crate::tree::{self, Node, Value};

/// The one version of the format there is.
pub(super) const SCHEMA: i64 = 1;

table! {
    /// The whole file.
    pub struct LockWritten {
        /// Archives.
        archive: Vec<ArchiveWritten>,
        /// Files.
        file: Vec<FileWritten>,
        /// Images.
        image: Vec<ImageWritten>,
        /// Packages.
        package: Vec<PackageWritten>,
        /// Releases.
        release: Vec<ReleaseWritten>,
    }
}

table! {
    /// `[[archive]]`.
    pub struct ArchiveWritten {
        /// The file.
        name: String,
        /// The digest of its bytes.
        digest: Digest,
    }
}

table! {
    /// `[[file]]`.
    pub struct FileWritten {
        /// The address.
        name: String,
        /// The digest of its bytes.
        digest: Digest,
        /// How many there are.
        size: Bytes,
    }
}

table! {
    /// `[[image]]`.
    pub struct ImageWritten {
        /// The image.
        name: String,
        /// What the name stood for.
        digest: Digest,
        /// The images by architecture.
        platforms: Vec<PlatformWritten>,
    }
}

table! {
    /// One item of `platforms`.
    pub struct PlatformWritten {
        /// As Go names it.
        architecture: String,
        /// The digest of the manifest.
        digest: Digest,
        /// The digest of the configuration.
        id: Digest,
    }
}

table! {
    /// `[[package]]`.
    pub struct PackageWritten {
        /// The package.
        name: String,
        /// The hosts that it is for.
        host: String,
        /// Its version.
        version: Version,
    }
}

table! {
    /// `[[release]]`.
    pub struct ReleaseWritten {
        /// The release image.
        name: String,
        /// What the name stood for.
        digest: Digest,
        /// The version.
        version: String,
        /// The architecture.
        architecture: String,
        /// The bytes of all blobs.
        size: Bytes,
        /// The components.
        components: Vec<ComponentWritten>,
    }
}

table! {
    /// One item of `components`.
    pub struct ComponentWritten {
        /// The component.
        name: String,
        /// Where it is.
        image: ByDigest,
        /// The bytes of its blobs.
        size: Bytes,
    }
}

/// The version of a package.
#[derive(Clone, Debug)]
pub struct Version(pub String);

impl Text for Version {
    const EXPECTED: &'static str = "the version of a package";

    fn parse(text: &str) -> Result<Self, String> {
        match packages::is_version(text) {
            true => Ok(Self(text.to_owned())),
            false => Err("letters, digits and `+-._:~^`, a letter or digit first".to_owned()),
        }
    }
}

/// An image by its digest.
#[derive(Clone, Debug)]
pub struct ByDigest(pub String);

impl Text for ByDigest {
    const EXPECTED: &'static str = "an image by its digest";

    fn parse(text: &str) -> Result<Self, String> {
        let reference: Result<Reference, _> = text.parse();
        match reference {
            Ok(Reference { digest: Some(_), .. }) => Ok(Self(text.to_owned())),
            _ => Err("`registry/repository@sha256:…`".to_owned()),
        }
    }
}

impl Lock {
    /// Reads the text of a lock; all that is wrong with it comes at once, as [`Error::BadLock`].
    pub fn read(path: &Path, text: &str) -> Result<Self, Error> {
        let source = Source::new(path, text);
        let mut problems = Problems::default();
        let lock = tree::parse(&source, &mut problems).and_then(|mut table| {
            let origin = Origin::new(&source, 0..0);
            if !is_known(table.remove("schema").map(|entry| entry.node), &origin, &mut problems) {
                return None;
            }
            let (path, value) = ("lock".to_owned(), Value::Table(table));
            let node = Node { path, value, origin, over: Vec::new(), variables: Vec::new() };
            LockWritten::read(&node, &mut problems).map(|written| entries(written, &mut problems))
        });
        problems.sort();
        match lock {
            Some(lock) if problems.is_empty() => Ok(lock),
            _ => Err(Error::BadLock(problems)),
        }
    }
}

/// What another version means is not ours to guess.
fn is_known(schema: Option<Node>, top: &Origin, problems: &mut Problems) -> bool {
    let help = format!("this version of provision reads locks with `schema = {SCHEMA}`");
    let problem = match &schema {
        Some(Node { value: Value::Integer(SCHEMA), .. }) => return true,
        Some(Node { value: Value::Integer(newer @ 2..), origin, .. }) => {
            Problem::new(origin, format!("schema {newer} is newer than this provision"), "")
        }
        Some(node) => Problem::new(&node.origin, format!("`schema` expects {SCHEMA}"), ""),
        None => Problem::new(top, format!("the lock lacks `schema = {SCHEMA}`"), "expected at the top"),
    };
    problems.push(problem.help(help));
    false
}

fn entries(written: LockWritten, problems: &mut Problems) -> Lock {
    let mut all: Vec<(Key, Entry, Origin)> = Vec::new();
    let mut add =
        |kind, name: String, host, entry, origin| all.push((Key { kind, name, host }, entry, origin));
    for one in written.archive {
        add(Kind::Archive, one.name, None, Entry::Archive { digest: one.digest }, one.origin);
    }
    for one in written.file {
        add(Kind::File, one.name, None, Entry::File { digest: one.digest, size: one.size.0 }, one.origin);
    }
    for one in written.image {
        let platform = |one: PlatformWritten| {
            let name = Located { value: one.architecture, origin: one.origin };
            (name, Platform { digest: one.digest, id: one.id })
        };
        let platforms = named(one.platforms.into_iter().map(platform), problems);
        add(Kind::Image, one.name, None, Entry::Image { digest: one.digest, platforms }, one.origin);
    }
    for one in written.package {
        add(Kind::Package, one.name, Some(one.host), Entry::Package { version: one.version.0 }, one.origin);
    }
    for one in written.release {
        let component = |one: ComponentWritten| {
            let name = Located { value: one.name, origin: one.origin };
            (name, Component { image: one.image.0, size: one.size.0 })
        };
        let release = Release {
            digest: one.digest,
            version: one.version,
            architecture: one.architecture,
            size: one.size.0,
            components: named(one.components.into_iter().map(component), problems),
        };
        add(Kind::Release, one.name, None, Entry::Release(release), one.origin);
    }
    let all = all.into_iter().map(|(key, entry, origin)| (Located { value: key, origin }, entry));
    Lock { entries: named(all, problems) }
}

/// Items by name. One that is there twice (two branches were merged, perhaps) is for a person to decide.
fn named<K: Ord + std::fmt::Display, T>(
    items: impl Iterator<Item = (Located<K>, T)>,
    problems: &mut Problems,
) -> BTreeMap<K, T> {
    let (mut out, mut places) = (BTreeMap::new(), Vec::<Origin>::new());
    for (Located { value, origin }, item) in items {
        let first = out.keys().position(|known| *known == value);
        if first.is_some() {
            let problem = Problem::new(&origin, format!("{value} is locked twice"), "again here");
            problems.push(problem.help("keep one of the two"));
        }
        places.push(origin);
        out.insert(value, item);
    }
    out
}
