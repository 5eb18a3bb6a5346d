//! Where a secret comes from; the profile holds references, never the bytes.
//!
//! Knows the four kinds of reference. Must not know how bytes are fetched or kept.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};

use crate::problem::{Problem, Problems, list, nearest};
use crate::read::{Read, wrong_kind};
use crate::scalar::{Count, NearPath};
use crate::tree::{Node, Value};

/// A reference to a secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Secret {
    /// Made once on the host, with so many characters.
    Generate(u32),
    /// The first line of a file.
    File(PathBuf),
    /// A variable of the environment that provision runs in.
    Env(String),
    /// A systemd credential (systemd.exec(5), `LoadCredential=`).
    Credential(String),
}

const KINDS: [&str; 4] = ["generate", "file", "env", "credential"];

impl Read for Secret {
    fn read(node: &Node, problems: &mut Problems) -> Option<Self> {
        let help = "write { generate = 32 }, { file = \"…\" }, { env = \"…\" } or { credential = \"…\" }";
        let table = match &node.value {
            Value::Table(table) => table,
            Value::String(_) => {
                let title = format!("`{}` holds a secret in plain text", node.path);
                let label = "a profile refers to secrets, it does not hold them";
                problems.push(Problem::new(&node.origin, title, label).help(help));
                return None;
            }
            _ => {
                wrong_kind(node, "a reference to a secret", problems);
                return None;
            }
        };
        let [(kind, entry)] = table.iter().collect::<Vec<_>>()[..] else {
            let title = format!("`{}` expects exactly one of {}", node.path, list(KINDS));
            problems.push(Problem::new(&node.origin, title, "").help(help));
            return None;
        };
        match kind.as_str() {
            "generate" => generate(&entry.node, problems),
            "file" => NearPath::read(&entry.node, problems).map(|file| Self::File(file.path())),
            "env" => name(&entry.node, problems).map(Self::Env),
            "credential" => name(&entry.node, problems).map(Self::Credential),
            other => {
                let label = match nearest(other, KINDS) {
                    Some(word) => format!("did you mean `{word}`?"),
                    None => "not a known kind of secret".to_owned(),
                };
                let title = format!("unknown key `{other}` in `{}`", node.path);
                problems.push(Problem::new(&entry.key, title, label).help(help));
                None
            }
        }
    }

    fn schema() -> Json {
        let one = |key: &str, value: Json| json!({ "type": "object", "properties": { key: value }, "required": [key], "additionalProperties": false });
        json!({ "oneOf": [
            one("generate", json!({ "type": "integer", "minimum": 16, "maximum": 64 })),
            one("file", json!({ "type": "string" })),
            one("env", json!({ "type": "string" })),
            one("credential", json!({ "type": "string" })),
        ] })
    }
}

/// Shorter is guessable; bcrypt, which the registry's htpasswd needs, looks at 72 bytes and no more.
fn generate(node: &Node, problems: &mut Problems) -> Option<Secret> {
    let Count(length) = Count::read(node, problems)?;
    if (16..=64).contains(&length) {
        return Some(Secret::Generate(length));
    }
    let title = format!("`{}` expects an integer from 16 to 64, found {length}", node.path);
    problems.push(Problem::new(&node.origin, title, "characters of the password"));
    None
}

fn name(node: &Node, problems: &mut Problems) -> Option<String> {
    let text = String::read(node, problems)?;
    let good = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
    if !text.is_empty() && !text.starts_with('.') && text.bytes().all(good) {
        return Some(text);
    }
    let title = format!("`{}` expects a name, found {text:?}", node.path);
    problems.push(Problem::new(&node.origin, title, "letters, digits, `_`, `-` and `.`"));
    None
}
