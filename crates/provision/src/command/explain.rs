//! `provision explain`: why a resource is as it is, from the line of the profile to the next step.

use provision_converge::{Desired, Difference, ResourceId, State, Step, Why};
use provision_profile::explain::{Said, said};
use provision_profile::problem::nearest;
use serde_json::{Value as Json, json};

use crate::cli::{Global, ProfileArgs};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::out::{self, FAINT, HEADING, paint};
use crate::show;
use crate::site::{Intent, Site};

/// A value is shown up to here.
const WIDEST: usize = 72;

/// Explains one resource, or lists all.
pub fn run(global: &Global, args: &ProfileArgs, id: Option<&str>) -> Result<Exit, Failure> {
    let site = Site::open(global)?;
    site.need_records()?;
    let intent = site.resolve(args)?;
    let Some(text) = id else {
        list(global, &intent);
        return Ok(Exit::Done);
    };
    let vault = site.vault();
    let engine = site.engine(&vault)?;
    let (desired, _) = site.preview(&intent.resolution, &vault)?;
    let recorded = engine.recorded()?;
    let id = find(text, &desired, &recorded)?;
    let plan = engine.plan(&desired)?;
    let of_it = |step: &&Step| step.ids.contains(&id);
    let (follows, steps): (Vec<&Step>, Vec<&Step>) =
        plan.steps.iter().filter(of_it).partition(|step| step.why == Why::Follows);
    let wanted = desired.resources.get(&id);
    let resource = wanted.or(recorded.resources.get(&id));
    let now = engine.state(&desired, &id)?.unwrap_or(State::Absent);
    let step = steps.first().copied();
    let facts = Facts {
        section: resource.map(|resource| resource.section.clone()).unwrap_or_default(),
        said: said(&intent.profile, &intent.resolution, &id),
        wanted: wanted.map(|resource| resource.state.clone()),
        stuck: plan.unknown.get(&id).cloned(),
        difference: step.map(|step| engine.difference(&desired, step)).transpose()?.flatten(),
        before: engine.records().baseline()?.states.remove(&id),
        follows: follows.iter().map(|step| show::step(step)).collect(),
        id,
        now,
        step: step.cloned(),
    };
    if global.json {
        out::json(&facts.json());
    } else {
        out::data(facts.text().trim_end());
    }
    Ok(Exit::Done)
}

/// All that there is to say about a resource.
struct Facts {
    id: ResourceId,
    section: String,
    said: Vec<Said>,
    wanted: Option<State>,
    now: State,
    /// Why nothing can be planned for it.
    stuck: Option<String>,
    step: Option<Step>,
    difference: Option<Difference>,
    /// What was there before provision.
    before: Option<State>,
    follows: Vec<String>,
}

impl Facts {
    fn json(&self) -> Json {
        let change = self.step.as_ref().map(|step| {
            json!({ "why": step.why, "undo": step.undo, "op": step.op, "difference": self.difference })
        });
        json!({
            "schema": 1, "id": self.id, "section": self.section, "set_by": self.said, "wanted": self.wanted,
            "now": self.now, "stuck": self.stuck, "change": change, "before": self.before,
        })
    }

    fn text(&self) -> String {
        let mut text =
            format!("{} {}\n", paint(HEADING, &self.id), paint(FAINT, format!("[{}]", self.section)));
        let mut row = |label: &str, words: String| text.push_str(&format!("{label:<8} {words}\n"));
        for (place, said) in self.said.iter().enumerate() {
            row(if place == 0 { "set by" } else { "" }, set_by(said));
        }
        row("wanted", self.wanted.as_ref().map_or("no longer declared".to_owned(), in_full));
        row("now", in_full(&self.now));
        if let Some(before) = &self.before {
            row("before", format!("{} (comes back when it is no longer declared)", in_full(before)));
        }
        match (&self.stuck, &self.step) {
            (Some(reason), _) => row("change", format!("not possible: {reason}")),
            (None, None) => row("change", "none: it is as wanted".to_owned()),
            (None, Some(step)) => {
                row("change", format!("{}: {}", step.why, because(step.why)));
                row("undo", step.undo.to_string());
            }
        }
        for follows in &self.follows {
            row("then", follows.clone());
        }
        match &self.difference {
            Some(Difference::Text(diff)) => text.push_str(&show::coloured(diff)),
            Some(Difference::Secret) => text.push_str("         (the bytes are secret)\n"),
            Some(Difference::Binary) => text.push_str("         (the bytes are no text)\n"),
            Some(Difference::NotMadeYet) => text.push_str("         (the bytes are made during the apply)\n"),
            Some(Difference::NotFetchedYet) => text.push_str("         (the bytes are fetched first)\n"),
            None => {}
        }
        text
    }
}

fn set_by(said: &Said) -> String {
    let mut text = format!("{}  {} = {}", said.value.origin, said.value.key, short(&said.value.value));
    for over in &said.over {
        text.push_str(&format!("\n{:11}instead of {}  {}", "", over.origin, short(&over.value)));
    }
    for variable in &said.variables {
        text.push_str(&format!("\n{:11}from {}", "", set_by(variable).replace('\n', "\n  ")));
    }
    text
}

fn short(value: &str) -> String {
    match value.char_indices().nth(WIDEST) {
        Some((end, _)) => format!("{}…", &value[..end]),
        None => value.to_owned(),
    }
}

/// A state with what it says of its bytes; a secret's are never shown, and have no name that would tell them.
fn in_full(state: &State) -> String {
    let words = show::state(state);
    let Some(content) = state.content() else { return words };
    let made = content.generated.as_ref().map(|name| format!("{name}, made on the host"));
    let bytes = match (&content.fingerprint, content.secret) {
        (_, true) => "secret".to_owned(),
        (None, false) => "not made yet".to_owned(),
        (Some(fingerprint), false) => fingerprint.get(..19).unwrap_or(fingerprint).to_owned(),
    };
    let all: Vec<String> = made.into_iter().chain([bytes]).collect();
    format!("{words} ({})", all.join(", "))
}

fn because(why: Why) -> &'static str {
    match why {
        Why::New => "nothing is there",
        Why::Adopt => "something is there that is not ours; it is kept, and comes back",
        Why::Changed => "the profile says something else than what was applied last",
        Why::Drift => "the host changed without us; what is there goes to lost+found",
        Why::Removed => "the profile does not declare it any more; what was there before us comes back",
        Why::Follows => "something else changes",
    }
}

/// The resource that was meant, among those that are declared or recorded.
fn find(text: &str, desired: &Desired, recorded: &Desired) -> Result<ResourceId, Failure> {
    let known: Vec<&ResourceId> = desired.resources.keys().chain(recorded.resources.keys()).collect();
    if let Some(id) = known.iter().find(|id| id.to_string() == text) {
        return Ok((*id).clone());
    }
    let what = Failure::new(Exit::Usage, format!("the profile has no resource {text:?}"));
    let names: Vec<String> = known.iter().map(ToString::to_string).collect();
    let bare = known.iter().find(|id| id.name() == text || id.path().to_str() == Some(text));
    let meant =
        bare.map(ToString::to_string).or(nearest(text, names.iter().map(String::as_str)).map(str::to_owned));
    Err(match meant {
        Some(id) => what.hint(format!("did you mean {id}?")),
        None => what.hint("without an id, provision explain PROFILE lists all of them"),
    })
}

/// All resources with the lines that they come from.
fn list(global: &Global, intent: &Intent) {
    let resources = &intent.resolution.desired.resources;
    let place = |id: &ResourceId| intent.resolution.origins.get(id);
    if global.json {
        let each = resources.iter().map(|(id, resource)| {
            let (file, line) = place(id).map(|at| (at.source().path(), at.line())).unzip();
            json!({ "id": id, "section": resource.section, "file": file, "line": line })
        });
        return out::json(&json!({ "schema": 1, "resources": each.collect::<Vec<_>>() }));
    }
    for (id, resource) in resources {
        let at = place(id).map(ToString::to_string).unwrap_or_default();
        out::data(format!("{id} {}", paint(FAINT, format!("[{}, {at}]", resource.section))));
    }
}
