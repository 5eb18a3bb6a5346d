//! From a tree to typed values: every key declared once, every error collected.
//!
//! Knows kinds, unknown keys and choices. Must not know any section.
//!
//! `table!` declares a struct; from the one declaration come the reader, the list of keys for
//! "did you mean", and the JSON Schema. serde stops at the first error, and forgets places under `flatten`; a
//! person who edits a profile wants all errors at once.

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde_json::{Value as Json, json};

use crate::problem::{Problem, Problems, list, nearest};
use crate::source::Located;
use crate::tree::{Entry, Node, Table, Value};

/// A type that a profile can hold.
pub(crate) trait Read: Sized {
    /// Reads the value, or reports why it cannot be and returns `None`.
    fn read(node: &Node, problems: &mut Problems) -> Option<Self>;

    /// What an absent key means; `None` makes the key required.
    fn absent() -> Option<Self> {
        None
    }

    /// JSON Schema (2020-12) of the value.
    fn schema() -> Json;
}

/// A type that is written as a string of a certain form.
pub(crate) trait Text: Sized {
    /// What is expected, such as "an absolute path".
    const EXPECTED: &'static str;

    /// `Err` says what is wrong with this text, or is empty when `EXPECTED` says it all.
    fn parse(text: &str) -> Result<Self, String>;
}

/// Reports a value of the wrong kind.
pub(crate) fn wrong_kind(node: &Node, expected: &str, problems: &mut Problems) {
    let title = format!("`{}` expects {expected}, found {}", node.path, node.value.kind());
    problems.push(Problem::new(&node.origin, title, format!("expected {expected}")));
}

impl<T: Text> Read for T {
    fn read(node: &Node, problems: &mut Problems) -> Option<Self> {
        let Value::String(text) = &node.value else {
            wrong_kind(node, &format!("{} as a string", T::EXPECTED), problems);
            return None;
        };
        match T::parse(text) {
            Ok(value) => Some(value),
            Err(reason) => {
                let title = format!("`{}` expects {}, found {text:?}", node.path, T::EXPECTED);
                problems.push(Problem::new(&node.origin, title, reason));
                None
            }
        }
    }

    fn schema() -> Json {
        json!({ "type": "string", "description": T::EXPECTED })
    }
}

impl Text for String {
    const EXPECTED: &'static str = "text";

    fn parse(text: &str) -> Result<Self, String> {
        Ok(text.to_owned())
    }
}

impl Text for IpAddr {
    const EXPECTED: &'static str = "an IP address";

    fn parse(text: &str) -> Result<Self, String> {
        text.parse().map_err(|_| "such as 192.0.2.10 or 2001:db8::10".to_owned())
    }
}

impl Read for bool {
    fn read(node: &Node, problems: &mut Problems) -> Option<Self> {
        if let Value::Boolean(value) = node.value {
            return Some(value);
        }
        wrong_kind(node, "true or false", problems);
        None
    }

    fn schema() -> Json {
        json!({ "type": "boolean" })
    }
}

/// Reads an integer between two bounds.
pub(crate) fn integer(
    node: &Node,
    bounds: std::ops::RangeInclusive<i64>,
    problems: &mut Problems,
) -> Option<i64> {
    let expected = format!("an integer from {} to {}", bounds.start(), bounds.end());
    match node.value {
        Value::Integer(number) if bounds.contains(&number) => Some(number),
        Value::Integer(number) => {
            let title = format!("`{}` expects {expected}, found {number}", node.path);
            problems.push(Problem::new(&node.origin, title, "out of range"));
            None
        }
        _ => {
            wrong_kind(node, &expected, problems);
            None
        }
    }
}

impl<T: Read> Read for Option<T> {
    fn read(node: &Node, problems: &mut Problems) -> Option<Self> {
        T::read(node, problems).map(Some)
    }

    fn absent() -> Option<Self> {
        Some(None)
    }

    fn schema() -> Json {
        T::schema()
    }
}

impl<T: Read> Read for Vec<T> {
    fn read(node: &Node, problems: &mut Problems) -> Option<Self> {
        let Value::Array(items) = &node.value else {
            wrong_kind(node, "an array", problems);
            return None;
        };
        // Every item is read before the first failure counts: all errors at once.
        let read: Vec<Option<T>> = items.iter().map(|item| T::read(item, problems)).collect();
        read.into_iter().collect()
    }

    fn absent() -> Option<Self> {
        Some(Vec::new())
    }

    fn schema() -> Json {
        json!({ "type": "array", "items": T::schema() })
    }
}

impl<K: Text + Ord, T: Read> Read for BTreeMap<K, T> {
    fn read(node: &Node, problems: &mut Problems) -> Option<Self> {
        let Value::Table(table) = &node.value else {
            wrong_kind(node, "a table", problems);
            return None;
        };
        let mut out = Some(BTreeMap::new());
        for (name, entry) in table {
            let Entry { key, node: value } = &**entry;
            let parsed = K::parse(name).map_err(|reason| {
                let title = format!("a key of `{}` is {}, found {name:?}", node.path, K::EXPECTED);
                problems.push(Problem::new(key, title, reason));
            });
            let value = T::read(value, problems);
            match (parsed, value, &mut out) {
                (Ok(name), Some(value), Some(map)) => {
                    map.insert(name, value);
                }
                _ => out = None,
            }
        }
        out
    }

    fn absent() -> Option<Self> {
        Some(BTreeMap::new())
    }

    fn schema() -> Json {
        json!({ "type": "object", "additionalProperties": T::schema() })
    }
}

impl<T: Read> Read for Located<T> {
    fn read(node: &Node, problems: &mut Problems) -> Option<Self> {
        T::read(node, problems).map(|value| Self { value, origin: node.origin.clone() })
    }

    fn schema() -> Json {
        T::schema()
    }
}

/// Reports every key of a table that is not among `known`.
pub(crate) fn unknown_keys(path: &str, table: &Table, known: &[&str], problems: &mut Problems) {
    for (name, entry) in table {
        if known.contains(&name.as_str()) {
            continue;
        }
        let place = if path.is_empty() { "a profile".to_owned() } else { format!("`{path}`") };
        let label = match nearest(name, known.iter().copied()) {
            Some(word) => format!("did you mean `{word}`?"),
            None => "not a known key".to_owned(),
        };
        let problem = Problem::new(&entry.key, format!("unknown key `{name}` in {place}"), label);
        problems.push(problem.help(format!("known keys: {}", known.join(", "))));
    }
}

/// One key of a table: read, defaulted, or reported as missing.
pub(crate) fn field<T: Read>(
    (node, table): (&Node, &Table),
    name: &str,
    default: Option<T>,
    problems: &mut Problems,
) -> Option<T> {
    match table.get(name) {
        Some(entry) => T::read(&entry.node, problems),
        None => default.or_else(T::absent).or_else(|| {
            let title = format!("`{}` lacks the key `{name}`", node.path);
            problems.push(Problem::new(&node.origin, title, format!("`{name}` is required here")));
            None
        }),
    }
}

/// Reports a word that is none of the choices.
pub(crate) fn wrong_choice(node: &Node, text: &str, words: &[&str], problems: &mut Problems) {
    let label = match nearest(text, words.iter().copied()) {
        Some(word) => format!("did you mean `{word}`?"),
        None => String::new(),
    };
    let title = format!("`{}` expects {}, found {text:?}", node.path, list(words.iter().copied()));
    problems.push(Problem::new(&node.origin, title, label));
}

/// The name of a key as TOML has it, from the name of its field.
pub(crate) fn key_name(field: &str) -> String {
    field.replace('_', "-")
}

/// Declares a table of the profile: struct, reader, JSON Schema. `name: Type = default` gives a default; an `Option`, a
/// list or a map may be absent; everything else is required. Field `a_b` is the key `a-b`.
macro_rules! table {
    ($(#[doc = $about:literal])* pub struct $name:ident {
        $($(#[doc = $doc:literal])* $field:ident : $kind:ty $(= $default:expr)?,)*
    }) => {
        $(#[doc = $about])*
        #[derive(Clone, Debug)]
        pub struct $name {
            /// Where the table stands.
            pub origin: $crate::source::Origin,
            $($(#[doc = $doc])* pub $field: $kind,)*
        }

        impl $crate::read::Read for $name {
            fn read(node: &$crate::tree::Node, problems: &mut $crate::problem::Problems) -> Option<Self> {
                let $crate::tree::Value::Table(table) = &node.value else {
                    $crate::read::wrong_kind(node, "a table", problems);
                    return None;
                };
                let names = [$($crate::read::key_name(stringify!($field))),*];
                let known: Vec<&str> = names.iter().map(String::as_str).collect();
                $crate::read::unknown_keys(&node.path, table, &known, problems);
                $(
                    let $field = {
                        let default: Vec<$kind> = Vec::from([$($default)?]);
                        let name = $crate::read::key_name(stringify!($field));
                        $crate::read::field::<$kind>((node, table), &name, default.into_iter().next(), problems)
                    };
                )*
                Some(Self { origin: node.origin.clone(), $($field: $field?,)* })
            }

            fn schema() -> serde_json::Value {
                // Nothing is required of one file: its imports may hold the rest.
                let mut properties = serde_json::Map::new();
                $(
                    let name = $crate::read::key_name(stringify!($field));
                    let mut schema = <$kind as $crate::read::Read>::schema();
                    let about: Vec<&str> = vec![$($doc.trim()),*];
                    if let Some(object) = schema.as_object_mut() {
                        object.insert("description".to_owned(), about.join(" ").into());
                    }
                    properties.insert(name, schema);
                )*
                serde_json::json!({
                    "type": "object",
                    "properties": properties,
                    "additionalProperties": false,
                })
            }
        }
    };
}
pub(crate) use table;

/// Declares a closed choice of words.
macro_rules! choice {
    ($(#[doc = $about:literal])* pub enum $name:ident { $($(#[doc = $doc:literal])* $variant:ident = $word:literal,)* }) => {
        $(#[doc = $about])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $name { $($(#[doc = $doc])* $variant,)* }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.word())
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let word: String = serde::Deserialize::deserialize(deserializer)?;
                match word.as_str() {
                    $($word => Ok(Self::$variant),)*
                    other => Err(serde::de::Error::unknown_variant(other, &[$($word),*])),
                }
            }
        }

        impl $name {
            /// The word as it is written in a profile.
            pub fn word(self) -> &'static str {
                match self { $(Self::$variant => $word,)* }
            }
        }

        impl $crate::read::Read for $name {
            fn read(node: &$crate::tree::Node, problems: &mut $crate::problem::Problems) -> Option<Self> {
                let words = [$($word),*];
                let $crate::tree::Value::String(text) = &node.value else {
                    let expected = $crate::problem::list(words);
                    $crate::read::wrong_kind(node, &expected, problems);
                    return None;
                };
                match text.as_str() {
                    $($word => Some(Self::$variant),)*
                    other => {
                        $crate::read::wrong_choice(node, other, &words, problems);
                        None
                    }
                }
            }

            fn schema() -> serde_json::Value {
                serde_json::json!({ "enum": [$($word),*] })
            }
        }
    };
}
pub(crate) use choice;
