//! Blobs to read and to forget: the end point `/v2/<name>/blobs/<digest>`.
//!
//! Knows HTTP ranges. Must not know how blobs come: that is `uploads`.

use std::io::SeekFrom;

use http::header::{ACCEPT_RANGES, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, RANGE};
use http::{Method, StatusCode};
use provision_oci::{Digest, Repository};
use tokio::io::AsyncSeekExt as _;

use crate::body;
use crate::range;
use crate::refusal::{Code, Refusal};
use crate::registry::{Asked, CONTENT_DIGEST, Registry, Reply, empty, reply};

impl Registry {
    pub(crate) async fn get_blob(
        &self,
        name: &Repository,
        digest: &Digest,
        asked: &Asked,
    ) -> Result<Reply, Refusal> {
        let unknown = || Refusal::missing(Code::BlobUnknown, format!("{name} has no blob {digest}"));
        if !self.store.repository_has_blob(name, digest).await.map_err(|e| Refusal::fault(&e))? {
            return Err(unknown());
        }
        let opened = self.store.open_blob(digest).await.map_err(|e| Refusal::fault(&e))?;
        let (mut file, size) = opened.ok_or_else(unknown)?;
        let whole = range::Asked::Part { start: 0, length: size };
        // A range is defined for GET alone (RFC 9110, section 14.2).
        let wanted = asked.header(&RANGE).filter(|_| asked.method == Method::GET);
        let part = match wanted.map(|header| range::asked(header, size)) {
            Some(range::Asked::Unsatisfiable) => {
                let words = format!("{digest} has {size} bytes");
                let refusal = Refusal::new(StatusCode::RANGE_NOT_SATISFIABLE, Code::SizeInvalid, words);
                return Err(refusal.with(CONTENT_RANGE, format!("bytes */{size}")));
            }
            None | Some(range::Asked::Whole) => whole,
            Some(part) => part,
        };
        let range::Asked::Part { start, length } = part else { return Err(unknown()) };
        let mut status = StatusCode::OK;
        let mut content_range = String::new();
        if part != whole {
            status = StatusCode::PARTIAL_CONTENT;
            content_range = format!("bytes {start}-{}/{size}", start + length - 1);
            file.seek(SeekFrom::Start(start)).await.map_err(|e| Refusal::fault(&e))?;
        }
        let body = if asked.method == Method::HEAD { body::empty() } else { body::file(file, length) };
        let headers = [
            (CONTENT_TYPE, "application/octet-stream".to_owned()),
            (CONTENT_LENGTH, length.to_string()),
            (ACCEPT_RANGES, "bytes".to_owned()),
            (CONTENT_DIGEST, digest.to_string()),
            (CONTENT_RANGE, content_range),
        ];
        let mut reply = reply(status, headers, body);
        if status == StatusCode::OK {
            reply.headers_mut().remove(CONTENT_RANGE);
        }
        Ok(reply)
    }

    /// The repository forgets the blob; the bytes stay for the others that have it.
    pub(crate) async fn delete_blob(&self, name: &Repository, digest: &Digest) -> Result<Reply, Refusal> {
        match self.store.unlink_blob(name, digest).await.map_err(|e| Refusal::fault(&e))? {
            true => Ok(empty(StatusCode::ACCEPTED, [])),
            false => Err(Refusal::missing(Code::BlobUnknown, format!("{name} has no blob {digest}"))),
        }
    }
}
