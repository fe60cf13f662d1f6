//! A new item, made by a person or by a trigger.

use audit::AuditEvent;
use permissions::{Admitted, Caller, ItemsCreate};
use primitives::Timestamp;
use serde_json::json;

use super::ItemView;
use super::turns::Arrival;
use crate::model::{Assignment, Change, LockedItem, WorkItem, Workflow};
use crate::store::WorkflowTx;
use crate::{StoreError, WorkflowError};

/// Stores a new item of `workflow` and orders a run if its first stage is the agent's.
/// Returns it with its audit record, which the caller adds to his own.
pub(super) async fn insert(
    tx: &mut dyn WorkflowTx,
    caller: &Caller,
    workflow: &Admitted<ItemsCreate, Workflow>,
    now: Timestamp,
    note: String,
    fill: impl FnOnce(&mut WorkItem) + Send,
) -> Result<(ItemView, AuditEvent), WorkflowError> {
    let first = workflow.definition.stages.first().ok_or_else(stageless)?;
    let mut item = WorkItem::new(workflow, first, caller.user(), now);
    fill(&mut item);
    let (change, visit) = Change::first(item, first, note);
    tx.insert_item(&workflow.save_as(change.item.clone()), &change.transition, &visit).await?;
    if let Some(order) = &change.order {
        tx.order_run(order).await?;
    }
    let event = AuditEvent::of(caller, now, workflow.tenant, "work_item.created", change.item.id);
    let event = event.with(json!({
        "workflow": workflow.id,
        "revision": workflow.revision,
        "stage": change.item.stage,
        "run": change.order.as_ref().map(|order| order.run),
    }));
    let row = LockedItem {
        item: change.item,
        definition: workflow.definition.clone().into(),
        workflow_name: workflow.display_name.clone(),
        item_key: workflow.item_key.clone(),
        pauses: workflow.settings.pauses.clone(),
    };
    Ok((ItemView::of(row), event))
}

/// Gives a new item to whose turn it is at its first stage, after everything that may wait for
/// other rows. Returns it as it then is, with another audit record.
pub(super) async fn give(
    tx: &mut dyn WorkflowTx,
    arrival: &Arrival<'_>,
    workflow: &Admitted<ItemsCreate, Workflow>,
    view: ItemView,
) -> Result<(ItemView, Option<AuditEvent>), WorkflowError> {
    let first = workflow.definition.stage(&view.item.stage);
    if !first.is_some_and(|stage| matches!(stage.assignment, Assignment::RoundRobin(_))) {
        return Ok((view, None));
    }
    let row = LockedItem {
        item: view.item.clone(),
        definition: workflow.definition.clone().into(),
        workflow_name: view.workflow_name.clone(),
        item_key: view.item_key.clone(),
        pauses: workflow.settings.pauses.clone(),
    };
    let clear = |given| workflow.save_as(given);
    match arrival.give(tx, &row, &view.item, &clear).await? {
        Some((item, event)) => Ok((ItemView { item, ..view }, Some(event))),
        None => Ok((view, None)),
    }
}

fn stageless() -> WorkflowError {
    StoreError::Internal("a published workflow has no stage".into()).into()
}
