//! What is valid in a file of credentials and will still not work, or not as meant.
//!
//! Knows the traps of the format. Must not know the host: which helper programs exist is given.

use std::collections::BTreeSet;

use serde::Serialize;

use crate::auth_file::AuthFile;
use crate::lookup::{Match, host_of, normalise, strip_scheme, without_port};

/// One thing worth knowing about a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// A stable name, such as `entry-empty`.
    pub id: &'static str,
    /// Whether it prevents access, or may surprise.
    pub severity: Severity,
    /// The key or host concerned.
    pub key: String,
    /// What was found. Never contains a secret.
    pub found: String,
    /// What to do about it.
    pub remedy: String,
}

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Works, and may surprise.
    Warning,
    /// This credential cannot work.
    Error,
}

impl AuthFile {
    /// Everything worth knowing about this file, in file order.
    ///
    /// `installed` has the suffixes of the `docker-credential-…` programs that exist: ask for each of
    /// [`AuthFile::helpers`].
    pub fn findings(&self, installed: &BTreeSet<String>) -> Vec<Finding> {
        let keys = self.keys();
        let mut all = self.helper_findings(installed);
        for (at, key) in keys.iter().enumerate() {
            all.extend(self.key_finding(key));
            all.extend(self.content_finding(key));
            let earlier = keys.get(..at).unwrap_or_default();
            all.extend(earlier.iter().filter_map(|other| self.pair_finding(key, other)));
        }
        all
    }

    fn helper_findings(&self, installed: &BTreeSet<String>) -> Vec<Finding> {
        let store = self.store().map(|helper| ("*".to_owned(), helper));
        let hosts =
            self.helper_hosts().into_iter().filter_map(|host| self.helper_of(&host).map(|h| (host, h)));
        let mut all = Vec::new();
        for (host, helper) in hosts.chain(store) {
            if !installed.contains(&helper) {
                all.push(Finding {
                    id: "helper-missing",
                    severity: Severity::Error,
                    key: host.clone(),
                    found: format!("the program docker-credential-{helper} is not installed"),
                    remedy: format!(
                        "install docker-credential-{helper}, or remove {helper:?} and log in again"
                    ),
                });
            }
            if let Match::Credentials { .. } | Match::IdentityToken { .. } = self.content(host.clone()) {
                all.push(Finding {
                    id: "helper-first",
                    severity: Severity::Warning,
                    key: host.clone(),
                    found: format!(
                        "docker-credential-{helper} is asked, the entry's own credentials are not used"
                    ),
                    remedy: format!("remove {host:?} from credHelpers or from auths"),
                });
            }
        }
        all
    }

    fn key_finding(&self, key: &str) -> Option<Finding> {
        let (found, remedy) = if strip_scheme(key).len() != key.len() {
            let host = host_of(key);
            ("the key is a URL; only its host is compared, and last", format!("rename the key to {host:?}"))
        } else if key.split_once('/').is_some_and(|(_, path)| path.contains([':', '@'])) {
            ("the key has a tag or a digest; no lookup finds it", "remove the tag from the key".to_owned())
        } else if key.ends_with('/') || key.contains(char::is_whitespace) || key.is_empty() {
            (
                "no lookup finds this key",
                "a key is host[:port] or host[:port]/namespace[/repository]".to_owned(),
            )
        } else {
            return None;
        };
        let severity = if strip_scheme(key).len() != key.len() { Severity::Warning } else { Severity::Error };
        Some(Finding { id: "key-form", severity, key: key.to_owned(), found: found.to_owned(), remedy })
    }

    fn content_finding(&self, key: &str) -> Option<Finding> {
        let add = format!("provision pull-secret add {key} --username USER < PASSWORD-FILE");
        let plain = self.field(key, "username").zip(self.field(key, "password"));
        let (id, severity, found) = match (self.content(key.to_owned()), plain) {
            (Match::Empty { .. }, _) if self.helper_of(host_of(key)).is_none() && self.store().is_none() => {
                ("entry-empty", Severity::Error, "the entry has no credentials and no helper has them")
            }
            (Match::Credentials { credentials, .. }, Some((username, password))) => {
                if !credentials.same_as(&username, &password) {
                    ("auth-contradicted", Severity::Error, "auth and username/password are not the same")
                } else if self.field(key, "auth").is_none_or(|auth| auth.is_empty()) {
                    (
                        "auth-missing",
                        Severity::Error,
                        "there is username and password but no auth; podman reads auth only",
                    )
                } else {
                    return None;
                }
            }
            _ => return None,
        };
        Some(Finding { id, severity, key: key.to_owned(), found: found.to_owned(), remedy: add })
    }

    fn pair_finding(&self, key: &str, other: &str) -> Option<Finding> {
        let (host, other_host) = (host_of(key), host_of(other));
        if normalise(key, self.format) == normalise(other, self.format) {
            return Some(Finding {
                id: "key-twice",
                severity: Severity::Warning,
                key: key.to_owned(),
                found: format!(
                    "{key:?} and {other:?} name the same registry; which one is used depends on the spelling asked for"
                ),
                remedy: format!("remove one of {key:?} and {other:?}"),
            });
        }
        if host == other_host || without_port(host) != without_port(other_host) {
            return None;
        }
        Some(Finding {
            id: "port-differs",
            severity: Severity::Warning,
            key: key.to_owned(),
            found: format!(
                "{host:?} and {other_host:?} are two registries: credentials of one are not sent to the other"
            ),
            remedy: format!(
                "keep the one whose port is published; compare with the registry's address ({other:?}, {key:?})"
            ),
        })
    }
}
