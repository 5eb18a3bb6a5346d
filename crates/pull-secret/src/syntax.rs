//! Whether a text is one JSON value in which no object has a key twice.
//!
//! Knows JSON alone. Must not know what the keys mean.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};

use crate::error::{Error, Result};

/// The whole text is one JSON value, no object in it has a key twice.
pub(crate) fn check(text: &str) -> Result<()> {
    let twice = RefCell::new(None);
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let read =
        Unique { path: &[], twice: &twice }.deserialize(&mut deserializer).and_then(|()| deserializer.end());
    let Err(source) = read else { return Ok(()) };
    let (line, column) = (source.line(), source.column());
    Err(match twice.into_inner() {
        Some((key, within)) => Error::DuplicateKey { key, within, line, column },
        None => Error::Syntax { line, column, source },
    })
}

/// Visits every value below; the first key seen twice is put to `twice`, with the path of its object.
#[derive(Clone, Copy)]
struct Unique<'a> {
    path: &'a [String],
    twice: &'a RefCell<Option<(String, String)>>,
}

impl<'de> DeserializeSeed<'de> for Unique<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> std::result::Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Unique<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> std::result::Result<(), A::Error> {
        let mut seen = BTreeSet::new();
        while let Some(key) = map.next_key::<String>()? {
            if !seen.insert(key.clone()) {
                let within = if self.path.is_empty() { "the file".to_owned() } else { self.path.join(".") };
                *self.twice.borrow_mut() = Some((key, within));
                return Err(A::Error::custom("a key occurs twice"));
            }
            let mut path = self.path.to_vec();
            path.push(key);
            map.next_value_seed(Unique { path: &path, ..self })?;
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> std::result::Result<(), A::Error> {
        while seq.next_element_seed(self)?.is_some() {}
        Ok(())
    }

    fn visit_bool<E>(self, _: bool) -> std::result::Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> std::result::Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> std::result::Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> std::result::Result<(), E> {
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> std::result::Result<(), E> {
        Ok(())
    }

    fn visit_unit<E>(self) -> std::result::Result<(), E> {
        Ok(())
    }
}
