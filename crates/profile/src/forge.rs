//! Makes what recipes describe, and keeps it in the host's vault; or says beforehand what it would make, and why.
//!
//! Knows the order and the reasons. Everything from outside (files, variables, the time) is handed in.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::SystemTime;

use provision_converge::{Bytes, Vault};

use crate::error::Error;
use crate::import::ReadFile;
use crate::recipe::Recipe;

mod certificate;
mod credential;
mod image;
mod password;

pub(crate) use image::go_architecture;
pub use image::loader;

/// The vault of a host, and all that recipes may draw on.
pub struct Forge<'a> {
    /// Where the pieces are kept.
    pub vault: &'a Vault<'a>,
    /// Reads a file of this machine.
    pub read: ReadFile<'a>,
    /// Looks up a variable of the environment.
    pub variable: &'a dyn Fn(&str) -> Option<String>,
    /// The time.
    pub now: SystemTime,
    /// The binary that provision's own image is made of.
    pub binary: PathBuf,
}

/// One piece, or one pair, that is made.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Making {
    /// What, for people.
    pub what: String,
    /// Why: it is new, or the reason to make it again.
    pub why: String,
    /// The names of its pieces in the vault.
    pub names: Vec<String>,
}

/// Whether a recipe has something to do, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Due {
    /// All is there and good.
    No,
    /// Nothing is there yet.
    New,
    /// What is there is no longer good.
    Again(String),
}

/// A piece ready for the vault.
struct Piece<'a> {
    name: &'a str,
    bytes: Bytes,
    secret: bool,
}

impl Forge<'_> {
    /// What [`Forge::forge`] would make now; writes nothing.
    pub fn preview(&self, recipes: &[Recipe]) -> Result<Vec<Making>, Error> {
        let mut pending: BTreeSet<String> = BTreeSet::new();
        let mut makings = Vec::new();
        for recipe in recipes {
            let source = recipe.made_from().into_iter().find(|name| pending.contains(*name));
            let due = match (source, self.is_complete(recipe)?) {
                (_, false) => Due::New,
                (Some(source), true) => Due::Again(format!("{source} is made again")),
                (None, true) => self.due(recipe)?,
            };
            if let Some(making) = making(recipe, due) {
                pending.extend(making.names.iter().cloned());
                makings.push(making);
            }
        }
        Ok(makings)
    }

    /// Makes what is due, and puts it into the vault.
    pub fn forge(&self, recipes: &[Recipe]) -> Result<Vec<Making>, Error> {
        let mut makings = Vec::new();
        for recipe in recipes {
            let due = if self.is_complete(recipe)? { self.due(recipe)? } else { Due::New };
            let Some(making) = making(recipe, due) else { continue };
            for piece in self.make(recipe)? {
                self.vault.put(piece.name, &piece.bytes, piece.secret).map_err(Error::Vault)?;
            }
            makings.push(making);
        }
        Ok(makings)
    }

    fn is_complete(&self, recipe: &Recipe) -> Result<bool, Error> {
        for (name, secret) in recipe.makes() {
            if self.vault.content(name, secret).map_err(Error::Vault)?.fingerprint.is_none() {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Judges pieces that are all there.
    fn due(&self, recipe: &Recipe) -> Result<Due, Error> {
        match recipe {
            Recipe::Password { name, source } => self.password_due(name, source),
            Recipe::Authority { certificate, .. } => self.authority_due(certificate),
            Recipe::Certificate { certificate, authority_certificate, subjects, .. } => {
                self.certificate_due(certificate, authority_certificate, subjects)
            }
            Recipe::OwnPair { certificate, chain, key, key_file, .. } => {
                self.own_pair_due(certificate, chain, key, key_file)
            }
            Recipe::Htpasswd { name, user, password, .. } => self.htpasswd_due(name, user, password),
            Recipe::AuthEntry { .. } | Recipe::BaseEntry { .. } => self.entry_due(recipe),
            // The name of an archive holds the image's id: what is there is the right one.
            Recipe::OwnImage { .. } | Recipe::CarriedImage { .. } => Ok(Due::No),
        }
    }

    fn make<'r>(&self, recipe: &'r Recipe) -> Result<Vec<Piece<'r>>, Error> {
        let one = |name: &'r str, bytes: Bytes| vec![Piece { name, bytes, secret: true }];
        match recipe {
            Recipe::Password { name, source } => Ok(one(name, self.new_password(source)?)),
            Recipe::Authority { certificate, key, kind, common_name } => {
                let made = self.new_authority(*kind, common_name)?;
                Ok(pair(certificate, key, made))
            }
            Recipe::Certificate {
                certificate,
                key,
                authority_certificate,
                authority_key,
                kind,
                subjects,
            } => {
                let authority = self.authority(authority_certificate, authority_key)?;
                Ok(pair(certificate, key, self.new_certificate(&authority, *kind, subjects)?))
            }
            Recipe::OwnPair { certificate, key, chain, key_file, subjects } => {
                Ok(pair(certificate, key, self.own_pair(chain, key_file, subjects)?))
            }
            Recipe::Htpasswd { name, user, password, cost } => {
                Ok(one(name, self.new_htpasswd(user, password, *cost)?))
            }
            Recipe::AuthEntry { name, user, password } => Ok(one(name, self.auth_entry(user, password)?)),
            Recipe::BaseEntry { name, file, key } => Ok(one(name, self.base_entry(file, key)?)),
            Recipe::OwnImage { name, .. } | Recipe::CarriedImage { name, .. } => {
                let bytes = self.image(recipe)?;
                Ok(vec![Piece { name, bytes, secret: false }])
            }
        }
    }

    /// A piece that another one is made from.
    fn piece(&self, name: &str) -> Result<Bytes, Error> {
        let missing = || Error::NotMade { name: name.to_owned() };
        self.vault.get(name).map_err(Error::Vault)?.ok_or_else(missing)
    }
}

fn making(recipe: &Recipe, due: Due) -> Option<Making> {
    let why = match due {
        Due::No => return None,
        Due::New => "new".to_owned(),
        Due::Again(reason) => reason,
    };
    let names = recipe.makes().into_iter().map(|(name, _)| name.to_owned()).collect();
    Some(Making { what: recipe.what(), why, names })
}

fn pair<'r>(certificate: &'r str, key: &'r str, (chain, private): (Bytes, Bytes)) -> Vec<Piece<'r>> {
    vec![
        // The key first: a certificate without its key would look complete to nobody.
        Piece { name: key, bytes: private, secret: true },
        Piece { name: certificate, bytes: chain, secret: false },
    ]
}
