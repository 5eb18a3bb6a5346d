//! What lies in the store and the vault, and whether it is what its name says.

use super::{Vault, hmac};
use crate::desired::{hex, plain_fingerprint};
use crate::error::Result;
use crate::state::Content;

/// Whether kept bytes are what they were.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Condition {
    /// They are, this many.
    Whole(u64),
    /// They are not.
    Damaged,
    /// They are not there.
    Missing,
    /// They are secret, and without the host's key nobody can tell.
    NoKey,
}

impl Vault<'_> {
    /// Whether the bytes of a content are what its fingerprint says.
    pub(crate) fn condition(&self, content: &Content) -> Result<Condition> {
        let Some(bytes) = self.root.read(&self.place(content))? else { return Ok(Condition::Missing) };
        let bytes = zeroize::Zeroizing::new(bytes);
        let fingerprint = content.fingerprint.as_deref().unwrap_or_default();
        let same = match fingerprint.split_once(':') {
            Some(("sha256", _)) => fingerprint == plain_fingerprint(&bytes),
            Some(("hmac", digits)) => match self.host_key()? {
                Some(key) => digits == hex(&hmac(&key, &bytes)?),
                None => return Ok(Condition::NoKey),
            },
            _ => false,
        };
        Ok(if same { Condition::Whole(bytes.len() as u64) } else { Condition::Damaged })
    }

    /// The names of everything that was made here.
    pub(crate) fn names(&self) -> Result<Vec<String>> {
        let names = self.root.list(&self.directory.join("secrets"))?.unwrap_or_default();
        let mut made = Vec::new();
        for name in names {
            if self.root.node(&self.pointer(&name))?.is_some() {
                made.push(name);
            }
        }
        Ok(made)
    }
}
