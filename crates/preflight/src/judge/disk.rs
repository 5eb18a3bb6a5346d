//! Room on a file system.

use std::path::Path;

use provision_host::Space;

use crate::size::shown;
use crate::verdict::Verdict;

pub(crate) fn judge(path: &Path, needed: u64, filled_by_us: bool, space: &Space) -> Verdict {
    let (path, mount) = (path.display(), space.mount_point.display());
    let found = format!("{} of {} free on {mount}", shown(space.free), shown(space.total));
    let expected = format!("{} free for {path}", shown(needed));
    let remedy = format!(
        "sudo du -xh --max-depth=2 {mount} | sort -h | tail -n 15   # or mount a larger disk at {path}"
    );
    if space.free >= needed {
        Verdict::pass(found, expected)
    } else if filled_by_us {
        Verdict::warn(format!("{found}; what was mirrored here already counts as used"), expected)
            .remedy(remedy)
    } else {
        Verdict::fail(found, expected).remedy(remedy)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finding::Status::{Fail, Pass, Warn};

    #[test]
    fn room() {
        let space = Space { total: 40 << 30, free: 12 << 30, mount_point: "/var".into() };
        for (needed, filled, status) in [(12, false, Pass), (13, false, Fail), (13, true, Warn)] {
            let verdict = judge(Path::new("/var/lib"), needed << 30, filled, &space);
            assert_eq!(verdict.status, status);
            assert!(verdict.found.starts_with("12 GiB of 40 GiB free on /var"), "{}", verdict.found);
        }
    }
}
