//! Checks this host for a container service on port 8443, without any profile.
//!
//! `cargo run -p provision-preflight --example alone -- registry.example.test`

#![expect(clippy::print_stdout, reason = "an example shows what it found")]

use std::error::Error;
use std::process::ExitCode;

use provision_host::{Facts, Host};
use provision_preflight::{Requirement, Status, Version, run};

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let name = std::env::args().nth(1).unwrap_or_else(|| "localhost".to_owned());
    let host = Host::live()?;
    let facts = Facts::gather(&host)?;
    let requirements = [
        Requirement::Podman { at_least: Version::new(4, 4), installed_by_us: false },
        Requirement::Name { name, declared: Vec::new() },
        Requirement::Port { port: 8443, unit: "web.service".into() },
        Requirement::Disk { path: "/var/lib".into(), free: 2 << 30, filled_by_us: false },
        Requirement::Clock { after: None },
    ];
    let report = run(&host, &facts, &requirements);
    for finding in &report.findings {
        println!("{:?} {}: {}", finding.status, finding.id, finding.found);
        if finding.status != Status::Pass {
            println!("    expected {}", finding.expected);
            println!("    {}", finding.remedy.as_deref().unwrap_or(&finding.why));
        }
    }
    Ok(if report.refuses() { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}
