//! Exit codes: what a caller learns without reading a word.

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Exit {
    /// Done, or nothing to do.
    Done = 0,
    /// Failed, and nothing is changed.
    Failed = 1,
    /// Changes are pending, or there is drift.
    Pending = 2,
    /// Preflight refused.
    Refused = 3,
    /// The host was not healthy afterwards; everything is taken back.
    RolledBack = 4,
    /// Failed, partly applied; the next run finishes or takes back.
    HalfDone = 5,
    /// The host changed under us, or the plan is stale.
    Conflict = 6,
    /// Another run holds the lock.
    Locked = 7,
    /// The command line or the profile is wrong, or what it asks for is not built.
    Usage = 64,
}

impl Exit {
    /// The one with this number.
    pub fn of(code: i32) -> Option<Self> {
        let all = [
            Self::Done,
            Self::Failed,
            Self::Pending,
            Self::Refused,
            Self::RolledBack,
            Self::HalfDone,
            Self::Conflict,
            Self::Locked,
            Self::Usage,
        ];
        all.into_iter().find(|exit| *exit as i32 == code)
    }
}
