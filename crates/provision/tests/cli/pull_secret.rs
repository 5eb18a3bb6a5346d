//! `provision pull-secret`: from the shell's side. The password is never seen, and no byte that is not ours is lost.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};

use serde_json::json;

use crate::bench::Bench;

const PASSWORD: &str = "correct horse: battery";
/// base64 of `init:` and the password.
const AUTH: &str = "aW5pdDpjb3JyZWN0IGhvcnNlOiBiYXR0ZXJ5";
/// As a person may have written it: order, blanks, unknown fields, and a number that no parser keeps.
const BEFORE: &str = "{\n    \"auths\": {\n        \"quay.io\": {\"email\": \"a@b.c\", \"auth\": \"dTpw\"},\n        \
                      \"a.example\": {\"auth\": \"dTpw\"}\n    },\n    \"x-unknown\": 1.50e1\n}\n";

fn add(bench: &Bench, file: &str, stdin: &str) -> crate::bench::Ran {
    let arguments =
        ["pull-secret", "add", "registry.example.test:8443", "--username", "init", "--authfile", file];
    let ran = bench.fed(&arguments, stdin);
    ran.never_shows(PASSWORD).never_shows(AUTH);
    ran
}

fn mode(bench: &Bench, file: &str) -> u32 {
    fs::metadata(bench.directory().join(file)).unwrap().permissions().mode() & 0o7777
}

fn text(bench: &Bench, file: &str) -> String {
    fs::read_to_string(bench.directory().join(file)).unwrap()
}

#[test]
fn a_password_goes_from_standard_input_to_a_file_that_only_its_owner_reads() {
    let bench = Bench::new();
    add(&bench, "auth.json", &format!("{PASSWORD}\n")).expect(0).says("registry.example.test:8443 as init");
    let file: serde_json::Value = serde_json::from_str(&text(&bench, "auth.json")).unwrap();
    assert_eq!(file, json!({ "auths": { "registry.example.test:8443": { "auth": AUTH } } }));
    assert_eq!(mode(&bench, "auth.json"), 0o600);
    let shown = bench.run(&["pull-secret", "show", "auth.json"]);
    shown.expect(0).says("registry.example.test:8443 password of init").never_shows(AUTH);
    bench.run(&["pull-secret", "check", "auth.json"]).expect(0).says("nothing to complain about");
}

#[test]
fn without_a_file_it_is_the_one_that_podman_login_writes() {
    let bench = Bench::new();
    let arguments = ["pull-secret", "add", "quay.io", "-u", "init"];
    let mut command = bench.command(&arguments);
    let path = bench.directory().join("deep/er/auth.json");
    command
        .env("REGISTRY_AUTH_FILE", &path)
        .stdin(fs::File::open(bench.write("password", PASSWORD)).unwrap());
    bench.finish(command).expect(0).says("deep/er/auth.json").never_shows(PASSWORD);
    assert_eq!((mode(&bench, "deep/er/auth.json"), mode(&bench, "deep/er")), (0o600, 0o700));
}

#[test]
fn an_edit_keeps_order_blanks_and_unknown_fields() {
    let bench = Bench::new();
    let path = bench.write("auth.json", BEFORE);
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    let inode = fs::metadata(&path).unwrap().ino();
    add(&bench, "auth.json", PASSWORD).expect(0);
    let after = text(&bench, "auth.json");
    let kept = BEFORE.split_once("\"dTpw\"}\n    }").unwrap();
    assert!(after.starts_with(kept.0) && after.ends_with(kept.1), "{after}");
    assert!(after.contains(AUTH));
    assert_eq!(mode(&bench, "auth.json"), 0o600, "others could read it before");
    assert_ne!(fs::metadata(&path).unwrap().ino(), inode, "a new file took its place in one rename");
    let left: Vec<_> =
        fs::read_dir(bench.directory()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(left.iter().all(|name| !name.to_string_lossy().starts_with(".provision-")), "{left:?}");
}

#[test]
fn what_is_malformed_is_kept_as_it_was() {
    let bench = Bench::new();
    let files = [
        ("cut.json", "{\"auths\": {"),
        ("empty.json", ""),
        ("list.json", "[]"),
        ("twice.json", "{\"auths\": {\"quay.io\": {}, \"quay.io\": {}}}"),
        ("no-colon.json", "{\"auths\": {\"quay.io\": {\"auth\": \"dXA=\"}}}"),
    ];
    let good = bench.write("good.json", BEFORE);
    for (name, content) in files {
        bench.write(name, content);
        let refused = add(&bench, name, PASSWORD);
        refused.expect(64).complains("is left as it was");
        bench.run(&["pull-secret", "show", name]).expect(64).complains("error:");
        bench.run(&["pull-secret", "check", name]).expect(64).complains("error:");
        bench.run(&["pull-secret", "merge", "good.json", name, "--output", "good.json"]).expect(64);
        assert_eq!(text(&bench, name), content);
    }
    assert_eq!(fs::read_to_string(good).unwrap(), BEFORE);
    bench.run(&["pull-secret", "show", "twice.json"]).complains("\"quay.io\" occurs twice");
}

#[test]
fn a_password_that_cannot_be_used_is_refused() {
    let bench = Bench::new();
    bench.write("auth.json", BEFORE);
    for stdin in ["", "\n", "\nsecond line\n"] {
        add(&bench, "auth.json", stdin).expect(64).complains("no password came on standard input");
    }
    let arguments = ["pull-secret", "add", "https://quay.io", "-u", "init", "--authfile", "auth.json"];
    bench.fed(&arguments, PASSWORD).expect(64).complains("begins with a scheme").never_shows(PASSWORD);
    let arguments = ["pull-secret", "add", "quay.io", "-u", "in:it", "--authfile", "auth.json"];
    bench.fed(&arguments, PASSWORD).expect(64).never_shows(PASSWORD);
    assert_eq!(text(&bench, "auth.json"), BEFORE);
}

#[test]
fn a_merge_takes_the_last_of_the_same_registry_and_keeps_the_rest() {
    let bench = Bench::new();
    bench.write("one.json", BEFORE);
    bench.write(
        "two.json",
        "{\"auths\": {\"quay.io\": {\"auth\": \"bmV3Om5ldw==\"}, \"b.example\": {\"auth\": \"dTpw\"}}}",
    );
    let merge = ["pull-secret", "merge", "one.json", "two.json", "--output", "out.json"];
    bench.run(&merge).expect(0).says("3 registries").never_shows("bmV3Om5ldw==");
    let merged: serde_json::Value = serde_json::from_str(&text(&bench, "out.json")).unwrap();
    let keys: Vec<&String> = merged["auths"].as_object().unwrap().keys().collect();
    assert_eq!(keys, ["quay.io", "a.example", "b.example"]);
    assert_eq!(merged["auths"]["quay.io"]["auth"], json!("bmV3Om5ldw=="));
    assert!(text(&bench, "out.json").contains("\"x-unknown\": 1.50e1"));
    assert_eq!((mode(&bench, "out.json"), text(&bench, "one.json").as_str()), (0o600, BEFORE));
    bench.run(&["pull-secret", "merge", "one.json", "--output", "out.json"]).expect(64);
}

#[test]
fn a_link_stays_a_link_and_the_file_behind_it_is_edited() {
    let bench = Bench::new();
    fs::create_dir(bench.directory().join("real")).unwrap();
    bench.write("real/auth.json", BEFORE);
    symlink("real/auth.json", bench.directory().join("auth.json")).unwrap();
    add(&bench, "auth.json", PASSWORD).expect(0);
    let link = fs::symlink_metadata(bench.directory().join("auth.json")).unwrap();
    assert!(link.file_type().is_symlink(), "podman's own file may be a link into a synced folder");
    assert!(text(&bench, "real/auth.json").contains(AUTH));
}

#[test]
fn a_file_keeps_its_owner() {
    let bench = Bench::new();
    let path = bench.write("auth.json", BEFORE);
    // Only root can give a file away; anybody else checks that it stays their own.
    let given = chown(&path, Some(1234), Some(1234)).is_ok();
    let owner = fs::metadata(&path).unwrap().uid();
    add(&bench, "auth.json", PASSWORD).expect(0);
    assert_eq!(fs::metadata(&path).unwrap().uid(), owner);
    assert!(!given || owner == 1234);
}

#[test]
fn a_check_names_what_others_may_read() {
    let bench = Bench::new();
    let path = bench.write("auth.json", BEFORE);
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    bench.run(&["pull-secret", "check", "auth.json"]).expect(1).says("others may read").says("chmod 600");
    let json = bench.run(&["pull-secret", "check", "auth.json", "--json"]).expect(1).json();
    assert_eq!(json["findings"][0]["error"], json!(true));
}
