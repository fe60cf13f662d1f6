//! Forms of stages.

use api::workflow as wire;
use serde_json::{Number, Value};
use workflow_core::model::{FieldOption, FieldType, Form, FormField};

use super::faults::Faults;
use super::json;
use super::scalar::int;

/// Fields and options looked at; the domain refuses fewer.
const LOOKED_AT: usize = 200;

/// A form to publish; `path` is its own.
pub(super) fn input(faults: &mut Faults, path: &str, given: wire::Form) -> Form {
    let fields = given.fields.into_iter().take(LOOKED_AT).enumerate();
    let fields =
        fields.map(|(at, given)| field(faults, &format!("{path}.fields[{at}]"), given)).collect();
    Form {
        display_name: given.display_name,
        description: given.description,
        submit_text: given.submit_text,
        fields,
    }
}

fn field(faults: &mut Faults, path: &str, given: wire::FormField) -> FormField {
    let kind = kind(given.r#type).unwrap_or_else(|| {
        faults.note(format!("{path}.type"), "is required: one of the types of fields");
        FieldType::Text
    });
    let mut length = |name: &str, given: i32| {
        u32::try_from(given).unwrap_or_else(|_| {
            faults.note(format!("{path}.{name}"), "must not be negative");
            0
        })
    };
    let min_length = length("min_length", given.min_length);
    let max_length = length("max_length", given.max_length);
    let min_value = number(faults, &format!("{path}.min_value"), given.min_value);
    let max_value = number(faults, &format!("{path}.max_value"), given.max_value);
    let default_value = given.default_value.and_then(|value| {
        faults.take(json::one(&format!("{path}.default_value"), value).map(Some))
    });
    let options = given.options.into_iter().take(LOOKED_AT);
    FormField {
        label: given.label,
        required: given.required,
        help_text: given.help_text,
        placeholder: given.placeholder,
        default_value,
        min_length,
        max_length,
        min_value,
        max_value,
        pattern: given.pattern,
        options: options.map(|o| FieldOption { value: o.value, label: o.label }).collect(),
        show_if: given.show_if,
        key: given.key,
        kind,
    }
}

fn number(faults: &mut Faults, path: &str, given: Option<f64>) -> Option<Number> {
    let given = prost_types::value::Kind::NumberValue(given?);
    let read = json::one(path, prost_types::Value { kind: Some(given) });
    match faults.take(read.map(Some)) {
        Some(Value::Number(number)) => Some(number),
        _ => None,
    }
}

fn kind(given: i32) -> Option<FieldType> {
    use wire::FieldType as Wire;
    let kind = Wire::try_from(given).ok()?;
    FieldType::ALL.into_iter().find(|known| shown_kind(*known) == kind)
}

const fn shown_kind(kind: FieldType) -> wire::FieldType {
    use wire::FieldType as Wire;
    match kind {
        FieldType::Text => Wire::Text,
        FieldType::Textarea => Wire::Textarea,
        FieldType::Number => Wire::Number,
        FieldType::Date => Wire::Date,
        FieldType::Time => Wire::Time,
        FieldType::Datetime => Wire::Datetime,
        FieldType::Select => Wire::Select,
        FieldType::Multiselect => Wire::Multiselect,
        FieldType::Checkbox => Wire::Checkbox,
        FieldType::Radio => Wire::Radio,
        FieldType::FileUpload => Wire::FileUpload,
        FieldType::Email => Wire::Email,
        FieldType::Phone => Wire::Phone,
        FieldType::Url => Wire::Url,
    }
}

/// A form as stored.
pub(super) fn shown(form: Form) -> wire::Form {
    wire::Form {
        display_name: form.display_name,
        description: form.description,
        submit_text: form.submit_text,
        fields: form.fields.into_iter().map(shown_field).collect(),
    }
}

fn shown_field(field: FormField) -> wire::FormField {
    let bound = |bound: Option<Number>| bound.and_then(|number| number.as_f64());
    let option = |o: FieldOption| wire::FieldOption { value: o.value, label: o.label };
    wire::FormField {
        key: field.key,
        r#type: shown_kind(field.kind).into(),
        label: field.label,
        required: field.required,
        help_text: field.help_text,
        placeholder: field.placeholder,
        default_value: field.default_value.as_ref().map(json::wire),
        min_length: int(field.min_length),
        max_length: int(field.max_length),
        min_value: bound(field.min_value),
        max_value: bound(field.max_value),
        pattern: field.pattern,
        options: field.options.into_iter().map(option).collect(),
        show_if: field.show_if,
    }
}

/// A form as the JSON Schema of what fills it in.
pub(super) fn schema(form: &Form) -> String {
    form.schema().to_string()
}
