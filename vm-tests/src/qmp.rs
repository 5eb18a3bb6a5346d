//! QEMU's monitor and the guest's agent: both are JSON lines over a socket.

use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use serde_json::{Value, json};

/// A connection to the monitor or to the agent.
pub struct Channel {
    reader: BufReader<UnixStream>,
    name: &'static str,
}

impl Channel {
    /// Connects to QEMU's monitor, and waits for it.
    pub fn monitor(socket: &Path, patience: Duration) -> Result<Self> {
        let mut channel = Self::open(socket, "QEMU's monitor", patience)?;
        channel.read()?;
        channel.command("qmp_capabilities", json!({}))?;
        Ok(channel)
    }

    /// Connects to the guest's agent, and waits until it answers.
    pub fn agent(socket: &Path, patience: Duration) -> Result<Self> {
        let until = Instant::now() + patience;
        for attempt in 0_u32.. {
            let mut channel = Self::open(socket, "the guest's agent", patience)?;
            channel.reader.get_ref().set_read_timeout(Some(Duration::from_secs(2)))?;
            if channel.synchronise(attempt).is_ok() {
                channel.reader.get_ref().set_read_timeout(Some(Duration::from_secs(60)))?;
                return Ok(channel);
            }
            if Instant::now() > until {
                break;
            }
        }
        bail!("the guest's agent does not answer after {} s", patience.as_secs())
    }

    /// Connects, and waits for the socket.
    pub fn open(socket: &Path, name: &'static str, patience: Duration) -> Result<Self> {
        let until = Instant::now() + patience;
        loop {
            match UnixStream::connect(socket) {
                Ok(stream) => {
                    stream.set_read_timeout(Some(Duration::from_secs(120)))?;
                    return Ok(Self { reader: BufReader::new(stream), name });
                }
                Err(error) if Instant::now() > until => {
                    return Err(error)
                        .with_context(|| format!("cannot connect to {name} at {}", socket.display()));
                }
                Err(_) => std::thread::sleep(Duration::from_millis(50)),
            }
        }
    }

    /// The agent may have half a line of an earlier life in its buffer: 0xFF makes it start anew. What it says about
    /// earlier attempts, on which it was too slow, comes before it says this one's number.
    fn synchronise(&mut self, attempt: u32) -> Result<()> {
        let id = u64::from(std::process::id()) << 32 | u64::from(attempt);
        let mut line = vec![0xFF];
        line.extend(json!({ "execute": "guest-sync", "arguments": { "id": id } }).to_string().into_bytes());
        line.push(b'\n');
        self.reader.get_mut().write_all(&line)?;
        loop {
            if self.read()?["return"] == json!(id) {
                return Ok(());
            }
        }
    }

    /// Runs a command, and gives what it returns.
    pub fn command(&mut self, name: &str, arguments: Value) -> Result<Value> {
        let mut line = json!({ "execute": name, "arguments": arguments }).to_string();
        line.push('\n');
        self.reader.get_mut().write_all(line.as_bytes())?;
        loop {
            let mut answer = self.read().with_context(|| format!("{name} to {}", self.name))?;
            if let Some(error) = answer.get("error") {
                bail!("{} refused {name}: {error}", self.name);
            }
            if answer.get("return").is_some() {
                return Ok(answer["return"].take());
            }
        }
    }

    fn read(&mut self) -> Result<Value> {
        let mut line = Vec::new();
        if self.reader.read_until(b'\n', &mut line)? == 0 {
            bail!("{} closed the connection", self.name);
        }
        let text: Vec<u8> = line.into_iter().filter(|byte| *byte != 0xFF).collect();
        Ok(serde_json::from_slice(&text)?)
    }
}
