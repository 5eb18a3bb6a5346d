//! What is designed and not built yet: says so, and what to do instead. Nothing here may pretend to work.

use crate::exit::Exit;
use crate::failure::Failure;

/// Something that is not built, with what does the same today.
#[derive(Debug, Clone, Copy)]
pub enum Missing {
    /// `explain`.
    Explain,
    /// `trust`.
    Trust,
    /// `plan --output`.
    SavedPlan,
    /// `apply PLANFILE`.
    ApplyPlan,
}

impl Missing {
    fn what(self) -> &'static str {
        match self {
            Self::Explain => "provision explain",
            Self::Trust => "provision trust",
            Self::SavedPlan => "saving a plan with --output",
            Self::ApplyPlan => "applying a saved plan",
        }
    }

    fn instead(self) -> &'static str {
        match self {
            Self::Explain => "provision plan names the section that each resource comes from",
            Self::Trust => {
                "openssl x509 -in FILE -text shows a certificate; the section [trust] of a profile makes them"
            }
            Self::SavedPlan => {
                "provision plan PROFILE shows it; provision plan PROFILE --json prints it as data"
            }
            Self::ApplyPlan => "give the profile: apply plans again, and shows every step",
        }
    }
}

impl From<Missing> for Failure {
    fn from(missing: Missing) -> Self {
        Self::new(Exit::Usage, format!("{} is not built yet", missing.what())).hint(missing.instead())
    }
}
