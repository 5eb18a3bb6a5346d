//! Runs shell commands in a fresh guest that has the binary and the profiles: for looking into things by hand.
//!
//! `cargo run -p vm-tests --bin guest -- trixie 'cat /etc/os-release' 'provision check profiles/bastion.toml'`

use anyhow::{Context as _, Result};
use vm_tests::act::Stage;
use vm_tests::binary;
use vm_tests::image::Suite;
use vm_tests::machine::Machine;

fn main() -> Result<()> {
    vm_tests::needs::install()?;
    let mut arguments = std::env::args().skip(1);
    let name = arguments.next().context("which suite? trixie, bookworm or bullseye")?;
    let suite = Suite::ALL.into_iter().find(|suite| suite.name() == name).context("no such suite")?;
    let mut machine = Machine::fresh(suite, "guest")?;
    binary::equip(&mut machine)?;
    let mut stage = Stage::new(machine);
    for command in arguments {
        stage.show(&command)?;
    }
    Ok(())
}
