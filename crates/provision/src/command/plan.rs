//! `provision plan`: what an apply would change.

use std::path::{Path, PathBuf};

use provision_converge::{Engine, Plan};
use provision_profile::Making;

use crate::cli::{Global, ProfileArgs};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::out;
use crate::saved::{SavedPlan, Text};
use crate::show;
use crate::site::{Intent, Site};
use crate::supply::absolute;

/// Shows the plan; changes nothing.
pub fn run(global: &Global, args: &ProfileArgs, output: Option<&Path>) -> Result<Exit, Failure> {
    let site = Site::open(global)?;
    site.need_records()?;
    let intent = site.resolve(args)?;
    let vault = site.vault();
    let engine = site.engine(&vault)?;
    let (desired, makings) = site.preview(&intent.resolution, &vault)?;
    let plan = engine.plan(&desired)?;
    let saved = match output {
        Some(path) => Some(save(&site, &engine, &intent, (&plan, &makings), path)?),
        None => None,
    };
    if global.json {
        let mut json = show::plan_json(&engine, &desired, &plan)?;
        json["made"] = serde_json::json!(makings);
        // What the plan was made from: with it the same plan can be made elsewhere.
        json["facts"] = serde_json::json!(intent.facts);
        if let Some((path, id)) = &saved {
            json["saved"] = serde_json::json!({ "file": path, "id": id });
        }
        out::json(&json);
    } else {
        for making in &makings {
            out::data(format!(
                "{} make {} {}",
                out::paint(out::GOOD, "*"),
                making.what,
                out::paint(out::FAINT, format!("[{}]", making.why))
            ));
        }
        out::data(show::plan(&engine, &desired, &plan)?);
        if let Some((path, _)) = &saved {
            out::data(format!("Saved: provision apply {} does exactly this, once.", path.display()));
        }
    }
    Ok(if plan.is_empty() { Exit::Done } else { Exit::Pending })
}

/// Saves the plan; its file and its id.
fn save(
    site: &Site,
    engine: &Engine<'_>,
    intent: &Intent,
    (plan, makings): (&Plan, &[Making]),
    path: &Path,
) -> Result<(PathBuf, String), Failure> {
    let path = absolute(path)?;
    let saved = SavedPlan::bind(
        (engine, &site.vault()),
        Text::of(intent),
        super::check::requirements(site, &intent.profile),
        &intent.resolution,
        (plan.clone(), makings.to_vec()),
    )?;
    saved.write(&path)?;
    Ok((path, saved.agreement.id))
}
