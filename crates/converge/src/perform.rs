//! Does one op. It looks first: as wanted → nothing; as planned → do it; anything else → a conflict.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use provision_host::hostname::Hostname;
use provision_host::packages::Changed;
use provision_host::{Error as HostError, Meta, hostname, packages, selinux, systemd, trust};

use crate::accounts::Accounts;
use crate::content;
use crate::error::{Error, Result};
use crate::machine::Machine;
use crate::observe::observe_one;
use crate::op::Op;
use crate::part;
use crate::poke::Poke;
use crate::resource::ResourceId;
use crate::state::{
    Content, DirectoryState, FileState, ImageSource, PartState, State, SymlinkState, UnitState,
};

/// Loading an image of a few hundred megabytes takes minutes on a slow disk.
const IMAGE_LIMIT: Duration = Duration::from_secs(1800);

/// Where systemctl(1) puts the link that masks a unit.
const MASKS: &str = "/etc/systemd/system";

/// How many of a unit's last log lines explain why it did not start.
const LOG_LINES: u32 = 20;

/// What an op did.
#[derive(Debug, Default)]
pub(crate) struct Done {
    /// The host was as wanted before.
    pub(crate) nothing: bool,
    /// Packages that came or went.
    pub(crate) packages: Option<Changed>,
}

/// Does one op.
pub(crate) fn perform(machine: Machine<'_>, op: &Op) -> Result<Done> {
    let changed = Done::default();
    match op {
        Op::Put { id, from, to } => guarded(machine, id, from, to, || put(machine, id, to)),
        Op::Unit { name, from, to } => {
            guarded(machine, &ResourceId::unit(name), from, to, || unit(machine, name, to))
        }
        Op::Image { name, from, to } => {
            guarded(machine, &ResourceId::image(name), from, to, || image(machine, name, to))
        }
        Op::Set { name, from, to } => {
            guarded(machine, &ResourceId::setting(name), from, to, || set(machine, to))
        }
        Op::Packages { install, remove } => {
            let remove: Vec<&String> = remove.iter().collect();
            let packages = packages::transaction(machine.host, machine.family, install, &remove)?;
            Ok(Done { packages: Some(packages), ..changed })
        }
        Op::Content { name, to } => {
            let nothing = content::bring(machine, name, to, &|_| {}, &|| false)?;
            Ok(Done { nothing, ..changed })
        }
        Op::Poke { poke } => tell(machine, poke).map(|()| changed),
    }
}

fn guarded(
    machine: Machine<'_>,
    id: &ResourceId,
    from: &State,
    to: &State,
    change: impl FnOnce() -> Result<()>,
) -> Result<Done> {
    let seen_as = |one: &'_ State, other: &'_ State| -> Result<State> {
        observe_one(machine, id, if one.content().is_some() { one } else { other })
    };
    if seen_as(to, from)?.satisfies(to) {
        return Ok(Done { nothing: true, ..Done::default() });
    }
    let is = seen_as(from, to)?;
    if !as_planned(&is, from, to) {
        return Err(Error::Conflict { id: id.clone(), expected: in_words(from), found: in_words(&is) });
    }
    change().map_err(|error| match error {
        Error::Resource { .. } | Error::Ineffective { .. } => error,
        error => Error::Resource { id: id.clone(), source: Box::new(error) },
    })?;
    Ok(Done::default())
}

/// Whether a resource is still as it was when the plan was made, as far as the change depends on it.
fn as_planned(is: &State, from: &State, to: &State) -> bool {
    if is.satisfies(from) || is == from {
        return true;
    }
    match (is, from, to) {
        // The file around our part may come, go or change: we touch only the part.
        (State::Part(PartState { content: None, .. }), State::Absent, _)
        | (State::Absent, State::Part(_), _) => true,
        // A unit whose files this very plan brought is known by now, and its state is asked for afresh.
        (State::Unit(_) | State::Absent, State::Unit(_) | State::Absent, _) => true,
        // Contents were observed under another sealing rule (a secret before the host had a key).
        (State::File(is), State::File(from), _) => {
            is.content.fingerprint.is_some() && from.content.fingerprint.is_none()
        }
        _ => false,
    }
}

/// A state in a few words, for errors.
pub(crate) fn in_words(state: &State) -> String {
    match state {
        State::Absent => "nothing there".into(),
        State::File(file) => {
            let content = short(&file.content);
            format!("a file ({content}, mode {:04o}, {}:{})", file.mode, file.owner, file.group)
        }
        State::Directory(directory) => format!("a directory (mode {:04o})", directory.mode),
        State::Symlink(link) => format!("a link to {}", link.target),
        State::Part(PartState { content: None, .. }) => "a file without the part".into(),
        State::Part(PartState { content: Some(content), .. }) => format!("a part ({})", short(content)),
        State::Package(package) => format!("version {}", package.version.as_deref().unwrap_or("any")),
        State::Unit(UnitState { enabled, active, masked }) => {
            let word = |is: &Option<bool>, yes, no| is.map(|is| if is { yes } else { no });
            let words = [word(active, "running", "stopped"), word(enabled, "enabled", "disabled")];
            let masked = masked.filter(|masked| *masked).map(|_| "masked");
            let words: Vec<&str> = words.into_iter().chain([masked]).flatten().collect();
            format!("a unit ({})", words.join(", "))
        }
        State::Image(image) => format!("image {}", image.id.get(..12).unwrap_or(&image.id)),
        State::Setting { value, .. } => format!("{value:?}"),
        State::Content(_) => "content".into(),
        State::Foreign { what } => what.clone(),
        State::Unknown { reason } => format!("unreadable: {reason}"),
    }
}

/// Enough of a fingerprint to tell two apart.
fn short(content: &Content) -> &str {
    let whole = content.fingerprint.as_deref().unwrap_or("not made yet");
    whole.get(..19).unwrap_or(whole)
}

fn put(machine: Machine<'_>, id: &ResourceId, to: &State) -> Result<()> {
    match (id.file_part(), to) {
        (Some(name), State::Part(state)) => put_part(machine, id, name, Some(state)),
        (Some(name), _) => put_part(machine, id, name, None),
        (None, State::File(file)) => put_file(machine, id, file),
        (None, State::Directory(directory)) => put_directory(machine, id, directory),
        (None, State::Symlink(link)) => put_symlink(machine, id, link),
        (None, State::Absent) => remove(machine, id.path()),
        (None, other) => Err(Error::Conflict {
            id: id.clone(),
            expected: "a file, directory or link".into(),
            found: in_words(other),
        }),
    }
}

fn put_file(machine: Machine<'_>, id: &ResourceId, file: &FileState) -> Result<()> {
    let bytes = machine.vault.find(&file.content)?;
    let meta = meta(machine, file.mode, &file.owner, &file.group, file.xattrs.as_ref())?;
    machine.host.root.write(id.path(), &bytes, &meta)?;
    label(machine, id.path(), file.xattrs.is_none())
}

fn put_directory(machine: Machine<'_>, id: &ResourceId, directory: &DirectoryState) -> Result<()> {
    let meta = meta(machine, directory.mode, &directory.owner, &directory.group, directory.xattrs.as_ref())?;
    let meta = if directory.parent { as_above(machine, id.path(), meta)? } else { meta };
    machine.host.root.make_dir(id.path(), &meta)?;
    label(machine, id.path(), directory.xattrs.is_none())
}

fn put_symlink(machine: Machine<'_>, id: &ResourceId, link: &SymlinkState) -> Result<()> {
    let meta = meta(machine, 0o777, &link.owner, &link.group, None)?;
    Ok(machine.host.root.symlink(id.path(), &link.target, &meta)?)
}

/// Removes a file or link, or a directory that nobody else has put anything into.
fn remove(machine: Machine<'_>, path: &Path) -> Result<()> {
    match machine.host.root.remove(path) {
        Ok(_) | Err(HostError::NotEmpty { .. }) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

fn put_part(machine: Machine<'_>, id: &ResourceId, name: &str, to: Option<&PartState>) -> Result<()> {
    let root = &machine.host.root;
    let failed = |source| Error::Part { path: id.path().to_path_buf(), source };
    // A link stays one: it is somebody's decision where the file lies, and its own mode says nothing.
    let path = &root.behind(id.path())?;
    let before = root.read(path)?;
    let meta = match root.node(path)? {
        Some(node) => node.meta,
        None => as_above(machine, path, Meta::own(to.map_or(0o600, |state| state.mode)))?,
    };
    let content = match to.and_then(|state| state.content.as_ref()) {
        Some(content) => Some(machine.vault.find(content)?),
        None => None,
    };
    let bytes =
        part::write(before.as_deref().unwrap_or_default(), name, content.as_deref().map(Vec::as_slice))
            .map_err(failed)?;
    if to.is_none() && part::is_empty(&bytes, name) {
        return remove(machine, path);
    }
    root.write(path, &bytes, &meta)?;
    label(machine, path, before.is_none())
}

/// The metadata of something new that was not declared for itself: in somebody's own directory it is theirs.
fn as_above(machine: Machine<'_>, path: &Path, meta: Meta) -> Result<Meta> {
    let above = match path.parent() {
        Some(directory) => machine.host.root.node(directory)?,
        None => None,
    };
    let theirs = above.filter(|node| node.is_dir() && node.meta.uid != 0);
    Ok(theirs.map_or(meta.clone(), |node| Meta { uid: node.meta.uid, gid: node.meta.gid, ..meta }))
}

/// Gives a new file the label that the system's policy has for its place.
fn label(machine: Machine<'_>, path: &Path, by_policy: bool) -> Result<()> {
    if by_policy && machine.host.root.is_live() {
        selinux::restorecon(machine.host, &[path])?;
    }
    Ok(())
}

fn meta(
    machine: Machine<'_>,
    mode: u32,
    owner: &str,
    group: &str,
    xattrs: Option<&BTreeMap<String, String>>,
) -> Result<Meta> {
    let accounts = Accounts::read(&machine.host.root)?;
    let nobody = |kind, name: &str| Error::NoAccount { kind, name: name.to_owned() };
    let uid = accounts.uid(owner).ok_or_else(|| nobody("user", owner))?;
    let gid = accounts.gid(group).ok_or_else(|| nobody("group", group))?;
    let xattrs = xattrs.into_iter().flatten().map(|(name, value)| (name.clone(), unhex(value))).collect();
    Ok(Meta { mode, uid, gid, xattrs })
}

fn unhex(text: &str) -> Vec<u8> {
    let digits = text.as_bytes().chunks_exact(2);
    digits.filter_map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()).collect()
}

fn unit(machine: Machine<'_>, name: &str, to: &State) -> Result<()> {
    let to = match to {
        State::Unit(unit) => unit.clone(),
        _ => UnitState::GONE,
    };
    let host = machine.host;
    if to.masked == Some(false) && systemd::status(host, name)?.enabled.starts_with("masked") {
        systemd::unmask(host, name)?;
    }
    let is = systemd::status(host, name)?;
    // A unit that was masked has not told whether it was enabled, and what is enabled now is so because of us.
    let enabled = if to.masked == Some(true) { to.enabled.or(Some(false)) } else { to.enabled };
    match enabled {
        Some(true) if is.enabled != "enabled" => systemd::enable(host, name)?,
        Some(false) if is.enabled == "enabled" => systemd::disable(host, name)?,
        _ => {}
    }
    match to.active {
        Some(true) => explained(machine, name, systemd::start(host, name))?,
        Some(false) => systemd::stop(host, name)?,
        None => {}
    }
    // A mask is a link in the place of the unit's file. Where that is ours, it is a resource, and the link comes back
    // with it.
    if to.masked == Some(true) && host.root.node(&Path::new(MASKS).join(name))?.is_none() {
        systemd::mask(host, name)?;
    }
    Ok(())
}

fn image(machine: Machine<'_>, name: &str, to: &State) -> Result<()> {
    let podman = || machine.host.program("podman").timeout(IMAGE_LIMIT);
    let State::Image(image) = to else {
        podman().args(["image", "rm", "--force", name]).run()?;
        return Ok(());
    };
    match &image.source {
        ImageSource::Generated { content } => {
            let path = machine.vault.place(content);
            podman().args(["load", "--quiet", "--input"]).arg(path.to_string_lossy()).run()?;
        }
        ImageSource::Archive { path } => {
            podman().args(["load", "--quiet", "--input", path]).run()?;
        }
        ImageSource::Pull { reference } => {
            podman().args(["pull", "--quiet", reference]).run()?;
        }
        ImageSource::Storage => {}
    }
    let id = ResourceId::image(name);
    if observe_one(machine, &id, to)? == State::Absent {
        // The archive carries another name, or none.
        podman().args(["tag", &image.id, name]).run()?;
    }
    let is = observe_one(machine, &id, to)?;
    if is.satisfies(to) {
        return Ok(());
    }
    let problem = format!("expected image {} after loading it, found {}", image.id, in_words(&is));
    Err(Error::Ineffective { id, problem })
}

fn set(machine: Machine<'_>, to: &State) -> Result<()> {
    match to {
        State::Setting { value, configured } => {
            let name = Hostname { running: value.clone(), configured: configured.clone() };
            Ok(hostname::set(machine.host, &name)?)
        }
        _ => Ok(()),
    }
}

fn tell(machine: Machine<'_>, poke: &Poke) -> Result<()> {
    match poke {
        Poke::UpdateTrust => trust::update(machine.host, machine.family)?,
        Poke::DaemonReload => systemd::daemon_reload(machine.host)?,
        Poke::Restart { unit } => explained(machine, unit, systemd::restart(machine.host, unit))?,
    }
    Ok(())
}

/// systemctl only points to the log; people want to read it.
fn explained(machine: Machine<'_>, unit: &str, started: Result<(), HostError>) -> Result<()> {
    started.map_err(|source| {
        let log = systemd::journal_tail(machine.host, unit, LOG_LINES);
        let log = log.unwrap_or_else(|error| format!("(its log could not be read: {error})"));
        Error::NotStarted { unit: unit.to_owned(), log, source }
    })
}
