//! A web server over TLS that serves what a test gives it, with an authority of the test's own.
//!
//! Knows just enough of HTTP to answer `GET`. Every connection serves one request.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use anyhow::{Context as _, Result};
use openssl::ssl::{SslAcceptor, SslFiletype, SslMethod};
use provision_trust_store::{Authority, KeyKind};
use tempfile::TempDir;

/// What is served under a path.
#[derive(Debug, Clone)]
pub enum Answer {
    /// These bytes.
    Bytes(Vec<u8>),
    /// Another address.
    Redirect(String),
    /// So many bytes are promised, and these come.
    Short(usize, Vec<u8>),
}

/// A server that runs for as long as the program.
pub struct Web {
    /// `localhost:port`.
    pub name: String,
    directory: TempDir,
    answers: Answers,
    asked: Arc<Mutex<Vec<String>>>,
}

type Answers = Arc<Mutex<BTreeMap<String, Answer>>>;

impl Web {
    /// A server that has nothing yet.
    pub fn start() -> Result<Self> {
        let directory = TempDir::new()?;
        let now = SystemTime::now();
        let authority = Authority::generate("a web server's", KeyKind::EcdsaP256, now, 2)?;
        let pair = authority.issue(&["localhost".parse()?], KeyKind::EcdsaP256, now, 1)?;
        let file = |name: &str| directory.path().join(name);
        std::fs::write(file("ca.pem"), authority.certificate().to_pem()?)?;
        std::fs::write(file("server.pem"), pair.certificate.to_pem()?)?;
        std::fs::write(file("server.key"), pair.key.to_pem()?.as_slice())?;
        let mut acceptor = SslAcceptor::mozilla_intermediate_v5(SslMethod::tls_server())?;
        acceptor.set_certificate_chain_file(file("server.pem"))?;
        acceptor.set_private_key_file(file("server.key"), SslFiletype::PEM)?;
        let acceptor = Arc::new(acceptor.build());
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let name = format!("localhost:{}", listener.local_addr()?.port());
        let (answers, asked) = (Answers::default(), Arc::<Mutex<Vec<String>>>::default());
        let (served, noted) = (answers.clone(), asked.clone());
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let (acceptor, served, noted) = (acceptor.clone(), served.clone(), noted.clone());
                // A client that does not trust us goes away.
                std::thread::spawn(move || drop(serve(&acceptor, client, &served, &noted)));
            }
        });
        Ok(Self { name, directory, answers, asked })
    }

    /// Serves something under a path that begins with `/`, from now on; gives its address.
    pub fn put(&self, path: &str, answer: Answer) -> String {
        let mut answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        answers.insert(path.to_owned(), answer);
        format!("https://{}{path}", self.name)
    }

    /// The paths that were asked for.
    pub fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The authority that its certificate is from, in PEM.
    pub fn authority(&self) -> PathBuf {
        self.directory.path().join("ca.pem")
    }
}

fn serve(
    acceptor: &SslAcceptor,
    client: TcpStream,
    answers: &Answers,
    asked: &Mutex<Vec<String>>,
) -> Result<()> {
    let mut client = BufReader::new(acceptor.accept(client)?);
    let mut first = String::new();
    client.read_line(&mut first)?;
    let path = first.split(' ').nth(1).context("no path")?.to_owned();
    loop {
        let mut line = String::new();
        if client.read_line(&mut line)? == 0 || line.trim().is_empty() {
            break;
        }
    }
    asked.lock().unwrap_or_else(PoisonError::into_inner).push(path.clone());
    let answer = answers.lock().unwrap_or_else(PoisonError::into_inner).get(&path).cloned();
    let (head, body) = match answer {
        Some(Answer::Bytes(bytes)) => (format!("200 OK\r\ncontent-length: {}", bytes.len()), bytes),
        Some(Answer::Short(promised, bytes)) => (format!("200 OK\r\ncontent-length: {promised}"), bytes),
        Some(Answer::Redirect(to)) => {
            (format!("302 Found\r\nlocation: {to}\r\ncontent-length: 0"), Vec::new())
        }
        None => ("404 Not Found\r\ncontent-length: 0".to_owned(), Vec::new()),
    };
    let client = client.get_mut();
    client.write_all(format!("HTTP/1.1 {head}\r\nconnection: close\r\n\r\n").as_bytes())?;
    client.write_all(&body)?;
    client.shutdown()?;
    // Until the client is gone as well.
    let mut rest = Vec::new();
    client.read_to_end(&mut rest)?;
    Ok(())
}
