//! The program under test: `provision`, linked statically, so that it runs in every guest.

use std::path::{Path, PathBuf};

use anyhow::Result;

use crate::machine::Machine;
use crate::run::{cargo, top};

/// The target whose C library can be linked statically with the one toolchain at hand.
const TARGET: &str = "x86_64-unknown-linux-gnu";

/// Builds the binary, if anything changed, and gives its path.
pub fn build() -> Result<PathBuf> {
    let target = top().join("target");
    cargo(&[
        "build",
        "--quiet",
        "--package",
        "provision",
        "--profile",
        "guest",
        "--target",
        TARGET,
        "--config",
        "env.OPENSSL_STATIC=\"1\"",
        "--config",
        &format!("target.{TARGET}.rustflags=[\"-Ctarget-feature=+crt-static\"]"),
        "--config",
        &format!("build.target-dir={target:?}"),
    ])?;
    Ok(target.join(TARGET).join("guest/provision"))
}

/// Puts the binary and the profiles into a guest.
pub fn equip(machine: &mut Machine) -> Result<()> {
    let directory = tempfile::tempdir()?;
    lay_out(directory.path())?;
    machine.push(directory.path(), "/")
}

/// The binary and the profiles, below `directory` as a guest has them.
pub fn lay_out(directory: &Path) -> Result<()> {
    let (bin, profiles) = (directory.join("usr/local/bin"), directory.join("root/profiles"));
    std::fs::create_dir_all(&bin)?;
    std::fs::create_dir_all(&profiles)?;
    std::fs::copy(build()?, bin.join("provision"))?;
    for entry in std::fs::read_dir(top().join("profiles"))?.flatten() {
        std::fs::copy(entry.path(), profiles.join(entry.file_name()))?;
    }
    Ok(())
}
