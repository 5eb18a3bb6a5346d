//! Removes what nothing needs any more: generations that no rule keeps, and the bytes in the store and the vault that
//! neither the baseline nor a generation that is kept needs. Must not touch what somebody else may miss: `lost+found`.
//!
//! Safe at any moment: which generations go is written down before the first of their files goes, and what is needed is
//! found out anew each time, so that a second run completes what was cut off.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::SystemTime;

use serde::Serialize;

use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::generation::{Outcome, Records, Report};
use crate::needs::{Need, Needs};
use crate::proof::{Fault, Proof};
use crate::vault::{Piece, Vault};

/// Which generations are kept: all that either rule names, and the one in force.
#[derive(Debug, Clone, Copy)]
pub struct Keep {
    /// So many that were in force, newest first, and whatever is between them.
    pub newest: Option<usize>,
    /// Those that are not older than this.
    pub since: Option<SystemTime>,
}

/// What was removed, or would be.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
pub struct Collected {
    /// Generations of which all but the report went.
    pub removed: BTreeSet<u64>,
    /// Generations that are kept.
    pub kept: BTreeSet<u64>,
    /// How many files went.
    pub files: usize,
    /// How many bytes were in them.
    pub bytes: u64,
}

/// Everything that goes.
#[derive(Default)]
struct Garbage {
    generations: BTreeSet<u64>,
    kept: BTreeSet<u64>,
    /// Files and their sizes, in the order in which they go.
    files: Vec<(PathBuf, u64)>,
}

impl Engine<'_> {
    /// Removes what nothing needs, or says what that would be. Refuses while a run is under way or was cut off, and when
    /// the records are damaged: then nobody knows what is needed.
    pub fn collect(&self, keep: &Keep, dry_run: bool) -> Result<Collected> {
        if self.is_cut_off()? {
            return Err(Error::Unfinished);
        }
        let garbage = self.garbage(keep)?;
        let collected = Collected {
            removed: garbage.generations.clone(),
            kept: garbage.kept.clone(),
            files: garbage.files.len(),
            bytes: garbage.files.iter().map(|(_, size)| size).sum(),
        };
        if !dry_run {
            self.discard(&garbage)?;
        }
        Ok(collected)
    }

    fn garbage(&self, keep: &Keep) -> Result<Garbage> {
        let (records, vault) = (self.records(), self.vault());
        let proof = self.prove_generations();
        let mut garbage = Garbage { generations: going(records, &proof, keep)?, ..Garbage::default() };
        refuse_damage(records, &proof, &garbage.generations)?;
        let mut needs = Needs::default();
        needs.baseline(vault, &records.baseline()?);
        for number in proof.kept.iter().filter(|number| !garbage.generations.contains(number)) {
            garbage.kept.insert(*number);
            if let Some(desired) = records.find_desired(*number)? {
                needs.generation(vault, *number, &desired);
            }
        }
        let gone = proof.removed.iter().chain(&garbage.generations);
        for number in gone {
            garbage.files.extend(records.leavings(*number)?);
        }
        for name in vault.names()? {
            garbage.files.extend(named(vault, &name, &mut needs)?);
        }
        let unneeded = vault.kept()?.into_iter().filter(|piece| !needs.0.contains_key(&piece.path));
        garbage.files.extend(unneeded.map(|Piece { path, size }| (path, size)));
        Ok(garbage)
    }

    fn discard(&self, garbage: &Garbage) -> Result<()> {
        let records = self.records();
        if !garbage.generations.is_empty() {
            let mut removed = records.removed()?;
            removed.extend(&garbage.generations);
            records.write_removed(removed)?;
        }
        for (path, _) in &garbage.files {
            records.discard(path)?;
        }
        Ok(())
    }
}

/// The generations that no rule keeps.
fn going(records: &Records<'_>, proof: &Proof, keep: &Keep) -> Result<BTreeSet<u64>> {
    let mut reports: Vec<(u64, Option<Report>)> = Vec::new();
    for number in proof.kept.iter().rev() {
        reports.push((*number, records.report(*number).ok().flatten()));
    }
    let in_force = |(_, report): &&(u64, Option<Report>)| {
        report.as_ref().is_some_and(|report| report.result == Outcome::Committed)
    };
    // What failed or was cut off since then belongs to the story, and never counts as one of them.
    let oldest = keep
        .newest
        .map(|newest| reports.iter().filter(in_force).take(newest).last().map_or(0, |(number, _)| *number));
    let is_young = |report: &Option<Report>| match (keep.since, report) {
        (Some(since), Some(report)) => {
            let time = report.time.parse::<jiff::Timestamp>().ok();
            time.is_none_or(|time| SystemTime::from(time) >= since)
        }
        _ => false,
    };
    let stays = |(number, report): &&(u64, Option<Report>)| {
        proof.current == Some(*number) || oldest.is_some_and(|oldest| *number >= oldest) || is_young(report)
    };
    Ok(reports.iter().filter(|one| !stays(one)).map(|(number, _)| *number).collect())
}

/// An error when what is needed could be other than what is on record.
fn refuse_damage(records: &Records<'_>, proof: &Proof, going: &BTreeSet<u64>) -> Result<()> {
    let goes = |path: &PathBuf| going.iter().any(|number| path.starts_with(records.place(*number)));
    let harmless = |fault| matches!(fault, Fault::NotLinked | Fault::CutOff);
    match proof.flaws.iter().find(|flaw| !harmless(flaw.fault) && !goes(&flaw.path)) {
        Some(flaw) => Err(Error::Records { path: flaw.path.clone(), problem: flaw.problem.clone() }),
        None => Ok(()),
    }
}

/// The versions of a name that nothing needs; the one in force always is, unless the whole name can be made again.
fn named(vault: &Vault<'_>, name: &str, needs: &mut Needs) -> Result<Vec<(PathBuf, u64)>> {
    let (versions, content) = (vault.versions(name)?, vault.content(name, false)?);
    let is_needed = versions.iter().any(|version| needs.0.contains_key(&version.path));
    let mut files = Vec::new();
    if content.fingerprint.is_none() {
        // Which one was in force is not known. Of an archive none is: a removal was cut off.
        for Piece { path, size } in versions {
            if !needs.0.contains_key(&path) && vault.is_archive(&path)? {
                files.push((path, size));
            }
        }
        return Ok(files);
    }
    // A pointer to bytes that are not there, or are others, would let those go that are in force.
    vault.must_hold(&content)?;
    let place = vault.place(&content);
    if !is_needed && vault.is_archive(&place)? {
        // First of all: a name without its bytes would look as if they were there.
        files.extend(vault.pointer_piece(name)?.map(|Piece { path, size }| (path, size)));
    } else {
        needs.0.insert(place, Need { content, by: format!("the next apply, as {name}") });
    }
    let unneeded = versions.into_iter().filter(|version| !needs.0.contains_key(&version.path));
    files.extend(unneeded.map(|Piece { path, size }| (path, size)));
    Ok(files)
}
