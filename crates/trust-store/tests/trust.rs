//! Certificates as others see them: `openssl verify`, and TLS handshakes with the right and the wrong name and CA.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::net::{TcpListener, TcpStream};
use std::process::Command;
use std::time::{Duration, SystemTime};

use openssl::ssl::{SslAcceptor, SslConnector, SslMethod};
use openssl::x509::X509;
use openssl::x509::store::X509StoreBuilder;
use proptest::prelude::*;
use provision_trust_store::{
    Authority, Defect, KeyKind, PrivateKey, Renewal, ServerPair, SubjectName, check_pair, parse_pem,
    renewal_due,
};

const DAY: Duration = Duration::from_secs(86_400);

fn names(names: &[&str]) -> Vec<SubjectName> {
    names.iter().map(|name| name.parse().unwrap()).collect()
}

fn authority() -> Authority {
    Authority::generate("provision test CA", KeyKind::EcdsaP256, SystemTime::now(), 3650).unwrap()
}

fn issue(authority: &Authority, of: &[&str]) -> ServerPair {
    authority.issue(&names(of), KeyKind::EcdsaP256, SystemTime::now(), 397).unwrap()
}

/// One handshake of a real server and a real client; the client's complaint, if it has one.
fn handshake(pair: &ServerPair, ca: &Authority, name: &str) -> Result<(), String> {
    let mut acceptor = SslAcceptor::mozilla_intermediate_v5(SslMethod::tls_server()).unwrap();
    let leaf = X509::from_pem(&pair.certificate.to_pem().unwrap()).unwrap();
    let key = openssl::pkey::PKey::private_key_from_pem(&pair.key.to_pem().unwrap()).unwrap();
    acceptor.set_certificate(&leaf).unwrap();
    acceptor.set_private_key(&key).unwrap();
    let acceptor = acceptor.build();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let server = std::thread::spawn(move || drop(acceptor.accept(listener.accept().unwrap().0)));
    let mut connector = SslConnector::builder(SslMethod::tls_client()).unwrap();
    let mut store = X509StoreBuilder::new().unwrap();
    store.add_cert(X509::from_pem(&ca.certificate().to_pem().unwrap()).unwrap()).unwrap();
    connector.set_cert_store(store.build());
    let result = connector.build().connect(name, TcpStream::connect(address).unwrap());
    server.join().unwrap();
    result.map(drop).map_err(|error| error.to_string())
}

#[test]
fn clients_accept_the_right_name_and_no_other() {
    let ca = authority();
    for kind in [KeyKind::EcdsaP256, KeyKind::Rsa3072] {
        let all = names(&["registry.example.test", "10.0.0.5", "localhost"]);
        let pair = ca.issue(&all, kind, SystemTime::now(), 397).unwrap();
        for name in ["registry.example.test", "10.0.0.5", "localhost"] {
            handshake(&pair, &ca, name).unwrap();
        }
        let wrong = handshake(&pair, &ca, "other.example.test").unwrap_err();
        assert!(wrong.contains("mismatch"), "{wrong}");
    }
}

#[test]
fn clients_refuse_another_authority_of_the_same_name() {
    let pair = issue(&authority(), &["registry.example.test"]);
    let wrong = handshake(&pair, &authority(), "registry.example.test").unwrap_err();
    assert!(wrong.contains("verify failed"), "{wrong}");
}

#[test]
fn openssl_verifies_the_chain_strictly() {
    let ca = authority();
    let directory = tempfile::tempdir().unwrap();
    let (ca_file, leaf_file) = (directory.path().join("ca.pem"), directory.path().join("leaf.pem"));
    std::fs::write(&ca_file, ca.certificate().to_pem().unwrap()).unwrap();
    let verify = |extra: &[&str]| {
        let mut command = Command::new("openssl");
        command.args(["verify", "-x509_strict", "-purpose", "sslserver", "-CAfile"]).arg(&ca_file);
        let output = command.args(extra).arg(&leaf_file).output().expect("openssl is installed");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        if output.status.success() { "good".to_owned() } else { said }
    };
    for kind in [KeyKind::EcdsaP256, KeyKind::Rsa3072] {
        let all = names(&["registry.example.test", "*.apps.example.test", "10.0.0.5", "fd00::5"]);
        let pair = ca.issue(&all, kind, SystemTime::now(), 397).unwrap();
        std::fs::write(&leaf_file, pair.certificate.to_pem().unwrap()).unwrap();
        for name in ["registry.example.test", "one.apps.example.test"] {
            assert_eq!(verify(&["-verify_hostname", name]), "good", "{name}");
        }
        for address in ["10.0.0.5", "fd00::5"] {
            assert_eq!(verify(&["-verify_ip", address]), "good", "{address}");
        }
        assert!(verify(&["-verify_hostname", "other.example.test"]).contains("hostname mismatch"));
        assert!(verify(&["-verify_ip", "10.0.0.6"]).contains("IP address mismatch"));
        let later = (SystemTime::now() + DAY * 398).duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
        assert!(verify(&["-attime", &later.to_string()]).contains("expired"));
    }
}

#[test]
fn the_leaf_may_not_sign_and_the_authority_may() {
    let ca = authority();
    assert!(ca.certificate().is_authority());
    assert!(!issue(&ca, &["a.test"]).certificate.is_authority());
}

#[test]
fn every_defect_of_a_pair_is_named() {
    let (ca, other) = (authority(), authority());
    let pair = issue(&ca, &["a.test"]);
    let pem = |certificate: &provision_trust_store::Certificate| certificate.to_pem().unwrap();
    let key = pair.key.to_pem().unwrap();
    let chain = [pem(&pair.certificate), pem(ca.certificate())].concat();
    let now = SystemTime::now();
    assert_eq!(check_pair(&chain, &key, &names(&["a.test"]), now).unwrap(), []);

    let strange = PrivateKey::generate(KeyKind::EcdsaP256).unwrap().to_pem().unwrap();
    let broken = [pem(&pair.certificate), pem(other.certificate())].concat();
    let defects = check_pair(&broken, &strange, &names(&["b.test"]), now + DAY * 4000).unwrap();
    assert!(
        matches!(
            defects.as_slice(),
            [
                Defect::KeyDoesNotMatch,
                Defect::NameMissing { .. },
                Defect::ChainOrder { number: 2, .. },
                Defect::Expired { .. },
                Defect::Expired { .. }
            ]
        ),
        "{defects:#?}"
    );
    let early = check_pair(&chain, &key, &[], now - DAY).unwrap();
    assert!(matches!(early.as_slice(), [Defect::NotYetValid { .. }, Defect::NotYetValid { .. }]));
    let swapped = check_pair(&pem(ca.certificate()), &ca.key().to_pem().unwrap(), &[], now).unwrap();
    assert!(matches!(swapped.as_slice(), [Defect::LeafIsAuthority { .. }]));
}

#[test]
fn a_certificate_is_renewed_for_time_names_and_issuer() {
    let ca = authority();
    let pair = issue(&ca, &["a.test", "10.0.0.1"]);
    let due = |of: &[&str], now| renewal_due(&pair.certificate, ca.certificate(), &names(of), now);
    let now = SystemTime::now();
    assert_eq!(due(&["10.0.0.1", "a.test"], now), None);
    assert_eq!(due(&["a.test"], now), Some(Renewal::Names));
    assert_eq!(due(&["a.test", "10.0.0.1"], now + DAY * 366), None);
    assert!(matches!(
        due(&["a.test", "10.0.0.1"], now + DAY * 368),
        Some(Renewal::Expires { days: 28..=29 })
    ));
    let other = authority();
    let foreign = renewal_due(&pair.certificate, other.certificate(), &names(&["a.test", "10.0.0.1"]), now);
    assert_eq!(foreign, Some(Renewal::Issuer));
}

#[test]
fn an_authority_reads_back_and_a_leaf_is_none() {
    let ca = authority();
    let pem = ca.certificate().to_pem().unwrap();
    let again = Authority::from_pem(&pem, &ca.key().to_pem().unwrap()).unwrap();
    assert_eq!(again.certificate(), ca.certificate());
    let leaf = issue(&ca, &["a.test"]);
    let (pem, key) = (leaf.certificate.to_pem().unwrap(), leaf.key.to_pem().unwrap());
    assert!(Authority::from_pem(&pem, &key).unwrap_err().to_string().contains("not a certificate authority"));
    assert!(
        Authority::from_pem(&pem, &ca.key().to_pem().unwrap())
            .unwrap_err()
            .to_string()
            .contains("does not belong")
    );
}

#[test]
fn a_damaged_block_is_named_by_its_number() {
    let pem = authority().certificate().to_pem().unwrap();
    let text = [pem.as_slice(), b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"].concat();
    assert!(parse_pem(&text).unwrap_err().to_string().contains("number 2"));
    assert!(parse_pem(b"hello").unwrap_err().to_string().contains("no certificate"));
}

#[test]
fn keys_are_not_shown() {
    assert_eq!(format!("{:?}", authority().key()), "<secret>");
}

proptest! {
    #[test]
    fn no_bytes_make_the_parsers_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let text = [b"-----BEGIN CERTIFICATE-----\n".as_slice(), &bytes].concat();
        let _ = (parse_pem(&bytes), parse_pem(&text), PrivateKey::from_pem(&bytes));
    }
}
