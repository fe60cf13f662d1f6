//! Judges what callers ask for. All faults of a request are reported together, each with the
//! path of its field.

mod assignment;
mod batch;
mod definition;
mod faults;
mod graph;
mod parameters;
#[cfg(test)]
mod tests;
mod update;

use primitives::{Checked, InvalidArgs, Tenant, Text, UserId, WorkItemId, clip};

use faults::{Faults, Limits};

pub use batch::{BATCH, items};
pub use parameters::{filled, parameters, values};
pub use update::{keeps, settings, update};

use super::{Data, Definition, Form, ItemChanges, ItemInput, WorkItem, WorkflowInput, data};

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
    pub item_key: String,
}

const DISPLAY_NAME: Limits = Limits::line(1, 100);
const DESCRIPTION: Limits = Limits::lines(10_000);
const SHORT: Limits = Limits::line(0, 64);
const TAG: Limits = Limits::line(1, 50);
const TAGS: usize = 20;
const TITLE: Limits = Limits::line(1, 200);
const NOTE: usize = 2_000;
/// Items that one may wait for.
pub const BLOCKERS: usize = 50;
const COMMENT: usize = 10_000;
const EXTERNAL_ID: Limits = Limits::line(0, 128);
/// Letters and digits of [`Workflow::item_key`](super::Workflow::item_key).
const ITEM_KEY: usize = 10;

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
        item_key: item_key(faults, input),
    }
}

/// What items are called before their number: as asked for, or made from the name.
fn item_key(faults: &mut Faults, input: &WorkflowInput) -> String {
    let key = input.item_key.as_str();
    if key.is_empty() {
        return derived_key(&input.display_name);
    }
    let begins = key.starts_with(|c: char| c.is_ascii_uppercase());
    let known = key.bytes().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit());
    if !begins || !known || key.len() > ITEM_KEY {
        let rule = "must be 1 to 10 capital letters and digits, and begin with a letter";
        faults.note("workflow.item_key", rule.to_owned());
    }
    key.to_owned()
}

/// The initials of a name of several words, the beginning of a name of one.
pub fn derived_key(name: &str) -> String {
    let words = name.split(|c: char| !c.is_ascii_alphanumeric());
    let words: Vec<_> =
        words.filter(|word| word.starts_with(|c: char| c.is_ascii_alphabetic())).collect();
    let key: String = match words.as_slice() {
        [] => "ITEM".to_owned(),
        [only] => only.chars().take(4).collect(),
        many => many.iter().take(4).filter_map(|word| word.chars().next()).collect(),
    };
    key.to_ascii_uppercase()
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
        external_id: faults.text("work_item.external_id", EXTERNAL_ID, &input.external_id),
        due_at: input.due_at,
        blocked_by: blockers(&mut faults, input.blocked_by),
    };
    faults.finish(judged)
}

fn blockers(faults: &mut Faults, mut given: Vec<WorkItemId>) -> Vec<WorkItemId> {
    given.sort_unstable();
    given.dedup();
    if given.len() > BLOCKERS {
        faults.note("work_item.blocked_by", format!("must not name more than {BLOCKERS} items"));
    }
    given
}

/// Judges what is to become of an item.
pub fn changes(input: ItemChanges, before: &Data) -> Checked<ItemChanges> {
    let mut faults = Faults::default();
    let mut text = |field: &str, limits: Limits, value: Option<String>| {
        value.map(|value| faults.text(field, limits, &value))
    };
    let title = text("work_item.title", TITLE, input.title);
    let description = text("work_item.description", DESCRIPTION, input.description);
    let external_id = text("work_item.external_id", EXTERNAL_ID, input.external_id);
    let judged = ItemChanges {
        title,
        description,
        external_id,
        tags: input.tags.map(|given| tags(&mut faults, "work_item.tags", &given)),
        blocked_by: input.blocked_by.map(|given| blockers(&mut faults, given)),
        data: input.data.map(|data| faults.take(data::replaced("work_item.data", before, data))),
        ..input
    };
    if judged.etag.is_none() {
        faults.note("work_item.etag", "is required: repeat the etag that was read".to_owned());
    }
    faults.finish(judged)
}

/// Judges whether the data of `item`, as it is to become, fills in a form; returns it with the
/// defaults of what it leaves out.
pub fn filled_in(form: &Form, item: &WorkItem) -> Checked<Data> {
    let mut faults = Faults::default();
    let defaults = faults.take(form.fill("data", item));
    let data = faults.take(data::merged("data", &item.data, defaults));
    faults.finish(data)
}

/// Judges a reason that must be given.
pub fn reason(field: &'static str, value: &str) -> Checked<String> {
    Text { field, min: 1, max: NOTE, multiline: true }.check(value)
}

/// Judges a note or reason.
pub fn note(field: &'static str, value: &str) -> Checked<String> {
    Text { field, min: 0, max: NOTE, multiline: true }.check(value)
}

/// Judges what somebody says about an item.
pub fn comment(value: &str) -> Checked<String> {
    Text { field: "comment.text", min: 1, max: COMMENT, multiline: true }.check(value)
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
