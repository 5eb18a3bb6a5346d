//! Every defect of a pair that a user brings, alone and named; the certificates are made with OpenSSL, since this crate
//! makes none that are wrong.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use openssl::asn1::Asn1Time;
use openssl::bn::{BigNum, MsbOption};
use openssl::ec::{EcGroup, EcKey};
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::{PKey, Private};
use openssl::rsa::Rsa;
use openssl::symm::Cipher;
use openssl::x509::extension::{BasicConstraints, ExtendedKeyUsage, SubjectAlternativeName};
use openssl::x509::{X509, X509Name};
use provision_trust_store::{Defect, SubjectName, check_pair};

const DAY: Duration = Duration::from_secs(86_400);

/// A certificate with its key, and how it is to be made.
struct Made {
    certificate: X509,
    key: PKey<Private>,
}

/// What a certificate is made of.
#[derive(Clone, Copy)]
struct Recipe<'a> {
    subject: &'a str,
    authority: bool,
    names: &'a [&'a str],
    for_clients: bool,
    rsa: Option<u32>,
    /// Days from now.
    valid: (i64, i64),
}

const SERVER: Recipe<'_> = Recipe {
    subject: "server",
    authority: false,
    names: &["registry.example.test", "*.apps.example.test", "10.0.0.5"],
    for_clients: false,
    rsa: None,
    valid: (-1, 100),
};

const AUTHORITY: Recipe<'_> = Recipe { subject: "root", authority: true, names: &[], ..SERVER };

impl Recipe<'_> {
    fn make(self, issuer: Option<&Made>) -> Made {
        let key = match self.rsa {
            Some(bits) => PKey::from_rsa(Rsa::generate(bits).unwrap()).unwrap(),
            None => {
                let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).unwrap();
                PKey::from_ec_key(EcKey::generate(&group).unwrap()).unwrap()
            }
        };
        let mut subject = X509Name::builder().unwrap();
        subject.append_entry_by_nid(Nid::COMMONNAME, self.subject).unwrap();
        let subject = subject.build();
        let mut serial = BigNum::new().unwrap();
        serial.rand(127, MsbOption::MAYBE_ZERO, false).unwrap();
        let mut builder = X509::builder().unwrap();
        builder.set_version(2).unwrap();
        builder.set_serial_number(&serial.to_asn1_integer().unwrap()).unwrap();
        builder.set_subject_name(&subject).unwrap();
        builder.set_issuer_name(issuer.map_or(&subject, |issuer| issuer.certificate.subject_name())).unwrap();
        builder.set_pubkey(&key).unwrap();
        let now = i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()).unwrap();
        let at = |days: i64| Asn1Time::from_unix(now + days * 86_400).unwrap();
        builder.set_not_before(&at(self.valid.0)).unwrap();
        builder.set_not_after(&at(self.valid.1)).unwrap();
        if self.authority {
            builder.append_extension(BasicConstraints::new().critical().ca().build().unwrap()).unwrap();
        }
        if self.for_clients {
            builder.append_extension(ExtendedKeyUsage::new().client_auth().build().unwrap()).unwrap();
        }
        if !self.names.is_empty() {
            let mut all = SubjectAlternativeName::new();
            for name in self.names {
                if name.parse::<std::net::IpAddr>().is_ok() {
                    all.ip(name)
                } else {
                    all.dns(name)
                };
            }
            let all = all.build(&builder.x509v3_context(None, None)).unwrap();
            builder.append_extension(all).unwrap();
        }
        builder.sign(issuer.map_or(&key, |issuer| &issuer.key), MessageDigest::sha256()).unwrap();
        Made { certificate: builder.build(), key }
    }
}

/// A root, an authority below it, and a server's certificate below that.
fn three() -> (Made, Made, Made) {
    let root = AUTHORITY.make(None);
    let between = Recipe { subject: "between", ..AUTHORITY }.make(Some(&root));
    let server = SERVER.make(Some(&between));
    (root, between, server)
}

fn check(chain: &[&Made], key: &Made, names: &[&str], expected: &[&str]) {
    check_at(SystemTime::now(), chain, key, names, expected);
}

fn check_at(now: SystemTime, chain: &[&Made], key: &Made, names: &[&str], expected: &[&str]) {
    let chain: Vec<u8> = chain.iter().flat_map(|made| made.certificate.to_pem().unwrap()).collect();
    let names: Vec<SubjectName> = names.iter().map(|name| name.parse().unwrap()).collect();
    let key = key.key.private_key_to_pem_pkcs8().unwrap();
    let defects = check_pair(&chain, &key, &names, now).unwrap();
    assert_eq!(defects.iter().map(Defect::to_string).collect::<Vec<_>>(), expected);
}

#[test]
fn a_good_pair_has_none_with_and_without_its_root() {
    let (root, between, server) = three();
    let names = ["registry.example.test", "one.apps.example.test", "10.0.0.5"];
    check(&[&server, &between, &root], &server, &names, &[]);
    check(&[&server, &between], &server, &names, &[]);
    check(&[&server], &server, &names, &[]);
}

#[test]
fn a_key_of_another_certificate() {
    let (_, between, server) = three();
    check(&[&server, &between], &between, &[], &["the key does not belong to the certificate"]);
}

#[test]
fn certificates_in_the_wrong_order() {
    let (root, between, server) = three();
    let expected = [
        "certificate 2 (CN=root) did not sign the one before it: expected that of CN=between",
        "certificate 3 (CN=between) did not sign the one before it: expected that of CN=root",
    ];
    check(&[&server, &root, &between], &server, &[], &expected);
    let expected = [
        "the first certificate (CN=between) is an authority's: expected the server's own",
        "certificate 2 (CN=server) did not sign the one before it: expected that of CN=root",
    ];
    check(&[&between, &server], &between, &[], &expected);
    // One of the same name that is not the issuer.
    let twin = Recipe { subject: "between", ..AUTHORITY }.make(Some(&root));
    let expected = ["certificate 2 (CN=between) did not sign the one before it: expected that of CN=between"];
    check(&[&server, &twin], &server, &[], &expected);
}

#[test]
fn a_name_that_is_missing() {
    let (_, _, server) = three();
    let have = "it is for registry.example.test, *.apps.example.test, 10.0.0.5";
    for name in
        ["other.example.test", "a.b.apps.example.test", "apps.example.test", "10.0.0.6", "example.test"]
    {
        check(&[&server], &server, &[name], &[&format!("the certificate is not for {name}; {have}")]);
    }
    // A common name is no name since RFC 6125.
    let common = Recipe { subject: "registry.example.test", names: &[], ..SERVER }.make(None);
    let expected = "the certificate is not for registry.example.test; it has no subject alternative names";
    check(&[&common], &common, &["registry.example.test"], &[expected]);
}

#[test]
fn certificates_out_of_time() {
    let (root, ..) = three();
    let between = Recipe { subject: "between", valid: (-1, 50), ..AUTHORITY }.make(Some(&root));
    let server = Recipe { valid: (-2, 20), ..SERVER }.make(Some(&between));
    let at = |days: i64| {
        let distance = DAY * u32::try_from(days.abs()).unwrap();
        if days < 0 { SystemTime::now() - distance } else { SystemTime::now() + distance }
    };
    let chain = [&server, &between];
    check_at(at(0), &chain, &server, &[], &[]);
    check_at(at(21), &chain, &server, &[], &["CN=server has expired"]);
    check_at(at(51), &chain, &server, &[], &["CN=server has expired", "CN=between has expired"]);
    let early = |subject: &str| format!("{subject} is not valid yet: compare the clocks");
    check_at(at(-3), &chain, &server, &[], &[&early("CN=server"), &early("CN=between")]);
}

#[test]
fn certificates_that_may_not_do_their_part() {
    let (root, ..) = three();
    let no_authority = Recipe { subject: "between", authority: false, ..AUTHORITY }.make(Some(&root));
    let server = SERVER.make(Some(&no_authority));
    let expected = "certificate 2 (CN=between) may not sign others (basicConstraints CA:TRUE is missing)";
    check(&[&server, &no_authority], &server, &[], &[expected]);
    let client = Recipe { for_clients: true, ..SERVER }.make(Some(&root));
    let expected = "the certificate is not for TLS servers: expected the extended key usage serverAuth";
    check(&[&client], &client, &[], &[expected]);
    // What the subject says is no extension.
    let liar = Recipe { subject: "X509v3 Basic Constraints:\nCA:TRUE", ..SERVER }.make(Some(&root));
    check(&[&liar], &liar, &[], &[]);
}

#[test]
fn a_key_that_is_too_weak() {
    let weak = Recipe { rsa: Some(1024), ..SERVER }.make(None);
    check(&[&weak], &weak, &[], &["a key of 1024 bits is too weak: expected EC or RSA of 2048 and more"]);
    let strong = Recipe { rsa: Some(2048), ..SERVER }.make(None);
    check(&[&strong], &strong, &[], &[]);
}

#[test]
fn a_key_with_a_passphrase_asks_nobody() {
    let (_, _, server) = three();
    let pem = server.certificate.to_pem().unwrap();
    let key = server.key.private_key_to_pem_pkcs8_passphrase(Cipher::aes_256_cbc(), b"secret").unwrap();
    let error = check_pair(&pem, &key, &[], SystemTime::now()).unwrap_err();
    assert!(error.to_string().contains("expected PEM without a passphrase"), "{error}");
}
