//! A request that is not done: status, code and words in the form of the OCI distribution spec ("Error Codes").
//!
//! Must not know routes. What only the administrator may read goes to `cause`, never to the body.

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use http::{Response, StatusCode};

use crate::body::{self, Body};

/// Codes of the OCI distribution spec, v1.1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Code {
    BlobUnknown,
    BlobUploadInvalid,
    BlobUploadUnknown,
    DigestInvalid,
    ManifestBlobUnknown,
    ManifestInvalid,
    ManifestUnknown,
    NameInvalid,
    NameUnknown,
    SizeInvalid,
    Unauthorized,
    Unsupported,
    /// Not in the spec; what other registries say when they are at fault themselves.
    Unknown,
}

impl Code {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Code::BlobUnknown => "BLOB_UNKNOWN",
            Code::BlobUploadInvalid => "BLOB_UPLOAD_INVALID",
            Code::BlobUploadUnknown => "BLOB_UPLOAD_UNKNOWN",
            Code::DigestInvalid => "DIGEST_INVALID",
            Code::ManifestBlobUnknown => "MANIFEST_BLOB_UNKNOWN",
            Code::ManifestInvalid => "MANIFEST_INVALID",
            Code::ManifestUnknown => "MANIFEST_UNKNOWN",
            Code::NameInvalid => "NAME_INVALID",
            Code::NameUnknown => "NAME_UNKNOWN",
            Code::SizeInvalid => "SIZE_INVALID",
            Code::Unauthorized => "UNAUTHORIZED",
            Code::Unsupported => "UNSUPPORTED",
            Code::Unknown => "UNKNOWN",
        }
    }
}

/// Why a request is not done.
#[derive(Debug)]
pub(crate) struct Refusal {
    pub(crate) status: StatusCode,
    pub(crate) code: Code,
    pub(crate) message: String,
    /// For the administrator: the chain of causes.
    pub(crate) cause: Option<String>,
    headers: Vec<(HeaderName, String)>,
}

impl Refusal {
    pub(crate) fn new(status: StatusCode, code: Code, message: impl Into<String>) -> Refusal {
        Refusal { status, code, message: message.into(), cause: None, headers: Vec::new() }
    }

    pub(crate) fn bad(code: Code, message: impl Into<String>) -> Refusal {
        Refusal::new(StatusCode::BAD_REQUEST, code, message)
    }

    pub(crate) fn missing(code: Code, message: impl Into<String>) -> Refusal {
        Refusal::new(StatusCode::NOT_FOUND, code, message)
    }

    pub(crate) fn method() -> Refusal {
        Refusal::new(StatusCode::METHOD_NOT_ALLOWED, Code::Unsupported, "this method is not supported here")
    }

    pub(crate) fn read_only() -> Refusal {
        Refusal::new(StatusCode::METHOD_NOT_ALLOWED, Code::Unsupported, "this registry is read-only")
    }

    /// The server's own fault. A full disk is told apart: the client can do nothing, the administrator can.
    pub(crate) fn fault(error: &(dyn std::error::Error + 'static)) -> Refusal {
        let mut causes = vec![error.to_string()];
        let mut full = is_full(error);
        let mut next = error.source();
        while let Some(cause) = next {
            causes.push(cause.to_string());
            full |= is_full(cause);
            next = cause.source();
        }
        let (status, message) = if full {
            (StatusCode::INSUFFICIENT_STORAGE, "the registry's disk is full; nothing of this was stored")
        } else {
            (StatusCode::INTERNAL_SERVER_ERROR, "the registry failed; its log says why")
        };
        Refusal { cause: Some(causes.join(": ")), ..Refusal::new(status, Code::Unknown, message) }
    }

    pub(crate) fn with(mut self, name: HeaderName, value: impl Into<String>) -> Refusal {
        self.headers.push((name, value.into()));
        self
    }

    pub(crate) fn into_response(self) -> Response<Body> {
        let error = serde_json::json!({ "code": self.code.as_str(), "message": self.message });
        let text = serde_json::json!({ "errors": [error] }).to_string();
        let mut response = Response::new(body::full(Bytes::from(text)));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        for (name, value) in self.headers {
            if let Ok(value) = HeaderValue::from_str(&value) {
                headers.insert(name, value);
            }
        }
        response
    }
}

fn is_full(error: &(dyn std::error::Error + 'static)) -> bool {
    use std::io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull};
    let kind = error.downcast_ref::<std::io::Error>().map(std::io::Error::kind);
    matches!(kind, Some(FileTooLarge | QuotaExceeded | StorageFull))
}
