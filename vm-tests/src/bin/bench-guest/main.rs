//! `just bench-guest`: what a no-change apply of `bastion.toml` takes in a guest, and what `ansible-playbook` takes there
//! for a play that keeps the same things. Prints a table and the ratio; judges nothing.

#![expect(clippy::print_stdout, reason = "people read the table")]

mod peer;

use std::time::Duration;

use anyhow::{Context as _, Result};
use vm_tests::image::Suite;
use vm_tests::machine::Machine;
use vm_tests::{binary, image, needs};

/// The median of so many runs counts.
const RUNS: usize = 5;
/// The peer takes a minute or two for each.
const PEER_RUNS: usize = 3;

fn main() -> Result<()> {
    if image::build_if_asked()? {
        return Ok(());
    }
    needs::install()?;
    let mut machine = Machine::with_podman(Suite::Trixie, "bench-guest")?;
    binary::equip(&mut machine)?;
    let first = timed(&mut machine, "provision apply profiles/bastion.toml")?;
    println!("Debian 13 in a guest, software emulation\n");
    row("first apply of bastion.toml, podman installed before", first);
    let mut took = Vec::new();
    for verb in ["plan", "apply"] {
        let command = format!("provision {verb} profiles/bastion.toml");
        took.push((verb, median(&mut machine, &command, RUNS)?));
    }
    for (verb, took) in &took {
        row(&format!("no-change {verb}, median of {RUNS}"), *took);
    }
    let version = peer::install(&mut machine)?;
    let play = peer::prepare(&mut machine)?;
    let theirs = median(&mut machine, &play, PEER_RUNS)?;
    row(&format!("no-change play, median of {PEER_RUNS}: {version}"), theirs);
    let (_, ours) = took.last().context("nothing was measured")?;
    let ratio = theirs.as_secs_f64() / ours.as_secs_f64().max(1e-3);
    println!("\na no-change apply takes 1/{ratio:.0} of the time of the play");
    Ok(())
}

fn row(what: &str, took: Duration) {
    println!("{what:<60} {:>8.2} s", took.as_secs_f64());
}

/// How long a command takes by the guest's own clock.
fn timed(machine: &mut Machine, command: &str) -> Result<Duration> {
    let told = machine.run(&format!(
        "begun=$(date +%s%N); {command} >/run/bench.log 2>&1 || {{ cat /run/bench.log; exit 1; }}; \
         echo $(( $(date +%s%N) - begun ))"
    ))?;
    Ok(Duration::from_nanos(told.trim().parse().with_context(|| told.clone())?))
}

/// The middle one of several runs.
fn median(machine: &mut Machine, command: &str, runs: usize) -> Result<Duration> {
    let mut took = (0..runs).map(|_| timed(machine, command)).collect::<Result<Vec<_>>>()?;
    took.sort_unstable();
    Ok(took[runs / 2])
}
