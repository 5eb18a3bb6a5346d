//! Plans, steps and reports in words.

use provision_converge::{
    Desired, Difference, DirectoryState, Engine, FileState, Op, PackageState, Pending, Plan, Report,
    ResourceId, State, Step, UnitState, Why, risk,
};
use serde_json::json;

use crate::failure::Failure;
use crate::out::{BAD, CAREFUL, FAINT, GOOD, HEADING, paint};

/// A plan as people read it: one line a step, then what changes in files.
pub fn plan(engine: &Engine<'_>, desired: &Desired, plan: &Plan) -> Result<String, Failure> {
    let mut text = String::new();
    for step in &plan.steps {
        text.push_str(&format!("{} {}\n", sign(step), self::step(step)));
        text.extend(engine.difference(desired, step)?.iter().map(difference));
    }
    for (id, reason) in &plan.unknown {
        text.push_str(&format!("{} {id}: {reason}\n", paint(BAD, "?")));
    }
    text.push_str(&summary(plan));
    Ok(text)
}

/// What differs in the bytes of a file, indented.
pub fn difference(difference: &Difference) -> String {
    let instead = |words| format!("    {}\n", paint(FAINT, words));
    match difference {
        Difference::Text(diff) => coloured(diff),
        Difference::Secret => instead("(secret)"),
        Difference::Binary => instead("(not text)"),
        Difference::NotMadeYet => instead("(made during the apply)"),
        Difference::NotFetchedYet => instead("(fetched when the apply begins)"),
    }
}

/// How many steps of which kind.
pub fn summary(plan: &Plan) -> String {
    if plan.is_empty() {
        return paint(GOOD, "Nothing to do: the host is as declared.");
    }
    let count = |wanted: &[Why]| plan.steps.iter().filter(|step| wanted.contains(&step.why)).count();
    let mut parts = vec![steps(plan.steps.len())];
    for (name, whys) in [
        ("new", &[Why::New] as &[Why]),
        ("adopted", &[Why::Adopt]),
        ("changed", &[Why::Changed]),
        ("drifted", &[Why::Drift]),
        ("removed", &[Why::Removed]),
        ("not possible", &[]),
    ] {
        let number = if whys.is_empty() { plan.unknown.len() } else { count(whys) };
        if number > 0 {
            parts.push(format!("{number} {name}"));
        }
    }
    paint(HEADING, parts.join(" · "))
}

fn steps(number: usize) -> String {
    if number == 1 { "1 step".to_owned() } else { format!("{number} steps") }
}

/// One step in a line.
pub fn step(step: &Step) -> String {
    let what = match &step.op {
        Op::Put { id, from, to } => format!("{id} {}", change(from, to)),
        Op::Packages { install, remove } => {
            let names = |label: &str, names: Vec<&String>| match names.is_empty() {
                true => String::new(),
                false => format!("{label} {}", names.into_iter().cloned().collect::<Vec<_>>().join(" ")),
            };
            let parts =
                [names("install", install.keys().collect()), names("remove", remove.iter().collect())];
            format!(
                "packages: {}",
                parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(", ")
            )
        }
        Op::Unit { name, from, to } => format!("unit:{name} {}", change(from, to)),
        Op::Image { name, from, to } => format!("image:{name} {}", change(from, to)),
        Op::Set { name, from, to } => format!("setting:{name} {}", change(from, to)),
        Op::Content { name, .. } => format!("content:{name} mirror what is missing"),
        Op::Poke { poke } => poke.to_string(),
    };
    let note = paint(FAINT, format!("[{}, {}, undo {}]", step.section, step.why, step.undo));
    match risk(&step.op) {
        Some(risk) => format!("{what} {note} {}", paint(CAREFUL, format!("may cut off {risk}"))),
        None => format!("{what} {note}"),
    }
}

/// A change from one state to another.
pub fn change(from: &State, to: &State) -> String {
    match (from, to) {
        (_, State::Absent) => format!("{} → gone", state(from)),
        (State::Absent, to) => state(to),
        (from, to) if state(from) == state(to) => format!("{}, other content", state(to)),
        (from, to) => format!("{} → {}", state(from), state(to)),
    }
}

/// A state in a few words.
pub fn state(state: &State) -> String {
    let unit = |UnitState { enabled, active, masked }: &UnitState| {
        let mut words = Vec::new();
        words.extend(active.map(|yes| if yes { "running" } else { "stopped" }));
        words.extend(enabled.map(|yes| if yes { "enabled" } else { "disabled" }));
        words.extend(masked.filter(|yes| *yes).map(|_| "masked"));
        words.join(", ")
    };
    match state {
        State::Absent => "nothing".into(),
        State::File(FileState { mode, owner, group, .. }) => format!("file {mode:04o} {owner}:{group}"),
        State::Directory(DirectoryState { parent: true, .. }) => "directory".into(),
        State::Directory(DirectoryState { mode, owner, group, .. }) => {
            format!("directory {mode:04o} {owner}:{group}")
        }
        State::Symlink(link) => format!("link to {}", link.target),
        State::Part(part) if part.content.is_some() => "with our part".into(),
        State::Part(_) => "without our part".into(),
        State::Package(PackageState { version }) => version.clone().unwrap_or_else(|| "installed".into()),
        State::Unit(state) => unit(state),
        State::Image(image) => format!("image {}", image.id.get(..12).unwrap_or(&image.id)),
        State::Setting { value, .. } => format!("{value:?}"),
        State::Content(_) => "mirrored".into(),
        State::Foreign { what } => what.clone(),
        State::Unknown { reason } => format!("unreadable ({reason})"),
    }
}

fn sign(step: &Step) -> String {
    match step.why {
        Why::New => paint(GOOD, "+"),
        Why::Removed => paint(BAD, "-"),
        Why::Drift => paint(BAD, "!"),
        Why::Adopt | Why::Changed => paint(CAREFUL, "~"),
        Why::Follows => paint(FAINT, "·"),
    }
}

/// A diff, indented.
pub fn coloured(diff: &str) -> String {
    let line = |line: &str| {
        let style = match line.as_bytes().first() {
            _ if line.starts_with("---") || line.starts_with("+++") => FAINT,
            Some(b'+') => GOOD,
            Some(b'-') => BAD,
            _ => FAINT,
        };
        format!("    {}\n", paint(style, line))
    };
    diff.lines().map(line).collect()
}

/// A plan as data. Versioned; fields are added, never renamed.
pub fn plan_json(engine: &Engine<'_>, desired: &Desired, plan: &Plan) -> Result<serde_json::Value, Failure> {
    let mut steps = Vec::new();
    for step in &plan.steps {
        steps.push(json!({
            "ids": step.ids, "section": step.section, "phase": step.phase, "why": step.why,
            "undo": step.undo, "risk": risk(&step.op), "op": step.op, "difference": engine.difference(desired, step)?,
        }));
    }
    Ok(json!({
        "schema": 1, "state_id": plan.state_id, "empty": plan.is_empty(), "steps": steps, "unknown": plan.unknown,
    }))
}

/// A report in a line.
pub fn report(report: &Report) -> String {
    let corrective = match report.corrective {
        0 => String::new(),
        number => format!(", {number} corrective: {}", some(&report.corrected)),
    };
    format!(
        "generation {}: {} ({}{corrective}), state {}",
        report.generation,
        report.profile,
        steps(report.steps),
        report.state_id.get(..12).unwrap_or(&report.state_id),
    )
}

/// The first few of many names.
fn some(ids: &[ResourceId]) -> String {
    let mut names: Vec<String> = ids.iter().take(3).map(ToString::to_string).collect();
    if let more @ 1.. = ids.len().saturating_sub(names.len()) {
        names.push(format!("and {more} more"));
    }
    names.join(", ")
}

/// A number of bytes for people.
pub fn bytes(number: u64) -> String {
    indicatif::BinaryBytes(number).to_string()
}

/// A generation that waits to be confirmed, in a line.
pub fn waiting(pending: &Pending) -> String {
    let over = if pending.new_connection { " over a new SSH connection" } else { "" };
    match pending.seconds() {
        0 => format!("generation {} was not confirmed, and is taken back", pending.generation),
        seconds => format!(
            "generation {} waits to be confirmed, for {seconds} s yet: `provision confirm`{over}",
            pending.generation,
        ),
    }
}
