//! Which bytes in the store and the vault the records need, and what needs them: the baseline for `destroy`, a
//! generation to be gone back to.

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::desired::Desired;
use crate::plan::Baseline;
use crate::resource::ResourceId;
use crate::state::{Content, State};
use crate::vault::Vault;

/// Bytes that something needs.
#[derive(Debug, Clone)]
pub(crate) struct Need {
    /// What they are.
    pub(crate) content: Content,
    /// The first that needs them, in words: `generation 3, file:/etc/motd`.
    pub(crate) by: String,
}

/// What is needed, by the place where it is kept.
#[derive(Debug, Default)]
pub(crate) struct Needs(pub(crate) BTreeMap<PathBuf, Need>);

impl Needs {
    /// Adds what the baseline needs.
    pub(crate) fn baseline(&mut self, vault: &Vault<'_>, baseline: &Baseline) {
        self.add(vault, "the baseline", baseline.states.iter());
    }

    /// Adds what it takes to go back to a generation.
    pub(crate) fn generation(&mut self, vault: &Vault<'_>, number: u64, desired: &Desired) {
        let states = desired.resources.iter().map(|(id, resource)| (id, &resource.state));
        self.add(vault, &format!("generation {number}"), states);
    }

    fn add<'s>(
        &mut self,
        vault: &Vault<'_>,
        who: &str,
        states: impl Iterator<Item = (&'s ResourceId, &'s State)>,
    ) {
        for (id, state) in states {
            // What has no fingerprint is not made yet, and is nowhere.
            let content = state.content().filter(|content| content.fingerprint.is_some());
            if let Some(content) = content {
                let need = || Need { content: content.clone(), by: format!("{who}, {id}") };
                self.0.entry(vault.place(content)).or_insert_with(need);
            }
        }
    }
}
