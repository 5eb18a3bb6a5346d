//! Uses the crate alone: serves a directory on the loopback interface, until Ctrl-C.
//!
//! `cargo run -p provision-registry --example alone -- DIR [PORT [CERTIFICATE KEY [HTPASSWD]]]`
//!
//! Without a certificate it speaks plain HTTP.

use std::error::Error;
use std::io::Write as _;
use std::path::PathBuf;

use provision_registry::{Config, Event, TlsFiles, serve};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let directory = arguments.next().ok_or("which directory shall be served?")?;
    let port: u16 = arguments.next().map_or(Ok(0), |port| port.parse())?;
    let mut config = Config::new(([127, 0, 0, 1], port).into(), directory);
    if let (Some(certificate), Some(key)) = (arguments.next(), arguments.next()) {
        config.tls = Some(TlsFiles { certificate: certificate.into(), key: key.into() });
    }
    config.htpasswd = arguments.next().map(PathBuf::from);
    let tell = |event: Event| {
        let line = match event {
            Event::Listening { address, .. } => format!("listening on {address}"),
            Event::Answered { method, path, status, took, cause, .. } => {
                format!("{} {method} {path} {took:?} {}", status.as_u16(), cause.unwrap_or_default())
            }
            other => format!("{other:?}"),
        };
        // Nobody reads any more: go on serving.
        let _ = writeln!(std::io::stdout(), "{line}");
    };
    let interrupted = async {
        let _ = tokio::signal::ctrl_c().await;
    };
    Ok(serve(config, tell, interrupted).await?)
}
