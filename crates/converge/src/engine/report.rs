//! What is written down of an apply when it ends, however it ends.

use super::Engine;
use crate::error::Result;
use crate::generation::{Asked, Outcome, Report};
use crate::plan::{Plan, Why};

impl Engine<'_> {
    /// The report of a generation that counts.
    pub(super) fn committed(&self, number: u64, plan: &Plan) -> Result<Report> {
        let repaired: Vec<_> = plan.steps.iter().filter(|step| step.why == Why::Drift).collect();
        Ok(Report {
            state_id: plan.state_id.clone(),
            steps: plan.steps.len(),
            corrective: repaired.len(),
            corrected: repaired.into_iter().flat_map(|step| step.ids.clone()).collect(),
            ..self.blank(number, Outcome::Committed)?
        })
    }

    /// The report of a generation that does not count: the host is, or shall be, as the one before left it.
    pub(super) fn failed(&self, number: u64, result: Outcome, reason: &str) -> Result<Report> {
        Ok(Report { reason: Some(reason.to_owned()), ..self.blank(number, result)? })
    }

    fn blank(&self, number: u64, result: Outcome) -> Result<Report> {
        let now = jiff::Timestamp::try_from(provision_host::now()).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
        let unknown = || Asked { who: "unknown".to_owned(), profile: "unknown".to_owned(), saved_plan: None };
        let Asked { who, profile, saved_plan } = self.records.asked(number)?.unwrap_or_else(unknown);
        Ok(Report {
            schema: 1,
            generation: number,
            parent: self.records.current()?,
            time: now.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
            who,
            profile,
            saved_plan,
            state_id: self.recorded()?.state_id(),
            result,
            steps: 0,
            corrective: 0,
            corrected: Vec::new(),
            reason: None,
            link: None,
        })
    }
}
