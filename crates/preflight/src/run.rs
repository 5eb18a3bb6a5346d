//! One run: every requirement is checked, whatever the others say.

use provision_host::{Facts, Host};

use crate::finding::{Finding, Report};
use crate::requirement::Requirement;
use crate::scene::Scene;
use crate::verdict::Verdict;

/// Checks all requirements on a host and changes nothing. A check that cannot be made is a finding with status
/// `unknown`. Below a root that is not the running system, what only the running system can tell is left out with a
/// warning.
pub fn run(host: &Host, facts: &Facts, requirements: &[Requirement]) -> Report {
    let scene = Scene::new(host, facts);
    let finding = |requirement: &Requirement| {
        let check = requirement.check();
        let verdict = if !check.files_only && !host.runs_programs() {
            not_running(&scene)
        } else {
            requirement.probe(&scene).unwrap_or_else(|error| Verdict::from_error(&error))
        };
        Finding::new(check, requirement.subject().as_deref(), verdict)
    };
    Report { schema: 1, findings: requirements.iter().map(finding).collect() }
}

fn not_running(scene: &Scene<'_>) -> Verdict {
    let root = scene.host.root.path().display();
    Verdict::warn(
        format!("not checked: {root} is not the running system"),
        "a check on the host itself, once it runs",
    )
}
