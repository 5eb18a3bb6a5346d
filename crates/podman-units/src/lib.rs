//! Containers as systemd services: a Quadlet file where podman is 4.4 or newer, a plain unit for 3.3 to 4.3, both
//! from one typed description.
//!
//! Knows unit syntax per podman version. Must not know where images come from, and touches no machine.

mod container;
mod plain;
mod quadlet;
mod tier;
mod unit_text;

pub use container::{Container, PublishedPort, Restart, Selinux, Volume};
pub use tier::{Tier, Version};
pub use unit_text::{Error, UnitText};

/// A file for systemd or for podman's generator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnitFile {
    /// Absolute path for the system scope.
    pub path: String,
    /// Its text.
    pub text: String,
}

/// The file that makes a service of a container, for the podman of this tier.
pub fn render(container: &Container, tier: Tier) -> Result<UnitFile, Error> {
    container.check()?;
    match tier {
        Tier::Unsupported(version) => Err(Error::Unsupported { version }),
        Tier::PlainUnit => plain::render(container),
        Tier::Quadlet(version) => quadlet::render(container, version),
    }
}
