//! JSON objects of tokens, read strictly.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, Visitor};
use serde_json::Value;

/// A JSON object in which no name occurs twice: of two, readers take different ones.
#[derive(Debug)]
pub(super) struct UniqueObject(BTreeMap<String, Value>);

impl UniqueObject {
    /// Reads one base64url part of a token.
    pub(super) fn decode(part: &str) -> Option<Self> {
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).ok()?).ok()
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name)?.as_str()
    }

    /// A whole number of seconds; a fraction, a text or a negative one is none.
    pub(super) fn seconds(&self, name: &str) -> Option<u64> {
        self.0.get(name)?.as_u64()
    }

    /// A text, or all texts of a list; of a list that holds anything else, none.
    pub(super) fn texts(&self, name: &str) -> Option<BTreeSet<&str>> {
        match self.0.get(name)? {
            Value::String(only) => Some(BTreeSet::from([only.as_str()])),
            Value::Array(several) => several.iter().map(Value::as_str).collect(),
            _ => None,
        }
    }
}

impl<'de> Deserialize<'de> for UniqueObject {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(UniqueVisitor)
    }
}

struct UniqueVisitor;

impl<'de> Visitor<'de> for UniqueVisitor {
    type Value = UniqueObject;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object without repeated names")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<UniqueObject, A::Error> {
        let mut object = BTreeMap::new();
        while let Some((name, value)) = map.next_entry::<String, Value>()? {
            if object.insert(name, value).is_some() {
                return Err(A::Error::custom("a name occurs twice"));
            }
        }
        Ok(UniqueObject(object))
    }
}
