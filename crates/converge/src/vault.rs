//! provision's own bytes on the host: the store (never secret), and the vault (secrets, and whatever else
//! is made once on each host). Knows names and fingerprints, not what the bytes mean.
//!
//! ```text
//! store/sha256/ab/abcd…       literal bytes and pre-images that anybody may read
//! secrets/host.key            keys the fingerprints of secrets
//! secrets/NAME/current        the fingerprint of the bytes in force
//! secrets/NAME/HEX            the bytes, by fingerprint: older ones serve a rollback
//! secrets/pre-image/HEX       pre-images of files that not everybody may read
//! ```

use std::path::{Path, PathBuf};

use openssl::hash::MessageDigest;
use openssl::pkey::PKey;
use openssl::sign::Signer;
use provision_host::{Meta, NodeKind, Root};
use zeroize::Zeroizing;

use crate::desired::{Desired, hex, plain_fingerprint};
use crate::error::{Error, Result};
use crate::state::Content;

mod stock;

pub(crate) use stock::{Condition, Piece};

/// Bytes that are wiped from memory when dropped; most are secret.
pub type Bytes = Zeroizing<Vec<u8>>;

/// A way to write a file.
type Write = fn(&Root, &Path, &[u8], &Meta) -> provision_host::Result<()>;

/// Where pre-images live that not everybody may read.
const PRE_IMAGE: &str = "pre-image";

/// The store and the vault below one directory, such as `/var/lib/provision`.
pub struct Vault<'a> {
    root: &'a Root,
    directory: PathBuf,
}

impl<'a> Vault<'a> {
    /// The vault of a state directory. Nothing is read or written yet.
    pub fn new(root: &'a Root, directory: impl Into<PathBuf>) -> Self {
        Self { root, directory: directory.into() }
    }

    /// The state directory.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Makes the directories and the host's key, unless they are there; closes them to others, should they be open.
    pub fn prepare(&self) -> Result<()> {
        for own in [self.directory.clone(), self.directory.join("secrets")] {
            if let Some(node) =
                self.root.node(&own)?.filter(|node| node.is_dir() && node.meta.mode & 0o077 != 0)
            {
                self.root.set_meta(&own, &Meta { mode: 0o700, ..node.meta })?;
            }
        }
        make_directories(self.root, &self.directory.join("secrets").join(PRE_IMAGE))?;
        make_directories(self.root, &self.directory.join("store/sha256"))?;
        if self.host_key()?.is_none() {
            let mut key = Zeroizing::new(vec![0; 32]);
            openssl::rand::rand_bytes(&mut key)?;
            self.root.write(&self.directory.join("secrets/host.key"), &key, &Meta::own(0o600))?;
        }
        Ok(())
    }

    /// The bytes in force under a name.
    pub fn get(&self, name: &str) -> Result<Option<Bytes>> {
        let Some(fingerprint) = self.current(name)? else { return Ok(None) };
        let path = self.version(name, &fingerprint);
        let lost = || Error::Lost { what: format!("{name} ({fingerprint})"), store: path.clone() };
        self.root.read(&path)?.map(Zeroizing::new).ok_or_else(lost).map(Some)
    }

    /// Puts bytes in force under a name; what was in force stays for rollbacks.
    pub fn put(&self, name: &str, bytes: &[u8], secret: bool) -> Result<Content> {
        self.prepare()?;
        let content = self.describe(bytes, secret)?;
        let fingerprint = content.fingerprint.clone().unwrap_or_default();
        let path = self.version(name, &fingerprint);
        make_directories(self.root, &self.directory.join("secrets").join(name))?;
        self.root.write(&path, bytes, &Meta::own(0o600))?;
        self.root.write(&self.pointer(name), fingerprint.as_bytes(), &Meta::own(0o600))?;
        Ok(Content { generated: Some(name.to_owned()), ..content })
    }

    /// The content that a name stands for now; without fingerprint when nothing is made yet.
    pub fn content(&self, name: &str, secret: bool) -> Result<Content> {
        Ok(Content { fingerprint: self.current(name)?, ..Content::generated(name, secret) })
    }

    /// Fills in the fingerprints of everything that was generated.
    pub fn fill(&self, desired: &mut Desired) -> Result<()> {
        for resource in desired.resources.values_mut() {
            if let Some(content) = resource.state.content_mut()
                && let Some(name) = &content.generated
            {
                content.fingerprint = self.current(name)?;
            }
        }
        Ok(())
    }

    /// What bytes are, without keeping them. A secret has no fingerprint before the host has a key.
    pub fn describe(&self, bytes: &[u8], secret: bool) -> Result<Content> {
        let fingerprint = match (secret, self.host_key()) {
            (false, _) => Some(plain_fingerprint(bytes)),
            (true, Ok(Some(key))) => Some(format!("hmac:{}", hex(&hmac(&key, bytes)?))),
            (true, Ok(None)) => None,
            (true, Err(error)) => return Err(error),
        };
        Ok(Content { fingerprint, generated: None, secret })
    }

    /// Keeps bytes, so that [`Vault::find`] gives them back for this content.
    pub fn keep(&self, bytes: &[u8], secret: bool) -> Result<Content> {
        self.prepare()?;
        self.keep_by(Root::write, bytes, secret)
    }

    /// Keeps many pieces, each with whether it is secret, and waits for the disk once instead of twice for each.
    pub fn keep_all<B: AsRef<[u8]>>(
        &self,
        pieces: impl IntoIterator<Item = Result<(B, bool)>>,
    ) -> Result<()> {
        self.prepare()?;
        for piece in pieces {
            let (bytes, secret) = piece?;
            self.keep_by(Root::write_soon, bytes.as_ref(), secret)?;
        }
        // Also when all was there: a run that was killed may have left pieces that are not on disk yet.
        Ok(self.root.sync(&self.directory)?)
    }

    fn keep_by(&self, write: Write, bytes: &[u8], secret: bool) -> Result<Content> {
        let content = self.describe(bytes, secret)?;
        let path = self.place(&content);
        if self.root.read(&path)?.as_deref() != Some(bytes) {
            if let Some(parent) = path.parent() {
                make_directories(self.root, parent)?;
            }
            write(self.root, &path, bytes, &Meta::own(if secret { 0o600 } else { 0o444 }))?;
        }
        Ok(content)
    }

    /// The bytes of a content that was kept or generated here.
    pub fn find(&self, content: &Content) -> Result<Bytes> {
        let path = self.place(content);
        let what = || content.fingerprint.clone().or(content.generated.clone()).unwrap_or_default();
        let lost = || Error::Lost { what: what(), store: self.directory.clone() };
        let bytes = self.root.read(&path)?.map(Zeroizing::new).ok_or_else(lost)?;
        match &content.fingerprint {
            // A keyed one could also differ because the key is another.
            Some(fingerprint)
                if fingerprint.starts_with("sha256:") && *fingerprint != plain_fingerprint(&bytes) =>
            {
                Err(Error::Corrupt { path, fingerprint: fingerprint.clone() })
            }
            _ => Ok(bytes),
        }
    }

    /// Whether the bytes of a content are here, undamaged.
    pub fn holds(&self, content: &Content) -> Result<bool> {
        match self.find(content) {
            Ok(_) => Ok(true),
            Err(Error::Lost { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// The path, as the host sees it, of the bytes of something generated.
    pub fn place(&self, content: &Content) -> PathBuf {
        let fingerprint = content.fingerprint.as_deref().unwrap_or_default();
        match (&content.generated, fingerprint.split_once(':')) {
            (Some(name), _) => self.version(name, fingerprint),
            (None, Some(("sha256", hex))) => {
                self.directory.join("store/sha256").join(hex.get(..2).unwrap_or_default()).join(hex)
            }
            (None, _) => self.version(PRE_IMAGE, fingerprint),
        }
    }

    fn current(&self, name: &str) -> Result<Option<String>> {
        let pointer = self.root.read(&self.pointer(name))?;
        Ok(pointer.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()))
    }

    fn pointer(&self, name: &str) -> PathBuf {
        self.directory.join("secrets").join(name).join("current")
    }

    fn version(&self, name: &str, fingerprint: &str) -> PathBuf {
        let hex = fingerprint.rsplit(':').next().unwrap_or_default();
        self.directory.join("secrets").join(name).join(hex)
    }

    fn host_key(&self) -> Result<Option<Bytes>> {
        Ok(self.root.read(&self.directory.join("secrets/host.key"))?.map(Zeroizing::new))
    }
}

fn hmac(key: &[u8], bytes: &[u8]) -> Result<Vec<u8>> {
    let key = PKey::hmac(key)?;
    let mut signer = Signer::new(MessageDigest::sha256(), &key)?;
    signer.update(bytes)?;
    Ok(signer.sign_to_vec()?)
}

/// Makes a directory of provision's own with all its parents, which only root may enter.
pub(crate) fn make_directories(root: &Root, path: &Path) -> Result<()> {
    // Anything else is refused by `make_dir` in its own words; below it, it would look as if something were missing.
    if let Some(NodeKind::Directory | NodeKind::Symlink { .. }) = root.node(path)?.map(|node| node.kind) {
        return Ok(());
    }
    if let Some(parent) = path.parent() {
        make_directories(root, parent)?;
    }
    Ok(root.make_dir(path, &Meta::own(0o700))?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_vault(check: impl FnOnce(&Vault<'_>, &Path)) {
        let directory = tempfile::tempdir().unwrap();
        let root = Root::open(directory.path()).unwrap();
        check(&Vault::new(&root, "/var/lib/provision"), directory.path());
    }

    #[test]
    fn what_was_put_is_found_by_name_and_by_content() {
        with_vault(|vault, _| {
            let first = vault.put("password", b"one", true).unwrap();
            let second = vault.put("password", b"two", true).unwrap();
            assert_eq!(vault.get("password").unwrap().unwrap().as_slice(), b"two");
            assert_eq!(vault.find(&first).unwrap().as_slice(), b"one");
            assert_eq!(vault.content("password", true).unwrap(), second);
            assert_eq!(vault.get("other").unwrap(), None);
        });
    }

    #[test]
    fn what_was_kept_with_others_is_found_and_made_whole_again() {
        with_vault(|vault, root| {
            let pieces = || [(b"one", false), (b"two", true)].map(Ok);
            vault.keep_all(pieces()).unwrap();
            let one = vault.describe(b"one", false).unwrap();
            assert_eq!(vault.find(&one).unwrap().as_slice(), b"one");
            assert_eq!(vault.find(&vault.describe(b"two", true).unwrap()).unwrap().as_slice(), b"two");
            // As a power cut leaves a file that nobody waited for.
            let file = root.join(vault.place(&one).strip_prefix("/").unwrap());
            std::fs::remove_file(&file).unwrap();
            std::fs::write(&file, b"").unwrap();
            vault.keep_all(pieces()).unwrap();
            assert_eq!(vault.find(&one).unwrap().as_slice(), b"one");
        });
    }

    #[test]
    fn a_secret_s_fingerprint_tells_nothing_without_the_host_key() {
        with_vault(|vault, _| {
            assert_eq!(vault.describe(b"one", true).unwrap().fingerprint, None);
            vault.prepare().unwrap();
            let fingerprint = vault.describe(b"one", true).unwrap().fingerprint.unwrap();
            assert!(
                fingerprint.starts_with("hmac:") && !fingerprint.contains(&plain_fingerprint(b"one")[7..])
            );
        });
    }

    #[test]
    fn only_root_may_read_any_of_it() {
        use std::os::unix::fs::PermissionsExt as _;
        with_vault(|vault, root| {
            vault.put("password", b"one", true).unwrap();
            let kept = vault.keep(b"two", true).unwrap();
            let mode = |path: &Path| {
                std::fs::metadata(root.join(path.strip_prefix("/").unwrap())).unwrap().permissions().mode()
            };
            assert_eq!(mode(Path::new("/var/lib/provision")) & 0o777, 0o700);
            assert_eq!(mode(&vault.place(&kept)) & 0o777, 0o600);
            assert_eq!(vault.find(&kept).unwrap().as_slice(), b"two");
        });
    }
}
