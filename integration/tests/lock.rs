//! What the names in a profile stand for, asked of real registries and a real web server, and kept in the lock.

use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use integration::program::{Ended, provision, run, skopeo};
use integration::server::{Access, Program, Server};
use integration::web::{Answer, Web};
use integration::world::{digest, publish, raw, release};
use serde_json::Value;
use tempfile::TempDir;

/// Runs a program in a mount name space of its own, in which the system trusts this authority alone.
const TRUSTING: &str = "mount --bind \"$1\" /etc/ssl/certs/ca-certificates.crt && shift && exec \"$@\"";

/// A folder with a profile, and a root file system beside it.
struct Site {
    directory: TempDir,
    /// What the system trusts, if that is something special.
    bundle: Option<PathBuf>,
}

impl Site {
    fn new() -> Result<Self> {
        let site = Self { directory: TempDir::new()?, bundle: None };
        std::fs::create_dir_all(site.path("root/etc"))?;
        std::fs::create_dir_all(site.path("root/var/lib"))?;
        let release = "ID=debian\nVERSION_ID=\"12\"\nPRETTY_NAME=\"Debian 12\"\n";
        std::fs::write(site.path("root/etc/os-release"), release)?;
        Ok(site)
    }

    /// A site whose system trusts a web server.
    fn trusting(web: &Web) -> Result<Self> {
        Ok(Self { bundle: Some(web.authority()), ..Self::new()? })
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn profile(&self, body: &str) -> Result<()> {
        Ok(std::fs::write(self.path("site.toml"), format!("schema = 1\nname = \"site\"\n{body}"))?)
    }

    /// A profile that wants one file from an address.
    fn wants(&self, address: &str, more: &str) -> Result<()> {
        self.profile(&format!("[[host.file]]\npath = \"/etc/motd\"\nurl = {address:?}\n{}{more}", owner()?))
    }

    /// `provision COMMAND site.toml` with more arguments, on the root.
    fn run(&self, command: &str, arguments: &[&str]) -> Result<Ended> {
        self.on_root(&[&[command, &self.path("site.toml").to_string_lossy()], arguments].concat())
    }

    fn on_root(&self, arguments: &[&str]) -> Result<Ended> {
        let mut provision = provision()?;
        provision.args(arguments).arg("--root").arg(self.path("root"));
        let Some(bundle) = &self.bundle else { return run(&mut provision) };
        let mut inside = Command::new("unshare");
        if std::fs::metadata("/proc/self")?.uid() != 0 {
            inside.args(["--user", "--map-root-user"]);
        }
        inside.args(["--mount", "sh", "-c", TRUSTING, "sh"]).arg(bundle).arg(provision.get_program());
        run(inside.args(provision.get_args()))
    }

    fn lock(&self) -> Result<String> {
        std::fs::read_to_string(self.path("site.lock")).context("there is no lock")
    }

    fn motd(&self) -> Option<String> {
        std::fs::read_to_string(self.path("root/etc/motd")).ok()
    }
}

/// The keys that give a file to whoever runs the test; inside a name space of its own that is root.
fn owner() -> Result<String> {
    let owner = match std::fs::metadata("/proc/self")?.uid() {
        0 => "root".to_owned(),
        _ => "0".to_owned(),
    };
    Ok(format!("owner = {owner:?}\ngroup = {owner:?}\n"))
}

fn bytes(text: &str) -> Answer {
    Answer::Bytes(text.as_bytes().to_vec())
}

#[test]
fn a_file_from_the_web_is_locked_fetched_once_and_kept_for_a_rollback() -> Result<()> {
    let web = Web::start()?;
    let site = Site::trusting(&web)?;
    let address = web.put("/motd", bytes("hello\n"));
    site.wants(&address, "")?;
    for command in ["plan", "apply"] {
        let refused = site.run(command, &[])?.with_code(64)?;
        let name = format!("file {address} is not locked");
        refused.says(&[&name, "site.toml:5", "hint: provision lock PROFILE", "--update-lock"])?;
    }
    site.run("check", &[])?.with_code(3)?;
    ensure!(web.asked().is_empty() && !site.path("site.lock").exists());

    site.run("lock", &["--check"])?.with_code(2)?;
    let locked = site.run("lock", &[])?.ok()?;
    ensure!(
        locked.text()?.contains(&format!("+ file {address} {}, 6 bytes", digest(b"hello\n"))),
        "{}",
        locked.all()
    );
    let text = site.lock()?;
    ensure!(text.contains(&digest(b"hello\n")) && text.contains("size = 6"), "{text}");
    ensure!(!site.path("root/var/lib/provision").exists(), "lock left something on the host");
    let again = site.run("lock", &["--json"])?.ok()?.json()?;
    ensure!(again["changed"] == false && site.lock()? == text, "{again}");
    site.run("lock", &["--check"])?.ok()?;
    ensure!(web.asked() == ["/motd"], "{:?}", web.asked());

    let plan = site.run("plan", &[])?.with_code(2)?;
    ensure!(plan.text()?.contains("(fetched when the apply begins)"), "{}", plan.all());
    ensure!(web.asked().len() == 1, "a plan fetches nothing");
    site.run("apply", &[])?.ok()?.says(&["fetch https://", "(6 bytes)"])?;
    ensure!(site.motd().as_deref() == Some("hello\n") && web.asked().len() == 2);
    let kept = std::fs::read_to_string(site.path("root/var/lib/provision/generations/0001/lock.toml"))?;
    ensure!(kept == text, "{kept}");
    let second = site.run("apply", &[])?.ok()?;
    ensure!(second.text()?.contains("Nothing to do") && web.asked().len() == 2, "{}", second.all());
    site.on_root(&["verify-log"])?.ok()?;

    let other = web.put("/other", bytes("another\n"));
    site.wants(&other, "")?;
    site.run("apply", &["--update-lock"])?.ok()?.says(&["+ file https://", "- file https://", "wrote "])?;
    ensure!(site.motd().as_deref() == Some("another\n"));
    // What is on the web no longer matters.
    web.put("/motd", bytes("changed\n"));
    let before = web.asked().len();
    site.on_root(&["rollback"])?.ok()?;
    ensure!(site.motd().as_deref() == Some("hello\n") && web.asked().len() == before);
    Ok(())
}

#[test]
fn a_file_that_is_another_one_than_was_locked_changes_nothing() -> Result<()> {
    let web = Web::start()?;
    let site = Site::trusting(&web)?;
    let address = web.put("/motd", bytes("hello\n"));
    site.wants(&address, "")?;
    site.run("lock", &[])?.ok()?;
    let (locked, fine) = (site.lock()?, digest(b"hello\n"));
    let refused = |answer: Answer, words: &[&str]| -> Result<()> {
        web.put("/motd", answer);
        site.run("apply", &[])?.with_code(1)?.says(&[&[address.as_str(), "hint: "], words].concat())?;
        ensure!(site.motd().is_none() && !site.path("root/var/lib/provision/current").exists());
        Ok(())
    };
    let found = digest(b"hullo\n");
    let other = format!("another file: expected {fine}, found {found}");
    refused(bytes("hullo\n"), &[&other, "nothing was changed", "provision lock --update https://"])?;
    refused(bytes("hello\nand more"), &[&format!("expected {fine}, found more than its 6 bytes")])?;
    refused(Answer::Short(6, b"hel".to_vec()), &["the connection to localhost"])?;
    refused(
        Answer::Redirect("http://localhost:1/motd".into()),
        &["expected an address that begins with https://"],
    )?;
    web.put("/here", bytes("hello\n"));
    web.put("/motd", Answer::Redirect("/here".into()));
    site.run("apply", &[])?.ok()?;

    // `lock` keeps what it has; to move on takes its name.
    web.put("/motd", bytes("hullo\n"));
    site.run("lock", &[])?.ok()?;
    ensure!(site.lock()? == locked);
    site.run("lock", &["--update", "https://localhost/mtd"])?.with_code(64)?.says(&["hint: "])?;
    let moved = site.run("lock", &["--update", &address])?.ok()?;
    ensure!(moved.text()?.contains(&format!("digest {fine} → {found}")), "{}", moved.all());
    site.run("apply", &[])?.ok()?;
    ensure!(site.motd().as_deref() == Some("hullo\n"));
    Ok(())
}

#[test]
fn a_file_whose_digest_the_profile_names_needs_no_lock() -> Result<()> {
    let web = Web::start()?;
    let site = Site::trusting(&web)?;
    let address = web.put("/motd", bytes("hello\n"));
    site.wants(&address, &format!("digest = \"{}\"\n", digest(b"hello\n")))?;
    site.run("apply", &[])?.ok()?;
    ensure!(site.motd().as_deref() == Some("hello\n"));
    let lock = site.run("lock", &[])?.ok()?;
    ensure!(lock.text()?.contains("needs no lock") && !site.path("site.lock").exists(), "{}", lock.all());
    Ok(())
}

/// The host may not trust the site's own servers before the apply; its profile does.
#[test]
fn the_anchors_of_the_profile_are_trusted_and_nothing_else_is() -> Result<()> {
    let web = Web::start()?;
    let site = Site::new()?;
    let address = web.put("/motd", bytes("hello\n"));
    site.wants(&address, "")?;
    site.run("lock", &[])?.with_code(1)?.says(&[
        "cannot be trusted",
        &address,
        "`anchors` of the profile",
    ])?;
    ensure!(web.asked().is_empty() && !site.path("site.lock").exists());
    site.wants(&address, &format!("[trust]\nanchors = [{:?}]\n", web.authority()))?;
    site.run("lock", &[])?.ok()?;
    ensure!(site.lock()?.contains(&digest(b"hello\n")));
    Ok(())
}

/// A registry that asks for a password, and the lines of a profile that know it.
fn guarded() -> Result<(Server, String)> {
    let server = Server::start(Program::Own, Access::GUARDED)?;
    let lines = format!(
        "[trust]\nanchors = [{:?}]\n[pull-secret]\nbase = {:?}\nwrite = [\"/root/auth.json\"]\n",
        server.authority(),
        server.auth_file()
    );
    Ok((server, lines))
}

const REGISTRY: &str = "[host]\nhostname = \"registry.example.test\"\n[registry]\nbackend = \"distribution\"\n\
                        admin = { user = \"init\", password = { generate = 32 } }\n";

/// Manifests of an image and of all images of a list, as JSON, and their digests.
fn manifests(server: &Server, image: &str) -> Result<Vec<(String, Value)>> {
    let top = raw(server, image)?;
    let mut all = vec![(digest(&top), serde_json::from_slice(&top)?)];
    let repository = image.split(['@', ':']).next().unwrap_or_default().to_owned();
    let children: Value = serde_json::from_slice(&top)?;
    for child in children["manifests"].as_array().into_iter().flatten() {
        let child = child["digest"].as_str().context("no digest")?;
        let bytes = raw(server, &format!("{repository}@{child}"))?;
        all.push((digest(&bytes), serde_json::from_slice(&bytes)?));
    }
    Ok(all)
}

#[test]
fn a_tag_is_locked_for_every_architecture_and_may_move_then() -> Result<()> {
    let (server, lines) = guarded()?;
    let (site, media) = (Site::new()?, TempDir::new()?);
    publish(&release(false, true), &server, media.path())?;
    let tag = "upstream/release:4.10.0-x86_64-cli";
    let image = format!("{}/{tag}", server.name);
    site.profile(&format!("{REGISTRY}image = {image:?}\n{lines}"))?;
    site.run("plan", &[])?.with_code(64)?.says(&[&format!("image {image} is not locked")])?;
    site.run("lock", &[])?.ok()?;
    let all = manifests(&server, tag)?;
    let [(list, _), (amd64, manifest), (arm64, _)] = all.as_slice() else { anyhow::bail!("{all:?}") };
    let id = manifest["config"]["digest"].as_str().context("no config")?;
    let text = site.lock()?;
    ensure!(text.contains(&format!("digest = {list:?}")), "{text}");
    let platform = format!("architecture = \"amd64\", digest = {amd64:?}, id = {id:?}");
    ensure!(text.contains(&platform) && text.contains(&format!("\"arm64\", digest = {arm64:?}")), "{text}");
    let planned = || -> Result<Value> { site.run("plan", &["--json"])?.with_code(2)?.json() };
    let before = planned()?;
    let expected = format!("{}/upstream/release@{list}", server.name);
    ensure!(before.to_string().contains(&expected), "{before}");
    // The registry's own image has its id by the lock, not by asking.
    ensure!(before.to_string().contains(id.trim_start_matches("sha256:")), "{before}");

    let from = format!("docker://{}/upstream/release:4.10.0-x86_64-etcd", server.name);
    let mut copy = vec!["copy".to_owned(), "--all".to_owned()];
    copy.extend(server.skopeo_options("src-").into_iter().chain(server.skopeo_options("dest-")));
    copy.extend([from, format!("docker://{image}")]);
    skopeo(copy)?;
    let moved = manifests(&server, tag)?;
    ensure!(moved[0].0 != *list, "the tag did not move");
    ensure!(planned()?["state_id"] == before["state_id"] && site.lock()? == text);
    site.run("lock", &[])?.ok()?;
    ensure!(site.lock()? == text);
    let updated = site.run("lock", &["--update", &image])?.ok()?;
    ensure!(updated.text()?.contains(&format!("digest {list} → {}", moved[0].0)), "{}", updated.all());
    ensure!(planned()?["state_id"] != before["state_id"]);
    Ok(())
}

/// Bytes of the blobs of images, each counted once.
fn blobs<'a>(all: impl IntoIterator<Item = &'a (String, Value)>) -> u64 {
    let mut sizes = std::collections::BTreeMap::new();
    for (_, manifest) in all {
        let layers = manifest["layers"].as_array().into_iter().flatten();
        for blob in layers.chain(manifest.get("config")) {
            sizes.insert(blob["digest"].to_string(), blob["size"].as_u64().unwrap_or_default());
        }
    }
    sizes.values().sum()
}

#[test]
fn a_release_is_locked_with_all_its_components_and_their_sizes() -> Result<()> {
    let (server, lines) = guarded()?;
    let (site, media) = (Site::new()?, TempDir::new()?);
    let image = publish(&release(true, true), &server, media.path())?.to_string();
    let profile = |image: &str, more: &str| {
        let release = format!(
            "[mirror]\nrepository = \"ocp4/openshift4\"\n[[mirror.release]]\nimage = {image:?}\n{more}"
        );
        site.profile(&format!(
            "{}{lines}{release}",
            REGISTRY.replace("distribution\"\n", "distribution\"\narchive = \"registry.tar\"\n")
        ))
    };
    profile(&image, "")?;
    // The server's own image lies beside the profile, as a file that says what it is.
    let archive = site.path("registry.tar");
    let from = format!("docker://{}/upstream/release:4.10.0-x86_64-pod", server.name);
    let mut copy = vec!["copy".to_owned()];
    copy.extend(server.skopeo_options("src-"));
    copy.extend([
        "--override-arch=amd64".to_owned(),
        from.replace("-pod", "-cli"),
        format!("oci-archive:{}:registry:1", archive.display()),
    ]);
    skopeo(copy)?;
    site.run("apply", &[])?.with_code(64)?.says(&[&format!("release {image} is not locked")])?;
    let lock = site.run("lock", &["--json"])?.ok()?.json()?;
    let changes = lock["changes"].as_array().context("no changes")?;
    let [tar, locked] = changes.as_slice() else { anyhow::bail!("{lock}") };
    ensure!(tar["kind"] == "archive" && tar["to"]["digest"] == digest(&std::fs::read(&archive)?), "{tar}");
    let top = manifests(&server, "upstream/release:4.10.0-x86_64")?;
    ensure!(locked["to"]["digest"] == top[0].0 && locked["to"]["version"] == "4.10.0", "{locked}");
    let components = locked["to"]["components"].as_object().context("no components")?;
    ensure!(components.len() == 4, "{locked}");
    let mut all = top.clone();
    for (name, component) in components {
        let manifests = manifests(&server, &format!("upstream/release:4.10.0-x86_64-{name}"))?;
        ensure!(
            component["image"] == format!("{}/upstream/release@{}", server.name, manifests[0].0),
            "{component}"
        );
        ensure!(component["size"] == blobs(&manifests), "{name}: {component}");
        all.extend(manifests);
    }
    ensure!(locked["to"]["size"] == blobs(&all), "{locked}");
    // What is mirrored is named by its digest as well.
    let plan = site.run("plan", &["--json"])?.with_code(2)?.json()?.to_string();
    let exact = format!("{image}@{}", top[0].0);
    ensure!(plan.contains(&exact), "{plan}");

    // The same from the directory that carries it.
    let text = site.lock()?;
    std::fs::remove_file(site.path("site.lock"))?;
    profile(&image, &format!("media = {:?}\n", media.path()))?;
    site.run("lock", &[])?.ok()?;
    ensure!(site.lock()? == text, "{}", site.lock()?);

    // The lock of something else is refused.
    let other = format!("{}@{}", image.rsplit_once(':').context("no tag")?.0, digest(b"other"));
    profile(&other, "")?;
    site.run("apply", &[])?.with_code(64)?.says(&[&format!("release {other} is not locked")])?;
    profile(&image, "")?;
    std::fs::write(&archive, b"another")?;
    site.run("lock", &["--check"])?.with_code(2)?;
    let damaged = site.run("plan", &[])?.with_code(64)?;
    damaged.says(&["registry.tar"])?;
    Ok(())
}

#[test]
fn what_cannot_be_looked_up_leaves_the_lock_as_it_was() -> Result<()> {
    let (mut server, lines) = guarded()?;
    let (site, media) = (Site::new()?, TempDir::new()?);
    publish(&release(false, false), &server, media.path())?;
    let image = format!("{}/upstream/release:4.10.0-x86_64-cli", server.name);
    let profile = |image: &str| site.profile(&format!("{REGISTRY}image = {image:?}\n{lines}"));
    profile(&image)?;
    site.run("lock", &[])?.ok()?;
    let text = site.lock()?;
    profile(&image.replace("cli", "clj"))?;
    site.run("lock", &[])?.with_code(1)?.says(&["4.10.0-x86_64-clj is not in", "hint: "])?;
    let open = lines.split("[pull-secret]").next().unwrap_or_default();
    site.profile(&format!("{REGISTRY}image = {:?}\n{open}", image.replace("cli", "etcd")))?;
    site.run("lock", &[])?.with_code(1)?.says(&["refuses a client without credentials"])?;
    server.stop();
    profile(&image)?;
    site.run("lock", &["--update", &image])?.with_code(1)?.says(&["cannot connect to", "hint: "])?;
    ensure!(site.lock()? == text);
    Ok(())
}
