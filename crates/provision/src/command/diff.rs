//! `provision diff`: what differs between two generations, or to what was there before provision.

use provision_converge::{Contrast, Kind, Side, State, Vault};
use serde_json::json;

use crate::certificates::{self, Expiry};
use crate::cli::Global;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::out::{self, BAD, CAREFUL, FAINT, GOOD, paint};
use crate::show;
use crate::site::Site;

/// What is compared.
#[derive(Debug, clap::Args)]
pub struct DiffArgs {
    /// The number of a generation, or `baseline`: what was there before provision
    from: Side,
    /// The same; the generation in force when it is left out
    to: Option<Side>,
}

/// A difference, with the certificates on both sides.
struct Shown {
    contrast: Contrast,
    from: Vec<Expiry>,
    to: Vec<Expiry>,
}

/// Compares two sides; that they differ is no failure.
pub fn run(global: &Global, args: &DiffArgs) -> Result<Exit, Failure> {
    let site = Site::open(global)?;
    site.need_records()?;
    let vault = site.vault();
    let engine = site.engine(&vault)?;
    let to = match (args.to, engine.records().current()?) {
        (Some(to), _) => to,
        (None, Some(current)) => Side::Generation(current),
        (None, None) => {
            return Err(Failure::new(Exit::Usage, "there is no generation to compare with")
                .hint("provision apply PROFILE makes the first one"));
        }
    };
    let mut all = Vec::new();
    for contrast in engine.compare(args.from, to)? {
        let of = |state: Option<&State>| expiries(&vault, state);
        let (from, to) = (of(contrast.from.as_ref())?, of(contrast.to.as_ref())?);
        all.push(Shown { contrast, from, to });
    }
    if global.json {
        let changes: Vec<_> = all.iter().map(Shown::json).collect();
        let (from, to) = (args.from.to_string(), to.to_string());
        out::json(&json!({ "schema": 1, "from": from, "to": to, "differences": changes }));
        return Ok(Exit::Done);
    }
    for shown in &all {
        out::data(shown.words(args.from, to).trim_end());
    }
    out::data(match all.len() {
        0 => paint(GOOD, format!("No difference between {} and {to}.", args.from)),
        1 => format!("1 difference between {} and {to}", args.from),
        number => format!("{number} differences between {} and {to}", args.from),
    });
    Ok(Exit::Done)
}

/// The certificates that a file holds, if it is no secret.
fn expiries(vault: &Vault<'_>, state: Option<&State>) -> Result<Vec<Expiry>, Failure> {
    let content = match state {
        Some(state @ (State::File(_) | State::Part(_))) => state.content(),
        _ => None,
    };
    match content.filter(|content| !content.secret && content.fingerprint.is_some()) {
        Some(content) => Ok(certificates::expiries(&vault.find(content)?, provision_host::now())),
        None => Ok(Vec::new()),
    }
}

impl Shown {
    fn json(&self) -> serde_json::Value {
        let mut json = json!(self.contrast);
        json["certificates"] = json!({ "from": self.from, "to": self.to });
        json
    }

    /// A line, and below it what differs in the bytes.
    fn words(&self, from: Side, to: Side) -> String {
        let Contrast { id, section, .. } = &self.contrast;
        let section = if section.is_empty() { String::new() } else { paint(FAINT, format!(" [{section}]")) };
        let mut text = format!("{} {id} {}{section}\n", self.sign(), self.change(from, to));
        let certificates = [(&self.from, BAD, '-'), (&self.to, GOOD, '+')];
        for (expiries, style, sign) in certificates {
            for expiry in expiries {
                text.push_str(&format!("    {}\n", paint(style, format!("{sign} {expiry}"))));
            }
        }
        // Base64 tells people nothing.
        let plain = self.from.is_empty() && self.to.is_empty();
        match self.contrast.difference.as_ref().filter(|_| plain) {
            Some(difference) => text + &show::difference(difference),
            None => text,
        }
    }

    fn sign(&self) -> String {
        match (&self.contrast.from, &self.contrast.to) {
            (None | Some(State::Absent), _) => paint(GOOD, "+"),
            (_, None | Some(State::Absent)) => paint(BAD, "-"),
            _ => paint(CAREFUL, "~"),
        }
    }

    fn change(&self, from: Side, to: Side) -> String {
        let silent = |side: Side| match side {
            Side::Generation(_) => "not declared",
            Side::Baseline => "not recorded",
        };
        match (&self.contrast.from, &self.contrast.to) {
            (None, Some(state)) if from != Side::Baseline => show::state(state),
            (None, Some(state)) => format!("{} → {}", silent(from), show::state(state)),
            (Some(state), None) => format!("{} → {}", show::state(state), silent(to)),
            (Some(one), Some(other)) if show::state(one) != show::state(other) => show::change(one, other),
            (Some(one), Some(_)) => {
                let bytes = self.contrast.difference.is_some() || self.contrast.id.kind() == Kind::Image;
                format!("{}, other {}", show::state(one), if bytes { "content" } else { "attributes" })
            }
            (None, None) => String::new(),
        }
    }
}
