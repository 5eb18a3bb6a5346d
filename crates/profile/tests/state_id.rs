//! The state id: the same for everything that means the same, another one for everything that does not. The page about
//! it is `docs/state-id.md`.

#![expect(clippy::unwrap_used, reason = "what fails here fails the test")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use provision_converge::Desired;
use provision_host::Family;
use provision_host::facts::Facts;
use provision_profile::{Exact, Lock, LockedImage, load, resolve};
use serde_json::Value;

fn house() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn facts(name: &str) -> Facts {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/facts").join(name).with_extension("json");
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

/// What a profile on disk means, with the lock beside it if there is one.
fn desired(profile: &Path, facts: &Facts) -> Desired {
    let read = |path: &Path| fs::read(path);
    let loaded = load(profile, &[], &read).unwrap_or_else(|error| panic!("{error}"));
    let text = fs::read_to_string(profile.with_extension("lock")).ok();
    let lock = text.map(|text| Lock::read(profile, &text).unwrap());
    let mut exact = Exact::of(&loaded, facts, lock.as_ref()).unwrap_or_else(|error| panic!("{error}"));
    // What the forge would make of the program that runs, which is no matter of this test.
    let image = LockedImage { name: "localhost/registry:1".to_owned(), id: "5eed".repeat(16) };
    exact.images.entry("registry".to_owned()).or_insert(image);
    resolve(&loaded, facts, &exact).unwrap_or_else(|error| panic!("{error}")).desired
}

/// The blocks of a page in one language.
fn blocks(page: &str, language: &str) -> Vec<String> {
    let start = format!("```{language}\n");
    page.split(&start).skip(1).map(|rest| rest.split("```").next().unwrap().to_owned()).collect()
}

#[test]
fn the_page_shows_what_is_hashed() {
    let page = fs::read_to_string(house().join("docs/state-id.md")).unwrap();
    let directory = tempfile::tempdir().unwrap();
    let profile = directory.path().join("example.toml");
    fs::write(&profile, &blocks(&page, "toml")[0]).unwrap();
    for host in ["debian-12", "debian-13", "rhel-9"] {
        let desired = desired(&profile, &facts(host));
        assert_eq!(desired.canonical(), blocks(&page, "json")[0].trim_end());
        assert_eq!(desired.state_id(), blocks(&page, "text")[0].trim_end());
    }
}

/// Numbers that are the same on every machine, and look random (xorshift64*).
struct Chance(u64);

impl Chance {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        usize::try_from(self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33).unwrap() % limit
    }

    fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.below(last + 1));
        }
    }
}

/// Sections of one file, each a block of lines that may come in any order.
const MAIN: [&str; 4] = [
    "[host]\nhostname = \"registry.example.test\"\naddresses = { \"registry.example.test\" = [\"192.0.2.1\"] }\n",
    "[registry]\nbackend = \"distribution\"\nimage = \"docker.io/library/registry:3\"\nadmin = { user = \"init\", password = { generate = 32 } }\n",
    "[trust]\nanchors = [\"@registry\", \"site.pem\"]\n",
    "[redirect]\n",
];
const PACKAGES: [&str; 2] =
    ["[host]\npackages = [\"podman\", { name = \"jq\", version = \"locked\" }]\n", "[preflight]\ncpus = 1\n"];
const FILES: [&str; 3] = [
    "[[host.file]]\npath = \"/etc/a\"\nsource = \"a.txt\"\n",
    "[[host.file]]\npath = \"/etc/b\"\ncontent = \"b\\n\"\nmode = \"0600\"\n",
    "[[host.file]]\npath = \"/etc/c\"\nurl = \"https://files.example.test/c\"\n",
];
const CONTENT: [&str; 4] = [
    "[mirror]\nrepository = \"ocp4/openshift4\"\n",
    "[[mirror.release]]\nimage = \"quay.io/openshift-release-dev/ocp-release:4.11.0-x86_64\"\n",
    "[[mirror.release]]\nimage = \"quay.io/openshift-release-dev/ocp-release:4.10.0-x86_64\"\n",
    "[pull-secret]\nbase = \"pull.json\"\nwrite = [\"/root/.config/containers/auth.json\", \"/root/auth.json\"]\n",
];

/// The entries of the lock, which may come in any order too.
fn lock() -> Vec<String> {
    let digest = |digit: &str| format!("sha256:{}", digit.repeat(64));
    let release = |version: &str, digit: &str| {
        format!(
            "[[release]]\nname = \"quay.io/openshift-release-dev/ocp-release:{version}-x86_64\"\ndigest = \"{}\"\nversion = \"{version}\"\n\
             architecture = \"x86_64\"\nsize = 7\ncomponents = []\n",
            digest(digit)
        )
    };
    let image = format!(
        "[[image]]\nname = \"docker.io/library/registry:3\"\ndigest = \"{}\"\nplatforms = [{{ architecture = \"amd64\", digest = \"{}\", id = \"{}\" }}]\n",
        digest("a"),
        digest("b"),
        digest("c")
    );
    let file = format!(
        "[[file]]\nname = \"https://files.example.test/c\"\ndigest = \"{}\"\nsize = 9\n",
        digest("d")
    );
    let package = |host: &str, version: &str| {
        format!("[[package]]\nname = \"jq\"\nhost = \"{host} x86_64\"\nversion = \"{version}\"\n")
    };
    vec![
        image,
        file,
        package("debian-12", "1.6-2.1"),
        package("rhel-9", "1.6-17.el9"),
        release("4.10.0", "e"),
        release("4.11.0", "f"),
    ]
}

/// Writes the site into a directory in one of many ways that all mean the same; gives the profile's path.
fn write(directory: &Path, chance: &mut Chance) -> PathBuf {
    let mut shared = directory.to_path_buf();
    (0..chance.below(3)).for_each(|depth| shared.push(format!("d{depth}")));
    fs::create_dir_all(&shared).unwrap();
    let mut written = Vec::new();
    let mut put = |folder: &Path, name: &str, text: &str| {
        let path = folder.join(name);
        fs::write(&path, text).unwrap();
        written.push(path.clone());
        path
    };
    let mut text = |name: &str, imports: &str, parts: &[&str]| {
        let mut parts = parts.to_vec();
        chance.shuffle(&mut parts);
        let comment = "# a remark\n".repeat(chance.below(3));
        format!("{comment}schema = 1\n{name}imports = [{imports}]\n{}", parts.join(&comment))
    };
    let imports: Vec<(&str, String)> = vec![
        ("packages.toml", text("", "", &PACKAGES)),
        ("files.toml", text("", "", &FILES)),
        ("content.toml", text("", "", &CONTENT)),
    ];
    let mut names: Vec<String> = Vec::new();
    for (name, text) in &imports {
        put(&shared, name, text);
        let near = shared.strip_prefix(directory).unwrap().join(name);
        names.push(format!("{:?}", near.to_string_lossy()));
    }
    chance.shuffle(&mut names);
    let mut entries = lock();
    chance.shuffle(&mut entries);
    let mut parts = MAIN.to_vec();
    chance.shuffle(&mut parts);
    put(&shared, "a.txt", "a\n");
    put(directory, "site.pem", "a certificate\n");
    put(&shared, "pull.json", r#"{"auths":{"quay.io":{"auth":"dTpw"}}}"#);
    let name = ["site", "bastion", "x"][chance.below(3)];
    put(directory, &format!("{name}.lock"), &format!("schema = 1\n{}", entries.concat()));
    let text = format!("schema = 1\nname = \"site\"\nimports = [{}]\n{}", names.join(", "), parts.concat());
    let profile = put(directory, &format!("{name}.toml"), &text);
    for path in written {
        let seconds = u64::try_from(chance.below(2_000_000_000)).unwrap();
        let time = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
        File::options().write(true).open(path).unwrap().set_modified(time).unwrap();
    }
    profile
}

#[test]
fn a_hundred_ways_to_say_the_same_have_one_id() {
    let facts = facts("debian-12");
    let mut seen: BTreeMap<String, PathBuf> = BTreeMap::new();
    let mut texts = BTreeSet::new();
    let mut chance = Chance(0x9E37_79B9_7F4A_7C15);
    for _ in 0..100 {
        let directory = tempfile::tempdir().unwrap();
        let profile = write(directory.path(), &mut chance);
        texts.insert(fs::read_to_string(&profile).unwrap());
        let desired = desired(&profile, &facts);
        assert!(!desired.canonical().contains(directory.path().to_str().unwrap()));
        seen.insert(desired.state_id(), profile);
    }
    assert!(texts.len() > 50, "only {} texts are different", texts.len());
    assert_eq!(seen.len(), 1, "{seen:?}");
}

/// Whatever a person changes, or the lock, is another state.
#[test]
fn what_means_something_else_has_another_id() {
    let facts = facts("debian-12");
    let id = |change: &dyn Fn(&str) -> String| {
        let directory = tempfile::tempdir().unwrap();
        let profile = write(directory.path(), &mut Chance(7));
        let mut left = vec![directory.path().to_path_buf()];
        while let Some(path) = left.pop() {
            match path.is_dir() {
                true => left.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path())),
                false => fs::write(&path, change(&fs::read_to_string(&path).unwrap())).unwrap(),
            }
        }
        desired(&profile, &facts).state_id()
    };
    let changes = [
        ("", ""),
        ("b\\n", "B\\n"),
        ("\"0600\"", "\"0640\""),
        ("192.0.2.1", "192.0.2.2"),
        ("a certificate", "another"),
        (&"d".repeat(64), &"0".repeat(64)),
        (&"e".repeat(64), &"0".repeat(64)),
        (&"a".repeat(64), &"0".repeat(64)),
        (&"c".repeat(64), &"0".repeat(64)),
        ("1.6-2.1", "1.6-2.2"),
        ("/root/auth.json", "/root/other.json"),
        ("\"init\"", "\"admin\""),
    ];
    let ids: BTreeSet<String> = changes.map(|(from, to)| id(&|text| text.replace(from, to))).into();
    // The administrator's name is in the entry that is made on the host, and in what is mirrored.
    assert_eq!(ids.len(), changes.len(), "{ids:?}");
    // Of the lock, what is for other hosts and what nothing depends on leaves no trace.
    let same =
        [("", ""), ("1.6-17.el9", "9-9.el9"), (&"b".repeat(64), &"0".repeat(64)), ("size = 7", "size = 8")];
    let ids: BTreeSet<String> = same.map(|(from, to)| id(&|text| text.replace(from, to))).into();
    assert_eq!(ids.len(), 1, "{ids:?}");
}

/// The table of `docs/state-id.md`, fact by fact.
#[test]
fn the_facts_that_enter_are_those_of_the_page() {
    let directory = tempfile::tempdir().unwrap();
    let profile = write(directory.path(), &mut Chance(7));
    let plain = directory.path().join("plain.toml");
    let text = "schema = 1\nname = \"plain\"\n[host]\nhostname = \"h.x\"\npackages = [\"jq\"]\naddresses = { \"h.x\" = [\"192.0.2.1\"] }\n[[host.file]]\npath = \"/etc/a\"\ncontent = \"a\"\n";
    fs::write(&plain, text).unwrap();
    let page = fs::read_to_string(house().join("docs/state-id.md")).unwrap();
    let table = page.split("## Which facts enter").nth(1).unwrap().split("\n\n").nth(1).unwrap();
    let listed = |name: &str| table.contains(&format!("`{name}`"));
    let facts = facts("debian-12");
    let mut names = Vec::new();
    let mut check = |name: &'static str, change: &dyn Fn(&mut Facts)| {
        names.push(name.split('.').next().unwrap());
        let mut other = facts.clone();
        change(&mut other);
        assert_ne!(serde_json::to_value(&facts).unwrap(), serde_json::to_value(&other).unwrap(), "{name}");
        assert_eq!(desired(&plain, &facts).state_id(), desired(&plain, &other).state_id(), "{name}");
        // Another host may find no version of the package in the lock: that is an answer too.
        let loaded = load(&profile, &[], &|path: &Path| fs::read(path)).unwrap();
        let lock =
            Lock::read(&profile, &fs::read_to_string(profile.with_extension("lock")).unwrap()).unwrap();
        let state = |facts: &Facts| {
            let exact = Exact::of(&loaded, facts, Some(&lock)).ok()?;
            Some(resolve(&loaded, facts, &exact).unwrap().desired.state_id())
        };
        assert_eq!(state(&facts) != state(&other), listed(name), "{name}");
    };
    check("family", &|facts| facts.family = Family::RedHat);
    check("arch", &|facts| facts.arch = "aarch64".to_owned());
    check("os.id", &|facts| facts.os.id = "ubuntu".to_owned());
    check("os.version_id", &|facts| facts.os.version_id = Some("13".to_owned()));
    check("os.pretty_name", &|facts| facts.os.pretty_name = "Another".to_owned());
    check("os.id_like", &|facts| facts.os.id_like = vec!["other".to_owned()]);
    check("podman", &|facts| facts.podman = Some("5.4.2".to_owned()));
    check("podman_candidate", &|facts| {
        (facts.podman, facts.podman_candidate) = (None, Some("5.4.2".to_owned()))
    });
    check("kernel", &|facts| facts.kernel = "9.9".to_owned());
    check("hostname", &|facts| facts.hostname = "elsewhere".to_owned());
    check("cgroup2", &|facts| facts.cgroup2 = !facts.cgroup2);
    check("systemd", &|facts| facts.systemd = Some(999));
    check("selinux", &|facts| facts.selinux = provision_host::Selinux::Permissive);
    // None is forgotten.
    let Value::Object(all) = serde_json::to_value(&facts).unwrap() else { panic!() };
    let all: BTreeSet<&str> = all.keys().map(String::as_str).collect();
    assert_eq!(names.into_iter().collect::<BTreeSet<_>>(), all);
}
