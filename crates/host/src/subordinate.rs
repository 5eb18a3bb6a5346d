//! Ranges of user and group ids that users may give to their containers: subuid(5), subgid(5). Ranges that another
//! name service keeps (`subid: sss` in nsswitch.conf) are not seen.

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::Result;
use crate::host::Host;

/// One line of the file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Range {
    /// Login name or user id.
    pub owner: String,
    /// The first id.
    pub start: u64,
    /// How many.
    pub count: u64,
}

/// All ranges of user ids.
pub fn users(host: &Host) -> Result<Vec<Range>> {
    Ok(parse(&host.root.read_text(Path::new("/etc/subuid"))?.unwrap_or_default()))
}

/// All ranges of group ids.
pub fn groups(host: &Host) -> Result<Vec<Range>> {
    Ok(parse(&host.root.read_text(Path::new("/etc/subgid"))?.unwrap_or_default()))
}

fn parse(text: &str) -> Vec<Range> {
    let range = |line: &str| {
        let mut fields = line.trim().split(':');
        let (owner, start, count) = (fields.next()?, fields.next()?, fields.next()?);
        Some(Range { owner: owner.to_owned(), start: start.parse().ok()?, count: count.parse().ok()? })
    };
    text.lines().filter_map(range).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recorded_file() {
        let found = parse("core:100000:65536\n1001:165536:65536\n# no range\nbroken:x:1\n\n");
        assert_eq!(found.len(), 2);
        assert_eq!((found[0].owner.as_str(), found[0].start, found[0].count), ("core", 100_000, 65_536));
        assert_eq!(found[1].owner, "1001");
    }
}
