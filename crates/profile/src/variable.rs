//! `[vars]` and `${var.name}`: typed substitution, and nothing more (no template language).
//!
//! Knows the place-holder's syntax and types. Must not know which keys hold it.

use std::collections::BTreeMap;

use crate::problem::{Problem, Problems, nearest};
use crate::source::{Origin, Source};
use crate::tree::{self, Entry, Node, Table, Value};

const OPEN: &str = "${var.";

/// The variables of a merged profile, by name.
#[derive(Clone, Debug, Default)]
pub(crate) struct Variables(BTreeMap<String, Node>);

impl Variables {
    /// Takes `[vars]` and lays the `name=value` settings of the caller over it.
    pub(crate) fn collect(vars: Option<&Entry>, settings: &[String], problems: &mut Problems) -> Self {
        let mut variables = Self::default();
        match vars.map(|entry| &entry.node) {
            None => {}
            Some(Node { value: Value::Table(table), .. }) => {
                for (name, entry) in table {
                    variables.declare(name, entry, problems);
                }
            }
            Some(node) => {
                let title = format!("`vars` expects a table, found {}", node.value.kind());
                problems.push(Problem::new(&node.origin, title, ""));
            }
        }
        for setting in settings {
            variables.set(setting, problems);
        }
        variables
    }

    fn declare(&mut self, name: &str, entry: &Entry, problems: &mut Problems) {
        if matches!(&entry.node.value, Value::Table(_) | Value::Datetime(_)) {
            let title = format!("variable `{name}` cannot be {}", entry.node.value.kind());
            let label = "a variable is a string, an integer, a float, a boolean or an array";
            problems.push(Problem::new(&entry.node.origin, title, label));
        } else if mentions(&entry.node.value) {
            let title = format!("variable `{name}` refers to another variable");
            problems.push(Problem::new(&entry.node.origin, title, "write the value out"));
        } else {
            self.0.insert(name.to_owned(), entry.node.clone());
        }
    }

    /// One `--set name=value`: the variable must be declared, and the value must be of its type.
    fn set(&mut self, setting: &str, problems: &mut Problems) {
        let source = Source::new("--set", setting);
        let whole = Origin::new(&source, 0..setting.len());
        let Some((name, text)) = setting.split_once('=') else {
            problems.push(Problem::new(&whole, "`--set` expects NAME=VALUE", ""));
            return;
        };
        let Some(declared) = self.0.get(name) else {
            let origin = Origin::new(&source, 0..name.len());
            problems.push(self.unknown(name, &origin));
            return;
        };
        let origin = Origin::new(&source, name.len() + 1..setting.len());
        let value = match &declared.value {
            Value::String(_) => Some(Value::String(text.to_owned())),
            other => toml_value(text).filter(|value| value.kind() == other.kind()),
        };
        let Some(value) = value else {
            let title = format!("variable `{name}` is {}, found {text:?}", declared.value.kind());
            problems.push(Problem::new(&origin, title, "").and(&declared.origin, "declared here"));
            return;
        };
        let over = vec![declared.clone()];
        let node = Node { path: declared.path.clone(), value, origin, over, variables: Vec::new() };
        self.0.insert(name.to_owned(), node);
    }

    /// Replaces every place-holder below a table, in values and in keys (a name of the host is often a key).
    pub(crate) fn substitute(&self, table: &mut Table, problems: &mut Problems) {
        for (name, mut entry) in std::mem::take(table) {
            self.node(&mut entry.node, problems);
            entry.node.variables.extend(self.used(&name));
            let name = match self.text(&name, &entry.key, problems) {
                None => name,
                Some(Value::String(text)) => text,
                Some(other) => {
                    let title = format!("a key cannot be {}", other.kind());
                    problems.push(Problem::new(&entry.key, title, "only text can stand here"));
                    name
                }
            };
            if let Some(old) = table.get(&name) {
                let title = format!("the key `{name}` is set twice");
                problems.push(Problem::new(&entry.key, title, "again here").and(&old.key, "first here"));
            }
            table.insert(name, entry);
        }
    }

    fn node(&self, node: &mut Node, problems: &mut Problems) {
        match &mut node.value {
            Value::String(text) => {
                let used = self.used(text);
                if let Some(value) = self.text(text, &node.origin, problems) {
                    (node.value, node.variables) = (value, used);
                }
            }
            Value::Array(items) => items.iter_mut().for_each(|item| self.node(item, problems)),
            Value::Table(table) => self.substitute(table, problems),
            Value::Integer(_) | Value::Float(_) | Value::Boolean(_) | Value::Datetime(_) => {}
        }
    }

    /// The variables that a string names.
    fn used(&self, text: &str) -> Vec<Node> {
        let mut parts = text.split(OPEN);
        let mut before = parts.next().unwrap_or_default();
        let mut used: Vec<Node> = Vec::new();
        for part in parts {
            let name = part.split_once('}').map_or("", |(name, _)| name);
            let node = self.0.get(name).filter(|_| !before.ends_with('$'));
            used.extend(node.filter(|node| used.iter().all(|other| other.path != node.path)).cloned());
            before = part;
        }
        used
    }

    /// The value of a string with place-holders; `None` when it has none. `$${var.x}` stands for itself.
    fn text(&self, text: &str, origin: &Origin, problems: &mut Problems) -> Option<Value> {
        let mut out = String::new();
        let mut rest = text;
        let mut found = false;
        while let Some(at) = rest.find(OPEN) {
            found = true;
            let (before, after) = (&rest[..at], &rest[at + OPEN.len()..]);
            if let Some(before) = before.strip_suffix('$') {
                out.push_str(before);
                out.push_str(OPEN);
                rest = after;
                continue;
            }
            out.push_str(before);
            let Some((name, after)) = after.split_once('}') else {
                problems.push(Problem::new(origin, "`${var.` without its closing `}`", ""));
                return None;
            };
            let whole = at == 0 && after.is_empty() && out.is_empty();
            match self.0.get(name).map(|node| &node.value) {
                Some(value) if whole => return Some(value.clone()),
                Some(value) => match plain(value) {
                    Some(plain) => out.push_str(&plain),
                    None => {
                        let title = format!("variable `{name}` is {}, not text", value.kind());
                        let label = "it can only stand alone, as the whole value";
                        problems.push(Problem::new(origin, title, label));
                        return None;
                    }
                },
                None => {
                    problems.push(self.unknown(name, origin));
                    return None;
                }
            }
            rest = after;
        }
        out.push_str(rest);
        found.then_some(Value::String(out))
    }

    fn unknown(&self, name: &str, origin: &Origin) -> Problem {
        let known: Vec<&str> = self.0.keys().map(String::as_str).collect();
        let label = match nearest(name, known.iter().copied()) {
            Some(word) => format!("did you mean `{word}`?"),
            None => String::new(),
        };
        let help = match known.as_slice() {
            [] => "declare it under `[vars]`".to_owned(),
            known => format!("declared under `[vars]`: {}", known.join(", ")),
        };
        Problem::new(origin, format!("unknown variable `{name}`"), label).help(help)
    }
}

fn plain(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Integer(number) => Some(number.to_string()),
        Value::Float(number) => Some(number.to_string()),
        Value::Boolean(boolean) => Some(boolean.to_string()),
        Value::Datetime(_) | Value::Array(_) | Value::Table(_) => None,
    }
}

fn mentions(value: &Value) -> bool {
    match value {
        Value::String(text) => text.contains(OPEN),
        Value::Array(items) => items.iter().any(|item| mentions(&item.value)),
        _ => false,
    }
}

fn toml_value(text: &str) -> Option<Value> {
    let source = Source::new("--set", format!("value = {text}"));
    let mut table = tree::parse(&source, &mut Problems::default())?;
    // More than the one key means that the text was not a value but smuggled lines in.
    (table.len() == 1).then(|| table.remove("value").map(|entry| entry.node.value)).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn variables(settings: &[&str]) -> (Variables, Problems) {
        let source = Source::new("p.toml", "[vars]\nsite = \"north\"\nport = 8443\nlist = [1, 2]\n");
        let mut problems = Problems::default();
        let table = tree::parse(&source, &mut problems).unwrap();
        let settings: Vec<String> = settings.iter().map(|&setting| setting.to_owned()).collect();
        (Variables::collect(table.get("vars").map(Box::as_ref), &settings, &mut problems), problems)
    }

    fn check(settings: &[&str], text: &str, expected: Result<&str, &str>) {
        let (variables, mut problems) = variables(settings);
        let origin = Origin::new(&Source::new("use.toml", text), 0..text.len());
        let value = variables.text(text, &origin, &mut problems);
        let shown = match value {
            Some(value @ Value::String(_)) => plain(&value).unwrap(),
            Some(value) => format!("{} {}", value.kind(), plain(&value).unwrap_or_default()),
            None => text.to_owned(),
        };
        let titles: Vec<&str> = problems.iter().map(Problem::title).collect();
        match expected {
            Ok(expected) => assert_eq!((shown.as_str(), titles), (expected, vec![]), "{text}"),
            Err(title) => assert_eq!(titles, [title], "{text}"),
        }
    }

    #[test]
    fn place_holders() {
        check(&[], "no holder $HOME ${HOME}", Ok("no holder $HOME ${HOME}"));
        check(&[], "at ${var.site}!", Ok("at north!"));
        check(&[], "${var.site}${var.port}", Ok("north8443"));
        check(&[], "${var.port}", Ok("an integer 8443"));
        check(&[], "${var.list}", Ok("an array "));
        check(&[], "$${var.site} ${var.site}", Ok("${var.site} north"));
        check(&[], "x${var.list}", Err("variable `list` is an array, not text"));
        check(&[], "${var.sit}", Err("unknown variable `sit`"));
        check(&[], "${var.site", Err("`${var.` without its closing `}`"));
    }

    #[test]
    fn settings_are_checked_against_the_declared_type() {
        check(&["site=south"], "${var.site}", Ok("south"));
        check(&["site=8"], "${var.site}", Ok("8"));
        check(&["site=a=b"], "${var.site}", Ok("a=b"));
        check(&["port=9000"], "${var.port}", Ok("an integer 9000"));
        check(&["port=high"], "x", Err("variable `port` is an integer, found \"high\""));
        check(&["port=1\nx=2"], "x", Err("variable `port` is an integer, found \"1\\nx=2\""));
        check(&["prot=1"], "x", Err("unknown variable `prot`"));
        check(&["port"], "x", Err("`--set` expects NAME=VALUE"));
    }
}
