//! Bytes on their way into a store: hashed as they come, in place only when they are what was promised.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use tokio::fs;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::{Store, absent};
use crate::digest::{Digest, Hasher};
use crate::error::{Error, Result};

/// How much is read at once when the bytes of an earlier session are hashed again.
const CHUNK: usize = 256 * 1024;

/// A blob that is being written.
pub struct Upload {
    store: Store,
    id: String,
    part: Part,
    file: fs::File,
    /// None: somebody else checks the bytes.
    hasher: Option<Hasher>,
    offset: u64,
}

/// The file that the bytes are in until they are whole.
struct Part {
    path: PathBuf,
    /// Nobody will resume it: it goes when it is dropped, on an error or in the middle of something.
    passing: bool,
}

impl Drop for Part {
    fn drop(&mut self) {
        if self.passing {
            // Gone already when the blob was put in place.
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

impl Upload {
    pub(super) async fn begin(store: &Store) -> Result<Self> {
        let mut random = [0; 16];
        openssl::rand::rand_bytes(&mut random)?;
        let id: String = random.iter().map(|byte| format!("{byte:02x}")).collect();
        let directory = store.directory.join("uploads");
        let path = directory.join(&id);
        fs::create_dir_all(&directory).await.map_err(|e| Error::file("make", &directory, e))?;
        // Not in tokio's pool: were this given up in the middle, the file would be made after all, and stay for good.
        let file = std::fs::OpenOptions::new().create_new(true).write(true).open(&path);
        let file = fs::File::from_std(file.map_err(|e| Error::file("make", &path, e))?);
        let part = Part { path, passing: false };
        Ok(Self { store: store.clone(), id, part, file, hasher: Some(Hasher::new()?), offset: 0 })
    }

    /// An upload that nobody will resume.
    pub(super) async fn begin_passing(store: &Store) -> Result<Self> {
        let mut upload = Self::begin(store).await?;
        upload.part.passing = true;
        Ok(upload)
    }

    /// An upload whose bytes are checked by whoever writes them, and that nobody will resume.
    pub(super) async fn begin_checked(store: &Store) -> Result<Self> {
        Ok(Self { hasher: None, ..Self::begin_passing(store).await? })
    }

    pub(super) async fn resume(store: &Store, id: &str) -> Result<Option<Self>> {
        // Ids are ours: anything else must not become part of a path.
        if id.len() != 32 || !id.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Ok(None);
        }
        let path = store.directory.join("uploads").join(id);
        let opened = fs::OpenOptions::new().read(true).append(true).open(&path).await;
        let Some(mut file) = absent(opened, "open", &path)? else { return Ok(None) };
        let (mut hasher, mut offset) = (Hasher::new()?, 0);
        let mut buffer = vec![0; CHUNK];
        loop {
            let read = file.read(&mut buffer).await.map_err(|e| Error::file("read", &path, e))?;
            if read == 0 {
                break;
            }
            hasher.update(&buffer[..read])?;
            offset += read as u64;
        }
        let part = Part { path, passing: false };
        Ok(Some(Self { store: store.clone(), id: id.to_owned(), part, file, hasher: Some(hasher), offset }))
    }

    /// The name under which the upload can be resumed.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// How many bytes have come.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// Takes bytes.
    pub async fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.file.write_all(bytes).await.map_err(|e| Error::file("write", &self.part.path, e))?;
        if let Some(hasher) = &mut self.hasher {
            hasher.update(bytes)?;
        }
        self.offset += bytes.len() as u64;
        Ok(())
    }

    /// Lets the upload rest, to be resumed; its bytes are in the file.
    pub async fn pause(mut self) -> Result<()> {
        self.part.passing = false;
        self.file.flush().await.map_err(|e| Error::file("write", &self.part.path, e))
    }

    /// Puts the blob in place if it is what was promised; otherwise nothing is stored and the bytes are gone.
    /// Returns its size.
    pub async fn commit(self, expected: &Digest) -> Result<u64> {
        let Self { store, part, file, hasher, offset, .. } = self;
        if let Some(hasher) = hasher
            && let found = hasher.finish()?
            && found != *expected
        {
            discard(&part.path).await?;
            let what = "the blob that was received".to_owned();
            return Err(Error::DigestMismatch { what, expected: *expected, found });
        }
        let target = store.blob_path(expected);
        rest(file, &part.path, &target).await?;
        Ok(offset)
    }

    /// Puts the blob in place whose bytes somebody else has checked.
    pub(crate) async fn commit_checked(mut self, digest: &Digest) -> Result<()> {
        self.hasher = None;
        self.commit(digest).await.map(drop)
    }

    /// Puts the bytes at any path of the store; for its small files.
    pub(super) async fn place(self, target: &Path) -> Result<()> {
        rest(self.file, &self.part.path, target).await
    }

    /// Gives up: the bytes are gone.
    pub async fn abort(self) -> Result<()> {
        discard(&self.part.path).await
    }
}

async fn discard(path: &Path) -> Result<()> {
    absent(fs::remove_file(path).await, "remove", path).map(drop)
}

/// Bytes to disk, then the name to its place, then the directory to disk.
async fn rest(mut file: fs::File, path: &Path, target: &Path) -> Result<()> {
    let failed = |action| move |e| Error::file(action, path, e);
    file.flush().await.map_err(failed("write"))?;
    file.sync_all().await.map_err(failed("write"))?;
    drop(file);
    let directory = target.parent().unwrap_or(target);
    make(directory).await?;
    fs::rename(path, target).await.map_err(|e| Error::file("put in place", target, e))?;
    sync(directory).await
}

/// Makes a directory with all that is missing above it. Each name is on disk before anything is put below it: on FAT,
/// which media often have, nothing else keeps that order.
async fn make(directory: &Path) -> Result<()> {
    let mut missing = Vec::new();
    for above in directory.ancestors().take_while(|above| !above.as_os_str().is_empty()) {
        if absent(fs::metadata(above).await, "look at", above)?.is_some() {
            break;
        }
        missing.push(above);
    }
    for directory in missing.into_iter().rev() {
        match fs::create_dir(directory).await {
            // Another upload was faster.
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            made => made.map_err(|e| Error::file("make", directory, e))?,
        }
        sync(directory.parent().filter(|above| !above.as_os_str().is_empty()).unwrap_or(Path::new(".")))
            .await?;
    }
    Ok(())
}

async fn sync(directory: &Path) -> Result<()> {
    let handle = fs::File::open(directory).await.map_err(|e| Error::file("open", directory, e))?;
    handle.sync_all().await.map_err(|e| Error::file("sync", directory, e))
}
