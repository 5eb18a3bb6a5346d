//! The power goes in the middle of an apply. After the boot that follows, and without anybody doing anything, the host is
//! as it was before or as it was to become; then it converges.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use vm_tests::act::Stage;
use vm_tests::binary;
use vm_tests::host_state::{differences, manifest};
use vm_tests::image::Suite;
use vm_tests::machine::Machine;

/// How many steps the apply has; the last ones are the quickest.
const STEPS: u64 = 24;

/// A number that is another one each time.
fn any() -> u64 {
    u64::from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().subsec_nanos()) / 1000
}

/// What every boot does to a guest that was only restored before.
const BOOT: [(&str, &str); 3] = [
    ("unit ", "which units have run since the boot"),
    ("cni", "below /var/lib: made by podman's tmpfiles.d(5) at boot"),
    ("/etc/.updated", "the time stamp of systemd-update-done.service"),
];

/// What differs in files and packages, but by the boot.
fn files(before: &str, after: &str) -> Vec<String> {
    let by_boot = |line: &str| {
        BOOT.iter().any(|(what, _)| match what.starts_with('/') {
            true => line.ends_with(what),
            false => line[2..].starts_with(what),
        })
    };
    differences(before, after).into_iter().filter(|line| !by_boot(line)).collect()
}

/// Cuts the power some time after an apply has begun a step.
fn cut_at(step: u64, pause: Duration) {
    let mut machine = Machine::with_podman(Suite::Trixie, &format!("power-cut-{step}")).unwrap();
    binary::equip(&mut machine).unwrap();
    let before = manifest(&mut machine).unwrap();
    let mut stage = Stage::new(machine);
    stage.run(&format!("echo the power goes {} ms into step {step}", pause.as_millis()), 0).unwrap();
    // What was carried in is on the disk before; the log of the apply lives in memory.
    let begin = format!(
        "sync; provision apply profiles/bastion.toml >/run/apply.log 2>&1 & \
         until grep -qF '[{step}/' /run/apply.log; do kill -0 $! || break; sleep 0.1; done; cat /run/apply.log"
    );
    stage.run(&begin, 0).unwrap();
    std::thread::sleep(pause);
    stage.machine.cut_power().unwrap();
    let told = stage
        .run(
            "systemctl is-system-running --wait; journalctl --no-pager --boot --unit 'provision*'; \
             ls /var/lib/provision/journal.ndjson; provision generations",
            0,
        )
        .unwrap();
    assert!(told.contains("journal.ndjson': No such file"), "the boot left it half-done:\n{told}");
    // Unless it counted already.
    if !stage.show("provision status").unwrap().output.contains("No drift") {
        let after = manifest(&mut stage.machine).unwrap();
        assert_eq!(files(&before, &after), Vec::<String>::new());
    }
    stage.run("provision apply profiles/bastion.toml", 0).unwrap();
    stage.run("podman login registry.example.test:8443", 0).unwrap();
    stage.run("provision verify-log", 0).unwrap();
}

/// Files are written, nothing is told of them yet.
#[test]
fn a_host_that_loses_power_comes_back_whole() {
    cut_at(18, Duration::from_millis(500));
}

/// `just soak-power`: more than an hour.
#[test]
#[ignore = "takes more than an hour"]
fn a_host_that_loses_power_at_twenty_moments_comes_back_whole() {
    for moment in 0..20 {
        cut_at(1 + (moment * 7 + any() % 7) % STEPS, Duration::from_millis(any() % 4000));
    }
}
