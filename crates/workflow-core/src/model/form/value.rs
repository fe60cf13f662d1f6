//! What one value must be.
//!
//! **Invariant:** a value is refused here exactly if the schema of its field refuses it; only
//! that a date exists is said by a schema's `format`, which readers may pass over.

use std::sync::LazyLock;

use regex::Regex;
use serde_json::{Map, Number, Value};

use super::{FieldType, FormField, pattern};

/// No control characters.
pub(super) const LINE: &str = r"[^\u0000-\u001f\u007f-\u009f]*";
/// None but tabs and ends of lines.
pub(super) const LINES: &str = r"[^\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f]*";
pub(super) const DATE: &str = "[0-9]{4}-[0-9]{2}-[0-9]{2}";
pub(super) const TIME: &str = "([01][0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9])?";
pub(super) const DATETIME: &str = concat!(
    "[0-9]{4}-[0-9]{2}-[0-9]{2}T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]",
    r"(\.[0-9]{1,9})?(Z|[+-]([01][0-9]|2[0-3]):[0-5][0-9])"
);
/// What browsers take for an address.
pub(super) const EMAIL: &str = concat!(
    "[a-zA-Z0-9.!#$%&'*+/=?^_`{|}~\\-]+@[a-zA-Z0-9]([a-zA-Z0-9\\-]{0,61}[a-zA-Z0-9])?",
    r"(\.[a-zA-Z0-9]([a-zA-Z0-9\-]{0,61}[a-zA-Z0-9])?)*"
);
/// Digits, and what people write between them.
pub(super) const PHONE: &str = r"\+?[ ().\/\-]*[0-9]([ ().\/\-]*[0-9]){2,14}";
pub(super) const URL: &str = concat!(
    r#"https?:\/\/(\[[0-9a-fA-F:.]+\]|[^\u0000-\u0020"<>\u007f-\u009f\/?#@:\[\]\\]+)"#,
    r#"(:[0-9]{1,5})?([\/?#][^\u0000-\u0020"<>\u007f-\u009f]*)?"#
);
/// A file's name without its folders.
pub(super) const FILE_NAME: &str = r"[^\u0000-\u001f\u007f-\u009f\/\\]+";
pub(super) const MEDIA_TYPE: &str =
    "[a-z0-9][a-z0-9!#$&^_.+\\-]{0,62}\\/[a-z0-9][a-z0-9!#$&^_.+\\-]{0,62}";
/// Characters of a file's name.
pub(super) const FILE_NAME_CHARS: usize = 255;
/// Bytes of a file: whole numbers up to here are exact everywhere.
pub(super) const FILE_BYTES: f64 = 9_007_199_254_740_991.0;

type Kept = LazyLock<Option<Regex>>;

static IS_LINE: Kept = LazyLock::new(|| pattern::compile(LINE).ok());
static IS_LINES: Kept = LazyLock::new(|| pattern::compile(LINES).ok());
static IS_DATE: Kept = LazyLock::new(|| pattern::compile(DATE).ok());
static IS_TIME: Kept = LazyLock::new(|| pattern::compile(TIME).ok());
static IS_DATETIME: Kept = LazyLock::new(|| pattern::compile(DATETIME).ok());
static IS_EMAIL: Kept = LazyLock::new(|| pattern::compile(EMAIL).ok());
static IS_PHONE: Kept = LazyLock::new(|| pattern::compile(PHONE).ok());
static IS_URL: Kept = LazyLock::new(|| pattern::compile(URL).ok());
static IS_FILE_NAME: Kept = LazyLock::new(|| pattern::compile(FILE_NAME).ok());
static IS_MEDIA_TYPE: Kept = LazyLock::new(|| pattern::compile(MEDIA_TYPE).ok());

fn matches(kept: &Kept, text: &str) -> bool {
    kept.as_ref().is_some_and(|pattern| pattern.is_match(text))
}

/// What is wrong with what a field has, or has not.
pub(super) fn fault(field: &FormField, given: Option<&Value>) -> Option<String> {
    match given {
        None => field.required.then(|| "is required".to_owned()),
        Some(given) if is_blank(field.kind, given) => {
            field.required.then(|| "is required: it must not be empty".to_owned())
        }
        Some(given) => Rule::of(field).map_or_else(Some, |rule| rule.fault(given)),
    }
}

/// What clients send for a field that nobody touched; of a field that is not required it
/// counts as nothing.
pub(super) fn is_blank(kind: FieldType, given: &Value) -> bool {
    match given {
        Value::String(text) => kind.is_text() && text.is_empty(),
        Value::Array(items) => kind == FieldType::Multiselect && items.is_empty(),
        _ => false,
    }
}

/// The rule of one field.
pub(super) struct Rule<'a> {
    field: &'a FormField,
    pattern: Option<Regex>,
}

impl<'a> Rule<'a> {
    /// The error says why there is none.
    pub(super) fn of(field: &'a FormField) -> Result<Self, String> {
        let given = Some(&field.pattern).filter(|pattern| !pattern.is_empty());
        let pattern = given.map(|source| pattern::compile(source)).transpose()?;
        Ok(Self { field, pattern })
    }

    /// What is wrong with a value that is not blank.
    pub(super) fn fault(&self, given: &Value) -> Option<String> {
        match (self.field.kind, given) {
            (FieldType::Number, Value::Number(number)) => self.number(number.as_f64()?),
            (FieldType::Number, _) => Some("must be a number".into()),
            (FieldType::Checkbox, Value::Bool(checked)) => {
                (self.field.required && !checked).then(|| "must be checked".into())
            }
            (FieldType::Checkbox, _) => Some("must be true or false".into()),
            (FieldType::Multiselect, Value::Array(chosen)) => self.choices(chosen),
            (FieldType::Multiselect, _) => Some("must be a list of options".into()),
            (FieldType::FileUpload, Value::Object(file)) => self::file(file),
            (FieldType::FileUpload, _) => Some(A_FILE.into()),
            (_, Value::String(text)) => self.text(text),
            _ => Some("must be a text".into()),
        }
    }

    fn number(&self, number: f64) -> Option<String> {
        let bound = |bound: &Option<Number>| bound.as_ref().and_then(Number::as_f64);
        if let Some(min) = bound(&self.field.min_value).filter(|min| number < *min) {
            return Some(format!("must be at least {min}"));
        }
        let max = bound(&self.field.max_value).filter(|max| number > *max);
        max.map(|max| format!("must be at most {max}"))
    }

    fn choices(&self, chosen: &[Value]) -> Option<String> {
        let (least, most) = (self.field.shortest(), self.field.longest());
        let count = u32::try_from(chosen.len()).unwrap_or(u32::MAX);
        if count < least || count > most {
            return Some(format!("must be {least} to {most} of the options"));
        }
        let is_repeated = |(at, value): (usize, &Value)| chosen.iter().take(at).any(|v| v == value);
        // More than there are options repeat one or are unknown: found without comparing all.
        let known = chosen.iter().all(|value| value.as_str().is_some_and(|v| self.is_option(v)));
        if !known {
            return Some(self.one_of());
        }
        let repeats =
            chosen.len() > self.field.options.len() || chosen.iter().enumerate().any(is_repeated);
        repeats.then(|| "must not have an option twice".into())
    }

    fn is_option(&self, value: &str) -> bool {
        self.field.options.iter().any(|option| option.value == value)
    }

    fn one_of(&self) -> String {
        let values: Vec<_> =
            self.field.options.iter().take(20).map(|option| option.value.as_str()).collect();
        let more = if self.field.options.len() > values.len() { ", …" } else { "" };
        format!("must be of these: {}{more}", values.join(", "))
    }

    fn text(&self, text: &str) -> Option<String> {
        let field = self.field;
        if field.kind.has_options() {
            return (!self.is_option(text)).then(|| self.one_of());
        }
        if field.kind.is_free_text() {
            let (least, most) = (field.shortest(), field.longest());
            let count = u32::try_from(text.chars().count()).unwrap_or(u32::MAX);
            if count < least || count > most {
                return Some(format!("must have {least} to {most} characters"));
            }
        }
        let (is_right, help) = match field.kind {
            FieldType::Textarea => (matches(&IS_LINES, text), "must not have control characters"),
            FieldType::Date => {
                (matches(&IS_DATE, text) && is_date(text), "must be a date as in 2026-01-31")
            }
            FieldType::Time => (matches(&IS_TIME, text), "must be a time as in 23:59"),
            FieldType::Datetime => (
                matches(&IS_DATETIME, text) && text.get(..10).is_some_and(is_date),
                "must be a time with its offset, as in 2026-01-31T23:59:59Z",
            ),
            FieldType::Email => (matches(&IS_EMAIL, text), "must be an e-mail address"),
            FieldType::Phone => {
                (matches(&IS_PHONE, text), "must be a phone number: 3 to 15 digits")
            }
            FieldType::Url => (matches(&IS_URL, text), "must be an http or https URL"),
            _ => (matches(&IS_LINE, text), "must be one line without control characters"),
        };
        if !is_right {
            return Some(help.into());
        }
        let fits = self.pattern.as_ref().is_none_or(|pattern| pattern.is_match(text));
        (!fits).then(|| format!("must match {}", field.pattern))
    }
}

const A_FILE: &str = "must be an object with `name` and `uri`, and maybe `media_type` and `size`";

fn is_date(text: &str) -> bool {
    text.parse::<jiff::civil::Date>().is_ok()
}

fn file(file: &Map<String, Value>) -> Option<String> {
    let text = |key: &str| file.get(key).and_then(Value::as_str);
    let known = ["name", "uri", "media_type", "size"];
    if file.keys().any(|key| !known.contains(&key.as_str())) {
        return Some(A_FILE.into());
    }
    let name = text("name")
        .filter(|name| matches(&IS_FILE_NAME, name) && name.chars().count() <= FILE_NAME_CHARS);
    let longest = FieldType::Url.longest() as usize;
    let uri = text("uri").filter(|uri| matches(&IS_URL, uri) && uri.chars().count() <= longest);
    let is_type = |value: &Value| value.as_str().is_some_and(|text| matches(&IS_MEDIA_TYPE, text));
    let is_size = |value: &Value| {
        let size = value.as_f64();
        size.is_some_and(|size| size.fract() == 0.0 && (0.0..=FILE_BYTES).contains(&size))
    };
    if name.is_none() {
        Some("must have a `name`: 1 to 255 characters without / and \\".into())
    } else if uri.is_none() {
        Some("must have a `uri` of http or https".into())
    } else if file.get("media_type").is_some_and(|value| !is_type(value)) {
        Some("must have a `media_type` as in text/plain, or none".into())
    } else if file.get("size").is_some_and(|value| !is_size(value)) {
        Some("must have a `size` in bytes, or none".into())
    } else {
        None
    }
}
