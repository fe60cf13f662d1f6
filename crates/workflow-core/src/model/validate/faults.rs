//! Collects what is wrong with a request.

use primitives::{Checked, FieldError, InvalidArgs, Text};

/// An answer names this many faults; it travels in a header.
const SHOWN: usize = 20;

/// Limits of one text, in characters.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    pub(super) min: usize,
    pub(super) max: usize,
    pub(super) multiline: bool,
}

impl Limits {
    /// One line of text.
    pub(super) const fn line(min: usize, max: usize) -> Self {
        Self { min, max, multiline: false }
    }

    /// A text that may be empty and have several lines.
    pub(super) const fn lines(max: usize) -> Self {
        Self { min: 0, max, multiline: true }
    }
}

/// The faults found so far.
#[derive(Debug, Default)]
pub(super) struct Faults {
    reason: Option<&'static str>,
    fields: Vec<FieldError>,
    left_out: usize,
}

impl Faults {
    /// Nothing is wrong so far.
    pub(super) fn is_empty(&self) -> bool {
        self.fields.is_empty()
    }

    /// A fault without a reason of its own.
    pub(super) fn note(&mut self, field: impl Into<String>, description: impl Into<String>) {
        if self.fields.len() == SHOWN {
            self.left_out += 1;
            return;
        }
        self.fields.push(FieldError { field: field.into(), description: description.into() });
    }

    /// A fault with a reason of its own; the first one's reason is the answer's.
    pub(super) fn because(
        &mut self,
        reason: &'static str,
        field: impl Into<String>,
        description: impl Into<String>,
    ) {
        self.reason.get_or_insert(reason);
        self.note(field, description);
    }

    /// The value of a judgement made elsewhere; its faults join these.
    pub(super) fn take<T: Default>(&mut self, judged: Checked<T>) -> T {
        judged.unwrap_or_else(|refused| {
            if refused.reason != "INVALID_ARGUMENT" {
                self.reason.get_or_insert(refused.reason);
            }
            for fault in refused.fields {
                self.note(fault.field, fault.description);
            }
            T::default()
        })
    }

    /// The same, with a value to go on with.
    pub(super) fn take_or<T>(&mut self, judged: Checked<T>, otherwise: T) -> T {
        self.take(judged.map(Some)).unwrap_or(otherwise)
    }

    /// A trimmed text within its limits.
    pub(super) fn text(&mut self, field: &str, limits: Limits, value: &str) -> String {
        let Limits { min, max, multiline } = limits;
        Text { field: "", min, max, multiline }.check(value).unwrap_or_else(|refused| {
            for fault in refused.fields {
                self.note(field, fault.description);
            }
            String::new()
        })
    }

    /// `value` if nothing was wrong.
    pub(super) fn finish<T>(mut self, value: T) -> Checked<T> {
        if self.is_empty() {
            return Ok(value);
        }
        if let (Some(last), 1..) = (self.fields.last_mut(), self.left_out) {
            let more = format!(" (and {} more faults)", self.left_out);
            last.description.push_str(&more);
        }
        let reason = self.reason.unwrap_or("INVALID_ARGUMENT");
        Err(InvalidArgs { reason, fields: self.fields })
    }
}
