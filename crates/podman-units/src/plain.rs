//! A unit of systemd that runs podman itself, for podman 3.3 to 4.3, which has no generator.
//!
//! It does what `podman generate systemd --new` did: conmon is the main process and tells systemd when the container
//! is ready, and the container is made anew at each start.

use crate::UnitFile;
use crate::container::Container;
use crate::unit_text::{Error, UnitText};

const PODMAN: &str = "/usr/bin/podman";

pub(crate) fn render(container: &Container) -> Result<UnitFile, Error> {
    let mut unit = UnitText::new("Written by provision. Changes are replaced by the next apply.");
    unit.section("Unit").text("Description", &container.description)?;
    unit.raw("Wants", "network-online.target").raw("After", "network-online.target");
    let mounts = container.mounts.iter().map(String::as_str);
    unit.words("RequiresMountsFor", std::iter::once("/run/containers/storage").chain(mounts))?;
    unit.section("Service");
    // What the unit name says is also the container's name; %n would carry `.service` along.
    unit.raw("Environment", "PODMAN_SYSTEMD_UNIT=%n")
        .raw("Restart", container.restart.word())
        .raw("TimeoutStartSec", &container.start_timeout.to_string())
        .raw("TimeoutStopSec", &(container.stop_timeout + 20).to_string());
    let id_file = format!("/run/{}.ctr-id", container.name);
    unit.command("ExecStartPre", ["/bin/rm", "-f", &id_file])?;
    unit.command("ExecStart", run(container, &id_file).iter().map(String::as_str))?;
    let stop_time = container.stop_timeout.to_string();
    unit.command("ExecStop", [PODMAN, "stop", "--ignore", "--time", &stop_time, "--cidfile", &id_file])?;
    unit.command("ExecStopPost", [PODMAN, "rm", "--force", "--ignore", "--cidfile", &id_file])?;
    unit.raw("Type", "notify").raw("NotifyAccess", "all");
    unit.section("Install").raw("WantedBy", "multi-user.target");
    Ok(UnitFile { path: format!("/etc/systemd/system/{}", container.service()), text: unit.finish() })
}

/// podman's command line.
fn run(container: &Container, id_file: &str) -> Vec<String> {
    let mut words: Vec<String> =
        [PODMAN, "run", "--cidfile", id_file, "--cgroups=no-conmon", "--sdnotify=conmon", "--detach", "--rm"]
            .map(str::to_owned)
            .to_vec();
    let mut flag = |flag: &str| words.push(flag.to_owned());
    flag("--replace");
    flag("--pull=never");
    flag("--log-driver=journald");
    flag(&format!("--name={}", container.name));
    if container.read_only {
        flag("--read-only");
    }
    if container.no_new_privileges {
        flag("--security-opt=no-new-privileges");
    }
    container.drop_capabilities.iter().for_each(|one| flag(&format!("--cap-drop={one}")));
    container.user.iter().for_each(|user| flag(&format!("--user={user}")));
    container.ports.iter().for_each(|port| flag(&format!("--publish={}", port.argument())));
    container.volumes.iter().for_each(|volume| flag(&format!("--volume={}", volume.argument())));
    container.environment.iter().for_each(|(name, value)| flag(&format!("--env={name}={value}")));
    words.push(container.image.clone());
    words.extend(container.command.iter().cloned());
    words
}
