//! The command line: words, colours, exit codes. What they do is the other crates' matter.

#![expect(unreachable_pub, reason = "a binary has no callers; pub says what its modules offer each other")]

mod cli;
mod command;
mod exit;
mod failure;
mod out;
mod show;
mod signal;
mod site;

use clap::Parser as _;

use crate::cli::{Cli, Command};
use crate::exit::Exit;
use crate::failure::Failure;

fn main() {
    std::process::exit(run() as i32);
}

fn run() -> Exit {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            let asked = !error.use_stderr();
            // Help that can't be written has nobody who reads it.
            let _ = error.print();
            return if asked { Exit::Done } else { Exit::Usage };
        }
    };
    out::set_colour(cli.global.color);
    let json = cli.global.json;
    match dispatch(cli) {
        Ok(exit) => exit,
        Err(failure) => {
            if json {
                out::json(&failure.json());
            }
            out::note(format!("{} {}", out::paint(out::BAD, "error:"), failure.text().trim_end()));
            failure.exit
        }
    }
}

fn dispatch(cli: Cli) -> Result<Exit, Failure> {
    let global = &cli.global;
    match cli.command {
        Command::Check(profile) => command::check::run(global, &profile),
        Command::Plan { profile, output } => command::plan::run(global, &profile, output.as_deref()),
        Command::Apply { profile, events } => command::apply::run(global, &profile, events),
        Command::Status => command::status::run(global),
        Command::Generations => command::generations::run(global),
        Command::Rollback { generation } => command::rollback::run(global, generation),
        Command::Destroy => command::destroy::run(global),
        Command::Mirror(command) => command::mirror::run(global, command),
        Command::PullSecret(command) => command::pull_secret::run(global, command),
        Command::Registry(command) => command::registry::run(global, command),
        Command::Schema => command::pages::schema(),
        Command::Completions { shell } => command::pages::completions(shell),
        Command::Man { output } => command::pages::man(output.as_deref()),
    }
}
