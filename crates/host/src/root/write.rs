//! Changes below a root. Whatever replaces something is made beside it under a name that starts with `.provision-`,
//! gets its owner, mode and attributes there, and takes the place in one rename: a reader sees the old node or the
//! new one, never a part; a crash leaves at most a file of that name. What fails takes its temporary file along.

use std::fs::File;
use std::io::Write;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};

use rustix::fs::{AtFlags, FileType, Gid, Mode, OFlags, Uid};
use rustix::io::Errno;

use super::{Root, absent, absolute, proc_path, xattr};
use crate::node::Meta;
use crate::{Error, Result};

/// What the names of temporary nodes start with.
pub const TEMPORARY_PREFIX: &str = ".provision-";

/// What may be a file system of its own (file-hierarchy(7)) and holds parts of the system.
const SYSTEM: [&str; 6] = ["/", "/boot", "/etc", "/usr", "/var", "/var/lib/containers"];

impl Root {
    /// Puts a regular file at `path`, atomically; what is there (a link itself, not its target) is replaced.
    /// The directory must exist. On return the bytes and the name are on disk.
    pub fn write(&self, path: &Path, bytes: &[u8], meta: &Meta) -> Result<()> {
        self.put(path, bytes, meta, Wait::Now)
    }

    /// As [`Root::write`], but bytes and name are on disk only after [`Root::sync`]: for many files at a time. After a
    /// power cut in between, the name may lead to no bytes or to others.
    pub fn write_soon(&self, path: &Path, bytes: &[u8], meta: &Meta) -> Result<()> {
        self.put(path, bytes, meta, Wait::Later)
    }

    /// Waits until everything on the file system of a directory is on disk (syncfs(2)), whoever wrote it. Linux before
    /// 5.8 does not tell here when the disk refused something.
    pub fn sync(&self, directory: &Path) -> Result<()> {
        let fail = |e: Errno| Error::file("sync the file system of", directory, e);
        let flags = OFlags::RDONLY | OFlags::DIRECTORY;
        let fd = self.resolve(absolute(directory)?, flags, Mode::empty()).map_err(fail)?;
        rustix::fs::syncfs(&fd).map_err(fail)
    }

    fn put(&self, path: &Path, bytes: &[u8], meta: &Meta, wait: Wait) -> Result<()> {
        let fail = |e: std::io::Error| Error::file("write", path, e);
        self.replace(path, meta, wait, |place| {
            let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let fd = rustix::fs::openat(&place.directory, &place.temporary, flags, Mode::from(0o600))?;
            let mut file = File::from(fd);
            file.write_all(bytes)?;
            apply(file.as_fd(), meta)?;
            if wait == Wait::Now { file.sync_all() } else { Ok(()) }
        })
        .map_err(|e| e.or(fail))
    }

    /// Puts a copy of the regular file `from` at `path`, as [`Root::write`] does; it may be larger than memory, and where
    /// the file system can share blocks it takes none.
    pub fn copy(&self, from: &Path, path: &Path, meta: &Meta) -> Result<()> {
        let fail = |e: std::io::Error| Error::file("copy to", path, e);
        let source = self
            .resolve(absolute(from)?, OFlags::RDONLY, Mode::empty())
            .map_err(|e| Error::file("read", from, e))?;
        let mut source = File::from(source);
        self.replace(path, meta, Wait::Now, |place| {
            let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let fd = rustix::fs::openat(&place.directory, &place.temporary, flags, Mode::from(0o600))?;
            let mut file = File::from(fd);
            std::io::copy(&mut source, &mut file)?;
            apply(file.as_fd(), meta)?;
            file.sync_all()
        })
        .map_err(|e| e.or(fail))
    }

    /// Puts a symbolic link at `path`, atomically. Of `meta` only the owner and the attributes count.
    pub fn symlink(&self, path: &Path, target: &str, meta: &Meta) -> Result<()> {
        let fail = |e: std::io::Error| Error::file("link", path, e);
        self.replace(path, meta, Wait::Now, |place| {
            rustix::fs::symlinkat(target, &place.directory, &place.temporary)?;
            let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let fd = rustix::fs::openat(&place.directory, &place.temporary, flags, Mode::empty())?;
            apply(fd.as_fd(), meta)
        })
        .map_err(|e| e.or(fail))
    }

    /// Makes one directory; its parent must exist. A directory that is there already gets the metadata.
    pub fn make_dir(&self, path: &Path, meta: &Meta) -> Result<()> {
        if let Some(node) = self.node(path)? {
            if node.is_dir() {
                return self.set_meta(path, meta);
            }
            return Err(Error::BadPath {
                path: path.to_path_buf(),
                reason: "expected a directory or nothing; something else is there",
            });
        }
        let fail = |e: std::io::Error| Error::file("make the directory", path, e);
        self.replace(path, meta, Wait::Now, |place| {
            rustix::fs::mkdirat(&place.directory, &place.temporary, Mode::from(0o700))?;
            let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let fd = rustix::fs::openat(&place.directory, &place.temporary, flags, Mode::empty())?;
            apply(fd.as_fd(), meta)?;
            Ok(rustix::fs::fsync(&fd)?)
        })
        .map_err(|e| e.or(fail))
    }

    /// Gives a node mode, owner and attributes in place, and waits until they are on disk; a link's own, not its target's.
    pub fn set_meta(&self, path: &Path, meta: &Meta) -> Result<()> {
        let fail = |e: std::io::Error| Error::file("change the mode or owner of", path, e);
        let fd = self.grip(path)?.ok_or_else(|| fail(Errno::NOENT.into()))?;
        let kind = FileType::from_raw_mode(rustix::fs::fstat(&fd).map_err(|e| fail(e.into()))?.st_mode);
        // Opened before the new mode may forbid it. What cannot be opened to be read (a link, a pipe) is not waited for.
        let readable = matches!(kind, FileType::RegularFile | FileType::Directory);
        let open = || rustix::fs::open(proc_path(&fd), OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()).ok();
        let opened = readable.then(open).flatten();
        apply(fd.as_fd(), meta).map_err(fail)?;
        opened.map_or(Ok(()), |opened| rustix::fs::fsync(&opened).map_err(|e| fail(e.into())))
    }

    /// Removes a file, a link or an empty directory. `false`: nothing was there.
    pub fn remove(&self, path: &Path) -> Result<bool> {
        let fail = |e: Errno| match e {
            Errno::NOTEMPTY | Errno::EXIST => Error::NotEmpty { path: path.to_path_buf() },
            e => Error::file("remove", path, e),
        };
        let Some((directory, name)) = self.parent(path)? else { return Ok(false) };
        let Some(stat) =
            absent(rustix::fs::statat(&directory, name, AtFlags::SYMLINK_NOFOLLOW)).map_err(fail)?
        else {
            return Ok(false);
        };
        let is_dir = FileType::from_raw_mode(stat.st_mode) == FileType::Directory;
        let flags = if is_dir { AtFlags::REMOVEDIR } else { AtFlags::empty() };
        let removed = absent(rustix::fs::unlinkat(&directory, name, flags)).map_err(fail)?;
        rustix::fs::fsync(&directory).map_err(fail)?;
        Ok(removed.is_some())
    }

    /// Removes a node with everything below it; links are removed, never followed. `false`: nothing was there.
    /// It stops at the first thing that cannot be removed, a mount point for instance.
    pub fn remove_tree(&self, path: &Path) -> Result<bool> {
        if self.node(path)?.is_some_and(|node| node.is_dir()) {
            for name in self.list(path)?.unwrap_or_default() {
                self.remove_tree(&path.join(name))?;
            }
        }
        self.remove(path)
    }

    /// Adds bytes at the end of a file and waits until they are on disk (fdatasync(2)): the way a journal grows.
    /// The file is made with `mode` when it is not there.
    pub fn append(&self, path: &Path, bytes: &[u8], mode: u32) -> Result<()> {
        let fail = |e: std::io::Error| Error::file("append to", path, e);
        let made = self.node(path)?.is_none();
        self.extend(path, bytes, mode)?.sync_data().map_err(fail)?;
        if made && let Some((directory, _)) = self.parent(path)? {
            rustix::fs::fsync(&directory).map_err(|e| fail(e.into()))?;
        }
        Ok(())
    }

    /// As [`Root::append`], without waiting: the bytes are on disk with the next ones that are waited for.
    pub fn append_soon(&self, path: &Path, bytes: &[u8], mode: u32) -> Result<()> {
        self.extend(path, bytes, mode).map(drop)
    }

    fn extend(&self, path: &Path, bytes: &[u8], mode: u32) -> Result<File> {
        let fail = |e: std::io::Error| Error::file("append to", path, e);
        let flags = OFlags::WRONLY | OFlags::APPEND | OFlags::CREATE | OFlags::NOFOLLOW;
        let fd = self.resolve(absolute(path)?, flags, Mode::from(mode)).map_err(|e| fail(e.into()))?;
        let mut file = File::from(fd);
        file.write_all(bytes).map_err(fail)?;
        Ok(file)
    }

    /// Waits until everything is on disk that anybody has written (syncfs(2)) to the file systems of the system itself:
    /// not every program that changes it does so, and what is mounted elsewhere is data.
    pub fn sync_system(&self) -> Result<()> {
        let mut done = Vec::new();
        for place in SYSTEM.map(Path::new) {
            let fail = |e: Errno| Error::file("sync the file system of", place, e);
            let opened = self.resolve(place, OFlags::RDONLY | OFlags::DIRECTORY, Mode::empty());
            let Some(fd) = absent(opened).map_err(fail)? else { continue };
            let device = rustix::fs::fstat(&fd).map_err(fail)?.st_dev;
            if !done.contains(&device) {
                rustix::fs::syncfs(&fd).map_err(fail)?;
                done.push(device);
            }
        }
        Ok(())
    }

    /// Opens a file for a lock, made with mode 0600 when it is not there.
    pub(crate) fn open_lock(&self, path: &Path) -> Result<File> {
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW;
        let fd = self
            .resolve(absolute(path)?, flags, Mode::from(0o600))
            .map_err(|e| Error::file("open the lock", path, e))?;
        Ok(File::from(fd))
    }

    /// The directory of a node, open, and the node's name in it. `None`: no such directory.
    fn parent<'p>(&self, path: &'p Path) -> Result<Option<(OwnedFd, &'p std::ffi::OsStr)>> {
        let bad = || Error::BadPath {
            path: path.to_path_buf(),
            reason: "the root itself cannot be replaced or removed",
        };
        let path = absolute(path)?;
        let (Some(directory), Some(name)) = (path.parent(), path.file_name()) else { return Err(bad()) };
        let opened = self.resolve(directory, OFlags::RDONLY | OFlags::DIRECTORY, Mode::empty());
        let opened = absent(opened).map_err(|e| Error::file("open the directory", directory, e))?;
        Ok(opened.map(|fd| (fd, name)))
    }

    /// Makes a node under a temporary name, gives it the final one, syncs the directory.
    fn replace(
        &self,
        path: &Path,
        meta: &Meta,
        wait: Wait,
        make: impl FnOnce(&Place) -> std::io::Result<()>,
    ) -> Result<(), Refusal> {
        if meta.mode > 0o7777 {
            let reason = "expected permission bits only, at most 0o7777";
            return Err(Refusal::Ours(Error::BadPath { path: path.to_path_buf(), reason }));
        }
        let (directory, name) =
            self.parent(path).map_err(Refusal::Ours)?.ok_or(Refusal::Kernel(Errno::NOENT.into()))?;
        let place = Place { directory, temporary: temporary_name() };
        let renamed = make(&place).and_then(|()| {
            rustix::fs::renameat(&place.directory, &place.temporary, &place.directory, name)?;
            if wait == Wait::Now {
                rustix::fs::fsync(&place.directory)?;
            }
            Ok(())
        });
        renamed.map_err(|e| {
            place.discard();
            Refusal::Kernel(e)
        })
    }
}

/// Why a replacement did not happen: the kernel said no, or we did before asking it.
enum Refusal {
    Kernel(std::io::Error),
    Ours(Error),
}

impl Refusal {
    fn or(self, wrap: impl FnOnce(std::io::Error) -> Error) -> Error {
        match self {
            Refusal::Kernel(e) => wrap(e),
            Refusal::Ours(e) => e,
        }
    }
}

/// When what is written has to be on disk.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Wait {
    /// Before the call returns.
    Now,
    /// When [`Root::sync`] returns.
    Later,
}

/// Where a node is made before it takes its place.
struct Place {
    directory: OwnedFd,
    temporary: String,
}

impl Place {
    /// Takes the temporary node away. It may not exist, and the failure that led here is the one to report.
    fn discard(&self) {
        let gone = rustix::fs::unlinkat(&self.directory, &self.temporary, AtFlags::empty());
        if gone == Err(Errno::ISDIR) {
            let _ = rustix::fs::unlinkat(&self.directory, &self.temporary, AtFlags::REMOVEDIR);
        }
    }
}

/// Owner first: chown(2) clears setuid bits and file capabilities. ACLs last: chmod(2) rewrites their mask.
/// Nothing is set that already is: an unprivileged user may "give" a file to the owner it has.
fn apply(fd: impl AsFd, meta: &Meta) -> std::io::Result<()> {
    let fd = fd.as_fd();
    let stat = rustix::fs::statat(fd, "", AtFlags::EMPTY_PATH)?;
    let name = proc_path(fd);
    if (stat.st_uid, stat.st_gid) != (meta.uid, meta.gid) {
        let (uid, gid) = (Uid::from_raw(meta.uid), Gid::from_raw(meta.gid));
        rustix::fs::chownat(fd, "", Some(uid), Some(gid), AtFlags::EMPTY_PATH)?;
    }
    if FileType::from_raw_mode(stat.st_mode) != FileType::Symlink {
        rustix::fs::chmod(&name, Mode::from(meta.mode))?;
    }
    xattr::write(&name, &meta.xattrs)
}

/// Unique among all processes (pid) and within this one (counter); `O_EXCL` catches what an earlier boot left.
fn temporary_name() -> String {
    static COUNTER: AtomicU32 = AtomicU32::new(0);
    let now =
        std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0, |d| d.subsec_nanos());
    let count = COUNTER.fetch_add(1, Ordering::Relaxed);
    format!("{TEMPORARY_PREFIX}{:x}-{count:x}-{now:x}", std::process::id())
}
