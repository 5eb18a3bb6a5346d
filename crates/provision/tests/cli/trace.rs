//! A command with all its children, stopped before every system call that changes files below a directory (ptrace(2)).
//! Nothing in the product knows of it. It must not know what the command does.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::FileExt;
use std::os::unix::process::ExitStatusExt;
use std::path::{Component, Path, PathBuf};
use std::process::{Command, ExitStatus};

use nix::libc;
use nix::sys::ptrace;
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;

/// A change that is about to be made; paths are as this process sees them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Change {
    /// A file is made (openat(2) with `O_CREAT`) or emptied (`O_TRUNC`), or both.
    Open { path: PathBuf, create: bool, truncate: bool, mode: u32 },
    /// Bytes go into a file: at an offset, or for none where the file ends or the descriptor stands.
    Write { path: PathBuf, at: Option<u64>, bytes: Vec<u8> },
    /// A file or directory is brought to disk.
    Sync { path: PathBuf },
    /// A whole file system is brought to disk.
    SyncAll,
    /// A name is given to a directory.
    MakeDirectory { path: PathBuf, mode: u32 },
    /// A name is given to a symbolic link.
    Link { path: PathBuf, target: PathBuf },
    /// A name goes.
    Remove { path: PathBuf },
    /// A name moves.
    Rename { from: PathBuf, to: PathBuf },
    /// Mode, owner or an attribute of a node changes.
    Meta { path: PathBuf },
    /// Any other call that changes something.
    Other { path: PathBuf, number: i64 },
}

/// What becomes of the command at a stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Go {
    On,
    /// It is killed with all its children, and the change is not made.
    Kill,
}

/// A command under trace.
pub(crate) struct Trace<'a> {
    root: PathBuf,
    /// Asked before every change.
    before: &'a mut dyn FnMut(&Change) -> Go,
    /// Told after every change that was made; a call that failed changed nothing.
    after: &'a mut dyn FnMut(&Change),
    /// Children with this in their command line live on by themselves, untraced.
    service: &'a str,
    /// Every process and thread, with the call that it is in.
    inside: BTreeMap<i32, Option<Change>>,
}

/// Holds the command still until it is traced, then becomes it.
const HOLD: &str = "kill -STOP $$; exec \"$@\"";

/// The command, held still at its start.
pub(crate) fn held(command: &Command) -> Command {
    let mut held = Command::new("sh");
    held.args(["-c", HOLD, "sh"]).arg(command.get_program()).args(command.get_args());
    held
}

impl<'a> Trace<'a> {
    pub(crate) fn new(
        root: &Path,
        service: &'a str,
        before: &'a mut dyn FnMut(&Change) -> Go,
        after: &'a mut dyn FnMut(&Change),
    ) -> Self {
        Self { root: root.canonicalize().unwrap(), before, after, service, inside: BTreeMap::new() }
    }

    /// Runs a command made by [`held`] to its end, or to where it is killed. Its streams must not be pipes that it can
    /// fill: nobody reads them meanwhile.
    pub(crate) fn run(mut self, mut command: Command) -> ExitStatus {
        let mut child = command.spawn().unwrap();
        let pid = Pid::from_raw(i32::try_from(child.id()).unwrap());
        let stopped = waitpid(pid, Some(WaitPidFlag::WUNTRACED)).unwrap();
        assert_eq!(stopped, WaitStatus::Stopped(pid, Signal::SIGSTOP));
        let options = ptrace::Options::PTRACE_O_TRACESYSGOOD
            | ptrace::Options::PTRACE_O_TRACEFORK
            | ptrace::Options::PTRACE_O_TRACEVFORK
            | ptrace::Options::PTRACE_O_TRACECLONE
            | ptrace::Options::PTRACE_O_TRACEEXEC
            | ptrace::Options::PTRACE_O_EXITKILL;
        ptrace::seize(pid, options).unwrap();
        kill(pid, Signal::SIGCONT).unwrap();
        self.inside.insert(pid.as_raw(), None);
        let mut ended = None;
        while !self.inside.is_empty() {
            // Of this thread only: other tests of this process have children of their own.
            let flags = WaitPidFlag::__WALL | WaitPidFlag::__WNOTHREAD;
            let status = waitpid(None::<Pid>, Some(flags)).unwrap();
            match status {
                WaitStatus::Exited(who, code) if who == pid => ended = Some(code << 8),
                WaitStatus::Signaled(who, signal, _) if who == pid => ended = Some(signal as i32),
                _ => {}
            }
            self.step(status);
        }
        // Waited for above: there is nothing left of it.
        let _ = child.wait();
        ExitStatus::from_raw(ended.unwrap())
    }

    fn step(&mut self, status: WaitStatus) {
        let resume = |pid: Pid, signal: Option<Signal>| match ptrace::syscall(pid, signal) {
            // Killed meanwhile.
            Ok(()) | Err(nix::errno::Errno::ESRCH) => {}
            Err(error) => panic!("ptrace {pid}: {error}"),
        };
        match status {
            WaitStatus::Exited(pid, _) | WaitStatus::Signaled(pid, ..) => {
                self.inside.remove(&pid.as_raw());
            }
            WaitStatus::PtraceSyscall(pid) => {
                if self.at_call(pid) == Go::Kill {
                    self.kill_all();
                } else {
                    resume(pid, None);
                }
            }
            WaitStatus::PtraceEvent(pid, _, event) => {
                self.inside.entry(pid.as_raw()).or_default();
                let serves = event == libc::PTRACE_EVENT_EXEC && self.serves(pid);
                if serves {
                    self.inside.remove(&pid.as_raw());
                    ptrace::detach(pid, None).unwrap();
                } else {
                    resume(pid, None);
                }
            }
            WaitStatus::Stopped(pid, signal) => {
                self.inside.entry(pid.as_raw()).or_default();
                resume(pid, (signal != Signal::SIGSTOP && signal != Signal::SIGTRAP).then_some(signal));
            }
            _ => {}
        }
    }

    fn serves(&self, pid: Pid) -> bool {
        let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        String::from_utf8_lossy(&line).replace('\0', " ").contains(self.service)
    }

    /// Everything dies at once, as in a power cut.
    fn kill_all(&self) {
        for pid in self.inside.keys() {
            let _ = kill(Pid::from_raw(*pid), Signal::SIGKILL);
        }
    }

    /// A process stands at the beginning or at the end of a call.
    fn at_call(&mut self, pid: Pid) -> Go {
        let Ok(info) = ptrace::syscall_info(pid) else { return Go::On };
        if info.op == libc::PTRACE_SYSCALL_INFO_EXIT {
            if let Some(change) = self.inside.insert(pid.as_raw(), None).flatten()
                && Registers::of(pid).is_some_and(|registers| registers.result >= 0)
            {
                (self.after)(&change);
            }
            return Go::On;
        }
        let change = Registers::of(pid).and_then(|registers| registers.change(pid));
        let counts = |path: &Path| path.starts_with(&self.root) && !path.starts_with(self.root.join("dev"));
        let change = change.filter(|change| change.path().is_none_or(counts));
        let go = change.as_ref().map_or(Go::On, |change| (self.before)(change));
        self.inside.insert(pid.as_raw(), change);
        go
    }
}

impl Change {
    /// What is changed; none when it is everything.
    pub(crate) fn path(&self) -> Option<&Path> {
        match self {
            Self::Open { path, .. }
            | Self::Write { path, .. }
            | Self::Sync { path }
            | Self::MakeDirectory { path, .. }
            | Self::Link { path, .. }
            | Self::Remove { path }
            | Self::Rename { to: path, .. }
            | Self::Meta { path }
            | Self::Other { path, .. } => Some(path),
            Self::SyncAll => None,
        }
    }
}

/// The registers of a process at a call, under the names of the manual (syscall(2)).
struct Registers {
    number: i64,
    arguments: [u64; 6],
    result: i64,
}

impl Registers {
    #[cfg(target_arch = "x86_64")]
    fn of(pid: Pid) -> Option<Self> {
        let is = ptrace::getregs(pid).ok()?;
        let arguments = [is.rdi, is.rsi, is.rdx, is.r10, is.r8, is.r9];
        Some(Self { number: is.orig_rax.cast_signed(), arguments, result: is.rax.cast_signed() })
    }

    #[cfg(target_arch = "aarch64")]
    fn of(pid: Pid) -> Option<Self> {
        let is = ptrace::getregset::<ptrace::regset::NT_PRSTATUS>(pid).ok()?;
        let arguments = std::array::from_fn(|place| is.regs[place]);
        Some(Self { number: is.regs[8].cast_signed(), arguments, result: is.regs[0].cast_signed() })
    }

    /// What the call is about to change; none for a call that changes nothing.
    fn change(&self, pid: Pid) -> Option<Change> {
        let [a, b, c, d, ..] = self.arguments;
        let at = |directory: u64, name: u64| path(pid, directory, name);
        let here = |name: u64| path(pid, HERE, name);
        let open = |path: Option<PathBuf>, flags: u64, mode: u64| {
            let flags = i32::try_from(flags & 0xffff_ffff).unwrap_or(0);
            let (create, truncate) = (flags & libc::O_CREAT != 0, flags & libc::O_TRUNC != 0);
            let mode = u32::try_from(mode & 0o7777).unwrap_or(0);
            (create || truncate).then_some(Change::Open { path: path?, create, truncate, mode })
        };
        let mode = |mode: u64| u32::try_from(mode & 0o7777).unwrap_or(0);
        Some(match self.number {
            libc::SYS_openat => return open(at(a, b), c, d),
            libc::SYS_openat2 => {
                let how = memory(pid, c, 16)?;
                let word = |bytes: &[u8]| u64::from_le_bytes(bytes.try_into().unwrap_or_default());
                return open(at(a, b), word(&how[..8]), word(&how[8..]));
            }
            libc::SYS_write => Change::Write { path: file(pid, a)?, at: None, bytes: memory(pid, b, c)? },
            libc::SYS_pwrite64 => {
                Change::Write { path: file(pid, a)?, at: Some(d), bytes: memory(pid, b, c)? }
            }
            libc::SYS_fsync | libc::SYS_fdatasync => Change::Sync { path: file(pid, a)? },
            libc::SYS_sync | libc::SYS_syncfs => Change::SyncAll,
            libc::SYS_mkdirat => Change::MakeDirectory { path: at(a, b)?, mode: mode(c) },
            libc::SYS_symlinkat => Change::Link { target: text(pid, a)?, path: at(b, c)? },
            libc::SYS_unlinkat => Change::Remove { path: at(a, b)? },
            libc::SYS_renameat2 | RENAMEAT => Change::Rename { from: at(a, b)?, to: at(c, d)? },
            libc::SYS_linkat => Change::Other { path: at(c, d)?, number: self.number },
            libc::SYS_fchmod | libc::SYS_fchown | libc::SYS_fsetxattr | libc::SYS_fremovexattr => {
                Change::Meta { path: file(pid, a)? }
            }
            libc::SYS_fchmodat | libc::SYS_fchownat | FCHMODAT2 => Change::Meta { path: at(a, b)? },
            libc::SYS_setxattr | libc::SYS_lsetxattr | libc::SYS_removexattr | libc::SYS_lremovexattr => {
                Change::Meta { path: here(a)? }
            }
            libc::SYS_ftruncate | libc::SYS_fallocate | libc::SYS_copy_file_range | libc::SYS_sendfile => {
                let out = if self.number == libc::SYS_copy_file_range { c } else { a };
                Change::Other { path: file(pid, out)?, number: self.number }
            }
            libc::SYS_writev | libc::SYS_pwritev | libc::SYS_pwritev2 => {
                Change::Other { path: file(pid, a)?, number: self.number }
            }
            number => return older(pid, number, self.arguments),
        })
    }
}

const RENAMEAT: i64 = {
    #[cfg(target_arch = "x86_64")]
    {
        libc::SYS_renameat
    }
    #[cfg(not(target_arch = "x86_64"))]
    {
        38
    }
};

/// Newer than the C library's list on some systems.
const FCHMODAT2: i64 = 452;

/// `AT_FDCWD`: relative to where the process is.
const HERE: u64 = -100_i64 as u64;

/// Calls that only the older architecture has.
#[cfg(target_arch = "x86_64")]
fn older(pid: Pid, number: i64, [a, b, c, ..]: [u64; 6]) -> Option<Change> {
    let here = |name: u64| path(pid, HERE, name);
    let mode = |mode: u64| u32::try_from(mode & 0o7777).unwrap_or(0);
    Some(match number {
        libc::SYS_open => {
            let flags = i32::try_from(b & 0xffff_ffff).unwrap_or(0);
            let (create, truncate) = (flags & libc::O_CREAT != 0, flags & libc::O_TRUNC != 0);
            return (create || truncate).then_some(Change::Open {
                path: here(a)?,
                create,
                truncate,
                mode: mode(c),
            });
        }
        libc::SYS_creat => Change::Open { path: here(a)?, create: true, truncate: true, mode: mode(b) },
        libc::SYS_mkdir => Change::MakeDirectory { path: here(a)?, mode: mode(b) },
        libc::SYS_rmdir | libc::SYS_unlink => Change::Remove { path: here(a)? },
        libc::SYS_symlink => Change::Link { target: text(pid, a)?, path: here(b)? },
        libc::SYS_rename => Change::Rename { from: here(a)?, to: here(b)? },
        libc::SYS_link => Change::Other { path: here(b)?, number },
        libc::SYS_chmod | libc::SYS_chown | libc::SYS_lchown => Change::Meta { path: here(a)? },
        _ => return None,
    })
}

#[cfg(not(target_arch = "x86_64"))]
fn older(_: Pid, _: i64, _: [u64; 6]) -> Option<Change> {
    None
}

/// The file behind a descriptor; none for pipes and sockets.
fn file(pid: Pid, descriptor: u64) -> Option<PathBuf> {
    let descriptor = i32::try_from(descriptor & 0xffff_ffff).ok()?;
    let path = fs::read_link(format!("/proc/{pid}/fd/{descriptor}")).ok()?;
    let text = path.to_string_lossy();
    path.is_absolute().then(|| PathBuf::from(text.trim_end_matches(" (deleted)")))
}

/// The path that a call names: relative to a descriptor, or to where the process is, or to its root. The product names
/// nodes by `/proc/self/fd/N` where a call takes no descriptor.
fn path(pid: Pid, directory: u64, name: u64) -> Option<PathBuf> {
    let name = text(pid, name)?;
    if let Ok(descriptor) = name.strip_prefix("/proc/self/fd") {
        return file(pid, descriptor.to_str()?.parse().ok()?);
    }
    let process = |what: &str| fs::read_link(format!("/proc/{pid}/{what}")).ok();
    let base = match directory & 0xffff_ffff {
        _ if name.is_absolute() => process("root")?,
        here if here == HERE & 0xffff_ffff => process("cwd")?,
        descriptor => file(pid, descriptor)?,
    };
    let mut whole = base;
    for part in name.components() {
        match part {
            Component::Normal(part) => whole.push(part),
            Component::ParentDir => drop(whole.pop()),
            _ => {}
        }
    }
    Some(whole)
}

fn memory(pid: Pid, address: u64, length: u64) -> Option<Vec<u8>> {
    let mut bytes = vec![0; usize::try_from(length).ok()?];
    fs::File::open(format!("/proc/{pid}/mem")).ok()?.read_exact_at(&mut bytes, address).ok()?;
    Some(bytes)
}

/// A string that ends with a zero.
fn text(pid: Pid, address: u64) -> Option<PathBuf> {
    let memory = fs::File::open(format!("/proc/{pid}/mem")).ok()?;
    let (mut bytes, mut buffer) = (Vec::new(), [0; 256]);
    loop {
        // A page may end before the buffer does.
        let page = 4096 - (address + bytes.len() as u64) % 4096;
        let room = buffer.len().min(usize::try_from(page).ok()?);
        let count =
            memory.read_at(&mut buffer[..room], address + bytes.len() as u64).ok().filter(|n| *n > 0)?;
        match buffer[..count].iter().position(|byte| *byte == 0) {
            Some(end) => {
                bytes.extend(&buffer[..end]);
                return Some(std::ffi::OsString::from_vec(bytes).into());
            }
            None => bytes.extend(&buffer[..count]),
        }
    }
}
