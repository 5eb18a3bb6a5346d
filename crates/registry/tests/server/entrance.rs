//! Who gets in: TLS as a client sees it, users and passwords, and files that change while the server runs.

use std::time::Duration;

use crate::site::{Authority, PASSWORD, Site, USER, secure};
use base64::Engine as _;
use openssl::pkey::PKey;
use openssl::symm::Cipher;
use provision_registry::{Config, TlsFiles, serve};
use tokio::net::TcpStream;

async fn connect(site: &Site, trusted: &Authority, name: &str) -> Result<(), String> {
    let stream = TcpStream::connect(site.address).await.unwrap();
    secure(stream, &trusted.certificate, name).await.map(drop)
}

/// Whether the server tells of something soon.
async fn seen(site: &Site, words: &str) -> bool {
    for _ in 0..100 {
        if site.events.lock().unwrap().iter().any(|event| event.contains(words)) {
            return true;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    false
}

#[tokio::test]
async fn the_right_name_under_the_right_authority_and_nothing_else() {
    let site = Site::start().await;
    connect(&site, &site.authority, "localhost").await.unwrap();
    let wrong_name = connect(&site, &site.authority, "other.test").await.unwrap_err();
    assert!(wrong_name.contains("certificate verify failed"), "{wrong_name}");
    let wrong_authority = connect(&site, &Authority::new("stranger"), "localhost").await.unwrap_err();
    assert!(wrong_authority.contains("certificate verify failed"), "{wrong_authority}");
    // The administrator reads why, and not where in OpenSSL's source.
    assert!(
        seen(&site, "TLS handshake: tlsv1 alert unknown ca\"").await,
        "{:?}",
        site.events.lock().unwrap()
    );
}

#[tokio::test]
async fn old_protocols_are_refused() {
    use openssl::ssl::{SslConnector, SslMethod, SslVersion};
    let site = Site::start().await;
    let (address, authority) = (site.address, site.path("certs/ca.crt"));
    let check = move |version: SslVersion| {
        let mut connector = SslConnector::builder(SslMethod::tls_client()).unwrap();
        connector.set_ca_file(&authority).unwrap();
        // Lets this client offer TLS 1.1 at all.
        connector.set_cipher_list("ALL:@SECLEVEL=0").unwrap();
        connector.set_min_proto_version(Some(version)).unwrap();
        connector.set_max_proto_version(Some(version)).unwrap();
        connector.build().connect("localhost", std::net::TcpStream::connect(address).unwrap()).is_ok()
    };
    let verdicts = tokio::task::spawn_blocking(move || {
        [SslVersion::TLS1_1, SslVersion::TLS1_2, SslVersion::TLS1_3].map(check)
    });
    assert_eq!(verdicts.await.unwrap(), [false, true, true]);
}

#[tokio::test]
async fn users_are_let_in_by_their_password() {
    let site = Site::start().await;
    let mut client = site.client().await;
    let mut check = async |authorization: Option<String>, expected: &str| {
        client.authorization = authorization.clone();
        let answer = client.get("/v2/").await;
        assert_eq!(answer.verdict(), expected, "{authorization:?}");
        let challenge = if expected == "200" { "" } else { "Basic realm=\"registry\"" };
        assert_eq!(answer.header("www-authenticate"), challenge);
    };
    let basic = |user: &str, password: &str| {
        let encoded = base64::engine::general_purpose::STANDARD.encode(format!("{user}:{password}"));
        Some(format!("Basic {encoded}"))
    };
    check(None, "401 UNAUTHORIZED").await;
    check(basic(USER, "wrong"), "401 UNAUTHORIZED").await;
    check(basic(USER, PASSWORD), "200").await;
    check(basic(USER, PASSWORD), "200").await;
    // What was verified once lets in that password only, and that user only.
    check(basic(USER, "wrong"), "401 UNAUTHORIZED").await;
    check(basic("other", PASSWORD), "401 UNAUTHORIZED").await;
    check(Some("Bearer x".to_owned()), "401 UNAUTHORIZED").await;
    client.authorization = None;
    assert_eq!(client.get("/v2/a/manifests/v1").await.verdict(), "401 UNAUTHORIZED");
    assert_eq!(client.get("/v2/../x/manifests/v1").await.verdict(), "401 UNAUTHORIZED");
    assert_eq!(client.get("/healthz").await.verdict(), "200");
    let events = site.events.lock().unwrap().join("\n");
    assert!(!events.contains(PASSWORD) && !events.contains("Basic"), "{events}");
    assert_eq!(events.matches("the user or the password is wrong").count(), 4, "{events}");
}

#[tokio::test]
async fn a_password_is_hashed_once_and_not_once_a_request() {
    let site = Site::with(|config| {
        let path = config.htpasswd.clone().unwrap();
        let hash = bcrypt::hash(PASSWORD, 11).unwrap();
        std::fs::write(path, format!("{USER}:{hash}\n")).unwrap();
    })
    .await;
    let mut client = site.client().await;
    let time = async |client: &mut crate::site::Client| {
        let began = std::time::Instant::now();
        assert_eq!(client.get("/v2/").await.verdict(), "200");
        began.elapsed()
    };
    let first = time(&mut client).await;
    let mut next = Duration::ZERO;
    for _ in 0..10 {
        next += time(&mut client).await;
    }
    assert!(next / 10 < first / 4, "first {first:?}, ten more {next:?}");
}

#[tokio::test]
async fn an_unknown_user_takes_as_long_to_refuse_as_a_wrong_password() {
    let site = Site::with(|config| {
        let hash = bcrypt::hash(PASSWORD, 4).unwrap();
        std::fs::write(config.htpasswd.clone().unwrap(), format!("{USER}:{hash}\n")).unwrap();
    })
    .await;
    let mut client = site.client().await;
    // The least of several: whatever else this machine does only adds to it.
    let mut least = async |user: &str| {
        let wrong = base64::engine::general_purpose::STANDARD.encode(format!("{user}:wrong"));
        client.authorization = Some(format!("Basic {wrong}"));
        let mut least = Duration::MAX;
        for _ in 0..5 {
            let began = std::time::Instant::now();
            assert_eq!(client.get("/v2/").await.verdict(), "401 UNAUTHORIZED");
            least = least.min(began.elapsed());
        }
        least
    };
    let (known, unknown) = (least(USER).await, least("nobody").await);
    assert!(unknown < known * 8 && known < unknown * 8, "known {known:?}, unknown {unknown:?}");
}

#[tokio::test]
async fn changed_files_are_read_again_and_broken_ones_are_not_taken() {
    let site = Site::start().await;
    let (certificate, key) = site.authority.issue(&["renewed.test"]);
    std::fs::write(site.path("server.crt"), certificate).unwrap();
    assert!(seen(&site, "ReloadFailed").await, "certificate and key do not belong together now");
    connect(&site, &site.authority, "localhost").await.unwrap();
    std::fs::write(site.path("server.key"), key).unwrap();
    assert!(seen(&site, "Reloaded { what: \"certificate\" }").await);
    connect(&site, &site.authority, "renewed.test").await.unwrap();
    assert!(connect(&site, &site.authority, "localhost").await.is_err());
    std::fs::write(site.path("htpasswd"), "").unwrap();
    assert!(seen(&site, "Reloaded { what: \"htpasswd\" }").await);
}

#[tokio::test]
async fn a_server_that_cannot_start_says_why() {
    let site = Site::start().await;
    let check = async |change: &dyn Fn(&mut Config), expected: &[&str]| {
        let mut config = Config::new(([127, 0, 0, 1], 0).into(), site.path("another"));
        change(&mut config);
        // One that starts after all must end the test, not hang it.
        let patience = tokio::time::sleep(std::time::Duration::from_secs(20));
        let error = serve(config, |_| (), patience).await.unwrap_err();
        let words = format!(
            "{error}: {}",
            std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default()
        );
        assert!(expected.iter().all(|part| words.contains(part)), "{words}: expected {expected:?}");
    };
    let tls = |certificate, key| TlsFiles { certificate: site.path(certificate), key: site.path(key) };
    check(&|config| config.listen = site.address, &["cannot listen on 127.0.0.1:", "in use"]).await;
    check(
        &|config| config.tls = Some(tls("none.crt", "server.key")),
        &["certificate", "none.crt", "No such file"],
    )
    .await;
    check(&|config| config.tls = Some(tls("htpasswd", "server.key")), &["no certificate in", "htpasswd"])
        .await;
    check(&|config| config.tls = Some(tls("certs/ca.crt", "server.key")), &["private key", "server.key"])
        .await;
    check(&|config| config.tls = Some(tls("server.crt", "server.crt")), &["private key", "server.crt"]).await;
    let key = PKey::private_key_from_pem(&std::fs::read(site.path("server.key")).unwrap()).unwrap();
    let locked = key.private_key_to_pem_pkcs8_passphrase(Cipher::aes_256_cbc(), b"secret").unwrap();
    std::fs::write(site.path("locked.key"), locked).unwrap();
    check(
        &|config| config.tls = Some(tls("server.crt", "locked.key")),
        &["locked.key", "without a passphrase"],
    )
    .await;
    check(
        &|config| config.htpasswd = Some(site.path("server.crt")),
        &["line 1", "server.crt", "htpasswd -B"],
    )
    .await;
    check(&|config| config.store = site.path("certs"), &["cannot open the store", "certs"]).await;
    let missing = |config: &mut Config| (config.store, config.read_only) = (site.path("missing"), true);
    check(&missing, &["cannot open the store", "missing"]).await;
}

#[tokio::test]
async fn health_fails_when_the_store_is_gone() {
    let site = Site::start().await;
    let mut client = site.client().await;
    assert_eq!(client.get("/healthz").await.verdict(), "200");
    std::fs::remove_file(site.path("store/store.json")).unwrap();
    assert_eq!(client.get("/healthz").await.verdict(), "503 UNKNOWN");
}

#[tokio::test]
async fn a_stopped_server_finishes_what_runs() {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let mut site = Site::with(|config| (config.tls, config.htpasswd) = (None, None)).await;
    let mut stream = TcpStream::connect(site.address).await.unwrap();
    let path = format!("/v2/a/blobs/uploads/?digest={}", crate::site::digest(b"0123456789"));
    let head = format!("POST {path} HTTP/1.1\r\nhost: h\r\ncontent-length: 10\r\n\r\n01234");
    stream.write_all(head.as_bytes()).await.unwrap();
    tokio::time::sleep(Duration::from_millis(100)).await;
    let finish = async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        stream.write_all(b"56789").await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    };
    let (answer, ()) = tokio::join!(finish, site.stop());
    assert!(answer.starts_with("HTTP/1.1 201"), "{answer}");
}
