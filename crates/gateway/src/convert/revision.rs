//! Changes of workflows, and the revisions they leave.

use api::workflow as wire;
use primitives::{Checked, InvalidArgs, WorkflowId};
use workflow_core::model::{Changes, Revision};
use workflow_core::service::{Part, PauseInput, UpdateInput};

use super::definition;
use super::mask;
use super::scalar::{int, time, version};

const REVISIONS: &str = "/revisions/";

/// What to change. The name was read before.
pub(crate) fn update(request: wire::UpdateWorkflowRequest) -> Checked<UpdateInput> {
    let allowed = Part::ALL.map(Part::as_str);
    let paths = mask::paths(request.update_mask.as_ref(), &allowed)?;
    let parts = Part::ALL.into_iter().filter(|part| paths.contains(&part.as_str())).collect();
    let workflow = request.workflow.unwrap_or_default();
    let etag = version(&workflow.etag);
    let workflow = definition::input(workflow)?;
    Ok(UpdateInput { parts, workflow, etag, validate_only: request.validate_only })
}

/// What to pause or resume.
pub(crate) fn pause(stage_id: &str, etag: &str) -> PauseInput {
    let stage = (!stage_id.is_empty()).then(|| workflow_core::model::StageId(stage_id.to_owned()));
    PauseInput { stage, etag: version(etag) }
}

/// `workflows/{uuid}/revisions/{n}`, with one spelling for each.
pub(crate) fn read_name(field: &str, name: &str) -> Checked<(WorkflowId, i64)> {
    let read = || {
        let (workflow, number) = name.split_once(REVISIONS)?;
        let workflow: WorkflowId = workflow.parse().ok()?;
        let number: i64 = number.parse().ok().filter(|number| *number > 0)?;
        (self::name(workflow, number) == name).then_some((workflow, number))
    };
    let expected = "must be a name of the form workflows/{uuid}/revisions/{n}";
    read().ok_or_else(|| InvalidArgs::new(field, expected))
}

fn name(workflow: WorkflowId, number: i64) -> String {
    format!("{workflow}{REVISIONS}{number}")
}

/// A revision as published.
pub(crate) fn revision(revision: Revision) -> wire::WorkflowRevision {
    let Revision { workflow, number, definition, published_by, published_at, changes, .. } =
        revision;
    wire::WorkflowRevision {
        name: name(workflow, number),
        revision: int(number),
        stages: definition.stages.into_iter().map(definition::stage).collect(),
        triggers: definition.triggers.into_iter().map(definition::trigger).collect(),
        publisher: published_by.to_string(),
        publish_time: time(published_at),
        changes: changes.map(self::changes),
    }
}

fn changes(changes: Changes) -> wire::WorkflowRevisionChanges {
    let ids = |ids: Vec<workflow_core::model::StageId>| ids.into_iter().map(|id| id.0).collect();
    let names = |ids: Vec<primitives::TriggerId>| ids.iter().map(ToString::to_string).collect();
    let changed = changes.stages_changed.into_iter().map(|change| wire::StageChange {
        stage_id: change.stage.0,
        fields: change.fields.into_iter().map(ToOwned::to_owned).collect(),
    });
    wire::WorkflowRevisionChanges {
        added_stage_ids: ids(changes.stages_added),
        removed_stage_ids: ids(changes.stages_removed),
        changed_stages: changed.collect(),
        stages_reordered: changes.stages_reordered,
        changed_route_stage_ids: ids(changes.routes_changed),
        added_triggers: names(changes.triggers_added),
        removed_triggers: names(changes.triggers_removed),
        changed_triggers: names(changes.triggers_changed),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_revisions_have_one_spelling() {
        let workflow = WorkflowId::generate();
        let read = |name: &str| read_name("name", name);
        assert_eq!(read(&name(workflow, 7)).unwrap(), (workflow, 7));
        for bad in ["0", "-1", "+7", "07", "", "7 ", "7/revisions/7", "99999999999999999999"] {
            assert!(read(&format!("{workflow}/revisions/{bad}")).is_err(), "{bad}");
        }
        for bad in ["", "/revisions/7", "workflows/x/revisions/7", &workflow.to_string()] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }
}
