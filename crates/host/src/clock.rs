//! Whether something keeps the clock right, from timedatectl(1).

use crate::Result;
use crate::host::Host;

/// Whether the clock is synchronised; `None` when nobody can say (no systemd, a container).
pub fn synchronised(host: &Host) -> Result<Option<bool>> {
    if !host.has_program("timedatectl") {
        return Ok(None);
    }
    let output = host.program("timedatectl").args(["show", "--property=NTPSynchronized"]).output()?;
    Ok(if output.success() { parse(&output.stdout) } else { None })
}

fn parse(text: &str) -> Option<bool> {
    match text.lines().find_map(|line| line.strip_prefix("NTPSynchronized="))?.trim() {
        "yes" => Some(true),
        "no" => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn recorded_timedatectl() {
        for (text, expected) in [
            ("NTPSynchronized=yes\n", Some(true)),
            ("Timezone=UTC\nNTPSynchronized=no\n", Some(false)),
            ("NTPSynchronized=\n", None),
            ("", None),
        ] {
            assert_eq!(parse(text), expected, "{text}");
        }
    }
}
