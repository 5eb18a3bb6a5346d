//! What a step changes in a file, for people: a unified diff, or why there is none. Never shows a secret.

use similar::TextDiff;

use crate::desired::Desired;
use crate::error::Result;
use crate::machine::Machine;
use crate::op::Op;
use crate::part;
use crate::plan::{Step, Why};
use crate::state::{Content, State};

/// Larger files are named, not shown.
const LIMIT: usize = 256 * 1024;

/// What changes in a file.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case", tag = "kind", content = "text")]
pub enum Difference {
    /// A unified diff.
    Text(String),
    /// The bytes are secret.
    Secret,
    /// The bytes are no text, or too many.
    Binary,
    /// The bytes are made during the apply.
    NotMadeYet,
    /// The bytes are fetched when the apply begins.
    NotFetchedYet,
}

/// What a step changes in its file; none for a step that changes no bytes.
pub(crate) fn of(machine: Machine<'_>, desired: &Desired, step: &Step) -> Result<Option<Difference>> {
    let Op::Put { id, from, to } = &step.op else { return Ok(None) };
    let contents = [from.content(), to.content()];
    if contents.iter().flatten().any(|content| content.secret) {
        return Ok(Some(Difference::Secret));
    }
    // What only its owner may read, and what did not come from us, may be a secret that nobody declared.
    let private = matches!(from, State::File(file) if file.mode & 0o004 == 0);
    if private && step.why != Why::Changed {
        return Ok(Some(Difference::Secret));
    }
    let before = match (from.content(), machine.host.root.read(id.path())) {
        (Some(_), Ok(Some(file))) => match id.file_part() {
            Some(name) => part::read(&file, name).ok().flatten().unwrap_or_default(),
            None => file,
        },
        _ => Vec::new(),
    };
    let after = match to.content() {
        None if from.content().is_none() => return Ok(None),
        None => Vec::new(),
        Some(content) if content.fingerprint.is_none() => return Ok(Some(Difference::NotMadeYet)),
        Some(content) if is_elsewhere(machine, desired, content)? => {
            return Ok(Some(Difference::NotFetchedYet));
        }
        Some(content) => bytes(machine, desired, content)?,
    };
    Ok(Some(text(id.to_string().trim_start_matches("file:"), from, &before, to, &after)))
}

fn is_elsewhere(machine: Machine<'_>, desired: &Desired, content: &Content) -> Result<bool> {
    let remote =
        content.fingerprint.as_ref().is_some_and(|fingerprint| desired.remote.contains_key(fingerprint));
    Ok(remote && !machine.vault.holds(content)?)
}

fn bytes(machine: Machine<'_>, desired: &Desired, content: &Content) -> Result<Vec<u8>> {
    let literal = content.fingerprint.as_ref().and_then(|fingerprint| desired.literals.get(fingerprint));
    match literal {
        Some(bytes) => Ok(bytes.clone()),
        None => Ok(machine.vault.find(content)?.to_vec()),
    }
}

/// The difference between two texts with the same name; what is absent has none.
pub(crate) fn text(name: &str, from: &State, before: &[u8], to: &State, after: &[u8]) -> Difference {
    let (Ok(before), Ok(after)) = (std::str::from_utf8(before), std::str::from_utf8(after)) else {
        return Difference::Binary;
    };
    if before.len().max(after.len()) > LIMIT || before.contains('\0') || after.contains('\0') {
        return Difference::Binary;
    }
    let side = |state: &State, name: &str| match state {
        State::Absent => "/dev/null".to_owned(),
        _ => name.to_owned(),
    };
    let diff = TextDiff::from_lines(before, after);
    let diff = diff.unified_diff().context_radius(3).header(&side(from, name), &side(to, name)).to_string();
    Difference::Text(diff)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_file_is_a_diff_from_nothing() {
        let to = State::Symlink(crate::state::SymlinkState {
            target: String::new(),
            owner: String::new(),
            group: String::new(),
        });
        let Difference::Text(diff) = text("/etc/motd", &State::Absent, b"", &to, b"hello\n") else {
            panic!()
        };
        assert_eq!(diff, "--- /dev/null\n+++ /etc/motd\n@@ -0,0 +1 @@\n+hello\n");
    }

    #[test]
    fn bytes_that_are_no_text_are_not_shown() {
        assert_eq!(text("x", &State::Absent, b"", &State::Absent, b"\xff"), Difference::Binary);
    }
}
