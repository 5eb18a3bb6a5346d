//! The program under test: `provision`, linked statically, so that it runs in every guest.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;

use crate::run::{checked, top};

/// The target whose C library can be linked statically with the one toolchain at hand.
const TARGET: &str = "x86_64-unknown-linux-gnu";

/// Builds the binary, if anything changed, and gives its path.
pub fn build() -> Result<PathBuf> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let built = top().join("target").join(TARGET).join("guest/provision");
    checked(
        Command::new(cargo)
            .current_dir(top())
            .args(["build", "--quiet", "--package", "provision", "--profile", "guest", "--target", TARGET])
            .args(["--config", "env.OPENSSL_STATIC=\"1\""])
            .args(["--config", &format!("target.{TARGET}.rustflags=[\"-Ctarget-feature=+crt-static\"]")])
            .args(["--config", &format!("build.target-dir={:?}", top().join("target"))]),
    )?;
    Ok(built)
}

/// What a guest gets: the binary and the profiles, laid out below `directory`.
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
