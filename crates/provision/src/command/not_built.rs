//! What is designed and not built yet: says so, and what to do instead. Nothing here may pretend to work.

use crate::exit::Exit;
use crate::failure::Failure;

/// Something that is not built, with what does the same today.
#[derive(Debug, Clone, Copy)]
pub enum Missing {
    /// `trust`.
    Trust,
}

impl Missing {
    fn what(self) -> &'static str {
        match self {
            Self::Trust => "provision trust",
        }
    }

    fn instead(self) -> &'static str {
        match self {
            Self::Trust => {
                "openssl x509 -in FILE -text shows a certificate; the section [trust] of a profile makes them"
            }
        }
    }
}

impl From<Missing> for Failure {
    fn from(missing: Missing) -> Self {
        Self::new(Exit::Usage, format!("{} is not built yet", missing.what())).hint(missing.instead())
    }
}
