//! What the shipped profiles, and each key of `[preflight]`, require of a host.

#![expect(clippy::unwrap_used, reason = "what fails here fails the test")]

use std::fmt::Write as _;
use std::path::Path;

use provision_oci::client::SYSTEM_BUNDLES;
use provision_podman_units::Tier;
use provision_preflight::{Requirement, TIERS};
use provision_profile::{Profile, load};
use provision_trust_store::{ANCHORS_DEBIAN, ANCHORS_RED_HAT};

fn shown(requirements: &[Requirement]) -> Vec<String> {
    requirements.iter().map(|one| serde_json::to_string(one).unwrap()).collect()
}

fn profile(text: &str) -> Profile {
    let text = format!("schema = 1\nname = \"t\"\n{text}");
    load(Path::new("/t.toml"), &[], &|_| Ok(text.as_bytes().to_vec())).unwrap()
}

#[test]
fn the_shipped_profiles() {
    let mut text = String::new();
    for name in ["bastion", "bastion-distribution", "podman-host"] {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../profiles").join(format!("{name}.toml"));
        let profile = load(&path, &[], &|path| std::fs::read(path)).unwrap();
        let _ = writeln!(text, "{name}\n    {}", shown(&profile.requirements(false)).join("\n    "));
    }
    insta::assert_snapshot!(text);
}

#[test]
fn each_key_by_itself() {
    let check = |text: &str, expected: &[&str]| {
        assert_eq!(shown(&profile(text).requirements(false)), expected, "{text}");
    };
    const CONTAINERS: [&str; 3] =
        [r#"{"require":"cgroup2"}"#, r#"{"require":"selinux"}"#, r#"{"require":"clock","after":null}"#];
    let podman = |requirement: &'static str| [&[requirement][..], &CONTAINERS].concat();
    check("", &[]);
    check(
        "[preflight]\npodman = \">=4.4.1\"\n",
        &podman(r#"{"require":"podman","at_least":"4.4.1","installed_by_us":false}"#),
    );
    // Nothing is written for anything older than the oldest tier.
    check(
        "[preflight]\npodman = \">=3\"\n[host]\npackages = [\"podman\"]\n",
        &podman(r#"{"require":"podman","at_least":"3.3","installed_by_us":true}"#),
    );
    check("[host]\npackages = [\"jq\"]\n", &[r#"{"require":"packages","names":["jq"]}"#]);
    check("[preflight]\nsudo = \"passwordless\"\n", &[r#"{"require":"sudo"}"#]);
    check("[preflight]\nssh = {}\n", &[r#"{"require":"ssh-keys"}"#]);
    check(
        "[preflight]\nssh = { keys = false, login = \"root@localhost\" }\n",
        &[r#"{"require":"ssh-login","user":"root","host":"localhost"}"#],
    );
    check(
        "[preflight]\ndisk = [{ path = \"/srv\", free = \"1KiB\" }]\n",
        &[r#"{"require":"disk","path":"/srv","free":1024,"filled_by_us":false}"#],
    );
    check("[preflight]\nmemory = \"2KiB\"\n", &[r#"{"require":"memory","bytes":2048}"#]);
    check("[preflight]\ncpus = 2\n", &[r#"{"require":"cpus","count":2}"#]);
    check(
        "[preflight]\nrootless = \"core\"\n",
        &[
            r#"{"require":"subordinate-ids","user":"core","count":65536}"#,
            r#"{"require":"linger","user":"core"}"#,
        ],
    );
    check(
        "[host]\nhostname = \"a.x\"\naddresses = { \"a.x\" = [\"10.0.0.5\"], \"b.x\" = [\"10.0.0.6\"] }\n",
        &[
            r#"{"require":"name","name":"a.x","declared":["10.0.0.5"]}"#,
            r#"{"require":"name-sources","name":"a.x","declared":["10.0.0.5"]}"#,
            r#"{"require":"name-sources","name":"b.x","declared":["10.0.0.6"]}"#,
        ],
    );
}

#[test]
fn what_was_mirrored_already_is_not_held_against_the_host() {
    let disk = "[preflight]\ndisk = [{ path = \"/srv\", free = \"1KiB\" }]\n";
    let requirements = profile(disk).requirements(true);
    assert!(matches!(requirements[..], [Requirement::Disk { filled_by_us: true, .. }]), "{requirements:?}");
}

/// preflight stands alone, so it has a table of its own: it must say what units are written for.
#[test]
fn both_tables_of_tiers_agree() {
    for (first, name) in TIERS {
        let version = format!("{first}.0").parse().unwrap();
        assert_eq!(Tier::of(version).to_string(), *name);
        let first: provision_podman_units::Version = first.to_string().parse().unwrap();
        assert!([Tier::OLDEST, Tier::QUADLET].contains(&first), "{first}");
    }
    assert_eq!(TIERS.len(), 2);
}

/// oci stands alone as well: what its client trusts is what anchors are extracted to.
#[test]
fn clients_read_the_bundles_that_anchors_arrive_in() {
    assert_eq!(SYSTEM_BUNDLES, [ANCHORS_DEBIAN.bundle, ANCHORS_RED_HAT.bundle]);
}
