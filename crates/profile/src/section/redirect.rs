//! `[redirect]`: pulls from the original registries go to the mirror, by containers-registries.conf(5).
//!
//! Knows which sources are redirected and the text of the drop-in. Must not know what the mirror holds.

use crate::draft::Draft;
use crate::problem::{Problem, Problems};
use crate::read::table;
use crate::scalar::Repository;
use crate::section::mirror::Mirror;

/// The drop-in that is written.
pub const PATH: &str = "/etc/containers/registries.conf.d/50-provision.conf";

/// Where OpenShift's release images come from.
const RELEASES: &str = "quay.io/openshift-release-dev/ocp-release";

/// Where the component images of an OpenShift release come from; no profile names them, the payload does.
const COMPONENTS: &str = "quay.io/openshift-release-dev/ocp-v4.0-art-dev";

table! {
    /// `[redirect]` as written.
    pub struct RedirectWritten {
        /// Repositories whose pulls by digest go to the mirror; without it, those of `[mirror]`.
        sources: Vec<Repository>,
    }
}

/// `[redirect]`, validated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Redirect {
    /// Repositories whose pulls by digest go to the mirror.
    pub sources: Vec<Repository>,
}

impl Redirect {
    pub(crate) fn validate(
        written: RedirectWritten,
        mirror: Option<&Mirror>,
        problems: &mut Problems,
    ) -> Option<Self> {
        let Some(mirror) = mirror else {
            let title = "`redirect` needs a `[mirror]` section to redirect to";
            problems.push(Problem::new(&written.origin, title, ""));
            return None;
        };
        let mut sources = written.sources;
        if sources.is_empty() {
            sources = mirror.release.iter().map(|release| Repository(release.image.value.0.name())).collect();
            if sources.is_empty() {
                sources.push(Repository(RELEASES.to_owned()));
            }
            if sources.iter().any(|source| source.0 == RELEASES) {
                sources.push(Repository(COMPONENTS.to_owned()));
            }
        }
        sources.sort();
        sources.dedup();
        Some(Self { sources })
    }

    pub(crate) fn resources(&self, mirror: &str, draft: &mut Draft) {
        draft.because(&["redirect", "mirror.repository", "host.hostname", "registry.port"]);
        draft.text(PATH, self.drop_in(mirror), &[]);
    }

    /// The drop-in: only digests are redirected, since a tag may mean another image in the mirror.
    pub fn drop_in(&self, mirror: &str) -> String {
        let mut out = String::from("# Written by provision: pulls by digest go to the mirror first.\n");
        for Repository(source) in &self.sources {
            out.push_str(&format!(
                "\n[[registry]]\nprefix = \"{source}\"\nlocation = \"{source}\"\nmirror-by-digest-only = true\n\n\
                 [[registry.mirror]]\nlocation = \"{mirror}\"\n"
            ));
        }
        out
    }
}
