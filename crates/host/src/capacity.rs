//! What the running machine has: memory and processors.

use std::path::Path;

use crate::{Error, Result};

/// Bytes of memory that the kernel has to give; a little less than what is built in.
pub fn memory() -> Result<u64> {
    let unreadable =
        |e: sysinfo::Error| Error::file("measure memory from", Path::new("/proc/meminfo"), io(e.to_string()));
    let mut system = sysinfo::System::new().map_err(unreadable)?;
    system.refresh_memory();
    match system.total_memory() {
        0 => {
            Err(Error::file("measure memory from", Path::new("/proc/meminfo"), io("it tells nothing".into())))
        }
        bytes => Ok(bytes),
    }
}

/// Processors that this process may use: affinity and control groups count.
pub fn processors() -> Result<usize> {
    let failed = |e| Error::file("count processors with", Path::new("sched_getaffinity(2)"), e);
    std::thread::available_parallelism().map(usize::from).map_err(failed)
}

fn io(text: String) -> std::io::Error {
    std::io::Error::other(text)
}

#[cfg(test)]
mod tests {
    #[test]
    fn this_machine_has_some_of_both() {
        assert!(super::memory().unwrap() > 64 << 20);
        assert!(super::processors().unwrap() >= 1);
    }
}
