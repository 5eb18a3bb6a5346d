//! `provision apply`: preflight, plan, change, prove, commit.

use std::cell::OnceCell;

use provision_converge::{Agreement, Applied, Desired, Engine, Event, Request};
use provision_host::{Facts, Host, Lock, connection, names};
use provision_preflight::Requirement;
use provision_profile::{Profile, Resolution};

use super::mirror::progress::Progress;
use crate::cli::{ConfirmArgs, EventFormat, Global, ProfileArgs};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::out::{self, BAD, CAREFUL, FAINT, GOOD, HEADING, paint};
use crate::saved::{SavedPlan, Text};
use crate::show;
use crate::signal;
use crate::site::{Intent, Site};
use crate::stream::{self, Told};

/// Applies a profile, or a plan that was saved.
pub fn run(
    global: &Global,
    args: &ProfileArgs,
    confirm: &ConfirmArgs,
    events: Option<EventFormat>,
) -> Result<Exit, Failure> {
    let site = Site::open(global)?;
    let order = Order::read(&site, args)?;
    site.need_root()?;
    let vault = site.vault();
    let engine = site.engine(&vault)?;
    let teller = Teller::new(events);
    let recover = || engine.recover(&|event| teller.tell(event));
    // What a run that was cut off left behind is not what preflight shall judge.
    let early = if engine.is_cut_off()? { Some(site.lock()?) } else { None };
    if early.is_some() {
        recover()?;
    }
    // Otherwise a host that is refused stays untouched: not even the file of the lock is written.
    if let Some(saved) = &order.saved {
        saved.holds(&site, &engine)?;
    }
    if super::check::refused(global, &site, (&order.facts, order.requirements), events)? {
        return Ok(Exit::Refused);
    }
    let lock = early.map_or_else(|| site.lock(), Ok)?;
    recover()?;
    if let Some(profile) = &order.source {
        site.fetch(profile, &order.resolution, &vault, &|address, bytes| match events {
            Some(EventFormat::Ndjson) => {
                stream::tell(&Told::Fetched { address, bytes });
            }
            None => out::note(format!("{} {address} ({bytes} bytes)", paint(HEADING, "fetch"))),
        })?;
    }
    let desired = site.make(&order.resolution, &vault)?;
    let agreed = order.saved.as_ref().map(|saved| &saved.agreement);
    let Text { name, text, lock: locked } = &order.profile;
    let change =
        Change { name, profile: text, lock: locked.as_deref(), desired: &desired, agreed, confirm, events };
    change.carry_out(global, &site, &engine, lock)
}

/// What shall be applied, from wherever it comes.
struct Order {
    profile: Text,
    facts: Facts,
    requirements: Vec<Requirement>,
    resolution: Resolution,
    saved: Option<SavedPlan>,
    /// The profile, when it is read now: what it has elsewhere is fetched. A saved plan carries it.
    source: Option<Profile>,
}

impl Order {
    fn read(site: &Site, args: &ProfileArgs) -> Result<Self, Failure> {
        let Some(saved) = SavedPlan::read(site, &site.supply.absolute(&args.profile)?)? else {
            let intent = site.resolve(args)?;
            let requirements = super::check::requirements(site, &intent.profile);
            let profile = Text::of(&intent);
            let Intent { profile: source, facts, resolution, .. } = intent;
            return Ok(Self { profile, facts, requirements, resolution, saved: None, source: Some(source) });
        };
        if !args.settings.is_empty() {
            let what = "--set means nothing to a saved plan: its variables have their values already";
            return Err(Failure::new(Exit::Usage, what).hint("give it to provision plan -o FILE PROFILE"));
        }
        Ok(Self {
            profile: saved.profile.clone(),
            facts: Facts::gather(&site.host)?,
            requirements: saved.requirements.clone(),
            resolution: saved.resolution(),
            saved: Some(saved),
            source: None,
        })
    }
}

/// A change of the host that a command was asked for.
pub struct Change<'a> {
    /// What the generation is called.
    pub name: &'a str,
    /// The profile's text.
    pub profile: &'a str,
    /// The text of its lock, if there is one.
    pub lock: Option<&'a str>,
    /// The state wanted.
    pub desired: &'a Desired,
    /// The saved plan that this is, if it is one.
    pub agreed: Option<&'a Agreement>,
    /// Whether it has to be confirmed.
    pub confirm: &'a ConfirmArgs,
    /// How events are shown.
    pub events: Option<EventFormat>,
}

impl Change<'_> {
    /// Applies, shows what happens, and says how it ended.
    pub fn carry_out(
        &self,
        global: &Global,
        site: &Site,
        engine: &Engine<'_>,
        lock: Lock,
    ) -> Result<Exit, Failure> {
        let teller = Teller::new(self.events);
        let confirm = super::confirm::terms(self.confirm, connection::current()?);
        let applied = match engine.apply(&Request {
            desired: self.desired,
            name: self.name,
            profile: self.profile,
            lock: self.lock,
            agreed: self.agreed,
            who: &who(),
            confirm: confirm.as_ref(),
            interrupted: &signal::interrupted,
            listener: &|event| teller.tell(event),
        })? {
            Applied::Waiting(pending) => {
                Applied::Committed(Box::new(super::confirm::wait(site, engine, pending, &teller, lock)?))
            }
            applied => applied,
        };
        match &applied {
            Applied::Nothing if global.json => {
                out::json(&serde_json::json!({ "schema": 1, "changed": false }));
            }
            Applied::Committed(report) if global.json => {
                out::json(&serde_json::json!({ "schema": 1, "changed": report.steps > 0, "report": report }));
            }
            Applied::Nothing | Applied::Waiting(_) => {
                out::data(paint(GOOD, "Nothing to do: the host is as declared (0 changes)."))
            }
            Applied::Committed(report) => out::data(paint(GOOD, show::report(report))),
        }
        Ok(Exit::Done)
    }
}

/// Who asked: the user behind sudo, if there is one. A number when this machine has no name for it.
fn who() -> String {
    let name = || names::current_user(&Host::live().ok()?).ok()?.map(|user| user.name);
    provision_host::var("SUDO_USER")
        .or_else(name)
        .unwrap_or_else(|| provision_host::effective_uid().to_string())
}

/// Shows events on standard error.
pub struct Teller {
    events: Option<EventFormat>,
    /// How far the mirroring is, from its first event on.
    progress: OnceCell<Progress>,
}

impl Teller {
    /// Tells people, or programs.
    pub fn new(events: Option<EventFormat>) -> Self {
        Self { events, progress: OnceCell::new() }
    }

    /// Tells of one event.
    pub fn tell(&self, event: &Event<'_>) {
        match (self.events, event) {
            (Some(EventFormat::Ndjson), event) => stream::tell(event),
            (None, Event::Mirroring { progress, .. }) => {
                self.progress.get_or_init(|| Progress::new(false)).tell(progress);
            }
            (None, event) => {
                if let Some(progress) = self.progress.get() {
                    progress.end();
                }
                words(event).into_iter().for_each(out::note);
            }
        }
    }
}

/// What people are told; of what is quick, nothing.
fn words(event: &Event<'_>) -> Option<String> {
    Some(match event {
        Event::Recovering { generation, reason } => {
            format!(
                "{} generation {generation} does not count ({reason}): taking it back first",
                paint(BAD, "recover")
            )
        }
        Event::Waiting { pending } => format!("{} {}", paint(CAREFUL, "confirm"), show::waiting(pending)),
        Event::Started { number, total, step } => {
            format!("{} {}", paint(FAINT, format!("[{number}/{total}]")), show::step(step))
        }
        Event::Done { nothing: true, .. } => paint(FAINT, "      was so already"),
        Event::Done { milliseconds, .. } if *milliseconds >= 1000 => {
            paint(FAINT, format!("      {}.{} s", milliseconds / 1000, milliseconds % 1000 / 100))
        }
        Event::Planned { .. } | Event::Done { .. } | Event::Mirroring { .. } | Event::Undone { .. } => {
            return None;
        }
        Event::Proving { health } => format!("{} {health}", paint(HEADING, "prove")),
        Event::RollingBack { reason } => {
            format!("{} {reason}; taking back what was done", paint(BAD, "failed:"))
        }
        Event::Committed { generation } => format!("{} generation {generation}", paint(HEADING, "commit")),
    })
}
