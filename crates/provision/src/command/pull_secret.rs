//! (being written)

use clap::Subcommand;

use crate::cli::Global;
use crate::exit::Exit;
use crate::failure::Failure;

/// (being written)
#[derive(Debug, Subcommand)]
pub enum PullSecretCommand {}

/// (being written)
pub fn run(_global: &Global, command: PullSecretCommand) -> Result<Exit, Failure> {
    match command {}
}
