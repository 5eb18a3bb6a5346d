//! Asks a registry the way a client would: by its name, with TLS verified, with credentials.

use std::sync::Arc;
use std::time::{Duration, Instant};

use provision_host::names::resolve_here;
use provision_host::systemd;
use provision_oci::client::{Options, Registry};
use provision_pull_secret::Credentials;

use super::RegistryHealth;
use crate::error::{Error, Result, in_one_line};
use crate::machine::Machine;

const PAUSE: Duration = Duration::from_millis(500);
/// How many of the unit's last lines explain a failure.
const LOG_LINES: u32 = 20;

/// Waits until the registry answers, for as long as the patience lasts.
pub(super) fn prove(
    machine: Machine<'_>,
    health: &RegistryHealth,
    interrupted: &dyn Fn() -> bool,
) -> Result<()> {
    let failed = |error: &dyn std::error::Error| unhealthy(machine, health, &in_one_line(error));
    let options = options(machine, health)?;
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|e| failed(&e))?;
    let registry = Registry::new(&health.registry, &options).map_err(|e| failed(&e))?;
    let until = Instant::now() + Duration::from_secs(health.patience);
    loop {
        let asked =
            runtime.block_on(async { tokio::time::timeout(Duration::from_secs(10), registry.ping()).await });
        let error = match asked {
            Ok(Ok(())) => return Ok(()),
            Ok(Err(error)) => in_one_line(&error),
            Err(_) => "no answer within 10 s".to_owned(),
        };
        if Instant::now() > until || interrupted() || gave_up(machine, health) {
            return Err(unhealthy(machine, health, &error));
        }
        std::thread::sleep(PAUSE);
    }
}

fn options(machine: Machine<'_>, health: &RegistryHealth) -> Result<Options> {
    let mut options = Options::new(resolve_here);
    let lost =
        |what: &str| Error::Lost { what: what.to_owned(), store: machine.vault.directory().to_path_buf() };
    if let Some(name) = &health.authority {
        let pem = machine.vault.get(name)?.ok_or_else(|| lost(name))?;
        options.authorities.push(pem.to_vec());
    }
    if let (Some(user), Some(name)) = (&health.user, &health.password) {
        let password = machine.vault.get(name)?.ok_or_else(|| lost(name))?;
        let credentials = Credentials::new(user.as_str(), String::from_utf8_lossy(&password).into_owned());
        options.credentials = Some(Arc::new(move |_| Some(credentials.clone())));
    }
    Ok(options)
}

/// A unit that systemd has given up on will not answer later either.
fn gave_up(machine: Machine<'_>, health: &RegistryHealth) -> bool {
    let status = health.unit.as_ref().map(|unit| systemd::status(machine.host, unit));
    status.is_some_and(|status| status.is_ok_and(|status| status.is_failed()))
}

fn unhealthy(machine: Machine<'_>, health: &RegistryHealth, reason: &str) -> Error {
    let mut what = format!("https://{}/v2/ is not healthy: {reason}", health.registry);
    if let Some(unit) = &health.unit {
        match systemd::journal_tail(machine.host, unit, LOG_LINES) {
            Ok(log) => what.push_str(&format!("\nthe last lines of {unit}:\n{}", log.trim_end())),
            Err(error) => what.push_str(&format!("\nthe log of {unit} could not be read: {error}")),
        }
    }
    Error::Unhealthy { what }
}
