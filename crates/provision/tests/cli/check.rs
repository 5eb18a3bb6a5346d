//! Preflight as a user meets it: by itself, and before an apply.

use std::fs;

use serde_json::{Value, json};

use crate::bench::{Bench, Ran};
use crate::sandbox::Sandbox;

/// podman, package lists and name service of the system.
const PODMAN: &str =
    "case $1 in --version) echo 'podman version 5.4.2';; *) echo 'not expected' >&2; exit 9;; esac";

/// A host as the profile wants it: the name resolves, nothing listens, the clock is kept.
fn good_host() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.program("podman", PODMAN);
    sandbox.program(
        "getent",
        "case \"$*\" in *'passwd -- 0') echo root:x:0:0::/root:/bin/sh;; *) exit 2;; esac",
    );
    sandbox.program("timedatectl", "echo NTPSynchronized=yes");
    fs::create_dir_all(sandbox.bench.at("/sys/fs/cgroup")).unwrap();
    fs::write(sandbox.bench.at("/sys/fs/cgroup/cgroup.controllers"), "cpu memory\n").unwrap();
    sandbox
}

fn profile(sandbox: &Sandbox, body: &str) -> &'static str {
    let text = format!("schema = 1\nname = \"checked\"\n{body}");
    sandbox.bench.write("root/tmp/checked.toml", text);
    "/tmp/checked.toml"
}

const BODY: &str = "[preflight]\npodman = \">=3.3\"\nsudo = \"passwordless\"\ncpus = 1\n\
                    [host]\nhostname = \"r.example.test\"\naddresses = { \"r.example.test\" = [\"127.0.0.1\"] }\n";

fn finding<'a>(findings: &'a Value, id: &str) -> &'a Value {
    findings["findings"].as_array().unwrap().iter().find(|one| one["id"] == id).unwrap()
}

/// What differs from run to run is replaced.
fn shown(ran: &Ran) -> String {
    let mut text = String::new();
    for line in ran.stdout.lines() {
        let line = match line.split_once("202") {
            Some((before, after)) if line.contains(" UTC") => {
                format!("{before}<date>{}", &after[after.find(" UTC").unwrap()..])
            }
            _ if line.contains("  cpus ") => "pass     cpus                         <number>".to_owned(),
            _ => line.to_owned(),
        };
        text.push_str(line.split(", such as ").next().unwrap());
        text.push('\n');
    }
    text
}

#[test]
fn a_host_that_is_as_it_should_be() {
    let sandbox = good_host();
    let ran = sandbox.run(&["check", profile(&sandbox, BODY)]);
    insta::assert_snapshot!(shown(ran.expect(0)));
}

#[test]
fn all_findings_of_a_host_in_one_run() {
    let sandbox = good_host();
    sandbox.program("podman", "echo 'podman version 3.0.1'");
    sandbox.program("timedatectl", "echo NTPSynchronized=no");
    // DNS has another machine, and its server fails for the second name.
    sandbox.program(
        "getent",
        "case \"$*\" in *r.example.test) echo '192.0.2.7 STREAM';; *) echo broken >&2; exit 3;; esac",
    );
    fs::remove_file(sandbox.bench.at("/sys/fs/cgroup/cgroup.controllers")).unwrap();
    let body = BODY.replace("addresses = {", "addresses = { \"b.example.test\" = [\"192.0.2.8\"],");
    let ran = sandbox.run(&["check", profile(&sandbox, &body)]);
    insta::assert_snapshot!(shown(ran.expect(3)));
}

#[test]
fn json_has_the_form_that_programs_rely_on() {
    let sandbox = good_host();
    let good = sandbox.run(&["check", profile(&sandbox, BODY), "--json"]);
    let good = good.expect(0).json();
    assert_eq!(good["schema"], json!(1));
    assert_eq!(good.as_object().unwrap().len(), 2);
    let podman = json!({
        "id": "podman", "severity": "error", "status": "pass", "found": "5.4.2 (Quadlet)",
        "expected": "podman 3.3 or newer", "remedy": null,
        "why": "services run as containers, and older versions of podman lack what their units need",
    });
    assert_eq!(finding(&good, "podman"), &podman);

    sandbox.program("podman", "echo 'podman version 3.0.1'");
    sandbox.program("apt-cache", "echo '  Candidate: 4.3.1+ds1-8'");
    let bad = sandbox.run(&["check", profile(&sandbox, BODY), "--json"]);
    let bad = bad.expect(3).json();
    let podman = finding(&bad, "podman");
    assert_eq!((&podman["status"], &podman["found"]), (&json!("fail"), &json!("3.0.1 is installed")));
    assert_eq!(podman["remedy"], json!("sudo apt-get install --yes --only-upgrade podman"));
}

#[test]
fn what_cannot_be_checked_is_not_passed() {
    let sandbox = good_host();
    sandbox.program("getent", "echo 'no name service' >&2; exit 3");
    let body = "[host]\nhostname = \"r.example.test\"\n";
    let ran = sandbox.run(&["check", profile(&sandbox, body), "--json"]);
    let found = ran.expect(3).json();
    let name = finding(&found, "name:r.example.test");
    assert_eq!(name["status"], json!("unknown"));
    sandbox.program("podman", "echo 'cannot open its storage' >&2; exit 125");
    let broken = sandbox.run(&["check", profile(&sandbox, BODY), "--json"]);
    let broken = broken.expect(3).json();
    let said = json!("installed, but `podman --version` says \"cannot open its storage\"");
    assert_eq!(
        (&finding(&broken, "podman")["status"], &finding(&broken, "podman")["found"]),
        (&json!("unknown"), &said)
    );
    assert!(name["found"].as_str().unwrap().contains("no name service"), "{name}");
}

#[test]
fn a_refused_apply_changes_nothing_and_says_why() {
    let sandbox = good_host();
    sandbox.program("podman", "echo 'podman version 3.0.1'");
    let body = format!("{BODY}packages = [\"podman\"]\n");
    let profile = profile(&sandbox, &body);
    let before = sandbox.tree();
    let ran = sandbox.run(&["apply", profile]);
    ran.expect(3).complains("FAIL").complains("3.0.1 is installed").complains("Preflight refuses this host");
    assert_eq!(ran.stdout, "");
    assert!(!ran.stderr.contains("this is root"), "what passed is not shown: {}", ran.stderr);
    let json = sandbox.run(&["apply", profile, "--json"]).expect(3).json();
    assert_eq!(finding(&json, "podman")["status"], json!("fail"));
    let events = sandbox.run(&["apply", profile, "--events", "ndjson"]);
    let mut lines = events.expect(3).stderr.lines();
    let line = lines.find(|line| line.contains("\"event\":\"preflight\"")).unwrap();
    let event: Value = serde_json::from_str(line).unwrap();
    assert_eq!((&event["event"], &event["refused"]), (&json!("preflight"), &json!(true)));
    assert_eq!(sandbox.tree(), before);
    assert!(!sandbox.bench.at("/var/lib/provision").exists(), "not even the lock");
}

#[test]
fn a_user_without_sudo_is_refused_and_told_how_to_get_it() {
    let sandbox = good_host();
    sandbox.program(
        "getent",
        "case \"$*\" in *'passwd -- 65534') echo ada:x:65534:65534::/home/ada:/bin/sh;; *) exit 2;; esac",
    );
    sandbox.program("sudo", "echo 'sudo: a password is required' >&2; exit 1");
    let profile = profile(&sandbox, "[preflight]\nsudo = \"passwordless\"\n");
    let ran = sandbox.run_as_nobody(&["check", profile]);
    ran.expect(3).says("`sudo -n true` fails for ada: sudo: a password is required");
    ran.says("echo 'ada ALL=(ALL) NOPASSWD: ALL' | sudo install -m 0440 /dev/stdin /etc/sudoers.d/ada");
    sandbox.program("sudo", "[ \"$*\" = '-n true' ]");
    sandbox.run_as_nobody(&["check", profile]).expect(0).says("`sudo -n true` works for ada");
}

#[test]
fn a_root_that_does_not_run_is_checked_as_far_as_it_goes() {
    let bench = Bench::new();
    let path =
        bench.profile("checked", &format!("{BODY}[[host.file]]\npath = \"/etc/motd\"\ncontent = \"x\"\n"));
    let ran = bench.on_root(&["check", path.to_str().unwrap()]);
    ran.expect(0).says("is not the running system").says("Preflight passed: ");
    assert!(!ran.stdout.contains("FAIL") && !ran.stdout.contains("unknown"), "{}", ran.stdout);
    let path = bench.profile("large", "[preflight]\ndisk = [{ path = \"/var/lib\", free = \"4096TiB\" }]\n");
    bench.on_root(&["check", path.to_str().unwrap()]).expect(3).says("FAIL     disk:/var/lib");
    let path = bench.profile("small", "[preflight]\ndisk = [{ path = \"/var/lib\", free = \"1KiB\" }]\n");
    bench.on_root(&["check", path.to_str().unwrap()]).expect(0).says("pass     disk:/var/lib");
}

#[test]
fn a_profile_that_cannot_be_resolved_is_a_finding_among_others() {
    let sandbox = good_host();
    let registry = "[registry]\nbackend = \"distribution\"\narchive = \"missing.tar\"\n\
                    admin = { user = \"init\", password = { generate = 32 } }\n";
    let ran = sandbox.run(&["check", profile(&sandbox, &format!("{BODY}{registry}")), "--json"]);
    let found = ran.expect(3).json();
    assert!(finding(&found, "profile")["found"].as_str().unwrap().contains("missing.tar"), "{found}");
    assert_eq!(finding(&found, "port:8443")["severity"], json!("error"));
}
