//! The authority and the registry's certificate: made by the trust-store crate, judged before they are kept.
//!
//! Knows lifetimes and when to make anew. Must not know X.509.

use std::path::Path;

use provision_converge::Bytes;
use provision_trust_store::{Authority, KeyKind, SubjectName, check_pair, parse_pem, renewal_due};

use super::{Due, Forge};
use crate::error::{Error, FileError};
use crate::scalar::Subject;
use crate::section::trust::KeyWord;

/// Clients keep the authority for years; ten outlive the cluster.
const AUTHORITY_DAYS: u32 = 3650;
/// Strict clients refuse server certificates over 825 days.
const SERVER_DAYS: u32 = 397;

impl Forge<'_> {
    /// The authority is made once and stays: every client of it would have to be told of another.
    pub(super) fn authority_due(&self, certificate: &str) -> Result<Due, Error> {
        let pem = self.piece(certificate)?;
        let expired = parse_pem(&pem)
            .map_err(|source| Error::Certificate { name: certificate.to_owned(), source })?
            .first()
            .is_none_or(|authority| authority.not_after() <= self.now);
        Ok(if expired { Due::Again("it has expired".to_owned()) } else { Due::No })
    }

    pub(super) fn certificate_due(
        &self,
        certificate: &str,
        authority: &str,
        subjects: &[Subject],
    ) -> Result<Due, Error> {
        let first = |name: &str| {
            let certificates = parse_pem(&self.piece(name)?)
                .map_err(|source| Error::Certificate { name: name.to_owned(), source })?;
            certificates.into_iter().next().ok_or_else(|| Error::NotMade { name: name.to_owned() })
        };
        let (server, authority) = (first(certificate)?, first(authority)?);
        Ok(match renewal_due(&server, &authority, &names(subjects), self.now) {
            Some(renewal) => Due::Again(renewal.to_string()),
            None => Due::No,
        })
    }

    pub(super) fn own_pair_due(
        &self,
        certificate: &str,
        chain: &str,
        key: &str,
        key_file: &Path,
    ) -> Result<Due, Error> {
        if self.piece(certificate)?.as_slice() != chain.as_bytes() {
            return Ok(Due::Again("the profile names another certificate".to_owned()));
        }
        let current = self.read_key(key_file)?;
        Ok(match *self.piece(key)? == *current {
            true => Due::No,
            false => Due::Again(format!("{} has another key", key_file.display())),
        })
    }

    pub(super) fn new_authority(&self, kind: KeyWord, name: &str) -> Result<(Bytes, Bytes), Error> {
        let failed = |source| Error::Certificate { name: name.to_owned(), source };
        let authority =
            Authority::generate(name, key_kind(kind), self.now, AUTHORITY_DAYS).map_err(failed)?;
        let certificate = authority.certificate().to_pem().map_err(failed)?;
        Ok((Bytes::new(certificate), authority.key().to_pem().map_err(failed)?))
    }

    pub(super) fn authority(&self, certificate: &str, key: &str) -> Result<Authority, Error> {
        Authority::from_pem(&self.piece(certificate)?, &self.piece(key)?)
            .map_err(|source| Error::Certificate { name: certificate.to_owned(), source })
    }

    /// The chain and the key of a new server certificate.
    pub(super) fn new_certificate(
        &self,
        authority: &Authority,
        kind: KeyWord,
        subjects: &[Subject],
    ) -> Result<(Bytes, Bytes), Error> {
        let what = subjects.first().map(ToString::to_string).unwrap_or_default();
        let failed = |source| Error::Certificate { name: what.clone(), source };
        let pair =
            authority.issue(&names(subjects), key_kind(kind), self.now, SERVER_DAYS).map_err(failed)?;
        let certificate = pair.certificate.to_pem().map_err(failed)?;
        Ok((Bytes::new(certificate), pair.key.to_pem().map_err(failed)?))
    }

    /// The user's own pair, once nothing is wrong with it.
    pub(super) fn own_pair(
        &self,
        chain: &str,
        key_file: &Path,
        subjects: &[Subject],
    ) -> Result<(Bytes, Bytes), Error> {
        let key = self.read_key(key_file)?;
        let defects = check_pair(chain.as_bytes(), &key, &names(subjects), self.now)
            .map_err(|source| Error::Certificate { name: key_file.display().to_string(), source })?;
        if defects.is_empty() {
            return Ok((Bytes::new(chain.as_bytes().to_vec()), key));
        }
        Err(Error::BadPair { defects: defects.iter().map(ToString::to_string).collect() })
    }

    fn read_key(&self, path: &Path) -> Result<Bytes, Error> {
        (self.read)(path).map(Bytes::new).map_err(|error| Error::File(FileError::from_io(path, error)))
    }
}

fn key_kind(word: KeyWord) -> KeyKind {
    match word {
        KeyWord::EcdsaP256 => KeyKind::EcdsaP256,
        KeyWord::Rsa3072 => KeyKind::Rsa3072,
    }
}

fn names(subjects: &[Subject]) -> Vec<SubjectName> {
    let each = |subject: &Subject| match subject {
        Subject::Name(name) => SubjectName::Dns(name.0.clone()),
        Subject::Address(address) => SubjectName::Ip(*address),
    };
    subjects.iter().map(each).collect()
}
