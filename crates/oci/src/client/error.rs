//! What can go wrong between us and a registry; each error says which registry, image or blob, and what to do.

use http::StatusCode;

use crate::digest::Digest;

/// A failed request to a registry.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClientError {
    /// No connection.
    #[error("cannot connect to {registry}")]
    Connect {
        /// `host:port`.
        registry: String,
        /// The system's answer.
        #[source]
        source: std::io::Error,
    },
    /// The server's certificate is not to be trusted.
    #[error("the certificate of {registry} cannot be trusted: {reason}")]
    Untrusted {
        /// `host:port`.
        registry: String,
        /// What OpenSSL found, such as "self-signed certificate in certificate chain" or "hostname mismatch".
        reason: String,
    },
    /// The TLS handshake failed for another reason, such as a server that speaks plain HTTP.
    #[error("no TLS with {registry}: {reason}")]
    Tls {
        /// `host:port`.
        registry: String,
        /// What OpenSSL found.
        reason: String,
    },
    /// Plain HTTP to a registry that is not on this machine.
    #[error("{registry} would be asked without TLS; that is only done on the loopback interface")]
    PlainHttp {
        /// `host:port`.
        registry: String,
    },
    /// The connection broke.
    #[error("the connection to {registry} broke")]
    Broken {
        /// `host:port`.
        registry: String,
        /// What hyper found.
        #[source]
        source: hyper::Error,
    },
    /// A connection on which nothing moves any more.
    #[error("nothing came from {registry} or went there for {} s", patience.as_secs())]
    Silent {
        /// `host:port`.
        registry: String,
        /// How long.
        patience: std::time::Duration,
    },
    /// The body ended too early.
    #[error("{registry} sent {got} of {expected} bytes of {what}")]
    Truncated {
        /// `host:port`.
        registry: String,
        /// The blob.
        what: String,
        /// Bytes that came.
        got: u64,
        /// Bytes that were promised.
        expected: u64,
    },
    /// The credentials are missing or wrong.
    #[error("{registry} refuses {who}")]
    Unauthorized {
        /// `host:port`.
        registry: String,
        /// `the password of USER`, or `a client without credentials`.
        who: String,
    },
    /// The credentials are good, but not for this.
    #[error("{registry} does not let {who} {what}")]
    Denied {
        /// `host:port`.
        registry: String,
        /// The user.
        who: String,
        /// What was asked for.
        what: String,
    },
    /// The registry has no such thing.
    #[error("{what} is not in {registry}")]
    NotFound {
        /// `host:port`.
        registry: String,
        /// The repository, manifest or blob.
        what: String,
    },
    /// Bytes that are not those of their digest.
    #[error("{registry} sent other bytes for {what}: expected {expected}, found {found}")]
    WrongBytes {
        /// `host:port`.
        registry: String,
        /// The manifest or blob.
        what: String,
        /// The digest asked for.
        expected: Digest,
        /// The digest of what came.
        found: Digest,
    },
    /// More bytes than anybody expects.
    #[error("{what} is larger than {limit} bytes")]
    TooLarge {
        /// `host:port`.
        registry: String,
        /// What was asked for.
        what: String,
        /// How many were expected at most.
        limit: u64,
    },
    /// Any other answer that is no success.
    #[error("{registry} answered {status} to {what}{message}")]
    Status {
        /// `host:port`.
        registry: String,
        /// The status.
        status: StatusCode,
        /// What was asked for.
        what: String,
        /// The registry's own words, after a colon, if it said any.
        message: String,
    },
    /// An answer that no registry should give.
    #[error("{registry} gave an answer to {what} that makes no sense: {problem}")]
    Nonsense {
        /// `host:port`.
        registry: String,
        /// What was asked for.
        what: String,
        /// What is wrong with it.
        problem: String,
    },
    /// The store, a digest or a manifest.
    #[error(transparent)]
    Local(#[from] crate::error::Error),
    /// A file of ours could not be read while it was sent.
    #[error("cannot read {what} to send it")]
    Reading {
        /// Which blob.
        what: String,
        /// The system's answer.
        #[source]
        source: std::io::Error,
    },
}

impl ClientError {
    /// Whether the same request may succeed a little later.
    pub fn is_passing(&self) -> bool {
        match self {
            Self::Broken { .. } | Self::Silent { .. } | Self::Truncated { .. } => true,
            Self::Connect { source, .. } => {
                use std::io::ErrorKind as Kind;
                matches!(source.kind(), Kind::ConnectionReset | Kind::TimedOut | Kind::ConnectionAborted)
            }
            Self::Status { status, .. } => {
                matches!(status.as_u16(), 408 | 429) || (status.is_server_error() && status.as_u16() != 507)
            }
            _ => false,
        }
    }
}
