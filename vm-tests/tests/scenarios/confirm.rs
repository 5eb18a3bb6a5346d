//! What can cut off who changes a host counts only once somebody confirms it over a new connection. Otherwise the host
//! comes back by itself: when nobody does, when the apply is killed, and when the power is cut.

use vm_tests::act::Stage;
use vm_tests::binary;
use vm_tests::image::Suite;
use vm_tests::machine::Machine;

const FILE: &str = "/etc/ssh/sshd_config.d/50-site.conf";
/// A login that leaves the client's own files alone.
const SSH: &str = "ssh -o UpdateHostKeys=no root@localhost";
/// All of /etc: what is there, and what is in it.
const ETC: &str =
    "find /etc -printf '%y %m %u:%g %p %l\\n' | sort; find /etc -type f -exec sha256sum {} + | sort";
/// Waits until an apply says that it waits.
const WAITS: &str = "until grep -qs \"provision confirm\" /tmp/apply.log; do sleep 0.2; done";

/// Writes a profile that touches the SSH server.
fn declare(stage: &mut Stage, line: &str) {
    let profile = format!(
        "printf 'schema = 1\\nname = \"site\"\\n[[host.file]]\\npath = \"{FILE}\"\\ncontent = \"{line}\\\\n\"\\n' >site.toml"
    );
    stage.run(&profile, 0).unwrap();
}

#[test]
fn the_host_comes_back_unless_somebody_gets_in_anew() {
    let mut machine = Machine::fresh(Suite::Trixie, "confirm").unwrap();
    binary::equip(&mut machine).unwrap();
    let before = machine.run(ETC).unwrap();
    let mut stage = Stage::new(machine);
    declare(&mut stage, "MaxAuthTries 3");
    nobody_confirms(&mut stage);
    assert_eq!(stage.machine.run(ETC).unwrap(), before);
    confirmed_over_a_new_connection(&mut stage);
    // With this, no SSH server starts any more.
    declare(&mut stage, "NoSuchOption yes");
    killed_while_it_waits(&mut stage);
    powerless_while_it_waits(&mut stage);
    stage.run("provision destroy", 0).unwrap();
    let listed =
        stage.run(&format!("ls {FILE} /etc/systemd/system/provision* /var/lib/provision/recover"), 2);
    assert!(listed.unwrap().contains("No such file"));
}

/// The connection of the apply itself proves nothing.
fn nobody_confirms(stage: &mut Stage) {
    let script = format!(
        "{SSH} 'provision apply --confirm 15s site.toml >/tmp/apply.log 2>&1 & pid=$!; {WAITS}; \
         provision confirm; echo confirm $?; wait $pid; echo apply $?'; cat /tmp/apply.log"
    );
    let said = stage.run(&script, 0).unwrap();
    assert!(
        said.contains("the very connection that the apply came over") && said.contains("confirm 1"),
        "{said}"
    );
    assert!(said.contains("apply 4") && said.contains("nobody confirmed it within 15 s"), "{said}");
}

/// Nothing is asked for: the step is risky and it comes over SSH. The connection that began it is gone by then.
fn confirmed_over_a_new_connection(stage: &mut Stage) {
    let script = format!(
        "rm /tmp/apply.log; {SSH} provision apply site.toml >/tmp/apply.log 2>&1 & {WAITS}; kill -9 $!; \
         provision status; {SSH} provision confirm; echo confirm $?; cat {FILE}"
    );
    let said = stage.run(&script, 0).unwrap();
    assert!(said.contains("waits to be confirmed") && said.contains("confirm 0"), "{said}");
    assert!(said.ends_with("MaxAuthTries 3\n"), "{said}");
    stage.run("provision status", 0).unwrap();
    let units = stage.run("systemctl list-units --all 'provision*'; ls /etc/systemd/system", 0).unwrap();
    assert!(units.contains("0 loaded units") && !units.contains("provision-"), "{units}");
}

fn killed_while_it_waits(stage: &mut Stage) {
    let script = format!(
        "rm /tmp/apply.log; {SSH} provision apply --confirm 12s site.toml >/tmp/apply.log 2>&1 & {WAITS}; \
         kill -9 $(pidof provision); cat {FILE}; \
         until provision status >/dev/null; do sleep 0.5; done; cat {FILE}; journalctl --no-pager --boot --unit 'provision-confirm*'"
    );
    let said = stage.run(&script, 0).unwrap();
    assert!(said.contains("NoSuchOption yes\nMaxAuthTries 3\n"), "{said}");
    assert!(said.contains("nobody confirmed it within 12 s"), "{said}");
}

fn powerless_while_it_waits(stage: &mut Stage) {
    let script = format!(
        "rm /tmp/apply.log; setsid {SSH} provision apply --confirm 10m site.toml >/tmp/apply.log 2>&1 & {WAITS}; \
         cat {FILE}"
    );
    let said = stage.run(&script, 0).unwrap();
    assert!(said.contains("NoSuchOption yes"), "{said}");
    stage.machine.cut_power().unwrap();
    // Nobody does anything but log in.
    let said = stage.run(
        &format!(
            "systemctl is-system-running --wait; {SSH} true; echo login $?; provision status; echo status $?; \
             provision generations; journalctl --no-pager --boot --unit 'provision*'"
        ),
        0,
    );
    let said = said.unwrap();
    assert!(said.contains("running\nlogin 0\n") && said.contains("status 0"), "{said}");
    assert!(said.contains("the host was booted before anybody confirmed it"), "{said}");
}
