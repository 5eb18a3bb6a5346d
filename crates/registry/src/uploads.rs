//! Blobs on their way in: the end points below `/v2/<name>/blobs/uploads/`.
//!
//! Knows the upload methods of the distribution spec: at once, in chunks, mounted from another repository.
//! Must not know how an upload lies on disk.

use bytes::{Bytes, BytesMut};
use http::StatusCode;
use http::header::{CONTENT_LENGTH, CONTENT_RANGE, HeaderName, LOCATION, RANGE};
use http_body_util::BodyExt as _;
use provision_oci::{Digest, Error as StoreError, Repository, Upload};

use crate::event::Event;
use crate::inbound::Inbound;
use crate::range;
use crate::refusal::{Code, Refusal};
use crate::registry::{Asked, CONTENT_DIGEST, Registry, Reply, empty};
use crate::route::{self, parameter};
use crate::session::{Claim, Turn};

const UPLOAD_ID: HeaderName = HeaderName::from_static("docker-upload-uuid");

/// Bytes gathered before they are written: TLS hands out 16 KiB at a time, and a write costs a change of thread.
const GATHER: usize = 256 * 1024;

impl Registry {
    /// POST: a mount, a whole blob (`?digest=`), or an upload to be continued.
    pub(crate) async fn begin_upload(&self, name: &Repository, asked: Asked) -> Result<Reply, Refusal> {
        let query = asked.query.as_deref();
        if let Some(digest) = parameter(query, "mount") {
            let digest = route::digest(&digest)?;
            if self.mount(name, &digest, parameter(query, "from")).await? {
                return Ok(created(name, &digest));
            }
        }
        let digest = parameter(query, "digest").map(|text| route::digest(&text)).transpose()?;
        let mut upload = self.store.begin().await.map_err(|e| Refusal::fault(&e))?;
        let Some(digest) = digest else {
            let reply = progress(name, upload.id(), 0);
            self.sessions.keep(name, upload);
            return Ok(reply);
        };
        match self.receive(&mut upload, asked.body, None).await {
            Ok(()) => self.commit(name, upload, &digest).await,
            Err(refusal) => {
                self.discard(upload).await;
                Err(refusal)
            }
        }
    }

    /// GET: how far it is.
    pub(crate) async fn upload_status(&self, name: &Repository, id: &str) -> Result<Reply, Refusal> {
        let turn = self.turn(name, id).await?;
        let offset = turn.upload.as_ref().map_or(0, Upload::offset);
        let mut reply = progress(name, id, offset);
        *reply.status_mut() = StatusCode::NO_CONTENT;
        Ok(reply)
    }

    /// PATCH: the next bytes.
    pub(crate) async fn continue_upload(
        &self,
        name: &Repository,
        id: &str,
        asked: Asked,
    ) -> Result<Reply, Refusal> {
        let mut turn = self.turn(name, id).await?;
        self.append(name, id, &mut turn, asked).await?;
        Ok(progress(name, id, turn.upload.as_ref().map_or(0, Upload::offset)))
    }

    /// PUT: the last bytes, if any, and the digest of all.
    pub(crate) async fn finish_upload(
        &self,
        name: &Repository,
        id: &str,
        asked: Asked,
    ) -> Result<Reply, Refusal> {
        let digest = parameter(asked.query.as_deref(), "digest");
        let missing =
            || Refusal::bad(Code::DigestInvalid, "the query must have the digest of the whole blob");
        let digest = route::digest(&digest.ok_or_else(missing)?)?;
        let mut turn = self.turn(name, id).await?;
        self.append(name, id, &mut turn, asked).await?;
        let upload = turn.upload.take().ok_or_else(|| unknown(name, id))?;
        let committed = self.commit(name, upload, &digest).await;
        // Not before: another request would open the file anew, and write to what is a blob by then.
        self.sessions.forget(id);
        committed
    }

    /// DELETE: never mind.
    pub(crate) async fn cancel_upload(&self, name: &Repository, id: &str) -> Result<Reply, Refusal> {
        let mut turn = self.turn(name, id).await?;
        let upload = turn.upload.take().ok_or_else(|| unknown(name, id))?;
        let aborted = upload.abort().await;
        self.sessions.forget(id);
        aborted.map_err(|e| Refusal::fault(&e))?;
        Ok(empty(StatusCode::NO_CONTENT, []))
    }

    /// Drops uploads that nobody continued.
    pub(crate) async fn expire(&self) {
        for id in self.sessions.expire(&self.store, self.limits.upload).await {
            (self.events)(Event::UploadExpired { id });
        }
    }

    /// Brings everything to rest before the server ends.
    pub(crate) async fn close(&self) {
        self.sessions.rest().await;
    }

    /// Whether the blob could be taken from a repository that has it. Without `from`, from any: every user may read
    /// all repositories, so nothing is given away.
    async fn mount(&self, name: &Repository, digest: &Digest, from: Option<String>) -> Result<bool, Refusal> {
        let has = match from {
            Some(from) => self.store.repository_has_blob(&route::named(&from)?, digest).await,
            None => self.store.blob_size(digest).await.map(|size| size.is_some()),
        };
        if has.map_err(|e| Refusal::fault(&e))? {
            self.store.link_blob(name, digest).await.map_err(|e| Refusal::fault(&e))?;
            return Ok(true);
        }
        Ok(false)
    }

    async fn turn(&self, name: &Repository, id: &str) -> Result<Turn, Refusal> {
        match self.sessions.claim(&self.store, name, id).await.map_err(|e| Refusal::fault(&e))? {
            Claim::Granted(turn) => Ok(turn),
            Claim::Unknown => Err(unknown(name, id)),
            Claim::Busy => {
                let words = format!("another request writes to the upload {id}; ask for its offset later");
                Err(Refusal::new(StatusCode::CONFLICT, Code::BlobUploadInvalid, words))
            }
        }
    }

    /// Takes the body of a PATCH or PUT, if it begins where the upload stands. When the body ends early the upload
    /// stays, to be resumed; when the disk fails it goes.
    async fn append(
        &self,
        name: &Repository,
        id: &str,
        turn: &mut Turn,
        asked: Asked,
    ) -> Result<(), Refusal> {
        let upload = turn.upload.as_mut().ok_or_else(|| unknown(name, id))?;
        let length = chunk_length(&asked, name, upload)?;
        let received = self.receive(upload, asked.body, length).await;
        self.sessions.touch(id);
        if let Err(refusal) = received {
            if refusal.status.is_server_error()
                && let Some(upload) = turn.upload.take()
            {
                self.discard(upload).await;
                self.sessions.forget(id);
            }
            return Err(refusal);
        }
        Ok(())
    }

    /// Writes a body to an upload, at most `limit` bytes.
    async fn receive(
        &self,
        upload: &mut Upload,
        mut body: Inbound,
        limit: Option<u64>,
    ) -> Result<(), Refusal> {
        let mut left = limit.unwrap_or(u64::MAX);
        let mut gathered = BytesMut::new();
        loop {
            let next = tokio::time::timeout(self.limits.idle, body.frame()).await;
            let data = match next {
                Ok(None) => break,
                Ok(Some(Ok(frame))) => frame.into_data().unwrap_or_default(),
                // What has come is kept: the client may ask how far it is, and go on.
                Ok(Some(Err(_))) | Err(_) => {
                    write(upload, &gathered).await?;
                    let words = "the body ended before its length; ask for the offset and go on from there";
                    return Err(Refusal::bad(Code::BlobUploadInvalid, words));
                }
            };
            left = left.checked_sub(data.len() as u64).ok_or_else(|| {
                Refusal::bad(Code::SizeInvalid, "the body is longer than its Content-Range says")
            })?;
            gather(upload, &mut gathered, data).await?;
        }
        write(upload, &gathered).await
    }

    async fn commit(&self, name: &Repository, upload: Upload, digest: &Digest) -> Result<Reply, Refusal> {
        let id = upload.id().to_owned();
        match upload.commit(digest).await {
            Ok(_) => {}
            Err(StoreError::DigestMismatch { found, .. }) => {
                let words = format!("the bytes that came have {found}, not {digest}; nothing was stored");
                return Err(Refusal::bad(Code::DigestInvalid, words));
            }
            Err(error) => {
                // Nothing is in place; the bytes would only fill the disk further.
                if let Ok(Some(upload)) = self.store.resume(&id).await {
                    self.discard(upload).await;
                }
                return Err(Refusal::fault(&error));
            }
        }
        self.store.link_blob(name, digest).await.map_err(|e| Refusal::fault(&e))?;
        Ok(created(name, digest))
    }

    /// Removes the bytes of an upload that failed. Should that fail too, they expire.
    async fn discard(&self, upload: Upload) {
        let _ = upload.abort().await;
    }
}

async fn gather(upload: &mut Upload, gathered: &mut BytesMut, data: Bytes) -> Result<(), Refusal> {
    if gathered.is_empty() && data.len() >= GATHER {
        return write(upload, &data).await;
    }
    gathered.extend_from_slice(&data);
    if gathered.len() >= GATHER {
        write(upload, gathered).await?;
        gathered.clear();
    }
    Ok(())
}

async fn write(upload: &mut Upload, bytes: &[u8]) -> Result<(), Refusal> {
    if bytes.is_empty() {
        return Ok(());
    }
    upload.write(bytes).await.map_err(|e| Refusal::fault(&e))
}

/// The length that `Content-Range` announces, when it begins where the upload stands.
fn chunk_length(asked: &Asked, name: &Repository, upload: &Upload) -> Result<Option<u64>, Refusal> {
    let Some(header) = asked.header(&CONTENT_RANGE) else { return Ok(None) };
    let (id, offset) = (upload.id(), upload.offset());
    let (first, last) = range::chunk(header)
        .ok_or_else(|| Refusal::bad(Code::BlobUploadInvalid, "Content-Range must be <first>-<last>"))?;
    if first != offset {
        let words = format!("the upload stands at {offset}, the chunk begins at {first}");
        let refusal = Refusal::new(StatusCode::RANGE_NOT_SATISFIABLE, Code::BlobUploadInvalid, words);
        let refusal = refusal.with(LOCATION, location(name, id)).with(RANGE, so_far(offset));
        return Err(refusal.with(UPLOAD_ID, id));
    }
    let length = last - first + 1;
    let announced = asked.header(&CONTENT_LENGTH).and_then(|text| text.parse::<u64>().ok());
    if announced.is_some_and(|announced| announced != length) {
        let words = format!("Content-Range says {length} bytes, Content-Length another number");
        return Err(Refusal::bad(Code::SizeInvalid, words));
    }
    Ok(Some(length))
}

fn created(name: &Repository, digest: &Digest) -> Reply {
    let location = format!("/v2/{name}/blobs/{digest}");
    empty(StatusCode::CREATED, [(LOCATION, location), (CONTENT_DIGEST, digest.to_string())])
}

fn progress(name: &Repository, id: &str, offset: u64) -> Reply {
    let headers = [(LOCATION, location(name, id)), (RANGE, so_far(offset)), (UPLOAD_ID, id.to_owned())];
    empty(StatusCode::ACCEPTED, headers)
}

fn location(name: &Repository, id: &str) -> String {
    format!("/v2/{name}/blobs/uploads/{id}")
}

/// The spec has no form for "nothing yet"; `0-0` is what clients know.
fn so_far(offset: u64) -> String {
    format!("0-{}", offset.saturating_sub(1))
}

fn unknown(name: &Repository, id: &str) -> Refusal {
    Refusal::missing(Code::BlobUploadUnknown, format!("{name} has no upload {id}; begin again"))
}
