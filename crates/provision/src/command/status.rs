//! `provision status`: the generation in force, drift, whether it is healthy, and when certificates expire.

use provision_converge::{Engine, Pending, Standing};
use serde_json::json;

use super::generations::UNTOUCHED;
use crate::certificates;
use crate::cli::Global;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::out::{self, BAD, CAREFUL, GOOD, paint};
use crate::show;
use crate::site::Site;

const CUT_OFF: &str = "A run was cut off: the next command that changes the host takes it back first.";

/// What the host shall be is not settled as long as a generation waits, so that there is nothing to compare it with.
fn waits(global: &Global, engine: &Engine<'_>, pending: &Pending) -> Result<Exit, Failure> {
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

/// Compares the host with what was last applied.
pub fn run(global: &Global) -> Result<Exit, Failure> {
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
    let Some(current) = records.current()? else {
        if global.json {
            out::json(
                &json!({ "schema": 1, "generation": null, "drift": false, "cut_off": cut_off, "under_way": under_way }),
            );
        } else {
            out::data(unfinished.as_deref().unwrap_or(UNTOUCHED));
        }
        return Ok(if journal { Exit::Pending } else { Exit::Done });
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
            out::data(show::plan(&engine, &recorded, &plan)?);
        }
    }
    let well = plan.is_empty() && ailments.is_empty() && !journal;
    Ok(if well { Exit::Done } else { Exit::Pending })
}
