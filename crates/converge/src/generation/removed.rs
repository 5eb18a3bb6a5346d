//! Which generations were removed. It is written before the first of their files goes, so that a removal that is cut off
//! is told from a loss, and can be completed.

use std::collections::BTreeSet;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::Records;
use crate::error::{Error, Result};

/// `removed.json`.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Removed {
    /// Version of this format: 1.
    schema: u32,
    /// Their numbers.
    generations: BTreeSet<u64>,
}

impl Records<'_> {
    /// The numbers of all generations that were removed; of these only the report is left.
    pub fn removed(&self) -> Result<BTreeSet<u64>> {
        let path = self.removed_path();
        match self.read(&path)? {
            None => Ok(BTreeSet::new()),
            Some(Removed { schema: 1, generations }) => Ok(generations),
            Some(Removed { schema, .. }) => {
                let problem = format!("expected schema 1, found {schema}");
                Err(Error::Records { path, problem })
            }
        }
    }

    /// Where the list of removed generations is.
    pub(crate) fn removed_path(&self) -> PathBuf {
        self.directory.join("removed.json")
    }
}
