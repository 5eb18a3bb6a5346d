//! `provision schema`, `completions` and `man`: generated from the same types that parse.

use std::path::Path;

use clap::CommandFactory as _;
use provision_host::{Meta, Root};

use crate::cli::Cli;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::out;

/// Prints the JSON Schema of a profile.
pub fn schema() -> Result<Exit, Failure> {
    out::json(&provision_profile::Profile::json_schema());
    Ok(Exit::Done)
}

/// Prints the completions of one shell.
pub fn completions(shell: clap_complete::Shell) -> Result<Exit, Failure> {
    let mut text = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "provision", &mut text);
    out::data(String::from_utf8_lossy(&text).trim_end());
    Ok(Exit::Done)
}

/// Prints the manual page, or writes one per command into a directory.
pub fn man(directory: Option<&Path>) -> Result<Exit, Failure> {
    let io = |error: std::io::Error| Failure::because(Exit::Failed, &error);
    let page = |command: clap::Command| -> std::io::Result<Vec<u8>> {
        let mut text = Vec::new();
        clap_mangen::Man::new(command).render(&mut text)?;
        Ok(text)
    };
    let Some(directory) = directory else {
        out::data(String::from_utf8_lossy(&page(Cli::command()).map_err(io)?).trim_end());
        return Ok(Exit::Done);
    };
    let root = Root::open(directory)?;
    let mut all = Vec::new();
    collect(Cli::command(), "provision", &mut all);
    for (name, command) in all {
        let text = page(command).map_err(io)?;
        root.write(Path::new(&format!("/{name}.1")), &text, &Meta::own(0o644))?;
    }
    Ok(Exit::Done)
}

/// A command and all below it, each named as its page is: `provision-mirror-copy`.
fn collect(command: clap::Command, name: &str, all: &mut Vec<(String, clap::Command)>) {
    for below in command.get_subcommands() {
        collect(below.clone(), &format!("{name}-{}", below.get_name()), all);
    }
    all.push((name.to_owned(), command));
}
