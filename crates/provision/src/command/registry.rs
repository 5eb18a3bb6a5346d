//! `provision registry`: serve images from a directory. This is also what runs in the embedded registry's container.

use std::error::Error as _;
use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Subcommand};
use provision_registry::{Config, Event, TlsFiles, serve};
use tokio::signal::unix::{SignalKind, signal};

use crate::cli::Global;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::out;

/// What can be done with a registry.
#[derive(Debug, Subcommand)]
pub enum RegistryCommand {
    /// Serve a directory of images over the OCI distribution protocol, until SIGTERM
    Serve(Serve),
}

/// How a directory is served.
#[derive(Debug, Args)]
pub struct Serve {
    /// Address and port to listen on
    #[arg(long, default_value = "127.0.0.1:8443", value_name = "ADDRESS:PORT")]
    listen: SocketAddr,
    /// The directory of images; made when it is missing
    #[arg(long, value_name = "DIR")]
    store: PathBuf,
    /// The server's certificate chain in PEM, its own first
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    tls_cert: Option<PathBuf>,
    /// The server's private key in PEM
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    tls_key: Option<PathBuf>,
    /// Users and their bcrypt hashes, as `htpasswd -B` writes them
    #[arg(long, value_name = "FILE")]
    htpasswd: Option<PathBuf>,
    /// Refuse every change
    #[arg(long)]
    read_only: bool,
}

/// Serves until a signal ends it.
pub fn run(global: &Global, command: RegistryCommand) -> Result<Exit, Failure> {
    let RegistryCommand::Serve(args) = command;
    let tls = args.tls_cert.zip(args.tls_key).map(|(certificate, key)| TlsFiles { certificate, key });
    if tls.is_none() && !args.listen.ip().is_loopback() {
        let what = format!("{} would be served without TLS", args.listen);
        return Err(Failure::new(Exit::Usage, what)
            .hint("give --tls-cert and --tls-key; plain HTTP is served on the loopback interface only"));
    }
    let mut config = Config::new(args.listen, args.store);
    (config.tls, config.htpasswd, config.read_only) = (tls, args.htpasswd, args.read_only);
    let json = global.json;
    let io = |error: std::io::Error| Failure::because(Exit::Failed, &error);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(io)?;
    runtime.block_on(async {
        let (mut terminate, mut interrupt) =
            (signal(SignalKind::terminate()).map_err(io)?, signal(SignalKind::interrupt()).map_err(io)?);
        let stop = async move {
            tokio::select! { _ = terminate.recv() => {}, _ = interrupt.recv() => {} }
        };
        let told = move |event: Event| tell(json, &event);
        serve(config, told, stop).await.map_err(|error| Failure::because(Exit::Failed, &error))
    })?;
    Ok(Exit::Done)
}

/// One line an event; what is asked for often (and worked) is not worth a line in the journal.
fn tell(json: bool, event: &Event) {
    match event {
        Event::Listening { address, tls } if json => {
            out::json(&serde_json::json!({ "event": "listening", "address": address, "tls": tls }));
        }
        Event::Listening { address, tls } => {
            let scheme = if *tls { "https" } else { "http" };
            out::note(format!("listening on {scheme}://{address}"));
        }
        Event::Answered { peer, method, path, status, cause, .. } => {
            let read = matches!(method.as_str(), "GET" | "HEAD");
            if !read || cause.is_some() {
                let cause = cause.as_ref().map(|cause| format!(": {cause}")).unwrap_or_default();
                out::note(format!("{} {method} {path} {}{cause}", peer.ip(), status.as_u16()));
            }
        }
        Event::Broken { peer, cause } => out::note(format!("{} {cause}", peer.ip())),
        Event::Reloaded { what } => out::note(format!("read the changed {what} again")),
        Event::ReloadFailed { error } => {
            let cause = error.source().map(|cause| format!(": {cause}")).unwrap_or_default();
            out::note(format!("goes on with what it has: {error}{cause}"));
        }
        Event::UploadExpired { id } => out::note(format!("dropped the upload {id}, which nobody continued")),
        other => out::note(format!("{other:?}")),
    }
}
