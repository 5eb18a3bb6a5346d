//! The host that is converged, with provision's own bytes beside it; what both observing and changing need.

use provision_host::{Family, Host};

use crate::vault::Vault;

/// The host, its family, and the vault on it.
#[derive(Clone, Copy)]
pub struct Machine<'a> {
    /// The host.
    pub host: &'a Host,
    /// Which tools manage its packages and anchors.
    pub family: Family,
    /// provision's own bytes on it.
    pub vault: &'a Vault<'a>,
}
