//! Real registries, each started for one test on a port that the kernel chooses, and stopped with it.
//!
//! Debian's docker-registry (CNCF distribution) and provision's own, over plain HTTP, or over TLS with an authority of the
//! test's own and a password.

use std::fmt;
use std::io::{BufRead as _, BufReader, Read};
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use anyhow::{Context as _, Result, bail};
use provision_pull_secret::{AuthFile, Credentials};
use provision_trust_store::{Authority, KeyKind, SubjectName};
use tempfile::TempDir;

use crate::program::{line, provision};

/// A server that has not begun to listen by then will not.
const PATIENCE: Duration = Duration::from_secs(30);
/// The user of servers that ask for one.
pub const USER: &str = "init";
/// That user's password.
pub const PASSWORD: &str = "correct horse battery staple";

/// Which program serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Program {
    /// Debian's docker-registry.
    Distribution,
    /// `provision registry serve`.
    Own,
}

/// How a registry is spoken to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Access {
    /// Plain HTTP, and everybody may do everything.
    Open,
    /// TLS and a password. The certificate is for this name; clients ask for `localhost`.
    Guarded {
        /// The name in the certificate.
        name: &'static str,
    },
}

impl Access {
    /// TLS with a certificate that is right.
    pub const GUARDED: Self = Self::Guarded { name: "localhost" };
}

/// All kinds of registry that content has to pass through.
pub const KINDS: [(Program, Access); 4] = [
    (Program::Distribution, Access::Open),
    (Program::Distribution, Access::GUARDED),
    (Program::Own, Access::Open),
    (Program::Own, Access::GUARDED),
];

/// A registry that runs.
pub struct Server {
    process: Process,
    directory: TempDir,
    access: Access,
    /// `localhost:port`.
    pub name: String,
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, its log:\n{}", self.process.line, self.process.log())
    }
}

impl Server {
    /// Starts a registry that is empty.
    pub fn start(program: Program, access: Access) -> Result<Self> {
        let directory = TempDir::new()?;
        if let Access::Guarded { name } = &access {
            write_guards(directory.path(), name)?;
        }
        let mut command = match program {
            Program::Distribution => distribution(directory.path(), &access)?,
            Program::Own => own(directory.path(), &access)?,
        };
        let process = Process::start(&mut command)?;
        let name = format!("localhost:{}", process.port);
        write_auth_file(&directory.path().join("auth.json"), &name, PASSWORD)?;
        Ok(Self { process, directory, access, name })
    }

    /// Stops it; nobody listens on its port then.
    pub fn stop(&mut self) {
        self.process.stop();
    }

    /// Its port on the loopback interface.
    pub fn port(&self) -> u16 {
        self.process.port
    }

    /// The directory with everything of it.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// The authority that its certificate is from, in PEM.
    pub fn authority(&self) -> PathBuf {
        self.directory.path().join("certs/ca.crt")
    }

    /// An auth file with its user's password.
    pub fn auth_file(&self) -> PathBuf {
        self.directory.path().join("auth.json")
    }

    /// What `provision mirror` needs to be told to speak with it.
    pub fn options(&self) -> Vec<String> {
        match self.access {
            Access::Open => vec!["--plain-http".into()],
            Access::Guarded { .. } => {
                let (authority, auth) = (self.authority(), self.auth_file());
                let text = |path: PathBuf| path.to_string_lossy().into_owned();
                vec!["--certificate-authority".into(), text(authority), "--authfile".into(), text(auth)]
            }
        }
    }

    /// What skopeo needs to be told; `side` is empty, `src-` or `dest-`.
    pub fn skopeo_options(&self, side: &str) -> Vec<String> {
        match self.access {
            Access::Open => vec![format!("--{side}tls-verify=false")],
            Access::Guarded { .. } => vec![
                format!("--{side}cert-dir={}", self.directory.path().join("certs").display()),
                format!(
                    "--{}authfile={}",
                    if side.is_empty() { "" } else { side },
                    self.auth_file().display()
                ),
            ],
        }
    }
}

/// Authority, certificate, htpasswd file and auth file.
fn write_guards(directory: &Path, name: &str) -> Result<()> {
    let now = SystemTime::now();
    let authority = Authority::generate("a test's own", KeyKind::EcdsaP256, now, 2)?;
    let subject: SubjectName = name.parse()?;
    let pair = authority.issue(&[subject], KeyKind::EcdsaP256, now, 1)?;
    let certificates = directory.join("certs");
    std::fs::create_dir(&certificates)?;
    std::fs::write(certificates.join("ca.crt"), authority.certificate().to_pem()?)?;
    std::fs::write(directory.join("server.pem"), pair.certificate.to_pem()?)?;
    std::fs::write(directory.join("server.key"), pair.key.to_pem()?.as_slice())?;
    let hash = bcrypt::hash_with_result(PASSWORD, 4)?.format_for_version(bcrypt::Version::TwoY);
    std::fs::write(directory.join("htpasswd"), format!("{USER}:{hash}\n"))?;
    Ok(())
}

/// Writes an auth file with one entry.
pub fn write_auth_file(path: &Path, registry: &str, password: &str) -> Result<()> {
    let mut file = AuthFile::new();
    file.set(registry, &Credentials::new(USER, password))?;
    Ok(std::fs::write(path, file.to_bytes().as_slice())?)
}

fn distribution(directory: &Path, access: &Access) -> Result<Command> {
    let path = |name: &str| directory.join(name).display().to_string();
    let guards = match access {
        Access::Open => String::new(),
        Access::Guarded { .. } => format!(
            "  tls:\n    certificate: {}\n    key: {}\nauth:\n  htpasswd:\n    realm: test\n    path: {}\n",
            path("server.pem"),
            path("server.key"),
            path("htpasswd")
        ),
    };
    let text = format!(
        "version: 0.1\nlog:\n  level: info\nstorage:\n  filesystem:\n    rootdirectory: {}\n  delete:\n    enabled: true\n\
         http:\n  addr: 127.0.0.1:0\n{guards}",
        path("store")
    );
    let config = directory.join("config.yml");
    std::fs::write(&config, text)?;
    let mut command = Command::new("docker-registry");
    command.arg("serve").arg(config);
    Ok(command)
}

fn own(directory: &Path, access: &Access) -> Result<Command> {
    let mut command = provision()?;
    command.args(["registry", "serve", "--listen", "127.0.0.1:0", "--store"]).arg(directory.join("store"));
    if let Access::Guarded { .. } = access {
        command.arg("--tls-cert").arg(directory.join("server.pem"));
        command.arg("--tls-key").arg(directory.join("server.key"));
        command.arg("--htpasswd").arg(directory.join("htpasswd"));
    }
    Ok(command)
}

/// A server's process, killed when it is dropped.
struct Process {
    child: Child,
    line: String,
    port: u16,
    log: Arc<Mutex<String>>,
}

impl Process {
    /// Starts it, and waits until it says where it listens.
    fn start(command: &mut Command) -> Result<Self> {
        let line = line(command);
        let command = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().with_context(|| {
            format!("{line}\ncannot be started; its package is among those that vm-tests/src/needs.rs names")
        })?;
        let log: Arc<Mutex<String>> = Arc::default();
        let (found, ports) = channel();
        let streams: [Option<Box<dyn Read + Send>>; 2] = [
            child.stdout.take().map(|stream| Box::new(stream) as _),
            child.stderr.take().map(|stream| Box::new(stream) as _),
        ];
        for stream in streams.into_iter().flatten() {
            let (found, log) = (found.clone(), log.clone());
            std::thread::spawn(move || {
                for text in BufReader::new(stream).lines().map_while(Result::ok) {
                    if let Some(port) = listening(&text) {
                        // Whoever asked may have given up by now.
                        let _ = found.send(port);
                    }
                    let mut log = log.lock().unwrap_or_else(PoisonError::into_inner);
                    log.push_str(&text);
                    log.push('\n');
                }
            });
        }
        // Gone with the last stream: then the process has ended.
        drop(found);
        let mut process = Self { child, line, port: 0, log };
        process.port = process.wait_for(&ports)?;
        Ok(process)
    }

    fn wait_for(&self, ports: &Receiver<u16>) -> Result<u16> {
        match ports.recv_timeout(PATIENCE) {
            Ok(port) => Ok(port),
            Err(error) => bail!("{}\ndoes not listen ({error}), its log:\n{}", self.line, self.log()),
        }
    }

    fn log(&self) -> String {
        self.log.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Process {
    fn stop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.stop();
    }
}

/// The port in a line such as `listening on http://127.0.0.1:4321` or `msg="listening on 127.0.0.1:4321, tls"`.
fn listening(line: &str) -> Option<u16> {
    let (_, address) = line.split_once("listening on ")?;
    let (_, port) = address.split_once(&format!("{}:", Ipv4Addr::LOCALHOST))?;
    let digits: String = port.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().ok()
}
