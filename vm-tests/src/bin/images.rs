//! Builds the guest images and snapshots that are not there yet; `cargo verify` runs it beside the compiler.

#![expect(clippy::print_stdout, reason = "people wait for it")]

use std::time::Instant;

use vm_tests::image::{Suite, image};
use vm_tests::machine::Machine;

fn main() -> anyhow::Result<()> {
    if vm_tests::image::build_if_asked()? {
        return Ok(());
    }
    vm_tests::needs::install()?;
    let wanted: Vec<String> = std::env::args().skip(1).collect();
    for suite in Suite::ALL
        .into_iter()
        .filter(|suite| wanted.is_empty() || wanted.iter().any(|name| name == suite.name()))
    {
        let begun = Instant::now();
        image(suite)?;
        let built = begun.elapsed().as_secs();
        let mut machine = Machine::fresh(suite, "warm-up")?;
        let name = machine.run("uname -r")?;
        println!("{} ({}): image {built} s, all {} s", suite.name(), name.trim(), begun.elapsed().as_secs());
    }
    Ok(())
}
