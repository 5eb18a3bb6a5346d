//! What differs between two generations, kind by kind.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use provision_converge::{Desired, Difference, Engine, Side, Vault};
use provision_host::{Family, Host};
use serde_json::{Value, json};

const STATE: &str = "/var/lib/provision";

/// What differs between two sets of states, by resource: the bytes, and whether each side has it.
fn compare(first: Value, second: Value) -> Vec<(String, Option<Difference>, bool, bool)> {
    let directory = tempfile::tempdir().unwrap();
    for (number, states) in [(1, first), (2, second)] {
        let resource = |(id, state): (&String, &Value)| {
            (id.clone(), json!({ "section": "host", "order": 0, "state": state }))
        };
        let resources: serde_json::Map<_, _> = states.as_object().unwrap().iter().map(resource).collect();
        let place = directory.path().join(format!("var/lib/provision/generations/000{number}"));
        std::fs::create_dir_all(&place).unwrap();
        let desired: Desired = serde_json::from_value(json!({ "resources": resources })).unwrap();
        std::fs::write(place.join("desired.json"), serde_json::to_vec(&desired).unwrap()).unwrap();
    }
    let host = Host::with_root(directory.path()).unwrap();
    let vault = Vault::new(&host.root, STATE);
    for text in ["one\n", "two\n"] {
        vault.keep(text.as_bytes(), false).unwrap();
    }
    let contrasts =
        Engine::new(&host, Family::Debian, &vault).compare(Side::Generation(1), Side::Generation(2));
    let told = contrasts.unwrap().into_iter();
    told.map(|one| (one.id.to_string(), one.difference, one.from.is_some(), one.to.is_some())).collect()
}

fn file(text: &str, mode: u32) -> Value {
    let content = json!({ "fingerprint": provision_converge::desired::plain_fingerprint(text.as_bytes()) });
    json!({ "is": "file", "content": content, "mode": mode, "owner": "root", "group": "root" })
}

fn secret(fingerprint: &str) -> Value {
    let content = json!({ "fingerprint": fingerprint, "generated": "password", "secret": true });
    json!({ "is": "file", "content": content, "mode": 0o600, "owner": "root", "group": "root" })
}

#[test]
fn every_kind_that_changes_is_told_once() {
    let image = |id: &str| json!({ "is": "image", "id": id, "source": { "from": "storage" } });
    let changes = [
        (
            "content:ocp",
            json!({ "is": "content", "content": { "releases": ["4.16"] } }),
            json!({ "is": "content", "content": { "releases": ["4.17"] } }),
        ),
        ("file:/etc/mode", file("one\n", 0o644), file("one\n", 0o600)),
        ("file:/etc/text", file("one\n", 0o644), file("two\n", 0o644)),
        ("image:x", image("aa"), image("bb")),
        ("package:podman", json!({ "is": "package" }), json!({ "is": "package", "version": "4.3" })),
        (
            "setting:hostname",
            json!({ "is": "setting", "value": "a", "configured": "a" }),
            json!({ "is": "setting", "value": "b", "configured": "b" }),
        ),
        (
            "unit:x.service",
            json!({ "is": "unit", "active": true }),
            json!({ "is": "unit", "active": true, "enabled": true }),
        ),
    ];
    let mut sides = [
        json!({ "file:/etc/same": file("one\n", 0o644) }),
        json!({ "file:/etc/same": file("one\n", 0o644) }),
    ];
    for (id, from, to) in &changes {
        sides[0][id] = from.clone();
        sides[1][id] = to.clone();
    }
    let [first, second] = sides;
    let told = compare(first, second);
    let ids: Vec<&str> = told.iter().map(|(id, ..)| id.as_str()).collect();
    assert_eq!(
        ids,
        [
            "file:/etc/mode",
            "file:/etc/text",
            "package:podman",
            "unit:x.service",
            "image:x",
            "setting:hostname",
            "content:ocp"
        ]
    );
    let texts: Vec<&str> = told
        .iter()
        .filter_map(|(_, difference, ..)| match difference {
            Some(Difference::Text(text)) => Some(text.as_str()),
            _ => None,
        })
        .collect();
    assert!(
        texts.len() == 2 && texts[0].contains("-one\n+two\n") && texts[1].contains("+    \"4.17\""),
        "{texts:?}"
    );
}

#[test]
fn what_comes_and_goes_is_on_one_side_only() {
    let told = compare(
        json!({ "file:/etc/a": file("one\n", 0o644) }),
        json!({ "unit:a.service": { "is": "unit" } }),
    );
    let sides: Vec<_> = told.iter().map(|(id, _, from, to)| (id.as_str(), *from, *to)).collect();
    assert_eq!(sides, [("file:/etc/a", true, false), ("unit:a.service", false, true)]);
}

#[test]
fn of_a_secret_only_that_it_differs_is_told() {
    let told =
        compare(json!({ "file:/etc/a": secret("hmac:1") }), json!({ "file:/etc/a": secret("hmac:2") }));
    assert_eq!(told, [("file:/etc/a".to_owned(), Some(Difference::Secret), true, true)]);
    let open = file("one\n", 0o644);
    let told = compare(json!({ "file:/etc/a": secret("hmac:1") }), json!({ "file:/etc/a": open }));
    assert_eq!(told[0].1, Some(Difference::Secret));
}
