//! Our own binary on the target: found there by its digest, or sent, and started.
//!
//! It lies in `~/.cache/provision/bin/DIGEST/provision`, where nobody but its user may write, and is proved by its digest
//! before each use. Knows what a POSIX shell and coreutils can do, which is all that a target has to have.

use provision_host::ssh::{Answer, Connection, HostKeys, Target};
use provision_host::{Host, Root};
use provision_oci::Digest;
use provision_profile::forge::loader;

use crate::exit::Exit;
use crate::failure::Failure;
use crate::out;
use crate::show;
use crate::signal;
use crate::site::own_binary;

/// Says what the target is, and the digest of the binary there. No quotes and no `!`: any login shell has to take it.
const LOOK: &str = r#"umask 077; f="$HOME/.cache/provision/bin/DIGEST/provision"; h=; if [ -f "$f" ] && [ -O "$f" ]; then h=$(sha256sum <"$f"); fi; echo "provision-target $(uname -s) $(uname -m) ${h%% *}""#;

/// Takes the binary from standard input, proves it, and gives it its name; then removes others, unless they run: the kernel
/// lets nobody open a running program for writing.
const TAKE: &str = r#"set -e; umask 077; c="$HOME/.cache/provision"; d="$c/bin/DIGEST"; mkdir -p "$d"; [ -O "$c" ]; chmod 700 "$c" "$c/bin" "$d"; p="$d/.part.$$"; trap "rm -f \"$p\"" EXIT; trap "exit 1" HUP INT TERM PIPE; cat >"$p"; h=$(sha256sum <"$p"); if [ "${h%% *}" = DIGEST ]; then :; else echo "not what was sent: ${h%% *}" >&2; exit 1; fi; chmod 700 "$p"; mv -f "$p" "$d/provision"; for o in "$c"/bin/*; do if [ "$o" = "$d" ]; then :; elif [ -e "$o/provision" ] && ( : >>"$o/provision" ) 2>/dev/null; then rm -rf "$o"; fi; done"#;

/// Becomes the other side of the connection.
const RELAY: &str = r#"exec "$HOME/.cache/provision/bin/DIGEST/provision" relay"#;

/// The binary that runs, as it goes to targets.
pub struct Binary {
    bytes: Vec<u8>,
    digest: String,
    /// The loader that it asks for, when it is not static.
    loader: Option<String>,
    /// Which processor it is for, as uname(1) names it.
    machine: String,
}

impl Binary {
    /// The one that runs here.
    pub fn own() -> Result<Self, Failure> {
        let path = own_binary()?;
        let bytes = Root::live()?.read(&path)?.ok_or_else(|| {
            Failure::new(Exit::Failed, format!("{} is gone", path.display()))
                .hint("it was replaced while it ran; run the same command again")
        })?;
        let (digest, loader) = (Digest::of(&bytes).hex(), loader(&bytes));
        Ok(Self { bytes, digest, loader, machine: provision_host::machine() })
    }

    /// Connects, and sees to it that the binary is there.
    pub fn bring<'h>(
        &self,
        host: &'h Host,
        target: Target,
        keys: HostKeys,
        quiet: bool,
    ) -> Result<Connection<'h>, Failure> {
        let stop = || signal::count() > 0;
        let (connection, answer) = Connection::open(host, target, keys, &self.script(LOOK), &stop)?;
        let there = self.judge(connection.target(), &answer)?;
        if !there {
            if !quiet {
                let bytes = show::bytes(self.bytes.len() as u64);
                out::note(format!("{} gets this provision ({bytes})", connection.target()));
            }
            let answer = connection.run(&self.script(TAKE), &self.bytes, &stop)?;
            if answer.status != 0 {
                let what = format!("provision cannot be left on {}", connection.target());
                return Err(Failure::new(Exit::Failed, what).cause(&answer.stderr.join("\n")).hint(format!(
                    "it goes to ~/.cache/provision there: the user has to own and may write it, with {} free, and sha256sum has \
                     to be installed",
                    show::bytes(self.bytes.len() as u64)
                )));
            }
        }
        Ok(connection)
    }

    /// The command that starts the other side.
    pub fn relay(&self) -> String {
        self.script(RELAY)
    }

    /// Whether the binary is on the target; an error when it could not run there.
    fn judge(&self, target: &Target, answer: &Answer) -> Result<bool, Failure> {
        let mut lines = answer.stdout.iter().filter_map(|line| line.strip_prefix("provision-target "));
        let words: Vec<&str> = lines.next().unwrap_or_default().split(' ').collect();
        let [system, machine, digest] = words[..] else {
            let said = [answer.stdout.as_slice(), &answer.stderr].concat().join("\n");
            return Err(Failure::new(Exit::Failed, format!("{target} lets us in and runs no commands"))
                .cause(&said.trim())
                .hint(format!("look at the login shell there: ssh {target} 'uname -a'")));
        };
        if system != "Linux" || machine != self.machine {
            let what =
                format!("{target} is {system} on {machine}; this provision is for Linux on {}", self.machine);
            return Err(Failure::new(Exit::Failed, what)
                .hint("start from a machine like it, or build provision for it and run it there"));
        }
        Ok(digest == self.digest)
    }

    /// Why the other side did not even greet.
    pub fn not_started(&self, connection: &Connection<'_>, status: i32, said: &[String]) -> Failure {
        let what = format!("provision does not start on {} (exit status {status})", connection.target());
        let said = said.join("\n");
        let failure = Failure::new(Exit::Failed, what);
        let failure = if said.trim().is_empty() { failure } else { failure.cause(&said.trim()) };
        match &self.loader {
            Some(loader) => failure.hint(format!(
                "this binary is not static: it needs {loader} and libraries like those here; `cargo dist` builds one that runs \
                 with any C library"
            )),
            None => failure.hint("programs may not be run from the home directory there: look for noexec in `findmnt -T ~`"),
        }
    }

    fn script(&self, text: &str) -> String {
        text.replace("DIGEST", &self.digest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn binary(loader: Option<&str>) -> Binary {
        let loader = loader.map(str::to_owned);
        Binary { bytes: Vec::new(), digest: "d1".into(), loader, machine: "x86_64".into() }
    }

    fn answer(lines: &[&str]) -> Answer {
        Answer {
            status: 0,
            stdout: lines.iter().map(|line| (*line).to_owned()).collect(),
            stderr: Vec::new(),
        }
    }

    #[test]
    fn a_target_is_judged_by_what_it_says() {
        let target = Target::parse("root@there").unwrap();
        let judge =
            |lines: &[&str]| binary(None).judge(&target, &answer(lines)).map_err(|failure| failure.text());
        assert_eq!(judge(&["provision-target Linux x86_64 d1"]), Ok(true));
        assert_eq!(judge(&["Welcome!", "provision-target Linux x86_64 d2"]), Ok(false));
        assert_eq!(judge(&["provision-target Linux x86_64 "]), Ok(false));
        let other = judge(&["provision-target Linux aarch64 d1"]).unwrap_err();
        assert!(other.contains("aarch64") && other.contains("x86_64"), "{other}");
        assert!(judge(&["provision-target FreeBSD amd64 "]).unwrap_err().contains("FreeBSD"));
        assert!(judge(&["This account is not available."]).unwrap_err().contains("not available"));
    }

    #[test]
    fn scripts_are_for_every_login_shell() {
        for script in [LOOK, TAKE, RELAY] {
            // They are put into single quotes; csh looks for `!` and ends a quoted word with the line.
            assert!(!script.contains(['\'', '!', '\n']), "{script}");
        }
    }
}
