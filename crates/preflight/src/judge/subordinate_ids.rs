//! Ranges of ids for a user's containers.

use provision_host::subordinate::{self, Range};
use provision_host::{Error, names};

use crate::scene::Scene;
use crate::verdict::Verdict;

/// Where distributions begin to hand out ranges.
const FIRST: u64 = 100_000;

pub(crate) fn probe(scene: &Scene<'_>, user: &str, count: u64) -> Result<Verdict, Error> {
    let uid = names::passwd(scene.host, user)?.map(|user| user.uid.to_string());
    let (users, groups) = (subordinate::users(scene.host)?, subordinate::groups(scene.host)?);
    Ok(judge(user, uid.as_deref(), count, &users, &groups))
}

fn judge(user: &str, uid: Option<&str>, count: u64, users: &[Range], groups: &[Range]) -> Verdict {
    let expected = format!("{count} user ids and {count} group ids for {user}");
    let held = |ranges: &[Range]| -> u64 {
        let theirs = ranges.iter().filter(|range| range.owner == user || Some(range.owner.as_str()) == uid);
        theirs.map(|range| range.count).fold(0, u64::saturating_add)
    };
    let (uids, gids) = (held(users), held(groups));
    let found = format!("{uids} user ids, {gids} group ids");
    if uids >= count && gids >= count {
        return Verdict::pass(found, expected);
    }
    let ends = users.iter().chain(groups).map(|range| range.start.saturating_add(range.count));
    let start = ends.max().unwrap_or(FIRST).max(FIRST);
    let range = format!("{start}-{}", start.saturating_add(count).saturating_sub(1));
    Verdict::fail(found, expected).remedy(format!(
        "sudo usermod --add-subuids {range} --add-subgids {range} {user} && podman system migrate"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finding::Status::{Fail, Pass};

    #[test]
    fn ranges() {
        let range = |owner: &str, start, count| Range { owner: owner.into(), start, count };
        let ours = [range("ada", 100_000, 65_536)];
        assert_eq!(judge("ada", None, 65_536, &ours, &ours).status, Pass);
        let by_number = [range("1000", 100_000, 65_536)];
        assert_eq!(judge("ada", Some("1000"), 65_536, &by_number, &ours).status, Pass);
        assert_eq!(judge("ada", Some("1000"), 65_536, &ours, &[]).status, Fail);
        let remedy = judge("bob", None, 65_536, &ours, &[]).remedy.unwrap();
        assert!(remedy.contains("--add-subuids 165536-231071 --add-subgids 165536-231071 bob"), "{remedy}");
        assert!(judge("bob", None, 1, &[], &[]).remedy.unwrap().contains("100000-100000"));
    }
}
