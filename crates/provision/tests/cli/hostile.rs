//! What is there before us, and what others do to our own records: nothing is lost, and the error names the thing.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

use crate::bench::Bench;

const STATE: &str = "/var/lib/provision";

/// A host on which a file from before was replaced.
fn adopted() -> (Bench, String) {
    let bench = Bench::new();
    fs::write(bench.at("/etc/motd"), "from before\n").unwrap();
    let body = bench.file("/etc/motd", "ours\n") + &bench.file("/etc/new", "ours\n");
    let profile = bench.profile("motd", &body).to_string_lossy().into_owned();
    bench.on_root(&["apply", &profile]).expect(0);
    (bench, profile)
}

#[test]
fn what_was_kept_and_is_damaged_is_not_put_on_the_host() {
    let (bench, profile) = adopted();
    let (changed, damage) = (bench.tree(), b"garbage");
    for byte in fs::read_dir(bench.at(STATE).join("store/sha256")).unwrap() {
        for blob in fs::read_dir(byte.unwrap().path()).unwrap() {
            fs::set_permissions(blob.as_ref().unwrap().path(), fs::Permissions::from_mode(0o600)).unwrap();
            fs::write(blob.unwrap().path(), damage).unwrap();
        }
    }
    let ran = bench.on_root(&["destroy"]);
    ran.expect(1).complains("is damaged: its bytes are not sha256:").complains("from a backup");
    assert_eq!(bench.tree(), changed);
    // What the profile itself says is at hand.
    fs::remove_file(bench.at("/etc/new")).unwrap();
    bench.on_root(&["apply", &profile]).expect(0);
    assert_eq!(bench.tree(), changed);
}

#[test]
fn records_that_are_gone_are_told_not_taken_for_a_host_that_was_never_changed() {
    for lost in ["baseline.json", "current", "generations/0001/desired.json", "generations/0001"] {
        let (bench, profile) = adopted();
        let changed = bench.tree();
        let (lost, aside) = (bench.at(STATE).join(lost), bench.directory().join("aside"));
        fs::rename(&lost, &aside).unwrap();
        for command in [&["status"][..], &["plan", &profile], &["apply", &profile], &["destroy"]] {
            let ran = bench.on_root(command);
            ran.expect(1)
                .complains("error: /var/lib/provision/")
                .complains("hint: put /var/lib/provision back");
        }
        assert_eq!(bench.tree(), changed, "without {}", lost.display());
        fs::rename(&aside, &lost).unwrap();
        bench.on_root(&["destroy"]).expect(0);
        assert_eq!(fs::read(bench.at("/etc/motd")).unwrap(), b"from before\n");
    }
}

#[test]
fn a_journal_or_a_link_that_names_no_generation_is_damage_not_a_wrong_command_line() {
    let (bench, profile) = adopted();
    let journal = bench.at(STATE).join("journal.ndjson");
    fs::write(&journal, "{\"record\":\"begin\",\"generation\":9}\n").unwrap();
    bench
        .on_root(&["apply", &profile])
        .expect(1)
        .complains("it names generation 9, which is not there (known: 1)");
    fs::remove_file(&journal).unwrap();
    fs::remove_file(bench.at(STATE).join("current")).unwrap();
    symlink("../../etc", bench.at(STATE).join("current")).unwrap();
    bench.on_root(&["status"]).expect(1).complains("expected a link to generations/NUMBER");
}

#[test]
fn records_that_others_may_read_are_closed_again() {
    let (bench, profile) = adopted();
    for place in [bench.at(STATE), bench.at(STATE).join("secrets")] {
        fs::set_permissions(place, fs::Permissions::from_mode(0o755)).unwrap();
    }
    bench.on_root(&["apply", &profile]).expect(0);
    for place in [bench.at(STATE), bench.at(STATE).join("secrets")] {
        assert_eq!(fs::metadata(place).unwrap().permissions().mode() & 0o777, 0o700);
    }
}
