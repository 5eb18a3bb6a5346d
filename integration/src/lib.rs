//! What tests of several crates together need: release payloads, real servers, and the real programs.

pub mod distribution_image;
pub mod fault;
pub mod payload;
pub mod program;
pub mod server;
pub mod to_dir;
pub mod web;
pub mod world;
