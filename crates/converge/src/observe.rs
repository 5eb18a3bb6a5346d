//! Reads the state of resources from the host, and changes nothing.

use std::collections::{BTreeMap, BTreeSet};

use provision_host::hostname::Hostname;
use provision_host::{Error as HostError, Meta, NodeKind, hostname, packages, systemd};

use crate::accounts::Accounts;
use crate::desired::hex;
use crate::error::{Error, Result};
use crate::machine::Machine;
use crate::part;
use crate::plan::Observed;
use crate::resource::{Kind, ResourceId};
use crate::state::{
    Content, DirectoryState, FileState, ImageSource, ImageState, PackageState, PartState, State,
    SymlinkState, UnitState,
};

/// What is known of a resource before it is looked at: the states it is or was wanted in.
pub(crate) type Expected<'a> = BTreeMap<&'a ResourceId, &'a State>;

/// Observes all these resources. What cannot be read comes back as [`State::Unknown`], with the reason.
pub(crate) fn observe(machine: Machine<'_>, expected: &Expected<'_>) -> Result<Observed> {
    let accounts = Accounts::read(&machine.host.root)?;
    let names: BTreeSet<String> =
        expected.keys().filter(|id| id.kind() == Kind::Package).map(|id| id.name().to_owned()).collect();
    let packages = installed(machine, &names);
    let one = |(id, hint): (&&ResourceId, &&State)| {
        let state = match id.kind() {
            Kind::File => file(machine, &accounts, id, hint),
            Kind::Package => package(&packages, id.name()),
            Kind::Unit => unit(machine, id.name()),
            Kind::Image => image(machine, id.name()),
            Kind::Setting => setting(machine, id.name()),
            Kind::Content => crate::content::observe(machine, hint),
        };
        let state = state.unwrap_or_else(|error| State::Unknown { reason: reason(&error) });
        ((*id).clone(), state)
    };
    Ok(expected.iter().map(one).collect())
}

/// Observes one resource again, just before it is changed.
pub(crate) fn observe_one(machine: Machine<'_>, id: &ResourceId, hint: &State) -> Result<State> {
    let observed = observe(machine, &[(id, hint)].into())?;
    observed
        .into_values()
        .next()
        .ok_or_else(|| Error::Unknown { id: id.clone(), reason: "not observed".into() })
}

/// An error and its causes in one line.
fn reason(error: &Error) -> String {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}

fn file(machine: Machine<'_>, accounts: &Accounts, id: &ResourceId, hint: &State) -> Result<State> {
    if let Some(part) = id.file_part() {
        return observe_part(machine, id, part, hint);
    }
    let root = &machine.host.root;
    let Some(node) = root.node(id.path())? else { return Ok(State::Absent) };
    let (owner, group) = (accounts.user(node.meta.uid), accounts.group(node.meta.gid));
    let parent = matches!(hint, State::Directory(DirectoryState { parent: true, .. }));
    let xattrs = Some(shown_xattrs(&node.meta));
    Ok(match node.kind {
        NodeKind::File { .. } => {
            let bytes = root.read(id.path())?.unwrap_or_default();
            let secret = hint.content().map_or(node.meta.mode & 0o004 == 0, |content| content.secret);
            let content = machine.vault.describe(&bytes, secret)?;
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

fn shown_xattrs(meta: &Meta) -> BTreeMap<String, String> {
    meta.xattrs.iter().map(|(name, value)| (name.clone(), hex(value))).collect()
}

fn observe_part(machine: Machine<'_>, id: &ResourceId, name: &str, hint: &State) -> Result<State> {
    let root = &machine.host.root;
    let path = root.behind(id.path())?;
    let Some(bytes) = root.read(&path)? else { return Ok(State::Absent) };
    let found =
        part::read(&bytes, name).map_err(|source| Error::Part { path: id.path().to_path_buf(), source })?;
    let secret = hint.content().is_some_and(|content| content.secret);
    let content: Option<Content> = match found {
        Some(bytes) => Some(machine.vault.describe(&bytes, secret)?),
        None => None,
    };
    let mode = root.node(&path)?.map_or(0, |node| node.meta.mode);
    Ok(State::Part(PartState { content, mode }))
}

type Installed = Result<BTreeMap<String, Option<String>>, String>;

fn installed(machine: Machine<'_>, names: &BTreeSet<String>) -> Installed {
    if names.is_empty() {
        return Ok(BTreeMap::new());
    }
    let names: Vec<String> = names.iter().cloned().collect();
    packages::installed(machine.host, machine.family, &names).map_err(|error| reason(&error.into()))
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
