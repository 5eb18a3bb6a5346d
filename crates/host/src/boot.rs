//! This boot of the machine: its id, and how long ago it began. Neither moves when somebody sets the clock.

use std::path::Path;
use std::time::Duration;

use crate::root::Root;
use crate::{Error, Result};

const ID: &str = "/proc/sys/kernel/random/boot_id";
const UPTIME: &str = "/proc/uptime";

/// What the kernel calls this boot: another one at every boot, the same in containers of one machine.
pub fn id() -> Result<String> {
    let text = Root::live()?.read_text(Path::new(ID))?.unwrap_or_default();
    let id = text.trim();
    if id.is_empty() { Err(Error::unexpected(ID, "the id of this boot", &text)) } else { Ok(id.to_owned()) }
}

/// The time since this boot began, sleep included (proc_uptime(5), CLOCK_BOOTTIME); in hundredths of a second.
pub fn elapsed() -> Result<Duration> {
    let text = Root::live()?.read_text(Path::new(UPTIME))?.unwrap_or_default();
    parse(&text).ok_or_else(|| Error::unexpected(UPTIME, "seconds since boot", &text))
}

fn parse(text: &str) -> Option<Duration> {
    let seconds = text.split_whitespace().next()?.parse().ok()?;
    Duration::try_from_secs_f64(seconds).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recorded_uptime() {
        for (text, expected) in [
            ("12345.67 54321.00\n", Some(12_345_670)),
            ("0.00 0.00\n", Some(0)),
            ("-1.00 0.00\n", None),
            ("nan\n", None),
            ("", None),
        ] {
            assert_eq!(parse(text).map(|time| time.as_millis()), expected, "{text:?}");
        }
    }

    #[test]
    fn this_boot_has_an_id_and_goes_on() {
        assert_eq!(id().unwrap(), id().unwrap());
        assert!(elapsed().unwrap() <= elapsed().unwrap());
    }
}
