//! `provision registry serve`: what it says while it runs, and why it does not start.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::process::{Child, ChildStderr, Command, Stdio};
use std::time::SystemTime;

use provision_trust_store::{Authority, KeyKind};

use crate::bench::Bench;

/// `init` with the password `a password`.
const HTPASSWD: &str = "init:$2y$04$D17gcUV6Vqy0J1KHQejRZeoQH6dpbe99Cnios4FE4ZU4UpwUXOFQ.\n";
const RIGHT: &str = "aW5pdDphIHBhc3N3b3Jk";
const WRONG: &str = "aW5pdDphbm90aGVy";

/// A bench with a certificate for `localhost`, its key, its authority, and one user.
fn bench() -> Bench {
    let bench = Bench::new();
    let (kind, now) = (KeyKind::EcdsaP256, SystemTime::now());
    let authority = Authority::generate("authority", kind, now, 10).unwrap();
    let pair = authority.issue(&["localhost".parse().unwrap()], kind, now, 5).unwrap();
    bench.write("ca.crt", authority.certificate().to_pem().unwrap());
    bench.write("ca.key", authority.key().to_pem().unwrap());
    bench.write("tls.crt", pair.certificate.to_pem().unwrap());
    bench.write("tls.key", pair.key.to_pem().unwrap());
    bench.write("htpasswd", HTPASSWD);
    bench
}

const FILES: [&str; 6] = ["--tls-cert", "tls.crt", "--tls-key", "tls.key", "--htpasswd", "htpasswd"];

/// A server that runs, and its log.
struct Serving {
    child: Child,
    log: BufReader<ChildStderr>,
    port: String,
}

impl Serving {
    fn start(bench: &Bench, arguments: &[&str]) -> Serving {
        let serve = ["registry", "serve", "--store", "store", "--listen", "127.0.0.1:0"];
        let mut child = bench.command(&[&serve, arguments].concat()).spawn().unwrap();
        let mut log = BufReader::new(child.stderr.take().unwrap());
        let mut line = String::new();
        log.read_line(&mut line).unwrap();
        let port = line.trim().strip_prefix("listening on https://127.0.0.1:");
        let port = port.unwrap_or_else(|| panic!("it does not listen: {line}")).to_owned();
        Serving { child, log, port }
    }

    /// Asks as a client that verifies the certificate; the answer, or why there is none.
    fn ask(&self, bench: &Bench, authority: &str, request: &str) -> String {
        let mut client = Command::new("openssl");
        client.args(["s_client", "-quiet", "-verify_return_error", "-verify_hostname", "localhost"]);
        client.args(["-CAfile", authority, "-connect", &format!("127.0.0.1:{}", self.port)]);
        client.current_dir(bench.directory());
        client.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = client.spawn().unwrap_or_else(|error| panic!("openssl is needed: {error}"));
        let mut input = child.stdin.take().unwrap();
        // It may have ended already, when it does not trust the server.
        let _ = input.write_all(request.replace('\n', "\r\n").as_bytes());
        let output = child.wait_with_output().unwrap();
        String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned()
    }

    /// Ends it by a signal, and tells the rest of its log.
    fn end(mut self, signal: &str) -> String {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-s", signal, &pid]).status().unwrap().success());
        let mut rest = String::new();
        self.log.read_to_string(&mut rest).unwrap();
        let status = self.child.wait().unwrap();
        assert_eq!(status.code(), Some(0), "{status}: {rest}");
        rest
    }
}

fn request(method: &str, path: &str, password: Option<&str>) -> String {
    let authorization = password.map(|it| format!("authorization: Basic {it}\n")).unwrap_or_default();
    format!("{method} {path} HTTP/1.1\nhost: localhost\nconnection: close\n{authorization}\n")
}

#[test]
fn the_log_tells_changes_and_refusals_and_no_secret() {
    let bench = bench();
    let server = Serving::start(&bench, &FILES);
    let ask =
        |method: &str, path: &str, password| server.ask(&bench, "ca.crt", &request(method, path, password));
    for (method, path, password, expected) in [
        ("GET", "/healthz", None, "200"),
        ("GET", "/v2/", None, "401"),
        ("GET", "/v2/", Some(WRONG), "401"),
        ("GET", "/v2/", Some(RIGHT), "200"),
        ("POST", "/v2/a/blobs/uploads/", Some(RIGHT), "202"),
    ] {
        let answer = ask(method, path, password);
        assert!(answer.contains(&format!("HTTP/1.1 {expected} ")), "{method} {path}: {answer}");
    }
    let stranger = server.ask(&bench, "/etc/hostname", &request("GET", "/v2/", Some(RIGHT)));
    assert!(!stranger.contains("HTTP/1.1"), "{stranger}");
    let log = server.end("TERM");
    let expected = [
        "127.0.0.1 GET /v2/ 401: the user or the password is wrong",
        "127.0.0.1 POST /v2/a/blobs/uploads/ 202",
    ];
    assert_eq!(log.lines().take(2).collect::<Vec<_>>(), expected, "{log}");
    for secret in ["a password", RIGHT, WRONG, "$2y$"] {
        assert!(!log.contains(secret), "{log}");
    }
}

#[test]
fn ctrl_c_ends_it_as_well() {
    let bench = bench();
    assert_eq!(Serving::start(&bench, &FILES).end("INT"), "");
}

#[test]
fn what_it_cannot_use_is_named() {
    let bench = bench();
    std::fs::create_dir(bench.directory().join("not-empty")).unwrap();
    bench.write("not-empty/file", "");
    let check = |arguments: &[&str], code: i32, words: &[&str]| {
        let ran = bench.run(&[&["registry", "serve", "--listen", "127.0.0.1:0"], arguments].concat());
        ran.expect(code);
        for words in words {
            ran.complains(words);
        }
    };
    let tls = |certificate, key| ["--store", "store", "--tls-cert", certificate, "--tls-key", key];
    check(&tls("none.crt", "tls.key"), 1, &["error: cannot read the certificate none.crt", "No such file"]);
    check(&tls("htpasswd", "tls.key"), 1, &["there is no certificate in htpasswd", "PEM"]);
    check(&tls("tls.crt", "ca.key"), 1, &["the private key ca.key is not usable", "mismatch"]);
    check(&["--store", "store", "--tls-cert", "tls.crt"], 64, &["--tls-key <FILE>"]);
    check(&["--store", "store", "--htpasswd", "ca.crt"], 1, &["line 1 of ca.crt", "htpasswd -B"]);
    check(&["--store", "not-empty"], 1, &["cannot open the store not-empty", "not a store of images"]);
    check(&["--store", "none", "--read-only"], 1, &["cannot open the store none"]);
    check(&[], 64, &["--store <DIR>"]);
    let open = ["registry", "serve", "--store", "store", "--listen", "0.0.0.0:0"];
    bench
        .run(&open)
        .expect(64)
        .complains("0.0.0.0:0 would be served without TLS")
        .complains("hint: give --tls-cert");
}
