//! What surrounds this process: variables, home, clock. The only place that reads them, so that everything else is
//! given its inputs.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::SystemTime;

/// The effective user id; 0 is root.
pub fn effective_uid() -> u32 {
    rustix::process::geteuid().as_raw()
}

/// The machine as uname(2) names it: `x86_64`, `aarch64`.
pub fn machine() -> String {
    rustix::system::uname().machine().to_string_lossy().into_owned()
}

/// The wall clock.
pub fn now() -> SystemTime {
    SystemTime::now()
}

/// A variable of the environment. `None` when it is unset, empty or not UTF-8: an empty variable means "unset" in
/// the XDG and the containers specifications.
pub fn var(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// The home directory of the user who runs this process, from `HOME`. The C library is not asked for another: linked
/// statically it would load the host's name service modules, and die in them.
pub fn home() -> Option<PathBuf> {
    std::env::var_os("HOME").map(PathBuf::from).filter(|path| path.is_absolute())
}

/// The directory that relative paths of the command line start from.
pub fn current_dir() -> std::io::Result<PathBuf> {
    std::env::current_dir()
}

/// The binary that is running.
pub fn current_exe() -> std::io::Result<PathBuf> {
    std::env::current_exe()
}

/// The command line of this process, program name first.
pub fn args() -> Vec<OsString> {
    std::env::args_os().collect()
}
