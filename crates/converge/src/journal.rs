//! The write-ahead log of one apply: what was begun, so that a run that was cut off can be undone.
//!
//! One JSON object a line. What says that something begins is on disk before it does (fdatasync(2)); that a step has
//! ended is only a note, because an op looks first. The first line says which generation is being made; a journal is removed when its generation is committed or undone.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use provision_host::{Meta, Root};
use serde::{Deserialize, Serialize};

use crate::engine::{Decision, Terms};
use crate::error::{Error, Result};

/// One line of the journal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "record")]
pub(crate) enum Record {
    /// An apply begins.
    Begin {
        /// The generation it makes.
        generation: u64,
    },
    /// A boot takes this apply back from now on, unless the journal is gone by then.
    Guarded {
        /// Directories that were made for the boot unit, parents first.
        made: Vec<PathBuf>,
    },
    /// This apply counts only when somebody confirms it.
    Armed {
        /// What it takes.
        terms: Terms,
    },
    /// Everything is done and proved, and waits to be confirmed.
    Waiting {
        /// The boot that the time is told in.
        boot: String,
        /// When the time is over, in milliseconds since that boot.
        until: u64,
    },
    /// Whether it counts.
    Decided {
        /// What became of it.
        decision: Decision,
    },
    /// A step begins.
    Intent {
        /// Its place in the plan, from 1.
        step: usize,
    },
    /// The packages there were before a transaction, to know afterwards what it brought.
    Packages {
        /// Versions by name.
        before: BTreeMap<String, String>,
    },
    /// A step has ended well.
    Done {
        /// Its place in the plan, from 1.
        step: usize,
    },
    /// A step that was begun found the host changed by somebody else, and touched nothing.
    Refused {
        /// Its place in the plan, from 1.
        step: usize,
    },
    /// From here on the steps are taken back.
    Undo {
        /// Why.
        reason: String,
    },
}

/// The journal of the apply under way.
pub(crate) struct Journal<'a> {
    root: &'a Root,
    path: PathBuf,
}

impl<'a> Journal<'a> {
    pub(crate) fn new(root: &'a Root, directory: &Path) -> Self {
        Self { root, path: directory.join("journal.ndjson") }
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Writes one record, and returns when it is on disk.
    pub(crate) fn append(&self, record: &Record) -> Result<()> {
        Ok(self.root.append(&self.path, &self.line(record)?, 0o600)?)
    }

    /// Writes one record that nothing hangs on: it is on disk with the next one that is waited for.
    pub(crate) fn note(&self, record: &Record) -> Result<()> {
        Ok(self.root.append_soon(&self.path, &self.line(record)?, 0o600)?)
    }

    fn line(&self, record: &Record) -> Result<Vec<u8>> {
        let damaged = |source| Error::Damaged { path: self.path.clone(), source };
        let mut line = serde_json::to_vec(record).map_err(damaged)?;
        line.push(b'\n');
        Ok(line)
    }

    /// The records of a run that did not finish; none when there is no journal.
    ///
    /// A last line that was cut off counts as not written: nothing was done after it.
    pub(crate) fn read(&self) -> Result<Option<Vec<Record>>> {
        let Some(bytes) = self.root.read(&self.path)? else { return Ok(None) };
        let mut records = Vec::new();
        for line in bytes.split_inclusive(|byte| *byte == b'\n') {
            if line.ends_with(b"\n") {
                let damaged = |source| Error::Damaged { path: self.path.clone(), source };
                records.push(serde_json::from_slice(line).map_err(damaged)?);
            }
        }
        Ok(Some(records))
    }

    /// Takes away a last line that was cut off: what is appended next must not become a part of it.
    pub(crate) fn mend(&self) -> Result<()> {
        let Some(bytes) = self.root.read(&self.path)? else { return Ok(()) };
        let whole = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
        if whole < bytes.len() {
            self.root.write(&self.path, &bytes[..whole], &Meta::own(0o600))?;
        }
        Ok(())
    }

    /// Ends the journal.
    pub(crate) fn remove(&self) -> Result<()> {
        self.root.remove(&self.path)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_that_was_cut_off_does_not_count() {
        let directory = tempfile::tempdir().unwrap();
        let root = Root::open(directory.path()).unwrap();
        let journal = Journal::new(&root, Path::new("/"));
        assert_eq!(journal.read().unwrap(), None);
        journal.append(&Record::Begin { generation: 3 }).unwrap();
        root.append(Path::new("/journal.ndjson"), b"{\"record\":\"int", 0o600).unwrap();
        assert_eq!(journal.read().unwrap(), Some(vec![Record::Begin { generation: 3 }]));
        journal.mend().unwrap();
        let undo = Record::Undo { reason: "x".into() };
        journal.append(&undo).unwrap();
        assert_eq!(journal.read().unwrap(), Some(vec![Record::Begin { generation: 3 }, undo]));
        journal.remove().unwrap();
        assert_eq!(journal.read().unwrap(), None);
    }
}
