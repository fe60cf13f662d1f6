//! Items: create, look, and the verbs that move them.

use std::sync::Arc;

use audit::AuditEvent;
use events::{Once, RunOrder};
use permissions::{
    Admitted, Authorizer, CodeUse, Grant, ItemsCreate, ItemsEdit, Permission, WorkflowsView,
};
use primitives::{Checked, Clock, Page, PageRequest, RepositoryId, WorkItemId, WorkflowId};
use serde_json::json;

use super::approvals::joined;
use super::create_item::insert_asked;
use super::item_rules::{
    expect_stage, may_claim, next_stage, not_assignee, open_at, refuse_claims, refuse_closed,
    refuse_live_run, refuse_others, stage_of,
};
use super::pauses::refuse_work;
use super::turns::Arrival;
use super::view::admitted;
use super::waiting::{refuse_full, refuse_waiting};
use super::{CompleteInput, Etag, ItemInput, ItemView, expect_version, remember, replayed};
use crate::WorkflowError;
use crate::model::{
    Change, ItemEvent, ItemMove, ItemState, LockedItem, Move, Transition, WorkItem, data, validate,
};
use crate::store::{ItemFilter, WorkflowStore, WorkflowTx};

pub(super) const NOT_FOUND: WorkflowError = WorkflowError::NotFound("WORK_ITEM");

/// Work items. What a run of the agent reports is in `assist.rs`.
#[derive(Clone)]
pub struct Items {
    pub(super) store: Arc<dyn WorkflowStore>,
    pub(super) clock: Arc<dyn Clock>,
    /// What people other than the caller may do.
    pub(super) authorizer: Arc<Authorizer>,
}

impl Items {
    pub fn new(
        store: Arc<dyn WorkflowStore>,
        clock: Arc<dyn Clock>,
        authorizer: Arc<Authorizer>,
    ) -> Self {
        Self { store, clock, authorizer }
    }

    /// Puts a new item at the first stage of the workflow's newest revision. An agent stage
    /// that comes first gets its run in the same transaction.
    #[tracing::instrument(
        name = "work_items.create",
        skip_all,
        fields(workflow.id = %workflow, user.id = %grant.user()),
        err(level = "debug")
    )]
    ///
    /// `repository` is the one that the call names, known also when its input is wrong.
    pub async fn create(
        &self,
        grant: &Grant<ItemsCreate>,
        workflow: WorkflowId,
        repository: Option<RepositoryId>,
        input: Checked<ItemInput>,
        once: Option<&Once>,
    ) -> Result<ItemView, WorkflowError> {
        let repositories: Vec<_> = repository.into_iter().collect();
        let named = input.as_ref().map_or(&[][..], |input| &input.blocked_by);
        let (mut tx, row, answer) =
            self.hold_for_new(grant, workflow, &repositories, named, once).await?;
        if let Some(answer) = answer {
            return Ok(answer);
        }
        let input = validate::item(input?)?;
        let now = self.clock.now();
        let arrival = Arrival { caller: grant.caller(), authorizer: &self.authorizer, now };
        let made = Box::pin(insert_asked(tx.as_mut(), &arrival, &row, vec![input])).await?;
        let view = made.into_iter().next();
        let view = view.ok_or_else(|| WorkflowError::internal("an item was not made"))?;
        remember(tx.as_mut(), once, &view, now).await?;
        tx.commit().await?;
        Ok(view)
    }

    /// One item.
    #[tracing::instrument(
        name = "work_items.get",
        skip_all,
        fields(work_item.id = %id, user.id = %grant.user()),
        err(level = "debug")
    )]
    pub async fn get(
        &self,
        grant: &Grant<WorkflowsView>,
        id: WorkItemId,
    ) -> Result<ItemView, WorkflowError> {
        let row = self.store.get_item(&grant.scope(), id).await?.ok_or(NOT_FOUND)?;
        Ok(ItemView::of(grant.admit(row)?.into_inner()))
    }

    /// Items the caller may view, newest first. A workflow in the filter that he may not see
    /// is not found, rather than an empty list.
    #[tracing::instrument(
        name = "work_items.list",
        skip_all,
        fields(user.id = %grant.user()),
        err(level = "debug")
    )]
    pub async fn list(
        &self,
        grant: &Grant<WorkflowsView>,
        filter: &ItemFilter,
        page: Checked<PageRequest>,
    ) -> Result<Page<ItemView>, WorkflowError> {
        let scope = grant.scope();
        if let Some(workflow) = filter.workflow {
            let row = self.store.get_workflow(&scope, workflow).await?;
            row.ok_or(WorkflowError::NotFound("WORKFLOW"))?;
        }
        let page = self.store.list_items(&scope, filter, page?).await?;
        Ok(admitted(grant, page).map(ItemView::of))
    }

    /// An item's moves, oldest first.
    #[tracing::instrument(
        name = "work_items.list_transitions",
        skip_all,
        fields(work_item.id = %id, user.id = %grant.user()),
        err(level = "debug")
    )]
    pub async fn list_transitions(
        &self,
        grant: &Grant<WorkflowsView>,
        id: WorkItemId,
        page: Checked<PageRequest>,
    ) -> Result<Page<Transition>, WorkflowError> {
        let scope = grant.scope();
        grant.admit(self.store.get_item(&scope, id).await?.ok_or(NOT_FOUND)?)?;
        Ok(admitted(grant, self.store.list_transitions(&scope, id, page?).await?))
    }

    /// Makes the caller responsible for a PENDING item. Of several at once one succeeds.
    #[tracing::instrument(
        name = "work_items.claim",
        skip_all,
        fields(work_item.id = %id, user.id = %grant.user()),
        err(level = "debug")
    )]
    pub async fn claim(
        &self,
        grant: &Grant<ItemsEdit>,
        id: WorkItemId,
        etag: Checked<Etag>,
        once: Option<&Once>,
    ) -> Result<ItemView, WorkflowError> {
        let (mut tx, row) = self.hold(grant, id).await?;
        if let Some(answer) = replayed(tx.as_mut(), once).await? {
            return Ok(answer);
        }
        open_at(&row.item, etag?)?;
        if matches!(row.item.state, ItemState::Claimed | ItemState::InProgress) {
            let message = "somebody has claimed it; read it again to see who";
            return Err(WorkflowError::wrong_state("ALREADY_CLAIMED", message));
        }
        refuse_work(&row.pauses, &row.item.stage)?;
        let stage = stage_of(&row)?;
        refuse_claims(stage)?;
        if !may_claim(grant, &row, stage) {
            return Err(not_assignee("its stage asks for another role or person"));
        }
        row.item.state.apply(ItemEvent::Claim)?;
        refuse_waiting(tx.as_mut(), &row.item).await?;
        refuse_full(tx.as_mut(), &row, stage, grant.user()).await?;
        // Its time is after that of whatever made room for it.
        let by = self.moved_by(grant, String::new());
        let change = Change::decide(&row, ItemEvent::Claim, by)?;
        self.finish(tx, grant, &row, change, "work_item.claimed", once).await
    }

    /// Says that the assignee has begun.
    #[tracing::instrument(
        name = "work_items.start",
        skip_all,
        fields(work_item.id = %id, user.id = %grant.user()),
        err(level = "debug")
    )]
    pub async fn start(
        &self,
        grant: &Grant<ItemsEdit>,
        id: WorkItemId,
        etag: Checked<Etag>,
        once: Option<&Once>,
    ) -> Result<ItemView, WorkflowError> {
        self.act(grant, id, once, "work_item.started", |row| {
            open_at(&row.item, etag?)?;
            let by = self.moved_by(grant, String::new());
            let change = Change::decide(row, ItemEvent::Start, by)?;
            refuse_work(&row.pauses, &row.item.stage)?;
            if row.item.assignee != Some(grant.user()) {
                return Err(not_assignee("only its assignee can start it"));
            }
            Ok(change)
        })
        .await
    }

    /// Completes the stage the item is at: data is merged, the first route whose condition
    /// holds is taken, and an agent stage that comes next gets its run.
    #[tracing::instrument(
        name = "work_items.complete_stage",
        skip_all,
        fields(work_item.id = %id, user.id = %grant.user()),
        err(level = "debug")
    )]
    pub async fn complete_stage(
        &self,
        grant: &Grant<ItemsEdit>,
        id: WorkItemId,
        input: Checked<CompleteInput>,
        once: Option<&Once>,
    ) -> Result<ItemView, WorkflowError> {
        self.act(grant, id, once, "work_item.stage_completed", |row| {
            let input = input?;
            let note = validate::note("note", &input.note)?;
            let merged = data::merged("data", &row.item.data, input.data)?;
            open_at(&row.item, input.etag)?;
            expect_stage(&row.item, &input.stage)?;
            refuse_work(&row.pauses, &row.item.stage)?;
            let stage = stage_of(row)?;
            let unclaimed = stage.kind.is_unclaimed();
            let mut completed = WorkItem { data: merged, ..row.item.clone() };
            if let Some(form) = &stage.form {
                completed.data = validate::filled_in(form, &completed)?;
            }
            let to = next_stage(row, stage, &completed)?;
            let event = match to {
                Some(to) => ItemEvent::CompleteStage { unclaimed, to_agent: to.kind.runs_agent() },
                None => ItemEvent::Finish { unclaimed },
            };
            let by = Move { to, ..self.moved_by(grant, note) };
            let mut change = Change::decide(row, event, by)?;
            if !unclaimed || completed.data != row.item.data {
                change.item.written_by(grant.user());
            }
            change.item.data = completed.data;
            if !unclaimed {
                refuse_others(grant, row, "only its assignee can complete its stage")?;
            }
            refuse_live_run(&row.item)?;
            Ok(change)
        })
        .await
    }

    /// Orders a new run of the agent at the item's stage, under the caller's name. The item
    /// itself does not change.
    #[tracing::instrument(
        name = "work_items.rerun_agent",
        skip_all,
        fields(work_item.id = %id, user.id = %grant.user()),
        err(level = "debug")
    )]
    pub async fn rerun_agent(
        &self,
        grant: &Grant<CodeUse>,
        id: WorkItemId,
        etag: Checked<Etag>,
        once: Option<&Once>,
    ) -> Result<RunOrder, WorkflowError> {
        let (mut tx, row) = self.hold(grant, id).await?;
        if let Some(answer) = replayed(tx.as_mut(), once).await? {
            return Ok(answer);
        }
        expect_version(etag?, row.item.version)?;
        refuse_closed(&row.item)?;
        let agent_stage = stage_of(&row)?.kind.runs_agent();
        let by = self.moved_by(grant, String::new());
        let now = by.now;
        let change = Change::decide(&row, ItemEvent::RerunAgent { agent_stage }, by)?;
        refuse_live_run(&row.item)?;
        let order = change.order.ok_or_else(|| WorkflowError::internal("a rerun has no order"))?;
        tx.order_run(&order).await?;
        let tenant = row.item.tenant;
        let event = AuditEvent::by(grant, now, tenant, "workflow.agent_assist.requested", id);
        let event = event.with(json!({ "stage": order.stage_id, "run": order.run }));
        tx.record(vec![event]).await?;
        remember(tx.as_mut(), once, &order, now).await?;
        tx.commit().await?;
        Ok(order)
    }

    /// Begins, and holds an item on which the permission holds.
    pub(super) async fn hold<P: Permission>(
        &self,
        grant: &Grant<P>,
        id: WorkItemId,
    ) -> Result<(Box<dyn WorkflowTx>, Admitted<P, LockedItem>), WorkflowError> {
        let scope = grant.scope();
        let mut tx = self.store.begin(&scope).await?;
        let row = tx.lock_item(&scope, id).await?.ok_or(NOT_FOUND)?;
        Ok((tx, grant.admit(row)?))
    }

    /// One verb that is decided by the row alone: hold, replay, decide, store, commit.
    pub(super) async fn act<P: Permission>(
        &self,
        grant: &Grant<P>,
        id: WorkItemId,
        once: Option<&Once>,
        action: &'static str,
        decide: impl FnOnce(&LockedItem) -> Result<Change, WorkflowError> + Send,
    ) -> Result<ItemView, WorkflowError> {
        let (mut tx, row) = self.hold(grant, id).await?;
        if let Some(answer) = replayed(tx.as_mut(), once).await? {
            return Ok(answer);
        }
        let change = decide(&row)?;
        self.finish(tx, grant, &row, change, action, once).await
    }

    pub(super) fn moved_by<P: Permission>(&self, grant: &Grant<P>, note: String) -> Move<'static> {
        Move { actor: grant.user(), now: self.clock.now(), note, to: None }
    }

    /// Stores a decided move with all that belongs to it, and commits.
    pub(super) async fn finish<P: Permission>(
        &self,
        mut tx: Box<dyn WorkflowTx>,
        grant: &Grant<P>,
        row: &Admitted<P, LockedItem>,
        change: Change,
        action: &'static str,
        once: Option<&Once>,
    ) -> Result<ItemView, WorkflowError> {
        let Change { item, transition, left, entered, order, stop_runs, facts } = change;
        let now = transition.time;
        let details = json!({
            "from": transition.from,
            "to": transition.to,
            "state": transition.to_state,
            "run": order.as_ref().map(|order| order.run),
        });
        let step = ItemMove { item: row.save_as(item.clone()), transition, left, entered };
        let arrives = step.entered.is_some();
        tx.save_move(&step).await?;
        if let Some(order) = &order {
            tx.order_run(order).await?;
        }
        if stop_runs {
            tx.stop_runs(item.id).await?;
        }
        let ends_or_begins = item.state.is_closed() != row.item.state.is_closed();
        let orders_in_vain = order.is_some() && !item.blocked_by.is_empty();
        if orders_in_vain || (item.is_blocker && ends_or_begins) {
            tx.gate_runs(item.tenant, item.id).await?;
        }
        let event = AuditEvent::by(grant, now, item.tenant, action, item.id);
        let mut events = vec![event.with(joined(details, facts))];
        let mut item = WorkItem { version: row.item.version + 1, ..item };
        if arrives {
            let arrival = Arrival { caller: grant.caller(), authorizer: &self.authorizer, now };
            let clear = |given| row.save_as(given);
            let given = Box::pin(arrival.give(tx.as_mut(), row, &item, &clear)).await?;
            if let Some((given, event)) = given {
                item = given;
                events.push(event);
            }
        }
        tx.record(events).await?;
        let view = ItemView::with(item, row);
        remember(tx.as_mut(), once, &view, now).await?;
        tx.commit().await?;
        Ok(view)
    }
}
