//! What tests of several crates together need: release payloads, and real servers.

pub mod payload;
pub mod server;
