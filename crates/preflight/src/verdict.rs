//! What a judge says, before it is known which check asked.

use provision_host::Error;

use crate::finding::Status;

/// A finding without the check's own words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Verdict {
    pub(crate) status: Status,
    pub(crate) found: String,
    pub(crate) expected: String,
    pub(crate) remedy: Option<String>,
}

impl Verdict {
    pub(crate) fn pass(found: impl Into<String>, expected: impl Into<String>) -> Verdict {
        Verdict { status: Status::Pass, found: found.into(), expected: expected.into(), remedy: None }
    }

    pub(crate) fn warn(found: impl Into<String>, expected: impl Into<String>) -> Verdict {
        Verdict { status: Status::Warn, ..Verdict::pass(found, expected) }
    }

    pub(crate) fn fail(found: impl Into<String>, expected: impl Into<String>) -> Verdict {
        Verdict { status: Status::Fail, ..Verdict::pass(found, expected) }
    }

    pub(crate) fn unknown(found: impl Into<String>, expected: impl Into<String>) -> Verdict {
        Verdict { status: Status::Unknown, ..Verdict::pass(found, expected) }
    }

    pub(crate) fn remedy(mut self, remedy: impl Into<String>) -> Verdict {
        self.remedy = Some(remedy.into());
        self
    }

    /// A probe that failed: what was to be found out is not known.
    pub(crate) fn from_error(error: &Error) -> Verdict {
        let mut found = format!("could not be checked: {error}");
        let mut source = std::error::Error::source(error);
        while let Some(cause) = source {
            found.push_str(&format!(": {cause}"));
            source = cause.source();
        }
        // What programs say has lines; a finding is one.
        let found = found.lines().map(str::trim).collect::<Vec<_>>().join(": ");
        let verdict = Verdict::unknown(found, "an answer from this host");
        match error.is_permission() {
            true => verdict.remedy("# run the same command as root: only root may see this"),
            false => verdict,
        }
    }
}
