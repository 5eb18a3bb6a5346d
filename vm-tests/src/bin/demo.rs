//! `cargo demo`: the whole story in a bare guest, with a table of what was proved at the end.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "people watch this")]

use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Result, bail};
use vm_tests::bastion::Bastion;
use vm_tests::image::{self, Suite};
use vm_tests::machine::Machine;
use vm_tests::{binary, needs};

const HELP: &str = "\
Shows provision at work: builds it, boots a bare virtual machine, and makes a bastion of it.

Usage: cargo demo [OPTIONS]

Options:
  --on SUITE         the guest's Debian: trixie (13, Quadlet; the default) or bookworm (12, plain units)
  --registry NAME    embedded (the default) or distribution
  --keep             leave the guest up instead of taking it back, and say how to get in
  -h, --help         print this";

struct Options {
    suite: Suite,
    profile: &'static str,
    keep: bool,
}

fn main() -> ExitCode {
    match image::build_if_asked() {
        Ok(false) => {}
        Ok(true) => return ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            return ExitCode::FAILURE;
        }
    }
    let options = match options() {
        Ok(Some(options)) => options,
        Ok(None) => {
            println!("{HELP}");
            return ExitCode::SUCCESS;
        }
        Err(error) => {
            eprintln!("error: {error}\nhint: cargo demo --help");
            return ExitCode::from(64);
        }
    };
    match demo(&options) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn options() -> Result<Option<Options>> {
    let mut options = Options { suite: Suite::Trixie, profile: "bastion.toml", keep: false };
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().unwrap_or_default();
        match argument.as_str() {
            "--on" => {
                options.suite = match value().as_str() {
                    "trixie" => Suite::Trixie,
                    "bookworm" => Suite::Bookworm,
                    other => bail!("--on takes trixie or bookworm, not {other:?}"),
                }
            }
            "--registry" => {
                options.profile = match value().as_str() {
                    "embedded" => "bastion.toml",
                    "distribution" => "bastion-distribution.toml",
                    other => bail!("--registry takes embedded or distribution, not {other:?}"),
                }
            }
            "--keep" => options.keep = true,
            "-h" | "--help" => return Ok(None),
            other => bail!("unknown option {other}"),
        }
    }
    Ok(Some(options))
}

fn demo(options: &Options) -> Result<bool> {
    let begun = Instant::now();
    needs::install()?;
    if options.profile == "bastion-distribution.toml" {
        needs::install_distribution()?;
    }
    step("building provision, linked statically (a few minutes the first time)");
    binary::build()?;
    step("building the guest image (a minute or two the first time)");
    image::image(options.suite)?;
    step("booting the guest (half a minute the first time, then it is restored)");
    let machine = Machine::fresh(options.suite, "demo")?;
    println!("ready after {} s; the guest has no network but itself", begun.elapsed().as_secs());
    let mut bastion = Bastion::new(machine, options.profile)?;
    if options.keep {
        let played = bastion.play_until_it_serves();
        let ok = bastion.stage.table() && played.is_ok();
        println!(
            "\nThe guest stays up until Ctrl-C. In another terminal:\n  {}",
            bastion.stage.machine.way_in()?
        );
        wait_for_interrupt()?;
        return Ok(ok);
    }
    // The table shows how far it came; its last line is the failure, which was shown when it happened.
    let played = bastion.play();
    Ok(bastion.stage.table() && played.is_ok())
}

/// The guest ends with us, and its files with it.
fn wait_for_interrupt() -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    Ok(runtime.block_on(tokio::signal::ctrl_c())?)
}

fn step(text: &str) {
    println!("{text}");
}
