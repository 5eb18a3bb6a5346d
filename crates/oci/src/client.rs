//! A registry's client: manifests, blobs and tags over the OCI distribution protocol, with TLS always verified.
//!
//! Every byte that comes is checked against its digest while it streams. What may pass is tried again with growing
//! pauses; what is final (a wrong password, bytes that are not theirs) fails at once.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_LENGTH, CONTENT_TYPE, LINK, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode};
use http_body_util::{BodyExt as _, Collected, Limited};
use hyper::body::Incoming;
use openssl::ssl::SslContext;
use provision_pull_secret::Credentials;
use secrecy::SecretString;

use crate::digest::Digest;
use crate::manifest::{Descriptor, Manifest};
use crate::reference::{Repository, Tag};

mod answer;
mod ask;
mod auth;
mod blob;
mod connect;
mod download;
mod error;
mod pin;
mod pulse;
mod retry;
mod travel;

pub use blob::{BlobStream, Progress};
pub use connect::{Resolve, SYSTEM_BUNDLES, by_c_library};
pub use download::download;
pub use error::ClientError;
pub use pin::{Pinned, PinnedImage};

use answer::{header, next_page, own_words, value};
use ask::{Ask, Payload};
use auth::{Challenge, Known, Token, token_url, who};
use connect::{Server, context};
use travel::within;

/// A manifest may be this large (distribution specification: registries should take 4 MiB).
const MANIFEST_LIMIT: usize = 4 * 1024 * 1024;
/// An error's words or a token may be this large.
const ANSWER_LIMIT: usize = 64 * 1024;
/// How long nothing may move on a connection unless something else is wished.
const PATIENCE: Duration = Duration::from_secs(120);

/// Finds the credentials for `registry/repository`.
pub type Lookup = Arc<dyn Fn(&str) -> Option<Credentials> + Send + Sync>;

/// How registries are spoken to.
#[derive(Clone)]
pub struct Options {
    /// Finds the addresses of registries.
    pub resolve: Resolve,
    /// Authorities in PEM; empty: the system's anchors.
    pub authorities: Vec<Vec<u8>>,
    /// Speak plain HTTP; only done with registries on the loopback interface.
    pub plain_http: bool,
    /// Finds credentials.
    pub credentials: Option<Lookup>,
    /// How long nothing may come and nothing go before a connection is given up; none: two minutes.
    ///
    /// Some registries answer only after they have read a whole layer once more, so this should not be short.
    pub patience: Option<Duration>,
}

impl Options {
    /// The system's anchors, TLS, no credentials, two minutes of patience.
    pub fn new(resolve: Resolve) -> Self {
        Self { resolve, authorities: Vec::new(), plain_http: false, credentials: None, patience: None }
    }
}

/// One registry.
#[derive(Clone)]
pub struct Registry {
    inner: Arc<Inner>,
}

struct Inner {
    name: String,
    server: Server,
    tls: Option<Arc<SslContext>>,
    resolve: Resolve,
    credentials: Option<Lookup>,
    patience: Duration,
    known: Mutex<Known>,
}

impl Registry {
    /// The registry of a name such as `quay.io` or `registry.example.test:8443`. Nothing is sent yet.
    pub fn new(name: &str, options: &Options) -> Result<Self, ClientError> {
        let tls = if options.plain_http { None } else { Some(context(&options.authorities)?) };
        // What people call docker.io answers under another name.
        let address = if name == "docker.io" { "registry-1.docker.io" } else { name };
        let server = Server::new(address, tls.clone(), options.resolve);
        let (name, credentials) = (name.to_owned(), options.credentials.clone());
        let patience = options.patience.unwrap_or(PATIENCE);
        let resolve = options.resolve;
        let inner = Inner { name, server, tls, resolve, credentials, patience, known: Mutex::default() };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// `host:port`, as people wrote it.
    pub fn name(&self) -> &str {
        &self.inner.name
    }

    /// Whether the registry answers and takes the credentials.
    pub async fn ping(&self) -> Result<(), ClientError> {
        let ask = Ask::new(Method::GET, "/v2/".to_owned(), None, "pull");
        let answer = self.once(ask).await?;
        self.success(answer, None, "GET /v2/").await.map(drop)
    }

    /// A manifest by tag or digest; checked when it is asked for by digest.
    pub async fn manifest(&self, repository: &Repository, wanted: &str) -> Result<Manifest, ClientError> {
        retry::again(|| self.manifest_once(repository, wanted)).await
    }

    async fn manifest_once(&self, repository: &Repository, wanted: &str) -> Result<Manifest, ClientError> {
        let what = format!("{repository}:{wanted}").replace(":sha256:", "@sha256:");
        let answer = self.once(Ask::manifest(Method::GET, repository, wanted, "pull")).await?;
        let answer = self.success(answer, Some(repository), &what).await?;
        let media_type = header(answer.headers(), CONTENT_TYPE.as_str());
        let bytes = self.collect(answer, &what, MANIFEST_LIMIT).await?;
        if let Ok(expected) = wanted.parse::<Digest>() {
            let found = Digest::of(&bytes);
            if found != expected {
                let registry = self.name().to_owned();
                return Err(ClientError::WrongBytes { registry, what, expected, found });
            }
        }
        Ok(Manifest::parse(bytes, media_type.as_deref())?)
    }

    /// The digest under a tag (or of a digest that is there); none when the registry has no such manifest.
    pub async fn head_manifest(
        &self,
        repository: &Repository,
        wanted: &str,
    ) -> Result<Option<Digest>, ClientError> {
        retry::again(|| async {
            let answer = self.once(Ask::manifest(Method::HEAD, repository, wanted, "pull")).await?;
            if answer.status() == StatusCode::NOT_FOUND {
                return Ok(None);
            }
            let answer = self.success(answer, Some(repository), &format!("{repository}:{wanted}")).await?;
            let digest = header(answer.headers(), "docker-content-digest");
            match digest.and_then(|digest| digest.parse().ok()) {
                Some(digest) => Ok(Some(digest)),
                // The header is optional; the bytes are not.
                None => Ok(Some(self.manifest_once(repository, wanted).await?.digest)),
            }
        })
        .await
    }

    /// Puts a manifest under a tag or its digest. What it refers to has to be there already.
    pub async fn put_manifest(
        &self,
        repository: &Repository,
        wanted: &str,
        manifest: &Manifest,
    ) -> Result<(), ClientError> {
        retry::again(|| async {
            let mut ask = Ask::manifest(Method::PUT, repository, wanted, "pull,push");
            ask.headers.remove(ACCEPT);
            ask.headers.insert(CONTENT_TYPE, value(&manifest.media_type));
            ask.body = Payload::Bytes(Bytes::from(manifest.bytes.clone()));
            let what = format!("{repository}:{wanted}");
            let answer = self.success(self.once(ask).await?, Some(repository), &what).await?;
            let stored = header(answer.headers(), "docker-content-digest").and_then(|text| text.parse().ok());
            match stored {
                Some(found) if found != manifest.digest => {
                    let (registry, expected) = (self.name().to_owned(), manifest.digest);
                    Err(ClientError::WrongBytes { registry, what, expected, found })
                }
                _ => Ok(()),
            }
        })
        .await
    }

    /// All tags of a repository.
    pub async fn tags(&self, repository: &Repository) -> Result<Vec<Tag>, ClientError> {
        #[derive(serde::Deserialize)]
        struct Page {
            #[serde(default)]
            tags: Option<Vec<String>>,
        }
        let what = format!("the tags of {repository}");
        let mut tags = Vec::new();
        let mut next = Some(format!("/v2/{repository}/tags/list?n=1000"));
        while let Some(target) = next.take() {
            let answer = self.once(Ask::new(Method::GET, target.clone(), Some(repository), "pull")).await?;
            let answer = self.success(answer, Some(repository), &what).await?;
            next = header(answer.headers(), LINK.as_str()).and_then(|link| next_page(&link));
            if next.as_ref() == Some(&target) {
                return Err(self.nonsense(&what, "the next page is this one"));
            }
            let bytes = self.collect(answer, &what, MANIFEST_LIMIT).await?;
            let page: Page =
                serde_json::from_slice(&bytes).map_err(|error| self.nonsense(&what, &error.to_string()))?;
            tags.extend(page.tags.unwrap_or_default().iter().filter_map(|tag| tag.parse::<Tag>().ok()));
        }
        Ok(tags)
    }

    /// One request with credentials as the registry wants them.
    async fn once(&self, ask: Ask<'_>) -> Result<Response<Incoming>, ClientError> {
        let credentials = self.credentials(ask.repository);
        let scopes: Vec<String> =
            ask.repository.iter().map(|name| format!("repository:{name}:{}", ask.actions)).collect();
        let authorization = self.authorization(credentials.as_ref(), &scopes).await?;
        let (first, second) = ask.split();
        let answer = self.follow(first, authorization).await?;
        let (StatusCode::UNAUTHORIZED, Some(second)) = (answer.status(), second) else { return Ok(answer) };
        // The first request of all, or a token that ended too early: learn what is wanted, and ask once more.
        let challenge =
            header(answer.headers(), WWW_AUTHENTICATE.as_str()).and_then(|text| Challenge::parse(&text));
        let Some(challenge) = challenge else { return Ok(answer) };
        self.finish(answer).await;
        {
            let mut known = self.inner.known.lock().unwrap_or_else(PoisonError::into_inner);
            known.challenge = Some(challenge);
            known.forget(&scopes.join(" "));
        }
        let authorization = self.authorization(credentials.as_ref(), &scopes).await?;
        if authorization.is_none() {
            return Err(self.unauthorized(None));
        }
        self.follow(second, authorization).await
    }

    fn credentials(&self, repository: Option<&Repository>) -> Option<Credentials> {
        let name = match repository {
            Some(repository) => format!("{}/{repository}", self.name()),
            None => self.name().to_owned(),
        };
        self.inner.credentials.as_ref().and_then(|lookup| lookup(&name))
    }

    /// The Authorization header, as far as it is known what the registry wants.
    async fn authorization(
        &self,
        credentials: Option<&Credentials>,
        scopes: &[String],
    ) -> Result<Option<SecretString>, ClientError> {
        let scope = scopes.join(" ");
        let (challenge, token) = {
            let known = self.inner.known.lock().unwrap_or_else(PoisonError::into_inner);
            (known.challenge.clone(), known.token(&scope, Instant::now()))
        };
        let bearer = |token: &Token| SecretString::from(format!("Bearer {}", token.value));
        match (challenge, token) {
            (None, _) => Ok(None),
            (Some(Challenge::Basic), _) => Ok(credentials.map(Credentials::authorization)),
            (Some(Challenge::Bearer { .. }), Some(token)) => Ok(Some(bearer(&token))),
            (Some(Challenge::Bearer { realm, service }), None) => {
                let token = self.fetch_token(&realm, service.as_deref(), credentials, scopes).await?;
                let header = bearer(&token);
                self.inner.known.lock().unwrap_or_else(PoisonError::into_inner).keep(&scope, token);
                Ok(Some(header))
            }
        }
    }

    async fn fetch_token(
        &self,
        realm: &str,
        service: Option<&str>,
        credentials: Option<&Credentials>,
        scopes: &[String],
    ) -> Result<Token, ClientError> {
        let ask = Ask::new(Method::GET, token_url(realm, service, scopes), None, "");
        let answer = self.follow(ask, credentials.map(Credentials::authorization)).await?;
        if matches!(answer.status(), StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) {
            return Err(self.unauthorized(credentials));
        }
        let what = "the request for a token";
        let answer = self.success(answer, None, what).await?;
        let bytes = self.collect(answer, what, ANSWER_LIMIT).await?;
        Token::parse(&bytes, Instant::now()).ok_or_else(|| self.nonsense(what, "no token in it"))
    }

    /// The answer, if it is a success; otherwise what it means. `repository` is the one that was asked about: it decides
    /// whose credentials were sent.
    async fn success(
        &self,
        answer: Response<Incoming>,
        repository: Option<&Repository>,
        what: &str,
    ) -> Result<Response<Incoming>, ClientError> {
        let status = answer.status();
        if status.is_success() {
            return Ok(answer);
        }
        let (registry, what) = (self.name().to_owned(), what.to_owned());
        let pause = retry::asked_pause(answer.headers());
        let message = self.finish(answer).await.map(|words| own_words(&words)).unwrap_or_default();
        let credentials = self.credentials(repository);
        match status {
            StatusCode::UNAUTHORIZED => Err(self.unauthorized(credentials.as_ref())),
            StatusCode::FORBIDDEN => {
                let (who, what) = (who(credentials.as_ref()), format!("do this: {what}{message}"));
                Err(ClientError::Denied { registry, who, what })
            }
            StatusCode::NOT_FOUND => Err(ClientError::NotFound { registry, what }),
            _ => {
                retry::note_pause(pause).await;
                Err(ClientError::Status { registry, status, what, message })
            }
        }
    }

    /// Reads an answer that nobody needs to its end, so that its connection can be used again; gives it when it is short.
    /// One that is long, or slow, costs the connection and nothing else.
    async fn finish(&self, answer: Response<Incoming>) -> Option<Bytes> {
        let body = Limited::new(answer.into_body(), ANSWER_LIMIT).collect();
        let body = tokio::time::timeout(self.inner.patience, body).await.ok()?;
        body.ok().map(Collected::to_bytes)
    }

    fn unauthorized(&self, credentials: Option<&Credentials>) -> ClientError {
        let password = credentials.map(|one| format!("the password of {}", one.username));
        let who = password.unwrap_or_else(|| who(None));
        ClientError::Unauthorized { registry: self.name().to_owned(), who }
    }

    fn nonsense(&self, what: &str, problem: &str) -> ClientError {
        let (registry, what) = (self.name().to_owned(), what.to_owned());
        ClientError::Nonsense { registry, what, problem: problem.to_owned() }
    }

    async fn collect(
        &self,
        answer: Response<Incoming>,
        what: &str,
        limit: usize,
    ) -> Result<Vec<u8>, ClientError> {
        let collecting = async { Ok(Limited::new(answer.into_body(), limit).collect().await) };
        match within(self.inner.patience, &self.inner.server, collecting).await? {
            Ok(body) => Ok(body.to_bytes().to_vec()),
            Err(error) => Err(match error.downcast::<hyper::Error>() {
                Ok(source) => ClientError::Broken { registry: self.name().to_owned(), source: *source },
                Err(_) => self.nonsense(what, &format!("it is larger than {limit} bytes")),
            }),
        }
    }
}

/// A body's length as a header.
fn length(size: u64) -> HeaderValue {
    HeaderValue::from(size)
}

/// The descriptor's blob in words.
fn blob_name(repository: &Repository, descriptor: &Descriptor) -> String {
    format!("{repository}@{}", descriptor.digest)
}

/// Sets the length of what is sent; registries need it to take a blob in one piece.
fn with_length(headers: &mut HeaderMap, size: u64) {
    headers.insert(CONTENT_LENGTH, length(size));
}
