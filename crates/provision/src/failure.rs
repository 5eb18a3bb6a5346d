//! Errors for people: what failed, its causes one per line, and a hint with the next action.

use std::error::Error as StdError;
use std::fmt::Write as _;
use std::io::ErrorKind;

use provision_converge::{Aftermath, Error as ConvergeError, Failure as ApplyFailure, Kind};
use provision_host::Error as HostError;
use provision_host::ssh::Refusal;

use crate::exit::Exit;

mod images;

const RECORDS: &str = "put /var/lib/provision back as it was, from a backup of this host; without one, move it aside and \
                       apply again: what is on the host then counts as having been there before";

/// A command that failed.
#[derive(Debug, serde::Serialize)]
pub struct Failure {
    /// The exit code.
    #[serde(skip)]
    pub exit: Exit,
    what: String,
    causes: Vec<String>,
    hints: Vec<String>,
}

impl Failure {
    /// A failure without a cause of its own.
    pub fn new(exit: Exit, what: impl Into<String>) -> Self {
        Self { exit, what: what.into(), causes: Vec::new(), hints: Vec::new() }
    }

    /// A failure with an error and all that caused it.
    pub fn because(exit: Exit, error: &(dyn StdError + 'static)) -> Self {
        let mut failure = Self::new(exit, error.to_string());
        let mut source = error.source();
        while let Some(cause) = source {
            let text = cause.to_string();
            // A transparent error repeats its source; people need it once.
            if failure.what != text && failure.causes.last() != Some(&text) {
                failure.causes.push(text);
            }
            source = cause.source();
        }
        failure
    }

    /// Adds what caused it.
    pub fn cause(mut self, cause: &dyn std::fmt::Display) -> Self {
        self.causes.push(cause.to_string());
        self
    }

    /// Says what was under way when it happened; what was the heading becomes the first cause.
    pub fn during(mut self, what: impl Into<String>) -> Self {
        self.causes.insert(0, std::mem::replace(&mut self.what, what.into()));
        self
    }

    /// Adds what to do next.
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }

    fn hints(self, hint: Option<&str>) -> Self {
        match hint {
            Some(hint) => self.hint(hint),
            None => self,
        }
    }

    /// A saved plan does not fit the host any more; each line names something that moved.
    pub fn stale(moved: Vec<String>) -> Self {
        let things =
            if moved.len() == 1 { "one thing".to_owned() } else { format!("{} things", moved.len()) };
        let what = format!("the plan is stale: {things} moved since it was saved");
        Self { causes: moved, ..Self::new(Exit::Conflict, what) }
            .hint("nothing was changed; provision plan -o FILE PROFILE shows and saves what the plan is now")
    }

    /// The failure as the command line shows it, without colours.
    pub fn text(&self) -> String {
        let mut text = format!("{}\n", self.what.trim_end());
        if !self.causes.is_empty() {
            text.push_str("caused by:\n");
            for (number, cause) in self.causes.iter().enumerate() {
                let indented = cause.trim_end().replace('\n', "\n     ");
                let _ = writeln!(text, "  {}: {indented}", number + 1);
            }
        }
        for hint in &self.hints {
            let _ = writeln!(text, "hint: {hint}");
        }
        text
    }

    /// The failure as data.
    pub fn json(&self) -> serde_json::Value {
        serde_json::json!({ "schema": 1, "error": {
            "exit": self.exit as i32, "what": self.what, "causes": self.causes, "hints": self.hints,
        }})
    }
}

impl From<HostError> for Failure {
    fn from(error: HostError) -> Self {
        let exit = if matches!(error, HostError::Locked { .. }) { Exit::Locked } else { Exit::Failed };
        let permission = error.is_permission();
        let failure = Self::because(exit, &error);
        if let HostError::Unreached { target, refusal, said } = &error {
            let failure = if said.is_empty() { failure } else { failure.cause(said) };
            return failure.hint(reach(*refusal, target));
        }
        if permission && provision_host::effective_uid() != 0 {
            return failure.hint("run it as root, or give this user passwordless sudo");
        }
        failure.hints(system(&error))
    }
}

impl From<ConvergeError> for Failure {
    fn from(error: ConvergeError) -> Self {
        if let ConvergeError::Stale { moved } = &error {
            return Self::stale(moved.iter().map(ToString::to_string).collect());
        }
        let exit = match &error {
            ConvergeError::Host(HostError::Locked { .. }) | ConvergeError::Waiting { .. } => Exit::Locked,
            ConvergeError::Unconfirmed { .. } => Exit::RolledBack,
            ConvergeError::Conflict { .. } => Exit::Conflict,
            ConvergeError::NoGeneration { .. } | ConvergeError::Removed { .. } => Exit::Usage,
            _ => Exit::Failed,
        };
        let failure = Self::because(exit, &error);
        match &error {
            ConvergeError::Unknown { id, .. } if id.kind() == Kind::Content => failure.hint(
                "nothing was changed; `provision mirror list DIR` shows what media hold, \
                 `provision mirror copy --release --dry-run` tries the way from a registry",
            ),
            ConvergeError::NoGeneration { kept, .. } | ConvergeError::Removed { kept, .. } => {
                failure.hint(format!("generations that can be gone back to: {kept}"))
            }
            ConvergeError::Unfinished => {
                failure.hint("wait for it; `provision recover` takes back one that was cut off")
            }
            ConvergeError::NoMachineId => failure.hint(
                "systemd-machine-id-setup writes one (--root=DIR for an image); without it a plan could be applied \
                 to another host",
            ),
            ConvergeError::Unknown { .. } if provision_host::effective_uid() != 0 => {
                failure.hint("run it as root: some of the host may only be read by root")
            }
            ConvergeError::Unknown { .. } => {
                failure.hint("nothing was changed; put right what it names, then run the same command again")
            }
            ConvergeError::Waiting { .. } => failure
                .hint("`provision confirm` lets it count, also from a new SSH connection; otherwise it is taken back"),
            ConvergeError::Unconfirmed { .. } => {
                failure.hint("everything is taken back: the host is as it was before this apply")
            }
            ConvergeError::ProvesNothing { .. } => failure.hint(
                "open a new SSH connection to this host and run `provision confirm` there: that it opens is the proof",
            ),
            ConvergeError::TooEarly { .. } => failure
                .hint("provision recover takes it back once the network is up; a unit tries that by itself"),
            error if records(error) => failure.hint(RECORDS),
            error => images::hinted(failure, error).hints(system(error)),
        }
    }
}

/// What to do about what the system refuses, whoever asked for it.
fn system(error: &(dyn StdError + 'static)) -> Option<&'static str> {
    let mut next = Some(error);
    while let Some(error) = next {
        let boxed = error.downcast_ref::<Box<ConvergeError>>().map(AsRef::as_ref);
        if let Some(ConvergeError::Host(HostError::NotOffered { .. })) = error.downcast_ref().or(boxed) {
            return Some(
                "provision lock --update NAME PROFILE notes what is offered now; a version in the profile is yours to change",
            );
        }
        if let Some(ConvergeError::NoAccount { .. }) = error.downcast_ref().or(boxed) {
            return Some("create the account first, or let the profile name another one or its number");
        }
        match error.downcast_ref::<std::io::Error>().map(std::io::Error::kind) {
            Some(ErrorKind::StorageFull | ErrorKind::QuotaExceeded) => {
                return Some("make room on that file system, then run the same command again");
            }
            Some(ErrorKind::ReadOnlyFilesystem) => {
                return Some(
                    "it is mounted read-only: mount it writable (mount -o remount,rw), then run it again",
                );
            }
            Some(ErrorKind::PermissionDenied) if provision_host::effective_uid() == 0 => {
                return Some(
                    "root is refused too: lsattr shows whether it is immutable (chattr -i), or it is SELinux",
                );
            }
            _ => next = error.source(),
        }
    }
    None
}

/// What to do about a host that is not reached over SSH.
fn reach(refusal: Refusal, target: &str) -> String {
    match refusal {
        Refusal::KeyChanged => format!(
            "compare the fingerprint with the host's own (ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub on its console); if it is \
             right, take the old key out with ssh-keygen -R, and connect once: ssh {target} true"
        ),
        Refusal::KeyUnknown => format!(
            "connect once and compare the fingerprint: ssh {target} true; or trust what is shown now: --accept-new-host-key"
        ),
        Refusal::Denied => {
            format!("give the host a key of yours: ssh-copy-id {target}; one with a passphrase: ssh-add")
        }
        Refusal::Unresolved => {
            "check the name, or give an address; a short name needs a Host in ~/.ssh/config".to_owned()
        }
        Refusal::Unreachable => {
            format!(
                "is it up, is sshd running there, does a firewall stand between? ssh -v {target} true tells more"
            )
        }
        Refusal::GivenUp => "nothing was changed".to_owned(),
        Refusal::Lost | Refusal::Other => format!("nothing was changed; ssh -v {target} true tells more"),
    }
}

/// Whether provision's own records on the host are what is wrong.
fn records(error: &ConvergeError) -> bool {
    match error {
        ConvergeError::Damaged { .. }
        | ConvergeError::Records { .. }
        | ConvergeError::Corrupt { .. }
        | ConvergeError::Lost { .. } => true,
        ConvergeError::Resource { source, .. } => records(source),
        _ => false,
    }
}

impl From<ApplyFailure> for Failure {
    fn from(failure: ApplyFailure) -> Self {
        let unhealthy = matches!(*failure.cause, ConvergeError::Unhealthy { .. });
        let shown = Self::from(*failure.cause);
        match failure.aftermath {
            Aftermath::NothingChanged if unhealthy => shown.hint(
                "every resource is as declared and nothing was changed: what it names has to be put right, or its unit \
                 restarted (systemctl restart UNIT)",
            ),
            Aftermath::NothingChanged => shown,
            Aftermath::Undone if unhealthy => Self { exit: Exit::RolledBack, ..shown }
                .hint("everything is taken back: the host is as it was before this apply"),
            Aftermath::Undone => {
                shown.hint("everything is taken back: the host is as it was before this apply")
            }
            Aftermath::HalfDone(error) => {
                let mut shown = Self { exit: Exit::HalfDone, ..shown };
                shown.causes.push(format!("taking it back failed as well: {error}"));
                let mut source = StdError::source(&*error);
                while let Some(cause) = source {
                    shown.causes.push(cause.to_string());
                    source = cause.source();
                }
                shown.hint("run the same command again: it first takes back what is left half-done")
            }
        }
    }
}

impl From<provision_profile::Error> for Failure {
    fn from(error: provision_profile::Error) -> Self {
        use provision_profile::Error as ProfileError;
        // What the host refuses is not the profile's mistake.
        let exit = match &error {
            ProfileError::Vault(_) | ProfileError::Random(_) | ProfileError::Bcrypt(_) => Exit::Failed,
            _ => Exit::Usage,
        };
        let mut failure = Self::because(exit, &error);
        // Problems of a profile come as a text of several errors; the heading of the first is ours to write.
        failure.what = failure.what.trim_start_matches("error: ").to_owned();
        match &error {
            ProfileError::Profile(file) => failure.hint(file.remedy()),
            ProfileError::Unlocked(_) => failure.hint(
                "provision lock PROFILE notes what each stands for now; `plan` and `apply` do so with --update-lock",
            ),
            ProfileError::BadLock(_) => failure.hint(
                "put the lock back from version control; or remove it, and provision lock PROFILE looks up everything anew",
            ),
            ProfileError::OtherArchive { path, .. } => {
                failure.hint(crate::inquiry::other_file(&path.file_name().unwrap_or_default().to_string_lossy()))
            }
            ProfileError::Vault(source) if records(source) => failure.hint(RECORDS),
            ProfileError::NoSecret { .. } => {
                failure.hint("put it there for the user who runs this; sudo hands on no variables")
            }
            ProfileError::BadPair { .. } => failure.hint(
                "openssl x509 -in FILE -text -noout shows a certificate; bring one without these defects",
            ),
            error => failure.hints(system(error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_shows_causes_and_hints_each_on_a_line() {
        let source = std::io::Error::other("no space left");
        let error = HostError::File { action: "write", path: "/etc/hosts".into(), source };
        let failure = Failure::because(Exit::Failed, &error).hint("make room");
        assert_eq!(
            failure.text(),
            "cannot write /etc/hosts\ncaused by:\n  1: no space left\nhint: make room\n"
        );
    }
}
