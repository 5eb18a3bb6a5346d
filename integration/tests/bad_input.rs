//! What goes wrong while mirroring, made to happen against real registries: each error says which thing, what was
//! expected and what to do, nothing half is taken as whole, and the next run completes.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use integration::fault::{Fault, Proxy, Rule, flaky};
use integration::program::{provision, run};
use integration::server::{Access, PASSWORD, Program, Server, write_auth_file};
use integration::world::{REPOSITORY, mirror, mirror_with, publish, release, tags, write_release};
use tempfile::TempDir;

fn text(path: &Path) -> &str {
    path.to_str().unwrap_or_default()
}

fn plain() -> Vec<String> {
    vec!["--plain-http".to_owned()]
}

/// A plain registry with a release in it, and the blobs that it consists of.
struct Origin {
    server: Server,
    media: TempDir,
    image: String,
}

impl Origin {
    fn new() -> Result<Self> {
        let server = Server::start(Program::Distribution, Access::Open)?;
        let media = TempDir::new()?;
        let image = publish(&release(false, false), &server, media.path())?.to_string();
        Ok(Self { server, media, image })
    }

    /// The release by way of a proxy; its components are still fetched from the registry itself.
    fn image_by(&self, proxy: &Proxy) -> String {
        self.image.replace(&self.server.name, &proxy.name)
    }

    /// One component by way of a proxy.
    fn component_by(&self, proxy: &Proxy) -> String {
        format!("{}-cli", self.image_by(proxy))
    }
}

/// The names of all blobs on media; none when there are no media.
fn blobs(media: &Path) -> BTreeSet<OsString> {
    let entries = std::fs::read_dir(media.join("blobs/sha256"));
    entries.into_iter().flatten().flatten().map(|entry| entry.file_name()).collect()
}

/// Every blob on media is what its name says.
fn all_are_whole(media: &Path) -> Result<()> {
    for name in blobs(media) {
        let bytes = std::fs::read(media.join("blobs/sha256").join(&name))?;
        let found = integration::world::digest(&bytes);
        ensure!(found["sha256:".len()..] == *name.to_string_lossy(), "{name:?} is {found}");
    }
    Ok(())
}

fn rule(method: &'static str, path: &str, fault: Fault, times: usize) -> Rule {
    Rule { method, path: path.to_owned(), fault, times }
}

#[test]
fn certificates_and_passwords_that_are_not_right() -> Result<()> {
    let server = Server::start(Program::Own, Access::GUARDED)?;
    let image = format!("{}/a/b:1", server.name);
    let directory = TempDir::new()?;
    let to = directory.path().join("media");
    let save = ["save", &image, text(&to)];
    let auth = server.auth_file();
    mirror_with(&save, &["--authfile".into(), text(&auth).into()])?.with_code(1)?.says(&[
        &format!("the certificate of {} cannot be trusted", server.name),
        "hint: give its authority with --certificate-authority",
    ])?;
    let options = ["--certificate-authority".to_owned(), text(&server.authority()).to_owned()];
    mirror_with(&save, &options)?
        .with_code(1)?
        .says(&[&format!("{} refuses a client without credentials", server.name), "hint: "])?;
    let wrong = directory.path().join("wrong.json");
    write_auth_file(&wrong, &server.name, "an old one")?;
    let with_wrong = [&options[..], &["--authfile".to_owned(), text(&wrong).to_owned()]].concat();
    mirror_with(&save, &with_wrong)?.with_code(1)?.says(&[
        &format!("{} refuses the password of init", server.name),
        "hint: provision pull-secret check",
    ])?;
    // Credentials of a namespace are credentials.
    write_auth_file(&wrong, &format!("{}/a", server.name), "an old one")?;
    mirror_with(&save, &with_wrong)?
        .with_code(1)?
        .says(&[&format!("{} refuses the password of init", server.name)])?;
    mirror(&save, &server)?
        .with_code(1)?
        .says(&[&format!("a/b:1 is not in {}", server.name), "hint: check repository, tag"])?;

    let other = Server::start(Program::Distribution, Access::Guarded { name: "registry.example.test" })?;
    let image = format!("{}/a/b:1", other.name);
    mirror(&["save", &image, text(&to)], &other)?.with_code(1)?.says(&[
        &other.name,
        "hostname mismatch",
        "for the name",
    ])?;
    // TLS where there is none.
    let open = Server::start(Program::Own, Access::Open)?;
    mirror_with(&["save", &format!("{}/a/b:1", open.name), text(&to)], &[])?
        .with_code(1)?
        .says(&[&format!("no TLS with {}", open.name), "--plain-http"])?;
    let mut gone = open;
    gone.stop();
    mirror_with(&["save", &format!("{}/a/b:1", gone.name), text(&to)], &plain())?
        .with_code(1)?
        .says(&[&format!("cannot connect to {}", gone.name), "hint: is the registry running"])?;
    ensure!(!to.exists(), "what failed made {}", to.display());
    Ok(())
}

#[test]
fn auth_files_that_cannot_be_used_stay_as_they_are() -> Result<()> {
    let server = Server::start(Program::Own, Access::GUARDED)?;
    let directory = TempDir::new()?;
    let file = directory.path().join("auth.json");
    let image = format!("{}/a/b:1", server.name);
    let ca = server.authority();
    for content in ["{\"auths\":{\"a\":{\"auth\":\"!\"}}}", "{\"auths\":", "\u{0}", "[]"] {
        std::fs::write(&file, content)?;
        let options = ["--certificate-authority", text(&ca), "--authfile", text(&file)].map(str::to_owned);
        mirror_with(&["copy", &image, &image], &options)?.with_code(64)?.says(&[text(&file)])?;
        ensure!(std::fs::read_to_string(&file)? == content, "{content:?} was changed");
    }
    for missing in ["/nonexistent/auth.json", text(directory.path())] {
        let options = ["--authfile".to_owned(), missing.to_owned()];
        let ended = mirror_with(&["copy", &image, &image], &options)?;
        ensure!(matches!(ended.code, Some(1 | 64)), "{}", ended.all());
        ended.says(&[missing])?;
    }
    Ok(())
}

#[test]
fn bytes_that_change_on_the_way_are_never_taken() -> Result<()> {
    let origin = Origin::new()?;
    let target = Server::start(Program::Own, Access::Open)?;
    for (what, path) in [("a blob", "/blobs/sha256"), ("a manifest", "/manifests/sha256")] {
        let proxy = Proxy::before(origin.server.port(), vec![rule("GET", path, Fault::Corrupt(40), 1)])?;
        let digest = integration::world::digest(&integration::world::raw(
            &origin.server,
            "upstream/release:4.10.0-x86_64-cli",
        )?);
        let image = format!("{}/upstream/release@{digest}", proxy.name);
        let directory = TempDir::new()?;
        let media = directory.path().join("media");
        let save = ["save", &image, text(&media)];
        mirror_with(&save, &plain())?
            .with_code(1)?
            .says(&[&proxy.name, "sent other bytes", "expected sha256:", "found sha256:", "hint: "])
            .context(what)?;
        ensure!(proxy.faults() == 1, "{what}: {:?}", proxy.requests());
        all_are_whole(&media)?;
        mirror_with(&save, &plain())?.ok().context(what)?;
        all_are_whole(&media)?;
    }
    let proxy = Proxy::before(origin.server.port(), vec![rule("GET", "/blobs/", Fault::Corrupt(40), 1)])?;
    let copy = ["copy", &origin.component_by(&proxy), &format!("{}/a/cli", target.name)];
    mirror_with(&copy, &plain())?.with_code(1)?.says(&["sent other bytes", "found sha256:"])?;
    ensure!(run(Command::new("find").arg(target.directory()).args(["-name", "_tags"]))?.stdout.is_empty());
    all_are_whole(&target.directory().join("store"))?;
    mirror_with(&copy, &plain())?.ok()?;
    ensure!(tags(&target, "a/cli")? == ["4.10.0-x86_64-cli"]);
    Ok(())
}

#[test]
fn a_download_that_ends_too_early_is_begun_again_or_fails() -> Result<()> {
    let origin = Origin::new()?;
    let target = Server::start(Program::Distribution, Access::Open)?;
    let faults = [
        ("a body that ends", Fault::Truncate(1000)),
        ("a connection that is reset", Fault::Reset),
        ("a registry that is busy", Fault::Busy),
    ];
    for (number, (what, fault)) in faults.into_iter().enumerate() {
        let directory = TempDir::new()?;
        let rules = ["/blobs/", "/manifests/"].map(|path| rule("GET", path, fault, 2));
        let proxy = Proxy::before(origin.server.port(), rules.to_vec())?;
        let (image, media) = (origin.component_by(&proxy), directory.path().join("media"));
        mirror_with(&["save", &image, text(&media)], &plain())?.ok().context(what)?;
        ensure!(proxy.faults() >= 3, "{what}: {:?}", proxy.requests());
        all_are_whole(&media)?;

        let proxy = Proxy::before(origin.server.port(), vec![rule("GET", "/blobs/", fault, 2)])?;
        let to = format!("{}/copy-{number}/cli", target.name);
        mirror_with(&["copy", &origin.component_by(&proxy), &to], &plain())?.ok().context(what)?;
        ensure!(proxy.faults() == 2, "{what}: {:?}", proxy.requests());

        let proxy = Proxy::before(origin.server.port(), vec![rule("GET", "/blobs/", fault, 1000)])?;
        let (image, media) = (origin.component_by(&proxy), directory.path().join("never"));
        let ended = mirror_with(&["save", &image, text(&media)], &plain())?.with_code(1).context(what)?;
        ended.says(&[&proxy.name, "hint: "])?;
        let listed = mirror_with(&["list", text(&media)], &[])?.ok()?;
        ensure!(listed.stdout.is_empty(), "{what}: {}", listed.all());
        all_are_whole(&media)?;
        // What is missing, and only that, comes from the registry itself.
        let image = origin.component_by(&Proxy::before(origin.server.port(), Vec::new())?);
        mirror_with(&["save", &image, text(&media)], &plain())?.ok().context(what)?;
    }
    Ok(())
}

#[test]
fn an_upload_that_breaks_is_begun_again() -> Result<()> {
    for program in [Program::Own, Program::Distribution] {
        let server = Server::start(program, Access::Open)?;
        let media = TempDir::new()?;
        write_release(&release(false, false), media.path())?;
        let rules = vec![
            rule("POST", "/blobs/uploads/", Fault::Busy, 1),
            rule("PUT", "/blobs/uploads/", Fault::Reset, 2),
            rule("PUT", "/manifests/", Fault::Reset, 2),
        ];
        let proxy = Proxy::before(server.port(), rules)?;
        let to = format!("{}/{REPOSITORY}", proxy.name);
        mirror_with(&["load", text(media.path()), &to], &plain())?.ok().context(format!("{program:?}"))?;
        ensure!(proxy.faults() >= 3, "{program:?}: {:?}", proxy.requests());
        ensure!(tags(&server, REPOSITORY)?.len() == 5);
    }
    Ok(())
}

#[test]
fn a_registry_that_falls_silent_is_not_waited_for_for_ever() -> Result<()> {
    let origin = Origin::new()?;
    let directory = TempDir::new()?;
    let silence = Fault::Stall(1000, Duration::from_secs(600));
    let proxy = Proxy::before(origin.server.port(), vec![rule("GET", "/blobs/", silence, 1)])?;
    let begun = Instant::now();
    let media = directory.path().join("media");
    let mut command = provision()?;
    command.args(["mirror", "save", &origin.component_by(&proxy), text(&media), "--plain-http"]);
    run(command.args(["--patience", "2"]))?.ok()?;
    ensure!(proxy.faults() == 1 && begun.elapsed() < Duration::from_secs(60), "{:?}", begun.elapsed());
    all_are_whole(&media)
}

#[test]
fn damaged_media_are_named_and_never_completed() -> Result<()> {
    for program in [Program::Own, Program::Distribution] {
        let server = Server::start(program, Access::Open)?;
        let media = TempDir::new()?;
        write_release(&release(false, false), media.path())?;
        let largest = blobs(media.path())
            .into_iter()
            .map(|name| media.path().join("blobs/sha256").join(name))
            .max_by_key(|path| path.metadata().map_or(0, |meta| meta.len()))
            .context("no blobs")?;
        let good = std::fs::read(&largest)?;
        let to = format!("{}/{REPOSITORY}", server.name);
        let load = ["load", text(media.path()), &to];
        let mut flipped = good.clone();
        let last = flipped.len() - 1;
        flipped[last] ^= 1;
        let damages: [(&str, Option<&[u8]>); 4] = [
            ("flipped", Some(&flipped)),
            ("cut", Some(&good[..good.len() / 2])),
            ("empty", Some(&[])),
            ("gone", None),
        ];
        for (what, bytes) in damages {
            match bytes {
                Some(bytes) => std::fs::write(&largest, bytes)?,
                None => std::fs::remove_file(&largest)?,
            }
            let name = largest.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let ended = mirror(&load, &server)?.with_code(1).context(what)?;
            ended.says(&[&name, "hint: "]).context(what)?;
            // The registry tidies up its uploads meanwhile.
            let mut find = Command::new("find");
            find.arg(server.directory().join("store"));
            find.args(["-ignore_readdir_race", "-path", &format!("*{name}*")]);
            ensure!(run(&mut find)?.ok()?.stdout.is_empty(), "{what}: the registry took it");
        }
        std::fs::write(&largest, &good)?;
        mirror(&load, &server)?.ok()?;
        ensure!(tags(&server, REPOSITORY)?.len() == 5);
    }
    Ok(())
}

#[test]
fn media_that_are_none_are_named() -> Result<()> {
    let server = Server::start(Program::Own, Access::Open)?;
    let directory = TempDir::new()?;
    let to = format!("{}/{REPOSITORY}", server.name);
    mirror(&["load", "/nonexistent/media", &to], &server)?.with_code(1)?.says(&["/nonexistent/media"])?;
    std::fs::write(directory.path().join("holiday.jpg"), "")?;
    mirror(&["load", text(directory.path()), &to], &server)?
        .with_code(1)?
        .says(&[text(directory.path()), "store.json"])?;
    let image = format!("{}/a/b:1", server.name);
    mirror(&["save", &image, text(directory.path())], &server)?.with_code(1)?;
    let media = TempDir::new()?;
    write_release(&release(false, false), media.path())?;
    std::fs::write(media.path().join("media.json"), "{")?;
    mirror(&["load", text(media.path()), &to], &server)?.with_code(1)?.says(&["media.json", "hint: "])?;
    Ok(())
}

#[test]
fn a_digest_that_is_not_there_is_named() -> Result<()> {
    let origin = Origin::new()?;
    let directory = TempDir::new()?;
    let digest = integration::world::digest(b"something else");
    let image = format!("{}/upstream/release@{digest}", origin.server.name);
    let media = directory.path().join("media");
    mirror(&["save", &image, text(&media)], &origin.server)?
        .with_code(1)?
        .says(&[&format!("upstream/release@{digest} is not in"), "hint: "])?;
    let only = format!("{}@{digest}", origin.image.rsplit_once(':').context("a tag")?.0);
    mirror(
        &["load", text(origin.media.path()), &origin.server.name.clone().add("/x"), "--only", &only],
        &origin.server,
    )?
    .with_code(64)?
    .says(&["holds nothing of what is asked for"])?;
    Ok(())
}

/// `String + &str` where a method reads better.
trait Add {
    fn add(self, more: &str) -> String;
}

impl Add for String {
    fn add(mut self, more: &str) -> String {
        self.push_str(more);
        self
    }
}

/// A file system of a few mebibytes in memory, unmounted when it is dropped.
struct Small(TempDir);

impl Small {
    fn mount(mebibytes: u32) -> Result<Self> {
        let directory = TempDir::new()?;
        let size = format!("size={mebibytes}m");
        let mounted =
            run(Command::new("mount").args(["-t", "tmpfs", "-o", &size, "tmpfs"]).arg(directory.path()))?;
        mounted.ok().context("a full disk can be tested by root only, where mounting is allowed")?;
        Ok(Self(directory))
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(self.0.path()).status();
    }
}

#[test]
fn a_full_disk_is_named_and_leaves_nothing_half() -> Result<()> {
    let server = Server::start(Program::Distribution, Access::Open)?;
    let made = TempDir::new()?;
    let mut payload = release(false, false);
    payload.size = 6 << 20;
    let image = publish(&payload, &server, made.path())?.to_string();
    let disk = Small::mount(3)?;
    let media = disk.0.path().join("media");
    let save = ["save", "--release", &image, text(&media)];
    mirror(&save, &server)?.with_code(1)?.says(&[text(&media), "No space left on device", "hint: "])?;
    all_are_whole(&media)?;
    ensure!(std::fs::read_dir(media.join("uploads"))?.count() == 0, "parts of blobs are left");
    let listed = mirror_with(&["list", text(&media)], &[])?.ok()?;
    ensure!(listed.stdout.is_empty(), "{}", listed.all());
    run(Command::new("mount").args(["-o", "remount,size=64m"]).arg(disk.0.path()))?.ok()?;
    mirror(&save, &server)?.ok()?;
    all_are_whole(&media)?;
    let to = format!("{}/again/release", server.name);
    mirror(&["load", text(&media), &to], &server)?.ok()?;
    ensure!(tags(&server, "again/release")?.len() == 5);
    Ok(())
}

#[test]
fn a_run_that_is_killed_is_completed_by_the_next() -> Result<()> {
    let origin = Origin::new()?;
    let directory = TempDir::new()?;
    let media = directory.path().join("media");
    let silence = Fault::Stall(1000, Duration::from_secs(30));
    let proxy = Proxy::before(origin.server.port(), vec![rule("GET", "/blobs/", silence, 1000)])?;
    let image = origin.component_by(&proxy);
    let mut command = provision()?;
    command.args(["mirror", "save", &image, text(&media), "--plain-http"]);
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
    let begun = Instant::now();
    while proxy.faults() < 2 {
        if begun.elapsed() > Duration::from_secs(20) {
            child.kill()?;
            bail!("the proxy was not asked: {:?}", proxy.requests());
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    child.kill()?;
    child.wait()?;
    all_are_whole(&media)?;
    ensure!(mirror_with(&["list", text(&media)], &[])?.ok()?.stdout.is_empty());
    let image = format!("{}-cli", origin.image);
    mirror(&["save", &image, text(&media)], &origin.server)?.ok()?;
    all_are_whole(&media)
}

#[test]
fn connections_that_break_before_tls_is_up_are_made_again() -> Result<()> {
    let server = Server::start(Program::Own, Access::GUARDED)?;
    let media = TempDir::new()?;
    write_release(&release(false, false), media.path())?;
    let name = flaky(server.port(), 2)?;
    let auth = media.path().join("auth.json");
    write_auth_file(&auth, &name, PASSWORD)?;
    let ca = server.authority();
    let options = ["--certificate-authority", text(&ca), "--authfile", text(&auth)].map(str::to_owned);
    mirror_with(&["load", text(media.path()), &format!("{name}/{REPOSITORY}")], &options)?.ok()?;
    ensure!(tags(&server, REPOSITORY)?.len() == 5);
    Ok(())
}

#[test]
fn media_that_a_power_cut_left_too_short_are_completed() -> Result<()> {
    let origin = Origin::new()?;
    let media = TempDir::new()?;
    let save = ["save", "--release", &origin.image, text(media.path()), "--json"];
    mirror(&save, &origin.server)?.ok()?;
    // The run ended before the release had its name, and the last blobs are not whole.
    std::fs::remove_file(media.path().join("media.json"))?;
    std::fs::remove_dir_all(media.path().join("repositories"))?;
    for name in blobs(media.path()).iter().take(3) {
        std::fs::write(media.path().join("blobs/sha256").join(name), "")?;
    }
    mirror(&save, &origin.server)?.ok()?;
    all_are_whole(media.path())
}
