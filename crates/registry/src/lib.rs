//! An OCI registry over a store: push and pull (distribution specification v1.1), TLS, users, and nothing else.
//!
//! Knows HTTP and the store of `provision-oci`. Must not know mirroring, hosts, units or terminals: it prints nothing,
//! what happens is told as [`Event`]s.
//!
//! ```no_run
//! # async fn run() -> Result<(), provision_registry::Error> {
//! let mut config = provision_registry::Config::new(([127, 0, 0, 1], 5000).into(), "/var/lib/registry");
//! config.read_only = true;
//! provision_registry::serve(config, |_event| (), std::future::pending()).await
//! # }
//! ```

mod blobs;
mod body;
mod config;
mod error;
mod event;
mod inbound;
mod listing;
mod manifests;
mod range;
mod referrers;
mod refusal;
mod registry;
mod route;
mod server;
mod session;
mod tls;
mod uploads;
mod users;

pub use config::{Config, Limits, TlsFiles};
pub use error::Error;
pub use event::Event;
pub use server::serve;
