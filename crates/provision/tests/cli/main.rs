//! The command line as a user meets it: the real binary, on a root file system of its own.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod bastion;
mod bench;
mod check;
mod confirm;
mod differences;
mod disk;
mod errors;
mod events;
mod exit_codes;
mod explain;
mod faults;
mod hostile;
mod interrupt;
mod json;
mod kill;
mod lock;
mod not_built;
mod pages;
mod pair;
mod power;
mod pull_secret;
mod readme;
mod records;
mod recover;
mod remote;
mod sandbox;
mod saved_plan;
mod serve;
mod state_id;
mod trace;
mod verbs;
