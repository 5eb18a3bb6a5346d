//! The state id as the program prints it: whatever is around it, the same profile and lock have the same one. What enters
//! is in `docs/state-id.md`, and tested in `crates/profile/tests/state_id.rs`.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, SystemTime};

use provision_oci::assemble::{ImageSpec, scratch_image};
use serde_json::Value;

use crate::bench::Bench;

/// An archive of an image, for a registry that is not made of the program under test.
fn archive() -> Vec<u8> {
    let spec = ImageSpec {
        name: "localhost/registry:1".to_owned(),
        program: "registry".to_owned(),
        entrypoint: vec!["/registry".to_owned()],
        directories: Vec::new(),
        labels: [].into(),
        architecture: "amd64".to_owned(),
    };
    scratch_image(b"a program", &spec).unwrap().archive
}

/// Writes the site into a directory: a profile with three imports, a lock, and what they name.
fn write(directory: &Path, archive: &[u8], imports: &[&str], time: SystemTime) {
    fs::create_dir_all(directory).unwrap();
    let imports: Vec<String> = imports.iter().map(|name| format!("\"{name}.toml\"")).collect();
    let main = format!(
        "schema = 1\nname = \"site\"\nimports = [{}]\n[host]\nhostname = \"registry.example.test\"\n\
         [registry]\nbackend = \"distribution\"\narchive = \"registry.tar\"\nadmin = {{ user = \"init\", password = {{ generate = 32 }} }}\n",
        imports.join(", ")
    );
    let digest = |digit: &str| format!("sha256:{}", digit.repeat(64));
    let lock = format!(
        "schema = 1\n[[archive]]\nname = \"registry.tar\"\ndigest = \"{}\"\n\
         [[file]]\nname = \"https://files.example.test/b\"\ndigest = \"{}\"\nsize = 9\n",
        provision_oci::Digest::of(archive),
        digest("b")
    );
    let files: [(&str, &[u8]); 7] = [
        ("site.toml", main.as_bytes()),
        ("site.lock", lock.as_bytes()),
        ("registry.tar", archive),
        ("a.txt", "übung\n".as_bytes()),
        ("a.toml", b"schema = 1\n[[host.file]]\npath = \"/etc/a\"\nsource = \"a.txt\"\n"),
        ("b.toml", b"schema = 1\n[[host.file]]\npath = \"/etc/b\"\nurl = \"https://files.example.test/b\"\n"),
        ("c.toml", b"schema = 1\n[host]\naddresses = { \"b.x\" = [\"::1\"], \"a.x\" = [\"192.0.2.1\"] }\n"),
    ];
    for (name, bytes) in files {
        let path = directory.join(name);
        fs::write(&path, bytes).unwrap();
        File::options().write(true).open(path).unwrap().set_modified(time).unwrap();
    }
}

const ORDERS: [[&str; 3]; 6] =
    [["a", "b", "c"], ["a", "c", "b"], ["b", "a", "c"], ["b", "c", "a"], ["c", "a", "b"], ["c", "b", "a"]];
const LOCALES: [&str; 5] = ["C", "C.UTF-8", "tr_TR.UTF-8", "de_DE.ISO-8859-1", "not a locale"];
const ZONES: [&str; 4] = ["UTC", "Pacific/Kiritimati", "America/St_Johns", "XXX-23:59"];
const UMASKS: [&str; 4] = ["000", "022", "077", "777"];

#[test]
fn a_hundred_runs_give_one_id() {
    let archive = archive();
    let mut seen = BTreeSet::new();
    for run in 0..100usize {
        let bench = Bench::new();
        let place = bench.directory().join(format!("place {run}/{}", "deep/".repeat(run % 4)));
        let time = SystemTime::UNIX_EPOCH + Duration::from_secs(u64::try_from(run * run * 100_003).unwrap());
        write(&place, &archive, &ORDERS[run % 6], time);
        // By its name, from its own directory, or from another one.
        let (here, named) = match run % 3 {
            0 => (place.clone(), "site.toml".into()),
            1 => (bench.directory(), place.join("site.toml")),
            _ => (place.join(".."), place.strip_prefix(place.parent().unwrap()).unwrap().join("site.toml")),
        };
        let mut command = Command::new("sh");
        command.args(["-c", &format!("umask {}; exec \"$@\"", UMASKS[run / 3 % 4]), "sh"]);
        command.arg(env!("CARGO_BIN_EXE_provision")).arg("plan").arg(named).args(["--json", "--root"]);
        command.arg(bench.root()).current_dir(here).env_clear().env("PATH", "/usr/bin:/bin");
        command.env("LC_ALL", LOCALES[run % 5]).env("TZ", ZONES[run / 2 % 4]);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let plan: Value = bench.finish(command).expect(2).json();
        seen.insert(plan["state_id"].as_str().unwrap().to_owned());
    }
    assert_eq!(seen.len(), 1, "{seen:?}");
}

/// The id that a plan shows is the one that the apply records.
#[test]
fn a_plan_and_its_apply_have_one_id() {
    let bench = Bench::new();
    let profile = bench.profile("motd", &bench.file("/etc/motd", "hello\n"));
    let profile = profile.to_str().unwrap();
    let planned = bench.on_root(&["plan", profile, "--json"]).expect(2).json();
    let applied = bench.on_root(&["apply", profile, "--json"]).expect(0).json();
    assert_eq!(applied["report"]["state_id"], planned["state_id"]);
    let again = bench.on_root(&["plan", profile, "--json"]).expect(0).json();
    assert_eq!(again["state_id"], planned["state_id"]);
}
