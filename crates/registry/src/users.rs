//! Who may enter: an htpasswd file of bcrypt hashes, and a memory of whom it let in.
//!
//! Knows HTTP Basic authentication (RFC 7617). Must not know what a user may do: every user may do all.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use openssl::hash::MessageDigest;
use openssl::memcmp;
use openssl::pkey::{PKey, Private};
use openssl::sign::Signer;
use tokio::sync::Semaphore;
use zeroize::Zeroizing;

use crate::error::Error;

/// Checked at once; with bcrypt's usual cost each check keeps a processor busy for a tenth of a second.
const CHECKS_AT_ONCE: usize = 2;

/// The users of a server.
pub(crate) struct Users {
    hashes: BTreeMap<String, String>,
    /// Keyed hash of the password that was last verified, by user: bcrypt runs once for each, not once a request.
    verified: Mutex<BTreeMap<String, Vec<u8>>>,
    key: PKey<Private>,
    checks: Semaphore,
}

impl Users {
    pub(crate) fn load(path: &Path) -> Result<Users, Error> {
        let source = |source| Error::Read { what: "htpasswd file", path: path.to_path_buf(), source };
        let text = fs::read_to_string(path).map_err(source)?;
        let defect = |(line, defect)| Error::Htpasswd { path: path.to_path_buf(), line, defect };
        let hashes = parse(&text).map_err(defect)?;
        let mut key = Zeroizing::new([0; 32]);
        openssl::rand::rand_bytes(&mut *key).map_err(Error::Crypto)?;
        let key = PKey::hmac(&*key).map_err(Error::Crypto)?;
        let (verified, checks) = (Mutex::default(), Semaphore::new(CHECKS_AT_ONCE));
        Ok(Users { hashes, verified, key, checks })
    }

    /// Whether an `Authorization` header names a user and that user's password.
    pub(crate) async fn admit(&self, authorization: Option<&str>) -> bool {
        let Some((user, password)) = authorization.and_then(basic) else { return false };
        let Ok(seal) = self.seal(&user, &password) else { return false };
        if self.remembers(&user, &seal) {
            return true;
        }
        let Ok(_turn) = self.checks.acquire().await else { return false };
        // While this one waited for its turn, another may have brought the same password.
        if self.remembers(&user, &seal) {
            return true;
        }
        let known = self.hashes.get(&user);
        let exists = known.is_some();
        // An unknown user is checked against somebody's hash, and refused all the same: it takes as long as a wrong
        // password, and so tells nothing.
        let Some(hash) = known.or_else(|| self.hashes.values().next()).cloned() else { return false };
        let check = move || bcrypt::verify(password.as_bytes(), &hash).unwrap_or(false);
        let right = exists & tokio::task::spawn_blocking(check).await.unwrap_or(false);
        if right {
            self.verified.lock().unwrap_or_else(PoisonError::into_inner).insert(user, seal);
        }
        right
    }

    fn remembers(&self, user: &str, seal: &[u8]) -> bool {
        let verified = self.verified.lock().unwrap_or_else(PoisonError::into_inner);
        verified.get(user).is_some_and(|known| known.len() == seal.len() && memcmp::eq(known, seal))
    }

    fn seal(&self, user: &str, password: &str) -> Result<Vec<u8>, openssl::error::ErrorStack> {
        let mut signer = Signer::new(MessageDigest::sha256(), &self.key)?;
        signer.update(user.as_bytes())?;
        signer.update(b":")?;
        signer.update(password.as_bytes())?;
        signer.sign_to_vec()
    }
}

/// User and password of a `Basic` header.
fn basic(header: &str) -> Option<(String, Zeroizing<String>)> {
    let (scheme, encoded) = header.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = Zeroizing::new(STANDARD.decode(encoded.trim()).ok()?);
    let (user, password) = std::str::from_utf8(&decoded).ok()?.split_once(':')?;
    Some((user.to_owned(), Zeroizing::new(password.to_owned())))
}

/// Lines of `user:hash`; empty ones and those that begin with `#` are skipped.
fn parse(text: &str) -> Result<BTreeMap<String, String>, (usize, &'static str)> {
    let mut hashes = BTreeMap::new();
    for (at, line) in text.lines().enumerate().map(|(at, line)| (at + 1, line.trim())) {
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let (user, hash) = line.split_once(':').ok_or((at, "has no colon between user and hash"))?;
        let kind = ["$2y$", "$2a$", "$2b$"].iter().any(|kind| hash.starts_with(kind));
        if user.is_empty() {
            return Err((at, "has no user name"));
        } else if !kind {
            return Err((at, "has no bcrypt hash ($2y$, $2a$ or $2b$)"));
        } else if hash.parse::<bcrypt::HashParts>().is_err() {
            return Err((at, "has a bcrypt hash that is damaged"));
        } else if hashes.insert(user.to_owned(), hash.to_owned()).is_some() {
            return Err((at, "names a user a second time"));
        }
    }
    Ok(hashes)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const HASH: &str = "$2y$04$abcdefghijklmnopqrstuuSBPPD6Ih7xFIk0pNlJ3rYYAgCKbVyrO";

    #[test]
    fn lines_of_htpasswd_files() {
        let check = |text: &str, expected: Result<&str, (usize, &str)>| {
            let names = parse(text).map(|all| all.into_keys().collect::<Vec<_>>().join(" "));
            match (names, expected) {
                (Ok(names), Ok(expected)) => assert_eq!(names, expected, "{text}"),
                (Err((line, words)), Err((at, part))) => {
                    assert!(line == at && words.contains(part), "{text}: {words}")
                }
                (found, expected) => panic!("{text}: {found:?}, expected {expected:?}"),
            }
        };
        check(&format!("init:{HASH}\n"), Ok("init"));
        check(&format!("# users\n\nb:{HASH}\na:{HASH}"), Ok("a b"));
        check(&format!("init:{}", HASH.replace("2y", "2b")), Ok("init"));
        check("", Ok(""));
        check("init:$apr1$x$y", Err((1, "no bcrypt")));
        check("\ninit:$2y$10$short", Err((2, "damaged")));
        check("init", Err((1, "no colon")));
        check(&format!(":{HASH}"), Err((1, "no user")));
        check(&format!("a:{HASH}\na:{HASH}"), Err((2, "second time")));
    }

    #[test]
    fn only_basic_is_read() {
        let check = |header: &str, expected: Option<(&str, &str)>| {
            let found = basic(header);
            let found = found.as_ref().map(|(user, password)| (user.as_str(), password.as_str()));
            assert_eq!(found, expected, "{header}");
        };
        check("Basic dTpw", Some(("u", "p")));
        check("basic dTpwOnE=", Some(("u", "p:q")));
        check("Bearer dTpw", None);
        check("Basic", None);
        check("Basic !", None);
        check("Basic dXA=", None);
    }

    #[tokio::test]
    async fn a_file_without_users_lets_in_nobody() {
        let file = tempfile::NamedTempFile::new().unwrap();
        assert!(!Users::load(file.path()).unwrap().admit(Some("Basic dTpw")).await);
    }

    proptest! {
        #[test]
        fn foreign_text_never_panics(text in "\\PC*") {
            let _ = parse(&text);
            let _ = basic(&text);
        }
    }
}
