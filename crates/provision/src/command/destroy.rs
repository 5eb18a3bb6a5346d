//! `provision destroy`: back to the baseline.

use provision_converge::Desired;

use super::apply::Change;
use crate::cli::Global;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::site::Site;

/// Takes back everything; data and generated secrets stay.
pub fn run(global: &Global) -> Result<Exit, Failure> {
    let site = Site::open(global)?;
    site.need_root()?;
    let _lock = site.lock()?;
    let vault = site.vault();
    let engine = site.engine(&vault)?;
    Change { name: "destroy", profile: "", desired: &Desired::default(), events: None }
        .carry_out(global, &engine)
}
