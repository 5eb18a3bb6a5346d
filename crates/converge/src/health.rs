//! What has to be true of a host before an apply counts; plain data and the proof of it.

use serde::{Deserialize, Serialize};

/// One thing to prove after everything was started.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "prove")]
pub enum Health {
    /// The system's bundle holds this anchor (the store's own tool skips bad files in silence).
    Anchored {
        /// Name of the certificate (PEM) in the vault, or the path of a file when it starts with `/`.
        certificate: String,
        /// Path of the extracted bundle.
        bundle: String,
    },
    /// The registry answers over TLS that verifies, and takes these credentials.
    Registry {
        /// `host:port`, as clients write it.
        registry: String,
        /// Name of the authority's certificate in the vault; none: the system's anchors.
        authority: Option<String>,
        /// The user's name; none: the registry is asked without credentials.
        user: Option<String>,
        /// Name of the password in the vault.
        password: Option<String>,
        /// The unit whose last log lines explain a failure.
        unit: Option<String>,
        /// How long to wait, in seconds.
        patience: u64,
    },
}
