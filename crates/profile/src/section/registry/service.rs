//! The container that serves the registry, and its unit.
//!
//! Knows mounts, command line and configuration of both servers. Must not know unit syntax.

use provision_converge::{Poke, ResourceId, State, UnitState};
use provision_host::facts::Facts;
use provision_podman_units::{Container, PublishedPort, Restart, Selinux, Tier, UnitFile, Volume, render};

use crate::draft::Draft;
use crate::error::Error;
use crate::podman;
use crate::section::registry::{Backend, CERTIFICATE, HTPASSWD, Registry, UNIT};

/// The port inside the container, whatever the host's is.
const INNER_PORT: u16 = 8443;
/// Where the foreign server's configuration lies.
const CONFIGURATION: &str = "/etc/provision/registry/config/config.yml";
/// Seconds; the first start on a slow disk unpacks nothing, but podman alone takes a while.
const START_TIMEOUT: u32 = 300;
/// Seconds; uploads that are under way get their chance.
const STOP_TIMEOUT: u32 = 60;

/// Adds the unit's file and the unit.
pub(crate) fn add(registry: &Registry, image: String, facts: &Facts, draft: &mut Draft) -> Result<(), Error> {
    let tier = tier(facts)?;
    let container = match registry.backend {
        Backend::Distribution(_) => distribution(registry, image, draft),
        Backend::Embedded | Backend::NotBuilt(..) => embedded(registry, image),
    };
    let UnitFile { path, text } = render(&container, tier).map_err(Error::Unit)?;
    let restart = Poke::Restart { unit: UNIT.to_owned() };
    draft.text(&path, text, &[Poke::DaemonReload, restart]);
    // What podman's generator makes is not enabled by a link: its file says when it starts.
    let state = UnitState::running(matches!(tier, Tier::Quadlet(_)));
    draft.add(ResourceId::unit(UNIT), State::Unit(state), &[], None);
    Ok(())
}

/// What the installed podman can do, or the one that will be installed.
///
/// A host whose podman is too old, or that has none to install, is refused by preflight, with a remedy. Resolving
/// goes on with the plainest form, so that the refusal can be shown in full, beside all other findings.
fn tier(facts: &Facts) -> Result<Tier, Error> {
    Ok(match podman::version(facts)?.map(Tier::of) {
        None | Some(Tier::Unsupported(_)) => Tier::PlainUnit,
        Some(tier) => tier,
    })
}

fn embedded(registry: &Registry, image: String) -> Container {
    let listen = format!("0.0.0.0:{INNER_PORT}");
    let command = [
        "registry",
        "serve",
        "--listen",
        &listen,
        "--store",
        "/data",
        "--tls-cert",
        "/tls/registry.crt",
        "--tls-key",
        "/tls/registry.key",
        "--htpasswd",
        "/auth/htpasswd",
    ];
    Container { command: command.map(str::to_owned).to_vec(), ..base(registry, image) }
}

/// `serve FILE` suits both the entry point script of version 2 and the bare binary of version 3.
fn distribution(registry: &Registry, image: String, draft: &mut Draft) -> Container {
    let configuration = format!(
        "# Written by provision for CNCF distribution.\n\
         version: 0.1\n\
         log:\n  level: info\n\
         storage:\n  filesystem:\n    rootdirectory: /data\n  delete:\n    enabled: true\n\
         http:\n  addr: 0.0.0.0:{INNER_PORT}\n  tls:\n    certificate: /tls/registry.crt\n    key: /tls/registry.key\n\
         auth:\n  htpasswd:\n    realm: {}\n    path: /auth/htpasswd\n",
        registry.host
    );
    draft.text(CONFIGURATION, configuration, &[Poke::Restart { unit: UNIT.to_owned() }]);
    let mut container = base(registry, image);
    container.volumes.push(volume(folder(CONFIGURATION), "/config", true));
    container.command = vec!["serve".to_owned(), "/config/config.yml".to_owned()];
    // Version 3 sends traces to a collector unless it is told that there is none.
    container.environment = vec![("OTEL_TRACES_EXPORTER".to_owned(), "none".to_owned())];
    // The key is root's alone, whatever user the image would run as.
    container.user = Some("0:0".to_owned());
    container
}

fn base(registry: &Registry, image: String) -> Container {
    Container {
        name: UNIT.trim_end_matches(".service").to_owned(),
        description: format!("image registry {}", registry.address()),
        image,
        ports: vec![PublishedPort { address: None, host: registry.port, container: INNER_PORT }],
        volumes: vec![
            volume(&registry.storage.0, "/data", false),
            volume(folder(CERTIFICATE), "/tls", true),
            volume(folder(HTPASSWD), "/auth", true),
        ],
        read_only: true,
        no_new_privileges: true,
        drop_capabilities: vec!["all".to_owned()],
        restart: Restart::Always,
        start_timeout: START_TIMEOUT,
        stop_timeout: STOP_TIMEOUT,
        mounts: vec![registry.storage.0.clone()],
        ..Container::default()
    }
}

fn volume(host: &str, container: &str, read_only: bool) -> Volume {
    Volume { host: host.to_owned(), container: container.to_owned(), read_only, selinux: Selinux::Private }
}

/// Folders are mounted, not files: a file that is replaced would stay the old one inside.
fn folder(path: &str) -> &str {
    path.rsplit_once('/').map_or(path, |(folder, _)| folder)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::section::registry::KEY;

    #[test]
    fn certificate_and_key_share_the_mounted_folder() {
        assert_eq!(folder(CERTIFICATE), folder(KEY));
        assert_eq!(folder(HTPASSWD), "/etc/provision/registry/auth");
    }
}
