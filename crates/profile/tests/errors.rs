//! What a person reads when a profile is wrong: golden texts, and many short cases.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use provision_profile::section::host::Bytes;
use provision_profile::{Error, Profile, load};

/// Loads `/p/main.toml` from files in memory.
fn load_from(files: &[(&str, &str)], settings: &[&str]) -> Result<Profile, Error> {
    let files: BTreeMap<String, Vec<u8>> =
        files.iter().map(|(name, text)| (format!("/p/{name}"), text.as_bytes().to_vec())).collect();
    let settings: Vec<String> = settings.iter().map(|&setting| setting.to_owned()).collect();
    let read = |path: &Path| {
        let found = files.get(&*path.to_string_lossy());
        found.cloned().ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))
    };
    load(Path::new("/p/main.toml"), &settings, &read)
}

fn errors(files: &[(&str, &str)]) -> String {
    match load_from(files, &[]) {
        Err(error) => error.to_string(),
        Ok(profile) => panic!("loaded: {profile:#?}"),
    }
}

const HOST: &str = "schema = 1\nname = \"t\"\n[host]\nhostname = \"registry.example.test\"\n";

#[test]
fn all_errors_of_a_file_at_once() {
    let text = r#"schema = 1
name = "bastion"
nmae = "typo"

[host]
hostname = "Registry.example.test"
addresses = { "registry.example.test" = ["127.0.0.256"] }
packages = "podman"
[[host.file]]
path = "etc/motd"
content = "hello\n"
mode = 644

[registry]
backend = "embeded"
prot = 8443
port = 70000
admin = { user = "init", password = "hunter2" }

[trust]
anchors = ["@registy"]
key = "rsa-1024"

[mirror]
repositry = "ocp4/openshift4"
"#;
    insta::assert_snapshot!(errors(&[("main.toml", text)]));
}

#[test]
fn syntax_errors_are_all_shown_and_nothing_else() {
    insta::assert_snapshot!(errors(&[(
        "main.toml",
        "schema = 1\nname = bastion\n\n[registry\nbackend = \"embedded\"\nport = = 1\n[host]\n[host]\n"
    )]));
}

#[test]
fn two_imports_that_disagree() {
    insta::assert_snapshot!(errors(&[
        ("main.toml", "schema = 1\nname = \"t\"\nimports = [\"a.toml\", \"b.toml\"]\n"),
        ("a.toml", "schema = 1\n[registry]\nport = 8443\n"),
        ("b.toml", "schema = 1\n\n[registry]\nbackend = \"embedded\"\nport = 5000\n"),
    ]));
}

#[test]
fn a_cycle_of_imports() {
    insta::assert_snapshot!(errors(&[
        ("main.toml", "schema = 1\nname = \"t\"\nimports = [\"a.toml\"]\n"),
        ("a.toml", "schema = 1\nimports = [\"sub/b.toml\"]\n"),
        ("sub/b.toml", "schema = 1\nimports = [\"../a.toml\"]\n"),
    ]));
}

#[test]
fn a_registry_without_a_host_name() {
    insta::assert_snapshot!(errors(&[(
        "main.toml",
        "schema = 1\nname = \"t\"\n[registry]\nbackend = \"distribution\"\nadmin = { user = \"X\", password = { generate = 4 } }\n"
    )]));
}

/// The titles of all findings, joined.
fn check(files: &[(&str, &str)], settings: &[&str], expected: &[&str]) {
    let titles: Vec<String> = match load_from(files, settings) {
        Ok(_) => Vec::new(),
        Err(Error::Invalid(problems)) => {
            problems.iter().map(|problem| format!("{}: {}", problem.origin(), problem.title())).collect()
        }
        Err(other) => vec![other.to_string()],
    };
    assert_eq!(titles, expected, "{files:?}");
}

fn check_one(text: &str, expected: &[&str]) {
    check(&[("main.toml", text)], &[], expected);
}

#[test]
fn top_level() {
    check_one("schema = 1\nname = \"t\"\n", &[]);
    check_one("name = \"t\"\n", &["/p/main.toml:1: the profile lacks `schema = 1`"]);
    check_one("schema = 2\nname = \"t\"\n", &["/p/main.toml:1: schema 2 is not supported"]);
    check_one("schema = 1\n", &["/p/main.toml:1: the profile lacks `name`"]);
    check_one(
        "schema = 1\nname = 7\n",
        &["/p/main.toml:2: `name` expects text as a string, found an integer"],
    );
    check_one(
        "schema = 1\nname = \"t\"\nhost = 1\n",
        &["/p/main.toml:3: `host` expects a table, found an integer"],
    );
    check_one(
        "schema = 1\nname = \"t\"\nimports = [1]\n",
        &["/p/main.toml:3: an import expects a path as a string, found an integer"],
    );
    check_one(
        "schema = 1\nname = \"t\"\nimports = [\"gone.toml\"]\n",
        &["/p/main.toml:3: /p/gone.toml does not exist"],
    );
}

#[test]
fn registries() {
    let registry = |rest: &str| {
        format!("{HOST}[registry]\nadmin = {{ user = \"init\", password = {{ generate = 32 }} }}\n{rest}\n")
    };
    check_one(&registry("backend = \"embedded\""), &[]);
    check_one(&registry("backend = \"quay\""), &[]);
    check_one(&registry("backend = \"distribution\"\narchive = \"d.tar\""), &[]);
    check_one(&registry(""), &["/p/main.toml:5: `registry` lacks the key `backend`"]);
    check_one(
        &registry("backend = \"embedded\"\narchive = \"d.tar\""),
        &["/p/main.toml:8: `registry.archive` has no meaning for backend \"embedded\""],
    );
    check_one(&registry("backend = \"distribution\"\nimage = \"docker.io/library/registry:2\""), &[]);
    check_one(
        &registry("backend = \"distribution\""),
        &["/p/main.toml:7: backend \"distribution\" needs `image` or `archive`"],
    );
    check_one(
        &registry("backend = \"embedded\"\nport = 0"),
        &["/p/main.toml:8: `registry.port` expects an integer from 1 to 65535, found 0"],
    );
}

#[test]
fn secrets() {
    let with = |password: &str| {
        format!(
            "{HOST}[registry]\nbackend = \"embedded\"\nadmin = {{ user = \"init\", password = {password} }}\n"
        )
    };
    let at = |title: &str| format!("/p/main.toml:7: {title}");
    let password = "registry.admin.password";
    for good in ["{ generate = 16 }", "{ file = \"x\" }", "{ env = \"X_Y\" }", "{ credential = \"admin\" }"] {
        check_one(&with(good), &[]);
    }
    check_one(
        &with("{ generate = 8 }"),
        &[&at(&format!("`{password}` expects an integer from 16 to 64, found 8"))
            .replace("password`", "password.generate`")],
    );
    check_one(&with("\"x\""), &[&at(&format!("`{password}` holds a secret in plain text"))]);
    check_one(&with("{ fil = \"x\" }"), &[&at(&format!("unknown key `fil` in `{password}`"))]);
    check_one(
        &with("{}"),
        &[&at(&format!("`{password}` expects exactly one of `generate`, `file`, `env` or `credential`"))],
    );
    check_one(&with("{ env = \"A=B\" }"), &[&at(&format!("`{password}.env` expects a name, found \"A=B\""))]);
}

#[test]
fn sections_need_each_other() {
    check_one(
        &format!("{HOST}[mirror]\nrepository = \"a\"\n"),
        &["/p/main.toml:5: `mirror` needs a `[registry]` section to mirror into"],
    );
    check_one(
        &format!("{HOST}[redirect]\n"),
        &["/p/main.toml:5: `redirect` needs a `[mirror]` section to redirect to"],
    );
    check_one(
        &format!("{HOST}[trust]\nanchors = [\"@registry\"]\n"),
        &["/p/main.toml:6: \"@registry\" needs a `[registry]` section"],
    );
    check_one(
        &format!("{HOST}[pull-secret]\nbase = \"x\"\n"),
        &["/p/main.toml:5: `pull-secret.write` names no file", "/p/main.toml:6: /p/x does not exist"],
    );
}

#[test]
fn pull_secrets_are_read_for_their_keys_alone() {
    let text = "schema = 1\nname = \"t\"\n[pull-secret]\nbase = \"ps.json\"\nwrite = [\"/root/auth.json\"]\n";
    let load = |secret: &str| load_from(&[("main.toml", text), ("ps.json", secret)], &[]);
    let profile = load(r#"{"auths":{"quay.io":{"auth":"Y2FuYXJ5OmNhbmFyeQ=="}}}"#).unwrap();
    let shown = format!("{profile:?}");
    assert!(shown.contains("quay.io") && !shown.contains("Y2FuYXJ5"), "{shown}");
    let error = load(r#"{"auths":{"quay.io":{"auth":"Y2FuYXJ5"}, "#).unwrap_err().to_string();
    assert!(error.contains("/p/ps.json is not an auth file") && !error.contains("Y2FuYXJ5"), "{error}");
}

#[test]
fn certificates_of_one_s_own() {
    let registry =
        "[registry]\nbackend = \"embedded\"\nadmin = { user = \"init\", password = { generate = 32 } }\n";
    let judge = |trust: &str, expected: &[&str]| {
        let text = format!("{HOST}{registry}[trust]\n{trust}");
        check(
            &[
                ("main.toml", &text),
                ("r.crt", "chain"),
                ("both.pem", "chain\n-----BEGIN EC PRIVATE KEY-----\n"),
                ("ca.pem", "ca"),
                ("x/ca.pem", "other"),
            ],
            &[],
            expected,
        );
    };
    let pair = "certificate = \"r.crt\"\ncertificate-key = \"r.key\"\n";
    judge(&format!("{pair}anchors = [\"ca.pem\"]\n"), &[]);
    judge(
        "certificate = \"r.crt\"\n",
        &["/p/main.toml:9: `certificate` and `certificate-key` belong together"],
    );
    judge(
        "certificate = \"both.pem\"\ncertificate-key = \"both.pem\"\nanchors = [\"ca.pem\"]\n",
        &["/p/main.toml:9: /p/both.pem holds a private key; expected certificates alone"],
    );
    judge(
        "anchors = [\"both.pem\"]\n",
        &["/p/main.toml:9: /p/both.pem holds a private key; expected certificates alone"],
    );
    judge(pair, &["/p/main.toml:9: a certificate of your own needs the authority that signed it"]);
    judge(
        &format!("{pair}anchors = [\"ca.pem\", \"@registry\"]\n"),
        &[
            "/p/main.toml:11: \"@registry\" is the authority that provision makes; here the certificate is your own",
        ],
    );
    judge(
        "anchors = [\"ca.pem\", \"x/ca.pem\"]\n",
        &["/p/main.toml:9: two anchors would have the name \"ca\""],
    );
    judge("anchors = [\"gone.pem\"]\n", &["/p/main.toml:9: /p/gone.pem does not exist"]);
}

#[test]
fn packages_and_their_versions() {
    let packages = |list: &str| format!("{HOST}packages = [{list}]\n");
    check_one(&packages("\"jq\", \"jq\", { name = \"tar\", version = \"locked\" }"), &[]);
    check_one(&packages("{ name = \"jq\", version = \"1.6-2.1+deb12u1\" }"), &[]);
    check_one(
        &packages("\"jq\", { name = \"jq\", version = \"locked\" }"),
        &["/p/main.toml:5: the package jq is named in two versions"],
    );
    check_one(
        &packages("{ name = \"jq\", version = \">=1.6\" }"),
        &[
            "/p/main.toml:5: `host.packages[0].version` expects \"locked\" or a version such as \"1.6-2.1+deb12u1\", found \">=1.6\"",
        ],
    );
    check_one(
        &packages("{ name = \"jq\" }"),
        &["/p/main.toml:5: `host.packages[0]` lacks the key `version`"],
    );
}

#[test]
fn files_of_the_host() {
    let file = |rest: &str| format!("{HOST}[[host.file]]\npath = \"/etc/motd\"\n{rest}\n");
    check_one(&file("content = \"x\""), &[]);
    check(&[("main.toml", &file("source = \"motd\"")), ("motd", "x")], &[], &[]);
    check_one(&file(""), &["/p/main.toml:5: /etc/motd has neither `content` nor `source` nor `url`"]);
    let url = "url = \"https://files.example.test/motd\"\n";
    check_one(&file(url), &[]);
    let both = format!("{url}content = \"hello\"\n");
    check_one(&file(&both), &["/p/main.toml:7: /etc/motd has `url` beside `content` or `source`"]);
    let digest = "digest = \"sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\"\n";
    check_one(&file(&format!("{url}{digest}")), &[]);
    check_one(
        &file(&format!("content = \"hello\"\n{digest}")),
        &["/p/main.toml:8: /etc/motd has a `digest` without `url`"],
    );
    check_one(&file("source = \"motd\""), &["/p/main.toml:7: /p/motd does not exist"]);
    check_one(
        &file("content = \"x\"\nsource = \"y\""),
        &["/p/main.toml:8: /etc/motd has both `content` and `source`"],
    );
    check_one(
        &format!("{}[[host.file]]\npath = \"/etc/motd\"\ncontent = \"y\"\n", file("content = \"x\"")),
        &["/p/main.toml:9: /etc/motd is declared twice"],
    );
}

#[test]
fn imports_merge_by_key() {
    let a = (
        "a.toml",
        "schema = 1\nname = \"a\"\n[host]\npackages = [\"podman\"]\n[[host.file]]\npath = \"/etc/a\"\ncontent = \"a\"\n",
    );
    let b = (
        "b.toml",
        "schema = 1\nname = \"b\"\n[host]\nhostname = \"b.x\"\n[[host.file]]\npath = \"/etc/b\"\ncontent = \"b\"\n",
    );
    let main = |imports: &str| {
        format!(
            "schema = 1\nname = \"m\"\nimports = [{imports}]\n[[host.file]]\npath = \"/etc/b\"\nmode = \"0600\"\n"
        )
    };
    let mut seen = Vec::new();
    for imports in ["\"a.toml\", \"b.toml\"", "\"b.toml\", \"a.toml\""] {
        let text = main(imports);
        let profile = load_from(&[("main.toml", &text), a, b], &[]).unwrap();
        let files: Vec<String> = profile
            .host
            .files
            .iter()
            .map(|(path, file)| {
                let Bytes::Given(bytes) = &file.bytes else { panic!("{file:?}") };
                format!("{} {:o} {}", path.0, file.mode.0, String::from_utf8_lossy(bytes))
            })
            .collect();
        seen.push((
            profile.name,
            profile.host.hostname.map(|name| name.0),
            profile.host.packages.len(),
            files,
        ));
    }
    assert_eq!(seen[0], seen[1], "the order of imports left a trace");
    let files = vec!["/etc/a 644 a".to_owned(), "/etc/b 600 b".to_owned()];
    assert_eq!(seen[0], ("m".to_owned(), Some("b.x".to_owned()), 1, files));
}

#[test]
fn imports_of_imports() {
    let file = |rest: &str| format!("schema = 1\n{rest}");
    let name = "name = \"m\"\n";
    // A diamond is no contradiction: both ways lead to the same line.
    let main = file(&format!("{name}imports = [\"a.toml\", \"b.toml\"]\n"));
    let (a, b) = (file("imports = [\"d.toml\"]\n"), file("imports = [\"d.toml\"]\n"));
    let d = file("[host]\nhostname = \"d.x\"\n");
    check(&[("main.toml", &main), ("a.toml", &a), ("b.toml", &b), ("d.toml", &d)], &[], &[]);
    // One of them says otherwise: now it is.
    let b = file("imports = [\"d.toml\"]\n[host]\nhostname = \"b.x\"\n");
    let files = [("a.toml", a.as_str()), ("b.toml", &b), ("d.toml", &d)];
    let title = "/p/d.toml:3: two imports set `host.hostname` differently";
    check(&[&[("main.toml", main.as_str())], &files[..]].concat(), &[], &[title]);
    // The importing file decides, for the key itself or for the whole table.
    let main = format!("{main}[host]\nhostname = \"m.x\"\n");
    check(&[&[("main.toml", main.as_str())], &files[..]].concat(), &[], &[]);
}

#[test]
fn a_chain_that_never_ends_is_cut() {
    // The same file under ever longer names, as a symbolic link to its own folder gives it.
    let read = |path: &Path| match path.file_name() {
        Some(name) if name == "main.toml" => {
            Ok(b"schema = 1\nname = \"t\"\nimports = [\"again/main.toml\"]\n".to_vec())
        }
        _ => Err(io::Error::from(io::ErrorKind::NotFound)),
    };
    let error = load(Path::new("/p/main.toml"), &[], &read).unwrap_err().to_string();
    assert!(error.contains("imports are nested more than 32 deep"), "{error}");
}

#[test]
fn variables_reach_every_string() {
    let text = "schema = 1\nname = \"${var.site}\"\n[vars]\nsite = \"north\"\nport = 5000\n[host]\nhostname = \"r.${var.site}.test\"\n[registry]\nbackend = \"embedded\"\nport = \"${var.port}\"\nadmin = { user = \"init\", password = { generate = 32 } }\n";
    let profile = load_from(&[("main.toml", text)], &["port=6000"]).unwrap();
    assert_eq!(profile.registry.unwrap().address(), "r.north.test:6000");
    check(&[("main.toml", text)], &["prot=1"], &["--set:1: unknown variable `prot`"]);
    let base = ("base.toml", "schema = 1\n[vars]\nport = 1\n");
    let main = ("main.toml", "schema = 1\nname = \"t\"\nimports = [\"base.toml\"]\n[vars]\nport = \"one\"\n");
    check(&[main, base], &[], &["/p/main.toml:5: `vars.port` changes its type"]);
}

#[test]
fn files_that_are_no_profile() {
    let dir = tempfile::tempdir().unwrap();
    let check = |path: &Path, expected: &str| {
        let error = load(path, &[], &|path| std::fs::read(path)).unwrap_err();
        let source = std::error::Error::source(&error).unwrap().to_string();
        assert_eq!(source, expected);
    };
    let show = |name: &str| dir.path().join(name).display().to_string();
    check(dir.path(), &format!("{} is a directory; expected a file", dir.path().display()));
    check(&dir.path().join("gone"), &format!("{} does not exist", show("gone")));
    std::fs::write(dir.path().join("latin1"), b"schema = 1\nname = \"caf\xe9\"\n").unwrap();
    check(
        &dir.path().join("latin1"),
        &format!("{} is not UTF-8: the byte at offset 22 starts no character", show("latin1")),
    );
}

mod laws {
    use proptest::prelude::*;

    use super::*;

    /// One file that sets each of some keys to one of a few values.
    fn import(keys: &[(usize, usize)]) -> String {
        const KEYS: [&str; 8] = [
            "preflight.podman = \">=4.V\"",
            "preflight.cpus = V",
            "host.hostname = \"hV.x\"",
            "host.packages = [\"pV\"]",
            "host.addresses.\"a.x\" = [\"10.0.0.V\"]",
            "host.file = [{ path = \"/etc/V\", content = \"V\" }]",
            "host.file = [{ path = \"/etc/x\", mode = \"060V\" }]",
            "trust.key = \"rsa-3072\"",
        ];
        let mut lines: BTreeMap<&str, String> = BTreeMap::new();
        for (key, value) in keys {
            let line = KEYS[*key].replace('V', &(value + 1).to_string());
            lines.insert(KEYS[*key].split(" = ").next().unwrap_or_default(), line);
        }
        let lines: Vec<String> = lines.into_values().collect();
        format!("schema = 1\n{}\n", lines.join("\n"))
    }

    proptest! {
        #[test]
        fn no_text_makes_the_loader_panic(text in "\\PC{0,200}") {
            let _ = load_from(&[("main.toml", &text)], &[&text]).map_err(|error| error.to_string());
        }

        /// Whatever three files say, the order in which they are imported leaves no trace: neither in the
        /// profile nor in the errors.
        #[test]
        fn the_order_of_imports_does_not_matter(
            parts in proptest::collection::vec(proptest::collection::vec((0..8usize, 0..3usize), 0..6), 3),
            order in Just(vec![0usize, 1, 2]).prop_shuffle(),
        ) {
            let texts: Vec<String> = parts.iter().map(|keys| import(keys)).collect();
            let load_in = |order: &[usize]| {
                let names: Vec<String> = order.iter().map(|place| format!("\"{place}.toml\"")).collect();
                let main = format!("schema = 1\nimports = [{}]\nname = \"t\"\n", names.join(", "));
                let files = [("main.toml", main.as_str()), ("0.toml", &texts[0]), ("1.toml", &texts[1]), ("2.toml", &texts[2])];
                match load_from(&files, &[]) {
                    Ok(profile) => Ok(format!("{:?}{:?}{:?}", profile.preflight, profile.host, profile.registry)),
                    Err(Error::Invalid(problems)) => {
                        let mut shown: Vec<String> =
                            problems.iter().map(|one| format!("{}: {}", one.origin(), one.title())).collect();
                        shown.sort();
                        Err(shown)
                    }
                    Err(other) => panic!("{other}"),
                }
            };
            prop_assert_eq!(load_in(&[0, 1, 2]), load_in(&order));
        }

        /// Text that is nearly a profile reaches further than noise does.
        #[test]
        fn no_mutilated_profile_makes_it_panic(cut in 0..2000usize, len in 0..40usize, put in "[\\[\\]{}=\"'#$\\.a-z0-9ö\\n ]{0,12}") {
            let whole = include_str!("../../../profiles/bastion.toml");
            let mut bytes: Vec<char> = whole.chars().collect();
            let start = cut.min(bytes.len());
            let end = (start + len).min(bytes.len());
            bytes.splice(start..end, put.chars());
            let text: String = bytes.into_iter().collect();
            let _ = load_from(&[("main.toml", &text)], &[]).map_err(|error| error.to_string());
        }
    }
}
