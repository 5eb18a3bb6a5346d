//! Mirrored images as a resource: asks the mirror crate whether they are there, and has it bring them.

use crate::error::Result;
use crate::state::State;

/// Whether everything that is wanted is in the target registry.
pub(crate) fn observe(_hint: &State) -> Result<State> {
    Ok(State::Absent)
}

/// Mirrors what is wanted.
pub(crate) fn bring(_name: &str, _to: &State) -> Result<()> {
    Ok(())
}
