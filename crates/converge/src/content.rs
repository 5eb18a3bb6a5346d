//! Mirrored images as a resource: whether a registry holds all of them, and bringing what it lacks.
//!
//! Knows what `[mirror]` wrote into the state, and the vault's credentials. Must not know how images are copied.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use provision_host::names::resolve_here;
use provision_mirror::{Error as MirrorError, Payload, Selection, Source, Target, copy, expand};
use provision_oci::client::{Lookup, Options};
use provision_oci::{ClientError, Reference, Registry, Repository};
use provision_pull_secret::{AuthFile, Credentials, Match};
use serde::Deserialize;

use crate::error::{Error, Result};
use crate::event::Listener;
use crate::machine::Machine;
use crate::resource::ResourceId;
use crate::state::{ContentState, State};

mod watch;

use watch::Watch;

/// A registry that says nothing for this long is not there.
const PATIENCE: Duration = Duration::from_secs(20);

/// What is wanted, as the section of the profile writes it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    /// `host:port` of the registry that shall hold the images.
    registry: String,
    /// Where in it.
    repository: String,
    /// Name of the authority's certificate in the vault; none: the system's anchors.
    authority: Option<String>,
    /// The registry's user.
    user: String,
    /// Name of the password in the vault.
    password: String,
    /// The releases.
    releases: Vec<Release>,
    /// Credentials for the registries that images come from: key of an auth file → name of the entry in the vault.
    #[serde(default)]
    credentials: BTreeMap<String, String>,
}

/// One release.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Release {
    /// The release image.
    image: String,
    /// The directory that carries it; none: its own registry has it.
    media: Option<String>,
}

/// What has to be reached.
struct Site {
    /// The registry that shall hold the images.
    registry: Registry,
    /// The same, to read the payload of a release from that is there already.
    as_source: Source,
    /// The registries that releases without media come from.
    registries: Source,
    repository: Repository,
}

/// Whether everything that is wanted is in the registry. One that does not answer has nothing.
pub(crate) fn observe(machine: Machine<'_>, hint: &State) -> Result<State> {
    let State::Content(ContentState { content }) = hint else { return Ok(State::Absent) };
    let wanted = Wanted::read(content)?;
    // Before the first apply neither the password nor the registry is made.
    let Some(site) = Site::of(machine, &wanted)? else { return Ok(State::Absent) };
    let whole = runtime()?.block_on(site.has_all(&wanted.releases))?;
    Ok(if whole { hint.clone() } else { State::Absent })
}

/// Mirrors what is missing; true when nothing was.
pub(crate) fn bring(
    machine: Machine<'_>,
    name: &str,
    to: &State,
    listener: Listener<'_>,
    interrupted: &dyn Fn() -> bool,
) -> Result<bool> {
    let State::Content(ContentState { content }) = to else { return Ok(true) };
    let watch = Watch { name, listener, interrupted };
    bring_all(machine, content, &watch).map_err(|error| match error {
        Error::Interrupted { .. } => error,
        error => Error::Resource { id: ResourceId::content(name), source: Box::new(error) },
    })
}

fn bring_all(machine: Machine<'_>, content: &serde_json::Value, watch: &Watch<'_>) -> Result<bool> {
    let wanted = Wanted::read(content)?;
    let site = Site::of(machine, &wanted)?.ok_or_else(|| Error::Lost {
        what: format!("for {}: authority, password or an entry of the pull secret", wanted.registry),
        store: machine.vault.directory().to_path_buf(),
    })?;
    runtime()?.block_on(async {
        let mut nothing = true;
        for release in &wanted.releases {
            nothing &= site.bring(release, watch).await?;
        }
        Ok(nothing)
    })
}

fn runtime() -> Result<tokio::runtime::Runtime> {
    let built = tokio::runtime::Builder::new_current_thread().enable_all().build();
    built.map_err(|source| Error::Runtime { source })
}

impl Wanted {
    fn read(content: &serde_json::Value) -> Result<Self> {
        Wanted::deserialize(content).map_err(|source| Error::Damaged { path: "content".into(), source })
    }

    /// The entries of the vault as one auth file; none while any of them is not made.
    fn auth_file(&self, machine: Machine<'_>) -> Result<Option<AuthFile>> {
        let mut file = AuthFile::new();
        for (key, name) in &self.credentials {
            let Some(entry) = machine.vault.get(name)? else { return Ok(None) };
            file.set_entry(key, &String::from_utf8_lossy(&entry))?;
        }
        Ok(Some(file))
    }
}

impl Site {
    /// None while a secret that is needed is not made.
    fn of(machine: Machine<'_>, wanted: &Wanted) -> Result<Option<Self>> {
        let Some(password) = machine.vault.get(&wanted.password)? else { return Ok(None) };
        let Some(auths) = wanted.auth_file(machine)? else { return Ok(None) };
        let mut options = Options::new(resolve_here);
        if let Some(name) = &wanted.authority {
            let Some(pem) = machine.vault.get(name)? else { return Ok(None) };
            options.authorities.push(pem.to_vec());
        }
        let own = Credentials::new(wanted.user.as_str(), String::from_utf8_lossy(&password).into_owned());
        options.credentials = Some(Arc::new(move |_: &str| Some(own.clone())));
        let find: Lookup = Arc::new(move |name: &str| match auths.lookup(name) {
            Some(Match::Credentials { credentials, .. }) => Some(credentials),
            _ => None,
        });
        let registry = Registry::new(&wanted.registry, &options).map_err(MirrorError::from)?;
        Ok(Some(Self {
            registry,
            as_source: Source::registries(options),
            registries: Source::registries(Options { credentials: Some(find), ..Options::new(resolve_here) }),
            repository: wanted.repository.parse().map_err(MirrorError::from)?,
        }))
    }

    async fn has_all(&self, releases: &[Release]) -> Result<bool> {
        let answers = match tokio::time::timeout(PATIENCE, self.registry.ping()).await {
            Ok(Ok(())) => true,
            Err(_) | Ok(Err(ClientError::Connect { .. })) => false,
            Ok(Err(error)) => return Err(MirrorError::from(error).into()),
        };
        let mut all = answers;
        for release in releases {
            all &= self.has(release, answers).await?;
        }
        Ok(all)
    }

    /// Whether a release is there. An error means that it is not, and could not be brought either.
    async fn has(&self, release: &Release, answers: bool) -> Result<bool> {
        let image: Reference = release.image.parse().map_err(MirrorError::from)?;
        // Its digest says which release it is, whatever its tag stands for now; media at hand can be asked for nothing, though.
        if answers && release.media.is_none() && self.keeps(&image).await? {
            return Ok(true);
        }
        let read = match self.source(release).await {
            Ok(source) => Payload::read(&source, &image).await,
            Err(error) => Err(error),
        };
        match read {
            Ok(payload) if answers => Ok(payload.missing(&self.target(), &self.repository).await?.is_empty()),
            Ok(_) => Ok(false),
            // Media may be carried on to the next site once everything is here.
            Err(_) if answers && release.media.is_some() && self.keeps(&image).await? => Ok(true),
            Err(error) => Err(error.into()),
        }
    }

    /// Whether the registry has all of a release, by what its own copy of the release says.
    async fn keeps(&self, image: &Reference) -> Result<bool> {
        let registry = self.registry.name().to_owned();
        let here = Reference { registry, repository: self.repository.clone(), ..image.clone() };
        let payload = match Payload::read(&self.as_source, &here).await {
            Err(MirrorError::Registry(ClientError::NotFound { .. })) => return Ok(false),
            read => read?,
        };
        Ok(payload.missing(&self.target(), &self.repository).await?.is_empty())
    }

    fn target(&self) -> Target {
        Target::Registry(self.registry.clone())
    }

    async fn source(&self, release: &Release) -> Result<Source, MirrorError> {
        match &release.media {
            Some(directory) => Source::open(Path::new(directory)).await,
            None => Ok(self.registries.clone()),
        }
    }

    /// Brings one release; true when it was there.
    async fn bring(&self, release: &Release, watch: &Watch<'_>) -> Result<bool> {
        if self.has(release, true).await? {
            return Ok(true);
        }
        let image: Reference = release.image.parse().map_err(MirrorError::from)?;
        let source = self.source(release).await?;
        let selection = Selection { image, release: true };
        let target = self.target();
        watch
            .over(async |told| {
                let work = expand(&source, &selection, Some(&self.repository), None).await?;
                copy(&source, &target, &work, false, told).await
            })
            .await?;
        Ok(false)
    }
}
