//! Judging a server certificate: a pair that a user brings, and one's own when it has to be renewed.

use std::collections::BTreeSet;
use std::fmt;
use std::time::{Duration, SystemTime};

use crate::certificate::{Certificate, parse_pem};
use crate::error::Result;
use crate::key::PrivateKey;
use crate::name::SubjectName;

/// A server certificate is renewed when it has less than this left.
const RENEWAL: Duration = Duration::from_secs(30 * 86_400);

/// One thing that is wrong with a pair.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Defect {
    /// The key is not the certificate's.
    KeyDoesNotMatch,
    /// The first certificate of the file is an authority's: the server's has to come first.
    LeafIsAuthority {
        /// Its subject.
        subject: String,
    },
    /// TLS servers may not use the certificate: its extended key usage is another.
    NotForServers,
    /// A certificate of the chain may not sign others.
    IssuerIsNoAuthority {
        /// Its place, from 1.
        number: usize,
        /// Its subject.
        subject: String,
    },
    /// A certificate of the chain did not sign the one before it.
    ChainOrder {
        /// Its place, from 1.
        number: usize,
        /// Its subject.
        subject: String,
        /// The issuer that was expected here.
        expected: String,
    },
    /// A name that the host is called by is not in the certificate.
    NameMissing {
        /// The name.
        name: SubjectName,
        /// Those that are.
        have: Vec<SubjectName>,
    },
    /// A certificate of the chain is not valid yet.
    NotYetValid {
        /// Its subject.
        subject: String,
    },
    /// A certificate of the chain is no longer valid.
    Expired {
        /// Its subject.
        subject: String,
    },
    /// The key is too small to be accepted by current clients.
    WeakKey {
        /// Its size in bits.
        bits: u32,
    },
}

impl fmt::Display for Defect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::KeyDoesNotMatch => f.write_str("the key does not belong to the certificate"),
            Self::LeafIsAuthority { subject } => {
                write!(f, "the first certificate ({subject}) is an authority's: expected the server's own")
            }
            Self::NotForServers => f.write_str(
                "the certificate is not for TLS servers: expected the extended key usage serverAuth",
            ),
            Self::IssuerIsNoAuthority { number, subject } => {
                write!(
                    f,
                    "certificate {number} ({subject}) may not sign others (basicConstraints CA:TRUE is missing)"
                )
            }
            Self::ChainOrder { number, subject, expected } => write!(
                f,
                "certificate {number} ({subject}) did not sign the one before it: expected that of {expected}"
            ),
            Self::NameMissing { name, have } => {
                let have: Vec<String> = have.iter().map(ToString::to_string).collect();
                write!(f, "the certificate is not for {name}; ")?;
                match have.is_empty() {
                    true => f.write_str("it has no subject alternative names"),
                    false => write!(f, "it is for {}", have.join(", ")),
                }
            }
            Self::NotYetValid { subject } => write!(f, "{subject} is not valid yet: compare the clocks"),
            Self::Expired { subject } => write!(f, "{subject} has expired"),
            Self::WeakKey { bits } => {
                write!(f, "a key of {bits} bits is too weak: expected EC or RSA of 2048 and more")
            }
        }
    }
}

/// All defects of a certificate file (server first, then its issuers) and its key.
pub fn check_pair(chain: &[u8], key: &[u8], names: &[SubjectName], now: SystemTime) -> Result<Vec<Defect>> {
    let chain = parse_pem(chain)?;
    let key = PrivateKey::from_pem(key)?;
    let mut defects = Vec::new();
    if let Some(leaf) = chain.first() {
        let public = leaf.0.public_key()?;
        if !public.public_eq(&key.0) {
            defects.push(Defect::KeyDoesNotMatch);
        }
        if public.rsa().is_ok() && public.bits() < 2048 {
            defects.push(Defect::WeakKey { bits: public.bits() });
        }
        if leaf.is_authority() {
            defects.push(Defect::LeafIsAuthority { subject: leaf.subject() });
        }
        if !leaf.is_for_servers() {
            defects.push(Defect::NotForServers);
        }
        let have = leaf.names();
        let missing = names.iter().filter(|name| !covers(&have, name));
        defects.extend(missing.map(|name| Defect::NameMissing { name: name.clone(), have: have.clone() }));
    }
    for (number, pair) in chain.windows(2).enumerate() {
        let [below, above] = pair else { continue };
        let (number, subject) = (number + 2, above.subject());
        if !below.is_signed_by(above) {
            defects.push(Defect::ChainOrder { number, subject, expected: below.issuer() });
        } else if !above.is_authority() {
            defects.push(Defect::IssuerIsNoAuthority { number, subject });
        }
    }
    for certificate in &chain {
        if now < certificate.not_before() {
            defects.push(Defect::NotYetValid { subject: certificate.subject() });
        }
        if now >= certificate.not_after() {
            defects.push(Defect::Expired { subject: certificate.subject() });
        }
    }
    Ok(defects)
}

/// Whether a certificate for `have` is good for `name`; `*.` stands for exactly one label (RFC 6125 section 6.4.3).
fn covers(have: &[SubjectName], name: &SubjectName) -> bool {
    let one = |pattern: &SubjectName| match (pattern, name) {
        (SubjectName::Dns(pattern), SubjectName::Dns(name)) => match pattern.strip_prefix("*.") {
            Some(domain) => name.split_once('.').is_some_and(|(_, rest)| rest == domain),
            None => pattern == name,
        },
        (pattern, name) => pattern == name,
    };
    have.iter().any(one)
}

/// Why a server certificate has to be issued anew.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Renewal {
    /// It has less than 30 days left.
    Expires {
        /// Days left; 0 when it has expired.
        days: u64,
    },
    /// It is for other names than those wanted.
    Names,
    /// Another authority issued it.
    Issuer,
}

impl fmt::Display for Renewal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Expires { days } => write!(f, "it expires in {days} days"),
            Self::Names => f.write_str("the names of the host changed"),
            Self::Issuer => f.write_str("it was issued by another authority"),
        }
    }
}

/// Why the server certificate has to be issued anew, if it has to be.
pub fn renewal_due(
    certificate: &Certificate,
    authority: &Certificate,
    names: &[SubjectName],
    now: SystemTime,
) -> Option<Renewal> {
    let set = |names: &[SubjectName]| names.iter().cloned().collect::<BTreeSet<_>>();
    let left = certificate.not_after().duration_since(now).unwrap_or_default();
    if !certificate.is_signed_by(authority) {
        Some(Renewal::Issuer)
    } else if set(&certificate.names()) != set(names) {
        Some(Renewal::Names)
    } else if left < RENEWAL {
        Some(Renewal::Expires { days: left.as_secs() / 86_400 })
    } else {
        None
    }
}
