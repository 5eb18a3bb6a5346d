//! A plan in a file: everything that an apply needs without the profile, and nothing that is secret.
//!
//! What is read back decides what root does: it has to be ours, whole, and of a format that we know. Which steps are
//! done is not taken from it all the same: they are planned anew, and have to be the same.

use std::collections::BTreeMap;
use std::path::Path;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use provision_converge::desired::{digest, plain_fingerprint};
use provision_converge::{
    Agreement, Content, Desired, Engine, Error as ConvergeError, Moved, Plan, STATE_DIRECTORY, Vault,
};
use provision_host::{Error as HostError, Meta, NodeKind, Root};
use provision_preflight::Requirement;
use provision_profile::{Making, Recipe, Resolution};
use serde::{Deserialize, Serialize};

use crate::exit::Exit;
use crate::failure::Failure;
use crate::site::{Intent, Site};
use crate::supply::Supply;

/// What such a file calls itself.
const KIND: &str = "provision-plan";
/// The one version of the format there is.
const VERSION: u32 = 1;

/// A saved plan.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SavedPlan {
    /// `provision-plan`.
    #[serde(rename = "type")]
    kind: String,
    /// Version of this format: 1. A newer one is refused.
    version: u32,
    /// The version of provision that saved it.
    provision: String,
    /// When it was saved, RFC 3339 in UTC.
    pub time: String,
    /// The profile.
    pub profile: Text,
    /// What the host has to offer, for preflight.
    pub requirements: Vec<Requirement>,
    /// What is made on the host at the start of the apply.
    pub recipes: Vec<Recipe>,
    /// What of it was to be made when the plan was saved.
    pub making: Vec<Making>,
    /// The state wanted, and what has to be true in the end.
    pub desired: Desired,
    /// Bytes that the profile gives, by fingerprint, in base64.
    literals: BTreeMap<String, String>,
    /// The steps, and what they are bound to.
    pub agreement: Agreement,
}

/// The profile as it was written.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Text {
    /// Its name.
    pub name: String,
    /// Its text, without its imports.
    pub text: String,
    /// The text of its lock, if it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lock: Option<String>,
}

impl Text {
    /// The profile of an intent, with its lock.
    pub fn of(intent: &Intent) -> Self {
        let text = intent.profile.merged.source().text().to_owned();
        Self { name: intent.profile.name.clone(), text, lock: intent.lock.clone() }
    }
}

/// What every version of the format has.
#[derive(Deserialize)]
struct Head {
    #[serde(rename = "type")]
    kind: String,
    version: u32,
}

impl SavedPlan {
    /// Binds a plan to the host. `resolution` is what the plan was made from, with nothing generated filled in.
    pub fn bind(
        (engine, vault): (&Engine<'_>, &Vault<'_>),
        profile: Text,
        requirements: Vec<Requirement>,
        resolution: &Resolution,
        (plan, making): (Plan, Vec<Making>),
    ) -> Result<Self, Failure> {
        let mut literals = resolution.desired.literals.clone();
        for (fingerprint, remote) in &resolution.desired.remote {
            let content = Content::kept(fingerprint.as_str());
            if !vault.holds(&content)? {
                let what =
                    format!("{} is not on this host yet, and the plan has to carry it", remote.address);
                return Err(Failure::new(Exit::Failed, what)
                    .hint("let the profile name a file beside it instead, or apply the profile itself"));
            }
            literals.insert(fingerprint.clone(), vault.find(&content)?.to_vec());
        }
        let mut saved = Self {
            kind: KIND.to_owned(),
            version: VERSION,
            provision: env!("CARGO_PKG_VERSION").to_owned(),
            time: jiff::Timestamp::try_from(provision_host::now()).unwrap_or_default().to_string(),
            profile,
            requirements,
            recipes: resolution.recipes.clone(),
            making,
            desired: Desired {
                literals: BTreeMap::new(),
                remote: BTreeMap::new(),
                ..resolution.desired.clone()
            },
            literals: literals
                .iter()
                .map(|(name, bytes)| (name.clone(), BASE64_STANDARD.encode(bytes)))
                .collect(),
            agreement: engine.agree(plan, String::new())?,
        };
        saved.agreement.id = saved.digest();
        Ok(saved)
    }

    /// Writes it, for its owner alone. What is there is replaced only when it is a saved plan itself.
    pub fn write(&self, path: &Path) -> Result<(), Failure> {
        let here = Root::live()?;
        let free = match here.node(path)?.map(|node| node.kind) {
            None => true,
            Some(NodeKind::File { .. }) => here.read(path)?.as_deref().is_some_and(is_one),
            Some(_) => false,
        };
        if !free {
            let what = format!("{} is there, and is no saved plan", path.display());
            return Err(
                Failure::new(Exit::Usage, what).hint("give the plan another name, or move that aside")
            );
        }
        let mut bytes = serde_json::to_vec_pretty(self)
            .map_err(|error| Failure::new(Exit::Failed, "the plan cannot be written").cause(&error))?;
        bytes.push(b'\n');
        Ok(here.write(path, &bytes, &Meta::own(0o600))?)
    }

    /// Reads one; none when the file is no JSON, or cannot be read: then it may still be a profile.
    pub fn read(site: &Site, path: &Path) -> Result<Option<Self>, Failure> {
        match &site.supply {
            Supply::Here => match Self::read_here(path) {
                // It was saved by root, perhaps; this process ends here when it can become root.
                Err(error) if error.is_permission() => site.need_root().map(|()| None),
                found => found.unwrap_or(Ok(None)),
            },
            // Whose file it is was asked where it came from.
            Supply::Carried(bundle) => match bundle.read(path) {
                Ok(bytes) if Supply::is_plan(&bytes) => Self::parse(path, &bytes).map(Some),
                _ => Ok(None),
            },
        }
    }

    /// Reads one of this machine; the outer error says that the file could not be read.
    pub fn read_here(path: &Path) -> Result<Result<Option<Self>, Failure>, HostError> {
        Ok(match Root::live()?.read_with_meta(path)? {
            Some((bytes, meta)) if Supply::is_plan(&bytes) => {
                ours(path, &meta).and_then(|()| Self::parse(path, &bytes)).map(Some)
            }
            _ => Ok(None),
        })
    }

    fn parse(path: &Path, bytes: &[u8]) -> Result<Self, Failure> {
        let bad = |why: &dyn std::fmt::Display| {
            Failure::new(Exit::Usage, format!("{} is no plan that can be applied", path.display()))
                .cause(why)
                .hint("provision plan -o FILE PROFILE saves one; what plan --json prints is for reading only")
        };
        let head: Head = serde_json::from_slice(bytes).map_err(|error| bad(&error))?;
        if head.kind != KIND {
            return Err(bad(&format!("expected type {KIND:?}, found {:?}", head.kind)));
        }
        if head.version != VERSION {
            let what = format!(
                "{} is a plan of format {}, and this version of provision reads format {VERSION}",
                path.display(),
                head.version
            );
            let hint = "apply it with the version of provision that saved it, or save it again with this one";
            return Err(Failure::new(Exit::Usage, what).hint(hint));
        }
        let mut saved: Self = serde_json::from_slice(bytes).map_err(|error| bad(&error))?;
        saved.check().map_err(|why| bad(&why))?;
        Ok(saved)
    }

    /// Takes the literal bytes in, and refuses what does not fit together.
    fn check(&mut self) -> Result<(), String> {
        if self.digest() != self.agreement.id {
            return Err("it was changed after it was saved: its id is not that of what is in it".to_owned());
        }
        for (fingerprint, text) in &self.literals {
            let bytes = BASE64_STANDARD.decode(text).map_err(|error| format!("{fingerprint}: {error}"))?;
            if plain_fingerprint(&bytes) != *fingerprint {
                return Err(format!("the bytes of {fingerprint} are others"));
            }
            self.desired.literals.insert(fingerprint.clone(), bytes);
        }
        if self.desired.state_id() != self.agreement.plan.state_id {
            return Err("its steps lead to another state than the one that it declares".to_owned());
        }
        let pieces = self.recipes.iter().flat_map(|recipe| {
            recipe.makes().into_iter().map(|(name, _)| name).chain(recipe.made_from()).map(str::to_owned)
        });
        if let Some(name) = pieces.chain(self.generated()).find(|name| name.contains(['/', '\0'])) {
            return Err(format!("{name:?} cannot be the name of something that is made"));
        }
        for (id, resource) in &self.desired.resources {
            if id.path().starts_with(STATE_DIRECTORY) {
                return Err(format!("{id} is among provision's own records"));
            }
            if let Some(content) = resource.state.content().filter(|content| content.generated.is_none())
                && !content.fingerprint.as_ref().is_some_and(|name| self.desired.literals.contains_key(name))
            {
                return Err(format!("the bytes of {id} are not in it"));
            }
        }
        Ok(())
    }

    fn generated(&self) -> impl Iterator<Item = String> {
        let contents = self.desired.resources.values().filter_map(|resource| resource.state.content());
        contents.filter_map(|content| content.generated.clone())
    }

    /// sha256 over everything but the id itself.
    fn digest(&self) -> String {
        let mut unnamed = self.clone();
        unnamed.agreement.id = String::new();
        unnamed.desired.literals = BTreeMap::new();
        digest(&serde_json::to_value(&unnamed).unwrap_or_default())
    }

    /// What it means, as if the profile had been resolved.
    pub fn resolution(&self) -> Resolution {
        let (origins, keys) = (BTreeMap::new(), BTreeMap::new());
        Resolution { desired: self.desired.clone(), recipes: self.recipes.clone(), origins, keys }
    }

    /// A failure that names everything that has moved since it was saved. Reads only.
    pub fn holds(&self, site: &Site, engine: &Engine<'_>) -> Result<(), Failure> {
        let vault = site.vault();
        let (desired, making) = site.preview(&self.resolution(), &vault)?;
        let moved = match engine.holds(&self.agreement, &engine.plan(&desired)?) {
            Ok(()) => Vec::new(),
            Err(ConvergeError::Stale { moved }) => moved,
            Err(error) => return Err(error.into()),
        };
        let mut things: Vec<String> = moved.iter().map(ToString::to_string).collect();
        if !matches!(moved.as_slice(), [Moved::Host { .. }]) {
            things.extend(self.made_otherwise(&making));
        }
        if things.is_empty() { Ok(()) } else { Err(Failure::stale(things)) }
    }

    /// What has to be made by now and had not, or the other way round.
    fn made_otherwise(&self, now: &[Making]) -> Vec<String> {
        let lacks = |those: &[Making], one: &Making| !those.iter().any(|other| other.names == one.names);
        let more = now.iter().filter(|one| lacks(&self.making, one));
        let more = more.map(|one| format!("{}: the plan keeps it, and it is due ({})", one.what, one.why));
        let less = self.making.iter().filter(|one| lacks(now, one));
        more.chain(less.map(|one| format!("{}: the plan makes it, and it is there already", one.what)))
            .collect()
    }
}

/// Whether bytes are those of a saved plan, of whatever version.
pub fn is_one(bytes: &[u8]) -> bool {
    serde_json::from_slice::<Head>(bytes).is_ok_and(|head| head.kind == KIND)
}

/// Refuses a file that somebody else could have written: it decides about what root does.
fn ours(path: &Path, meta: &Meta) -> Result<(), Failure> {
    let user = provision_host::var("SUDO_UID").and_then(|uid| uid.parse().ok());
    let trusted = [Some(0), Some(provision_host::effective_uid()), user];
    let why = match meta.mode {
        _ if !trusted.contains(&Some(meta.uid)) => format!("it belongs to user {}", meta.uid),
        mode if mode & 0o022 != 0 => format!("others may write it (mode {mode:04o})"),
        _ => return Ok(()),
    };
    let what = format!("{} decides about what root does, and {why}", path.display());
    Err(Failure::new(Exit::Usage, what)
        .cause(&"expected a file of root or of the user who asks, which nobody else may write")
        .hint("save it again with provision plan -o FILE PROFILE, in a place that is yours"))
}
