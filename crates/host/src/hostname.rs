//! The name of the host: the one it boots with (`/etc/hostname`) and the one the kernel has now.

use std::ops::Range;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::host::Host;
use crate::node::Meta;
use crate::{Error, Result, selinux};

const FILE: &str = "/etc/hostname";

/// Both names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hostname {
    /// From `/etc/hostname`; empty when the file names nobody, `None` without the file.
    pub configured: Option<String>,
    /// From the kernel; on a root that is not the running system, the configured one.
    pub running: String,
}

/// The names that the host has.
pub fn get(host: &Host) -> Result<Hostname> {
    let text = host.root.read_text(Path::new(FILE))?;
    let configured = text.map(|text| text[name_in(&text)].to_owned());
    let running = match host.root.is_live() {
        true => rustix::system::uname().nodename().to_string_lossy().into_owned(),
        false => configured.clone().unwrap_or_default(),
    };
    Ok(Hostname { configured, running })
}

/// Gives the host a name, now and at boot, each only where it differs. `configured` = `None` removes the file; otherwise
/// only the name in it changes. What [`get`] returned can be set again, and the file has its bytes of then. Needs root;
/// the running name only changes on the running system.
pub fn set(host: &Host, name: &Hostname) -> Result<()> {
    let now = get(host)?;
    if now.configured != name.configured {
        match &name.configured {
            Some(name) => write(host, name)?,
            None => drop(host.root.remove(Path::new(FILE))?),
        }
    }
    if host.root.is_live() && now.running != name.running {
        rustix::system::sethostname(name.running.as_bytes())
            .map_err(|e| Error::file("set the host name with", Path::new("sethostname(2)"), e))?;
    }
    Ok(())
}

fn write(host: &Host, name: &str) -> Result<()> {
    // A link stays one.
    let path = &host.root.behind(Path::new(FILE))?;
    let before = host.root.node(path)?;
    let meta = before.as_ref().map_or(Meta::own(0o644), |node| node.meta.clone());
    let text = host.root.read_text(path)?.unwrap_or_default();
    host.root.write(path, with_name(&text, name).as_bytes(), &meta)?;
    if before.is_none() && host.root.is_live() { selinux::restorecon(host, &[path]) } else { Ok(()) }
}

/// Where the name is, hostname(5): the first line that is neither empty nor a comment, without the space around it. An
/// empty place at the start when there is none.
fn name_in(text: &str) -> Range<usize> {
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        let name = line.trim();
        if !name.is_empty() && !name.starts_with('#') {
            let start = at + line.len() - line.trim_start().len();
            return start..start + name.len();
        }
        at += line.len();
    }
    0..0
}

/// The text with another name in the place of its own, or without one. A name that is new has a line of its own, the
/// first, so that taking it away gives back what was there.
fn with_name(text: &str, name: &str) -> String {
    let Range { start, mut end } = name_in(text);
    let mut name = name.to_owned();
    match (end == start, name.is_empty()) {
        (true, false) => name.push('\n'),
        (false, true) if text[end..].starts_with('\n') => end += 1,
        _ => {}
    }
    format!("{}{name}{}", &text[..start], &text[end..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_in_a_file() {
        for (text, expected) in [
            ("bastion\n", "bastion"),
            ("# c\n\n registry.example.test \n", "registry.example.test"),
            ("\n# only a comment\n", ""),
            ("", ""),
        ] {
            assert_eq!(&text[name_in(text)], expected);
        }
    }

    #[test]
    fn a_name_that_goes_again_leaves_the_file_as_it_was() {
        for text in ["bare\n", "bare", "# by the installer\n bare \n# end", "# only a comment", "", "\n"] {
            let before = text[name_in(text)].to_owned();
            let with = with_name(text, "registry.example.test");
            assert_eq!(&with[name_in(&with)], "registry.example.test");
            assert_eq!(with_name(&with, &before), text);
        }
    }
}
