//! One file per command.

pub mod apply;
pub mod check;
pub mod confirm;
pub mod destroy;
pub mod diff;
pub mod explain;
pub mod gc;
pub mod generations;
pub mod lock;
pub mod mirror;
pub mod not_built;
pub mod pages;
pub mod plan;
pub mod pull_secret;
pub mod recover;
pub mod registry;
pub mod rollback;
pub mod status;
pub mod verify_log;
