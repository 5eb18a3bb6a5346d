//! Taking back an apply that failed, was interrupted, or was cut off: a plan towards the generation before, with what
//! was attempted as what is recorded.

use std::collections::{BTreeMap, BTreeSet};

use provision_host::packages;
use serde::Serialize;

use super::confirm::Verdict;
use super::{Aftermath, Engine, Failure};
use crate::desired::Desired;
use crate::error::{Error, Result};
use crate::event::{Event, Listener};
use crate::generation::Outcome;
use crate::journal::Record;
use crate::op::Op;
use crate::plan::Plan;
use crate::resource::{Kind, Resource, ResourceId};
use crate::state::{PackageState, State};

/// What is told of a run that did not end by itself.
const CUT_OFF: &str = "the run was cut off";

/// What was found of a run that was cut off, and what became of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "outcome")]
pub enum Recovered {
    /// Its generation was in force already; what was left to do is done.
    Finished {
        /// The generation.
        generation: u64,
    },
    /// The host is as it was before it.
    TakenBack {
        /// The generation that never was in force; none when the run was cut off before it had a number.
        generation: Option<u64>,
    },
}

impl Engine<'_> {
    /// Finishes or takes back what a run left half-done that was cut off; none when there is nothing.
    pub fn recover(&self, listener: Listener<'_>) -> Result<Option<Recovered>> {
        self.sweep_own()?;
        let Some(records) = self.journal.read()? else {
            self.report_not_begun()?;
            return Ok(None);
        };
        let recovered = match records.first() {
            // The commit is one rename; what comes after it is only tidying up.
            Some(&Record::Begin { generation }) if self.records.current()? == Some(generation) => {
                self.records.write_baseline(&self.remembered(&self.recorded()?)?)?;
                Recovered::Finished { generation }
            }
            Some(&Record::Begin { generation }) => match self.verdict(CUT_OFF)? {
                Verdict::Counts => {
                    let desired = self.attempted(generation)?;
                    self.commit(generation, &desired, &self.records.plan(generation)?, listener)?;
                    Recovered::Finished { generation }
                }
                Verdict::TakeBack(reason) => {
                    listener(&Event::Recovering { generation, reason: &reason });
                    self.sweep(generation)?;
                    self.end_by_undo(generation, &reason, listener)?;
                    Recovered::TakenBack { generation: Some(generation) }
                }
            },
            _ => Recovered::TakenBack { generation: None },
        };
        self.close()?;
        self.report_not_begun()?;
        Ok(Some(recovered))
    }

    /// After a failure: back to the generation before, and a report that says so.
    pub(super) fn take_back(&self, number: u64, listener: Listener<'_>, cause: Error) -> Failure {
        listener(&Event::RollingBack { reason: cause.to_string() });
        let undone = self.end_by_undo(number, &cause.to_string(), listener);
        let aftermath = match undone.and_then(|()| self.close()) {
            Ok(()) => Aftermath::Undone,
            Err(error) => Aftermath::HalfDone(Box::new(error)),
        };
        Failure { cause: Box::new(cause), aftermath }
    }

    /// Takes a generation back, and writes the report that says so, or that says that not even this was possible.
    fn end_by_undo(&self, number: u64, reason: &str, listener: Listener<'_>) -> Result<()> {
        let undone = self.undo(number, reason, listener);
        let result = if undone.is_ok() { Outcome::Undone } else { Outcome::HalfDone };
        if undone.is_ok() {
            listener(&Event::Undone { generation: number });
        }
        // What keeps the undo from its end may well keep a report from the disk, and is what has to be told.
        undone.and(self.report_failed(number, result, reason))
    }

    fn report_failed(&self, number: u64, result: Outcome, reason: &str) -> Result<()> {
        let report = self.failed(number, result, reason)?;
        self.records.write_report(&self.records.linked(report, &self.records.baseline()?)?)
    }

    /// A run that was killed before its first record in the journal changed nothing, and its generation has no report.
    fn report_not_begun(&self) -> Result<()> {
        match self.records.numbers()?.last() {
            Some(last) if !self.records.has_report(*last)? => {
                self.report_failed(*last, Outcome::Undone, CUT_OFF)
            }
            _ => Ok(()),
        }
    }

    /// Plans from what was attempted towards the generation before, and does it.
    fn undo(&self, number: u64, reason: &str, listener: Listener<'_>) -> Result<()> {
        let begun = self.begun(number)?;
        self.journal.mend()?;
        self.journal.append(&Record::Undo { reason: reason.to_owned() })?;
        let Moved { came, went } = self.moved()?;
        let before = self.recorded()?;
        let mut attempted = before.resources.clone();
        let (wanted, mut baseline) = (self.attempted(number)?.resources, self.records.baseline()?);
        // What has no baseline is back already, by an undo that was itself cut off: what is there now is what was there
        // before us, and taking it back once more would remove it.
        let ours = |id: &ResourceId| begun.contains(id) && baseline.states.contains_key(id);
        attempted.extend(wanted.into_iter().filter(|(id, _)| ours(id)));
        for name in &came {
            let id = ResourceId::package(name);
            baseline.states.entry(id.clone()).or_insert(State::Absent);
            attempted.entry(id).or_insert_with(dependency);
        }
        // Mirrored images are kept, and none are brought in order to undo: that could fail once more.
        let mut towards = before.clone();
        towards.resources.retain(|id, _| id.kind() != Kind::Content);
        for name in &went {
            towards.resources.entry(ResourceId::package(name)).or_insert_with(dependency);
        }
        self.without_lost_versions(&mut towards)?;
        let plan = self.plan_from(&towards, &attempted, &baseline)?;
        if let Some((id, reason)) = plan.unknown.iter().next() {
            return Err(Error::Unknown { id: id.clone(), reason: reason.clone() });
        }
        self.not_too_early(&plan)?;
        self.run(number, &plan, 0..plan.steps.len(), listener, &|| false)?;
        self.bring_to_disk()?;
        let mut baseline = self.remembered(&before)?;
        baseline.brought.retain(|name| !came.contains(name));
        self.records.write_baseline(&baseline)
    }

    /// While the host boots there is no network, and what a package's scripts start would wait for us.
    fn not_too_early(&self, plan: &Plan) -> Result<()> {
        let installs = |op: &Op| matches!(op, Op::Packages { install, .. } if !install.is_empty());
        match plan.steps.iter().find(|step| installs(&step.op)) {
            Some(step) if self.machine.host.is_booting() => {
                let what = step.ids.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
                Err(Error::TooEarly { what })
            }
            _ => Ok(()),
        }
    }

    /// What a run wanted that the journal tells of.
    pub(super) fn attempted(&self, number: u64) -> Result<Desired> {
        self.records.named_by(self.journal.path(), number, self.records.desired(number))
    }

    /// The resources that steps of a run were begun for. What others did to the rest meanwhile is not ours to undo.
    fn begun(&self, number: u64) -> Result<BTreeSet<ResourceId>> {
        let steps = self.records.named_by(self.journal.path(), number, self.records.plan(number))?.steps;
        let ids = |place: usize| steps.get(place.wrapping_sub(1)).map(|step| &step.ids).into_iter().flatten();
        let mut begun = BTreeSet::new();
        for record in self.journal.read()?.unwrap_or_default() {
            match record {
                Record::Intent { step } => begun.extend(ids(step).cloned()),
                Record::Refused { step } => begun.retain(|id| !ids(step).any(|refused| refused == id)),
                // The steps that follow are those of another plan.
                Record::Undo { .. } => break,
                Record::Begin { .. }
                | Record::Guarded { .. }
                | Record::Armed { .. }
                | Record::Waiting { .. }
                | Record::Decided { .. }
                | Record::Packages { .. }
                | Record::Done { .. } => {}
            }
        }
        Ok(begun)
    }

    /// What the run's transactions of packages have done, however they ended: also to those that nobody asked for, which
    /// came along, and which one that was cut off may have taken alone.
    fn moved(&self) -> Result<Moved> {
        let records = self.journal.read()?.unwrap_or_default();
        let before = records.into_iter().find_map(|record| match record {
            Record::Packages { before } => Some(before),
            _ => None,
        });
        let Some(before) = before else { return Ok(Moved::default()) };
        let now = packages::all_installed(self.machine.host, self.machine.family)?;
        let only = |one: &BTreeMap<String, String>, other: &BTreeMap<String, String>| {
            one.keys().filter(|name| !other.contains_key(*name)).cloned().collect()
        };
        Ok(Moved { came: only(&now, &before), went: only(&before, &now) })
    }
}

/// Packages that are there since a run began, and those that are not there any more.
#[derive(Default)]
struct Moved {
    came: BTreeSet<String>,
    went: BTreeSet<String>,
}

/// A package that came along with another one.
fn dependency() -> Resource {
    let state = State::Package(PackageState { version: None });
    Resource { section: "host".to_owned(), order: 0, state, pokes: BTreeSet::new() }
}
