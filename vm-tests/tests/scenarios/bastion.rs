//! A bare host becomes a bastion, serves as one, and goes back to what it was: both registries, plain units and Quadlet.

use vm_tests::bastion::Bastion;
use vm_tests::image::Suite;
use vm_tests::machine::Machine;

fn play(suite: Suite, profile: &'static str, name: &str) {
    let machine = Machine::fresh(suite, name).unwrap();
    let mut bastion = Bastion::new(machine, profile).unwrap();
    let played = bastion.play();
    assert!(bastion.stage.table());
    played.unwrap();
}

#[test]
fn debian_13_with_the_embedded_registry() {
    play(Suite::Trixie, "bastion.toml", "bastion-debian-13");
}

#[test]
fn debian_12_with_the_embedded_registry() {
    play(Suite::Bookworm, "bastion.toml", "bastion-debian-12");
}

#[test]
fn debian_13_with_distribution() {
    play(Suite::Trixie, "bastion-distribution.toml", "distribution-debian-13");
}

#[test]
fn debian_12_with_distribution() {
    play(Suite::Bookworm, "bastion-distribution.toml", "distribution-debian-12");
}
