//! The content of a profile as the engine brings it: a real registry, a real engine on a temporary root.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use integration::server::{Access, PASSWORD, Program, Server, USER};
use integration::world::{REPOSITORY, mirror, publish, release, tags, write_release};
use provision_converge::health::RegistryHealth;
use provision_converge::{
    Applied, ContentState, Desired, Engine, Failure, FileState, Health, Plan, Request, Resource, ResourceId,
    State, Vault,
};
use provision_host::{Family, Host, Root};
use serde_json::{Value, json};
use tempfile::TempDir;

const STATE: &str = "/var/lib/provision";

/// A host with a root of its own, and a registry.
struct Bench {
    root: TempDir,
    host: Host,
    server: Server,
    /// The kinds of events of the last apply, in order, each once in a row.
    events: RefCell<Vec<String>>,
}

impl Bench {
    fn new() -> Result<Self> {
        let root = TempDir::new()?;
        let host = Host::with_root(root.path())?;
        let server = Server::start(Program::Own, Access::GUARDED)?;
        let bench = Self { root, host, server, events: RefCell::default() };
        let vault = bench.vault();
        vault.put("password", PASSWORD.as_bytes(), true)?;
        vault.put("authority", &std::fs::read(bench.server.authority())?, false)?;
        Ok(bench)
    }

    fn vault(&self) -> Vault<'_> {
        Vault::new(&self.host.root, STATE)
    }

    /// A file that says something, and releases of which each is on media or not.
    fn desired(&self, text: &str, releases: &[(&str, Option<&Path>)]) -> Desired {
        self.with_credentials(text, releases, BTreeMap::new())
    }

    fn with_credentials(
        &self,
        text: &str,
        releases: &[(&str, Option<&Path>)],
        credentials: BTreeMap<String, String>,
    ) -> Desired {
        let mut desired = Desired::default();
        let me = Root::live().and_then(|root| root.node("/proc/self".as_ref()));
        let me = me.ok().flatten().map_or("root".to_owned(), |node| match node.meta.uid {
            0 => "root".to_owned(),
            uid => uid.to_string(),
        });
        let file = FileState {
            content: desired.literal(text.as_bytes()),
            mode: 0o644,
            owner: me.clone(),
            group: me,
            xattrs: None,
        };
        desired.insert(ResourceId::file("/motd"), resource(State::File(file)));
        let releases: Vec<Value> =
            releases.iter().map(|(image, media)| json!({ "image": image, "media": media })).collect();
        let content = json!({
            "registry": self.server.name, "repository": REPOSITORY, "authority": "authority", "user": USER,
            "password": "password", "releases": releases, "credentials": credentials,
        });
        desired.insert(ResourceId::content(REPOSITORY), resource(State::Content(ContentState { content })));
        desired.health.push(Health::Registry(RegistryHealth {
            registry: self.server.name.clone(),
            authority: Some("authority".into()),
            user: Some(USER.into()),
            password: Some("password".into()),
            unit: None,
            patience: 5,
        }));
        desired
    }

    fn plan(&self, desired: &Desired) -> Result<Plan> {
        let vault = self.vault();
        Ok(Engine::new(&self.host, Family::Debian, &vault).plan(desired)?)
    }

    fn apply(&self, desired: &Desired) -> Result<Applied, Failure> {
        self.apply_until(desired, &|| false)
    }

    fn apply_until(&self, desired: &Desired, interrupted: &dyn Fn() -> bool) -> Result<Applied, Failure> {
        let vault = self.vault();
        self.events.borrow_mut().clear();
        let listener = |event: &provision_converge::Event<'_>| {
            let event = serde_json::to_value(event).unwrap_or_default();
            let kind = event["event"].as_str().unwrap_or_default();
            let kind = event["progress"]["event"].as_str().map_or(kind.into(), |one| format!("{kind} {one}"));
            let mut events = self.events.borrow_mut();
            if events.last().is_none_or(|last| *last != kind) {
                events.push(kind);
            }
        };
        Engine::new(&self.host, Family::Debian, &vault).apply(&Request {
            desired,
            name: "test",
            profile: "",
            lock: None,
            agreed: None,
            who: "test",
            confirm: None,
            interrupted,
            listener: &listener,
        })
    }

    fn motd(&self) -> Option<String> {
        std::fs::read_to_string(self.root.path().join("motd")).ok()
    }
}

fn resource(state: State) -> Resource {
    Resource { section: "mirror".into(), order: 0, state, pokes: [].into() }
}

/// A failure with all its causes in one line.
fn words(failure: &Failure) -> String {
    let mut text = format!("{:?}", failure.aftermath);
    let mut error: Option<&dyn std::error::Error> = Some(failure);
    while let Some(cause) = error {
        text.push_str(&format!(": {cause}"));
        error = cause.source();
    }
    text
}

fn failed(applied: Result<Applied, Failure>) -> Result<String> {
    Ok(words(&applied.err().context("the apply went well, which it should not")?))
}

#[test]
fn a_release_is_mirrored_once_and_then_nothing_is_left_to_do() -> Result<()> {
    let bench = Bench::new()?;
    let media = TempDir::new()?;
    let image = write_release(&release(false, true), media.path())?.to_string();
    let desired = bench.desired("hello", &[(&image, Some(media.path()))]);
    ensure!(bench.plan(&desired)?.steps.len() == 2);
    let applied = bench.apply(&desired)?;
    ensure!(matches!(applied, Applied::Committed(_)), "{applied:?}");
    ensure!(tags(&bench.server, REPOSITORY)?.len() == 5);
    // The registry is proved before images go into it.
    let events = bench.events.borrow().clone();
    let place = |kind: &str| events.iter().position(|event| event == kind);
    let mirrored = |kind: &str| place(&format!("mirroring {kind}"));
    ensure!(place("proving") < mirrored("planned") && mirrored("planned") < mirrored("bytes"), "{events:?}");
    ensure!(mirrored("copied").is_some() && mirrored("copied") < place("committed"), "{events:?}");

    ensure!(bench.apply(&desired)? == Applied::Nothing);
    // The media are carried on to the next site.
    media.close()?;
    ensure!(bench.apply(&desired)? == Applied::Nothing);
    Ok(())
}

#[test]
fn what_is_lost_from_the_registry_is_drift_and_comes_back() -> Result<()> {
    let bench = Bench::new()?;
    let media = TempDir::new()?;
    let image = write_release(&release(false, false), media.path())?.to_string();
    let desired = bench.desired("hello", &[(&image, Some(media.path()))]);
    bench.apply(&desired)?;
    let tag = format!("store/repositories/{REPOSITORY}/_tags/4.10.0-x86_64-etcd");
    std::fs::remove_file(bench.server.directory().join(tag))?;
    let plan = bench.plan(&desired)?;
    ensure!(plan.steps.len() == 1 && plan.has_drift(), "{plan:?}");
    bench.apply(&desired)?;
    ensure!(tags(&bench.server, REPOSITORY)?.len() == 5 && bench.plan(&desired)?.is_empty());
    Ok(())
}

#[test]
fn content_is_kept_when_it_is_no_longer_wanted() -> Result<()> {
    let bench = Bench::new()?;
    let media = TempDir::new()?;
    let image = write_release(&release(false, false), media.path())?.to_string();
    bench.apply(&bench.desired("hello", &[(&image, Some(media.path()))]))?;
    bench.apply(&Desired::default())?;
    ensure!(bench.motd().is_none() && tags(&bench.server, REPOSITORY)?.len() == 5);
    Ok(())
}

#[test]
fn media_that_are_missing_are_an_error_before_anything_changes() -> Result<()> {
    let bench = Bench::new()?;
    let image = "quay.io/openshift-release-dev/ocp-release:4.10.0-x86_64";
    let nowhere = Path::new("/nonexistent/media");
    let mut desired = bench.desired("hello", &[(image, Some(nowhere))]);
    desired.resources.remove(&ResourceId::file("/motd"));
    let failure = failed(bench.apply(&desired))?;
    ensure!(failure.contains("NothingChanged") && failure.contains("/nonexistent/media"), "{failure}");
    Ok(())
}

/// What a tag stood for when it was locked is what comes, whatever it stands for now.
#[test]
fn a_release_that_was_locked_is_the_one_that_comes() -> Result<()> {
    let bench = Bench::new()?;
    let media = TempDir::new()?;
    let image = write_release(&release(false, false), media.path())?.to_string();
    let tag = media.path().join("repositories/quay.io/openshift-release-dev/ocp-release/_tags/4.10.0-x86_64");
    let locked = std::fs::read_to_string(&tag)?;
    let moved = integration::payload::Payload { components: 5, ..release(false, false) };
    write_release(&moved, media.path())?;
    ensure!(std::fs::read_to_string(&tag)? != locked, "the tag did not move");
    let desired = bench.desired("hello", &[(&format!("{image}@{}", locked.trim()), Some(media.path()))]);
    bench.apply(&desired)?;
    ensure!(tags(&bench.server, REPOSITORY)?.len() == 5, "4 components and the release");
    let there = integration::world::raw(&bench.server, &format!("{REPOSITORY}:4.10.0-x86_64"))?;
    ensure!(integration::world::digest(&there) == locked.trim());
    ensure!(bench.apply(&desired)? == Applied::Nothing);
    Ok(())
}

#[test]
fn damaged_media_take_everything_back() -> Result<()> {
    let bench = Bench::new()?;
    let media = TempDir::new()?;
    let image = write_release(&release(false, false), media.path())?.to_string();
    let largest = std::fs::read_dir(media.path().join("blobs/sha256"))?
        .flatten()
        .max_by_key(|entry| entry.metadata().map_or(0, |meta| meta.len()))
        .context("no blobs")?;
    let mut bytes = std::fs::read(largest.path())?;
    bytes[1000] ^= 1;
    std::fs::write(largest.path(), bytes)?;
    let desired = bench.desired("hello", &[(&image, Some(media.path()))]);
    let failure = failed(bench.apply(&desired))?;
    let name = largest.file_name().to_string_lossy().into_owned();
    ensure!(failure.contains("Undone") && failure.contains(&name), "{failure}");
    ensure!(bench.motd().is_none(), "the file stayed");
    Ok(())
}

#[test]
fn a_wrong_password_is_unknown_alone_and_asked_again_with_other_changes() -> Result<()> {
    let bench = Bench::new()?;
    let media = TempDir::new()?;
    let image = write_release(&release(false, false), media.path())?.to_string();
    let desired = bench.desired("hello", &[(&image, Some(media.path()))]);
    bench.apply(&desired)?;
    bench.vault().put("password", b"wrong", true)?;
    let plan = bench.plan(&desired)?;
    ensure!(plan.steps.is_empty() && plan.unknown.len() == 1, "{plan:?}");
    let failure = failed(bench.apply(&desired))?;
    ensure!(failure.contains("refuses the password of init"), "{failure}");
    // A change of anything else may be the cure; here it is not, and the proof of the registry says so.
    let changed = bench.desired("hello again", &[(&image, Some(media.path()))]);
    ensure!(bench.plan(&changed)?.steps.len() == 2);
    let failure = failed(bench.apply(&changed))?;
    ensure!(failure.contains("is not healthy") && bench.motd().as_deref() == Some("hello"), "{failure}");
    Ok(())
}

#[test]
fn before_the_first_apply_there_is_nothing_and_that_is_no_error() -> Result<()> {
    let mut bench = Bench::new()?;
    let media = TempDir::new()?;
    let image = write_release(&release(false, false), media.path())?.to_string();
    let desired = bench.desired("hello", &[(&image, Some(media.path()))]);
    let with_secrets = bench.plan(&desired)?;
    ensure!(with_secrets.unknown.is_empty() && with_secrets.steps.len() == 2, "{with_secrets:?}");
    bench.server.stop();
    ensure!(bench.plan(&desired)?.steps == with_secrets.steps);
    std::fs::remove_dir_all(bench.root.path().join("var"))?;
    let fresh = bench.plan(&desired)?;
    ensure!(fresh.unknown.is_empty() && fresh.steps.len() == 2, "{fresh:?}");
    Ok(())
}

#[test]
fn an_interrupted_copy_is_taken_back_and_the_next_one_completes_it() -> Result<()> {
    let bench = Bench::new()?;
    let media = TempDir::new()?;
    let image = write_release(&release(false, false), media.path())?.to_string();
    let desired = bench.desired("hello", &[(&image, Some(media.path()))]);
    let begun = || bench.events.borrow().iter().any(|event| event == "mirroring planned");
    let failure = failed(bench.apply_until(&desired, &begun))?;
    ensure!(failure.contains("Undone") && failure.contains("interrupted before"), "{failure}");
    ensure!(bench.motd().is_none());
    bench.apply(&desired)?;
    ensure!(tags(&bench.server, REPOSITORY)?.len() == 5);
    Ok(())
}

#[test]
fn a_release_comes_from_its_own_registry_with_the_credentials_of_the_vault() -> Result<()> {
    let bench = Bench::new()?;
    // The same server is the origin: its authority is not among the system's anchors, so it is not to be trusted.
    let made = TempDir::new()?;
    let image = publish(&release(false, false), &bench.server, made.path())?.to_string();
    let mut desired = bench.desired("hello", &[(&image, None)]);
    desired.resources.remove(&ResourceId::file("/motd"));
    let failure = failed(bench.apply(&desired))?;
    ensure!(failure.contains("NothingChanged") && failure.contains("cannot be trusted"), "{failure}");
    // Once it has been mirrored by hand, its origin is not even asked.
    let to = format!("{}/{REPOSITORY}", bench.server.name);
    mirror(&["copy", "--release", &image, &to], &bench.server)?.ok()?;
    ensure!(bench.plan(&desired)?.is_empty());
    // An entry of the pull secret that is not made yet is no error.
    let entry = [("quay.io".to_owned(), "base-entry-quay.io".to_owned())].into();
    let waiting = bench.with_credentials("hello", &[(&image, None)], entry);
    ensure!(bench.plan(&waiting)?.unknown.is_empty());
    Ok(())
}

#[test]
fn a_directory_that_oc_wrote_is_as_good_as_media() -> Result<()> {
    let bench = Bench::new()?;
    let (media, directory) = (TempDir::new()?, TempDir::new()?);
    let image = write_release(&release(false, false), media.path())?.to_string();
    integration::to_dir::write(media.path(), directory.path())?;
    let desired = bench.desired("hello", &[(&image, Some(directory.path()))]);
    bench.apply(&desired)?;
    ensure!(tags(&bench.server, REPOSITORY)?.len() == 5 && bench.apply(&desired)? == Applied::Nothing);
    Ok(())
}

/// What the section writes is what the engine reads: two crates that share a form, but no type.
#[test]
fn the_content_of_a_profile_is_understood() -> Result<()> {
    let bench = Bench::new()?;
    let (site, media) = (TempDir::new()?, TempDir::new()?);
    write_release(&release(false, false), media.path())?;
    let path = site.path().join("site.toml");
    let text = format!(
        "schema = 1\nname = \"site\"\n[host]\nhostname = \"registry.example.test\"\n\
         [registry]\nbackend = \"embedded\"\nport = 8443\nstorage = \"/var/lib/registry\"\n\
         admin = {{ user = \"init\", password = {{ generate = 32 }} }}\n\
         [pull-secret]\nbase = \"pull-secret.json\"\nwrite = [\"/root/auth.json\"]\n\
         [mirror]\nrepository = \"ocp4/openshift4\"\n\
         [[mirror.release]]\nimage = \"quay.io/openshift-release-dev/ocp-release:4.10.0-x86_64\"\nmedia = {:?}\n\
         [[mirror.release]]\nimage = \"quay.io/openshift-release-dev/ocp-release:4.11.0-x86_64\"\n",
        media.path()
    );
    std::fs::write(&path, text)?;
    let credentials = r#"{"auths":{"quay.io":{"auth":"dTpw"},"registry.example.test:8443":{"auth":"dTpw"}}}"#;
    std::fs::write(site.path().join("pull-secret.json"), credentials)?;
    let profile = provision_profile::load(&path, &[], &|path| std::fs::read(path))?;
    let facts = Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates/profile/tests/facts/debian-12.json");
    let id = "5eed".repeat(16);
    let image = provision_profile::LockedImage { name: "localhost/registry:1".into(), id };
    let lock =
        provision_profile::Exact { images: [("registry".to_owned(), image)].into(), ..Default::default() };
    let facts = serde_json::from_slice(&std::fs::read(facts)?)?;
    let mut desired = provision_profile::resolve(&profile, &facts, &lock)?.desired;
    desired.resources.retain(|id, _| id.kind() == provision_converge::Kind::Content);
    let content = serde_json::to_string(&desired.resources)?;
    ensure!(content.contains(r#""credentials":{"quay.io":"base-entry-quay.io"}"#), "{content}");
    // Nothing is made yet; what could not be understood would be unknown, not new.
    let plan = bench.plan(&desired)?;
    ensure!(plan.unknown.is_empty() && plan.steps.len() == 1, "{plan:?}");
    Ok(())
}
