//! Tells what this machine is, replaces a file atomically, and runs a program with a time limit.

#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use std::error::Error;
use std::path::Path;
use std::time::Duration;

use provision_host::{Facts, Host, Meta, Root};

fn main() -> Result<(), Box<dyn Error>> {
    let host = Host::live()?;
    let facts = Facts::gather(&host)?;
    println!("{} on {}, {:?} family", facts.hostname, facts.os.pretty_name, facts.family);
    println!("podman: {}", facts.podman.or(facts.podman_candidate).unwrap_or_else(|| "none".to_owned()));

    // Any directory can be the root; links in it never lead out of it.
    let directory = tempfile::tempdir()?;
    let root = Root::open(directory.path())?;
    root.write(Path::new("/motd"), b"hello\n", &Meta::own(0o644))?;
    println!(
        "{} bytes in {}",
        root.read(Path::new("/motd"))?.unwrap_or_default().len(),
        root.path().display()
    );

    // Errors name the command line and the end of what it said.
    let output = host.program("uname").arg("-sr").timeout(Duration::from_secs(5)).run()?;
    println!("{}", output.stdout.trim());
    Ok(())
}
