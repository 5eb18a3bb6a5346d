//! `provision gc`: removes generations that are no longer needed, and the bytes that only they needed.

use std::time::Duration;

use provision_converge::{Collected, Keep};
use provision_host::now;

use super::apply::Teller;
use super::generations::UNTOUCHED;
use crate::cli::Global;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::out::{self, GOOD, paint};
use crate::show;
use crate::site::Site;

/// So many generations are kept when nothing is said of it.
const NEWEST: usize = 10;
/// For so long: 30 days.
const AGE: Duration = Duration::from_secs(30 * 86_400);

/// Which generations are kept.
#[derive(Debug, clap::Args)]
pub struct GcArgs {
    /// Keep the N newest generations that were in force
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    keep: Option<u32>,
    /// Keep generations that are not older than this, such as 30d, 12h or 8w
    #[arg(long, value_name = "AGE", value_parser = age)]
    keep_since: Option<Duration>,
    /// Say what would go, and remove nothing
    #[arg(long)]
    dry_run: bool,
}

impl GcArgs {
    fn rules(&self) -> Keep {
        let since = |age: Duration| now().checked_sub(age);
        match (self.keep, self.keep_since) {
            (None, None) => Keep { newest: Some(NEWEST), since: since(AGE) },
            (keep, age) => Keep {
                newest: keep.map(|keep| usize::try_from(keep).unwrap_or(usize::MAX)),
                // Before the beginning of time nothing was applied: all are younger.
                since: age.map(|age| since(age).unwrap_or(std::time::UNIX_EPOCH)),
            },
        }
    }
}

/// A length of time as it is typed.
fn age(text: &str) -> Result<Duration, String> {
    let expected =
        |problem: String| format!("{problem}; expected a number with its unit, such as 30d, 12h or 8w");
    let span: jiff::Span = text.parse().map_err(|error: jiff::Error| expected(error.to_string()))?;
    let length = span.to_duration(jiff::SpanRelativeTo::days_are_24_hours());
    let length = length.map_err(|error| expected(error.to_string()))?;
    Duration::try_from(length).map_err(|_| expected("it is before now".to_owned()))
}

/// Removes what no rule keeps and nothing needs.
pub fn run(global: &Global, args: &GcArgs) -> Result<Exit, Failure> {
    let site = Site::open(global)?;
    if args.dry_run {
        site.need_records()?;
    } else {
        site.need_root()?;
    }
    if site.is_untouched()? {
        // Not even a lock file is left on a host that was never changed.
        return Ok(tell(global, args, &Collected::default(), Some(UNTOUCHED)));
    }
    let vault = site.vault();
    let engine = site.engine(&vault)?;
    let _lock = if args.dry_run { None } else { Some(site.lock()?) };
    if !args.dry_run {
        let teller = Teller::new(None);
        engine.recover(&|event| teller.tell(event))?;
    }
    let collected = engine.collect(&args.rules(), args.dry_run)?;
    Ok(tell(global, args, &collected, None))
}

fn tell(global: &Global, args: &GcArgs, collected: &Collected, instead: Option<&str>) -> Exit {
    if global.json {
        out::json(&serde_json::json!({ "schema": 1, "dry_run": args.dry_run, "collected": collected }));
    } else if let Some(words) = instead {
        out::data(format!("Nothing to remove: {words}"));
    } else {
        out::data(paint(GOOD, summary(collected, args.dry_run)));
    }
    Exit::Done
}

fn summary(collected: &Collected, dry_run: bool) -> String {
    let generations =
        |number| if number == 1 { "1 generation".to_owned() } else { format!("{number} generations") };
    let (kept, bytes) = (generations(collected.kept.len()), show::bytes(collected.bytes));
    if collected.files == 0 {
        return format!("Nothing to remove: {kept} kept.");
    }
    let gone = generations(collected.removed.len());
    let files = if collected.files == 1 { "1 file".to_owned() } else { format!("{} files", collected.files) };
    match dry_run {
        true => format!("Would remove {gone} and free {bytes} in {files}; {kept} kept."),
        false => format!("Removed {gone} and freed {bytes} in {files}; {kept} kept."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_have_units() {
        for (text, days) in [("30d", 30), ("8w", 56), ("48h", 2), ("1 week 1 day", 8)] {
            assert_eq!(age(text), Ok(Duration::from_secs(days * 86_400)), "{text}");
        }
        for text in ["", "30", "d", "-3d", "1 month", "x"] {
            assert!(age(text).unwrap_err().contains("such as 30d"), "{text}");
        }
    }
}
