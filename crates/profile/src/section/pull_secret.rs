//! `[pull-secret]`: the auth files that know the registry's credentials.
//!
//! Knows which entry goes into which file. Must not know the format of an auth file.

use std::path::PathBuf;

use provision_converge::Content;
use provision_pull_secret::AuthFile;

use crate::attachment::Attachments;
use crate::draft::Draft;
use crate::problem::{Problem, Problems};
use crate::read::table;
use crate::recipe::{self, Recipe};
use crate::scalar::{HostPath, NearPath};
use crate::section::registry::Registry;

table! {
    /// `[pull-secret]` as written.
    pub struct PullSecretWritten {
        /// An auth file beside the profile whose entries are taken over.
        base: Option<NearPath>,
        /// The auth files on the host that get the entries.
        write: Vec<HostPath>,
    }
}

/// `[pull-secret]`, validated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PullSecret {
    /// The auth file whose entries are taken over, and their keys; the credentials are not held.
    pub base: Option<(PathBuf, Vec<String>)>,
    /// The auth files on the host that get the entries.
    pub write: Vec<HostPath>,
}

impl PullSecret {
    pub(crate) fn validate(
        written: PullSecretWritten,
        registry: bool,
        files: &mut Attachments<'_>,
        problems: &mut Problems,
    ) -> Self {
        if !registry && written.base.is_none() {
            let title = "`pull-secret` has nothing to write: there is neither a `[registry]` nor a `base`";
            problems.push(Problem::new(&written.origin, title, ""));
        }
        if written.write.is_empty() {
            let title = "`pull-secret.write` names no file";
            let problem = Problem::new(&written.origin, title, "");
            problems.push(problem.help("such as write = [\"/root/.config/containers/auth.json\"]"));
        }
        let base = written.base.and_then(|file| {
            let bytes = zeroize::Zeroizing::new(files.read(&file, problems)?);
            match AuthFile::parse(&bytes) {
                Ok(auths) => Some((file.path(), auths.keys())),
                Err(error) => {
                    let title = format!("{} is not an auth file", file.path().display());
                    problems.push(Problem::new(file.origin(), title, error.to_string()));
                    None
                }
            }
        });
        Self { base, write: written.write }
    }

    pub(crate) fn resources(&self, registry: Option<&Registry>, draft: &mut Draft) {
        let mut entries: Vec<(String, String)> = Vec::new();
        if let Some(registry) = registry {
            draft.recipe(Recipe::AuthEntry {
                name: recipe::REGISTRY_AUTH_ENTRY.to_owned(),
                user: registry.user.clone(),
                password: recipe::REGISTRY_PASSWORD.to_owned(),
            });
            entries.push((registry.address(), recipe::REGISTRY_AUTH_ENTRY.to_owned()));
        }
        let file = self.base.as_ref().map(|(file, _)| file.clone()).unwrap_or_default();
        for (key, name) in self.base_entries() {
            // The registry's own credentials are newer than anything that a file may hold.
            if registry.is_some_and(|registry| registry.address() == key) {
                continue;
            }
            draft.recipe(Recipe::BaseEntry { name: name.clone(), file: file.clone(), key: key.clone() });
            entries.push((key, name));
        }
        draft.because(&["pull-secret", "host.hostname", "registry.port", "registry.admin"]);
        for path in &self.write {
            for (key, name) in &entries {
                let content = Content::generated(name.as_str(), true);
                draft.part(&path.0, &format!("auths/{key}"), content, 0o600);
            }
        }
    }

    /// The keys of the entries that are taken over, each with the entry's name in the vault.
    pub(crate) fn base_entries(&self) -> Vec<(String, String)> {
        let keys = self.base.iter().flat_map(|(_, keys)| keys);
        keys.map(|key| (key.clone(), vault_name(key))).collect()
    }
}

/// A name for the vault from the key of an entry, which may hold slashes and colons; two keys never share one.
fn vault_name(key: &str) -> String {
    let each = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'.' | b'-' => (byte as char).to_string(),
        other => format!("_{other:02x}"),
    };
    format!("base-entry-{}", key.bytes().map(each).collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::vault_name;

    #[test]
    fn vault_names_are_plain_and_distinct() {
        assert_eq!(vault_name("quay.io"), "base-entry-quay.io");
        assert_eq!(vault_name("r.x:5000/a/../b"), "base-entry-r.x_3a5000_2fa_2f.._2fb");
        assert_ne!(vault_name("a/b"), vault_name("a_2fb"));
    }
}
