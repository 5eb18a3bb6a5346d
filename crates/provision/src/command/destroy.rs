//! `provision destroy`: back to the baseline.

use provision_converge::Desired;

use super::apply::Change;
use super::generations::UNTOUCHED;
use crate::cli::{ConfirmArgs, EventFormat, Global};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::out;
use crate::site::Site;

/// Takes back everything; data and generated secrets stay.
pub fn run(global: &Global, confirm: &ConfirmArgs, events: Option<EventFormat>) -> Result<Exit, Failure> {
    let site = Site::open(global)?;
    site.need_root()?;
    if site.is_untouched()? {
        // Not even a lock file is left on a host that was never changed.
        if global.json {
            out::json(&serde_json::json!({ "schema": 1, "changed": false }));
        } else {
            out::data(format!("Nothing to do: {UNTOUCHED}"));
        }
        return Ok(Exit::Done);
    }
    let lock = site.lock()?;
    let vault = site.vault();
    let engine = site.engine(&vault)?;
    Change {
        name: "destroy",
        profile: "",
        lock: None,
        desired: &Desired::default(),
        agreed: None,
        confirm,
        events,
    }
    .carry_out(global, &site, &engine, lock)
}
