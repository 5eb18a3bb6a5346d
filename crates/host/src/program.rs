//! The one way to run a program: arguments as a list and never a shell, `LC_ALL=C`, standard input empty unless
//! given, a time limit, and errors that name the command line. It must not know what any program means.

use std::ffi::OsStr;
use std::fmt;
use std::io::{Read, Write};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};

use crate::host::Host;
use crate::{Error, Result};

mod running;

pub use running::{Heard, Input, Line, Running};

/// How long a program may run when nothing else is said.
pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(300);

/// After a program has ended, how long its streams may stay open: a child it left behind can hold them for ever.
const DRAIN: Duration = Duration::from_secs(2);

/// How many bytes of standard error are kept for a message.
const STDERR_END: usize = 2000;

/// What children get of this process's environment. All else is withheld: a secret in a variable (`{ env = … }` in a
/// profile) must reach no child.
const INHERITED: &[&str] = &[
    "HOME",
    "USER",
    "LOGNAME",
    "TERM",
    "TZ",
    "TMPDIR",
    "XDG_RUNTIME_DIR",
    "DBUS_SESSION_BUS_ADDRESS",
    "SSH_AUTH_SOCK",
    "http_proxy",
    "https_proxy",
    "no_proxy",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
];

/// A program with its arguments, ready to be run.
#[must_use = "nothing runs before `output` or `run`"]
pub struct Program<'h> {
    host: &'h Host,
    name: String,
    args: Vec<String>,
    env: Vec<(String, String)>,
    stdin: Option<Vec<u8>>,
    timeout: Duration,
}

/// What a program said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output {
    /// The exit status; the negative signal number when a signal ended it.
    pub status: i32,
    /// Standard output; bytes that are not UTF-8 become U+FFFD.
    pub stdout: String,
    /// Standard error, likewise.
    pub stderr: String,
}

impl Output {
    /// Whether the exit status is 0.
    pub fn success(&self) -> bool {
        self.status == 0
    }
}

impl<'h> Program<'h> {
    pub(crate) fn new(host: &'h Host, name: &str) -> Program<'h> {
        let (args, env) = (Vec::new(), Vec::new());
        Program { host, name: name.to_owned(), args, env, stdin: None, timeout: DEFAULT_TIMEOUT }
    }

    /// Adds one argument. Secrets never go here: every user of the host can read a command line.
    pub fn arg(mut self, arg: impl Into<String>) -> Self {
        self.args.push(arg.into());
        self
    }

    /// Adds arguments.
    pub fn args<I: IntoIterator<Item = S>, S: Into<String>>(mut self, args: I) -> Self {
        self.args.extend(args.into_iter().map(Into::into));
        self
    }

    /// Sets a variable for the child. No secrets here either.
    pub fn env(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.env.push((name.into(), value.into()));
        self
    }

    /// Feeds these bytes to standard input, then closes it. The place for secrets: never shown in an error.
    pub fn stdin(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.stdin = Some(bytes.into());
        self
    }

    /// Kills the program with its children when it runs longer; [`DEFAULT_TIMEOUT`] otherwise.
    pub fn timeout(mut self, limit: Duration) -> Self {
        self.timeout = limit;
        self
    }

    /// The command line as it can be pasted into a shell.
    pub fn command_line(&self) -> String {
        let env = self.env.iter().map(|(name, value)| format!("{name}={}", quoted(value)));
        let words = std::iter::once(&self.name).chain(&self.args).map(|word| quoted(word));
        env.chain(words).collect::<Vec<_>>().join(" ")
    }

    /// Runs it. Any exit status is an answer; an error means that there is none.
    pub fn output(self) -> Result<Output> {
        let mut command = self.command()?;
        let started = |source| Error::Start { command: self.command_line(), source };
        let mut child = command.spawn().map_err(started)?;
        let stdout = child.stdout.take().map(collect);
        let stderr = child.stderr.take().map(collect);
        if let (Some(mut pipe), Some(bytes)) = (child.stdin.take(), self.stdin.clone()) {
            // A child that closes its input early is no failure of ours: its exit status tells.
            std::thread::spawn(move || pipe.write_all(&bytes));
        }
        let status = wait(&mut child, self.timeout).map_err(started)?.ok_or_else(|| Error::TimedOut {
            command: self.command_line(),
            seconds: self.timeout.as_secs(),
        })?;
        Ok(Output { status: number(status), stdout: drain(stdout), stderr: drain(stderr) })
    }

    /// Runs it; any exit status but 0 is [`Error::Failed`].
    pub fn run(self) -> Result<Output> {
        let command = self.command_line();
        let output = self.output()?;
        if output.success() { Ok(output) } else { Err(output.into_error(command)) }
    }

    /// Starts it, to be spoken with while it runs. It has no time limit, and a standard input of its own.
    pub fn start(mut self) -> Result<Running> {
        let first = self.stdin.replace(Vec::new());
        let spawned = self.command()?.spawn();
        let command = self.command_line();
        let child = spawned.map_err(|source| Error::Start { command: command.clone(), source })?;
        let running = Running::new(command, child);
        if let (Some(bytes), Some(input)) = (first, running.input()) {
            input.send(bytes);
        }
        Ok(running)
    }

    fn command(&self) -> Result<Command> {
        let path = self.host.search_path(&self.command_line())?;
        let file = find(&self.name, path)
            .ok_or_else(|| Error::ProgramMissing { program: self.name.clone(), path: path.to_owned() })?;
        let mut command = Command::new(file);
        command.args(&self.args).current_dir("/").env_clear();
        for name in INHERITED {
            if let Some(value) = std::env::var_os(name) {
                command.env(name, value);
            }
        }
        command.env("PATH", path).env("LC_ALL", "C").envs(self.env.iter().map(|(n, v)| (n, v)));
        command.stdin(if self.stdin.is_some() { Stdio::piped() } else { Stdio::null() });
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        // Its own process group: Ctrl-C at the terminal stops us at a safe point, not dpkg in the middle.
        command.process_group(0);
        Ok(command)
    }
}

impl fmt::Debug for Program<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Program").field(&self.command_line()).finish()
    }
}

impl Output {
    /// The error that this output stands for, when the exit status was not an answer that was expected.
    pub fn into_error(self, command: String) -> Error {
        Error::Failed { command, status: in_words(self.status), stderr: end_of(&self.stderr) }
    }
}

/// Where a program is: the first executable of that name in `path`.
pub(crate) fn find(name: &str, path: &str) -> Option<PathBuf> {
    which::which_in(name, Some(OsStr::new(path)), "/").ok()
}

/// Waits until it ends; `None`: the time was over and it was killed with everything it started.
fn wait(child: &mut Child, limit: Duration) -> std::io::Result<Option<ExitStatus>> {
    let deadline = Instant::now() + limit;
    let mut pause = Duration::from_millis(1);
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        if Instant::now() >= deadline {
            if let Some(group) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) {
                // Already gone is as good as killed.
                let _ = kill_process_group(group, Signal::KILL);
            }
            child.wait()?;
            return Ok(None);
        }
        std::thread::sleep(pause);
        pause = (pause * 2).min(Duration::from_millis(20));
    }
}

/// Reads a stream in its own thread, chunk by chunk, so that a full pipe never blocks the child.
fn collect(mut stream: impl Read + Send + 'static) -> Receiver<Vec<u8>> {
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        let mut buffer = [0; 8192];
        while let Ok(count @ 1..) = stream.read(&mut buffer) {
            if sender.send(buffer[..count].to_vec()).is_err() {
                break;
            }
        }
    });
    receiver
}

fn drain(stream: Option<Receiver<Vec<u8>>>) -> String {
    let mut bytes = Vec::new();
    let deadline = Instant::now() + DRAIN;
    if let Some(stream) = stream {
        while let Ok(chunk) = stream.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            bytes.extend(chunk);
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn number(status: ExitStatus) -> i32 {
    status.code().or(status.signal().map(|signal| -signal)).unwrap_or(-1)
}

/// `exit status 2` or `killed by signal 9 (SIGKILL)`.
fn in_words(status: i32) -> String {
    if status >= 0 {
        return format!("exit status {status}");
    }
    let name = match -status {
        1 => " (SIGHUP)",
        2 => " (SIGINT)",
        6 => " (SIGABRT)",
        9 => " (SIGKILL)",
        11 => " (SIGSEGV)",
        13 => " (SIGPIPE)",
        15 => " (SIGTERM)",
        _ => "",
    };
    format!("killed by signal {}{name}", -status)
}

/// The last whole lines that fit: the reason of a failure is at the end.
fn end_of(text: &str) -> String {
    let text = text.trim();
    let mut start = text.len().saturating_sub(STDERR_END);
    while !text.is_char_boundary(start) {
        start += 1;
    }
    if start > 0 {
        start = text[start..].find('\n').map_or(start, |line| start + line + 1);
    }
    text[start..].to_owned()
}

/// A word as a shell would need it.
pub(crate) fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=@%+,".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_quoted_for_a_shell() {
        for (word, expected) in [
            ("install", "install"),
            ("", "''"),
            ("a b", "'a b'"),
            ("it's", r"'it'\''s'"),
            ("$(reboot)", "'$(reboot)'"),
            ("--qf=%{NAME}", "'--qf=%{NAME}'"),
        ] {
            assert_eq!(quoted(word), expected);
        }
    }

    #[test]
    fn a_status_is_told_in_words() {
        for (status, expected) in [
            (0, "exit status 0"),
            (100, "exit status 100"),
            (-9, "killed by signal 9 (SIGKILL)"),
            (-64, "killed by signal 64"),
        ] {
            assert_eq!(in_words(status), expected);
        }
    }

    #[test]
    fn the_end_of_a_message_starts_with_a_whole_line() {
        let long = format!("{}\nE: last", "ü".repeat(STDERR_END));
        assert_eq!(end_of(&long), "E: last");
        assert_eq!(end_of(" short\n"), "short");
        assert!(end_of(&"ü".repeat(STDERR_END)).len() <= STDERR_END);
    }
}
