//! `--json`: one JSON object on standard output, whatever happens.

use serde_json::json;

use crate::bench::Bench;

#[test]
fn what_works_gives_one_object() {
    let bench = Bench::new();
    let profile = bench.profile("motd", &bench.file("/etc/motd", "hello\n"));
    let profile = profile.to_str().unwrap();
    let on_root = |arguments: &[&str], code| {
        let ran = bench.on_root(&[arguments, &["--json"]].concat());
        ran.expect(code).json()
    };
    assert_eq!(on_root(&["status"], 0)["generation"], json!(null));
    assert_eq!(on_root(&["generations"], 0)["generations"], json!([]));
    assert_eq!(on_root(&["destroy"], 0)["changed"], json!(false));
    let plan = on_root(&["plan", profile], 2);
    assert_eq!(plan["steps"][0]["ids"], json!(["file:/etc/motd"]));
    assert_eq!(plan["facts"]["os"]["id"], json!("debian"));
    let applied = on_root(&["apply", profile], 0);
    assert_eq!((&applied["changed"], &applied["report"]["generation"]), (&json!(true), &json!(1)));
    assert_eq!(on_root(&["apply", profile], 0)["changed"], json!(false));
    assert_eq!(on_root(&["status"], 0)["drift"], json!(false));
    assert_eq!(on_root(&["generations"], 0)["generations"][0]["profile"], json!("motd"));
    assert_eq!(on_root(&["destroy"], 0)["report"]["profile"], json!("destroy"));
    assert_eq!(on_root(&["rollback", "1"], 0)["report"]["profile"], json!("rollback to 1"));
}

#[test]
fn what_fails_gives_one_object_too() {
    let bench = Bench::new();
    let broken = bench.profile("broken", "colour = \"red\"\n");
    let commands: [(&[&str], i32); 12] = [
        (&["plan", broken.to_str().unwrap()], 64),
        (&["apply", "missing.toml"], 64),
        (&["check", "missing.toml"], 64),
        (&["rollback", "--root", "root"], 64),
        (&["plan"], 64),
        (&["aply"], 64),
        (&[], 64),
        (&["gc", "--keep", "none"], 64),
        (&["status", "--root", "/does/not/exist"], 64),
        (&["pull-secret", "show", "missing.json"], 64),
        (&["mirror", "list", "missing"], 1),
        (&["registry", "serve", "--store", "store", "--listen", "0.0.0.0:0"], 64),
    ];
    for (command, code) in commands {
        let ran = bench.run(&[command, &["--json"]].concat());
        let json = ran.expect(code).json();
        assert_eq!((&json["schema"], &json["error"]["exit"]), (&json!(1), &json!(code)), "{command:?}");
        assert!(!json["error"]["what"].as_str().unwrap().is_empty());
        assert!(!ran.stderr.is_empty(), "people are told as well");
    }
}

#[test]
fn events_are_one_object_a_line() {
    let bench = Bench::new();
    let profile = bench.profile("motd", &bench.file("/etc/motd", "hello\n"));
    let ran = bench.on_root(&["apply", profile.to_str().unwrap(), "--events", "ndjson"]);
    let events: Vec<serde_json::Value> =
        ran.expect(0).stderr.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(events.len() >= 3, "{events:?}");
}
