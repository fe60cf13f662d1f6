//! Parameters of templates: what is asked for when a workflow is made of one.
//!
//! `{{name}}` in a text stands for the value. In a condition it stands alone in a string
//! literal, as in `data.level == "{{level}}"`, so that the template is valid CEL itself; the
//! whole literal gives way to one of the value's type.
//!
//! **Invariant:** a value is never read as anything but a value: no placeholder in it is
//! filled, and in a condition it is one literal, whatever it consists of.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What a parameter's values are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ParameterType {
    String,
    Number,
    Bool,
    /// One of the parameter's choices.
    Choice,
}

impl ParameterType {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::String => "STRING",
            Self::Number => "NUMBER",
            Self::Bool => "BOOL",
            Self::Choice => "CHOICE",
        }
    }
}

/// One thing that is asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Parameter {
    /// `[a-z][a-z0-9_]{0,31}`
    pub name: String,
    /// For people.
    pub description: String,
    #[serde(rename = "type")]
    pub kind: ParameterType,
    /// Of the type CHOICE.
    pub choices: Vec<String>,
    /// `None`: a value must be given. Fits the type.
    pub default: Option<Value>,
}

/// Characters of a text value.
pub const TEXT_CHARS: usize = 2_000;

impl Parameter {
    /// The value as it is filled in; the error says what would be right.
    pub fn read(&self, value: &Value) -> Result<Filled, String> {
        match (self.kind, value) {
            (ParameterType::Bool, Value::Bool(value)) => Ok(Filled::Bool(*value)),
            (ParameterType::Number, Value::Number(value)) => {
                let number = value.as_f64().filter(|number| number.is_finite());
                number.map(Filled::Number).ok_or_else(|| "must be a finite number".to_owned())
            }
            (ParameterType::Choice, Value::String(value)) if self.choices.contains(value) => {
                Ok(Filled::Text(value.clone()))
            }
            (ParameterType::Choice, _) => {
                Err(format!("must be one of {}", self.choices.join(", ")))
            }
            (ParameterType::String, Value::String(value)) => {
                if value.chars().count() > TEXT_CHARS {
                    return Err(format!("must not be longer than {TEXT_CHARS} characters"));
                }
                let is_odd = |c: char| c.is_control() && !matches!(c, '\n' | '\t');
                if value.chars().any(is_odd) {
                    return Err("must not contain control characters".into());
                }
                Ok(Filled::Text(value.clone()))
            }
            (kind, _) => Err(format!("must be a {}", kind.as_str().to_lowercase())),
        }
    }
}

/// A value in its place.
#[derive(Clone, Debug, PartialEq)]
pub enum Filled {
    Text(String),
    Number(f64),
    Bool(bool),
}

/// Beyond it a float has no odd whole numbers.
const WHOLE: f64 = 9_007_199_254_740_992.0;

impl Filled {
    /// As it stands in a text.
    pub fn text(&self) -> String {
        match self {
            Self::Text(text) => text.clone(),
            Self::Number(number) => number.to_string(),
            Self::Bool(value) => value.to_string(),
        }
    }

    /// As one literal of a condition. Whole numbers are ints there, as in an item's data.
    pub fn literal(&self) -> String {
        match self {
            Self::Text(text) => quoted(text),
            Self::Number(number) if number.fract() == 0.0 && number.abs() < WHOLE => {
                // Zero has no sign among ints.
                format!("{:.0}", number + 0.0)
            }
            Self::Number(number) => format!("{number:?}"),
            Self::Bool(value) => value.to_string(),
        }
    }
}

fn quoted(text: &str) -> String {
    let mut literal = String::with_capacity(text.len() + 2);
    literal.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => literal.extend(['\\', c]),
            '\n' => literal.push_str("\\n"),
            '\t' => literal.push_str("\\t"),
            '\r' => literal.push_str("\\r"),
            _ => literal.push(c),
        }
    }
    literal.push('"');
    literal
}

/// Values by parameter.
pub type Values = BTreeMap<String, Filled>;

/// How names of parameters are spelled.
pub fn is_name(text: &str) -> bool {
    let mut bytes = text.bytes();
    bytes.next().is_some_and(|first| first.is_ascii_lowercase())
        && text.len() <= 32
        && bytes.all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
}

/// Names that stand in `{{…}}`, each where it is.
pub fn placeholders(text: &str) -> impl Iterator<Item = &str> {
    pieces(text).filter_map(|piece| match piece {
        Piece::Placeholder(name) => Some(name),
        Piece::Text(_) => None,
    })
}

/// The text with values in place of their placeholders; others stay as they are.
pub fn fill(text: &str, values: &Values) -> String {
    let filled = pieces(text).map(|piece| match piece {
        Piece::Text(text) => text.to_owned(),
        Piece::Placeholder(name) => {
            values.get(name).map_or_else(|| format!("{{{{{name}}}}}"), Filled::text)
        }
    });
    filled.collect()
}

enum Piece<'a> {
    Text(&'a str),
    Placeholder(&'a str),
}

/// A text cut at its placeholders.
fn pieces(text: &str) -> impl Iterator<Item = Piece<'_>> {
    let mut rest = text;
    let mut waiting = None;
    std::iter::from_fn(move || {
        if let Some(piece) = waiting.take() {
            return Some(piece);
        }
        if rest.is_empty() {
            return None;
        }
        let mut from = 0;
        while let Some(at) = rest.get(from..).and_then(|tail| tail.find("{{")) {
            let start = from + at;
            let inside = rest.get(start + 2..).unwrap_or_default();
            let name = inside.split_once("}}").map(|(name, _)| name).filter(|name| is_name(name));
            if let Some(name) = name {
                let before = rest.get(..start).unwrap_or_default();
                rest = inside.get(name.len() + 2..).unwrap_or_default();
                if before.is_empty() {
                    return Some(Piece::Placeholder(name));
                }
                waiting = Some(Piece::Placeholder(name));
                return Some(Piece::Text(before));
            }
            from = start + 1;
        }
        Some(Piece::Text(std::mem::take(&mut rest)))
    })
}

/// The condition with literals in place of those that hold a placeholder. `known` tells which
/// names are parameters; one of them anywhere but alone in plain quotes is an error.
pub fn fill_condition(
    source: &str,
    known: impl Fn(&str) -> Option<String>,
) -> Result<String, String> {
    let mut filled = String::with_capacity(source.len());
    let mut outside = String::new();
    let mut rest = source;
    while !rest.is_empty() {
        let token = Token::first_of(rest);
        let text = rest.get(..token.length()).unwrap_or(rest);
        rest = rest.get(token.length()..).unwrap_or_default();
        let Token::Plain { content } = token else {
            outside.push_str(text);
            filled.push_str(text);
            continue;
        };
        if let Some(literal) = placeholder_alone(content).and_then(&known) {
            filled.push_str(&literal);
        } else {
            refuse_placeholders(content, &known)?;
            filled.push_str(text);
        }
        // So that nothing reaches from one side of a string to the other.
        outside.push(' ');
    }
    refuse_placeholders(&outside, &known)?;
    Ok(filled)
}

fn refuse_placeholders(text: &str, known: impl Fn(&str) -> Option<String>) -> Result<(), String> {
    if placeholders(text).any(|name| known(name).is_some()) {
        return Err("a placeholder must stand alone in quotes, as in \"{{name}}\"".into());
    }
    Ok(())
}

fn placeholder_alone(content: &str) -> Option<&str> {
    let name = content.strip_prefix("{{")?.strip_suffix("}}")?;
    is_name(name).then_some(name)
}

/// A piece of CEL, as far as strings and comments go.
enum Token<'a> {
    /// A string in single quote marks of either kind, neither raw nor of bytes.
    Plain { content: &'a str },
    /// So many bytes of anything else.
    Other(usize),
}

impl<'a> Token<'a> {
    fn length(&self) -> usize {
        match self {
            Self::Plain { content } => content.len() + 2,
            Self::Other(length) => *length,
        }
    }

    fn first_of(text: &'a str) -> Self {
        if text.starts_with("//") {
            return Self::Other(text.find('\n').unwrap_or(text.len()));
        }
        // A word is taken whole, so that its end is no prefix of a string.
        let word = text.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(text.len());
        let (prefix, after) = text.split_at_checked(word).unwrap_or((text, ""));
        let is_prefix =
            matches!(prefix.to_ascii_lowercase().as_str(), "" | "r" | "b" | "rb" | "br");
        let Some(quote) = after.chars().next().filter(|c| matches!(c, '"' | '\'')) else {
            let next = after.chars().next().map_or(0, char::len_utf8);
            return Self::Other(if word == 0 { next.max(1) } else { word });
        };
        if !is_prefix {
            return Self::Other(word);
        }
        let is_raw = prefix.to_ascii_lowercase().contains('r');
        let single: String = quote.to_string();
        let triple = single.repeat(3);
        let mark = if after.starts_with(&triple) { triple } else { single };
        let body = after.get(mark.len()..).unwrap_or_default();
        let Some(end) = end_of(body, &mark, is_raw) else { return Self::Other(text.len()) };
        match body.get(..end) {
            Some(content) if prefix.is_empty() && mark.len() == 1 => Self::Plain { content },
            _ => Self::Other(word + mark.len() * 2 + end),
        }
    }
}

/// Where the string ends; a backslash takes the next character with it, except in raw ones.
fn end_of(body: &str, mark: &str, is_raw: bool) -> Option<usize> {
    let mut skip = false;
    for (at, c) in body.char_indices() {
        if skip {
            skip = false;
        } else if c == '\\' && !is_raw {
            skip = true;
        } else if body.get(at..).is_some_and(|rest| rest.starts_with(mark)) {
            return Some(at);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::model::condition::tests::item;
    use crate::model::{StageRoute, condition};

    fn with(name: &str, value: Filled) -> Values {
        Values::from([(name.to_owned(), value)])
    }

    fn filled(source: &str, values: &Values) -> Result<String, String> {
        fill_condition(source, |name| values.get(name).map(Filled::literal))
    }

    fn holds(source: String, data: Value) -> bool {
        condition::check(&source).unwrap();
        let route = |condition, description: &str| StageRoute {
            condition,
            target: None,
            description: description.into(),
        };
        let routes = [route(Some(source), "yes"), route(None, "no")];
        condition::choose(&routes, &item(data)).unwrap().description == "yes"
    }

    #[test]
    fn texts_are_filled_once() {
        let mut values = with("team", Filled::Text("{{days}} & co".into()));
        values.insert("days".into(), Filled::Number(3.0));
        assert_eq!(
            fill("{{team}}: {{days}} days, {{other}} {{ team }}", &values),
            "{{days}} & co: 3 days, {{other}} {{ team }}"
        );
        assert_eq!(fill("{{{days}}} {{days", &values), "{3} {{days");
        assert_eq!(placeholders("a {{b}} {{C}} {{d_1}}{{}}").collect::<Vec<_>>(), ["b", "d_1"]);
    }

    #[test]
    fn a_condition_takes_whole_literals_only() {
        let values = with("level", Filled::Text("a\" || true || \"".into()));
        let literal = "\"a\\\" || true || \\\"\"";
        for (source, expected) in [
            ("data.x == \"{{level}}\"", Some(format!("data.x == {literal}"))),
            ("data.x == '{{level}}'", Some(format!("data.x == {literal}"))),
            ("data.x == \"{{other}}\"", Some("data.x == \"{{other}}\"".into())),
            ("'it\\'s' == \"{{level}}\"", Some(format!("'it\\'s' == {literal}"))),
            (
                "true // it's\n && \"{{level}}\" == ''",
                Some(format!("true // it's\n && {literal} == ''")),
            ),
            ("data.x == \"say {{level}}\"", None),
            ("data.x == 'say \"{{level}}\" now'", None),
            ("data.x == r\"{{level}}\"", None),
            ("data.x == \"\"\"{{level}}\"\"\"", None),
            ("{{level}}", None),
            ("true // \"{{level}}\"", None),
            ("data.x == \"{{level}}", None),
        ] {
            assert_eq!(filled(source, &values).ok(), expected, "{source}");
        }
    }

    #[test]
    fn values_are_read_by_type() {
        let parameter = |kind| Parameter {
            name: "p".into(),
            description: String::new(),
            kind,
            choices: vec!["low".into(), "high".into()],
            default: None,
        };
        for (kind, right, wrong) in [
            (ParameterType::String, json!("x"), json!(1)),
            (ParameterType::String, json!("x\ny"), json!("x\u{7}")),
            (ParameterType::Number, json!(1.5), json!("1.5")),
            (ParameterType::Bool, json!(true), json!(null)),
            (ParameterType::Choice, json!("low"), json!("medium")),
            (ParameterType::Choice, json!("high"), json!(["high"])),
        ] {
            assert!(parameter(kind).read(&right).is_ok(), "{kind:?} {right}");
            assert!(parameter(kind).read(&wrong).is_err(), "{kind:?} {wrong}");
        }
    }

    proptest! {
        /// Whatever a text consists of, the condition compares with that text and nothing else.
        #[test]
        fn a_text_in_a_condition_is_that_text(value in "[\\PC\n\t\"'\\\\{}/]{0,60}", other in "\\PC{0,8}") {
            let source = filled("data.x == \"{{v}}\"", &with("v", Filled::Text(value.clone()))).unwrap();
            let same = holds(source.clone(), json!({ "x": value }));
            prop_assert!(same);
            if other != value {
                let different = holds(source, json!({ "x": other }));
                prop_assert!(!different);
            }
        }

        #[test]
        fn a_number_in_a_condition_is_that_number(value in -1.0e6..1.0e6_f64, whole in -1_000_000..1_000_000_i32) {
            for value in [value, f64::from(whole)] {
                let source = filled("data.x == '{{v}}'", &with("v", Filled::Number(value))).unwrap();
                let given = if value.fract() == 0.0 { json!(whole) } else { json!(value) };
                let same = holds(source, json!({ "x": given }));
                prop_assert!(same);
            }
        }

        /// What has no placeholder stays as it is, to the byte.
        #[test]
        fn what_is_not_filled_stays(text in "\\PC{0,80}") {
            prop_assert_eq!(fill(&text, &Values::new()), text.clone());
            prop_assert_eq!(fill_condition(&text, |_| None).unwrap(), text);
        }
    }
}
