//! Root without a password, for the user who asks.

use provision_host::{Error, Family, privilege};

use crate::scene::Scene;
use crate::verdict::Verdict;

const EXPECTED: &str = "root, or a user for whom `sudo -n true` works";

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
        // Files below another root take none of what a container keeps from its root.
        let missing = if scene.host.root.is_live() { privilege::missing_capabilities()? } else { Vec::new() };
        return Ok(judge_root(&user, &missing));
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
    Ok(judge(scene.family(), &user, &sudo))
}

fn judge_root(user: &str, missing: &[String]) -> Verdict {
    if !missing.is_empty() {
        let found =
            format!("this is root without {}: not all of the host can be changed", missing.join(", "));
        return Verdict::warn(found, "root with all capabilities of one").remedy(
            "systemd-detect-virt --container   # run it on the host itself, or in a container that has them",
        );
    }
    match user {
        "root" => Verdict::pass("this is root; sudo is not needed", EXPECTED),
        user => Verdict::pass(format!("{user} became root through sudo"), EXPECTED),
    }
}

fn judge(family: Family, user: &str, sudo: &Sudo) -> Verdict {
    match sudo {
        Sudo::Works => Verdict::pass(format!("`sudo -n true` works for {user}"), EXPECTED),
        Sudo::Refuses(reason) => {
            Verdict::fail(format!("`sudo -n true` fails for {user}: {reason}"), EXPECTED).remedy(grant(user))
        }
        Sudo::NotInstalled => {
            let install = match family {
                Family::Debian => "apt-get install --yes sudo",
                Family::RedHat => "dnf install --assumeyes sudo",
            };
            Verdict::fail(format!("{user} is not root, and sudo is not installed"), EXPECTED)
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
    use crate::finding::Status::{Fail, Pass, Warn};

    #[test]
    fn users() {
        let refused = || Sudo::Refuses("sudo: a password is required".into());
        for (user, sudo, status, found) in [
            ("ada", Sudo::Works, Pass, "`sudo -n true` works for ada"),
            ("ada", refused(), Fail, "`sudo -n true` fails for ada: sudo: a password is required"),
            ("ada", Sudo::NotInstalled, Fail, "ada is not root, and sudo is not installed"),
        ] {
            let verdict = judge(Family::Debian, user, &sudo);
            assert_eq!((verdict.status, verdict.found.as_str()), (status, found));
        }
        assert!(grant("ada.l").contains("/etc/sudoers.d/ada_l "));
    }

    #[test]
    fn root_and_what_a_container_leaves_of_it() {
        let lacks = ["CAP_SYS_ADMIN".to_owned(), "CAP_CHOWN".to_owned()];
        for (user, missing, status, found) in [
            ("root", &lacks[..0], Pass, "this is root; sudo is not needed"),
            ("ada", &lacks[..0], Pass, "ada became root through sudo"),
            (
                "root",
                &lacks[..],
                Warn,
                "this is root without CAP_SYS_ADMIN, CAP_CHOWN: not all of the host can be changed",
            ),
        ] {
            let verdict = judge_root(user, missing);
            assert_eq!((verdict.status, verdict.found.as_str()), (status, found));
        }
    }
}
