//! Root without a password, for the user who asks.

use provision_host::{Error, Family};

use crate::scene::Scene;
use crate::verdict::Verdict;

/// What `sudo -n true` says.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Sudo {
    NotInstalled,
    Works,
    Refuses(String),
}

pub(crate) fn probe(scene: &Scene<'_>) -> Result<Verdict, Error> {
    if scene.uid == 0 {
        // Who is behind it is worth knowing, and no more: root is root without a name service.
        let user = scene.user().map_or_else(|_| "root".to_owned(), |user| user.name);
        return Ok(judge(scene.family(), &user, true, &Sudo::Works));
    }
    let user = scene.user()?.name;
    let sudo = if scene.host.has_program("sudo") {
        let output = scene.host.program("sudo").args(["-n", "true"]).output()?;
        match output.success() {
            true => Sudo::Works,
            false => Sudo::Refuses(output.stderr.trim().lines().next_back().unwrap_or_default().to_owned()),
        }
    } else {
        Sudo::NotInstalled
    };
    Ok(judge(scene.family(), &user, false, &sudo))
}

fn judge(family: Family, user: &str, root: bool, sudo: &Sudo) -> Verdict {
    let expected = "root, or a user for whom `sudo -n true` works";
    match (root, sudo) {
        (true, _) if user == "root" => Verdict::pass("this is root; sudo is not needed", expected),
        (true, _) => Verdict::pass(format!("{user} became root through sudo"), expected),
        (false, Sudo::Works) => Verdict::pass(format!("`sudo -n true` works for {user}"), expected),
        (false, Sudo::Refuses(reason)) => {
            Verdict::fail(format!("`sudo -n true` fails for {user}: {reason}"), expected).remedy(grant(user))
        }
        (false, Sudo::NotInstalled) => {
            let install = match family {
                Family::Debian => "apt-get install --yes sudo",
                Family::RedHat => "dnf install --assumeyes sudo",
            };
            Verdict::fail(format!("{user} is not root, and sudo is not installed"), expected)
                .remedy(format!("su -c '{install}'   # then: {}", grant(user)))
        }
    }
}

/// sudo skips files in `sudoers.d` with a dot in their name (sudoers(5)).
fn grant(user: &str) -> String {
    let file = format!("/etc/sudoers.d/{}", user.replace('.', "_"));
    format!(
        "echo '{user} ALL=(ALL) NOPASSWD: ALL' | sudo install -m 0440 /dev/stdin {file} && sudo visudo -c"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finding::Status::{Fail, Pass};

    #[test]
    fn users() {
        let refused = || Sudo::Refuses("sudo: a password is required".into());
        for (user, root, sudo, status, found) in [
            ("root", true, Sudo::NotInstalled, Pass, "this is root; sudo is not needed"),
            ("ada", true, Sudo::Works, Pass, "ada became root through sudo"),
            ("ada", false, Sudo::Works, Pass, "`sudo -n true` works for ada"),
            ("ada", false, refused(), Fail, "`sudo -n true` fails for ada: sudo: a password is required"),
            ("ada", false, Sudo::NotInstalled, Fail, "ada is not root, and sudo is not installed"),
        ] {
            let verdict = judge(Family::Debian, user, root, &sudo);
            assert_eq!((verdict.status, verdict.found.as_str()), (status, found));
        }
        assert!(grant("ada.l").contains("/etc/sudoers.d/ada_l "));
    }
}
