//! Free data of items: `google.protobuf.Struct` from the wire, and its limits.
//!
//! An input is an encoded `Struct`, cut in two by the number in its first two bytes: what an
//! item has, and what a caller changes of it.

use prost::Message as _;
use prost_types::Struct;
use serde_json::{Map, Value, json};
use workflow_core::model::{Data, data};

use crate::shape::head;

/// One input.
pub fn run(input: &[u8]) {
    let (cut, rest) = head::<2>(input);
    let cut = usize::from(u16::from_be_bytes(cut)).min(rest.len());
    let (before, change) = rest.split_at(cut);
    let before = read(before).and_then(|before| data::merged("data", &Data::new(), before).ok());
    let before = before.unwrap_or_default();
    let Some(change) = read(change) else { return };
    match data::merged("data", &before, change.clone()) {
        Ok(after) => {
            within_limits(&after);
            merged(&before, &change, &after);
        }
        Err(refused) => {
            assert!(!refused.fields.is_empty());
            assert!(refused.fields.iter().all(|fault| fault.field.starts_with("data")));
        }
    }
}

/// An object from the wire; shown again and read again it is the same.
fn read(bytes: &[u8]) -> Option<Map<String, Value>> {
    let given = Struct::decode(bytes).ok()?;
    let object = gateway::fuzzing::object(given).ok()?;
    let shown = gateway::fuzzing::shown(&object);
    let shown = Struct::decode(shown.encode_to_vec().as_slice());
    let again = shown.ok().and_then(|shown| gateway::fuzzing::object(shown).ok());
    assert_eq!(again.as_ref(), Some(&object), "it reads otherwise after it was shown");
    let text = Value::Object(object.clone()).to_string();
    let stored: Option<Value> = serde_json::from_str(&text).ok();
    assert_eq!(stored, Some(Value::Object(object.clone())), "it is stored otherwise: {text}");
    Some(object)
}

/// The limits by another count than the product's.
fn within_limits(after: &Data) {
    let value = Value::Object(after.clone());
    let text = value.to_string();
    // The braces around everything are not counted.
    assert!(text.len() <= data::MAX_BYTES + 2, "{} bytes are stored", text.len());
    assert!(!has_nul(&value), "NUL is stored");
    assert!(depth(&value) <= data::MAX_DEPTH, "{} levels are stored", depth(&value));
    assert!(keys(&value) <= data::MAX_KEYS, "{} keys are stored", keys(&value));
    assert!(!after.keys().any(|key| key.starts_with("agent_") || key == "triggered_by"));
}

fn has_nul(value: &Value) -> bool {
    match value {
        Value::String(text) => text.contains('\0'),
        Value::Array(items) => items.iter().any(has_nul),
        Value::Object(map) => map.iter().any(|(key, item)| key.contains('\0') || has_nul(item)),
        _ => false,
    }
}

fn depth(value: &Value) -> usize {
    match value {
        Value::Array(items) => 1 + items.iter().map(depth).max().unwrap_or_default(),
        Value::Object(map) => 1 + map.values().map(depth).max().unwrap_or_default(),
        _ => 0,
    }
}

fn keys(value: &Value) -> usize {
    match value {
        Value::Array(items) => items.iter().map(keys).sum(),
        Value::Object(map) => map.len() + map.values().map(keys).sum::<usize>(),
        _ => 0,
    }
}

/// RFC 7396 on top-level keys.
fn merged(before: &Data, change: &Data, after: &Data) {
    for (key, value) in after {
        assert_eq!(Some(value), change.get(key).or_else(|| before.get(key)), "{key:?}");
    }
    for key in before.keys().chain(change.keys()) {
        let removed = change.get(key).is_some_and(Value::is_null);
        assert_eq!(after.contains_key(key), !removed, "{key:?}");
    }
}

/// Objects of every shape, and changes of them.
pub fn seeds() -> Vec<Vec<u8>> {
    let nested = |levels: usize| (1..levels).fold(json!({}), |inner, _| json!({ "k": inner }));
    let lists = (1..30).fold(json!([]), |inner, _| json!([inner]));
    let keys: Map<String, Value> = (0..1_001).map(|at| (at.to_string(), json!(1))).collect();
    let all = json!({
        "a": 1, "b": {"x": -0.5, "y": [true, null, "ä\n\"\\"]}, "c": 1e300, "d": 9_007_199_254_740_993_i64,
    });
    let cases = [
        (json!({}), all.clone()),
        (all.clone(), json!({"a": null, "b": {"x": 9}, "e": null})),
        (all.clone(), json!({"agent_event": 1})),
        (all, json!({"triggered_by": null, "agent_": {}})),
        (json!({}), nested(32)),
        (json!({}), nested(33)),
        (json!({}), json!({ "l": lists })),
        (Value::Object(keys.clone()), json!({"one": 1})),
        (json!({}), json!({ "o": keys })),
        (json!({"n": "a\u{0}b"}), json!({"\u{0}": [["\u{0}"]]})),
    ];
    cases.into_iter().map(|(before, change)| both(&before, &change)).collect()
}

fn both(before: &Value, change: &Value) -> Vec<u8> {
    let encoded = |value: &Value| {
        let object = value.as_object().cloned().unwrap_or_default();
        gateway::fuzzing::shown(&object).encode_to_vec()
    };
    let (before, change) = (encoded(before), encoded(change));
    let cut = u16::try_from(before.len()).unwrap_or(u16::MAX);
    [&cut.to_be_bytes()[..], &before, &change].concat()
}
