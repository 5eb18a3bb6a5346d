//! A JSON text that is edited in place: only the bytes of the member concerned change.
//!
//! Knows JSON objects, the spans of their members, and how the text around is laid out.
//! Must not know what the members mean.

use std::fmt;
use std::ops::Range;

use serde::de::{DeserializeSeed, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;
use zeroize::Zeroizing;

use crate::error::{Error, Result};
use crate::syntax::check;

/// A valid JSON text whose root is an object and in which no object has a key twice.
#[derive(Clone)]
pub(crate) struct Document {
    text: Zeroizing<String>,
}

/// A member of an object; the ranges are byte offsets in the text.
pub(crate) struct Member {
    pub(crate) name: String,
    key: Range<usize>,
    value: Range<usize>,
}

impl Document {
    /// The document that an auth file without entries is.
    pub(crate) fn empty() -> Document {
        Document { text: Zeroizing::new("{\n\t\"auths\": {}\n}\n".to_owned()) }
    }

    pub(crate) fn parse(bytes: &[u8]) -> Result<Document> {
        let text = std::str::from_utf8(bytes).map_err(|e| Error::NotUtf8 { offset: e.valid_up_to() })?;
        if text.starts_with('\u{feff}') {
            return Err(Error::ByteOrderMark);
        }
        if text.trim().is_empty() {
            return Err(Error::Empty);
        }
        check(text)?;
        let document = Document { text: Zeroizing::new(text.to_owned()) };
        match document.members(&[]) {
            Some(_) => Ok(document),
            None => Err(Error::WrongType { what: "the file".to_owned(), expected: "a JSON object" }),
        }
    }

    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// The members of the object at `path`, in order; `None` when it is absent or no object.
    pub(crate) fn members(&self, path: &[&str]) -> Option<Vec<Member>> {
        self.members_in(self.span(path)?)
    }

    /// The JSON text of the value at `path`.
    pub(crate) fn raw(&self, path: &[&str]) -> Option<&str> {
        self.text.get(self.span(path)?)
    }

    /// The string at `path`; `None` when it is absent or no string.
    pub(crate) fn string(&self, path: &[&str]) -> Option<Zeroizing<String>> {
        serde_json::from_str(self.raw(path)?).ok().map(Zeroizing::new)
    }

    /// Replaces the value at `path`, or adds it as the last member; missing objects on the way are added.
    /// `raw` must be valid JSON. Does nothing where a value on the way is no object.
    pub(crate) fn set(&mut self, path: &[&str], raw: &str) {
        let Some((name, parents)) = path.split_last() else { return };
        if self.span(parents).is_none() {
            self.set(parents, "{}");
        }
        let Some(parent) = self.span(parents) else { return };
        let Some(members) = self.members_in(parent.clone()) else { return };
        let layout = self.layout(&parent, &members, parents.len());
        let value = layout.render(raw);
        if let Some(member) = members.iter().find(|m| m.name == *name) {
            self.splice(member.value.clone(), &value);
            return;
        }
        let member = Zeroizing::new(format!("{}{}{}", quote(name), layout.colon, value.as_str()));
        match members.last() {
            Some(last) => {
                let at = last.value.end;
                self.splice(at..at, &Zeroizing::new(format!(",{}{}", layout.before, member.as_str())));
            }
            None => {
                let whole =
                    Zeroizing::new(format!("{{{}{}{}}}", layout.before, member.as_str(), layout.after));
                self.splice(parent, &whole);
            }
        }
    }

    /// Removes the member at `path`; false when it was not there.
    pub(crate) fn remove(&mut self, path: &[&str]) -> bool {
        let Some((name, parents)) = path.split_last() else { return false };
        let Some(parent) = self.span(parents) else { return false };
        let Some(members) = self.members_in(parent.clone()) else { return false };
        let Some(at) = members.iter().position(|m| m.name == *name) else { return false };
        let gone =
            match (at.checked_sub(1).and_then(|i| members.get(i)), members.get(at + 1), members.get(at)) {
                (Some(previous), _, Some(member)) => previous.value.end..member.value.end,
                (None, Some(next), Some(member)) => member.key.start..next.key.start,
                _ => parent.start + 1..parent.end - 1,
            };
        self.splice(gone, "");
        true
    }

    fn span(&self, path: &[&str]) -> Option<Range<usize>> {
        let start = self.text.len() - self.text.trim_start().len();
        let mut span = start..self.text.trim_end().len();
        for name in path {
            span = self.members_in(span)?.into_iter().find(|m| m.name == *name)?.value;
        }
        Some(span)
    }

    fn members_in(&self, span: Range<usize>) -> Option<Vec<Member>> {
        let object = self.text.get(span)?;
        let pairs = Pairs.deserialize(&mut serde_json::Deserializer::from_str(object)).ok()?;
        // Raw values are slices of the text: their addresses give their offsets.
        let offset = |raw: &RawValue| {
            let start = raw.get().as_ptr().addr() - self.text.as_ptr().addr();
            start..start + raw.get().len()
        };
        let member = |(key, value): (&RawValue, &RawValue)| {
            Some(Member {
                name: serde_json::from_str(key.get()).ok()?,
                key: offset(key),
                value: offset(value),
            })
        };
        pairs.into_iter().map(member).collect()
    }

    /// How members of the object at `span` are set off from each other: as its own members are, or as those above.
    fn layout(&self, span: &Range<usize>, members: &[Member], depth: usize) -> Layout {
        let between = |range: Range<usize>| self.text.get(range).unwrap_or_default();
        if let Some(last) = members.last() {
            let earlier = members.len().checked_sub(2).and_then(|i| members.get(i));
            let from = earlier.map_or(span.start + 1, |m| m.value.end);
            let before = between(from..last.key.start).trim_start_matches(',');
            let after = members.last().map_or("", |m| between(m.value.end..span.end - 1));
            let colon = between(last.key.end..last.value.start);
            let unit = unit_of(before, after);
            return Layout {
                before: before.to_owned(),
                after: after.to_owned(),
                colon: colon.to_owned(),
                unit,
            };
        }
        // An empty object: indent it as the root's members are, one unit for each level.
        let root = self.members(&[]).unwrap_or_default();
        let first = root.first();
        let start = self.text.len() - self.text.trim_start().len();
        let indent = first.map_or("\n\t", |m| between(start + 1..m.key.start));
        let colon = first.map_or(": ", |m| between(m.key.end..m.value.start)).to_owned();
        if !indent.contains('\n') {
            return Layout { before: String::new(), after: String::new(), colon, unit: None };
        }
        let unit = indent.rsplit('\n').next().unwrap_or_default().to_owned();
        let after = format!("\n{}", unit.repeat(depth));
        Layout { before: format!("{after}{unit}"), after, colon, unit: Some(unit) }
    }

    fn splice(&mut self, range: Range<usize>, with: &str) {
        let (Some(head), Some(tail)) = (self.text.get(..range.start), self.text.get(range.end..)) else {
            return;
        };
        let mut text = String::with_capacity(head.len() + with.len() + tail.len());
        text.push_str(head);
        text.push_str(with);
        text.push_str(tail);
        self.text = Zeroizing::new(text);
    }
}

/// A JSON string of `text`, quoted and escaped.
pub(crate) fn quote(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// Blanks around the members of one object.
struct Layout {
    before: String,
    after: String,
    colon: String,
    /// One level of indentation; `None` when the object stands on one line.
    unit: Option<String>,
}

impl Layout {
    /// `raw` with the blanks of this layout; every token stays as it is.
    fn render(&self, raw: &str) -> Zeroizing<String> {
        let mut out = Zeroizing::new(String::with_capacity(raw.len() * 2));
        let margin = self.before.rsplit('\n').next().unwrap_or_default();
        let line = |out: &mut String, depth: usize| {
            if let Some(unit) = &self.unit {
                out.push('\n');
                out.push_str(margin);
                out.push_str(&unit.repeat(depth));
            }
        };
        let (mut depth, mut in_string, mut escaped, mut opened) = (0_usize, false, false, false);
        for c in raw.chars() {
            if in_string {
                out.push(c);
                in_string = escaped || c != '"';
                escaped = !escaped && c == '\\';
                continue;
            }
            if c.is_ascii_whitespace() {
                continue;
            }
            if matches!(c, '}' | ']') {
                depth = depth.saturating_sub(1);
                if !opened {
                    line(&mut out, depth);
                }
            } else if opened {
                line(&mut out, depth);
            }
            opened = matches!(c, '{' | '[');
            match c {
                ':' => out.push_str(&self.colon),
                _ => out.push(c),
            }
            match c {
                '{' | '[' => depth += 1,
                ',' => line(&mut out, depth),
                '"' => in_string = true,
                _ => {}
            }
        }
        out
    }
}

fn unit_of(before: &str, after: &str) -> Option<String> {
    let (_, member) = before.rsplit_once('\n')?;
    let brace = after.rsplit('\n').next().unwrap_or_default();
    Some(member.strip_prefix(brace).filter(|unit| !unit.is_empty()).unwrap_or("\t").to_owned())
}

/// Reads an object as pairs of slices.
struct Pairs;

impl<'de> DeserializeSeed<'de> for Pairs {
    type Value = Vec<(&'de RawValue, &'de RawValue)>;

    fn deserialize<D: Deserializer<'de>>(
        self,
        deserializer: D,
    ) -> std::result::Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Pairs {
    type Value = Vec<(&'de RawValue, &'de RawValue)>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> std::result::Result<Self::Value, A::Error> {
        let mut pairs = Vec::new();
        while let Some(pair) = map.next_entry()? {
            pairs.push(pair);
        }
        Ok(pairs)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_byte_order_mark_is_named() {
        let text = "\u{feff}{\"auths\":{}}";
        assert!(matches!(Document::parse(text.as_bytes()), Err(Error::ByteOrderMark)));
    }
}
