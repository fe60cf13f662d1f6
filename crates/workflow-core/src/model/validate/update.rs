//! Judges changes of a workflow: the parts that are asked for, against what there is.

use primitives::{Checked, InvalidArgs, UserId};

use super::faults::Faults;
use super::{Place, Texts, definition};
use crate::model::{Definition, Part, Settings, Stage, UpdateInput, Workflow, WorkflowInput};

/// Judges the settings beside a definition. Where items need approval to start, the definition
/// begins with the stage that says whose.
pub fn settings(
    input: &WorkflowInput,
    definition: &Definition,
    current: Settings,
) -> Checked<Settings> {
    let first = definition.stages.first();
    let is_gated = first.is_some_and(|first| first.kind.is_voted());
    if input.require_approval_to_start && !is_gated {
        let help = "needs a first stage of type APPROVAL, which says who lets items start";
        return Err(InvalidArgs::new("workflow.require_approval_to_start", help));
    }
    Ok(Settings {
        allows_manual_creation: input.allow_manual_creation.unwrap_or(true),
        requires_approval_to_start: input.require_approval_to_start,
        ..current
    })
}

/// The workflow as it would become; its version and revision are as they were. `user` becomes
/// responsible for what automates and was not there before.
pub fn update(input: &UpdateInput, current: &Workflow, user: UserId) -> Checked<Workflow> {
    let mut faults = Faults::default();
    let mut changed = current.clone();
    texts(&mut faults, input, &mut changed);
    let asked = &input.workflow;
    let place = Place::Workflow(current.tenant);
    if input.changes(Part::Stages) {
        changed.definition.stages = definition::stages(&mut faults, asked, place, user);
    }
    if input.changes(Part::Triggers) {
        changed.definition.triggers = definition::triggers(&mut faults, &asked.triggers, user);
    }
    keeps(&current.definition, &mut changed.definition);
    let settings = set(input, &changed.definition, current);
    changed.settings = faults.take_or(settings, current.settings.clone());
    faults.finish(changed)
}

fn set(input: &UpdateInput, definition: &Definition, current: &Workflow) -> Checked<Settings> {
    let now = &current.settings;
    let manual = input.changes(Part::AllowManualCreation);
    let approval = input.changes(Part::RequireApprovalToStart);
    let asked = WorkflowInput {
        allow_manual_creation: if manual {
            input.workflow.allow_manual_creation
        } else {
            Some(now.allows_manual_creation)
        },
        require_approval_to_start: if approval {
            input.workflow.require_approval_to_start
        } else {
            now.requires_approval_to_start
        },
        ..WorkflowInput::default()
    };
    settings(&asked, definition, now.clone())
}

fn texts(faults: &mut Faults, input: &UpdateInput, changed: &mut Workflow) {
    // What is not asked for stays, so it is not judged again either.
    let asked = &input.workflow;
    let judged = WorkflowInput {
        display_name: given(input, Part::DisplayName, &asked.display_name, &changed.display_name),
        description: given(input, Part::Description, &asked.description, &changed.description),
        icon: given(input, Part::Icon, &asked.icon, &changed.icon),
        category: given(input, Part::Category, &asked.category, &changed.category),
        tags: if input.changes(Part::Tags) { asked.tags.clone() } else { changed.tags.clone() },
        ..WorkflowInput::default()
    };
    // What items are called stays.
    let Texts { display_name, description, icon, category, tags, item_key: _ } =
        super::texts(faults, &judged);
    changed.display_name = display_name;
    changed.description = description;
    changed.icon = icon;
    changed.category = category;
    changed.tags = tags;
}

fn given(input: &UpdateInput, part: Part, asked: &str, current: &str) -> String {
    if input.changes(part) { asked.to_owned() } else { current.to_owned() }
}

/// Lets what stays keep its identity: a trigger on the same event its id, and what goes on
/// automating as it did the person who answers for it.
pub fn keeps(older: &Definition, newer: &mut Definition) {
    for trigger in &mut newer.triggers {
        let before = older.triggers.iter().find(|before| before.event_type == trigger.event_type);
        let Some(before) = before else { continue };
        trigger.id = before.id;
        if before.enabled == trigger.enabled {
            trigger.set_by = before.set_by;
        }
    }
    for stage in &mut newer.stages {
        let Some(before) = older.stage(&stage.id) else { continue };
        let (Some(setter), Some(_)) = (before.auto_apply_set_by, stage.auto_apply_set_by) else {
            continue;
        };
        if told_alike(before, stage) {
            stage.auto_apply_set_by = Some(setter);
        }
    }
}

/// Whether the agent is told the same at both.
fn told_alike(a: &Stage, b: &Stage) -> bool {
    let told = |stage: &Stage| {
        let texts = (stage.agent_prompt.clone(), stage.agent_target_path.clone());
        (stage.kind, texts, stage.agent_model_hint.clone(), stage.agent_output)
    };
    told(a) == told(b)
}
