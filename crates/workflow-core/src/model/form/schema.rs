//! A form as JSON Schema (2020-12) of the data of an item whose stage can be completed.

use serde_json::{Map, Value, json};

use super::value::{
    DATE, DATETIME, EMAIL, FILE_BYTES, FILE_NAME, FILE_NAME_CHARS, LINE, LINES, MEDIA_TYPE, PHONE,
    TIME, URL,
};
use super::{FieldType, Form, FormField, pattern};

const DIALECT: &str = "https://json-schema.org/draft/2020-12/schema";
/// A field's condition, in CEL; readers pass over it.
const SHOW_IF: &str = "x-show-if";
/// What a field with a condition must be when it is shown.
const WHEN_SHOWN: &str = "x-when-shown";

impl Form {
    /// What the data must be, as far as a schema can say it: a field that is not always shown
    /// is left open, with its condition and its rule as annotations.
    pub fn schema(&self) -> Value {
        let properties: Map<String, Value> =
            self.fields.iter().map(|field| (field.key.clone(), property(field))).collect();
        let is_asked = |field: &&FormField| {
            field.required && field.default_value.is_none() && field.show_if.is_empty()
        };
        let required: Vec<_> =
            self.fields.iter().filter(is_asked).map(|field| field.key.as_str()).collect();
        let mut schema = Map::new();
        schema.insert("$schema".into(), DIALECT.into());
        note(&mut schema, "title", &self.display_name);
        note(&mut schema, "description", &self.description);
        schema.insert("type".into(), "object".into());
        schema.insert("properties".into(), properties.into());
        schema.insert("required".into(), json!(required));
        schema.into()
    }
}

fn note(schema: &mut Map<String, Value>, key: &str, text: &str) {
    if !text.is_empty() {
        schema.insert(key.into(), text.into());
    }
}

fn property(field: &FormField) -> Value {
    let mut schema = Map::new();
    note(&mut schema, "title", &field.label);
    note(&mut schema, "description", &field.help_text);
    if let Some(default) = &field.default_value {
        schema.insert("default".into(), default.clone());
    }
    let rule = rule(field);
    if field.show_if.is_empty() {
        schema.extend(rule);
    } else {
        schema.insert(SHOW_IF.into(), field.show_if.as_str().into());
        schema.insert(WHEN_SHOWN.into(), rule.into());
    }
    schema.into()
}

fn rule(field: &FormField) -> Map<String, Value> {
    let rule = filled(field);
    let blank = match field.kind {
        FieldType::Multiselect => json!([]),
        kind if kind.is_text() => json!(""),
        _ => return rule,
    };
    if field.required {
        return rule;
    }
    let either = json!([{ "const": blank }, rule]);
    [("anyOf".to_owned(), either)].into_iter().collect()
}

/// What a value must be that is not blank.
fn filled(field: &FormField) -> Map<String, Value> {
    let values: Vec<_> = field.options.iter().map(|option| option.value.as_str()).collect();
    let schema = match field.kind {
        FieldType::Text => text(field, LINE),
        FieldType::Textarea => text(field, LINES),
        FieldType::Email => text(field, EMAIL),
        FieldType::Phone => text(field, PHONE),
        FieldType::Url => text(field, URL),
        FieldType::Date => shaped(DATE, Some("date")),
        FieldType::Time => shaped(TIME, None),
        FieldType::Datetime => shaped(DATETIME, Some("date-time")),
        FieldType::Number => number(field),
        FieldType::Select | FieldType::Radio => json!({ "type": "string", "enum": values }),
        FieldType::Multiselect => json!({
            "type": "array",
            "items": { "type": "string", "enum": values },
            "uniqueItems": true,
            "minItems": field.shortest(),
            "maxItems": field.longest(),
        }),
        FieldType::Checkbox if field.required => json!({ "type": "boolean", "const": true }),
        FieldType::Checkbox => json!({ "type": "boolean" }),
        FieldType::FileUpload => file(),
    };
    if let Value::Object(schema) = schema { schema } else { Map::new() }
}

fn text(field: &FormField, shape: &str) -> Value {
    let mut schema = json!({
        "type": "string",
        "minLength": field.shortest(),
        "maxLength": field.longest(),
        "pattern": pattern::whole(shape),
    });
    if let (false, Some(schema)) = (field.pattern.is_empty(), schema.as_object_mut()) {
        let own = pattern::whole(&field.pattern);
        schema.insert("allOf".into(), json!([{ "pattern": own }]));
    }
    schema
}

fn shaped(shape: &str, format: Option<&str>) -> Value {
    let mut schema = json!({ "type": "string", "pattern": pattern::whole(shape) });
    if let (Some(format), Some(schema)) = (format, schema.as_object_mut()) {
        schema.insert("format".into(), format.into());
    }
    schema
}

fn number(field: &FormField) -> Value {
    let mut schema = Map::new();
    schema.insert("type".into(), "number".into());
    let bounds = [("minimum", &field.min_value), ("maximum", &field.max_value)];
    for (key, bound) in bounds {
        schema.extend(bound.clone().map(|bound| (key.to_owned(), bound.into())));
    }
    schema.into()
}

fn file() -> Value {
    json!({
        "type": "object",
        "properties": {
            "name": {
                "type": "string",
                "maxLength": FILE_NAME_CHARS,
                "pattern": pattern::whole(FILE_NAME),
            },
            "uri": {
                "type": "string",
                "maxLength": FieldType::Url.longest(),
                "pattern": pattern::whole(URL),
            },
            "media_type": { "type": "string", "pattern": pattern::whole(MEDIA_TYPE) },
            "size": { "type": "integer", "minimum": 0, "maximum": FILE_BYTES },
        },
        "required": ["name", "uri"],
        "additionalProperties": false,
    })
}
