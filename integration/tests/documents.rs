//! What the house says of itself: examples, short commands, README.md. Reads text; starts nothing.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::path::{Path, PathBuf};

fn house() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_path_buf()
}

/// Fails with all complaints at once.
fn none(complaints: impl IntoIterator<Item = String>) {
    let complaints: Vec<String> = complaints.into_iter().collect();
    assert!(complaints.is_empty(), "\n{}\n", complaints.join("\n"));
}

#[test]
fn every_library_crate_shows_how_it_is_used_alone() {
    let folders = fs::read_dir(house().join("crates")).unwrap();
    let names = folders.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    none(names.filter(|name| name != "provision").filter_map(|name| {
        let example = format!("crates/{name}/examples/alone.rs");
        match fs::read_to_string(house().join(&example)) {
            Ok(text) if text.lines().count() <= 70 => None,
            Ok(_) => Some(format!("{example}: more than 70 lines show too much")),
            Err(_) => Some(format!("{example}: missing")),
        }
    }));
}

#[test]
fn the_readme_names_commands_that_exist() {
    let just = fs::read_to_string(house().join("justfile")).unwrap();
    let mut complaints = Vec::new();
    let readme = fs::read_to_string(house().join("README.md")).unwrap_or_default();
    for recipe in readme.split(['`', '\n']).filter_map(|code| code.trim().strip_prefix("just ")) {
        let name = recipe.split_whitespace().next().unwrap_or_default();
        let has = |line: &str| line.split([' ', ':']).next() == Some(name) && line.contains(':');
        if !just.lines().any(has) {
            complaints.push(format!("README.md: just {name}: no such recipe"));
        }
    }
    for name in ["cargo demo", "cargo verify", "just demo", "just verify"] {
        if !readme.contains(name) {
            complaints.push(format!("README.md does not name `{name}`"));
        }
    }
    none(complaints);
}
