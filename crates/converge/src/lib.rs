//! The engine: resources, plan, ops, journal, generations.
//!
//! Knows states, ops, order and undo; must not know what a section of a profile means, and prints nothing.

mod accounts;
mod agreement;
mod canonical;
mod comparison;
mod content;
pub mod desired;
mod difference;
mod engine;
mod error;
pub mod event;
mod garbage;
mod generation;
mod guard;
pub mod health;
mod host_id;
mod journal;
mod machine;
mod needs;
mod observe;
mod op;
pub mod part;
mod perform;
mod plan;
mod poke;
mod proof;
mod resource;
mod risk;
mod state;
mod vault;

pub use agreement::{Agreement, Moved};
pub use comparison::{BadSide, Contrast, Side};
pub use desired::{Desired, Remote};
pub use difference::Difference;
pub use engine::{
    Aftermath, Applied, Confirm, Engine, Failure, Pending, Recovered, Request, STATE_DIRECTORY, Standing,
};
pub use error::{Error, Result};
pub use event::Event;
pub use garbage::{Collected, Keep};
pub use generation::{Link, Outcome, Records, Report};
pub use health::Health;
pub use host_id::host_id;
pub use machine::Machine;
pub use op::{Op, Undo};
pub use plan::{Baseline, Observed, Phase, Plan, Step, Why, plan};
pub use poke::Poke;
pub use proof::{Fault, Flaw, Proof};
pub use resource::{BadResourceId, Kind, Resource, ResourceId, Resources};
pub use risk::{Risk, risk};
pub use state::{
    Content, ContentState, DirectoryState, FileState, ImageSource, ImageState, PackageState, PartState,
    State, SymlinkState, UnitState,
};
pub use vault::{Bytes, Vault};
