//! The real dnf and rpm, over a root directory and a repository of packages that are built here. On Debian they are the
//! packages `dnf`, `rpm` and `createrepo-c`; a test without them fails and says so.

use std::path::Path;
use std::process::Command;

use provision_host::packages::{candidate, installed, offered, transaction};
use provision_host::{Error, Family, Host};

use crate::fake::{Fake, any, exactly};

const NONE: [&str; 0] = [];

/// Name, epoch, and lines of the specification; all in version 1.0.
const PACKAGES: [(&str, u32, &str); 5] = [
    ("libfoo", 0, ""),
    ("podman", 4, "Requires: libfoo\nRecommends: extra"),
    ("cockpit-podman", 0, "Requires: podman"),
    ("extra", 0, ""),
    ("broken", 0, ""),
];

fn run(command: &mut Command) {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?} cannot be run: {error}"));
    assert!(output.status.success(), "{command:?}: {output:?}");
}

/// Builds a package into the repository.
fn build(fake: &Fake, name: &str, version: &str, epoch: u32, lines: &str) {
    let refuses = if name == "broken" { "%pre -p <lua>\nerror(\"not here\")\n" } else { "" };
    let text = format!(
        "Name: {name}\nVersion: {version}\nRelease: 1.el9\nEpoch: {epoch}\nSummary: a test\nLicense: MIT\n\
         BuildArch: noarch\n{lines}\n%description\na test\n{refuses}%files\n"
    );
    fake.file(&format!("{name}.spec"), &text);
    let define = |name: &str, path: &Path| format!("{name} {}", path.display());
    let mut build = Command::new("rpmbuild");
    build.args(["-bb", "--quiet", "--define", &define("_topdir", &fake.path("build"))]);
    build.args(["--define", &define("_rpmdir", &fake.path("repository"))]);
    run(build.arg(fake.path(&format!("{name}.spec"))));
}

/// A host of the RHEL family, empty, with a repository at hand.
fn redhat() -> Fake {
    let fake = Fake::new();
    let repository = fake.path("repository");
    for (name, epoch, lines) in PACKAGES {
        build(&fake, name, "1.0", epoch, lines);
    }
    build(&fake, "extra", "0.9", 0, "");
    run(Command::new("createrepo_c").arg("--quiet").arg(&repository));
    let source = format!("[local]\nname=local\nbaseurl=file://{}\n", repository.display());
    let places = |name: &str| fake.path(name).display().to_string();
    let main = format!(
        "[main]\ngpgcheck=0\nreposdir={0}\nvarsdir={0}\ncachedir={1}\nlogdir={2}\n",
        places("none"),
        places("cache"),
        places("root")
    );
    fake.file("dnf.conf", &(main + &source));
    // Root of a name space of its own: dnf asks for it, and a test need not be run as root.
    let root = "exec unshare --map-root-user";
    let options = "--config=\"$FAKE/dnf.conf\" --installroot=\"$FAKE/root\" --releasever=9";
    fake.program("dnf", &format!("{root} /usr/bin/dnf {options} \"$@\""));
    fake.program("rpm", &format!("{root} /usr/bin/rpm --root=\"$FAKE/root\" \"$@\""));
    fake
}

fn present(host: &Host) -> String {
    let names = PACKAGES.map(|(name, ..)| name);
    let found = installed(host, Family::RedHat, &names).unwrap();
    found
        .iter()
        .filter(|(_, version)| version.is_some())
        .map(|(name, _)| name.as_str())
        .collect::<Vec<_>>()
        .join(" ")
}

#[test]
fn packages_come_and_go() {
    let fake = redhat();
    let host = fake.host();
    let change =
        |install: &[&str], remove: &[&str]| transaction(&host, Family::RedHat, &any(install), remove);
    // Nothing is known before the lists are read, which the first transaction does.
    assert_eq!(candidate(&host, Family::RedHat, "podman").unwrap(), None);
    let changed = change(&["podman"], &NONE).unwrap();
    let added: Vec<_> = changed.added.iter().map(|(name, version)| format!("{name} {version}")).collect();
    assert_eq!(added, ["libfoo 1.0-1.el9", "podman 4:1.0-1.el9"]);
    assert_eq!(candidate(&host, Family::RedHat, "podman").unwrap().as_deref(), Some("4:1.0-1.el9"));
    assert_eq!(candidate(&host, Family::RedHat, "nothing").unwrap(), None);
    assert_eq!(change(&["podman"], &["extra"]).unwrap(), Default::default());
    change(&["cockpit-podman"], &NONE).unwrap();
    let error = change(&NONE, &["podman"]).unwrap_err();
    assert!(matches!(&error, Error::WouldRemove { others, .. } if others == &["cockpit-podman"]), "{error}");
    assert_eq!(present(&host), "cockpit-podman libfoo podman");
    let changed = change(&["extra"], &["podman", "cockpit-podman"]).unwrap();
    assert_eq!((changed.added.len(), changed.removed.len()), (1, 2));
    assert_eq!(present(&host), "extra libfoo");
}

#[test]
fn a_transaction_that_fails_half_way_says_so() {
    let fake = redhat();
    let host = fake.host();
    let error = transaction(&host, Family::RedHat, &any(&["nothing"]), &NONE).unwrap_err().to_string();
    assert!(error.contains("Unable to find a match: nothing"), "{error}");
    let error =
        transaction(&host, Family::RedHat, &any(&["extra", "broken"]), &NONE).unwrap_err().to_string();
    assert!(
        error.contains("install broken extra`: exit status 1") && error.contains("Transaction failed"),
        "{error}"
    );
    assert_eq!(present(&host), "extra");
}

#[test]
fn a_package_is_brought_to_an_exact_version_up_and_down() {
    let fake = redhat();
    let host = fake.host();
    let bring =
        |name: &str, version: &str| transaction(&host, Family::RedHat, &exactly(name, version), &NONE);
    // The lists are not read yet: they are, before the version counts as one that nobody offers.
    let error = bring("extra", "2.0-1.el9").unwrap_err().to_string();
    assert_eq!(error, "no repository of this host offers extra 2.0-1.el9; offered: 0.9-1.el9, 1.0-1.el9");
    assert_eq!(candidate(&host, Family::RedHat, "extra").unwrap().as_deref(), Some("1.0-1.el9"));
    assert_eq!(offered(&host, Family::RedHat, "podman").unwrap().first().unwrap(), "4:1.0-1.el9");
    assert_eq!(bring("extra", "0.9-1.el9").unwrap().added["extra"], "0.9-1.el9");
    assert_eq!(bring("extra", "0.9-1.el9").unwrap(), Default::default());
    let ends = |from: &str, to: &str| (from.to_owned(), to.to_owned());
    assert_eq!(bring("extra", "1.0-1.el9").unwrap().upgraded["extra"], ends("0.9-1.el9", "1.0-1.el9"));
    assert_eq!(bring("extra", "0.9-1.el9").unwrap().upgraded["extra"], ends("1.0-1.el9", "0.9-1.el9"));
    // With an epoch, as rpm tells it.
    assert_eq!(bring("podman", "4:1.0-1.el9").unwrap().added["podman"], "4:1.0-1.el9");
}
