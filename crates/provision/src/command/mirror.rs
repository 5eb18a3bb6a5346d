//! (being written)

use clap::Subcommand;

use crate::cli::Global;
use crate::exit::Exit;
use crate::failure::Failure;

/// (being written)
#[derive(Debug, Subcommand)]
pub enum MirrorCommand {}

/// (being written)
pub fn run(_global: &Global, command: MirrorCommand) -> Result<Exit, Failure> {
    match command {}
}
