//! A proxy that breaks things on purpose, between a client and a registry that speaks plain HTTP.
//!
//! Knows just enough of HTTP to find the head of an answer, its path and its length. Every connection serves one request.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, Result};

/// What is done to an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The connection ends after this many bytes of the body.
    Truncate(usize),
    /// One byte of the body, at this place, is another.
    Corrupt(usize),
    /// The connection is reset instead of an answer.
    Reset,
    /// The registry is busy: 503.
    Busy,
    /// Nothing more is said after this many bytes of the body, for a while.
    Stall(usize, Duration),
}

/// When a fault happens.
#[derive(Debug, Clone)]
pub struct Rule {
    /// The method of requests it is about.
    pub method: &'static str,
    /// What their path contains.
    pub path: String,
    /// What is done.
    pub fault: Fault,
    /// How often, before all is well again.
    pub times: usize,
}

/// A proxy that runs for as long as the program.
pub struct Proxy {
    /// `localhost:port`.
    pub name: String,
    happened: Arc<AtomicUsize>,
    asked: Arc<Mutex<Vec<String>>>,
}

struct Shared {
    registry: u16,
    rules: Mutex<Vec<Rule>>,
    happened: Arc<AtomicUsize>,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Proxy {
    /// A proxy in front of the registry on this port.
    pub fn before(registry: u16, rules: Vec<Rule>) -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let name = format!("localhost:{}", listener.local_addr()?.port());
        let (happened, asked) = (Arc::<AtomicUsize>::default(), Arc::<Mutex<Vec<String>>>::default());
        let shared =
            Shared { registry, rules: Mutex::new(rules), happened: happened.clone(), asked: asked.clone() };
        let shared = Arc::new(shared);
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let shared = shared.clone();
                // A connection that breaks is what this is for.
                std::thread::spawn(move || drop(shared.serve(client)));
            }
        });
        Ok(Self { name, happened, asked })
    }

    /// How many faults have happened.
    pub fn faults(&self) -> usize {
        self.happened.load(Ordering::Relaxed)
    }

    /// `METHOD path` of all requests so far.
    pub fn requests(&self) -> Vec<String> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// A proxy that closes its first connections, and passes all bytes of later ones. Gives its `localhost:port`.
pub fn flaky(registry: u16, closed: usize) -> Result<String> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let name = format!("localhost:{}", listener.local_addr()?.port());
    std::thread::spawn(move || {
        for client in listener.incoming().flatten().skip(closed) {
            // A connection that breaks is what this is for.
            std::thread::spawn(move || drop(pass_bytes(client, registry)));
        }
    });
    Ok(name)
}

fn pass_bytes(mut client: TcpStream, registry: u16) -> Result<()> {
    let mut registry = TcpStream::connect((Ipv4Addr::LOCALHOST, registry))?;
    let (mut from, mut to) = (client.try_clone()?, registry.try_clone()?);
    std::thread::spawn(move || std::io::copy(&mut from, &mut to));
    std::io::copy(&mut registry, &mut client)?;
    Ok(client.shutdown(Shutdown::Both)?)
}

impl Shared {
    fn serve(&self, mut client: TcpStream) -> Result<()> {
        let mut registry = TcpStream::connect((Ipv4Addr::LOCALHOST, self.registry))?;
        let (head, rest) = read_head(&mut client)?;
        let first = head.lines().next().unwrap_or_default().to_owned();
        let mut words = first.split(' ');
        let (method, path) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).push(format!("{method} {path}"));
        let fault = self.fault(method, path);
        if let Some(Fault::Reset) = fault {
            // With bytes unread, closing sends a reset.
            return Ok(());
        }
        if let Some(Fault::Busy) = fault {
            return Ok(
                client.write_all(b"HTTP/1.1 503 Busy\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")?
            );
        }
        registry.write_all(one_only(&head).as_bytes())?;
        registry.write_all(&rest)?;
        let (mut from, mut to) = (client.try_clone()?, registry.try_clone()?);
        std::thread::spawn(move || std::io::copy(&mut from, &mut to));
        let (head, rest) = read_head(&mut registry)?;
        client.write_all(one_only(&head).as_bytes())?;
        pass_on(fault, rest, &mut registry, &mut client)?;
        client.shutdown(Shutdown::Both)?;
        Ok(())
    }

    /// The fault for a request, counted.
    fn fault(&self, method: &str, path: &str) -> Option<Fault> {
        let mut rules = self.rules.lock().unwrap_or_else(PoisonError::into_inner);
        let fits = |rule: &&mut Rule| rule.times > 0 && rule.method == method && path.contains(&rule.path);
        let rule = rules.iter_mut().find(fits)?;
        rule.times -= 1;
        self.happened.fetch_add(1, Ordering::Relaxed);
        Some(rule.fault)
    }
}

/// The head of a message up to its empty line, and what came with it of the body.
fn read_head(stream: &mut TcpStream) -> Result<(String, Vec<u8>)> {
    let (mut bytes, mut buffer) = (Vec::new(), [0; 4096]);
    loop {
        if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            let rest = bytes.split_off(end + 4);
            return Ok((String::from_utf8(bytes)?, rest));
        }
        let read = stream.read(&mut buffer)?;
        (read > 0).then_some(()).context("the connection ended in a head")?;
        bytes.extend_from_slice(&buffer[..read]);
    }
}

/// The same head with `connection: close`, so that every request has a connection of its own.
fn one_only(head: &str) -> String {
    let kept = head.trim_end().lines().filter(|line| !line.to_ascii_lowercase().starts_with("connection:"));
    kept.map(|line| format!("{line}\r\n")).collect::<String>() + "connection: close\r\n\r\n"
}

/// The body of an answer, with what the fault does to it.
fn pass_on(fault: Option<Fault>, first: Vec<u8>, from: &mut TcpStream, to: &mut TcpStream) -> Result<()> {
    let (mut passed, mut piece, mut buffer) = (0, first, vec![0; 64 * 1024]);
    loop {
        match fault {
            Some(Fault::Truncate(at)) if passed + piece.len() > at => {
                return Ok(to.write_all(&piece[..at - passed])?);
            }
            Some(Fault::Stall(at, pause)) if passed <= at && passed + piece.len() > at => {
                to.write_all(&piece[..at - passed])?;
                std::thread::sleep(pause);
                to.write_all(&piece[at - passed..])?;
            }
            Some(Fault::Corrupt(at)) if passed <= at && passed + piece.len() > at => {
                piece[at - passed] ^= 0x20;
                to.write_all(&piece)?;
            }
            _ => to.write_all(&piece)?,
        }
        passed += piece.len();
        let read = from.read(&mut buffer)?;
        if read == 0 {
            return Ok(());
        }
        piece = buffer[..read].to_vec();
    }
}
