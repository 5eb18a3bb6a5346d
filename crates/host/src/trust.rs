//! The system's store of trusted certificates: making its tool read the anchors again. Where anchors lie and whether
//! one arrived is not known here.

use crate::Result;
use crate::family::Family;
use crate::host::Host;

/// Extracts the bundles from the anchors anew (update-ca-certificates(8), update-ca-trust(8)). The tools skip files
/// that they cannot read and still succeed: look into the bundle afterwards. Needs root.
pub fn update(host: &Host, family: Family) -> Result<()> {
    let program = match family {
        Family::Debian => host.program("update-ca-certificates"),
        Family::RedHat => host.program("update-ca-trust").arg("extract"),
    };
    program.run().map(drop)
}
