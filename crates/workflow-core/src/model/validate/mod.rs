//! Judges what callers ask for. All faults of a request are reported together, each with the
//! path of its field.

mod definition;
mod faults;
mod graph;
mod parameters;
mod update;
#[cfg(test)]
mod tests;

use primitives::{Checked, InvalidArgs, Tenant, Text, UserId, clip};

use faults::{Faults, Limits};

pub use parameters::{filled, parameters, values};
pub use update::{keeps, settings, update};

use super::{Data, Definition, ItemInput, WorkflowInput, data};

/// Where a definition is published.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// As a workflow of this owner.
    Workflow(Tenant),
    /// As a blueprint: what its copies may have is judged when they are made.
    Template,
}

/// The texts around a definition, trimmed and within limits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Texts {
    pub display_name: String,
    pub description: String,
    pub icon: String,
    pub category: String,
    pub tags: Vec<String>,
}

const DISPLAY_NAME: Limits = Limits::line(1, 100);
const DESCRIPTION: Limits = Limits::lines(10_000);
const SHORT: Limits = Limits::line(0, 64);
const TAG: Limits = Limits::line(1, 50);
const TAGS: usize = 20;
const TITLE: Limits = Limits::line(1, 200);
const NOTE: usize = 2_000;

/// Judges a workflow or template. `user` becomes responsible for triggers and auto-apply.
///
/// The reason is that of the first fault which has one of its own: `INVALID_GRAPH`,
/// `INVALID_CONDITION`, `STAGE_TYPE_NOT_SUPPORTED`, `FIELD_NOT_SUPPORTED`,
/// `EVENT_TYPE_NOT_SUPPORTED`, else `INVALID_ARGUMENT`.
pub fn workflow(input: &WorkflowInput, place: Place, user: UserId) -> Checked<(Texts, Definition)> {
    let mut faults = Faults::default();
    let texts = texts(&mut faults, input);
    let definition = definition::definition(&mut faults, input, place, user);
    faults.finish((texts, definition))
}

fn texts(faults: &mut Faults, input: &WorkflowInput) -> Texts {
    Texts {
        display_name: faults.text("workflow.display_name", DISPLAY_NAME, &input.display_name),
        description: faults.text("workflow.description", DESCRIPTION, &input.description),
        icon: faults.text("workflow.icon", SHORT, &input.icon),
        category: faults.text("workflow.category", SHORT, &input.category),
        tags: tags(faults, "workflow.tags", &input.tags),
    }
}

/// Judges whether a template's definition may be used in `tenant`.
pub fn allowed_in(definition: &Definition, tenant: Tenant) -> Checked<()> {
    if tenant == Tenant::Global && definition.stages.iter().any(|stage| stage.kind.runs_agent()) {
        return Err(InvalidArgs::new("visibility", definition::NO_GLOBAL_AGENT));
    }
    Ok(())
}

/// The name of a copy: what was asked for, else the template's.
pub fn copy_name(asked: &str, template: &str) -> Checked<String> {
    if asked.trim().is_empty() {
        return Ok(template.to_owned());
    }
    let mut faults = Faults::default();
    let name = faults.text("display_name", DISPLAY_NAME, asked);
    faults.finish(name)
}

/// Judges a new item.
pub fn item(input: ItemInput) -> Checked<ItemInput> {
    let mut faults = Faults::default();
    let judged = ItemInput {
        title: faults.text("work_item.title", TITLE, &input.title),
        description: faults.text("work_item.description", DESCRIPTION, &input.description),
        priority: input.priority,
        tags: tags(&mut faults, "work_item.tags", &input.tags),
        data: faults.take(data::merged("work_item.data", &Data::new(), input.data)),
        repository: input.repository,
    };
    faults.finish(judged)
}

/// Judges a note or reason.
pub fn note(field: &'static str, value: &str) -> Checked<String> {
    Text { field, min: 0, max: NOTE, multiline: true }.check(value)
}

/// A title from a text of unknown origin; `otherwise` when nothing is left of it.
pub fn title_of(text: &str, otherwise: &str) -> String {
    let line: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let line = clip(line.trim(), TITLE.max);
    let line = line.trim();
    if line.is_empty() { otherwise.to_owned() } else { line.to_owned() }
}

fn tags(faults: &mut Faults, field: &str, tags: &[String]) -> Vec<String> {
    if tags.len() > TAGS {
        faults.note(field, format!("must not have more than {TAGS} tags"));
        return Vec::new();
    }
    let judged = tags.iter().enumerate();
    let judged = judged.map(|(at, tag)| faults.text(&format!("{field}[{at}]"), TAG, tag));
    let mut judged: Vec<_> = judged.collect();
    judged.sort();
    judged.dedup();
    judged
}
