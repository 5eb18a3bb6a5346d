//! The clock: not before what has certainly happened, and kept right by something.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use provision_host::{Error, Family, clock};

use crate::scene::Scene;
use crate::verdict::Verdict;

/// 2026-01-01: the year in which this was written has begun.
const WRITTEN: Duration = Duration::from_secs(1_767_225_600);

pub(crate) fn probe(scene: &Scene<'_>, after: Option<SystemTime>) -> Result<Verdict, Error> {
    Ok(judge(scene.family(), scene.now, after, clock::synchronised(scene.host)?))
}

fn judge(family: Family, now: SystemTime, after: Option<SystemTime>, synchronised: Option<bool>) -> Verdict {
    let floor = after.unwrap_or(UNIX_EPOCH).max(UNIX_EPOCH + WRITTEN);
    let expected = format!("later than {}, and kept right by NTP", shown(floor));
    if now < floor {
        return Verdict::fail(shown(now), expected).remedy(
            "sudo date --utc --set='YYYY-MM-DD hh:mm:ss'   # the time in UTC from a clock you trust",
        );
    }
    match synchronised {
        Some(true) => Verdict::pass(format!("{}, synchronised", shown(now)), expected),
        Some(false) => {
            Verdict::warn(format!("{}, not synchronised", shown(now)), expected).remedy(match family {
                Family::Debian => {
                    "sudo apt-get install --yes systemd-timesyncd && sudo timedatectl set-ntp true \
                 # in an air gap: name your time server in /etc/systemd/timesyncd.conf"
                }
                Family::RedHat => {
                    "sudo dnf install --assumeyes chrony && sudo systemctl enable --now chronyd \
                 # in an air gap: name your time server in /etc/chrony.conf"
                }
            })
        }
        // Half of what is expected could not be found out, and that is no pass.
        None => Verdict::warn(format!("{}; who keeps it right is not known", shown(now)), expected)
            .remedy("timedatectl status   # on a host with systemd it tells; in a container, ask the host"),
    }
}

fn shown(time: SystemTime) -> String {
    match jiff::Timestamp::try_from(time) {
        Ok(time) => time.strftime("%Y-%m-%d %H:%M UTC").to_string(),
        Err(_) => "a time that has no date".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finding::Status::{Fail, Pass, Warn};

    #[test]
    fn times() {
        let day = |days: i64| {
            let offset = Duration::from_secs(days.unsigned_abs() * 86_400);
            let written = UNIX_EPOCH + WRITTEN;
            if days < 0 { written - offset } else { written + offset }
        };
        for (now, after, synchronised, status, found) in [
            (100, None, Some(true), Pass, "2026-04-11 00:00 UTC, synchronised"),
            (100, Some(99), None, Warn, "2026-04-11 00:00 UTC; who keeps it right is not known"),
            (100, None, Some(false), Warn, "2026-04-11 00:00 UTC, not synchronised"),
            (100, Some(101), Some(true), Fail, "2026-04-11 00:00 UTC"),
            (-1, None, Some(true), Fail, "2025-12-31 00:00 UTC"),
        ] {
            let verdict = judge(Family::RedHat, day(now), after.map(day), synchronised);
            assert_eq!((verdict.status, verdict.found.as_str()), (status, found));
            assert_eq!(verdict.remedy.is_some(), status != Pass);
        }
    }
}
