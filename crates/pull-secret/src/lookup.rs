//! Which entry is meant for an image: the longest path first, then hosts alike after normalisation.
//!
//! Knows the lookup rules of containers-auth.json(5) as containers/image applies them (`pkg/docker/config`).
//! Must not know image names beyond `host[:port]/path`, and asks no helper program.

use secrecy::SecretString;

use crate::auth_file::AuthFile;
use crate::credentials::Credentials;
use crate::search::Format;

/// What a file has for an image.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Match {
    /// A user and a password.
    Credentials {
        /// The key of the entry.
        key: String,
        /// Its credentials.
        credentials: Credentials,
    },
    /// An OAuth2 refresh token instead of a password (Docker's `identitytoken`).
    IdentityToken {
        /// The key of the entry.
        key: String,
        /// The token.
        token: SecretString,
    },
    /// A program must be asked: `docker-credential-<helper> get`, with the host on standard input.
    Helper {
        /// The program's suffix.
        helper: String,
        /// The host to ask it about.
        host: String,
        /// Which field names it.
        source: HelperSource,
    },
    /// An entry without credentials: access is anonymous as far as this file is concerned.
    Empty {
        /// The key of the entry.
        key: String,
    },
}

/// The field that names a credential helper.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HelperSource {
    /// `credHelpers`: for this host, and before any entry.
    CredHelpers,
    /// `credsStore`: for every host that has no entry with credentials (Docker; podman does not read it).
    CredsStore,
}

impl AuthFile {
    /// What this file has for an image or repository such as `host:5000/ns/repo:tag`; a tag or digest is ignored.
    ///
    /// Order: `credHelpers` of the host; the keys `host/a/b`, `host/a`, `host`; a key that names the same host after
    /// normalisation (a URL key such as `https://host/v1/`; the names of `docker.io`); `credsStore`.
    /// The port is part of the host: `host` and `host:5000` are two registries.
    pub fn lookup(&self, reference: &str) -> Option<Match> {
        let name = repository_of(reference);
        let host = name.split('/').next().unwrap_or_default();
        if host.is_empty() {
            return None;
        }
        if let Some(helper) = self.helper_of(host) {
            return Some(Match::Helper { helper, host: host.to_owned(), source: HelperSource::CredHelpers });
        }
        let found = self.key_for(name, host).map(|key| self.content(key));
        if let Some(found @ (Match::Credentials { .. } | Match::IdentityToken { .. })) = found {
            return Some(found);
        }
        let asked =
            |helper| Match::Helper { helper, host: host.to_owned(), source: HelperSource::CredsStore };
        self.store().map(asked).or(found)
    }

    /// Keys of the same host with another port, or without one: what a person probably meant when a lookup
    /// found nothing.
    pub fn near(&self, reference: &str) -> Vec<String> {
        let wanted = repository_of(reference).split('/').next().unwrap_or_default();
        let alike = |key: &String| {
            let host = host_of(key);
            host != wanted && without_port(host) == without_port(wanted)
        };
        self.keys().into_iter().filter(alike).collect()
    }

    fn key_for(&self, name: &str, host: &str) -> Option<String> {
        let keys = self.keys();
        let mut path = if self.format == Format::Legacy { host } else { name };
        loop {
            if keys.iter().any(|key| key == path) {
                return Some(path.to_owned());
            }
            match path.rsplit_once('/') {
                Some((shorter, _)) => path = shorter,
                None => break,
            }
        }
        let wanted = canonical_host(host);
        keys.into_iter().find(|key| normalise(key, self.format) == wanted)
    }

    pub(crate) fn content(&self, key: String) -> Match {
        if let Some(token) = self.field(&key, "identitytoken").filter(|token| !token.is_empty()) {
            return Match::IdentityToken { key, token: SecretString::from(token.as_str()) };
        }
        match self.get(&key) {
            Some(credentials) => Match::Credentials { key, credentials },
            None => Match::Empty { key },
        }
    }
}

/// `host/path` of a reference: without scheme, digest and tag.
fn repository_of(reference: &str) -> &str {
    let name = reference.strip_prefix("docker://").unwrap_or(reference);
    let name = name.split('@').next().unwrap_or_default();
    match name.rsplit_once(':') {
        // A colon in the last component begins a tag, unless that component is the host.
        Some((rest, tag)) if rest.contains('/') && !tag.contains('/') => rest,
        _ => name,
    }
}

/// A key as containers/image compares it: URLs lose scheme and path, and `docker.io` has one name.
pub(crate) fn normalise(key: &str, format: Format) -> &str {
    let stripped = strip_scheme(key);
    let is_url = stripped.len() != key.len();
    let cut = if is_url || format == Format::Legacy {
        stripped.split('/').next().unwrap_or_default()
    } else {
        stripped
    };
    canonical_host(cut)
}

/// The host, with its port, of a key in any form.
pub(crate) fn host_of(key: &str) -> &str {
    strip_scheme(key).split('/').next().unwrap_or_default()
}

pub(crate) fn strip_scheme(key: &str) -> &str {
    key.strip_prefix("https://").or_else(|| key.strip_prefix("http://")).unwrap_or(key)
}

pub(crate) fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit()) => name,
        _ => host,
    }
}

fn canonical_host(host: &str) -> &str {
    match host {
        "docker.io" | "registry-1.docker.io" => "index.docker.io",
        other => other,
    }
}
