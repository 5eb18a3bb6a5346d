//! One request, as data: it can be sent again when it has no stream for a body.

use bytes::Bytes;
use http::header::ACCEPT;
use http::{HeaderMap, HeaderValue, Method};
use http_body_util::{BodyExt as _, Empty, Full};

use super::connect::Body;
use crate::manifest::ALL_MANIFESTS;
use crate::reference::Repository;

/// What one request is about.
pub(super) struct Ask<'a> {
    pub(super) method: Method,
    /// Path and query, or a whole address when a registry sent us there.
    pub(super) target: String,
    /// The repository, for credentials and scope; none for the registry as such.
    pub(super) repository: Option<&'a Repository>,
    /// `pull` or `pull,push`.
    pub(super) actions: &'static str,
    pub(super) headers: HeaderMap,
    pub(super) body: Payload,
}

/// What is sent along.
pub(super) enum Payload {
    Nothing,
    Bytes(Bytes),
    Stream(Body),
}

impl<'a> Ask<'a> {
    pub(super) fn new(
        method: Method,
        target: String,
        repository: Option<&'a Repository>,
        actions: &'static str,
    ) -> Self {
        Self { method, target, repository, actions, headers: HeaderMap::new(), body: Payload::Nothing }
    }

    pub(super) fn manifest(
        method: Method,
        repository: &'a Repository,
        wanted: &str,
        actions: &'static str,
    ) -> Self {
        let mut ask =
            Self::new(method, format!("/v2/{repository}/manifests/{wanted}"), Some(repository), actions);
        for media_type in ALL_MANIFESTS {
            ask.headers.append(ACCEPT, HeaderValue::from_static(media_type));
        }
        ask
    }

    /// The request, and once more the same if it can be sent twice.
    pub(super) fn split(self) -> (Self, Option<Self>) {
        let Self { method, target, repository, actions, headers, body } = self;
        let (body, again) = body.split();
        let second = again.map(|body| Self {
            method: method.clone(),
            target: target.clone(),
            repository,
            actions,
            headers: headers.clone(),
            body,
        });
        (Self { method, target, repository, actions, headers, body }, second)
    }
}

impl Payload {
    /// The payload, and once more the same if it can be sent twice.
    pub(super) fn split(self) -> (Self, Option<Self>) {
        match self {
            Self::Nothing => (Self::Nothing, Some(Self::Nothing)),
            Self::Bytes(bytes) => (Self::Bytes(bytes.clone()), Some(Self::Bytes(bytes))),
            Self::Stream(body) => (Self::Stream(body), None),
        }
    }

    pub(super) fn into_body(self) -> Body {
        let never = |never: std::convert::Infallible| match never {};
        match self {
            Self::Nothing => Empty::new().map_err(never).boxed_unsync(),
            Self::Bytes(bytes) => Full::new(bytes).map_err(never).boxed_unsync(),
            Self::Stream(body) => body,
        }
    }
}
