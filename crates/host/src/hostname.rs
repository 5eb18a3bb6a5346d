//! The name of the host: the one it boots with (`/etc/hostname`) and the one the kernel has now.

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::host::Host;
use crate::node::Meta;
use crate::{Error, Result, selinux};

const FILE: &str = "/etc/hostname";

/// Both names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hostname {
    /// From `/etc/hostname`; `None` without the file or when it is empty.
    pub configured: Option<String>,
    /// From the kernel; on a root that is not the running system, the configured one.
    pub running: String,
}

/// The names that the host has.
pub fn get(host: &Host) -> Result<Hostname> {
    let configured = host.root.read_text(Path::new(FILE))?.and_then(|text| parse(&text));
    let running = match host.root.is_live() {
        true => rustix::system::uname().nodename().to_string_lossy().into_owned(),
        false => configured.clone().unwrap_or_default(),
    };
    Ok(Hostname { configured, running })
}

/// Gives the host a name, now and at boot, each only where it differs. `configured` = `None` removes the file. What
/// [`get`] returned can be set again. Needs root; the running name only changes on the running system.
pub fn set(host: &Host, name: &Hostname) -> Result<()> {
    let path = Path::new(FILE);
    let now = get(host)?;
    if now.configured != name.configured {
        match &name.configured {
            Some(name) => write(host, name)?,
            None => drop(host.root.remove(path)?),
        }
    }
    if host.root.is_live() && now.running != name.running {
        rustix::system::sethostname(name.running.as_bytes())
            .map_err(|e| Error::file("set the host name with", Path::new("sethostname(2)"), e))?;
    }
    Ok(())
}

fn write(host: &Host, name: &str) -> Result<()> {
    let path = Path::new(FILE);
    let before = host.root.node(path)?;
    let meta = before.as_ref().map_or(Meta::own(0o644), |node| node.meta.clone());
    host.root.write(path, format!("{name}\n").as_bytes(), &meta)?;
    if before.is_none() && host.root.is_live() { selinux::restorecon(host, &[path]) } else { Ok(()) }
}

/// hostname(5): the first line that is neither empty nor a comment.
fn parse(text: &str) -> Option<String> {
    text.lines().map(str::trim).find(|line| !line.is_empty() && !line.starts_with('#')).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn the_file() {
        for (text, expected) in [
            ("bastion\n", Some("bastion")),
            ("# c\n\n registry.example.test \n", Some("registry.example.test")),
        ] {
            assert_eq!(parse(text).as_deref(), expected);
        }
        assert_eq!(parse("\n# only a comment\n"), None);
    }
}
