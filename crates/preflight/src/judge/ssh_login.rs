//! A login over SSH without questions. Host keys are checked, and nothing is written into `known_hosts`.

use std::time::Duration;

use provision_host::{Error, Family, Host, Output};

use crate::scene::{Scene, install};
use crate::verdict::Verdict;

/// ssh gives up connecting before.
const LIMIT: Duration = Duration::from_secs(40);

/// A question is a failure, a host key has to be known, a running connection proves nothing.
const OPTIONS: [&str; 14] = [
    "-T",
    "-n",
    "-o",
    "BatchMode=yes",
    "-o",
    "StrictHostKeyChecking=yes",
    "-o",
    "UpdateHostKeys=no",
    "-o",
    "ControlPath=none",
    "-o",
    "ConnectTimeout=10",
    "-o",
    "ConnectionAttempts=1",
];

pub(crate) fn probe(scene: &Scene<'_>, user: &str, host: &str) -> Result<Verdict, Error> {
    let asking = scene.user()?;
    if !scene.host.has_program("ssh") {
        let remedy = install(scene.family(), "openssh-client", "openssh-clients");
        return Ok(Verdict::fail("ssh is not installed", expected()).remedy(remedy));
    }
    // Behind sudo it is the user's keys that count, not root's.
    let as_other = (scene.uid == 0 && asking.uid != 0).then_some(asking.name.as_str());
    let output = login(scene.host, as_other, user, host)?;
    Ok(judge(scene.family(), user, host, &output))
}

fn login(machine: &Host, as_other: Option<&str>, user: &str, host: &str) -> Result<Output, Error> {
    let ssh = match as_other {
        Some(other) => machine.program("runuser").args(["-u", other, "--", "ssh"]),
        None => machine.program("ssh"),
    };
    ssh.args(OPTIONS).args(["-l", user, "--", host, "true"]).timeout(LIMIT).output()
}

fn expected() -> &'static str {
    "a login with a key, no questions, and a known host key"
}

fn judge(family: Family, user: &str, host: &str, output: &Output) -> Verdict {
    if output.success() {
        return Verdict::pass("works", expected());
    }
    let said = |text: &str| output.stderr.contains(text);
    let last = output.stderr.trim().lines().next_back().unwrap_or_default().trim();
    let (found, remedy) = if said("REMOTE HOST IDENTIFICATION HAS CHANGED") {
        (
            format!("{host} has another host key than the one that is known"),
            format!(
                "ssh-keygen -R {host} && ssh -o StrictHostKeyChecking=ask {user}@{host} true   # compare the fingerprint"
            ),
        )
    } else if said("Host key verification failed") || said("host key is known for") {
        (
            format!("the host key of {host} is not known"),
            format!("ssh -o StrictHostKeyChecking=ask {user}@{host} true   # compare the fingerprint"),
        )
    } else if said("Permission denied") {
        (format!("{host} accepts no key of ours: {last}"), authorize(user, host))
    } else if said("Connection refused") {
        let (package, unit) = match family {
            Family::Debian => ("openssh-server", "ssh"),
            Family::RedHat => ("openssh-server", "sshd"),
        };
        let install = install(family, package, package);
        (
            format!("nothing listens for SSH on {host}"),
            format!("{install} && sudo systemctl enable --now {unit}   # on {host}"),
        )
    } else if output.status == 255 {
        (last.to_owned(), format!("ssh -v -o BatchMode=yes {user}@{host} true"))
    } else {
        (
            format!("{host} let {user} in, but `true` failed there (exit status {}): {last}", output.status),
            format!("ssh {user}@{host} 'getent passwd {user}'   # look at the login shell"),
        )
    };
    Verdict::fail(found, expected()).remedy(remedy)
}

/// The user's own machine is reached without a password that sshd would not take from root anyway.
fn authorize(user: &str, host: &str) -> String {
    let home = if user == "root" { "/root".to_owned() } else { format!("~{user}") };
    match host {
        "localhost" => format!(
            "sudo install -d -m 0700 -o {user} {home}/.ssh && cat ~/.ssh/id_*.pub | sudo tee -a {home}/.ssh/authorized_keys"
        ),
        _ => format!("ssh-copy-id {user}@{host}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finding::Status::{Fail, Pass};

    #[test]
    fn recorded_answers() {
        let check = |status, stderr: &str, found: &str, remedy: &str| {
            let output = Output { status, stdout: String::new(), stderr: stderr.to_owned() };
            let verdict = judge(Family::RedHat, "root", "localhost", &output);
            assert_eq!(verdict.status, if status == 0 { Pass } else { Fail });
            assert_eq!(verdict.found, found);
            assert!(verdict.remedy.as_deref().unwrap_or("-").contains(remedy), "{verdict:?}");
        };
        check(0, "", "works", "-");
        let unknown = "No ED25519 host key is known for localhost and you have requested strict checking.\r\n\
                       Host key verification failed.\r\n";
        check(255, unknown, "the host key of localhost is not known", "StrictHostKeyChecking=ask");
        let changed = "@    WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!     @\r\nHost key verification failed.\r\n";
        check(
            255,
            changed,
            "localhost has another host key than the one that is known",
            "ssh-keygen -R localhost",
        );
        let denied = "root@localhost: Permission denied (publickey,password).\r\n";
        let found =
            "localhost accepts no key of ours: root@localhost: Permission denied (publickey,password).";
        check(255, denied, found, "/root/.ssh/authorized_keys");
        let refused = "ssh: connect to host localhost port 22: Connection refused\r\n";
        check(255, refused, "nothing listens for SSH on localhost", "systemctl enable --now sshd");
        let name = "ssh: Could not resolve hostname localhost: Name or service not known\r\n";
        check(255, name, "ssh: Could not resolve hostname localhost: Name or service not known", "ssh -v");
        let shell = "This account is currently not available.\n";
        let found = "localhost let root in, but `true` failed there (exit status 1): This account is currently not available.";
        check(1, shell, found, "login shell");
    }
}
