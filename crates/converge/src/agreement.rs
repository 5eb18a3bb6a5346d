//! A plan that was saved to be applied later: what it is bound to, and what of that has moved since.
//!
//! Pure comparison, and the id of the host. Must not know the file that a plan is saved in.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::generation::Outcome;
use crate::op::Op;
use crate::perform::in_words;
use crate::plan::{Plan, Step};
use crate::resource::{Kind, ResourceId};
use crate::state::State;

/// What an apply was agreed to: exactly this plan, once, on this host, on top of this generation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Agreement {
    /// Names the agreement; one run may begin with it.
    pub id: String,
    /// The host: see [`crate::host_id`].
    pub host: String,
    /// The generation in force; none before the first.
    pub generation: Option<u64>,
    /// The plan, with the state that every step starts from.
    pub plan: Plan,
}

/// One thing that is not as it was when a plan was saved.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "moved")]
pub enum Moved {
    /// It is another host.
    Host {
        /// The id that the plan was saved for.
        expected: String,
        /// The id of this host.
        found: String,
    },
    /// A run began with the plan before.
    Used {
        /// The generation that it made.
        generation: u64,
        /// How that ended; none when it was cut off and is not taken back yet.
        result: Option<Outcome>,
    },
    /// Another generation is in force.
    Generation {
        /// The one that the plan was made on.
        expected: Option<u64>,
        /// The one in force now.
        found: Option<u64>,
    },
    /// A resource is in another state.
    Resource {
        /// Which.
        id: ResourceId,
        /// What the plan was made from, in words.
        expected: String,
        /// What is there, in words.
        found: String,
    },
    /// Nothing moved, and yet other steps lead from here to there.
    Steps,
}

impl fmt::Display for Moved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let generation = |number: &Option<u64>| match number {
            Some(number) => format!("generation {number}"),
            None => "no generation".to_owned(),
        };
        match self {
            Self::Host { expected, found } => {
                write!(f, "the host: the plan is for {expected}, this is {found}")
            }
            Self::Used { generation, result } => {
                let result = result.map_or("cut off".to_owned(), |result| result.to_string());
                write!(f, "the plan was used already: by generation {generation} ({result})")
            }
            Self::Generation { expected, found } => {
                let (expected, found) = (generation(expected), generation(found));
                write!(f, "the generation in force: the plan expects {expected}, found {found}")
            }
            Self::Resource { id, expected, found } => {
                write!(f, "{id}: the plan expects {expected}, found {found}")
            }
            Self::Steps => f.write_str("the steps: this version of provision would take others"),
        }
    }
}

/// What of the states that a plan was made from has moved, resource by resource. `now` is the plan from the host as it
/// is, towards the same desired state.
pub(crate) fn moved(agreed: &Plan, now: &Plan) -> Vec<Moved> {
    let mut moved = BTreeMap::new();
    let (then, today) = (rows(agreed), rows(now));
    let mut ids: Vec<&ResourceId> = then.keys().chain(today.keys()).copied().collect();
    ids.extend(now.unknown.keys().chain(agreed.baseline.keys()));
    for id in ids {
        if let Some((expected, found)) = difference(id, agreed, now, &then, &today) {
            moved.insert(id, Moved::Resource { id: id.clone(), expected, found });
        }
    }
    let same = agreed.steps.len() == now.steps.len()
        && agreed.steps.iter().zip(&now.steps).all(|(one, other)| same_step(one, other));
    match moved.is_empty() && !same {
        true => vec![Moved::Steps],
        false => moved.into_values().collect(),
    }
}

/// Where each resource of a plan comes from, and where it goes. Packages are known by where they go alone.
type Rows<'a> = BTreeMap<&'a ResourceId, (Option<&'a State>, Option<&'a State>)>;

fn rows(plan: &Plan) -> Rows<'_> {
    let mut rows = Rows::new();
    for step in &plan.steps {
        let row = match &step.op {
            Op::Put { from, to, .. }
            | Op::Unit { from, to, .. }
            | Op::Image { from, to, .. }
            | Op::Set { from, to, .. } => (Some(from), Some(to)),
            Op::Content { to, .. } => (None, Some(to)),
            Op::Packages { .. } => (None, None),
            Op::Poke { .. } => continue,
        };
        rows.extend(step.ids.iter().map(|id| (id, row)));
    }
    rows
}

/// What the plan expects of a resource, and what is there; none when they are the same.
fn difference(
    id: &ResourceId,
    agreed: &Plan,
    now: &Plan,
    then: &Rows<'_>,
    today: &Rows<'_>,
) -> Option<(String, String)> {
    if let Some(reason) = now.unknown.get(id) {
        return Some(("a state that can be read and changed".to_owned(), reason.clone()));
    }
    match (then.get(id), today.get(id)) {
        (Some((Some(from), _)), Some((Some(is), _))) if !same_state(from, is) => Some(told_apart(from, is)),
        (Some(row), None) => Some((before(id, row.0), "it as wanted already".to_owned())),
        (None, Some(row)) => Some(("it as wanted".to_owned(), before(id, row.0))),
        _ => match (agreed.baseline.get(id), now.baseline.get(id)) {
            (Some(was), Some(is)) if !same_state(was, is) => Some(told_apart(was, is)),
            _ => None,
        },
    }
}

fn before(id: &ResourceId, from: Option<&State>) -> String {
    match (from, id.kind()) {
        (Some(from), _) => in_words(from),
        (None, Kind::Package) => "it otherwise (packages that come or go)".to_owned(),
        (None, _) => "it not complete".to_owned(),
    }
}

/// Two states in words that differ.
fn told_apart(one: &State, other: &State) -> (String, String) {
    match (in_words(one), in_words(other)) {
        (one, other) if one == other => (one, format!("{other} with other attributes")),
        both => both,
    }
}

fn same_step(agreed: &Step, now: &Step) -> bool {
    let ends = |op: &Op| match op.clone() {
        Op::Put { from, to, .. }
        | Op::Unit { from, to, .. }
        | Op::Image { from, to, .. }
        | Op::Set { from, to, .. } => Some((from, to)),
        Op::Packages { .. } | Op::Content { .. } | Op::Poke { .. } => None,
    };
    let same_ends = match (ends(&agreed.op), ends(&now.op)) {
        (Some((from, to)), Some((is, wanted))) => same_state(&from, &is) && same_state(&to, &wanted),
        (None, None) => agreed.op == now.op,
        _ => false,
    };
    same_ends
        && (&agreed.ids, agreed.phase, agreed.why, agreed.undo) == (&now.ids, now.phase, now.why, now.undo)
}

/// Whether a state is the one that was agreed to. Bytes that had no fingerprint then (not made yet, or a secret before
/// the host had a key) may have one by now.
fn same_state(agreed: &State, now: &State) -> bool {
    let mut now = now.clone();
    if let (Some(then), Some(content)) = (agreed.content(), now.content_mut())
        && then.fingerprint.is_none()
    {
        content.fingerprint = None;
    }
    *agreed == now
}
