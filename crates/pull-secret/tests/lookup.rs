//! Which entry is found for an image, where files are looked for, and what is found fault with: as data.

use std::collections::BTreeSet;
use std::path::Path;

use provision_pull_secret::{AuthFile, Environment, Format, HelperSource, Match, search_path};

fn describe(found: Option<Match>) -> String {
    match found {
        Some(Match::Credentials { key, credentials }) => format!("{key} as {}", credentials.username),
        Some(Match::IdentityToken { key, .. }) => format!("{key} by token"),
        Some(Match::Helper { helper, host, source: HelperSource::CredHelpers }) => {
            format!("ask {helper} for {host}")
        }
        Some(Match::Helper { helper, host, .. }) => format!("ask store {helper} for {host}"),
        Some(Match::Empty { key }) => format!("{key} empty"),
        Some(_) => "unknown".to_owned(),
        None => "nothing".to_owned(),
    }
}

#[test]
fn the_longest_path_wins_and_hosts_are_normalised_last() {
    let file = AuthFile::parse(
        br#"{"auths": {
            "r.test:5000": {"auth": "aG9zdDpw"},
            "r.test:5000/ns": {"auth": "bnM6cA=="},
            "r.test:5000/ns/repo": {"auth": "cmVwbzpw"},
            "https://index.docker.io/v1/": {"auth": "aHViOnA="},
            "https://old.test/v2/": {"auth": "b2xkOnA="},
            "path.test/only": {"auth": "cGF0aDpw"},
            "token.test": {"auth": "dXNlcjo=", "identitytoken": "t"},
            "empty.test": {},
            "help.test": {"auth": "aHViOnA="},
            "plain.test": {"username": "plain", "password": "p"}
        }, "credHelpers": {"help.test": "pass", "alone.test": "vault"}}"#,
    )
    .unwrap();
    let check = |image: &str, expected: &str| assert_eq!(describe(file.lookup(image)), expected, "{image}");
    check("r.test:5000", "r.test:5000 as host");
    check("r.test:5000/other/repo:v1", "r.test:5000 as host");
    check("r.test:5000/ns/other", "r.test:5000/ns as ns");
    check("r.test:5000/ns/repo", "r.test:5000/ns/repo as repo");
    check("r.test:5000/ns/repo:v1@sha256:00", "r.test:5000/ns/repo as repo");
    check("docker://r.test:5000/ns/repo/deeper:v1", "r.test:5000/ns/repo as repo");
    check("r.test:5000/nsx", "r.test:5000 as host");
    check("r.test/ns", "nothing");
    check("docker.io/library/alpine", "https://index.docker.io/v1/ as hub");
    check("registry-1.docker.io/library/alpine", "https://index.docker.io/v1/ as hub");
    check("old.test/a/b", "https://old.test/v2/ as old");
    check("path.test/only/x", "path.test/only as path");
    check("path.test", "nothing");
    check("path.test/other", "nothing");
    check("token.test/x", "token.test by token");
    check("empty.test/x", "empty.test empty");
    check("help.test/x", "ask pass for help.test");
    check("alone.test", "ask vault for alone.test");
    check("plain.test", "plain.test as plain");
    check("", "nothing");
    check("/", "nothing");
    assert_eq!(file.near("r.test:8443/x"), ["r.test:5000", "r.test:5000/ns", "r.test:5000/ns/repo"]);
    assert!(file.near("r.test:5000/x").is_empty());
}

#[test]
fn a_store_is_asked_when_no_entry_has_credentials() {
    let file =
        AuthFile::parse(br#"{"auths": {"a": {}, "b": {"auth": "dTpw"}}, "credsStore": "desktop"}"#).unwrap();
    let check = |image: &str, expected: &str| assert_eq!(describe(file.lookup(image)), expected, "{image}");
    check("a/x", "ask store desktop for a");
    check("b/x", "b as u");
    check("c/x", "ask store desktop for c");
    assert_eq!(file.helpers(), ["desktop"]);
}

#[test]
fn the_legacy_file_knows_hosts_only() {
    let file =
        AuthFile::parse_legacy(br#"{"https://q.test/v1/": {"auth": "dTpw"}, "r.test/ns": {"auth": "dTpw"}}"#)
            .unwrap();
    let check = |image: &str, expected: &str| assert_eq!(describe(file.lookup(image)), expected, "{image}");
    check("q.test/a", "https://q.test/v1/ as u");
    check("r.test/other", "r.test/ns as u");
    assert!(AuthFile::parse_legacy(br#"{"a": 1}"#).is_err());
}

#[test]
fn files_are_looked_for_in_the_documented_order() {
    let check = |environment: Environment<'_>, expected: &[&str]| {
        let found = search_path(&environment);
        let paths: Vec<&str> = found.iter().map(|candidate| candidate.path.to_str().unwrap()).collect();
        assert_eq!(paths, expected);
        assert!(found.iter().enumerate().all(|(at, candidate)| candidate.primary == (at == 0)));
        let legacy = |path: &Path| path.ends_with(".dockercfg");
        assert!(
            found.iter().all(|candidate| (candidate.format == Format::Legacy) == legacy(&candidate.path))
        );
    };
    let home = Environment { home: Some("/home/u"), uid: 1000, ..Environment::default() };
    check(
        home.clone(),
        &[
            "/run/containers/1000/auth.json",
            "/home/u/.config/containers/auth.json",
            "/home/u/.docker/config.json",
            "/home/u/.dockercfg",
        ],
    );
    check(
        Environment {
            xdg_runtime_dir: Some("/run/user/1000"),
            xdg_config_home: Some("/c"),
            docker_config: Some("/d"),
            ..home.clone()
        },
        &[
            "/run/user/1000/containers/auth.json",
            "/c/containers/auth.json",
            "/d/config.json",
            "/home/u/.dockercfg",
        ],
    );
    check(Environment { registry_auth_file: Some("/named"), ..home.clone() }, &["/named"]);
    check(
        Environment { authfile: Some(Path::new("/flag")), registry_auth_file: Some("/named"), ..home },
        &["/flag"],
    );
    check(
        Environment { xdg_runtime_dir: Some(""), ..Environment::default() },
        &["/run/containers/0/auth.json"],
    );
}

#[test]
fn traps_are_found() {
    let check = |input: &str, expected: &[(&str, &str)]| {
        let file = AuthFile::parse(input.as_bytes()).unwrap();
        let found = file.findings(&BTreeSet::from(["known".to_owned()]));
        let found: Vec<(&str, &str)> =
            found.iter().map(|finding| (finding.id, finding.key.as_str())).collect();
        assert_eq!(found, expected, "{input}");
    };
    check(r#"{"auths": {"a:1": {"auth": "dTpw"}, "b/ns": {"auth": "dTpw"}}}"#, &[]);
    check(r#"{"auths": {"a": {}}}"#, &[("entry-empty", "a")]);
    check(r#"{"auths": {"a": {"auth": ""}}}"#, &[("entry-empty", "a")]);
    check(r#"{"auths": {"a": {}}, "credsStore": "known"}"#, &[]);
    check(r#"{"auths": {"a": {}}, "credHelpers": {"a": "known"}}"#, &[]);
    check(r#"{"credHelpers": {"a": "lost"}}"#, &[("helper-missing", "a")]);
    check(r#"{"credsStore": "lost"}"#, &[("helper-missing", "*")]);
    check(r#"{"auths": {"a": {"auth": "dTpw"}}, "credHelpers": {"a": "known"}}"#, &[("helper-first", "a")]);
    check(
        r#"{"auths": {"r.test": {"auth": "dTpw"}, "r.test:8443": {"auth": "dTpw"}}}"#,
        &[("port-differs", "r.test:8443")],
    );
    check(r#"{"auths": {"https://a/v1/": {"auth": "dTpw"}}}"#, &[("key-form", "https://a/v1/")]);
    check(r#"{"auths": {"a/b:tag": {"auth": "dTpw"}}}"#, &[("key-form", "a/b:tag")]);
    check(
        r#"{"auths": {"docker.io": {"auth": "dTpw"}, "index.docker.io": {"auth": "dTpw"}}}"#,
        &[("key-twice", "index.docker.io")],
    );
    check(
        r#"{"auths": {"a": {"auth": "dTpw", "username": "u", "password": "q"}}}"#,
        &[("auth-contradicted", "a")],
    );
    check(r#"{"auths": {"a": {"auth": "dTpw", "username": "u", "password": "p"}}}"#, &[]);
    check(r#"{"auths": {"a": {"username": "u", "password": "p"}}}"#, &[("auth-missing", "a")]);
}
