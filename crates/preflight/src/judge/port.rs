//! A TCP port: free, or held by our own service.

use provision_host::sockets::{self, Listener, Process};
use provision_host::{Error, systemd};

use crate::scene::Scene;
use crate::verdict::Verdict;

pub(crate) fn probe(scene: &Scene<'_>, port: u16, unit: &str) -> Result<Verdict, Error> {
    let listeners = sockets::listeners(scene.host, port)?;
    // Asked only when needed, and a host without systemd runs no unit of ours.
    let running =
        !listeners.is_empty() && systemd::status(scene.host, unit).is_ok_and(|status| status.is_active());
    Ok(judge(port, unit, &listeners, running))
}

fn judge(port: u16, unit: &str, listeners: &[Listener], running: bool) -> Verdict {
    let expected = format!("free, or held by our own {unit}");
    let ours = |holder: &Process| holder.unit.as_deref() == Some(unit);
    let foreign = |listener: &&Listener| listener.holder.as_ref().is_some_and(|holder| !ours(holder));
    if let Some(Listener { address, holder: Some(holder), .. }) = listeners.iter().find(foreign) {
        return Verdict::fail(format!("{address} is held by {}", shown(holder)), expected)
            .remedy(evict(holder));
    }
    match listeners.iter().find(|listener| listener.holder.is_none()) {
        None => match listeners.first().and_then(|listener| listener.holder.as_ref()) {
            None => Verdict::pass("free", expected),
            Some(holder) => Verdict::pass(format!("held by our own service: {}", shown(holder)), expected),
        },
        Some(_) if running => Verdict::warn(
            format!("in use while {unit} runs; only root sees whether that is who holds it"),
            expected,
        )
        .remedy(look(port)),
        Some(Listener { address, uid, .. }) => {
            let found = format!("{address} is held by a process of user id {uid}, and {unit} does not run");
            Verdict::fail(found, expected).remedy(look(port))
        }
    }
}

fn shown(holder: &Process) -> String {
    let unit = holder.unit.as_ref().map(|unit| format!(", {unit}")).unwrap_or_default();
    format!("{} (pid {}{unit})", holder.program, holder.pid)
}

fn evict(holder: &Process) -> String {
    match holder.unit.as_deref().filter(|unit| unit.ends_with(".service") && !unit.starts_with("user@")) {
        Some(unit) => {
            format!("sudo systemctl disable --now {unit}   # or set another `port` under [registry]")
        }
        None => {
            format!("sudo kill {}   # {}; or set another `port` under [registry]", holder.pid, holder.program)
        }
    }
}

fn look(port: u16) -> String {
    format!("sudo ss -ltnp 'sport = :{port}'")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finding::Status::{self, Fail, Pass, Warn};

    fn held(by: Option<(&str, Option<&str>)>) -> Listener {
        let holder = by.map(|(program, unit)| Process {
            pid: 42,
            program: program.into(),
            unit: unit.map(str::to_owned),
        });
        Listener { address: "0.0.0.0:8443".parse().unwrap(), uid: 0, holder }
    }

    #[test]
    fn holders() {
        let check = |listeners: &[Listener], running, status: Status, found: &str, remedy: Option<&str>| {
            let verdict = judge(8443, "registry.service", listeners, running);
            assert_eq!((verdict.status, verdict.found.as_str()), (status, found));
            assert!(
                verdict.remedy.as_deref().unwrap_or("-").starts_with(remedy.unwrap_or("-")),
                "{verdict:?}"
            );
        };
        check(&[], true, Pass, "free", None);
        let ours = held(Some(("conmon", Some("registry.service"))));
        let found = "held by our own service: conmon (pid 42, registry.service)";
        check(std::slice::from_ref(&ours), true, Pass, found, None);
        let nginx = held(Some(("nginx", Some("nginx.service"))));
        let found = "0.0.0.0:8443 is held by nginx (pid 42, nginx.service)";
        check(&[ours, nginx], true, Fail, found, Some("sudo systemctl disable --now nginx.service"));
        let python = held(Some(("python3", None)));
        check(&[python], false, Fail, "0.0.0.0:8443 is held by python3 (pid 42)", Some("sudo kill 42"));
        let found = "in use while registry.service runs; only root sees whether that is who holds it";
        check(&[held(None)], true, Warn, found, Some("sudo ss"));
        let found = "0.0.0.0:8443 is held by a process of user id 0, and registry.service does not run";
        check(&[held(None)], false, Fail, found, Some("sudo ss"));
    }
}
