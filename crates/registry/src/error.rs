//! Why a server cannot start, or stops.
//!
//! Answers to requests are in `refusal`: those are the client's business, these the administrator's.

use std::net::SocketAddr;
use std::path::PathBuf;

/// Everything that keeps a server from serving.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The address is taken, or not ours.
    #[error("cannot listen on {address}; choose another port or stop what holds it")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// The system's reason.
        #[source]
        source: std::io::Error,
    },
    /// A file of the configuration cannot be read.
    #[error("cannot read the {what} {}", .path.display())]
    Read {
        /// What it is.
        what: &'static str,
        /// Where it is.
        path: PathBuf,
        /// The system's reason.
        #[source]
        source: std::io::Error,
    },
    /// A file without any certificate.
    #[error("there is no certificate in {}: it must be PEM, the server's own first", .path.display())]
    NoCertificate {
        /// The file.
        path: PathBuf,
    },
    /// Certificate or key are not usable.
    #[error("the {what} {} is not usable: it must be PEM without a passphrase, and the key must be the certificate's", .path.display())]
    Tls {
        /// Certificate or key.
        what: &'static str,
        /// Its file.
        path: PathBuf,
        /// OpenSSL's reason.
        #[source]
        source: openssl::error::ErrorStack,
    },
    /// A line of the htpasswd file is not `user:$2y$…`.
    #[error("line {line} of {} {defect}; write it with `htpasswd -B`", .path.display())]
    Htpasswd {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What is wrong.
        defect: &'static str,
    },
    /// Random numbers or a keyed hash are not to be had.
    #[error("cryptography failed")]
    Crypto(#[source] openssl::error::ErrorStack),
    /// The store cannot be opened.
    #[error("cannot open the store {}", .path.display())]
    Store {
        /// Its directory.
        path: PathBuf,
        /// The store's reason.
        #[source]
        source: provision_oci::Error,
    },
}
