//! An apply that is interrupted, or killed, in the middle: the host is as before, or the next run makes it so.

use vm_tests::act::Stage;
use vm_tests::binary;
use vm_tests::host_state::{differences, manifest};
use vm_tests::image::Suite;
use vm_tests::machine::Machine;

/// Starts an apply, and ends it with a signal once it says that it has come to `step`.
fn cut_off(stage: &mut Stage, step: &str, signal: &str) -> String {
    let script = format!(
        "provision apply profiles/bastion.toml >/tmp/apply.log 2>&1 & pid=$!; \
         until grep -q '{step}' /tmp/apply.log; do kill -0 $pid || break; sleep 0.2; done; \
         kill -{signal} $pid; wait $pid; echo status $?; cat /tmp/apply.log; rm /tmp/apply.log"
    );
    stage.run(&script, 0).unwrap()
}

#[test]
fn an_apply_that_is_cut_off_leaves_nothing_behind() {
    let mut machine = Machine::with_podman(Suite::Trixie, "cut-off").unwrap();
    binary::equip(&mut machine).unwrap();
    let before = manifest(&mut machine).unwrap();
    let mut stage = Stage::new(machine);
    // Ctrl-C: the step under way ends, then everything is taken back.
    let said = cut_off(&mut stage, "image:localhost/provision-registry", "INT");
    assert!(said.contains("status 1") && said.contains("interrupted"), "{said}");
    let after = manifest(&mut stage.machine).unwrap();
    assert_eq!(differences(&before, &after), Vec::<String>::new());
    // kill -9: the next run takes back what was left, and then does what it is asked for.
    let said = cut_off(&mut stage, "image:localhost/provision-registry", "KILL");
    assert!(said.contains("status 137"), "{said}");
    let told = stage.run("provision status", 2).unwrap();
    assert!(told.contains("cut off"), "{told}");
    let again = stage.run("provision apply profiles/bastion.toml", 0).unwrap();
    assert!(again.contains("taking it back first"), "{again}");
    stage.run("podman login registry.example.test:8443", 0).unwrap();
    stage.run("provision status", 0).unwrap();
}
