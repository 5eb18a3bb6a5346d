//! `provision lock` where nobody has to be asked but the host itself, and what a lock does to `plan` and `apply`. Registries
//! and web servers are in `integration/tests/lock.rs`.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use serde_json::json;

use crate::bench::Bench;
use crate::sandbox::Sandbox;

/// dpkg and apt over two files: `installed` (name and version) and `offered` (versions of jq).
fn with_packages() -> Sandbox {
    let sandbox = Sandbox::new();
    let each = |format: &str, file: &str| {
        format!(
            "while read -r name version; do printf '{format}\\n' \"$name\" \"$version\"; done < /tmp/{file}"
        )
    };
    sandbox.program("dpkg-query", &each("installed\\t%s\\t%s", "installed"));
    let policy = "read -r _ version < /tmp/offered; echo \"  Candidate: $version\"";
    let madison = each(" %s | %s | here Packages", "offered");
    sandbox.program("apt-cache", &format!("case $1 in policy) {policy};; madison) {madison};; esac"));
    let install = "for word; do case $word in update) exit;; jq=*) echo \"jq ${word#*=}\" >> /tmp/installed;; esac; done";
    sandbox.program("apt-get", install);
    sandbox.bench.write("root/tmp/installed", "bash 5.2\n");
    sandbox.bench.write("root/tmp/offered", "jq 1.6-2\n");
    let body =
        "schema = 1\nname = \"pinned\"\n[host]\npackages = [{ name = \"jq\", version = \"locked\" }]\n";
    sandbox.bench.write("root/tmp/pinned.toml", body);
    sandbox
}

const PINNED: &str = "/tmp/pinned.toml";

#[test]
fn a_package_keeps_the_version_that_was_locked() {
    let sandbox = with_packages();
    let text = |file: &str| fs::read_to_string(sandbox.bench.at("/tmp").join(file)).unwrap();
    let installed = || text("installed").lines().last().unwrap().to_owned();
    sandbox.run(&["apply", PINNED]).expect(64).complains("package jq (debian-12");
    sandbox
        .run(&["check", PINNED])
        .expect(3)
        .says("is not locked (/tmp/pinned.toml:4)")
        .says("provision lock /tmp/pinned.toml");
    let entry = format!("+ package jq (debian-12 {}) 1.6-2", std::env::consts::ARCH);
    sandbox.run(&["lock", PINNED]).expect(0).says(&entry);
    assert!(text("pinned.lock").contains("version = \"1.6-2\""));
    sandbox.run(&["apply", PINNED]).expect(0);
    assert_eq!(installed(), "jq 1.6-2");
    sandbox.run(&["status"]).expect(0);

    // Another version is drift, and is brought back.
    sandbox.bench.write("root/tmp/installed", "jq 1.7-1\n");
    sandbox.run(&["status"]).expect(2).says("1 drifted");
    sandbox.run(&["apply", PINNED]).expect(0).says("1 corrective");
    assert_eq!(installed(), "jq 1.6-2");

    // A newer one is offered: the lock stays until it is told to move.
    sandbox.bench.write("root/tmp/offered", "jq 1.7-1\njq 1.6-2\n");
    sandbox.run(&["lock", PINNED]).expect(0).says("up to date");
    sandbox.run(&["apply", PINNED]).expect(0).says("Nothing to do");
    sandbox.run(&["lock", PINNED, "--update", "jq"]).expect(0).says("version 1.6-2 → 1.7-1");
    sandbox.run(&["apply", PINNED]).expect(0);
    assert_eq!(installed(), "jq 1.7-1");

    // What is no longer offered cannot be had.
    sandbox.bench.write("root/tmp/installed", "bash 5.2\n");
    sandbox.bench.write("root/tmp/offered", "jq 1.8-1\n");
    let ran = sandbox.run(&["apply", PINNED]);
    ran.expect(1).complains("no repository of this host offers jq 1.7-1; offered: 1.8-1");
    ran.complains("hint: provision lock --update NAME PROFILE").never_shows("taking back");
    sandbox.run(&["lock", PINNED, "--update", "jq"]).expect(0);
    sandbox.run(&["apply", PINNED]).expect(0);
    assert_eq!(installed(), "jq 1.8-1");
}

/// An undo that insists on a version that nobody has any more would fail again and again.
#[test]
fn an_undo_does_not_fail_for_a_version_that_is_gone() {
    let sandbox = with_packages();
    sandbox.bench.write("root/tmp/installed", "ca-certificates 1\n");
    sandbox.run(&["apply", PINNED, "--update-lock"]).expect(0);
    sandbox.bench.write("root/tmp/offered", "jq 1.8-1\n");
    sandbox.run(&["lock", PINNED, "--update", "jq"]).expect(0);
    let trusting = sandbox.trusting_profile();
    let trusting = fs::read_to_string(sandbox.bench.at(trusting)).unwrap();
    let pinned = fs::read_to_string(sandbox.bench.at(PINNED)).unwrap();
    let both = format!("{pinned}{}", &trusting[trusting.find("[trust]").unwrap()..]);
    sandbox.bench.write("root/tmp/pinned.toml", both);
    fs::write(sandbox.bench.at("/etc/ssl/certs/ca-certificates.crt"), "").unwrap();
    sandbox.program("update-ca-certificates", "exit 0");
    sandbox.run(&["apply", PINNED]).expect(4).complains("everything is taken back");
    assert!(fs::read_to_string(sandbox.bench.at("/tmp/installed")).unwrap().ends_with("jq 1.8-1\n"));
    sandbox.run(&["status"]).expect(2).says("package").says("1 drifted");
    sandbox.program("update-ca-certificates", crate::sandbox::UPDATE);
    sandbox.run(&["apply", PINNED]).expect(0);
    sandbox.run(&["status"]).expect(0);
}

#[test]
fn the_lock_is_asked_for_on_the_way() {
    let sandbox = with_packages();
    let ran = sandbox.run(&["plan", PINNED, "--update-lock", "--json"]);
    ran.expect(2).complains("+ package jq").complains("wrote /tmp/pinned.lock");
    assert_eq!(ran.json()["steps"][0]["op"]["install"], json!({ "jq": "1.6-2" }));
    let before = fs::metadata(sandbox.bench.at("/tmp/pinned.lock")).unwrap().modified().unwrap();
    sandbox.run(&["apply", PINNED, "--update-lock"]).expect(0).never_shows("wrote");
    assert_eq!(fs::metadata(sandbox.bench.at("/tmp/pinned.lock")).unwrap().modified().unwrap(), before);
    // Nothing that is named can be looked up, and so nothing is written.
    sandbox.bench.write("root/tmp/offered", "jq (none)\n");
    fs::remove_file(sandbox.bench.at("/tmp/pinned.lock")).unwrap();
    let ran = sandbox.run(&["plan", PINNED, "--update-lock"]);
    ran.expect(1).complains("the package lists of this host do not know jq").complains("hint: ");
    assert!(!sandbox.bench.at("/tmp/pinned.lock").exists());
    let ran = sandbox.run(&["apply", PINNED, "--update-lock", "--target", "root@bastion"]);
    ran.expect(64)
        .complains("--update-lock writes beside the profile")
        .complains("hint: provision lock PROFILE first");
}

#[test]
fn what_names_nothing_loose_needs_no_lock() {
    let bench = Bench::new();
    let profile = bench.profile("motd", &bench.file("/etc/motd", "hello\n"));
    let profile = profile.to_str().unwrap();
    for arguments in [&["lock", profile][..], &["lock", profile, "--check"]] {
        bench.on_root(arguments).expect(0).says("needs no lock");
    }
    assert_eq!(bench.on_root(&["lock", profile, "--json"]).expect(0).json()["changed"], json!(false));
    bench.on_root(&["apply", profile, "--update-lock"]).expect(0);
    assert!(!bench.directory().join("motd.lock").exists());
    bench
        .on_root(&["lock", profile, "--update", "jq"])
        .expect(64)
        .complains("names no jq")
        .complains("hint: ");
    // One that is there is emptied, not removed.
    let digest = format!("sha256:{}", "a".repeat(64));
    let lock = bench
        .write("motd.lock", format!("schema = 1\n[[archive]]\nname = \"a.tar\"\ndigest = \"{digest}\"\n"));
    bench.on_root(&["lock", profile, "--check"]).expect(2).says("archive a.tar is no longer named");
    bench.on_root(&["plan", profile]).expect(0);
    bench.on_root(&["lock", profile]).expect(0).says("- archive a.tar").says("(0 entries)");
    assert!(fs::read_to_string(lock).unwrap().ends_with("schema = 1\n"));
    bench.on_root(&["lock", profile, "--check"]).expect(0);
}

#[test]
fn a_lock_that_cannot_be_read_is_told_with_its_line() {
    let bench = Bench::new();
    let profile = bench.profile("motd", &bench.file("/etc/motd", "hello\n"));
    let profile = profile.to_str().unwrap();
    let before = bench.tree();
    for (text, words) in [
        ("schema = 1\n<<<<<<< ours\n", "motd.lock:2"),
        ("schema = 7\n", "schema 7 is newer than this provision"),
        ("\u{feff}", "lacks `schema = 1`"),
        ("schema = 1\n[[image]]\n", "lacks the key `name`"),
    ] {
        bench.write("motd.lock", text);
        for command in ["plan", "apply", "check", "lock"] {
            let ran = bench.on_root(&[command, profile]);
            ran.expect(64).complains("motd.lock:").complains(words).complains("hint: put the lock back");
        }
        assert_eq!(fs::read_to_string(bench.directory().join("motd.lock")).unwrap(), text);
    }
    bench.write("motd.lock", b"\xff\xfe");
    bench.on_root(&["plan", profile]).expect(64).complains("is not UTF-8");
    fs::remove_file(bench.directory().join("motd.lock")).unwrap();
    fs::create_dir(bench.directory().join("motd.lock")).unwrap();
    bench.on_root(&["plan", profile]).expect(64).complains("motd.lock is a directory");
    assert_eq!(bench.tree(), before);
}

/// The archive of the registry's image: bytes beside the profile, which need a lock only when there is one.
#[test]
fn a_lock_is_written_whole_and_who_may_read_it_stays() {
    let bench = Bench::new();
    let body = "[host]\nhostname = \"r.example.test\"\n[registry]\nbackend = \"distribution\"\narchive = \"r.tar\"\n\
                admin = { user = \"init\", password = { generate = 32 } }\n";
    let profile = bench.profile("site", body);
    let profile = profile.to_str().unwrap();
    bench.on_root(&["lock", profile]).expect(64).complains("r.tar cannot be read").complains("hint: ");
    bench.write("r.tar", "one");
    bench.on_root(&["lock", profile]).expect(0).says("+ archive r.tar sha256:7692c3ad");
    let lock = bench.directory().join("site.lock");
    assert_eq!(fs::metadata(&lock).unwrap().permissions().mode() & 0o7777, 0o644);
    let text = fs::read_to_string(&lock).unwrap();
    assert!(!text.contains(bench.directory().to_str().unwrap()), "{text}");
    // A link stays one, and so does a mode.
    let behind = bench.write("behind.lock", &text);
    fs::set_permissions(&behind, fs::Permissions::from_mode(0o600)).unwrap();
    fs::remove_file(&lock).unwrap();
    std::os::unix::fs::symlink("behind.lock", &lock).unwrap();
    bench.write("r.tar", "two");
    bench.on_root(&["lock", profile]).expect(0).says("up to date");
    bench.on_root(&["lock", profile, "--check"]).expect(2).says("archive r.tar is locked as another one");
    let check = bench.on_root(&["lock", profile, "--check", "--json"]).expect(2).json();
    assert_eq!(check["other"], json!([{ "kind": "archive", "name": "r.tar" }]));
    bench.on_root(&["lock", profile, "--update", "r.tra"]).expect(64).complains("did you mean r.tar?");
    bench.on_root(&["lock", profile, "--update", "r.tar"]).expect(0).says("digest sha256:7692c3ad");
    assert!(fs::symlink_metadata(&lock).unwrap().is_symlink());
    assert_eq!(fs::metadata(&behind).unwrap().permissions().mode() & 0o7777, 0o600);
    assert_ne!(fs::read_to_string(&behind).unwrap(), text);
    bench.on_root(&["lock", lock.to_str().unwrap()]).expect(64).complains("hint: ");
}
