//! What can be wrong with certificates and keys as bytes.

/// The result of everything in this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// A certificate or key that can't be read or made.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A PEM text without any certificate.
    #[error("no certificate found: expected at least one block BEGIN CERTIFICATE")]
    NoCertificate,
    /// One block of a PEM text is damaged.
    #[error("certificate number {number} of the PEM text is damaged")]
    DamagedCertificate {
        /// Its place, from 1.
        number: usize,
        /// What OpenSSL said.
        #[source]
        source: openssl::error::ErrorStack,
    },
    /// A private key that can't be read.
    #[error("the private key can't be read: expected PEM without a passphrase")]
    DamagedKey {
        /// What OpenSSL said.
        #[source]
        source: openssl::error::ErrorStack,
    },
    /// A certificate that was to sign others may not.
    #[error("{subject} is not a certificate authority (basicConstraints CA:TRUE is missing)")]
    NotAnAuthority {
        /// The certificate's subject.
        subject: String,
    },
    /// Certificate and key are not a pair.
    #[error("the private key does not belong to the certificate of {subject}")]
    NotAPair {
        /// The certificate's subject.
        subject: String,
    },
    /// A name that can't be in a certificate.
    #[error("{name:?} is not a host name or IP address that a certificate can hold: {reason}")]
    BadName {
        /// The name.
        name: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// OpenSSL refused; under a crypto policy this can be a key type that is not allowed.
    #[error("OpenSSL refused")]
    OpenSsl(#[from] openssl::error::ErrorStack),
}
