//! `provision mirror` against real registries of all kinds, judged by skopeo.

use std::path::Path;
use std::process::Command;

use anyhow::{Result, ensure};
use integration::payload::Payload;
use integration::program::{run, skopeo};
use integration::server::{Access, KINDS, Program, Server};
use integration::world::{
    REPOSITORY, digest, mirror, mirror_with, publish, raw, release, sum, tags, write_release,
};
use tempfile::TempDir;

const TAGS: [&str; 5] = [
    "4.10.0-x86_64",
    "4.10.0-x86_64-cli",
    "4.10.0-x86_64-cluster-version-operator",
    "4.10.0-x86_64-etcd",
    "4.10.0-x86_64-hyperkube",
];

fn text(path: &Path) -> &str {
    path.to_str().unwrap_or_default()
}

/// Loads a release from media into a registry, looks at it with skopeo, loads again, and saves it from there.
fn round(program: Program, access: &Access, oci: bool, lists: bool) -> Result<()> {
    let server = Server::start(program, access.clone())?;
    let (media, saved) = (TempDir::new()?, TempDir::new()?);
    let payload = release(oci, lists);
    write_release(&payload, media.path())?;
    let to = format!("{}/{REPOSITORY}", server.name);
    let load = ["load", text(media.path()), &to, "--json"];

    let dry = mirror(&[&load[..], &["--dry-run"]].concat(), &server)?.ok()?.json()?;
    let nothing = mirror(&["copy", &format!("{to}:x"), &to], &server)?.with_code(1)?;
    nothing.says(&["is not in", &server.name])?;
    let first = mirror(&load, &server)?.ok()?.json()?;
    ensure!(sum(&first, "images")? == 5 && sum(&first, "present")? == 0, "{first}");
    ensure!(sum(&dry, "blobs")? == sum(&first, "blobs")?, "the dry run said {dry}, then {first}");
    ensure!(sum(&dry, "bytes")? == sum(&first, "bytes")? && sum(&dry, "bytes")? > 500_000, "{dry}");
    ensure!(tags(&server, REPOSITORY)? == TAGS, "{:?}\n{server:?}", tags(&server, REPOSITORY)?);

    let second = mirror(&load, &server)?.ok()?.json()?;
    ensure!(sum(&second, "present")? == 5 && sum(&second, "blobs")? == 0, "{second}");

    // Byte for byte: what the payload calls by digest is what skopeo gets by digest.
    for tag in TAGS {
        let bytes = raw(&server, &format!("{REPOSITORY}:{tag}"))?;
        ensure!(bytes == raw(&server, &format!("{REPOSITORY}@{}", digest(&bytes)))?, "{tag}");
        let kept = media.path().join("blobs/sha256").join(&digest(&bytes)["sha256:".len()..]);
        ensure!(std::fs::read(kept)? == bytes, "{tag} is not as it was on the media");
    }

    carry(&server, &payload, saved.path())
}

/// Saves a release from its registry, and loads it from there into another repository.
fn carry(server: &Server, payload: &Payload, directory: &Path) -> Result<()> {
    let (made, saved) = (directory.join("made"), directory.join("saved"));
    let origin = publish(payload, server, &made)?.to_string();
    let save = ["save", "--release", &origin, text(&saved), "--json"];
    let first = mirror(&save, server)?.ok()?.json()?;
    ensure!(sum(&first, "images")? == 5 && sum(&first, "blobs")? > 0, "{first}");
    let second = mirror(&save, server)?.ok()?.json()?;
    ensure!(sum(&second, "present")? == 5 && sum(&second, "blobs")? == 0, "{second}");
    let listed = mirror_with(&["list", text(&saved)], &[])?.ok()?;
    ensure!(listed.text()?.starts_with(&format!("release {origin} ")), "{}", listed.all());
    // The same blobs, not one more or less.
    ensure!(blobs(&saved)? == blobs(&made)?, "{:?}", blobs(&saved)?);
    let to = format!("{}/carried/release", server.name);
    mirror(&["load", text(&saved), &to], server)?.ok()?;
    ensure!(tags(server, "carried/release")? == TAGS, "{server:?}");
    Ok(())
}

/// The names of all blobs on media.
fn blobs(media: &Path) -> Result<std::collections::BTreeSet<std::ffi::OsString>> {
    let entries = std::fs::read_dir(media.join("blobs/sha256"))?;
    Ok(entries.map(|entry| entry.map(|entry| entry.file_name())).collect::<Result<_, _>>()?)
}

#[test]
fn a_release_passes_through_registries_of_all_kinds() -> Result<()> {
    for (program, access) in KINDS {
        round(program, &access, false, false)
            .map_err(|error| error.context(format!("{program:?} {access:?}, Docker media types")))?;
    }
    Ok(())
}

#[test]
fn oci_media_types_and_lists_pass_as_well() -> Result<()> {
    for (program, access) in [KINDS[1].clone(), KINDS[2].clone()] {
        round(program, &access, true, true)
            .map_err(|error| error.context(format!("{program:?} {access:?}, OCI lists")))?;
        round(program, &access, false, true)
            .map_err(|error| error.context(format!("{program:?} {access:?}, Docker lists")))?;
    }
    Ok(())
}

#[test]
fn a_dry_run_writes_nothing_anywhere() -> Result<()> {
    let server = Server::start(Program::Distribution, Access::Open)?;
    let media = TempDir::new()?;
    write_release(&release(false, false), media.path())?;
    let to = format!("{}/{REPOSITORY}", server.name);
    mirror(&["load", text(media.path()), &to, "--dry-run"], &server)?.ok()?;
    let mut list = Command::new("find");
    let found = run(list.arg(server.directory().join("store")).args(["-type", "f"]))?;
    ensure!(found.stdout.is_empty(), "{}", found.all());

    let to = TempDir::new()?;
    let place = to.path().join("media");
    let image = format!("{}/tool:1", server.name);
    push_tool(&server, "tool:1")?;
    mirror(&["save", &image, text(&place), "--dry-run"], &server)?.ok()?;
    ensure!(!place.exists(), "the dry run made {}", place.display());
    Ok(())
}

#[test]
fn images_go_from_every_kind_of_registry_to_every_other() -> Result<()> {
    let servers = KINDS.map(|(program, access)| Server::start(program, access));
    let servers = servers.into_iter().collect::<Result<Vec<_>>>()?;
    let media = TempDir::new()?;
    let mut releases = Vec::new();
    for from in &servers {
        push_tool(from, "a/tool:1")?;
        releases.push(publish(&release(true, false), from, &media.path().join(from.port().to_string()))?);
    }
    for (from, origin) in servers.iter().zip(&releases) {
        for to in &servers {
            // Both ends of one command are spoken to in the same way.
            let plain = |server: &Server| server.options().contains(&"--plain-http".to_owned());
            if plain(from) != plain(to) {
                continue;
            }
            let options = both(from, to)?;
            let target = format!("{}/from-{}/tool", to.name, from.port());
            let copied =
                mirror_with(&["copy", &format!("{}/a/tool:1", from.name), &target, "--json"], &options.1);
            let report = copied?.ok()?.json()?;
            ensure!(sum(&report, "images")? == 1 && sum(&report, "blobs")? > 0, "{report}");
            let got = raw(to, &format!("from-{}/tool:1", from.port()))?;
            ensure!(got == raw(from, "a/tool:1")?, "{from:?} → {to:?}");

            let target = format!("{}/from-{}/release", to.name, from.port());
            let copy = ["copy", "--release", &origin.to_string(), &target, "--json"];
            let report = mirror_with(&copy, &options.1)?.ok()?.json()?;
            ensure!(sum(&report, "images")? == 5 && sum(&report, "blobs")? > 0, "{report}");
            let again = mirror_with(&copy, &options.1)?.ok()?.json()?;
            ensure!(sum(&again, "present")? == 5 && sum(&again, "blobs")? == 0, "{again}");
            ensure!(tags(to, &format!("from-{}/release", from.port()))? == TAGS);
        }
    }
    Ok(())
}

/// Options for two servers at once: one auth file and one file of authorities for both.
fn both(one: &Server, other: &Server) -> Result<(TempDir, Vec<String>)> {
    let directory = TempDir::new()?;
    if one.options().contains(&"--plain-http".to_owned()) {
        return Ok((directory, one.options()));
    }
    let (ca, auth) = (directory.path().join("ca.pem"), directory.path().join("auth.json"));
    std::fs::write(&ca, [std::fs::read(one.authority())?, std::fs::read(other.authority())?].concat())?;
    let mut file = provision_pull_secret::AuthFile::new();
    for server in [one, other] {
        let credentials =
            provision_pull_secret::Credentials::new(integration::server::USER, integration::server::PASSWORD);
        file.set(&server.name, &credentials)?;
    }
    std::fs::write(&auth, file.to_bytes().as_slice())?;
    let options =
        ["--certificate-authority", text(&ca), "--authfile", text(&auth)].map(str::to_owned).to_vec();
    Ok((directory, options))
}

/// Has skopeo push an image of its own making.
fn push_tool(server: &Server, name: &str) -> Result<()> {
    let directory = TempDir::new()?;
    let spec = provision_oci::assemble::ImageSpec {
        name: "localhost/tool:1".into(),
        program: "tool".into(),
        entrypoint: vec!["/tool".into()],
        directories: vec!["data".into()],
        labels: [].into(),
        architecture: "amd64".into(),
    };
    let program: Vec<u8> = (0..200_000u32).flat_map(u32::to_le_bytes).collect();
    let archive = directory.path().join("tool.tar");
    std::fs::write(&archive, provision_oci::assemble::scratch_image(&program, &spec)?.archive)?;
    let mut arguments = vec!["copy".to_owned(), "--quiet".to_owned()];
    arguments.extend(server.skopeo_options("dest-"));
    arguments.push(format!("docker-archive:{}", archive.display()));
    arguments.push(format!("docker://{}/{name}", server.name));
    skopeo(arguments).map(drop)
}

#[test]
fn no_image_takes_the_tag_of_another_of_the_same_load() -> Result<()> {
    let server = Server::start(Program::Own, Access::Open)?;
    let media = TempDir::new()?;
    let images = ["one/tool:1", "two/tool:1"].map(|name| format!("{}/{name}", server.name));
    for (image, name) in images.iter().zip(["one/tool:1", "two/tool:1"]) {
        push_tool(&server, name)?;
        mirror(&["save", image, text(media.path())], &server)?.ok()?;
    }
    let to = format!("{}/tools", server.name);
    let both = format!("{} and {} would both become {to}:1", images[0], images[1]);
    mirror(&["load", text(media.path()), &to], &server)?.with_code(64)?.says(&[&both, "--only"])?;
    ensure!(tags(&server, "tools").is_err(), "something was loaded");
    mirror(&["load", text(media.path()), &to, "--only", &images[1]], &server)?.ok()?;
    ensure!(tags(&server, "tools")? == ["1"]);
    Ok(())
}

#[test]
fn what_we_push_skopeo_pulls_whole() -> Result<()> {
    let server = Server::start(Program::Own, Access::GUARDED)?;
    let (media, pulled) = (TempDir::new()?, TempDir::new()?);
    write_release(&release(true, true), media.path())?;
    mirror(&["load", text(media.path()), &format!("{}/{REPOSITORY}", server.name)], &server)?.ok()?;
    for tag in TAGS {
        let mut arguments = ["copy", "--quiet", "--all", "--preserve-digests"].map(str::to_owned).to_vec();
        arguments.extend(server.skopeo_options("src-"));
        arguments.push(format!("docker://{}/{REPOSITORY}:{tag}", server.name));
        arguments.push(format!("oci:{}:{tag}", pulled.path().join(tag).display()));
        // skopeo hashes every blob it gets.
        skopeo(arguments)?;
    }
    Ok(())
}

#[test]
fn mirror_sets_are_those_of_oc() -> Result<()> {
    let server = Server::start(Program::Own, Access::Open)?;
    let media = TempDir::new()?;
    write_release(&release(false, false), media.path())?;
    let to = format!("{}/{REPOSITORY}", server.name);
    let list = |indent: &str| {
        ["ocp-release", "ocp-v4.0-art-dev"]
            .map(|name| {
                format!(
                    "{indent}- mirrors:\n{indent}  - {to}\n{indent}  source: quay.io/openshift-release-dev/{name}\n"
                )
            })
            .concat()
    };
    let idms = format!(
        "\nTo use the new mirrored repository to install, add the following section to the install-config.yaml:\n\n\
         imageDigestSources:\n{}\n\n\
         To use the new mirrored repository for upgrades, use the following to create an ImageDigestMirrorSet:\n\n\
         apiVersion: config.openshift.io/v1\nkind: ImageDigestMirrorSet\nmetadata:\n  name: example\nspec:\n  \
         imageDigestMirrors:\n{}",
        list(""),
        list("  ")
    );
    let icsp = idms
        .replace("imageDigestSources", "imageContentSources")
        .replace("ImageDigestMirrorSet", "ImageContentSourcePolicy")
        .replace("config.openshift.io/v1", "operator.openshift.io/v1alpha1")
        .replace("imageDigestMirrors", "repositoryDigestMirrors");
    let load = ["load", text(media.path()), &to];
    let said = mirror(&load, &server)?.ok()?;
    ensure!(said.text()? == idms, "{}", said.all());
    let said = mirror(&[&load[..], &["--print-mirror-instructions", "icsp"]].concat(), &server)?.ok()?;
    ensure!(said.text()? == icsp, "{}", said.all());
    let said = mirror(&[&load[..], &["--print-mirror-instructions", "none"]].concat(), &server)?.ok()?;
    ensure!(said.stdout.is_empty(), "{}", said.all());
    Ok(())
}
