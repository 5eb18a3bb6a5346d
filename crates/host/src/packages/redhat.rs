//! rpm(8) and dnf(8), version 4 and 5: how they are called and how they answer. Names were checked before.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::Result;
use crate::host::Host;
use crate::program::Program;

use super::Wanted;

/// Downloads and unpacking on a slow machine take long; a hang has an end nevertheless.
const LIMIT: Duration = Duration::from_secs(3600);

/// `EPOCHNUM` is 0 where there is no epoch.
const FORMAT: &str = "%{NAME}\t%{EPOCHNUM}:%{VERSION}-%{RELEASE}\n";

pub(super) fn installed(host: &Host, names: &[String]) -> Result<BTreeMap<String, String>> {
    let query = host.program("rpm").args(["--query", "--queryformat", FORMAT]);
    if names.is_empty() {
        return Ok(parse_installed(&query.arg("--all").run()?.stdout));
    }
    // The exit status is the number of names that are not installed, and warnings go to standard error: neither tells
    // whether the query failed. It has not when there is an answer for each name.
    let query = query.arg("--").args(names);
    let command = query.command_line();
    let output = query.output()?;
    let found = parse_installed(&output.stdout);
    let absent = parse_absent(&output.stdout);
    match names.iter().all(|name| found.contains_key(name) || absent.contains(&name.as_str())) {
        true => Ok(found),
        false => Err(output.into_error(command)),
    }
}

/// Lines without a tab are `package x is not installed`. The keys that rpm lists as packages are not packages.
fn parse_installed(text: &str) -> BTreeMap<String, String> {
    let fields = text.lines().filter_map(|line| line.split_once('\t'));
    let packages = fields.filter(|(name, _)| *name != "gpg-pubkey");
    packages.map(|(name, version)| (name.to_owned(), without_epoch_0(version))).collect()
}

/// Lines like `package skopeo is not installed`.
fn parse_absent(text: &str) -> Vec<&str> {
    let rest = text.lines().filter_map(|line| line.strip_prefix("package "));
    rest.filter_map(|rest| rest.strip_suffix(" is not installed")).collect()
}

pub(super) fn candidate(host: &Host, name: &str) -> Result<Option<String>> {
    Ok(parse_offered(&repoquery(host, &["--latest-limit=1"], name)?, name).next_back())
}

pub(super) fn offered(host: &Host, name: &str) -> Result<BTreeSet<String>> {
    Ok(parse_offered(&repoquery(host, &[], name)?, name).collect())
}

fn repoquery(host: &Host, options: &[&str], name: &str) -> Result<String> {
    let format = "%{name}\t%{epoch}:%{version}-%{release}\n";
    let query = dnf(host).args(["--quiet", "--cacheonly", "repoquery"]).args(options.iter().copied());
    let query = query.args(["--queryformat", format, name]);
    let command = query.command_line();
    let output = query.output()?;
    // Without lists, `--cacheonly` has nothing to answer from: nothing is known, which is no failure.
    let no_lists = output.stderr.contains("Cache-only enabled but no cache")
        || output.stderr.contains("no cached metadata")
        || output.stderr.contains("Cannot find valid metadata");
    if output.success() || no_lists { Ok(output.stdout) } else { Err(output.into_error(command)) }
}

/// dnf 4 ends each answer with a newline of its own, dnf 5 does not: empty lines mean nothing. Versions are
/// sorted, and an architecture each has its own line.
fn parse_offered<'a>(text: &'a str, name: &'a str) -> impl DoubleEndedIterator<Item = String> + 'a {
    let fields = text.lines().filter_map(|line| line.split_once('\t'));
    fields.filter(move |(found, _)| *found == name).map(|(_, version)| without_epoch_0(version))
}

pub(super) fn refresh(host: &Host) -> Result<()> {
    dnf(host).args(["makecache", "--refresh"]).run().map(drop)
}

/// An exact version that is older than the installed one is a downgrade, which dnf does when it is asked to install it.
pub(super) fn install(host: &Host, wanted: &[Wanted<'_>]) -> Result<()> {
    let name = |one: &Wanted<'_>| match one.version {
        Some(version) => format!("{}-{version}", one.name),
        None => one.name.to_owned(),
    };
    let install = dnf(host).args(["--setopt=install_weak_deps=False", "install"]);
    install.args(wanted.iter().map(name)).run().map(drop)
}

/// Dependencies stay unless they are named: who asked for them since is not known.
pub(super) fn remove(host: &Host, names: &[String]) -> Result<()> {
    dnf(host).args(["--setopt=clean_requirements_on_remove=False", "remove"]).args(names).run().map(drop)
}

/// What a removal would take along: rpm refuses what others need and says who they are.
pub(super) fn would_remove(host: &Host, names: &[String]) -> Result<Vec<String>> {
    // Several versions of one name (kernels) and several architectures go together, as they do with dnf.
    let test = host.program("rpm").args(["--erase", "--test", "--allmatches", "--"]).args(names);
    let command = test.command_line();
    let output = test.output()?;
    let needed = parse_needed(&output.stderr);
    if output.success() || !needed.is_empty() { Ok(needed) } else { Err(output.into_error(command)) }
}

/// Indented lines like `podman is needed by (installed) cockpit-podman-84-1.el9.noarch`.
fn parse_needed(text: &str) -> Vec<String> {
    let needing = text.lines().filter_map(|line| line.split_once(" is needed by (installed) "));
    needing.map(|(_, package)| name_of(package.trim()).to_owned()).collect()
}

/// The name in `name-version-release.architecture`.
fn name_of(package: &str) -> &str {
    let mut parts = package.rsplitn(3, '-');
    parts.nth(2).unwrap_or(package)
}

fn without_epoch_0(version: &str) -> String {
    let version = version.trim();
    version.strip_prefix("0:").unwrap_or(version).to_owned()
}

fn dnf(host: &Host) -> Program<'_> {
    host.program("dnf").arg("--assumeyes").timeout(LIMIT)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn recorded_rpm_query() {
        let text = "podman\t4:4.9.4-18.el9_4.1\npackage skopeo is not installed\nbash\t0:5.1.8-9.el9\n\
                    gpg-pubkey\t0:fd431d51-4ae0493b\n";
        let found = parse_installed(text);
        assert_eq!(found.keys().collect::<Vec<_>>(), ["bash", "podman"]);
        assert_eq!((found["bash"].as_str(), found["podman"].as_str()), ("5.1.8-9.el9", "4:4.9.4-18.el9_4.1"));
        assert_eq!(parse_absent(text), ["skopeo"]);
    }

    #[test]
    fn recorded_dnf_repoquery() {
        let dnf4 = "podman\t4:4.9.4-18.el9_4.1\n\npodman\t4:5.2.2-9.el9_5\n\n";
        let dnf5 = "podman\t5:5.4.2-1.fc42\n";
        let old = "httpd-tools\t0:2.4.57-5.el9\n";
        for (text, name, expected) in [
            (dnf4, "podman", Some("4:5.2.2-9.el9_5")),
            (dnf5, "podman", Some("5:5.4.2-1.fc42")),
            (old, "httpd-tools", Some("2.4.57-5.el9")),
            (old, "httpd", None),
            ("", "podman", None),
        ] {
            assert_eq!(parse_offered(text, name).next_back().as_deref(), expected);
        }
    }

    #[test]
    fn recorded_rpm_erase_test() {
        let text = "error: Failed dependencies:\n\tpodman is needed by (installed) cockpit-podman-84.1-1.el9.noarch\n\
                    \tconmon >= 2 is needed by (installed) cri-o-1.30.0-2.el9.x86_64\n\
                    \tlibfoo is needed by (installed) podman-4:4.9.4-1.el9.noarch\n";
        assert_eq!(parse_needed(text), ["cockpit-podman", "cri-o", "podman"]);
        assert_eq!(name_of("odd"), "odd");
    }

    proptest! {
        #[test]
        fn any_output_is_understood(text in "( is needed by \\(installed\\) |[\\t\n :a-z-]|\\PC)*") {
            parse_installed(&text);
            parse_offered(&text, "podman").for_each(drop);
            parse_needed(&text);
            parse_absent(&text);
        }
    }
}
