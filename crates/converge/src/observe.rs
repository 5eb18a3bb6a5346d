//! Reads the state of resources from the host, and changes nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use provision_host::hostname::Hostname;
use provision_host::{Error as HostError, Meta, NodeKind, hostname, packages, systemd};

use crate::accounts::Accounts;
use crate::desired::{hex, plain_fingerprint};
use crate::error::{Error, Result, in_one_line};
use crate::machine::Machine;
use crate::part;
use crate::plan::Observed;
use crate::resource::{Kind, ResourceId};
use crate::state::{
    Content, DirectoryState, FileState, ImageSource, ImageState, PackageState, PartState, State,
    SymlinkState, UnitState,
};

/// What is known of a resource before it is looked at.
#[derive(Clone, Copy)]
pub(crate) struct Hint<'a> {
    /// The state it is wanted in, or else was recorded in.
    pub(crate) state: &'a State,
    /// The state it was recorded in, if it was.
    pub(crate) recorded: Option<&'a State>,
}

/// What is known of each resource.
pub(crate) type Expected<'a> = BTreeMap<&'a ResourceId, Hint<'a>>;

/// Observes all these resources. What cannot be read comes back as [`State::Unknown`], with the reason.
pub(crate) fn observe(machine: Machine<'_>, expected: &Expected<'_>) -> Result<Observed> {
    let accounts = Accounts::read(&machine.host.root)?;
    let names: BTreeSet<String> =
        expected.keys().filter(|id| id.kind() == Kind::Package).map(|id| id.name().to_owned()).collect();
    let packages = installed(machine, &names);
    let one = |(id, hint): (&&ResourceId, &Hint<'_>)| {
        let state = match id.kind() {
            Kind::File => file(machine, &accounts, id, hint),
            Kind::Package => package(&packages, id.name()),
            Kind::Unit => unit(machine, id.name()),
            Kind::Image => image(machine, id.name()),
            Kind::Setting => setting(machine, id.name()),
            Kind::Content => crate::content::observe(machine, hint.state),
        };
        let state = state.unwrap_or_else(|error| State::Unknown { reason: in_one_line(&error) });
        ((*id).clone(), state)
    };
    Ok(expected.iter().map(one).collect())
}

/// Observes one resource again, just before it is changed.
pub(crate) fn observe_one(machine: Machine<'_>, id: &ResourceId, hint: &State) -> Result<State> {
    let hint = Hint { state: hint, recorded: None };
    let observed = observe(machine, &[(id, hint)].into())?;
    observed
        .into_values()
        .next()
        .ok_or_else(|| Error::Unknown { id: id.clone(), reason: "not observed".into() })
}

fn file(machine: Machine<'_>, accounts: &Accounts, id: &ResourceId, hint: &Hint<'_>) -> Result<State> {
    if let Some(part) = id.file_part() {
        return observe_part(machine, id, part, hint.state);
    }
    let root = &machine.host.root;
    let Some(node) = root.node(id.path())? else { return Ok(State::Absent) };
    let (owner, group) = (accounts.user(node.meta.uid), accounts.group(node.meta.gid));
    let parent = matches!(hint.state, State::Directory(DirectoryState { parent: true, .. }));
    let xattrs = Some(shown_xattrs(&node.meta));
    Ok(match node.kind {
        NodeKind::File { .. } => {
            let bytes = root.read(id.path())?.unwrap_or_default();
            let content = machine.vault.describe(&bytes, is_secret(&bytes, node.meta.mode, hint))?;
            State::File(FileState { content, mode: node.meta.mode, owner, group, xattrs })
        }
        NodeKind::Directory => {
            State::Directory(DirectoryState { mode: node.meta.mode, owner, group, parent: false, xattrs })
        }
        // A parent may well be a link to a directory, such as /var/run.
        NodeKind::Symlink { .. } if parent && root.list(id.path())?.is_some() => {
            State::Directory(DirectoryState { mode: node.meta.mode, owner, group, parent: false, xattrs })
        }
        NodeKind::Symlink { target } => State::Symlink(SymlinkState { target, owner, group }),
        NodeKind::Other => State::Foreign { what: "a device, pipe or socket".into() },
    })
}

/// Whether nothing may be told of a file's bytes. What not everybody may read, and what neither we nor the profile
/// know, may be a secret that nobody declared: even its plain digest would give a weak one away.
fn is_secret(bytes: &[u8], mode: u32, hint: &Hint<'_>) -> bool {
    let mut known = [Some(hint.state), hint.recorded].into_iter().flatten().filter_map(State::content);
    let declared = hint.state.content().is_some_and(|content| content.secret);
    let is = plain_fingerprint(bytes);
    declared || (mode & 0o004 == 0 && !known.any(|content| content.fingerprint.as_ref() == Some(&is)))
}

fn shown_xattrs(meta: &Meta) -> BTreeMap<String, String> {
    meta.xattrs.iter().map(|(name, value)| (name.clone(), hex(value))).collect()
}

fn observe_part(machine: Machine<'_>, id: &ResourceId, name: &str, hint: &State) -> Result<State> {
    let root = &machine.host.root;
    let path = root.behind(id.path())?;
    let Some(bytes) = root.read(&path)? else { return nothing_behind(machine, id, &path) };
    let found =
        part::read(&bytes, name).map_err(|source| Error::Part { path: id.path().to_path_buf(), source })?;
    let secret = hint.content().is_some_and(|content| content.secret);
    let mode = root.node(&path)?.map_or(0, |node| node.meta.mode);
    // The file keeps its mode when we write our part into it, and a secret must not be read by all.
    if secret && found.is_none() && mode & 0o077 != 0 {
        let path = path.display();
        return Ok(State::Unknown {
            reason: format!(
                "a secret belongs into {path}, which others may read (mode {mode:04o}); run: chmod 600 {path}"
            ),
        });
    }
    let content: Option<Content> = match found {
        Some(bytes) => Some(machine.vault.describe(&bytes, secret)?),
        None => None,
    };
    Ok(State::Part(PartState { content, mode }))
}

/// A file that is not there can be made, unless a link leads to where nothing can be.
fn nothing_behind(machine: Machine<'_>, id: &ResourceId, path: &Path) -> Result<State> {
    let folder = path.parent().unwrap_or(path);
    if path == id.path() || machine.host.root.list(folder)?.is_some() {
        return Ok(State::Absent);
    }
    let (link, folder) = (id.path().display(), folder.display());
    Ok(State::Unknown {
        reason: format!(
            "{link} is a link into {folder}, which is not there: make that, or move the link aside"
        ),
    })
}

type Installed = Result<BTreeMap<String, Option<String>>, String>;

fn installed(machine: Machine<'_>, names: &BTreeSet<String>) -> Installed {
    if names.is_empty() {
        return Ok(BTreeMap::new());
    }
    let names: Vec<String> = names.iter().cloned().collect();
    packages::installed(machine.host, machine.family, &names).map_err(|error| in_one_line(&error))
}

fn package(installed: &Installed, name: &str) -> Result<State> {
    Ok(match installed {
        Err(reason) => State::Unknown { reason: reason.clone() },
        Ok(installed) => match installed.get(name).cloned().flatten() {
            Some(version) => State::Package(PackageState { version: Some(version) }),
            None => State::Absent,
        },
    })
}

fn unit(machine: Machine<'_>, name: &str) -> Result<State> {
    let status = systemd::status(machine.host, name)?;
    if status.load == "not-found" {
        return Ok(State::Absent);
    }
    let enabled = match status.enabled.as_str() {
        "enabled" | "enabled-runtime" => Some(true),
        "disabled" => Some(false),
        // Generated, static, linked, masked: no link of its own to make or remove.
        _ => None,
    };
    // Between two attempts a unit that restarts by itself looks as if it were down; it will not stay so.
    let restarts = status.sub.contains("auto-restart");
    let active = restarts || matches!(status.active.as_str(), "active" | "activating" | "reloading");
    let masked = status.enabled.starts_with("masked");
    Ok(State::Unit(UnitState { enabled, active: Some(active), masked: Some(masked) }))
}

/// A host without podman has no images; any other failure of podman is a failure to read.
fn image(machine: Machine<'_>, name: &str) -> Result<State> {
    if !machine.host.has_program("podman") {
        return Ok(State::Absent);
    }
    let output =
        machine.host.program("podman").args(["image", "inspect", "--format", "{{.Id}}", name]).output()?;
    match output.status {
        0 => Ok(State::Image(ImageState {
            id: output.stdout.trim().trim_start_matches("sha256:").to_owned(),
            source: ImageSource::Storage,
        })),
        // podman-image-inspect(1) has one status for every failure; only these words mean "not there".
        _ if ["no such image", "not known", "unable to find"]
            .iter()
            .any(|words| output.stderr.to_lowercase().contains(words)) =>
        {
            Ok(State::Absent)
        }
        _ => Ok(State::Unknown { reason: output.stderr.trim().to_owned() }),
    }
}

fn setting(machine: Machine<'_>, name: &str) -> Result<State> {
    match name {
        "hostname" => {
            let Hostname { running, configured } = hostname::get(machine.host)?;
            Ok(State::Setting { value: running, configured })
        }
        other => Err(HostError::Unexpected {
            origin: format!("setting:{other}"),
            expected: "a setting that provision knows: hostname",
            found: other.to_owned(),
        }
        .into()),
    }
}
