//! Who has to be told when a resource changed; a poke leaves no lasting state of its own.

use std::fmt;

use serde::{Deserialize, Serialize};

/// One thing to tell the system after a change. The order is that in which pokes are done.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "poke")]
pub enum Poke {
    /// The extracted certificate bundles are made again from the anchors.
    UpdateTrust,
    /// systemd reads its unit files, and podman's generator its Quadlet files, again.
    DaemonReload,
    /// A unit that already runs is restarted; one that does not is left to its own resource.
    Restart {
        /// The unit, suffix included.
        unit: String,
    },
}

impl fmt::Display for Poke {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UpdateTrust => f.write_str("update the system's certificate bundle"),
            Self::DaemonReload => f.write_str("reload systemd's units"),
            Self::Restart { unit } => write!(f, "restart {unit}"),
        }
    }
}
