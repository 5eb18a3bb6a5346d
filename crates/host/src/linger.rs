//! Lingering users: whose services run without a login (loginctl(1)).

use std::path::Path;

use crate::host::Host;
use crate::{Error, Result};

/// Whether the user's services run without a login.
pub fn is_enabled(host: &Host, user: &str) -> Result<bool> {
    let file = Path::new("/var/lib/systemd/linger").join(checked(user)?);
    Ok(host.root.node(&file)?.is_some())
}

fn checked(user: &str) -> Result<&str> {
    if user.is_empty() || user.contains('/') || user.starts_with(['.', '-']) {
        return Err(Error::unexpected("user name", "a name without `/`, not starting with `.` or `-`", user));
    }
    Ok(user)
}
