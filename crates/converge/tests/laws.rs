//! The laws of the engine, over random declarations and random hosts, on a temporary root.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "laws/records.rs"]
mod records;

use std::cell::Cell;
use std::collections::BTreeMap;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use proptest::prelude::*;
use provision_converge::{
    Aftermath, Applied, Desired, DirectoryState, Engine, Error, Event, Failure, FileState, PartState,
    Request, Resource, ResourceId, State, SymlinkState, Vault,
};
use provision_host::{Family, Host};

const STATE: &str = "/var/lib/provision";

/// One thing a random profile declares.
#[derive(Debug, Clone)]
enum Declared {
    File { name: usize, text: String, mode: u32 },
    Link { name: usize, target: String },
    Part { name: usize, text: String },
    Secret { name: usize },
}

const FILES: [&str; 4] = ["/etc/a", "/etc/d/b", "/etc/d/e/c", "/srv/x"];
const PARTS: [&str; 2] = ["/etc/hosts", "/etc/d/hosts"];

fn declared() -> impl Strategy<Value = Declared> {
    prop_oneof![
        (0..4usize, "[a-c]{0,2}", prop_oneof![Just(0o644), Just(0o600)])
            .prop_map(|(name, text, mode)| Declared::File { name, text, mode }),
        (0..4usize, "[a-c]").prop_map(|(name, target)| Declared::Link { name, target }),
        (0..2usize, "[a-c]{1,2}\n").prop_map(|(name, text)| Declared::Part { name, text }),
        (0..4usize).prop_map(|name| Declared::Secret { name }),
    ]
}

fn profile() -> impl Strategy<Value = Vec<Declared>> {
    proptest::collection::vec(declared(), 0..5)
}

/// What somebody else put on the host, at a path.
#[derive(Debug, Clone)]
struct Prior {
    path: &'static str,
    what: What,
    /// Owner and group, where the test may give files away.
    owner: u32,
    /// Whether it has an attribute of its own, where it can have one.
    attribute: bool,
}

#[derive(Debug, Clone)]
enum What {
    File { text: String, mode: u32 },
    Link { target: &'static str },
    Directory { mode: u32 },
}

/// Places of files and parts, of the directories above them, and of one that is in the way of neither.
const PLACES: [&str; 9] = [
    "/etc/a",
    "/etc/d/b",
    "/etc/d/e/c",
    "/srv/x",
    "/etc/hosts",
    "/etc/d/hosts",
    "/etc/d",
    "/etc/d/e",
    "/srv",
];

fn prior() -> impl Strategy<Value = Vec<Prior>> {
    let mode = || prop_oneof![Just(0o644), Just(0o640), Just(0o600), Just(0o755), Just(0o4711), Just(0o444)];
    let what = prop_oneof![
        4 => ("[a-z]{0,3}\n?", mode()).prop_map(|(text, mode)| What::File { text, mode }),
        1 => prop_oneof![Just("real"), Just("../etc/real"), Just("/nowhere")].prop_map(|target| What::Link { target }),
        1 => prop_oneof![Just(0o755), Just(0o700), Just(0o1777)].prop_map(|mode| What::Directory { mode }),
    ];
    let one =
        (proptest::sample::select(&PLACES[..]), what, prop_oneof![3 => Just(0), 1 => Just(7)], any::<bool>());
    let one = one.prop_map(|(path, what, owner, attribute)| Prior { path, what, owner, attribute });
    proptest::collection::vec(one, 0..5)
}

/// A file of root's from before, of which nothing is odd.
fn plain(path: &'static str, text: &str, mode: u32) -> Prior {
    Prior { path, what: What::File { text: text.to_owned(), mode }, owner: 0, attribute: false }
}

impl Prior {
    /// Puts it there, unless something else is in the way.
    fn put(&self, root: &Path) {
        use std::os::unix::fs::symlink;
        let path = root.join(&self.path[1..]);
        let made = std::fs::create_dir_all(path.parent().unwrap());
        if made.is_err() || path.symlink_metadata().is_ok() {
            return;
        }
        let mode = match &self.what {
            What::File { text, mode } => std::fs::write(&path, text).map(|()| Some(*mode)),
            What::Directory { mode } => std::fs::create_dir(&path).map(|()| Some(*mode)),
            What::Link { target } => symlink(target, &path).map(|()| None),
        };
        if provision_host::effective_uid() == 0 {
            std::os::unix::fs::lchown(&path, Some(self.owner), Some(self.owner)).unwrap();
        }
        let Some(mode) = mode.unwrap() else { return };
        if self.attribute {
            // Not every file system has them.
            let _ = rustix::fs::setxattr(&path, "user.origin", b"before us", rustix::fs::XattrFlags::empty());
        }
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
    }
}

/// A node: kind and mode, owner, attributes, bytes or target.
type Seen = (u32, u32, Vec<u8>, Vec<u8>);

struct Bench {
    directory: tempfile::TempDir,
    host: Host,
}

impl Bench {
    fn new(prior: &[Prior]) -> Self {
        // In memory, where there is room: every write waits until it is on disk.
        let memory = Path::new("/dev/shm");
        let directory =
            if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() }.unwrap();
        std::fs::create_dir_all(directory.path().join("etc")).unwrap();
        std::fs::write(directory.path().join("etc/real"), "127.0.0.1 localhost\n").unwrap();
        prior.iter().for_each(|prior| prior.put(directory.path()));
        let host = Host::with_root(directory.path()).unwrap();
        Self { directory, host }
    }

    fn desired(&self, profile: &[Declared]) -> Desired {
        let vault = Vault::new(&self.host.root, STATE);
        let mut desired = Desired::default();
        let me = owner();
        for one in profile {
            let (id, state) = match one {
                Declared::File { name, text, mode } => {
                    let content = desired.literal(text.as_bytes());
                    (ResourceId::file(FILES[*name]), file(content, *mode))
                }
                Declared::Secret { name } => {
                    let content = vault.put("password", b"canary in the vault", true).unwrap();
                    (ResourceId::file(FILES[*name]), file(content, 0o600))
                }
                Declared::Link { name, target } => {
                    let (target, owner, group) = (target.clone(), me.clone(), me.clone());
                    (ResourceId::file(FILES[*name]), State::Symlink(SymlinkState { target, owner, group }))
                }
                Declared::Part { name, text } => {
                    let content = Some(desired.literal(text.as_bytes()));
                    let state = State::Part(PartState { content, mode: 0o644 });
                    (ResourceId::part(PARTS[*name], "provision"), state)
                }
            };
            let parents: Vec<PathBuf> = id.path().ancestors().skip(1).map(Path::to_path_buf).collect();
            for parent in parents.iter().filter(|parent| parent.parent().is_some()) {
                let (owner, group) = (me.clone(), me.clone());
                let parents = DirectoryState { mode: 0o755, owner, group, parent: true, xattrs: None };
                desired.insert(ResourceId::file(parent), resource(State::Directory(parents)));
            }
            desired.insert(id, resource(state));
        }
        desired
    }

    fn apply(&self, desired: &Desired) -> Applied {
        self.try_apply(desired, usize::MAX).unwrap()
    }

    /// Applies, unless something is in the way: then nothing is changed, and the answer is false.
    fn applies(&self, desired: &Desired) -> bool {
        let before = self.tree();
        match self.try_apply(desired, usize::MAX) {
            Ok(_) => true,
            Err(failure) => {
                assert!(is_refusal(&failure), "{failure:?}");
                assert_eq!(self.tree(), before);
                false
            }
        }
    }

    /// Applies, and stops before the step with this number.
    fn try_apply(&self, desired: &Desired, stop: usize) -> Result<Applied, Failure> {
        let steps = Cell::new(0);
        let interrupted = || {
            steps.set(steps.get() + 1);
            steps.get() > stop
        };
        self.told_apply(desired, &interrupted, &|_| {})
    }

    fn told_apply(
        &self,
        desired: &Desired,
        interrupted: &dyn Fn() -> bool,
        listener: &dyn Fn(&Event<'_>),
    ) -> Result<Applied, Failure> {
        let vault = Vault::new(&self.host.root, STATE);
        let engine = Engine::new(&self.host, Family::Debian, &vault);
        engine.apply(&Request {
            agreed: None,
            desired,
            name: "random",
            profile: "",
            lock: None,
            who: "a test",
            confirm: None,
            interrupted,
            listener,
        })
    }

    fn recover(&self) {
        let vault = Vault::new(&self.host.root, STATE);
        Engine::new(&self.host, Family::Debian, &vault).recover(&|_| {}).unwrap();
    }

    fn plan_is_empty(&self, desired: &Desired) -> bool {
        let vault = Vault::new(&self.host.root, STATE);
        Engine::new(&self.host, Family::Debian, &vault).plan(desired).unwrap().is_empty()
    }

    /// Everything but provision's own files: path → kind, mode, bytes.
    fn tree(&self) -> BTreeMap<PathBuf, Seen> {
        let mut tree = BTreeMap::new();
        self.walk(self.directory.path(), &mut tree);
        tree.retain(|path, _| !path.starts_with("var"));
        tree
    }

    fn walk(&self, directory: &Path, tree: &mut BTreeMap<PathBuf, Seen>) {
        for entry in std::fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            let meta = path.symlink_metadata().unwrap();
            let bytes = if meta.is_symlink() {
                path.read_link().unwrap().into_os_string().into_encoded_bytes()
            } else if meta.is_dir() {
                self.walk(&path, tree);
                Vec::new()
            } else {
                std::fs::read(&path).unwrap()
            };
            let name = path.strip_prefix(self.directory.path()).unwrap().to_path_buf();
            let mut attribute = vec![0; 64];
            let length = rustix::fs::lgetxattr(&path, "user.origin", &mut attribute).unwrap_or(0);
            attribute.truncate(length);
            tree.insert(name, (meta.mode(), meta.uid(), attribute, bytes));
        }
    }
}

/// Whether an apply did not begin, because of what is there.
fn is_refusal(failure: &Failure) -> bool {
    matches!(failure.aftermath, Aftermath::NothingChanged) && matches!(*failure.cause, Error::Unknown { .. })
}

/// Does something that ends without a word when it is told for the `crash`th time; true when it came to its end.
fn until(crash: usize, done: impl FnOnce(&dyn Fn(&Event<'_>))) -> bool {
    let told = Cell::new(0);
    let listener = |_: &Event<'_>| {
        told.set(told.get() + 1);
        if told.get() > crash {
            std::panic::resume_unwind(Box::new(()));
        }
    };
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| done(&listener))).is_ok()
}

fn owner() -> String {
    match provision_host::effective_uid() {
        0 => "root".to_owned(),
        uid => uid.to_string(),
    }
}

fn file(content: provision_converge::Content, mode: u32) -> State {
    State::File(FileState { content, mode, owner: owner(), group: owner(), xattrs: None })
}

fn resource(state: State) -> Resource {
    Resource { section: "host".into(), order: 0, state, pokes: [].into() }
}

#[test]
fn a_link_to_a_shared_file_stays_one_and_so_does_the_file_s_mode() {
    let bench = Bench::new(&[plain("/etc/hosts", "127.0.0.1 localhost\n", 0o640)]);
    let etc = bench.directory.path().join("etc");
    std::fs::rename(etc.join("hosts"), etc.join("real")).unwrap();
    std::os::unix::fs::symlink("../etc/real", etc.join("hosts")).unwrap();
    let before = bench.tree();
    bench.apply(&bench.desired(&[Declared::Part { name: 0, text: "a\n".into() }]));
    assert!(etc.join("hosts").is_symlink());
    assert!(std::fs::read_to_string(etc.join("real")).unwrap().contains("# BEGIN"));
    assert_eq!(etc.join("real").metadata().unwrap().mode() & 0o777, 0o640);
    bench.apply(&Desired::default());
    assert_eq!(bench.tree(), before);
}

#[test]
fn a_secret_is_not_written_into_a_file_that_others_may_read() {
    for (mode, refused) in [(0o644, true), (0o640, true), (0o600, false)] {
        let bench = Bench::new(&[plain("/etc/hosts", "127.0.0.1 localhost\n", mode)]);
        let before = bench.tree();
        let vault = Vault::new(&bench.host.root, STATE);
        let content = Some(vault.put("password", b"canary in the vault\n", true).unwrap());
        let mut desired = Desired::default();
        let part = State::Part(PartState { content, mode: 0o600 });
        desired.insert(ResourceId::part(PARTS[0], "provision"), resource(part));
        match bench.try_apply(&desired, usize::MAX) {
            Err(failure) => {
                assert!(refused && failure.cause.to_string().contains("chmod 600"), "{}", failure.cause);
                assert_eq!(bench.tree(), before);
            }
            Ok(_) => assert!(!refused),
        }
    }
}

#[test]
fn nothing_is_told_of_a_private_file_in_the_way() {
    let bench = Bench::new(&[plain("/etc/a", "1234\n", 0o600)]);
    let before = bench.tree();
    let desired = bench.desired(&[Declared::File { name: 0, text: "a".into(), mode: 0o600 }]);
    let vault = Vault::new(&bench.host.root, STATE);
    let plan = Engine::new(&bench.host, Family::Debian, &vault).plan(&desired).unwrap();
    bench.apply(&desired);
    let mut tree = BTreeMap::new();
    bench.walk(&bench.directory.path().join("var"), &mut tree);
    let digest = provision_converge::desired::plain_fingerprint(b"1234\n");
    let told = |bytes: &[u8]| String::from_utf8_lossy(bytes).contains(&digest[7..]);
    assert!(!told(serde_json::to_string(&plan).unwrap().as_bytes()));
    for (path, (.., bytes)) in tree {
        assert!(!told(&bytes) && !path.to_string_lossy().contains(&digest[7..]), "{}", path.display());
        assert!(bytes != b"1234\n" || path.starts_with("var/lib/provision/secrets"), "{}", path.display());
    }
    // What the profile itself says is no secret: it is compared, and changed, as any other.
    assert!(bench.plan_is_empty(&desired));
    bench.apply(&bench.desired(&[Declared::File { name: 0, text: "b".into(), mode: 0o600 }]));
    bench.apply(&Desired::default());
    assert_eq!(bench.tree(), before);
}

#[test]
fn what_drifts_in_one_file_is_kept_apart() {
    let bench = Bench::new(&[]);
    let mut desired = bench.desired(&[Declared::Part { name: 0, text: "ours\n".into() }]);
    let content = Some(desired.literal(*b"ours\n"));
    let state = State::Part(PartState { content, mode: 0o644 });
    desired.insert(ResourceId::part(PARTS[0], "other"), resource(state));
    bench.apply(&desired);
    let block = |part: &str, text: &str| format!("# BEGIN {part}\n{text}\n# END {part}\n");
    let drifted = block("provision", "one") + &block("other", "two");
    std::fs::write(bench.directory.path().join("etc/hosts"), drifted).unwrap();
    bench.apply(&desired);
    let mut kept = BTreeMap::new();
    bench.walk(&bench.directory.path().join("var/lib/provision/lost+found"), &mut kept);
    let kept: Vec<_> = kept.values().map(|(.., bytes)| bytes.as_slice()).collect();
    assert_eq!(kept, [b"two\n", b"one\n"]);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn an_apply_converges_and_a_second_one_changes_nothing(prior in prior(), profile in profile()) {
        let bench = Bench::new(&prior);
        let desired = bench.desired(&profile);
        prop_assume!(bench.applies(&desired));
        prop_assert!(bench.plan_is_empty(&desired));
        let before = bench.tree();
        prop_assert_eq!(bench.apply(&desired), Applied::Nothing);
        prop_assert_eq!(bench.tree(), before);
    }

    #[test]
    fn the_path_to_a_state_does_not_matter(prior in prior(), first in profile(), second in profile()) {
        let (long, short) = (Bench::new(&prior), Bench::new(&prior));
        prop_assume!(long.applies(&long.desired(&first)) && long.applies(&long.desired(&second)));
        short.apply(&short.desired(&second));
        prop_assert_eq!(long.tree(), short.tree());
    }

    #[test]
    fn destroy_is_identity(prior in prior(), first in profile(), second in profile()) {
        let bench = Bench::new(&prior);
        let before = bench.tree();
        bench.applies(&bench.desired(&first));
        bench.applies(&bench.desired(&second));
        bench.apply(&Desired::default());
        prop_assert_eq!(bench.tree(), before);
    }

    #[test]
    fn a_rollback_is_the_inverse_of_an_apply(prior in prior(), first in profile(), second in profile()) {
        let bench = Bench::new(&prior);
        prop_assume!(bench.applies(&bench.desired(&first)));
        let before = bench.tree();
        // What is on record has no bytes: they come from the store.
        let vault = Vault::new(&bench.host.root, STATE);
        let recorded = Engine::new(&bench.host, Family::Debian, &vault).recorded().unwrap();
        prop_assume!(bench.applies(&bench.desired(&second)));
        bench.apply(&recorded);
        prop_assert_eq!(bench.tree(), before);
    }

    #[test]
    fn a_plan_is_read_only(prior in prior(), first in profile(), second in profile()) {
        let bench = Bench::new(&prior);
        bench.applies(&bench.desired(&first));
        let second = bench.desired(&second);
        let whole = || {
            let mut tree = BTreeMap::new();
            bench.walk(bench.directory.path(), &mut tree);
            tree
        };
        let before = whole();
        bench.plan_is_empty(&second);
        prop_assert_eq!(whole(), before);
    }

    #[test]
    fn an_apply_that_is_stopped_anywhere_leaves_what_was_there(
        prior in prior(), first in profile(), second in profile(), stop in 0..6usize,
    ) {
        let bench = Bench::new(&prior);
        bench.applies(&bench.desired(&first));
        let before = bench.tree();
        let second = bench.desired(&second);
        match bench.try_apply(&second, stop) {
            Ok(_) => prop_assert!(bench.plan_is_empty(&second)),
            Err(failure) => {
                // Where nothing is to do the proof is interrupted, and there is nothing to take back.
                let aftermath = &failure.aftermath;
                prop_assert!(matches!(aftermath, Aftermath::Undone | Aftermath::NothingChanged), "{failure:?}");
                prop_assert_eq!(bench.tree(), before);
            }
        }
    }

    #[test]
    fn a_crash_between_any_two_events_is_taken_back(
        prior in prior(), first in profile(), second in profile(), crash in 0..30usize, again in 0..20usize,
    ) {
        let bench = Bench::new(&prior);
        bench.applies(&bench.desired(&first));
        let before = bench.tree();
        let second = bench.desired(&second);
        let ended = until(crash, |listener| {
            let _ = bench.told_apply(&second, &|| false, listener);
        });
        let vault = Vault::new(&bench.host.root, STATE);
        // Taking it back may be cut off as well.
        until(again, |listener| {
            Engine::new(&bench.host, Family::Debian, &vault).recover(listener).unwrap();
        });
        bench.recover();
        let done = ended && bench.plan_is_empty(&second);
        prop_assert!(done || bench.tree() == before || bench.plan_is_empty(&second));
        bench.apply(&Desired::default());
        prop_assert_eq!(bench.tree(), Bench::new(&prior).tree());
    }

    /// Before a step everything that was kept is out of reach, as on a disk that has gone bad, and something is in the way
    /// of a file; later both are as they were. Whatever the apply could not take back, the next run does.
    #[test]
    fn a_fault_under_a_step_is_taken_back_at_the_latest_by_the_next_run(
        prior in prior(), first in profile(), second in profile(), place in 1..8usize,
    ) {
        let bench = Bench::new(&prior);
        bench.applies(&bench.desired(&first));
        let before = bench.tree();
        let second = bench.desired(&second);
        let at = |path: &str| bench.directory.path().join(&path[1..]);
        let (store, aside, file) = (at(STATE).join("store/sha256"), at("/var/aside"), at(FILES[0]));
        let made = Cell::new(false);
        let fault = |event: &Event<'_>| {
            if matches!(event, Event::Started { number, .. } if *number == place) && !aside.exists() {
                std::fs::rename(&store, &aside).unwrap();
                std::fs::create_dir(&store).unwrap();
                made.set(std::fs::create_dir(&file).is_ok());
            }
        };
        let applied = bench.told_apply(&second, &|| false, &fault);
        if made.get() {
            std::fs::remove_dir(&file).unwrap();
        }
        for byte in std::fs::read_dir(&aside).into_iter().flatten() {
            let byte = byte.unwrap();
            std::fs::create_dir_all(store.join(byte.file_name())).unwrap();
            for kept in std::fs::read_dir(byte.path()).unwrap() {
                let kept = kept.unwrap();
                std::fs::rename(kept.path(), store.join(byte.file_name()).join(kept.file_name())).unwrap();
            }
        }
        match applied {
            Ok(_) => prop_assert!(bench.plan_is_empty(&second)),
            Err(_) => {
                bench.recover();
                prop_assert_eq!(bench.tree(), before);
            }
        }
        bench.apply(&Desired::default());
        prop_assert_eq!(bench.tree(), Bench::new(&prior).tree());
    }

    #[test]
    fn a_journal_that_ends_in_the_middle_of_a_line_is_taken_back(
        prior in prior(), profile in profile(), length in 1..16usize,
    ) {
        let bench = Bench::new(&prior);
        let before = bench.tree();
        let Ok(Applied::Committed(report)) = bench.try_apply(&bench.desired(&profile), usize::MAX) else {
            return Ok(());
        };
        // As if the power had gone just before the commit, while a line was written.
        let records = bench.directory.path().join(&STATE[1..]);
        std::fs::remove_file(records.join("current")).unwrap();
        let mut journal = "{\"record\":\"begin\",\"generation\":1}\n".to_owned();
        for step in 1..=report.steps {
            journal += &format!("{{\"record\":\"intent\",\"step\":{step}}}\n");
        }
        journal += &"{\"record\":\"done\""[..length];
        std::fs::write(records.join("journal.ndjson"), journal).unwrap();
        bench.recover();
        prop_assert_eq!(bench.tree(), before);
        prop_assert!(!records.join("journal.ndjson").exists());
    }

    #[test]
    fn somebody_else_s_lines_survive_apply_and_destroy(line in "[a-z]{1,8}", profile in profile()) {
        let bench = Bench::new(&[plain("/etc/hosts", "127.0.0.1 localhost\n", 0o644)]);
        bench.apply(&bench.desired(&profile));
        let hosts = bench.directory.path().join("etc/hosts");
        let edited = format!("{}10.0.0.1 {line}\n", std::fs::read_to_string(&hosts).unwrap());
        std::fs::write(&hosts, edited).unwrap();
        bench.apply(&bench.desired(&profile));
        bench.apply(&Desired::default());
        let after = std::fs::read_to_string(&hosts).unwrap();
        prop_assert_eq!(after, format!("127.0.0.1 localhost\n10.0.0.1 {line}\n"));
    }

    #[test]
    fn a_secret_is_in_the_vault_and_in_its_file_only(profile in profile()) {
        let bench = Bench::new(&[]);
        bench.apply(&bench.desired(&profile));
        bench.apply(&Desired::default());
        let mut tree = BTreeMap::new();
        bench.walk(bench.directory.path(), &mut tree);
        for (path, (.., bytes)) in tree {
            let leaks = bytes.windows(6).any(|window| window == b"canary");
            prop_assert!(!leaks || path.starts_with("var/lib/provision/secrets"), "{}", path.display());
        }
    }
}
