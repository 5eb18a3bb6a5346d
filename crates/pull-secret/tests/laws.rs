//! Laws that hold for every file: nothing panics, merging is associative, an edit can be taken back.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use proptest::collection::vec;
use proptest::prelude::*;
use provision_pull_secret::{AuthFile, Credentials, merge};
use serde_json::{Map, Value, json};

/// Files whose keys and fields collide often, in several layouts.
fn file() -> impl Strategy<Value = String> {
    let field = prop_oneof![
        Just(("auth", json!("dTpw"))),
        Just(("auth", json!("eDp5"))),
        Just(("email", json!("a@example.test"))),
        Just(("identitytoken", json!("t"))),
        Just(("username", json!("u"))),
        Just(("later", json!({"n": [1, 2.5, null], "s": "}, \"{"}))),
    ];
    let entry = vec(field, 0..4).prop_map(|fields| Value::Object(object(fields)));
    let key = prop::sample::select(vec!["a.test", "a.test:5000", "b.test/ns", "docker.io", "k\"\\ü"]);
    let auths = vec((key, entry), 0..5).prop_map(|entries| Value::Object(object(entries)));
    let helper = (prop::sample::select(vec!["a.test", "c.test"]), "[a-z]{1,3}");
    let helpers = vec(helper, 0..3).prop_map(|all| Value::Object(object(all)));
    let top = prop_oneof![
        4 => auths.prop_map(|auths| ("auths", auths)),
        1 => helpers.prop_map(|helpers| ("credHelpers", helpers)),
        1 => Just(("credsStore", json!("desktop"))),
        1 => any::<i64>().prop_map(|number| ("detachKeys", json!(number))),
    ];
    (vec(top, 0..4), 0..3_u8).prop_map(|(tops, layout)| {
        let value = Value::Object(object(tops));
        match layout {
            0 => value.to_string(),
            1 => format!("{value:#}\n"),
            _ => format!(" {} ", format!("{value:#}").replace("  ", "\t")),
        }
    })
}

fn object<K: ToString, V: Into<Value>>(members: Vec<(K, V)>) -> Map<String, Value> {
    members.into_iter().map(|(key, value)| (key.to_string(), value.into())).collect()
}

fn parse(text: &str) -> AuthFile {
    AuthFile::parse(text.as_bytes()).unwrap()
}

fn value(file: &AuthFile) -> Value {
    serde_json::from_slice(&file.to_bytes()).unwrap()
}

proptest! {
    #[test]
    fn parsing_never_panics(bytes in vec(any::<u8>(), 0..200)) {
        let _ = AuthFile::parse(&bytes);
        let _ = AuthFile::parse_legacy(&bytes);
    }

    #[test]
    fn a_broken_file_never_panics(text in file(), at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let mut bytes = text.into_bytes();
        let at = at.index(bytes.len());
        bytes[at] = byte;
        if let Ok(file) = AuthFile::parse(&bytes) {
            file.findings(&Default::default());
            file.show();
            prop_assert_eq!(&*file.to_bytes(), &bytes);
        }
        let _ = AuthFile::parse(&bytes[..at]);
    }

    #[test]
    fn lookup_never_panics(text in file(), image in "\\PC{0,40}") {
        let file = parse(&text);
        file.lookup(&image);
        file.near(&image);
    }

    #[test]
    fn merging_is_associative(a in file(), b in file(), c in file()) {
        let (a, b, c) = (parse(&a), parse(&b), parse(&c));
        let (left, right) = (merge(&merge(&a, &b), &c), merge(&a, &merge(&b, &c)));
        prop_assert_eq!(left.keys(), right.keys());
        prop_assert_eq!(value(&left), value(&right));
        AuthFile::parse(&left.to_bytes()).unwrap();
    }

    #[test]
    fn merging_with_itself_or_nothing_changes_no_byte(a in file()) {
        let a = parse(&a);
        prop_assert_eq!(value(&merge(&a, &a)), value(&a));
        prop_assert_eq!(merge(&a, &parse("{}")).to_bytes(), a.to_bytes());
    }

    #[test]
    fn set_then_remove_is_identity(text in file(), user in "[a-z]{1,5}", password in "[!-~ü]{1,20}") {
        let before = parse(&text);
        let mut file = before.clone();
        file.set("new.test:8443/ns", &Credentials::new(user, password)).unwrap();
        AuthFile::parse(&file.to_bytes()).unwrap();
        prop_assert!(file.remove("new.test:8443/ns"));
        if before.keys().is_empty() {
            let mut expected = value(&before);
            expected.as_object_mut().unwrap().entry("auths").or_insert(json!({}));
            prop_assert_eq!(value(&file), expected);
        } else {
            prop_assert_eq!(file.to_bytes(), before.to_bytes());
        }
    }

    #[test]
    fn an_entry_can_be_put_back(text in file(), at in any::<prop::sample::Index>()) {
        let before = parse(&text);
        let keys = before.keys();
        prop_assume!(!keys.is_empty());
        let key = &keys[at.index(keys.len())];
        let entry = before.entry(key).unwrap();
        let mut file = before.clone();
        if file.set(key, &Credentials::new("other", "password")).is_ok() {
            file.set_entry(key, &entry).unwrap();
            prop_assert_eq!(value(&file), value(&before));
            prop_assert_eq!(file.keys(), keys);
        }
    }
}
