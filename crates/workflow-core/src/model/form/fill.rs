//! Judges what was filled in, when a stage is completed.

use primitives::{Checked, FieldError, InvalidArgs};

use super::{Form, value};
use crate::model::{Data, WorkItem, condition};

/// What a refusal is called.
const REASON: &str = "FORM_INVALID";

impl Form {
    /// Judges the data of `item` as it is to become, and returns the defaults of what it
    /// leaves out: they are to be merged into it. Every field that is wrong is named, as
    /// `<path>.<key>`. Keys beside the form's are nobody's business here.
    ///
    /// Fields are looked at in order; the condition of one sees the defaults of those before.
    pub fn fill(&self, path: &str, item: &WorkItem) -> Checked<Data> {
        let mut seen = item.clone();
        let mut defaults = Data::new();
        let mut shown = None;
        let mut faults = Vec::new();
        for field in &self.fields {
            if !field.show_if.is_empty() {
                let shown = shown.get_or_insert_with(|| condition::over(&seen));
                if !shown(&field.show_if) {
                    continue;
                }
            }
            if let (None, Some(default)) = (seen.data.get(&field.key), &field.default_value) {
                seen.data.insert(field.key.clone(), default.clone());
                defaults.insert(field.key.clone(), default.clone());
                shown = None;
            }
            if let Some(description) = value::fault(field, seen.data.get(&field.key)) {
                let field = format!("{path}.{}", field.key);
                faults.push(FieldError { field, description });
            }
        }
        if faults.is_empty() {
            Ok(defaults)
        } else {
            Err(InvalidArgs { reason: REASON, fields: faults })
        }
    }
}
