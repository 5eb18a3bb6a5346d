//! `provision plan`: what an apply would change.

use std::path::Path;

use super::not_built::Missing;
use crate::cli::{Global, ProfileArgs};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::out;
use crate::show;
use crate::site::Site;

/// Shows the plan; changes nothing.
pub fn run(global: &Global, args: &ProfileArgs, output: Option<&Path>) -> Result<Exit, Failure> {
    if output.is_some() {
        return Err(Missing::SavedPlan.into());
    }
    let site = Site::open(global)?;
    site.need_records()?;
    let intent = site.resolve(args)?;
    let vault = site.vault();
    let engine = site.engine(&vault)?;
    let (desired, makings) = site.preview(&intent, &vault)?;
    let plan = engine.plan(&desired)?;
    if global.json {
        let mut json = show::plan_json(&engine, &desired, &plan)?;
        json["made"] = serde_json::json!(makings);
        // What the plan was made from: with it the same plan can be made elsewhere.
        json["facts"] = serde_json::json!(intent.facts);
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
    }
    Ok(if plan.is_empty() { Exit::Done } else { Exit::Pending })
}
