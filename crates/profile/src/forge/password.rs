//! Passwords: made from the system's randomness, or fetched from where the profile says.
//!
//! Knows the four sources and what bcrypt can take. Must not know what a password is for.

use std::path::{Path, PathBuf};

use openssl::rand::rand_bytes;
use provision_converge::Bytes;

use super::{Due, Forge};
use crate::error::{Error, FileError};
use crate::secret::Secret;

/// What a password is made of: no character that a shell, a URL or a person would stumble over.
const LETTERS: &[u8] = b"abcdefghijkmnopqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789";

impl Forge<'_> {
    /// A made password stays; a fetched one is fetched again when its source has another.
    pub(super) fn password_due(&self, name: &str, source: &Secret) -> Result<Due, Error> {
        if let Secret::Generate(_) = source {
            return Ok(Due::No);
        }
        match self.fetch(source) {
            Ok(Some(password)) if *password != *self.piece(name)? => {
                Ok(Due::Again(format!("{} has another", place(source))))
            }
            Ok(Some(_)) => Ok(Due::No),
            // The source may be gone once it was read, such as a variable of one session.
            Ok(None) => Ok(Due::No),
            Err(error) => Err(error),
        }
    }

    pub(super) fn new_password(&self, source: &Secret) -> Result<Bytes, Error> {
        if let Secret::Generate(length) = source {
            return random(*length as usize);
        }
        let missing =
            || Error::NoSecret { place: place(source), reason: "expected it to be there".to_owned() };
        self.fetch(source)?.ok_or_else(missing)
    }

    /// `None`: the source is not there at all.
    fn fetch(&self, source: &Secret) -> Result<Option<Bytes>, Error> {
        let text = match source {
            Secret::Generate(_) => None,
            Secret::File(path) => self.first_line(path)?,
            Secret::Env(name) => (self.variable)(name).map(|text| Bytes::new(text.into_bytes())),
            Secret::Credential(name) => match (self.variable)("CREDENTIALS_DIRECTORY") {
                Some(directory) => self.first_line(&PathBuf::from(directory).join(name))?,
                None => None,
            },
        };
        let Some(text) = text else { return Ok(None) };
        let bad = |reason: &str| Error::NoSecret { place: place(source), reason: reason.to_owned() };
        match text.len() {
            0 => Err(bad("it is empty")),
            1..=72 if std::str::from_utf8(&text).is_err() => Err(bad("it is not UTF-8")),
            1..=72 if text.iter().any(u8::is_ascii_control) => Err(bad("it holds a control character")),
            1..=72 => Ok(Some(text)),
            _ => Err(bad("expected at most 72 bytes, which is all that bcrypt looks at")),
        }
    }

    fn first_line(&self, path: &Path) -> Result<Option<Bytes>, Error> {
        match (self.read)(path) {
            Ok(bytes) => {
                let bytes = Bytes::new(bytes);
                let line = bytes.split(|&byte| byte == b'\n').next().unwrap_or_default();
                Ok(Some(Bytes::new(line.strip_suffix(b"\r").unwrap_or(line).to_vec())))
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(Error::File(FileError::from_io(path, error))),
        }
    }
}

/// Where a secret comes from, for people.
fn place(source: &Secret) -> String {
    match source {
        Secret::Generate(_) => "the system's randomness".to_owned(),
        Secret::File(path) => path.display().to_string(),
        Secret::Env(name) => format!("the environment variable {name}"),
        Secret::Credential(name) => format!("the systemd credential {name}"),
    }
}

/// Random letters and digits, each equally likely.
fn random(length: usize) -> Result<Bytes, Error> {
    let limit = 256 - 256 % LETTERS.len();
    let mut out = Bytes::new(Vec::with_capacity(length));
    while out.len() < length {
        let mut byte = [0];
        rand_bytes(&mut byte).map_err(Error::Random)?;
        let number = usize::from(byte[0]);
        // Numbers above the last whole round would favour the first letters.
        if number < limit {
            out.push(LETTERS[number % LETTERS.len()]);
        }
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_random_password_has_its_length_and_only_letters() {
        let (one, other) = (random(32).unwrap(), random(32).unwrap());
        assert_eq!(one.len(), 32);
        assert!(one.iter().all(|byte| LETTERS.contains(byte)));
        assert_ne!(*one, *other);
    }
}
