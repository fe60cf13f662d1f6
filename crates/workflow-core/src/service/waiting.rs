//! What an item has to wait for before somebody can begin with it: others that must be over
//! first, and a place at its stage.

use permissions::Cleared;
use primitives::{Tenant, UserId, WorkItemId};

use crate::WorkflowError;
use crate::model::{LockedItem, Stage, WorkItem};
use crate::store::{InHand, WorkflowTx};

/// Items named in one message.
const NAMED: usize = 5;

/// Refuses while something that the item waits for is open.
pub(super) async fn refuse_waiting(
    tx: &mut dyn WorkflowTx,
    item: &WorkItem,
) -> Result<(), WorkflowError> {
    if item.blocked_by.is_empty() {
        return Ok(());
    }
    let open = tx.open_blockers(item.tenant, item.id).await?;
    if open.is_empty() {
        return Ok(());
    }
    let message = format!("it waits for {}", listed(&open));
    Err(WorkflowError::wrong_state("DEPENDENCY_OPEN", message))
}

/// Refuses when `user` cannot take one more item at the stage. Until this transaction is over
/// nobody else takes one there, when it has a limit.
pub(super) async fn refuse_full(
    tx: &mut dyn WorkflowTx,
    row: &LockedItem,
    stage: &Stage,
    user: UserId,
) -> Result<(), WorkflowError> {
    if stage.wip_limit == 0 && stage.wip_limit_per_person == 0 {
        return Ok(());
    }
    let item = &row.item;
    let mut held = tx.in_hand(item.tenant, item.workflow, &stage.id, user).await?;
    // An item that changes hands has its place already.
    if item.assignee.is_some() {
        held.all = held.all.saturating_sub(1);
    }
    if item.assignee == Some(user) {
        held.own = held.own.saturating_sub(1);
    }
    match full(stage, held) {
        None => Ok(()),
        Some(message) => Err(WorkflowError::wrong_state("WIP_LIMIT_REACHED", message)),
    }
}

/// Why the stage has no room for one more.
pub(super) fn full(stage: &Stage, held: InHand) -> Option<String> {
    let reached = |limit: u32, count: u64| limit > 0 && count >= u64::from(limit);
    if reached(stage.wip_limit, held.all) {
        let (limit, count) = (stage.wip_limit, held.all);
        return Some(format!("the stage has room for {limit} items in hand, and {count} are"));
    }
    if reached(stage.wip_limit_per_person, held.own) {
        let (limit, count) = (stage.wip_limit_per_person, held.own);
        return Some(format!("one person may have {limit} items in hand here, and has {count}"));
    }
    None
}

/// Refuses names of items that this owner does not have.
pub(super) async fn refuse_unknown(
    tx: &mut dyn WorkflowTx,
    tenant: Tenant,
    named: &[WorkItemId],
) -> Result<(), WorkflowError> {
    if named.is_empty() {
        return Ok(());
    }
    let known = tx.existing(tenant, named).await?;
    if named.iter().all(|item| known.contains(item)) {
        return Ok(());
    }
    Err(WorkflowError::NotFound("WORK_ITEM"))
}

/// Stores what the item waits for, which it says already.
pub(super) async fn save_blockers(
    tx: &mut dyn WorkflowTx,
    item: &Cleared<WorkItem>,
) -> Result<(), WorkflowError> {
    let blockers = item.blocked_by.clone();
    let is_free = !blockers.contains(&item.id) && tx.set_blockers(item, &blockers).await?;
    if !is_free {
        let message = "one of these items waits for this one, directly or through others";
        return Err(WorkflowError::wrong_state("DEPENDENCY_CYCLE", message));
    }
    tx.gate_runs(item.tenant, item.id).await?;
    Ok(())
}

pub(super) fn listed(items: &[WorkItemId]) -> String {
    let named: Vec<_> = items.iter().take(NAMED).map(WorkItemId::to_string).collect();
    let more = items.len().saturating_sub(NAMED);
    let named = named.join(", ");
    if more == 0 { named } else { format!("{named} and {more} more") }
}
