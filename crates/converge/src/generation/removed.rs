//! Which generations were removed. It is written before the first of their files goes, so that a removal that is cut off
//! is told from a loss, and can be completed.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use provision_host::NodeKind;
use serde::{Deserialize, Serialize};

use super::{Outcome, Records};
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

    /// Writes down which generations are removed, those from before included.
    pub(crate) fn write_removed(&self, generations: BTreeSet<u64>) -> Result<()> {
        self.write(&self.removed_path(), &Removed { schema: 1, generations })
    }

    /// Where the list of removed generations is.
    pub(crate) fn removed_path(&self) -> PathBuf {
        self.directory.join("removed.json")
    }

    /// What is left of a removed generation but its report, with the sizes in bytes.
    pub(crate) fn leavings(&self, number: u64) -> Result<Vec<(PathBuf, u64)>> {
        let place = self.place(number);
        let mut files = Vec::new();
        for name in self.root.list(&place)?.unwrap_or_default() {
            let path = place.join(&name);
            if let Some(NodeKind::File { size }) = self.root.node(&path)?.map(|node| node.kind)
                && path != self.report_path(number)
            {
                files.push((path, size));
            }
        }
        Ok(files)
    }

    /// Removes a file of ours, and its directory with the last one in it.
    pub(crate) fn discard(&self, path: &Path) -> Result<()> {
        self.root.remove(path)?;
        if let Some(directory) = path.parent()
            && self.root.list(directory)?.is_some_and(|names| names.is_empty())
        {
            self.root.remove(directory)?;
        }
        Ok(())
    }

    /// The generations that were in force and can be gone back to, in words: `1, 3 to 5`.
    pub(crate) fn kept_in_words(&self) -> String {
        let (numbers, removed) = (self.numbers().unwrap_or_default(), self.removed().unwrap_or_default());
        let was_in_force = |number: &u64| {
            let report = self.report(*number).ok().flatten();
            !removed.contains(number) && report.is_some_and(|report| report.result == Outcome::Committed)
        };
        in_words(numbers.into_iter().filter(was_in_force))
    }
}

/// Ascending numbers in words: `1, 3 to 5`; `none`.
fn in_words(numbers: impl Iterator<Item = u64>) -> String {
    let mut ranges: Vec<(u64, u64)> = Vec::new();
    for number in numbers {
        match ranges.last_mut() {
            Some((_, last)) if *last + 1 == number => *last = number,
            _ => ranges.push((number, number)),
        }
    }
    let words = ranges.iter().map(|(first, last)| match last - first {
        0 => first.to_string(),
        1 => format!("{first}, {last}"),
        _ => format!("{first} to {last}"),
    });
    let words: Vec<String> = words.collect();
    if words.is_empty() { "none".to_owned() } else { words.join(", ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_told_in_ranges() {
        for (numbers, words) in
            [(&[][..], "none"), (&[1], "1"), (&[1, 2], "1, 2"), (&[1, 3, 4, 5, 8, 9], "1, 3 to 5, 8, 9")]
        {
            assert_eq!(in_words(numbers.iter().copied()), words);
        }
    }
}
