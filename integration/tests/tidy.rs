//! The rules of the house that no compiler keeps. Reads the source as text; starts no server and no build.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What each crate may depend on within the workspace: all of it, and nothing else. A new arrow is a decision, so
/// it is made here and explained in ARCHITECTURE.md.
const ARROWS: [(&str, &str); 11] = [
    ("host", ""),
    ("pull-secret", ""),
    ("podman-units", ""),
    ("trust-store", ""),
    ("preflight", "host"),
    ("oci", "pull-secret"),
    ("mirror", "oci"),
    ("registry", "oci"),
    ("converge", "host mirror oci pull-secret"),
    ("profile", "converge host oci podman-units preflight pull-secret trust-store"),
    ("provision", "converge host mirror oci podman-units preflight profile pull-secret registry trust-store"),
];

/// What product code may use in some crates only: the path, where it is allowed, and why nowhere else.
const EFFECTS: [(&str, &str, &str); 6] = [
    ("std::process::Command", "host", "there is one way to run a program: provision_host::Program"),
    ("tokio::process", "host", "there is one way to run a program: provision_host::Program"),
    ("std::env", "host", "the environment is an input, and provision_host gives it"),
    ("rustix::fs", "host", "files of a host are below a root: provision_host::Root"),
    (
        "std::fs",
        "host oci registry",
        "files of a host are below a root; a server reads its own configuration, a store drops parts",
    ),
    ("tokio::fs", "mirror oci registry", "stores and media are directories of their own, hosts are not"),
];

/// What asks the C library for hosts or accounts. Linked statically, glibc loads the host's name service modules for that,
/// which are another glibc's, and dies in them: getent(1) is asked, through `provision_host::names`.
const NAME_SERVICE: [&str; 5] =
    ["to_socket_addrs", "lookup_host", "by_c_library", "home_dir(", "nix::unistd"];

/// Names under which things end up that have no home.
const DRAWERS: [&str; 6] = ["utils", "util", "helpers", "common", "misc", "types"];

fn house() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_path_buf()
}

/// All files below a folder of the house, without what is built; each with its path from the house.
fn files(below: &str) -> BTreeMap<String, Vec<u8>> {
    fn walk(house: &Path, folder: &Path, found: &mut BTreeMap<String, Vec<u8>>) {
        for entry in fs::read_dir(folder).unwrap() {
            let entry = entry.unwrap();
            let (path, name) = (entry.path(), entry.file_name());
            if entry.file_type().unwrap().is_dir() {
                if name != "target" && name != ".git" {
                    walk(house, &path, found);
                }
            } else if let Ok(bytes) = fs::read(&path) {
                found.insert(path.strip_prefix(house).unwrap().to_string_lossy().into_owned(), bytes);
            }
        }
    }
    let mut found = BTreeMap::new();
    walk(&house(), &house().join(below), &mut found);
    found
}

/// All Rust files, as text.
fn sources() -> BTreeMap<String, String> {
    let rust = files("").into_iter().filter(|(path, _)| path.ends_with(".rs"));
    rust.map(|(path, bytes)| (path, String::from_utf8(bytes).unwrap())).collect()
}

/// A file of what is shipped.
struct Product {
    folder: String,
    path: String,
    /// Without comments, and without the tests at the end.
    code: String,
}

/// The crates' own code.
fn product() -> Vec<Product> {
    let mut all = Vec::new();
    for (path, text) in sources() {
        let Some((folder, inner)) = path.strip_prefix("crates/").and_then(|path| path.split_once('/')) else {
            continue;
        };
        if inner.starts_with("src/") {
            let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap();
            let lines: Vec<&str> = code.lines().filter(|line| !line.trim_start().starts_with("//")).collect();
            let folder = folder.to_owned();
            all.push(Product { folder, path: path.clone(), code: lines.join("\n") });
        }
    }
    assert!(all.len() > 50, "the crates are not where they are looked for");
    all
}

/// Fails with all complaints at once.
fn none(complaints: impl IntoIterator<Item = String>) {
    let complaints: Vec<String> = complaints.into_iter().collect();
    assert!(complaints.is_empty(), "\n{}\n", complaints.join("\n"));
}

#[test]
fn crates_depend_only_as_drawn() {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["metadata", "--no-deps", "--offline", "--format-version", "1"]).current_dir(house());
    let output = cargo.output().unwrap();
    assert!(output.status.success(), "cargo metadata: {}", String::from_utf8_lossy(&output.stderr));
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let short = |name: &serde_json::Value| {
        let name = name.as_str().unwrap();
        name.strip_prefix("provision-").unwrap_or(name).to_owned()
    };
    let mut built = BTreeMap::new();
    for package in metadata["packages"].as_array().unwrap() {
        let all = package["dependencies"].as_array().unwrap().iter();
        let ours = all.filter(|one| !one["path"].is_null() && one["kind"].is_null());
        let names: BTreeSet<String> = ours.map(|one| short(&one["name"])).collect();
        if package["manifest_path"].as_str().unwrap().contains("/crates/") {
            built.insert(short(&package["name"]), names);
        }
    }
    let words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<BTreeSet<_>>();
    let drawn: BTreeMap<_, _> = ARROWS.iter().map(|(from, to)| ((*from).to_owned(), words(to))).collect();
    assert_eq!(built, drawn, "left: the manifests; right: ARROWS in this test");
}

#[test]
fn every_file_says_what_it_knows() {
    let silent = sources().into_iter().filter(|(_, text)| !text.starts_with("//! "));
    none(silent.map(|(path, _)| format!("{path}: does not start with `//! `")));
}

#[test]
fn nothing_lies_in_a_drawer() {
    let drawer = |path: &str| path.split('/').any(|part| DRAWERS.contains(&part.trim_end_matches(".rs")));
    none(sources().into_keys().filter(|path| drawer(path)).map(|path| format!("{path}: find the noun")));
}

#[test]
fn lint_exceptions_say_why() {
    // In two pieces, because this file is looked at too.
    let attributes = [["#[", "allow("].concat(), ["#![", "allow("].concat()];
    let allows = |text: &str| attributes.iter().any(|attribute| text.contains(attribute.as_str()));
    let found = sources().into_iter().filter(|(_, text)| allows(text));
    none(found.map(|(path, _)| format!("{path}: use #[expect(…, reason = \"…\")]")));
}

#[test]
fn product_code_knows_no_tests() {
    let knows = |code: &str| code.contains("cfg(test") || code.contains("cfg!(test");
    let found = product().into_iter().filter(|file| knows(&file.code));
    none(found.map(|file| format!("{}: cfg(test) is for `mod tests` at the end of a file", file.path)));
}

#[test]
fn only_the_command_line_s_out_module_prints() {
    let means = ["print!(", "println!(", "eprint!(", "eprintln!(", "dbg!(", "stdout()", "stderr()"];
    // To ask what standard error is, and to say that a progress bar is drawn there, is not printing.
    let harmless = ["io::stderr().is_terminal()", "ProgressDrawTarget::stderr()", "use_stderr()"];
    let others = product().into_iter().filter(|file| file.path != "crates/provision/src/out.rs");
    none(others.flat_map(|mut file| {
        harmless.iter().for_each(|harmless| file.code = file.code.replace(harmless, ""));
        let used = means.iter().filter(move |means| file.code.contains(**means));
        used.map(move |means| format!("{}: {means}", file.path)).collect::<Vec<_>>()
    }));
}

/// Every path into std, tokio and rustix, also those that a `use` has in braces; the first two names matter.
fn paths(code: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for root in ["std", "tokio", "rustix"] {
        for (at, start) in code.match_indices(&format!("{root}::")) {
            if code[..at].ends_with(|before: char| before.is_alphanumeric() || before == '_') {
                continue;
            }
            let rest = &code[at + start.len()..];
            let Some(group) = rest.strip_prefix('{') else {
                found.insert(format!("{root}::{}", rest.split([';', '\n']).next().unwrap()));
                continue;
            };
            let mut depth = 0;
            for part in group.split(';').next().unwrap().split_inclusive(['{', '}', ',']) {
                if depth == 0 {
                    found.insert(format!("{root}::{}", part.trim()));
                }
                depth += i32::from(part.ends_with('{')) - i32::from(part.ends_with('}'));
            }
        }
    }
    found
}

#[test]
fn paths_are_found_however_they_are_written() {
    let finds = |code: &str| paths(code).into_iter().any(|path| path.starts_with("std::fs"));
    for code in
        ["use std::fs;", "std::fs::read(x)", "use std::{fs, io};", "use std::{io::{self, Read}, fs::File};"]
    {
        assert!(finds(code), "{code}");
    }
    for code in ["use std::io;", "not_std::fs::read()", "use std::{io::{fs}, path};"] {
        assert!(!finds(code), "{code}");
    }
}

#[test]
fn only_the_host_crate_touches_the_machine() {
    let mut complaints = Vec::new();
    for file in product() {
        for used in paths(&file.code) {
            for (effect, allowed, why) in EFFECTS {
                let rest = used.strip_prefix(effect);
                let same =
                    rest.is_some_and(|rest| !rest.starts_with(|c: char| c.is_alphanumeric() || c == '_'));
                if same && !allowed.split(' ').any(|allowed| allowed == file.folder) {
                    complaints.push(format!("{}: {used}: {why}", file.path));
                }
            }
        }
    }
    none(complaints);
}

#[test]
fn names_are_not_asked_of_the_c_library() {
    // It offers the C library's way to programs of others, that may be linked otherwise.
    let others = product().into_iter().filter(|file| file.folder != "oci");
    none(others.flat_map(|file| {
        let used = NAME_SERVICE.iter().filter(move |way| file.code.contains(**way));
        used.map(move |way| format!("{}: {way}", file.path)).collect::<Vec<_>>()
    }));
}

#[test]
fn no_file_names_the_machine_it_was_written_on() {
    let here = format!("{}/", house().display());
    // Where the checkout is at `/src`, say, a text may well name the same path and mean another.
    let telling = here.matches('/').count() > 3;
    let names = |bytes: &[u8]| telling && bytes.windows(here.len()).any(|part| part == here.as_bytes());
    let found = files("").into_iter().filter(|(_, bytes)| names(bytes));
    none(found.map(|(path, _)| format!("{path}: names {here}")));
}

#[test]
fn every_profile_loads_and_has_a_golden_plan() {
    let (mut failed, mut used, mut complaints) = (BTreeMap::new(), BTreeSet::new(), Vec::new());
    for path in files("profiles").into_keys().filter(|path| path.ends_with(".toml")) {
        let name = Path::new(&path).file_stem().unwrap().to_string_lossy().into_owned();
        let golden = format!("crates/profile/tests/snapshots/plans__{name}--debian-12--plan.snap");
        let read = RefCell::new(BTreeSet::new());
        let loaded = provision_profile::load(&house().join(&path), &[], &|path| {
            read.borrow_mut().insert(path.canonicalize()?);
            fs::read(path)
        });
        match loaded {
            Ok(_) => {
                used.extend(read.into_inner());
                if !house().join(&golden).exists() {
                    complaints.push(format!("{path}: there is no {golden}"));
                }
            }
            Err(error) => drop(failed.insert(path, error.to_string())),
        }
    }
    // What is there to be imported need not stand alone.
    failed.retain(|path, _| !used.contains(&house().join(path).canonicalize().unwrap()));
    none(complaints.into_iter().chain(failed.into_iter().map(|(path, why)| format!("{path}: {why}"))));
}

#[test]
fn every_invariant_names_tests_that_exist() {
    let text = fs::read_to_string(house().join("ARCHITECTURE.md")).unwrap();
    let mut complaints = Vec::new();
    if text.lines().count() > 200 {
        complaints.push("ARCHITECTURE.md: more than 200 lines are not read".to_owned());
    }
    let docs = fs::read_dir(house().join("docs")).unwrap().map(|entry| entry.unwrap().path());
    let docs: Vec<String> = docs.map(|path| fs::read_to_string(path).unwrap()).collect();
    let parts = docs.iter().chain([&text]).flat_map(|text| text.split("\n\n"));
    let invariants: Vec<&str> = parts.filter(|part| part.starts_with("Invariant:")).collect();
    assert!(invariants.len() > 10, "the invariants are not where they are looked for");
    let pages: Vec<String> =
        files("docs").into_values().map(|page| String::from_utf8(page).unwrap()).collect();
    for invariant in invariants.into_iter().chain(pages.iter().map(String::as_str)) {
        let named: Vec<_> = invariant.split('`').filter_map(|word| word.split_once(".rs::")).collect();
        if named.is_empty() && invariant.starts_with("Invariant:") {
            complaints.push(format!("names no test: {invariant}"));
        }
        for (file, name) in named {
            let source = fs::read_to_string(house().join(format!("{file}.rs"))).unwrap_or_default();
            if !source.contains(&format!("fn {name}(")) {
                complaints.push(format!("{file}.rs has no test {name}"));
            }
        }
    }
    none(complaints);
}

#[test]
fn no_dependency_is_one_that_deny_toml_forbids() {
    let read = |name: &str| fs::read_to_string(house().join(name)).unwrap().parse::<toml::Table>().unwrap();
    let (deny, lock) = (read("deny.toml"), read("Cargo.lock"));
    let banned = deny["bans"]["deny"].as_array().unwrap().iter();
    let banned: BTreeSet<&str> = banned.map(|one| one["crate"].as_str().unwrap()).collect();
    none(lock["package"].as_array().unwrap().iter().filter_map(|package| {
        let name = package["name"].as_str().unwrap();
        let source = package.get("source").and_then(toml::Value::as_str);
        let foreign =
            source.is_some_and(|source| !source.starts_with("registry+https://github.com/rust-lang/"));
        let wrong = if foreign { source } else { banned.contains(name).then_some("see deny.toml") };
        wrong.map(|why| format!("{name}: {why}"))
    }));
}

#[test]
fn the_short_ways_to_run_things_exist() {
    let cargo = fs::read_to_string(house().join(".cargo/config.toml")).unwrap();
    let cargo: toml::Table = cargo.parse().unwrap();
    let just = fs::read_to_string(house().join("justfile")).unwrap();
    let mut complaints = Vec::new();
    for name in ["demo", "verify"] {
        let alias = cargo["alias"].get(name).and_then(toml::Value::as_str);
        if alias != Some(&format!("run --quiet --package vm-tests --bin {name} --")) {
            complaints.push(format!("cargo {name}: {alias:?}"));
        }
        if !house().join(format!("vm-tests/src/bin/{name}.rs")).exists() {
            complaints.push(format!("cargo {name}: no such program in vm-tests"));
        }
    }
    for line in just.lines().filter(|line| line.starts_with("    cargo ")) {
        let package = line.split(' ').skip_while(|word| *word != "--package").nth(1);
        if package.is_some_and(|name| name != "provision" && !house().join(name).exists()) {
            complaints.push(format!("justfile: {}", line.trim()));
        }
    }
    none(complaints);
}
