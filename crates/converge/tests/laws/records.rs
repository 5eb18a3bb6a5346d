//! The laws of what is on record, whatever was applied, gone back to, taken back and removed: it can be proved, what is
//! kept can be gone back to, and no byte of it changes unnoticed.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use proptest::prelude::*;
use provision_converge::{Collected, Desired, Engine, Keep, Proof, Records, Vault};
use provision_host::{Family, Host};
use provision_oci::assemble::{ImageSpec, scratch_image};

use super::{Bench, Declared, STATE, file, plain, profile, resource};

/// One thing that happens to a host.
#[derive(Debug, Clone)]
enum Act {
    Apply(Vec<Declared>),
    /// An apply that is stopped before this step.
    Stop(Vec<Declared>, usize),
    /// Somebody writes into the first file.
    Drift,
    /// Back to one of the generations that are kept.
    Rollback(prop::sample::Index),
    Gc(usize),
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let act = prop_oneof![
        4 => profile().prop_map(Act::Apply),
        1 => (profile(), 0..4usize).prop_map(|(profile, step)| Act::Stop(profile, step)),
        1 => Just(Act::Drift),
        2 => any::<prop::sample::Index>().prop_map(Act::Rollback),
        2 => (1..4usize).prop_map(Act::Gc),
    ];
    proptest::collection::vec(act, 1..8)
}

const ALL: Keep = Keep { newest: Some(usize::MAX), since: None };

impl Bench {
    fn live(&self, acts: &[Act]) {
        for act in acts {
            match act {
                Act::Apply(profile) => drop(self.applies(&self.desired(profile))),
                Act::Stop(profile, step) => drop(self.try_apply(&self.desired(profile), *step)),
                Act::Drift => {
                    let path = self.directory.path().join("etc/a");
                    if path.is_file() {
                        fs::write(path, "drifted").unwrap();
                    }
                }
                Act::Rollback(index) => {
                    let kept: Vec<u64> = self.prove().kept;
                    if !kept.is_empty() {
                        self.go_back(*index.get(&kept));
                    }
                }
                Act::Gc(newest) => drop(self.gc(&Keep { newest: Some(*newest), since: None })),
            }
        }
    }

    fn with_engine<T>(&self, then: impl FnOnce(&Engine<'_>) -> T) -> T {
        let vault = Vault::new(&self.host.root, STATE);
        then(&Engine::new(&self.host, Family::Debian, &vault))
    }

    fn prove(&self) -> Proof {
        self.with_engine(|engine| engine.prove_records())
    }

    fn gc(&self, keep: &Keep) -> Collected {
        self.with_engine(|engine| engine.collect(keep, false).unwrap())
    }

    fn go_back(&self, number: u64) {
        let desired = Records::new(&self.host.root, STATE).desired(number).unwrap();
        self.apply(&desired);
        assert!(self.plan_is_empty(&desired));
    }

    /// The files below the state directory, but for the lock: there is none in these tests.
    fn records(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        let mut tree = BTreeMap::new();
        let state = self.directory.path().join(&STATE[1..]);
        if state.exists() {
            self.walk(&state, &mut tree);
        }
        let path = |path: PathBuf| self.directory.path().join(path);
        tree.into_iter()
            .map(|(name, (.., bytes))| (path(name), bytes))
            .filter(|(path, _)| path.is_file())
            .collect()
    }

    /// The files of which no byte may change, with their bytes.
    fn watched(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        let mut files = self.records();
        let is_below = |path: &Path, name: &str| path.to_string_lossy().contains(&format!("/{name}/"));
        files.retain(|path, bytes| !bytes.is_empty() && !is_below(path, "lost+found"));
        // The key alone keeps nothing.
        let secrets = files.keys().filter(|path| is_below(path, "secrets")).count();
        files.retain(|path, _| secrets > 1 || !path.ends_with("secrets/host.key"));
        files
    }

    /// Another host, the same to the byte.
    fn copy(&self) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let mut cp = std::process::Command::new("cp");
        let status =
            cp.arg("-a").arg(self.directory.path().join(".")).arg(directory.path()).status().unwrap();
        assert!(status.success());
        let host = Host::with_root(directory.path()).unwrap();
        Self { directory, host }
    }
}

/// Writes a file whatever its mode.
fn overwrite(path: &Path, bytes: &[u8]) {
    fs::remove_file(path).unwrap();
    fs::write(path, bytes).unwrap();
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn whatever_happened_it_can_be_proved_and_gone_back_to(
        prior in super::prior(), acts in acts(), back in any::<prop::sample::Index>(),
    ) {
        let bench = Bench::new(&prior);
        let before = bench.tree();
        bench.live(&acts);
        let proof = bench.prove();
        prop_assert!(proof.is_whole(), "{:?}", proof.flaws);
        if !proof.kept.is_empty() {
            bench.go_back(*back.get(&proof.kept));
        }
        let again = bench.prove();
        prop_assert!(again.is_whole(), "{:?}", again.flaws);
        bench.gc(&Keep { newest: Some(1), since: None });
        bench.apply(&Desired::default());
        let end = bench.prove();
        prop_assert!(end.is_whole(), "{:?}", end.flaws);
        if !acts.iter().any(|act| matches!(act, Act::Drift)) {
            prop_assert_eq!(bench.tree(), before);
        }
    }

    #[test]
    fn no_byte_on_record_changes_unnoticed(
        prior in super::prior(),
        acts in acts(),
        place in any::<prop::sample::Index>(),
        flip in 1..=255u8,
    ) {
        let bench = Bench::new(&prior);
        bench.live(&acts);
        bench.gc(&ALL);
        for (path, bytes) in bench.watched() {
            let mut flipped = bytes.clone();
            flipped[place.index(bytes.len())] ^= flip;
            overwrite(&path, &flipped);
            prop_assert!(!bench.prove().is_whole(), "{}", path.display());
            overwrite(&path, &bytes);
        }
        prop_assert!(bench.prove().is_whole());
    }

    #[test]
    fn a_removal_that_is_cut_off_anywhere_is_completed(
        prior in super::prior(), acts in acts(), newest in 1..3usize, cut in any::<u64>(),
        back in any::<prop::sample::Index>(),
    ) {
        let bench = Bench::new(&prior);
        bench.live(&acts);
        let keep = Keep { newest: Some(newest), since: None };
        let (whole, before) = (bench.copy(), bench.records());
        whole.gc(&keep);
        let after: BTreeSet<PathBuf> =
            whole.records().into_keys().map(|path| path.strip_prefix(whole.directory.path()).unwrap().into()).collect();
        let gone = before.keys().filter(|path| !after.contains(path.strip_prefix(bench.directory.path()).unwrap()));
        // The list of what goes is written first; then any of the files that go may be gone.
        let list = "var/lib/provision/removed.json";
        if let Ok(bytes) = fs::read(whole.directory.path().join(list)) {
            fs::write(bench.directory.path().join(list), bytes).unwrap();
        }
        for (number, path) in gone.enumerate().collect::<Vec<_>>() {
            if cut >> (number % 64) & 1 == 1 {
                fs::remove_file(path).unwrap();
            }
        }
        let proof = bench.prove();
        prop_assert!(proof.is_whole(), "{:?}", proof.flaws);
        let collected = bench.gc(&keep);
        prop_assert_eq!(bench.prove().kept, proof.kept.clone());
        prop_assert!(collected.removed.is_empty());
        let completed: BTreeSet<PathBuf> =
            bench.records().into_keys().map(|path| path.strip_prefix(bench.directory.path()).unwrap().into()).collect();
        prop_assert_eq!(completed, after);
        prop_assert_eq!(bench.gc(&keep).files, 0);
        if !proof.kept.is_empty() {
            bench.go_back(*back.get(&proof.kept));
        }
    }
}

#[test]
fn of_what_was_made_here_only_archives_of_images_go() {
    let bench = Bench::new(&[plain("/srv/x", "from before\n", 0o644)]);
    let vault = Vault::new(&bench.host.root, STATE);
    let archive = |program: &[u8]| {
        let spec = ImageSpec {
            name: "localhost/x:1".into(),
            program: "x".into(),
            entrypoint: vec!["/x".into()],
            directories: Vec::new(),
            labels: BTreeMap::new(),
            architecture: "amd64".into(),
        };
        scratch_image(program, &spec).unwrap().archive
    };
    let (old, new) = (archive(b"old"), archive(b"new"));
    for (name, bytes, secret) in [
        ("image-old", old.as_slice(), false),
        ("image-new", &new, false),
        ("certificate", b"pem", false),
        ("password", b"before", true),
        ("password", b"now", true),
    ] {
        vault.put(name, bytes, secret).unwrap();
    }
    let mut desired = Desired::default();
    let content = vault.content("image-old", false).unwrap();
    desired.insert(provision_converge::ResourceId::file("/srv/x"), resource(file(content, 0o644)));
    bench.apply(&desired);
    desired = Desired::default();
    let content = vault.content("image-new", false).unwrap();
    desired.insert(provision_converge::ResourceId::file("/srv/x"), resource(file(content, 0o644)));
    bench.apply(&desired);
    // The password that was replaced, and the pre-image of a step that will not be taken back any more.
    assert_eq!(bench.gc(&ALL).files, 2);
    assert_eq!(bench.gc(&Keep { newest: Some(1), since: None }).removed, [1].into());
    let there = |name: &str| vault.get(name).unwrap().map(|bytes| bytes.to_vec());
    assert_eq!((there("image-old"), there("image-new")), (None, Some(new)));
    assert_eq!((there("certificate"), there("password")), (Some(b"pem".to_vec()), Some(b"now".to_vec())));
    assert!(!bench.records().keys().any(|path| path.to_string_lossy().contains("image-old")));
    assert!(bench.prove().is_whole());
}

#[test]
fn nothing_goes_while_it_is_not_known_what_is_in_force() {
    let bench = Bench::new(&[]);
    let vault = Vault::new(&bench.host.root, STATE);
    // Nothing that is declared has them, as with the key of an authority.
    vault.put("key", b"canary of before", true).unwrap();
    vault.put("key", b"canary in force", true).unwrap();
    bench.apply(&bench.desired(&[Declared::Part { name: 0, text: "a\n".into() }]));
    let pointer = bench.directory.path().join(&STATE[1..]).join("secrets/key/current");
    let named = fs::read(&pointer).unwrap();
    for place in 0..named.len() {
        let mut damaged = named.clone();
        damaged[place] ^= 1;
        overwrite(&pointer, &damaged);
        let refused = bench.with_engine(|engine| engine.collect(&ALL, false).is_err());
        assert!(refused, "{}", String::from_utf8_lossy(&damaged));
        assert!(!bench.prove().is_whole());
    }
    fs::remove_file(&pointer).unwrap();
    assert_eq!(bench.gc(&ALL).files, 0);
    assert!(!bench.prove().is_whole());
    fs::write(&pointer, &named).unwrap();
    assert_eq!(bench.gc(&ALL).files, 1);
    assert_eq!(vault.get("key").unwrap().unwrap().as_slice(), b"canary in force");
}

#[test]
fn what_is_still_json_is_no_less_damaged() {
    let bench = Bench::new(&[plain("/etc/a", "from before\n", 0o644)]);
    let declared = |text: &str| {
        [Declared::File { name: 0, text: text.into(), mode: 0o644 }, Declared::Secret { name: 1 }]
    };
    for text in ["one", "two"] {
        bench.apply(&bench.desired(&declared(text)));
    }
    bench.gc(&Keep { newest: Some(1), since: None });
    let state = bench.directory.path().join(&STATE[1..]);
    for (name, from, to) in [
        ("baseline.json", "\"mode\": 420", "\"mode\": 421"),
        ("baseline.json", "  ", " \n"),
        ("removed.json", "  ", " \n"),
        ("removed.json", "1\n", "2\n"),
        ("generations/0001/report.json", "  ", " \n"),
        ("generations/0002/report.json", "\"steps\": 1", "\"steps\": 2"),
        ("secrets/password/current", "hmac", "imac"),
        ("generations/0002/report.json", "{", "{\n  \"more\": 1,"),
        ("generations/0002/asked.json", "a test", "a king"),
        ("generations/0002/plan.json", "  ", " \n"),
    ] {
        let path = state.join(name);
        let text = fs::read_to_string(&path).unwrap();
        let damaged = text.replacen(from, to, 1);
        assert_ne!(damaged, text, "{name} has no {from:?}");
        overwrite(&path, damaged.as_bytes());
        assert!(!bench.prove().is_whole(), "{name}: {from:?} became {to:?}");
        overwrite(&path, text.as_bytes());
        assert!(bench.prove().is_whole());
    }
}
