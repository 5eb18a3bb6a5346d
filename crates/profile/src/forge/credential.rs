//! What follows from a password: the htpasswd line that a registry checks, and the entry that a client reads.
//!
//! Knows bcrypt's line format. Must not know where the files lie.

use std::path::Path;

use provision_converge::Bytes;
use provision_pull_secret::{AuthFile, Credentials};

use super::{Due, Forge};
use crate::error::{Error, FileError};
use crate::recipe::Recipe;

impl Forge<'_> {
    /// bcrypt is salted: a line is good as long as the password verifies against it.
    pub(super) fn htpasswd_due(&self, name: &str, user: &str, password: &str) -> Result<Due, Error> {
        let line = self.piece(name)?;
        let password = self.piece(password)?;
        let text = std::str::from_utf8(&line).unwrap_or_default();
        let Some((named, hash)) = text.trim_end().split_once(':') else {
            return Ok(Due::Again("it is damaged".to_owned()));
        };
        Ok(match (named == user, bcrypt::verify(password.as_slice(), hash)) {
            (false, _) => Due::Again(format!("the user was {named}")),
            (true, Ok(true)) => Due::No,
            (true, _) => Due::Again("the password changed".to_owned()),
        })
    }

    pub(super) fn new_htpasswd(&self, user: &str, password: &str, cost: u32) -> Result<Bytes, Error> {
        let password = self.piece(password)?;
        let parts = bcrypt::hash_with_result(password.as_slice(), cost).map_err(Error::Bcrypt)?;
        // `$2y$` is what Apache's htpasswd writes, and what every checker knows.
        let line = format!("{user}:{}\n", parts.format_for_version(bcrypt::Version::TwoY));
        Ok(Bytes::new(line.into_bytes()))
    }

    /// An entry is derived: it is due when it would come out differently now.
    pub(super) fn entry_due(&self, recipe: &Recipe) -> Result<Due, Error> {
        let (name, fresh, reason) = match recipe {
            Recipe::AuthEntry { name, user, password } => {
                (name, self.auth_entry(user, password)?, "the credentials changed".to_owned())
            }
            Recipe::BaseEntry { name, file, key } => {
                (name, self.base_entry(file, key)?, format!("{} changed", file.display()))
            }
            _ => return Ok(Due::No),
        };
        Ok(if *fresh == *self.piece(name)? { Due::No } else { Due::Again(reason) })
    }

    pub(super) fn auth_entry(&self, user: &str, password: &str) -> Result<Bytes, Error> {
        let secret = self.piece(password)?;
        let failed = |source| Error::AuthEntry { key: user.to_owned(), source };
        // Passwords are checked to be UTF-8 where they come in.
        let text = zeroize::Zeroizing::new(String::from_utf8_lossy(&secret).into_owned());
        let mut auths = AuthFile::new();
        auths.set(user, &Credentials::new(user, text.as_str())).map_err(failed)?;
        let entry = auths.entry(user).unwrap_or_default();
        Ok(Bytes::new(entry.as_bytes().to_vec()))
    }

    pub(super) fn base_entry(&self, file: &Path, key: &str) -> Result<Bytes, Error> {
        let bytes = (self.read)(file)
            .map(Bytes::new)
            .map_err(|error| Error::File(FileError::from_io(file, error)))?;
        let auths =
            AuthFile::parse(&bytes).map_err(|source| Error::AuthEntry { key: key.to_owned(), source })?;
        let gone = || Error::NoSecret {
            place: file.display().to_string(),
            reason: format!("the entry of {key} has gone since the profile was loaded"),
        };
        Ok(Bytes::new(auths.entry(key).ok_or_else(gone)?.as_bytes().to_vec()))
    }
}
