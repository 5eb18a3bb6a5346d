//! A checked container host, which can run a container, and goes back to what it was.

use vm_tests::bastion::Bastion;
use vm_tests::image::Suite;
use vm_tests::machine::Machine;

fn play(suite: Suite, name: &str) {
    let machine = Machine::fresh(suite, name).unwrap();
    let mut host = Bastion::new(machine, "podman-host.toml").unwrap();
    host.is_checked_and_planned().unwrap();
    host.is_applied().unwrap();
    host.stage.run("podman info --format '{{.Host.OCIRuntime.Name}}'", 0).unwrap();
    host.stays().unwrap();
    host.goes_back().unwrap();
}

#[test]
fn debian_13() {
    play(Suite::Trixie, "podman-host-debian-13");
}

#[test]
fn debian_12() {
    play(Suite::Bookworm, "podman-host-debian-12");
}
