//! SELinux: whether it is on, and giving files the labels of the policy. The policy itself is the distribution's.

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::Result;
use crate::host::Host;

/// What SELinux does on a host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Selinux {
    /// The system has none.
    Absent,
    /// There is a configuration, and the kernel runs without.
    Disabled,
    /// Violations are logged only.
    Permissive,
    /// Violations are denied.
    Enforcing,
}

/// What SELinux does, from `/sys/fs/selinux/enforce` and `/etc/selinux/config`.
pub fn mode(host: &Host) -> Result<Selinux> {
    let enforce = host.root.read_text(Path::new("/sys/fs/selinux/enforce"))?;
    let configured = host.root.node(Path::new("/etc/selinux/config"))?.is_some();
    Ok(match enforce.as_deref().map(str::trim) {
        Some("1") => Selinux::Enforcing,
        Some(_) => Selinux::Permissive,
        None if configured => Selinux::Disabled,
        None => Selinux::Absent,
    })
}

/// Gives the nodes the labels that the policy has for their paths (restorecon(8)); what is below directories is left
/// alone. Nothing is done where SELinux is off. Needs root.
pub fn restorecon<P: AsRef<Path>>(host: &Host, paths: &[P]) -> Result<()> {
    let off = matches!(mode(host)?, Selinux::Absent | Selinux::Disabled);
    if off || paths.is_empty() {
        return Ok(());
    }
    let paths = paths.iter().map(|path| path.as_ref().to_string_lossy().into_owned());
    host.program("restorecon").arg("--").args(paths).run().map(drop)
}
