//! The desired state of a host: all resources, the literal bytes they speak of, and its id.

use std::collections::BTreeMap;

use openssl::sha::sha256;
use serde::{Deserialize, Serialize};

use crate::canonical;
use crate::health::Health;
use crate::resource::{Resource, ResourceId, Resources};
use crate::state::{Content, State};

/// What the host shall be. The same profile and facts give the same bytes on every machine.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Desired {
    /// All resources.
    pub resources: Resources,
    /// What has to be true before an apply is committed.
    #[serde(default)]
    pub health: Vec<Health>,
    /// Bytes that the profile itself gives, by fingerprint; never secret.
    #[serde(skip)]
    pub literals: BTreeMap<String, Vec<u8>>,
    /// Bytes that have to be fetched before an apply begins, by fingerprint; never secret.
    #[serde(skip)]
    pub remote: BTreeMap<String, Remote>,
}

/// Where bytes are that the store may not have yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remote {
    /// An `https://` address.
    pub address: String,
    /// How many bytes, where that is known.
    pub size: Option<u64>,
}

impl Desired {
    /// Takes bytes in, and gives the content that names them.
    pub fn literal(&mut self, bytes: impl Into<Vec<u8>>) -> Content {
        let bytes = bytes.into();
        let fingerprint = plain_fingerprint(&bytes);
        self.literals.insert(fingerprint.clone(), bytes);
        Content::kept(fingerprint)
    }

    /// Takes note of bytes that are elsewhere, and gives the content that names them. `fingerprint` is theirs.
    pub fn remote(&mut self, fingerprint: String, remote: Remote) -> Content {
        self.remote.insert(fingerprint.clone(), remote);
        Content::kept(fingerprint)
    }

    /// Adds a resource; the one that was there under this id, if any, comes back.
    pub fn insert(&mut self, id: ResourceId, resource: Resource) -> Option<Resource> {
        self.resources.insert(id, resource)
    }

    /// The state id: sha256 over [`Desired::canonical`], in hexadecimal. What enters and what does not is in
    /// `docs/state-id.md`.
    pub fn state_id(&self) -> String {
        hex(&sha256(self.canonical().as_bytes()))
    }

    /// The canonical JSON of all resources.
    ///
    /// What is made once on each host counts by its name, not by its bytes, so that two hosts with one profile have one
    /// id.
    pub fn canonical(&self) -> String {
        let mut resources = self.resources.clone();
        for resource in resources.values_mut() {
            forget_generated(&mut resource.state);
        }
        match serde_json::to_value(&resources) {
            Ok(value) => canonical::text(&value),
            // Strings, numbers and maps with string keys always have a JSON form.
            Err(impossible) => impossible.to_string(),
        }
    }
}

fn forget_generated(state: &mut State) {
    if let Some(content) = state.content_mut()
        && content.generated.is_some()
    {
        content.fingerprint = None;
    }
}

/// The fingerprint of bytes that are no secret.
pub fn plain_fingerprint(bytes: &[u8]) -> String {
    format!("sha256:{}", hex(&sha256(bytes)))
}

/// Lower-case hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::FileState;

    fn with(content: Content) -> Desired {
        let mut desired = Desired::default();
        let state =
            FileState { content, mode: 0o600, owner: "root".into(), group: "root".into(), xattrs: None };
        desired.insert(
            ResourceId::file("/etc/x"),
            Resource { section: "host".into(), order: 0, state: State::File(state), pokes: [].into() },
        );
        desired
    }

    #[test]
    fn the_state_id_is_that_of_the_declaration_not_of_the_host() {
        let mut made = Content::generated("password", true);
        made.fingerprint = Some("hmac:1".into());
        assert_eq!(with(made).state_id(), with(Content::generated("password", true)).state_id());
    }

    #[test]
    fn the_state_id_sees_every_literal_byte() {
        let mut one = Desired::default();
        let (a, b) = (one.literal(*b"a"), one.literal(*b"b"));
        assert_ne!(with(a).state_id(), with(b).state_id());
    }
}
