//! A Quadlet file (podman-systemd.unit(5)), from which podman's generator makes the unit.
//!
//! Keys are used only where this podman's generator knows them; what it has no key for goes through `PodmanArgs=`.

use crate::UnitFile;
use crate::container::Container;
use crate::tier::Version;
use crate::unit_text::{Error, UnitText};

/// The first podman whose generator knows `PodmanArgs=` and `Pull=`.
const PODMAN_ARGS: Version = Version::new(4, 6);

pub(crate) fn render(container: &Container, version: Version) -> Result<UnitFile, Error> {
    let mut unit = UnitText::new("Written by provision. Changes are replaced by the next apply.");
    unit.section("Unit").text("Description", &container.description)?;
    unit.raw("Wants", "network-online.target").raw("After", "network-online.target");
    if !container.mounts.is_empty() {
        unit.words("RequiresMountsFor", container.mounts.iter().map(String::as_str))?;
    }
    unit.section("Container");
    unit.text("ContainerName", &container.name)?.text("Image", &container.image)?;
    if !container.command.is_empty() {
        unit.command("Exec", container.command.iter().map(String::as_str))?;
    }
    for port in &container.ports {
        unit.text("PublishPort", &port.argument())?;
    }
    for volume in &container.volumes {
        unit.text("Volume", &volume.argument())?;
    }
    for (name, value) in &container.environment {
        unit.words("Environment", [format!("{name}={value}").as_str()])?;
    }
    hardening(&mut unit, container)?;
    // Without Pull= (before 4.6) podman asks a registry only when the image is missing; then the start fails, offline.
    if version >= PODMAN_ARGS {
        let stop = format!("--stop-timeout={}", container.stop_timeout);
        unit.raw("Pull", "never").raw("PodmanArgs", &stop);
    }
    unit.section("Service")
        .raw("Restart", container.restart.word())
        .raw("TimeoutStartSec", &container.start_timeout.to_string())
        .raw("TimeoutStopSec", &(container.stop_timeout + 20).to_string());
    unit.section("Install").raw("WantedBy", "multi-user.target");
    Ok(UnitFile {
        path: format!("/etc/containers/systemd/{}.container", container.name),
        text: unit.finish(),
    })
}

fn hardening(unit: &mut UnitText, container: &Container) -> Result<(), Error> {
    if container.read_only {
        unit.raw("ReadOnly", "true");
    }
    if container.no_new_privileges {
        unit.raw("NoNewPrivileges", "true");
    }
    for capability in &container.drop_capabilities {
        unit.text("DropCapability", capability)?;
    }
    if let Some(user) = &container.user {
        let (user, group) =
            user.split_once(':').map_or((user.as_str(), None), |(user, group)| (user, Some(group)));
        unit.text("User", user)?;
        if let Some(group) = group {
            unit.text("Group", group)?;
        }
    }
    Ok(())
}
