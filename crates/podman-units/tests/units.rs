//! Golden units per podman version, and what systemd and podman's own generator say of them.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod generator;

use std::process::Command;

use provision_podman_units::{Container, PublishedPort, Selinux, Tier, Volume, render};

fn registry() -> Container {
    let volume = |host: &str, container: &str, read_only| Volume {
        host: host.into(),
        container: container.into(),
        read_only,
        selinux: Selinux::Private,
    };
    Container {
        name: "registry".into(),
        description: "Mirror registry at 100% of registry.example.test".into(),
        image: "localhost/provision-registry:1".into(),
        command: ["registry", "serve", "--store", "/data", "--title", "it's \"$HOME\" 5%"]
            .map(str::to_owned)
            .to_vec(),
        ports: vec![
            PublishedPort { address: None, host: 8443, container: 8443 },
            PublishedPort { address: Some("::1".into()), host: 8080, container: 80 },
        ],
        volumes: vec![
            volume("/var/lib/registry", "/data", false),
            volume("/etc/provision/registry/tls", "/tls", true),
        ],
        environment: vec![("TZ".into(), "Europe/Vienna or so".into())],
        user: None,
        read_only: true,
        no_new_privileges: true,
        drop_capabilities: vec!["all".into()],
        start_timeout: 300,
        stop_timeout: 30,
        mounts: vec!["/var/lib/registry".into()],
        ..Container::default()
    }
}

/// Only what every container has.
fn minimal() -> Container {
    let (name, image) = ("registry".into(), "localhost/provision-registry:1".into());
    Container { name, image, start_timeout: 90, stop_timeout: 10, ..Container::default() }
}

fn text(version: &str) -> String {
    let file = render(&registry(), Tier::of(version.parse().unwrap())).unwrap();
    format!("{}\n{}", file.path, file.text)
}

fn body(version: &str) -> String {
    render(&registry(), Tier::of(version.parse().unwrap())).unwrap().text
}

#[test]
fn golden_units() {
    for version in ["4.3.1", "4.4.0", "5.4.2"] {
        insta::assert_snapshot!(format!("podman-{version}"), text(version));
    }
}

#[test]
fn an_old_podman_is_refused_by_its_version() {
    let error = render(&registry(), Tier::of("3.0.1".parse().unwrap())).unwrap_err();
    assert_eq!(error.to_string(), "podman 3.0.1 is too old: expected 3.3 or newer");
}

#[test]
fn names_that_would_mean_something_else_are_refused() {
    let tier = Tier::of("5.4.2".parse().unwrap());
    for name in ["", "a b", "../x", "-rm", "a/b"] {
        let container = Container { name: name.into(), ..registry() };
        assert!(render(&container, tier).unwrap_err().to_string().contains("name"), "{name:?} was taken");
    }
    let mut container = registry();
    container.volumes[0].host = "/a:/etc".into();
    assert!(render(&container, tier).unwrap_err().to_string().contains("volume"));
    let container = Container { image: "--privileged".into(), ..registry() };
    assert!(render(&container, tier).unwrap_err().to_string().contains("image"));
}

/// What systemd says of a unit. Programs that this machine lacks are not the unit's fault, so a stand-in is put where
/// it looks for podman.
fn complaints(text: &str) -> String {
    let directory = tempfile::tempdir().unwrap();
    let unit = directory.path().join("registry.service");
    std::fs::write(&unit, text.replace("/usr/bin/podman", "/bin/true")).unwrap();
    let output = Command::new("systemd-analyze")
        .args(["verify", "--man=no"])
        .arg(&unit)
        .output()
        .unwrap_or_else(|error| panic!("systemd-analyze (package systemd) is needed: {error}"));
    // Complaints about other units of this machine are not ours.
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    said.lines().filter(|line| line.contains("registry.service")).collect::<Vec<_>>().join("\n")
}

#[test]
fn systemd_accepts_the_plain_units() {
    let tier = Tier::of("4.3.1".parse().unwrap());
    for container in [registry(), minimal()] {
        let file = render(&container, tier).unwrap();
        assert_eq!(complaints(&file.text), "", "{}", file.text);
        // It would say so if it were otherwise.
        let nonsense = complaints(&file.text.replace("Type=notify", "Type=nonsense"));
        assert!(nonsense.contains("nonsense"), "{nonsense}");
    }
}

#[test]
fn podman_accepts_the_quadlet_files_and_systemd_what_is_made_of_them() {
    for version in ["4.4.0", "5.4.2"] {
        for container in [registry(), minimal()] {
            let file = render(&container, Tier::of(version.parse().unwrap())).unwrap();
            let unit = generator::generate("registry.container", &file.text).unwrap();
            assert_eq!(complaints(&unit), "", "{unit}");
            assert!(unit.contains("/usr/bin/podman run --name registry "), "{unit}");
        }
        let unit = generator::generate("registry.container", body(version).as_str()).unwrap();
        // The words of the command arrive as they were written: quotes, `%` and `$` are systemd's to read.
        let command =
            r#" localhost/provision-registry:1 registry serve --store /data --title "it's \"$$HOME\" 5%%""#;
        assert!(unit.lines().any(|line| line.starts_with("ExecStart=") && line.ends_with(command)), "{unit}");
        assert!(unit.contains(r#"--env "TZ=Europe/Vienna or so""#), "{unit}");
        assert_eq!(unit.contains(" --pull never "), version == "5.4.2", "{unit}");
        // It would say so if it did not know a key.
        let unknown = body(version).replace("ReadOnly=", "ReadsOnly=");
        let error = generator::generate("registry.container", &unknown).unwrap_err();
        assert!(error.contains("ReadsOnly"), "{error}");
    }
}
