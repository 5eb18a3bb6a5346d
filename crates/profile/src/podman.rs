//! The podman that a host has or will have: its version, and the packages that make it work.
//!
//! Must not know what is run with it.

use provision_host::Family;
use provision_host::facts::Facts;
use provision_podman_units::Version;

use crate::error::Error;

/// The package, and what a profile calls it.
pub(crate) const PACKAGE: &str = "podman";

/// The version that is installed, or would be; none when the distribution has no podman.
pub(crate) fn version(facts: &Facts) -> Result<Option<Version>, Error> {
    let Some(found) = facts.podman.as_ref().or(facts.podman_candidate.as_ref()) else { return Ok(None) };
    found.parse().map(Some).map_err(|_| Error::PodmanVersion { found: found.clone() })
}

/// Empty files that podman 4 locks while it sets up networks, and leaves in /etc. Declared, they go again with the rest:
/// after the packages, because podman makes netavark's anew while it is removed.
pub(crate) fn lock_files(facts: &Facts) -> Result<&'static [&'static str], Error> {
    let locks =
        version(facts)?.is_some_and(|version| (Version::new(4, 0)..Version::new(5, 0)).contains(&version));
    Ok(match facts.family {
        Family::Debian if locks => &["/etc/cni/net.d/cni.lock", "/etc/containers/networks/netavark.lock"],
        _ => &[],
    })
}

/// podman with what it needs to give a container a network. Debian only recommends those packages, and
/// recommendations are not followed, since they depend on what the repositories offer at the moment.
pub(crate) fn packages(facts: &Facts) -> Result<&'static [&'static str], Error> {
    Ok(match (facts.family, version(facts)?) {
        (Family::RedHat, _) => &[PACKAGE],
        (Family::Debian, Some(version)) if version < Version::new(4, 0) => &[PACKAGE],
        // netavark called iptables(8) before podman 5, and calls nft(8) since.
        (Family::Debian, Some(version)) if version < Version::new(5, 0) => &[PACKAGE, "netavark", "iptables"],
        (Family::Debian, _) => &[PACKAGE, "netavark", "nftables"],
    })
}
