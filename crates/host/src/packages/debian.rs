//! dpkg-query(1), apt-cache(8), apt-get(8): how they are called and how they answer. Names were checked before.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

use crate::Result;
use crate::host::Host;
use crate::program::Program;

use super::Wanted;

/// Downloads and unpacking on a slow machine take long; a hang has an end nevertheless.
const LIMIT: Duration = Duration::from_secs(3600);

/// Where dpkg notes what it is about, in files named by number, before that is in its list; apt looks here too.
const UPDATES: &str = "/var/lib/dpkg/updates";

/// One line per package. `binary:Package` would carry the architecture on some of them.
const FORMAT: &str = "${db:Status-Status}\t${Package}\t${Version}\n";

pub(super) fn installed(host: &Host, names: &[String]) -> Result<BTreeMap<String, String>> {
    let query = host.program("dpkg-query").args(["--show", "--showformat", FORMAT]);
    let query = if names.is_empty() { query } else { query.arg("--").args(names) };
    let command = query.command_line();
    let output = query.output()?;
    // 1: some of the names are unknown, the others are answered (dpkg-query(1)).
    match output.status {
        0 | 1 => Ok(parse_installed(&output.stdout)),
        _ => Err(output.into_error(command)),
    }
}

/// A package counts as installed when its files are there: triggers may be pending.
fn parse_installed(text: &str) -> BTreeMap<String, String> {
    let fields = |line: &str| {
        let mut fields = line.split('\t');
        let (status, name, version) = (fields.next()?, fields.next()?, fields.next()?);
        let there = matches!(status, "installed" | "triggers-pending" | "triggers-awaited");
        there.then(|| (name.to_owned(), version.trim().to_owned()))
    };
    text.lines().filter_map(fields).collect()
}

pub(super) fn candidate(host: &Host, name: &str) -> Result<Option<String>> {
    let output = host.program("apt-cache").args(["policy", "--", name]).run()?;
    Ok(parse_candidate(&output.stdout))
}

fn parse_candidate(text: &str) -> Option<String> {
    let version = text.lines().find_map(|line| line.trim().strip_prefix("Candidate:"))?.trim();
    (version != "(none)" && !version.is_empty()).then(|| version.to_owned())
}

pub(super) fn offered(host: &Host, name: &str) -> Result<BTreeSet<String>> {
    // `policy` would name the installed version as well, whether or not it can still be had.
    let output = host.program("apt-cache").args(["madison", "--", name]).run()?;
    Ok(parse_offered(&output.stdout, name))
}

/// Lines like ` jq | 1.6-2.1+deb12u1 | http://deb.example.test bookworm/main amd64 Packages`.
fn parse_offered(text: &str, name: &str) -> BTreeSet<String> {
    let fields = text.lines().filter_map(|line| {
        let mut fields = line.split(" | ").map(str::trim);
        let (found, version, place) = (fields.next()?, fields.next()?, fields.next()?);
        (found == name && !place.ends_with(" Sources")).then(|| version.to_owned())
    });
    fields.collect()
}

pub(super) fn refresh(host: &Host) -> Result<()> {
    apt_get(host).args(["update"]).run().map(drop)
}

pub(super) fn install(host: &Host, wanted: &[Wanted<'_>]) -> Result<()> {
    let name = |one: &Wanted<'_>| match one.version {
        Some(version) => format!("{}={version}", one.name),
        None => one.name.to_owned(),
    };
    let mut install = apt_get(host).arg("--no-install-recommends");
    // Who names an exact version means it, also when it is an older one.
    if wanted.iter().any(|one| one.version.is_some()) {
        install = install.arg("--allow-downgrades");
    }
    install.args(["install", "--"]).args(wanted.iter().map(name)).run().map(drop)
}

pub(super) fn remove(host: &Host, names: &[String]) -> Result<()> {
    apt_get(host).args(["purge", "--"]).args(names).run().map(drop)
}

/// Finishes what dpkg was about when it was cut off: as long as notes of that are there, apt refuses everything. Which
/// package then fails is told by whoever needs it.
pub(super) fn finish_cut_off(host: &Host) -> Result<()> {
    let notes = host.root.list(Path::new(UPDATES))?.unwrap_or_default();
    if notes.iter().any(|note| note.bytes().all(|byte| byte.is_ascii_digit())) {
        let dpkg =
            host.program("dpkg").args(["--force-confdef", "--force-confold", "--configure", "--pending"]);
        dpkg.env("DEBIAN_FRONTEND", "noninteractive").timeout(LIMIT).output()?;
    }
    Ok(())
}

/// What a removal would take along, from a simulation.
pub(super) fn would_remove(host: &Host, names: &[String]) -> Result<Vec<String>> {
    let output = apt_get(host).args(["--simulate", "purge", "--"]).args(names).run()?;
    Ok(parse_simulation(&output.stdout))
}

/// Lines like `Purg podman [4.3.1+ds1-8+deb12u1]` and `Remv buildah:amd64 [1.28]`.
fn parse_simulation(text: &str) -> Vec<String> {
    let removed = text.lines().filter_map(|line| {
        let mut words = line.split_whitespace();
        matches!(words.next()?, "Purg" | "Remv").then(|| words.next())?
    });
    removed.map(|name| name.split(':').next().unwrap_or(name).to_owned()).collect()
}

/// apt-get that asks nothing, keeps the administrator's configuration files, waits for another apt, and lets
/// needrestart restart nothing behind our back.
fn apt_get(host: &Host) -> Program<'_> {
    host.program("apt-get")
        .args(["--yes", "--quiet"])
        .args(["-o", "Dpkg::Options::=--force-confdef", "-o", "Dpkg::Options::=--force-confold"])
        .args(["-o", "DPkg::Lock::Timeout=120", "-o", "Dpkg::Use-Pty=0"])
        .env("DEBIAN_FRONTEND", "noninteractive")
        .env("APT_LISTCHANGES_FRONTEND", "none")
        .env("NEEDRESTART_SUSPEND", "1")
        .timeout(LIMIT)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn recorded_dpkg_query() {
        let text = "installed\tbash\t5.2.15-2+b8\nconfig-files\tnginx\t1.22.1-9\nnot-installed\tzsh\t\n\
                    triggers-awaited\tlibc-bin\t2.36-9\nhalf-configured\tbroken\t1\n";
        let found = parse_installed(text);
        assert_eq!(found.keys().collect::<Vec<_>>(), ["bash", "libc-bin"]);
        assert_eq!(found["bash"], "5.2.15-2+b8");
    }

    #[test]
    fn recorded_apt_cache_policy() {
        let known = "podman:\n  Installed: (none)\n  Candidate: 4.3.1+ds1-8+deb12u1+b3\n  Version table:\n     \
                     4.3.1+ds1-8+deb12u1+b3 500\n        500 http://deb.example.test bookworm/main\n";
        assert_eq!(parse_candidate(known).as_deref(), Some("4.3.1+ds1-8+deb12u1+b3"));
        let removed = "nginx:\n  Installed: (none)\n  Candidate: (none)\n  Version table:\n";
        assert_eq!(parse_candidate(removed), None);
        assert_eq!(parse_candidate(""), None);
    }

    #[test]
    fn recorded_apt_cache_madison() {
        let text = "        jq | 1.6-2.1+deb12u1 | http://deb.example.test bookworm-updates/main amd64 Packages\n        \
                    jq |  1.6-2.1 | http://deb.example.test bookworm/main amd64 Packages\n        \
                    jq | 1.6-9 | http://deb.example.test bookworm/main Sources\n        \
                    jq-dev | 9 | http://deb.example.test bookworm/main amd64 Packages\n";
        assert_eq!(parse_offered(text, "jq").into_iter().collect::<Vec<_>>(), ["1.6-2.1", "1.6-2.1+deb12u1"]);
        assert!(parse_offered("", "jq").is_empty());
    }

    #[test]
    fn recorded_simulation() {
        let text = "Reading package lists...\nThe following packages will be REMOVED:\n  buildah* podman*\n\
                    Purg buildah [1.28.2+ds1-3+b1] [podman:amd64 ]\nPurg podman:amd64 [4.3.1]\nRemv x [1]\n";
        assert_eq!(parse_simulation(text), ["buildah", "podman", "x"]);
    }

    proptest! {
        #[test]
        fn any_output_is_understood(text in "(Purg|Remv|installed|Candidate:|[\\t\n :a-z]|\\PC)*") {
            parse_installed(&text);
            parse_candidate(&text);
            parse_offered(&text, "a");
            parse_simulation(&text);
        }
    }
}
