//! What a server is told before it starts.
//!
//! Knows names of files and addresses. Must not know their content.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

/// How to serve a store.
#[derive(Debug, Clone)]
pub struct Config {
    /// Address and port; port 0 takes a free one, told by [`Event::Listening`](crate::Event::Listening).
    pub listen: SocketAddr,
    /// Certificate and key. `None` serves plain HTTP, which is meant for tests on the loopback interface.
    pub tls: Option<TlsFiles>,
    /// Users and bcrypt hashes, as `htpasswd -B` writes them. `None` lets everybody in.
    pub htpasswd: Option<PathBuf>,
    /// The directory of the store; made when absent, unless `read_only`.
    pub store: PathBuf,
    /// Refuse every request that would change the store.
    pub read_only: bool,
    /// Limits of time.
    pub limits: Limits,
}

impl Config {
    /// A server of `store` on `listen`: without TLS and users until those are set.
    pub fn new(listen: SocketAddr, store: impl Into<PathBuf>) -> Config {
        let (tls, htpasswd) = (None, None);
        Config { listen, tls, htpasswd, store: store.into(), read_only: false, limits: Limits::default() }
    }
}

/// The files of the server's certificate, in PEM. They are read again when they change.
#[derive(Debug, Clone)]
pub struct TlsFiles {
    /// The leaf certificate, then those between it and the root.
    pub certificate: PathBuf,
    /// The private key.
    pub key: PathBuf,
}

/// How long the server waits.
#[derive(Debug, Clone)]
pub struct Limits {
    /// For the next bytes of a request, and for a TLS handshake; five times that for a client that reads no further.
    pub idle: Duration,
    /// For the next request of an upload, before it is dropped.
    pub upload: Duration,
    /// For running requests when the server shall stop.
    pub shutdown: Duration,
    /// Between two looks at the certificate, key and htpasswd files.
    pub reload: Duration,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            idle: Duration::from_secs(60),
            upload: Duration::from_secs(3600),
            shutdown: Duration::from_secs(10),
            reload: Duration::from_secs(2),
        }
    }
}
