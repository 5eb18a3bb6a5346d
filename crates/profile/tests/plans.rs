//! The shipped profiles against recorded facts: what they resolve to, and what is planned on a fresh host.

#![expect(clippy::unwrap_used, reason = "what fails here fails the test")]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use provision_converge::{Baseline, Observed, Plan, Resources, plan};
use provision_host::facts::Facts;
use provision_profile::{Error, Exact, LockedImage, Profile, Resolution, load, resolve};

fn profile(name: &str, settings: &[&str]) -> Profile {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../profiles").join(name);
    let settings: Vec<String> = settings.iter().map(|&setting| setting.to_owned()).collect();
    match load(&path, &settings, &|path| std::fs::read(path)) {
        Ok(profile) => profile,
        Err(error) => panic!("{name}: {error}"),
    }
}

fn facts(name: &str) -> Facts {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/facts").join(name).with_extension("json");
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

fn lock() -> Exact {
    locked(&"5eed".repeat(16))
}

fn locked(id: &str) -> Exact {
    let name = format!("localhost/registry:{}", &id[..12]);
    let images = BTreeMap::from([("registry".to_owned(), LockedImage { name, id: id.to_owned() })]);
    Exact { images, ..Exact::default() }
}

fn resolved(profile_name: &str, facts_name: &str) -> Resolution {
    resolve(&profile(profile_name, &[]), &facts(facts_name), &lock()).unwrap()
}

/// The resolution as text: resources, the bytes that the profile gives, what is made, what is proved.
fn shown(resolution: &Resolution) -> String {
    let desired = &resolution.desired;
    let mut out = String::new();
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap();
    for (id, resource) in &desired.resources {
        let state = serde_json::to_string(&resource.state).unwrap();
        // The file alone: a comment more in it should not change what is reviewed here.
        let file = resolution.origins[id].source().path().file_name().unwrap().to_string_lossy();
        let pokes: Vec<String> = resource.pokes.iter().map(ToString::to_string).collect();
        let _ = writeln!(out, "{id} [{}] {state}", resource.section);
        let _ = writeln!(out, "    from {file}; pokes: {}", pokes.join(", "));
        if let Some(fingerprint) = resource.state.content().and_then(|content| content.fingerprint.as_ref()) {
            for line in String::from_utf8_lossy(&desired.literals[fingerprint]).lines() {
                let _ = writeln!(out, "    | {line}");
            }
        }
    }
    for recipe in &resolution.recipes {
        let _ = writeln!(out, "make {}", serde_json::to_string(recipe).unwrap());
    }
    for health in &desired.health {
        let _ = writeln!(out, "prove {}", serde_json::to_string(health).unwrap());
    }
    out.replace(&folder.display().to_string(), "REPOSITORY").replace("crates/profile/../../", "")
}

fn planned(resolution: &Resolution) -> Plan {
    plan(&resolution.desired, &Resources::default(), &Baseline::default(), &Observed::default())
}

fn steps(plan: &Plan) -> String {
    let mut out = String::new();
    for step in &plan.steps {
        let ids: Vec<String> = step.ids.iter().map(ToString::to_string).collect();
        let _ = writeln!(out, "{:?} {} [{}] {}", step.phase, step.why, step.section, ids.join(" "));
    }
    out
}

const PROFILES: [&str; 3] = ["bastion", "bastion-distribution", "podman-host"];
const HOSTS: [&str; 3] = ["debian-12", "debian-13", "rhel-9"];

#[test]
fn every_profile_on_every_host() {
    for name in PROFILES {
        for host in HOSTS {
            let resolution = resolved(&format!("{name}.toml"), host);
            insta::assert_snapshot!(format!("{name}--{host}--resolution"), shown(&resolution));
            insta::assert_snapshot!(format!("{name}--{host}--plan"), steps(&planned(&resolution)));
        }
    }
}

#[test]
fn the_same_input_gives_the_same_bytes() {
    for name in PROFILES {
        let once = resolved(&format!("{name}.toml"), "debian-12");
        let again = resolved(&format!("{name}.toml"), "debian-12");
        assert_eq!(serde_json::to_vec(&once.desired).unwrap(), serde_json::to_vec(&again.desired).unwrap());
        assert_eq!(once.desired.state_id(), again.desired.state_id());
    }
}

/// What the host calls itself, its kernel and its exact release must not change what is wanted of it.
#[test]
fn unused_facts_leave_no_trace() {
    let mut other = facts("debian-12");
    (other.hostname, other.kernel) = ("elsewhere".to_owned(), "9.9".to_owned());
    let profile = profile("bastion.toml", &[]);
    let one = resolve(&profile, &facts("debian-12"), &lock()).unwrap().desired;
    assert_eq!(one, resolve(&profile, &other, &lock()).unwrap().desired);
}

#[test]
fn every_resource_knows_its_line() {
    let resolution = resolved("bastion.toml", "debian-12");
    let text =
        std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../profiles/bastion.toml"))
            .unwrap();
    let check = |id: &str, expected: &str| {
        let line = resolution.origins[&id.parse().unwrap()].line();
        assert_eq!(text.lines().nth(line - 1).unwrap(), expected, "{id}");
    };
    check("file:/etc/motd", "path = \"/etc/motd\"");
    check("unit:registry.service", "[registry]");
    check("file:/etc/containers/registries.conf.d/50-provision.conf", "[redirect]");
}

#[test]
fn one_name_changes_everything_that_uses_it() {
    let profile = profile("bastion.toml", &["fqdn=mirror.site.test"]);
    let text = shown(&resolve(&profile, &facts("debian-13"), &lock()).unwrap());
    assert!(text.contains("certs.d/mirror.site.test:8443/ca.crt"));
    assert!(!text.contains("registry.example.test"), "{text}");
}

/// The desired state of another image differs, so that the service is restarted with it.
#[test]
fn another_image_is_another_state() {
    let profile = profile("bastion.toml", &[]);
    let other = locked(&"0".repeat(64));
    let ids =
        [lock(), other].map(|lock| resolve(&profile, &facts("debian-13"), &lock).unwrap().desired.state_id());
    assert_ne!(ids[0], ids[1]);
}

/// Which podman is too old is for preflight to say; resolving must not come before it.
#[test]
fn the_form_of_the_unit_follows_podman() {
    let profile = profile("bastion.toml", &[]);
    let check = |installed: Option<&str>, candidate: Option<&str>, expected: &str| {
        let mut facts = facts("debian-12");
        (facts.podman, facts.podman_candidate) = (installed.map(str::to_owned), candidate.map(str::to_owned));
        let found = match resolve(&profile, &facts, &lock()) {
            Ok(resolution) => {
                let has = |id: &str| resolution.desired.resources.contains_key(&id.parse().unwrap());
                match (
                    has("file:/etc/systemd/system/registry.service"),
                    has("file:/etc/containers/systemd/registry.container"),
                ) {
                    (true, false) => "plain".to_owned(),
                    (false, true) => "quadlet".to_owned(),
                    both => panic!("{both:?}"),
                }
            }
            Err(error) => error.to_string(),
        };
        assert_eq!(found, expected);
    };
    check(Some("4.3.1"), Some("5.4.2"), "plain");
    check(Some("4.9.4-rhel"), None, "quadlet");
    check(None, Some("5.4.2"), "quadlet");
    check(Some("3.0.1"), None, "plain");
    check(None, None, "plain");
    check(Some("four"), None, "podman's version \"four\" cannot be read: expected numbers such as 4.9.4");
}

/// With a certificate of the user's own nothing is made but the password, and clients trust the named authority.
#[test]
fn a_certificate_of_one_s_own() {
    let text = "schema = 1\nname = \"t\"\n[host]\nhostname = \"r.x\"\n[registry]\nbackend = \"embedded\"\nadmin = { user = \"init\", password = { generate = 32 } }\n[trust]\ncertificate = \"r.crt\"\ncertificate-key = \"r.key\"\nanchors = [\"corp.pem\"]\n";
    let read = |path: &Path| match path.to_string_lossy().as_ref() {
        "/p/t.toml" => Ok(text.as_bytes().to_vec()),
        "/p/r.crt" => Ok(b"the chain".to_vec()),
        "/p/corp.pem" => Ok(b"the authority".to_vec()),
        // The key is a secret: it is not read before it is needed.
        other => panic!("{other} was read"),
    };
    let profile = load(Path::new("/p/t.toml"), &[], &read).unwrap();
    let resolution = resolve(&profile, &facts("rhel-9"), &lock()).unwrap();
    let literal = |id: &str| {
        let state = &resolution.desired.resources[&id.parse().unwrap()].state;
        String::from_utf8_lossy(
            &resolution.desired.literals[state.content().unwrap().fingerprint.as_ref().unwrap()],
        )
        .into_owned()
    };
    assert_eq!(literal("file:/etc/containers/certs.d/r.x:8443/ca.crt"), "the authority\n");
    assert_eq!(literal("file:/etc/pki/ca-trust/source/anchors/provision-corp.crt"), "the authority");
    let made: Vec<&str> =
        resolution.recipes.iter().flat_map(|recipe| recipe.makes()).map(|(name, _)| name).collect();
    assert!(made.contains(&"registry-key") && !made.contains(&"authority-key"), "{made:?}");
}

#[test]
fn resources_that_two_sections_declare() {
    let check = |extra: &str, expected: &str| {
        let text = format!(
            "schema = 1\nname = \"t\"\n[registry]\nbackend = \"embedded\"\nadmin = {{ user = \"init\", password = {{ generate = 32 }} }}\n\
             [host]\nhostname = \"r.x\"\naddresses = {{ \"r.x\" = [\"127.0.0.1\"] }}\n{extra}"
        );
        let profile = load(Path::new("/t.toml"), &[], &|_| Ok(text.as_bytes().to_vec())).unwrap();
        let titles: Vec<String> = match resolve(&profile, &facts("debian-12"), &lock()) {
            Err(Error::Invalid(problems)) => problems.iter().map(|one| one.title().to_owned()).collect(),
            other => panic!("{other:?}"),
        };
        assert_eq!(titles, [expected]);
    };
    let file = |path: &str| format!("[[host.file]]\npath = \"{path}\"\ncontent = \"x\"\n");
    check(&file("/etc/hosts"), "file:/etc/hosts and file:/etc/hosts#provision cannot both be declared");
    check(
        &file("/etc/provision/registry/tls/registry.key"),
        "file:/etc/provision/registry/tls/registry.key is declared twice",
    );
    check(&format!("{}{}", file("/etc/a"), file("/etc/a/b")), "file:/etc/a is declared twice");
}

#[test]
fn an_image_must_be_exact() {
    let error = resolve(&profile("bastion.toml", &[]), &facts("debian-12"), &Exact::default()).unwrap_err();
    assert!(error.to_string().starts_with("the registry's image ("), "{error}");
}
