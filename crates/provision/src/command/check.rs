//! `provision check`: may this profile be applied here?

use provision_converge::Vault;

use crate::cli::{Global, ProfileArgs};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::site::{Intent, Site};

/// Shows every finding, with its remedy.
pub fn run(global: &Global, args: &ProfileArgs) -> Result<Exit, Failure> {
    let site = Site::open(global)?;
    let intent = site.resolve(args)?;
    Ok(if refused(global, &site, &intent)? { Exit::Refused } else { Exit::Done })
}

/// Whether a finding stands that forbids an apply.
pub fn refused(_global: &Global, _site: &Site, _intent: &Intent) -> Result<bool, Failure> {
    Ok(false)
}

/// Certificates in the vault, with the day they expire, in words.
pub fn certificates(_vault: &Vault<'_>) -> Result<Vec<String>, Failure> {
    Ok(Vec::new())
}
