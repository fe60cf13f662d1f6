//! New items, made by people or by a trigger.

use audit::AuditEvent;
use permissions::{Admitted, Caller, ItemsCreate};
use primitives::{Tenant, Timestamp, WorkflowId};
use serde_json::json;

use super::item_rules::refuse_manual;
use super::pauses::refuse_new_items;
use super::turns::Arrival;
use super::waiting::save_blockers;
use super::{ItemInput, ItemView};
use crate::model::{Assignment, Change, LockedItem, WorkItem, Workflow};
use crate::store::{NewItem, WorkflowTx};
use crate::{StoreError, WorkflowError};

/// Stores what people ask for, with all that follows from it; the workflow must take it.
/// Returns the items in this order.
pub(super) async fn insert_asked(
    tx: &mut dyn WorkflowTx,
    arrival: &Arrival<'_>,
    workflow: &Admitted<ItemsCreate, Workflow>,
    inputs: Vec<ItemInput>,
) -> Result<Vec<ItemView>, WorkflowError> {
    let named: Vec<_> = inputs.iter().map(|input| input.external_id.clone()).collect();
    free_external_ids(tx, workflow.tenant, workflow.id, &named).await?;
    refuse_new_items(&workflow.settings.pauses)?;
    refuse_manual(workflow)?;
    let fills = inputs.into_iter().map(|input| {
        move |item: &mut WorkItem| {
            item.title = input.title;
            item.description = input.description;
            item.priority = input.priority;
            item.tags = input.tags;
            item.data = input.data;
            item.repository = input.repository;
            item.external_id = Some(input.external_id).filter(|id| !id.is_empty());
            item.due_at = input.due_at;
            item.blocked_by = input.blocked_by;
        }
    });
    let (caller, now) = (arrival.caller, arrival.now);
    let made = insert_all(tx, caller, workflow, now, "", fills.collect()).await?;
    for (view, _) in made.iter().filter(|(view, _)| !view.item.blocked_by.is_empty()) {
        save_blockers(tx, &workflow.save_as(view.item.clone())).await?;
    }
    let mut views = Vec::with_capacity(made.len());
    let mut events = Vec::with_capacity(made.len());
    for (view, event) in made {
        let (view, given) = give(tx, arrival, workflow, view).await?;
        views.push(view);
        events.extend([event].into_iter().chain(given));
    }
    tx.record(events).await?;
    Ok(views)
}

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
    let made = insert_all(tx, caller, workflow, now, &note, vec![fill]).await?;
    made.into_iter().next().ok_or_else(|| WorkflowError::internal("an item was not made"))
}

/// The same for many, one for each of `fills`; their numbers follow each other.
async fn insert_all(
    tx: &mut dyn WorkflowTx,
    caller: &Caller,
    workflow: &Admitted<ItemsCreate, Workflow>,
    now: Timestamp,
    note: &str,
    fills: Vec<impl FnOnce(&mut WorkItem) + Send>,
) -> Result<Vec<(ItemView, AuditEvent)>, WorkflowError> {
    let first = workflow.definition.stages.first().ok_or_else(stageless)?;
    let (mut made, mut orders) = (Vec::new(), Vec::new());
    let numbers = workflow.last_number.saturating_add(1)..;
    for (fill, number) in fills.into_iter().zip(numbers) {
        let mut item = WorkItem::new(workflow, first, caller.user(), now);
        item.number = number;
        fill(&mut item);
        let (change, visit) = Change::first(item, first, note.to_owned());
        orders.extend(change.order.clone());
        made.push((workflow.save_as(change.item.clone()), change, visit));
    }
    let rows = made.iter().map(|(item, change, visit)| {
        let first = &change.transition;
        NewItem { item, first, visit }
    });
    tx.insert_items(&rows.collect::<Vec<_>>()).await?;
    tx.order_runs(&orders).await?;
    let told = made.into_iter().map(|(_, change, _)| {
        let event = created(caller, workflow, now, &change);
        let row = LockedItem {
            item: change.item,
            definition: workflow.definition.clone().into(),
            workflow_name: workflow.display_name.clone(),
            item_key: workflow.item_key.clone(),
            pauses: workflow.settings.pauses.clone(),
        };
        (ItemView::of(row), event)
    });
    Ok(told.collect())
}

fn created(caller: &Caller, workflow: &Workflow, now: Timestamp, change: &Change) -> AuditEvent {
    let event = AuditEvent::of(caller, now, workflow.tenant, "work_item.created", change.item.id);
    event.with(json!({
        "workflow": workflow.id,
        "revision": workflow.revision,
        "stage": change.item.stage,
        "run": change.order.as_ref().map(|order| order.run),
    }))
}

/// Refuses external ids that another item of the workflow has. Empty ones are always free.
pub(super) async fn free_external_ids(
    tx: &mut dyn WorkflowTx,
    tenant: Tenant,
    workflow: WorkflowId,
    external_ids: &[String],
) -> Result<(), WorkflowError> {
    let named: Vec<_> = external_ids.iter().filter(|id| !id.is_empty()).cloned().collect();
    if named.is_empty() {
        return Ok(());
    }
    let taken = tx.items_by_external_ids(tenant, workflow, &named).await?;
    let owner = |id: &String| taken.iter().find(|(known, _)| known == id).map(|(_, item)| item);
    let refused = external_ids.iter().enumerate().find_map(|(at, id)| Some((at, owner(id)?)));
    let Some((at, item)) = refused else { return Ok(()) };
    let place = if external_ids.len() > 1 { format!("requests[{at}]: ") } else { String::new() };
    let message = format!("{place}{item} of the same workflow has this external id");
    Err(WorkflowError::wrong_state("EXTERNAL_ID_TAKEN", message))
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
