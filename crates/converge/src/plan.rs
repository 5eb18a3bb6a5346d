//! The only planner: `plan(desired, recorded, baseline, observed)`, a pure function.
//!
//! Apply plans towards the profile, rollback towards a generation, destroy towards nothing (which means
//! back to the baseline), repair of drift is apply again, and recovery plans towards the generation before.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::desired::Desired;
use crate::op::{Op, Undo};
use crate::poke::Poke;
use crate::resource::{Kind, Resource, ResourceId, Resources};
use crate::state::{DirectoryState, State, UnitState};

/// The states found on the host now.
pub type Observed = BTreeMap<ResourceId, State>;

/// What was there before provision first touched it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Baseline {
    /// The states, by resource.
    pub states: Observed,
    /// Packages that came along with those we installed; they leave with the last of them.
    #[serde(default)]
    pub brought: BTreeSet<String>,
}

/// When a step is done. The order is that of the apply.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// Units stop whose files change or go.
    Stop,
    /// Images go that nothing uses any more, while podman is still there to remove them.
    Discard,
    /// Packages are installed.
    Packages,
    /// Settings change.
    Settings,
    /// Files go that somebody has to be told of; then files come, parents first.
    Files,
    /// Images are loaded.
    Images,
    /// The system reads again what changed.
    Reload,
    /// Units start.
    Start,
    /// Images are mirrored.
    Content,
    /// Packages are removed, late, because everything above may need them.
    Remove,
    /// Files and directories go that nobody has to be told of: after the packages, whose scripts may make them anew.
    Clear,
}

/// Why a step is needed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Why {
    /// Nothing was there.
    New,
    /// Something was there that was not ours; its state goes into the baseline.
    Adopt,
    /// The declaration changed.
    Changed,
    /// The host changed without us: a corrective step.
    Drift,
    /// No longer declared: back to the baseline.
    Removed,
    /// Something else changed, and this has to know.
    Follows,
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::New => "new",
            Self::Adopt => "adopt",
            Self::Changed => "changed",
            Self::Drift => "drift",
            Self::Removed => "removed",
            Self::Follows => "follows",
        })
    }
}

/// One op with its reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// The resources it is for.
    pub ids: Vec<ResourceId>,
    /// The section of the profile that asked for it.
    pub section: String,
    /// When it is done.
    pub phase: Phase,
    /// Why it is needed.
    pub why: Why,
    /// How exactly it can be taken back.
    pub undo: Undo,
    /// What is done.
    pub op: Op,
}

/// The ordered steps from observed to desired.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// The state id that the host has after the plan.
    pub state_id: String,
    /// What is done, in this order.
    pub steps: Vec<Step>,
    /// Resources that could not be read or that something is in the way of, with the reason; a plan that has any cannot
    /// be applied.
    #[serde(default)]
    pub unknown: BTreeMap<ResourceId, String>,
    /// What goes into the baseline before the first step.
    #[serde(default)]
    pub baseline: Observed,
}

impl Plan {
    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty() && self.unknown.is_empty()
    }

    /// Whether any step repairs drift.
    pub fn has_drift(&self) -> bool {
        self.steps.iter().any(|step| step.why == Why::Drift)
    }
}

/// What one resource needs.
struct Change<'a> {
    id: &'a ResourceId,
    resource: &'a Resource,
    why: Why,
    from: &'a State,
    to: State,
}

/// Every resource that a plan is about; what has to be observed before planning.
///
/// Content that is no longer wanted is data and stays as it is: its registry, perhaps gone by now, is not asked.
pub(crate) fn subjects<'a>(desired: &'a Desired, recorded: &'a Resources) -> BTreeSet<&'a ResourceId> {
    let recorded = recorded.keys().filter(|id| id.kind() != Kind::Content);
    desired.resources.keys().chain(recorded).collect()
}

/// The plan from what was observed to what is desired. Pure: same input, same plan.
pub fn plan(desired: &Desired, recorded: &Resources, baseline: &Baseline, observed: &Observed) -> Plan {
    let mut plan = Plan { state_id: desired.state_id(), ..Plan::default() };
    let mut changes = Vec::new();
    for id in subjects(desired, recorded) {
        let is = observed.get(id).unwrap_or(&State::Absent);
        if let State::Unknown { reason } = is {
            plan.unknown.insert(id.clone(), format!("could not be read: {reason}"));
            continue;
        }
        let (wanted, was) = (desired.resources.get(id), recorded.get(id));
        if wanted.is_some() && was.is_none() && !baseline.states.contains_key(id) {
            plan.baseline.insert(id.clone(), is.clone());
        }
        let Some(change) = change(id, wanted, was, baseline, is) else { continue };
        match in_the_way(change.from, &change.to) {
            Some(reason) => drop(plan.unknown.insert(id.clone(), reason)),
            None => changes.push(change),
        }
    }
    if !changes.is_empty() {
        changes.extend(asked_again(desired, recorded, &mut plan));
    }
    let last_package = !desired.resources.keys().any(|id| id.kind() == Kind::Package);
    let brought = if last_package { baseline.brought.clone() } else { BTreeSet::new() };
    plan.steps = order(&changes, observed, brought);
    plan
}

/// Content that could not be read, while other things change: a registry that refuses us now, or whose certificate is
/// wrong, may be what is put right. It is asked again when its turn comes, so this never hides a failure.
fn asked_again<'a>(desired: &'a Desired, recorded: &Resources, plan: &mut Plan) -> Vec<Change<'a>> {
    let mut again = Vec::new();
    for (id, resource) in desired.resources.iter().filter(|(id, _)| id.kind() == Kind::Content) {
        if plan.unknown.remove(id).is_some() {
            let why = if recorded.contains_key(id) { Why::Drift } else { Why::New };
            again.push(Change { id, resource, why, from: &State::Absent, to: resource.state.clone() });
        }
    }
    again
}

/// One row of the planner's table.
fn change<'a>(
    id: &'a ResourceId,
    wanted: Option<&'a Resource>,
    was: Option<&'a Resource>,
    baseline: &Baseline,
    is: &'a State,
) -> Option<Change<'a>> {
    match (wanted, was) {
        (Some(wanted), _) if is.satisfies(&wanted.state) => None,
        (Some(wanted), was) => {
            let why = match was {
                None if *is == State::Absent => Why::New,
                None => Why::Adopt,
                Some(was) if is.satisfies(&was.state) => Why::Changed,
                Some(was) if was.state.content().is_some_and(|content| content.fingerprint.is_none()) => {
                    Why::Changed
                }
                Some(_) => Why::Drift,
            };
            Some(Change { id, resource: wanted, why, from: is, to: wanted.state.clone() })
        }
        (None, Some(was)) => {
            let to = baseline.states.get(id).cloned().unwrap_or(State::Absent);
            let done = is.satisfies(&to) || *is == to || stays(is, &to, &was.state);
            (!done).then_some(Change { id, resource: was, why: Why::Removed, from: is, to })
        }
        (None, None) => None,
    }
}

/// What is never replaced, because it could not be put back as it was: a directory has things in it, and what a device
/// or a socket is to somebody nobody can tell.
fn in_the_way(is: &State, to: &State) -> Option<String> {
    let found = match (is, to) {
        (State::Directory(_), State::File(_) | State::Symlink(_)) => "a directory".to_owned(),
        (State::File(_), State::Directory(_)) => "a file".to_owned(),
        (State::Symlink(link), State::Directory(_)) => format!("a link to {}", link.target),
        (State::Foreign { what }, State::File(_) | State::Symlink(_) | State::Directory(_)) => what.clone(),
        _ => return None,
    };
    let wanted = match to {
        State::Directory(_) => "a directory",
        State::Symlink(_) => "a link",
        _ => "a file",
    };
    Some(format!("{found} is in the way of {wanted}: move it aside"))
}

/// Whether something that was there before us has not been changed by us, however it is now.
fn stays(is: &State, baseline: &State, recorded: &State) -> bool {
    match (is, baseline, recorded) {
        // A parent directory that was there was never touched.
        (State::Directory(_), State::Directory(_), State::Directory(DirectoryState { parent: true, .. })) => {
            true
        }
        // A package that was there stays, whatever its version is by now.
        // An older version may not be had any more, and then nothing at all could be taken back.
        (State::Package(_), State::Package(_), State::Package(_)) => true,
        _ => false,
    }
}

/// Steps in the order in which they are done.
fn order(changes: &[Change<'_>], observed: &Observed, brought: BTreeSet<String>) -> Vec<Step> {
    let mut placed: Vec<(Phase, u8, u32, usize, Step)> = Vec::new();
    for (place, change) in changes.iter().enumerate() {
        if change.id.kind() != Kind::Package {
            let goes = change.to == State::Absent;
            // What goes does so before others come, children before parents.
            let (turn, place) = if goes { (0, usize::MAX - place) } else { (1, place) };
            let order = if goes { u32::MAX - change.resource.order } else { change.resource.order };
            let order = if change.id.kind() == Kind::File { 0 } else { order };
            let step = single(change);
            placed.push((step.phase, turn, order, place, step));
        }
    }
    for (place, step) in packages(changes, brought).into_iter().enumerate() {
        placed.push((step.phase, 0, 0, place, step));
    }
    for (place, step) in pokes(changes, observed).into_iter().enumerate() {
        // Pokes come after what they follow and, in Start, before units that start for the first time.
        placed.push((step.phase, 0, 0, place, step));
    }
    placed.sort_by_key(|(phase, turn, order, place, _)| (*phase, *turn, *order, *place));
    placed.into_iter().map(|(.., step)| step).collect()
}

fn single(change: &Change<'_>) -> Step {
    let (id, from, to) = (change.id, change.from.clone(), change.to.clone());
    let name = id.name().to_owned();
    let (phase, op) = match id.kind() {
        Kind::Unit => {
            let runs = matches!(&to, State::Unit(UnitState { active: Some(true), .. }));
            let phase = if runs { Phase::Start } else { Phase::Stop };
            (phase, Op::Unit { name, from, to })
        }
        Kind::Image => {
            let phase = if to == State::Absent { Phase::Discard } else { Phase::Images };
            (phase, Op::Image { name, from, to })
        }
        Kind::Setting => (Phase::Settings, Op::Set { name, from, to }),
        Kind::Content => (Phase::Content, Op::Content { name, to }),
        Kind::File | Kind::Package => {
            let clears = to == State::Absent && change.resource.pokes.is_empty();
            let phase = if clears { Phase::Clear } else { Phase::Files };
            (phase, Op::Put { id: id.clone(), from, to })
        }
    };
    Step {
        ids: vec![id.clone()],
        section: change.resource.section.clone(),
        phase,
        why: change.why,
        undo: op.undo(),
        op,
    }
}

/// All packages that come are one transaction, all that go another.
fn packages(changes: &[Change<'_>], brought: BTreeSet<String>) -> Vec<Step> {
    let of = |goes: bool| {
        changes
            .iter()
            .filter(move |change| change.id.kind() == Kind::Package && (change.to == State::Absent) == goes)
    };
    let step = |phase, changes: Vec<&Change<'_>>, op: Op| {
        changes.first().map(|first| Step {
            ids: changes.iter().map(|change| change.id.clone()).collect(),
            section: first.resource.section.clone(),
            phase,
            why: first.why,
            undo: op.undo(),
            op,
        })
    };
    let version = |state: &State| match state {
        State::Package(package) => package.version.clone(),
        _ => None,
    };
    let install = of(false).map(|c| (c.id.name().to_owned(), version(&c.to))).collect();
    let mut remove: BTreeSet<String> = of(true).map(|change| change.id.name().to_owned()).collect();
    if !remove.is_empty() {
        remove.extend(brought);
    }
    [
        step(Phase::Packages, of(false).collect(), Op::Packages { install, remove: BTreeSet::new() }),
        step(Phase::Remove, of(true).collect(), Op::Packages { install: BTreeMap::new(), remove }),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// Everyone who has to be told, once each.
fn pokes(changes: &[Change<'_>], observed: &Observed) -> Vec<Step> {
    let mut told: BTreeMap<&Poke, (Vec<ResourceId>, &str)> = BTreeMap::new();
    for change in changes {
        for poke in &change.resource.pokes {
            let (ids, _) = told.entry(poke).or_insert((Vec::new(), &change.resource.section));
            ids.push(change.id.clone());
        }
    }
    // A unit that starts or stops in this plan anyway, or does not run, is not restarted.
    let restarts = |unit: &str| {
        let id = ResourceId::unit(unit);
        let runs = matches!(observed.get(&id), Some(State::Unit(UnitState { active: Some(true), .. })));
        runs && !changes.iter().any(|change| *change.id == id)
    };
    told.into_iter()
        .filter(|(poke, _)| if let Poke::Restart { unit } = poke { restarts(unit) } else { true })
        .map(|(poke, (ids, section))| Step {
            ids,
            section: section.to_owned(),
            phase: if matches!(poke, Poke::Restart { .. }) { Phase::Start } else { Phase::Reload },
            why: Why::Follows,
            undo: Undo::Exact,
            op: Op::Poke { poke: poke.clone() },
        })
        .collect()
}
