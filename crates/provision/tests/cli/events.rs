//! `--events ndjson`: golden streams of whole commands, and that docs/events.md knows every event in them.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use serde_json::Value;

use crate::bench::{Bench, Ran};

/// The stream, without what differs from run to run.
fn stream(bench: &Bench, ran: &Ran) -> String {
    let meta = fs::metadata(bench.root()).unwrap();
    let mut text = String::new();
    for line in ran.stderr.lines() {
        let mut event: Value = serde_json::from_str(line).unwrap();
        if let Some(milliseconds) = event.get_mut("milliseconds") {
            *milliseconds = 0.into();
        }
        for (key, word) in [("provision", "VERSION"), ("state_id", "STATE")] {
            if let Some(value) = event.get_mut(key) {
                *value = word.into();
            }
        }
        text.push_str(&format!("{event}\n"));
    }
    for id in [meta.uid(), meta.gid()] {
        text = text.replace(&format!("\"owner\":\"{id}\""), "\"owner\":\"root\"");
        text = text.replace(&format!("\"group\":\"{id}\""), "\"group\":\"root\"");
    }
    text.replace(&*bench.directory().to_string_lossy(), "DIR")
}

fn apply(bench: &Bench, name: &str, body: &str) -> Ran {
    let profile = bench.profile(name, body);
    bench.on_root(&["apply", profile.to_str().unwrap(), "--events", "ndjson"])
}

#[test]
fn an_apply_as_a_stream() {
    let bench = Bench::new();
    let body = bench.file("/etc/motd", "hello\n");
    let ran = apply(&bench, "motd", &body);
    insta::assert_snapshot!("applied", stream(&bench, ran.expect(0)));
    insta::assert_snapshot!("nothing_to_do", stream(&bench, apply(&bench, "motd", &body).expect(0)));
    let ran = bench.on_root(&["destroy", "--events", "ndjson"]);
    insta::assert_snapshot!("destroyed", stream(&bench, ran.expect(0)));
}

#[test]
fn an_apply_that_is_taken_back_as_a_stream() {
    let bench = Bench::new();
    let ghost = "[[host.file]]\npath = \"/etc/b\"\ncontent = \"x\"\nowner = \"ghost\"\n";
    let ran = apply(&bench, "ghost", &(bench.file("/etc/a", "x\n") + ghost));
    insta::assert_snapshot!("undone", stream(&bench, ran.expect(1)));
}

#[test]
fn an_apply_that_is_refused_as_a_stream() {
    let bench = Bench::new();
    let memory = "[preflight]\nmemory = \"1GiB\"\nlinger = 1\n";
    let ran = apply(&bench, "wrong", memory);
    let told = stream(&bench, ran.expect(64));
    let last: Value = serde_json::from_str(told.lines().last().unwrap()).unwrap();
    assert_eq!(
        (&last["event"], &last["result"], &last["exit"]),
        (&"end".into(), &"usage".into(), &64.into())
    );
    assert!(last["error"]["what"].as_str().unwrap().contains("unknown key `linger`"), "{last}");
    let huge = "[preflight]\nmemory = \"1GiB\"\ndisk = [{ path = \"/var/lib\", free = \"4096TiB\" }]\n";
    let ran = apply(&bench, "huge", huge);
    let mut told = String::new();
    for line in stream(&bench, ran.expect(3)).lines() {
        let mut event: Value = serde_json::from_str(line).unwrap();
        for finding in event.get_mut("findings").and_then(Value::as_array_mut).into_iter().flatten() {
            // How much is free, and on which device, is this machine's business.
            finding["found"] = "FOUND".into();
            finding["remedy"] = "REMEDY".into();
        }
        told.push_str(&format!("{event}\n"));
    }
    insta::assert_snapshot!("refused", told);
}

/// A reader that waits for the first line does not wait for the work.
#[test]
fn the_first_line_comes_before_the_profile_is_read() {
    let bench = Bench::new();
    let ran = bench.on_root(&["apply", "missing.toml", "--events", "ndjson"]);
    let lines: Vec<Value> =
        ran.expect(64).stderr.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let events: Vec<&str> = lines.iter().map(|line| line["event"].as_str().unwrap()).collect();
    assert_eq!(events, ["stream", "end"]);
    assert_eq!((&lines[0]["type"], &lines[0]["version"]), (&"provision-events".into(), &1.into()));
}

#[test]
fn every_event_is_documented() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/events.md");
    let text = fs::read_to_string(path).unwrap();
    let documented: BTreeSet<&str> = text.lines().filter_map(|line| line.strip_prefix("### ")).collect();
    let source = |path: &str| fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap();
    let mut known = BTreeSet::new();
    for (file, begin) in [("src/stream.rs", "pub enum Told"), ("../converge/src/event.rs", "pub enum Event")]
    {
        let source = source(file);
        let body = source.split_once(begin).unwrap().1.split_once("\n}\n").unwrap().0;
        for name in body.lines().filter_map(|line| line.strip_prefix("    ")?.strip_suffix(" {")) {
            let mut kebab = String::new();
            for letter in name.chars() {
                if letter.is_uppercase() && !kebab.is_empty() {
                    kebab.push('-');
                }
                kebab.extend(letter.to_lowercase());
            }
            known.insert(kebab);
        }
    }
    assert!(known.len() >= 12, "{known:?}");
    assert_eq!(documented, known.iter().map(String::as_str).collect());
}
