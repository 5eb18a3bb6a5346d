//! The generations' part of the proof: each report, the files it speaks of, and the chain they make.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::Value;

use super::{Fault, Prover};
use crate::desired::Desired;
use crate::generation::{FILES, Link, Outcome, Report, encode, hash};
use crate::needs::Needs;

impl Prover<'_> {
    /// All generations and the chain; gives what it takes to go back to those that are kept.
    pub(super) fn generations(&mut self) -> Needs {
        let (list, place) = (self.records.removed_path(), self.records.generations_path());
        let removed = self.records.removed();
        self.proof.removed = self.read(&list, removed).unwrap_or_default();
        self.as_written(&list);
        let numbers = self.records.numbers();
        let numbers = self.read(&place, numbers).unwrap_or_default();
        for number in &numbers {
            self.report(*number);
        }
        let mut needs = Needs::default();
        for number in &numbers {
            self.generation(*number, &mut needs);
        }
        let there: BTreeSet<u64> = numbers.iter().copied().collect();
        let last = there.last().copied().unwrap_or_default();
        for number in (1..last).filter(|number| !there.contains(number)) {
            if !self.proof.removed.contains(&number) {
                self.flaw(Fault::Missing, &self.records.place(number), "there is a later one");
            }
        }
        self.chain();
        needs
    }

    /// Reads a report, and proves that it is the one that was written.
    fn report(&mut self, number: u64) {
        let path = self.records.report_path(number);
        let (report, value) = (self.records.report(number), self.records.read::<Value>(&path));
        let Some(read) = self.read(&path, report.and_then(|report| Ok(report.zip(value?)))) else { return };
        let Some((report, value)) = read else {
            // A run that is under way has none yet. What was removed without one had none.
            if !self.is_cut_off() && !self.proof.removed.contains(&number) {
                let problem = "a version of provision that reported no run that was cut off, or it is lost";
                self.flaw(Fault::NotLinked, &path, problem);
            }
            return;
        };
        let hash = hash(&value);
        match &report.link {
            None => self.flaw(Fault::NotLinked, &path, "made before generations were linked"),
            Some(link) if link.hash != hash => {
                self.flaw(Fault::Damaged, &path, format!("it is not {}", link.hash));
            }
            Some(_) => self.as_written(&path),
        }
        if report.generation != number {
            self.flaw(
                Fault::DoesNotFit,
                &path,
                format!("it is the report of generation {}", report.generation),
            );
        }
        self.reports.insert(number, (report, hash));
    }

    /// Whether a file is spaced as it was written: a hash over data does not see that.
    fn as_written(&mut self, path: &Path) {
        let (value, bytes) = (self.records.read::<Value>(path), self.records.bytes(path));
        let again = value.and_then(|value| value.map(|value| encode(path, &value)).transpose());
        // What cannot be read is told where it is read first.
        if let (Ok(again), Ok(bytes)) = (again, bytes)
            && again != bytes
        {
            self.flaw(Fault::Damaged, path, "it is not spaced as provision writes it");
        }
    }

    /// The files of a generation, and its parent.
    fn generation(&mut self, number: u64, needs: &mut Needs) {
        let report = self.reports.get(&number).map(|(report, _)| report.clone());
        if let Some(Report { parent, link: Some(link), .. }) = &report {
            self.parent(number, *parent, link);
        }
        if self.proof.removed.contains(&number) {
            return;
        }
        self.proof.kept.push(number);
        let place = self.records.place(number);
        if let Some(Report { link: Some(link), .. }) = &report {
            self.files(&place, link);
        }
        let path = place.join("desired.json");
        match self.records.read::<Desired>(&path) {
            Ok(Some(desired)) => needs.generation(self.vault, number, &desired),
            // Its link tells of a file that is missing or damaged; without a link, somebody has to.
            Ok(None) if report.as_ref().is_some_and(|report| report.link.is_none()) => {
                self.flaw(Fault::Missing, &path, "what the generation declared is not known");
            }
            Err(error) if report.as_ref().is_none_or(|report| report.link.is_none()) => {
                self.read::<()>(&path, Err(error));
            }
            _ => {}
        }
    }

    fn files(&mut self, place: &Path, link: &Link) {
        for name in FILES {
            let path = place.join(name);
            let is = self.records.fingerprint(&path);
            let Some(is) = self.read(&path, is) else { continue };
            match (is, link.files.get(name)) {
                (Some(is), Some(was)) if is != *was => {
                    self.flaw(Fault::Damaged, &path, format!("its bytes are not {was}"));
                }
                (None, Some(was)) => self.flaw(Fault::Missing, &path, format!("it was {was}")),
                (Some(_), None) => self.flaw(Fault::DoesNotFit, &path, "the report knows of no such file"),
                _ => {}
            }
        }
    }

    /// Whether the parent is the one that a generation followed.
    fn parent(&mut self, number: u64, parent: Option<u64>, link: &Link) {
        let path = self.records.report_path(number);
        let Some(parent) = parent else { return };
        match (self.reports.get(&parent), &link.parent) {
            _ if parent >= number => {
                self.flaw(Fault::DoesNotFit, &path, format!("it follows generation {parent}"));
            }
            (None, _) => {
                let missing = self.records.report_path(parent);
                // One that is there and could not be read is told already.
                if self.records.has_report(parent).is_ok_and(|there| !there) {
                    self.flaw(Fault::Missing, &missing, format!("generation {number} follows it"));
                }
            }
            (Some((_, is)), Some(was)) if is != was => {
                let problem =
                    format!("it follows generation {parent} with the report {was}, and that is {is}");
                self.flaw(Fault::DoesNotFit, &path, problem);
            }
            (Some(_), None) => {
                let problem = format!("it is not linked to generation {parent}, whose report was damaged");
                self.flaw(Fault::DoesNotFit, &path, problem);
            }
            _ => {}
        }
    }

    /// From the generation in force back to the first.
    fn chain(&mut self) {
        let (path, current) = (self.records.current_path(), self.records.current());
        let Some(current) = self.read(&path, current) else { return };
        self.proof.current = current;
        self.proof.head = current.and_then(|number| self.reports.get(&number)).map(|(_, hash)| hash.clone());
        let mut next = current;
        while let Some(number) = next {
            match self.reports.get(&number) {
                Some((report, _)) if report.result == Outcome::Committed => {
                    self.proof.chain.push(number);
                    // A parent that is not earlier is told above.
                    next = report.parent.filter(|parent| *parent < number);
                }
                Some(_) => {
                    let problem = format!("generation {number} was never in force, and is followed");
                    return self.flaw(Fault::DoesNotFit, &path, problem);
                }
                None => return self.unknown(current, number),
            }
        }
        let stray = |(number, (report, _)): (&u64, &(Report, String))| {
            (report.result == Outcome::Committed && !self.proof.chain.contains(number)).then_some(*number)
        };
        // A run that was killed just before its commit has a report already.
        let reports = self.reports.iter().filter(|_| !self.is_cut_off());
        for number in reports.filter_map(stray).collect::<Vec<_>>() {
            let problem = format!("generation {number} was in force, and is not on the way back from here");
            self.flaw(Fault::DoesNotFit, &path, problem);
        }
    }

    /// The chain ends in a generation without a readable report.
    fn unknown(&mut self, current: Option<u64>, number: u64) {
        let path = self.records.report_path(number);
        if current == Some(number) && self.records.has_report(number).is_ok_and(|there| !there) {
            self.flaw(Fault::Missing, &path, "generation in force");
        }
    }
}
