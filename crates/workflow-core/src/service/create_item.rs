//! A new item, made by a person or by a trigger.

use audit::AuditEvent;
use permissions::{Admitted, Caller, ItemsCreate};
use primitives::Timestamp;
use serde_json::json;

use super::ItemView;
use crate::model::{Change, LockedItem, WorkItem, Workflow};
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

fn stageless() -> WorkflowError {
    StoreError::Internal("a published workflow has no stage".into()).into()
}
