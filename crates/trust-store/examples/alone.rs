//! Makes an authority and a server certificate for the names on the command line, and prints the PEM of both certificates.

#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use std::error::Error;
use std::time::SystemTime;

use provision_trust_store::{ANCHORS_DEBIAN, ANCHORS_RED_HAT, Authority, KeyKind, SubjectName};

fn main() -> Result<(), Box<dyn Error>> {
    let mut names =
        std::env::args().skip(1).map(|name| name.parse()).collect::<Result<Vec<SubjectName>, _>>()?;
    if names.is_empty() {
        names.push("registry.example.test".parse()?);
    }
    let now = SystemTime::now();
    let authority = Authority::generate("my own CA", KeyKind::EcdsaP256, now, 3650)?;
    let server = authority.issue(&names, KeyKind::EcdsaP256, now, 397)?;
    print!("{}", String::from_utf8_lossy(&authority.certificate().to_pem()?));
    print!("{}", String::from_utf8_lossy(&server.certificate.to_pem()?));
    println!("The first belongs into {} on Debian,", ANCHORS_DEBIAN.path("my-own-ca"));
    println!("into {} on RHEL and Fedora.", ANCHORS_RED_HAT.path("my-own-ca"));
    Ok(())
}
