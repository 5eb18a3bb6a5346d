//! Programs of the build machine: run to the end, and a failure that says which, how, and what it said.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};

/// Runs a program to its end, and gives what it printed.
pub fn run(program: &str, arguments: &[&str]) -> Result<String> {
    checked(Command::new(program).args(arguments))
}

/// Runs a command to its end; anything but success is an error with the end of what it said.
pub fn checked(command: &mut Command) -> Result<String> {
    let shown = format!("{command:?}");
    let output =
        command.stdin(std::process::Stdio::null()).output().with_context(|| format!("cannot run {shown}"))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        let end: Vec<&str> = said.lines().rev().take(15).collect();
        bail!("{shown}: {}\n{}", output.status, end.into_iter().rev().collect::<Vec<_>>().join("\n"));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// The project's top directory.
pub fn top() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here).to_path_buf()
}

/// Where images, snapshots and evidence are kept.
pub fn target() -> PathBuf {
    top().join("target/vm")
}

/// Lower-case hexadecimal sha256, shortened to 16 digits: enough to tell recipes apart.
pub fn short_hash(text: &str) -> String {
    openssl::sha::sha256(text.as_bytes())[..8].iter().map(|byte| format!("{byte:02x}")).collect()
}
