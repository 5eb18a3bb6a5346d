//! `provision verify-log`: proves that nothing on record was changed or lost.

use provision_converge::{Fault, Proof};
use serde_json::json;

use super::generations::UNTOUCHED;
use crate::cli::Global;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::out::{self, BAD, CAREFUL, FAINT, GOOD, paint};
use crate::show;
use crate::site::Site;

/// Proves the chain and everything it needs, or names all that is wrong with them.
pub fn run(global: &Global) -> Result<Exit, Failure> {
    let site = Site::open(global)?;
    site.need_records()?;
    let vault = site.vault();
    let proof = site.engine(&vault)?.prove_records();
    let whole = proof.is_whole();
    if global.json {
        out::json(&json!({ "schema": 1, "proved": whole, "proof": proof }));
    } else {
        for flaw in &proof.flaws {
            let (word, path) = (word(flaw.fault), flaw.path.display());
            out::data(format!("{word} {path}: {}", flaw.problem));
        }
        if whole && proof.chain.is_empty() {
            out::data(UNTOUCHED);
        } else if whole {
            out::data(paint(GOOD, summary(&proof)));
        }
        if let Some(head) = &proof.head {
            out::data(paint(FAINT, format!("head {head}")));
        }
    }
    if whole {
        return Ok(Exit::Done);
    }
    complain(&proof);
    Ok(Exit::Failed)
}

fn word(fault: Fault) -> String {
    match fault {
        Fault::Damaged => paint(BAD, "damaged"),
        Fault::Missing => paint(BAD, "missing"),
        Fault::DoesNotFit => paint(BAD, "does not fit"),
        Fault::Unreadable => paint(BAD, "unreadable"),
        Fault::NotLinked => paint(CAREFUL, "not linked"),
        Fault::CutOff => paint(CAREFUL, "cut off"),
    }
}

fn summary(proof: &Proof) -> String {
    let removed = match proof.removed.len() {
        0 => String::new(),
        number => format!(" ({number} removed, by their reports)"),
    };
    let chain = match proof.chain.as_slice() {
        [only] => format!("generation {only}"),
        [last, .., first] => format!("{} generations from {last} back to {first}", proof.chain.len()),
        [] => "no generation".to_owned(),
    };
    format!("Proved: {chain}{removed}, the baseline, {} pieces ({}).", proof.pieces, show::bytes(proof.bytes))
}

fn complain(proof: &Proof) {
    let lost = |fault: &Fault| !matches!(fault, Fault::NotLinked | Fault::CutOff);
    let (number, bad) = (proof.flaws.len(), proof.flaws.iter().any(|flaw| lost(&flaw.fault)));
    let things = if number == 1 { "1 thing is".to_owned() } else { format!("{number} things are") };
    out::note(format!("{} {things} not proved", paint(BAD, "error:")));
    if bad {
        out::note(
            "hint: put /var/lib/provision back as it was, from a backup of this host; \
             what is damaged now cannot be taken back or gone back to",
        );
    } else if proof.flaws.iter().any(|flaw| flaw.fault == Fault::CutOff) {
        out::note(
            "hint: run it again when no other run is under way; `provision recover` takes back one that was cut off",
        );
    } else {
        out::note("hint: generations of older versions stay unlinked; those made from now on are proved");
    }
}
