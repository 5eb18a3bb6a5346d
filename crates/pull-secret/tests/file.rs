//! Reading, refusing and editing files of credentials, as data.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use provision_pull_secret::{AuthFile, Credentials, Error, merge};
use secrecy::ExposeSecret;

fn text(file: &AuthFile) -> String {
    String::from_utf8(file.to_bytes().to_vec()).unwrap()
}

fn parse(text: &str) -> AuthFile {
    AuthFile::parse(text.as_bytes()).unwrap()
}

#[test]
fn defects_are_named() {
    let check = |input: &[u8], expected: &[&str]| {
        let error = AuthFile::parse(input).expect_err(&String::from_utf8_lossy(input)).to_string();
        for words in expected {
            assert!(error.contains(words), "{:?}: {error:?} lacks {words:?}", String::from_utf8_lossy(input));
        }
    };
    check(b"", &["empty"]);
    check(b" \n", &["empty"]);
    check(b"[]", &["the file is not a JSON object"]);
    check(b"null", &["the file is not a JSON object"]);
    check(b"{\n  \"auths\": {,}\n}", &["line 2", "column 13"]);
    check(b"{\"auths\": {}} x", &["line 1", "column 15"]);
    check(b"{\"a\": \xff}", &["UTF-8", "byte 6"]);
    check(b"{\"auths\": []}", &["auths is not an object"]);
    check(b"{\"auths\": {\"h\": null}}", &["\"h\"", "not an object"]);
    check(b"{\"auths\": {\"h\": {\"auth\": 1}}}", &["auth of entry \"h\"", "not a string"]);
    check(b"{\"credHelpers\": {\"h\": 1}}", &["credHelpers.h", "not a string"]);
    check(b"{\"credsStore\": {}}", &["credsStore", "not a string"]);
    check(b"{\"auths\": {}, \"auths\": {}}", &["\"auths\" occurs twice in the file"]);
    check(b"{\"auths\": {\"q.io\": {}, \n \"q.io\": {}}}", &["\"q.io\" occurs twice in auths", "line 2"]);
    check(b"{\"auths\": {\"q.io\": {}, \"\\u0071.io\": {}}}", &["\"q.io\" occurs twice in auths"]);
    check(b"{\"x\": [{\"deep\": {\"k\": 1, \"k\": 2}}]}", &["\"k\" occurs twice in x.deep"]);
    let nested = format!("{{\"x\": {}{}}}", "[".repeat(5000), "]".repeat(5000));
    check(nested.as_bytes(), &["not valid JSON"]);
}

#[test]
fn an_auth_that_is_no_user_and_password_is_refused_and_never_shown() {
    let check = |auth: &str, expected: &str| {
        let input = format!(r#"{{"auths": {{"quay.io": {{"auth": "{auth}"}}}}}}"#);
        let error = AuthFile::parse(input.as_bytes()).unwrap_err();
        let shown = format!("{error} {error:?}");
        assert!(shown.contains("quay.io") && shown.contains(expected), "{auth}: {shown}");
        assert!(!shown.contains(auth), "{shown}");
    };
    check("dTpwCg==", "ends with a line break");
    check("dTpwAA==", "ends with a NUL byte");
    check("dXA=", "no colon");
    check("OnBhc3M=", "empty user");
    check("dXNlcjo=", "empty password");
    check("dTpw\\nYXNz", "line break at character 4");
    check("dTpw!", "not base64");
    check("dTpwYQ", "not base64");
    check("dTr/", "not UTF-8");
    check("dQE6cA==", "control character");
    // Beside an identity token the password may be empty.
    parse(r#"{"auths": {"a": {"auth": "dXNlcjo=", "identitytoken": "t"}}}"#);
    // Docker writes an empty auth where a helper keeps the secret.
    assert!(parse(r#"{"auths": {"a": {"auth": ""}}}"#).get("a").is_none());
}

#[test]
fn an_edit_changes_only_its_entry() {
    let check = |before: &str, edit: &dyn Fn(&mut AuthFile), after: &str| {
        let mut file = parse(before);
        edit(&mut file);
        assert_eq!(text(&file), after, "edit of {before}");
        parse(after);
    };
    let set =
        |key: &'static str| move |file: &mut AuthFile| file.set(key, &Credentials::new("u", "p")).unwrap();
    let remove = |key: &'static str| move |file: &mut AuthFile| assert!(file.remove(key));
    // One line stays one line; numbers that a parser would change stay.
    check(r#"{"n":1.0e+02,"auths":{}}"#, &set("a"), r#"{"n":1.0e+02,"auths":{"a":{"auth":"dTpw"}}}"#);
    check(r#"{"auths":{"b":{}}, "x": 9}"#, &set("a"), r#"{"auths":{"b":{},"a":{"auth":"dTpw"}}, "x": 9}"#);
    check(r#"{"auths": {"b": {}}}"#, &set("a"), r#"{"auths": {"b": {},"a": {"auth": "dTpw"}}}"#);
    // Tabs as podman writes them, and two blanks; a missing `auths` is added.
    check(
        "{\n\t\"auths\": {\n\t\t\"b\": {}\n\t}\n}",
        &set("a"),
        "{\n\t\"auths\": {\n\t\t\"b\": {},\n\t\t\"a\": {\n\t\t\t\"auth\": \"dTpw\"\n\t\t}\n\t}\n}",
    );
    check(
        "{\n  \"x\": 1\n}\n",
        &set("a"),
        "{\n  \"x\": 1,\n  \"auths\": {\n    \"a\": {\n      \"auth\": \"dTpw\"\n    }\n  }\n}\n",
    );
    check(
        "{\n    \"auths\": {}\n}\n",
        &set("a"),
        "{\n    \"auths\": {\n        \"a\": {\n            \"auth\": \"dTpw\"\n        }\n    }\n}\n",
    );
    check("{}", &set("a"), "{\n\t\"auths\": {\n\t\t\"a\": {\n\t\t\t\"auth\": \"dTpw\"\n\t\t}\n\t}\n}");
    // Of an entry only what would contradict the new credentials goes.
    check(
        r#"{"auths":{"a":{"email":"e","auth":"eDp5","identitytoken":"t","username":"x","z":[1, 2]}}}"#,
        &set("a"),
        r#"{"auths":{"a":{"email":"e","auth":"dTpw","z":[1, 2]}}}"#,
    );
    // First, middle, last, only.
    check(r#"{"auths": {"a": {}, "b": {}, "c": {}}}"#, &remove("a"), r#"{"auths": {"b": {}, "c": {}}}"#);
    check(r#"{"auths": {"a": {}, "b": {}, "c": {}}}"#, &remove("b"), r#"{"auths": {"a": {}, "c": {}}}"#);
    check(r#"{"auths": {"a": {}, "b": {}, "c": {}}}"#, &remove("c"), r#"{"auths": {"a": {}, "b": {}}}"#);
    check("{\"auths\": {\n \"a\": {}\n}}", &remove("a"), r#"{"auths": {}}"#);
    check(r#"{"auths": {}}"#, &|file| assert!(!file.remove("a")), r#"{"auths": {}}"#);
    // A whole entry, as it was taken from a file.
    check(
        r#"{"auths":{"a":{"auth":"dTpw"}}}"#,
        &|f| f.set_entry("a", "{ \"x\": \"} ,:\\\" \" }").unwrap(),
        r#"{"auths":{"a":{"x":"} ,:\" "}}}"#,
    );
    check(
        r#"{"auths":{}}"#,
        &|f| assert!(f.set_entry("a", r#"{"auth":"eA=="}"#).is_err()),
        r#"{"auths":{}}"#,
    );
}

#[test]
fn keys_and_credentials_that_would_not_be_found_again_are_refused() {
    let check = |key: &str, user: &str, password: &str, expected: Option<&str>| {
        let mut file = AuthFile::new();
        match (file.set(key, &Credentials::new(user, password)), expected) {
            (Ok(()), None) => {
                let got = file.get(key).unwrap();
                assert_eq!((got.username.as_str(), got.password.expose_secret()), (user, password));
            }
            (Err(error), Some(words)) => {
                assert!(error.to_string().contains(words), "{key}: {error}");
                assert!(!format!("{error:?}{error}").contains("pass word"), "{error}");
                assert!(file.keys().is_empty());
            }
            (result, expected) => panic!("{key} {user}: {result:?}, expected {expected:?}"),
        }
    };
    check("registry.example.test:8443", "init", "pass:word ü", None);
    check("registry.example.test:8443/ns/repo", "u", "p", None);
    check("[::1]:5000", "u", "p", None);
    check("[::1]", "u", "p", None);
    check("localhost", "u", "p", None);
    check("https://quay.io", "u", "p", Some("scheme"));
    check("quay.io/a:tag", "u", "p", Some("tag"));
    check("quay.io/a@sha256:00", "u", "p", Some("digest"));
    check("quay.io/", "u", "p", Some("empty path"));
    check("quay.io:http", "u", "p", Some("port"));
    check("quay.io:70000", "u", "p", Some("port"));
    check(":5000", "u", "p", Some("no host"));
    check("", "u", "p", Some("no host"));
    check("quay.io ", "u", "p", Some("blank"));
    check("quay.io", "u:x", "pass word", Some("colon in the user name"));
    check("quay.io", "", "pass word", Some("empty user"));
    check("quay.io", "u", "", Some("empty password"));
    check("quay.io", "u", "pass word\n", Some("line break"));
}

#[test]
fn merging_lets_the_other_win_and_loses_nothing() {
    let check = |base: &str, other: &str, expected: &str| {
        assert_eq!(text(&merge(&parse(base), &parse(other))), expected, "{base} + {other}");
    };
    check(
        r#"{"auths":{"a":{"auth":"dTpw","email":"e"},"b":{}}}"#,
        r#"{"auths":{"c":{},"a":{"auth":"eDp5"}}}"#,
        r#"{"auths":{"a":{"auth":"eDp5","email":"e"},"b":{},"c":{}}}"#,
    );
    check(
        r#"{"auths":{"a":{"identitytoken":"t","x":1}}}"#,
        r#"{"auths":{"a":{"auth":"eDp5"}}}"#,
        r#"{"auths":{"a":{"x":1,"auth":"eDp5"}}}"#,
    );
    check(
        r#"{"auths":{"a":{"auth":"eDp5"}}}"#,
        r#"{"auths":{"a":{"x":1}}}"#,
        r#"{"auths":{"a":{"auth":"eDp5","x":1}}}"#,
    );
    check(
        r#"{"credHelpers":{"a":"x"},"n":{"k":1}}"#,
        r#"{"credHelpers":{"b":"y","a":"z"},"n":{"l":1e2},"auths":{}}"#,
        r#"{"credHelpers":{"a":"z","b":"y"},"n":{"l":1e2},"auths":{}}"#,
    );
}

#[test]
fn the_minimal_file_has_the_asked_entries_alone() {
    let file = parse(r#"{"auths":{"a":{"auth":"dTpw","x":1.50},"b":{}},"credsStore":"s"}"#);
    let minimal = file.minimal(&["a"]).unwrap();
    assert_eq!(
        text(&minimal),
        "{\n\t\"auths\": {\n\t\t\"a\": {\n\t\t\t\"auth\": \"dTpw\",\n\t\t\t\"x\": 1.50\n\t\t}\n\t}\n}\n"
    );
    match file.minimal(&["c"]) {
        Err(Error::NoEntry { key, known }) => {
            assert_eq!((key.as_str(), known.join(" ").as_str()), ("c", "a b"))
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn nothing_that_is_shown_has_a_secret() {
    let file = parse(
        r#"{"auths":{"a":{"auth":"dTpjYW5hcnk="},"b":{"identitytoken":"canary"},"c":{"username":"u","password":"canary"}}}"#,
    );
    let findings = file.findings(&Default::default());
    let all =
        format!("{file:?} {:?} {:?} {:?} {:?}", file.show(), file.lookup("a"), file.lookup("b"), findings);
    assert!(!all.contains("canary") && !all.contains("dTpjYW5hcnk="), "{all}");
    assert!(format!("{:?}", file.get("a").unwrap()).contains("<secret>"));
    assert_eq!(file.get("a").unwrap().authorization().expose_secret(), "Basic dTpjYW5hcnk=");
}
