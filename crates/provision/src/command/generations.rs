//! `provision generations`: what was applied, when, by whom, and what became of it.

use std::collections::BTreeSet;

use comfy_table::Table;
use comfy_table::presets::NOTHING;
use provision_converge::{Engine, Error, Report};
use serde_json::json;

use crate::cli::Global;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::out;
use crate::site::Site;

/// What is said of a host without generations.
pub const UNTOUCHED: &str = "provision has not changed this host.";

/// A generation, whatever became of it.
struct Entry {
    number: u64,
    report: Option<Report>,
    result: String,
}

/// Lists all generations.
pub fn run(global: &Global) -> Result<Exit, Failure> {
    let site = Site::open(global)?;
    site.need_records()?;
    let vault = site.vault();
    let engine = site.engine(&vault)?;
    let current = engine.records().current()?;
    let entries = entries(&site, &engine)?;
    if global.json {
        let entries: Vec<_> = entries.iter().map(|entry| entry.json(current)).collect();
        out::json(&json!({ "schema": 1, "current": current, "generations": entries }));
    } else if entries.is_empty() {
        out::data(UNTOUCHED);
    } else {
        out::data(table(&entries, current));
    }
    Ok(Exit::Done)
}

fn entries(site: &Site, engine: &Engine<'_>) -> Result<Vec<Entry>, Failure> {
    let records = engine.records();
    let removed = records.removed()?;
    let under_way = if site.under_way()?.is_some() { engine.unfinished()? } else { None };
    let mut entries = Vec::new();
    for number in records.numbers()? {
        let (report, damaged) = match records.report(number) {
            // The others can be listed all the same; `verify-log` says what is wrong.
            Err(Error::Damaged { .. }) => (None, true),
            report => (report?, false),
        };
        let result = result(number, report.as_ref(), damaged, &removed, under_way);
        entries.push(Entry { number, report, result });
    }
    Ok(entries)
}

fn result(
    number: u64,
    report: Option<&Report>,
    damaged: bool,
    removed: &BTreeSet<u64>,
    under_way: Option<u64>,
) -> String {
    match report {
        _ if damaged => "damaged".to_owned(),
        _ if under_way == Some(number) => "under-way".to_owned(),
        _ if removed.contains(&number) => "removed".to_owned(),
        Some(report) => report.result.to_string(),
        None => "cut-off".to_owned(),
    }
}

impl Entry {
    /// The report as it is on record, with what became of the generation since.
    fn json(&self, current: Option<u64>) -> serde_json::Value {
        let mut entry = match &self.report {
            Some(report) => json!(report),
            None => json!({ "generation": self.number }),
        };
        entry["result"] = json!(self.result);
        entry["in_force"] = json!(current == Some(self.number));
        entry
    }
}

fn table(entries: &[Entry], current: Option<u64>) -> Table {
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
        "CORRECTIVE",
    ]);
    for Entry { number, report, result } in entries {
        let of = |field: fn(&Report) -> String| report.as_ref().map(field).unwrap_or_default();
        table.add_row([
            if Some(*number) == current { "*".to_owned() } else { String::new() },
            number.to_string(),
            of(|report| report.time.clone()),
            of(|report| report.who.clone()),
            of(|report| report.profile.clone()),
            of(|report| report.state_id.chars().take(12).collect()),
            result.clone(),
            of(|report| report.steps.to_string()),
            of(|report| report.corrective.to_string()),
        ]);
    }
    table
}
