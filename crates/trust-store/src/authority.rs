//! A certificate authority of one's own, and the server certificates it issues.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use openssl::asn1::{Asn1Integer, Asn1Time};
use openssl::bn::{BigNum, MsbOption};
use openssl::hash::MessageDigest;
use openssl::x509::extension::{
    AuthorityKeyIdentifier, BasicConstraints, ExtendedKeyUsage, KeyUsage, SubjectAlternativeName,
    SubjectKeyIdentifier,
};
use openssl::x509::{X509, X509Builder, X509Name};

use crate::certificate::{Certificate, parse_pem};
use crate::error::{Error, Result};
use crate::key::{KeyKind, PrivateKey};
use crate::name::SubjectName;

/// Clocks of clients may be behind ours by this much.
const CLOCK_TOLERANCE: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(86_400);
/// A common name has at most 64 characters (RFC 5280 appendix A, ub-common-name).
const COMMON_NAME_LIMIT: usize = 64;

/// A certificate authority with its key.
#[derive(Debug, Clone)]
pub struct Authority {
    certificate: Certificate,
    key: PrivateKey,
}

/// A server certificate with its key.
#[derive(Debug, Clone)]
pub struct ServerPair {
    /// The certificate; the authority's own is not in it, clients have that.
    pub certificate: Certificate,
    /// Its key.
    pub key: PrivateKey,
}

impl Authority {
    /// Makes an authority that signs server certificates only, never other authorities.
    pub fn generate(name: &str, kind: KeyKind, now: SystemTime, days: u32) -> Result<Self> {
        let key = PrivateKey::generate(kind)?;
        let subject = common_name(name)?;
        let mut builder = begin(&subject, now, days)?;
        builder.set_issuer_name(&subject)?;
        builder.set_pubkey(&key.0)?;
        builder.append_extension(BasicConstraints::new().critical().ca().pathlen(0).build()?)?;
        builder.append_extension(KeyUsage::new().critical().key_cert_sign().crl_sign().build()?)?;
        let identifier = SubjectKeyIdentifier::new().build(&builder.x509v3_context(None, None))?;
        builder.append_extension(identifier)?;
        builder.sign(&key.0, MessageDigest::sha256())?;
        Ok(Self { certificate: Certificate(builder.build()), key })
    }

    /// Reads an authority; refuses what may not sign, and a key that is another's.
    pub fn from_pem(certificate: &[u8], key: &[u8]) -> Result<Self> {
        let certificate = parse_pem(certificate)?.into_iter().next().ok_or(Error::NoCertificate)?;
        let key = PrivateKey::from_pem(key)?;
        if !certificate.0.public_key()?.public_eq(&key.0) {
            return Err(Error::NotAPair { subject: certificate.subject() });
        }
        if !certificate.is_authority() {
            return Err(Error::NotAnAuthority { subject: certificate.subject() });
        }
        Ok(Self { certificate, key })
    }

    /// The certificate that clients have to trust.
    pub fn certificate(&self) -> &Certificate {
        &self.certificate
    }

    /// The key.
    pub fn key(&self) -> &PrivateKey {
        &self.key
    }

    /// Issues a server certificate; the first name is also its subject.
    pub fn issue(
        &self,
        names: &[SubjectName],
        kind: KeyKind,
        now: SystemTime,
        days: u32,
    ) -> Result<ServerPair> {
        let first = names.first().ok_or(Error::BadName {
            name: String::new(),
            reason: "a server certificate needs at least one name",
        })?;
        let key = PrivateKey::generate(kind)?;
        let mut builder = begin(&common_name(&first.to_string())?, now, days)?;
        builder.set_issuer_name(self.certificate.0.subject_name())?;
        builder.set_pubkey(&key.0)?;
        self.extend(&mut builder, names, kind)?;
        builder.sign(&self.key.0, MessageDigest::sha256())?;
        Ok(ServerPair { certificate: Certificate(builder.build()), key })
    }

    fn extend(&self, builder: &mut X509Builder, names: &[SubjectName], kind: KeyKind) -> Result<()> {
        builder.append_extension(BasicConstraints::new().critical().build()?)?;
        let mut usage = KeyUsage::new();
        usage.critical().digital_signature();
        // Only RSA key exchange enciphers a key; an EC key that claims it is refused by strict clients.
        if kind == KeyKind::Rsa3072 {
            usage.key_encipherment();
        }
        builder.append_extension(usage.build()?)?;
        builder.append_extension(ExtendedKeyUsage::new().server_auth().build()?)?;
        let mut alternatives = SubjectAlternativeName::new();
        for name in names {
            match name {
                SubjectName::Dns(name) => alternatives.dns(name),
                SubjectName::Ip(address) => alternatives.ip(&address.to_string()),
            };
        }
        let context = builder.x509v3_context(Some(&self.certificate.0), None);
        let extensions = [
            alternatives.build(&context)?,
            SubjectKeyIdentifier::new().build(&context)?,
            AuthorityKeyIdentifier::new().keyid(true).build(&context)?,
        ];
        for extension in extensions {
            builder.append_extension(extension)?;
        }
        Ok(())
    }
}

/// Version 3, a random serial number of 127 bits, subject and validity.
fn begin(subject: &X509Name, now: SystemTime, days: u32) -> Result<X509Builder> {
    let mut builder = X509::builder()?;
    builder.set_version(2)?;
    let mut serial = BigNum::new()?;
    serial.rand(127, MsbOption::MAYBE_ZERO, false)?;
    let serial: Asn1Integer = serial.to_asn1_integer()?;
    builder.set_serial_number(&serial)?;
    builder.set_subject_name(subject)?;
    let (begin, end) = (unix(now - CLOCK_TOLERANCE), unix(now + DAY * days));
    let (begin, end) = (Asn1Time::from_unix(begin)?, Asn1Time::from_unix(end)?);
    builder.set_not_before(&begin)?;
    builder.set_not_after(&end)?;
    Ok(builder)
}

fn unix(time: SystemTime) -> i64 {
    let seconds = time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    i64::try_from(seconds).unwrap_or(i64::MAX)
}

fn common_name(name: &str) -> Result<X509Name> {
    let mut builder = X509Name::builder()?;
    let short: String = name.chars().take(COMMON_NAME_LIMIT).collect();
    builder.append_entry_by_text("CN", &short)?;
    Ok(builder.build())
}
