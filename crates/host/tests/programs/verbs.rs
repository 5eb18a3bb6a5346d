//! All other programs: how each is called, and what becomes of its answer and of its failure.

use std::net::IpAddr;
use std::path::Path;
use std::time::Duration;

use provision_host::{Error, Facts, Family, Selinux, hostname, linger, names, selinux, systemd, trust};

use crate::fake::Fake;

#[test]
fn each_family_has_its_tool_for_anchors() {
    let fake = Fake::new();
    fake.program("update-ca-certificates", "");
    fake.program("update-ca-trust", "");
    trust::update(&fake.host(), Family::Debian).unwrap();
    trust::update(&fake.host(), Family::RedHat).unwrap();
    assert_eq!(fake.calls(), ["update-ca-certificates", "update-ca-trust extract"]);
    fake.program("update-ca-trust", "echo 'p11-kit: no configured writable location' >&2; exit 1");
    let error = trust::update(&fake.host(), Family::RedHat).unwrap_err().to_string();
    assert!(
        error.contains("`update-ca-trust extract`: exit status 1") && error.contains("p11-kit"),
        "{error}"
    );
}

#[test]
fn files_get_their_labels_where_selinux_is_on() {
    let fake = Fake::new();
    fake.program("restorecon", "");
    let paths = [Path::new("/etc/hosts"), Path::new("/var/lib/registry")];
    let check = |expected: Selinux, calls: &[&str]| {
        assert_eq!(selinux::mode(&fake.host()).unwrap(), expected);
        selinux::restorecon(&fake.host(), &paths).unwrap();
        assert_eq!(fake.calls(), calls, "{expected:?}");
    };
    let labelled = ["restorecon -- /etc/hosts /var/lib/registry"];
    check(Selinux::Absent, &[]);
    fake.file("root/etc/selinux/config", "SELINUX=enforcing\n");
    check(Selinux::Disabled, &[]);
    fake.file("root/sys/fs/selinux/enforce", "1");
    check(Selinux::Enforcing, &labelled);
    fake.file("root/sys/fs/selinux/enforce", "0\n");
    check(Selinux::Permissive, &labelled);
    selinux::restorecon::<&Path>(&fake.host(), &[]).unwrap();
    assert!(fake.calls().is_empty());
    fake.program("restorecon", "echo 'restorecon:  Could not set context for /etc/hosts' >&2; exit 255");
    let error = selinux::restorecon(&fake.host(), &paths).unwrap_err().to_string();
    assert!(error.contains("exit status 255") && error.contains("Could not set context"), "{error}");
}

#[test]
fn a_boot_waits_for_nothing_that_it_starts() {
    let fake = Fake::new();
    fake.program("systemctl", "");
    let host = fake.host().while_booting();
    systemd::start(&host, "ssh.service").unwrap();
    systemd::restart(&host, "ssh.service").unwrap();
    systemd::stop(&host, "ssh.service").unwrap();
    let calls =
        ["--no-block start -- ssh.service", "--no-block restart -- ssh.service", "stop -- ssh.service"];
    assert_eq!(fake.calls(), calls.map(|call| format!("systemctl {call}")));
    assert!(!systemd::runs(&host).unwrap(), "it is a directory, not the running system");
}

#[test]
fn a_command_runs_later_as_a_unit_of_its_own() {
    let fake = Fake::new();
    fake.program("systemd-run", "");
    let run = |name: &str| {
        systemd::run_later(&fake.host(), name, Duration::from_millis(2500), &["/bin/a b", "--when-due"])
    };
    run("provision-confirm-3").unwrap();
    let words =
        "--quiet --collect --timer-property=AccuracySec=100ms --unit=provision-confirm-3 --on-active=2500ms";
    assert_eq!(fake.calls(), [format!("systemd-run {words} -- /bin/a b --when-due")]);
    assert!(run("*").is_err());
}

#[test]
fn a_program_gets_a_label_with_which_systemd_runs_it() {
    let fake = Fake::new();
    assert!(selinux::program_label(&fake.host()).unwrap().is_empty());
    fake.file("root/etc/selinux/config", "SELINUX=enforcing\n");
    fake.file("root/sys/fs/selinux/enforce", "1");
    let label = selinux::program_label(&fake.host()).unwrap();
    assert_eq!(label["security.selinux"], b"system_u:object_r:bin_t:s0\0");
}

#[test]
fn systemctl_is_called_with_a_verb_and_a_name() {
    let fake = Fake::new();
    fake.program("systemctl", "");
    let host = fake.host();
    let verbs = [systemd::start, systemd::stop, systemd::restart, systemd::enable, systemd::disable];
    for verb in verbs.into_iter().chain([systemd::mask, systemd::unmask]) {
        verb(&host, "registry.service").unwrap();
    }
    systemd::daemon_reload(&host).unwrap();
    let words = fake.calls().join("\n").replace("systemctl ", "").replace(" -- registry.service", "");
    assert_eq!(
        words.lines().collect::<Vec<_>>().join(" "),
        "start stop restart enable disable mask unmask daemon-reload"
    );
    fake.program("systemctl", "echo 'Job for registry.service failed' >&2; exit 1");
    let error = systemd::start(&host, "registry.service").unwrap_err().to_string();
    assert_eq!(
        error,
        "`systemctl start -- registry.service`: exit status 1\nJob for registry.service failed"
    );
    fake.program("systemctl", "echo 'System has not been booted with systemd as init system (PID 1).'");
    let error = systemd::status(&host, "registry.service").unwrap_err();
    assert!(matches!(&error, Error::Unexpected { .. }), "{error}");
}

#[test]
fn the_journal_is_asked_for_one_unit() {
    let fake = Fake::new();
    fake.program("journalctl", "echo '2026-01-01T00:00:00+00:00 host podman[1]: no such image'; echo");
    let tail = systemd::journal_tail(&fake.host(), "registry.service", 20).unwrap();
    assert!(tail.ends_with("no such image"), "{tail:?}");
    let expected = "journalctl --no-pager --quiet --output=short-iso --lines=20 --unit=registry.service";
    assert_eq!(fake.calls(), [expected]);
}

#[test]
fn lingering_is_a_file() {
    let fake = Fake::new();
    assert!(!linger::is_enabled(&fake.host(), "core").unwrap());
    fake.file("root/var/lib/systemd/linger/core", "");
    assert!(linger::is_enabled(&fake.host(), "core").unwrap());
    assert!(linger::is_enabled(&fake.host(), "../core").is_err());
}

#[test]
fn names_are_asked_of_getent() {
    let fake = Fake::new();
    fake.program(
        "getent",
        "case \"$*\" in
         *unknown) exit 2;;
         *broken) echo 'Unknown database' >&2; exit 1;;
         *) printf '10.0.0.5        STREAM registry.example.test\\n10.0.0.5        DGRAM\\nfe80::1%%eth0 STREAM\\n';;
         esac",
    );
    let addresses = ["10.0.0.5", "fe80::1"].map(|text| text.parse::<IpAddr>().unwrap());
    assert_eq!(names::resolve(&fake.host(), "registry.example.test").unwrap(), addresses);
    assert_eq!(names::resolve_dns(&fake.host(), "unknown").unwrap(), [] as [IpAddr; 0]);
    let error = names::resolve(&fake.host(), "broken").unwrap_err().to_string();
    assert!(error.contains("exit status 1") && error.contains("Unknown database"), "{error}");
    let expected = [
        "getent ahosts -- registry.example.test",
        "getent -s dns ahosts -- unknown",
        "getent ahosts -- broken",
    ];
    assert_eq!(fake.calls(), expected);
}

#[test]
fn facts_of_a_recorded_rhel() {
    let fake = Fake::new();
    fake.file("root/etc/os-release", "ID=\"rhel\"\nID_LIKE=\"fedora\"\nVERSION_ID=\"9.4\"\n");
    fake.file("root/etc/hostname", "bastion.example.test\n");
    fake.file("root/etc/selinux/config", "SELINUX=enforcing\n");
    fake.file("root/sys/fs/selinux/enforce", "1");
    fake.file("root/sys/fs/cgroup/cgroup.controllers", "cpu memory\n");
    fake.file("root/run/systemd/system/x", "");
    fake.program("systemctl", "echo 'systemd 252 (252-32.el9_4)'");
    fake.program("dnf", "printf 'podman\\t4:5.2.2-9.el9_5\\n\\n'");
    // This machine may have a podman of its own.
    let facts = Facts::gather(&fake.bare_host()).unwrap();
    assert_eq!((facts.family, facts.selinux, facts.cgroup2), (Family::RedHat, Selinux::Enforcing, true));
    assert_eq!((facts.podman.as_deref(), facts.podman_candidate.as_deref()), (None, Some("5.2.2")));
    assert_eq!((facts.systemd, facts.hostname.as_str()), (Some(252), "bastion.example.test"));
    // No lists yet: nothing is known, and nothing failed.
    fake.program("dnf", "echo \"Error: Cache-only enabled but no cache for 'local'\" >&2; exit 1");
    assert_eq!(Facts::gather(&fake.bare_host()).unwrap().podman_candidate, None);
    fake.program("dnf", "echo 'Error: Failed to parse the configuration' >&2; exit 1");
    let error = Facts::gather(&fake.bare_host()).unwrap_err().to_string();
    assert!(error.contains("repoquery") && error.contains("parse the configuration"), "{error}");
    // An installed podman is known without dnf, which takes seconds and could not answer here. What is wrong with it is for
    // preflight to say, among all else.
    for (script, said) in [
        ("echo 'podman version 4.9.4-rhel'", "4.9.4-rhel"),
        ("echo 'docker 27'", "docker 27"),
        ("echo 'no storage' >&2; exit 125", "no storage"),
        ("exit 1", "nothing"),
    ] {
        fake.program("podman", script);
        assert_eq!(Facts::gather(&fake.host()).unwrap().podman.as_deref(), Some(said));
    }
}

#[test]
fn the_name_of_another_root_is_its_file() {
    let fake = Fake::new();
    let name = hostname::Hostname { configured: Some("bastion".into()), running: "bastion".into() };
    hostname::set(&fake.host(), &name).unwrap();
    assert_eq!(hostname::get(&fake.host()).unwrap(), name);
    assert_eq!(std::fs::read_to_string(fake.path("root/etc/hostname")).unwrap(), "bastion\n");
    assert!(fake.calls().is_empty());
}
