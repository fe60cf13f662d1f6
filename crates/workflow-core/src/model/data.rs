//! The free data of an item: merging, limits, and the keys that only the system writes.

use primitives::{Checked, FieldError, InvalidArgs};
use serde::Serialize;
use serde_json::Value;

use super::{Data, ReservedKey};
use crate::WorkflowError;

/// Bytes of compact JSON that callers may store.
pub const MAX_BYTES: usize = 256 * 1024;
/// Levels, counting the object itself.
pub const MAX_DEPTH: usize = 32;
/// Keys, counting those of nested objects.
pub const MAX_KEYS: usize = 1_000;
/// Refused keys named in one answer.
const NAMED_KEYS: usize = 10;

/// `before` with `change` merged in by RFC 7396 on top-level keys: a value replaces the old
/// one whole, null removes it. `field` names the request field.
///
/// The limits hold for what callers may store, that is the result without reserved keys:
/// what the agent adds never makes an item unusable.
pub fn merged(field: &str, before: &Data, change: Data) -> Checked<Data> {
    refuse_reserved(field, &change)?;
    let mut after = before.clone();
    for (key, value) in change {
        if value.is_null() {
            after.remove(&key);
        } else {
            after.insert(key, value);
        }
    }
    judge(field, &after)?;
    Ok(after)
}

/// `before` with all that callers stored replaced by `after`. The same limits hold.
pub fn replaced(field: &str, before: &Data, after: Data) -> Checked<Data> {
    refuse_reserved(field, &after)?;
    let kept = before.iter().filter(|(key, _)| is_reserved(key));
    let kept = kept.map(|(key, value)| (key.clone(), value.clone()));
    let after: Data = after.into_iter().filter(|(_, value)| !value.is_null()).chain(kept).collect();
    judge(field, &after)?;
    Ok(after)
}

/// Writes a reserved key.
pub fn set(data: &mut Data, key: ReservedKey, value: &impl Serialize) -> Result<(), WorkflowError> {
    let value = serde_json::to_value(value)
        .map_err(|error| WorkflowError::internal(format!("{}: {error}", key.as_str())))?;
    data.insert(key.as_str().to_owned(), value);
    Ok(())
}

/// Only the system writes it: the known keys, and whatever may join them.
pub fn is_reserved(key: &str) -> bool {
    key.starts_with("agent_") || ReservedKey::ALL.iter().any(|reserved| reserved.as_str() == key)
}

/// A text that every database can store.
pub fn without_nul(text: &str) -> String {
    text.chars().filter(|c| *c != '\0').collect()
}

/// A value that every database can store.
pub fn value_without_nul(value: Value) -> Value {
    match value {
        Value::String(text) => Value::String(without_nul(&text)),
        Value::Array(items) => Value::Array(items.into_iter().map(value_without_nul).collect()),
        Value::Object(map) => Value::Object(
            map.into_iter()
                .map(|(key, value)| (without_nul(&key), value_without_nul(value)))
                .collect(),
        ),
        Value::Null | Value::Bool(_) | Value::Number(_) => value,
    }
}

fn refuse_reserved(field: &str, change: &Data) -> Checked<()> {
    let fields: Vec<_> = change
        .keys()
        .filter(|key| is_reserved(key))
        .take(NAMED_KEYS)
        .map(|key| FieldError {
            field: format!("{field}.{}", primitives::clip(key, 64)),
            description: "is written by the server only".into(),
        })
        .collect();
    if fields.is_empty() { Ok(()) } else { Err(InvalidArgs { reason: "RESERVED_KEY", fields }) }
}

fn judge(field: &str, data: &Data) -> Checked<()> {
    let mut count = Count::default();
    for (key, value) in data.iter().filter(|(key, _)| !is_reserved(key)) {
        count.key(key);
        count.value(value, 2);
    }
    let fault = if count.too_deep {
        format!("must not be deeper than {MAX_DEPTH} levels")
    } else if count.keys > MAX_KEYS {
        format!("must not have more than {MAX_KEYS} keys")
    } else if count.nul {
        "must not contain NUL characters".to_owned()
    } else if count.bytes > MAX_BYTES {
        format!("must not be larger than {MAX_BYTES} bytes of JSON")
    } else {
        return Ok(());
    };
    Err(InvalidArgs::new(field, fault))
}

/// One pass over the data; stops descending at the depth limit, so that its own stack is
/// bounded whatever comes.
#[derive(Default)]
struct Count {
    keys: usize,
    /// Bytes of compact JSON, at least; escapes count as serde_json writes them.
    bytes: usize,
    nul: bool,
    too_deep: bool,
}

impl Count {
    fn key(&mut self, key: &str) {
        self.keys += 1;
        self.text(key);
        self.bytes += 2;
    }

    fn text(&mut self, text: &str) {
        self.nul |= text.contains('\0');
        let escaped = |c: char| match c {
            '"' | '\\' | '\n' | '\r' | '\t' | '\u{8}' | '\u{c}' => 2,
            c if c < ' ' => 6,
            c => c.len_utf8(),
        };
        self.bytes += 2 + text.chars().map(escaped).sum::<usize>();
    }

    fn value(&mut self, value: &Value, depth: usize) {
        match value {
            Value::Null | Value::Bool(true) => self.bytes += 4,
            Value::Bool(false) => self.bytes += 5,
            Value::Number(number) => self.bytes += number.to_string().len(),
            Value::String(text) => self.text(text),
            Value::Array(_) | Value::Object(_) if depth > MAX_DEPTH => self.too_deep = true,
            Value::Array(items) => {
                self.bytes += 2 + items.len();
                items.iter().for_each(|item| self.value(item, depth + 1));
            }
            Value::Object(map) => {
                self.bytes += 2;
                for (key, value) in map {
                    self.key(key);
                    self.value(value, depth + 1);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn object(value: Value) -> Data {
        match value {
            Value::Object(map) => map,
            other => panic!("{other} is no object"),
        }
    }

    #[test]
    fn top_level_keys_are_replaced_whole_and_null_removes() {
        let before = object(json!({"a": 1, "b": {"x": 1, "y": 2}, "c": [1]}));
        let change = object(json!({"b": {"x": 9}, "c": null, "d": "new", "e": null}));
        let after = merged("data", &before, change).unwrap();
        assert_eq!(Value::Object(after), json!({"a": 1, "b": {"x": 9}, "d": "new"}));
    }

    #[test]
    fn reserved_keys_are_refused_by_path_and_kept_when_untouched() {
        let before = object(json!({"agent_recommendation": {"hash": "x"}, "a": 1}));
        let kept = merged("data", &before, object(json!({"a": null}))).unwrap();
        assert_eq!(Value::Object(kept), json!({"agent_recommendation": {"hash": "x"}}));
        for key in ["agent_event", "agent_anything", "triggered_by"] {
            for value in [json!(1), Value::Null] {
                let change = object(json!({ key: value }));
                let refused = merged("work_item.data", &before, change).unwrap_err();
                assert_eq!(refused.reason, "RESERVED_KEY");
                assert_eq!(refused.fields[0].field, format!("work_item.data.{key}"));
            }
        }
        assert!(!is_reserved("agent") && !is_reserved("agents_notes"));
    }

    fn nested(levels: usize) -> Value {
        (1..levels).fold(json!({}), |inner, _| json!({ "k": inner }))
    }

    #[test]
    fn limits_are_exact() {
        let judged = |value: Value| merged("data", &Data::new(), object(value)).is_ok();
        assert!(judged(nested(MAX_DEPTH)));
        assert!(!judged(nested(MAX_DEPTH + 1)));

        let keys = |n: usize| Value::Object((0..n).map(|i| (i.to_string(), json!(1))).collect());
        assert!(judged(keys(MAX_KEYS)));
        assert!(!judged(keys(MAX_KEYS + 1)));
        assert!(!judged(json!({"a": keys(MAX_KEYS)})), "the outer key counts too");

        assert!(!judged(json!({"a": "x\0"})));
        assert!(!judged(json!({"x\0": 1})));
        assert!(!judged(json!({"a": [["\0"]]})));

        let text = |n: usize| json!({ "a": "x".repeat(n) });
        let overhead = serde_json::to_vec(&text(0)).unwrap().len();
        assert!(judged(text(MAX_BYTES - overhead)));
        assert!(!judged(text(MAX_BYTES - overhead + 8)));
    }

    #[test]
    fn what_the_agent_wrote_does_not_count() {
        let mut before = Data::new();
        set(&mut before, ReservedKey::Recommendation, &"x".repeat(MAX_BYTES)).unwrap();
        assert!(merged("data", &before, object(json!({"a": 1}))).is_ok());
    }

    #[test]
    fn nul_is_dropped_from_what_comes_from_elsewhere() {
        let value = json!({"a\0": ["b\0c", 1, null, {"d": "\0"}]});
        assert_eq!(value_without_nul(value), json!({"a": ["bc", 1, null, {"d": ""}]}));
    }

    #[test]
    fn a_number_is_read_back_as_it_was_stored() {
        // Each of them was read back as one beside it.
        for number in [1.011_474_609_374_999, 9.016_580_681_431_385e-131] {
            let stored = json!({ "n": number }).to_string();
            let read: Value = serde_json::from_str(&stored).unwrap();
            assert_eq!(read, json!({ "n": number }));
        }
    }

    proptest::proptest! {
        #[test]
        fn the_byte_count_is_that_of_the_stored_form(text in ".{0,40}", number: i64, flag: bool) {
            let value = json!({"k": [text, number, flag, null, {"n": text, "o": []}]});
            let mut count = Count::default();
            for (key, value) in value.as_object().unwrap() {
                count.key(key);
                count.value(value, 2);
            }
            let stored = serde_json::to_vec(&value).unwrap().len();
            proptest::prop_assert!(count.bytes + 2 >= stored);
            proptest::prop_assert!(count.bytes <= stored + 8);
        }
    }
}
