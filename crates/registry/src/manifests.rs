//! Manifests by tag or digest: the end point `/v2/<name>/manifests/<reference>`.
//!
//! Knows that a manifest may come only after all it refers to. Must not change a byte of it.

use http::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderName, HeaderValue, LOCATION};
use http::{Method, StatusCode};
use http_body_util::{BodyExt as _, Limited};
use provision_oci::{Digest, Manifest, Repository};

use crate::body;
use crate::refusal::{Code, Refusal};
use crate::registry::{Asked, CONTENT_DIGEST, Registry, Reply, empty, reply};
use crate::route::Reference;

/// What the spec asks every registry to take, and what this one takes at most.
const LIMIT: usize = 4 * 1024 * 1024;

const SUBJECT: HeaderName = HeaderName::from_static("oci-subject");

impl Registry {
    pub(crate) async fn get_manifest(
        &self,
        name: &Repository,
        reference: &Reference,
        asked: &Asked,
    ) -> Result<Reply, Refusal> {
        let unknown =
            || Refusal::missing(Code::ManifestUnknown, format!("{name} has no manifest {reference}"));
        let digest = self.digest_of(name, reference).await?.ok_or_else(unknown)?;
        let manifest = self.store.manifest(name, &digest).await.map_err(|e| Refusal::fault(&e))?;
        let manifest = manifest.ok_or_else(unknown)?;
        let headers = [
            (CONTENT_TYPE, manifest.media_type),
            (CONTENT_LENGTH, manifest.bytes.len().to_string()),
            (CONTENT_DIGEST, digest.to_string()),
        ];
        let head = asked.method == Method::HEAD;
        let body = if head { body::empty() } else { body::full(manifest.bytes.into()) };
        Ok(reply(StatusCode::OK, headers, body))
    }

    pub(crate) async fn put_manifest(
        &self,
        name: &Repository,
        reference: &Reference,
        asked: Asked,
    ) -> Result<Reply, Refusal> {
        let media_type = asked.header(&CONTENT_TYPE).map(str::to_owned);
        let bytes = self.read_manifest(asked).await?;
        let parsed = Manifest::parse(bytes, media_type.as_deref());
        let manifest = parsed.map_err(|error| {
            let cause =
                std::error::Error::source(&error).map(|cause| format!(": {cause}")).unwrap_or_default();
            Refusal::bad(Code::ManifestInvalid, format!("{error}{cause}"))
        })?;
        let tag = match reference {
            Reference::Digest(digest) if *digest != manifest.digest => {
                let words = format!("the manifest has {}, not {digest}", manifest.digest);
                return Err(Refusal::bad(Code::DigestInvalid, words));
            }
            Reference::Digest(_) => None,
            Reference::Tag(tag) => Some(tag),
        };
        self.check_references(name, &manifest).await?;
        let stored = self.store.put_manifest(name, tag, &manifest).await;
        let digest = stored.map_err(|e| Refusal::fault(&e))?;
        let location = format!("/v2/{name}/manifests/{digest}");
        let headers = [(LOCATION, location), (CONTENT_DIGEST, digest.to_string())];
        let mut reply = empty(StatusCode::CREATED, headers);
        // Tells the client that it need not keep the referrers in a tag of its own (spec, "Pushing Manifests with
        // Subject").
        if let Some(subject) = manifest.subject()
            && let Ok(subject) = HeaderValue::from_str(&subject.to_string())
        {
            reply.headers_mut().insert(SUBJECT, subject);
        }
        Ok(reply)
    }

    pub(crate) async fn delete_manifest(
        &self,
        name: &Repository,
        reference: &Reference,
    ) -> Result<Reply, Refusal> {
        let deleted = match reference {
            Reference::Tag(tag) => self.store.delete_tag(name, tag).await,
            Reference::Digest(digest) => self.store.delete_manifest(name, digest).await,
        };
        match deleted.map_err(|e| Refusal::fault(&e))? {
            true => Ok(empty(StatusCode::ACCEPTED, [])),
            false => {
                Err(Refusal::missing(Code::ManifestUnknown, format!("{name} has no manifest {reference}")))
            }
        }
    }

    async fn digest_of(&self, name: &Repository, reference: &Reference) -> Result<Option<Digest>, Refusal> {
        match reference {
            Reference::Digest(digest) => Ok(Some(*digest)),
            Reference::Tag(tag) => self.store.tag(name, tag).await.map_err(|e| Refusal::fault(&e)),
        }
    }

    async fn read_manifest(&self, asked: Asked) -> Result<Vec<u8>, Refusal> {
        let large = || {
            let words = format!("a manifest may have {LIMIT} bytes at most");
            Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, Code::ManifestInvalid, words)
        };
        let announced = asked.header(&CONTENT_LENGTH).and_then(|length| length.parse::<usize>().ok());
        if announced.is_some_and(|length| length > LIMIT) {
            return Err(large());
        }
        let collected = Limited::new(asked.body, LIMIT).collect();
        match tokio::time::timeout(self.limits.idle, collected).await {
            Ok(Ok(collected)) => Ok(collected.to_bytes().to_vec()),
            Ok(Err(error)) if error.is::<http_body_util::LengthLimitError>() => Err(large()),
            _ => Err(Refusal::bad(
                Code::ManifestInvalid,
                "the body ended before its length; nothing was stored",
            )),
        }
    }

    /// Everything the manifest refers to must be in the repository: whoever can pull it can pull all of it.
    /// Layers that are to be had elsewhere (`urls`) may be missing.
    async fn check_references(&self, name: &Repository, manifest: &Manifest) -> Result<(), Refusal> {
        let mut missing = Vec::new();
        for blob in manifest.blobs() {
            let has = self.store.repository_has_blob(name, &blob.digest).await;
            if !has.map_err(|e| Refusal::fault(&e))? && blob.urls.is_empty() {
                missing.push(blob.digest.to_string());
            }
        }
        for child in manifest.children() {
            if self.store.manifest(name, &child.digest).await.map_err(|e| Refusal::fault(&e))?.is_none() {
                missing.push(child.digest.to_string());
            }
        }
        if missing.is_empty() {
            return Ok(());
        }
        let words = format!("push these to {name} first: {}", missing.join(", "));
        Err(Refusal::bad(Code::ManifestBlobUnknown, words))
    }
}
