//! A profile read and judged without a host and without the engine: what it declares, and where each key was set.
//!
//! `cargo run -p provision-profile --example alone -- profiles/bastion.toml fqdn=mirror.site.test`

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "an example shows what it found")]

use std::path::Path;
use std::process::ExitCode;

use provision_profile::{Error, load};

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let path = arguments.next().unwrap_or_else(|| "profiles/bastion.toml".to_owned());
    let settings: Vec<String> = arguments.collect();
    match load(Path::new(&path), &settings, &|path| std::fs::read(path)) {
        Ok(profile) => {
            println!("{} declares:", profile.name);
            for key in ["host.hostname", "registry.backend", "registry.port", "pull-secret.write", "redirect"]
            {
                match profile.merged.origin(key) {
                    Some(origin) => println!("  {key} at {origin}"),
                    None => println!("  {key} by default, or not at all"),
                }
            }
            if let Some(registry) = &profile.registry {
                println!("  clients push to https://{}", registry.address());
            }
            ExitCode::SUCCESS
        }
        // Every finding with its line, as `provision` shows them.
        Err(Error::Invalid(problems)) => {
            eprintln!("{problems}\n{} errors", problems.len());
            ExitCode::from(64)
        }
        Err(error) => {
            eprintln!(
                "{error}: {}",
                std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default()
            );
            ExitCode::from(64)
        }
    }
}
