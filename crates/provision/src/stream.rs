//! The stream of events on standard error, for programs: one JSON object a line, versioned. docs/events.md describes it.
//!
//! What happens during a change are the engine's events; here is what stands around them: the first line, the findings
//! of preflight, words that people would have read, and the last line.

use std::sync::atomic::{AtomicBool, Ordering};

use provision_preflight::Finding;
use serde::Serialize;

use crate::exit::Exit;
use crate::failure::Failure;
use crate::out;

/// Version of the stream. Events and fields are added without a new one; readers pass over what they do not know.
const VERSION: u32 = 1;

/// Whether standard error is a stream of events.
static BEGUN: AtomicBool = AtomicBool::new(false);

/// Whether its last line was said.
static ENDED: AtomicBool = AtomicBool::new(false);

/// An event that is not the engine's.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case", tag = "event")]
pub enum Told<'a> {
    /// The first line, before anything is read or done.
    Stream {
        /// `provision-events`.
        #[serde(rename = "type")]
        kind: &'a str,
        /// Version of the stream: 1.
        version: u32,
        /// The command: `apply`, `rollback`, `destroy`, `recover`.
        command: &'a str,
        /// The version of provision.
        provision: &'a str,
    },
    /// What preflight found.
    Preflight {
        /// Whether it forbids to go on.
        refused: bool,
        /// All findings.
        findings: &'a [Finding],
    },
    /// Bytes that the profile has elsewhere are in the store.
    Fetched {
        /// Their address.
        address: &'a str,
        /// How many they are.
        bytes: usize,
    },
    /// Words for people.
    Note {
        /// The words.
        text: String,
    },
    /// The last line.
    End {
        /// How the command ended, in a word.
        result: Exit,
        /// Its exit code.
        exit: i32,
        /// Why it failed, if it did.
        #[serde(skip_serializing_if = "Option::is_none")]
        error: Option<&'a Failure>,
    },
}

/// Begins the stream of a command. `carried`: it came from another machine, which has begun the stream already.
pub fn begin(command: &str, carried: bool) {
    BEGUN.store(true, Ordering::Relaxed);
    if carried {
        return;
    }
    let provision = env!("CARGO_PKG_VERSION");
    tell(&Told::Stream { kind: "provision-events", version: VERSION, command, provision });
}

/// Whether there is one.
pub fn is_begun() -> bool {
    BEGUN.load(Ordering::Relaxed)
}

/// Adds a line.
pub fn tell(event: &impl Serialize) {
    out::line(serde_json::to_string(event).unwrap_or_default());
}

/// The last line was said by the target.
pub fn is_ended_there() {
    ENDED.store(true, Ordering::Relaxed);
}

/// Ends the stream, if one was begun and not ended already.
pub fn end(exit: Exit, failure: Option<&Failure>) {
    if is_begun() && !ENDED.load(Ordering::Relaxed) {
        tell(&Told::End { result: exit, exit: exit as i32, error: failure });
    }
}
