//! The command line: words, colours, exit codes. What they do is the other crates' matter.

#![expect(unreachable_pub, reason = "a binary has no callers; pub says what its modules offer each other")]

mod certificates;
mod cli;
mod command;
mod exit;
mod failure;
mod findings;
mod inquiry;
mod lock_file;
mod out;
mod remote;
mod saved;
mod show;
mod signal;
mod site;
mod stream;
mod supply;

use std::path::Path;

use clap::Parser as _;

use crate::cli::{Cli, Command, Global, ProfileArgs};
use crate::command::not_built::Missing;
use crate::exit::Exit;
use crate::failure::Failure;

fn main() {
    let (mut exit, mut failure) = match run() {
        Ok(exit) => (exit, None),
        Err(failure) => (failure.exit, Some(failure)),
    };
    if let (Exit::Done | Exit::Pending, Some(why)) = (exit, out::lost()) {
        exit = Exit::Failed;
        failure = Some(Failure::new(exit, "cannot write to standard output").cause(&why));
    }
    match &failure {
        _ if stream::is_begun() => stream::end(exit, failure.as_ref()),
        Some(failure) => {
            out::note(format!("{} {}", out::paint(out::BAD, "error:"), failure.text().trim_end()));
        }
        None => {}
    }
    std::process::exit(exit as i32);
}

fn run() -> Result<Exit, Failure> {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return Ok(unparsed(&error)),
    };
    out::set_colour(cli.global.color);
    if let Some(command) = cli.command.streams() {
        stream::begin(command, cli.global.carried);
    }
    dispatch(cli).inspect_err(|failure| {
        if wants_json() {
            out::json(&failure.json());
        }
    })
}

/// Whether the result is wanted as JSON; also known when the rest of the command line makes no sense.
fn wants_json() -> bool {
    provision_host::args().iter().any(|argument| argument == "--json")
}

/// Help and version, which were asked for, and command lines that are wrong.
fn unparsed(error: &clap::Error) -> Exit {
    if !error.use_stderr() {
        out::data(error.render().ansi().to_string().trim_end());
        return Exit::Done;
    }
    if wants_json() {
        let text = error.render().to_string();
        let first: Vec<&str> = text.lines().take_while(|line| !line.is_empty()).map(str::trim).collect();
        out::json(&Failure::new(Exit::Usage, first.join(" ").trim_start_matches("error: ")).json());
    }
    out::note(error.render().ansi().to_string().trim_end());
    Exit::Usage
}

fn dispatch(mut cli: Cli) -> Result<Exit, Failure> {
    if let Some(target) = &cli.global.target {
        if let Command::Plan { update_lock: true, .. } | Command::Apply { update_lock: true, .. } =
            cli.command
        {
            return Err(Failure::new(
                Exit::Usage,
                "--update-lock writes beside the profile, and not on a target",
            )
            .hint("provision lock PROFILE first; what it notes goes to the target with the profile"));
        }
        return remote::run(&cli, target);
    }
    if cli.global.accept_new_host_key {
        return Err(Failure::new(Exit::Usage, "--accept-new-host-key means nothing without --target")
            .hint("name the host: --target USER@HOST"));
    }
    if cli.global.carried {
        cli.global.supply = remote::arrive(&cli)?;
    }
    let global = &cli.global;
    match cli.command {
        Command::Check(profile) => command::check::run(global, &profile),
        Command::Plan { profile, update_lock, output } => {
            profile_with_lock(global, &profile, update_lock)?;
            command::plan::run(global, &profile, output.as_deref())
        }
        Command::Apply { profile, update_lock, confirm, events } => {
            profile_with_lock(global, &profile, update_lock)?;
            command::apply::run(global, &profile, &confirm, events)
        }
        Command::Confirm => command::confirm::run(global),
        Command::Status { .. } => command::status::run(global, cli.command.profile().as_ref()),
        Command::Explain { profile, id } => command::explain::run(global, &profile, id.as_deref()),
        Command::Generations => command::generations::run(global),
        Command::Diff(args) => command::diff::run(global, &args),
        Command::VerifyLog => command::verify_log::run(global),
        Command::Rollback { generation, confirm, events } => {
            command::rollback::run(global, generation, &confirm, events)
        }
        Command::Destroy { confirm, events } => command::destroy::run(global, &confirm, events),
        Command::Recover { events, at_boot, when_due } => {
            command::recover::run(global, events, at_boot, when_due)
        }
        Command::Gc(args) => command::gc::run(global, &args),
        Command::Relay => remote::relay(),
        Command::Lock(args) => command::lock::run(global, &args),
        Command::Trust(_) => Err(Missing::Trust.into()),
        without_host => {
            if global.root != Path::new("/") {
                return Err(Failure::new(Exit::Usage, "--root means nothing to this command")
                    .hint("leave it out: the files that the command names are those of this machine"));
            }
            alone(global, without_host)
        }
    }
}

/// What `--update-lock` asks for, before the command itself.
fn profile_with_lock(global: &Global, profile: &ProfileArgs, update: bool) -> Result<(), Failure> {
    if update { command::lock::complete(global, profile) } else { Ok(()) }
}

/// Commands that work on files and registries, not on a host.
fn alone(global: &Global, command: Command) -> Result<Exit, Failure> {
    match command {
        Command::Mirror(command) => command::mirror::run(global, command),
        Command::PullSecret(command) => command::pull_secret::run(global, command),
        Command::Registry(command) => command::registry::run(global, command),
        Command::Completions { shell } => command::pages::completions(global, shell),
        Command::Man { output } => command::pages::man(global, output.as_deref()),
        _ => command::pages::schema(),
    }
}
