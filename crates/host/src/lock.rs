//! An exclusive lock on a file, held as long as the value lives; the kernel drops it when the process ends, however.
//! The file says who holds it. It stays when the lock is gone: removing it would let two holders in.

use std::fs::{File, TryLockError};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::time::{Duration, Instant};

use crate::root::Root;
use crate::{Error, Result};

/// How often a lock that is waited for is tried.
const PAUSE: Duration = Duration::from_millis(50);

/// A held lock.
#[derive(Debug)]
pub struct Lock {
    _file: File,
}

impl Lock {
    /// Takes the lock, trying for as long as `patience`, or says who has it ([`Error::Locked`]). `command` is what the
    /// holder's line tells others, beside the process id; no secrets in it.
    pub fn acquire(root: &Root, path: &Path, command: &str, patience: Duration) -> Result<Lock> {
        let until = Instant::now() + patience;
        loop {
            match Self::try_acquire(root, path, command) {
                Err(Error::Locked { .. }) if Instant::now() < until => std::thread::sleep(PAUSE),
                tried => return tried,
            }
        }
    }

    fn try_acquire(root: &Root, path: &Path, command: &str) -> Result<Lock> {
        let fail = |e: std::io::Error| Error::file("lock", path, e);
        let mut file = root.open_lock(path)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut holder = String::new();
                file.read_to_string(&mut holder).map_err(fail)?;
                return Err(Error::Locked { path: path.to_path_buf(), holder: holder_in(&holder) });
            }
            Err(TryLockError::Error(source)) => return Err(fail(source)),
        }
        let line = format!("process {} ({})\n", std::process::id(), command.replace('\n', " "));
        file.set_len(0).map_err(fail)?;
        file.seek(SeekFrom::Start(0)).map_err(fail)?;
        file.write_all(line.as_bytes()).map_err(fail)?;
        Ok(Lock { _file: file })
    }
}

/// The holder writes its line just after it has the lock, so for a moment there is none.
fn holder_in(text: &str) -> String {
    let line = text.lines().next().unwrap_or_default().trim();
    if line.is_empty() { "a process that has just started".to_owned() } else { line.to_owned() }
}
