//! The JSON Schema says the same as the reader: every key that a shipped profile uses is in it, and nothing else is.

#![expect(clippy::unwrap_used, reason = "what fails here fails the test")]

use std::path::Path;

use provision_profile::problem::Problems;
use provision_profile::source::Source;
use provision_profile::tree::{Table, Value, parse};
use provision_profile::{Profile, load};
use serde_json::Value as Json;

fn profiles() -> Vec<std::path::PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../profiles");
    let mut paths: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "toml"));
    paths.sort();
    paths
}

/// Follows a table through the schema, and fails on a key that the schema does not know.
fn follow(table: &Table, schema: &Json, path: &str) {
    for (name, entry) in table {
        let inner = match (&schema["properties"][name], &schema["additionalProperties"]) {
            (Json::Null, open @ Json::Object(_)) => open,
            (Json::Null, _) if schema["oneOf"].is_array() => continue,
            (Json::Null, _) => panic!("the schema has no {path}{name}"),
            (inner, _) => inner,
        };
        assert_kind(&entry.node.value, inner, &format!("{path}{name}"));
    }
}

fn assert_kind(value: &Value, schema: &Json, path: &str) {
    let expected = match value {
        Value::String(text) if text.starts_with("${var.") => return,
        Value::String(text) if schema["enum"].is_array() => {
            return assert!(schema["enum"].as_array().unwrap().contains(&text.as_str().into()), "{path}");
        }
        Value::Table(table) => {
            follow(table, schema, &format!("{path}."));
            return;
        }
        Value::Array(items) => {
            items.iter().for_each(|item| assert_kind(&item.value, &schema["items"], &format!("{path}[]")));
            "array"
        }
        Value::String(_) => "string",
        Value::Integer(_) => "integer",
        Value::Boolean(_) => "boolean",
        Value::Float(_) | Value::Datetime(_) => panic!("{path}: no key of a profile has such a value"),
    };
    // What can be written in several forms is declared in several.
    let forms = schema["anyOf"].as_array().map_or(std::slice::from_ref(schema), Vec::as_slice);
    if path != "schema" && !path.starts_with("vars.") {
        assert!(forms.iter().any(|form| form["type"] == expected), "{path}: {expected}");
    }
}

#[test]
fn the_schema_knows_every_key_of_every_profile() {
    let schema = Profile::json_schema();
    assert!(profiles().len() >= 4);
    for path in profiles() {
        let source = Source::new(&path, std::fs::read_to_string(&path).unwrap());
        let table = parse(&source, &mut Problems::default()).unwrap();
        follow(&table, &schema, "");
    }
}

#[test]
fn every_profile_with_a_name_loads() {
    let mut loaded = 0;
    for path in profiles() {
        if std::fs::read_to_string(&path).unwrap().contains("\nname = ") {
            let profile = load(&path, &[], &|path| std::fs::read(path)).map_err(|error| error.to_string());
            assert_eq!(profile.unwrap().name, path.file_stem().unwrap().to_string_lossy());
            loaded += 1;
        }
    }
    assert_eq!(loaded, 3);
}

/// Keys, requirements and defaults change for users of editors too: they are reviewed like code.
#[test]
fn the_schema_as_text() {
    insta::assert_snapshot!(serde_json::to_string_pretty(&Profile::json_schema()).unwrap());
}
