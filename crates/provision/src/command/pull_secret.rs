//! `provision pull-secret`: files of registry credentials, edited without losing a byte that is not ours.

use std::collections::BTreeSet;
use std::io::{IsTerminal as _, Read as _};
use std::path::{Path, PathBuf};

use clap::Subcommand;
use provision_host::{Meta, Root};
use provision_pull_secret::{
    AuthFile, Candidate, Credentials, Environment, Severity, ShownKind, merge, search_path,
};
use serde_json::json;

use crate::cli::Global;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::out::{self, BAD, CAREFUL, FAINT, GOOD, paint};

/// What can be done with credentials.
#[derive(Debug, Subcommand)]
pub enum PullSecretCommand {
    /// Add or change the credentials of one registry; the password comes from standard input
    Add {
        /// The registry: host, host:port, or host/namespace
        registry: String,
        /// The user's name
        #[arg(short, long)]
        username: String,
        /// The file; otherwise the one that podman login would write
        #[arg(long, value_name = "FILE")]
        authfile: Option<PathBuf>,
    },
    /// Merge files of credentials; of the same registry the last one wins
    Merge {
        /// The files, the most important one last
        #[arg(required = true, num_args = 2.., value_name = "FILE")]
        files: Vec<PathBuf>,
        /// Where to write the result, readable by its owner only
        #[arg(short, long, value_name = "FILE")]
        output: PathBuf,
    },
    /// Show whose credentials there are, never the credentials
    Show {
        /// The file; otherwise the one that podman would read first
        authfile: Option<PathBuf>,
    },
    /// Judge a file: what cannot work, and what may surprise
    Check {
        /// The file; otherwise the one that podman would read first
        authfile: Option<PathBuf>,
    },
}

/// Runs one of them.
pub fn run(global: &Global, command: PullSecretCommand) -> Result<Exit, Failure> {
    let here = Root::live()?;
    match command {
        PullSecretCommand::Add { registry, username, authfile } => {
            add(global, &here, &registry, &username, authfile)
        }
        PullSecretCommand::Merge { files, output } => merge_files(global, &here, &files, &output),
        PullSecretCommand::Show { authfile } => show(global, &here, authfile),
        PullSecretCommand::Check { authfile } => check(global, &here, authfile),
    }
}

/// The files of credentials that podman would read, in its order.
pub fn candidates() -> Vec<Candidate> {
    let var = provision_host::var;
    let (registry_auth_file, runtime) = (var("REGISTRY_AUTH_FILE"), var("XDG_RUNTIME_DIR"));
    let (config, docker) = (var("XDG_CONFIG_HOME"), var("DOCKER_CONFIG"));
    let home = provision_host::home().map(|home| home.to_string_lossy().into_owned());
    search_path(&Environment {
        authfile: None,
        registry_auth_file: registry_auth_file.as_deref(),
        xdg_runtime_dir: runtime.as_deref(),
        xdg_config_home: config.as_deref(),
        docker_config: docker.as_deref(),
        home: home.as_deref(),
        uid: provision_host::effective_uid(),
    })
}

/// The file that is meant: the one named, else the first that exists, else the first.
fn meant(here: &Root, named: Option<PathBuf>) -> Result<PathBuf, Failure> {
    if let Some(path) = named {
        let current =
            provision_host::current_dir().map_err(|error| Failure::because(Exit::Failed, &error))?;
        return Ok(current.join(path));
    }
    let candidates = candidates();
    for candidate in &candidates {
        if here.node(&candidate.path)?.is_some() {
            return Ok(candidate.path.clone());
        }
    }
    let first = candidates.into_iter().next();
    first
        .map(|candidate| candidate.path)
        .ok_or_else(|| Failure::new(Exit::Usage, "no home directory: name the file"))
}

fn load(here: &Root, path: &Path) -> Result<Option<AuthFile>, Failure> {
    let Some(bytes) = here.read(path)? else { return Ok(None) };
    AuthFile::parse(&bytes).map(Some).map_err(|error| {
        Failure::because(Exit::Usage, &error).hint(format!("the file {} is left as it was", path.display()))
    })
}

fn need(here: &Root, path: &Path) -> Result<AuthFile, Failure> {
    let missing = || Failure::new(Exit::Usage, format!("{} does not exist", path.display()));
    load(here, path)?.ok_or_else(missing)
}

/// Replaces the file whole, readable by its owner only. A link stays one, and what it points to is edited.
fn save(here: &Root, path: &Path, file: &AuthFile) -> Result<(), Failure> {
    let path = &here.behind(path)?;
    let meta = match here.node(path)? {
        Some(node) => Meta { mode: 0o600, ..node.meta },
        None => Meta::own(0o600),
    };
    let parents: Vec<&Path> = path.ancestors().skip(1).collect();
    for parent in parents.into_iter().rev() {
        if here.node(parent)?.is_none() {
            here.make_dir(parent, &Meta::own(0o700))?;
        }
    }
    Ok(here.write(path, &file.to_bytes(), &meta)?)
}

fn add(
    global: &Global,
    here: &Root,
    registry: &str,
    username: &str,
    authfile: Option<PathBuf>,
) -> Result<Exit, Failure> {
    let path = match authfile {
        Some(path) => meant(here, Some(path))?,
        None => match candidates().into_iter().find(|candidate| candidate.primary) {
            Some(candidate) => candidate.path,
            None => meant(here, None)?,
        },
    };
    if std::io::stdin().is_terminal() {
        out::note("The password is read from standard input, up to its first line's end.");
    }
    let mut password = String::new();
    std::io::stdin().read_to_string(&mut password).map_err(|error| {
        Failure::because(Exit::Usage, &error).hint("the password is read from standard input")
    })?;
    let password = password.lines().next().unwrap_or_default();
    if password.is_empty() {
        return Err(Failure::new(Exit::Usage, "no password came on standard input")
            .hint("provision pull-secret add REGISTRY --username USER < FILE"));
    }
    let mut file = load(here, &path)?.unwrap_or_else(AuthFile::new);
    let set = file.set(registry, &Credentials::new(username, password));
    set.map_err(|error| Failure::because(Exit::Usage, &error))?;
    save(here, &path, &file)?;
    if global.json {
        out::json(&json!({ "schema": 1, "file": path, "registry": registry }));
    } else {
        out::data(format!("{}: {registry} as {username}", path.display()));
    }
    Ok(Exit::Done)
}

fn merge_files(global: &Global, here: &Root, files: &[PathBuf], output: &Path) -> Result<Exit, Failure> {
    let mut merged = AuthFile::new();
    for (place, path) in files.iter().enumerate() {
        let file = need(here, &meant(here, Some(path.clone()))?)?;
        merged = if place == 0 { file } else { merge(&merged, &file) };
    }
    let output = meant(here, Some(output.to_path_buf()))?;
    save(here, &output, &merged)?;
    if global.json {
        out::json(&json!({ "schema": 1, "file": output, "registries": merged.keys() }));
    } else {
        out::data(format!("{}: {} registries", output.display(), merged.keys().len()));
    }
    Ok(Exit::Done)
}

fn show(global: &Global, here: &Root, authfile: Option<PathBuf>) -> Result<Exit, Failure> {
    let path = meant(here, authfile)?;
    let shown = need(here, &path)?.show();
    if global.json {
        out::json(&json!({ "schema": 1, "file": path, "shown": shown }));
        return Ok(Exit::Done);
    }
    out::note(paint(FAINT, path.display()));
    for entry in &shown.entries {
        let whose = match (entry.kind, &entry.username) {
            (ShownKind::Password, Some(user)) => format!("password of {user}"),
            (ShownKind::Password, None) => "password".to_owned(),
            (ShownKind::Token, _) => "identity token".to_owned(),
            (ShownKind::Empty, _) => "nothing".to_owned(),
        };
        out::data(format!("{} {}", entry.key, paint(FAINT, whose)));
    }
    for (host, helper) in &shown.helpers {
        out::data(format!("{host} {}", paint(FAINT, format!("docker-credential-{helper}"))));
    }
    if let Some(helper) = &shown.store {
        out::data(format!("* {}", paint(FAINT, format!("docker-credential-{helper}"))));
    }
    Ok(Exit::Done)
}

fn check(global: &Global, here: &Root, authfile: Option<PathBuf>) -> Result<Exit, Failure> {
    let path = meant(here, authfile)?;
    let file = need(here, &path)?;
    let host = provision_host::Host::live()?;
    let installed: BTreeSet<String> = file
        .helpers()
        .into_iter()
        .filter(|helper| host.has_program(&format!("docker-credential-{helper}")))
        .collect();
    let mut findings: Vec<(bool, String)> = file
        .findings(&installed)
        .into_iter()
        .map(|finding| {
            (
                finding.severity == Severity::Error,
                format!("{}: {}; {}", finding.key, finding.found, finding.remedy),
            )
        })
        .collect();
    let mode = here.node(&path)?.map_or(0, |node| node.meta.mode);
    if mode & 0o077 != 0 {
        let text = format!("others may read {}: chmod 600 {}", path.display(), path.display());
        findings.push((true, text));
    }
    let bad = findings.iter().any(|(error, _)| *error);
    if global.json {
        let findings: Vec<_> =
            findings.iter().map(|(error, text)| json!({ "error": error, "what": text })).collect();
        out::json(&json!({ "schema": 1, "file": path, "findings": findings }));
    } else {
        for (error, text) in &findings {
            let word = if *error { paint(BAD, "error") } else { paint(CAREFUL, "warning") };
            out::data(format!("{word}: {text}"));
        }
        if findings.is_empty() {
            out::data(paint(
                GOOD,
                format!("{}: {} entries, nothing to complain about", path.display(), file.keys().len()),
            ));
        }
    }
    Ok(if bad { Exit::Failed } else { Exit::Done })
}
