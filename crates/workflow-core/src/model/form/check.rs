//! Judges a form when it is published.

use std::collections::HashSet;

use primitives::{Checked, FieldError, InvalidArgs, Text, clip};
use serde_json::Value;

use super::{FieldOption, FieldType, Form, FormField, pattern, value};
use crate::model::{condition, data};

/// Fields of one form.
const FIELDS: usize = 50;
/// Options of one field.
const OPTIONS: usize = 100;
/// Bytes of one form as JSON.
const MAX_BYTES: usize = 64 * 1024;
const KEY: usize = 64;
const SHORT: usize = 100;
const LONG: usize = 500;

impl Form {
    /// The form with trimmed texts, or all that is wrong with it; `path` is that of the form.
    pub fn check(&self, path: &str) -> Checked<Self> {
        let mut check = Check { path: path.to_owned(), reason: None, faults: Vec::new() };
        let judged = check.form(self);
        if check.faults.is_empty() {
            return Ok(judged);
        }
        let reason = check.reason.unwrap_or("INVALID_ARGUMENT");
        Err(InvalidArgs { reason, fields: check.faults })
    }
}

struct Check {
    /// Of what is judged: the form, then one field after the other.
    path: String,
    reason: Option<&'static str>,
    faults: Vec<FieldError>,
}

impl Check {
    fn note(&mut self, field: &str, description: impl Into<String>) {
        let field = format!("{}.{field}", self.path);
        self.faults.push(FieldError { field, description: description.into() });
    }

    fn text(&mut self, field: &str, (min, max): (usize, usize), value: &str) -> String {
        let multiline = max == LONG;
        Text { field: "", min, max, multiline }.check(value).unwrap_or_else(|refused| {
            refused.fields.into_iter().for_each(|fault| self.note(field, fault.description));
            String::new()
        })
    }

    fn form(&mut self, form: &Form) -> Form {
        let mut judged = Form {
            display_name: self.text("display_name", (0, SHORT), &form.display_name),
            description: self.text("description", (0, LONG), &form.description),
            submit_text: self.text("submit_text", (0, SHORT), &form.submit_text),
            fields: Vec::new(),
        };
        if !(1..=FIELDS).contains(&form.fields.len()) {
            self.note("fields", format!("must have 1 to {FIELDS} fields"));
            return judged;
        }
        if serde_json::to_string(form).map_or(usize::MAX, |text| text.len()) > MAX_BYTES {
            self.note("fields", format!("must not be larger than {MAX_BYTES} bytes in all"));
            return judged;
        }
        let of_form = self.path.clone();
        let mut keys = HashSet::new();
        for (at, field) in form.fields.iter().enumerate() {
            self.path = format!("{of_form}.fields[{at}]");
            if !keys.insert(field.key.as_str()) {
                self.note("key", "another field has this key");
            }
            let judged_field = self.field(field);
            judged.fields.push(judged_field);
        }
        self.path = of_form;
        judged
    }

    fn field(&mut self, field: &FormField) -> FormField {
        self.key(&field.key);
        let found = self.faults.len();
        self.lengths(field);
        self.values(field);
        self.pattern(field);
        let options = self.options(field);
        self.show_if(&field.show_if);
        let judged = FormField {
            label: self.text("label", (1, SHORT), &field.label),
            help_text: self.text("help_text", (0, LONG), &field.help_text),
            placeholder: self.text("placeholder", (0, SHORT), &field.placeholder),
            options,
            default_value: field.default_value.clone().filter(|value| !value.is_null()),
            show_if: field.show_if.trim().to_owned(),
            ..field.clone()
        };
        // What is wrong with the field itself is said first.
        if self.faults.len() == found {
            self.default_value(&judged);
        }
        judged
    }

    fn key(&mut self, key: &str) {
        let begins = key.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
        let spelled = key.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
        if !begins || !spelled || key.len() > KEY {
            let rule = "must be 1 to 64 of A-Z a-z 0-9 _, and not begin with a digit";
            self.note("key", rule);
        } else if data::is_reserved(key) {
            self.note("key", "is written by the server only");
        }
    }

    fn lengths(&mut self, field: &FormField) {
        let FormField { kind, min_length, max_length, .. } = *field;
        let is_given = min_length > 0 || max_length > 0;
        let longest = kind.longest();
        if !is_given {
            return;
        }
        if !kind.is_free_text() && kind != FieldType::Multiselect {
            let help = "is for texts, and for how many options of a MULTISELECT are chosen";
            let given = if min_length > 0 { "min_length" } else { "max_length" };
            self.note(given, help);
        } else if max_length > longest {
            self.note("max_length", format!("must not be more than {longest} for this type"));
        } else if min_length > field.longest() {
            self.note("min_length", "must not be more than max_length");
        }
    }

    fn values(&mut self, field: &FormField) {
        let [min, max] = [&field.min_value, &field.max_value]
            .map(|bound| bound.as_ref().and_then(serde_json::Number::as_f64));
        if field.kind != FieldType::Number {
            for (name, _) in
                [("min_value", min), ("max_value", max)].iter().filter(|b| b.1.is_some())
            {
                self.note(name, "is for the type NUMBER only");
            }
        } else if let (Some(min), Some(max)) = (min, max)
            && min > max
        {
            self.note("min_value", "must not be more than max_value");
        }
    }

    fn pattern(&mut self, field: &FormField) {
        if field.pattern.is_empty() {
            return;
        }
        if !field.kind.has_pattern() {
            self.note("pattern", "is for the types TEXT, EMAIL, PHONE and URL only");
        } else if let Err(fault) = pattern::compile(&field.pattern) {
            self.note("pattern", fault);
        }
    }

    fn options(&mut self, field: &FormField) -> Vec<FieldOption> {
        let count = field.options.len();
        if !field.kind.has_options() {
            if count > 0 {
                self.note("options", "are for the types SELECT, MULTISELECT and RADIO only");
            }
            return Vec::new();
        }
        if !(1..=OPTIONS).contains(&count) {
            self.note("options", format!("must be 1 to {OPTIONS} for this type"));
            return Vec::new();
        }
        let mut values = HashSet::new();
        let mut judged = Vec::with_capacity(count);
        for (at, option) in field.options.iter().enumerate() {
            let path = |name: &str| format!("options[{at}].{name}");
            let value = self.text(&path("value"), (1, SHORT), &option.value);
            if value != option.value {
                self.note(&path("value"), "must not begin or end with spaces");
            }
            if !values.insert(value.clone()) {
                let shown = clip(&value, 40);
                self.note(&path("value"), format!("another option has the value {shown:?}"));
            }
            let label = self.text(&path("label"), (0, SHORT), &option.label);
            judged.push(FieldOption { value, label });
        }
        judged
    }

    fn show_if(&mut self, source: &str) {
        let source = source.trim();
        if source.is_empty() {
            return;
        }
        if let Err(fault) = condition::check(source) {
            self.reason.get_or_insert("INVALID_CONDITION");
            self.note("show_if", fault);
        }
    }

    fn default_value(&mut self, field: &FormField) {
        let Some(default) = &field.default_value else { return };
        if field.required && field.kind == FieldType::Checkbox {
            self.note("default_value", "must be unset: nobody would have to check the box");
        } else if value::is_blank(field.kind, default) {
            self.note("default_value", "must be unset rather than empty");
        } else if let Some(fault) = fault_of(field, default) {
            self.note("default_value", fault);
        }
    }
}

fn fault_of(field: &FormField, given: &Value) -> Option<String> {
    value::Rule::of(field).map_or_else(Some, |rule| rule.fault(given))
}
