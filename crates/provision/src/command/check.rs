//! `provision check`: may this profile be applied here?

use provision_converge::{Records, STATE_DIRECTORY};
use provision_host::Facts;
use provision_preflight::{Finding, Report, Requirement, Severity, Status};
use provision_profile::{Error as ProfileError, Problems, Profile};
use serde_json::{Value as Json, json};

use crate::certificates;
use crate::cli::{EventFormat, Global, ProfileArgs};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::findings;
use crate::lock_file::LockFile;
use crate::out::{self, FAINT, HEADING, paint};
use crate::site::{Site, own_binary};
use crate::stream::{self, Told};

/// Shows every finding, with its remedy.
pub fn run(global: &Global, args: &ProfileArgs) -> Result<Exit, Failure> {
    let site = Site::open(global)?;
    let profile = site.load(args)?;
    let facts = Facts::gather(&site.host)?;
    let mut report = examine(&site, &facts, requirements(&site, &profile));
    let file = LockFile::beside(site.supply(), args)?;
    match site.resolution(&profile, &facts, &own_binary()?, file.lock()) {
        Ok(_) => {}
        Err(error @ ProfileError::NotBuilt { .. }) => return Err(error.into()),
        // One finding among others, so that they all come in one run.
        Err(error) => report.findings.push(unresolved(args, &error)),
    }
    if global.json {
        out::json(&as_json(&report));
    } else {
        let on = paint(FAINT, format!("on {}", facts.os.pretty_name));
        out::data(format!("{} {on}\n", paint(HEADING, &profile.name)));
        out::data(findings::table(&report, true));
        out::data(findings::summary(&report));
    }
    Ok(if report.refuses() { Exit::Refused } else { Exit::Done })
}

/// Whether a finding stands that forbids an apply; only what did not pass is shown.
pub fn refused(
    global: &Global,
    site: &Site,
    (facts, requirements): (&Facts, Vec<Requirement>),
    events: Option<EventFormat>,
) -> Result<bool, Failure> {
    let report = examine(site, facts, requirements);
    let refuses = report.refuses();
    if global.json && refuses {
        out::json(&as_json(&report));
    }
    let quiet = report.findings.iter().all(|finding| finding.status == Status::Pass);
    match events {
        Some(EventFormat::Ndjson) => {
            stream::tell(&Told::Preflight { refused: refuses, findings: &report.findings });
        }
        None if report.findings.is_empty() => {}
        None if quiet => out::note(findings::summary(&report)),
        None => out::note(format!("{}\n{}", findings::table(&report, false), findings::summary(&report))),
    }
    Ok(refuses)
}

/// What a profile requires of this host.
pub fn requirements(site: &Site, profile: &Profile) -> Vec<Requirement> {
    let records = Records::new(&site.host.root, STATE_DIRECTORY);
    // Records that may not be read were written by an apply. This decides about the weight of a finding only.
    let applied = records.current().map_or(true, |current| current.is_some());
    profile.requirements(applied)
}

fn examine(site: &Site, facts: &Facts, mut requirements: Vec<Requirement>) -> Report {
    let newest = newest_certificate(site);
    for requirement in &mut requirements {
        if let Requirement::Clock { after } = requirement {
            *after = newest;
        }
    }
    provision_preflight::run(&site.host, facts, &requirements)
}

/// When the newest of our certificates became valid: a clock before that is wrong. Only root may look; without an
/// answer there is one bound less.
fn newest_certificate(site: &Site) -> Option<std::time::SystemTime> {
    let kept = certificates::kept(&site.vault(), provision_host::now()).ok()?;
    kept.iter().map(|one| one.not_before).max()
}

/// A profile that is right by itself, and still means nothing here: a file it names is missing, say.
fn unresolved(args: &ProfileArgs, error: &ProfileError) -> Finding {
    let titles = |problems: &Problems| {
        problems
            .iter()
            .map(|one| format!("{} ({})", one.title(), one.origin()))
            .collect::<Vec<_>>()
            .join("; ")
    };
    let (mut found, remedy) = match error {
        ProfileError::Unlocked(problems) => {
            (titles(problems), Some(format!("provision lock {}", args.profile.display())))
        }
        error => (error.to_string(), None),
    };
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        found.push_str(&format!(": {cause}"));
        source = cause.source();
    }
    Finding {
        id: "profile".to_owned(),
        severity: Severity::Error,
        status: Status::Fail,
        found,
        expected: "a profile that can be resolved on this host".to_owned(),
        why: "without it there is no plan to apply".to_owned(),
        remedy,
    }
}

fn as_json(report: &Report) -> Json {
    json!({ "schema": report.schema, "findings": report.findings })
}
