//! `[trust]`: which certificates the host believes, and where the registry's own comes from.
//!
//! Knows the keys. Must not know X.509, nor where a distribution keeps its anchors.

use std::path::PathBuf;

use provision_converge::{Content, Health, Poke};
use provision_host::Family;
use provision_trust_store::{ANCHORS_DEBIAN, ANCHORS_RED_HAT, certs_d};
use serde_json::{Value as Json, json};

use crate::attachment::Attachments;
use crate::draft::{Access, Draft};
use crate::problem::{Problem, Problems};
use crate::read::{Read, choice, table, wrong_choice};
use crate::recipe::{self, Recipe};
use crate::scalar::{HostName, NearPath, Subject};
use crate::section::host::Host;
use crate::section::registry::Registry;
use crate::source::{Located, Origin};
use crate::tree::{Node, Value};

/// What the first line of every private key in PEM ends with.
const PRIVATE_KEY: &[u8] = b"PRIVATE KEY-----";

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
    pub certificate: String,
    /// What clients verify it with, in PEM: the anchors that are named beside it.
    pub authority: Vec<u8>,
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
            (Some(certificate), Some(key)) => {
                certificates(certificate, files, problems).map(|bytes| OwnPair {
                    // Only ASCII is PEM; whatever else is in the file, the check of the pair names it.
                    certificate: String::from_utf8_lossy(&bytes).into_owned(),
                    authority: Vec::new(),
                    key: key.path(),
                    origin: certificate.origin().clone(),
                })
            }
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
        if let Some(pair) = &mut trust.pair {
            pair.authority = pem_bytes(&trust.anchors);
            if pair.authority.is_empty() {
                let title = "a certificate of your own needs the authority that signed it";
                let problem = Problem::new(&pair.origin, title, "");
                problems.push(problem.help("name its PEM file in `anchors`"));
            }
        }
        trust
    }

    pub(crate) fn resources(
        &self,
        registry: Option<&Registry>,
        host: &Host,
        family: Family,
        draft: &mut Draft,
    ) {
        if let Some(registry) = registry {
            self.recipes(registry, host, draft);
            let path = certs_d(&registry.address());
            let authority = self.authority_content(draft);
            draft.because(&["host.hostname", "registry.port", "trust.certificate", "trust.anchors"]);
            draft.file(&path, authority, Access::root(0o644), &[], None);
        }
        draft.because(&["trust.anchors"]);
        if !self.anchors.is_empty() {
            // The tool that extracts the bundle; a minimal Debian comes without it.
            draft.package("ca-certificates", None);
        }
        let store = match family {
            Family::Debian => ANCHORS_DEBIAN,
            Family::RedHat => ANCHORS_RED_HAT,
        };
        for anchor in &self.anchors {
            let (path, content, proof) = match anchor {
                Anchor::Registry => {
                    let content = Content::generated(recipe::AUTHORITY_CERTIFICATE, false);
                    (store.path("provision-registry"), content, recipe::AUTHORITY_CERTIFICATE.to_owned())
                }
                Anchor::Pem { name, bytes, .. } => {
                    let path = store.path(&format!("provision-{name}"));
                    (path.clone(), draft.desired.literal(bytes.clone()), path)
                }
            };
            draft.file(&path, content, Access::root(0o644), &[Poke::UpdateTrust], None);
            draft.health(Health::Anchored { certificate: proof, bundle: store.bundle.to_owned() });
        }
    }

    /// What a client of the registry verifies it with.
    fn authority_content(&self, draft: &mut Draft) -> Content {
        match &self.pair {
            None => Content::generated(recipe::AUTHORITY_CERTIFICATE, false),
            Some(pair) => draft.desired.literal(pair.authority.clone()),
        }
    }

    fn recipes(&self, registry: &Registry, host: &Host, draft: &mut Draft) {
        let (certificate, key) = (recipe::REGISTRY_CERTIFICATE.to_owned(), recipe::REGISTRY_KEY.to_owned());
        let subjects = subjects(registry, host);
        match &self.pair {
            Some(pair) => draft.recipe(Recipe::OwnPair {
                certificate,
                key,
                chain: pair.certificate.clone(),
                key_file: pair.key.clone(),
                subjects,
            }),
            None => {
                draft.recipe(Recipe::Authority {
                    certificate: recipe::AUTHORITY_CERTIFICATE.to_owned(),
                    key: recipe::AUTHORITY_KEY.to_owned(),
                    kind: self.key,
                    common_name: format!("provision CA of {}", registry.host),
                });
                draft.recipe(Recipe::Certificate {
                    certificate,
                    key,
                    authority_certificate: recipe::AUTHORITY_CERTIFICATE.to_owned(),
                    authority_key: recipe::AUTHORITY_KEY.to_owned(),
                    kind: self.key,
                    subjects,
                });
            }
        }
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
                let bytes = certificates(&file, files, problems)?;
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

/// The bytes of a file that everybody may read in the end: it must not hold a key as well, as many servers want it.
fn certificates(file: &NearPath, files: &mut Attachments<'_>, problems: &mut Problems) -> Option<Vec<u8>> {
    let bytes = files.read(file, problems)?;
    if bytes.windows(PRIVATE_KEY.len()).any(|text| text == PRIVATE_KEY) {
        let title = format!("{} holds a private key; expected certificates alone", file.path().display());
        let problem = Problem::new(file.origin(), title, "everybody may read what is made of it");
        problems.push(problem.help("keep the key in a file of its own, for `certificate-key`"));
        return None;
    }
    Some(bytes)
}

fn pem_bytes(anchors: &[Anchor]) -> Vec<u8> {
    let mut out = Vec::new();
    for anchor in anchors {
        if let Anchor::Pem { bytes, .. } = anchor {
            out.extend_from_slice(bytes);
            if !bytes.ends_with(b"\n") {
                out.push(b'\n');
            }
        }
    }
    out
}

/// A file name that every tool takes: letters, digits, `.`, `_` and `-`.
fn plain_name(text: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-') { c } else { '-' };
    text.chars().map(plain).collect()
}

/// Every name and address that the registry's certificate must hold, each once, the host's name first.
fn subjects(registry: &Registry, host: &Host) -> Vec<Subject> {
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
