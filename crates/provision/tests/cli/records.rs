//! What provision keeps of a host: proved, listed, compared, removed when it is no longer needed.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use serde_json::json;

use crate::bench::Bench;

/// A host with three generations: a file that comes, changes, and was there before as well.
fn lived_in() -> Bench {
    let bench = Bench::new();
    fs::write(bench.at("/etc/issue"), "from before\n").unwrap();
    for (name, text) in [("first", "one\n"), ("second", "two\n"), ("third", "three\n")] {
        let profile =
            bench.profile(name, &(bench.file("/etc/motd", text) + &bench.file("/etc/issue", "ours\n")));
        bench.on_root(&["apply", profile.to_str().unwrap()]).expect(0);
        fs::remove_file(profile).unwrap();
    }
    bench
}

impl Bench {
    fn record(&self, name: &str) -> PathBuf {
        self.at("/var/lib/provision").join(name)
    }

    /// All files that provision keeps, but for the lock.
    fn kept(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        let mut folders = vec![self.record("")];
        let mut files = BTreeMap::new();
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() && !path.is_symlink() {
                    folders.push(path);
                } else if !path.ends_with("lock") && path.is_file() {
                    files.insert(path.clone(), fs::read(path).unwrap());
                }
            }
        }
        files
    }

    /// The name of stored bytes below the store.
    fn stored(&self, bytes: &[u8]) -> PathBuf {
        let fingerprint = provision_converge::desired::plain_fingerprint(bytes);
        let hex = fingerprint.trim_start_matches("sha256:");
        self.record("store/sha256").join(&hex[..2]).join(hex)
    }
}

/// Lets other bytes take the place of a file's, whatever its mode.
fn damage(path: &PathBuf, bytes: impl AsRef<[u8]>) {
    fs::remove_file(path).unwrap();
    fs::write(path, bytes).unwrap();
}

#[test]
fn everything_that_is_wrong_with_the_records_is_named_in_one_run() {
    let bench = lived_in();
    let proved = bench.on_root(&["verify-log"]);
    proved
        .expect(0)
        .says("Proved: 3 generations from 3 back to 1, the baseline, 5 pieces")
        .says("head sha256:");
    let head = bench.on_root(&["verify-log", "--json"]).expect(0).json()["proof"]["head"].clone();
    assert!(proved.stdout.contains(head.as_str().unwrap()));

    damage(&bench.stored(b"one\n"), "eno\n");
    fs::remove_file(bench.stored(b"from before\n")).unwrap();
    fs::remove_file(bench.record("generations/0002/profile.toml")).unwrap();
    damage(&bench.record("generations/0003/plan.json"), "{}\n");
    let report = fs::read_to_string(bench.record("generations/0001/report.json")).unwrap();
    damage(&bench.record("generations/0001/report.json"), report.replace("\"first\"", "\"fists\""));
    let before = bench.tree();
    let ran = bench.on_root(&["verify-log"]);
    ran.expect(1).complains("error: 6 things are not proved\nhint: put /var/lib/provision back");
    for words in [
        "needed by generation 1, file:/etc/motd",
        "needed by the baseline, file:/etc/issue",
        "missing /var/lib/provision/generations/0002/profile.toml: it was sha256:",
        "damaged /var/lib/provision/generations/0003/plan.json: its bytes are not sha256:",
        "damaged /var/lib/provision/generations/0001/report.json: it is not sha256:",
        "does not fit /var/lib/provision/generations/0002/report.json: it follows generation 1 with the report",
    ] {
        ran.says(words);
    }
    let json = bench.on_root(&["verify-log", "--json"]).expect(1).json();
    assert_eq!((&json["proved"], json["proof"]["flaws"].as_array().unwrap().len()), (&json!(false), 6));
    assert_eq!(bench.tree(), before);
}

#[test]
fn a_past_that_was_made_up_is_found() {
    let bench = lived_in();
    // Back to an older generation by hand.
    fs::remove_file(bench.record("current")).unwrap();
    std::os::unix::fs::symlink("generations/0002", bench.record("current")).unwrap();
    bench
        .on_root(&["verify-log"])
        .expect(1)
        .says("generation 3 was in force, and is not on the way back from here");
    fs::remove_file(bench.record("current")).unwrap();
    bench.on_root(&["verify-log"]).expect(1).says("generation 3 was in force");
    std::os::unix::fs::symlink("generations/0003", bench.record("current")).unwrap();
    bench.on_root(&["verify-log"]).expect(0);
    fs::rename(bench.record("generations/0001"), bench.record("1")).unwrap();
    let ran = bench.on_root(&["verify-log"]);
    ran.expect(1).says("missing /var/lib/provision/generations/0001: there is a later one");
    ran.says("missing /var/lib/provision/generations/0001/report.json: generation 2 follows it");
}

#[test]
fn what_older_versions_wrote_is_read_and_not_called_proved() {
    let bench = lived_in();
    // As they wrote it: without a link.
    for number in [1, 2, 3] {
        let path = bench.record(&format!("generations/000{number}/report.json"));
        let mut report: serde_json::Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        report.as_object_mut().unwrap().remove("link");
        fs::write(path, serde_json::to_string_pretty(&report).unwrap() + "\n").unwrap();
    }
    bench.on_root(&["generations"]).expect(0).says("third");
    let ran = bench.on_root(&["verify-log"]);
    ran.expect(1).says("not linked /var/lib/provision/generations/0001/report.json: made before");
    ran.complains("error: 3 things are not proved\nhint: generations of older versions");
    bench.on_root(&["rollback"]).expect(0).says("generation 4: rollback to 2");
    bench.on_root(&["verify-log"]).expect(1).complains("error: 3 things are not proved");
    // What is linked now has pinned what was not linked then.
    let path = bench.record("generations/0003/report.json");
    let report = fs::read_to_string(&path).unwrap();
    fs::write(path, report.replace("\"third\"", "\"thirt\"")).unwrap();
    bench.on_root(&["verify-log"]).expect(1).says("does not fit").complains("error: 4 things are not proved");
}

#[test]
fn an_apply_that_failed_or_was_cut_off_is_linked_as_well() {
    let bench = lived_in();
    let many = bench.profile("many", &crate::exit_codes::many(&bench));
    let still = bench.stand_still(&["apply", many.to_str().unwrap()]);
    still.signal("KILL");
    still.resume();
    bench.on_root(&["verify-log"]).expect(1).says("cut off /var/lib/provision/journal.ndjson");
    bench
        .on_root(&["rollback", "3"])
        .expect(0)
        .says("Nothing to do")
        .complains("generation 4 does not count (the run was cut off)");
    let still = bench.stand_still(&["apply", many.to_str().unwrap()]);
    still.signal("INT");
    still.resume().expect(1);
    // Killed before its first record, it changed nothing and had no time to say so.
    fs::create_dir(bench.record("generations/0006")).unwrap();
    bench
        .on_root(&["verify-log"])
        .expect(1)
        .says("not linked /var/lib/provision/generations/0006/report.json");
    bench.on_root(&["destroy"]).expect(0).says("generation 7: destroy");
    let json = bench.on_root(&["verify-log", "--json"]).expect(0).json();
    assert_eq!(json["proof"]["chain"], json!([7, 3, 2, 1]));
    let report = fs::read_to_string(bench.record("generations/0004/report.json")).unwrap();
    damage(&bench.record("generations/0004/report.json"), report.replace("cut off", "cut one"));
    bench.on_root(&["verify-log"]).expect(1).says("damaged /var/lib/provision/generations/0004/report.json");
}

#[test]
fn gc_keeps_what_is_needed_and_nothing_else() {
    let bench = lived_in();
    let before = bench.tree();
    fs::create_dir(bench.record("lost+found")).unwrap();
    fs::write(bench.record("lost+found/0001-etc-motd"), "somebody's\n").unwrap();
    bench.on_root(&["gc"]).expect(0).says("Nothing to remove: 3 generations kept.");
    bench.on_root(&["gc", "--keep", "1", "--keep-since", "1d"]).expect(0).says("Nothing to remove");
    let would = bench.on_root(&["gc", "--keep", "1", "--dry-run"]);
    would.expect(0).says("Would remove 2 generations and free").says("; 1 generation kept.");
    bench
        .on_root(&["rollback", "9"])
        .expect(64)
        .complains("hint: generations that can be gone back to: 1 to 3");
    let removed = bench.on_root(&["gc", "--keep", "1"]);
    removed.expect(0).says(&would.stdout.replace("Would remove", "Removed").replace("free ", "freed ")[..30]);

    let stored = |bytes: &[u8]| bench.stored(bytes).exists();
    assert!(stored(b"three\n") && stored(b"ours\n") && stored(b"from before\n"));
    assert!(!stored(b"one\n") && !stored(b"two\n"));
    assert!(bench.record("lost+found/0001-etc-motd").exists());
    let listed = bench.on_root(&["generations", "--json"]).expect(0).json();
    let results: Vec<_> =
        listed["generations"].as_array().unwrap().iter().map(|one| &one["result"]).collect();
    assert_eq!(results, ["removed", "removed", "committed"]);
    bench
        .on_root(&["verify-log"])
        .expect(0)
        .says("3 generations from 3 back to 1 (2 removed, by their reports)");
    for rollback in [&["rollback", "2"][..], &["rollback"]] {
        let ran = bench.on_root(rollback);
        ran.expect(64)
            .complains("generation 2 was removed: only its report is left\nhint: generations that can be");
        ran.complains("gone back to: 3\n");
    }
    bench.on_root(&["gc", "--keep", "1"]).expect(0).says("Nothing to remove: 1 generation kept.");
    assert_eq!(bench.tree(), before);
    bench.on_root(&["destroy"]).expect(0);
    assert_eq!(fs::read(bench.at("/etc/issue")).unwrap(), b"from before\n");
    assert!(!bench.at("/etc/motd").exists());
    bench.on_root(&["verify-log"]).expect(0);
}

#[test]
fn an_age_that_has_passed_removes_all_but_the_generation_in_force() {
    let bench = lived_in();
    bench.on_root(&["gc", "--keep-since", "0s"]).expect(0).says("Removed 2 generations");
    bench.on_root(&["gc", "--keep-since", "yesterday"]).expect(64).complains("such as 30d, 12h or 8w");
    bench.on_root(&["gc", "--keep", "0"]).expect(64);
}

#[test]
fn rollback_needs_nothing_but_what_the_host_keeps() {
    // The profiles are gone already.
    let bench = lived_in();
    bench.on_root(&["rollback", "1"]).expect(0).says("generation 4: rollback to 1");
    assert_eq!(fs::read(bench.at("/etc/motd")).unwrap(), b"one\n");
    bench.on_root(&["gc", "--keep", "3"]).expect(0).says("Removed 1 generation");
    bench.on_root(&["rollback", "2"]).expect(0).says("generation 5: rollback to 2");
    assert_eq!(fs::read(bench.at("/etc/motd")).unwrap(), b"two\n");
    bench.on_root(&["rollback", "1"]).expect(64).complains("gone back to: 2 to 5\n");
    bench.on_root(&["verify-log"]).expect(0);
}

#[test]
fn gc_removes_nothing_when_it_cannot_know_what_is_needed() {
    let bench = lived_in();
    let desired = bench.record("generations/0003/desired.json");
    let text = fs::read_to_string(&desired).unwrap();
    // Still JSON: it would need other bytes.
    damage(&desired, text.replacen("sha256:", "sha256:00", 1));
    let before = bench.kept();
    bench.on_root(&["gc", "--keep", "1"]).expect(1).complains("0003/desired.json: its bytes are not sha256:");
    assert_eq!(bench.kept(), before);
    // What goes may be as damaged as it likes.
    damage(&desired, text);
    damage(&bench.record("generations/0001/desired.json"), "{");
    bench.on_root(&["generations"]).expect(0);
    bench.on_root(&["gc", "--keep", "1"]).expect(0).says("Removed 2 generations");
    bench.on_root(&["verify-log"]).expect(0);
}

#[test]
fn gc_first_takes_back_what_was_cut_off() {
    let bench = lived_in();
    let many = bench.profile("many", &crate::exit_codes::many(&bench));
    let before = bench.tree();
    let still = bench.stand_still(&["apply", many.to_str().unwrap()]);
    bench.on_root(&["gc"]).expect(7);
    bench.on_root(&["gc", "--dry-run"]).expect(1).complains("a run is under way, or was cut off");
    let listed = bench.on_root(&["generations"]);
    listed.expect(0).says("under-way");
    still.signal("KILL");
    still.resume();
    bench.on_root(&["generations"]).expect(0).says("cut-off");
    bench.on_root(&["gc", "--keep", "1"]).expect(0).complains("was cut off").says("Removed 2 generations");
    assert_eq!(bench.tree(), before);
    bench.on_root(&["generations"]).expect(0).says("undone").says("removed");
    bench.on_root(&["verify-log"]).expect(0);
}

#[test]
fn a_removal_that_is_killed_is_completed_by_the_next() {
    let mut cut_off = 0;
    for delay in [0, 1, 3, 8] {
        let bench = Bench::new();
        for text in ["old", "new"] {
            let files: String = (0..12)
                .map(|number| bench.file(&format!("/etc/f{number}"), &format!("{text} {number}\n")))
                .collect();
            let profile = bench.profile(text, &files);
            bench.on_root(&["apply", profile.to_str().unwrap()]).expect(0);
        }
        let mut child = bench.command_on_root(&["gc", "--keep", "1"]).spawn().unwrap();
        // What goes is written down first, however long it takes to get there.
        while !bench.record("removed.json").exists() && child.try_wait().unwrap().is_none() {
            std::thread::sleep(std::time::Duration::from_micros(200));
        }
        std::thread::sleep(std::time::Duration::from_millis(delay));
        child.kill().unwrap();
        child.wait().unwrap();
        bench.on_root(&["verify-log"]).expect(0);
        bench.on_root(&["generations"]).expect(0);
        bench.on_root(&["status"]).expect(0).says("No drift");
        let completed = bench.on_root(&["gc", "--keep", "1"]);
        cut_off += usize::from(completed.expect(0).stdout.contains("freed"));
        bench.on_root(&["gc", "--keep", "1"]).expect(0).says("Nothing to remove");
        bench.on_root(&["verify-log"]).expect(0).says("(1 removed");
        assert!(!bench.stored(b"old 7\n").exists() && bench.stored(b"new 7\n").exists());
    }
    assert!(cut_off > 0, "no kill came while something was removed: the delays are wrong for this machine");
}
