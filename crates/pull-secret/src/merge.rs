//! Two files become one; one file becomes the part of it that may leave the site.
//!
//! Knows how entries combine. Must not know why they are combined.

use crate::auth_file::{AuthFile, CREDENTIAL_FIELDS};
use crate::error::{Error, Result};

/// `base` with all that `other` has; where both have something, `other` wins, key by key.
///
/// - An entry of both gets the credential fields of `other` (all of `base`'s go, when `other` has any), and the union
///   of all further fields. No unknown field of either is lost.
/// - `credHelpers` are merged host by host; any other top-level field is taken whole.
/// - The order of `base` is kept; what is new is added at the end. The layout is that of `base`.
pub fn merge(base: &AuthFile, other: &AuthFile) -> AuthFile {
    let mut merged = base.clone();
    let document = &other.document;
    for member in document.members(&[]).unwrap_or_default() {
        let top = member.name.as_str();
        if matches!(top, "auths" | "credHelpers") {
            if merged.document.raw(&[top]).is_none() {
                merged.document.set(&[top], "{}");
            }
            for entry in document.members(&[top]).unwrap_or_default() {
                merge_entry(&mut merged, other, top, &entry.name);
            }
        } else if let Some(raw) = document.raw(&[top]) {
            merged.document.set(&[top], raw);
        }
    }
    merged
}

fn merge_entry(merged: &mut AuthFile, other: &AuthFile, top: &str, key: &str) {
    let Some(raw) = other.document.raw(&[top, key]) else { return };
    if top != "auths" || merged.document.raw(&[top, key]).is_none() {
        merged.document.set(&[top, key], raw);
        return;
    }
    let fields = other.fields(key);
    if fields.iter().any(|field| CREDENTIAL_FIELDS.contains(&field.as_str())) {
        for gone in CREDENTIAL_FIELDS.into_iter().filter(|name| !fields.iter().any(|field| field == name)) {
            merged.document.remove(&[top, key, gone]);
        }
    }
    for field in &fields {
        if let Some(raw) = other.document.raw(&[top, key, field]) {
            merged.document.set(&[top, key, field], raw);
        }
    }
}

impl AuthFile {
    /// A new file with these entries alone, and nothing else of this one: what a disconnected cluster is given.
    pub fn minimal(&self, keys: &[&str]) -> Result<AuthFile> {
        let mut minimal = AuthFile::new();
        for key in keys {
            match self.document.raw(&["auths", key]) {
                Some(raw) => minimal.document.set(&["auths", key], raw),
                None => return Err(Error::NoEntry { key: (*key).to_owned(), known: self.keys() }),
            }
        }
        Ok(minimal)
    }
}
