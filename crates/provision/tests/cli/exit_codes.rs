//! One test for each exit code that a root file system without programs can bring about; 4 takes a running system.

use std::fs;

use crate::bench::Bench;

/// More files than events fit into a pipe that nobody reads: see [`Bench::stand_still`].
pub(crate) fn many(bench: &Bench) -> String {
    let name = "long".repeat(40);
    (0..150).map(|number| bench.file(&format!("/etc/{name}-{number:03}"), "ours\n")).collect()
}

/// The last of these files.
pub(crate) fn last() -> String {
    format!("/etc/{}-149", "long".repeat(40))
}

#[test]
fn zero_when_done_and_when_there_is_nothing_to_do() {
    let bench = Bench::new();
    let profile = bench.profile("motd", &bench.file("/etc/motd", "hello\n"));
    let apply = ["apply", profile.to_str().unwrap()];
    bench.on_root(&apply).expect(0).says("generation 1: motd (1 step)");
    assert_eq!(fs::read(bench.at("/etc/motd")).unwrap(), b"hello\n");
    bench.on_root(&apply).expect(0).says("Nothing to do");
    bench.on_root(&["plan", profile.to_str().unwrap()]).expect(0).says("Nothing to do");
    bench.on_root(&["status"]).expect(0).says("No drift");
}

#[test]
fn one_when_it_failed_and_nothing_is_changed() {
    let bench = Bench::new();
    // A directory cannot be made below a file.
    let body = bench.file("/etc/motd", "hello\n") + &bench.file("/etc/os-release/below", "x\n");
    let profile = bench.profile("impossible", &body);
    let before = bench.tree();
    bench.on_root(&["apply", profile.to_str().unwrap()]).expect(1);
    assert_eq!(bench.tree(), before);
}

#[test]
fn one_when_the_vault_is_what_is_wrong_and_not_the_profile() {
    let bench = Bench::new();
    bench.write("base.json", r#"{"auths":{"quay.io":{"auth":"YTpi"}}}"#);
    let profile =
        bench.profile("site", "[pull-secret]\nbase = \"base.json\"\nwrite = [\"/etc/auth.json\"]\n");
    fs::create_dir_all(bench.at("/var/lib/provision/secrets")).unwrap();
    fs::write(bench.at("/var/lib/provision/secrets/base-entry-quay.io"), "not a folder").unwrap();
    let ran = bench.on_root(&["apply", profile.to_str().unwrap()]);
    ran.expect(1).complains("the vault of this host cannot be used");
    assert!(!bench.at("/etc/auth.json").exists());
}

#[test]
fn two_when_changes_are_pending_and_when_there_is_drift() {
    let bench = Bench::new();
    let profile = bench.profile("motd", &bench.file("/etc/motd", "hello\n"));
    let before = bench.tree();
    bench.on_root(&["plan", profile.to_str().unwrap()]).expect(2).says("+hello").says("1 step · 1 new");
    assert_eq!(bench.tree(), before, "a plan changes nothing");
    assert!(!bench.at("/var/lib/provision").exists(), "not even records");
    bench.on_root(&["apply", profile.to_str().unwrap()]).expect(0);
    fs::write(bench.at("/etc/motd"), "hello\nhacked\n").unwrap();
    bench.on_root(&["status"]).expect(2).says("-hacked").says("1 step · 1 drifted");
}

#[test]
fn five_when_it_cannot_be_taken_back_and_the_next_run_does() {
    let bench = Bench::new();
    let profile = bench.profile("many", &many(&bench));
    let first = last().replace("-149", "-000");
    fs::write(bench.at(&first), "from before\n").unwrap();
    let before = bench.tree();
    let still = bench.stand_still(&["apply", profile.to_str().unwrap()]);
    // The bytes that were there before us are lost, and then something goes wrong.
    let store = bench.at("/var/lib/provision/store/sha256");
    let hidden = bench.at("/var/lib/hidden");
    fs::rename(&store, &hidden).unwrap();
    fs::create_dir(&store).unwrap();
    fs::write(bench.at(&last()), "somebody else's\n").unwrap();
    still
        .resume()
        .expect(5)
        .complains("taking it back failed as well")
        .complains("run the same command again");

    fs::remove_dir_all(&store).unwrap();
    fs::rename(&hidden, &store).unwrap();
    fs::remove_file(bench.at(&last())).unwrap();
    bench.on_root(&["status"]).says("cut off");
    assert_eq!(bench.report(1)["result"], "half-done");
    let destroyed = bench.on_root(&["destroy"]);
    destroyed.expect(0).complains("was cut off");
    assert_eq!(bench.tree(), before);
    assert_eq!(bench.report(1)["result"], "undone");
}

#[test]
fn six_when_the_host_changed_under_us() {
    let bench = Bench::new();
    let profile = bench.profile("many", &many(&bench));
    let mut before = bench.tree();
    let still = bench.stand_still(&["apply", profile.to_str().unwrap()]);
    fs::write(bench.at(&last()), "somebody else's\n").unwrap();
    still.resume().expect(6).complains("changed under us").complains("everything is taken back");
    let report = bench.report(1);
    assert_eq!((&report["result"], &report["profile"]), (&"undone".into(), &"many".into()));
    assert!(report["reason"].as_str().unwrap().contains("changed under us"), "{report}");
    let theirs = bench.tree().remove(&bench.at(&last()));
    assert_eq!(theirs.as_ref().map(|(_, bytes)| bytes.as_slice()), Some(&b"somebody else's\n"[..]));
    before.extend(theirs.map(|theirs| (bench.at(&last()), theirs)));
    assert_eq!(bench.tree(), before);
}

#[test]
fn seven_when_another_run_holds_the_lock() {
    let bench = Bench::new();
    let profile = bench.profile("many", &many(&bench));
    let still = bench.stand_still(&["apply", profile.to_str().unwrap()]);
    for command in [&["apply", profile.to_str().unwrap()][..], &["destroy"], &["rollback", "1"]] {
        bench.on_root(command).expect(7).complains("is locked by process").complains("apply");
    }
    // Reading needs no lock.
    bench.on_root(&["generations"]).expect(0);
    bench.on_root(&["status"]).expect(2).says("A run is under way: process").says("apply");
    still.resume().expect(0);
    bench.on_root(&["apply", profile.to_str().unwrap()]).expect(0).says("Nothing to do");
}

#[test]
fn sixty_four_when_the_command_line_or_the_profile_is_wrong() {
    let bench = Bench::new();
    let broken = bench.profile("broken", "colour = \"red\"\n");
    let commands: [&[&str]; 8] = [
        &[],
        &["aply"],
        &["apply"],
        &["apply", "--no-such-option"],
        &["apply", "missing.toml"],
        &["plan", broken.to_str().unwrap()],
        &["rollback", "nine"],
        &["rollback"],
    ];
    for command in commands {
        let ran = bench.on_root(command);
        assert_eq!(ran.expect(64).stdout, "");
        assert!(!ran.stderr.is_empty());
    }
    // Without anything it is help that is wanted, but nothing was done: a script has to notice.
    bench.run::<&str>(&[]).expect(64).complains("Usage: provision");
    bench.run(&["--help"]).expect(0).says("Exit codes:");
    bench.run(&["--version"]).expect(0).says("provision 0.");
}
