//! Names of users and groups for the numbers that files carry, from the root's own passwd(5) and group(5).

use std::path::Path;

use provision_host::Root;

use crate::error::Result;

/// The users and groups that a root knows.
pub(crate) struct Accounts {
    users: Vec<(String, u32)>,
    groups: Vec<(String, u32)>,
}

impl Accounts {
    /// Reads both files; a root without them knows only numbers.
    pub(crate) fn read(root: &Root) -> Result<Self> {
        let table = |path: &str| -> Result<Vec<(String, u32)>> {
            Ok(parse(&root.read_text(Path::new(path))?.unwrap_or_default()))
        };
        Ok(Self { users: table("/etc/passwd")?, groups: table("/etc/group")? })
    }

    /// The name of a user, or the number in decimal where it has none.
    pub(crate) fn user(&self, uid: u32) -> String {
        name(&self.users, uid)
    }

    /// The name of a group, or the number in decimal where it has none.
    pub(crate) fn group(&self, gid: u32) -> String {
        name(&self.groups, gid)
    }

    /// The number of a user by name or decimal number.
    pub(crate) fn uid(&self, user: &str) -> Option<u32> {
        number(&self.users, user)
    }

    /// The number of a group by name or decimal number.
    pub(crate) fn gid(&self, group: &str) -> Option<u32> {
        number(&self.groups, group)
    }
}

fn name(table: &[(String, u32)], number: u32) -> String {
    let found = table.iter().find(|(_, known)| *known == number);
    // Number 0 is root everywhere, also in a root that has no passwd file yet.
    found.map_or_else(
        || if number == 0 { "root".to_owned() } else { number.to_string() },
        |(name, _)| name.clone(),
    )
}

fn number(table: &[(String, u32)], name: &str) -> Option<u32> {
    let found = table.iter().find(|(known, _)| known == name).map(|(_, number)| *number);
    found
        .or_else(|| if name == "root" { Some(0) } else { name.parse().ok() })
        // chown(2) takes the highest number for "leave it as it is".
        .filter(|number| *number != u32::MAX)
}

/// `name:x:number:…` lines; others are left out.
fn parse(text: &str) -> Vec<(String, u32)> {
    let line = |line: &str| {
        let mut fields = line.split(':');
        Some((fields.next()?.to_owned(), fields.nth(1)?.parse().ok()?))
    };
    text.lines().filter_map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_numbers_go_both_ways() {
        let users =
            parse("root:x:0:0:root:/root:/bin/bash\nbroken\nalice:x:1000:1000::/home/alice:/bin/sh\n");
        assert_eq!(name(&users, 1000), "alice");
        assert_eq!(name(&users, 1001), "1001");
        assert_eq!(number(&users, "alice"), Some(1000));
        assert_eq!(number(&users, "1001"), Some(1001));
        assert_eq!(number(&users, "bob"), None);
        assert_eq!(number(&users, "4294967295"), None);
    }

    #[test]
    fn root_is_zero_without_any_file() {
        assert_eq!((name(&[], 0).as_str(), number(&[], "root")), ("root", Some(0)));
    }
}
