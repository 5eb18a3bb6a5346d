//! What refers to a manifest (signatures, SBOMs): the end point `/v2/<name>/referrers/<digest>`.
//!
//! Knows the `subject` of OCI manifests. Keeps no index: the manifests of the repository are read each time.

use http::StatusCode;
use http::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use provision_oci::{Digest, Manifest, OCI_INDEX, Repository};
use serde_json::{Value, json};

use crate::refusal::Refusal;
use crate::registry::{Asked, Registry, Reply, json as reply};
use crate::route::parameter;

const FILTERS: HeaderName = HeaderName::from_static("oci-filters-applied");

impl Registry {
    /// An index of all manifests whose subject is `digest`; an empty one when there are none (the spec allows no 404).
    pub(crate) async fn referrers(
        &self,
        name: &Repository,
        digest: &Digest,
        asked: &Asked,
    ) -> Result<Reply, Refusal> {
        let wanted = parameter(asked.query.as_deref(), "artifactType");
        let mut manifests = Vec::new();
        for candidate in self.store.manifests(name).await.map_err(|e| Refusal::fault(&e))? {
            let manifest = self.store.manifest(name, &candidate).await.map_err(|e| Refusal::fault(&e))?;
            let Some(manifest) = manifest.filter(|manifest| manifest.subject() == Some(*digest)) else {
                continue;
            };
            let descriptor = describe(&manifest);
            if wanted.as_ref().is_none_or(|wanted| descriptor["artifactType"] == wanted.as_str()) {
                manifests.push(descriptor);
            }
        }
        let index = json!({ "schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": manifests });
        let mut reply = reply(StatusCode::OK, &index);
        reply.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(OCI_INDEX));
        if wanted.is_some() {
            reply.headers_mut().insert(FILTERS, HeaderValue::from_static("artifactType"));
        }
        Ok(reply)
    }
}

/// A descriptor with the type and annotations of the artifact; an image's type is that of its configuration.
fn describe(manifest: &Manifest) -> Value {
    let body: Value = serde_json::from_slice(&manifest.bytes).unwrap_or_default();
    let artifact = match &body["artifactType"] {
        Value::String(kind) if !kind.is_empty() => body["artifactType"].clone(),
        _ => body["config"]["mediaType"].clone(),
    };
    let mut descriptor = json!({
        "mediaType": manifest.media_type,
        "digest": manifest.digest.to_string(),
        "size": manifest.bytes.len(),
    });
    for (field, value) in [("artifactType", artifact), ("annotations", body["annotations"].clone())] {
        if !value.is_null() {
            descriptor[field] = value;
        }
    }
    descriptor
}
