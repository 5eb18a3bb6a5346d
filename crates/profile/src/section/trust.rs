//! `[trust]`: which certificates the host believes, and where the registry's own comes from.
//!
//! Knows the keys. Must not know X.509, nor where a distribution keeps its anchors.

use std::path::PathBuf;

use serde_json::{Value as Json, json};

use crate::attachment::Attachments;
use crate::problem::{Problem, Problems};
use crate::read::{Read, choice, table, wrong_choice};
use crate::scalar::NearPath;
use crate::section::registry::Registry;
use crate::source::{Located, Origin};
use crate::tree::{Node, Value};

choice! {
    /// The kind of the keys that are made.
    pub enum KeyWord {
        /// ECDSA on the curve P-256.
        EcdsaP256 = "ecdsa-p256",
        /// RSA with 3072 bits.
        Rsa3072 = "rsa-3072",
    }
}

table! {
    /// `[trust]` as written.
    pub struct TrustWritten {
        /// Certificates the host shall believe: "@registry" for the registry's authority, or PEM files.
        anchors: Vec<Located<AnchorWritten>>,
        /// The kind of the keys that are made.
        key: KeyWord = KeyWord::EcdsaP256,
        /// The registry's certificate chain of your own (PEM), server first.
        certificate: Option<NearPath>,
        /// The key of `certificate` (PEM).
        certificate_key: Option<NearPath>,
    }
}

/// One item of `anchors`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AnchorWritten {
    /// `"@registry"`.
    Registry,
    /// A PEM file beside the profile.
    File(NearPath),
}

impl Read for AnchorWritten {
    fn read(node: &Node, problems: &mut Problems) -> Option<Self> {
        match &node.value {
            Value::String(text) if text == "@registry" => Some(Self::Registry),
            Value::String(text) if text.starts_with('@') => {
                wrong_choice(node, text, &["@registry", "a PEM file"], problems);
                None
            }
            _ => NearPath::read(node, problems).map(Self::File),
        }
    }

    fn schema() -> Json {
        json!({ "type": "string" })
    }
}

/// `[trust]`, validated.
#[derive(Clone, Debug)]
pub struct Trust {
    /// What the host shall believe.
    pub anchors: Vec<Anchor>,
    /// The kind of the keys that are made.
    pub key: KeyWord,
    /// The registry's own pair; without it, an authority is made on the host.
    pub pair: Option<OwnPair>,
}

/// A certificate that the host shall believe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Anchor {
    /// The authority that is made on the host.
    Registry,
    /// One from a file.
    Pem {
        /// A name for the anchor's file: the given file's, without extension.
        name: String,
        /// The file's bytes.
        bytes: Vec<u8>,
        /// Where it is named.
        origin: Origin,
    },
}

/// A certificate of the user's own.
#[derive(Clone, Debug)]
pub struct OwnPair {
    /// The chain in PEM, server first.
    pub certificate: Vec<u8>,
    /// The file of its key; read only when it is needed.
    pub key: PathBuf,
    /// Where it is declared.
    pub origin: Origin,
}

impl Default for Trust {
    fn default() -> Self {
        Self { anchors: Vec::new(), key: KeyWord::EcdsaP256, pair: None }
    }
}

impl Trust {
    pub(crate) fn validate(
        written: TrustWritten,
        registry: bool,
        files: &mut Attachments<'_>,
        problems: &mut Problems,
    ) -> Self {
        let pair = match (&written.certificate, &written.certificate_key) {
            (Some(certificate), Some(key)) => files.read(certificate, problems).map(|bytes| OwnPair {
                certificate: bytes,
                key: key.path(),
                origin: certificate.origin().clone(),
            }),
            (None, None) => None,
            (Some(one), None) | (None, Some(one)) => {
                let title = "`certificate` and `certificate-key` belong together";
                problems.push(Problem::new(one.origin(), title, "the other is missing"));
                None
            }
        };
        let mut trust = Self { anchors: Vec::new(), key: written.key, pair };
        for anchor in written.anchors {
            if let Some(anchor) = trust.anchor(anchor, registry, files, problems) {
                trust.anchors.push(anchor);
            }
        }
        trust
    }

    fn anchor(
        &self,
        written: Located<AnchorWritten>,
        registry: bool,
        files: &mut Attachments<'_>,
        problems: &mut Problems,
    ) -> Option<Anchor> {
        let origin = written.origin;
        match written.value {
            AnchorWritten::Registry if !registry => {
                let title = "\"@registry\" needs a `[registry]` section";
                problems.push(Problem::new(&origin, title, "there is no registry here"));
                None
            }
            AnchorWritten::Registry => match &self.pair {
                Some(pair) => {
                    let title = "\"@registry\" is the authority that provision makes; here the certificate is your own";
                    let problem = Problem::new(&origin, title, "").and(&pair.origin, "the certificate");
                    problems.push(problem.help("name the PEM file of the authority that signed it"));
                    None
                }
                None => Some(Anchor::Registry),
            },
            AnchorWritten::File(file) => {
                let bytes = files.read(&file, problems)?;
                let stem = file.path().file_stem().map(|stem| stem.to_string_lossy().into_owned());
                let name = plain_name(&stem.unwrap_or_default());
                if let Some(Anchor::Pem { origin: other, .. }) = self
                    .anchors
                    .iter()
                    .find(|anchor| matches!(anchor, Anchor::Pem { name: taken, .. } if *taken == name))
                {
                    let title = format!("two anchors would have the name {name:?}");
                    problems.push(Problem::new(&origin, title, "").and(other, "the other"));
                    return None;
                }
                Some(Anchor::Pem { name, bytes, origin })
            }
        }
    }
}

/// A file name that every tool takes: letters, digits, `.`, `_` and `-`.
fn plain_name(text: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-') { c } else { '-' };
    text.chars().map(plain).collect()
}

/// Every name and address that the registry's certificate must hold, each once, the host's name first.
pub fn subjects(registry: &Registry, host: &crate::section::host::Host) -> Vec<crate::scalar::Subject> {
    use crate::scalar::{HostName, Subject};
    let mut out = vec![Subject::Name(HostName(registry.host.clone()))];
    for (name, addresses) in &host.addresses {
        out.push(Subject::Name(name.clone()));
        out.extend(addresses.iter().copied().map(Subject::Address));
    }
    out.extend(registry.names.iter().cloned());
    let mut seen = std::collections::BTreeSet::new();
    out.retain(|subject| seen.insert(subject.clone()));
    out
}
