//! What has to be true of a host before an apply counts; plain data and the proof of it.

use openssl::x509::X509;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::machine::Machine;

mod registry;

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
    Registry(RegistryHealth),
}

/// A registry that has to answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RegistryHealth {
    /// `host:port`, as clients write it.
    pub registry: String,
    /// Name of the authority's certificate in the vault; none: the system's anchors.
    pub authority: Option<String>,
    /// The user's name; none: the registry is asked without credentials.
    pub user: Option<String>,
    /// Name of the password in the vault.
    pub password: Option<String>,
    /// The unit whose last log lines explain a failure.
    pub unit: Option<String>,
    /// How long to wait, in seconds.
    pub patience: u64,
}

impl std::fmt::Display for Health {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Anchored { bundle, .. } => write!(f, "the anchor is in {bundle}"),
            Self::Registry(RegistryHealth { registry, user, .. }) => match user {
                Some(user) => write!(f, "https://{registry}/v2/ verifies and takes the password of {user}"),
                None => write!(f, "https://{registry}/v2/ verifies and answers"),
            },
        }
    }
}

impl Health {
    /// The same, without waiting for it.
    pub(crate) fn at_once(&self) -> Self {
        match self {
            Self::Registry(registry) => Self::Registry(RegistryHealth { patience: 0, ..registry.clone() }),
            anchored @ Self::Anchored { .. } => anchored.clone(),
        }
    }
}

/// Proves one thing, or says how it failed.
pub(crate) fn prove(machine: Machine<'_>, health: &Health, interrupted: &dyn Fn() -> bool) -> Result<()> {
    match health {
        Health::Anchored { certificate, bundle } => anchored(machine, certificate, bundle),
        Health::Registry(registry) => registry::prove(machine, registry, interrupted),
    }
}

fn anchored(machine: Machine<'_>, certificate: &str, bundle: &str) -> Result<()> {
    let root = &machine.host.root;
    let pem = if certificate.starts_with('/') {
        root.read(certificate.as_ref())?
    } else {
        machine.vault.get(certificate)?.map(|bytes| bytes.to_vec())
    };
    let missing =
        |what: &str| Error::Unhealthy { what: format!("{what}: expected to find it after the apply") };
    let pem = pem.ok_or_else(|| missing(certificate))?;
    let bundle_pem = root.read(bundle.as_ref())?.ok_or_else(|| missing(bundle))?;
    let (wanted, have) = (X509::stack_from_pem(&pem)?, X509::stack_from_pem(&bundle_pem)?);
    let der = |certificate: &X509| certificate.to_der().ok();
    let have: Vec<_> = have.iter().map(der).collect();
    if wanted.is_empty() {
        let what = format!("{certificate} holds no certificate; expected at least one in PEM");
        return Err(Error::Unhealthy { what });
    }
    match wanted.iter().all(|one| have.contains(&der(one))) {
        true => Ok(()),
        false => Err(Error::Unhealthy {
            what: format!(
                "{bundle} does not hold the certificate {certificate}; the tool that extracts it skipped the file"
            ),
        }),
    }
}

#[cfg(test)]
mod tests {
    use provision_host::{Family, Host};

    use super::*;
    use crate::vault::Vault;

    #[test]
    fn a_file_without_a_certificate_is_no_anchor() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::create_dir(directory.path().join("etc")).unwrap();
        for name in ["bundle.pem", "anchor.pem"] {
            std::fs::write(directory.path().join("etc").join(name), "# no certificate\n").unwrap();
        }
        let host = Host::with_root(directory.path()).unwrap();
        let vault = Vault::new(&host.root, "/var/lib/provision");
        let machine = Machine { host: &host, family: Family::Debian, vault: &vault };
        let error = anchored(machine, "/etc/anchor.pem", "/etc/bundle.pem").unwrap_err().to_string();
        assert!(error.contains("/etc/anchor.pem holds no certificate"), "{error}");
    }
}
