//! What can go wrong on a machine. Every variant says which thing; the cause is the error's source and is
//! never repeated in the text.

use std::io;
use std::path::{Path, PathBuf};

/// The result of everything in this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// A failed question to the host, or a failed change of it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The kernel refused an operation on a file.
    #[error("cannot {action} {}", path.display())]
    File {
        /// What was tried, as a verb: `read`, `write`, `remove`, …
        action: &'static str,
        /// The path as the host sees it.
        path: PathBuf,
        /// The kernel's answer.
        #[source]
        source: io::Error,
    },
    /// A path that cannot be used for what was asked.
    #[error("{}: {reason}", path.display())]
    BadPath {
        /// The path as it was given.
        path: PathBuf,
        /// What is wrong with it and what was expected.
        reason: &'static str,
    },
    /// A directory was to be removed, but something is in it.
    #[error("cannot remove {}: the directory is not empty", path.display())]
    NotEmpty {
        /// The directory.
        path: PathBuf,
    },
    /// The program is not installed, or not where programs are looked for.
    #[error("{program}: no such program in {path}; install the package that brings it")]
    ProgramMissing {
        /// The name that was looked for.
        program: String,
        /// The folders that were searched, as in `PATH`.
        path: String,
    },
    /// The program exists and could not be started, or its streams failed.
    #[error("cannot run `{command}`")]
    Start {
        /// The command line, ready to be pasted into a shell.
        command: String,
        /// The kernel's answer.
        #[source]
        source: io::Error,
    },
    /// The program ran and reported failure.
    #[error("`{command}`: {status}{}", stderr_block(stderr))]
    Failed {
        /// The command line, ready to be pasted into a shell.
        command: String,
        /// `exit status 100`, `killed by signal 9 (SIGKILL)`.
        status: String,
        /// The end of its standard error.
        stderr: String,
    },
    /// The program did not end in time and was killed together with its children.
    #[error("`{command}`: still running after {seconds} s, killed")]
    TimedOut {
        /// The command line, ready to be pasted into a shell.
        command: String,
        /// The limit in seconds.
        seconds: u64,
    },
    /// The root is a directory (an image, say) and not the running system, which the action needs.
    #[error("{what} needs the running system, but the root is {}", root.display())]
    NotLive {
        /// What was to be run or done.
        what: String,
        /// The root directory in use.
        root: PathBuf,
    },
    /// Output or a file is not what its documentation promises.
    #[error("{origin}: expected {expected}, found {found:?}")]
    Unexpected {
        /// The command line or the file it came from.
        origin: String,
        /// What was expected.
        expected: &'static str,
        /// What was there, shortened.
        found: String,
    },
    /// Neither of the two families of distributions that are supported.
    #[error(
        "unsupported distribution: /etc/os-release says ID={id:?}, ID_LIKE={id_like:?}; \
         expected Debian, Ubuntu, RHEL, Fedora or one derived from them"
    )]
    UnknownFamily {
        /// The `ID` field.
        id: String,
        /// The `ID_LIKE` field.
        id_like: String,
    },
    /// A package name that the package manager could take for something else.
    #[error(
        "{name:?} is no package name: expected letters, digits and `+-._:`, starting with a letter or digit"
    )]
    BadPackageName {
        /// The name as it was given.
        name: String,
    },
    /// A version that the package manager could take for something else.
    #[error(
        "{version:?} is no version of {name}: expected letters, digits and `+-._:~^`, starting with a letter or digit"
    )]
    BadPackageVersion {
        /// The package.
        name: String,
        /// The version as it was given.
        version: String,
    },
    /// The repositories of this host do not have a package in the version that is wanted.
    #[error("no repository of this host offers {wanted}; offered: {offered}")]
    NotOffered {
        /// The package and the version.
        wanted: String,
        /// The versions that could be had, or `none`.
        offered: String,
    },
    /// A unit name that systemctl could take for something else.
    #[error("{name:?} is no unit name: expected it with its type, like `registry.service`, and no pattern")]
    BadUnitName {
        /// The name as it was given.
        name: String,
    },
    /// Packages cannot be removed alone.
    #[error("removing {} would also remove {}; remove those first, or keep both", packages.join(" "), others.join(" "))]
    WouldRemove {
        /// What was to be removed.
        packages: Vec<String>,
        /// What depends on it.
        others: Vec<String>,
    },
    /// Another process holds the lock.
    #[error("{} is locked by {holder}; wait until it has ended", path.display())]
    Locked {
        /// The lock file.
        path: PathBuf,
        /// Process id and command of the holder, as it wrote them.
        holder: String,
    },
    /// A host is not reached over SSH.
    #[error("cannot reach {target}: {refusal}")]
    Unreached {
        /// The host, as it was named.
        target: String,
        /// Why not.
        refusal: crate::ssh::Refusal,
        /// What ssh said.
        said: String,
    },
    /// Root is needed and sudo did not give it.
    #[error("root is needed: {reason}; run the command as root")]
    NoRoot {
        /// What stood in the way.
        reason: String,
    },
}

impl Error {
    /// Whether permission was missing: the same call may work as root.
    pub fn is_permission(&self) -> bool {
        match self {
            Error::File { source, .. } | Error::Start { source, .. } => {
                source.kind() == io::ErrorKind::PermissionDenied
            }
            Error::NoRoot { .. } => true,
            _ => false,
        }
    }

    pub(crate) fn file(action: &'static str, path: &Path, source: impl Into<io::Error>) -> Error {
        Error::File { action, path: path.to_path_buf(), source: source.into() }
    }

    pub(crate) fn unexpected(origin: impl Into<String>, expected: &'static str, found: &str) -> Error {
        let found = found.trim();
        let short: String = found.chars().take(200).collect();
        Error::Unexpected { origin: origin.into(), expected, found: short }
    }
}

fn stderr_block(stderr: &str) -> String {
    if stderr.is_empty() { String::new() } else { format!("\n{stderr}") }
}
