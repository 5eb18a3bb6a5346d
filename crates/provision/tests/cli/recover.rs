//! `provision recover`, the boot unit that runs it, waiting for the lock, and a terminal that goes away.

use std::fs;
use std::process::Stdio;
use std::time::Duration;

use serde_json::json;

use crate::bench::Bench;
use crate::exit_codes::{last, many};
use crate::sandbox::{Sandbox, UPDATE};

#[test]
fn nothing_to_recover_touches_nothing() {
    let bench = Bench::new();
    bench.on_root(&["recover"]).expect(0).says("Nothing to recover");
    assert!(!bench.at("/var/lib/provision").exists());
    let profile = bench.profile("motd", &bench.file("/etc/motd", "hello\n"));
    bench.on_root(&["apply", profile.to_str().unwrap()]).expect(0);
    assert_eq!(bench.on_root(&["recover", "--json"]).expect(0).json()["recovered"], json!(null));
    bench.on_root(&["status"]).expect(0).says("No drift");
}

#[test]
fn recover_takes_back_what_was_killed_and_does_nothing_else() {
    let bench = Bench::new();
    let profile = bench.profile("many", &many(&bench));
    let before = bench.tree();
    let still = bench.stand_still(&["apply", profile.to_str().unwrap()]);
    bench.on_root(&["recover"]).expect(7).complains("is locked by process").complains("apply");
    still.signal("KILL");
    still.resume();
    let ran = bench.on_root(&["recover", "--json", "--events", "ndjson"]);
    assert_eq!(ran.expect(0).json()["recovered"], json!({ "outcome": "taken-back", "generation": 1 }));
    assert!(ran.stderr.contains("\n{\"event\":\"recovering\""), "{}", ran.stderr);
    assert_eq!(bench.tree(), before);
    bench.on_root(&["recover"]).expect(0).says("Nothing to recover");
}

#[test]
fn who_waits_gets_the_lock_when_the_other_run_ends() {
    let bench = Bench::new();
    let profile = bench.profile("many", &many(&bench));
    let still = bench.stand_still(&["apply", profile.to_str().unwrap()]);
    bench.on_root(&["destroy", "--wait", "1s"]).expect(7).complains("is locked by process");
    let waiting = bench.command_on_root(&["destroy", "--wait", "5m"]).spawn().unwrap();
    std::thread::sleep(Duration::from_millis(300));
    still.resume().expect(0).says("generation 1");
    bench.ran("destroy that waits".to_owned(), waiting).expect(0).says("generation 2: destroy");
    bench.on_root(&["destroy", "--wait", "1d"]).expect(64).complains("such as 60s or 5m");
}

#[test]
fn a_terminal_that_goes_away_stops_nothing() {
    let bench = Bench::new();
    let profile = bench.profile("many", &many(&bench));
    let still = bench.stand_still(&["apply", profile.to_str().unwrap()]);
    still.signal("HUP");
    still.resume().expect(0).says("(150 steps)").complains("the change goes on");
    assert!(bench.at(&last()).exists());
}

#[test]
fn nobody_who_listens_stops_nothing() {
    let bench = Bench::new();
    let profile = bench.profile("many", &many(&bench));
    let mut command = bench.command_on_root(&["apply", profile.to_str().unwrap(), "--events", "ndjson"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // What a connection that is cut leaves of the streams.
    drop((child.stdout.take(), child.stderr.take()));
    assert_eq!(child.wait().unwrap().code(), Some(0));
    bench.on_root(&["status"]).expect(0).says("No drift");
}

/// A sandbox that systemd runs, as far as anybody can tell by looking.
pub(crate) fn booted() -> Sandbox {
    let sandbox = Sandbox::new();
    for directory in ["run/systemd/system", "etc/systemd/system"] {
        fs::create_dir_all(sandbox.bench.root().join(directory)).unwrap();
    }
    knows(&sandbox, "not-found");
    fs::write(sandbox.bench.at("/etc/ssl/certs/ca-certificates.crt"), "").unwrap();
    sandbox
}

/// A systemctl that says this of every unit, and notes what else it is asked for.
pub(crate) fn knows(sandbox: &Sandbox, load: &str) {
    let answer = format!(
        "[ $1 = --version ] && echo systemd 252 || {{ echo \"$*\" >> /tmp/systemctl; echo LoadState={load}; }}"
    );
    sandbox.program("systemctl", &answer);
}

const UNIT: &str = "/etc/systemd/system/provision-recover.service";
const LINK: &str = "/etc/systemd/system/multi-user.target.wants/provision-recover.service";

#[test]
fn the_next_boot_takes_back_what_was_cut_off() {
    let sandbox = booted();
    let profile = sandbox.trusting_profile();
    let slow = "echo > /tmp/begun; while [ ! -e /tmp/go ]; do sleep 0.1; done";
    sandbox.program("update-ca-certificates", &format!("{slow}\n{UPDATE}"));
    let before = sandbox.tree();
    let mut child = sandbox.command(&["apply", profile]).spawn().unwrap();
    while !sandbox.bench.at("/tmp/begun").exists() && child.try_wait().unwrap().is_none() {
        std::thread::sleep(Duration::from_millis(10));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    sandbox.bench.write("root/tmp/go", "");
    let unit = fs::read_to_string(sandbox.bench.at(UNIT)).unwrap();
    assert_eq!(fs::read_link(sandbox.bench.at(LINK)).unwrap().to_str(), Some(UNIT));
    // A boot does what the unit says.
    let command = unit.lines().find_map(|line| line.strip_prefix("ExecStart=")).unwrap();
    let words: Vec<&str> = command.split(' ').collect();
    assert_eq!(words, ["/var/lib/provision/recover/provision", "recover", "--at-boot"]);
    let copy = fs::read(sandbox.bench.at(words[0])).unwrap();
    assert!(copy == fs::read(sandbox.bench.at("/bin/provision")).unwrap(), "it is the binary that began");
    sandbox.run(&words[1..]).expect(0).says("generation 1 was cut off and is taken back");
    assert_eq!(sandbox.tree(), before);
    assert!(!sandbox.bench.at("/var/lib/provision/recover").exists());
    // Nothing was asked of systemd but whether it knows of the unit.
    let asked = fs::read_to_string(sandbox.bench.at("/tmp/systemctl")).unwrap();
    assert!(asked.lines().all(|line| line.starts_with("show ")), "{asked}");
}

#[test]
fn the_boot_unit_goes_with_every_way_an_apply_can_end() {
    let sandbox = booted();
    let profile = sandbox.trusting_profile();
    let armed = format!("[ -e {UNIT} ] && [ -e {LINK} ] && echo > /tmp/armed");
    sandbox.program("update-ca-certificates", &format!("{armed}\n{UPDATE}"));
    let before = sandbox.tree();
    let gone = || {
        assert!(sandbox.bench.at("/tmp/armed").exists(), "it was not there");
        fs::remove_file(sandbox.bench.at("/tmp/armed")).unwrap();
        assert!(!sandbox.bench.at("/etc/systemd/system/multi-user.target.wants").exists());
        assert!(!sandbox.bench.at(UNIT).exists() && !sandbox.bench.at("/var/lib/provision/recover").exists());
    };
    sandbox.run(&["apply", profile]).expect(0);
    gone();
    sandbox.run(&["destroy"]).expect(0);
    gone();
    assert_eq!(sandbox.tree(), before);
    sandbox.program("update-ca-certificates", &format!("{armed}\necho > /etc/ssl/certs/ca-certificates.crt"));
    sandbox.run(&["apply", profile]).expect(4);
    gone();
    // Where systemd has it in memory, it is told that it is gone.
    knows(&sandbox, "loaded");
    sandbox.program("update-ca-certificates", &format!("{armed}\n{UPDATE}"));
    sandbox.run(&["apply", profile]).expect(0);
    gone();
    assert!(fs::read_to_string(sandbox.bench.at("/tmp/systemctl")).unwrap().contains("daemon-reload"));
}
