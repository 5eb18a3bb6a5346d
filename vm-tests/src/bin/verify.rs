//! `cargo verify`: everything that has to be green, from format to virtual machines, with a table of what it took.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "people and machines wait for it")]

use std::process::{Command, ExitCode, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use vm_tests::image::{Suite, build_if_asked, image};
use vm_tests::machine::Machine;
use vm_tests::run::top;
use vm_tests::{binary, needs};

const HELP: &str = "\
Runs every test: format, lints, unit and property tests, real servers, virtual machines.

Usage: cargo verify [OPTIONS]

Options:
  --no-vm      leave out the virtual machines
  -h, --help   print this";

/// What was done, and how long it took.
type Taken = (&'static str, Duration);

fn main() -> ExitCode {
    match build_if_asked() {
        Ok(false) => {}
        Ok(true) => return ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            return ExitCode::FAILURE;
        }
    }
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let machines = match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        [] => true,
        ["--no-vm"] => false,
        ["-h" | "--help"] => {
            println!("{HELP}");
            return ExitCode::SUCCESS;
        }
        other => {
            eprintln!("error: unknown arguments {other:?}\nhint: cargo verify --help");
            return ExitCode::from(64);
        }
    };
    let mut taken = Vec::new();
    let verified = verify(machines, &mut taken);
    for (what, took) in &taken {
        println!("{:>5} s  {what}", took.as_secs());
    }
    match verified {
        Ok(()) => {
            println!("{:>5} s  all is green", taken.iter().map(|(_, took)| took.as_secs()).sum::<u64>());
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn verify(machines: bool, taken: &mut Vec<Taken>) -> Result<()> {
    let mut timed = |what: &'static str, work: &mut dyn FnMut() -> Result<()>| {
        println!("== {what}");
        let begun = Instant::now();
        let done = work().with_context(|| what.to_owned());
        taken.push((what, begun.elapsed()));
        done
    };
    timed("packages of this machine", &mut needs::install_for_tests)?;
    timed("format", &mut || cargo(&["fmt", "--check"]))?;
    // Downloading and unpacking guests leaves a core to the compiler.
    let guests = machines.then(|| thread::spawn(prepare_guests));
    timed("lints", &mut || {
        cargo(&["clippy", "--quiet", "--workspace", "--all-targets", "--", "--deny", "warnings"])
    })?;
    timed("unit, property and server tests", &mut || {
        cargo(&["test", "--quiet", "--workspace", "--exclude", "vm-tests", "--no-fail-fast"])
    })?;
    timed("licences, bans and sources of dependencies", &mut dependencies)?;
    let Some(guests) = guests else {
        println!("virtual machines were left out, as asked: nothing is known about real hosts");
        return Ok(());
    };
    timed("the static binary", &mut || binary::build().map(drop))?;
    let mut guests = Some(guests);
    timed(
        "guest images and first boots (the rest of it)",
        &mut || match guests.take().map(|it| it.join()) {
            Some(Ok(prepared)) => prepared,
            _ => bail!("the thread that prepares guests panicked"),
        },
    )?;
    timed("virtual machines", &mut || {
        cargo(&["test", "--quiet", "--package", "vm-tests", "--no-fail-fast", "--", "--test-threads", "2"])
    })
}

fn prepare_guests() -> Result<()> {
    for suite in Suite::ALL {
        image(suite)?;
        Machine::fresh(suite, "first-boot")?;
    }
    for suite in [Suite::Trixie, Suite::Bookworm] {
        Machine::with_podman(suite, "first-boot")?;
    }
    Ok(())
}

/// cargo-deny takes minutes to build, so it is used where it is installed.
fn dependencies() -> Result<()> {
    let there =
        Command::new("cargo-deny").arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    if !there.is_ok_and(|status| status.success()) {
        println!("LEFT OUT: cargo-deny is not installed (cargo install --locked cargo-deny)");
        return Ok(());
    }
    cargo(&["deny", "--offline", "check", "licenses", "bans", "sources"])
}

fn cargo(arguments: &[&str]) -> Result<()> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let status = Command::new(cargo).current_dir(top()).args(arguments).stdin(Stdio::null()).status()?;
    if !status.success() {
        bail!("cargo {}: {status}", arguments.join(" "));
    }
    Ok(())
}
