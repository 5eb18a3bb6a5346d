//! What one path is: kind and metadata as plain data. Knows nothing about how they are read or written.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// What is at a path; a symbolic link is seen itself, not what it points to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Node {
    /// File, directory, link, …
    pub kind: NodeKind,
    /// Mode, owner, extended attributes.
    pub meta: Meta,
}

impl Node {
    /// Whether it is a regular file.
    pub fn is_file(&self) -> bool {
        matches!(self.kind, NodeKind::File { .. })
    }

    /// Whether it is a directory.
    pub fn is_dir(&self) -> bool {
        matches!(self.kind, NodeKind::Directory)
    }
}

/// The kinds of nodes that are told apart.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "type")]
pub enum NodeKind {
    /// A regular file.
    File {
        /// Length in bytes.
        size: u64,
    },
    /// A directory.
    Directory,
    /// A symbolic link.
    Symlink {
        /// Where it points, as written.
        target: String,
    },
    /// Device, pipe or socket.
    Other,
}

/// Who may do what with a node.
///
/// `xattrs` holds `security.selinux`, `security.capability`, `user.*` and the POSIX ACLs `system.posix_acl_access`
/// and `system.posix_acl_default`. When metadata is set, attributes of these names that are not in the map are
/// removed, except `security.selinux`, which the kernel's policy gives and which cannot be taken away.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Meta {
    /// Permission bits with setuid, setgid and sticky: `0o7777` at most. Always `0o777` for links.
    pub mode: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Extended attributes by full name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub xattrs: BTreeMap<String, Vec<u8>>,
}

impl Meta {
    /// Mode and owner without extended attributes.
    pub fn new(mode: u32, uid: u32, gid: u32) -> Meta {
        Meta { mode, uid, gid, xattrs: BTreeMap::new() }
    }

    /// A mode for a node of the user who runs this process: root, when the host is changed.
    pub fn own(mode: u32) -> Meta {
        let (uid, gid) = (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
        Meta::new(mode, uid, gid)
    }
}

/// Room on the file system that holds a path.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Space {
    /// Size of the file system in bytes.
    pub total: u64,
    /// Bytes that an unprivileged user can still write (`f_bavail` of statvfs(3)).
    pub free: u64,
    /// Where the file system is mounted, below the root.
    pub mount_point: PathBuf,
}
