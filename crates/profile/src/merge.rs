//! One tree from several: merge by key, the importing file wins, contradictions between equals are errors.
//!
//! Knows trees. Must not know where they were read from, nor what a key means, but for the lists
//! whose items have a name of their own.

use crate::problem::{Problem, Problems};
use crate::tree::{Entry, Node, Table, Value};

/// Lists of tables that merge item by item, and the key that names an item.
const NAMED_LISTS: [(&str, &str); 3] =
    [("host.file", "path"), ("mirror.release", "image"), ("preflight.disk", "path")];

/// Two imports that set one key differently; an error unless the importing file decides.
#[derive(Debug)]
struct Conflict {
    path: Vec<String>,
    problem: Problem,
}

/// Several imports of one file, merged as equals, under the importing file's own keys.
#[derive(Debug, Default)]
pub(crate) struct Merge {
    table: Table,
    conflicts: Vec<Conflict>,
}

impl Merge {
    /// Adds one import; they come in the order of their paths, whatever the importing file says.
    pub(crate) fn import(&mut self, table: Table) {
        let mut path = Vec::new();
        merge_equals(&mut self.table, table, &mut path, &mut self.conflicts);
    }

    /// Lays the importing file over its imports, and reports the contradictions that it leaves open.
    pub(crate) fn under(mut self, own: Table, problems: &mut Problems) -> Table {
        for conflict in self.conflicts {
            if !decides(&own, &conflict.path) {
                problems.push(conflict.problem);
            }
        }
        overlay(&mut self.table, own, &mut Vec::new(), problems);
        self.table
    }
}

fn merge_equals(base: &mut Table, other: Table, path: &mut Vec<String>, conflicts: &mut Vec<Conflict>) {
    for (name, entry) in other {
        let Some(old) = base.get_mut(&name) else {
            base.insert(name, entry);
            continue;
        };
        path.push(name);
        merge_entry(old, *entry, path, conflicts);
        path.pop();
    }
}

fn merge_entry(old: &mut Entry, new: Entry, path: &mut Vec<String>, conflicts: &mut Vec<Conflict>) {
    let list_key = named_list(path);
    match (&mut old.node.value, new.node.value) {
        (Value::Table(old), Value::Table(new)) => merge_equals(old, new, path, conflicts),
        (Value::Array(old), Value::Array(new)) if list_key.is_some() => {
            let (mut items, others) = (by_name(std::mem::take(old), list_key), by_name(new, list_key));
            merge_equals(&mut items, others, path, conflicts);
            *old = items.into_values().map(|entry| entry.node).collect();
        }
        (one, another) if !one.same(&another) => {
            let title = format!("two imports set `{}` differently", path.join("."));
            let problem = Problem::new(&old.node.origin, title, "one value")
                .and(&new.node.origin, "another value")
                .help("set it in the importing file, which decides");
            conflicts.push(Conflict { path: path.clone(), problem });
        }
        _ => {}
    }
}

/// Whether a table sets this path, or a value in the place of one of its parents.
fn decides(table: &Table, path: &[String]) -> bool {
    let mut table = table.clone();
    for (depth, name) in path.iter().enumerate() {
        let Some(entry) = table.remove(name) else { return false };
        let list_key = named_list(&path[..=depth]);
        table = match entry.node.value {
            Value::Table(inner) => inner,
            Value::Array(items) if list_key.is_some() => by_name(items, list_key),
            _ => return true,
        };
    }
    true
}

fn overlay(base: &mut Table, own: Table, path: &mut Vec<String>, problems: &mut Problems) {
    for (name, entry) in own {
        let Some(old) = base.get_mut(&name) else {
            base.insert(name, entry);
            continue;
        };
        path.push(name);
        let list_key = named_list(path);
        match (&mut old.node.value, entry.node.value) {
            (Value::Table(inner), Value::Table(own)) => {
                overlay(inner, own, path, problems);
                (old.key, old.node.origin) = (entry.key, entry.node.origin);
            }
            (Value::Array(items), Value::Array(own)) if list_key.is_some() => {
                let mut named = by_name(std::mem::take(items), list_key);
                overlay(&mut named, by_name(own, list_key), path, problems);
                *items = named.into_values().map(|entry| entry.node).collect();
            }
            (inherited, value) => {
                if path[0] == "vars" && inherited.kind() != value.kind() {
                    let title = format!("`{}` changes its type", path.join("."));
                    let label = format!("{} here", value.kind());
                    problems.push(
                        Problem::new(&entry.node.origin, title, label)
                            .and(&old.node.origin, format!("{} in the import", inherited.kind())),
                    );
                }
                let over = match old.node.value.same(&value) {
                    true => Vec::new(),
                    false => {
                        let earlier = std::mem::take(&mut old.node.over);
                        std::iter::once(old.node.clone()).chain(earlier).collect()
                    }
                };
                **old = Entry { key: entry.key, node: Node { value, over, ..entry.node } };
            }
        }
        path.pop();
    }
}

fn named_list(path: &[String]) -> Option<&'static str> {
    let path = path.join(".");
    NAMED_LISTS.iter().find(|(list, _)| *list == path).map(|(_, key)| *key)
}

/// Items by their name; those without one (an error that the reader reports) keep apart by their place.
fn by_name(items: Vec<Node>, key: Option<&str>) -> Table {
    let mut out = Table::new();
    for node in items {
        let named = match (&node.value, key) {
            (Value::Table(table), Some(key)) => match table.get(key).map(|entry| &entry.node.value) {
                Some(Value::String(name)) => Some(name.clone()),
                _ => None,
            },
            _ => None,
        };
        let apart = format!("\u{0}{:?}", node.origin);
        let name = named.filter(|name| !out.contains_key(name)).unwrap_or(apart);
        out.insert(name, Box::new(Entry { key: node.origin.clone(), node }));
    }
    out
}
