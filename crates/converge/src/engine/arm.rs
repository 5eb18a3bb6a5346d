//! What watches over an apply: armed before the first step, gone with the journal.

use super::{Confirm, Engine};
use crate::error::Result;
use crate::journal::Record;

impl Engine<'_> {
    /// Notes what the apply has to be confirmed by, and puts what watches over it in place, where there is a systemd to
    /// run it.
    pub(super) fn arm(&self, number: u64, confirm: Option<&Confirm>) -> Result<()> {
        if let Some(confirm) = confirm {
            self.note_terms(confirm)?;
        }
        let Some(binary) = &self.binary else { return Ok(()) };
        if self.guard.is_possible()? {
            let made = self.guard.missing()?;
            // Written before anything is made, so that whoever cleans up knows of it.
            self.journal.append(&Record::Guarded { made: made.clone() })?;
            self.guard.arm(binary, &made)?;
            if let Some(confirm) = confirm {
                self.guard.watch(number, confirm.patience)?;
            }
        }
        Ok(())
    }

    /// Ends the journal, and before it what watched over it.
    pub(super) fn close(&self) -> Result<()> {
        let (mut number, mut confirmed) = (0, false);
        for record in self.journal.read()?.unwrap_or_default() {
            match record {
                Record::Begin { generation } => number = generation,
                Record::Armed { .. } => confirmed = true,
                Record::Guarded { made } => {
                    if confirmed {
                        self.guard.rest(number)?;
                    }
                    self.guard.disarm(&made)?;
                }
                _ => {}
            }
        }
        self.journal.remove()
    }
}
