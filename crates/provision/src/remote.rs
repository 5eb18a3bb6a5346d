//! `--target`: the same command on another host. The binary goes there, then the command with its profile; what comes back
//! is shown as if it had been said here.
//!
//! Knows who says what to whom. Must not know what a command does: it runs there, on the host that it changes.

mod binary;
mod bundle;
mod frame;
mod relay;

use std::ffi::OsString;
use std::sync::Arc;
use std::time::Duration;

use provision_host::ssh::{Connection, HostKeys, OWN_FAILURE, Target};
use provision_host::{Heard, Host, Input, Line, Running};

use self::binary::Binary;
pub use self::bundle::Bundle;
use self::frame::{Frame, GREETING, INTERRUPT};
pub use self::relay::relay;
use crate::cli::{Cli, Command, Reach};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::out;
use crate::signal;
use crate::site::Site;
use crate::stream;
use crate::supply::Supply;

/// How long nothing is heard before it is asked whether a signal came.
const PULSE: Duration = Duration::from_millis(50);

/// Runs a command on the target, and ends as it ended there.
pub fn run(cli: &Cli, target: &str) -> Result<Exit, Failure> {
    let reach = cli.command.reach();
    if reach == Reach::Elsewhere {
        return Err(Failure::new(Exit::Usage, "--target means nothing to this command")
            .hint("leave it out: the files that the command names are those of this machine"));
    }
    if let Command::Plan { output: Some(_), .. } = cli.command {
        return Err(Failure::new(Exit::Usage, "a plan of a target is not saved here yet")
            .hint("save it on the host itself, where it can be applied"));
    }
    let target = Target::parse(target).ok_or_else(|| {
        Failure::new(Exit::Usage, format!("{target:?} is no target"))
            .hint("--target takes what ssh takes: user@host, a name from ~/.ssh/config, ssh://user@host:port")
    })?;
    let arguments = passed_on(&provision_host::args())?;
    // Whether anything but events may be said on standard error.
    let quiet = arguments.iter().any(|argument| argument.starts_with("--events"));
    let bundle = Bundle::pack(arguments, cli.command.profile().as_ref())?;
    let binary = Binary::own()?;
    signal::listen("interrupted").map_err(|error| Failure::because(Exit::Failed, &error))?;
    let host = Host::live()?;
    let keys = if cli.global.accept_new_host_key { HostKeys::AcceptNew } else { HostKeys::Known };
    let connection = binary.bring(&host, target, keys, quiet)?;
    let running = connection.start(&binary.relay())?;
    let input = running.input().ok_or_else(|| connection.broken(""))?;
    input.send(bundle.to_vec());
    let data = cli.global.json.then(Vec::new);
    Talk { connection: &connection, running, input, binary: &binary, reach, quiet, data, said: Vec::new() }
        .follow()
}

/// The target's side: becomes root if need be, and takes what the command needs of the machine that it comes from.
pub fn arrive(cli: &Cli) -> Result<Supply, Failure> {
    signal::outlive().map_err(|error| Failure::because(Exit::Failed, &error))?;
    // First: what was read from the connection could not be read again by the process that sudo starts.
    let site = Site::open(&cli.global)?;
    match (cli.command.reach(), &cli.command) {
        (Reach::Changes, _) => site.need_root()?,
        // Who would have to ask for root is one of its questions.
        (_, Command::Check(_)) => {}
        (Reach::Reads, _) => site.need_records()?,
        (Reach::Elsewhere, _) => {
            return Err(Failure::new(Exit::Usage, "--carried means nothing to this command"));
        }
    }
    Ok(Supply::Carried(Arc::new(Bundle::receive()?)))
}

/// The command line for the target: without what is only meant for here, and with what makes it talk to us.
fn passed_on(all: &[OsString]) -> Result<Vec<String>, Failure> {
    let mut passed = ["--color", "always", "--carried"].map(str::to_owned).to_vec();
    let mut words = all.iter().skip(1);
    while let Some(word) = words.next() {
        let text = word.to_str().ok_or_else(|| {
            Failure::new(Exit::Usage, format!("{} is not UTF-8", word.display()))
                .hint("give files that go to another host names in UTF-8")
        })?;
        match text {
            "--target" | "--color" => drop(words.next()),
            "--accept-new-host-key" => {}
            _ if text.starts_with("--target=") || text.starts_with("--color=") => {}
            _ => passed.push(text.to_owned()),
        }
    }
    Ok(passed)
}

/// A command that runs on the target.
struct Talk<'a> {
    connection: &'a Connection<'a>,
    running: Running,
    input: Input,
    binary: &'a Binary,
    reach: Reach,
    quiet: bool,
    /// Where data is kept until it is whole: half an object of JSON is none.
    data: Option<Vec<String>>,
    /// Standard error of ssh and of what it runs, up to the command itself.
    said: Vec<String>,
}

impl Talk<'_> {
    /// Shows what comes, until the command has ended.
    fn follow(mut self) -> Result<Exit, Failure> {
        let mut greeted = false;
        let mut passed = 0;
        loop {
            match self.running.hear(PULSE)? {
                // The login shell's own files may print something first.
                Heard::Line(Line::Out(line)) if !greeted => greeted = line == GREETING,
                Heard::Line(Line::Out(line)) => match serde_json::from_str(&line) {
                    Ok(Frame::Out(text)) => match &mut self.data {
                        Some(kept) => kept.push(text),
                        None => out::data(text),
                    },
                    Ok(Frame::Err(text)) => out::line(text),
                    Ok(Frame::Exit(code)) => return self.ended(code),
                    Err(_) => self.said.push(line),
                },
                Heard::Line(Line::Err(line)) => self.said.push(line),
                Heard::End(status) if greeted || status == OWN_FAILURE => return Err(self.lost()),
                Heard::End(status) => {
                    return Err(self.binary.not_started(self.connection, status, &self.said));
                }
                Heard::Silence => {}
            }
            if signal::count() > passed {
                passed += 1;
                if passed > 1 || self.reach == Reach::Reads {
                    return Err(self.left());
                }
                self.input.send(INTERRUPT);
                self.note("passed on to the target; its answer is waited for (again: it is not)");
            }
        }
    }

    fn ended(&self, code: i32) -> Result<Exit, Failure> {
        self.data.iter().flatten().for_each(out::data);
        Exit::of(code).inspect(|_| stream::is_ended_there()).ok_or_else(|| {
            let how = if code < 0 { format!("signal {}", -code) } else { format!("exit status {code}") };
            let what = format!("provision was ended on {}: {how}", self.connection.target());
            Failure::new(self.unknown(), what)
                .hint("run the same command again: it first takes back what is left half-done")
        })
    }

    /// The connection is gone, and how the command ended with it.
    fn lost(&self) -> Failure {
        let target = self.connection.target();
        let said = self.said.join("\n");
        let cause =
            |failure: Failure| if said.trim().is_empty() { failure } else { failure.cause(&said.trim()) };
        if !self.input.is_taken() {
            let what = format!("the connection to {target} ended while the profile was sent");
            return cause(Failure::new(Exit::Failed, what))
                .hint("nothing was changed; run the same command again");
        }
        cause(Failure::new(
            self.unknown(),
            format!("the connection to {target} ended before the command did"),
        ))
        .hint(self.look())
    }

    /// Whoever typed it does not want to wait any more.
    fn left(&self) -> Failure {
        Failure::new(self.unknown(), "interrupted: not waited for any longer").hint(self.look())
    }

    /// The exit code where nobody knows how a command ended.
    fn unknown(&self) -> Exit {
        if self.reach == Reach::Changes { Exit::HalfDone } else { Exit::Failed }
    }

    fn look(&self) -> String {
        let target = self.connection.target();
        match self.reach {
            Reach::Changes => format!(
                "it goes on there by itself: `provision status --target {target}` tells how far it is; once it has ended, run the \
                 same command again"
            ),
            _ => "it changes nothing; run the same command again".to_owned(),
        }
    }

    fn note(&self, text: &str) {
        if !self.quiet {
            out::note(text);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_but_the_way_there_is_passed_on() {
        let line = "provision apply --target root@a p.toml --color never --set x=1 --accept-new-host-key --confirm 60s";
        let passed = passed_on(&line.split(' ').map(OsString::from).collect::<Vec<_>>()).unwrap();
        assert_eq!(passed.join(" "), "--color always --carried apply p.toml --set x=1 --confirm 60s");
        let passed = passed_on(&["provision", "--target=a", "status", "--json"].map(OsString::from)).unwrap();
        assert_eq!(passed.join(" "), "--color always --carried status --json");
    }
}
