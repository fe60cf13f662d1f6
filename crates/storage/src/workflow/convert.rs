//! Between rows and domain values.

use std::sync::Arc;
use std::time::Duration;

use events::EventType;
use primitives::{
    EventId, FiringId, PlanId, RecommendationId, RepositoryId, RunId, TemplateId, Timestamp,
    TransitionId, TriggerId, UserId, VisitId, WorkItemId, WorkflowId,
};
use workflow_core::model::{
    Block, Definition, Firing, FiringOutcome, ItemState, LockedItem, Origin, Pauses, Priority,
    Recommendation, Settings, StageId, TemplateSource, Transition, Verdict, Visit, WorkItem,
    Workflow,
};

use super::definitions::Definitions;
use super::query::{ItemRow, WorkflowRow};
use crate::fault::{Fault, Result};
use crate::row::item::{recommendation, stage_visit, transition, work_item};
use crate::row::workflows::{trigger_firing, workflow, workflow_revision, workflow_trigger};
use crate::row::{
    broken, from_json, from_json_opt, known, micros, narrow, tenant, time, to_json, to_json_opt,
};

/// What a move is called; stored as text.
const VERBS: [&str; 17] = [
    "create",
    "claim",
    "start",
    "complete_stage",
    "rerun_agent_assist",
    "cancel",
    "release",
    "assign",
    "return",
    "block",
    "unblock",
    "fail",
    "reopen",
    "approve",
    "reject",
    "auto_advance",
    "migrate",
];

pub(super) fn workflow(row: WorkflowRow, definitions: &Definitions) -> Result<Workflow> {
    let WorkflowRow { workflow: row, definition, newest_template_revision: newest } = row;
    let text = definition.ok_or_else(|| Fault::Internal("a workflow has no definition".into()))?;
    let definition = definitions.parsed(row.id, row.revision, &text)?;
    let settings = settings(&row)?;
    let source = match (row.source_template_id, row.source_revision) {
        (Some(template), Some(revision)) => {
            Some(TemplateSource { template: TemplateId::from_uuid(template), revision, newest })
        }
        _ => None,
    };
    Ok(Workflow {
        id: WorkflowId::from_uuid(row.id),
        tenant: tenant(&row.tenant_kind, row.tenant_id)?,
        is_template: row.is_template,
        seed_key: row.seed_key,
        display_name: row.display_name,
        description: row.description,
        icon: row.icon,
        category: row.category,
        tags: from_json("tags", &row.tags)?,
        definition: Arc::unwrap_or_clone(definition),
        revision: row.revision,
        source,
        settings,
        creator: UserId::from_uuid(row.creator_id),
        created_at: Timestamp::from_micros(row.created_at),
        updated_at: Timestamp::from_micros(row.updated_at),
        deleted_at: time(row.deleted_at),
        version: row.version,
        item_key: row.item_key,
        last_number: row.last_number,
    })
}

pub(super) fn workflow_row(workflow: &Workflow) -> Result<workflow::Model> {
    Ok(workflow::Model {
        id: workflow.id.as_uuid(),
        tenant_kind: workflow.tenant.kind().as_str().into(),
        tenant_id: workflow.tenant.id(),
        is_template: workflow.is_template,
        seed_key: workflow.seed_key.clone(),
        display_name: workflow.display_name.clone(),
        description: workflow.description.clone(),
        icon: workflow.icon.clone(),
        category: workflow.category.clone(),
        tags: to_json(&workflow.tags)?,
        revision: workflow.revision,
        source_template_id: workflow.source.map(|source| source.template.as_uuid()),
        source_revision: workflow.source.map(|source| source.revision),
        creator_id: workflow.creator.as_uuid(),
        created_at: workflow.created_at.as_micros(),
        updated_at: workflow.updated_at.as_micros(),
        deleted_at: micros(workflow.deleted_at),
        version: workflow.version,
        item_key: workflow.item_key.clone(),
        last_number: workflow.last_number,
        paused_at: micros(workflow.settings.pauses.since),
        paused_stages: to_json(&workflow.settings.pauses.stages)?,
        allows_manual_creation: workflow.settings.allows_manual_creation,
        requires_approval_to_start: workflow.settings.requires_approval_to_start,
        has_agent_stage: workflow.definition.stages.iter().any(|stage| stage.kind.runs_agent()),
        origin_workflow_id: workflow.settings.origin.map(|origin| origin.workflow.as_uuid()),
        origin_revision: workflow.settings.origin.map(|origin| origin.revision),
    })
}

fn settings(row: &workflow::Model) -> Result<Settings> {
    let origin = match (row.origin_workflow_id, row.origin_revision) {
        (Some(workflow), Some(revision)) => {
            Some(Origin { workflow: WorkflowId::from_uuid(workflow), revision })
        }
        _ => None,
    };
    Ok(Settings {
        pauses: pauses(row.paused_at, &row.paused_stages)?,
        allows_manual_creation: row.allows_manual_creation,
        requires_approval_to_start: row.requires_approval_to_start,
        origin,
    })
}

fn pauses(since: Option<i64>, stages: &str) -> Result<Pauses> {
    Ok(Pauses { since: time(since), stages: from_json("paused_stages", stages)? })
}

/// The newest definition of a workflow, published now.
pub(super) fn revision_row(workflow: &Workflow, by: UserId) -> Result<workflow_revision::Model> {
    Ok(workflow_revision::Model {
        tenant_kind: workflow.tenant.kind().as_str().into(),
        tenant_id: workflow.tenant.id(),
        workflow_id: workflow.id.as_uuid(),
        revision: workflow.revision,
        definition: to_json(&workflow.definition)?,
        published_by: by.as_uuid(),
        published_at: workflow.updated_at.as_micros(),
    })
}

pub(super) fn trigger_rows(workflow: &Workflow) -> Vec<workflow_trigger::Model> {
    let row = |trigger: &workflow_core::model::Trigger| workflow_trigger::Model {
        id: trigger.id.as_uuid(),
        tenant_kind: workflow.tenant.kind().as_str().into(),
        tenant_id: workflow.tenant.id(),
        workflow_id: workflow.id.as_uuid(),
        event_type: trigger.event_type.as_str().into(),
        enabled: trigger.enabled,
    };
    workflow.definition.triggers.iter().map(row).collect()
}

pub(super) fn item(row: ItemRow, definition: Arc<Definition>) -> Result<LockedItem> {
    let ItemRow { item: row, workflow_name, item_key, live_run, paused_at, paused_stages } = row;
    let pauses = pauses(paused_at, &paused_stages)?;
    let blocked_from = row.blocked_from.map(|from| known("blocked_from", &from, ItemState::parse));
    let block = blocked_from.transpose()?.map(|from| Block { from, reason: row.block_reason });
    let item = WorkItem {
        id: WorkItemId::from_uuid(row.id),
        tenant: tenant(&row.tenant_kind, row.tenant_id)?,
        workflow: WorkflowId::from_uuid(row.workflow_id),
        revision: row.revision,
        title: row.title,
        description: row.description,
        state: known("state", &row.state, ItemState::parse)?,
        stage: StageId(row.stage_id),
        visit: VisitId::from_uuid(row.visit_id),
        entered_stage_at: Timestamp::from_micros(row.entered_stage_at),
        assignee: row.assignee_id.map(UserId::from_uuid),
        priority: Priority::from_i32(row.priority.into())
            .ok_or_else(|| broken("priority", &row.priority.to_string()))?,
        tags: from_json("tags", &row.tags)?,
        data: from_json("data", &row.data)?,
        repository: row.repository_id.map(RepositoryId::from_uuid),
        creator: UserId::from_uuid(row.creator_id),
        cause: from_json_opt("cause", row.cause.as_deref())?,
        claimed_at: time(row.claimed_at),
        closed_at: time(row.closed_at),
        created_at: Timestamp::from_micros(row.created_at),
        updated_at: Timestamp::from_micros(row.updated_at),
        version: row.version,
        number: row.number.unwrap_or_default(),
        external_id: row.external_id,
        due_at: time(row.due_at),
        block,
        blocked_by: from_json("blocked_by", &row.blocked_by)?,
        is_blocker: row.is_blocker,
        stage_due_at: time(row.stage_due_at),
        authors: from_json("authors", &row.authors)?,
        votes: from_json("votes", &row.votes)?,
        live_run: live_run.map(RunId::from_uuid),
    };
    Ok(LockedItem { item, definition, workflow_name, item_key, pauses })
}

pub(super) fn item_row(item: &WorkItem) -> Result<work_item::Model> {
    Ok(work_item::Model {
        id: item.id.as_uuid(),
        tenant_kind: item.tenant.kind().as_str().into(),
        tenant_id: item.tenant.id(),
        workflow_id: item.workflow.as_uuid(),
        revision: item.revision,
        title: item.title.clone(),
        description: item.description.clone(),
        state: item.state.as_str().into(),
        stage_id: item.stage.0.clone(),
        visit_id: item.visit.as_uuid(),
        entered_stage_at: item.entered_stage_at.as_micros(),
        assignee_id: item.assignee.map(|user| user.as_uuid()),
        priority: narrow("priority", item.priority.as_i32())?,
        tags: to_json(&item.tags)?,
        data: to_json(&item.data)?,
        repository_id: item.repository.map(|repository| repository.as_uuid()),
        creator_id: item.creator.as_uuid(),
        cause: to_json_opt(item.cause.as_ref())?,
        claimed_at: micros(item.claimed_at),
        closed_at: micros(item.closed_at),
        created_at: item.created_at.as_micros(),
        updated_at: item.updated_at.as_micros(),
        version: item.version,
        number: (item.number > 0).then_some(item.number),
        external_id: item.external_id.clone(),
        due_at: micros(item.due_at),
        blocked_from: item.block.as_ref().map(|block| block.from.as_str().into()),
        block_reason: item.block.as_ref().map_or_else(String::new, |block| block.reason.clone()),
        blocked_by: to_json(&item.blocked_by)?,
        is_blocker: item.is_blocker,
        stage_due_at: micros(item.stage_due_at),
        overdue_at: micros(item.overdue_at()),
        authors: to_json(&item.authors)?,
        votes: to_json(&item.votes)?,
    })
}

pub(super) fn transition(row: transition::Model) -> Result<Transition> {
    let verb = VERBS.into_iter().find(|verb| *verb == row.verb);
    Ok(Transition {
        id: TransitionId::from_uuid(row.id),
        tenant: tenant(&row.tenant_kind, row.tenant_id)?,
        item: WorkItemId::from_uuid(row.work_item_id),
        from: row.from_stage.map(StageId),
        to: row.to_stage.map(StageId),
        from_state: row
            .from_state
            .map(|state| known("from_state", &state, ItemState::parse))
            .transpose()?,
        to_state: known("to_state", &row.to_state, ItemState::parse)?,
        verb: verb.ok_or_else(|| broken("verb", &row.verb))?,
        actor: UserId::from_uuid(row.actor_id),
        note: row.note,
        in_stage: row
            .in_stage_micros
            .map(|micros| narrow("in_stage_micros", micros).map(Duration::from_micros))
            .transpose()?,
        time: Timestamp::from_micros(row.moved_at),
    })
}

pub(super) fn transition_row(step: &Transition) -> Result<transition::Model> {
    let micros = |spent: Duration| narrow("in_stage_micros", spent.as_micros());
    Ok(transition::Model {
        id: step.id.as_uuid(),
        tenant_kind: step.tenant.kind().as_str().into(),
        tenant_id: step.tenant.id(),
        work_item_id: step.item.as_uuid(),
        from_stage: step.from.as_ref().map(|stage| stage.0.clone()),
        to_stage: step.to.as_ref().map(|stage| stage.0.clone()),
        from_state: step.from_state.map(|state| state.as_str().into()),
        to_state: step.to_state.as_str().into(),
        verb: step.verb.into(),
        actor_id: step.actor.as_uuid(),
        note: step.note.clone(),
        in_stage_micros: step.in_stage.map(micros).transpose()?,
        moved_at: step.time.as_micros(),
    })
}

/// A stay that begins.
pub(super) fn visit_row(visit: &Visit) -> stage_visit::Model {
    stage_visit::Model {
        id: visit.id.as_uuid(),
        tenant_kind: visit.tenant.kind().as_str().into(),
        tenant_id: visit.tenant.id(),
        work_item_id: visit.item.as_uuid(),
        workflow_id: visit.workflow.as_uuid(),
        stage_id: visit.stage.0.clone(),
        entered_at: visit.entered_at.as_micros(),
        left_at: None,
        outcome: None,
    }
}

pub(super) fn firing(row: trigger_firing::Model) -> Result<Firing> {
    Ok(Firing {
        id: FiringId::from_uuid(row.id),
        tenant: tenant(&row.tenant_kind, row.tenant_id)?,
        workflow: WorkflowId::from_uuid(row.workflow_id),
        trigger: TriggerId::from_uuid(row.trigger_id),
        event: EventId::from_uuid(row.event_id),
        event_type: known("event_type", &row.event_type, EventType::parse)?,
        outcome: known("outcome", &row.outcome, FiringOutcome::parse)?,
        reason: row.reason,
        work_item: row.work_item_id.map(WorkItemId::from_uuid),
        time: Timestamp::from_micros(row.fired_at),
    })
}

pub(super) fn firing_row(firing: &Firing) -> trigger_firing::Model {
    trigger_firing::Model {
        id: firing.id.as_uuid(),
        tenant_kind: firing.tenant.kind().as_str().into(),
        tenant_id: firing.tenant.id(),
        workflow_id: firing.workflow.as_uuid(),
        trigger_id: firing.trigger.as_uuid(),
        event_id: firing.event.as_uuid(),
        event_type: firing.event_type.as_str().into(),
        outcome: firing.outcome.as_str().into(),
        reason: firing.reason.clone(),
        work_item_id: firing.work_item.map(|item| item.as_uuid()),
        fired_at: firing.time.as_micros(),
    }
}

pub(super) fn recommendation(row: recommendation::Model) -> Result<Recommendation> {
    Ok(Recommendation {
        id: RecommendationId::from_uuid(row.id),
        tenant: tenant(&row.tenant_kind, row.tenant_id)?,
        item: WorkItemId::from_uuid(row.work_item_id),
        stage: StageId(row.stage_id),
        run: RunId::from_uuid(row.run_id),
        plan: PlanId::from_uuid(row.plan_id),
        hash: row.hash,
        plan_summary: row.plan_summary,
        steps: from_json("steps", &row.steps)?,
        risks: from_json("risks", &row.risks)?,
        requires_confirmation: row.requires_confirmation,
        estimated_minutes: narrow("estimated_minutes", row.estimated_minutes)?,
        engine_used: row.engine_used,
        model_used: row.model_used,
        verdict: known("verdict", &row.verdict, Verdict::parse)?,
        reviewer: row.reviewer_id.map(UserId::from_uuid),
        reviewed_at: time(row.reviewed_at),
        review_note: row.review_note,
        created_at: Timestamp::from_micros(row.created_at),
    })
}

pub(super) fn recommendation_row(row: &Recommendation) -> Result<recommendation::Model> {
    Ok(recommendation::Model {
        id: row.id.as_uuid(),
        tenant_kind: row.tenant.kind().as_str().into(),
        tenant_id: row.tenant.id(),
        work_item_id: row.item.as_uuid(),
        stage_id: row.stage.0.clone(),
        run_id: row.run.as_uuid(),
        plan_id: row.plan.as_uuid(),
        hash: row.hash.clone(),
        plan_summary: row.plan_summary.clone(),
        steps: to_json(&row.steps)?,
        risks: to_json(&row.risks)?,
        requires_confirmation: row.requires_confirmation,
        estimated_minutes: row.estimated_minutes.into(),
        engine_used: row.engine_used.clone(),
        model_used: row.model_used.clone(),
        verdict: row.verdict.as_str().into(),
        reviewer_id: row.reviewer.map(|user| user.as_uuid()),
        reviewed_at: micros(row.reviewed_at),
        review_note: row.review_note.clone(),
        created_at: row.created_at.as_micros(),
    })
}
