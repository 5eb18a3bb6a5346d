//! `provision status`: the generation in force, drift, whether it is healthy, and when certificates expire.

use provision_converge::{Desired, Engine, Pending as Waiting, Plan, Standing, Step, Vault};
use serde_json::json;

use super::generations::UNTOUCHED;
use crate::certificates;
use crate::cli::{Global, ProfileArgs};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::out::{self, BAD, CAREFUL, GOOD, HEADING, paint};
use crate::show;
use crate::site::Site;

const CUT_OFF: &str = "A run was cut off: the next command that changes the host takes it back first.";

/// What the host shall be is not settled as long as a generation waits, so that there is nothing to compare it with.
fn waits(global: &Global, engine: &Engine<'_>, pending: &Waiting) -> Result<Exit, Failure> {
    let records = engine.records();
    let report = records.current()?.map(|current| records.report(current)).transpose()?.flatten();
    if global.json {
        out::json(&json!({
            "schema": 1, "generation": report, "cut_off": false, "waiting": pending,
        }));
        return Ok(Exit::Pending);
    }
    if let Some(report) = &report {
        out::data(format!("{} at {} by {}", show::report(report), report.time, report.who));
    }
    out::data(paint(CAREFUL, show::waiting(pending)));
    Ok(Exit::Pending)
}

/// Compares the host with what was last applied, and that with a profile, if one is given.
pub fn run(global: &Global, profile: Option<&ProfileArgs>) -> Result<Exit, Failure> {
    let site = Site::open(global)?;
    site.need_records()?;
    let vault = site.vault();
    let engine = site.engine(&vault)?;
    let records = engine.records();
    if let Standing::Waiting(pending) = engine.standing()? {
        return waits(global, &engine, &pending);
    }
    let journal = engine.is_cut_off()?;
    let under_way = if journal { site.under_way()? } else { None };
    let unfinished = journal.then(|| match &under_way {
        Some(run) => format!("A run is under way: {run}."),
        None => CUT_OFF.to_owned(),
    });
    let cut_off = journal && under_way.is_none();
    let recorded = engine.recorded()?;
    let pending = match profile {
        Some(args) => Some(Pending::of(&site, (&engine, &vault), args, &recorded)?),
        None => None,
    };
    let waits = pending.as_ref().is_some_and(|pending| !pending.plan.is_empty());
    let shown = |pending: &Pending| pending.json(&engine);
    let pending_json = pending.as_ref().map(shown).transpose()?;
    let Some(current) = records.current()? else {
        if global.json {
            out::json(&json!({
                "schema": 1, "generation": null, "drift": false, "cut_off": cut_off, "under_way": under_way,
                "pending": pending_json,
            }));
        } else {
            out::data(unfinished.as_deref().unwrap_or(UNTOUCHED));
            pending.iter().try_for_each(|pending| pending.show(&engine))?;
        }
        return Ok(if journal || waits { Exit::Pending } else { Exit::Done });
    };
    let plan = engine.plan(&recorded)?;
    // What a run under way has stopped or not started yet is not ill.
    let ailments = if journal { Vec::new() } else { engine.ailments(&recorded)? };
    let report = records.report(current)?;
    let certificates = certificates::kept(&vault, provision_host::now())?;
    if global.json {
        out::json(&json!({
            "schema": 1, "generation": report, "drift": !plan.is_empty(), "cut_off": cut_off, "under_way": under_way,
            "plan": show::plan_json(&engine, &recorded, &plan)?, "certificates": certificates, "unhealthy": ailments,
            "pending": pending_json,
        }));
    } else {
        if let Some(report) = &report {
            out::data(format!("{} at {} by {}", show::report(report), report.time, report.who));
        }
        for certificate in &certificates {
            out::data(certificate.words());
        }
        if let Some(unfinished) = &unfinished {
            out::data(paint(CAREFUL, unfinished));
        }
        for ailment in &ailments {
            out::data(format!("{} {ailment}", paint(BAD, "unhealthy:")));
        }
        if plan.is_empty() {
            out::data(paint(GOOD, "No drift."));
        } else {
            out::data(paint(HEADING, format!("Drift: the host is not as generation {current} left it.")));
            out::data(show::plan(&engine, &recorded, &plan)?);
        }
        pending.iter().try_for_each(|pending| pending.show(&engine))?;
    }
    let well = plan.is_empty() && ailments.is_empty() && !journal && !waits;
    Ok(if well { Exit::Done } else { Exit::Pending })
}

/// What a profile would change besides putting drift right.
struct Pending {
    profile: String,
    desired: Desired,
    plan: Plan,
}

impl Pending {
    fn of(
        site: &Site,
        (engine, vault): (&Engine<'_>, &Vault<'_>),
        args: &ProfileArgs,
        recorded: &Desired,
    ) -> Result<Self, Failure> {
        let intent = site.resolve(args)?;
        let (desired, _) = site.preview(&intent.resolution, vault)?;
        let mut plan = engine.plan(&desired)?;
        plan.steps.retain(|step| declared_otherwise(step, &desired, recorded));
        Ok(Self { profile: intent.profile.name, desired, plan })
    }

    fn json(&self, engine: &Engine<'_>) -> Result<serde_json::Value, Failure> {
        let plan = show::plan_json(engine, &self.desired, &self.plan)?;
        Ok(json!({ "profile": self.profile, "plan": plan }))
    }

    fn show(&self, engine: &Engine<'_>) -> Result<(), Failure> {
        if self.plan.is_empty() {
            out::data(paint(GOOD, format!("Nothing pending: what {} declares is recorded.", self.profile)));
        } else {
            out::data(paint(HEADING, format!("Pending: what {} changes.", self.profile)));
            out::data(show::plan(engine, &self.desired, &self.plan)?);
        }
        Ok(())
    }
}

/// Whether a step comes from another declaration than the one that was applied; otherwise the host has drifted.
fn declared_otherwise(step: &Step, desired: &Desired, recorded: &Desired) -> bool {
    let state = |of: &Desired, id| of.resources.get(id).map(|resource| resource.state.clone());
    step.ids.iter().any(|id| state(desired, id) != state(recorded, id))
}
