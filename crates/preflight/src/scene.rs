//! What all probes look at: the host, its facts, who asks, and the time.

use std::time::SystemTime;

use provision_host::names::{self, User};
use provision_host::{Error, Facts, Family, Host};

/// One host at one time.
pub(crate) struct Scene<'a> {
    pub(crate) host: &'a Host,
    pub(crate) facts: &'a Facts,
    pub(crate) now: SystemTime,
    pub(crate) uid: u32,
}

impl<'a> Scene<'a> {
    pub(crate) fn new(host: &'a Host, facts: &'a Facts) -> Scene<'a> {
        Scene { host, facts, now: provision_host::now(), uid: provision_host::effective_uid() }
    }

    pub(crate) fn family(&self) -> Family {
        self.facts.family
    }

    /// Who asks: the user behind sudo, if there is one.
    pub(crate) fn user(&self) -> Result<User, Error> {
        let nobody = || User {
            name: self.uid.to_string(),
            uid: self.uid,
            gid: self.uid,
            home: provision_host::home().unwrap_or_else(|| "/".into()),
        };
        Ok(names::invoking_user(self.host)?.unwrap_or_else(nobody))
    }
}

/// Installs packages; the same package may have another name in the other family.
pub(crate) fn install(family: Family, debian: &str, red_hat: &str) -> String {
    match family {
        Family::Debian => format!("sudo apt-get update && sudo apt-get install --yes {debian}"),
        Family::RedHat => format!("sudo dnf install --assumeyes {red_hat}"),
    }
}
