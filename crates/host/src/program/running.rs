//! A program that is spoken with while it runs: bytes go in at any time, lines come out as they are written. Knows
//! streams and the end of a process; must not know what is said.

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, ChildStdin};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};

use super::{DRAIN, number};
use crate::{Error, Result};

/// A program that runs. Dropping it kills it, with all that it started.
#[derive(Debug)]
pub struct Running {
    command: String,
    child: Child,
    input: Option<Input>,
    lines: Receiver<Line>,
    ended: Option<(i32, Instant)>,
}

/// A line of one of the two streams, without its end; bytes that are not UTF-8 become U+FFFD.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Line {
    /// Of standard output.
    Out(String),
    /// Of standard error.
    Err(String),
}

/// What came within the time that was given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Heard {
    /// A line.
    Line(Line),
    /// Nothing.
    Silence,
    /// Nothing will come any more: the program has ended with this status, negative for a signal.
    End(i32),
}

/// The standard input of a program that runs.
#[derive(Debug, Clone)]
pub struct Input {
    pieces: Sender<Vec<u8>>,
    /// How many pieces the program has not taken yet.
    waiting: Arc<AtomicUsize>,
}

impl Input {
    /// Gives it bytes, in order and without waiting until it takes them. What a program that has ended does not take is
    /// lost.
    pub fn send(&self, bytes: impl Into<Vec<u8>>) {
        self.waiting.fetch_add(1, Ordering::SeqCst);
        // The thread that writes ends when nobody reads any more.
        let _ = self.pieces.send(bytes.into());
    }

    /// Whether everything that was sent is out of our hands.
    pub fn is_taken(&self) -> bool {
        self.waiting.load(Ordering::SeqCst) == 0
    }
}

impl Running {
    pub(super) fn new(command: String, mut child: Child) -> Running {
        let (sender, lines) = channel();
        if let Some(stream) = child.stdout.take() {
            read(stream, sender.clone(), Line::Out);
        }
        if let Some(stream) = child.stderr.take() {
            read(stream, sender, Line::Err);
        }
        let input = child.stdin.take().map(write);
        Running { command, child, input, lines, ended: None }
    }

    /// Its standard input, until [`Running::close`].
    pub fn input(&self) -> Option<Input> {
        self.input.clone()
    }

    /// Ends its standard input, once everything that was sent is taken and nobody else can send any more.
    pub fn close(&mut self) {
        self.input = None;
    }

    /// The next line, or what there is instead of one after `patience`.
    pub fn hear(&mut self, patience: Duration) -> Result<Heard> {
        match self.lines.recv_timeout(patience) {
            Ok(line) => return Ok(Heard::Line(line)),
            // Both streams are closed; the process may take a moment longer.
            Err(RecvTimeoutError::Disconnected) => {
                let status = self.child.wait().map_err(|source| self.failed(source))?;
                return Ok(Heard::End(number(status)));
            }
            Err(RecvTimeoutError::Timeout) => {}
        }
        if self.ended.is_none() {
            let status = self.child.try_wait().map_err(|source| self.failed(source))?;
            self.ended = status.map(|status| (number(status), Instant::now()));
        }
        // A child that it left behind can hold its streams for ever.
        Ok(match self.ended {
            Some((status, since)) if since.elapsed() > DRAIN => Heard::End(status),
            _ => Heard::Silence,
        })
    }

    fn failed(&self, source: std::io::Error) -> Error {
        Error::Start { command: self.command.clone(), source }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Ok(None) = self.child.try_wait() {
            if let Some(group) = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw) {
                // Already gone is as good as killed.
                let _ = kill_process_group(group, Signal::KILL);
            }
            let _ = self.child.wait();
        }
    }
}

fn read(stream: impl Read + Send + 'static, sender: Sender<Line>, name: fn(String) -> Line) {
    std::thread::spawn(move || {
        let mut stream = BufReader::new(stream);
        let mut bytes = Vec::new();
        while let Ok(1..) = stream.read_until(b'\n', &mut bytes) {
            let line = bytes.strip_suffix(b"\n").unwrap_or(&bytes);
            // Nobody may listen any more; the program is read all the same, so that it never stands still.
            let _ = sender.send(name(String::from_utf8_lossy(line).into_owned()));
            bytes.clear();
        }
    });
}

fn write(mut stdin: ChildStdin) -> Input {
    let (pieces, all) = channel::<Vec<u8>>();
    let waiting = Arc::new(AtomicUsize::new(0));
    let taken = Arc::clone(&waiting);
    std::thread::spawn(move || {
        for piece in all {
            // A program that closes its input early is no failure of ours: its exit status tells.
            if stdin.write_all(&piece).and_then(|()| stdin.flush()).is_err() {
                break;
            }
            taken.fetch_sub(1, Ordering::SeqCst);
        }
    });
    Input { pieces, waiting }
}
