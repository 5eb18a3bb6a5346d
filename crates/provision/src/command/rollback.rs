//! `provision rollback`: back to an earlier generation, from what the host itself keeps.

use super::apply::Change;
use crate::cli::{ConfirmArgs, EventFormat, Global};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::site::Site;

/// Goes back to a generation; the one before the current one when none is named.
pub fn run(
    global: &Global,
    generation: Option<u64>,
    confirm: &ConfirmArgs,
    events: Option<EventFormat>,
) -> Result<Exit, Failure> {
    let site = Site::open(global)?;
    site.need_root()?;
    let no_generation = || {
        Failure::new(Exit::Usage, "there is no generation to go back to: provision has not changed this host")
            .hint("provision apply PROFILE makes the first one")
    };
    if site.is_untouched()? {
        return Err(no_generation());
    }
    let lock = site.lock()?;
    let vault = site.vault();
    let engine = site.engine(&vault)?;
    let records = engine.records();
    let number = match generation {
        Some(number) => number,
        None => {
            let current = records.current()?.ok_or_else(no_generation)?;
            records.report(current)?.and_then(|report| report.parent).ok_or_else(|| {
                Failure::new(Exit::Usage, format!("there is no generation before {current}"))
                    .hint("provision destroy takes back everything")
            })?
        }
    };
    let desired = records.desired(number)?;
    let name = format!("rollback to {number}");
    Change { name: &name, profile: "", lock: None, desired: &desired, agreed: None, confirm, events }
        .carry_out(global, &site, &engine, lock)
}
