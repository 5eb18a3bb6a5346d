//! `provision schema`, `completions` and `man`: generated from the same types that parse.

use std::collections::BTreeMap;
use std::path::Path;

use clap::CommandFactory as _;
use provision_host::{Meta, Root};
use serde_json::json;

use crate::cli::{Cli, Global};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::out;
use crate::supply::absolute;

/// Prints the JSON Schema of a profile.
pub fn schema() -> Result<Exit, Failure> {
    out::json(&provision_profile::Profile::json_schema());
    Ok(Exit::Done)
}

/// Prints the completions of one shell.
pub fn completions(global: &Global, shell: clap_complete::Shell) -> Result<Exit, Failure> {
    let mut text = Vec::new();
    clap_complete::generate(shell, &mut offered(&Cli::command()), "provision", &mut text);
    let script = String::from_utf8_lossy(&text);
    if global.json {
        out::json(&json!({ "schema": 1, "shell": shell.to_string(), "script": script }));
    } else {
        out::data(script.trim_end());
    }
    Ok(Exit::Done)
}

/// A command with what it offers: completions would name what is hidden, because it is not built, as well.
fn offered(command: &clap::Command) -> clap::Command {
    let mut offer = clap::Command::new(command.get_name().to_owned());
    if let Some(version) = command.get_version() {
        offer = offer.version(version.to_owned());
    }
    offer
        .about(command.get_about().cloned().unwrap_or_default())
        .args(command.get_arguments().filter(|argument| !argument.is_hide_set()))
        .subcommands(command.get_subcommands().filter(|below| !below.is_hide_set()).map(offered))
}

/// Prints the manual page, or writes one per command into a directory.
pub fn man(global: &Global, directory: Option<&Path>) -> Result<Exit, Failure> {
    let pages = pages().map_err(|error| Failure::because(Exit::Failed, &error))?;
    let Some(directory) = directory else {
        if global.json {
            out::json(&json!({ "schema": 1, "pages": pages }));
        } else {
            out::data(pages.get("provision").map(|page| page.trim_end()).unwrap_or_default());
        }
        return Ok(Exit::Done);
    };
    let (here, directory) = (Root::live()?, absolute(directory)?);
    if here.node(&directory)?.is_none() {
        here.make_dir(&directory, &Meta::own(0o755))?;
    }
    let mut written = Vec::new();
    for (name, page) in pages {
        let file = format!("{name}.1");
        here.write(&directory.join(&file), page.as_bytes(), &Meta::own(0o644))?;
        written.push(file);
    }
    if global.json {
        out::json(&json!({ "schema": 1, "directory": directory, "files": written }));
    } else {
        out::data(format!("{} pages in {}", written.len(), directory.display()));
    }
    Ok(Exit::Done)
}

/// All manual pages, each named as it is called: `provision-mirror-copy`. What is not built has none.
fn pages() -> std::io::Result<BTreeMap<String, String>> {
    // Without the generated `help` commands: they have nothing to say that the pages do not.
    let mut all = Cli::command().disable_help_subcommand(true);
    all.build();
    let mut pages = BTreeMap::new();
    let mut waiting = vec![("provision".to_owned(), all)];
    while let Some((name, command)) = waiting.pop() {
        let below = command.get_subcommands().filter(|below| !below.is_hide_set());
        waiting.extend(below.map(|below| (format!("{name}-{}", below.get_name()), below.clone())));
        let mut text = Vec::new();
        clap_mangen::Man::new(command).title(name.to_uppercase()).render(&mut text)?;
        pages.insert(name, String::from_utf8_lossy(&text).into_owned());
    }
    Ok(pages)
}
