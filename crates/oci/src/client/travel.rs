//! One request on its way: to the registry or on to where it sends us, over a connection that may be an old one.
//!
//! Knows where credentials may go. Must not know what an answer means.

use std::time::Duration;

use http::header::{AUTHORIZATION, HOST, LOCATION};
use http::{HeaderMap, HeaderValue, Method, Request, Response};
use hyper::body::Incoming;
use secrecy::{ExposeSecret as _, SecretString};

use super::Registry;
use super::answer::{header, value};
use super::ask::{Ask, Payload};
use super::connect::{Server, context};
use super::error::ClientError;
use super::pulse::Pulse;

/// More redirects than this are a loop.
const REDIRECTS: usize = 5;

impl Registry {
    /// One request, and on to where the registry sends us. Credentials never go to another server.
    pub(super) async fn follow(
        &self,
        mut ask: Ask<'_>,
        authorization: Option<SecretString>,
    ) -> Result<Response<Incoming>, ClientError> {
        let mut authorization = authorization;
        for _ in 0..=REDIRECTS {
            let (server, path) = self.locate(&ask.target)?;
            let own = server.is_none() || ask.target.starts_with('/');
            // A token server is another server by right, and it is us who went there.
            let sent = authorization.as_ref().filter(|_| own || ask.repository.is_none());
            let redirectable = matches!(ask.method, Method::GET | Method::HEAD);
            let request = self.request(&ask.method, &path, &ask.headers, sent, server.as_ref());
            let body = std::mem::replace(&mut ask.body, Payload::Nothing);
            let answer = self.exchange(server.as_ref().unwrap_or(&self.inner.server), request, body).await?;
            if !answer.status().is_redirection() || !redirectable {
                return Ok(answer);
            }
            let Some(target) = header(answer.headers(), LOCATION.as_str()) else { return Ok(answer) };
            let base = server.as_ref().unwrap_or(&self.inner.server);
            if target.starts_with('/') {
                ask.target = format!("{}://{}{target}", base.scheme(), base.name);
            } else {
                ask.target = target;
            }
            if !self.is_own(&ask.target) {
                authorization = None;
            }
            self.finish(answer).await;
        }
        Err(self.nonsense(&ask.target, "more than 5 redirects"))
    }

    fn is_own(&self, target: &str) -> bool {
        let own = format!("{}://{}/", self.inner.server.scheme(), self.inner.server.name);
        target.starts_with('/') || target.starts_with(&own)
    }

    /// The server of a target, if it is not our own, and the path on it.
    fn locate(&self, target: &str) -> Result<(Option<Server>, String), ClientError> {
        if target.starts_with('/') {
            return Ok((None, target.to_owned()));
        }
        let nonsense = || self.nonsense(target, "expected an address that begins with https://");
        let (scheme, rest) = target.split_once("://").ok_or_else(nonsense)?;
        let (host, path) =
            rest.split_once('/').map_or((rest, "/".to_owned()), |(host, path)| (host, format!("/{path}")));
        if self.is_own(target) {
            return Ok((None, path));
        }
        let tls = match (scheme, &self.inner.tls) {
            ("https", Some(tls)) => Some(tls.clone()),
            ("https", None) => Some(context(&[])?),
            // From TLS down to plain text is never followed.
            ("http", None) => None,
            _ => return Err(nonsense()),
        };
        Ok((Some(Server::new(host, tls, self.inner.resolve)), path))
    }

    fn request(
        &self,
        method: &Method,
        path: &str,
        headers: &HeaderMap,
        authorization: Option<&SecretString>,
        server: Option<&Server>,
    ) -> Request<()> {
        let mut request = Request::new(());
        *request.method_mut() = method.clone();
        *request.uri_mut() = path.parse().unwrap_or_default();
        *request.headers_mut() = headers.clone();
        let server = server.unwrap_or(&self.inner.server);
        request.headers_mut().insert(HOST, value(&server.name));
        request.headers_mut().insert("user-agent", HeaderValue::from_static("provision"));
        if let Some(authorization) = authorization {
            let mut value = value(authorization.expose_secret());
            value.set_sensitive(true);
            request.headers_mut().insert(AUTHORIZATION, value);
        }
        request
    }

    async fn exchange(
        &self,
        server: &Server,
        request: Request<()>,
        body: Payload,
    ) -> Result<Response<Incoming>, ClientError> {
        let broken = |source| ClientError::Broken { registry: server.name.clone(), source };
        let patience = self.inner.patience;
        let (mut connection, mut idle) = within(patience, server, server.connection()).await?;
        let (parts, ()) = request.into_parts();
        let mut body = body;
        loop {
            // A connection that lay idle may be closed just now; what can be sent again then is.
            let (now, later) = body.split();
            let pulse = Pulse::default();
            let request = Request::from_parts(parts.clone(), pulse.felt_in(now.into_body()));
            let answer = tokio::select! {
                answer = connection.send_request(request) => answer,
                () = pulse.stopped(patience) => return Err(silent(server, patience)),
            };
            match (answer, later) {
                (Ok(answer), _) => {
                    server.keep(connection);
                    return Ok(answer);
                }
                (Err(error), Some(later)) if idle && !error.is_timeout() => {
                    (connection, idle) = within(patience, server, server.connection()).await?;
                    body = later;
                }
                (Err(error), _) => return Err(broken(error)),
            }
        }
    }
}

/// What takes at most so long.
pub(super) async fn within<T>(
    patience: Duration,
    server: &Server,
    work: impl Future<Output = Result<T, ClientError>>,
) -> Result<T, ClientError> {
    tokio::time::timeout(patience, work).await.unwrap_or_else(|_| Err(silent(server, patience)))
}

fn silent(server: &Server, patience: Duration) -> ClientError {
    ClientError::Silent { registry: server.name.clone(), patience }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::client::{Options, by_c_library};

    proptest! {
        #[test]
        fn no_place_that_a_registry_names_makes_it_panic(target in "(https?://|/|)[a-z0-9:/@?.\\[\\] é]{0,40}") {
            let options = Options { plain_http: true, ..Options::new(by_c_library) };
            let registry = Registry::new("localhost:5000", &options).unwrap();
            let _ = registry.locate(&target);
            let _ = registry.is_own(&target);
        }
    }
}
