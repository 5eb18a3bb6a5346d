//! Exact versions of packages: repositories drop old ones, so whether one can be had is asked before an apply begins, and
//! an undo never fails for the lack of one.

use std::collections::BTreeMap;

use provision_host::packages;

use super::Engine;
use crate::desired::Desired;
use crate::error::Result;
use crate::op::Op;
use crate::plan::Plan;
use crate::state::State;

impl Engine<'_> {
    /// Makes sure that the versions that a plan names can be had; nothing is changed but the lists of what is offered.
    pub(super) fn versions_can_be_had(&self, plan: &Plan) -> Result<()> {
        for step in &plan.steps {
            if let Op::Packages { install, .. } = &step.op {
                packages::can_be_had(self.machine.host, self.machine.family, install)?;
            }
        }
        Ok(())
    }

    /// Takes any version of a package for the one that was there, where that one is no longer offered.
    pub(super) fn without_lost_versions(&self, towards: &mut Desired) -> Result<()> {
        let (host, family) = (self.machine.host, self.machine.family);
        for (id, resource) in &mut towards.resources {
            let State::Package(package) = &mut resource.state else { continue };
            let wanted = BTreeMap::from([(id.name().to_owned(), package.version.clone())]);
            // Whatever keeps the answer back must not keep the undo back.
            if packages::can_be_had(host, family, &wanted).is_err() {
                package.version = None;
            }
        }
        Ok(())
    }
}
