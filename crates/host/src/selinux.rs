//! SELinux: whether it is on, and giving files the labels of the policy. The policy itself is the distribution's.

use std::collections::BTreeMap;
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
///
/// As for libselinux (is_selinux_enabled(3)), a kernel that has it counts only together with a configuration: without
/// one no policy is loaded.
pub fn mode(host: &Host) -> Result<Selinux> {
    let enforce = host.root.read_text(Path::new("/sys/fs/selinux/enforce"))?;
    let configured = host.root.node(Path::new("/etc/selinux/config"))?.is_some();
    Ok(match enforce.as_deref().map(str::trim) {
        _ if !configured => Selinux::Absent,
        Some("1") => Selinux::Enforcing,
        Some(_) => Selinux::Permissive,
        None => Selinux::Disabled,
    })
}

/// The attribute that lets systemd run a program that lies where the policy expects none; nothing where SELinux is off.
pub fn program_label(host: &Host) -> Result<BTreeMap<String, Vec<u8>>> {
    Ok(match mode(host)? {
        Selinux::Absent | Selinux::Disabled => BTreeMap::new(),
        Selinux::Permissive | Selinux::Enforcing => {
            [("security.selinux".to_owned(), b"system_u:object_r:bin_t:s0\0".to_vec())].into()
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kernel_without_a_policy_does_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let host = Host::with_root(directory.path()).unwrap();
        let put = |path: &str, text: &str| {
            let path = directory.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        assert_eq!(mode(&host).unwrap(), Selinux::Absent);
        put("sys/fs/selinux/enforce", "1");
        assert_eq!(mode(&host).unwrap(), Selinux::Absent);
        put("etc/selinux/config", "SELINUX=enforcing\n");
        assert_eq!(mode(&host).unwrap(), Selinux::Enforcing);
        put("sys/fs/selinux/enforce", "0");
        assert_eq!(mode(&host).unwrap(), Selinux::Permissive);
        std::fs::remove_file(directory.path().join("sys/fs/selinux/enforce")).unwrap();
        assert_eq!(mode(&host).unwrap(), Selinux::Disabled);
    }
}
