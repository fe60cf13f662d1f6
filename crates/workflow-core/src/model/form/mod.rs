//! Forms of stages: what people are asked before they can complete one.
//!
//! Nothing here does I/O. A form is judged once, when it is published ([`Form::check`]); what
//! was filled in is judged whenever its stage is completed ([`Form::fill`]); both rest on one
//! rule for each value, and [`Form::schema`] says that rule as JSON Schema.
//!
//! **Invariant:** of a published form every key is unique and the callers' own, every default
//! is a value that its field takes, and every pattern and condition can be evaluated within
//! bounds.

mod check;
mod fill;
pub mod pattern;
mod schema;
#[cfg(test)]
mod tests;
mod value;

use serde::{Deserialize, Serialize};
use serde_json::{Number, Value};

use super::input::is_default;

/// What a field takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum FieldType {
    /// One line.
    Text,
    /// Several lines.
    Textarea,
    Number,
    /// `2026-01-31`
    Date,
    /// `23:59` or `23:59:59`, of no zone.
    Time,
    /// `2026-01-31T23:59:59Z`, with any offset from UTC.
    Datetime,
    /// One of the options, from a list.
    Select,
    /// Several of the options, each at most once.
    Multiselect,
    Checkbox,
    /// One of the options, all in view.
    Radio,
    /// Where a file is; the server keeps none.
    FileUpload,
    Email,
    Phone,
    /// Of the schemes http and https.
    Url,
}

impl FieldType {
    pub const ALL: [Self; 14] = [
        Self::Text,
        Self::Textarea,
        Self::Number,
        Self::Date,
        Self::Time,
        Self::Datetime,
        Self::Select,
        Self::Multiselect,
        Self::Checkbox,
        Self::Radio,
        Self::FileUpload,
        Self::Email,
        Self::Phone,
        Self::Url,
    ];

    /// It takes some of its options.
    pub const fn has_options(self) -> bool {
        matches!(self, Self::Select | Self::Multiselect | Self::Radio)
    }

    /// Texts of any length, within limits.
    const fn is_free_text(self) -> bool {
        matches!(self, Self::Text | Self::Textarea | Self::Email | Self::Phone | Self::Url)
    }

    /// A pattern can narrow it.
    const fn has_pattern(self) -> bool {
        matches!(self, Self::Text | Self::Email | Self::Phone | Self::Url)
    }

    /// The value is a text.
    const fn is_text(self) -> bool {
        !matches!(self, Self::Number | Self::Multiselect | Self::Checkbox | Self::FileUpload)
    }

    /// What `min_length` and `max_length` count up to.
    const fn longest(self) -> u32 {
        match self {
            Self::Email => 254,
            Self::Phone => 40,
            Self::Url => 2_000,
            Self::Textarea => 100_000,
            _ => 10_000,
        }
    }
}

/// One of the values that a field can have.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FieldOption {
    /// As it stands in the item's data.
    pub value: String,
    /// For people; empty is the value itself.
    #[serde(default)]
    pub label: String,
}

/// One thing that is asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FormField {
    /// The key of the item's data that it fills: `[A-Za-z_][A-Za-z0-9_]{0,63}`.
    pub key: String,
    #[serde(rename = "type")]
    pub kind: FieldType,
    /// The question.
    pub label: String,
    /// It cannot be left out; a checkbox must be checked.
    #[serde(default, skip_serializing_if = "is_default")]
    pub required: bool,
    #[serde(default, skip_serializing_if = "is_default")]
    pub help_text: String,
    #[serde(default, skip_serializing_if = "is_default")]
    pub placeholder: String,
    /// What an absent key becomes.
    #[serde(default, skip_serializing_if = "is_default")]
    pub default_value: Option<Value>,
    /// Characters of a text, or options chosen of a multiselect.
    #[serde(default, skip_serializing_if = "is_default")]
    pub min_length: u32,
    /// The same; 0 is the type's own limit.
    #[serde(default, skip_serializing_if = "is_default")]
    pub max_length: u32,
    #[serde(default, skip_serializing_if = "is_default")]
    pub min_value: Option<Number>,
    #[serde(default, skip_serializing_if = "is_default")]
    pub max_value: Option<Number>,
    /// What the whole text must match; see [`pattern`]. Empty: anything.
    #[serde(default, skip_serializing_if = "is_default")]
    pub pattern: String,
    #[serde(default, skip_serializing_if = "is_default")]
    pub options: Vec<FieldOption>,
    /// CEL over the item as it is filled in above this field: one that is not shown is neither
    /// asked for nor judged. Empty: always shown.
    #[serde(default, skip_serializing_if = "is_default")]
    pub show_if: String,
}

impl FormField {
    /// A field that asks for anything of its type.
    pub fn new(key: impl Into<String>, kind: FieldType) -> Self {
        let key = key.into();
        Self {
            label: key.clone(),
            key,
            kind,
            required: false,
            help_text: String::new(),
            placeholder: String::new(),
            default_value: None,
            min_length: 0,
            max_length: 0,
            min_value: None,
            max_value: None,
            pattern: String::new(),
            options: Vec::new(),
            show_if: String::new(),
        }
    }

    /// Characters or options at most.
    fn longest(&self) -> u32 {
        if self.max_length == 0 { self.kind.longest() } else { self.max_length }
    }

    /// Characters or options at least, of what is filled in.
    fn shortest(&self) -> u32 {
        self.min_length.max(u32::from(self.required))
    }
}

/// What is asked at a stage.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Form {
    /// Its heading; empty is the stage's.
    #[serde(skip_serializing_if = "is_default")]
    pub display_name: String,
    #[serde(skip_serializing_if = "is_default")]
    pub description: String,
    /// What stands on the button; empty is up to the client.
    #[serde(skip_serializing_if = "is_default")]
    pub submit_text: String,
    /// In the order in which they are asked.
    pub fields: Vec<FormField>,
}

impl Form {
    /// Texts in which a template's values can stand, without conditions.
    pub fn texts_mut(&mut self) -> Vec<&mut String> {
        let mut texts = vec![&mut self.display_name, &mut self.description];
        for field in &mut self.fields {
            texts.extend([&mut field.label, &mut field.help_text, &mut field.placeholder]);
            texts.extend(field.options.iter_mut().map(|option| &mut option.label));
        }
        texts
    }
}
