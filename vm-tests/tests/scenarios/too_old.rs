//! Debian 11 has a podman that is too old: preflight refuses, and nothing is changed.

use vm_tests::act::Stage;
use vm_tests::binary;
use vm_tests::host_state::{differences, manifest};
use vm_tests::image::Suite;
use vm_tests::machine::Machine;

#[test]
fn debian_11_is_refused_and_stays_as_it_was() {
    let mut machine = Machine::fresh(Suite::Bullseye, "too-old-debian-11").unwrap();
    binary::equip(&mut machine).unwrap();
    let before = manifest(&mut machine).unwrap();
    let mut stage = Stage::new(machine);
    let said = stage.run("provision check profiles/bastion.toml", 3).unwrap();
    assert!(said.contains("3.0.1") && said.contains("3.3"), "{said}");
    let json = stage.run("provision check --json profiles/bastion.toml", 3).unwrap();
    assert!(json.contains("\"podman") && json.contains("\"fail\""), "{json}");
    stage.run("provision apply profiles/bastion.toml", 3).unwrap();
    let after = manifest(&mut stage.machine).unwrap();
    assert_eq!(differences(&before, &after), Vec::<String>::new());
}
