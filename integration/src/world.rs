//! What most tests begin with: a release on media, and `provision mirror` told how to speak with a server.

use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result};
use provision_oci::{Digest, Reference, Store};
use serde_json::Value;

use crate::payload::Payload;
use crate::program::{Ended, provision, run, skopeo};
use crate::server::Server;

/// The repository that releases are mirrored into.
pub const REPOSITORY: &str = "ocp4/openshift4";

/// A small release.
pub fn release(oci: bool, lists: bool) -> Payload {
    Payload {
        version: "4.10.0".into(),
        architecture: "x86_64".into(),
        components: 4,
        size: 600_000,
        oci,
        lists,
    }
}

/// Puts a release on media in a directory; gives its name where it comes from.
pub fn write_release(payload: &Payload, directory: &Path) -> Result<Reference> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async { payload.write(&Store::create(directory).await?).await })
}

/// Puts a release on media that names this server as its origin, and loads it there; gives the release's name.
pub fn publish(payload: &Payload, server: &Server, directory: &Path) -> Result<Reference> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let home = format!("{}/upstream/release", server.name);
    let reference =
        runtime.block_on(async { payload.write_as(&Store::create(directory).await?, &home, &home).await })?;
    mirror(&["load", directory.to_str().context("a path")?, &home], server)?.ok()?;
    Ok(reference)
}

/// `provision mirror` with these arguments, and what the server needs.
pub fn mirror(arguments: &[&str], server: &Server) -> Result<Ended> {
    mirror_with(arguments, &server.options())
}

/// `provision mirror` with these arguments and options.
pub fn mirror_with(arguments: &[&str], options: &[String]) -> Result<Ended> {
    let mut command: Command = provision()?;
    run(command.arg("mirror").args(arguments).args(options))
}

/// The sum of a number over all images or releases that `--json` reports.
pub fn sum(report: &Value, what: &str) -> Result<u64> {
    let copied = report["copied"].as_array().with_context(|| format!("no `copied` in {report}"))?;
    copied.iter().map(|summary| summary[what].as_u64().with_context(|| format!("{what} in {report}"))).sum()
}

/// The raw manifest of an image, as skopeo gets it.
pub fn raw(server: &Server, image: &str) -> Result<Vec<u8>> {
    let mut arguments = vec!["inspect".to_owned(), "--raw".to_owned()];
    arguments.extend(server.skopeo_options(""));
    arguments.push(format!("docker://{}/{image}", server.name));
    skopeo(arguments)
}

/// All tags of a repository, sorted, as skopeo sees them.
pub fn tags(server: &Server, repository: &str) -> Result<Vec<String>> {
    let mut arguments = vec!["list-tags".to_owned()];
    arguments.extend(server.skopeo_options(""));
    arguments.push(format!("docker://{}/{repository}", server.name));
    let listed: Value = serde_json::from_slice(&skopeo(arguments)?)?;
    let tags = listed["Tags"].as_array().context("no Tags")?;
    let mut tags: Vec<String> = tags.iter().filter_map(|tag| tag.as_str().map(str::to_owned)).collect();
    tags.sort();
    Ok(tags)
}

/// The digest of bytes, as text.
pub fn digest(bytes: &[u8]) -> String {
    Digest::of(bytes).to_string()
}
