//! `--target`: the command line of one system changes another one over a real SSH connection.

use std::fs;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::io::Read as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::exit_codes::many;
use crate::pair::{Pair, key, processes, wait, write};
use crate::sandbox::Sandbox;

/// Where the binary lies on a target.
const BIN: &str = "/root/.cache/provision/bin";

/// What is there, in a form that can be compared and shown; without the binary, and what the server keeps for itself.
fn there(pair: &Pair) -> Vec<String> {
    let own = ["/root/.cache", "/root/.ssh", "/run", "/var/log"];
    files(&pair.there, &own)
        .into_iter()
        .map(|(path, (mode, bytes))| {
            let mut hasher = DefaultHasher::new();
            bytes.hash(&mut hasher);
            format!("{mode:o} {:016x} {}", hasher.finish(), path.display())
        })
        .collect()
}

/// What is in a system besides its programs and these folders.
fn files(sandbox: &Sandbox, without: &[&str]) -> Vec<(PathBuf, (u32, Vec<u8>))> {
    let programs = ["/bin", "/usr/bin", "/usr/sbin", "/lib", "/lib64", "/usr/lib"];
    let others: Vec<PathBuf> = programs.iter().chain(without).map(|path| sandbox.bench.at(path)).collect();
    let tree = sandbox.tree().into_iter();
    tree.filter(|(path, _)| !others.iter().any(|other| path.starts_with(other))).collect()
}

/// The names in a folder.
fn names(folder: impl AsRef<Path>) -> Vec<String> {
    let all = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut all: Vec<String> = all.collect();
    all.sort();
    all
}

#[test]
fn every_command_works_as_on_the_host_itself() {
    let pair = Pair::new();
    let profile = pair.here.trusting_profile();
    fs::write(pair.there.bench.at("/etc/ssl/certs/ca-certificates.crt"), "").unwrap();
    let (before, mine) = (there(&pair), pair.here.bench.tree());
    pair.run(&["check", profile]).expect(0).complains("there gets this provision").says("trusting");
    assert_eq!(names(pair.there.bench.at(BIN)).len(), 1);
    pair.run(&["plan", profile])
        .expect(2)
        .says("+ file:/usr/local/share/ca-certificates/provision-site-ca.crt");
    assert_eq!(there(&pair), before, "a plan changes nothing");
    pair.run(&["apply", profile])
        .expect(0)
        .complains("[1/2]")
        .says("generation 1: trusting")
        .never_shows("gets this");
    let again = pair.run(&["apply", profile, "--json"]);
    assert_eq!(again.expect(0).json()["changed"], serde_json::json!(false));
    pair.run(&["status"]).expect(0).says("No drift");
    pair.run(&["generations"]).expect(0).says("trusting");
    fs::write(pair.there.bench.at("/usr/local/share/ca-certificates/provision-site-ca.crt"), "").unwrap();
    pair.run(&["status"]).expect(2).says("1 drifted");
    // Nothing but events on standard error, also when the binary has to be sent.
    fs::remove_dir_all(pair.there.bench.at(BIN)).unwrap();
    let events = pair.run(&["destroy", "--events", "ndjson"]);
    let lines = events.expect(0).stderr.lines();
    let objects: Vec<serde_json::Value> = lines.map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(objects.len() > 2, "{objects:?}");
    pair.run(&["rollback", "9"]).expect(64).complains("there is no generation 9");
    pair.run(&["status", "--root", "/nowhere"]).expect(64).complains("/nowhere");
    assert_eq!(there(&pair), before);
    let mut kept = pair.here.bench.tree();
    kept.retain(|path, _| !path.ends_with("known_hosts"));
    assert!(kept.keys().all(|path| mine.contains_key(path)), "something is left behind here");
    assert_eq!(names(pair.there.bench.at("/tmp")), Vec::<String>::new());
}

#[test]
fn the_binary_is_sent_once_and_old_ones_go() {
    let pair = Pair::new();
    let (old, busy) = (pair.there.bench.at(BIN).join("old"), pair.there.bench.at(BIN).join("busy"));
    for folder in [&old, &busy] {
        fs::create_dir_all(folder).unwrap();
        fs::copy("/bin/sleep", folder.join("provision")).unwrap();
    }
    let mut running = Command::new(busy.join("provision")).arg("60").spawn().unwrap();
    pair.run(&["status"]).expect(0).complains("gets this provision").says("has not changed this host");
    assert!(!old.exists() && busy.exists(), "the one that runs stays");
    running.kill().unwrap();
    running.wait().unwrap();
    let all = names(pair.there.bench.at(BIN));
    let digest = all.iter().find(|name| name.len() == 64).unwrap();
    let binary = pair.there.bench.at(BIN).join(digest).join("provision");
    let written = || fs::metadata(&binary).unwrap().modified().unwrap();
    let first = written();
    pair.run(&["status"]).expect(0).never_shows("gets this provision");
    assert_eq!(written(), first);
    assert_eq!(names(binary.parent().unwrap()), ["provision"]);
    // One that was damaged is not run.
    fs::write(&binary, "#!/bin/sh\necho mine\n").unwrap();
    pair.run(&["status"]).expect(0).complains("gets this provision").never_shows("mine");
    // Nobody else can put one there.
    let mode =
        |path: &Path| std::os::unix::fs::PermissionsExt::mode(&fs::metadata(path).unwrap().permissions());
    for path in [binary.as_path(), binary.parent().unwrap(), &pair.there.bench.at(BIN)] {
        assert_eq!(mode(path) & 0o777, 0o700, "{}", path.display());
    }
}

#[test]
fn a_host_that_is_not_reached_says_why() {
    let pair = Pair::new();
    let profile = pair.here.trusting_profile();
    let before = there(&pair);
    let right = pair.host_key();
    let refused = |words: &str, hint: &str| {
        pair.run(&["apply", profile]).expect(1).complains(words).complains(hint);
    };
    pair.know("");
    refused("its host key is not known", "hint: connect once and compare the fingerprint: ssh there true");
    key(&pair.here.bench.directory().join("other"));
    pair.know(&fs::read_to_string(pair.here.bench.directory().join("other.pub")).unwrap());
    refused("its host key is not the one that is known", "ssh-keygen -R");
    let accepting = ["apply", profile, "--accept-new-host-key"];
    pair.run(&accepting).expect(1).complains("is not the one that is known");
    pair.know(&right);
    write(&pair.there, "/root/.ssh/authorized_keys", "");
    refused("no SSH key is accepted there", "hint: give the host a key of yours: ssh-copy-id there");
    let to = |target: &str| pair.here.run(&["apply", profile, "--target", target]);
    to("root@no-such-host.invalid").expect(1).complains("the name leads to no address");
    to("ssh://root@127.0.0.1:1").expect(1).complains("nobody answers there").complains("Connection refused");
    assert_eq!(there(&pair), before);
    assert!(!pair.there.bench.at(BIN).exists());
    // With its consent a new key is taken, and known from then on.
    let public = fs::read_to_string(pair.here.bench.at("/root/.ssh/id_ed25519.pub")).unwrap();
    write(&pair.there, "/root/.ssh/authorized_keys", &public);
    pair.know("");
    pair.run(&["status", "--accept-new-host-key"]).expect(0);
    pair.run(&["status"]).expect(0);
}

#[test]
fn what_makes_no_sense_is_refused_here() {
    let pair = Pair::new();
    let here = |arguments: &[&str]| pair.here.run(arguments);
    here(&["status", "--target=-oProxyCommand=touch /tmp/run"]).expect(64).complains("is no target");
    here(&["status", "--target", "two words"]).expect(64).complains("hint: --target takes what ssh takes");
    here(&["status", "--accept-new-host-key"]).expect(64).complains("without --target");
    here(&["schema", "--target", "there"]).expect(64).complains("--target means nothing to this command");
    here(&["pull-secret", "show", "x", "--target", "there"]).expect(64).complains("hint: ");
    write(&pair.here, "/tmp/broken.toml", "colour = \"red\"\n");
    pair.run(&["apply", "/tmp/broken.toml"]).expect(64).complains("/tmp/broken.toml:1");
    let plan = ["plan", "/tmp/broken.toml", "--output", "/tmp/plan.json"];
    pair.run(&plan).expect(64).complains("not saved here yet");
    assert_eq!(names(pair.here.bench.at("/tmp")), ["broken.toml"]);
    assert!(!pair.there.bench.at(BIN).exists(), "nobody was asked");
}

#[test]
fn what_stands_there_is_named_as_its_author_knows_it() {
    let pair = Pair::new();
    fs::create_dir_all(pair.here.bench.at("/home/me")).unwrap();
    write(&pair.here, "/home/me/base.toml", "schema = 1\n[host]\nhostname = \"a.example\"\n");
    let text = "schema = 1\nname = \"named\"\nimports = [\"base.toml\"]\n[pull-secret]\nbase = \"ps.json\"\nwrite = [\"/root/auth.json\"]\n";
    write(&pair.here, "/home/me/named.toml", text);
    write(&pair.here, "/home/me/ps.json", "{\"auths\":{\"quay.io\":{\"auth\":\"dTpw\"}}}");
    // The login shell may be talkative.
    write(&pair.there, "/root/.profile", "echo welcome\n");
    pair.run(&["plan", "/home/me/named.toml"]).expect(2).says("/root/auth.json").never_shows("/tmp/");
}

#[test]
fn an_apply_goes_on_when_the_connection_drops() {
    let pair = Pair::new();
    let profile = pair.here.trusting_profile();
    pair.hold();
    let child = pair.start(&["apply", profile]);
    pair.wait_until_held();
    pair.signal_sessions("KILL");
    let ran = pair.here.bench.ran("apply that is cut off".to_owned(), child);
    ran.expect(5).complains("ended before the command did").complains("provision status --target there");
    pair.run(&["status"]).expect(2).says("A run is under way: process").says("apply");
    pair.run(&["apply", profile]).expect(7).complains("is locked by process").complains("apply");
    pair.let_go();
    let current = pair.there.bench.at("/var/lib/provision/current");
    wait("the apply is committed", || fs::symlink_metadata(&current).is_ok());
    wait("it has ended", || !pair.there.bench.at("/var/lib/provision/journal.ndjson").exists());
    pair.run(&["status"]).expect(0).says("generation 1: trusting").says("No drift");
    pair.run(&["apply", profile]).expect(0).says("Nothing to do");
    assert!(names(pair.here.bench.at("/tmp")).iter().all(|name| !name.starts_with("provision-")));
}

#[test]
fn an_apply_never_waits_for_a_connection_that_stands_still() {
    let pair = Pair::new();
    // More events than a pipe holds.
    let text = format!("schema = 1\nname = \"many\"\n{}", many(&pair.there.bench));
    write(&pair.here, "/tmp/many.toml", &text);
    // The binary goes there, so that what follows is quick.
    pair.run(&["status"]).expect(0);
    let child = pair.start(&["apply", "/tmp/many.toml", "--events", "ndjson"]);
    wait("the apply has begun", || pair.there.bench.at("/var/lib/provision/journal.ndjson").exists());
    pair.signal_sessions("STOP");
    let current = pair.there.bench.at("/var/lib/provision/current");
    wait("the apply is committed", || fs::symlink_metadata(&current).is_ok());
    pair.signal_sessions("CONT");
    let ran = pair.here.bench.ran("apply".to_owned(), child);
    ran.expect(0).says("generation 1: many (150 steps)");
    assert!(ran.stderr.len() > 64 * 1024, "{} bytes of events fit into a pipe", ran.stderr.len());
}

#[test]
fn ctrl_c_here_takes_back_what_was_done_there() {
    let pair = Pair::new();
    let profile = pair.here.trusting_profile();
    fs::write(pair.there.bench.at("/etc/ssl/certs/ca-certificates.crt"), "").unwrap();
    pair.hold();
    let before = there(&pair);
    let mut child = pair.start(&["apply", profile]);
    pair.wait_until_held();
    let group = format!("-{}", child.id());
    let _ = Command::new("kill").args(["-s", "INT", "--", &group]).status().unwrap();
    let (mut said, mut byte) = (String::new(), [0]);
    while !said.contains("the step under way ends") {
        assert_eq!(child.stderr.as_mut().unwrap().read(&mut byte).unwrap(), 1, "not heard there: {said}");
        said.push(char::from(byte[0]));
    }
    assert!(said.contains("passed on to the target"), "{said}");
    pair.let_go();
    pair.here
        .bench
        .ran("apply and Ctrl-C".to_owned(), child)
        .expect(1)
        .complains("error: interrupted before");
    assert_eq!(there(&pair), before);
    pair.run(&["apply", profile]).expect(0).says("generation 2: trusting");
}

#[test]
fn a_secret_is_in_no_command_line_and_no_file_but_its_own() {
    let pair = Pair::new();
    let canary = "Y2FuYXJ5OmluLWEtY29hbC1taW5l";
    pair.here.trusting_profile();
    let text = "schema = 1\nname = \"secret\"\n[trust]\nanchors = [\"site-ca.pem\"]\n[pull-secret]\nbase = \"ps.json\"\nwrite = [\"/root/auth.json\"]\n";
    write(&pair.here, "/tmp/secret.toml", text);
    write(&pair.here, "/tmp/ps.json", &format!("{{\"auths\":{{\"quay.io\":{{\"auth\":\"{canary}\"}}}}}}"));
    pair.hold();
    let child = pair.start(&["apply", "/tmp/secret.toml"]);
    pair.wait_until_held();
    let holds = |bytes: &[u8]| bytes.windows(canary.len()).any(|part| part == canary.as_bytes());
    let mut seen = 0;
    for (pid, _) in processes() {
        for file in ["cmdline", "environ"] {
            let bytes = fs::read(format!("/proc/{pid}/{file}")).unwrap_or_default();
            assert!(!holds(&bytes), "process {pid} shows it in its {file}");
            seen += usize::from(bytes.windows(11).any(|part| part == b"secret.toml"));
        }
    }
    assert!(seen >= 2, "neither side was looked at");
    let found = || {
        let both = [files(&pair.here, &[]), files(&pair.there, &[BIN])].into_iter().flatten();
        both.filter(|(_, (_, bytes))| holds(bytes)).map(|(path, _)| path).collect::<Vec<_>>()
    };
    // The file it was in is in a folder that is not looked at, because the test wrote it.
    assert_eq!(found(), [pair.there.bench.at("/root/auth.json")]);
    assert_eq!(names(pair.here.bench.at("/tmp")).len(), 5, "{:?}", names(pair.here.bench.at("/tmp")));
    assert_eq!(names(pair.there.bench.at("/tmp")), ["begun"]);
    pair.let_go();
    let ran = pair.here.bench.ran("apply".to_owned(), child);
    ran.expect(0).never_shows(canary);
    let journal = fs::read_to_string(pair.there.bench.directory().join("sshd.log")).unwrap();
    assert!(!holds(journal.as_bytes()));
}

#[test]
fn a_saved_plan_of_the_target_is_applied_from_here() {
    let pair = Pair::new();
    write(&pair.there, "/etc/machine-id", "0123456789abcdef0123456789abcdef\n");
    let text = "schema = 1\nname = \"saved\"\n[[host.file]]\npath = \"/etc/motd\"\ncontent = \"hello\\n\"\n";
    write(&pair.there, "/tmp/saved.toml", text);
    pair.there.run(&["plan", "/tmp/saved.toml", "-o", "/tmp/saved.json"]).expect(2);
    let plan = pair.there.bench.at("/tmp/saved.json");
    fs::copy(&plan, pair.here.bench.at("/tmp/saved.json")).unwrap();
    let apply = ["apply", "/tmp/saved.json"];
    let ran = pair.run(&[&apply[..], &["--events", "ndjson"]].concat());
    let told: Vec<serde_json::Value> =
        ran.expect(0).stderr.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let events: Vec<&str> = told.iter().map(|event| event["event"].as_str().unwrap()).collect();
    let count = |wanted: &str| events.iter().filter(|event| **event == wanted).count();
    assert_eq!((count("stream"), count("committed"), count("end")), (1, 1, 1), "{events:?}");
    assert_eq!((events.first(), events.last()), (Some(&"stream"), Some(&"end")));
    assert_eq!(fs::read_to_string(pair.there.bench.at("/etc/motd")).unwrap(), "hello\n");
    pair.run(&apply).expect(6).complains("used already: by generation 1");
    fs::set_permissions(pair.here.bench.at("/tmp/saved.json"), fs::Permissions::from_mode(0o666)).unwrap();
    pair.run(&apply).expect(64).complains("others may write it");
}
