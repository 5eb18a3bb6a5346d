//! The certificates that provision keeps for a host: whose they are, and how long they still last.

use std::time::{Duration, SystemTime};

use provision_converge::Vault;
use provision_profile::recipe::{AUTHORITY_CERTIFICATE, REGISTRY_CERTIFICATE};
use provision_trust_store::{Certificate, parse_pem};
use serde::Serialize;

use crate::exit::Exit;
use crate::failure::Failure;
use crate::out::{BAD, CAREFUL, paint};

/// Fewer days than this are worth a warning; the same limit renews a certificate of our own.
const SOON: i64 = 30;
const DAY: Duration = Duration::from_secs(86_400);

/// One certificate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Kept {
    /// The piece of the vault that it is in: `authority-certificate`, `registry-certificate`.
    pub piece: &'static str,
    /// Its subject.
    pub subject: String,
    /// Its issuer.
    pub issuer: String,
    /// Whether it may sign others.
    pub authority: bool,
    /// Whole days until it expires; negative when it has.
    pub days: i64,
    /// It expires soon, or has.
    pub warn: bool,
    /// From when on it is valid.
    #[serde(skip)]
    pub not_before: SystemTime,
}

/// All certificates in the vault, authorities first.
pub fn kept(vault: &Vault<'_>, now: SystemTime) -> Result<Vec<Kept>, Failure> {
    let mut all = Vec::new();
    for piece in [AUTHORITY_CERTIFICATE, REGISTRY_CERTIFICATE] {
        let Some(pem) = vault.get(piece)? else { continue };
        let chain = parse_pem(&pem).map_err(|error| Failure::because(Exit::Failed, &error))?;
        all.extend(chain.iter().map(|certificate| judged(piece, certificate, now)));
    }
    Ok(all)
}

/// How long a certificate in a file is valid.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Expiry {
    /// Its subject.
    pub subject: String,
    /// Whether it may sign others.
    pub authority: bool,
    /// Until when it is valid, RFC 3339 in UTC.
    pub expires: String,
    /// Whole days until then; negative when it has expired.
    pub days: i64,
}

/// The certificates in the bytes of a file; none when it holds anything else.
pub fn expiries(bytes: &[u8], now: SystemTime) -> Vec<Expiry> {
    let one = |certificate: &Certificate| {
        let end = certificate.not_after();
        let expires = jiff::Timestamp::try_from(end).unwrap_or(jiff::Timestamp::MAX);
        Expiry {
            subject: certificate.subject(),
            authority: certificate.is_authority(),
            expires: expires.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
            days: days(now, end),
        }
    };
    parse_pem(bytes).unwrap_or_default().iter().map(one).collect()
}

impl std::fmt::Display for Expiry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let kind = if self.authority { "authority" } else { "certificate" };
        let day = self.expires.get(..10).unwrap_or_default();
        match self.days {
            ..0 => write!(f, "{kind} {}, expired {day}", self.subject),
            days => write!(f, "{kind} {}, expires {day} (in {days} days)", self.subject),
        }
    }
}

fn judged(piece: &'static str, certificate: &Certificate, now: SystemTime) -> Kept {
    let days = days(now, certificate.not_after());
    Kept {
        piece,
        subject: certificate.subject(),
        issuer: certificate.issuer(),
        authority: certificate.is_authority(),
        days,
        warn: days < SOON,
        not_before: certificate.not_before(),
    }
}

fn days(now: SystemTime, end: SystemTime) -> i64 {
    let whole = |span: Duration| i64::try_from(span.as_secs() / DAY.as_secs()).unwrap_or(i64::MAX);
    match end.duration_since(now) {
        Ok(left) => whole(left),
        Err(over) => -whole(over.duration()) - 1,
    }
}

impl Kept {
    /// The certificate in a line.
    pub fn words(&self) -> String {
        let kind = if self.authority { "authority" } else { "certificate" };
        let line = match self.days {
            ..0 => paint(BAD, format!("{kind} {} HAS EXPIRED", self.subject)),
            0..SOON => paint(CAREFUL, format!("{kind} {} expires in {} days", self.subject, self.days)),
            _ => return format!("{kind} {} expires in {} days", self.subject, self.days),
        };
        let advice = match (self.authority, self.issuer.contains("provision CA of")) {
            (false, true) => "the next apply renews it",
            (true, _) => "every client has to be told of its successor",
            (false, false) => "bring a new one, and apply",
        };
        format!("{line}: {advice}")
    }
}

#[cfg(test)]
mod tests {
    use provision_host::Root;
    use provision_trust_store::{Authority, KeyKind};

    use super::*;

    #[test]
    fn whole_days_and_a_word_in_time() {
        let now = provision_host::now();
        let check = |valid: u32, later: u32, days: i64, words: &str| {
            let authority =
                Authority::generate("provision CA of r.x", KeyKind::EcdsaP256, now, valid).unwrap();
            let leaf = authority.issue(&["r.x".parse().unwrap()], KeyKind::EcdsaP256, now, valid).unwrap();
            let kept = judged(REGISTRY_CERTIFICATE, &leaf.certificate, now + DAY * later);
            assert_eq!((kept.days, kept.warn), (days, days < 30));
            assert_eq!(anstream::adapter::strip_str(&kept.words()).to_string(), words);
        };
        // Certificates end on a whole second, so a day that has just begun is not counted.
        check(397, 0, 396, "certificate CN=r.x expires in 396 days");
        check(40, 11, 28, "certificate CN=r.x expires in 28 days: the next apply renews it");
        check(40, 41, -2, "certificate CN=r.x HAS EXPIRED: the next apply renews it");
    }

    #[test]
    fn both_kinds_are_found_in_the_vault() {
        let directory = tempfile::tempdir().unwrap();
        let root = Root::open(directory.path()).unwrap();
        let vault = Vault::new(&root, "/var/lib/provision");
        let now = provision_host::now();
        assert_eq!(kept(&vault, now).unwrap(), []);
        let authority = Authority::generate("site CA", KeyKind::EcdsaP256, now, 100).unwrap();
        let leaf = authority.issue(&["r.x".parse().unwrap()], KeyKind::EcdsaP256, now, 20).unwrap();
        // A chain of the user's own holds its issuers as well.
        let chain = [leaf.certificate.to_pem().unwrap(), authority.certificate().to_pem().unwrap()].concat();
        vault.put(AUTHORITY_CERTIFICATE, &authority.certificate().to_pem().unwrap(), false).unwrap();
        vault.put(REGISTRY_CERTIFICATE, &chain, false).unwrap();
        let found = kept(&vault, now).unwrap();
        let shown: Vec<_> = found.iter().map(|one| (one.subject.as_str(), one.authority, one.warn)).collect();
        assert_eq!(
            shown,
            [("CN=site CA", true, false), ("CN=r.x", false, true), ("CN=site CA", true, false)]
        );
        assert!(found[1].words().contains("bring a new one"), "{}", found[1].words());
        assert_eq!(serde_json::to_value(&found[1]).unwrap()["piece"], REGISTRY_CERTIFICATE);
    }
}
