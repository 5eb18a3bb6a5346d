//! What has to be true of a host is proved also when there is nothing to do.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use openssl::asn1::Asn1Time;
use openssl::ec::{EcGroup, EcKey};
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::PKey;
use openssl::x509::X509Builder;
use provision_converge::{Aftermath, Applied, Desired, Engine, Error, Failure, Health, Request, Vault};
use provision_host::{Family, Host};

fn certificate() -> Vec<u8> {
    let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).unwrap();
    let key = PKey::from_ec_key(EcKey::generate(&group).unwrap()).unwrap();
    let mut builder = X509Builder::new().unwrap();
    builder.set_pubkey(&key).unwrap();
    builder.set_not_before(&Asn1Time::days_from_now(0).unwrap()).unwrap();
    builder.set_not_after(&Asn1Time::days_from_now(1).unwrap()).unwrap();
    builder.sign(&key, MessageDigest::sha256()).unwrap();
    builder.build().to_pem().unwrap()
}

#[test]
fn a_host_that_fell_ill_is_told_although_nothing_differs() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::create_dir(directory.path().join("etc")).unwrap();
    let bundle = directory.path().join("etc/bundle.pem");
    let pem = certificate();
    std::fs::write(directory.path().join("etc/anchor.pem"), &pem).unwrap();
    std::fs::write(&bundle, &pem).unwrap();
    let host = Host::with_root(directory.path()).unwrap();
    let vault = Vault::new(&host.root, "/var/lib/provision");
    let engine = Engine::new(&host, Family::Debian, &vault);
    let anchored =
        Health::Anchored { certificate: "/etc/anchor.pem".into(), bundle: "/etc/bundle.pem".into() };
    let desired = Desired { health: vec![anchored], ..Desired::default() };
    let apply = || -> Result<Applied, Failure> {
        engine.apply(&Request {
            desired: &desired,
            name: "anchored",
            profile: "",
            lock: None,
            agreed: None,
            who: "test",
            confirm: None,
            interrupted: &|| false,
            listener: &|_| {},
        })
    };
    assert_eq!(apply().unwrap(), Applied::Nothing);
    assert_eq!(engine.ailments(&desired).unwrap(), Vec::<String>::new());

    std::fs::write(&bundle, certificate()).unwrap();
    let Err(Failure { cause, aftermath: Aftermath::NothingChanged }) = apply() else { panic!() };
    assert!(matches!(*cause, Error::Unhealthy { .. }), "{cause}");
    let [ailment] = engine.ailments(&desired).unwrap().try_into().unwrap();
    assert!(ailment.contains("/etc/bundle.pem does not hold"), "{ailment}");
}
