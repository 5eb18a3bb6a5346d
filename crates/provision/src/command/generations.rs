//! `provision generations`: what was applied, when, and by whom.

use comfy_table::Table;
use comfy_table::presets::NOTHING;

use crate::cli::Global;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::out;
use crate::site::Site;

/// What is said of a host without generations.
pub const UNTOUCHED: &str = "provision has not changed this host.";

/// Lists all generations.
pub fn run(global: &Global) -> Result<Exit, Failure> {
    let site = Site::open(global)?;
    site.need_records()?;
    let vault = site.vault();
    let engine = site.engine(&vault)?;
    let records = engine.records();
    let current = records.current()?;
    let mut reports = Vec::new();
    for number in records.numbers()? {
        reports.extend(records.report(number)?);
    }
    if global.json {
        out::json(&serde_json::json!({ "schema": 1, "current": current, "generations": reports }));
        return Ok(Exit::Done);
    }
    if reports.is_empty() {
        out::data(UNTOUCHED);
        return Ok(Exit::Done);
    }
    let mut table = Table::new();
    table.load_style(NOTHING).set_header([
        "",
        "GENERATION",
        "TIME",
        "WHO",
        "PROFILE",
        "STATE",
        "RESULT",
        "STEPS",
    ]);
    for report in reports {
        table.add_row([
            if Some(report.generation) == current { "*".to_owned() } else { String::new() },
            report.generation.to_string(),
            report.time,
            report.who,
            report.profile,
            report.state_id.chars().take(12).collect(),
            report.result.to_string(),
            report.steps.to_string(),
        ]);
    }
    out::data(table);
    Ok(Exit::Done)
}
