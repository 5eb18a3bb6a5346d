//! A profile that is complete and consistent: what is left after loading.
//!
//! Knows how the sections need each other. Must not know the host.

use std::path::Path;
use std::sync::Arc;

use serde_json::{Value as Json, json};

use crate::attachment::Attachments;
use crate::error::Error;
use crate::import::{self, ReadFile, SCHEMA};
use crate::problem::{Problem, Problems};
use crate::read::{Read, unknown_keys};
use crate::section::host::{Host, HostWritten};
use crate::section::mirror::Mirror;
use crate::section::preflight::Preflight;
use crate::section::pull_secret::{PullSecret, PullSecretWritten};
use crate::section::redirect::{Redirect, RedirectWritten};
use crate::section::registry::{self, Registry, RegistryWritten};
use crate::section::trust::{Trust, TrustWritten};
use crate::source::{Origin, Source};
use crate::tree::{Node, Table, Value};
use crate::variable::Variables;

/// One host, declared.
#[derive(Clone, Debug)]
pub struct Profile {
    /// Its name.
    pub name: String,
    /// What the host must offer.
    pub preflight: Option<Preflight>,
    /// Name, addresses, packages, files.
    pub host: Host,
    /// The registry.
    pub registry: Option<Registry>,
    /// What the host believes.
    pub trust: Trust,
    /// The auth files.
    pub pull_secret: Option<PullSecret>,
    /// The images to hold.
    pub mirror: Option<Mirror>,
    /// The redirect to them.
    pub redirect: Option<Redirect>,
    /// Every key with the line that set it, imports and variables resolved.
    pub merged: Merged,
}

/// The tree after imports and variables; kept to explain where a value came from.
#[derive(Clone, Debug)]
pub struct Merged {
    source: Arc<Source>,
    table: Table,
}

impl Merged {
    /// Where a dotted key such as `registry.port` was set; `None` when it is defaulted.
    pub fn origin(&self, key: &str) -> Option<&Origin> {
        let mut table = &self.table;
        let mut parts = key.split('.').peekable();
        while let Some(part) = parts.next() {
            let entry = table.get(part)?;
            match (&entry.node.value, parts.peek()) {
                (_, None) => return Some(&entry.key),
                (crate::tree::Value::Table(inner), Some(_)) => table = inner,
                _ => return None,
            }
        }
        None
    }

    /// What a dotted key is set to.
    pub(crate) fn node(&self, key: &str) -> Option<&Node> {
        let mut parts = key.split('.');
        let mut node = &self.table.get(parts.next()?)?.node;
        for part in parts {
            let Value::Table(table) = &node.value else { return None };
            node = &table.get(part)?.node;
        }
        Some(node)
    }

    /// The file that was asked for.
    pub fn source(&self) -> &Arc<Source> {
        &self.source
    }
}

const SECTIONS: [&str; 7] = ["preflight", "host", "registry", "trust", "pull-secret", "mirror", "redirect"];

/// Loads a profile: reads it and its imports through `read`, lays `NAME=VALUE` settings over `[vars]`, and
/// checks everything. All errors come at once, as [`Error::Invalid`].
pub fn load(path: &Path, settings: &[String], read: ReadFile<'_>) -> Result<Profile, Error> {
    let mut problems = Problems::default();
    let (source, table) = import::merged(path, read, &mut problems).map_err(Error::Profile)?;
    // A file that is not TOML at all has no keys to complain about.
    let readable = problems.is_empty() || !table.is_empty();
    let profile = readable.then(|| Profile::read(source, table, settings, read, &mut problems)).flatten();
    problems.sort();
    match profile {
        Some(profile) if problems.is_empty() => Ok(profile),
        _ => Err(Error::Invalid(problems)),
    }
}

impl Profile {
    fn read(
        source: Arc<Source>,
        mut table: Table,
        settings: &[String],
        read: ReadFile<'_>,
        problems: &mut Problems,
    ) -> Option<Self> {
        let vars = table.remove("vars");
        let variables = Variables::collect(vars.as_deref(), settings, problems);
        variables.substitute(&mut table, problems);
        let known: Vec<&str> = ["schema", "name", "imports", "vars"].into_iter().chain(SECTIONS).collect();
        unknown_keys("", &table, &known, problems);
        let name = match table.get("name") {
            Some(entry) => String::read(&entry.node, problems),
            None => {
                let top = Origin::new(&source, 0..0);
                problems.push(Problem::new(&top, "the profile lacks `name`", "expected near the top"));
                None
            }
        };
        let written = Written::read(&table, problems);
        let merged = Merged { source, table };
        written.validate(name, merged, &mut Attachments::new(read), problems)
    }

    /// The JSON Schema (2020-12) of a profile, from the same declarations that read it.
    pub fn json_schema() -> Json {
        let variable = json!({ "type": ["string", "integer", "number", "boolean", "array"] });
        json!({
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "title": "provision profile",
            "type": "object",
            "properties": {
                "schema": { "const": SCHEMA },
                "name": { "type": "string" },
                "imports": { "type": "array", "items": { "type": "string" } },
                "vars": { "type": "object", "additionalProperties": variable },
                "preflight": Preflight::schema(),
                "host": HostWritten::schema(),
                "registry": RegistryWritten::schema(),
                "trust": TrustWritten::schema(),
                "pull-secret": PullSecretWritten::schema(),
                "mirror": Mirror::schema(),
                "redirect": RedirectWritten::schema(),
            },
            "required": ["schema"],
            "additionalProperties": false,
        })
    }
}

/// The sections as they were written, each read by itself.
struct Written {
    preflight: Option<Preflight>,
    host: Option<HostWritten>,
    registry: Option<RegistryWritten>,
    trust: Option<TrustWritten>,
    pull_secret: Option<PullSecretWritten>,
    mirror: Option<Mirror>,
    redirect: Option<RedirectWritten>,
    /// A section that is there, readable or not: the others must not complain that it is missing.
    has_registry: bool,
    has_mirror: bool,
}

impl Written {
    fn read(table: &Table, problems: &mut Problems) -> Self {
        fn section<T: Read>(table: &Table, name: &str, problems: &mut Problems) -> Option<T> {
            table.get(name).and_then(|entry| T::read(&entry.node, problems))
        }
        Self {
            preflight: section(table, "preflight", problems),
            host: section(table, "host", problems),
            registry: section(table, "registry", problems),
            trust: section(table, "trust", problems),
            pull_secret: section(table, "pull-secret", problems),
            mirror: section(table, "mirror", problems),
            redirect: section(table, "redirect", problems),
            has_registry: table.contains_key("registry"),
            has_mirror: table.contains_key("mirror"),
        }
    }

    fn validate(
        self,
        name: Option<String>,
        merged: Merged,
        files: &mut Attachments<'_>,
        problems: &mut Problems,
    ) -> Option<Profile> {
        let host_unread = self.host.is_none() && merged.table.contains_key("host");
        let host = self.host.map(|written| Host::validate(written, files, problems)).unwrap_or_default();
        if let Some(entry) = merged.table.get("registry").filter(|_| !host_unread) {
            registry::check_host_name(&entry.node.origin, &host, problems);
        }
        let registry = self
            .registry
            .filter(|_| !host_unread)
            .and_then(|written| Registry::validate(written, &host, problems));
        let trust = self.trust.map(|written| Trust::validate(written, self.has_registry, files, problems));
        let pull_secret =
            self.pull_secret.map(|written| PullSecret::validate(written, self.has_registry, files, problems));
        let mirror = self.mirror.map(|written| written.validate(self.has_registry, problems));
        let redirect = match self.redirect {
            // The mirror is declared but unreadable: that is the error, not the redirect.
            Some(_) if self.has_mirror && mirror.is_none() => None,
            Some(written) => Redirect::validate(written, mirror.as_ref(), problems),
            None => None,
        };
        Some(Profile {
            name: name?,
            preflight: self.preflight,
            host,
            registry,
            trust: trust.unwrap_or_default(),
            pull_secret,
            mirror,
            redirect,
            merged,
        })
    }
}
