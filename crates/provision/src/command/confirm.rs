//! `provision confirm`: a generation that waits counts from now on. And the waiting for it, on the side of the apply.

use std::time::Duration;

use provision_converge::{Confirm, Engine, Event, Pending, Report, Standing};
use provision_host::{Connection, Lock, connection};

use super::apply::Teller;
use super::recover::half_done;
use crate::cli::{ConfirmArgs, Global};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::out::{self, GOOD, paint};
use crate::show;
use crate::signal;
use crate::site::Site;

/// How long whoever decides at the same moment may hold the lock: to prove it once more, and to take it back.
const DECIDING: Duration = Duration::from_secs(300);
/// How often it is looked whether somebody decided.
const LOOK: Duration = Duration::from_millis(200);
/// How often what a timer runs looks: it may be there for as long as an apply takes.
const WATCH: Duration = Duration::from_secs(1);
/// How often people are told how long it still waits.
const TELL: Duration = Duration::from_secs(10);

/// How long there is time for it when nothing else is said.
const PATIENCE: Duration = Duration::from_secs(120);

/// Whether a change that comes over this connection has to be confirmed.
pub fn terms(asked: &ConfirmArgs, connection: Option<Connection>) -> Option<Confirm> {
    match asked.confirm {
        Some(patience) => Some(Confirm { patience, only_if_risky: false, connection }),
        // At a console nobody cuts off the way that they came.
        None if asked.no_confirm || connection.is_none() => None,
        None => Some(Confirm { patience: PATIENCE, only_if_risky: true, connection }),
    }
}

/// Confirms the generation that waits.
pub fn run(global: &Global) -> Result<Exit, Failure> {
    let site = Site::open(global)?;
    site.need_root()?;
    let vault = site.vault();
    let engine = site.engine(&vault)?;
    let nothing = |what: &str| Failure::new(Exit::Failed, format!("there is nothing to confirm: {what}"));
    let pending = match engine.standing()? {
        Standing::Waiting(pending) => pending,
        Standing::Nothing => return Err(last(&engine, nothing("no generation waits for it"))?),
        Standing::Decided { .. } => {
            return Err(nothing("it is decided already whether the last generation counts"));
        }
        Standing::UnderWay { .. } => {
            return Err(match site.under_way()? {
                Some(run) => {
                    Failure::new(Exit::Locked, format!("there is nothing to confirm yet: {run} is under way"))
                        .hint("it says so when it waits to be confirmed")
                }
                None => nothing("the last run was cut off").hint("provision recover takes it back"),
            });
        }
    };
    let by = connection::current()?;
    let _lock = site.lock_within(DECIDING)?;
    let teller = Teller::new(None);
    let report = engine.confirm(pending.generation, by.as_ref(), &|event| teller.tell(event))?;
    if global.json {
        out::json(&serde_json::json!({ "schema": 1, "confirmed": report }));
    } else {
        out::data(paint(GOOD, format!("confirmed: {}", show::report(&report))));
    }
    Ok(Exit::Done)
}

/// Adds what became of the last generation, which may be why nothing waits any more.
fn last(engine: &Engine<'_>, failure: Failure) -> Result<Failure, Failure> {
    let records = engine.records();
    let Some(number) = records.numbers()?.last().copied() else { return Ok(failure) };
    Ok(match engine.outcome(number) {
        Ok(_) => failure.cause(&format!("generation {number} is in force")),
        Err(error) => failure.cause(&error),
    })
}

/// Waits until somebody decided about a generation, or the time is over. Nothing is locked meanwhile: whoever decides
/// needs the lock, and this process may be stopped or killed without standing in the way.
pub fn wait(
    site: &Site,
    engine: &Engine<'_>,
    pending: Pending,
    teller: &Teller,
    lock: Lock,
) -> Result<Report, Failure> {
    drop(lock);
    let generation = pending.generation;
    let mut told: Option<Duration> = None;
    loop {
        match engine.standing()? {
            Standing::Waiting(pending @ Pending { left: Some(left), .. })
                if pending.generation == generation && !signal::interrupted() =>
            {
                if told.is_none_or(|told| told.saturating_sub(left) >= TELL) {
                    teller.tell(&Event::Waiting { pending: &pending });
                    told = Some(left);
                }
                std::thread::sleep(left.min(LOOK));
            }
            // The time is over; or who decided is at it, unless it was killed: then it is for us to carry out.
            Standing::Waiting(Pending { generation: at, .. }) | Standing::Decided { generation: at }
                if at == generation =>
            {
                settle(site, engine, generation, signal::interrupted(), teller)?;
            }
            _ => break,
        }
    }
    Ok(engine.outcome(generation)?)
}

/// Takes back what is due, once it is: what a timer runs that outlives the apply. Ends when there is nothing more to do.
pub fn watch(site: &Site, engine: &Engine<'_>, teller: &Teller) -> Result<(), Failure> {
    loop {
        match engine.standing()? {
            Standing::Nothing => return Ok(()),
            Standing::Waiting(Pending { left: Some(left), .. }) => std::thread::sleep(left.min(WATCH)),
            // The lock is held as long as the apply lives and works, for hours when it mirrors.
            Standing::UnderWay { generation } => {
                std::thread::sleep(WATCH);
                settle(site, engine, generation, false, teller)?;
            }
            Standing::Waiting(Pending { generation, .. }) | Standing::Decided { generation } => {
                settle(site, engine, generation, false, teller)?;
            }
        }
    }
}

/// Carries out what is due about a generation, unless whoever holds the lock is about to.
fn settle(
    site: &Site,
    engine: &Engine<'_>,
    generation: u64,
    stop: bool,
    teller: &Teller,
) -> Result<(), Failure> {
    match site.lock_within(LOOK) {
        Ok(_lock) => engine.settle(generation, stop, &|event| teller.tell(event)).map_err(half_done),
        Err(busy) if busy.exit == Exit::Locked => Ok(()),
        Err(error) => Err(error),
    }
}
