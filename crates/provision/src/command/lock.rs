//! `provision lock`: what a profile names loosely, made exact in a file beside it.

use clap::Args;
use provision_host::Facts;
use provision_profile::lock::{Change, Entry, Key, Pin, What};
use provision_profile::problem::nearest;
use provision_profile::{Lock, Profile};
use serde_json::json;

use crate::cli::{Global, ProfileArgs};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::inquiry::{Inquiry, archive};
use crate::lock_file::LockFile;
use crate::out::{self, BAD, CAREFUL, FAINT, GOOD, paint};
use crate::show;
use crate::site::Site;

/// What is locked.
#[derive(Debug, Args)]
pub struct LockArgs {
    /// The profile.
    #[command(flatten)]
    profile: ProfileArgs,
    /// Look this up again, by its name in the profile; all other entries stay
    #[arg(long, value_name = "NAME")]
    update: Vec<String>,
    /// Only say whether the lock fits the profile, and exit with 2 if it does not; nobody is asked
    #[arg(long, conflicts_with = "update")]
    check: bool,
}

/// A profile with its lock.
struct Case<'a> {
    site: &'a Site,
    profile: Profile,
    pins: Vec<Pin>,
    file: LockFile,
}

/// Looks up what is missing, and writes it beside the profile.
pub fn run(global: &Global, args: &LockArgs) -> Result<Exit, Failure> {
    let site = Site::open(global)?;
    let case = Case::of(&site, &args.profile)?;
    if args.check {
        return case.check(global);
    }
    case.refuse_unknown(&args.update)?;
    if case.file.found.is_none() && case.pins.is_empty() {
        case.report(global, &[], &Lock::default());
        return Ok(Exit::Done);
    }
    let (new, changes) = case.bring_up(&args.update)?;
    case.file.write(&new)?;
    case.report(global, &changes, &new);
    Ok(Exit::Done)
}

/// `--update-lock`: notes what is missing, before a command needs it.
pub fn complete(global: &Global, args: &ProfileArgs) -> Result<(), Failure> {
    let site = Site::open(global)?;
    let case = Case::of(&site, args)?;
    if case.file.found.is_none() && case.pins.is_empty() {
        return Ok(());
    }
    let (new, changes) = case.bring_up(&[])?;
    if case.file.write(&new)? {
        changes.iter().for_each(|change| out::note(words(change)));
        out::note(format!("wrote {}", case.file.path.display()));
    }
    Ok(())
}

impl<'a> Case<'a> {
    fn of(site: &'a Site, args: &ProfileArgs) -> Result<Self, Failure> {
        let file = LockFile::beside(site.supply(), args)?;
        let profile = site.load(args)?;
        let pins = profile.pins(&Facts::gather(&site.host)?);
        Ok(Self { site, profile, pins, file })
    }

    fn known(&self) -> Lock {
        self.file.lock().cloned().unwrap_or_default()
    }

    /// Names that are not in the profile are more likely typing errors than wishes.
    fn refuse_unknown(&self, names: &[String]) -> Result<(), Failure> {
        let known: Vec<&str> = self.pins.iter().map(|pin| pin.key.name.as_str()).collect();
        let Some(unknown) = names.iter().find(|name| !known.contains(&name.as_str())) else { return Ok(()) };
        let failure =
            Failure::new(Exit::Usage, format!("the profile names no {unknown} that could be locked"));
        Err(match (nearest(unknown, known.iter().copied()), known.is_empty()) {
            (Some(near), _) => failure.hint(format!("did you mean {near}?")),
            (None, false) => failure.hint(format!("what it names: {}", known.join(", "))),
            (None, true) => failure.hint("it names nothing that has to be locked"),
        })
    }

    /// The lock as it should be, and what that changes. Entries that are there stay, but for those named in `again`.
    fn bring_up(&self, again: &[String]) -> Result<(Lock, Vec<Change>), Failure> {
        let known = self.known();
        let mut new = known.clone();
        new.keep_only(&self.pins);
        let due = |pin: &&Pin| again.contains(&pin.key.name) || !fits(pin, new.entries.get(&pin.key));
        let due: Vec<&Pin> = self.pins.iter().filter(due).collect();
        if !due.is_empty() {
            let inquiry = Inquiry::of(self.site, &self.profile)?;
            for pin in due {
                out::note(paint(FAINT, format!("look up {}", pin.key)));
                new.entries.insert(pin.key.clone(), inquiry.ask(pin)?);
            }
        }
        let changes = known.changes(&new);
        Ok((new, changes))
    }

    /// What `lock` would do: look up what is missing or is there for something else, and drop what is no longer named.
    fn check(&self, global: &Global) -> Result<Exit, Failure> {
        let known = self.known();
        let mut kept = known.clone();
        kept.keep_only(&self.pins);
        let dropped: Vec<&Key> = known.entries.keys().filter(|key| !kept.entries.contains_key(key)).collect();
        let (mut missing, mut others) = (Vec::new(), Vec::new());
        for pin in &self.pins {
            match known.entries.get(&pin.key) {
                None => missing.push(pin),
                Some(entry) if !fits(pin, Some(entry)) || self.is_other_file(pin, entry) => others.push(pin),
                Some(_) => {}
            }
        }
        let stale = !(dropped.is_empty() && missing.is_empty() && others.is_empty());
        let keys = |pins: &[&Pin]| pins.iter().map(|pin| pin.key.clone()).collect::<Vec<_>>();
        if global.json {
            out::json(&json!({
                "schema": 1, "lock": self.file.path, "stale": stale, "missing": keys(&missing),
                "other": keys(&others), "no_longer_named": dropped,
            }));
            return Ok(if stale { Exit::Pending } else { Exit::Done });
        }
        for pin in &missing {
            out::data(format!("{} {} is not locked ({})", paint(BAD, "+"), pin.key, pin.origin));
        }
        for pin in &others {
            out::data(format!("{} {} is locked as another one ({})", paint(BAD, "~"), pin.key, pin.origin));
        }
        for key in dropped {
            out::data(format!("{} {key} is no longer named", paint(CAREFUL, "-")));
        }
        let name = self.file.name();
        match stale {
            true => out::data(format!("{name} does not fit the profile")),
            false if self.pins.is_empty() => out::data(NOTHING),
            false => out::data(paint(GOOD, format!("{name} fits the profile"))),
        }
        Ok(if stale { Exit::Pending } else { Exit::Done })
    }

    /// Whether an archive is not the file that was locked. One that is not here says nothing.
    fn is_other_file(&self, pin: &Pin, entry: &Entry) -> bool {
        match &pin.what {
            What::Archive(path) => archive(self.site.supply(), path).is_ok_and(|found| found != *entry),
            _ => false,
        }
    }

    fn report(&self, global: &Global, changes: &[Change], new: &Lock) {
        let changed = self.file.found.as_ref().is_none_or(|(text, _)| *text != new.text());
        let nothing = self.pins.is_empty() && new.entries.is_empty();
        if global.json {
            let changed = changed && !(nothing && self.file.found.is_none());
            out::json(&json!({
                "schema": 1, "lock": self.file.path, "changed": changed, "changes": changes,
            }));
            return;
        }
        changes.iter().for_each(|change| out::data(words(change)));
        let (name, entries) = (self.file.name(), new.entries.len());
        let entries = if entries == 1 { "1 entry".to_owned() } else { format!("{entries} entries") };
        match changed {
            _ if nothing && self.file.found.is_none() => out::data(NOTHING),
            true => out::data(paint(GOOD, format!("{name} is written ({entries})"))),
            false => out::data(paint(GOOD, format!("{name} is up to date ({entries})"))),
        }
    }
}

const NOTHING: &str = "The profile names nothing that can change by itself: it needs no lock.";

/// Whether an entry is for what is named, as far as that can be told without asking anybody.
fn fits(pin: &Pin, entry: Option<&Entry>) -> bool {
    let named = pin.digest();
    entry.is_some_and(|entry| named.is_none_or(|named| entry.digest() == Some(&named)))
}

/// A change in a line, and what is another value in a line each.
fn words(change: &Change) -> String {
    match (&change.from, &change.to) {
        (None, Some(entry)) => format!("{} {} {}", paint(GOOD, "+"), change.key, paint(FAINT, short(entry))),
        (Some(entry), None) => format!("{} {} {}", paint(BAD, "-"), change.key, paint(FAINT, short(entry))),
        (from, to) => {
            let values = |entry: &Option<Entry>| entry.as_ref().map(values).unwrap_or_default();
            let (from, to) = (values(from), values(to));
            let mut text = format!("{} {}", paint(CAREFUL, "~"), change.key);
            let mut labels: Vec<&String> = to.iter().chain(&from).map(|(label, _)| label).collect();
            let mut seen = std::collections::BTreeSet::new();
            labels.retain(|label| seen.insert(*label));
            for label in labels {
                let value = |values: &[(String, String)]| {
                    let found = values.iter().find(|(name, _)| name == label);
                    found.map_or("nothing".to_owned(), |(_, value)| value.clone())
                };
                let (from, to) = (value(&from), value(&to));
                if from != to {
                    text.push_str(&format!("\n    {label} {from} → {to}"));
                }
            }
            text
        }
    }
}

/// An entry in a few words.
fn short(entry: &Entry) -> String {
    match entry {
        Entry::Archive { digest } => digest.to_string(),
        Entry::File { digest, size } => format!("{digest}, {size} bytes"),
        Entry::Package { version } => version.clone(),
        Entry::Image { digest, platforms } => {
            let platforms: Vec<&str> = platforms.keys().map(String::as_str).collect();
            format!("{digest} ({})", platforms.join(", "))
        }
        Entry::Release(release) => {
            let (components, size) = (release.components.len(), show::bytes(release.size));
            format!(
                "{}, {} {}, {components} components, {size}",
                release.digest, release.version, release.architecture
            )
        }
    }
}

/// Every value of an entry with its label.
fn values(entry: &Entry) -> Vec<(String, String)> {
    let label = |label: &str, value: String| (label.to_owned(), value);
    let mut values: Vec<_> =
        entry.digest().map(|digest| label("digest", digest.to_string())).into_iter().collect();
    match entry {
        Entry::Archive { .. } => {}
        Entry::File { size, .. } => values.push(label("size", size.to_string())),
        Entry::Package { version } => values.push(label("version", version.clone())),
        Entry::Image { platforms, .. } => {
            values.extend(platforms.iter().map(|(name, platform)| label(name, platform.digest.to_string())));
        }
        Entry::Release(release) => {
            values.push(label("version", release.version.clone()));
            values.push(label("architecture", release.architecture.clone()));
            values.push(label("size", release.size.to_string()));
            let components = release.components.iter();
            values.extend(components.map(|(name, component)| label(name, component.image.clone())));
        }
    }
    values
}
