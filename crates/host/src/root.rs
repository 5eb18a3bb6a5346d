//! A directory that is treated as `/`: what is there. Symbolic links, absolute ones too, are resolved inside it by
//! the kernel (openat2(2), `RESOLVE_IN_ROOT`), so an image's links never lead out into the running system.
//! Changes are in `write`, extended attributes in `xattr`. It must not know what the files mean.

mod write;
mod xattr;

pub use write::TEMPORARY_PREFIX;

use std::fs::File;
use std::io::Read;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::{Component, Path, PathBuf};

use rustix::fs::{AtFlags, FileType, Mode, OFlags, ResolveFlags};
use rustix::io::Errno;

use crate::node::{Meta, Node, NodeKind, Space};
use crate::{Error, Result};

/// As many links as the kernel follows (path_resolution(7)).
const LINKS: usize = 40;

/// A directory treated as `/`. Paths given to it are absolute, as the host itself sees them.
#[derive(Debug)]
pub struct Root {
    fd: OwnedFd,
    path: PathBuf,
    live: bool,
}

impl Root {
    /// The running system.
    pub fn live() -> Result<Root> {
        Root::at(Path::new("/"), true)
    }

    /// Another directory: a mounted image, a test's temporary directory. `/` is the running system.
    pub fn open(path: &Path) -> Result<Root> {
        Root::at(path, path == Path::new("/"))
    }

    fn at(path: &Path, live: bool) -> Result<Root> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let fd = rustix::fs::open(path, flags, Mode::empty())
            .map_err(|e| Error::file("open the root", path, e))?;
        Ok(Root { fd, path: path.to_path_buf(), live })
    }

    /// The directory itself, as this process sees it.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether this is the running system.
    pub fn is_live(&self) -> bool {
        self.live
    }

    /// What is at `path`, like lstat(2): the last component is not followed. `None` when nothing is there.
    pub fn node(&self, path: &Path) -> Result<Option<Node>> {
        let Some(fd) = self.grip(path)? else { return Ok(None) };
        node_of(fd.as_fd()).map(Some).map_err(|e| Error::file("inspect", path, e))
    }

    /// The bytes of a regular file; symbolic links are followed inside the root. `None` when nothing is there.
    pub fn read(&self, path: &Path) -> Result<Option<Vec<u8>>> {
        Ok(self.read_with_meta(path)?.map(|(bytes, _)| bytes))
    }

    /// As [`Root::read`], with mode and owner of the very file that was read. Extended attributes are left out.
    pub fn read_with_meta(&self, path: &Path) -> Result<Option<(Vec<u8>, Meta)>> {
        // NONBLOCK: opening a pipe must not hang; it is refused below.
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY;
        let opened = absent(self.resolve(absolute(path)?, flags, Mode::empty()));
        let Some(fd) = opened.map_err(|e| Error::file("read", path, e))? else { return Ok(None) };
        let stat = rustix::fs::fstat(&fd).map_err(|e| Error::file("read", path, e))?;
        if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
            return Err(Error::BadPath { path: path.to_path_buf(), reason: "expected a regular file" });
        }
        let mut bytes = Vec::new();
        File::from(fd).read_to_end(&mut bytes).map_err(|e| Error::file("read", path, e))?;
        Ok(Some((bytes, Meta::new(stat.st_mode & 0o7777, stat.st_uid, stat.st_gid))))
    }

    /// As [`Root::read`], as text; bytes that are not UTF-8 become U+FFFD.
    pub fn read_text(&self, path: &Path) -> Result<Option<String>> {
        Ok(self.read(path)?.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()))
    }

    /// Sorted names in a directory (a symbolic link to one is followed). `None` when nothing is there.
    pub fn list(&self, path: &Path) -> Result<Option<Vec<String>>> {
        let fail = |e: Errno| Error::file("list", path, e);
        let flags = OFlags::RDONLY | OFlags::DIRECTORY;
        let fd = match self.resolve(absolute(path)?, flags, Mode::empty()) {
            Err(Errno::NOENT) => return Ok(None),
            Err(Errno::NOTDIR) if self.grip(path)?.is_none() => return Ok(None),
            other => other.map_err(fail)?,
        };
        let mut names = Vec::new();
        for entry in rustix::fs::Dir::new(fd).map_err(fail)? {
            let entry = entry.map_err(fail)?;
            let name = entry.file_name().to_string_lossy().into_owned();
            if name != "." && name != ".." {
                names.push(name);
            }
        }
        names.sort();
        Ok(Some(names))
    }

    /// Where a symbolic link points to, as the kernel tells it: `/proc/PID/fd/N` and `/proc/PID/exe` too.
    pub fn link_target(&self, path: &Path) -> Result<Option<String>> {
        match self.node(path)? {
            Some(Node { kind: NodeKind::Symlink { target }, .. }) => Ok(Some(target)),
            _ => Ok(None),
        }
    }

    /// The path that a symbolic link at `path` leads to in the end, whether or not anything is there; `path` itself when
    /// it is no link.
    pub fn behind(&self, path: &Path) -> Result<PathBuf> {
        let fail = |e: Errno| Error::file("follow the link", path, e);
        let mut file = path.to_path_buf();
        for _ in 0..LINKS {
            let Some(target) = self.link_target(&file)? else { return Ok(file) };
            let folder = file.parent().unwrap_or(Path::new("/"));
            // Its real path: `..` in the target leads up from there.
            let fd = self.resolve(folder, OFlags::PATH, Mode::empty()).map_err(fail)?;
            let from = self.path_of(&fd).unwrap_or_else(|| folder.to_path_buf());
            file = PathBuf::from("/");
            for part in from.join(target).components() {
                match part {
                    Component::Normal(name) => file.push(name),
                    Component::ParentDir => drop(file.pop()),
                    _ => {}
                }
            }
        }
        Err(fail(Errno::LOOP))
    }

    /// Room on the file system that holds `path`, or its nearest ancestor that exists.
    pub fn space(&self, path: &Path) -> Result<Space> {
        let fail = |e: Errno| Error::file("measure the space at", path, e);
        let mut at = absolute(path)?;
        let fd = loop {
            match absent(self.resolve(at, OFlags::PATH, Mode::empty())).map_err(fail)? {
                Some(fd) => break fd,
                None => at = at.parent().unwrap_or(Path::new("/")),
            }
        };
        let room = rustix::fs::fstatvfs(&fd).map_err(fail)?;
        let device = rustix::fs::fstat(&fd).map_err(fail)?.st_dev;
        let mut mount_point = self.path_of(&fd).unwrap_or_else(|| at.to_path_buf());
        while let Some(parent) = mount_point.parent() {
            let parent_fd = self.resolve(parent, OFlags::PATH, Mode::empty()).map_err(fail)?;
            if rustix::fs::fstat(&parent_fd).map_err(fail)?.st_dev != device {
                break;
            }
            mount_point = parent.to_path_buf();
        }
        Ok(Space {
            total: room.f_blocks.saturating_mul(room.f_frsize),
            free: room.f_bavail.saturating_mul(room.f_frsize),
            mount_point,
        })
    }

    /// A handle on the node itself, without the right to read it. `None` when nothing is there.
    fn grip(&self, path: &Path) -> Result<Option<OwnedFd>> {
        let opened = self.resolve(absolute(path)?, OFlags::PATH | OFlags::NOFOLLOW, Mode::empty());
        absent(opened).map_err(|e| Error::file("inspect", path, e))
    }

    /// Opens inside the root. Kernels before 5.6 have no openat2(2): on the running system plain resolution is the
    /// same, elsewhere there is no safe substitute and ENOSYS is reported.
    fn resolve(&self, path: &Path, flags: OFlags, mode: Mode) -> Result<OwnedFd, Errno> {
        let inside = path.strip_prefix("/").unwrap_or(path);
        let inside = if inside.as_os_str().is_empty() { Path::new(".") } else { inside };
        let flags = flags | OFlags::CLOEXEC;
        for _ in 0..16 {
            let how = ResolveFlags::IN_ROOT;
            match rustix::fs::openat2(&self.fd, inside, flags, mode, how) {
                // A rename elsewhere raced with a `..`; openat2(2) says: try again.
                Err(Errno::AGAIN) => {}
                Err(Errno::NOSYS) if self.live => {
                    return rustix::fs::openat(&self.fd, inside, flags, mode);
                }
                other => return other,
            }
        }
        Err(Errno::AGAIN)
    }

    /// The real path of an open handle, below the root.
    fn path_of(&self, fd: &OwnedFd) -> Option<PathBuf> {
        let seen = std::fs::read_link(proc_path(fd)).ok()?;
        let root = std::fs::read_link(proc_path(&self.fd)).ok()?;
        Some(Path::new("/").join(seen.strip_prefix(root).ok()?))
    }
}

/// The node behind a handle that was opened with `O_PATH`.
fn node_of(fd: impl AsFd) -> std::io::Result<Node> {
    let fd = fd.as_fd();
    let stat = rustix::fs::statat(fd, "", AtFlags::EMPTY_PATH)?;
    let kind = match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile => NodeKind::File { size: u64::try_from(stat.st_size).unwrap_or(0) },
        FileType::Directory => NodeKind::Directory,
        FileType::Symlink => {
            let target = rustix::fs::readlinkat(fd, "", Vec::new())?;
            NodeKind::Symlink { target: target.to_string_lossy().into_owned() }
        }
        _ => NodeKind::Other,
    };
    let meta = Meta {
        mode: stat.st_mode & 0o7777,
        uid: stat.st_uid,
        gid: stat.st_gid,
        xattrs: xattr::read(&proc_path(fd))?,
    };
    Ok(Node { kind, meta })
}

/// A name for an open handle: the system calls that take no descriptor (xattrs, chmod of an `O_PATH` handle) work on
/// exactly this node through it, whatever is renamed meanwhile.
fn proc_path(fd: impl AsFd) -> PathBuf {
    PathBuf::from(format!("/proc/self/fd/{}", fd.as_fd().as_raw_fd()))
}

/// Absence is not an error: a missing node, or a file where a directory would have to be.
fn absent<T>(result: Result<T, Errno>) -> Result<Option<T>, Errno> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(Errno::NOENT | Errno::NOTDIR) => Ok(None),
        Err(other) => Err(other),
    }
}

/// Refuses paths that do not start at the root or that climb: what they name would depend on who reads them.
fn absolute(path: &Path) -> Result<&Path> {
    let bad = |reason| Err(Error::BadPath { path: path.to_path_buf(), reason });
    if !path.is_absolute() {
        return bad("expected an absolute path");
    }
    if path.components().any(|c| c == Component::ParentDir) {
        return bad("expected a path without `..`");
    }
    Ok(path)
}
