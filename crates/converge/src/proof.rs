//! Proves that what is on record is what was written down: the chain from the generation in force back to the first,
//! the files of every generation that is kept, the baseline, and all bytes that these need.
//!
//! Reads everything, changes nothing, and goes on after each flaw, so that one run names them all.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::error::{Error, in_one_line};
use crate::generation::{Records, Report};
use crate::journal::Journal;
use crate::needs::{Need, Needs};
use crate::state::Content;
use crate::vault::{Condition, Vault};

mod generations;

/// What was found out.
#[derive(Debug, Default, Serialize)]
pub struct Proof {
    /// The generation in force.
    pub current: Option<u64>,
    /// The hash of its report. Whoever noted it elsewhere can tell whether the whole past is still the same.
    pub head: Option<String>,
    /// The generations from the one in force back to the first.
    pub chain: Vec<u64>,
    /// Generations of which all files are kept.
    pub kept: Vec<u64>,
    /// Generations that were removed: only their reports are left.
    pub removed: BTreeSet<u64>,
    /// How many pieces in the store and the vault are whole.
    pub pieces: usize,
    /// How many bytes these are.
    pub bytes: u64,
    /// All that is not as it was written down.
    pub flaws: Vec<Flaw>,
}

impl Proof {
    /// Whether everything is as it was written down.
    pub fn is_whole(&self) -> bool {
        self.flaws.is_empty()
    }
}

/// One thing that is not as it was written down.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Flaw {
    /// What kind of flaw.
    pub fault: Fault,
    /// The file or directory.
    pub path: PathBuf,
    /// What is wrong, and who needs it.
    pub problem: String,
}

/// Kinds of flaws.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fault {
    /// Its bytes are others.
    Damaged,
    /// It is not there.
    Missing,
    /// It is whole, and does not fit to the rest.
    DoesNotFit,
    /// A version of provision wrote it that did not link generations: nobody can tell.
    NotLinked,
    /// A run is under way, or was cut off.
    CutOff,
    /// It could not be read.
    Unreadable,
}

/// Proves everything below one state directory.
pub(crate) fn prove(records: &Records<'_>, vault: &Vault<'_>, journal: &Journal<'_>) -> Proof {
    let mut prover = Prover::new(records, vault, journal);
    let Needs(needs) = prover.records();
    let mut in_force = prover.in_force();
    // What says of the same bytes that they are others is damaged, whoever needs them.
    let fingerprint = |need: &Need| need.content.fingerprint.clone();
    in_force.retain(|(path, need)| needs.get(path).map(fingerprint) != Some(fingerprint(need)));
    prover.bytes(needs.into_iter().chain(in_force));
    prover.proof
}

/// Proves the same without the bytes in the store and the vault.
pub(crate) fn prove_records(records: &Records<'_>, vault: &Vault<'_>, journal: &Journal<'_>) -> Proof {
    let mut prover = Prover::new(records, vault, journal);
    prover.records();
    prover.proof
}

struct Prover<'a> {
    records: &'a Records<'a>,
    vault: &'a Vault<'a>,
    proof: Proof,
    /// All reports that could be read, and their hashes.
    reports: BTreeMap<u64, (Report, String)>,
}

impl<'a> Prover<'a> {
    fn new(records: &'a Records<'a>, vault: &'a Vault<'a>, journal: &Journal<'_>) -> Self {
        let mut prover = Self { records, vault, proof: Proof::default(), reports: BTreeMap::new() };
        if !matches!(journal.read(), Ok(None)) {
            let problem = "a run is under way, or was cut off and is not taken back yet";
            prover.flaw(Fault::CutOff, journal.path(), problem);
        }
        prover
    }

    /// The generations and the baseline; gives the bytes that they need.
    fn records(&mut self) -> Needs {
        let mut needs = self.generations();
        self.baseline(&mut needs);
        needs
    }

    /// Whether something was made under a name and nothing says what of it is in force.
    fn forgotten(&mut self, place: &Path, name: &str) {
        let versions = self.vault.versions(name);
        // Archives of images are removed without it, and made again.
        let mut versions = self.read(place, versions).unwrap_or_default();
        versions.retain(|version| !self.vault.is_archive(&version.path).unwrap_or_default());
        if !versions.is_empty() {
            let problem = "bytes were made under this name, and nothing says which are in force";
            self.flaw(Fault::Missing, &place.join("current"), problem);
        }
    }

    fn flaw(&mut self, fault: Fault, path: &Path, problem: impl Into<String>) {
        self.proof.flaws.push(Flaw { fault, path: path.to_path_buf(), problem: problem.into() });
    }

    /// What was found, unless it could not be read: that is a flaw of its own.
    fn read<T>(&mut self, path: &Path, found: Result<T, Error>) -> Option<T> {
        match found {
            Ok(value) => Some(value),
            Err(error) => {
                let fault = match error {
                    Error::Damaged { .. } => Fault::Damaged,
                    Error::Records { .. } => Fault::DoesNotFit,
                    _ => Fault::Unreadable,
                };
                self.flaw(fault, path, in_one_line(&error));
                None
            }
        }
    }

    /// The baseline, as the last generation that ended left it.
    fn baseline(&mut self, needs: &mut Needs) {
        let path = self.records.baseline_path();
        let read = self.records.baseline();
        let Some(baseline) = self.read(&path, read) else { return };
        needs.baseline(self.vault, &baseline);
        let left = self.reports.values().next_back().and_then(|(report, _)| report.link.as_ref());
        // While a run is under way it adds to the baseline.
        let Some(left) = left.map(|link| link.baseline.clone()).filter(|_| !self.is_cut_off()) else {
            return;
        };
        let read = self.records.fingerprint(&path);
        match self.read(&path, read) {
            Some(Some(is)) if is != left => {
                self.flaw(Fault::Damaged, &path, format!("its bytes are not {left}"));
            }
            Some(None) => self.flaw(Fault::Missing, &path, "what was there before provision is not known"),
            _ => {}
        }
    }

    fn is_cut_off(&self) -> bool {
        self.proof.flaws.iter().any(|flaw| flaw.fault == Fault::CutOff)
    }

    /// What is in force under each name in the vault: the next apply works with it, whoever refers to it.
    fn in_force(&mut self) -> Vec<(PathBuf, Need)> {
        let secrets = self.vault.directory().join("secrets");
        let names = self.vault.names();
        let mut needs = Vec::new();
        for name in self.read(&secrets, names).unwrap_or_default() {
            let content = self.vault.content(&name, false);
            let made = self.read(&secrets.join(&name), content);
            match made {
                Some(content) if content.fingerprint.is_some() => {
                    let need = Need { by: format!("the next apply, as {name}"), content };
                    needs.push((self.vault.place(&need.content), need));
                }
                Some(_) => self.forgotten(&secrets.join(&name), &name),
                None => {}
            }
        }
        needs
    }

    fn bytes(&mut self, needs: impl Iterator<Item = (PathBuf, Need)>) {
        let mut locked = 0;
        for (path, Need { content, by }) in needs {
            let condition = self.vault.condition(&content);
            let Content { fingerprint, .. } = content;
            match self.read(&path, condition) {
                Some(Condition::Whole(bytes)) => {
                    self.proof.pieces += 1;
                    self.proof.bytes += bytes;
                }
                Some(Condition::Damaged) => {
                    let fingerprint = fingerprint.clone().unwrap_or_default();
                    self.flaw(
                        Fault::Damaged,
                        &path,
                        format!("its bytes are not {fingerprint}; needed by {by}"),
                    );
                }
                Some(Condition::Missing) => self.flaw(Fault::Missing, &path, format!("needed by {by}")),
                Some(Condition::NoKey) => locked += 1,
                None => {}
            }
        }
        if locked > 0 {
            let key = self.vault.directory().join("secrets/host.key");
            self.flaw(Fault::Missing, &key, format!("without it {locked} secrets cannot be checked"));
        }
    }
}
