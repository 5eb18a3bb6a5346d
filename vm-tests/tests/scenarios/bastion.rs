//! A bare host becomes a bastion, serves as one, and goes back to what it was: both registries, plain units and Quadlet.

use vm_tests::bastion::Bastion;
use vm_tests::image::Suite;
use vm_tests::machine::Machine;

fn play(machine: Machine, profile: &'static str) {
    let mut bastion = Bastion::new(machine, profile).unwrap();
    let played = bastion.play();
    assert!(bastion.stage.table());
    played.unwrap();
}

#[test]
fn debian_13_with_the_embedded_registry() {
    play(Machine::fresh(Suite::Trixie, "bastion-debian-13").unwrap(), "bastion.toml");
}

#[test]
fn debian_12_with_the_embedded_registry() {
    play(Machine::fresh(Suite::Bookworm, "bastion-debian-12").unwrap(), "bastion.toml");
}

/// podman was there before: it stays when all the rest goes.
#[test]
fn debian_13_with_distribution() {
    let machine = Machine::with_podman(Suite::Trixie, "distribution-debian-13").unwrap();
    play(machine, "bastion-distribution.toml");
}

#[test]
fn debian_12_with_distribution() {
    let machine = Machine::with_podman(Suite::Bookworm, "distribution-debian-12").unwrap();
    play(machine, "bastion-distribution.toml");
}
