//! Blobs to and from a registry: streamed, hashed once while they go by, never held whole in memory.

use std::io::ErrorKind;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt as _;
use http::header::{CONTENT_TYPE, LOCATION};
use http::{HeaderValue, Method, StatusCode};
use http_body_util::{BodyExt as _, StreamBody};
use hyper::body::{Frame, Incoming};

use super::error::ClientError;
use super::{Ask, Payload, Registry, blob_name, header, retry, with_length};
use crate::digest::{Digest, Hasher};
use crate::manifest::Descriptor;
use crate::reference::Repository;
use crate::store::Store;

mod file;

use file::FileStream;

/// Told how many more bytes went.
pub type Progress = Arc<dyn Fn(u64) + Send + Sync>;

/// Where the bytes come from that are sent.
enum Outgoing {
    File(FileStream),
    Relay(BlobStream),
}

impl Outgoing {
    async fn next(&mut self) -> Result<Option<Bytes>, ClientError> {
        match self {
            Self::File(file) => file.next().await,
            Self::Relay(stream) => stream.next().await,
        }
    }
}

/// A blob that comes from a registry.
pub struct BlobStream {
    registry: String,
    what: String,
    body: Incoming,
    patience: Duration,
    hasher: Option<Hasher>,
    expected: Digest,
    size: u64,
    got: u64,
}

impl BlobStream {
    /// The next bytes; none at the end, when all of them have come and are what was asked for.
    pub async fn next(&mut self) -> Result<Option<Bytes>, ClientError> {
        loop {
            let Ok(frame) = tokio::time::timeout(self.patience, self.body.frame()).await else {
                let (registry, patience) = (self.registry.clone(), self.patience);
                return Err(ClientError::Silent { registry, patience });
            };
            let Some(frame) = frame else { return self.end().map(|()| None) };
            let frame = match frame {
                Ok(frame) => frame,
                Err(error) if ended_early(&error) => return Err(self.truncated()),
                Err(source) => return Err(ClientError::Broken { registry: self.registry.clone(), source }),
            };
            let Ok(bytes) = frame.into_data() else { continue };
            self.got += bytes.len() as u64;
            if let Some(hasher) = &mut self.hasher {
                hasher.update(&bytes)?;
            }
            if self.got > self.size {
                return self.end().map(|()| None);
            }
            return Ok(Some(bytes));
        }
    }

    fn truncated(&self) -> ClientError {
        let (registry, what) = (self.registry.clone(), self.what.clone());
        ClientError::Truncated { registry, what, got: self.got, expected: self.size }
    }

    fn end(&mut self) -> Result<(), ClientError> {
        if self.got < self.size {
            return Err(self.truncated());
        }
        let Some(hasher) = self.hasher.take() else { return Ok(()) };
        let (found, expected) = (hasher.finish()?, self.expected);
        if found == expected && self.got == self.size {
            return Ok(());
        }
        let (registry, what) = (self.registry.clone(), self.what.clone());
        Err(ClientError::WrongBytes { registry, what, expected, found })
    }
}

/// hyper calls a body that ends too early a failure to read it; here it has a size, so there is more to say.
fn ended_early(error: &hyper::Error) -> bool {
    let cause = std::error::Error::source(error).and_then(|cause| cause.downcast_ref::<std::io::Error>());
    error.is_incomplete_message() || cause.is_some_and(|cause| cause.kind() == ErrorKind::UnexpectedEof)
}

impl Registry {
    /// Whether the repository has a blob.
    pub async fn has_blob(&self, repository: &Repository, digest: &Digest) -> Result<bool, ClientError> {
        retry::again(|| async {
            let target = format!("/v2/{repository}/blobs/{digest}");
            let answer = self.once(Ask::new(Method::HEAD, target, Some(repository), "pull")).await?;
            if answer.status() == StatusCode::NOT_FOUND {
                return Ok(false);
            }
            self.success(answer, Some(repository), &format!("{repository}@{digest}")).await.map(|_| true)
        })
        .await
    }

    /// A blob, checked while it is read.
    pub async fn blob(
        &self,
        repository: &Repository,
        descriptor: &Descriptor,
    ) -> Result<BlobStream, ClientError> {
        let what = blob_name(repository, descriptor);
        let target = format!("/v2/{repository}/blobs/{}", descriptor.digest);
        let answer = self.once(Ask::new(Method::GET, target, Some(repository), "pull")).await?;
        let answer = self.success(answer, Some(repository), &what).await?;
        Ok(BlobStream {
            registry: self.name().to_owned(),
            what,
            body: answer.into_body(),
            patience: self.inner.patience,
            hasher: Some(Hasher::new()?),
            expected: descriptor.digest,
            size: descriptor.size,
            got: 0,
        })
    }

    /// All bytes of a small blob.
    pub async fn read_blob(
        &self,
        repository: &Repository,
        descriptor: &Descriptor,
    ) -> Result<Vec<u8>, ClientError> {
        retry::again(|| async {
            let mut stream = self.blob(repository, descriptor).await?;
            let mut bytes = Vec::new();
            while let Some(more) = stream.next().await? {
                bytes.extend_from_slice(&more);
            }
            Ok(bytes)
        })
        .await
    }

    /// Brings a blob into a store; `progress` is told how many bytes came.
    pub async fn fetch_blob(
        &self,
        repository: &Repository,
        descriptor: &Descriptor,
        store: &Store,
        progress: &(dyn Fn(u64) + Sync),
    ) -> Result<(), ClientError> {
        retry::again(|| async {
            let mut stream = self.blob(repository, descriptor).await?;
            // The stream checks the digest; the store's own hash would be a second pass over the same bytes.
            let mut upload = store.begin_checked().await?;
            let ended = loop {
                match stream.next().await {
                    Ok(Some(bytes)) => {
                        upload.write(&bytes).await?;
                        progress(bytes.len() as u64);
                    }
                    Ok(None) => break Ok(()),
                    Err(error) => break Err(error),
                }
            };
            match ended {
                Ok(()) => upload.commit_checked(&descriptor.digest).await.map_err(ClientError::from),
                Err(error) => {
                    upload.abort().await?;
                    Err(error)
                }
            }
        })
        .await
    }

    /// Takes over a blob that another repository of the same registry has; false: it has to be sent.
    pub async fn mount(
        &self,
        repository: &Repository,
        digest: &Digest,
        from: &Repository,
    ) -> Result<bool, ClientError> {
        let target = format!("/v2/{repository}/blobs/uploads/?mount={digest}&from={from}");
        let answer = self.once(Ask::new(Method::POST, target, Some(repository), "pull,push")).await?;
        let answer = self.success(answer, Some(repository), &format!("the mount of {digest}")).await?;
        if answer.status() == StatusCode::CREATED {
            return Ok(true);
        }
        // The registry began an upload instead, which nobody will finish.
        if let Some(location) = header(answer.headers(), LOCATION.as_str()) {
            let _ = self.once(Ask::new(Method::DELETE, location, Some(repository), "pull,push")).await;
        }
        Ok(false)
    }

    /// Sends a blob that is a file here in one piece; `progress` is told how many bytes went.
    ///
    /// The last bytes are sent only when all of them are what the digest says: a damaged file is never completed.
    pub async fn send_file(
        &self,
        repository: &Repository,
        descriptor: &Descriptor,
        path: &Path,
        progress: Progress,
    ) -> Result<(), ClientError> {
        retry::again(|| async {
            let file = FileStream::open(path, descriptor).await?;
            self.send(repository, descriptor, Outgoing::File(file), progress.clone()).await
        })
        .await
    }

    /// Sends a blob on that comes from another registry, without keeping it; checked on the way.
    pub async fn relay_blob(
        &self,
        repository: &Repository,
        descriptor: &Descriptor,
        source: &Self,
        from: &Repository,
        progress: Progress,
    ) -> Result<(), ClientError> {
        retry::again(|| async {
            let stream = source.blob(from, descriptor).await?;
            self.send(repository, descriptor, Outgoing::Relay(stream), progress.clone()).await
        })
        .await
    }

    /// Sends what a source gives, one piece behind it: at its end the source knows whether the bytes are good.
    async fn send(
        &self,
        repository: &Repository,
        descriptor: &Descriptor,
        source: Outgoing,
        progress: Progress,
    ) -> Result<(), ClientError> {
        let cause = Arc::new(Mutex::new(None));
        let noted = cause.clone();
        let pieces =
            futures_util::stream::unfold((source, None::<Bytes>, false), move |(mut source, held, ended)| {
                let (noted, progress) = (noted.clone(), progress.clone());
                async move {
                    let mut held = held;
                    if ended {
                        return None;
                    }
                    loop {
                        match source.next().await {
                            Ok(Some(bytes)) => {
                                let Some(ready) = held.replace(bytes) else { continue };
                                progress(ready.len() as u64);
                                return Some((Ok(ready), (source, held, false)));
                            }
                            Ok(None) => {
                                let last = held.take()?;
                                progress(last.len() as u64);
                                return Some((Ok(last), (source, None, true)));
                            }
                            Err(error) => {
                                let shown = std::io::Error::other(error.to_string());
                                noted.lock().unwrap_or_else(PoisonError::into_inner).replace(error);
                                return Some((Err(shown), (source, None, true)));
                            }
                        }
                    }
                }
            });
        let sent = self.send_stream(repository, descriptor, pieces).await;
        // What broke the sending says more than that it broke.
        let cause = cause.lock().unwrap_or_else(PoisonError::into_inner).take();
        cause.map_or(sent, Err)
    }

    /// POST for a place, PUT with all bytes: two requests, whatever the size.
    async fn send_stream(
        &self,
        repository: &Repository,
        descriptor: &Descriptor,
        pieces: impl futures_util::Stream<Item = std::io::Result<Bytes>> + Send + 'static,
    ) -> Result<(), ClientError> {
        let what = blob_name(repository, descriptor);
        let target = format!("/v2/{repository}/blobs/uploads/");
        let mut begin = Ask::new(Method::POST, target, Some(repository), "pull,push");
        with_length(&mut begin.headers, 0);
        let answer = self.success(self.once(begin).await?, Some(repository), &what).await?;
        let location = header(answer.headers(), LOCATION.as_str())
            .ok_or_else(|| self.nonsense(&what, "it says no place to send the blob to"))?;
        self.finish(answer).await;
        let separator = if location.contains('?') { '&' } else { '?' };
        let target = format!("{location}{separator}digest={}", descriptor.digest);
        let mut put = Ask::new(Method::PUT, target, Some(repository), "pull,push");
        with_length(&mut put.headers, descriptor.size);
        put.headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
        put.body =
            Payload::Stream(StreamBody::new(pieces.map(|bytes| bytes.map(Frame::data))).boxed_unsync());
        let answer = self.success(self.once(put).await?, Some(repository), &what).await?;
        match answer.status() {
            StatusCode::CREATED | StatusCode::NO_CONTENT => Ok(()),
            other => Err(self.nonsense(&what, &format!("it answered {other} where 201 was expected"))),
        }
    }
}
