//! The desired state of a host: all resources, the literal bytes they speak of, and its id.

use std::collections::BTreeMap;

use openssl::sha::{Sha256, sha256};
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
        let mut hash = Sha256::new();
        self.write_canonical(&mut |text| hash.update(text.as_bytes()));
        hex(&hash.finish())
    }

    /// The canonical JSON of all resources.
    ///
    /// What is made once on each host counts by its name, not by its bytes, so that two hosts with one profile have one
    /// id.
    pub fn canonical(&self) -> String {
        let mut all = String::new();
        self.write_canonical(&mut |text| all.push_str(text));
        all
    }

    /// Member by member: the JSON of thousands of resources as one value would take more memory than all the rest.
    fn write_canonical(&self, out: &mut dyn FnMut(&str)) {
        // Keys are sorted as text, which is not the order of kinds.
        let mut named: Vec<(String, &Resource)> =
            self.resources.iter().map(|(id, resource)| (id.to_string(), resource)).collect();
        named.sort_unstable_by(|(one, _), (other, _)| one.cmp(other));
        out("{");
        for (place, (id, resource)) in named.into_iter().enumerate() {
            if place > 0 {
                out(",");
            }
            out(&canonical::text(&id.into()));
            out(":");
            out(&declared(resource));
        }
        out("}");
    }
}

/// The canonical JSON of what is declared of a resource.
fn declared(resource: &Resource) -> String {
    let mut resource = resource.clone();
    forget_generated(&mut resource.state);
    match serde_json::to_value(&resource) {
        Ok(value) => canonical::text(&value),
        // Strings, numbers and maps with string keys always have a JSON form.
        Err(impossible) => impossible.to_string(),
    }
}

fn forget_generated(state: &mut State) {
    if let Some(content) = state.content_mut()
        && content.generated.is_some()
    {
        content.fingerprint = None;
    }
}

/// sha256 over canonical JSON, in hexadecimal.
pub fn digest(value: &serde_json::Value) -> String {
    hex(&sha256(canonical::text(value).as_bytes()))
}

/// The fingerprint of bytes that are no secret.
pub fn plain_fingerprint(bytes: &[u8]) -> String {
    format!("sha256:{}", hex(&sha256(bytes)))
}

/// Lower-case hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    let digit = |value: u8| char::from(b"0123456789abcdef"[usize::from(value)]);
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
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

    #[test]
    fn the_state_id_is_that_of_the_json_of_all_resources() {
        let mut desired = Desired::default();
        let whole = |desired: &Desired| {
            let json = serde_json::to_value(&desired.resources).unwrap();
            hex(&sha256(canonical::text(&json).as_bytes()))
        };
        assert_eq!(desired.state_id(), whole(&desired));
        let state = State::setting("x");
        for id in
            ["unit:a.service", "file:/etc/x", "file:/a \"b\"", "content:x", "image:a", "setting:hostname"]
        {
            let section = "host".to_owned();
            let resource = Resource { section, order: 1, state: state.clone(), pokes: [].into() };
            desired.insert(id.parse().unwrap(), resource);
            assert_eq!(desired.state_id(), whole(&desired), "with {id}");
        }
    }
}
