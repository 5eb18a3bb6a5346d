//! Running programs for tests: the real `provision`, and the tools it is compared with. What fails says all there is.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use anyhow::{Context as _, Result, bail};

/// How a program ended.
#[derive(Debug)]
pub struct Ended {
    line: String,
    /// Its exit code; none when a signal killed it.
    pub code: Option<i32>,
    /// What it wrote to standard output.
    pub stdout: Vec<u8>,
    /// What it wrote to standard error.
    pub stderr: String,
}

/// A command that runs the `provision` of this workspace, built if need be.
///
/// It sees no credentials of whoever runs the tests.
pub fn provision() -> Result<Command> {
    static BUILT: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    let built = BUILT.get_or_init(|| build(&[]).map_err(|error| format!("{error:#}")));
    let path = built.as_ref().map_err(|error| anyhow::anyhow!("provision could not be built: {error}"))?;
    let mut command = Command::new(path);
    command.env_remove("REGISTRY_AUTH_FILE").env_remove("XDG_RUNTIME_DIR").env_remove("XDG_CONFIG_HOME");
    command.env("HOME", "/nonexistent");
    Ok(command)
}

/// The `provision` of this workspace as it is shipped, built if need be.
pub fn released() -> Result<PathBuf> {
    build(&["--release"])
}

/// Asks cargo, which knows the target directory and whether anything has to be done.
fn build(options: &[&str]) -> Result<PathBuf> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.args(["build", "--quiet", "--package", "provision", "--message-format", "json"]).args(options);
    command.current_dir(env!("CARGO_MANIFEST_DIR"));
    let ended = run(&mut command)?.ok()?;
    let messages = ended.text()?;
    let found = messages.lines().find_map(|line| {
        let message: serde_json::Value = serde_json::from_str(line).ok()?;
        let named = message["target"]["name"] == "provision";
        message["executable"].as_str().filter(|_| named).map(PathBuf::from)
    });
    found.context("cargo names no executable of provision")
}

/// Runs a program to its end, however that is.
pub fn run(command: &mut Command) -> Result<Ended> {
    let line = line(command);
    let output = command.stdin(Stdio::null()).output().with_context(|| {
        format!("{line}\ncannot be started; its package is among those that vm-tests/src/needs.rs names")
    })?;
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    Ok(Ended { line, code: output.status.code(), stdout: output.stdout, stderr })
}

/// Runs skopeo with these arguments, which has to succeed, and gives what it printed.
pub fn skopeo<S: AsRef<std::ffi::OsStr>>(arguments: impl IntoIterator<Item = S>) -> Result<Vec<u8>> {
    Ok(run(Command::new("skopeo").args(arguments))?.ok()?.stdout)
}

/// The command as it could be typed.
pub(crate) fn line(command: &Command) -> String {
    let mut line = command.get_program().to_string_lossy().into_owned();
    for argument in command.get_args() {
        let _ = write!(line, " {}", argument.to_string_lossy());
    }
    line
}

impl Ended {
    /// It has to have succeeded.
    pub fn ok(self) -> Result<Self> {
        self.with_code(0)
    }

    /// It has to have ended with this code.
    pub fn with_code(self, code: i32) -> Result<Self> {
        if self.code == Some(code) { Ok(self) } else { bail!("expected exit code {code}\n{}", self.all()) }
    }

    /// Its standard error has to contain all of these.
    pub fn says(self, words: &[&str]) -> Result<Self> {
        match words.iter().find(|words| !self.stderr.contains(**words)) {
            Some(missing) => bail!("expected {missing:?} on standard error\n{}", self.all()),
            None => Ok(self),
        }
    }

    /// Its standard output as text.
    pub fn text(&self) -> Result<&str> {
        Ok(std::str::from_utf8(&self.stdout)?)
    }

    /// Its standard output as JSON.
    pub fn json(&self) -> Result<serde_json::Value> {
        serde_json::from_slice(&self.stdout).with_context(|| format!("no JSON\n{}", self.all()))
    }

    /// Command, code and both streams.
    pub fn all(&self) -> String {
        format!(
            "command: {}\nexit code: {:?}\n--- stdout\n{}\n--- stderr\n{}",
            self.line,
            self.code,
            String::from_utf8_lossy(&self.stdout),
            self.stderr
        )
    }
}
