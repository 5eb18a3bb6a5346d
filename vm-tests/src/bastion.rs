//! The main story: a bare guest becomes a bastion, serves as one, and goes back to what it was.
//!
//! The demo shows it, and tests play it on every distribution and with every registry.

use anyhow::{Result, bail, ensure};

use crate::act::Stage;
use crate::binary;
use crate::host_state::{differences, manifest, times};
use crate::machine::Machine;
use crate::media::{self, Carried};

/// The registry's name, as clients call it.
const REGISTRY: &str = "registry.example.test:8443";
/// The administrator's password, taken out of the auth file for those who type it.
const PASSWORD: &str = "/run/password";
const TAKE_PASSWORD: &str = r#"umask 077; sed -n 's/.*"auth": *"\([^"]*\)".*/\1/p' /root/.config/containers/auth.json | base64 -d | sed 's/^init://' >/run/password; test $(wc -c </run/password) = 32"#;

/// A guest on its way.
pub struct Bastion {
    /// The guest, and what was proved.
    pub stage: Stage,
    profile: &'static str,
    before: String,
    carried: Carried,
}

impl Bastion {
    /// Puts the binary, the profiles and the media into a bare guest. `profile` is a file of the folder `profiles`.
    pub fn new(mut machine: Machine, profile: &'static str) -> Result<Self> {
        let directory = tempfile::tempdir()?;
        binary::lay_out(directory.path())?;
        let carried = media::release(&directory.path().join("media"))?;
        if profile == "bastion-distribution.toml" {
            media::distribution(&directory.path().join("root/profiles/registry.tar"))?;
        }
        machine.push(directory.path(), "/")?;
        let before = manifest(&mut machine)?;
        Ok(Self { stage: Stage::new(machine), profile, before, carried })
    }

    /// All acts.
    pub fn play(&mut self) -> Result<()> {
        self.play_until_it_serves()?;
        self.stays()?;
        self.is_repaired()?;
        self.goes_back()
    }

    /// The acts up to a bastion that serves.
    pub fn play_until_it_serves(&mut self) -> Result<()> {
        self.is_bare()?;
        self.is_checked_and_planned()?;
        self.is_applied()?;
        self.serves()
    }

    fn provision(&self, verb: &str) -> String {
        format!("provision {verb} profiles/{}", self.profile)
    }

    /// Nothing is there yet.
    pub fn is_bare(&mut self) -> Result<()> {
        self.stage.act("A bare host", |stage| {
            stage.run(". /etc/os-release; echo $PRETTY_NAME; podman --version || true", 0)?;
            let hosts = stage.run("getent hosts registry.example.test || echo 'no such host'", 0)?;
            ensure!(hosts.contains("no such host"), "the registry's name resolves already: {hosts}");
            Ok("the host is bare: no registry, and no name for it".into())
        })
    }

    /// `check` and `plan` change nothing.
    pub fn is_checked_and_planned(&mut self) -> Result<()> {
        let check = self.provision("check");
        self.stage.act("Check: may it be done?", |stage| {
            stage.run(&check, 0)?;
            Ok("preflight found nothing against it".into())
        })?;
        let (plan, before) = (self.provision("plan"), self.before.clone());
        self.stage.act("Plan: what would change?", |stage| {
            stage.run(&plan, 2)?;
            same(&before, &manifest(&mut stage.machine)?)?;
            Ok("the plan shows every change, and looking changed nothing".into())
        })
    }

    /// `apply`.
    pub fn is_applied(&mut self) -> Result<()> {
        let apply = self.provision("apply");
        self.stage.act("Apply: make it so", |stage| {
            stage.run(&apply, 0)?;
            Ok("one command made the host what the profile declares, and proved that it works".into())
        })
    }

    /// Clients log in, push and pull, with TLS verified.
    pub fn serves(&mut self) -> Result<()> {
        self.stage.act("The administrator's password", |stage| {
            no_secret_is_seen(stage)?;
            Ok("32 characters, in no log, journal, plan or readable file".into())
        })?;
        let Carried { release, component, images } = self.carried.clone();
        self.stage.act("A client logs in", |stage| {
            stage.run(&format!("podman login {REGISTRY}"), 0)?;
            stage.run(&format!("podman login --username init --password-stdin {REGISTRY} <{PASSWORD}"), 0)?;
            let wrong = format!("echo wrong | podman login --authfile /tmp/auth.json --username init --password-stdin {REGISTRY}");
            let refused = stage.run(&wrong, 125)?;
ensure!(refused.contains("invalid username/password"), "{refused}");
            Ok("podman logs in over verified TLS with the credentials that provision wrote; a wrong password is refused".into())
        })?;
        self.stage.act("A release is mirrored from media", |stage| {
            stage.run("provision mirror list /media", 0)?;
            let load = format!("provision mirror load /media {REGISTRY}/ocp4/openshift4");
            let told = stage.run(&load, 0)?;
            ensure!(told.contains("kind: ImageDigestMirrorSet"), "no mirror set was printed:\n{told}");
            let again = stage.run(&load, 0)?;
            let nothing = format!("{images} images ({images} were there already), 0 blobs sent");
            ensure!(again.contains(&nothing), "the second load sent something:\n{again}");
            Ok(format!("{release}: {images} images in the registry, and a second load sends nothing"))
        })?;
        self.stage.act("A component is pulled by its original name", |stage| {
            stage.run(&format!("podman pull --quiet {component}"), 0)?;
            let found =
                stage.run(&format!("podman image inspect --format '{{{{.RepoDigests}}}}' {component}"), 0)?;
            let digest = component.rsplit('@').next().unwrap_or_default();
            ensure!(found.contains(digest), "the image has another digest: {found}");
            Ok("quay.io/…@sha256:… is served by the mirror, through the redirect that provision wrote".into())
        })
    }

    /// A second apply changes nothing.
    pub fn stays(&mut self) -> Result<()> {
        let apply = self.provision("apply");
        self.stage.act("A second apply", |stage| {
            let before = times(&mut stage.machine)?;
            let told = stage.run(&apply, 0)?;
            ensure!(told.contains("Nothing to do"), "it did something:\n{told}");
            same(&before, &times(&mut stage.machine)?)?;
            stage.run("provision status", 0)?;
            Ok("a second apply writes no file and restarts nothing; status finds no drift".into())
        })
    }

    /// Drift is seen, and repaired.
    pub fn is_repaired(&mut self) -> Result<()> {
        let apply = self.provision("apply");
        self.stage.act("Somebody changes the host", |stage| {
            stage.run("echo 'who did this?' >>/etc/motd; systemctl stop registry.service", 0)?;
            let drift = stage.run("provision status", 2)?;
            ensure!(drift.contains("/etc/motd") && drift.contains("registry.service"), "{drift}");
            stage.run(&apply, 0)?;
            stage.run("provision status", 0)?;
            stage.run("grep -rh 'who did this' /var/lib/provision/lost+found", 0)?;
            Ok("drift is named, repaired by the next apply, and what was found is kept".into())
        })
    }

    /// `destroy`: the host is what it was.
    pub fn goes_back(&mut self) -> Result<()> {
        let before = self.before.clone();
        self.stage.act("Destroy: take everything back", |stage| {
            stage.run("provision destroy", 0)?;
            stage.run("rm -rf /run/containers/0/auth.json /tmp/auth.json", 0)?;
            let after = manifest(&mut stage.machine)?;
            same(&before, &after)?;
            Ok(format!(
                "the host is as it was: {} lines of files, packages and units are the same",
                after.lines().count()
            ))
        })
    }
}

/// The password is where it belongs, and nowhere else.
fn no_secret_is_seen(stage: &mut Stage) -> Result<()> {
    let places = "/etc /var/log /run/log /root /run/systemd /var/lib/provision --exclude-dir=secrets";
    stage.machine.run(TAKE_PASSWORD)?;
    let found = stage.machine.run(&format!(
        "grep --recursive --binary-files=text --files-with-matches --fixed-strings --file={PASSWORD} {places} || true; \
         journalctl --no-pager --boot | grep --count --fixed-strings --file={PASSWORD} || true; \
         find /var/lib/provision/secrets -perm /077"
    ))?;
    match found.trim() {
        "0" => Ok(()),
        found => bail!("the password is in these places or the journal, or others may read it:\n{found}"),
    }
}

fn same(before: &str, after: &str) -> Result<()> {
    let differences = differences(before, after);
    ensure!(differences.is_empty(), "the host differs:\n{}", differences.join("\n"));
    Ok(())
}
