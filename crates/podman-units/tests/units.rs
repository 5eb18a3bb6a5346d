//! Golden units per podman version, and systemd's own judgement of them.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

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

fn text(version: &str) -> String {
    let file = render(&registry(), Tier::of(version.parse().unwrap())).unwrap();
    format!("{}\n{}", file.path, file.text)
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

/// systemd reads the plain unit without a complaint. What it says of programs that this machine lacks is not the
/// unit's fault, so stand-ins are put where the unit looks for them.
#[test]
fn systemd_accepts_the_plain_unit() {
    let directory = tempfile::tempdir().unwrap();
    let file = render(&registry(), Tier::of("4.3.1".parse().unwrap())).unwrap();
    let unit = directory.path().join("registry.service");
    std::fs::write(&unit, file.text.replace("/usr/bin/podman", "/bin/true")).unwrap();
    let output = Command::new("systemd-analyze")
        .args(["verify", "--man=no"])
        .arg(&unit)
        .output()
        .unwrap_or_else(|error| panic!("systemd-analyze (package systemd) is needed: {error}"));
    let said = String::from_utf8_lossy(&output.stderr);
    let ours: Vec<&str> = said.lines().filter(|line| line.contains("registry.service")).collect();
    assert!(ours.is_empty(), "{said}");

    std::fs::write(&unit, file.text.replace("Type=notify", "Type=nonsense")).unwrap();
    let output = Command::new("systemd-analyze").args(["verify", "--man=no"]).arg(&unit).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("nonsense"), "systemd-analyze would not notice anything: {said}");
}
