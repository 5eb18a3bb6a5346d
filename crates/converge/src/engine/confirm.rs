//! A generation that counts only once somebody confirms it. What becomes of it is one record in the journal, written under
//! the lock: whoever comes first decides, and all others find it decided.

use std::time::Duration;

use provision_host::{Connection, boot};
use serde::{Deserialize, Serialize};

use super::{Engine, Failure};
use crate::error::{Error, Result};
use crate::event::Listener;
use crate::generation::Report;
use crate::journal::Record;
use crate::plan::Plan;
use crate::risk::risk;

/// Whether an apply has to be confirmed, and by whom.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Confirm {
    /// How long there is time for it, once everything is done and proved.
    pub patience: Duration,
    /// Only when a step can cut off who makes the change: see [`risk`].
    pub only_if_risky: bool,
    /// The connection that the apply came over: one that was made since has to confirm it.
    pub connection: Option<Connection>,
}

impl Confirm {
    /// Whether a plan has to be confirmed. One that does nothing breaks nothing.
    pub(super) fn applies(&self, plan: &Plan) -> bool {
        plan.steps.iter().any(|step| !self.only_if_risky || risk(&step.op).is_some())
    }
}

/// What an apply that has to be confirmed noted when it began.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Terms {
    /// How long there is time, in seconds.
    seconds: u64,
    /// When it began, in milliseconds since boot.
    armed: u64,
    /// The connection that the apply came over.
    connection: Option<Connection>,
}

/// What became of a generation that waited.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Decision {
    /// Somebody confirmed it.
    Confirmed,
    /// Nobody did in time.
    TimedOut,
    /// The host was booted meanwhile.
    Booted,
    /// The apply was told to stop.
    Interrupted,
    /// It was confirmed, and was not healthy any more.
    Unhealthy,
}

/// A generation that waits to be confirmed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Pending {
    /// Which.
    pub generation: u64,
    /// How long it still waits; none: not any more, and whoever has the lock may take it back.
    #[serde(rename = "seconds", serialize_with = "begun")]
    pub left: Option<Duration>,
    /// Whether it takes a new SSH connection to confirm it.
    pub new_connection: bool,
}

impl Pending {
    /// How long it still waits, in seconds; 0 when the time is over.
    pub fn seconds(&self) -> u64 {
        self.left.map_or(0, seconds)
    }
}

/// Where an apply stands, as its journal tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// There is none.
    Nothing,
    /// Its steps are done or taken back, by a run that holds the lock or was cut off.
    UnderWay {
        /// The generation that it makes.
        generation: u64,
    },
    /// It waits to be confirmed.
    Waiting(Pending),
    /// Whether it counts is decided, and is being carried out.
    Decided {
        /// The generation it is about.
        generation: u64,
    },
}

/// What the records of a journal say of a confirmation.
#[derive(Default)]
struct Noted {
    generation: u64,
    terms: Option<Terms>,
    waiting: Option<(String, u64)>,
    decision: Option<Decision>,
}

impl Noted {
    fn of(records: Vec<Record>) -> Self {
        let mut noted = Self::default();
        for record in records {
            match record {
                Record::Begin { generation } => noted.generation = generation,
                Record::Armed { terms } => noted.terms = Some(terms),
                Record::Waiting { boot, until } => noted.waiting = Some((boot, until)),
                // The first one counts. There is no second one as long as everybody holds the lock.
                Record::Decided { decision } => noted.decision = noted.decision.or(Some(decision)),
                _ => {}
            }
        }
        noted
    }

    fn reason(&self, decision: Decision) -> String {
        let seconds = self.terms.as_ref().map_or(0, |terms| terms.seconds);
        match decision {
            Decision::TimedOut => format!("nobody confirmed it within {seconds} s"),
            Decision::Booted => "the host was booted before anybody confirmed it".to_owned(),
            Decision::Interrupted => "it was interrupted before anybody confirmed it".to_owned(),
            Decision::Unhealthy | Decision::Confirmed => {
                "it was not healthy any more when it was confirmed".to_owned()
            }
        }
    }
}

/// What has to be done with an apply that is not under way any more.
pub(super) enum Verdict {
    /// It was confirmed.
    Counts,
    /// It does not count.
    TakeBack(String),
}

impl Engine<'_> {
    /// Where the apply of this host stands; reads only.
    pub fn standing(&self) -> Result<Standing> {
        let Some(records) = self.journal.read()? else { return Ok(Standing::Nothing) };
        let noted = Noted::of(records);
        let generation = noted.generation;
        Ok(match (&noted.waiting, noted.decision) {
            (_, Some(_)) => Standing::Decided { generation },
            (Some((boot, until)), None) => Standing::Waiting(Pending {
                generation,
                left: left(boot, *until)?,
                new_connection: noted.terms.is_some_and(|terms| terms.connection.is_some()),
            }),
            (None, None) => Standing::UnderWay { generation },
        })
    }

    /// Notes what an apply that begins has to be confirmed by.
    pub(super) fn note_terms(&self, confirm: &Confirm) -> Result<()> {
        let terms = Terms {
            seconds: confirm.patience.as_secs(),
            armed: milliseconds(boot::elapsed()?),
            connection: confirm.connection.clone(),
        };
        self.journal.append(&Record::Armed { terms })
    }

    /// Everything is done and proved: from now on the time runs, on a clock that nobody can set.
    pub(super) fn ask(&self, generation: u64, confirm: &Confirm) -> Result<Pending> {
        let until = milliseconds(boot::elapsed()? + confirm.patience);
        self.journal.append(&Record::Waiting { boot: boot::id()?, until })?;
        let new_connection = confirm.connection.is_some();
        Ok(Pending { generation, left: Some(confirm.patience), new_connection })
    }

    /// What has to be done with an apply that was cut off or waits; decides what nobody has decided and is due. An error
    /// while it is not: [`Error::Waiting`].
    pub(super) fn verdict(&self, cut_off: &str) -> Result<Verdict> {
        let noted = Noted::of(self.journal.read()?.unwrap_or_default());
        let decision = match (&noted.waiting, noted.decision) {
            (None, None) => return Ok(Verdict::TakeBack(cut_off.to_owned())),
            (_, Some(Decision::Confirmed)) => return Ok(Verdict::Counts),
            (_, Some(decision)) => decision,
            (Some((boot, until)), None) => {
                if let Some(left) = left(boot, *until)? {
                    return Err(Error::Waiting { generation: noted.generation, seconds: seconds(left) });
                }
                let decision = if *boot == boot::id()? { Decision::TimedOut } else { Decision::Booted };
                self.decide(decision)?;
                decision
            }
        };
        Ok(Verdict::TakeBack(noted.reason(decision)))
    }

    fn decide(&self, decision: Decision) -> Result<()> {
        self.journal.mend()?;
        self.journal.append(&Record::Decided { decision })
    }

    /// Makes a generation that waits count, for somebody who came over `by`; the caller holds the lock.
    ///
    /// What was proved before it waited is proved once more. Nothing is decided when `by` proves nothing:
    /// [`Error::ProvesNothing`]. Who comes too late finds it taken back: [`Error::Unconfirmed`].
    pub fn confirm(
        &self,
        generation: u64,
        by: Option<&Connection>,
        listener: Listener<'_>,
    ) -> Result<Report, Failure> {
        let noted = Noted::of(self.journal.read()?.unwrap_or_default());
        let waits = match &noted.waiting {
            Some((boot, until)) if noted.generation == generation && noted.decision.is_none() => {
                left(boot, *until)?.is_some()
            }
            _ => false,
        };
        if !waits {
            self.recover(listener)?;
            return Ok(self.outcome(generation)?);
        }
        if let Some(reason) = noted.terms.as_ref().and_then(|terms| proves_nothing(terms, by)) {
            return Err(Error::ProvesNothing { reason }.into());
        }
        let desired = self.records.desired(generation)?;
        if let Err(cause) = self.prove(&desired, listener, &|| false) {
            self.decide(Decision::Unhealthy)?;
            return Err(self.take_back(generation, listener, cause));
        }
        self.decide(Decision::Confirmed)?;
        Ok(self.commit(generation, &desired, &self.records.plan(generation)?, listener)?)
    }

    /// Carries out what is decided about a generation, or was cut off; the caller holds the lock. What still waits goes on
    /// waiting, unless its apply was told to stop. Nothing when somebody else was quicker.
    pub fn settle(&self, generation: u64, stop: bool, listener: Listener<'_>) -> Result<()> {
        match self.standing()? {
            Standing::Waiting(pending) if pending.generation == generation => {
                if stop {
                    self.decide(Decision::Interrupted)?;
                } else if pending.left.is_some() {
                    return Ok(());
                }
            }
            Standing::UnderWay { generation: at } | Standing::Decided { generation: at }
                if at == generation => {}
            _ => return Ok(()),
        }
        self.recover(listener).map(drop)
    }

    /// How it ended with a generation that waited: its report, or why it was taken back.
    pub fn outcome(&self, generation: u64) -> Result<Report> {
        let report = self.records.report(generation)?;
        match report {
            Some(report) if self.records.current()? == Some(generation) => Ok(report),
            report => {
                let reason =
                    report.and_then(|report| report.reason).unwrap_or_else(|| "it was cut off".to_owned());
                Err(Error::Unconfirmed { generation, reason })
            }
        }
    }
}

/// Why a confirmation over `by` proves nothing; none when it does.
fn proves_nothing(terms: &Terms, by: Option<&Connection>) -> Option<&'static str> {
    match (&terms.connection, by) {
        (None, _) => None,
        (Some(_), None) => Some("it does not come over SSH, as the apply did"),
        (Some(theirs), Some(by)) if theirs.endpoints == by.endpoints => {
            Some("it comes over the very connection that the apply came over")
        }
        (Some(_), Some(by)) if by.since < terms.armed => {
            Some("it comes over a connection that was open before the apply began")
        }
        (Some(_), Some(_)) => None,
    }
}

/// How long it is until a moment of a boot; none when it is over, or when the host was booted since.
fn left(boot: &str, until: u64) -> Result<Option<Duration>> {
    if boot != boot::id()? {
        return Ok(None);
    }
    let left = until.saturating_sub(milliseconds(boot::elapsed()?));
    Ok((left > 0).then(|| Duration::from_millis(left)))
}

fn begun<S: serde::Serializer>(left: &Option<Duration>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u64(left.map_or(0, seconds))
}

/// A time in seconds, the one that is begun as well.
fn seconds(time: Duration) -> u64 {
    milliseconds(time).div_ceil(1000)
}

fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_connection_made_since_proves_anything() {
        let over = |endpoints: &str, since| Some(Connection { endpoints: endpoints.into(), since });
        let terms = |connection| Terms { seconds: 60, armed: 5000, connection };
        for (apply, by, fits) in [
            (None, None, true),
            (None, over("b", 0), true),
            (over("a", 10), over("b", 5000), true),
            (over("a", 10), over("b", 9000), true),
            (over("a", 10), over("b", 4990), false),
            (over("a", 10), over("a", 10), false),
            (over("a", 10), over("a", 9000), false),
            (over("a", 10), None, false),
        ] {
            assert_eq!(
                proves_nothing(&terms(apply.clone()), by.as_ref()).is_none(),
                fits,
                "{apply:?} {by:?}"
            );
        }
    }

    #[test]
    fn time_is_over_at_its_end_and_at_every_other_boot() {
        let (now, this) = (milliseconds(boot::elapsed().unwrap()), boot::id().unwrap());
        let soon = left(&this, now + 60_000).unwrap().unwrap();
        assert!(soon <= Duration::from_secs(60) && soon > Duration::from_secs(50), "{soon:?}");
        assert_eq!(left(&this, now).unwrap(), None);
        assert_eq!(left("another boot", now + 60_000).unwrap(), None);
    }
}
