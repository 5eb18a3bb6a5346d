//! Connections: accepted, wrapped in TLS, answered, and ended when the server shall stop.
//!
//! Knows sockets and time. Must not know what a request means: that is `registry`'s.

use std::convert::Infallible;
use std::future::Future;
use std::net::SocketAddr;
use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant, SystemTime};

use http::{Method, Request};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use openssl::ssl::{Ssl, SslAcceptor};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio_openssl::SslStream;
use tokio_util::sync::CancellationToken;

use crate::config::Config;
use crate::error::Error;
use crate::event::{Event, Listener};
use crate::refusal::Refusal;
use crate::registry::{Registry, Reply};
use crate::tls;
use crate::users::Users;

/// Serves a store until `shutdown` completes; then waits a while for running requests.
///
/// `on_event` is told everything worth knowing, first of all [`Event::Listening`]. It is called from many tasks.
pub async fn serve(
    config: Config,
    on_event: impl Fn(Event) + Send + Sync + 'static,
    shutdown: impl Future<Output = ()>,
) -> Result<(), Error> {
    let events: Listener = Arc::new(on_event);
    // Before the files are read: what changes meanwhile is seen as changed.
    let mut seen = stamps(&config);
    let server = Arc::new(Server::load(&config, events.clone()).await?);
    let refused = |source| Error::Listen { address: config.listen, source };
    let listener = TcpListener::bind(config.listen).await.map_err(refused)?;
    let address = listener.local_addr().map_err(refused)?;
    events(Event::Listening { address, tls: config.tls.is_some() });
    let graceful = GracefulShutdown::new();
    let mut reload = tokio::time::interval(config.limits.reload);
    let mut expire = tokio::time::interval((config.limits.upload / 4).max(Duration::from_millis(50)));
    tokio::pin!(shutdown);
    loop {
        tokio::select! {
            () = &mut shutdown => break,
            _ = reload.tick() => server.reload(&config, &mut seen),
            _ = expire.tick() => {
                let server = server.clone();
                tokio::spawn(async move { server.registry.expire().await });
            }
            accepted = listener.accept() => match accepted {
                Ok((stream, peer)) => {
                    tokio::spawn(server.clone().connection(stream, peer, graceful.watcher()));
                }
                // Out of descriptors, most likely: wait for some to come back rather than spin.
                Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
            }
        }
    }
    drop(listener);
    server.stopping.cancel();
    // What has not ended by then is cut off: an unfinished upload can be resumed, nothing stored is half.
    let _ = tokio::time::timeout(config.limits.shutdown, graceful.shutdown()).await;
    server.registry.close().await;
    Ok(())
}

/// What all connections share.
struct Server {
    registry: Arc<Registry>,
    /// Replaced as a whole when the files change.
    tls: RwLock<Option<SslAcceptor>>,
    users: RwLock<Option<Arc<Users>>>,
    events: Listener,
    idle: Duration,
    /// Ends what is no request yet.
    stopping: CancellationToken,
}

impl Server {
    async fn load(config: &Config, events: Listener) -> Result<Server, Error> {
        let tls = RwLock::new(config.tls.as_ref().map(tls::load).transpose()?);
        let users = config.htpasswd.as_deref().map(Users::load).transpose()?;
        let registry = Arc::new(Registry::open(config, events.clone()).await?);
        Ok(Server {
            registry,
            tls,
            users: RwLock::new(users.map(Arc::new)),
            events,
            idle: config.limits.idle,
            stopping: CancellationToken::new(),
        })
    }

    fn reload(&self, config: &Config, seen: &mut Stamps) {
        let now = stamps(config);
        if now == *seen {
            return;
        }
        if let Some(files) = config.tls.as_ref().filter(|_| now.tls != seen.tls) {
            let loaded = tls::load(files).map(|acceptor| put(&self.tls, acceptor));
            self.tell("certificate", loaded);
        }
        if let Some(path) = config.htpasswd.as_ref().filter(|_| now.htpasswd != seen.htpasswd) {
            let loaded = Users::load(path).map(|users| put(&self.users, Arc::new(users)));
            self.tell("htpasswd", loaded);
        }
        *seen = now;
    }

    fn tell(&self, what: &'static str, loaded: Result<(), Error>) {
        (self.events)(match loaded {
            Ok(()) => Event::Reloaded { what },
            Err(error) => Event::ReloadFailed { error },
        });
    }

    async fn connection(self: Arc<Self>, stream: TcpStream, peer: SocketAddr, watcher: Watcher) {
        // Answers are written whole; waiting for more to send only delays small ones.
        let _ = stream.set_nodelay(true);
        // A client that is gone, or reads no further, would hold its connection for ever. It has longer than one that
        // shall send: what it pulls may go to a slow disk, or to another registry that is busy.
        let patience = u32::try_from((self.idle * 5).as_millis()).unwrap_or(u32::MAX);
        let _ = rustix::net::sockopt::set_tcp_user_timeout(&stream, patience);
        let acceptor = self.tls.read().unwrap_or_else(PoisonError::into_inner).clone();
        let ended = match acceptor {
            None => self.clone().http(stream, peer, watcher).await,
            Some(acceptor) => {
                let timed = tokio::time::timeout(self.idle, handshake(&acceptor, stream));
                match self.stopping.run_until_cancelled(timed).await {
                    Some(Ok(Ok(stream))) => self.clone().http(stream, peer, watcher).await,
                    Some(Ok(Err(cause))) => Err(cause),
                    Some(Err(_)) => Err("no TLS handshake in time".to_owned()),
                    None => Ok(()),
                }
            }
        };
        if let Err(cause) = ended {
            (self.events)(Event::Broken { peer, cause });
        }
    }

    async fn http<S>(self: Arc<Self>, stream: S, peer: SocketAddr, watcher: Watcher) -> Result<(), String>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let idle = self.idle;
        let service = service_fn(move |request| self.clone().answer(request, peer));
        let mut http = http1::Builder::new();
        http.timer(TokioTimer::new()).header_read_timeout(idle).max_buf_size(512 * 1024);
        let connection = http.serve_connection(TokioIo::new(stream), service);
        watcher.watch(connection).await.map_err(|error| with_causes(&error))
    }

    async fn answer(
        self: Arc<Self>,
        request: Request<Incoming>,
        peer: SocketAddr,
    ) -> Result<Reply, Infallible> {
        let began = Instant::now();
        let (method, path) = (request.method().clone(), request.uri().path().to_owned());
        let users = self.users.read().unwrap_or_else(PoisonError::into_inner).clone();
        let registry = self.registry.clone();
        let work = async move { registry.answer(request, users.as_deref()).await };
        let answered = if changes(&method) {
            // A task of its own is not dropped in the middle of a write when the client goes away: it sees the body
            // end early, and puts things in order.
            match tokio::spawn(work).await {
                Ok(answered) => answered,
                Err(panicked) => Err(Refusal::fault(&panicked)),
            }
        } else {
            work.await
        };
        let (reply, cause) = match answered {
            Ok(reply) => (reply, None),
            Err(mut refusal) => {
                let cause = refusal.cause.take();
                (refusal.into_response(), cause)
            }
        };
        let (status, took) = (reply.status(), began.elapsed());
        (self.events)(Event::Answered { peer, method, path, status, took, cause });
        Ok(reply)
    }
}

fn changes(method: &Method) -> bool {
    !matches!(*method, Method::GET | Method::HEAD)
}

fn put<T>(slot: &RwLock<Option<T>>, value: T) {
    *slot.write().unwrap_or_else(PoisonError::into_inner) = Some(value);
}

async fn handshake(acceptor: &SslAcceptor, stream: TcpStream) -> Result<SslStream<TcpStream>, String> {
    let ssl = Ssl::new(acceptor.context()).map_err(|error| error.to_string())?;
    let mut stream = SslStream::new(ssl, stream).map_err(|error| error.to_string())?;
    Pin::new(&mut stream).accept().await.map_err(|error| format!("TLS handshake: {}", reason(&error)))?;
    Ok(stream)
}

/// OpenSSL's reason without its place in OpenSSL's source, such as `tlsv1 alert unknown ca`: the client does not trust
/// the certificate.
fn reason(error: &openssl::ssl::Error) -> String {
    let reason = error.ssl_error().and_then(|stack| stack.errors().first()?.reason());
    reason.map_or_else(|| with_causes(error), str::to_owned)
}

fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let words = cause.to_string();
        // Some errors say their source themselves.
        if !text.ends_with(&words) {
            text = format!("{text}: {words}");
        }
        next = cause.source();
    }
    text
}

/// How the files of the configuration looked when they were last read.
#[derive(PartialEq, Eq)]
struct Stamps {
    tls: Vec<Option<Stamp>>,
    htpasswd: Option<Stamp>,
}

/// Time of the last change, length, and inode: another file may have been renamed to the path.
type Stamp = (SystemTime, u64, u64);

fn stamps(config: &Config) -> Stamps {
    let stamp = |path: &PathBuf| {
        let metadata = std::fs::metadata(path).ok()?;
        Some((metadata.modified().ok()?, metadata.len(), metadata.ino()))
    };
    let tls = config.tls.iter().flat_map(|files| [stamp(&files.certificate), stamp(&files.key)]).collect();
    Stamps { tls, htpasswd: config.htpasswd.as_ref().and_then(stamp) }
}
