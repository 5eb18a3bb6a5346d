//! `provision status`: the generation in force, drift, and when certificates expire.

use serde_json::json;

use crate::cli::Global;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::out::{self, GOOD, paint};
use crate::show;
use crate::site::Site;

/// Compares the host with what was last applied.
pub fn run(global: &Global) -> Result<Exit, Failure> {
    let site = Site::open(global)?;
    let vault = site.vault();
    let engine = site.engine(&vault)?;
    let records = engine.records();
    let Some(current) = records.current()? else {
        if global.json {
            out::json(&json!({ "schema": 1, "generation": null, "drift": false }));
        } else {
            out::data("provision has not changed this host.");
        }
        return Ok(Exit::Done);
    };
    let recorded = engine.recorded()?;
    let plan = engine.plan(&recorded)?;
    let report = records.report(current)?;
    let certificates = super::check::certificates(&vault)?;
    if global.json {
        out::json(&json!({
            "schema": 1, "generation": report, "drift": !plan.is_empty(), "cut_off": engine.is_cut_off()?,
            "plan": show::plan_json(&engine, &recorded, &plan)?, "certificates": certificates,
        }));
    } else {
        if let Some(report) = &report {
            out::data(format!("{} at {} by {}", show::report(report), report.time, report.who));
        }
        for certificate in &certificates {
            out::data(certificate);
        }
        if engine.is_cut_off()? {
            out::data("A later run was cut off; the next command that changes the host takes it back first.");
        }
        if plan.is_empty() {
            out::data(paint(GOOD, "No drift."));
        } else {
            out::data(show::plan(&engine, &recorded, &plan)?);
        }
    }
    Ok(if plan.is_empty() { Exit::Done } else { Exit::Pending })
}
