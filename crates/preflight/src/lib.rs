//! Preflight: may we start? A table of checks over facts and requirements, each answered with what was found, what
//! was expected, why it matters, and a remedy that can be pasted.
//!
//! Knows facts, limits and remedies. Must not know how to fix anything, and changes nothing: every probe only looks,
//! through provision-host. Probing and judging are apart: the judges below `judge` are pure.

pub mod check;
mod finding;
mod judge;
mod requirement;
mod run;
mod scene;
mod size;
mod verdict;
mod version;

pub use check::{CHECKS, Check, Severity};
pub use finding::{Finding, Report, Status};
pub use requirement::Requirement;
pub use run::run;
pub use version::{BadVersion, TIERS, Version};
