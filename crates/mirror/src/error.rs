//! What can go wrong while mirroring; each error names the image.

use provision_oci::ClientError;

/// The result of everything in this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// A failure to mirror.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A registry.
    #[error(transparent)]
    Registry(#[from] ClientError),
    /// A store, a digest, a name.
    #[error(transparent)]
    Image(#[from] provision_oci::Error),
    /// One image could not be copied.
    #[error("{image} could not be copied")]
    Copy {
        /// Which.
        image: String,
        /// Why not.
        #[source]
        source: Box<Error>,
    },
    /// An image that was to be a release is none.
    #[error("{image} is not an OpenShift release: {problem}")]
    NotARelease {
        /// Which.
        image: String,
        /// What is missing or wrong.
        problem: String,
    },
    /// A file of the payload that makes no sense.
    #[error("{file} in the release {image} cannot be read")]
    Payload {
        /// The release image.
        image: String,
        /// Which file.
        file: &'static str,
        /// What the parser said.
        #[source]
        source: serde_json::Error,
    },
    /// Media that do not hold what is asked for.
    #[error("{image} is not on the media in {directory}")]
    NotOnMedia {
        /// What was asked for.
        image: String,
        /// Where.
        directory: String,
    },
    /// Media whose index is damaged.
    #[error("the index {file} of the media cannot be read")]
    MediaIndex {
        /// Its path.
        file: String,
        /// What the parser said.
        #[source]
        source: serde_json::Error,
    },
    /// A file of the media could not be read or written.
    #[error("cannot {action} {file}")]
    File {
        /// What was tried, as a verb.
        action: &'static str,
        /// Its path.
        file: String,
        /// The system's answer.
        #[source]
        source: std::io::Error,
    },
}
