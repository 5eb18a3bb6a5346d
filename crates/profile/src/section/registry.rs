//! `[registry]`: the server that holds the images, and its administrator.
//!
//! Knows the back ends and what each needs. Must not know certificates, credentials files or mirroring.

use std::path::PathBuf;

use provision_converge::health::RegistryHealth;
use provision_converge::{Content, Health, Poke};
use provision_host::facts::Facts;

use crate::draft::{Access, Draft};
use crate::error::Error;
use crate::lock::Exact;
use crate::problem::{Problem, Problems};
use crate::read::{choice, table};
use crate::recipe::{self, Recipe};
use crate::scalar::{HostPath, Image, NearPath, Port, Sha256, Subject, UserName};
use crate::secret::Secret;
use crate::section::host::Host;
use crate::section::trust::Trust;
use crate::source::{Located, Origin};

pub mod image;
pub mod service;

/// The service.
pub const UNIT: &str = "registry.service";
/// Where the registry's certificate chain lies; its folder is mounted into the container.
pub const CERTIFICATE: &str = "/etc/provision/registry/tls/registry.crt";
/// Where its key lies.
pub const KEY: &str = "/etc/provision/registry/tls/registry.key";
/// Who may log in.
pub const HTPASSWD: &str = "/etc/provision/registry/auth/htpasswd";

/// What the registry's certificate is made from.
const CERTIFICATE_KEYS: &[&str] =
    &["host.hostname", "registry.names", "trust.key", "trust.certificate", "trust.certificate-key"];

/// Every request pays for bcrypt. 32 random characters cannot be guessed at any cost.
const COST_OF_RANDOM: u32 = 5;
/// A password that a person chose can.
const COST_OF_CHOSEN: u32 = 10;
/// Seconds until the service has to answer; the first start of a container on a slow disk takes a minute.
const PATIENCE: u64 = 180;

choice! {
    /// Which server answers.
    pub enum BackendWord {
        /// The registry that is part of provision.
        Embedded = "embedded",
        /// CNCF distribution.
        Distribution = "distribution",
        /// Red Hat Quay.
        Quay = "quay",
        /// A registry that somebody else runs.
        External = "external",
    }
}

impl BackendWord {
    pub(crate) fn not_built(self, origin: &Origin) -> Error {
        Error::NotBuilt {
            what: format!("registry backend {:?}", self.word()),
            origin: origin.clone(),
            instead: "use \"embedded\" or \"distribution\"".to_owned(),
        }
    }
}

table! {
    /// `[registry]` as written.
    pub struct RegistryWritten {
        /// Which server answers.
        backend: Located<BackendWord>,
        /// The TCP port it is reached at.
        port: Port = Port(8443),
        /// The directory that holds the images.
        storage: HostPath = HostPath("/var/lib/registry".to_owned()),
        /// Who may push.
        admin: Admin,
        /// For `distribution`: its image, which `provision lock` makes exact.
        image: Option<Located<Image>>,
        /// For `distribution`: an OCI archive that holds its image.
        archive: Option<NearPath>,
        /// For `distribution` with `archive`: the digest of the manifest that is expected in it.
        digest: Option<Located<Sha256>>,
        /// Further names and addresses for the certificate.
        names: Vec<Subject>,
    }
}

table! {
    /// `admin = { … }`.
    pub struct Admin {
        /// The user's name.
        user: UserName,
        /// Where the password comes from.
        password: Secret,
    }
}

/// `[registry]`, validated.
#[derive(Clone, Debug)]
pub struct Registry {
    /// The server, and where its image comes from.
    pub backend: Backend,
    /// The one name of the host.
    pub host: String,
    /// The TCP port it is reached at.
    pub port: u16,
    /// The directory that holds the images.
    pub storage: HostPath,
    /// The administrator's name.
    pub user: String,
    /// Where the password comes from.
    pub password: Secret,
    /// Further names and addresses for the certificate.
    pub names: Vec<Subject>,
    /// Where the section stands.
    pub origin: Origin,
}

/// A registry server.
#[derive(Clone, Debug)]
pub enum Backend {
    /// provision's own; its image is made from the running binary.
    Embedded,
    /// CNCF distribution.
    Distribution(ServerImage),
    /// A word that is understood, but nothing stands behind it yet.
    NotBuilt(BackendWord, Origin),
}

/// Where the image of a foreign server comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ServerImage {
    /// From a registry.
    Pull(Located<Image>),
    /// From an OCI archive.
    Archive {
        /// As the profile names it.
        written: Located<String>,
        /// The file.
        path: PathBuf,
        /// The digest of the manifest that is expected in it.
        digest: Option<String>,
    },
}

impl Registry {
    pub(crate) fn validate(written: RegistryWritten, host: &Host, problems: &mut Problems) -> Option<Self> {
        let before = problems.len();
        let backend = backend(&written, problems);
        if problems.len() > before {
            return None;
        }
        Some(Self {
            backend: backend?,
            host: host.hostname.as_ref()?.0.clone(),
            port: written.port.0,
            storage: written.storage,
            user: written.admin.user.0,
            password: written.admin.password,
            names: written.names,
            origin: written.origin,
        })
    }

    pub(crate) fn resources(
        &self,
        trust: &Trust,
        facts: &Facts,
        exact: &Exact,
        draft: &mut Draft,
    ) -> Result<(), Error> {
        let user = self.user.clone();
        draft.recipe(Recipe::Password {
            name: recipe::REGISTRY_PASSWORD.to_owned(),
            source: self.password.clone(),
        });
        draft.recipe(Recipe::Htpasswd {
            name: recipe::REGISTRY_HTPASSWD.to_owned(),
            user: user.clone(),
            password: recipe::REGISTRY_PASSWORD.to_owned(),
            cost: if matches!(self.password, Secret::Generate(_)) { COST_OF_RANDOM } else { COST_OF_CHOSEN },
        });
        // Clients pull and push with podman; the service is a container.
        draft.because(&["registry.backend"]);
        draft.podman(facts)?;
        draft.because(&["registry.storage"]);
        draft.directory(&self.storage.0, 0o700);
        let restart = [Poke::Restart { unit: UNIT.to_owned() }];
        for (path, name, secret, keys) in [
            (CERTIFICATE, recipe::REGISTRY_CERTIFICATE, false, CERTIFICATE_KEYS),
            (KEY, recipe::REGISTRY_KEY, true, CERTIFICATE_KEYS),
            (HTPASSWD, recipe::REGISTRY_HTPASSWD, true, &["registry.admin"]),
        ] {
            draft.because(keys);
            let access = Access::root(if secret { 0o600 } else { 0o644 });
            draft.file(path, Content::generated(name, secret), access, &restart, None);
        }
        draft.health(Health::Registry(RegistryHealth {
            registry: self.address(),
            authority: trust.pair.is_none().then(|| recipe::AUTHORITY_CERTIFICATE.to_owned()),
            user: Some(user),
            password: Some(recipe::REGISTRY_PASSWORD.to_owned()),
            unit: Some(UNIT.to_owned()),
            patience: PATIENCE,
        }));
        draft.because(&["registry.backend", "registry.image", "registry.archive", "registry.digest"]);
        let image = image::add(self, facts, exact, draft)?;
        draft.because(&["registry", "host.hostname"]);
        service::add(self, image, facts, draft)
    }

    /// `host:port`, as it stands in image references, auth files and `certs.d`.
    pub fn address(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }
}

/// A registry is reached, and its certificate is checked, by a full name.
pub(crate) fn check_host_name(origin: &Origin, host: &Host, problems: &mut Problems) {
    let (title, help) = match &host.hostname {
        Some(name) if name.0.contains('.') => return,
        Some(name) => (
            format!("a registry needs a full host name, found {:?}", name.0),
            "give `hostname` under `[host]` with its domain",
        ),
        None => ("a registry needs the name of its host".to_owned(), "set `hostname` under `[host]`"),
    };
    problems.push(Problem::new(origin, title, "").help(help));
}

fn backend(written: &RegistryWritten, problems: &mut Problems) -> Option<Backend> {
    let origin = &written.backend.origin;
    match written.backend.value {
        BackendWord::Distribution => server_image(written, problems).map(Backend::Distribution),
        word => {
            let foreign = [
                ("image", written.image.as_ref().map(|image| &image.origin)),
                ("archive", written.archive.as_ref().map(NearPath::origin)),
                ("digest", written.digest.as_ref().map(|digest| &digest.origin)),
            ];
            for (key, place) in foreign {
                if let Some(place) = place {
                    let title = format!("`registry.{key}` has no meaning for backend {:?}", word.word());
                    let problem = Problem::new(place, title, "").and(origin, "the backend");
                    problems.push(problem.help("it belongs to backend \"distribution\""));
                }
            }
            Some(match word {
                BackendWord::Embedded => Backend::Embedded,
                other => Backend::NotBuilt(other, origin.clone()),
            })
        }
    }
}

fn server_image(written: &RegistryWritten, problems: &mut Problems) -> Option<ServerImage> {
    let origin = &written.backend.origin;
    match (&written.image, &written.archive) {
        (Some(image), None) => {
            if let Some(digest) = &written.digest {
                let title = "`registry.digest` belongs to `archive`; `image` may name its digest itself";
                problems.push(Problem::new(&digest.origin, title, "").and(&image.origin, "the image"));
            }
            Some(ServerImage::Pull(image.clone()))
        }
        (None, Some(archive)) => Some(ServerImage::Archive {
            written: archive.0.clone(),
            path: archive.path(),
            digest: written.digest.as_ref().map(|digest| digest.value.0.clone()),
        }),
        (Some(image), Some(archive)) => {
            let title = "`registry` has both `image` and `archive`";
            problems
                .push(Problem::new(archive.origin(), title, "keep one").and(&image.origin, "or the other"));
            None
        }
        (None, None) => {
            let title = "backend \"distribution\" needs `image` or `archive`";
            problems.push(Problem::new(origin, title, ""));
            None
        }
    }
}
