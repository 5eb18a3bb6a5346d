//! A TOML document as a tree in which every key and value knows where it was written.
//!
//! Knows TOML's values. Must not know which keys a profile has.

use std::collections::BTreeMap;
use std::sync::Arc;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::problem::{Problem, Problems};
use crate::source::{Origin, Source};

/// A value and its place.
#[derive(Clone, Debug)]
pub struct Node {
    /// Dotted path from the top, such as `registry.admin.user` or `host.file[0].mode`.
    pub path: String,
    /// What was written.
    pub value: Value,
    /// Where.
    pub origin: Origin,
    /// Other values that imports gave it, and that this one took the place of, nearest first.
    pub over: Vec<Node>,
    /// The variables in it, each with the value that was taken.
    pub variables: Vec<Node>,
}

/// TOML's kinds of value. Dates are kept as text: no key of a profile is one.
#[derive(Clone, Debug)]
#[expect(missing_docs, reason = "the names are TOML's own")]
pub enum Value {
    String(String),
    Integer(i64),
    Float(f64),
    Boolean(bool),
    Datetime(String),
    Array(Vec<Node>),
    Table(Table),
}

/// Keys in alphabetical order; the order of lines has no meaning in a profile.
///
/// Boxed: a map has room for eleven entries from its first one on, and most tables of a long profile hold two.
pub type Table = BTreeMap<String, Box<Entry>>;

/// One `key = value`.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Where the key stands.
    pub key: Origin,
    /// Its value.
    pub node: Node,
}

impl std::fmt::Display for Value {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::String(text) => write!(f, "{}", serde_json::Value::from(text.as_str())),
            Self::Integer(number) => write!(f, "{number}"),
            Self::Float(number) => write!(f, "{number}"),
            Self::Boolean(boolean) => write!(f, "{boolean}"),
            Self::Datetime(date) => f.write_str(date),
            Self::Array(items) => {
                let items: Vec<String> = items.iter().map(|item| item.value.to_string()).collect();
                write!(f, "[{}]", items.join(", "))
            }
            Self::Table(table) => {
                let entries: Vec<String> =
                    table.iter().map(|(key, entry)| format!("{key} = {}", entry.node.value)).collect();
                write!(f, "{{ {} }}", entries.join(", "))
            }
        }
    }
}

impl Value {
    /// The kind with its article, for "expected …, found …".
    pub fn kind(&self) -> &'static str {
        match self {
            Self::String(_) => "a string",
            Self::Integer(_) => "an integer",
            Self::Float(_) => "a float",
            Self::Boolean(_) => "a boolean",
            Self::Datetime(_) => "a date",
            Self::Array(_) => "an array",
            Self::Table(_) => "a table",
        }
    }

    /// Equal in content, wherever it was written.
    pub fn same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::String(a), Self::String(b)) | (Self::Datetime(a), Self::Datetime(b)) => a == b,
            (Self::Integer(a), Self::Integer(b)) => a == b,
            (Self::Float(a), Self::Float(b)) => a.to_bits() == b.to_bits(),
            (Self::Boolean(a), Self::Boolean(b)) => a == b,
            (Self::Array(a), Self::Array(b)) => {
                a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.value.same(&b.value))
            }
            (Self::Table(a), Self::Table(b)) => {
                a.len() == b.len()
                    && a.iter().zip(b).all(|((ka, a), (kb, b))| ka == kb && a.node.value.same(&b.node.value))
            }
            _ => false,
        }
    }
}

/// Reads a whole text. Syntax errors are all reported, and then there is no tree: guesses about the rest
/// would only add noise.
pub fn parse(source: &Arc<Source>, problems: &mut Problems) -> Option<Table> {
    let (document, errors) = DeTable::parse_recoverable(source.text());
    for error in &errors {
        let end = source.text().len();
        let origin = Origin::new(source, error.span().unwrap_or(end..end));
        let message = error.message().trim_end();
        let (title, label) = message.split_once('\n').unwrap_or((message, ""));
        problems.push(Problem::new(&origin, format!("not valid TOML: {title}"), label.replace('\n', "; ")));
    }
    let before = problems.len();
    // By value: of a long profile there is no second copy of what was turned already.
    let table = Builder { source, problems }.table(document.into_inner(), "");
    (errors.is_empty() && problems.len() == before).then_some(table)
}

struct Builder<'a> {
    source: &'a Arc<Source>,
    problems: &'a mut Problems,
}

impl Builder<'_> {
    fn table(&mut self, table: DeTable<'_>, path: &str) -> Table {
        let mut out = Table::new();
        for (key, value) in table {
            let name = key.get_ref().to_string();
            let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
            let entry = Entry { key: Origin::new(self.source, key.span()), node: self.node(value, path) };
            out.insert(name, Box::new(entry));
        }
        out
    }

    fn node(&mut self, spanned: Spanned<DeValue<'_>>, path: String) -> Node {
        let origin = Origin::new(self.source, spanned.span());
        let value = match spanned.into_inner() {
            DeValue::String(text) => Value::String(text.into_owned()),
            DeValue::Integer(integer) => match i64::from_str_radix(integer.as_str(), integer.radix()) {
                Ok(number) => Value::Integer(number),
                Err(_) => self.number(&origin, "an integer outside of 64 bits"),
            },
            DeValue::Float(float) => match float.as_str().parse() {
                Ok(number) => Value::Float(number),
                Err(_) => self.number(&origin, "not a number"),
            },
            DeValue::Boolean(boolean) => Value::Boolean(boolean),
            DeValue::Datetime(date) => Value::Datetime(date.to_string()),
            DeValue::Array(array) => Value::Array(
                array
                    .into_iter()
                    .enumerate()
                    .map(|(index, item)| self.node(item, format!("{path}[{index}]")))
                    .collect(),
            ),
            DeValue::Table(table) => Value::Table(self.table(table, &path)),
        };
        Node { path, value, origin, over: Vec::new(), variables: Vec::new() }
    }

    fn number(&mut self, origin: &Origin, title: &str) -> Value {
        self.problems.push(Problem::new(origin, title, ""));
        Value::Integer(0)
    }
}
