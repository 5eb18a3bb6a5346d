//! Uploads that are under way: one writer at a time, the hash kept between requests, the forgotten ones dropped.
//!
//! Knows the store's uploads and time. Must not know HTTP headers.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use provision_oci::{Repository, Result, Store, Upload};
use tokio::sync::{Mutex as AsyncMutex, OwnedMutexGuard};

/// How long a request waits for another one of the same upload, whose client may be gone.
const PATIENCE: Duration = Duration::from_secs(5);

/// All uploads that had a request since the server started, by id.
#[derive(Default)]
pub(crate) struct Sessions {
    slots: Mutex<BTreeMap<String, Slot>>,
}

#[derive(Clone)]
struct Slot {
    session: Arc<AsyncMutex<Session>>,
    touched: Instant,
}

/// One upload.
#[derive(Default)]
pub(crate) struct Session {
    /// To which repository; an upload of an earlier run of the server takes that of its first request.
    repository: Option<Repository>,
    /// `None` once it is committed or aborted, and before it is read from disk.
    pub(crate) upload: Option<Upload>,
}

/// The turn of one request; the session's upload is there while it is held.
pub(crate) type Turn = OwnedMutexGuard<Session>;

/// Whether a request gets its turn.
pub(crate) enum Claim {
    Granted(Turn),
    /// Another request has it.
    Busy,
    /// There is no such upload in this repository.
    Unknown,
}

impl Sessions {
    /// Keeps an upload for the requests to come.
    pub(crate) fn keep(&self, repository: &Repository, upload: Upload) {
        let id = upload.id().to_owned();
        let session = Session { repository: Some(repository.clone()), upload: Some(upload) };
        let slot = Slot { session: Arc::new(AsyncMutex::new(session)), touched: Instant::now() };
        self.slots().insert(id, slot);
    }

    /// Takes the turn for an upload, of this run of the server or of one before.
    pub(crate) async fn claim(&self, store: &Store, repository: &Repository, id: &str) -> Result<Claim> {
        let session = {
            let mut slots = self.slots();
            let new = || Slot { session: Arc::default(), touched: Instant::now() };
            let slot = slots.entry(id.to_owned()).or_insert_with(new);
            slot.touched = Instant::now();
            slot.session.clone()
        };
        let Ok(mut turn) = tokio::time::timeout(PATIENCE, session.lock_owned()).await else {
            return Ok(Claim::Busy);
        };
        if turn.upload.is_none() {
            // Under the turn, so that no two requests open the same file.
            turn.upload = store.resume(id).await?;
        }
        let stranger = turn.repository.as_ref().is_some_and(|owner| owner != repository);
        if turn.upload.is_none() {
            self.forget(id);
            return Ok(Claim::Unknown);
        }
        if stranger {
            return Ok(Claim::Unknown);
        }
        turn.repository = Some(repository.clone());
        Ok(Claim::Granted(turn))
    }

    /// Lets go of an upload that is committed or aborted.
    pub(crate) fn forget(&self, id: &str) {
        self.slots().remove(id);
    }

    /// Notes that an upload is alive.
    pub(crate) fn touch(&self, id: &str) {
        if let Some(slot) = self.slots().get_mut(id) {
            slot.touched = Instant::now();
        }
    }

    /// Drops what nobody continued for `limit`: uploads of this run, and files of earlier ones. Returns their ids.
    pub(crate) async fn expire(&self, store: &Store, limit: Duration) -> Vec<String> {
        let mut expired = Vec::new();
        let old: Vec<(String, Slot)> = {
            let slots = self.slots();
            let old = slots.iter().filter(|(_, slot)| slot.touched.elapsed() > limit);
            old.map(|(id, slot)| (id.clone(), slot.clone())).collect()
        };
        for (id, slot) in old {
            // A request that has the turn is writing: the upload is alive.
            let Ok(mut turn) = slot.session.try_lock_owned() else { continue };
            if let Some(upload) = turn.upload.take() {
                // What cannot be removed now is found on disk the next time.
                let _ = upload.abort().await;
                expired.push(id.clone());
            }
            self.forget(&id);
        }
        let directory = store.directory().join("uploads");
        let Ok(mut files) = tokio::fs::read_dir(&directory).await else { return expired };
        while let Ok(Some(file)) = files.next_entry().await {
            let Ok(id) = file.file_name().into_string() else { continue };
            if self.slots().contains_key(&id) || !is_older(&file, limit).await {
                continue;
            }
            if tokio::fs::remove_file(file.path()).await.is_ok() {
                expired.push(id);
            }
        }
        expired
    }

    /// Puts all bytes to their files, so that the uploads can be resumed after a restart.
    pub(crate) async fn rest(&self) {
        let slots = std::mem::take(&mut *self.slots());
        for slot in slots.into_values() {
            if let Ok(mut turn) = slot.session.try_lock_owned()
                && let Some(upload) = turn.upload.take()
            {
                // The bytes that are lost are missing from the offset that the client asks for.
                let _ = upload.pause().await;
            }
        }
    }

    fn slots(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, Slot>> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn is_older(file: &tokio::fs::DirEntry, limit: Duration) -> bool {
    let Ok(metadata) = file.metadata().await else { return false };
    let age = metadata.modified().ok().and_then(|modified| SystemTime::now().duration_since(modified).ok());
    age.is_some_and(|age| age > limit)
}
