//! `provision mirror`: images and releases between registries and media.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};
use provision_host::Root;
use provision_mirror::{
    Kind, Media, MirrorSet, Redirect, Root as MediaRoot, Selection, Source, Summary, Target,
    UNKNOWN_REGISTRY, Work, copy, expand, instructions,
};
use provision_oci::client::{Lookup, Options, Registry, SYSTEM_BUNDLES};
use provision_oci::{Reference, Tag};
use provision_pull_secret::{AuthFile, Format, Match};

use crate::cli::Global;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::out::{self, FAINT, GOOD, paint};
use crate::show;

pub(crate) mod progress;

use progress::Progress;

/// What can be done with images.
#[derive(Debug, Subcommand)]
pub enum MirrorCommand {
    /// Copy an image or a release from one registry to another
    Copy {
        /// The image: registry/repository:tag or @digest
        source: Reference,
        /// The repository it goes to: registry/repository, with a tag for a single image
        // An id of its own: `target` is a global option.
        #[arg(id = "to", value_name = "TARGET")]
        target: Reference,
        /// Options.
        #[command(flatten)]
        options: CopyOptions,
    },
    /// Save an image or a release to a directory that can be carried
    Save {
        /// The image: registry/repository:tag or @digest
        source: Reference,
        /// The directory; made when it is missing
        directory: PathBuf,
        /// Options.
        #[command(flatten)]
        options: CopyOptions,
    },
    /// Load what was saved to a directory into a registry
    Load {
        /// The directory that was carried here
        directory: PathBuf,
        /// The repository it goes to: registry/repository
        // An id of its own: `target` is a global option.
        #[arg(id = "to", value_name = "TARGET")]
        target: Reference,
        /// Load only this image or release of those in the directory
        #[arg(long, value_name = "IMAGE")]
        only: Option<Reference>,
        /// Options.
        #[command(flatten)]
        options: CopyOptions,
    },
    /// List what is in a directory
    List {
        /// The directory
        directory: PathBuf,
    },
}

/// How images are copied.
#[derive(Debug, Args)]
pub struct CopyOptions {
    /// The image is an OpenShift release: all its components come along
    #[arg(long)]
    release: bool,
    /// Only say what there is to do
    #[arg(long)]
    dry_run: bool,
    /// Credentials (containers-auth.json(5)); otherwise those that podman would use
    #[arg(long, value_name = "FILE")]
    authfile: Option<PathBuf>,
    /// Trust this authority (PEM) as well as the system's
    #[arg(long, value_name = "FILE")]
    certificate_authority: Option<PathBuf>,
    /// Speak plain HTTP; only done with registries on the loopback interface
    #[arg(long)]
    plain_http: bool,
    /// Give a connection up on which nothing came or went for so long
    #[arg(long, value_name = "SECONDS", default_value_t = 120, value_parser = clap::value_parser!(u64).range(1..))]
    patience: u64,
    /// Which cluster resource to print for a release
    #[arg(long, value_enum, default_value_t = Instructions::Idms, value_name = "KIND")]
    print_mirror_instructions: Instructions,
}

/// Which cluster resource is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Instructions {
    /// ImageDigestMirrorSet, for OpenShift 4.13 and newer.
    Idms,
    /// ImageContentSourcePolicy, for older ones.
    Icsp,
    /// None.
    None,
}

/// One copy with everything it needs.
struct Job<'a> {
    global: &'a Global,
    options: &'a CopyOptions,
}

/// Mirrors.
pub fn run(global: &Global, command: MirrorCommand) -> Result<Exit, Failure> {
    let io = |error: std::io::Error| Failure::because(Exit::Failed, &error);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(io)?;
    runtime.block_on(async {
        match &command {
            MirrorCommand::Copy { source, target, options } => {
                let job = Job { global, options };
                let registries = Source::registries(job.client_options()?);
                job.to_registry(&registries, vec![(source.clone(), options.release)], target).await
            }
            MirrorCommand::Save { source, directory, options } => {
                Job { global, options }.save(source, directory).await
            }
            MirrorCommand::Load { directory, target, only, options } => {
                Job { global, options }.load(directory, target, only.as_ref()).await
            }
            MirrorCommand::List { directory } => list(global, directory).await,
        }
    })
}

impl Job<'_> {
    async fn save(&self, source: &Reference, directory: &Path) -> Result<Exit, Failure> {
        let registries = Source::registries(self.client_options()?);
        let selection = Selection { image: source.clone(), release: self.options.release };
        let work = expand(&registries, &selection, None, None).await?;
        let media = match self.options.dry_run {
            true => Media::open_or_empty(directory).await?,
            false => Media::create(directory).await?,
        };
        let summary = self.copy(&registries, &Target::Media(media.clone()), &work).await?;
        if let (Some(last), false) = (work.images.last(), self.options.dry_run) {
            let (reference, digest) = (source.to_string(), last.manifest.digest);
            media.add_root(MediaRoot { reference, digest, release: self.options.release }).await?;
        }
        self.report(&[summary], None)
    }

    async fn load(
        &self,
        directory: &Path,
        target: &Reference,
        only: Option<&Reference>,
    ) -> Result<Exit, Failure> {
        let source = Source::open(directory).await?;
        let mut wanted = Vec::new();
        for root in source.roots().await? {
            let reference: Reference = root.reference.parse()?;
            let named =
                only.map_or(Some(&reference), |only| answers(&source, &reference, only).then_some(only));
            if let Some(image) = named.filter(|_| root.release || !self.options.release) {
                wanted.push((image.clone(), root.release));
            }
        }
        if wanted.is_empty() {
            let what = format!("{} holds nothing of what is asked for", directory.display());
            return Err(Failure::new(Exit::Usage, what)
                .hint(format!("provision mirror list {} shows what it holds", directory.display())));
        }
        self.to_registry(&source, wanted, target).await
    }

    /// Copies images into one repository of a registry.
    async fn to_registry(
        &self,
        source: &Source,
        wanted: Vec<(Reference, bool)>,
        target: &Reference,
    ) -> Result<Exit, Failure> {
        if target.digest.is_some() {
            return Err(Failure::new(
                Exit::Usage,
                format!("{target} names a digest: a target has a repository only"),
            ));
        }
        one_image_a_tag(&wanted, target)?;
        let registry = Target::Registry(Registry::new(&target.registry, &self.client_options()?)?);
        let (mut summaries, mut sets) = (Vec::new(), Vec::new());
        for (image, release) in wanted {
            let selection = Selection { image, release };
            let work = expand(source, &selection, Some(&target.repository), target.tag.as_ref()).await?;
            summaries.push(self.copy(source, &registry, &work).await?);
            if release {
                sets.extend(MirrorSet::of(&work, &target.name()).redirects());
            }
        }
        let known = |redirect: &Redirect| !redirect.source.starts_with(&format!("{UNKNOWN_REGISTRY}/"));
        if matches!(source, Source::ToDir(_)) && !sets.iter().all(known) {
            out::note(
                "the directory does not say where the release image came from; `--only REGISTRY/REPOSITORY:TAG` does, \
                 and redirects it as well",
            );
            sets.retain(known);
        }
        let set = MirrorSet::new(sets);
        self.report(&summaries, (!set.is_empty()).then_some(&set))
    }

    async fn copy(&self, source: &Source, target: &Target, work: &Work) -> Result<Summary, Failure> {
        let progress = Progress::new(self.global.json);
        let summary = copy(source, target, work, self.options.dry_run, &|event| progress.tell(&event)).await;
        progress.end();
        Ok(summary?)
    }

    fn report(&self, summaries: &[Summary], set: Option<&MirrorSet>) -> Result<Exit, Failure> {
        let kind = match self.options.print_mirror_instructions {
            Instructions::Idms => Some(Kind::Idms),
            Instructions::Icsp => Some(Kind::Icsp),
            Instructions::None => None,
        };
        if self.global.json {
            let resource = set.zip(kind).map(|(set, kind)| set.resource(kind, "mirror"));
            out::json(&serde_json::json!({
                "schema": 1, "dry_run": self.options.dry_run, "copied": summaries, "mirror_set": resource,
            }));
            return Ok(Exit::Done);
        }
        for summary in summaries {
            let verb = if self.options.dry_run { "to send" } else { "sent" };
            out::note(paint(
                GOOD,
                format!(
                    "{} images ({} were there already), {} blobs {verb}, {}",
                    summary.images,
                    summary.present,
                    summary.blobs,
                    show::bytes(summary.bytes)
                ),
            ));
        }
        if let (Some(set), Some(kind), false) = (set, kind, self.options.dry_run) {
            out::data(instructions(set, kind).trim_end());
        }
        Ok(Exit::Done)
    }

    fn client_options(&self) -> Result<Options, Failure> {
        let here = Root::live()?;
        let mut authorities = Vec::new();
        if let Some(path) = &self.options.certificate_authority {
            authorities.push(read(&here, path)?);
            // Other registries of the same run are still those of the system's anchors.
            for bundle in SYSTEM_BUNDLES {
                authorities.extend(here.read(Path::new(bundle))?);
            }
        }
        Ok(Options {
            resolve: provision_host::names::resolve_here,
            authorities,
            plain_http: self.options.plain_http,
            credentials: self.credentials(&here)?,
            patience: Some(Duration::from_secs(self.options.patience)),
        })
    }

    /// Credentials from the file that is named, else from all that podman would read, in its order.
    fn credentials(&self, here: &Root) -> Result<Option<Lookup>, Failure> {
        let mut files = Vec::new();
        let mut take = |path: &Path, bytes: &[u8]| {
            let parsed = AuthFile::parse(bytes);
            parsed.map(|file| files.push(file)).map_err(|error| {
                Failure::because(Exit::Usage, &error).hint(format!("the file is {}", path.display()))
            })
        };
        match &self.options.authfile {
            Some(path) => take(path, &read(here, path)?)?,
            None => {
                for candidate in super::pull_secret::candidates() {
                    if let (Format::Auths, Some(bytes)) = (candidate.format, here.read(&candidate.path)?) {
                        take(&candidate.path, &bytes)?;
                    }
                }
            }
        }
        if files.is_empty() {
            return Ok(None);
        }
        Ok(Some(Arc::new(move |name| {
            files.iter().find_map(|file| match file.lookup(name) {
                Some(Match::Credentials { credentials, .. }) => Some(credentials),
                _ => None,
            })
        })))
    }
}

/// Refuses images of which one would take the other's tag in the repository that they share. Components of releases
/// have tags that say which release they belong to.
fn one_image_a_tag(wanted: &[(Reference, bool)], target: &Reference) -> Result<(), Failure> {
    let mut taken: BTreeMap<&Tag, &Reference> = BTreeMap::new();
    for (image, _) in wanted.iter().filter(|(_, release)| !release) {
        let Some(tag) = target.tag.as_ref().or(image.tag.as_ref()) else { continue };
        if let Some(first) = taken.insert(tag, image).filter(|first| *first != image) {
            let what = format!("{first} and {image} would both become {}:{tag}", target.name());
            return Err(Failure::new(Exit::Usage, what)
                .hint("load them one at a time with --only, each to a repository or tag of its own"));
        }
    }
    Ok(())
}

/// Whether an image in a directory is the one that is asked for. Directories of oc's do not keep the registry's name.
fn answers(source: &Source, reference: &Reference, only: &Reference) -> bool {
    match source {
        Source::ToDir(_) => reference.tag == only.tag,
        _ => reference == only,
    }
}

/// A file of this machine that was named on the command line.
fn read(here: &Root, path: &Path) -> Result<Vec<u8>, Failure> {
    let current = provision_host::current_dir().map_err(|error| Failure::because(Exit::Failed, &error))?;
    let missing = || Failure::new(Exit::Usage, format!("{} does not exist", path.display()));
    here.read(&current.join(path))?.ok_or_else(missing)
}

async fn list(global: &Global, directory: &Path) -> Result<Exit, Failure> {
    let roots = Source::open(directory).await?.roots().await?;
    if global.json {
        out::json(&serde_json::json!({ "schema": 1, "roots": roots }));
        return Ok(Exit::Done);
    }
    for root in roots {
        let kind = if root.release { "release" } else { "image" };
        out::data(format!("{kind} {} {}", root.reference, paint(FAINT, root.digest)));
    }
    Ok(Exit::Done)
}
