//! What can go wrong while converging. Each error says which resource or file; causes are sources.

use std::path::PathBuf;

use crate::agreement::Moved;
use crate::resource::ResourceId;

/// The result of everything in this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// A failure of the engine.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The host refused.
    #[error(transparent)]
    Host(#[from] provision_host::Error),
    /// One resource could not be changed.
    #[error("{id} could not be changed")]
    Resource {
        /// Which.
        id: ResourceId,
        /// Why not.
        #[source]
        source: Box<Error>,
    },
    /// The host is neither as it was when planned nor as it should be: somebody else changes it.
    #[error("{id} changed under us: expected {expected}, found {found}")]
    Conflict {
        /// Which resource.
        id: ResourceId,
        /// What the plan was made from.
        expected: String,
        /// What is there.
        found: String,
    },
    /// A saved plan does not fit the host any more.
    #[error("the plan is stale: {} since it was saved", if moved.len() == 1 { "one thing moved".to_owned() } else { format!("{} things moved", moved.len()) })]
    Stale {
        /// All that moved.
        moved: Vec<Moved>,
    },
    /// A plan cannot be bound to a host that has no identity.
    #[error("/etc/machine-id does not name this host: expected 32 hexadecimal digits, not all of them 0")]
    NoMachineId,
    /// Resources that could not be read or that something is in the way of; nothing is changed as long as there are any.
    #[error("{id}: {reason}")]
    Unknown {
        /// The first of them.
        id: ResourceId,
        /// Why not.
        reason: String,
    },
    /// A file shall belong to somebody whom the host does not know.
    #[error("there is no {kind} {name} on this host")]
    NoAccount {
        /// `user` or `group`.
        kind: &'static str,
        /// The name, or a number that cannot be one.
        name: String,
    },
    /// A file of provision's own is damaged.
    #[error("{} is damaged", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What the parser said.
        #[source]
        source: serde_json::Error,
    },
    /// provision's own records do not fit together: something else has been at them.
    #[error("{}: {problem}", path.display())]
    Records {
        /// The file.
        path: PathBuf,
        /// What is wrong with it, and what was expected.
        problem: String,
    },
    /// Bytes that were kept are not what they were.
    #[error("{} is damaged: its bytes are not {fingerprint}", path.display())]
    Corrupt {
        /// Where they are kept.
        path: PathBuf,
        /// What they were.
        fingerprint: String,
    },
    /// Bytes that are needed are neither in the store nor in the vault.
    #[error("the bytes {what} are not in {}", store.display())]
    Lost {
        /// What is missing: a fingerprint or the name of something generated.
        what: String,
        /// Where they should be.
        store: PathBuf,
    },
    /// A part of a file could not be found or written.
    #[error("{} cannot be edited", path.display())]
    Part {
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: crate::part::PartError,
    },
    /// A change was made, but the system is not as it should be after it.
    #[error("{id}: {problem}")]
    Ineffective {
        /// Which resource.
        id: ResourceId,
        /// What is wrong, and what to look at.
        problem: String,
    },
    /// A unit did not start.
    #[error("{unit} does not start; the last lines of its log:\n{log}")]
    NotStarted {
        /// Which unit.
        unit: String,
        /// Its last log lines.
        log: String,
        /// What systemctl said.
        #[source]
        source: provision_host::Error,
    },
    /// A generation that is asked for does not exist.
    #[error("there is no generation {number}")]
    NoGeneration {
        /// The number asked for.
        number: u64,
        /// Those that can be gone back to, in words.
        kept: String,
    },
    /// A generation that is asked for was removed.
    #[error("generation {number} was removed: only its report is left")]
    Removed {
        /// The number asked for.
        number: u64,
        /// Those that can be gone back to, in words.
        kept: String,
    },
    /// Something else has to end first.
    #[error("a run is under way, or was cut off and is not taken back yet")]
    Unfinished,
    /// The host is not healthy after the change.
    #[error("{what}")]
    Unhealthy {
        /// What was proved, and how it failed, with the last log lines where there are any.
        what: String,
    },
    /// The run was interrupted by a signal between two steps.
    #[error("interrupted before {before}")]
    Interrupted {
        /// The step that was not begun.
        before: String,
    },
    /// Something is to be taken back that takes more of the host than there is at the beginning of a boot.
    #[error("{what} cannot be installed again this early in the boot")]
    TooEarly {
        /// The packages.
        what: String,
    },
    /// A generation waits to be confirmed, and nothing else may change the host as long as it does.
    #[error("generation {generation} waits to be confirmed, for {seconds} s yet")]
    Waiting {
        /// Which.
        generation: u64,
        /// How long it still does, in seconds.
        seconds: u64,
    },
    /// A generation was taken back, because it was not confirmed.
    #[error("generation {generation} does not count: {reason}")]
    Unconfirmed {
        /// Which.
        generation: u64,
        /// Why not.
        reason: String,
    },
    /// Whoever confirms does not show that the host can still be reached.
    #[error("this confirms nothing: {reason}")]
    ProvesNothing {
        /// Why not.
        reason: &'static str,
    },
    /// Images could not be read or mirrored.
    #[error(transparent)]
    Mirror(#[from] provision_mirror::Error),
    /// An entry of registry credentials in the vault is damaged.
    #[error(transparent)]
    Credentials(#[from] provision_pull_secret::Error),
    /// The system gave no means to speak to registries.
    #[error("cannot speak to registries")]
    Runtime {
        /// The system's answer.
        #[source]
        source: std::io::Error,
    },
    /// OpenSSL refused a primitive.
    #[error("OpenSSL failed")]
    Crypto(#[from] openssl::error::ErrorStack),
}

/// An error and its causes in one line.
pub(crate) fn in_one_line(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let words = cause.to_string();
        // A transparent error says what its source says.
        if !text.ends_with(&words) {
            text = format!("{text}: {words}");
        }
        source = cause.source();
    }
    text
}
