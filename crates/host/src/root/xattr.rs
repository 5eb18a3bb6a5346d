//! Extended attributes (xattr(7)) that belong to a node's state. Others (`security.ima`, `trusted.*`, those of a file
//! system) are the kernel's own matter: neither read nor changed.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use rustix::buffer::spare_capacity;
use rustix::fs::XattrFlags;
use rustix::io::Errno;

/// The largest value and list the kernel hands out (`XATTR_SIZE_MAX`, `XATTR_LIST_MAX`).
const LIMIT: usize = 64 * 1024;

const SELINUX: &str = "security.selinux";

/// Whether an attribute is part of a node's state.
fn is_ours(name: &str) -> bool {
    matches!(name, SELINUX | "security.capability" | "system.posix_acl_access" | "system.posix_acl_default")
        || name.starts_with("user.")
}

/// All attributes of the node that `path` (a `/proc/self/fd` link) stands for.
pub(super) fn read(path: &Path) -> io::Result<BTreeMap<String, Vec<u8>>> {
    let mut values = BTreeMap::new();
    for name in names(path)? {
        let mut value = Vec::with_capacity(256);
        let read = match rustix::fs::getxattr(path, &name, spare_capacity(&mut value)) {
            Err(Errno::RANGE) => {
                value.reserve(LIMIT);
                rustix::fs::getxattr(path, &name, spare_capacity(&mut value))
            }
            other => other,
        };
        match read {
            Ok(_) => {
                values.insert(name, value);
            }
            // Gone since it was listed.
            Err(Errno::NODATA) => {}
            Err(e) => return Err(e.into()),
        }
    }
    Ok(values)
}

/// Makes the attributes equal to `wanted`; see [`crate::Meta`] for what is left alone.
pub(super) fn write(path: &Path, wanted: &BTreeMap<String, Vec<u8>>) -> io::Result<()> {
    let found = read(path)?;
    for name in found.keys().filter(|name| !wanted.contains_key(*name) && *name != SELINUX) {
        rustix::fs::removexattr(path, name)?;
    }
    for (name, value) in wanted {
        if found.get(name) != Some(value) {
            rustix::fs::setxattr(path, name, value, XattrFlags::empty())?;
        }
    }
    Ok(())
}

fn names(path: &Path) -> io::Result<Vec<String>> {
    let mut list: Vec<u8> = Vec::with_capacity(1024);
    let listed = match rustix::fs::listxattr(path, spare_capacity(&mut list)) {
        Err(Errno::RANGE) => {
            list.reserve(LIMIT);
            rustix::fs::listxattr(path, spare_capacity(&mut list))
        }
        other => other,
    };
    match listed {
        Ok(_) => {}
        Err(Errno::NOTSUP) => return Ok(Vec::new()),
        Err(e) => return Err(e.into()),
    }
    let names = list.split(|byte| *byte == 0).filter_map(|name| std::str::from_utf8(name).ok());
    Ok(names.filter(|name| is_ours(name)).map(str::to_owned).collect())
}
