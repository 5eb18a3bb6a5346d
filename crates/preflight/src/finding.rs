//! The result of one check, and of all; the form that programs read.

use serde::{Deserialize, Serialize};

use crate::check::{Check, Severity};
use crate::verdict::Verdict;

/// How a check ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// As it should be.
    Pass,
    /// Usable, but look at it.
    Warn,
    /// Not as required.
    Fail,
    /// It could not be found out. That is not a pass.
    Unknown,
}

/// The result of one check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// The check, and after a colon what it was made on: `podman`, `port:8443`, `disk:/var/lib`.
    pub id: String,
    /// What a failure costs.
    pub severity: Severity,
    /// How it ended.
    pub status: Status,
    /// What was found.
    pub found: String,
    /// What was expected.
    pub expected: String,
    /// Why it matters.
    pub why: String,
    /// What to do, ready to be pasted; `None` when there is nothing to do.
    pub remedy: Option<String>,
}

impl Finding {
    pub(crate) fn new(check: &Check, subject: Option<&str>, verdict: Verdict) -> Finding {
        let id = subject.map_or_else(|| check.id.to_owned(), |subject| format!("{}:{subject}", check.id));
        let Verdict { status, found, expected, remedy } = verdict;
        Finding { id, severity: check.severity, status, found, expected, why: check.why.to_owned(), remedy }
    }

    /// Whether it forbids to go on: an error that failed or that could not be checked.
    pub fn refuses(&self) -> bool {
        self.severity == Severity::Error && matches!(self.status, Status::Fail | Status::Unknown)
    }
}

/// All findings of one run, in the order of the requirements.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// Version of this format: 1.
    pub schema: u32,
    /// The findings.
    pub findings: Vec<Finding>,
}

impl Report {
    /// Whether a finding forbids to go on.
    pub fn refuses(&self) -> bool {
        self.findings.iter().any(Finding::refuses)
    }
}
