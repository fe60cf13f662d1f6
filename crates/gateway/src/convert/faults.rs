//! Collects what is wrong with a request, so that all of it is said at once.

use primitives::{Checked, FieldError, InvalidArgs};

/// The faults found so far.
#[derive(Debug, Default)]
pub(crate) struct Faults(Vec<FieldError>);

impl Faults {
    pub(crate) fn note(&mut self, field: impl Into<String>, description: impl Into<String>) {
        self.0.push(FieldError { field: field.into(), description: description.into() });
    }

    /// The value, or its default when it has faults.
    pub(crate) fn take<T: Default>(&mut self, checked: Checked<T>) -> T {
        checked.unwrap_or_else(|refused| {
            self.0.extend(refused.fields);
            T::default()
        })
    }

    /// The value, unless there were faults.
    pub(crate) fn or<T>(self, value: T) -> Checked<T> {
        if self.0.is_empty() {
            Ok(value)
        } else {
            Err(InvalidArgs { reason: "INVALID_ARGUMENT", fields: self.0 })
        }
    }
}
