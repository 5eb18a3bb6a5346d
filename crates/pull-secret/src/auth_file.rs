//! One file of registry credentials: `{"auths": {"<key>": {"auth": …}}, "credHelpers": {…}, "credsStore": …}`.
//!
//! Knows the fields of containers-auth.json(5) and Docker's `config.json`, and keeps every other as it is.
//! Must not know where the file lies, nor who reads it.

use std::fmt;

use zeroize::Zeroizing;

use crate::credentials::{AuthDefect, Credentials};
use crate::document::{Document, quote};
use crate::error::{Error, Result};
use crate::search::Format;

/// Fields of an entry that carry credentials; Docker and Kubernetes write more than `auth`.
pub(crate) const CREDENTIAL_FIELDS: [&str; 5] =
    ["auth", "username", "password", "identitytoken", "registrytoken"];

/// A parsed file of credentials. Every entry was checked when it was read.
///
/// `Debug` shows keys only. The text is wiped from memory when the value is dropped.
#[derive(Clone)]
pub struct AuthFile {
    pub(crate) document: Document,
    pub(crate) format: Format,
}

impl fmt::Debug for AuthFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AuthFile {{ keys: {:?}, entries: <secret> }}", self.keys())
    }
}

impl Default for AuthFile {
    fn default() -> AuthFile {
        AuthFile::new()
    }
}

impl AuthFile {
    /// A file without entries.
    pub fn new() -> AuthFile {
        AuthFile { document: Document::empty(), format: Format::Auths }
    }

    /// Reads a file. Unknown fields and the order of all are kept; see [`Error`] for what is refused.
    pub fn parse(bytes: &[u8]) -> Result<AuthFile> {
        let file = AuthFile { document: Document::parse(bytes)?, format: Format::Auths };
        file.check()?;
        Ok(file)
    }

    /// Reads Docker's old `~/.dockercfg`, whose top level holds the entries. Written back, it has the new form.
    pub fn parse_legacy(bytes: &[u8]) -> Result<AuthFile> {
        let entries = Document::parse(bytes)?;
        let mut file = AuthFile { format: Format::Legacy, ..AuthFile::new() };
        file.document.set(&["auths"], entries.text().trim());
        file.check()?;
        Ok(file)
    }

    /// The file as text. Bytes that no edit concerned are those that were parsed. Holds secrets.
    pub fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        Zeroizing::new(self.document.text().as_bytes().to_vec())
    }

    /// The keys of all entries, in file order.
    pub fn keys(&self) -> Vec<String> {
        names(&self.document, &["auths"])
    }

    /// The user and password of the entry with exactly this key; see [`AuthFile::lookup`] for an image's.
    /// `None` when there is no such entry or it carries none.
    pub fn get(&self, key: &str) -> Option<Credentials> {
        let auth = self.field(key, "auth").filter(|auth| !auth.is_empty());
        if let Some(auth) = auth {
            return Credentials::from_auth(&auth).ok();
        }
        let (username, password) = (self.field(key, "username")?, self.field(key, "password")?);
        Some(Credentials::new(username.as_str(), password.as_str())).filter(|c| !c.username.is_empty())
    }

    /// Writes the credentials of one entry, adding it at the end when it is new.
    ///
    /// Of an existing entry only `auth` changes, and the fields that would contradict it go: `username`, `password`,
    /// `identitytoken` and `registrytoken`. All else in it (`email`, unknown fields) stays.
    pub fn set(&mut self, key: &str, credentials: &Credentials) -> Result<()> {
        check_key(key)?;
        credentials.check().map_err(|defect| Error::Credentials { key: key.to_owned(), defect })?;
        let auth = Zeroizing::new(quote(&credentials.to_auth()));
        if self.document.raw(&["auths", key]).is_none() {
            let entry = Zeroizing::new(format!("{{\"auth\":{}}}", auth.as_str()));
            self.document.set(&["auths", key], &entry);
            return Ok(());
        }
        for field in CREDENTIAL_FIELDS.into_iter().filter(|field| *field != "auth") {
            self.document.remove(&["auths", key, field]);
        }
        self.document.set(&["auths", key, "auth"], &auth);
        Ok(())
    }

    /// Removes one entry; false when there was none. Its neighbours keep their bytes.
    pub fn remove(&mut self, key: &str) -> bool {
        self.document.remove(&["auths", key])
    }

    /// The JSON text of one entry, as it stands in the file: what to keep in order to put it back. Holds secrets.
    pub fn entry(&self, key: &str) -> Option<Zeroizing<String>> {
        self.document.raw(&["auths", key]).map(|raw| Zeroizing::new(raw.to_owned()))
    }

    /// Puts the JSON text of one whole entry, as [`AuthFile::entry`] gave it; other entries keep their bytes.
    pub fn set_entry(&mut self, key: &str, json: &str) -> Result<()> {
        let entry = Document::parse(json.as_bytes())?;
        let mut changed = self.clone();
        changed.document.set(&["auths", key], entry.text().trim());
        changed.check_entry(key)?;
        *self = changed;
        Ok(())
    }

    /// The suffixes of all `docker-credential-…` programs that the file names, sorted, without repetition.
    pub fn helpers(&self) -> Vec<String> {
        let hosts = names(&self.document, &["credHelpers"]);
        let mut all: Vec<String> = hosts.iter().filter_map(|host| self.helper_of(host)).collect();
        all.extend(self.store());
        all.sort();
        all.dedup();
        all
    }

    pub(crate) fn helper_hosts(&self) -> Vec<String> {
        names(&self.document, &["credHelpers"])
    }

    pub(crate) fn helper_of(&self, host: &str) -> Option<String> {
        self.document.string(&["credHelpers", host]).map(|s| s.to_string()).filter(|s| !s.is_empty())
    }

    pub(crate) fn store(&self) -> Option<String> {
        self.document.string(&["credsStore"]).map(|s| s.to_string()).filter(|s| !s.is_empty())
    }

    pub(crate) fn field(&self, key: &str, field: &str) -> Option<Zeroizing<String>> {
        self.document.string(&["auths", key, field])
    }

    pub(crate) fn fields(&self, key: &str) -> Vec<String> {
        names(&self.document, &["auths", key])
    }

    fn check(&self) -> Result<()> {
        for object in ["auths", "credHelpers"] {
            if self.document.raw(&[object]).is_some() && self.document.members(&[object]).is_none() {
                return Err(Error::WrongType { what: object.to_owned(), expected: "an object" });
            }
        }
        let strings = names(&self.document, &["credHelpers"]);
        let paths = strings.iter().map(|host| vec!["credHelpers", host.as_str()]).chain([vec!["credsStore"]]);
        for path in paths {
            if self.document.raw(&path).is_some() && self.document.string(&path).is_none() {
                return Err(Error::WrongType { what: path.join("."), expected: "a string" });
            }
        }
        self.keys().iter().try_for_each(|key| self.check_entry(key))
    }

    fn check_entry(&self, key: &str) -> Result<()> {
        if self.document.members(&["auths", key]).is_none() {
            return Err(Error::WrongType { what: format!("entry {key:?} of auths"), expected: "an object" });
        }
        for field in CREDENTIAL_FIELDS {
            if self.document.raw(&["auths", key, field]).is_some() && self.field(key, field).is_none() {
                let what = format!("{field} of entry {key:?}");
                return Err(Error::WrongType { what, expected: "a string" });
            }
        }
        let Some(auth) = self.field(key, "auth").filter(|auth| !auth.is_empty()) else { return Ok(()) };
        let defect = |defect| Error::Auth { key: key.to_owned(), defect };
        let credentials = Credentials::from_auth(&auth).map_err(defect)?;
        let token = self.field(key, "identitytoken").is_some_and(|token| !token.is_empty());
        if credentials.same_as(&credentials.username, "") && !token {
            return Err(defect(AuthDefect::NoPassword));
        }
        Ok(())
    }
}

fn names(document: &Document, path: &[&str]) -> Vec<String> {
    document.members(path).unwrap_or_default().into_iter().map(|member| member.name).collect()
}

/// Keys that this crate writes; keys that others wrote are kept, and judged by [`AuthFile::findings`].
fn check_key(key: &str) -> Result<()> {
    let refuse = |reason| Err(Error::Key { key: key.to_owned(), reason });
    let (host, path) = key.split_once('/').unwrap_or((key, "repository"));
    let (name, port) = match host.rsplit_once(':') {
        Some((name, port)) if !port.ends_with(']') => (name, port),
        _ => (host, "0"),
    };
    if key.contains("://") {
        refuse("begins with a scheme")
    } else if key.chars().any(|c| c.is_whitespace() || c.is_control()) {
        refuse("contains a blank")
    } else if name.is_empty() {
        refuse("has no host")
    } else if port.is_empty() || port.parse::<u16>().is_err() {
        refuse("has a port that is no number up to 65535")
    } else if path.split('/').any(str::is_empty) {
        refuse("has an empty path component")
    } else if path.contains([':', '@']) {
        refuse("has a tag or a digest, by which no lookup is made")
    } else {
        Ok(())
    }
}
