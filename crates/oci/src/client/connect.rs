//! Connections: TCP, TLS with verification that can't be switched off, and idle ones kept for the next request.

use std::net::{IpAddr, SocketAddr, ToSocketAddrs as _};
use std::path::Path;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use http_body_util::combinators::UnsyncBoxBody;
use hyper::client::conn::http1::SendRequest;
use hyper_util::rt::TokioIo;
use openssl::ssl::{ErrorCode, Ssl, SslContext, SslMethod, SslVerifyMode, SslVersion};
use openssl::x509::X509;
use openssl::x509::verify::X509CheckFlags;
use tokio::net::TcpStream;
use tokio_openssl::SslStream;

use super::error::ClientError;

/// What is sent.
pub(super) type Body = UnsyncBoxBody<Bytes, std::io::Error>;
/// A connection that takes requests.
pub(super) type Connection = SendRequest<Body>;

/// Finds the addresses of a host name; may block.
pub type Resolve = fn(&str) -> std::io::Result<Vec<IpAddr>>;

/// The addresses of a name by getaddrinfo(3) of this program's own C library.
///
/// Not for static programs: their glibc loads the host's name service modules (`myhostname`, `resolve`, `sss`), which are
/// another glibc's, and dies in them.
pub fn by_c_library(host: &str) -> std::io::Result<Vec<IpAddr>> {
    Ok((host, 0).to_socket_addrs()?.map(|address| address.ip()).collect())
}

/// The bundles of system-wide anchors, of the two families. Fedora means to give up the links to its bundle that are better
/// known (its change "dropping of cert.pem").
pub const SYSTEM_BUNDLES: [&str; 2] =
    ["/etc/ssl/certs/ca-certificates.crt", "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem"];
/// More connections than this are not kept.
const IDLE: usize = 64;

/// One server, with connections to it.
pub(super) struct Server {
    /// `host:port` as people wrote it.
    pub(super) name: String,
    host: String,
    port: u16,
    tls: Option<Arc<SslContext>>,
    resolve: Resolve,
    kept: Mutex<Vec<Connection>>,
}

/// A context that trusts the given authorities, and the system's where there are none.
///
/// Built on `SslContext`: `SslConnector` would load all of the system's anchors each time, 0.1 s of CPU.
pub(super) fn context(authorities: &[Vec<u8>]) -> Result<Arc<SslContext>, crate::error::Error> {
    let mut builder = SslContext::builder(SslMethod::tls_client())?;
    builder.set_verify(SslVerifyMode::PEER);
    builder.set_min_proto_version(Some(SslVersion::TLS1_2))?;
    if authorities.is_empty() {
        for bundle in SYSTEM_BUNDLES.iter().filter(|bundle| Path::new(bundle).exists()) {
            builder.set_ca_file(bundle)?;
        }
    }
    for pem in authorities {
        for certificate in X509::stack_from_pem(pem)? {
            // The same certificate twice is no error to us; OpenSSL 1.1 reports it.
            let _ = builder.cert_store_mut().add_cert(certificate);
        }
    }
    Ok(Arc::new(builder.build()))
}

impl Server {
    /// The server of a registry's name. `tls` none: plain HTTP.
    pub(super) fn new(name: &str, tls: Option<Arc<SslContext>>, resolve: Resolve) -> Self {
        let default = if tls.is_some() { 443 } else { 80 };
        let (host, port) = match name.rsplit_once(':') {
            Some((host, port)) if !name.ends_with(']') => (host, port.parse().unwrap_or(default)),
            _ => (name, default),
        };
        let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        Self { name: name.to_owned(), host, port, tls, resolve, kept: Mutex::new(Vec::new()) }
    }

    /// `https` or `http`.
    pub(super) fn scheme(&self) -> &'static str {
        if self.tls.is_some() { "https" } else { "http" }
    }

    /// An idle connection that is still good, or a new one; true: it was idle, and may have been closed meanwhile.
    pub(super) async fn connection(&self) -> Result<(Connection, bool), ClientError> {
        match self.take_idle() {
            Some(connection) => Ok((connection, true)),
            None => Ok((self.connect().await?, false)),
        }
    }

    /// One that has no answer under way any more.
    fn take_idle(&self) -> Option<Connection> {
        let mut idle = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        idle.retain(|connection| !connection.is_closed());
        let free = idle.iter().position(SendRequest::is_ready)?;
        Some(idle.swap_remove(free))
    }

    /// Keeps a connection for the next request; its last answer may still be on its way.
    pub(super) fn keep(&self, connection: Connection) {
        let mut idle = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if !connection.is_closed() && idle.len() < IDLE {
            idle.push(connection);
        }
    }

    async fn connect(&self) -> Result<Connection, ClientError> {
        let failed = |source| ClientError::Connect { registry: self.name.clone(), source };
        let (host, resolve) = (self.host.clone(), self.resolve);
        let found = tokio::task::spawn_blocking(move || match host.parse() {
            Ok(address) => Ok(vec![address]),
            Err(_) => resolve(&host),
        });
        let found = found.await.map_err(|e| failed(e.into()))?.map_err(failed)?;
        let addresses: Vec<SocketAddr> = found.into_iter().map(|ip| SocketAddr::new(ip, self.port)).collect();
        let loopback = addresses.iter().all(|address| address.ip().is_loopback());
        if self.tls.is_none() && !loopback {
            return Err(ClientError::PlainHttp { registry: self.name.clone() });
        }
        let tcp = TcpStream::connect(addresses.as_slice()).await.map_err(failed)?;
        tcp.set_nodelay(true).map_err(failed)?;
        match &self.tls {
            Some(context) => self.speak(self.handshake(context, tcp).await?).await,
            None => self.speak(tcp).await,
        }
    }

    async fn handshake(
        &self,
        context: &SslContext,
        tcp: TcpStream,
    ) -> Result<SslStream<TcpStream>, ClientError> {
        let broken = |error: openssl::error::ErrorStack| ClientError::Local(error.into());
        let mut ssl = Ssl::new(context).map_err(broken)?;
        match self.host.parse() {
            Ok(address) => ssl.param_mut().set_ip(address).map_err(broken)?,
            Err(_) => {
                ssl.set_hostname(&self.host).map_err(broken)?;
                ssl.param_mut().set_hostflags(X509CheckFlags::NO_PARTIAL_WILDCARDS);
                ssl.param_mut().set_host(&self.host).map_err(broken)?;
            }
        }
        let mut stream = SslStream::new(ssl, tcp).map_err(broken)?;
        if let Err(error) = Pin::new(&mut stream).connect().await {
            let registry = self.name.clone();
            let verdict = stream.ssl().verify_result();
            return Err(if verdict == openssl::x509::X509VerifyResult::OK {
                match error.code() {
                    // The network's failure, not that of TLS: it may pass.
                    ErrorCode::SYSCALL => {
                        let reset = || std::io::ErrorKind::ConnectionReset.into();
                        ClientError::Connect {
                            registry,
                            source: error.into_io_error().unwrap_or_else(|_| reset()),
                        }
                    }
                    _ => ClientError::Tls { registry, reason: error.to_string() },
                }
            } else {
                ClientError::Untrusted { registry, reason: verdict.error_string().to_owned() }
            });
        }
        Ok(stream)
    }

    async fn speak<S>(&self, stream: S) -> Result<Connection, ClientError>
    where
        S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
    {
        let broken = |source| ClientError::Broken { registry: self.name.clone(), source };
        let (sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(broken)?;
        // Whoever waits for an answer learns of a broken connection; nobody waits for this.
        tokio::spawn(async move { drop(connection.await) });
        Ok(sender)
    }
}
