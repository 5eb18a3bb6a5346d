//! A certificate as data: subject, names, validity, what it may do.

use std::net::IpAddr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use openssl::asn1::{Asn1Time, Asn1TimeRef};
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::x509::{X509, X509NameRef};

use crate::error::{Error, Result};
use crate::name::SubjectName;

/// One certificate.
#[derive(Clone)]
pub struct Certificate(pub(crate) X509);

/// All certificates of a PEM text, in order; an error names the damaged one by its number.
pub fn parse_pem(pem: &[u8]) -> Result<Vec<Certificate>> {
    const BEGIN: &[u8] = b"-----BEGIN CERTIFICATE-----";
    let starts: Vec<usize> = (0..pem.len()).filter(|&at| pem[at..].starts_with(BEGIN)).collect();
    if starts.is_empty() {
        return Err(Error::NoCertificate);
    }
    let ends = starts.iter().skip(1).copied().chain([pem.len()]);
    let block = |(number, (start, end)): (usize, (usize, usize))| {
        X509::from_pem(&pem[start..end])
            .map(Certificate)
            .map_err(|source| Error::DamagedCertificate { number: number + 1, source })
    };
    starts.iter().copied().zip(ends).enumerate().map(block).collect()
}

impl Certificate {
    /// The subject, as `CN=…, O=…`.
    pub fn subject(&self) -> String {
        shown(self.0.subject_name())
    }

    /// The issuer, as `CN=…, O=…`.
    pub fn issuer(&self) -> String {
        shown(self.0.issuer_name())
    }

    /// The names it is for.
    pub fn names(&self) -> Vec<SubjectName> {
        let names = self.0.subject_alt_names();
        let one = |name: &openssl::x509::GeneralNameRef| {
            if let Some(dns) = name.dnsname() {
                return Some(SubjectName::Dns(dns.to_ascii_lowercase()));
            }
            let bytes = name.ipaddress()?;
            let address = <[u8; 4]>::try_from(bytes)
                .map(IpAddr::from)
                .or_else(|_| <[u8; 16]>::try_from(bytes).map(IpAddr::from));
            address.ok().map(SubjectName::Ip)
        };
        names.iter().flatten().filter_map(one).collect()
    }

    /// From when on it is valid.
    pub fn not_before(&self) -> SystemTime {
        time(self.0.not_before())
    }

    /// Until when it is valid.
    pub fn not_after(&self) -> SystemTime {
        time(self.0.not_after())
    }

    /// Whether it may sign other certificates.
    pub fn is_authority(&self) -> bool {
        self.extension("Basic Constraints").is_some_and(|value| value.starts_with("CA:TRUE"))
    }

    /// Whether TLS servers may use it: it has no extended key usage, or that of a server.
    pub fn is_for_servers(&self) -> bool {
        let usage = self.extension("Extended Key Usage");
        usage.is_none_or(|usage| {
            ["TLS Web Server Authentication", "Any Extended"].iter().any(|one| usage.contains(one))
        })
    }

    /// The value of an extension as OpenSSL prints it: the line below its name. rust-openssl has no accessors for these
    /// extensions, and the printed form has been the same for decades. Text in names can't look like it: OpenSSL
    /// escapes line breaks in them.
    fn extension(&self, name: &str) -> Option<String> {
        let text = self.0.to_text().unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let mut lines = text.lines().map(str::trim);
        lines.find_map(|line| line.strip_prefix("X509v3 ")?.strip_prefix(name)?.strip_prefix(':'))?;
        lines.next().map(str::to_owned)
    }

    /// sha256 over the DER form, in lower-case hexadecimal.
    pub fn fingerprint(&self) -> String {
        let digest = self.0.digest(MessageDigest::sha256());
        digest.map(|bytes| bytes.iter().map(|byte| format!("{byte:02x}")).collect()).unwrap_or_default()
    }

    /// The certificate as PEM.
    pub fn to_pem(&self) -> Result<Vec<u8>> {
        Ok(self.0.to_pem()?)
    }

    /// Whether `issuer` signed it.
    pub fn is_signed_by(&self, issuer: &Self) -> bool {
        let named = self.0.issuer_name().try_cmp(issuer.0.subject_name());
        let signed = issuer.0.public_key().and_then(|key| self.0.verify(&key));
        matches!(named, Ok(std::cmp::Ordering::Equal)) && signed.unwrap_or(false)
    }
}

impl std::fmt::Debug for Certificate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Certificate({}, {})", self.subject(), self.fingerprint())
    }
}

impl PartialEq for Certificate {
    fn eq(&self, other: &Self) -> bool {
        self.fingerprint() == other.fingerprint()
    }
}

fn shown(name: &X509NameRef) -> String {
    let entry = |entry: &openssl::x509::X509NameEntryRef| {
        let key = match entry.object().nid() {
            Nid::COMMONNAME => "CN",
            Nid::ORGANIZATIONNAME => "O",
            other => other.short_name().unwrap_or("?"),
        };
        let value = entry.data().to_string().unwrap_or_default();
        format!("{key}={value}")
    };
    name.entries().map(entry).collect::<Vec<_>>().join(", ")
}

/// X.509 time to the system's; times before 1970 become 1970.
fn time(at: &Asn1TimeRef) -> SystemTime {
    let since = Asn1Time::from_unix(0).and_then(|epoch| epoch.diff(at));
    let seconds = since.map(|diff| i64::from(diff.days) * 86_400 + i64::from(diff.secs)).unwrap_or(0);
    UNIX_EPOCH + Duration::from_secs(u64::try_from(seconds).unwrap_or(0))
}
