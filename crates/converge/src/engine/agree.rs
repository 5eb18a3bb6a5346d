//! Binding a plan to a host, so that it can be applied later exactly as it was shown, or not at all.

use super::Engine;
use crate::agreement::{Agreement, Moved, moved};
use crate::error::{Error, Result};
use crate::host_id::host_id;
use crate::plan::Plan;

impl Engine<'_> {
    /// Binds a plan to this host and to the generation in force. `id` is new for each agreement.
    pub fn agree(&self, plan: Plan, id: String) -> Result<Agreement> {
        if let Some((id, reason)) = plan.unknown.iter().next() {
            return Err(Error::Unknown { id: id.clone(), reason: reason.clone() });
        }
        let host = host_id(&self.machine.host.root)?;
        Ok(Agreement { id, host, generation: self.records.current()?, plan })
    }

    /// An error that names everything that has moved since a plan was agreed to; `now` is the plan from the host as it
    /// is. Reads only.
    pub fn holds(&self, agreed: &Agreement, now: &Plan) -> Result<()> {
        let found = host_id(&self.machine.host.root)?;
        if agreed.host != found {
            // What is different on another host tells nobody anything.
            let expected = agreed.host.clone();
            return Err(Error::Stale { moved: vec![Moved::Host { expected, found }] });
        }
        let mut all: Vec<Moved> = self.used(agreed)?.into_iter().collect();
        let found = self.records.current()?;
        if agreed.generation != found {
            all.push(Moved::Generation { expected: agreed.generation, found });
        }
        // Other steps are what another generation leads to; that they are others says nothing more then.
        let explained = !all.is_empty();
        all.extend(moved(&agreed.plan, now).into_iter().filter(|one| !explained || *one != Moved::Steps));
        if all.is_empty() { Ok(()) } else { Err(Error::Stale { moved: all }) }
    }

    /// The run that began with this plan, however it ended.
    fn used(&self, agreed: &Agreement) -> Result<Option<Moved>> {
        for generation in self.records.numbers()? {
            let asked = self.records.asked(generation)?;
            if asked.is_some_and(|asked| asked.saved_plan.as_ref() == Some(&agreed.id)) {
                let result = self.records.report(generation)?.map(|report| report.result);
                return Ok(Some(Moved::Used { generation, result }));
            }
        }
        Ok(None)
    }
}
