//! A user's services without a login.

use provision_host::{Error, linger};

use crate::scene::Scene;
use crate::verdict::Verdict;

pub(crate) fn probe(scene: &Scene<'_>, user: &str) -> Result<Verdict, Error> {
    Ok(judge(user, linger::is_enabled(scene.host, user)?))
}

fn judge(user: &str, enabled: bool) -> Verdict {
    let expected = format!("{user} lingers");
    match enabled {
        true => Verdict::pass("enabled", expected),
        false => Verdict::fail("not enabled", expected).remedy(format!("sudo loginctl enable-linger {user}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finding::Status::{Fail, Pass};

    #[test]
    fn lingering() {
        assert_eq!(judge("ada", true).status, Pass);
        let verdict = judge("ada", false);
        assert_eq!(
            (verdict.status, verdict.remedy.as_deref()),
            (Fail, Some("sudo loginctl enable-linger ada"))
        );
    }
}
