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

#[test]
fn what_somebody_made_of_ours_is_kept_when_it_goes() {
    let (bench, _) = adopted();
    fs::write(bench.at("/etc/motd"), "somebody's work\n").unwrap();
    bench.on_root(&["destroy"]).expect(0);
    assert_eq!(fs::read(bench.at("/etc/motd")).unwrap(), b"from before\n");
    let kept: Vec<Vec<u8>> = fs::read_dir(bench.at(STATE).join("lost+found"))
        .unwrap()
        .map(|entry| fs::read(entry.unwrap().path()).unwrap())
        .collect();
    assert_eq!(kept, [b"somebody's work\n"], "theirs, and not /etc/new, which is ours");
}

#[test]
fn what_could_not_be_put_back_is_not_replaced() {
    let bench = Bench::new();
    fs::create_dir(bench.at("/etc/motd")).unwrap();
    let fifo = bench.at("/etc/pipe");
    assert!(std::process::Command::new("mkfifo").arg(&fifo).status().unwrap().success());
    let before = bench.tree();
    for (path, found) in [("/etc/motd", "a directory"), ("/etc/pipe", "a device, pipe or socket")] {
        let profile =
            bench.profile("in-the-way", &(bench.file("/etc/a", "ours\n") + &bench.file(path, "ours\n")));
        let words = format!("file:{path}: {found} is in the way of a file: move it aside");
        bench.on_root(&["plan", profile.to_str().unwrap()]).expect(2).says(&words);
        let ran = bench.on_root(&["apply", profile.to_str().unwrap()]);
        ran.expect(1).complains(&words).complains("hint: nothing was changed");
        assert_eq!(bench.tree(), before);
    }
    // Nor what somebody put in the place of ours.
    let profile = bench.profile("place", &bench.file("/etc/place", "ours\n"));
    bench.on_root(&["apply", profile.to_str().unwrap()]).expect(0);
    fs::remove_file(bench.at("/etc/place")).unwrap();
    fs::create_dir(bench.at("/etc/place")).unwrap();
    bench.on_root(&["status"]).expect(2).says("a directory is in the way");
    fs::remove_dir(bench.at("/etc/place")).unwrap();
    bench.on_root(&["destroy"]).expect(0);
    assert_eq!(bench.tree(), before);
}

#[test]
fn a_file_of_nobody_is_an_error_that_names_them() {
    let bench = Bench::new();
    let before = bench.tree();
    let of = |owner: &str| format!("[[host.file]]\npath = \"/etc/x\"\ncontent = \"\"\nowner = \"{owner}\"\n");
    let profile = bench.profile("nobody", &of("no-such-user"));
    let ran = bench.on_root(&["apply", profile.to_str().unwrap()]);
    ran.expect(1)
        .complains("there is no user no-such-user on this host")
        .complains("hint: create the account");
    assert_eq!(bench.tree(), before);
    // chown(2) takes it for "leave it as it is".
    let profile = bench.profile("highest", &of("4294967295"));
    bench
        .on_root(&["apply", profile.to_str().unwrap()])
        .expect(64)
        .complains("the highest number is 4294967294");
}

#[test]
fn output_that_cannot_be_written_is_a_failure_and_a_reader_that_leaves_is_none() {
    let bench = Bench::new();
    let mut full = bench.command(&["schema"]);
    full.stdout(fs::OpenOptions::new().write(true).open("/dev/full").unwrap());
    bench.finish(full).expect(1).complains("cannot write to standard output").complains("No space left");
    let mut left = bench.command(&["schema"]);
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    left.stdout(writer);
    bench.finish(left).expect(0);
}

#[test]
fn profiles_that_are_too_much_end_soon_and_say_so() {
    let bench = Bench::new();
    let many: String = (0..5000).map(|number| format!("unknown-{number} = 1\n")).collect();
    let profile = bench.profile("many", &many);
    let ran = bench.on_root(&["plan", profile.to_str().unwrap()]);
    ran.expect(64).complains("unknown key `unknown-0`").complains("error: and 4900 more");
    // Each level is reached along twice as many ways as the one above.
    for level in 0..25 {
        for side in ["a", "b"] {
            let imports = format!("imports = [\"{0}a.toml\", \"{0}b.toml\"]\n", level + 1);
            bench.profile(&format!("{level}{side}"), if level < 24 { &imports } else { "" });
        }
    }
    bench.on_root(&["plan", "0a.toml"]).expect(64).complains("more than 256 imports");
    bench
        .on_root(&["plan", "none.toml"])
        .expect(64)
        .complains("none.toml does not exist")
        .complains("hint: ");
}
