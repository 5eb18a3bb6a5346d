//! The words that go over the connection. To the target: one line of JSON and the bytes it announces (`Bundle`), then
//! [`INTERRUPT`] perhaps. From the target: [`GREETING`], then a [`Frame`] a line.

use serde::{Deserialize, Serialize};

/// The first line from the target; whatever comes before is not ours.
pub const GREETING: &str = "provision relay 1";

/// What is sent to take back what was done, and to end.
pub const INTERRUPT: &str = "interrupt\n";

/// What comes from the target.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Frame {
    /// A line of standard output.
    Out(String),
    /// A line of standard error.
    Err(String),
    /// The end: the exit status, negative for a signal. Nothing comes after it.
    Exit(i32),
}
