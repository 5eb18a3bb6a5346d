//! The sections of a profile, one file each: its keys, what they must satisfy, and the resources they become.

pub mod host;
pub mod mirror;
pub mod preflight;
pub mod pull_secret;
pub mod redirect;
pub mod registry;
pub mod trust;
