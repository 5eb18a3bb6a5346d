//! Applies that count only once somebody confirms them: over which connection, how long, and who decides.

use std::fs;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::bench::{Bench, Ran};
use crate::recover::{booted, knows};
use crate::sandbox::UPDATE;

/// The apply's own connection, and another one.
const OURS: &str = "10.0.0.9 50000 10.0.0.5 22";
const ANOTHER: &str = "10.0.0.9 50001 10.0.0.5 22";

/// A command as sshd would start it over a connection that is made now. The shell is the server: it has no
/// `SSH_CONNECTION` itself and gives one to what it starts, once `after` is there.
fn over(bench: &Bench, connection: &str, after: &str, arguments: &[&str]) -> Command {
    let inner = bench.command_on_root(arguments);
    let script = "connection=$1; after=$2; shift 2; while [ ! -e \"$after\" ]; do sleep 0.02; done; \
                  SSH_CONNECTION=\"$connection\" \"$@\"; exit $?";
    let mut command = Command::new("sh");
    command.args(["-c", script, "sh", connection, after]).arg(inner.get_program()).args(inner.get_args());
    command.env_clear().env("PATH", "/usr/bin:/bin").current_dir(bench.directory());
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn now_over(bench: &Bench, connection: &str, arguments: &[&str]) -> Ran {
    bench.finish(over(bench, connection, "/", arguments))
}

/// A profile that changes a file of the SSH server, which was there before.
fn risky(bench: &Bench) -> String {
    fs::create_dir_all(bench.at("/etc/ssh")).unwrap();
    fs::write(bench.at("/etc/ssh/sshd_config"), "from before\n").unwrap();
    let profile = bench.profile("site", &bench.file("/etc/ssh/sshd_config", "ours\n"));
    profile.to_str().unwrap().to_owned()
}

fn config(bench: &Bench) -> String {
    fs::read_to_string(bench.at("/etc/ssh/sshd_config")).unwrap()
}

/// Waits until the host says that a generation waits.
fn waits(bench: &Bench, apply: &mut Child) -> Value {
    let until = Instant::now() + Duration::from_secs(60);
    loop {
        let status = bench.on_root(&["status", "--json"]).json();
        if status["waiting"]["generation"].is_u64() {
            return status["waiting"].clone();
        }
        assert!(Instant::now() < until && apply.try_wait().unwrap().is_none(), "it does not wait: {status}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn only_a_new_connection_confirms_what_came_over_ssh() {
    let bench = Bench::new();
    let profile = risky(&bench);
    let go = bench.directory().join("go");
    let old = over(&bench, ANOTHER, go.to_str().unwrap(), &["confirm"]).spawn().unwrap();
    std::thread::sleep(Duration::from_millis(50));
    let mut apply = over(&bench, OURS, "/", &["apply", "--confirm", "5m", &profile]).spawn().unwrap();
    let waiting = waits(&bench, &mut apply);
    assert_eq!((&waiting["generation"], &waiting["new_connection"]), (&json!(1), &json!(true)));
    bench.on_root(&["status"]).expect(2).says("generation 1 waits to be confirmed").says("over a new SSH");
    let refused = now_over(&bench, OURS, &["confirm"]);
    refused.expect(1).complains("the very connection that the apply came over").complains("hint: open a new");
    bench.on_root(&["confirm"]).expect(1).complains("does not come over SSH");
    fs::write(go, "").unwrap();
    bench
        .ran("confirm over an old connection".into(), old)
        .expect(1)
        .complains("open before the apply began");
    // A new one, through sudo, which takes the variable away.
    let refused = now_over(&bench, ANOTHER, &["confirm", "--json"]).expect(0).json();
    assert_eq!(refused["confirmed"]["generation"], json!(1));
    let applied = bench.ran("apply".into(), apply);
    applied.expect(0).says("generation 1: site (1 step)").complains("waits to be confirmed, for 300 s yet");
    bench.on_root(&["status"]).expect(0).says("No drift");
    now_over(&bench, ANOTHER, &["confirm"]).expect(1).complains("generation 1 is in force");
    assert_eq!(config(&bench), "ours\n");
}

#[test]
fn what_nobody_confirms_is_taken_back_with_4() {
    let bench = Bench::new();
    let profile = risky(&bench);
    let before = bench.tree();
    let ran = bench.on_root(&["apply", "--confirm", "1s", &profile, "--json"]);
    let json = ran.expect(4).json();
    assert_eq!(json["error"]["what"], json!("generation 1 does not count: nobody confirmed it within 1 s"));
    assert_eq!(bench.tree(), before);
    bench.on_root(&["status"]).expect(0).says("has not changed this host");
    bench.on_root(&["generations"]).expect(0).says("undone");
    bench.on_root(&["confirm"]).expect(1).complains("nobody confirmed it within 1 s");
    // So it is with the other two that change a host.
    bench.on_root(&["apply", &profile]).expect(0);
    bench.on_root(&["destroy", "--confirm", "1s"]).expect(4);
    assert_eq!(config(&bench), "ours\n");
    let other = bench.profile("other", &bench.file("/etc/motd", "hello\n"));
    bench.on_root(&["apply", other.to_str().unwrap()]).expect(0);
    bench.on_root(&["rollback", "--confirm", "1s"]).expect(4);
    assert_eq!(config(&bench), "from before\n");
}

#[test]
fn at_a_console_anybody_confirms() {
    let bench = Bench::new();
    let profile = risky(&bench);
    let mut apply = bench.command_on_root(&["apply", "--confirm", "5m", &profile]).spawn().unwrap();
    assert_eq!(waits(&bench, &mut apply)["new_connection"], json!(false));
    bench.on_root(&["confirm"]).expect(0).says("confirmed: generation 1");
    bench.ran("apply".into(), apply).expect(0);
}

#[test]
fn over_ssh_it_is_asked_for_what_can_cut_off() {
    let bench = Bench::new();
    let profile = risky(&bench);
    bench.on_root(&["plan", &profile]).expect(2).says("may cut off SSH");
    let plan = bench.on_root(&["plan", &profile, "--json"]).expect(2).json();
    assert_eq!(plan["steps"][0]["risk"], json!("ssh"));
    let mut apply = over(&bench, OURS, "/", &["apply", &profile]).spawn().unwrap();
    let waiting = waits(&bench, &mut apply);
    assert!(waiting["seconds"].as_u64().is_some_and(|seconds| (100..=120).contains(&seconds)), "{waiting}");
    now_over(&bench, ANOTHER, &["confirm"]).expect(0);
    bench.ran("apply".into(), apply).expect(0);
    // Not where it is opted out of, at a console, or for what is harmless.
    now_over(&bench, OURS, &["destroy", "--no-confirm"]).expect(0);
    bench.on_root(&["apply", &profile]).expect(0);
    let harmless = bench.file("/etc/ssh/sshd_config", "ours\n") + &bench.file("/etc/motd", "hello\n");
    let harmless = bench.profile("harmless", &harmless);
    let ran = now_over(&bench, OURS, &["apply", harmless.to_str().unwrap()]);
    ran.expect(0).never_shows("may cut off");
    bench.on_root(&["apply", "--confirm", "1s", "--no-confirm", &profile]).expect(64);
}

#[test]
fn nothing_else_changes_the_host_while_it_waits() {
    let bench = Bench::new();
    let profile = risky(&bench);
    let mut apply = bench.command_on_root(&["apply", "--confirm", "5m", &profile]).spawn().unwrap();
    waits(&bench, &mut apply);
    for command in [&["apply", &profile][..], &["destroy"], &["recover"]] {
        bench.on_root(command).expect(7).complains("generation 1 waits to be confirmed").complains("hint: ");
    }
    assert_eq!(config(&bench), "ours\n");
    // Told to stop, it does not count; nobody who listens is another matter.
    signal(&apply, "HUP");
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!(apply.try_wait().unwrap(), None);
    signal(&apply, "TERM");
    bench.ran("apply".into(), apply).expect(4).complains("interrupted before anybody confirmed it");
    assert_eq!(config(&bench), "from before\n");
}

fn signal(child: &Child, name: &str) {
    assert!(Command::new("kill").args(["-s", name, &child.id().to_string()]).status().unwrap().success());
}

/// An apply that waits for `time`, and is killed while it does.
fn killed_while_it_waits(bench: &Bench, time: &str) {
    let profile = risky(bench);
    let mut apply = bench.command_on_root(&["apply", "--confirm", time, &profile]).spawn().unwrap();
    waits(bench, &mut apply);
    apply.kill().unwrap();
    apply.wait().unwrap();
    assert_eq!(config(bench), "ours\n");
}

#[test]
fn who_kills_the_apply_does_not_decide() {
    let bench = Bench::new();
    killed_while_it_waits(&bench, "5m");
    bench.on_root(&["confirm"]).expect(0);
    bench.on_root(&["status"]).expect(0).says("No drift");
    let bench = Bench::new();
    killed_while_it_waits(&bench, "2s");
    // What the timer runs waits until the time is over.
    let begun = Instant::now();
    bench.on_root(&["recover", "--when-due"]).expect(0).complains("nobody confirmed it within 2 s");
    assert!(begun.elapsed() < Duration::from_secs(20));
    assert_eq!(config(&bench), "from before\n");
}

#[test]
fn another_boot_takes_back_what_waits() {
    let bench = Bench::new();
    killed_while_it_waits(&bench, "5m");
    let journal = bench.at("/var/lib/provision/journal.ndjson");
    let records = fs::read_to_string(&journal).unwrap();
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap();
    assert!(records.contains(boot.trim()));
    fs::write(&journal, records.replace(boot.trim(), "the boot before")).unwrap();
    bench.on_root(&["confirm"]).expect(4).complains("booted before anybody confirmed it");
    assert_eq!(config(&bench), "from before\n");
    bench.on_root(&["status"]).expect(0);
}

#[test]
fn what_is_decided_is_carried_out_whoever_is_killed() {
    for (decision, counts) in [("confirmed", true), ("timed-out", false)] {
        let bench = Bench::new();
        killed_while_it_waits(&bench, "5m");
        let journal = bench.at("/var/lib/provision/journal.ndjson");
        let mut records = fs::read_to_string(&journal).unwrap();
        records.push_str(&format!("{{\"record\":\"decided\",\"decision\":{decision:?}}}\n"));
        fs::write(&journal, records).unwrap();
        bench.on_root(&["confirm"]).expect(1).complains("decided already");
        let recovered = bench.on_root(&["recover", "--json"]).expect(0).json();
        let outcome = if counts { "finished" } else { "taken-back" };
        assert_eq!(recovered["recovered"], json!({ "outcome": outcome, "generation": 1 }));
        assert_eq!(config(&bench), if counts { "ours\n" } else { "from before\n" });
        bench.on_root(&["status"]).expect(0);
    }
}

/// Many confirm and many take back at the moment when the time is over: one of them decides, and all say the same.
#[test]
fn exactly_one_decides() {
    let mut outcomes = Vec::new();
    for round in 0..6_u64 {
        let bench = Bench::new();
        let profile = risky(&bench);
        let mut apply = bench.command_on_root(&["apply", "--confirm", "2s", &profile]).spawn().unwrap();
        waits(&bench, &mut apply);
        let journal = bench.at("/var/lib/provision/journal.ndjson");
        let records = fs::read_to_string(&journal).unwrap();
        let until = records.split("\"until\":").nth(1).unwrap().split('}').next().unwrap();
        // Each round begins a little later, from well before the end to after it.
        let start = until.parse::<u64>().unwrap() + 100 * round - 450;
        while uptime() < start {
            std::thread::sleep(Duration::from_millis(2));
        }
        let spawn = |command: &str| {
            let spawned = bench.command_on_root(&command.split(' ').collect::<Vec<_>>()).spawn().unwrap();
            (command.to_owned(), spawned)
        };
        let runs: Vec<_> = (0..5).flat_map(|_| ["confirm", "recover --when-due"]).map(spawn).collect();
        let applied = bench.ran("apply".into(), apply);
        let counts = config(&bench) == "ours\n";
        applied.expect(if counts { 0 } else { 4 });
        for (command, run) in runs {
            let ran = bench.ran(command.clone(), run);
            match (command.as_str(), counts) {
                ("confirm", false) if ran.complaint().contains("nothing to confirm") => ran.expect(1),
                ("confirm", false) => ran.expect(4),
                // Too late to see it wait, or confirmed by it or by another one.
                ("confirm", true) if ran.complaint().contains("nothing to confirm") => ran.expect(1),
                _ => ran.expect(0),
            };
        }
        bench.on_root(&["status"]).expect(0);
        bench.on_root(&["verify-log"]).expect(0);
        outcomes.push(counts);
    }
    assert!(outcomes.contains(&true) && outcomes.contains(&false), "both ways were tried: {outcomes:?}");
}

fn uptime() -> u64 {
    let text = fs::read_to_string("/proc/uptime").unwrap();
    let (seconds, hundredths) = text.split(' ').next().unwrap().split_once('.').unwrap();
    seconds.parse::<u64>().unwrap() * 1000 + hundredths.parse::<u64>().unwrap() * 10
}

#[test]
fn a_timer_and_a_boot_watch_over_what_waits() {
    let sandbox = booted();
    sandbox.program("systemd-run", "echo \"systemd-run $*\" >> /tmp/systemctl");
    sandbox.program("update-ca-certificates", UPDATE);
    let profile = sandbox.trusting_profile();
    let apply = sandbox.command(&["apply", "--confirm", "5m", profile]).spawn().unwrap();
    while !sandbox.run(&["status"]).stdout.contains("waits to be confirmed") {
        std::thread::sleep(Duration::from_millis(20));
    }
    let asked = fs::read_to_string(sandbox.bench.at("/tmp/systemctl")).unwrap();
    let run = asked.lines().find(|line| line.starts_with("systemd-run ")).unwrap();
    assert!(run.contains("--unit=provision-confirm-1 --on-active=300000ms"), "{run}");
    assert!(run.ends_with("-- /var/lib/provision/recover/provision recover --when-due"), "{run}");
    assert!(sandbox.bench.at("/etc/systemd/system/provision-recover.service").exists());
    // Health is proved once more: what was confirmed has to be true then.
    knows(&sandbox, "loaded");
    let bundle = sandbox.bench.at("/etc/ssl/certs/ca-certificates.crt");
    let healthy = fs::read(&bundle).unwrap();
    fs::write(&bundle, "").unwrap();
    sandbox.run(&["confirm"]).expect(4).complains("does not hold the certificate");
    sandbox.bench.ran("apply".into(), apply).expect(4).complains("does not hold the certificate");
    assert!(!healthy.is_empty());
    let asked = fs::read_to_string(sandbox.bench.at("/tmp/systemctl")).unwrap();
    assert!(asked.contains("stop -- provision-confirm-1.timer"), "{asked}");
    assert!(!sandbox.bench.at("/etc/systemd/system/provision-recover.service").exists());
    sandbox.run(&["status"]).expect(0).says("has not changed this host");
}
