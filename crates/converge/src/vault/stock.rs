//! What lies in the store and the vault, and whether it is what its name says.

use std::path::{Path, PathBuf};

use provision_host::{NodeKind, TEMPORARY_PREFIX};

use super::{PRE_IMAGE, Vault, hmac};
use crate::desired::{hex, plain_fingerprint};
use crate::error::{Error, Result};
use crate::state::Content;

/// A file that is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Piece {
    /// Where.
    pub(crate) path: PathBuf,
    /// How long, in bytes.
    pub(crate) size: u64,
}

/// Whether kept bytes are what they were.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Condition {
    /// They are, this many.
    Whole(u64),
    /// They are not.
    Damaged,
    /// They are not there.
    Missing,
    /// They are secret, and without the host's key nobody can tell.
    NoKey,
}

impl Vault<'_> {
    /// Whether the bytes of a content are what its fingerprint says.
    pub(crate) fn condition(&self, content: &Content) -> Result<Condition> {
        let Some(bytes) = self.root.read(&self.place(content))? else { return Ok(Condition::Missing) };
        let bytes = zeroize::Zeroizing::new(bytes);
        let fingerprint = content.fingerprint.as_deref().unwrap_or_default();
        let same = match fingerprint.split_once(':') {
            Some(("sha256", _)) => fingerprint == plain_fingerprint(&bytes),
            Some(("hmac", digits)) => match self.host_key()? {
                Some(key) => digits == hex(&hmac(&key, &bytes)?),
                None => return Ok(Condition::NoKey),
            },
            _ => false,
        };
        Ok(if same { Condition::Whole(bytes.len() as u64) } else { Condition::Damaged })
    }

    /// An error when the bytes of a content are not there, or are others.
    pub(crate) fn must_hold(&self, content: &Content) -> Result<()> {
        let (path, fingerprint) = (self.place(content), content.fingerprint.clone().unwrap_or_default());
        match self.condition(content)? {
            Condition::Whole(_) | Condition::NoKey => Ok(()),
            Condition::Damaged => Err(Error::Corrupt { path, fingerprint }),
            Condition::Missing => Err(Error::Lost { what: fingerprint, store: path }),
        }
    }

    /// Whether a piece is the archive of an image: that can be made again, from what it was made from. Secrets and
    /// certificates cannot.
    pub(crate) fn is_archive(&self, path: &Path) -> Result<bool> {
        let bytes = self.root.read(path)?.map(zeroize::Zeroizing::new);
        Ok(bytes.is_some_and(|bytes| provision_oci::archive::read(&bytes).is_ok()))
    }

    /// The file that says which version of a name is in force.
    pub(crate) fn pointer_piece(&self, name: &str) -> Result<Option<Piece>> {
        let path = self.pointer(name);
        let node = self.root.node(&path)?;
        Ok(node.and_then(|node| match node.kind {
            NodeKind::File { size } => Some(Piece { path, size }),
            _ => None,
        }))
    }

    /// The names of everything that is made here.
    pub(crate) fn names(&self) -> Result<Vec<String>> {
        let secrets = self.directory.join("secrets");
        let mut names = self.root.list(&secrets)?.unwrap_or_default();
        names.retain(|name| {
            name != PRE_IMAGE && self.root.list(&secrets.join(name)).is_ok_and(|there| there.is_some())
        });
        Ok(names)
    }

    /// Everything that is known by its bytes alone: the store, and the pre-images that not everybody may read.
    pub(crate) fn kept(&self) -> Result<Vec<Piece>> {
        let mut pieces = self.versions(PRE_IMAGE)?;
        let store = self.directory.join("store/sha256");
        for shelf in self.root.list(&store)?.unwrap_or_default() {
            pieces.extend(self.pieces(&store.join(shelf))?);
        }
        Ok(pieces)
    }

    /// Every version of what was made under a name.
    pub(crate) fn versions(&self, name: &str) -> Result<Vec<Piece>> {
        self.pieces(&self.directory.join("secrets").join(name))
    }

    /// The files of a directory that are named by a digest, or that a write which was cut off has left.
    fn pieces(&self, directory: &Path) -> Result<Vec<Piece>> {
        let digest = |file: &str| file.len() == 64 && file.bytes().all(|byte| byte.is_ascii_hexdigit());
        let mut pieces = Vec::new();
        if !self.root.node(directory)?.is_some_and(|node| node.is_dir()) {
            return Ok(pieces);
        }
        for file in self.root.list(directory)?.unwrap_or_default() {
            let path = directory.join(&file);
            let ours = digest(&file) || file.starts_with(TEMPORARY_PREFIX);
            if ours && let Some(NodeKind::File { size }) = self.root.node(&path)?.map(|node| node.kind) {
                pieces.push(Piece { path, size });
            }
        }
        Ok(pieces)
    }
}
