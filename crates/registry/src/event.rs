//! What a server tells while it runs; whoever started it decides what to print.
//!
//! Must never carry a password, an `Authorization` header or a private key.

use std::net::SocketAddr;
use std::time::Duration;

use http::{Method, StatusCode};

use crate::error::Error;

/// Something happened.
#[derive(Debug)]
#[non_exhaustive]
pub enum Event {
    /// Connections are accepted now.
    Listening {
        /// The address, with the port that was taken.
        address: SocketAddr,
        /// Whether TLS is spoken.
        tls: bool,
    },
    /// A request was answered (its body may still be on the way).
    Answered {
        /// Who asked.
        peer: SocketAddr,
        /// The method.
        method: Method,
        /// The path, without the query.
        path: String,
        /// The status.
        status: StatusCode,
        /// Time to the head of the answer.
        took: Duration,
        /// What the client was not told: what went wrong inside the server, or that the password was wrong.
        cause: Option<String>,
    },
    /// A connection ended early: handshake refused, client gone.
    Broken {
        /// Who was connected.
        peer: SocketAddr,
        /// Why it ended.
        cause: String,
    },
    /// Changed files were read again.
    Reloaded {
        /// `certificate` or `htpasswd`.
        what: &'static str,
    },
    /// Changed files could not be read; the server goes on with the old ones.
    ReloadFailed {
        /// Why.
        error: Error,
    },
    /// An upload that nobody continued was dropped.
    UploadExpired {
        /// Its id.
        id: String,
    },
}

/// The receiver of events. Called from many tasks; must not block.
pub(crate) type Listener = std::sync::Arc<dyn Fn(Event) + Send + Sync>;
