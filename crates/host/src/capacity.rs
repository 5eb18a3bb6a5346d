//! What the running machine has: memory and processors.

use std::path::Path;

use crate::{Error, Result};

/// Bytes of memory that the kernel has to give; a little less than what is built in.
pub fn memory() -> Result<u64> {
    let failed = |source| Error::file("measure memory from", Path::new("/proc/meminfo"), source);
    let mut system = sysinfo::System::new().map_err(|e| failed(std::io::Error::other(e)))?;
    system.refresh_memory();
    match system.total_memory() {
        0 => Err(failed(std::io::ErrorKind::InvalidData.into())),
        bytes => Ok(bytes),
    }
}

/// Processors that this process may use: affinity and control groups count.
pub fn processors() -> Result<usize> {
    let failed = |e| Error::file("count processors with", Path::new("sched_getaffinity(2)"), e);
    std::thread::available_parallelism().map(usize::from).map_err(failed)
}

#[cfg(test)]
mod tests {
    #[test]
    fn this_machine_has_some_of_both() {
        assert!(super::memory().unwrap() > 64 << 20);
        assert!(super::processors().unwrap() >= 1);
    }
}
