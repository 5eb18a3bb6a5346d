//! What watches over an apply: armed before the first step, gone with the journal.

use super::Engine;
use crate::error::Result;
use crate::journal::Record;

impl Engine<'_> {
    /// Puts the boot unit in place, where there is a systemd to run it.
    pub(super) fn arm(&self) -> Result<()> {
        let Some(binary) = &self.binary else { return Ok(()) };
        if self.guard.is_possible()? {
            let made = self.guard.missing()?;
            // Written before anything is made, so that whoever cleans up knows of it.
            self.journal.append(&Record::Guarded { made: made.clone() })?;
            self.guard.arm(binary, &made)?;
        }
        Ok(())
    }

    /// Ends the journal, and before it what watched over it.
    pub(super) fn close(&self) -> Result<()> {
        for record in self.journal.read()?.unwrap_or_default() {
            if let Record::Guarded { made } = record {
                self.guard.disarm(&made)?;
            }
        }
        self.journal.remove()
    }
}
