//! What happens during an apply, as data; the command line turns it into words.

use serde::Serialize;

use crate::engine::Pending;
use crate::plan::Step;

/// One thing that happened.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case", tag = "event")]
pub enum Event<'a> {
    /// A journal without a commit was found; the host goes back to the generation before.
    Recovering {
        /// The generation that was not finished.
        generation: u64,
        /// Why it goes back.
        reason: &'a str,
    },
    /// The plan is made; nothing was changed before this.
    Planned {
        /// How many steps there are; with none, nothing is done.
        steps: usize,
        /// How many of them repair drift.
        corrective: usize,
        /// The state that they lead to.
        state_id: &'a str,
    },
    /// A step begins.
    Started {
        /// Its place, from 1.
        number: usize,
        /// How many there are.
        total: usize,
        /// The step.
        step: &'a Step,
    },
    /// A step has ended well.
    Done {
        /// Its place, from 1.
        number: usize,
        /// How many there are.
        total: usize,
        /// Nothing had to be done: the host was as wanted already.
        nothing: bool,
        /// How long it took, in milliseconds.
        milliseconds: u64,
    },
    /// Something is proved now.
    Proving {
        /// What.
        health: &'a crate::health::Health,
    },
    /// Images of a content step come along.
    Mirroring {
        /// The content.
        name: &'a str,
        /// How far it is. Bytes are told in sums, not more often than twice a second.
        progress: &'a provision_mirror::Event,
    },
    /// Everything is done and proved, and waits to be confirmed.
    Waiting {
        /// Which generation, and how long it still does.
        #[serde(flatten)]
        pending: &'a Pending,
    },
    /// The steps so far are taken back.
    RollingBack {
        /// Why.
        reason: String,
    },
    /// What was done is taken back: the host is as it was before.
    Undone {
        /// The generation that does not count.
        generation: u64,
    },
    /// The generation counts.
    Committed {
        /// Its number.
        generation: u64,
    },
}

/// Who is told of events.
pub type Listener<'a> = &'a dyn Fn(&Event<'_>);
