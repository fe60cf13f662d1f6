//! `google.protobuf.Struct` and JSON.

use primitives::{Checked, InvalidArgs};
use prost_types::value::Kind;
use prost_types::{ListValue, Struct, Value as Proto};
use serde_json::{Map, Number, Value};

/// Levels read, counting the object itself. The codec stops not much deeper.
const MAX_DEPTH: usize = 32;
/// Whole numbers up to this are exact in the wire's floating point.
const EXACT: f64 = 9_007_199_254_740_992.0;

/// Reads an object; an absent one is empty.
pub(crate) fn object(field: &str, given: Option<Struct>) -> Checked<Map<String, Value>> {
    let Some(given) = given else { return Ok(Map::new()) };
    members(given, 1).map_err(|fault| InvalidArgs::new(field, fault))
}

/// Reads a value of any kind.
pub(crate) fn one(field: &str, given: Proto) -> Checked<Value> {
    value(given, 1).map_err(|fault| InvalidArgs::new(field, fault))
}

fn members(object: Struct, depth: usize) -> Result<Map<String, Value>, &'static str> {
    if depth > MAX_DEPTH {
        return Err("must not be deeper than 32 levels");
    }
    object.fields.into_iter().map(|(key, item)| Ok((key, value(item, depth + 1)?))).collect()
}

fn value(given: Proto, depth: usize) -> Result<Value, &'static str> {
    match given.kind {
        None => Err("must not contain a value of no kind"),
        Some(Kind::NullValue(_)) => Ok(Value::Null),
        Some(Kind::BoolValue(flag)) => Ok(Value::Bool(flag)),
        Some(Kind::NumberValue(n)) => number(n).ok_or("must not contain NaN or infinite numbers"),
        Some(Kind::StringValue(text)) => Ok(Value::String(text)),
        Some(Kind::StructValue(object)) => members(object, depth).map(Value::Object),
        Some(Kind::ListValue(_)) if depth > MAX_DEPTH => Err("must not be deeper than 32 levels"),
        Some(Kind::ListValue(list)) => {
            let items = list.values.into_iter().map(|item| value(item, depth + 1));
            items.collect::<Result<_, _>>().map(Value::Array)
        }
    }
}

/// Whole numbers become integers, so that conditions and people see `3` and not `3.0`.
fn number(n: f64) -> Option<Value> {
    if n.fract() == 0.0 && n.abs() <= EXACT {
        #[expect(clippy::cast_possible_truncation, reason = "whole and within 2^53")]
        return Some(Value::from(n as i64));
    }
    Number::from_f64(n).map(Value::Number)
}

/// Shows an object.
pub(crate) fn shown(object: &Map<String, Value>) -> Struct {
    Struct { fields: object.iter().map(|(key, item)| (key.clone(), wire(item))).collect() }
}

/// Shows a value as an object; anything else shows nothing.
pub(crate) fn shown_value(value: &Value) -> Option<Struct> {
    value.as_object().map(shown)
}

/// Shows a value of any kind.
pub(crate) fn wire(item: &Value) -> Proto {
    let kind = match item {
        Value::Null => Kind::NullValue(0),
        Value::Bool(flag) => Kind::BoolValue(*flag),
        // Every JSON number has a nearest one.
        Value::Number(n) => Kind::NumberValue(n.as_f64().unwrap_or_default()),
        Value::String(text) => Kind::StringValue(text.clone()),
        Value::Array(items) => {
            Kind::ListValue(ListValue { values: items.iter().map(wire).collect() })
        }
        Value::Object(object) => Kind::StructValue(shown(object)),
    };
    Proto { kind: Some(kind) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn any_value() -> impl Strategy<Value = Proto> {
        let leaf = prop_oneof![
            Just(None),
            any::<i32>().prop_map(|n| Some(Kind::NullValue(n))),
            any::<bool>().prop_map(|flag| Some(Kind::BoolValue(flag))),
            prop::num::f64::ANY.prop_map(|n| Some(Kind::NumberValue(n))),
            any::<String>().prop_map(|text| Some(Kind::StringValue(text))),
        ]
        .prop_map(|kind| Proto { kind });
        leaf.prop_recursive(40, 200, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4)
                    .prop_map(|values| Some(Kind::ListValue(ListValue { values }))),
                prop::collection::btree_map(any::<String>(), inner, 0..4)
                    .prop_map(|fields| Some(Kind::StructValue(Struct { fields }))),
            ]
            .prop_map(|kind| Proto { kind })
        })
    }

    fn nested(levels: usize, list: bool) -> Struct {
        let mut object = Struct::default();
        for _ in 1..levels {
            let inside = std::mem::take(&mut object);
            let kind = if list {
                Kind::ListValue(ListValue { values: inside.fields.into_values().collect() })
            } else {
                Kind::StructValue(inside)
            };
            object.fields.insert("a".into(), Proto { kind: Some(kind) });
        }
        object
    }

    proptest! {
        #[test]
        fn no_struct_breaks_the_reader_and_what_is_read_shows_again(value in any_value()) {
            let given = Struct { fields: [("k".to_owned(), value)].into() };
            if let Ok(read) = object("data", Some(given)) {
                prop_assert_eq!(object("data", Some(shown(&read))).unwrap(), read);
            }
        }
    }

    #[test]
    fn whole_numbers_are_integers_and_odd_ones_are_refused() {
        let with = |n| {
            let fields = [("n".to_owned(), Proto { kind: Some(Kind::NumberValue(n)) })].into();
            object("data", Some(Struct { fields })).map(|object| object["n"].clone())
        };
        assert_eq!(with(3.0), Ok(json!(3)));
        assert_eq!(with(-0.0), Ok(json!(0)));
        assert_eq!(with(0.5), Ok(json!(0.5)));
        assert_eq!(with(1e300), Ok(json!(1e300)));
        for odd in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            assert_eq!(with(odd).unwrap_err().fields[0].field, "data");
        }
    }

    #[test]
    fn deep_objects_and_lists_are_refused() {
        for list in [false, true] {
            assert!(object("data", Some(nested(MAX_DEPTH, list))).is_ok(), "{list}");
            assert!(object("data", Some(nested(MAX_DEPTH + 1, list))).is_err(), "{list}");
        }
        let no_kind = Struct { fields: [("a".to_owned(), Proto::default())].into() };
        assert!(object("data", Some(no_kind)).is_err());
        assert_eq!(object("data", None), Ok(Map::new()));
    }
}
