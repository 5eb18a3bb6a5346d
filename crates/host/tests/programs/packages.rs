//! Transactions of packages as the distribution's tools see them: what they are asked, and what is made of their
//! answers, refusals and failures half-way. The tools are scripts; the real dnf and rpm are in `dnf.rs`.

use std::collections::BTreeMap;

use provision_host::packages::{installed, transaction};
use provision_host::{Error, Family};

use crate::fake::{Fake, any, exactly};

const NONE: [&str; 0] = [];
const APT: &str = "apt-get --yes --quiet -o Dpkg::Options::=--force-confdef -o Dpkg::Options::=--force-confold \
                   -o DPkg::Lock::Timeout=120 -o Dpkg::Use-Pty=0";

/// dpkg and apt over two files: `installed` (name and version) and `lists` (names that apt knows).
fn debian() -> Fake {
    let fake = Fake::new();
    fake.file("installed", "bash 5.2\nlibc6 2.36\n");
    fake.file("lists", "podman\nconmon\n");
    fake.file("root/etc/os-release", "ID=debian\n");
    fake.program("dpkg-query", "sed 's/\\(.*\\) \\(.*\\)/installed\\t\\1\\t\\2/' \"$FAKE/installed\"");
    fake.program(
        "apt-cache",
        "if grep -qx \"$3\" \"$FAKE/lists\"; then echo '  Candidate: 1.0'; else echo '  Candidate: (none)'; fi",
    );
    // The answer to each verb is a script of the test's.
    fake.program(
        "apt-get",
        "for word; do case $word in update|install|purge) . \"$FAKE/$word\";; esac; done",
    );
    fake
}

/// The calls without those that only ask what is installed.
fn changes(fake: &Fake) -> Vec<String> {
    let calls = fake.calls().into_iter().filter(|line| !line.starts_with("dpkg-query"));
    calls.map(|line| line.replace(APT, "apt-get")).collect()
}

#[test]
fn apt_installs_what_is_missing_and_tells_what_came_along() {
    let fake = debian();
    fake.file("install", "printf 'podman 4.3.1\\nconmon 2.1\\n' >> \"$FAKE/installed\"");
    let changed = transaction(&fake.host(), Family::Debian, &any(&["podman", "bash"]), &NONE).unwrap();
    assert_eq!(
        changed.added,
        BTreeMap::from([("podman", "4.3.1"), ("conmon", "2.1")].map(|(n, v)| (n.into(), v.into())))
    );
    let expected = ["apt-cache policy -- podman", "apt-get --no-install-recommends install -- podman"];
    assert_eq!(changes(&fake), expected);
    // There is nothing left to do.
    assert_eq!(
        transaction(&fake.host(), Family::Debian, &any(&["podman"]), &["none"]).unwrap(),
        Default::default()
    );
    assert_eq!(changes(&fake), NONE);
}

#[test]
fn dpkg_finishes_first_what_it_was_cut_off_in() {
    let fake = debian();
    fake.file("root/var/lib/dpkg/updates/tmp.i", "");
    fake.file("install", "printf 'podman 4.3.1\n' >> \"$FAKE/installed\"");
    transaction(&fake.host(), Family::Debian, &any(&["podman"]), &NONE).unwrap();
    assert!(changes(&fake).iter().all(|call| !call.starts_with("dpkg ")), "nothing was cut off");
    fake.file("root/var/lib/dpkg/updates/0001", "Package: conmon\n");
    fake.file("purge", "echo 'bash 5.2' > \"$FAKE/installed\"");
    fake.program("dpkg", "rm \"$FAKE/root/var/lib/dpkg/updates/0001\"; exit 1");
    transaction(&fake.host(), Family::Debian, &any(&[]), &["podman"]).unwrap();
    let calls = changes(&fake);
    assert_eq!(calls[0], "dpkg --force-confdef --force-confold --configure --pending");
    assert_eq!(calls.last().unwrap(), "apt-get purge -- podman");
}

#[test]
fn apt_reads_its_lists_again_when_they_do_not_know_a_package() {
    let fake = debian();
    fake.file("update", "echo skopeo >> \"$FAKE/lists\"");
    fake.file("install", "echo 'skopeo 1.9' >> \"$FAKE/installed\"");
    transaction(&fake.host(), Family::Debian, &any(&["skopeo"]), &NONE).unwrap();
    let verbs =
        ["apt-cache policy -- skopeo", "apt-get update", "apt-get --no-install-recommends install -- skopeo"];
    assert_eq!(changes(&fake), verbs);
}

/// The version that is there counts, and one that nobody offers is refused before anything is changed.
#[test]
fn apt_brings_a_package_to_an_exact_version() {
    let fake = debian();
    fake.program(
        "apt-cache",
        "printf '  podman | 4.3.1 | here Packages\\n  podman | 4.3.0 | here Packages\\n'",
    );
    fake.file(
        "install",
        "sed -i '/^podman/d' \"$FAKE/installed\"; echo \"podman ${word#*=}\" >> \"$FAKE/installed\"",
    );
    fake.program("apt-get", "for word; do case $word in update) exit;; esac; done; . \"$FAKE/install\"");
    let bring = |version: &str| transaction(&fake.host(), Family::Debian, &exactly("podman", version), &NONE);
    assert_eq!(bring("4.3.1").unwrap().added["podman"], "4.3.1");
    let install = "apt-get --no-install-recommends --allow-downgrades install -- podman=4.3.1";
    assert_eq!(changes(&fake).last().unwrap(), install);
    assert_eq!(bring("4.3.1").unwrap(), Default::default());
    assert_eq!(changes(&fake), NONE);
    assert_eq!(bring("4.3.0").unwrap().upgraded["podman"], ("4.3.1".to_owned(), "4.3.0".to_owned()));
    changes(&fake);
    let error = bring("9").unwrap_err().to_string();
    assert_eq!(error, "no repository of this host offers podman 9; offered: 4.3.0, 4.3.1");
    assert_eq!(
        changes(&fake),
        ["apt-cache madison -- podman", "apt-get update", "apt-cache madison -- podman"],
        "the lists are read again first"
    );
    for version in ["4.3.1/stable", "4 -y", ""] {
        assert!(matches!(bring(version).unwrap_err(), Error::BadPackageVersion { .. }));
    }
}

#[test]
fn apt_removes_only_what_was_named() {
    let fake = debian();
    fake.file("installed", "podman 4.3.1\nbuildah 1.28\nbash 5.2\n");
    fake.file("purge", "printf 'Purg buildah [1.28]\\nPurg podman [4.3.1]\\n'");
    let error = transaction(&fake.host(), Family::Debian, &any(&NONE), &["podman"]).unwrap_err();
    assert!(matches!(&error, Error::WouldRemove { others, .. } if others == &["buildah"]), "{error}");
    assert_eq!(changes(&fake), ["apt-get --simulate purge -- podman"]);
    fake.file(
        "purge",
        "case \"$*\" in *--simulate*) printf 'Purg podman [4.3.1]\\n';; *) sed -i /podman/d \"$FAKE/installed\";; esac",
    );
    let changed = transaction(&fake.host(), Family::Debian, &any(&NONE), &["podman"]).unwrap();
    assert_eq!(changed.removed, BTreeMap::from([("podman".into(), "4.3.1".into())]));
    assert_eq!(changes(&fake), ["apt-get --simulate purge -- podman", "apt-get purge -- podman"]);
}

#[test]
fn a_failure_says_the_command_and_the_end_of_its_words() {
    let fake = debian();
    fake.file("install", "echo 'E: Unable to fetch some archives' >&2; exit 100");
    let error = transaction(&fake.host(), Family::Debian, &any(&["podman"]), &NONE).unwrap_err().to_string();
    for part in
        ["DEBIAN_FRONTEND=noninteractive", "install -- podman`: exit status 100", "E: Unable to fetch"]
    {
        assert!(error.contains(part), "{error}");
    }
    fake.program("dpkg-query", "echo 'dpkg-query: error: database is locked' >&2; exit 2");
    let error = installed(&fake.host(), Family::Debian, &["podman"]).unwrap_err().to_string();
    assert!(error.contains("exit status 2") && error.contains("database is locked"), "{error}");
    let error = transaction(&Fake::new().bare_host(), Family::Debian, &any(&["podman"]), &NONE).unwrap_err();
    assert!(matches!(&error, Error::ProgramMissing { program, .. } if program == "dpkg-query"), "{error}");
}

#[test]
fn dpkg_names_what_it_does_not_know_and_answers_the_rest() {
    let fake = debian();
    let answer = "installed\\tbash\\t5.2\\nconfig-files\\tnginx\\t1.22\\n";
    fake.program(
        "dpkg-query",
        &format!("printf '{answer}'; echo 'no packages found matching zsh' >&2; exit 1"),
    );
    let found = installed(&fake.host(), Family::Debian, &["zsh", "bash", "nginx"]).unwrap();
    let found: Vec<_> = found.iter().map(|(name, version)| (name.as_str(), version.as_deref())).collect();
    assert_eq!(found, [("bash", Some("5.2")), ("nginx", None), ("zsh", None)]);
    assert_eq!(
        fake.calls(),
        ["dpkg-query --show --showformat ${db:Status-Status}\t${Package}\t${Version}  -- bash nginx zsh"]
    );
}

/// rpm and dnf over the same two files.
fn redhat() -> Fake {
    let fake = Fake::new();
    fake.file("installed", "bash\t0:5.1.8-9.el9\n");
    fake.program(
        "rpm",
        "case \"$*\" in
         *--all) cat \"$FAKE/installed\";;
         *--erase*) . \"$FAKE/erase\";;
         *) shift 4; for name; do grep \"^$name[[:space:]]\" \"$FAKE/installed\" || echo \"package $name is not installed\"; done
            echo 'warning: Found bdb Packages database' >&2; exit 1;;
         esac",
    );
    fake.program(
        "dnf",
        "for word; do case $word in repoquery|makecache|install|remove) . \"$FAKE/$word\"; exit;; esac; done",
    );
    fake.file("repoquery", "printf 'podman\\t4:4.9.4-1.el9\\n\\n'");
    fake
}

#[test]
fn dnf_that_fails_half_way_is_told_and_the_next_run_does_the_rest() {
    let fake = redhat();
    fake.file("makecache", "exit 0");
    let install = "printf 'podman\\t4:4.9.4-1.el9\\n' >> \"$FAKE/installed\"
                   echo 'Error: Transaction failed' >&2; exit 1";
    fake.file("install", install);
    let error = transaction(&fake.host(), Family::RedHat, &any(&["podman", "skopeo"]), &NONE)
        .unwrap_err()
        .to_string();
    let parts = ["dnf --assumeyes --setopt=install_weak_deps=False install podman skopeo", "exit status 1"];
    assert!(
        parts.iter().all(|part| error.contains(part)) && error.ends_with("Error: Transaction failed"),
        "{error}"
    );
    let found = installed(&fake.host(), Family::RedHat, &["podman", "skopeo"]).unwrap();
    assert_eq!((found["podman"].as_deref(), found["skopeo"].as_deref()), (Some("4:4.9.4-1.el9"), None));
    fake.calls();
    fake.file("install", "printf 'skopeo\\t0:1.14-1.el9\\n' >> \"$FAKE/installed\"");
    let changed = transaction(&fake.host(), Family::RedHat, &any(&["podman", "skopeo"]), &NONE).unwrap();
    assert_eq!(changed.added, BTreeMap::from([("skopeo".into(), "1.14-1.el9".into())]));
    // The lists know no skopeo: they are read again first.
    let calls: Vec<String> = fake.calls().into_iter().filter(|call| call.starts_with("dnf")).collect();
    let query = "dnf --assumeyes --quiet --cacheonly repoquery --latest-limit=1 --queryformat \
                 %{name}\t%{epoch}:%{version}-%{release}  skopeo";
    let refresh = "dnf --assumeyes makecache --refresh";
    assert_eq!(calls, [query, refresh, "dnf --assumeyes --setopt=install_weak_deps=False install skopeo"]);
}

#[test]
fn dnf_removes_only_what_was_named() {
    let fake = redhat();
    fake.file("installed", "podman\t4:4.9.4-1.el9\ncockpit-podman\t0:84-1.el9\n");
    fake.file(
        "erase",
        "echo 'error: Failed dependencies:' >&2
         echo '	podman is needed by (installed) cockpit-podman-84-1.el9.noarch' >&2; exit 1",
    );
    let error = transaction(&fake.host(), Family::RedHat, &any(&NONE), &["podman"]).unwrap_err();
    assert!(matches!(&error, Error::WouldRemove { others, .. } if others == &["cockpit-podman"]), "{error}");
    assert!(!fake.calls().iter().any(|call| call.starts_with("dnf")));
    fake.file("erase", "exit 0");
    fake.file("remove", ": > \"$FAKE/installed\"");
    let changed =
        transaction(&fake.host(), Family::RedHat, &any(&NONE), &["podman", "cockpit-podman"]).unwrap();
    assert_eq!(changed.removed.len(), 2);
    let calls = fake.calls();
    let expected = [
        "rpm --erase --test --allmatches -- cockpit-podman podman",
        "dnf --assumeyes --setopt=clean_requirements_on_remove=False remove cockpit-podman podman",
    ];
    assert_eq!(calls[1..3], expected, "{calls:?}");
}

#[test]
fn an_rpm_database_that_cannot_be_read_is_no_missing_package() {
    let fake = redhat();
    fake.program("rpm", "echo 'error: cannot open Packages database in /var/lib/rpm' >&2; exit 1");
    for names in [&["podman"][..], &["podman", "skopeo"]] {
        let error = installed(&fake.host(), Family::RedHat, names).unwrap_err().to_string();
        assert!(error.contains("cannot open Packages database"), "{error}");
    }
    let error = transaction(&fake.host(), Family::RedHat, &any(&["podman"]), &NONE).unwrap_err().to_string();
    assert!(error.contains("rpm --query") && error.contains("--all`: exit status 1"), "{error}");
}
