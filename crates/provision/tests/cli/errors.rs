//! What a person reads when something is wrong: what, causes, hint. Golden texts.

use std::fs;

use crate::bench::Bench;

/// The complaint of `plan` about a profile.
fn complaint(bench: &Bench, profile: &str) -> String {
    let before = bench.tree();
    let ran = bench.on_root(&["plan", profile]);
    assert_eq!(ran.expect(64).stdout, "");
    assert_eq!(bench.tree(), before);
    ran.complaint()
}

#[test]
fn a_profile_that_cannot_be_read() {
    let bench = Bench::new();
    fs::create_dir(bench.directory().join("folder.toml")).unwrap();
    bench.write("latin1.toml", b"schema = 1\nname = \"caf\xe9\"\n");
    bench.write("main.toml", "schema = 1\nname = \"a\"\nimports = [\"other.toml\"]\n");
    bench.write("other.toml", "schema = 1\nimports = [\"main.toml\"]\n");
    let all = ["missing.toml", "folder.toml", "latin1.toml", "main.toml"].map(|name| complaint(&bench, name));
    insta::assert_snapshot!(all.join("\n"));
}

#[test]
fn a_profile_with_many_mistakes() {
    let bench = Bench::new();
    bench.profile(
        "typos",
        "[host]\nhostnam = \"a\"\npackages = \"podman\"\n[[host.file]]\npath = \"etc/motd\"\n",
    );
    insta::assert_snapshot!(complaint(&bench, "typos.toml"));
}

#[test]
fn a_host_that_was_never_touched() {
    let bench = Bench::new();
    let told = |arguments: &[&str], code| {
        let ran = bench.on_root(arguments);
        format!("$ provision {}\n{}{}", arguments.join(" "), ran.expect(code).stdout, ran.stderr)
    };
    let all = [
        told(&["status"], 0),
        told(&["generations"], 0),
        told(&["rollback"], 64),
        told(&["rollback", "3"], 64),
        told(&["destroy"], 0),
    ];
    insta::assert_snapshot!(all.join("\n"));
    assert!(!bench.at("/var/lib/provision").exists());
}

#[test]
fn a_generation_that_does_not_exist() {
    let bench = Bench::new();
    let profile = bench.profile("motd", &bench.file("/etc/motd", "hello\n"));
    bench.on_root(&["apply", profile.to_str().unwrap()]).expect(0);
    bench
        .on_root(&["rollback", "7"])
        .expect(64)
        .complains("there is no generation 7\nhint: generations that can be gone back to: 1\n");
    bench
        .on_root(&["rollback"])
        .expect(64)
        .complains("there is no generation before 1\nhint: provision destroy");
}

#[test]
fn a_root_that_is_none() {
    let bench = Bench::new();
    let ran = bench.run(&["status", "--root", "nowhere"]);
    insta::assert_snapshot!(ran.expect(64).complaint());
    // An empty directory is no system either.
    fs::create_dir(bench.directory().join("empty")).unwrap();
    bench.run(&["status", "--root", "empty"]).expect(1).complains("/etc/os-release");
    bench.run(&["pull-secret", "show", "--root", "empty"]).expect(64).complains("--root means nothing");
}

#[test]
fn a_state_directory_that_cannot_be_written() {
    let bench = Bench::new();
    let profile = bench.profile("motd", &bench.file("/etc/motd", "hello\n"));
    fs::write(bench.at("/var/lib/provision"), "not a directory\n").unwrap();
    let before = bench.tree();
    let ran = bench.on_root(&["apply", profile.to_str().unwrap()]);
    insta::assert_snapshot!(ran.expect(1).complaint());
    assert_eq!(bench.tree(), before);
}
