//! The host a command works on, with its lock, vault and engine; and a profile resolved for it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use provision_converge::{Content, Desired, Engine, STATE_DIRECTORY, Vault};
use provision_host::facts::Facts;
use provision_host::{Family, Host, Lock, OsRelease, Root};
use provision_profile::{Forge, Lock as ProfileLock, Making, Profile, Resolution};

use crate::cli::{Global, ProfileArgs};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::inquiry;
use crate::lock_file::LockFile;
use crate::signal;
use crate::supply::Supply;

/// The host a command works on.
pub struct Site {
    /// The host.
    pub host: Host,
    /// How long to wait for another run.
    patience: Duration,
    /// Where the profile is read from.
    pub supply: Supply,
}

/// A profile, and what it means on this host.
pub struct Intent {
    /// The profile.
    pub profile: Profile,
    /// What the host says about itself.
    pub facts: Facts,
    /// What the profile means here.
    pub resolution: Resolution,
    /// The text of the lock beside the profile, if there is one.
    pub lock: Option<String>,
}

impl Site {
    /// The host that the global options name.
    pub fn open(global: &Global) -> Result<Self, Failure> {
        let host = Host::with_root(&global.root).map_err(|error| {
            Failure::because(Exit::Usage, &error).hint("--root names the directory of a root file system")
        })?;
        let patience = global.wait.unwrap_or_default();
        Ok(Self { host, patience, supply: global.supply.clone() })
    }

    /// Where profiles are read from.
    pub fn supply(&self) -> &Supply {
        &self.supply
    }

    /// Makes sure that this process may change the host: runs the same command again through sudo if need be.
    pub fn need_root(&self) -> Result<(), Failure> {
        if !self.host.root.is_live() || provision_host::effective_uid() == 0 {
            return Ok(());
        }
        // Comes back only when sudo is not to be had.
        Err(Failure::from(provision_host::re_exec_with_sudo(&self.host)))
    }

    /// Makes sure that provision's own records can be read, which are root's alone on a host.
    pub fn need_records(&self) -> Result<(), Failure> {
        match self.host.root.list(Path::new(STATE_DIRECTORY)) {
            Err(error) if error.is_permission() && self.host.root.is_live() => self.need_root(),
            Err(error) => Err(error.into()),
            Ok(_) => Ok(()),
        }
    }

    /// Whether provision never began to change this host.
    pub fn is_untouched(&self) -> Result<bool, Failure> {
        let own = Path::new(STATE_DIRECTORY);
        let generations = self.host.root.list(&own.join("generations"))?.unwrap_or_default();
        // Generations that are gone, while their traces are not, were lost.
        let none = |name| Ok::<_, Failure>(self.host.root.node(&own.join(name))?.is_none());
        Ok(generations.is_empty() && none("current")? && none("baseline.json")?)
    }

    /// The run that changes this host right now, if there is one: its process and command.
    ///
    /// Looks without taking the lock, so that looking never stands in the way of a run that begins.
    pub fn under_way(&self) -> Result<Option<String>, Failure> {
        let line = self.host.root.read_text(&Path::new(STATE_DIRECTORY).join("lock"))?.unwrap_or_default();
        let Some(pid) = line.strip_prefix("process ").and_then(|rest| rest.split(' ').next()) else {
            return Ok(None);
        };
        // Not a number, or the number of something else by now: then the run has ended.
        let comm = Path::new("/proc").join(pid).join("comm");
        let name = Root::live()?.read_text(&comm).ok().flatten().unwrap_or_default();
        Ok((name.trim() == "provision").then(|| line.trim().to_owned()))
    }

    /// Takes the lock that only one run can hold. From here on a signal asks to stop, and kills nothing half-way.
    pub fn lock(&self) -> Result<Lock, Failure> {
        self.lock_within(self.patience)
    }

    /// As [`Site::lock`], waiting this long for whoever holds it.
    pub fn lock_within(&self, patience: Duration) -> Result<Lock, Failure> {
        signal::listen(signal::TAKING_BACK).map_err(|error| Failure::because(Exit::Failed, &error))?;
        self.vault().prepare()?;
        let command: Vec<String> =
            provision_host::args().iter().map(|arg| arg.to_string_lossy().into_owned()).collect();
        let path = Path::new(STATE_DIRECTORY).join("lock");
        Ok(Lock::acquire(&self.host.root, &path, &command.join(" "), patience)?)
    }

    /// provision's own bytes on the host.
    pub fn vault(&self) -> Vault<'_> {
        Vault::new(&self.host.root, STATE_DIRECTORY)
    }

    /// Which tools manage the host's packages and anchors.
    pub fn family(&self) -> Result<Family, Failure> {
        Ok(OsRelease::read(&self.host.root)?.family()?)
    }

    /// The engine over a vault.
    pub fn engine<'a>(&'a self, vault: &'a Vault<'a>) -> Result<Engine<'a>, Failure> {
        Ok(Engine::new(&self.host, self.family()?, vault).guarded_by(own_binary()?))
    }

    /// Loads a profile, and resolves it for this host.
    pub fn resolve(&self, args: &ProfileArgs) -> Result<Intent, Failure> {
        let profile = self.load(args)?;
        let facts = Facts::gather(&self.host)?;
        let file = LockFile::beside(&self.supply, args)?;
        let resolution = self.resolution(&profile, &facts, &own_binary()?, file.lock())?;
        let lock = file.found.map(|(text, _)| text);
        Ok(Intent { profile, facts, resolution, lock })
    }

    /// Loads a profile.
    pub fn load(&self, args: &ProfileArgs) -> Result<Profile, Failure> {
        let path = self.supply.absolute(&args.profile)?;
        if self.supply.read(&path).is_ok_and(|bytes| crate::saved::is_one(&bytes)) {
            let what = format!("{} is a saved plan; expected a profile", path.display());
            return Err(Failure::new(Exit::Usage, what).hint("provision apply FILE applies a saved plan"));
        }
        Ok(provision_profile::load(&path, &args.settings, &|path| self.supply.read(path))?)
    }

    /// What a profile means on a host with these facts.
    pub fn resolution(
        &self,
        profile: &Profile,
        facts: &Facts,
        binary: &Path,
        lock: Option<&ProfileLock>,
    ) -> Result<Resolution, provision_profile::Error> {
        let vault = self.vault();
        let exact = self.forge(&vault, binary, |forge| forge.exact(profile, facts, lock))?;
        provision_profile::resolve(profile, facts, &exact)
    }

    /// What would be made for this host now, and the desired state as far as it is known before.
    pub fn preview(
        &self,
        resolution: &Resolution,
        vault: &Vault<'_>,
    ) -> Result<(Desired, Vec<Making>), Failure> {
        let makings = self.forge(vault, &own_binary()?, |forge| forge.preview(&resolution.recipes))?;
        let mut desired = resolution.desired.clone();
        vault.fill(&mut desired)?;
        for resource in desired.resources.values_mut() {
            if let Some(content) = resource.state.content_mut()
                && makings
                    .iter()
                    .any(|making| making.names.iter().any(|name| content.generated.as_ref() == Some(name)))
            {
                content.fingerprint = None;
            }
        }
        Ok((desired, makings))
    }

    /// Brings what the profile has elsewhere into the store, where it is also for a rollback; nothing else is changed.
    /// `told` of the address and number of bytes of each file.
    pub fn fetch(
        &self,
        profile: &Profile,
        resolution: &Resolution,
        vault: &Vault<'_>,
        told: &dyn Fn(&str, usize),
    ) -> Result<(), Failure> {
        for (fingerprint, remote) in &resolution.desired.remote {
            if vault.holds(&Content::kept(fingerprint.as_str()))? {
                continue;
            }
            let bytes = inquiry::fetch(profile, &remote.address, fingerprint, remote.size)?;
            vault.keep(&bytes, false)?;
            told(&remote.address, bytes.len());
        }
        Ok(())
    }

    /// Makes what is due, and gives the desired state with everything filled in.
    pub fn make(&self, resolution: &Resolution, vault: &Vault<'_>) -> Result<Desired, Failure> {
        self.forge(vault, &own_binary()?, |forge| forge.forge(&resolution.recipes))?;
        let mut desired = resolution.desired.clone();
        vault.fill(&mut desired)?;
        Ok(desired)
    }

    fn forge<T>(
        &self,
        vault: &Vault<'_>,
        binary: &Path,
        work: impl FnOnce(&Forge<'_>) -> Result<T, provision_profile::Error>,
    ) -> Result<T, provision_profile::Error> {
        let read = |path: &Path| self.supply.read(path);
        let variable = |name: &str| self.supply.variable(name);
        let binary = binary.to_owned();
        work(&Forge { vault, read: &read, variable: &variable, now: provision_host::now(), binary })
    }
}

/// The binary that runs; the embedded registry's image is made of it.
pub fn own_binary() -> Result<PathBuf, Failure> {
    provision_host::current_exe().map_err(|error| Failure::because(Exit::Failed, &error))
}
