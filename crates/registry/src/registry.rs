//! One request: who asks, what for, and which module answers.
//!
//! Knows end points and methods. Must not know sockets.

use http::header::{AUTHORIZATION, CONTENT_TYPE, HeaderName, HeaderValue, WWW_AUTHENTICATE};
use http::{HeaderMap, Method, Request, Response, StatusCode};
use hyper::body::Incoming;
use provision_oci::Store;

use crate::body::{self, Body};
use crate::config::{Config, Limits};
use crate::error::Error;
use crate::event::Listener;
use crate::inbound::Inbound;
use crate::refusal::{Code, Refusal};
use crate::route::{Route, route};
use crate::session::Sessions;
use crate::users::Users;

/// The head and body of an answer.
pub(crate) type Reply = Response<Body>;

pub(crate) const CONTENT_DIGEST: HeaderName = HeaderName::from_static("docker-content-digest");
const API_VERSION: HeaderName = HeaderName::from_static("docker-distribution-api-version");

/// A store, and the uploads that are under way to it.
pub(crate) struct Registry {
    pub(crate) store: Store,
    pub(crate) sessions: Sessions,
    pub(crate) limits: Limits,
    pub(crate) events: Listener,
    read_only: bool,
}

/// A request, taken apart.
pub(crate) struct Asked {
    pub(crate) method: Method,
    pub(crate) query: Option<String>,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Inbound,
}

impl Asked {
    /// A header as text; `None` when it is absent or no text.
    pub(crate) fn header(&self, name: &HeaderName) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }
}

impl Registry {
    pub(crate) async fn open(config: &Config, events: Listener) -> Result<Registry, Error> {
        let opened = if config.read_only {
            Store::open(&config.store).await
        } else {
            Store::create(&config.store).await
        };
        let store = opened.map_err(|source| Error::Store { path: config.store.clone(), source })?;
        let (sessions, limits) = (Sessions::default(), config.limits.clone());
        Ok(Registry { store, sessions, limits, events, read_only: config.read_only })
    }

    /// Answers a request. `users` is `None` where everybody may enter.
    pub(crate) async fn answer(
        &self,
        request: Request<Incoming>,
        users: Option<&Users>,
    ) -> Result<Reply, Refusal> {
        let (head, body) = request.into_parts();
        let body = Inbound::new(body, &head.headers);
        let route = route(head.uri.path());
        if let Ok(Route::Health) = route {
            return self.health(&head.method).await;
        }
        if let Some(users) = users {
            let authorization = head.headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
            if !users.admit(authorization).await {
                let words = "user and password are required, and must be right";
                let mut refusal = Refusal::new(StatusCode::UNAUTHORIZED, Code::Unauthorized, words);
                // Every client asks without a password first; only a wrong one is worth the administrator's time.
                refusal.cause = authorization.map(|_| "the user or the password is wrong".to_owned());
                let refusal = refusal.with(WWW_AUTHENTICATE, "Basic realm=\"registry\"");
                return Err(refusal.with(API_VERSION, "registry/2.0"));
            }
        }
        let query = head.uri.query().map(str::to_owned);
        let asked = Asked { method: head.method, query, headers: head.headers, body };
        let mut reply = self.dispatch(route?, asked).await?;
        reply.headers_mut().insert(API_VERSION, HeaderValue::from_static("registry/2.0"));
        Ok(reply)
    }

    async fn dispatch(&self, route: Route, asked: Asked) -> Result<Reply, Refusal> {
        let reads = matches!(asked.method, Method::GET | Method::HEAD);
        if self.read_only && !reads {
            return Err(Refusal::read_only());
        }
        match (route, asked.method.as_str()) {
            (Route::Base, "GET" | "HEAD") => Ok(json(StatusCode::OK, &serde_json::json!({}))),
            (Route::Catalog, "GET") => self.catalog(&asked).await,
            (Route::Tags { name }, "GET") => self.tags(&name, &asked).await,
            (Route::Referrers { name, digest }, "GET") => self.referrers(&name, &digest, &asked).await,
            (Route::Manifest { name, reference }, "GET" | "HEAD") => {
                self.get_manifest(&name, &reference, &asked).await
            }
            (Route::Manifest { name, reference }, "PUT") => self.put_manifest(&name, &reference, asked).await,
            (Route::Manifest { name, reference }, "DELETE") => self.delete_manifest(&name, &reference).await,
            (Route::Blob { name, digest }, "GET" | "HEAD") => self.get_blob(&name, &digest, &asked).await,
            (Route::Blob { name, digest }, "DELETE") => self.delete_blob(&name, &digest).await,
            (Route::Uploads { name }, "POST") => self.begin_upload(&name, asked).await,
            (Route::Upload { name, id }, "GET") => self.upload_status(&name, &id).await,
            (Route::Upload { name, id }, "PATCH") => self.continue_upload(&name, &id, asked).await,
            (Route::Upload { name, id }, "PUT") => self.finish_upload(&name, &id, asked).await,
            (Route::Upload { name, id }, "DELETE") => self.cancel_upload(&name, &id).await,
            _ => Err(Refusal::method()),
        }
    }

    /// Well, as long as the store can be read. Needs no user: it says nothing else.
    async fn health(&self, method: &Method) -> Result<Reply, Refusal> {
        if !matches!(*method, Method::GET | Method::HEAD) {
            return Err(Refusal::method());
        }
        match Store::open(self.store.directory()).await {
            Ok(_) => Ok(json(StatusCode::OK, &serde_json::json!({ "status": "ok" }))),
            Err(error) => {
                let mut refusal = Refusal::fault(&error);
                refusal.status = StatusCode::SERVICE_UNAVAILABLE;
                Err(refusal)
            }
        }
    }
}

/// An answer without a body, and these headers.
pub(crate) fn empty<const N: usize>(status: StatusCode, headers: [(HeaderName, String); N]) -> Reply {
    reply(status, headers, body::empty())
}

/// An answer with a JSON body.
pub(crate) fn json(status: StatusCode, value: &serde_json::Value) -> Reply {
    let headers = [(CONTENT_TYPE, "application/json".to_owned())];
    reply(status, headers, body::full(value.to_string().into()))
}

/// An answer. Its length is told by the body, unless a header tells that of what a HEAD is about.
pub(crate) fn reply<const N: usize>(
    status: StatusCode,
    headers: [(HeaderName, String); N],
    body: Body,
) -> Reply {
    let mut reply = Response::new(body);
    *reply.status_mut() = status;
    for (name, value) in headers {
        // All values are made of digests, numbers and checked names.
        if let Ok(value) = HeaderValue::from_str(&value) {
            reply.headers_mut().insert(name, value);
        }
    }
    reply
}
