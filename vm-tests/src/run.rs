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

/// Runs cargo on this workspace to its end, and gives what it printed.
pub fn cargo(arguments: &[&str]) -> Result<String> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    checked(Command::new(cargo).current_dir(top()).args(arguments))
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

/// Tells recipes apart, in 16 digits: FNV-1a, since nothing is installed yet that could do better.
pub fn short_hash(text: &str) -> String {
    let step = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    format!("{:016x}", text.bytes().fold(0xcbf2_9ce4_8422_2325, step))
}
