//! The system's store of trusted certificates: making its tool read the anchors again. Where anchors lie and whether
//! one arrived is not known here.

use std::path::Path;

use crate::Result;
use crate::family::Family;
use crate::host::Host;
use crate::node::NodeKind;

/// Where Debian's tool links every certificate, by name and by hash.
const LINKS: &str = "/etc/ssl/certs";

/// Extracts the bundles from the anchors anew (update-ca-certificates(8), update-ca-trust(8)). The tools skip files
/// that they cannot read and still succeed: look into the bundle afterwards. Needs root.
pub fn update(host: &Host, family: Family) -> Result<()> {
    match family {
        Family::Debian => {
            host.program("update-ca-certificates").run()?;
            // An anchor that is gone leaves its links behind, unless they are all made anew.
            if has_dead_links(host)? {
                host.program("update-ca-certificates").arg("--fresh").run()?;
            }
            Ok(())
        }
        Family::RedHat => host.program("update-ca-trust").arg("extract").run().map(drop),
    }
}

fn has_dead_links(host: &Host) -> Result<bool> {
    let links = Path::new(LINKS);
    for name in host.root.list(links)?.unwrap_or_default() {
        let Some(node) = host.root.node(&links.join(name))? else { continue };
        if let NodeKind::Symlink { target } = node.kind
            && host.root.node(&links.join(target))?.is_none()
        {
            return Ok(true);
        }
    }
    Ok(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_to_nothing_is_seen() {
        let directory = tempfile::tempdir().unwrap();
        let host = Host::with_root(directory.path()).unwrap();
        assert!(!has_dead_links(&host).unwrap());
        let links = directory.path().join("etc/ssl/certs");
        std::fs::create_dir_all(&links).unwrap();
        std::fs::write(directory.path().join("etc/anchor.crt"), "").unwrap();
        std::os::unix::fs::symlink("/etc/anchor.crt", links.join("anchor.pem")).unwrap();
        std::os::unix::fs::symlink("anchor.pem", links.join("0123.0")).unwrap();
        assert!(!has_dead_links(&host).unwrap());
        std::fs::remove_file(directory.path().join("etc/anchor.crt")).unwrap();
        assert!(has_dead_links(&host).unwrap());
    }
}
