//! Being root: whether this process is, what a container took away from it, and becoming it through sudo.

use std::os::unix::process::CommandExt;
use std::process::Command;

use caps::{CapSet, Capability};

use crate::host::Host;
use crate::{Error, Result, environment, program};

/// Without these, being root is a name only: files of others, owners, the host name, mounts.
const NEEDED: &[Capability] = &[
    Capability::CAP_CHOWN,
    Capability::CAP_DAC_OVERRIDE,
    Capability::CAP_FOWNER,
    Capability::CAP_FSETID,
    Capability::CAP_SETFCAP,
    Capability::CAP_SYS_ADMIN,
];

/// The capabilities(7) that changing a host takes and this process lacks, by name. All of them for a plain user; some
/// of them for root in a container.
pub fn missing_capabilities() -> Result<Vec<String>> {
    let held = caps::read(None, CapSet::Effective)
        .map_err(|e| Error::unexpected("/proc/self/status", "capability sets", &e.to_string()))?;
    Ok(NEEDED.iter().filter(|needed| !held.contains(needed)).map(ToString::to_string).collect())
}

/// Replaces this process by the same binary with the same arguments, run as root through `sudo -n`. Returns only
/// on failure. It is done once: a process that sudo started and that still is not root gets an error.
///
/// sudo hands on few variables, so what the user had in the environment is gone in the new process.
pub fn re_exec_with_sudo(host: &Host) -> Error {
    let no_root = |reason: &str| Error::NoRoot { reason: reason.to_owned() };
    if environment::var("SUDO_UID").is_some() {
        return no_root("sudo was used already and did not make this process root");
    }
    // Not the one that the user's PATH names.
    let sudo = match host.search_path("sudo").map(|path| program::find("sudo", path)) {
        Ok(Some(sudo)) => sudo,
        Ok(None) => return no_root("this user is not root and sudo is not installed"),
        Err(error) => return error,
    };
    match host.program("sudo").args(["-n", "true"]).output() {
        Ok(output) if output.success() => {}
        Ok(output) => return no_root(&format!("`sudo -n true` refused: {}", output.stderr.trim())),
        Err(error) => return error,
    }
    let binary = match environment::current_exe() {
        Ok(path) => path,
        Err(source) => return Error::Start { command: "sudo -n".to_owned(), source },
    };
    let args = environment::args();
    let source = Command::new(sudo).arg("-n").arg("--").arg(binary).args(args.iter().skip(1)).exec();
    Error::Start { command: "sudo -n".to_owned(), source }
}
