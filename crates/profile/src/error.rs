//! Why a profile could not be loaded or resolved.

use std::io;
use std::path::{Path, PathBuf};

use provision_oci::Digest;

use crate::problem::Problems;
use crate::source::Origin;

/// A file that a profile is, or that it names, and that cannot be used.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the messages say it")]
pub enum FileError {
    #[error("{} does not exist", .path.display())]
    Missing { path: PathBuf },
    #[error("{} is a directory; expected a file", .path.display())]
    Directory { path: PathBuf },
    #[error("{} may not be read by this user", .path.display())]
    Denied { path: PathBuf },
    #[error("{} cannot be read", .path.display())]
    Unreadable {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("{} is not UTF-8: the byte at offset {offset} starts no character", .path.display())]
    NotUtf8 { path: PathBuf, offset: usize },
}

impl FileError {
    pub(crate) fn from_io(path: &Path, source: io::Error) -> Self {
        let path = path.to_owned();
        match source.kind() {
            io::ErrorKind::NotFound => Self::Missing { path },
            io::ErrorKind::IsADirectory => Self::Directory { path },
            io::ErrorKind::PermissionDenied => Self::Denied { path },
            _ => Self::Unreadable { path, source },
        }
    }

    /// What to do when it is the profile itself.
    pub fn remedy(&self) -> &'static str {
        match self {
            Self::Missing { .. } => {
                "give the path of a profile; profiles/ in provision's source has one for each kind of host"
            }
            Self::Directory { .. } => "give the path of a file in it",
            Self::Denied { .. } => "run it as a user who may read it",
            Self::Unreadable { .. } => {
                "a profile is a regular file; what comes from a pipe is saved to one first"
            }
            Self::NotUtf8 { .. } => "save it as UTF-8, if it is a profile at all",
        }
    }

    /// Title and label for a finding that points at the line naming the file.
    pub(crate) fn sentence(&self) -> (String, String) {
        let label = std::error::Error::source(self).map(ToString::to_string).unwrap_or_default();
        (self.to_string(), label)
    }
}

/// Why there is no profile, no resolution, or no generated content.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The profile itself cannot be read.
    #[error("the profile cannot be read")]
    Profile(#[source] FileError),
    /// Everything that is wrong with the profile's text.
    #[error("{0}")]
    Invalid(Problems),
    /// A file that a recipe needs cannot be used.
    #[error(transparent)]
    File(FileError),
    /// A secret is not where the profile says, or not fit to be one. The secret itself is never shown.
    #[error("no secret in {place}: {reason}")]
    NoSecret {
        /// Where it was looked for.
        place: String,
        /// What is wrong.
        reason: String,
    },
    /// A piece is needed that was not made before; recipes are out of order.
    #[error("{name} is not in the vault: run an apply, which makes it")]
    NotMade {
        /// The piece.
        name: String,
    },
    /// A certificate or key cannot be made or read.
    #[error("the certificate or key of {name:?} cannot be made or read")]
    Certificate {
        /// Which.
        name: String,
        /// Why.
        #[source]
        source: provision_trust_store::Error,
    },
    /// The user's own pair is not fit for the registry.
    #[error("the certificate of your own cannot be used: {}", .defects.join("; "))]
    BadPair {
        /// Everything that is wrong with it.
        defects: Vec<String>,
    },
    /// An entry of an auth file cannot be made or read.
    #[error("the auth file entry of {key} cannot be made")]
    AuthEntry {
        /// The entry's key, or its user.
        key: String,
        /// Why.
        #[source]
        source: provision_pull_secret::Error,
    },
    /// An image cannot be assembled, or its archive cannot be read.
    #[error("no image can be made from {what}")]
    Image {
        /// The binary or the archive.
        what: String,
        /// Why not.
        #[source]
        source: provision_oci::Error,
    },
    /// An archive holds another image than was expected.
    #[error("{what} is another image: expected {expected}, found {found}")]
    WrongImage {
        /// Which.
        what: String,
        /// The digest or id that was expected.
        expected: String,
        /// What is there.
        found: String,
    },
    /// provision's own binary needs libraries, and so cannot run in an image of its own.
    #[error(
        "{} needs {loader} and cannot be the registry's image: run a statically linked provision", .binary.display()
    )]
    NotStatic {
        /// The binary.
        binary: PathBuf,
        /// The loader that it asks for.
        loader: String,
    },
    /// A password cannot be hashed.
    #[error("the password cannot be hashed")]
    Bcrypt(#[source] bcrypt::BcryptError),
    /// The system gives no randomness.
    #[error("the system gives no randomness for a password")]
    Random(#[source] openssl::error::ErrorStack),
    /// The host's vault cannot be used.
    #[error("the vault of this host cannot be used")]
    Vault(#[source] provision_converge::Error),
    /// podman calls its version something that is no version.
    #[error("podman's version {found:?} cannot be read: expected numbers such as 4.9.4")]
    PodmanVersion {
        /// What it says.
        found: String,
    },
    /// The registry's service cannot be described to this podman.
    #[error("the registry's unit cannot be written")]
    Unit(#[source] provision_podman_units::Error),
    /// The lock lacks what the profile names loosely, or has it for something else.
    #[error("{0}")]
    Unlocked(Problems),
    /// A lock that cannot be read.
    #[error("{0}")]
    BadLock(Problems),
    /// An archive is not the file that was locked.
    #[error("{} is another file than the lock has: expected {expected}, found {found}", .path.display())]
    OtherArchive {
        /// The archive.
        path: PathBuf,
        /// The digest in the lock.
        expected: Digest,
        /// That of the file.
        found: Digest,
    },
    /// Something was not made exact before resolving.
    #[error("{what} ({origin}) is not exact: its id must be known before anything is planned")]
    NotExact {
        /// What.
        what: String,
        /// Where it is asked for.
        origin: Origin,
    },
    /// The profile asks for something that is planned but not built; exit code 64.
    #[error("{what} ({origin}) is not built yet; {instead}")]
    NotBuilt {
        /// What is asked for.
        what: String,
        /// Where.
        origin: Origin,
        /// What works today.
        instead: String,
    },
}
