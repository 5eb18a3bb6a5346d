//! What is made on a host: once, again when it is due, and never shown.

#![expect(clippy::unwrap_used, reason = "what fails here fails the test")]

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use provision_converge::Vault;
use provision_host::Root;
use provision_host::facts::Facts;
use provision_oci::Digest;
use provision_profile::lock::{Entry, Platform};
use provision_profile::recipe::{
    AUTHORITY_CERTIFICATE, REGISTRY_AUTH_ENTRY, REGISTRY_CERTIFICATE, REGISTRY_HTPASSWD, REGISTRY_PASSWORD,
};
use provision_profile::scalar::{HostName, Subject};
use provision_profile::secret::Secret;
use provision_profile::section::trust::KeyWord;
use provision_profile::{Error, Forge, Lock, LockedImage, Making, Profile, Recipe, load};
use provision_pull_secret::AuthFile;
use provision_trust_store::parse_pem;

const DAY: Duration = Duration::from_secs(86_400);

/// A host with a vault, files and variables in memory, and a clock that tests move.
struct Site {
    directory: tempfile::TempDir,
    files: RefCell<BTreeMap<PathBuf, Vec<u8>>>,
    variables: RefCell<BTreeMap<String, String>>,
    now: SystemTime,
}

impl Site {
    fn new() -> Self {
        Self {
            directory: tempfile::tempdir().unwrap(),
            files: RefCell::default(),
            variables: RefCell::default(),
            now: SystemTime::UNIX_EPOCH + DAY * 20_000,
        }
    }

    fn with<T>(&self, act: impl FnOnce(&Forge<'_>, &Vault<'_>) -> T) -> T {
        let root = Root::open(self.directory.path()).unwrap();
        let vault = Vault::new(&root, "/var/lib/provision");
        let read = |path: &Path| {
            let found = self.files.borrow().get(path).cloned();
            found.ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))
        };
        let variable = |name: &str| self.variables.borrow().get(name).cloned();
        let binary = PathBuf::from("/usr/bin/provision");
        act(&Forge { vault: &vault, read: &read, variable: &variable, now: self.now, binary }, &vault)
    }

    /// Forges, and checks that the preview said the same before, and that nothing is left to do after.
    fn forge(&self, recipes: &[Recipe]) -> Vec<String> {
        self.with(|forge, _| {
            let said = forge.preview(recipes).unwrap();
            let made = forge.forge(recipes).unwrap();
            let names = |makings: &[Making]| -> Vec<Vec<String>> {
                makings.iter().map(|making| making.names.clone()).collect()
            };
            assert_eq!(names(&said), names(&made));
            assert_eq!(forge.preview(recipes).unwrap(), []);
            made.into_iter().map(|making| format!("{}: {}", making.names[0], making.why)).collect()
        })
    }

    fn piece(&self, name: &str) -> Vec<u8> {
        self.with(|_, vault| vault.get(name).unwrap().unwrap().to_vec())
    }

    fn text(&self, name: &str) -> String {
        String::from_utf8(self.piece(name)).unwrap()
    }
}

fn recipes(user: &str, source: Secret, hosts: &[&str]) -> Vec<Recipe> {
    let authority = ("authority-certificate".to_owned(), "authority-key".to_owned());
    vec![
        Recipe::Authority {
            certificate: authority.0.clone(),
            key: authority.1.clone(),
            kind: KeyWord::EcdsaP256,
            common_name: "test CA".to_owned(),
        },
        Recipe::Certificate {
            certificate: REGISTRY_CERTIFICATE.to_owned(),
            key: "registry-key".to_owned(),
            authority_certificate: authority.0,
            authority_key: authority.1,
            kind: KeyWord::EcdsaP256,
            subjects: hosts.iter().map(|&host| Subject::Name(HostName(host.to_owned()))).collect(),
        },
        Recipe::Password { name: REGISTRY_PASSWORD.to_owned(), source },
        Recipe::Htpasswd {
            name: REGISTRY_HTPASSWD.to_owned(),
            user: user.to_owned(),
            password: REGISTRY_PASSWORD.to_owned(),
            cost: 4,
        },
        Recipe::AuthEntry {
            name: REGISTRY_AUTH_ENTRY.to_owned(),
            user: user.to_owned(),
            password: REGISTRY_PASSWORD.to_owned(),
        },
    ]
}

#[test]
fn everything_is_made_once() {
    let site = Site::new();
    let recipes = recipes("init", Secret::Generate(32), &["r.x"]);
    assert_eq!(site.forge(&recipes).len(), 5);
    let password = site.piece(REGISTRY_PASSWORD);
    assert_eq!(password.len(), 32);
    let line = site.text(REGISTRY_HTPASSWD);
    let (user, hash) = line.trim_end().split_once(':').unwrap();
    assert_eq!(user, "init");
    assert!(hash.starts_with("$2y$") && bcrypt::verify(&password, hash).unwrap());
    let entry = site.text(REGISTRY_AUTH_ENTRY);
    let auths = AuthFile::parse(format!("{{\"auths\":{{\"r.x:8443\":{entry}}}}}").as_bytes()).unwrap();
    assert_eq!(auths.get("r.x:8443").unwrap().username, "init");
    let leaf = &parse_pem(&site.piece(REGISTRY_CERTIFICATE)).unwrap()[0];
    let authority = &parse_pem(&site.piece(AUTHORITY_CERTIFICATE)).unwrap()[0];
    assert!(leaf.is_signed_by(authority) && !leaf.is_authority());
    assert!(site.forge(&recipes).is_empty());
}

#[test]
fn the_certificate_is_renewed_and_the_authority_stays() {
    let mut site = Site::new();
    let one = recipes("init", Secret::Generate(32), &["r.x"]);
    site.forge(&one);
    let authority = site.piece(AUTHORITY_CERTIFICATE);
    site.now += DAY * 360;
    assert!(site.forge(&one).is_empty());
    site.now += DAY * 10;
    assert_eq!(site.forge(&one), ["registry-certificate: it expires in 27 days"]);
    let two = recipes("init", Secret::Generate(32), &["r.x", "s.x"]);
    assert_eq!(site.forge(&two), ["registry-certificate: the names of the host changed"]);
    assert_eq!(site.piece(AUTHORITY_CERTIFICATE), authority);
}

#[test]
fn another_user_or_password_changes_what_follows_from_it() {
    let site = Site::new();
    site.files.borrow_mut().insert("/pw".into(), b"first word\nsecond line\n".to_vec());
    let file = || Secret::File("/pw".into());
    site.forge(&recipes("init", file(), &["r.x"]));
    assert_eq!(site.text(REGISTRY_PASSWORD), "first word");
    assert_eq!(
        site.forge(&recipes("admin", file(), &["r.x"])),
        ["registry-htpasswd: the user was init", "registry-auth-entry: the credentials changed"]
    );
    site.files.borrow_mut().insert("/pw".into(), b"other".to_vec());
    assert_eq!(
        site.forge(&recipes("admin", file(), &["r.x"])),
        [
            "registry-password: /pw has another",
            "registry-htpasswd: the password changed",
            "registry-auth-entry: the credentials changed"
        ]
    );
    site.files.borrow_mut().clear();
    assert!(
        site.forge(&recipes("admin", file(), &["r.x"])).is_empty(),
        "a source that is gone changes nothing"
    );
}

#[test]
fn secrets_that_cannot_be_used() {
    let check = |source: Secret, expected: &str| {
        let site = Site::new();
        site.files.borrow_mut().insert("/empty".into(), b"\nx".to_vec());
        site.files.borrow_mut().insert("/long".into(), vec![b'x'; 73]);
        site.files.borrow_mut().insert("/latin1".into(), b"caf\xe9".to_vec());
        site.files.borrow_mut().insert("/creds/pw".into(), b"from systemd".to_vec());
        site.variables.borrow_mut().insert("CREDENTIALS_DIRECTORY".into(), "/creds".into());
        let made = site.with(|forge, _| forge.forge(&recipes("init", source, &["r.x"])));
        match made {
            Ok(_) => assert_eq!(site.text(REGISTRY_PASSWORD), expected),
            Err(error) => assert_eq!(error.to_string(), expected),
        }
    };
    check(Secret::Env("PW".into()), "no secret in the environment variable PW: expected it to be there");
    check(Secret::File("/gone".into()), "no secret in /gone: expected it to be there");
    check(Secret::File("/empty".into()), "no secret in /empty: it is empty");
    check(Secret::File("/latin1".into()), "no secret in /latin1: it is not UTF-8");
    check(
        Secret::File("/long".into()),
        "no secret in /long: expected at most 72 bytes, which is all that bcrypt looks at",
    );
    check(Secret::Credential("pw".into()), "from systemd");
}

#[test]
fn a_pair_of_the_user_s_own_is_judged_first() {
    let site = Site::new();
    site.forge(&recipes("init", Secret::Generate(32), &["r.x"]));
    let chain = site.text(REGISTRY_CERTIFICATE);
    site.files.borrow_mut().insert("/own.key".into(), site.piece("registry-key"));
    site.files.borrow_mut().insert("/other.key".into(), site.piece("authority-key"));
    let own = |key: &str, host: &str| {
        vec![Recipe::OwnPair {
            certificate: "own-certificate".to_owned(),
            key: "own-key".to_owned(),
            chain: chain.clone(),
            key_file: key.into(),
            subjects: vec![Subject::Name(HostName(host.to_owned()))],
        }]
    };
    let fails = |recipes: &[Recipe]| site.with(|forge, _| forge.forge(recipes)).unwrap_err();
    match fails(&own("/other.key", "s.x")) {
        Error::BadPair { defects } => assert_eq!(
            defects,
            ["the key does not belong to the certificate", "the certificate is not for s.x; it is for r.x"]
        ),
        other => panic!("{other}"),
    }
    assert_eq!(fails(&own("/gone.key", "r.x")).to_string(), "/gone.key does not exist");
    assert_eq!(site.forge(&own("/own.key", "r.x")), ["own-key: new"].map(|_| "own-certificate: new"));
}

#[test]
fn an_entry_of_the_base_follows_its_file() {
    let site = Site::new();
    let file =
        |auth: &str| format!(r#"{{"auths":{{"quay.io":{{"auth":"{auth}","email":"x@y"}}}}}}"#).into_bytes();
    let recipes = [Recipe::BaseEntry {
        name: "base-entry-quay.io".to_owned(),
        file: "/ps.json".into(),
        key: "quay.io".to_owned(),
    }];
    site.files.borrow_mut().insert("/ps.json".into(), file("YTpi"));
    assert_eq!(site.forge(&recipes), ["base-entry-quay.io: new"]);
    assert_eq!(site.text("base-entry-quay.io"), r#"{"auth":"YTpi","email":"x@y"}"#);
    site.files.borrow_mut().insert("/ps.json".into(), file("YTpj"));
    assert_eq!(site.forge(&recipes), ["base-entry-quay.io: /ps.json changed"]);
}

#[test]
fn the_image_of_the_embedded_registry_is_the_binary() {
    let site = Site::new();
    let text = "schema = 1\nname = \"t\"\n[host]\nhostname = \"r.x\"\n[registry]\nbackend = \"embedded\"\nadmin = { user = \"init\", password = { generate = 32 } }\n";
    let profile = load(Path::new("t.toml"), &[], &|_| Ok(text.as_bytes().to_vec())).unwrap();
    site.files.borrow_mut().insert("/usr/bin/provision".into(), b"a static program".to_vec());
    // Nothing that the profile names can change by itself: it needs no lock.
    let exact = site.with(|forge, _| forge.exact(&profile, &facts(), None)).unwrap();
    let LockedImage { name, id } = exact.images["registry"].clone();
    assert_eq!(name, format!("localhost/provision-registry:{}", &id[..12]));
    let recipe = |id: &str| {
        [Recipe::OwnImage {
            name: "image".to_owned(),
            reference: name.clone(),
            id: id.to_owned(),
            machine: "x86_64".to_owned(),
        }]
    };
    let error = site.with(|forge, _| forge.forge(&recipe("0"))).unwrap_err();
    assert!(error.to_string().ends_with(&format!("expected 0, found {id}")), "{error}");
    assert_eq!(site.forge(&recipe(&id)), ["image: new"]);
    let archived = provision_oci::archive::read(&site.piece("image")).unwrap();
    assert_eq!((archived.image_id, archived.names), (id.clone(), vec![name.clone()]));

    site.files.borrow_mut().insert("/carried.tar".into(), site.piece("image"));
    let carried = [Recipe::CarriedImage {
        name: "carried".to_owned(),
        reference: name,
        id,
        file: "/carried.tar".into(),
        digest: Some("sha256:1".to_owned()),
    }];
    let error = site.with(|forge, _| forge.forge(&carried)).unwrap_err();
    assert!(error.to_string().starts_with("/carried.tar is another image: expected sha256:1"), "{error}");
}

fn facts() -> Facts {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/facts/debian-12.json");
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

fn distribution(lines: &str) -> Profile {
    let text = format!(
        "schema = 1\nname = \"t\"\n[host]\nhostname = \"r.x\"\n[registry]\nbackend = \"distribution\"\n{lines}\nadmin = {{ user = \"init\", password = {{ generate = 32 }} }}\n"
    );
    load(Path::new("/t.toml"), &[], &|_| Ok(text.as_bytes().to_vec())).unwrap()
}

/// Only its registry knows which image id a name stands for; whoever asked it says so in the lock.
#[test]
fn an_image_to_pull_is_the_one_in_the_lock() {
    let digest = |digit: &str| format!("sha256:{}", digit.repeat(64)).parse::<Digest>().unwrap();
    let (list, other, id) = (digest("a"), digest("b"), digest("1"));
    let by_tag = "docker.io/library/registry:3".to_owned();
    let by_digest = format!("docker.io/library/registry@{list}");
    let check = |named: &str, architecture: &str, locked: Digest, expected: Result<(), &str>| {
        let profile = distribution(&format!("image = \"{named}\""));
        let platform = Platform { digest: other, id };
        let platforms = BTreeMap::from([(architecture.to_owned(), platform)]);
        let key = profile.pins(&facts()).remove(0).key;
        let lock = Lock { entries: BTreeMap::from([(key, Entry::Image { digest: locked, platforms })]) };
        let site = Site::new();
        let found = site.with(|forge, _| forge.exact(&profile, &facts(), Some(&lock)));
        match (found, expected) {
            (Ok(exact), Ok(())) => {
                let name = format!("docker.io/library/registry@{list}");
                assert_eq!(exact.images["registry"], LockedImage { name, id: "1".repeat(64) });
            }
            (Err(Error::Unlocked(problems)), Err(title)) => {
                let titles: Vec<&str> = problems.iter().map(|one| one.title()).collect();
                assert_eq!(titles, [title]);
            }
            (found, _) => panic!("{named}: {found:?}"),
        }
        // Without a lock nobody knows the id.
        let without = site.with(|forge, _| forge.exact(&profile, &facts(), None)).unwrap_err();
        assert!(without.to_string().contains(&format!("image {named} is not locked")), "{without}");
    };
    check(&by_tag, "amd64", list, Ok(()));
    check(&by_digest, "amd64", list, Ok(()));
    check(&format!("{by_tag}@{list}"), "amd64", list, Ok(()));
    check(&by_tag, "arm64", list, Err("image docker.io/library/registry:3 is not made for amd64"));
    let title = format!("the lock has another image {by_digest}: expected {list}, found {other}");
    check(&by_digest, "amd64", other, Err(&title));
}

/// An archive lies beside the profile: with a lock it has to be the file that was locked.
#[test]
fn an_archive_is_the_file_that_was_locked() {
    let site = Site::new();
    let recipe = |id: &str| {
        [Recipe::OwnImage {
            name: "image".to_owned(),
            reference: "localhost/x:1".to_owned(),
            id: id.to_owned(),
            machine: "x86_64".to_owned(),
        }]
    };
    site.files.borrow_mut().insert("/usr/bin/provision".into(), b"a static program".to_vec());
    let error = site.with(|forge, _| forge.forge(&recipe(""))).unwrap_err().to_string();
    let id = error.rsplit_once("found ").unwrap().1.to_owned();
    site.forge(&recipe(&id));
    let bytes = site.piece("image");
    site.files.borrow_mut().insert("/registry.tar".into(), bytes.clone());
    let profile = distribution("archive = \"registry.tar\"");
    let exact = |lock: Option<&Lock>| site.with(|forge, _| forge.exact(&profile, &facts(), lock));
    let pin = profile.pins(&facts()).remove(0);
    assert_eq!((pin.key.to_string().as_str(), pin.is_loose()), ("archive registry.tar", false));
    let locked = |digest| Lock { entries: BTreeMap::from([(pin.key.clone(), Entry::Archive { digest })]) };
    let found = Digest::of(&bytes);
    assert_eq!(exact(None).unwrap().images["registry"].id, id);
    assert_eq!(exact(Some(&locked(found))).unwrap().images["registry"].id, id);
    let other = Digest::of(b"");
    let expected =
        format!("/registry.tar is another file than the lock has: expected {other}, found {found}");
    assert_eq!(exact(Some(&locked(other))).unwrap_err().to_string(), expected);
    let error = exact(Some(&Lock::default())).unwrap_err().to_string();
    assert!(error.contains("archive registry.tar is not locked"), "{error}");
}

#[test]
fn a_binary_that_needs_libraries_is_refused() {
    let site = Site::new();
    site.files.borrow_mut().insert("/usr/bin/provision".into(), std::fs::read("/bin/sh").unwrap());
    let recipe = [Recipe::OwnImage {
        name: "image".to_owned(),
        reference: "localhost/x:1".to_owned(),
        id: String::new(),
        machine: "x86_64".to_owned(),
    }];
    let error = site.with(|forge, _| forge.forge(&recipe)).unwrap_err();
    assert!(error.to_string().contains("statically linked"), "{error}");
}

/// The preview is for plans, which anybody may run: it must leave no trace.
#[test]
fn a_preview_writes_nothing() {
    let site = Site::new();
    let recipes = recipes("init", Secret::Generate(32), &["r.x"]);
    let makings = site.with(|forge, _| forge.preview(&recipes)).unwrap();
    assert_eq!(makings.len(), 5);
    assert_eq!(std::fs::read_dir(site.directory.path()).unwrap().count(), 0);
}

#[test]
fn nothing_that_is_shown_holds_a_secret() {
    let site = Site::new();
    site.variables.borrow_mut().insert("PW".into(), "c4nary-in-the-mine".into());
    let recipes = recipes("init", Secret::Env("PW".into()), &["r.x"]);
    let makings = site.with(|forge, _| forge.forge(&recipes)).unwrap();
    let shown = format!("{recipes:?}{makings:?}{}", serde_json::to_string(&recipes).unwrap());
    assert!(!shown.contains("c4nary"), "{shown}");
    assert_eq!(site.text(REGISTRY_PASSWORD), "c4nary-in-the-mine");
}
