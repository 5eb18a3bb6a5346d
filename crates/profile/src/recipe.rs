//! What is made once on each host, as data: passwords, certificates, and what follows from them.
//!
//! Knows what each piece is made from. Must not know how it is made (that is `forge`), nor hold a secret byte.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::scalar::Subject;
use crate::secret::Secret;
use crate::section::trust::KeyWord;

/// The authority's certificate in the vault.
pub const AUTHORITY_CERTIFICATE: &str = "authority-certificate";
/// The authority's key; it never leaves the vault.
pub const AUTHORITY_KEY: &str = "authority-key";
/// The registry's certificate chain.
pub const REGISTRY_CERTIFICATE: &str = "registry-certificate";
/// The registry's key.
pub const REGISTRY_KEY: &str = "registry-key";
/// The administrator's password.
pub const REGISTRY_PASSWORD: &str = "registry-password";
/// The registry's htpasswd line.
pub const REGISTRY_HTPASSWD: &str = "registry-htpasswd";
/// The registry's entry of an auth file.
pub const REGISTRY_AUTH_ENTRY: &str = "registry-auth-entry";

/// How one piece, or one pair of pieces, is made. The text fields name pieces in the vault.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "make", deny_unknown_fields)]
pub enum Recipe {
    /// A password.
    Password {
        /// Its name.
        name: String,
        /// Where it comes from.
        source: Secret,
    },
    /// A certificate authority; made once, and never again while it is valid.
    Authority {
        /// Name of its certificate.
        certificate: String,
        /// Name of its key.
        key: String,
        /// The kind of key.
        kind: KeyWord,
        /// The common name that people see in trust stores.
        common_name: String,
    },
    /// A server certificate, signed by the authority; made again when it is due.
    Certificate {
        /// Name of the chain.
        certificate: String,
        /// Name of the key.
        key: String,
        /// Name of the authority's certificate.
        authority_certificate: String,
        /// Name of the authority's key.
        authority_key: String,
        /// The kind of key.
        kind: KeyWord,
        /// Names and addresses that it holds, the common name first.
        subjects: Vec<Subject>,
    },
    /// A server certificate of the user's own, checked before it is taken.
    OwnPair {
        /// Name of the chain.
        certificate: String,
        /// Name of the key.
        key: String,
        /// The chain in PEM, server first.
        chain: String,
        /// The file that holds the key.
        key_file: PathBuf,
        /// Names and addresses that it has to hold.
        subjects: Vec<Subject>,
    },
    /// A line of an htpasswd file, hashed with bcrypt.
    Htpasswd {
        /// Its name.
        name: String,
        /// The user.
        user: String,
        /// Name of the password.
        password: String,
        /// bcrypt's cost. Every request is checked: a low cost is enough for a long random password.
        cost: u32,
    },
    /// An entry of an auth file for a user and a password.
    AuthEntry {
        /// Its name.
        name: String,
        /// The user.
        user: String,
        /// Name of the password.
        password: String,
    },
    /// An entry taken over from another auth file.
    BaseEntry {
        /// Its name.
        name: String,
        /// The auth file.
        file: PathBuf,
        /// The entry's key in it.
        key: String,
    },
    /// The archive of a container image that is assembled from provision's own binary.
    OwnImage {
        /// Its name.
        name: String,
        /// The name that podman knows it under.
        reference: String,
        /// The image id that it must come to.
        id: String,
        /// The machine that it is for, as uname(2) names it.
        machine: String,
    },
    /// The archive of a container image that was carried here in a file.
    CarriedImage {
        /// Its name.
        name: String,
        /// The name that podman knows it under.
        reference: String,
        /// The image id that it must come to.
        id: String,
        /// The OCI or docker archive.
        file: PathBuf,
        /// The digest of the manifest that is expected in it.
        digest: Option<String>,
    },
}

impl Recipe {
    /// The pieces that it makes, and whether each is secret.
    pub fn makes(&self) -> Vec<(&str, bool)> {
        match self {
            Self::Password { name, .. }
            | Self::Htpasswd { name, .. }
            | Self::AuthEntry { name, .. }
            | Self::BaseEntry { name, .. } => vec![(name, true)],
            Self::Authority { certificate, key, .. }
            | Self::Certificate { certificate, key, .. }
            | Self::OwnPair { certificate, key, .. } => vec![(certificate, false), (key, true)],
            Self::OwnImage { name, .. } | Self::CarriedImage { name, .. } => vec![(name, false)],
        }
    }

    /// The pieces that it needs: when one of them is made again, so is this.
    pub fn made_from(&self) -> Vec<&str> {
        match self {
            Self::Certificate { authority_certificate, authority_key, .. } => {
                vec![authority_certificate, authority_key]
            }
            Self::Htpasswd { password, .. } | Self::AuthEntry { password, .. } => vec![password],
            Self::Password { .. }
            | Self::Authority { .. }
            | Self::OwnPair { .. }
            | Self::BaseEntry { .. }
            | Self::OwnImage { .. }
            | Self::CarriedImage { .. } => Vec::new(),
        }
    }

    /// What it makes, for people.
    pub fn what(&self) -> String {
        match self {
            Self::Password { .. } => "the registry administrator's password".to_owned(),
            Self::Authority { common_name, .. } => format!("the certificate authority \"{common_name}\""),
            Self::Certificate { .. } => "the registry's certificate".to_owned(),
            Self::OwnPair { .. } => "the registry's certificate (your own)".to_owned(),
            Self::Htpasswd { user, .. } => format!("the htpasswd line of {user}"),
            Self::AuthEntry { user, .. } => format!("the auth file entry of {user}"),
            Self::BaseEntry { key, .. } => format!("the auth file entry of {key}"),
            Self::OwnImage { reference, .. } | Self::CarriedImage { reference, .. } => {
                format!("the image {reference}")
            }
        }
    }
}
