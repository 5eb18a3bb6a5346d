//! `provision recover`: what every command that changes the host does first, and nothing else.

use provision_converge::Recovered;
use serde_json::json;

use super::apply::Teller;
use crate::cli::{EventFormat, Global};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::out::{self, GOOD, paint};
use crate::site::Site;

/// Finishes or takes back what a run left half-done that was cut off.
pub fn run(
    global: &Global,
    events: Option<EventFormat>,
    at_boot: bool,
    when_due: bool,
) -> Result<Exit, Failure> {
    let mut site = Site::open(global)?;
    site.need_root()?;
    if at_boot {
        site.host = site.host.while_booting();
    }
    if when_due {
        let vault = site.vault();
        super::confirm::watch(&site, &site.engine(&vault)?, &Teller::new(events))?;
        return Ok(Exit::Done);
    }
    let recovered = if site.is_untouched()? {
        // Not even a lock file is left on a host that was never changed.
        None
    } else {
        let _lock = site.lock()?;
        let vault = site.vault();
        let teller = Teller::new(events);
        site.engine(&vault)?.recover(&|event| teller.tell(event)).map_err(half_done)?
    };
    if global.json {
        out::json(&json!({ "schema": 1, "recovered": recovered }));
    } else {
        out::data(paint(GOOD, words(recovered)));
    }
    Ok(Exit::Done)
}

fn words(recovered: Option<Recovered>) -> String {
    match recovered {
        None => "Nothing to recover: no run was cut off.".to_owned(),
        Some(Recovered::Finished { generation }) => {
            format!("generation {generation} was in force already: what its run left to tidy up is done")
        }
        Some(Recovered::TakenBack { generation: Some(generation) }) => {
            format!("generation {generation} was cut off and is taken back: the host is as it was before it")
        }
        Some(Recovered::TakenBack { generation: None }) => {
            "a run was cut off before it changed anything: what it left behind is removed".to_owned()
        }
    }
}

/// What could not be taken back stays half-done, whatever stood in the way.
pub fn half_done(error: provision_converge::Error) -> Failure {
    let mut failure = Failure::from(error);
    if failure.exit == Exit::Failed {
        failure.exit = Exit::HalfDone;
    }
    failure
}
