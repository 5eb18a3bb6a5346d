//! What of a file system is on disk: a model that is fed with every change, and can be laid out as a power cut would leave
//! it. Bytes, mode, owner and attributes of a file count once the file was synced, a name once its directory was. It must
//! not know what the files mean.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
use std::path::{Path, PathBuf};

use rustix::fs::XattrFlags;

use crate::bastion::attributes;
use crate::trace::Change;

/// What a power cut leaves of what was not synced.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Cut {
    /// Nothing: old names, old bytes.
    Nothing,
    /// All names, no bytes: what was renamed into place is empty.
    Names,
    /// Some of both, chosen by a number.
    Some(u64),
}

/// A change with what the node then was, since a call does not tell all of it.
pub(crate) struct Made {
    pub(crate) change: Change,
    meta: Option<Meta>,
    /// The whole file, where the call does not tell what is new in it.
    bytes: Vec<u8>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Meta {
    mode: u32,
    owner: (u32, u32),
    attributes: BTreeMap<String, Vec<u8>>,
}

#[derive(Debug, Clone)]
enum Kind {
    File(Vec<u8>),
    Directory(BTreeMap<String, usize>),
    Link(PathBuf),
}

/// A node, as it is seen and as it is on disk.
#[derive(Debug, Clone)]
struct Node {
    live: (Kind, Meta),
    durable: (Kind, Meta),
}

/// The file system below a directory.
#[derive(Debug, Clone)]
pub(crate) struct Disk {
    root: PathBuf,
    nodes: Vec<Node>,
}

impl Made {
    /// To be called when the change was just made.
    pub(crate) fn now(change: &Change) -> Self {
        let meta = change.path().and_then(Meta::of);
        let bytes = match change {
            Change::Other { path, .. } => fs::read(path).unwrap(),
            _ => Vec::new(),
        };
        Self { change: change.clone(), meta, bytes }
    }
}

impl Meta {
    fn of(path: &Path) -> Option<Self> {
        let meta = path.symlink_metadata().ok()?;
        let owner = (meta.uid(), meta.gid());
        Some(Self { mode: meta.mode() & 0o7777, owner, attributes: attributes(path) })
    }
}

impl Disk {
    /// Everything in these folders of a directory, as if it had been there for long.
    pub(crate) fn of(root: &Path, folders: &[&str]) -> Self {
        let root = root.canonicalize().unwrap();
        let meta = Meta::of(&root).unwrap();
        let top = (Kind::Directory(BTreeMap::new()), meta);
        let mut disk = Self { root: root.clone(), nodes: vec![Node { live: top.clone(), durable: top }] };
        for folder in folders {
            let node = disk.read(&root.join(folder));
            disk.set(0, folder, Some(node));
        }
        disk.sync_all();
        disk
    }

    fn read(&mut self, path: &Path) -> usize {
        let (meta, real) = (Meta::of(path).unwrap(), path.symlink_metadata().unwrap());
        let kind = if real.is_symlink() {
            Kind::Link(fs::read_link(path).unwrap())
        } else if real.is_dir() {
            let entries = fs::read_dir(path).unwrap().map(|entry| entry.unwrap());
            Kind::Directory(
                entries
                    .map(|entry| (entry.file_name().into_string().unwrap(), self.read(&entry.path())))
                    .collect(),
            )
        } else {
            Kind::File(fs::read(path).unwrap())
        };
        self.add(kind, meta)
    }

    fn add(&mut self, kind: Kind, meta: Meta) -> usize {
        // What is new is on disk as nothing.
        let empty = match &kind {
            Kind::File(_) => Kind::File(Vec::new()),
            Kind::Directory(_) => Kind::Directory(BTreeMap::new()),
            Kind::Link(target) => Kind::Link(target.clone()),
        };
        let bare = Meta { attributes: BTreeMap::new(), ..meta.clone() };
        self.nodes.push(Node { live: (kind, meta), durable: (empty, bare) });
        self.nodes.len() - 1
    }

    fn set(&mut self, directory: usize, name: &str, node: Option<usize>) {
        if let Kind::Directory(names) = &mut self.nodes[directory].live.0 {
            match node {
                Some(node) => drop(names.insert(name.to_owned(), node)),
                None => drop(names.remove(name)),
            }
        }
    }

    fn find(&self, path: &Path) -> Option<usize> {
        let inside = path.strip_prefix(&self.root).ok()?;
        inside.components().try_fold(0, |at, part| match &self.nodes[at].live.0 {
            Kind::Directory(names) => names.get(part.as_os_str().to_str()?).copied(),
            _ => None,
        })
    }

    /// The directory of a path, and the name in it.
    fn place<'p>(&self, path: &'p Path) -> Option<(usize, &'p str)> {
        Some((self.find(path.parent()?)?, path.file_name()?.to_str()?))
    }

    fn sync_all(&mut self) {
        for node in &mut self.nodes {
            node.durable = node.live.clone();
        }
    }

    /// Makes a change; those outside of the folders are none.
    pub(crate) fn make(&mut self, made: &Made) {
        let meta = |given: u32| {
            made.meta.clone().unwrap_or(Meta { mode: given, owner: (0, 0), attributes: [].into() })
        };
        match &made.change {
            Change::SyncAll => self.sync_all(),
            Change::Sync { path } => {
                if let Some(node) = self.find(path) {
                    self.nodes[node].durable = self.nodes[node].live.clone();
                }
            }
            Change::Open { path, create, truncate, mode } => match self.find(path) {
                Some(node) if *truncate => self.nodes[node].live.0 = Kind::File(Vec::new()),
                None if *create => self.put(path, Kind::File(Vec::new()), meta(*mode)),
                _ => {}
            },
            Change::MakeDirectory { path, mode } => {
                self.put(path, Kind::Directory(BTreeMap::new()), meta(*mode));
            }
            Change::Link { path, target } => self.put(path, Kind::Link(target.clone()), meta(0o777)),
            Change::Write { path, bytes, .. } => {
                if let Some(node) = self.find(path)
                    && let Kind::File(have) = &mut self.nodes[node].live.0
                {
                    have.extend(bytes);
                }
            }
            Change::Remove { path } => {
                if let Some((directory, name)) = self.place(path) {
                    self.set(directory, name, None);
                }
            }
            Change::Rename { from, to } => {
                let node = self.find(from);
                if let (Some((old, name)), Some((new, other)), Some(_)) =
                    (self.place(from), self.place(to), node)
                {
                    self.set(old, name, None);
                    self.set(new, other, node);
                }
            }
            Change::Meta { path } => {
                if let (Some(node), Some(meta)) = (self.find(path), &made.meta) {
                    self.nodes[node].live.1 = meta.clone();
                }
            }
            Change::Other { path, .. } => {
                if let Some(node) = self.find(path) {
                    self.nodes[node].live.0 = Kind::File(made.bytes.clone());
                }
            }
        }
    }

    fn put(&mut self, path: &Path, kind: Kind, meta: Meta) {
        if let Some((directory, name)) = self.place(path) {
            let node = self.add(kind, meta);
            self.set(directory, name, Some(node));
        }
    }

    /// Lays out what is there after a power cut.
    pub(crate) fn lay_out(&self, root: &Path, cut: Cut) {
        self.lay_out_node(0, root, cut);
    }

    fn lay_out_node(&self, number: usize, path: &Path, cut: Cut) {
        let node = &self.nodes[number];
        let lives = match (cut, &node.live.0) {
            (Cut::Nothing, _) | (Cut::Names, Kind::File(_)) => false,
            (Cut::Names, _) => true,
            (Cut::Some(seed), _) => mixed(seed, number) & 1 == 1,
        };
        let (kind, meta) = if lives { &node.live } else { &node.durable };
        match kind {
            Kind::File(bytes) => fs::write(path, bytes).unwrap(),
            Kind::Link(target) => symlink(target, path).unwrap(),
            Kind::Directory(names) => {
                fs::create_dir_all(path).unwrap();
                for (name, node) in names {
                    self.lay_out_node(*node, &path.join(name), cut);
                }
            }
        }
        if !path.is_symlink() {
            chown(path, Some(meta.owner.0), Some(meta.owner.1)).ok();
            fs::set_permissions(path, fs::Permissions::from_mode(meta.mode)).unwrap();
            for (name, value) in &meta.attributes {
                rustix::fs::setxattr(path, name, value, XattrFlags::empty()).unwrap();
            }
        }
    }
}

/// splitmix64: a number as good as any for each node.
fn mixed(seed: u64, number: usize) -> u64 {
    let mut mixed = seed.wrapping_add((number as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}
