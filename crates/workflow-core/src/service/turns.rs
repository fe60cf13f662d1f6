//! Items that come to a stage where people take turns.
//!
//! An item is given away by a move of its own, `assign`, after the one that brought it there:
//! what the move means for transitions, stays and the audit trail is what it always means.
//!
//! **Invariant:** nobody is given what he could not claim: whoever takes turns holds what it
//! takes to work there, and has room.

use audit::AuditEvent;
use permissions::{Authorizer, Caller, Cleared, ItemsEdit};
use primitives::{Tenant, Timestamp, UserId};
use serde_json::json;

use crate::WorkflowError;
use crate::model::{
    Assignment, Change, ItemEvent, ItemMove, ItemState, LockedItem, Move, Rota, WorkItem,
    next_in_turn,
};
use crate::store::{Turns, WorkflowTx};

/// What is said with such a move.
const NOTE: &str = "in turn";

/// Somebody brought an item to a stage.
pub(super) struct Arrival<'a> {
    pub(super) caller: &'a Caller,
    pub(super) authorizer: &'a Authorizer,
    pub(super) now: Timestamp,
}

impl Arrival<'_> {
    /// Gives `item`, as it was just stored, to whose turn it is. Returns what becomes of it,
    /// and the record of that; `None` when its stage has no turns or nobody can take it.
    ///
    /// `row` is what the item was read as, and `clear` the right to save it. Until the
    /// transaction is over nobody else is given anything at the stage: this comes after
    /// everything that may wait for other items.
    pub(super) async fn give(
        &self,
        tx: &mut dyn WorkflowTx,
        row: &LockedItem,
        item: &WorkItem,
        clear: &(dyn Fn(WorkItem) -> Cleared<WorkItem> + Sync),
    ) -> Result<Option<(WorkItem, AuditEvent)>, WorkflowError> {
        let Some(stage) = row.definition.stage(&item.stage) else { return Ok(None) };
        let Assignment::RoundRobin(rota) = &stage.assignment else { return Ok(None) };
        if item.state != ItemState::Pending || row.pauses.holds(&stage.id) {
            return Ok(None);
        }
        let waits = !item.blocked_by.is_empty()
            && !tx.open_blockers(item.tenant, item.id).await?.is_empty();
        if waits {
            return Ok(None);
        }
        let present = present(self.authorizer, rota, item.tenant);
        if present.is_empty() {
            return Ok(None);
        }
        let Turns { last, in_hand } = tx.turns(item.tenant, item.workflow, &stage.id).await?;
        let Some(user) = next_in_turn(stage, &present, last, &in_hand) else { return Ok(None) };
        let arrived = LockedItem {
            item: item.clone(),
            definition: row.definition.clone(),
            workflow_name: row.workflow_name.clone(),
            item_key: row.item_key.clone(),
            pauses: row.pauses.clone(),
        };
        let (actor, now) = (self.caller.user(), self.now);
        let by = Move { actor, now, note: NOTE.to_owned(), to: None };
        let Change { item: given, transition, .. } =
            Change::decide(&arrived, ItemEvent::Assign(user), by)?;
        let details = json!({
            "from": transition.from,
            "to": transition.to,
            "state": transition.to_state,
            "assignee": user,
            "reason": NOTE,
        });
        let cleared = clear(given.clone());
        tx.give_turn(&cleared).await?;
        let step = ItemMove { item: cleared, transition, left: None, entered: None };
        tx.save_move(&step).await?;
        let event = AuditEvent::of(self.caller, now, given.tenant, "work_item.assigned", given.id);
        let given = WorkItem { version: given.version + 1, ..given };
        Ok(Some((given, event.with(details))))
    }
}

/// Those of a rota who may work on items of `tenant` now, and are not away, by id.
fn present(authorizer: &Authorizer, rota: &Rota, tenant: Tenant) -> Vec<UserId> {
    let mut present = match rota {
        Rota::Role(role) => authorizer.people_with::<ItemsEdit>(tenant, role),
        Rota::Users(users) => {
            let may = |user: &&UserId| authorizer.allows::<ItemsEdit>(**user, tenant);
            users.iter().filter(may).copied().collect()
        }
    };
    present.retain(|user| !authorizer.is_away(*user));
    present.sort_unstable();
    present
}
