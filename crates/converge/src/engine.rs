//! The one way in: plan towards a desired state, and apply it with a journal, so that it is done whole or not at all.
//!
//! Undoing is planning too: a failed or cut-off apply plans towards the generation before, with what it was
//! about to do as what is recorded.

use std::borrow::Cow;
use std::ops::Range;
use std::path::PathBuf;
use std::time::Instant;

use provision_host::{Family, Host, packages};

use crate::agreement::Agreement;
use crate::content;
use crate::desired::Desired;
use crate::difference::{self, Difference};
use crate::error::{Error, Result};
use crate::event::{Event, Listener};
use crate::generation::{Asked, Records, Report};
use crate::guard::Guard;
use crate::health::{self, Health};
use crate::journal::{Journal, Record};
use crate::machine::Machine;
use crate::observe::{Expected, Hint, observe};
use crate::op::Op;
use crate::part;
use crate::perform::perform;
use crate::plan::{Baseline, Observed, Phase, Plan, Step, Why, plan, subjects};
use crate::proof::{self, Proof};
use crate::resource::{Kind, ResourceId, Resources};
use crate::state::{Content, State};
use crate::vault::Vault;

mod agree;
mod arm;
mod confirm;
mod report;
mod sweep;
mod undo;
mod versions;

pub use confirm::{Confirm, Pending, Standing};
pub(crate) use confirm::{Decision, Terms};
pub use undo::Recovered;

/// Where provision keeps its own files on a host.
pub const STATE_DIRECTORY: &str = "/var/lib/provision";

/// What an apply is asked for.
pub struct Request<'a> {
    /// The state wanted, with everything generated filled in.
    pub desired: &'a Desired,
    /// What the generation is called: the profile's name, `rollback to 3`, `destroy`.
    pub name: &'a str,
    /// The text of the profile, kept with the generation.
    pub profile: &'a str,
    /// The text of the lock that was used, kept beside it; none when the profile has none.
    pub lock: Option<&'a str>,
    /// The saved plan that this is; none: whatever the plan is by now.
    pub agreed: Option<&'a Agreement>,
    /// Who asks.
    pub who: &'a str,
    /// Whether it counts only once somebody confirms it.
    pub confirm: Option<&'a Confirm>,
    /// Asked between two steps; true: stop here and take back what was done.
    pub interrupted: &'a dyn Fn() -> bool,
    /// Told of everything that happens.
    pub listener: Listener<'a>,
}

/// How an apply ended well.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Applied {
    /// The host was as wanted, and proved to be; nothing was written.
    Nothing,
    /// A new generation is in force.
    Committed(Box<Report>),
    /// A new generation is done and proved, and waits to be confirmed.
    Waiting(Pending),
}

/// How an apply failed.
#[derive(Debug, thiserror::Error)]
#[error("the apply failed")]
pub struct Failure {
    /// What went wrong first.
    #[source]
    pub cause: Box<Error>,
    /// What became of the host.
    pub aftermath: Aftermath,
}

/// What became of the host after a failure.
#[derive(Debug)]
pub enum Aftermath {
    /// No step was begun.
    NothingChanged,
    /// The steps that were done are taken back.
    Undone,
    /// Taking them back failed as well; the journal is kept, and the next run tries again.
    HalfDone(Box<Error>),
}

impl From<Error> for Failure {
    fn from(cause: Error) -> Self {
        Self { cause: Box::new(cause), aftermath: Aftermath::NothingChanged }
    }
}

/// A host with provision's records of it.
pub struct Engine<'a> {
    machine: Machine<'a>,
    records: Records<'a>,
    journal: Journal<'a>,
    guard: Guard<'a>,
    binary: Option<PathBuf>,
}

impl<'a> Engine<'a> {
    /// The engine of a host. Nothing is read yet.
    pub fn new(host: &'a Host, family: Family, vault: &'a Vault<'a>) -> Self {
        let directory: PathBuf = vault.directory().to_path_buf();
        let journal = Journal::new(&host.root, &directory);
        Self {
            machine: Machine { host, family, vault },
            guard: Guard::new(host, &directory),
            records: Records::new(&host.root, directory),
            journal,
            binary: None,
        }
    }

    /// A boot takes back what this engine leaves half-done, with a copy of this binary; where systemd runs the host.
    #[must_use]
    pub fn guarded_by(mut self, binary: PathBuf) -> Self {
        self.binary = Some(binary);
        self
    }

    /// The generations and the baseline.
    pub fn records(&self) -> &Records<'a> {
        &self.records
    }

    /// provision's own bytes on the host.
    pub(crate) fn vault(&self) -> &'a Vault<'a> {
        self.machine.vault
    }

    /// The generation that a run which is under way, or was cut off, is about.
    pub fn unfinished(&self) -> Result<Option<u64>> {
        Ok(match self.journal.read()?.as_deref() {
            Some([Record::Begin { generation }, ..]) => Some(*generation),
            _ => None,
        })
    }

    /// Whether a run was cut off and [`Engine::recover`] has work to do.
    pub fn is_cut_off(&self) -> Result<bool> {
        Ok(self.journal.read()?.is_some())
    }

    /// Proves that everything on record is as it was written down, or names all that is not; changes nothing.
    pub fn prove_records(&self) -> Proof {
        proof::prove(&self.records, self.machine.vault, &self.journal)
    }

    /// Proves the same without the bytes in the store and the vault.
    pub(crate) fn prove_generations(&self) -> Proof {
        proof::prove_records(&self.records, self.machine.vault, &self.journal)
    }

    /// What the generation in force recorded; empty before the first one.
    pub fn recorded(&self) -> Result<Desired> {
        self.records.recorded(self.is_cut_off()?)
    }

    /// The plan from the host as it is now towards a desired state; changes nothing.
    pub fn plan(&self, desired: &Desired) -> Result<Plan> {
        self.plan_from(desired, &self.recorded()?.resources, &self.records.baseline()?)
    }

    /// What is not as healthy as a desired state wants it, in words; each thing is asked once, and not waited for.
    pub fn ailments(&self, desired: &Desired) -> Result<Vec<String>> {
        let ask = |health: &Health| match health::prove(self.machine, &health.at_once(), &|| false) {
            Err(Error::Unhealthy { what }) => Ok(Some(what)),
            proved => proved.map(|()| None),
        };
        desired.health.iter().filter_map(|health| ask(health).transpose()).collect()
    }

    /// What a step of a plan towards `desired` changes in its file; none for a step that changes no bytes.
    pub fn difference(&self, desired: &Desired, step: &Step) -> Result<Option<Difference>> {
        difference::of(self.machine, desired, step)
    }

    /// The state that a resource of `desired`, or one that is recorded, is in now.
    pub fn state(&self, desired: &Desired, id: &ResourceId) -> Result<Option<State>> {
        let recorded = self.recorded()?.resources;
        let recorded = recorded.get(id).map(|resource| &resource.state);
        let wanted = desired.resources.get(id).map(|resource| &resource.state);
        let Some(state) = wanted.or(recorded) else { return Ok(None) };
        Ok(observe(self.machine, &[(id, Hint { state, recorded })].into())?.remove(id))
    }

    fn plan_from(&self, desired: &Desired, recorded: &Resources, baseline: &Baseline) -> Result<Plan> {
        let hint = |id| {
            let recorded = recorded.get(id).map(|resource| &resource.state);
            let wanted = desired.resources.get(id).map(|resource| &resource.state);
            Some(Hint { state: wanted.or(recorded)?, recorded })
        };
        let expected: Expected<'_> =
            subjects(desired, recorded).into_iter().filter_map(|id| Some((id, hint(id)?))).collect();
        let observed: Observed = observe(self.machine, &expected)?;
        Ok(plan(desired, recorded, baseline, &observed))
    }

    /// Brings the host to the desired state, proves it, and commits a generation; or takes everything back.
    pub fn apply(&self, request: &Request<'_>) -> Result<Applied, Failure> {
        self.recover(request.listener)?;
        self.machine.vault.prepare()?;
        let before = self.recorded()?;
        let plan = self.plan_from(request.desired, &before.resources, &self.records.baseline()?)?;
        if let Some(agreed) = request.agreed {
            self.holds(agreed, &plan)?;
        }
        if let Some((id, reason)) = plan.unknown.iter().next() {
            return Err(Error::Unknown { id: id.clone(), reason: reason.clone() }.into());
        }
        let corrective = plan.steps.iter().filter(|step| step.why == Why::Drift).count();
        (request.listener)(&Event::Planned { steps: plan.steps.len(), corrective, state_id: &plan.state_id });
        if plan.is_empty() && before.resources == request.desired.resources {
            self.prove(request.desired, request.listener, request.interrupted)?;
            return Ok(Applied::Nothing);
        }
        self.versions_can_be_had(&plan)?;
        for fingerprint in request.desired.remote.keys() {
            self.machine.vault.find(&Content::kept(fingerprint.as_str()))?;
        }
        let number = self.records.numbers()?.last().map_or(1, |last| last + 1);
        self.keep_bytes(request.desired, &plan)?;
        let asked = Asked {
            who: request.who.to_owned(),
            profile: request.name.to_owned(),
            saved_plan: request.agreed.map(|agreed| agreed.id.clone()),
        };
        self.records.begin(number, &asked, request, &plan)?;
        self.journal.append(&Record::Begin { generation: number })?;
        let confirm = request.confirm.filter(|confirm| confirm.applies(&plan));
        let done = self.arm(number, confirm).and_then(|()| self.carry_out(number, request, &plan));
        match done.and_then(|()| confirm.map(|confirm| self.ask(number, confirm)).transpose()) {
            Ok(Some(pending)) => Ok(Applied::Waiting(pending)),
            Ok(None) => {
                let report = self.commit(number, request.desired, &plan, request.listener)?;
                Ok(Applied::Committed(Box::new(report)))
            }
            Err(cause) => Err(self.take_back(number, request.listener, cause)),
        }
    }

    fn carry_out(&self, number: u64, request: &Request<'_>, plan: &Plan) -> Result<()> {
        let mut baseline = self.records.baseline()?;
        baseline.states.extend(plan.baseline.clone());
        self.records.write_baseline(&baseline)?;
        // Images go into a registry that is known to work, and packages go once nothing needs them any more.
        let proved = plan.steps.partition_point(|step| step.phase < Phase::Content);
        self.run(number, plan, 0..proved, request.listener, request.interrupted)?;
        self.prove(request.desired, request.listener, request.interrupted)?;
        self.run(number, plan, proved..plan.steps.len(), request.listener, request.interrupted)?;
        match plan.steps.last() {
            Some(last) if last.phase > Phase::Content => {
                self.prove(request.desired, request.listener, request.interrupted)
            }
            _ => go_on(request.interrupted, || "the commit".to_owned()),
        }
    }

    /// Proves that the host is as it should be.
    fn prove(&self, desired: &Desired, listener: Listener<'_>, stop: &dyn Fn() -> bool) -> Result<()> {
        for health in &desired.health {
            go_on(stop, || health.to_string())?;
            listener(&Event::Proving { health });
            let proved = health::prove(self.machine, health, stop);
            // Who is interrupted while waiting has not found out whether it is healthy.
            go_on(stop, || "the commit".to_owned())?;
            proved?;
        }
        go_on(stop, || "the commit".to_owned())
    }

    /// Does a stretch of a plan's steps, in order.
    fn run(
        &self,
        number: u64,
        plan: &Plan,
        stretch: Range<usize>,
        listener: Listener<'_>,
        stop: &dyn Fn() -> bool,
    ) -> Result<()> {
        let total = plan.steps.len();
        let recorded = self.recorded()?.resources;
        for (place, step) in plan.steps.iter().enumerate().take(stretch.end).skip(stretch.start) {
            let place = place + 1;
            go_on(stop, || step.ids.first().map(ToString::to_string).unwrap_or_default())?;
            listener(&Event::Started { number: place, total, step });
            let begun = Instant::now();
            self.save_step(number, step, &recorded)?;
            self.journal.append(&Record::Intent { step: place })?;
            let done = self.step(step, listener, stop).inspect_err(|error| {
                if let Error::Conflict { .. } = error {
                    // Should this not reach the disk, the resource counts as begun, as it would after a crash.
                    let _ = self.journal.append(&Record::Refused { step: place });
                }
            })?;
            self.journal.note(&Record::Done { step: place })?;
            let milliseconds = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
            listener(&Event::Done { number: place, total, nothing: done, milliseconds });
        }
        Ok(())
    }

    /// Does one step; true when nothing had to be done.
    fn step(&self, step: &Step, listener: Listener<'_>, stop: &dyn Fn() -> bool) -> Result<bool> {
        let install = match &step.op {
            Op::Packages { install, .. } => install,
            // Hours perhaps: it tells how far it is, and can be interrupted.
            Op::Content { name, to } => return content::bring(self.machine, name, to, listener, stop),
            op => return Ok(perform(self.machine, op)?.nothing),
        };
        let before = packages::all_installed(self.machine.host, self.machine.family)?;
        self.journal.append(&Record::Packages { before })?;
        let done = perform(self.machine, &step.op)?;
        if let Some(changed) = done.packages {
            let brought = changed.added.into_keys().filter(|name| !install.contains_key(name)).collect();
            self.note_brought(brought)?;
        }
        Ok(done.nothing)
    }

    fn note_brought(&self, brought: Vec<String>) -> Result<()> {
        let mut baseline = self.records.baseline()?;
        baseline.brought.extend(brought);
        self.records.write_baseline(&baseline)
    }

    /// Keeps the bytes that the profile gives, and those of what goes into the baseline.
    fn keep_bytes(&self, desired: &Desired, plan: &Plan) -> Result<()> {
        let given = desired.literals.values().map(|bytes| Ok((Cow::from(bytes), false)));
        // Whether or not a step replaces it now: a later one may, and then it is no longer what was there first.
        let found = plan.baseline.iter().filter_map(|(id, state)| self.bytes_of(id, state).transpose());
        let found = found.map(|found| found.map(|(bytes, secret)| (Cow::from(bytes), secret)));
        self.machine.vault.keep_all(given.chain(found))
    }

    /// Keeps the bytes that a step replaces, before it replaces them.
    fn save_step(&self, number: u64, step: &Step, recorded: &Resources) -> Result<()> {
        let Op::Put { id, from, .. } = &step.op else { return Ok(()) };
        let Some((bytes, secret)) = self.bytes_of(id, from)? else { return Ok(()) };
        self.machine.vault.keep(&bytes, secret)?;
        let fingerprint = |state: &State| state.content().and_then(|content| content.fingerprint.clone());
        // What goes may have been changed by somebody as well, and theirs is in neither the store nor the baseline.
        let theirs = match (step.why, recorded.get(id).and_then(|was| fingerprint(&was.state))) {
            (Why::Drift, _) => true,
            (Why::Removed, Some(ours)) => fingerprint(from).is_some_and(|is| is != ours),
            _ => false,
        };
        if theirs { self.records.keep_drifted(number, id, &bytes) } else { Ok(()) }
    }

    /// The bytes that a state speaks of, as they are on the host now, and whether they are secret.
    fn bytes_of(&self, id: &ResourceId, state: &State) -> Result<Option<(Vec<u8>, bool)>> {
        let Some(content) = state.content().filter(|_| id.kind() == Kind::File) else { return Ok(None) };
        let file = self.machine.host.root.read(id.path())?;
        let bytes = match (file, id.file_part()) {
            (Some(file), Some(name)) => part::read(&file, name)
                .map_err(|source| Error::Part { path: id.path().to_path_buf(), source })?,
            (file, _) => file,
        };
        Ok(bytes.map(|bytes| (bytes, content.secret)))
    }

    fn commit(&self, number: u64, desired: &Desired, plan: &Plan, listener: Listener<'_>) -> Result<Report> {
        let baseline = self.remembered(desired)?;
        let report = self.records.linked(self.committed(number, plan)?, &baseline)?;
        self.records.write_report(&report)?;
        self.bring_to_disk()?;
        self.records.commit(number)?;
        self.records.write_baseline(&baseline)?;
        self.close()?;
        listener(&Event::Committed { generation: number });
        Ok(report)
    }

    /// Brings to disk what programs have written. Once the generation counts, or the journal is gone, nobody would put
    /// right what a power cut took back of it.
    fn bring_to_disk(&self) -> Result<()> {
        let host = self.machine.host;
        if host.runs_programs() { Ok(host.root.sync_system()?) } else { Ok(()) }
    }

    /// The baseline of what is ours. The rest has none any more: the next first contact takes a new one.
    fn remembered(&self, desired: &Desired) -> Result<Baseline> {
        let mut baseline = self.records.baseline()?;
        baseline.states.retain(|id, _| desired.resources.contains_key(id));
        if !desired.resources.keys().any(|id| id.kind() == Kind::Package) {
            baseline.brought.clear();
        }
        Ok(baseline)
    }
}

/// An error when a signal asked to stop; `before` says what is not begun.
fn go_on(stop: &dyn Fn() -> bool, before: impl FnOnce() -> String) -> Result<()> {
    if stop() { Err(Error::Interrupted { before: before() }) } else { Ok(()) }
}
