//! Units of the system's service manager, through systemctl(1) and journalctl(1). It must not know what the units do.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::host::Host;
use crate::{Error, Result};

/// A unit may take its `TimeoutStartSec` (90 s by default, more for pulls) and then be stopped.
const LIMIT: Duration = Duration::from_secs(900);

const PROPERTIES: &str = "LoadState,ActiveState,SubState,UnitFileState";

/// What the manager says about a unit, in its own words (systemd(1), systemctl(1) `is-enabled`).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct UnitStatus {
    /// `loaded`, `not-found`, `masked`, `bad-setting`, `error`.
    pub load: String,
    /// `active`, `reloading`, `inactive`, `failed`, `activating`, `deactivating`.
    pub active: String,
    /// Finer, by type of unit: `running`, `exited`, `dead`, …
    pub sub: String,
    /// `enabled`, `disabled`, `static`, `generated`, `masked`, …; empty without a unit file.
    pub enabled: String,
}

impl UnitStatus {
    /// There is such a unit, masked or not.
    pub fn exists(&self) -> bool {
        !self.load.is_empty() && self.load != "not-found"
    }

    /// It is up (`active` or being reloaded).
    pub fn is_active(&self) -> bool {
        matches!(self.active.as_str(), "active" | "reloading")
    }

    /// It has failed.
    pub fn is_failed(&self) -> bool {
        self.active == "failed"
    }
}

/// Whether systemd runs this host (sd_booted(3)); never for a root that is not the running system.
pub fn runs(host: &Host) -> Result<bool> {
    if !host.root.is_live() {
        return Ok(false);
    }
    Ok(host.root.node(Path::new("/run/systemd/system"))?.is_some_and(|node| node.is_dir()))
}

/// What the manager knows about `unit`; one that does not exist has `load` = `not-found`.
pub fn status(host: &Host, unit: &str) -> Result<UnitStatus> {
    let show = host.program("systemctl").args(["show", "--property", PROPERTIES, "--", checked(unit)?]);
    let command = show.command_line();
    let output = show.run()?;
    parse_show(&output.stdout)
        .ok_or_else(|| Error::unexpected(command, "properties with a LoadState", &output.stdout))
}

/// `NAME=value` lines; `None` when it is not the answer of a running manager.
fn parse_show(text: &str) -> Option<UnitStatus> {
    let fields: BTreeMap<&str, &str> = text.lines().filter_map(|line| line.split_once('=')).collect();
    let word = |name: &str| fields.get(name).map(|value| value.trim()).unwrap_or_default().to_owned();
    Some(UnitStatus {
        load: Some(word("LoadState")).filter(|load| !load.is_empty())?,
        active: word("ActiveState"),
        sub: word("SubState"),
        enabled: word("UnitFileState"),
    })
}

/// Reads all unit files again and runs the generators.
pub fn daemon_reload(host: &Host) -> Result<()> {
    host.program("systemctl").arg("daemon-reload").timeout(LIMIT).run().map(drop)
}

/// Starts a unit and waits until it is up or has failed; on a host that is being booted, its start is queued.
pub fn start(host: &Host, unit: &str) -> Result<()> {
    queued(host, "start", unit)
}

/// Stops a unit and waits until it is down.
pub fn stop(host: &Host, unit: &str) -> Result<()> {
    systemctl(host, "stop", unit)
}

/// Stops and starts a unit; one that is down is started.
pub fn restart(host: &Host, unit: &str) -> Result<()> {
    queued(host, "restart", unit)
}

/// Starts it at boot.
pub fn enable(host: &Host, unit: &str) -> Result<()> {
    systemctl(host, "enable", unit)
}

/// Does not start it at boot.
pub fn disable(host: &Host, unit: &str) -> Result<()> {
    systemctl(host, "disable", unit)
}

/// Lets nobody start it.
pub fn mask(host: &Host, unit: &str) -> Result<()> {
    systemctl(host, "mask", unit)
}

/// Undoes [`mask`].
pub fn unmask(host: &Host, unit: &str) -> Result<()> {
    systemctl(host, "unmask", unit)
}

/// Runs a command once after `delay`, as a unit of its own that outlives this process, its session and its user's
/// login: `NAME.timer` and `NAME.service`, which are gone when they have ended and after a reboot.
pub fn run_later(host: &Host, name: &str, delay: Duration, command: &[&str]) -> Result<()> {
    checked(&format!("{name}.timer"))?;
    let run =
        host.program("systemd-run").args(["--quiet", "--collect", "--timer-property=AccuracySec=100ms"]);
    let run = run.arg(format!("--unit={name}")).arg(format!("--on-active={}ms", delay.as_millis()));
    run.arg("--").args(command.iter().copied()).run().map(drop)
}

/// The last lines that a unit wrote, oldest first.
pub fn journal_tail(host: &Host, unit: &str, lines: u32) -> Result<String> {
    let journal = host.program("journalctl").args(["--no-pager", "--quiet", "--output=short-iso"]);
    let output = journal.arg(format!("--lines={lines}")).arg(format!("--unit={}", checked(unit)?)).run()?;
    Ok(output.stdout.trim_end().to_owned())
}

/// The version in the first line of `systemctl --version`: `systemd 252 (252.38-1~deb12u1)`.
pub(crate) fn parse_version(text: &str) -> Option<u32> {
    let number = text.lines().next()?.strip_prefix("systemd ")?.split_whitespace().next()?;
    let end = number.find(|c: char| !c.is_ascii_digit()).unwrap_or(number.len());
    number[..end].parse().ok()
}

/// A verb that brings a unit up. To wait for what is ordered after the unit that waits would never end.
fn queued(host: &Host, verb: &str, unit: &str) -> Result<()> {
    if !host.is_booting() {
        return systemctl(host, verb, unit);
    }
    host.program("systemctl").args(["--no-block", verb, "--", checked(unit)?]).run().map(drop)
}

fn systemctl(host: &Host, verb: &str, unit: &str) -> Result<()> {
    host.program("systemctl").args([verb, "--", checked(unit)?]).timeout(LIMIT).run().map(drop)
}

/// A name with its type and no pattern: `systemctl stop '*.service'` stops everything.
fn checked(unit: &str) -> Result<&str> {
    let letters = unit.chars().all(|c| c.is_ascii_alphanumeric() || ":-_.\\@".contains(c));
    let whole = unit.rsplit_once('.').is_some_and(|(name, kind)| !name.is_empty() && !kind.is_empty());
    if letters && whole && !unit.starts_with('-') {
        return Ok(unit);
    }
    Err(Error::BadUnitName { name: unit.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn recorded_show() {
        let text = "LoadState=loaded\nActiveState=active\nSubState=running\nUnitFileState=generated\n";
        let status = parse_show(text).unwrap();
        assert!(status.exists() && status.is_active() && !status.is_failed());
        assert_eq!((status.sub.as_str(), status.enabled.as_str()), ("running", "generated"));
    }

    #[test]
    fn absent_masked_and_failed_units() {
        let absent =
            parse_show("LoadState=not-found\nActiveState=inactive\nSubState=dead\nUnitFileState=\n").unwrap();
        assert!(!absent.exists() && !absent.is_active());
        let masked = parse_show("LoadState=masked\nActiveState=inactive\nUnitFileState=masked\n").unwrap();
        assert!(masked.exists() && masked.enabled == "masked");
        assert!(parse_show("LoadState=loaded\nActiveState=failed\n").unwrap().is_failed());
        assert_eq!(parse_show("System has not been booted with systemd\n"), None);
    }

    #[test]
    fn versions() {
        for (text, expected) in [
            ("systemd 252 (252.38-1~deb12u1)\n+PAM +AUDIT\n", Some(252)),
            ("systemd 239 (239-82.el8_10.2)\n", Some(239)),
            ("systemd 257~rc1 (257~rc1-1)", Some(257)),
            ("bash: systemctl: command not found", None),
            ("", None),
        ] {
            assert_eq!(parse_version(text), expected);
        }
    }

    #[test]
    fn unit_names() {
        for name in ["registry.service", "user@1000.service", "dev-disk-by\\x2duuid.swap", "a.b.timer"] {
            assert!(checked(name).is_ok(), "{name}");
        }
        for name in ["", "registry", "*.service", "--all.x", ".service", "a b.service", "a."] {
            assert!(checked(name).is_err(), "{name}");
        }
    }

    proptest! {
        #[test]
        fn any_output_is_understood(text in "(LoadState=|SubState=|systemd |[=\n0-9a-z ]|\\PC)*") {
            parse_show(&text);
            parse_version(&text);
        }
    }
}
