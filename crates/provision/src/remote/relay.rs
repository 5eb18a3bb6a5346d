//! The target's side of a connection: starts the command and hands on what it says. The command is a process of its own that
//! never waits for the connection: while nobody takes what it says, that is kept here.

use std::io::{BufReader, Read};

use provision_host::{Heard, Host, Input, Line};

use super::frame::{Frame, GREETING};
use super::{PULSE, bundle};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::out;
use crate::signal;
use crate::site::own_binary;

/// How much of the input is handed on at once, in bytes.
const PIECE: usize = 64 * 1024;

/// Runs the command that standard input brings, and tells on standard output what it says and how it ends.
pub fn relay() -> Result<Exit, Failure> {
    signal::outlive().map_err(|error| Failure::because(Exit::Failed, &error))?;
    out::data(GREETING);
    let mut stdin = BufReader::new(std::io::stdin());
    let (header, arguments) = bundle::arguments(&mut stdin)?;
    let host = Host::live()?;
    let binary = own_binary()?.display().to_string();
    let mut running = host.program(&binary).args(arguments).start()?;
    if let Some(input) = running.input() {
        input.send(header);
        std::thread::spawn(move || hand_on(stdin, &input));
    }
    loop {
        // Should the connection be gone, nobody hears it, and the command goes on all the same.
        match running.hear(PULSE)? {
            Heard::Line(Line::Out(line)) => tell(&Frame::Out(line)),
            Heard::Line(Line::Err(line)) => tell(&Frame::Err(line)),
            Heard::End(status) => {
                tell(&Frame::Exit(status));
                return Ok(Exit::Done);
            }
            Heard::Silence => {}
        }
    }
}

/// Hands on what comes over the connection, as long as it stands.
fn hand_on(mut stdin: impl Read, input: &Input) {
    let mut piece = vec![0; PIECE];
    while let Ok(count @ 1..) = stdin.read(&mut piece) {
        input.send(&piece[..count]);
    }
}

fn tell(frame: &Frame) {
    out::data(serde_json::to_string(frame).unwrap_or_default());
}
