//! Generations and the baseline on disk: what was applied, when, by whom, and what was there before us.

use std::path::{Path, PathBuf};

use provision_host::{Meta, NodeKind, Root};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::desired::Desired;
use crate::engine::Request;
use crate::error::{Error, Result};
use crate::plan::{Baseline, Plan};
use crate::resource::ResourceId;
use crate::vault::make_directories;

mod link;
mod removed;

pub use link::Link;
pub(crate) use link::{FILES, hash};

/// What an apply left behind, as `report.json` has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// Version of this format: 1.
    pub schema: u32,
    /// The generation's number.
    pub generation: u64,
    /// The generation before it, if there was one.
    pub parent: Option<u64>,
    /// When it ended, RFC 3339 in UTC.
    pub time: String,
    /// Who asked for it.
    pub who: String,
    /// What was asked for: name of a profile, `rollback to 3`, `destroy`.
    pub profile: String,
    /// The saved plan that it was, by its id; none when it was planned when it was applied.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub saved_plan: Option<String>,
    /// The state id.
    pub state_id: String,
    /// How it ended.
    pub result: Outcome,
    /// How many steps were done.
    pub steps: usize,
    /// How many of them repaired drift.
    pub corrective: usize,
    /// The resources whose drift they repaired; what was in their place is in `lost+found`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub corrected: Vec<ResourceId>,
    /// Why it failed, if it did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// How it is linked to its files and to the generation before; none in one that an older version wrote.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub link: Option<Box<Link>>,
}

/// How an apply ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// Everything was done and proved.
    Committed,
    /// It failed or was cut off, and the host is as it was before.
    Undone,
    /// It failed, and so did taking it back; the next run tries again.
    HalfDone,
}

impl std::fmt::Display for Outcome {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Committed => "committed",
            Self::Undone => "undone",
            Self::HalfDone => "half-done",
        })
    }
}

/// Who asked for a generation, and for what. Written before its first step, so that a run that is cut off has a report
/// in the end as well.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Asked {
    /// Who.
    pub(crate) who: String,
    /// What for: see [`Report::profile`].
    pub(crate) profile: String,
    /// The saved plan that is applied, by its id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) saved_plan: Option<String>,
}

/// provision's own directory on the host: baseline and generations.
pub struct Records<'a> {
    root: &'a Root,
    directory: PathBuf,
}

impl<'a> Records<'a> {
    /// The records in a state directory, such as `/var/lib/provision`.
    pub fn new(root: &'a Root, directory: impl Into<PathBuf>) -> Self {
        Self { root, directory: directory.into() }
    }

    /// Number of the generation in force.
    pub fn current(&self) -> Result<Option<u64>> {
        let path = self.current_path();
        let Some(node) = self.root.node(&path)? else { return Ok(None) };
        let number = match &node.kind {
            NodeKind::Symlink { target } => target.strip_prefix("generations/").and_then(|n| n.parse().ok()),
            _ => None,
        };
        let problem = "expected a link to generations/NUMBER, found something else";
        number.ok_or_else(|| Error::Records { path, problem: problem.to_owned() }).map(Some)
    }

    /// What the generation in force declared; empty before the first one.
    ///
    /// `under_way`: an apply is, or was cut off. Otherwise there is no baseline without a generation, and the other way
    /// round; to take the host for untouched then would lose what was there before us.
    pub(crate) fn recorded(&self, under_way: bool) -> Result<Desired> {
        let path = self.current_path();
        match self.current()? {
            Some(number) => self.named_by(&path, number, self.desired(number)),
            None if under_way || self.baseline()?.states.is_empty() => Ok(Desired::default()),
            None => {
                let problem = "expected a link to the generation in force, found nothing".to_owned();
                Err(Error::Records { path, problem })
            }
        }
    }

    /// What is asked for a generation that one of our own files names: a missing one is no mistake of a person.
    pub(crate) fn named_by<T>(&self, path: &Path, number: u64, found: Result<T>) -> Result<T> {
        found.map_err(|error| match error {
            Error::NoGeneration { kept, .. } | Error::Removed { kept, .. } => {
                let problem = format!("it names generation {number}, which is not there (known: {kept})");
                Error::Records { path: path.to_path_buf(), problem }
            }
            other => other,
        })
    }

    /// What generation `number` declared.
    pub fn desired(&self, number: u64) -> Result<Desired> {
        match self.removed()?.contains(&number) {
            false => self.find_desired(number)?.ok_or_else(|| self.no_generation(number)),
            true => Err(Error::Removed { number, kept: self.kept_in_words() }),
        }
    }

    /// What generation `number` declared, if it is known.
    pub(crate) fn find_desired(&self, number: u64) -> Result<Option<Desired>> {
        self.read(&self.place(number).join("desired.json"))
    }

    /// What generation `number` did, or was about to do.
    pub(crate) fn plan(&self, number: u64) -> Result<Plan> {
        let found = self.read(&self.place(number).join("plan.json"))?;
        found.ok_or_else(|| self.no_generation(number))
    }

    /// Who asked for generation `number`; none for one that an older version made.
    pub(crate) fn asked(&self, number: u64) -> Result<Option<Asked>> {
        self.read(&self.place(number).join("asked.json"))
    }

    /// The report of generation `number`; none while it is under way, or was cut off and not taken back yet.
    pub fn report(&self, number: u64) -> Result<Option<Report>> {
        self.read(&self.report_path(number))
    }

    /// Whether generation `number` has a report, readable or not.
    pub(crate) fn has_report(&self, number: u64) -> Result<bool> {
        Ok(self.root.node(&self.report_path(number))?.is_some())
    }

    /// All numbers, ascending, whatever became of them.
    pub fn numbers(&self) -> Result<Vec<u64>> {
        let names = self.root.list(&self.generations_path())?.unwrap_or_default();
        let mut numbers: Vec<u64> = names.iter().filter_map(|name| name.parse().ok()).collect();
        numbers.sort_unstable();
        Ok(numbers)
    }

    /// The baseline.
    pub fn baseline(&self) -> Result<Baseline> {
        let path = self.baseline_path();
        match self.read(&path)? {
            Some(baseline) => Ok(baseline),
            None if self.current()?.is_none() => Ok(Baseline::default()),
            None => {
                let problem = "expected what was there before provision, found nothing".to_owned();
                Err(Error::Records { path, problem })
            }
        }
    }

    /// Replaces the baseline.
    pub(crate) fn write_baseline(&self, baseline: &Baseline) -> Result<()> {
        self.write(&self.baseline_path(), baseline)
    }

    /// Writes down what a new generation is about to do.
    pub(crate) fn begin(&self, number: u64, asked: &Asked, request: &Request<'_>, plan: &Plan) -> Result<()> {
        let place = self.place(number);
        make_directories(self.root, &place)?;
        self.write(&place.join("asked.json"), asked)?;
        self.root.write(&place.join("profile.toml"), request.profile.as_bytes(), &Meta::own(0o600))?;
        if let Some(lock) = request.lock {
            self.root.write(&place.join("lock.toml"), lock.as_bytes(), &Meta::own(0o600))?;
        }
        self.write(&place.join("plan.json"), plan)?;
        self.write(&place.join("desired.json"), request.desired)
    }

    /// Writes the report of a generation.
    pub(crate) fn write_report(&self, report: &Report) -> Result<()> {
        self.write(&self.report_path(report.generation), report)
    }

    /// Makes a generation the one in force: one rename.
    pub(crate) fn commit(&self, number: u64) -> Result<()> {
        let target = format!("generations/{number:04}");
        Ok(self.root.symlink(&self.current_path(), &target, &Meta::own(0o777))?)
    }

    /// Keeps bytes that somebody else put in place of ours, each under a name of its own.
    pub(crate) fn keep_drifted(&self, generation: u64, id: &ResourceId, bytes: &[u8]) -> Result<()> {
        let place = self.directory.join("lost+found");
        make_directories(self.root, &place)?;
        let name = id.name().trim_start_matches('/').replace(['/', '#'], "-");
        let mut path = place.join(format!("{generation:04}-{name}"));
        let mut more = 1;
        // `/a/b-c` and `/a-b/c` would share a name.
        while self.root.node(&path)?.is_some() {
            more += 1;
            path = place.join(format!("{generation:04}-{name}-{more}"));
        }
        Ok(self.root.write(&path, bytes, &Meta::own(0o600))?)
    }

    /// The directory of one generation.
    pub(crate) fn place(&self, number: u64) -> PathBuf {
        self.generations_path().join(format!("{number:04}"))
    }

    /// The directory of all generations.
    pub(crate) fn generations_path(&self) -> PathBuf {
        self.directory.join("generations")
    }

    /// The link that names the generation in force.
    pub(crate) fn current_path(&self) -> PathBuf {
        self.directory.join("current")
    }

    fn no_generation(&self, number: u64) -> Error {
        Error::NoGeneration { number, kept: self.kept_in_words() }
    }

    /// A file of ours as data.
    pub(crate) fn read<T: DeserializeOwned>(&self, path: &Path) -> Result<Option<T>> {
        let damaged = |source| Error::Damaged { path: path.to_path_buf(), source };
        let bytes = self.root.read(path)?;
        bytes.map(|bytes| serde_json::from_slice(&bytes).map_err(damaged)).transpose()
    }

    fn write<T: Serialize>(&self, path: &Path, value: &T) -> Result<()> {
        Ok(self.root.write(path, &encode(path, value)?, &Meta::own(0o600))?)
    }
}

/// A value as it is written down.
pub(crate) fn encode<T: Serialize>(path: &Path, value: &T) -> Result<Vec<u8>> {
    let damaged = |source| Error::Damaged { path: path.to_path_buf(), source };
    let mut bytes = serde_json::to_vec_pretty(value).map_err(damaged)?;
    bytes.push(b'\n');
    Ok(bytes)
}
