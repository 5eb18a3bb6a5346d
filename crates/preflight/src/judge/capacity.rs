//! Memory and processors.

use provision_host::{Error, capacity};

use crate::size::shown;
use crate::verdict::Verdict;

pub(crate) fn memory(needed: u64) -> Result<Verdict, Error> {
    Ok(judge_memory(needed, capacity::memory()?))
}

pub(crate) fn cpus(needed: u32) -> Result<Verdict, Error> {
    Ok(judge_cpus(needed, capacity::processors()?))
}

/// Firmware, the kernel and a crash kernel keep some: a machine of 4 GiB shows between 3.5 and 3.9.
fn judge_memory(needed: u64, total: u64) -> Verdict {
    let (found, expected) = (shown(total), format!("{} built in", shown(needed)));
    if total >= needed - needed / 8 {
        return Verdict::pass(found, expected);
    }
    Verdict::fail(found, expected).remedy("free -h   # give this machine more memory")
}

fn judge_cpus(needed: u32, found: usize) -> Verdict {
    let expected = format!("{needed} or more");
    match usize::try_from(needed).is_ok_and(|needed| found >= needed) {
        true => Verdict::pass(found.to_string(), expected),
        false => {
            Verdict::fail(found.to_string(), expected).remedy("nproc   # give this machine more processors")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finding::Status::{Fail, Pass};

    #[test]
    fn memory_and_processors() {
        for (needed, total, status) in [(4096, 3600, Pass), (4096, 3584, Pass), (4096, 3583, Fail)] {
            assert_eq!(judge_memory(needed << 20, total << 20).status, status, "{total}");
        }
        assert_eq!(judge_cpus(2, 2).status, Pass);
        assert_eq!(judge_cpus(2, 1).status, Fail);
    }
}
