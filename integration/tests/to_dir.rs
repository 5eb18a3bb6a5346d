//! Directories that oc wrote, read by `provision mirror` and never changed.

use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use integration::program::run;
use integration::server::{Access, Program, Server};
use integration::to_dir;
use integration::world::{REPOSITORY, mirror, mirror_with, raw, release, sum, tags, write_release};
use tempfile::TempDir;

fn text(path: &Path) -> &str {
    path.to_str().unwrap_or_default()
}

/// A directory of oc's, and the media that it was made from.
fn made(oci: bool, lists: bool) -> Result<(TempDir, TempDir)> {
    let (media, directory) = (TempDir::new()?, TempDir::new()?);
    write_release(&release(oci, lists), media.path())?;
    to_dir::write(media.path(), directory.path())?;
    Ok((media, directory))
}

/// Everything about the files of a directory but when they were read.
fn manifest(directory: &Path) -> Result<Vec<u8>> {
    let mut find = Command::new("find");
    find.arg(directory).args(["-printf", "%P %y %m %n %s %T@ %C@ %l\n"]);
    let mut lines: Vec<String> = run(&mut find)?.ok()?.text()?.lines().map(str::to_owned).collect();
    lines.sort();
    Ok(lines.join("\n").into_bytes())
}

#[test]
fn a_release_is_found_listed_and_loaded() -> Result<()> {
    for (oci, lists) in [(false, false), (true, true)] {
        let (_media, directory) = made(oci, lists)?;
        let before = manifest(directory.path())?;
        let listed = mirror_with(&["list", text(directory.path())], &[])?.ok()?;
        let expected = "release localhost/openshift/release:4.10.0-x86_64 sha256:";
        ensure!(
            listed.text()?.starts_with(expected) && listed.text()?.lines().count() == 1,
            "{}",
            listed.all()
        );

        let server = Server::start(Program::Distribution, Access::GUARDED)?;
        let to = format!("{}/{REPOSITORY}", server.name);
        let load = ["load", text(directory.path()), &to, "--json"];
        let first = mirror(&load, &server)?.ok()?.json()?;
        ensure!(sum(&first, "images")? == 5 && sum(&first, "blobs")? > 0, "{first}");
        let second = mirror(&load, &server)?.ok()?.json()?;
        ensure!(sum(&second, "present")? == 5 && sum(&second, "blobs")? == 0, "{second}");
        ensure!(tags(&server, REPOSITORY)?.len() == 5);
        for tag in tags(&server, REPOSITORY)? {
            let kept = directory.path().join("v2").join(to_dir::REPOSITORY).join("manifests").join(&tag);
            ensure!(raw(&server, &format!("{REPOSITORY}:{tag}"))? == std::fs::read(kept)?, "{tag}");
        }
        ensure!(manifest(directory.path())? == before, "the directory was changed");
    }
    Ok(())
}

#[test]
fn the_release_is_redirected_when_it_is_said_where_it_came_from() -> Result<()> {
    let (_media, directory) = made(false, false)?;
    let server = Server::start(Program::Own, Access::Open)?;
    let to = format!("{}/{REPOSITORY}", server.name);
    let source = |name: &str| format!("source: quay.io/openshift-release-dev/{name}\n");
    let load = ["load", text(directory.path()), &to];
    let silent = mirror(&load, &server)?.ok()?.says(&["does not say where the release image came from"])?;
    ensure!(silent.text()?.contains(&source("ocp-v4.0-art-dev")) && !silent.text()?.contains("localhost/"));
    let image = "quay.io/openshift-release-dev/ocp-release:4.10.0-x86_64";
    let said = mirror(&[&load[..], &["--only", image]].concat(), &server)?.ok()?;
    ensure!(said.text()?.contains(&source("ocp-release")), "{}", said.all());
    mirror(&[&load[..], &["--only", "quay.io/a/b:4.11.0-x86_64"]].concat(), &server)?.with_code(64)?;
    Ok(())
}

#[test]
fn copies_instead_of_links_and_names_of_windows_are_read_as_well() -> Result<()> {
    let (_media, directory) = made(false, false)?;
    let below = directory.path().join("v2").join(to_dir::REPOSITORY);
    for folder in ["blobs", "manifests"] {
        for entry in std::fs::read_dir(below.join(folder))?.collect::<Result<Vec<_>, _>>()? {
            let (path, name) = (entry.path(), entry.file_name().to_string_lossy().replace(':', "-"));
            let bytes = std::fs::read(&path)?;
            std::fs::write(below.join(folder).join(format!("{name}.new")), bytes)?;
        }
    }
    for folder in ["blobs", "manifests"] {
        for entry in std::fs::read_dir(below.join(folder))?.collect::<Result<Vec<_>, _>>()? {
            match entry.file_name().to_string_lossy().strip_suffix(".new") {
                Some(name) => std::fs::rename(entry.path(), below.join(folder).join(name))?,
                None if entry.file_name().to_string_lossy().contains(':') => {
                    std::fs::remove_file(entry.path())?
                }
                None => {}
            }
        }
    }
    let server = Server::start(Program::Own, Access::Open)?;
    mirror(&["load", text(directory.path()), &format!("{}/{REPOSITORY}", server.name)], &server)?.ok()?;
    ensure!(tags(&server, REPOSITORY)?.len() == 5);
    Ok(())
}

#[test]
fn what_is_damaged_or_missing_is_named() -> Result<()> {
    let (_media, directory) = made(false, false)?;
    let server = Server::start(Program::Own, Access::Open)?;
    let to = format!("{}/{REPOSITORY}", server.name);
    let load = ["load", text(directory.path()), &to];
    let blobs = directory.path().join("v2").join(to_dir::REPOSITORY).join("blobs");
    let largest = std::fs::read_dir(blobs)?
        .flatten()
        .max_by_key(|entry| entry.metadata().map_or(0, |meta| meta.len()))
        .context("no blobs")?;
    let (good, name) = (std::fs::read(largest.path())?, largest.file_name().to_string_lossy().into_owned());
    let mut bad = good.clone();
    bad[7] ^= 1;
    std::fs::write(largest.path(), bad)?;
    mirror(&load, &server)?.with_code(1)?.says(&[&name, "is damaged", "hint: "])?;
    std::fs::remove_file(largest.path())?;
    mirror(&load, &server)?.with_code(1)?.says(&[&name, "is not on the media", "hint: "])?;
    std::fs::write(largest.path(), good)?;
    mirror(&load, &server)?.ok()?;
    ensure!(tags(&server, REPOSITORY)?.len() == 5);
    Ok(())
}
