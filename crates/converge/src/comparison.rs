//! What differs between two generations, or between a generation and what was there before provision: plain data, from
//! what the host itself keeps. Never holds a secret.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use serde::Serialize;

use crate::desired::Desired;
use crate::difference::{self, Difference};
use crate::engine::Engine;
use crate::error::Result;
use crate::plan::Baseline;
use crate::resource::{Kind, ResourceId};
use crate::state::{Content, ContentState, State};

/// One side of a comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// What a generation declared.
    Generation(u64),
    /// What was there before provision, of all that is ours now.
    Baseline,
}

/// A text that names neither a generation nor the baseline.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected the number of a generation, or `baseline`")]
pub struct BadSide;

impl FromStr for Side {
    type Err = BadSide;

    fn from_str(text: &str) -> Result<Self, BadSide> {
        match text {
            "baseline" => Ok(Self::Baseline),
            number => number.parse().map(Self::Generation).map_err(|_| BadSide),
        }
    }
}

impl fmt::Display for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Generation(number) => write!(f, "generation {number}"),
            Self::Baseline => f.write_str("baseline"),
        }
    }
}

/// One resource that is not the same on both sides.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Contrast {
    /// Which.
    pub id: ResourceId,
    /// The section that declares it.
    pub section: String,
    /// Its state on the first side; none: nothing is said of it there.
    pub from: Option<State>,
    /// Its state on the second side; none: nothing is said of it there.
    pub to: Option<State>,
    /// What differs in its bytes; none when these are the same, or it has none.
    pub difference: Option<Difference>,
}

/// A side that has been read.
enum Read {
    Generation(Desired),
    Baseline(Baseline),
}

/// What one side says of a resource.
#[derive(Clone, Copy)]
struct View<'a> {
    state: Option<&'a State>,
    /// It was found on the host, not declared.
    found: bool,
}

impl Engine<'_> {
    /// What differs between two sides, in the order of the resources' names.
    pub fn compare(&self, from: Side, to: Side) -> Result<Vec<Contrast>> {
        let (from, to) = (self.side(from)?, self.side(to)?);
        let ids: BTreeSet<&ResourceId> = from.ids().into_iter().chain(to.ids()).collect();
        let mut contrasts = Vec::new();
        for id in ids {
            let views = [from.view(id), to.view(id)];
            if !same(views) {
                contrasts.push(Contrast {
                    id: id.clone(),
                    section: to.section(id).or(from.section(id)).unwrap_or_default().to_owned(),
                    from: views[0].state.cloned(),
                    to: views[1].state.cloned(),
                    difference: self.difference_of(id, views)?,
                });
            }
        }
        Ok(contrasts)
    }

    fn side(&self, side: Side) -> Result<Read> {
        Ok(match side {
            Side::Generation(number) => Read::Generation(self.records().desired(number)?),
            Side::Baseline => Read::Baseline(self.records().baseline()?),
        })
    }

    /// What differs in the bytes of a resource.
    fn difference_of(&self, id: &ResourceId, views: [View<'_>; 2]) -> Result<Option<Difference>> {
        let states = views.map(|view| view.state);
        let text = |before: &[u8], after: &[u8]| {
            let [from, to] = states.map(|state| state.unwrap_or(&State::Absent));
            difference::text(id.to_string().trim_start_matches("file:"), from, before, to, after)
        };
        if id.kind() == Kind::Content {
            let [before, after] = states.map(mirrored);
            return Ok(Some(text(before.as_bytes(), after.as_bytes())));
        }
        // An archive of an image has an id, and that says it all.
        let contents = states.map(|state| state.and_then(State::content).filter(|_| id.kind() == Kind::File));
        let known = contents.iter().flatten();
        Ok(match contents {
            [None, None] => None,
            [Some(one), Some(other)] if one.same(other) => None,
            _ if known.clone().any(|content| content.secret) || views.iter().any(View::is_private) => {
                Some(Difference::Secret)
            }
            _ if known.clone().any(|content| content.fingerprint.is_none()) => Some(Difference::NotMadeYet),
            [before, after] => Some(text(&self.bytes(before)?, &self.bytes(after)?)),
        })
    }

    fn bytes(&self, content: Option<&Content>) -> Result<Vec<u8>> {
        match content {
            Some(content) => Ok(self.vault().find(content)?.to_vec()),
            None => Ok(Vec::new()),
        }
    }
}

impl View<'_> {
    /// What somebody else let only some people read may be a secret that nobody declared.
    fn is_private(&self) -> bool {
        self.found && matches!(self.state, Some(State::File(file)) if file.mode & 0o004 == 0)
    }
}

/// Mirrored content as text. It names secrets, and holds none.
fn mirrored(state: Option<&State>) -> String {
    match state {
        Some(State::Content(ContentState { content })) => format!("{content:#}\n"),
        _ => String::new(),
    }
}

/// Whether both sides say the same. What was found may well say more than what is declared.
fn same(views: [View<'_>; 2]) -> bool {
    match views.map(|view| (view.state, view.found)) {
        [(None, _), (None, _)] => true,
        [(Some(is), true), (Some(wanted), false)] | [(Some(wanted), false), (Some(is), true)] => {
            is.satisfies(wanted)
        }
        [(Some(one), _), (Some(other), _)] => plain(one) == plain(other),
        _ => false,
    }
}

/// A state without the names under which its bytes are kept.
fn plain(state: &State) -> State {
    let mut plain = state.clone();
    if let Some(content) = plain.content_mut() {
        content.generated = None;
    }
    plain
}

impl Read {
    fn ids(&self) -> Vec<&ResourceId> {
        match self {
            Self::Generation(desired) => desired.resources.keys().collect(),
            Self::Baseline(baseline) => baseline.states.keys().collect(),
        }
    }

    fn view(&self, id: &ResourceId) -> View<'_> {
        match self {
            Self::Generation(desired) => {
                View { state: desired.resources.get(id).map(|resource| &resource.state), found: false }
            }
            Self::Baseline(baseline) => View { state: baseline.states.get(id), found: true },
        }
    }

    fn section(&self, id: &ResourceId) -> Option<&str> {
        match self {
            Self::Generation(desired) => desired.resources.get(id).map(|resource| resource.section.as_str()),
            Self::Baseline(_) => None,
        }
    }
}
