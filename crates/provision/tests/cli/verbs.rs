//! A host's life: apply, change, roll back, drift, repair, destroy; each verb told in words.

use std::fs;

use serde_json::json;

use crate::bench::Bench;

#[test]
fn a_host_goes_forward_and_back() {
    let bench = Bench::new();
    fs::write(bench.at("/etc/issue"), "from before\n").unwrap();
    let before = bench.tree();
    let motd = bench.file("/etc/motd", "one\n");
    let first = bench.profile("first", &motd);
    let second =
        bench.profile("second", &(bench.file("/etc/motd", "two\n") + &bench.file("/etc/issue", "ours\n")));
    let (first, second) = (first.to_str().unwrap(), second.to_str().unwrap());

    bench.on_root(&["apply", first]).expect(0).says("generation 1: first (1 step)");
    let with_first = bench.tree();
    let plan = bench.on_root(&["plan", second]);
    plan.expect(2).says("-one").says("+two").says("-from before").says("2 steps · 1 adopted · 1 changed");
    bench.on_root(&["apply", second]).expect(0).says("generation 2: second (2 steps)");
    let with_second = bench.tree();

    bench.on_root(&["rollback"]).expect(0).says("generation 3: rollback to 1");
    assert_eq!(bench.tree(), with_first);
    bench.on_root(&["rollback", "2"]).expect(0).says("generation 4: rollback to 2");
    assert_eq!(bench.tree(), with_second);
    bench.on_root(&["rollback", "2"]).expect(0).says("Nothing to do");

    let listed = bench.on_root(&["generations"]);
    listed.expect(0).says("first").says("rollback to 1").says("committed");
    let marked: Vec<&str> = listed.stdout.lines().filter(|line| line.contains('*')).collect();
    assert!(matches!(marked.as_slice(), [one] if one.contains("rollback to 2")), "{}", listed.stdout);

    bench.on_root(&["destroy"]).expect(0).says("generation 5: destroy");
    assert_eq!(bench.tree(), before);
    bench.on_root(&["destroy"]).expect(0).says("Nothing to do");
    bench.on_root(&["status"]).expect(0).says("generation 5: destroy").says("No drift");
}

#[test]
fn drift_is_shown_repaired_and_kept() {
    let bench = Bench::new();
    let profile = bench.profile("motd", &bench.file("/etc/motd", "hello\n"));
    let apply = ["apply", profile.to_str().unwrap()];
    bench.on_root(&apply).expect(0);
    fs::write(bench.at("/etc/motd"), "an hour of somebody's work\n").unwrap();
    bench.on_root(&["status"]).expect(2).says("1 drifted");
    bench.on_root(&apply).expect(0).says("1 corrective: file:/etc/motd").complains("drift");
    let report = &bench.on_root(&["generations", "--json"]).json()["generations"][1];
    assert_eq!((&report["corrective"], &report["corrected"]), (&json!(1), &json!(["file:/etc/motd"])));
    let kept = fs::read_dir(bench.at("/var/lib/provision/lost+found")).unwrap();
    let kept: Vec<_> = kept.map(|entry| fs::read_to_string(entry.unwrap().path()).unwrap()).collect();
    assert_eq!(kept, ["an hour of somebody's work\n"]);
    bench.on_root(&["status"]).expect(0);
}

#[test]
fn what_only_its_owner_may_read_is_not_shown() {
    let bench = Bench::new();
    // Nobody declared it secret, but it is in the way and may be.
    fs::write(bench.at("/etc/key"), "canary\n").unwrap();
    let mut permissions = fs::metadata(bench.at("/etc/key")).unwrap().permissions();
    std::os::unix::fs::PermissionsExt::set_mode(&mut permissions, 0o600);
    fs::set_permissions(bench.at("/etc/key"), permissions).unwrap();
    let before = bench.tree();
    let profile = bench.profile("key", &(bench.file("/etc/key", "public\n") + "mode = \"0644\"\n"));
    let profile = profile.to_str().unwrap();
    bench.on_root(&["plan", profile]).expect(2).never_shows("canary");
    bench.on_root(&["plan", profile, "--json"]).expect(2).never_shows("canary");
    bench.on_root(&["apply", profile, "--events", "ndjson"]).expect(0).never_shows("canary");
    bench.on_root(&["status", "--json"]).never_shows("canary");
    bench.on_root(&["destroy"]).expect(0).never_shows("canary");
    assert_eq!(bench.tree(), before);
}

/// What the host did by itself and what a profile asks for are two things.
#[test]
fn status_tells_drift_from_what_is_pending() {
    let bench = Bench::new();
    let [motd, issue] = ["/etc/motd", "/etc/issue"].map(|path| bench.file(path, "one\n"));
    let first = bench.profile("first", &format!("{motd}{issue}"));
    let second = bench.profile("second", &format!("{motd}{}", bench.file("/etc/issue", "two\n")));
    let (first, second) = (first.to_str().unwrap(), second.to_str().unwrap());
    bench.on_root(&["status", first]).expect(2).says("Pending: what first changes.").says("2 new");
    bench.on_root(&["apply", first]).expect(0);
    bench
        .on_root(&["status", first])
        .expect(0)
        .says("No drift.")
        .says("Nothing pending: what first declares is recorded.");
    bench
        .on_root(&["status", second])
        .expect(2)
        .says("No drift.")
        .says("Pending: what second changes.")
        .says("+two");
    fs::write(bench.at("/etc/motd"), "somebody's\n").unwrap();
    let ran = bench.on_root(&["status", second]);
    let (drift, pending) = ran.expect(2).stdout.split_once("Pending: what second changes.").unwrap();
    assert!(
        drift.contains("Drift: the host is not as generation 1 left it.") && drift.contains("-somebody's"),
        "{drift}"
    );
    assert!(drift.contains("1 step · 1 drifted") && !drift.contains("/etc/issue"), "{drift}");
    assert!(pending.contains("1 step · 1 changed") && !pending.contains("/etc/motd"), "{pending}");
    let json = bench.on_root(&["status", second, "--json"]).expect(2).json();
    assert_eq!(json["plan"]["steps"][0]["ids"], json!(["file:/etc/motd"]));
    assert_eq!(json["pending"]["plan"]["steps"][0]["ids"], json!(["file:/etc/issue"]));
    bench.on_root(&["status", first]).expect(2).says("-somebody's").says("Nothing pending");
}

/// Of `/etc/hosts` only a block is ours; what others write around it is theirs, whichever verb comes by.
#[test]
fn edits_around_our_block_survive_every_verb() {
    let bench = Bench::new();
    fs::write(bench.at("/etc/hosts"), "127.0.0.1 localhost\n").unwrap();
    let addresses = |ip: &str| format!("[host]\naddresses = {{ \"registry.example.test\" = [\"{ip}\"] }}\n");
    let (first, second) =
        (bench.profile("first", &addresses("192.0.2.1")), bench.profile("second", &addresses("192.0.2.2")));
    let hosts = || fs::read_to_string(bench.at("/etc/hosts")).unwrap();
    let edit =
        |line: &str| fs::write(bench.at("/etc/hosts"), format!("{line}\n{}{line}\n", hosts())).unwrap();
    bench.on_root(&["apply", first.to_str().unwrap()]).expect(0);
    edit("# one");
    bench.on_root(&["status"]).expect(0).says("No drift");
    bench.on_root(&["apply", second.to_str().unwrap()]).expect(0);
    edit("# two");
    bench.on_root(&["rollback"]).expect(0);
    edit("# three");
    // Drift of the block itself is put right, and nothing else.
    fs::write(bench.at("/etc/hosts"), hosts().replace("192.0.2.1", "192.0.2.9")).unwrap();
    bench.on_root(&["status"]).expect(2).says("-192.0.2.9").never_shows("three");
    bench
        .on_root(&["apply", first.to_str().unwrap()])
        .expect(0)
        .says("1 corrective: file:/etc/hosts#provision");
    assert_eq!(
        hosts(),
        "# three\n# two\n# one\n127.0.0.1 localhost\n# BEGIN provision\n192.0.2.1 registry.example.test\n\
         # END provision\n# one\n# two\n# three\n"
    );
    bench.on_root(&["destroy"]).expect(0);
    assert_eq!(hosts(), "# three\n# two\n# one\n127.0.0.1 localhost\n# one\n# two\n# three\n");
}
