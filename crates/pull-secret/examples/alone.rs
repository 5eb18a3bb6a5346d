//! Uses the crate alone: reads an auth file, says who it knows for an image, and what may be wrong with it.
//!
//! `cargo run -p provision-pull-secret --example alone -- ~/.docker/config.json quay.io/ns/image`

use std::collections::BTreeSet;
use std::error::Error;

use provision_pull_secret::{AuthFile, Credentials, Match, merge};

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let file = match arguments.next() {
        Some(path) => AuthFile::parse(&std::fs::read(path)?)?,
        None => sample()?,
    };
    let image =
        arguments.next().unwrap_or_else(|| "registry.example.test:8443/ocp4/openshift4:4.10.0".to_owned());
    let mut lines = Vec::new();
    for entry in file.show().entries {
        lines.push(format!("{:<40} {:?} {}", entry.key, entry.kind, entry.username.unwrap_or_default()));
    }
    lines.push(match file.lookup(&image) {
        Some(Match::Credentials { key, credentials }) => {
            format!("{image}: user {} of {key}", credentials.username)
        }
        Some(other) => format!("{image}: {other:?}"),
        None => format!("{image}: no entry; near it: {:?}", file.near(&image)),
    });
    for finding in file.findings(&BTreeSet::new()) {
        lines.push(format!("{:?} {}: {} ({})", finding.severity, finding.key, finding.found, finding.remedy));
    }
    std::io::Write::write_all(&mut std::io::stdout(), (lines.join("\n") + "\n").as_bytes())?;
    Ok(())
}

fn sample() -> Result<AuthFile, provision_pull_secret::Error> {
    let base = AuthFile::parse(br#"{"auths": {"quay.io": {"auth": "dTpw", "email": "a@example.test"}}}"#)?;
    let mut mirror = AuthFile::new();
    mirror.set("registry.example.test:8443", &Credentials::new("init", "a password"))?;
    Ok(merge(&base, &mirror))
}
