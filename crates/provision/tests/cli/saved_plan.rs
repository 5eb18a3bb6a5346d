//! `plan -o FILE` and `apply FILE`: exactly what was shown, once, on this host, or not at all.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use provision_oci::assemble::{ImageSpec, scratch_image};
use serde_json::json;

use crate::bench::{Bench, Ran};
use crate::sandbox::Sandbox;

const MACHINE_ID: &str = "0123456789abcdef0123456789abcdef\n";

fn named_host() -> Bench {
    let bench = Bench::new();
    fs::write(bench.at("/etc/machine-id"), MACHINE_ID).unwrap();
    bench
}

/// Saves the plan of a profile as `saved.json`.
fn save(bench: &Bench, name: &str, body: &str) -> Ran {
    let profile = bench.profile(name, body);
    let ran = bench.on_root(&["plan", profile.to_str().unwrap(), "-o", "saved.json"]);
    // What is applied has to be in the file.
    fs::remove_file(profile).unwrap();
    ran
}

fn apply(bench: &Bench) -> Ran {
    bench.on_root(&["apply", "saved.json"])
}

#[test]
fn a_saved_plan_is_applied_exactly_and_once() {
    let bench = named_host();
    fs::write(bench.at("/etc/issue"), "from before\n").unwrap();
    let before = bench.tree();
    let body = bench.file("/etc/motd", "hello\n") + &bench.file("/etc/issue", "ours\n");
    save(&bench, "both", &body).expect(2).says("+hello").says("Saved: provision apply ");
    assert_eq!(bench.tree(), before);
    assert!(!bench.at("/var/lib/provision").exists(), "to save a plan changes nothing on the host");
    let mode = fs::metadata(bench.directory().join("saved.json")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    apply(&bench).expect(0).says("generation 1: both (2 steps)");
    assert_eq!(fs::read_to_string(bench.at("/etc/issue")).unwrap(), "ours\n");
    let kept = fs::read_to_string(bench.at("/var/lib/provision/generations/0001/profile.toml")).unwrap();
    assert!(kept.starts_with("schema = 1\nname = \"both\"\n[[host.file]]"), "{kept}");
    let saved: serde_json::Value =
        serde_json::from_slice(&fs::read(bench.directory().join("saved.json")).unwrap()).unwrap();
    assert_eq!(bench.report(1)["saved_plan"], saved["agreement"]["id"]);
    let again = apply(&bench);
    again.expect(6).complains("the plan was used already: by generation 1 (committed)");
    again.complains("the generation in force: the plan expects no generation, found generation 1");
    bench.on_root(&["destroy"]).expect(0);
    assert_eq!(bench.tree(), before);
}

#[test]
fn a_stale_plan_names_everything_that_moved_and_changes_nothing() {
    let bench = named_host();
    for name in ["adopted", "same", "kept"] {
        fs::write(bench.at(&format!("/etc/{name}")), "from before\n").unwrap();
    }
    fs::write(bench.at("/etc/hosts"), "127.0.0.1 localhost\n").unwrap();
    let mut body = "[host]\naddresses = { \"r.example.test\" = [\"192.0.2.1\"] }\n".to_owned();
    for (name, text) in [("adopted", "ours"), ("same", "from before"), ("kept", "ours"), ("new", "ours")] {
        body += &bench.file(&format!("/etc/{name}"), &format!("{text}\n"));
    }
    save(&bench, "many", &body).expect(2);
    // Lines around our block, and other files, are none of the plan's business.
    fs::write(bench.at("/etc/hosts"), "127.0.0.1 localhost\n192.0.2.7 somebody\n").unwrap();
    fs::write(bench.at("/etc/elsewhere"), "x\n").unwrap();
    let mode = |name: &str, mode| {
        fs::set_permissions(bench.at(name), fs::Permissions::from_mode(mode)).unwrap();
    };
    for name in ["adopted", "kept"] {
        mode(&format!("/etc/{name}"), 0o644);
    }
    let holds = bench.tree();
    fs::write(bench.at("/etc/adopted"), "changed since\n").unwrap();
    mode("/etc/same", 0o666);
    fs::write(bench.at("/etc/new"), "somebody's\n").unwrap();
    let before = bench.tree();
    let ran = apply(&bench);
    ran.expect(6).complains("the plan is stale: 3 things moved since it was saved");
    ran.complains("file:/etc/adopted: the plan expects a file (sha256:")
        .complains("file:/etc/new: the plan expects nothing there, found a file");
    ran.complains("file:/etc/same: the plan expects it as wanted, found a file").complains("mode 0666");
    ran.complains("hint: nothing was changed");
    assert!(!ran.stderr.contains("/etc/kept") && !ran.stderr.contains("/etc/hosts"), "{}", ran.stderr);
    let json = bench.on_root(&["apply", "saved.json", "--json"]).expect(6).json();
    assert_eq!((&json["error"]["exit"], json["error"]["causes"].as_array().unwrap().len()), (&json!(6), 3));
    assert_eq!(bench.tree(), before);
    assert!(!bench.at("/var/lib/provision").exists(), "not even records");
    // Back as it was, it holds again: nothing was used up.
    for (path, (mode, bytes)) in holds.iter().filter(|(_, (mode, _))| mode & 0o170_000 == 0o100_000) {
        fs::write(path, bytes).unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(*mode)).unwrap();
    }
    fs::remove_file(bench.at("/etc/new")).unwrap();
    apply(&bench).expect(0).says("generation 1: many");
}

#[test]
fn a_plan_is_bound_to_its_host_and_its_generation() {
    let bench = named_host();
    let first = bench.profile("first", &bench.file("/etc/motd", "one\n"));
    bench.on_root(&["apply", first.to_str().unwrap()]).expect(0);
    save(&bench, "second", &bench.file("/etc/motd", "two\n")).expect(2);
    fs::write(bench.at("/etc/machine-id"), MACHINE_ID.replace('0', "1")).unwrap();
    apply(&bench)
        .expect(6)
        .complains("the plan is stale: one thing moved")
        .complains("1: the host: the plan is for ");
    fs::write(bench.at("/etc/machine-id"), MACHINE_ID).unwrap();
    let other = bench.profile("other", &(bench.file("/etc/motd", "one\n") + &bench.file("/etc/x", "x\n")));
    bench.on_root(&["apply", other.to_str().unwrap()]).expect(0);
    apply(&bench).expect(6).complains("the plan expects generation 1, found generation 2");
    assert_eq!(fs::read_to_string(bench.at("/etc/motd")).unwrap(), "one\n");
}

#[test]
fn a_run_that_is_taken_back_uses_the_plan_up() {
    let bench = named_host();
    let body = bench.file("/etc/a", "x\n")
        + "[[host.file]]\npath = \"/etc/b\"\ncontent = \"x\"\nowner = \"ghost\"\n";
    save(&bench, "ghost", &body).expect(2);
    apply(&bench).expect(1).complains("there is no user ghost").complains("everything is taken back");
    apply(&bench).expect(6).complains("1: the plan was used already: by generation 1 (undone)");
    save(&bench, "ghost", &body).expect(2);
    apply(&bench).expect(1).complains("there is no user ghost");
}

#[test]
fn a_plan_that_changes_nothing_may_be_applied() {
    let bench = named_host();
    let body = bench.file("/etc/motd", "hello\n");
    save(&bench, "motd", &body).expect(2);
    apply(&bench).expect(0);
    save(&bench, "motd", &body).expect(0).says("Nothing to do").says("Saved");
    apply(&bench).expect(0).says("Nothing to do");
}

#[test]
fn preflight_judges_what_the_plan_requires() {
    let bench = named_host();
    let disk = "[preflight]\ndisk = [{ path = \"/var/lib\", free = \"1000TiB\" }]\n";
    save(&bench, "huge", &format!("{disk}{}", bench.file("/etc/motd", "x\n"))).expect(2);
    apply(&bench).expect(3).complains("disk:/var/lib");
    assert!(!bench.at("/etc/motd").exists());
}

#[test]
fn only_a_saved_plan_is_overwritten() {
    let bench = named_host();
    let file = bench.file("/etc/motd", "hello\n");
    for there in ["mine\n", "{}", "{\"type\":\"provision-plan\"}", "[1]"] {
        bench.write("saved.json", there);
        save(&bench, "motd", &file).expect(64).complains("is there, and is no saved plan\nhint: ");
        assert_eq!(fs::read_to_string(bench.directory().join("saved.json")).unwrap(), there);
    }
    fs::remove_file(bench.directory().join("saved.json")).unwrap();
    std::os::unix::fs::symlink("elsewhere", bench.directory().join("saved.json")).unwrap();
    save(&bench, "motd", &file).expect(64);
    fs::remove_file(bench.directory().join("saved.json")).unwrap();
    save(&bench, "motd", &file).expect(2);
    save(&bench, "motd", &bench.file("/etc/motd", "other\n")).expect(2);
    apply(&bench).expect(0);
    assert_eq!(fs::read_to_string(bench.at("/etc/motd")).unwrap(), "other\n");
}

#[test]
fn a_host_without_an_identity_binds_nothing() {
    let bench = Bench::new();
    save(&bench, "motd", &bench.file("/etc/motd", "x\n"))
        .expect(1)
        .complains("hint: systemd-machine-id-setup");
    assert!(!bench.directory().join("saved.json").exists());
}

#[test]
fn what_is_no_plan_of_ours_is_refused_with_a_reason() {
    let bench = named_host();
    save(&bench, "motd", &bench.file("/etc/motd", "hello\n")).expect(2);
    let path = bench.directory().join("saved.json");
    let good = fs::read_to_string(&path).unwrap();
    let check = |text: &str, why: &str| {
        fs::write(&path, text).unwrap();
        let ran = apply(&bench);
        ran.expect(64).complains(why).complains("hint: ");
        assert!(!bench.at("/etc/motd").exists() && !bench.at("/var/lib/provision").exists());
    };
    check("{}", "missing field `type`");
    check("{\"type\":\"profile\",\"version\":1}", "expected type \"provision-plan\", found \"profile\"");
    check(&good.replace("\"version\": 1,", "\"version\": 2,"), "is a plan of format 2");
    check(&good.replace("\"version\": 1,", "\"version\": 1, \"colour\": 1,"), "unknown field `colour`");
    check(&good[..good.len() / 2], "EOF while parsing");
    check(&"[".repeat(9).replace('[', "{\"type\":"), "expected a string");
    check(&good.replace("/etc/motd", "/etc/shadow"), "it was changed after it was saved");
    check(&good.replace("aGVsbG8K", "aGF4eHgK"), "it was changed after it was saved");
    bench.on_root(&["plan", "saved.json"]).expect(64).complains("is a saved plan; expected a profile");
    fs::write(&path, &good).unwrap();
    bench.on_root(&["apply", "saved.json", "--set", "a=b"]).expect(64).complains("--set means nothing");
    for mode in [0o620, 0o602, 0o666] {
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        apply(&bench)
            .expect(64)
            .complains("decides about what root does, and others may write it")
            .complains("hint: ");
    }
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    apply(&bench).expect(0);
}

/// Whatever the bytes, it ends with a reason.
#[test]
fn no_bytes_make_it_panic() {
    let bench = named_host();
    save(&bench, "motd", &bench.file("/etc/motd", "hello\n")).expect(2);
    let path = bench.directory().join("saved.json");
    let good = fs::read(&path).unwrap();
    let mut broken: Vec<Vec<u8>> = (1..24).map(|part| good[..good.len() * part / 24].to_vec()).collect();
    for place in (0..good.len()).step_by(good.len() / 60) {
        for byte in [b'\0', b'"', b'9', b'}', 0xff] {
            let mut bytes = good.clone();
            bytes[place] = byte;
            broken.push(bytes);
        }
    }
    for bytes in broken.into_iter().filter(|bytes| *bytes != good) {
        fs::write(&path, &bytes).unwrap();
        let ran = apply(&bench);
        ran.expect(64).never_shows("panicked");
        assert!(!bench.at("/etc/motd").exists(), "{}", String::from_utf8_lossy(&bytes));
    }
}

#[test]
fn a_plan_file_holds_no_secret() {
    let sandbox = Sandbox::new();
    sandbox.program("dpkg-query", "exit 1");
    sandbox.program("apt-cache", "echo '  Candidate: 4.3.1'");
    sandbox.program("systemctl", "echo LoadState=not-found");
    let bench = &sandbox.bench;
    fs::write(bench.at("/etc/machine-id"), MACHINE_ID).unwrap();
    let (canary, auth) = ("canary-0123456789abcdef", "Y2FuYXJ5LTAxMjM0NTY3ODlhYmNkZWY6eA==");
    bench.write("root/tmp/password", format!("{canary}\n"));
    bench.write("root/tmp/base.json", format!("{{\"auths\":{{\"quay.io\":{{\"auth\":\"{auth}\"}}}}}}"));
    let image = ImageSpec {
        name: "localhost/registry:1".into(),
        program: "registry".into(),
        entrypoint: vec!["/registry".into()],
        directories: Vec::new(),
        labels: [].into(),
        architecture: "amd64".into(),
    };
    bench.write("root/tmp/registry.tar", scratch_image(b"no program at all", &image).unwrap().archive);
    // Nobody declared it secret, but it is in the way and may be.
    fs::write(bench.at("/etc/key"), canary).unwrap();
    fs::set_permissions(bench.at("/etc/key"), fs::Permissions::from_mode(0o600)).unwrap();
    let body = "schema = 1\nname = \"secrets\"\n[host]\nhostname = \"r.example.test\"\n\
         [[host.file]]\npath = \"/etc/key\"\ncontent = \"public\"\n\
         [registry]\nbackend = \"distribution\"\narchive = \"registry.tar\"\n\
         admin = { user = \"init\", password = { file = \"password\" } }\n\
         [pull-secret]\nbase = \"base.json\"\nwrite = [\"/root/auth.json\"]\n";
    bench.write("root/tmp/secrets.toml", body);
    let before = sandbox.tree();
    let plan = ["plan", "/tmp/secrets.toml", "-o", "/tmp/saved.json", "--json"];
    let json = sandbox.run(&plan).expect(2).never_shows(canary).never_shows(auth).json();
    assert_eq!(json["saved"]["file"], json!("/tmp/saved.json"));
    assert_eq!(sandbox.tree(), before);
    for id in ["file:/root/auth.json#auths/quay.io", "file:/etc/provision/registry/auth/htpasswd"] {
        let ran = sandbox.run(&["explain", "/tmp/secrets.toml", id]);
        ran.expect(0).says("secret").says("/tmp/secrets.toml:").never_shows(canary).never_shows(auth);
    }
    let saved = fs::read_to_string(bench.at("/tmp/saved.json")).unwrap();
    for reference in ["\"registry-password\"", "\"/tmp/password\"", "\"base-entry-quay.io\""] {
        assert!(saved.contains(reference), "{reference} is not in {saved}");
    }
    for secret in [canary, auth, "Y2FuYXJ5", MACHINE_ID.trim()] {
        assert!(!saved.contains(secret), "{secret} is in the plan");
    }
}
