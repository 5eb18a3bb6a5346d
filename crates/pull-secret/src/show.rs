//! A file of credentials as it may be shown: keys, user names, and of secrets only that they are there.
//!
//! Must not contain a password, a token or an `auth` value, in any form or length.

use serde::Serialize;

use crate::auth_file::{AuthFile, CREDENTIAL_FIELDS};
use crate::lookup::Match;

/// The redacted view of a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Shown {
    /// The entries, in file order.
    pub entries: Vec<ShownEntry>,
    /// Hosts whose credentials a helper has: (host, suffix of the program).
    pub helpers: Vec<(String, String)>,
    /// The suffix of the helper for every other host, if the file names one.
    pub store: Option<String>,
}

/// One entry, redacted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ShownEntry {
    /// The key.
    pub key: String,
    /// What kind of secret it has.
    pub kind: ShownKind,
    /// The user name, where there is one.
    pub username: Option<String>,
    /// Names of the fields that carry no credentials (`email`, unknown ones).
    pub other_fields: Vec<String>,
}

/// The kind of secret in an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ShownKind {
    /// A user and a password.
    Password,
    /// An identity token.
    Token,
    /// Nothing.
    Empty,
}

impl AuthFile {
    /// What may be shown of this file.
    pub fn show(&self) -> Shown {
        let entries = self.keys().into_iter().map(|key| self.shown(key)).collect();
        let helper = |host: String| self.helper_of(&host).map(|helper| (host, helper));
        let helpers = self.helper_hosts().into_iter().filter_map(helper).collect();
        Shown { entries, helpers, store: self.store() }
    }

    fn shown(&self, key: String) -> ShownEntry {
        let (kind, username) = match self.content(key.clone()) {
            Match::Credentials { credentials, .. } => (ShownKind::Password, Some(credentials.username)),
            Match::IdentityToken { .. } => (ShownKind::Token, self.get(&key).map(|c| c.username)),
            Match::Helper { .. } | Match::Empty { .. } => (ShownKind::Empty, None),
        };
        let mut other_fields = self.fields(&key);
        other_fields.retain(|field| !CREDENTIAL_FIELDS.contains(&field.as_str()));
        ShownEntry { key, kind, username, other_fields }
    }
}
