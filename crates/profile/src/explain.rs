//! Which lines of a profile a resource comes from, and what imports said otherwise.
//!
//! Knows the merged tree and the keys that each section named. Must not know the host.

use provision_converge::ResourceId;
use serde::Serialize;
use serde::ser::{SerializeStruct, Serializer};

use crate::profile::Profile;
use crate::resolve::Resolution;
use crate::source::Origin;
use crate::tree::{Node, Value};

/// One value of the profile that a resource comes from.
#[derive(Clone, Debug, Serialize)]
pub struct Said {
    /// The value.
    #[serde(flatten)]
    pub value: Place,
    /// What imports said otherwise, nearest first.
    pub over: Vec<Place>,
    /// The variables in it.
    pub variables: Vec<Said>,
}

/// A value where it stands.
#[derive(Clone, Debug)]
pub struct Place {
    /// The key, dotted: `host.file[0].mode`.
    pub key: String,
    /// What it is set to, as TOML writes it.
    pub value: String,
    /// Where.
    pub origin: Origin,
}

impl Serialize for Place {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut out = serializer.serialize_struct("Place", 4)?;
        out.serialize_field("key", &self.key)?;
        out.serialize_field("value", &self.value)?;
        out.serialize_field("file", &self.origin.source().path())?;
        out.serialize_field("line", &self.origin.line())?;
        out.end()
    }
}

/// The values that a resource comes from, in the order of their keys. What is not set has its default, and no line.
pub fn said(profile: &Profile, resolution: &Resolution, id: &ResourceId) -> Vec<Said> {
    let place = resolution.origins.get(id);
    let mut nodes: Vec<&Node> = Vec::new();
    for key in resolution.keys.get(id).into_iter().flatten() {
        if let Some(node) = profile.merged.node(key) {
            leaves(node, id, place, &mut nodes);
        }
    }
    let mut all: Vec<Said> = nodes.into_iter().map(of).collect();
    all.sort_by(|one, other| one.value.key.cmp(&other.value.key));
    all.dedup_by(|one, other| (&one.value.key, &one.value.origin) == (&other.value.key, &other.value.origin));
    all
}

fn of(node: &Node) -> Said {
    let place = |node: &Node| Place {
        key: node.path.clone(),
        value: node.value.to_string(),
        origin: node.origin.clone(),
    };
    Said {
        value: place(node),
        over: node.over.iter().map(place).collect(),
        variables: node.variables.iter().map(of).collect(),
    }
}

/// The values in a value; of a list, only the item that the resource is about, if it is about one.
fn leaves<'a>(node: &'a Node, id: &ResourceId, place: Option<&Origin>, out: &mut Vec<&'a Node>) {
    match &node.value {
        Value::Table(table) => {
            table.values().for_each(|entry| leaves(&entry.node, id, place, out));
        }
        Value::Array(items) if items.iter().any(|item| matches!(item.value, Value::Table(_))) => {
            let about = |item: &&Node| Some(true) == place.map(|place| holds(item, place));
            let one = items.iter().find(about);
            let items = one.map_or(items.as_slice(), std::slice::from_ref);
            items.iter().for_each(|item| leaves(item, id, place, out));
        }
        Value::Array(items) => {
            let named = |item: &&Node| matches!(&item.value, Value::String(text) if text == id.name());
            out.push(items.iter().find(named).unwrap_or(node));
        }
        _ => out.push(node),
    }
}

/// Whether a table of a list is the one that stands at a place: it, or a value in it.
fn holds(item: &Node, place: &Origin) -> bool {
    let inside = |node: &Node| node.origin == *place;
    inside(item)
        || matches!(&item.value, Value::Table(table) if table.values().any(|entry| inside(&entry.node)))
}
