//! Who may move an item, and when: the refusals of state and person.

use permissions::{Caller, Grant, ItemsEdit, ItemsManage, Permission};
use primitives::Tenant;

use super::{Etag, expect_version};
use crate::WorkflowError;
use crate::model::{
    Approval, Assignment, LockedItem, Onward, Rota, Stage, StageId, WorkItem, Workflow, condition,
    holds_role,
};

/// The stage the item is at, in the revision it is pinned to.
pub(super) fn stage_of(row: &LockedItem) -> Result<&Stage, WorkflowError> {
    let missing = || WorkflowError::internal("an item is at a stage its revision lacks");
    row.definition.stage(&row.item.stage).ok_or_else(missing)
}

/// Nobody claims what people decide about together.
pub(super) fn refuse_claims(stage: &Stage) -> Result<(), WorkflowError> {
    if !stage.kind.is_voted() {
        return Ok(());
    }
    let message = "the item waits for approval: ApproveStage or RejectStage decide about it";
    Err(WorkflowError::wrong_state("ILLEGAL_TRANSITION", message))
}

/// Refuses unless the item is at the stage that the caller means.
pub(super) fn expect_stage(item: &WorkItem, named: &StageId) -> Result<(), WorkflowError> {
    if *named == item.stage {
        return Ok(());
    }
    let message = "the item is at another stage than the one named";
    Err(WorkflowError::wrong_state("STAGE_MISMATCH", message))
}

/// Where a move to `to` leads.
pub(super) fn onward(to: Option<&Stage>) -> Onward {
    to.map_or(Onward::End, |to| Onward::Stage { to_agent: to.kind.runs_agent() })
}

/// Where `completed` goes from `stage`: the first route whose condition holds.
pub(super) fn next_stage<'a>(
    row: &'a LockedItem,
    stage: &Stage,
    completed: &WorkItem,
) -> Result<Option<&'a Stage>, WorkflowError> {
    let no_route = || WorkflowError::wrong_state("NO_ROUTE", "no route leads out of the stage");
    let route = condition::choose(&stage.routes, completed).ok_or_else(no_route)?;
    let Some(target) = &route.target else { return Ok(None) };
    row.definition.stage(target).map(Some).ok_or_else(no_route)
}

/// Whether what waits at a stage waits for somebody like the caller: to claim it, or to decide
/// about it.
pub(super) fn may_take_at(caller: &Caller, tenant: Tenant, stage: &Stage) -> bool {
    match &stage.approval {
        None => may_claim_at(caller, tenant, stage),
        Some(Approval { approvers, escalation, .. }) => {
            let mut people = std::iter::once(approvers).chain(escalation);
            caller.is_person() && people.any(|people| people.include(caller, tenant))
        }
    }
}

pub(super) fn may_claim(grant: &Grant<ItemsEdit>, row: &LockedItem, stage: &Stage) -> bool {
    may_claim_at(grant.caller(), row.item.tenant, stage)
}

/// Whether a stage's assignment lets the caller claim what waits there.
pub(super) fn may_claim_at(caller: &Caller, tenant: Tenant, stage: &Stage) -> bool {
    match &stage.assignment {
        Assignment::Anyone => true,
        Assignment::User(user) => *user == caller.user(),
        Assignment::RoundRobin(Rota::Users(users)) => users.contains(&caller.user()),
        Assignment::Queue { role: None, .. } => true,
        Assignment::Role(role)
        | Assignment::Queue { role: Some(role), .. }
        | Assignment::RoundRobin(Rota::Role(role)) => holds_role(caller, tenant, role),
    }
}

pub(super) fn manages<P: Permission>(grant: &Grant<P>, row: &LockedItem) -> bool {
    grant.caller().holds::<ItemsManage>(row.item.tenant)
}

/// What may be done to it is its assignee's, and theirs who manage.
pub(super) fn refuse_others<P: Permission>(
    grant: &Grant<P>,
    row: &LockedItem,
    message: &str,
) -> Result<(), WorkflowError> {
    if row.item.assignee == Some(grant.user()) || manages(grant, row) {
        return Ok(());
    }
    Err(not_assignee(message))
}

/// Refuses unless the item is open, and as it was read.
pub(super) fn open_at(item: &WorkItem, etag: Etag) -> Result<(), WorkflowError> {
    expect_version(etag, item.version)?;
    refuse_closed(item)
}

pub(super) fn refuse_closed(item: &WorkItem) -> Result<(), WorkflowError> {
    if item.state.is_closed() {
        let message = format!("the item is {}", item.state.as_str());
        return Err(WorkflowError::wrong_state("WORK_ITEM_CLOSED", message));
    }
    Ok(())
}

/// Some workflows are fed by triggers alone.
pub(super) fn refuse_manual(workflow: &Workflow) -> Result<(), WorkflowError> {
    if workflow.settings.allows_manual_creation {
        return Ok(());
    }
    let message = "items of this workflow are made by its triggers alone";
    Err(WorkflowError::wrong_state("MANUAL_CREATION_OFF", message))
}

pub(super) fn refuse_live_run(item: &WorkItem) -> Result<(), WorkflowError> {
    if item.live_run.is_some() {
        let message = "the agent is still at work at this stage";
        return Err(WorkflowError::wrong_state("RUN_IN_PROGRESS", message));
    }
    Ok(())
}

pub(super) fn not_assignee(message: &str) -> WorkflowError {
    WorkflowError::wrong_state("NOT_ASSIGNEE", message)
}
