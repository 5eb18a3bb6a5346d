//! The file that makes a profile exact: its text, what is wrong with one, and what a profile has to have in it.

#![expect(clippy::unwrap_used, reason = "what fails here fails the test")]

use std::collections::BTreeMap;
use std::path::Path;

use proptest::prelude::*;
use provision_converge::State;
use provision_host::facts::Facts;
use provision_oci::Digest;
use provision_profile::lock::{Component, Entry, Key, Kind, Pin, Platform, Release};
use provision_profile::{Error, Exact, Lock, Problem, Profile, load, resolve};

fn facts(name: &str) -> Facts {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/facts").join(name).with_extension("json");
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

fn profile(text: &str) -> Profile {
    let text = format!("schema = 1\nname = \"t\"\n{text}");
    load(Path::new("/p/t.toml"), &[], &|_| Ok(text.as_bytes().to_vec())).unwrap()
}

fn digest(text: &str) -> Digest {
    Digest::of(text.as_bytes())
}

fn key(kind: Kind, name: &str, host: Option<&str>) -> Key {
    Key { kind, name: name.to_owned(), host: host.map(str::to_owned) }
}

/// One entry of each kind.
fn example() -> Lock {
    let platform = |name: &str| Platform { digest: digest(name), id: digest("id") };
    let component = |name: &str, size| {
        let image = format!("quay.io/openshift-release-dev/ocp-v4.0-art-dev@{}", digest(name));
        (name.to_owned(), Component { image, size })
    };
    let release = Release {
        digest: digest("release"),
        version: "4.10.0".to_owned(),
        architecture: "x86_64".to_owned(),
        size: 123_456_789,
        components: [component("cli", 23_456_789), component("etcd", 100_000_000)].into(),
    };
    let platforms = [("amd64".to_owned(), platform("a")), ("arm64".to_owned(), platform("b"))].into();
    let version = |version: &str| Entry::Package { version: version.to_owned() };
    let entries = BTreeMap::from([
        (key(Kind::Archive, "registry.tar", None), Entry::Archive { digest: digest("tar") }),
        (
            key(Kind::File, "https://files.example.test/site.conf", None),
            Entry::File { digest: digest("file"), size: 42 },
        ),
        (
            key(Kind::Image, "docker.io/library/registry:3", None),
            Entry::Image { digest: digest("list"), platforms },
        ),
        (key(Kind::Package, "jq", Some("rhel-9 x86_64")), version("1.6-17.el9")),
        (key(Kind::Package, "jq", Some("debian-12 x86_64")), version("1.6-2.1+deb12u1")),
        (
            key(Kind::Release, "quay.io/openshift-release-dev/ocp-release:4.10.0-x86_64", None),
            Entry::Release(release),
        ),
    ]);
    Lock { entries }
}

fn read(text: &str) -> Result<Lock, Error> {
    Lock::read(Path::new("/p/t.lock"), text)
}

#[test]
fn a_lock_reads_well_and_back() {
    let text = example().text();
    insta::assert_snapshot!(text);
    let again = read(&text).unwrap();
    assert_eq!(again, example());
    assert_eq!(again.text(), text);
    assert_eq!(read(&Lock::default().text()).unwrap(), Lock::default());
}

/// Where, what is wrong, and the help.
fn complaints(text: &str) -> Vec<String> {
    match read(text) {
        Err(Error::BadLock(problems)) => {
            let shown = |one: &Problem| format!("{}: {}", one.origin(), one.title());
            problems.iter().map(shown).collect()
        }
        other => panic!("{text}: {other:?}"),
    }
}

#[test]
fn what_is_wrong_with_a_lock_is_told_with_its_line() {
    let check = |text: &str, expected: &[&str]| assert_eq!(complaints(text), expected, "{text}");
    check("", &["/p/t.lock:1: the lock lacks `schema = 1`"]);
    check("schema = 2\n[[moon]]\n", &["/p/t.lock:1: schema 2 is newer than this provision"]);
    check("schema = \"1\"\n", &["/p/t.lock:1: `schema` expects 1"]);
    // A merge that nobody finished.
    let words = complaints("schema = 1\n<<<<<<< HEAD\n");
    assert!(words[0].starts_with("/p/t.lock:2: not valid TOML: "), "{words:?}");
    check("schema = 1\n[[image]]\nname = \"x\"\n", &["/p/t.lock:2: `image[0]` lacks the key `digest`"]);
    check("schema = 1\n[[imgae]]\n", &["/p/t.lock:2: unknown key `imgae` in `lock`"]);
    let archive = format!("[[archive]]\nname = \"a.tar\"\ndigest = \"{}\"\n", digest("x"));
    let twice = format!("schema = 1\n{archive}{archive}");
    check(&twice, &["/p/t.lock:5: archive a.tar is locked twice"]);
    let short = twice.replace("sha256:", "sha1:");
    let title = format!(
        "`archive[0].digest` expects a digest: `sha256:` and 64 hexadecimal digits, found \"{}\"",
        digest("x").to_string().replace("sha256:", "sha1:")
    );
    check(
        &short,
        &[&format!("/p/t.lock:4: {title}"), &format!("/p/t.lock:7: {}", title.replace("[0]", "[1]"))],
    );
    check(
        "schema = 1\n[[package]]\nname = \"jq\"\nhost = \"debian-12 x86_64\"\nversion = \"1; rm\"\n",
        &["/p/t.lock:5: `package[0].version` expects the version of a package, found \"1; rm\""],
    );
    let negative = format!("schema = 1\n[[file]]\nname = \"x\"\ndigest = \"{}\"\nsize = -1\n", digest("x"));
    check(
        &negative,
        &["/p/t.lock:5: `file[0].size` expects an integer from 0 to 9223372036854775807, found -1"],
    );
}

const LOOSE: &str = "\
[host]
hostname = \"r.x\"
packages = [\"podman\", { name = \"jq\", version = \"locked\" }, { name = \"tar\", version = \"1.34\" }]
[[host.file]]
path = \"/etc/a\"
url = \"https://files.example.test/a\"
[[host.file]]
path = \"/etc/b\"
url = \"https://files.example.test/b\"
digest = \"sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\"
[registry]
backend = \"distribution\"
archive = \"registry.tar\"
admin = { user = \"init\", password = { generate = 32 } }
[mirror]
repository = \"ocp4/openshift4\"
[[mirror.release]]
image = \"quay.io/openshift-release-dev/ocp-release:4.10.0-x86_64\"
[[mirror.release]]
image = \"quay.io/openshift-release-dev/ocp-release@sha256:bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb\"
";

fn titles(found: Result<Exact, Error>) -> Vec<String> {
    match found {
        Err(Error::Unlocked(problems)) => {
            problems.iter().map(|one| format!("{}: {}", one.origin(), one.title())).collect()
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_is_loose_has_to_be_locked() {
    let (profile, facts) = (profile(LOOSE), facts("debian-12"));
    let loose = [
        "/p/t.toml:8: file https://files.example.test/a is not locked",
        "/p/t.toml:5: package jq (debian-12 x86_64) is not locked",
        "/p/t.toml:20: release quay.io/openshift-release-dev/ocp-release:4.10.0-x86_64 is not locked",
    ];
    assert_eq!(titles(Exact::of(&profile, &facts, None)), loose);
    // A lock that is there has to have all of it.
    let all = titles(Exact::of(&profile, &facts, Some(&Lock::default())));
    assert_eq!(all.len(), 5, "{all:?}");
    assert_eq!(all[0], "/p/t.toml:15: archive registry.tar is not locked");
    let by_digest = all.last().unwrap();
    assert!(by_digest.contains("ocp-release@sha256:bbbb"), "{by_digest}");
}

#[test]
fn the_lock_decides_what_the_names_mean() {
    let (profile, facts) = (
        profile(&LOOSE.replace(
            "archive =",
            "digest = \"sha256:cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc\"\narchive =",
        )),
        facts("debian-12"),
    );
    let mut lock = Lock::default();
    for Pin { key, .. } in profile.pins(&facts) {
        let entry = match key.kind {
            Kind::File => Entry::File { digest: digest("a"), size: 1 },
            Kind::Package => Entry::Package { version: "1.6-2.1".to_owned() },
            Kind::Release => Entry::Release(Release {
                digest: format!("sha256:{}", "b".repeat(64)).parse().unwrap(),
                version: "4.10.0".to_owned(),
                architecture: "x86_64".to_owned(),
                size: 0,
                components: BTreeMap::new(),
            }),
            other => panic!("{other:?}"),
        };
        lock.entries.insert(key, entry);
    }
    let mut exact = Exact::of(&profile, &facts, Some(&lock)).unwrap();
    let image =
        provision_profile::LockedImage { name: "localhost/registry:1".to_owned(), id: "1".repeat(64) };
    exact.images.insert("registry".to_owned(), image);
    let desired = resolve(&profile, &facts, &exact).unwrap().desired;
    let state = |id: &str| &desired.resources[&id.parse().unwrap()].state;
    let fingerprint = |id: &str| state(id).content().unwrap().fingerprint.clone().unwrap();
    assert_eq!(fingerprint("file:/etc/a"), digest("a").to_string());
    assert_eq!(desired.remote[&fingerprint("file:/etc/a")].address, "https://files.example.test/a");
    assert_eq!(desired.remote[&fingerprint("file:/etc/b")].size, None);
    let version = |name: &str| match state(&format!("package:{name}")) {
        State::Package(package) => package.version.clone(),
        other => panic!("{other:?}"),
    };
    assert_eq!((version("jq").as_deref(), version("tar").as_deref()), (Some("1.6-2.1"), Some("1.34")));
    assert_eq!(version("podman"), None);
    let content = serde_json::to_string(state("content:ocp4/openshift4")).unwrap();
    let release = format!("ocp-release:4.10.0-x86_64@sha256:{}", "b".repeat(64));
    assert!(content.contains(&release), "{content}");
    // Another host has another version, and this lock has none for it.
    let elsewhere = self::facts("rhel-9");
    let titles = titles(Exact::of(&profile, &elsewhere, Some(&lock)));
    assert_eq!(titles, ["/p/t.toml:5: package jq (rhel-9 x86_64) is not locked"]);
}

#[test]
fn entries_that_are_no_longer_named_go_and_those_of_other_hosts_stay() {
    let mut lock = example();
    let profile = profile("[host]\npackages = [{ name = \"jq\", version = \"locked\" }]\n");
    lock.keep_only(&profile.pins(&facts("debian-13")));
    let left: Vec<String> = lock.entries.keys().map(ToString::to_string).collect();
    assert_eq!(left, ["package jq (debian-12 x86_64)", "package jq (rhel-9 x86_64)"]);
    let changes = example().changes(&lock);
    assert_eq!(changes.len(), 4);
    assert!(changes.iter().all(|change| change.from.is_some() && change.to.is_none()));
}

fn entries() -> impl Strategy<Value = (Key, Entry)> {
    let digests = any::<u64>().prop_map(|seed| digest(&seed.to_string()));
    let size = 0..=i64::MAX.unsigned_abs();
    let platforms = proptest::collection::btree_map(
        "[a-z0-9]{1,8}",
        (digests.clone(), digests.clone()).prop_map(|(digest, id)| Platform { digest, id }),
        0..3,
    );
    let components = proptest::collection::btree_map(
        ".{0,9}",
        (digests.clone(), size.clone())
            .prop_map(|(digest, size)| Component { image: format!("quay.io/a/b@{digest}"), size }),
        0..3,
    );
    let release = (digests.clone(), ".{0,9}", size.clone(), components).prop_map(
        |(digest, version, size, components)| {
            let architecture = version.clone();
            Entry::Release(Release { digest, version, architecture, size, components })
        },
    );
    let name = "(.|\n|\"|\\\\|\u{1}){0,20}";
    prop_oneof![
        (name, digests.clone())
            .prop_map(|(name, digest)| (key(Kind::Archive, &name, None), Entry::Archive { digest })),
        (name, digests.clone(), size)
            .prop_map(|(name, digest, size)| (key(Kind::File, &name, None), Entry::File { digest, size })),
        (name, digests, platforms).prop_map(|(name, digest, platforms)| {
            (key(Kind::Image, &name, None), Entry::Image { digest, platforms })
        }),
        (name, name, "[a-z0-9][a-z0-9+:~^.-]{0,9}").prop_map(|(name, host, version)| {
            (key(Kind::Package, &name, Some(&host)), Entry::Package { version })
        }),
        (name, release).prop_map(|(name, entry)| (key(Kind::Release, &name, None), entry)),
    ]
}

proptest! {
    #[test]
    fn every_lock_is_read_back_as_it_was_written(
        entries in proptest::collection::vec(entries(), 0..6)
    ) {
        let lock = Lock { entries: entries.into_iter().collect() };
        let text = lock.text();
        let again = read(&text).unwrap();
        prop_assert_eq!(&again, &lock);
        prop_assert_eq!(again.text(), text);
    }

    #[test]
    fn no_text_makes_the_reader_panic(text in "(schema = [0-9]|\\[\\[(image|file|release|package)\\]\\]|name|digest|size|=|\n|\"|\\{|[0-9]|\\PC)*") {
        let _ = read(&text);
        let _ = read(&format!("schema = 1\n{text}"));
    }

    #[test]
    fn no_damage_makes_the_reader_panic(at in 0..2000usize, byte in any::<char>()) {
        let mut text: Vec<char> = example().text().chars().collect();
        let at = at % text.len();
        text[at] = byte;
        if let Err(error) = read(&text.into_iter().collect::<String>()) {
            prop_assert!(matches!(error, Error::BadLock(_)));
        }
    }
}
