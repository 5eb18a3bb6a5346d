//! `[pull-secret]`: the auth files that know the registry's credentials.
//!
//! Knows the keys. Must not know the format of an auth file.

use crate::problem::{Problem, Problems};
use crate::read::table;
use crate::scalar::{HostPath, NearPath};

table! {
    /// `[pull-secret]` as written.
    pub struct PullSecret {
        /// An auth file beside the profile whose entries are taken over.
        base: Option<NearPath>,
        /// The auth files on the host that get the entries.
        write: Vec<HostPath>,
    }
}

impl PullSecret {
    pub(crate) fn validate(self, registry: bool, problems: &mut Problems) -> Self {
        if !registry && self.base.is_none() {
            let title = "`pull-secret` has nothing to write: there is neither a `[registry]` nor a `base`";
            problems.push(Problem::new(&self.origin, title, ""));
        }
        if self.write.is_empty() {
            let title = "`pull-secret.write` names no file";
            let problem = Problem::new(&self.origin, title, "");
            problems.push(problem.help("such as write = [\"/root/.config/containers/auth.json\"]"));
        }
        self
    }
}
