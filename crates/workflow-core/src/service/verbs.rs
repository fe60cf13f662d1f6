//! The verbs beside the straight way: giving back, going back, waiting, giving up, beginning
//! again.

use events::Once;
use permissions::{Grant, ItemsEdit, ItemsManage};
use primitives::{Checked, UserId, WorkItemId};

use super::item_rules::{
    manages, not_assignee, open_at, refuse_claims, refuse_live_run, refuse_others, stage_of,
};
use super::pauses::refuse_work;
use super::waiting::{refuse_full, refuse_waiting};
use super::{ItemView, Items, NoteInput, ReturnInput, also, expect_version, replayed};
use crate::WorkflowError;
use crate::model::{Change, ItemEvent, ItemState, Move, validate};

impl Items {
    /// Gives a claimed item back: PENDING, for anybody.
    #[tracing::instrument(
        name = "work_items.release",
        skip_all,
        fields(work_item.id = %id, user.id = %grant.user()),
        err(level = "debug")
    )]
    pub async fn release(
        &self,
        grant: &Grant<ItemsEdit>,
        id: WorkItemId,
        input: Checked<NoteInput>,
        once: Option<&Once>,
    ) -> Result<ItemView, WorkflowError> {
        self.act(grant, id, once, "work_item.released", |row| {
            let input = input?;
            let note = validate::note("note", &input.note)?;
            open_at(&row.item, input.etag)?;
            let change = Change::decide(row, ItemEvent::Release, self.moved_by(grant, note))?;
            refuse_others(grant, row, "only its assignee can release it")?;
            Ok(change)
        })
        .await
    }

    /// Makes `assignee` responsible. He must be known to the caller, and hold what it takes to
    /// work on the item.
    #[tracing::instrument(
        name = "work_items.assign",
        skip_all,
        fields(work_item.id = %id, user.id = %grant.user()),
        err(level = "debug")
    )]
    pub async fn assign(
        &self,
        grant: &Grant<ItemsManage>,
        id: WorkItemId,
        assignee: UserId,
        input: Checked<NoteInput>,
        once: Option<&Once>,
    ) -> Result<ItemView, WorkflowError> {
        let (mut tx, row) = self.hold(grant, id).await?;
        if !tx.resolve(&grant.scope(), None, &[assignee]).await?.users {
            return Err(WorkflowError::NotFound("USER"));
        }
        if let Some(answer) = replayed(tx.as_mut(), once).await? {
            return Ok(answer);
        }
        let input = input?;
        let note = validate::note("note", &input.note)?;
        open_at(&row.item, input.etag)?;
        if !self.authorizer.allows::<ItemsEdit>(assignee, row.item.tenant) {
            let message = "the assignee may not work on it: he does not hold workflows.edit there";
            return Err(WorkflowError::wrong_state("ASSIGNEE_NOT_ALLOWED", message));
        }
        refuse_work(&row.pauses, &row.item.stage)?;
        refuse_claims(stage_of(&row)?)?;
        row.item.state.apply(ItemEvent::Assign(assignee))?;
        refuse_waiting(tx.as_mut(), &row.item).await?;
        refuse_full(tx.as_mut(), &row, stage_of(&row)?, assignee).await?;
        // Its time is after that of whatever made room for it.
        let by = self.moved_by(grant, note);
        let change = Change::decide(&row, ItemEvent::Assign(assignee), by)?;
        self.finish(tx, grant, &row, change, "work_item.assigned", once).await
    }

    /// Takes the item back to a stage where it was before.
    #[tracing::instrument(
        name = "work_items.return",
        skip_all,
        fields(work_item.id = %id, user.id = %grant.user()),
        err(level = "debug")
    )]
    pub async fn return_to(
        &self,
        grant: &Grant<ItemsEdit>,
        id: WorkItemId,
        input: Checked<ReturnInput>,
        once: Option<&Once>,
    ) -> Result<ItemView, WorkflowError> {
        let (mut tx, row) = self.hold(grant, id).await?;
        if let Some(answer) = replayed(tx.as_mut(), once).await? {
            return Ok(answer);
        }
        let input = input?;
        let note = validate::note("note", &input.note)?;
        open_at(&row.item, input.etag)?;
        let unclaimed = stage_of(&row)?.kind.is_unclaimed();
        let visited = tx.stages_visited(row.item.tenant, id).await?;
        let known = input.stage != row.item.stage && visited.contains(&input.stage);
        let to = row.definition.stage(&input.stage).filter(|_| known).ok_or_else(|| {
            let message = "the item was never at that stage, or is there now";
            WorkflowError::wrong_state("STAGE_NOT_VISITED", message)
        })?;
        let event = ItemEvent::Return { unclaimed, to_agent: to.kind.runs_agent() };
        let by = Move { to: Some(to), ..self.moved_by(grant, note) };
        let change = Change::decide(&row, event, by)?;
        if !unclaimed {
            refuse_others(grant, &row, "only its assignee can return it")?;
        }
        refuse_live_run(&row.item)?;
        self.finish(tx, grant, &row, change, "work_item.returned", once).await
    }

    /// Says that the item waits for something outside, and for what.
    #[tracing::instrument(
        name = "work_items.block",
        skip_all,
        fields(work_item.id = %id, user.id = %grant.user()),
        err(level = "debug")
    )]
    pub async fn block(
        &self,
        grant: &Grant<ItemsEdit>,
        id: WorkItemId,
        input: Checked<NoteInput>,
        once: Option<&Once>,
    ) -> Result<ItemView, WorkflowError> {
        self.act(grant, id, once, "work_item.blocked", |row| {
            let input = input?;
            let reason = validate::reason("reason", &input.note)?;
            open_at(&row.item, input.etag)?;
            let change = Change::decide(row, ItemEvent::Block, self.moved_by(grant, reason))?;
            refuse_others(grant, row, "only its assignee can block it")?;
            Ok(change)
        })
        .await
    }

    /// Says that what the item waited for has come: it has the state again that it had.
    #[tracing::instrument(
        name = "work_items.unblock",
        skip_all,
        fields(work_item.id = %id, user.id = %grant.user()),
        err(level = "debug")
    )]
    pub async fn unblock(
        &self,
        grant: &Grant<ItemsEdit>,
        id: WorkItemId,
        input: Checked<NoteInput>,
        once: Option<&Once>,
    ) -> Result<ItemView, WorkflowError> {
        self.act(grant, id, once, "work_item.unblocked", |row| {
            let input = input?;
            let note = validate::note("note", &input.note)?;
            open_at(&row.item, input.etag)?;
            let before = row.item.block.as_ref().map_or(ItemState::Pending, |block| block.from);
            let by = self.moved_by(grant, note);
            let change = Change::decide(row, ItemEvent::Unblock { before }, by)?;
            refuse_others(grant, row, "only its assignee can unblock it")?;
            Ok(change)
        })
        .await
    }

    /// Ends an open item as failed, and its live run with it.
    #[tracing::instrument(
        name = "work_items.fail",
        skip_all,
        fields(work_item.id = %id, user.id = %grant.user()),
        err(level = "debug")
    )]
    pub async fn fail(
        &self,
        grant: &Grant<ItemsEdit>,
        id: WorkItemId,
        input: Checked<NoteInput>,
        once: Option<&Once>,
    ) -> Result<ItemView, WorkflowError> {
        self.act(grant, id, once, "work_item.failed", |row| {
            let input = input?;
            let reason = validate::note("reason", &input.note)?;
            open_at(&row.item, input.etag)?;
            let change = Change::decide(row, ItemEvent::Fail, self.moved_by(grant, reason))?;
            refuse_others(grant, row, "only its assignee can let it fail")?;
            Ok(change)
        })
        .await
    }

    /// Ends an open item without a result, and its live run with it.
    #[tracing::instrument(
        name = "work_items.cancel",
        skip_all,
        fields(work_item.id = %id, user.id = %grant.user()),
        err(level = "debug")
    )]
    pub async fn cancel(
        &self,
        grant: &Grant<ItemsEdit>,
        id: WorkItemId,
        input: Checked<NoteInput>,
        once: Option<&Once>,
    ) -> Result<ItemView, WorkflowError> {
        self.act(grant, id, once, "work_item.cancelled", |row| {
            let input = input?;
            let reason = validate::note("reason", &input.note)?;
            open_at(&row.item, input.etag)?;
            let change = Change::decide(row, ItemEvent::Cancel, self.moved_by(grant, reason))?;
            let own = [Some(row.item.creator), row.item.assignee].contains(&Some(grant.user()));
            if !own && !manages(grant, row) {
                return Err(not_assignee("only its creator or assignee can cancel it"));
            }
            Ok(change)
        })
        .await
    }

    /// Opens a closed item again, at the stage where it was last. Needs [`ItemsManage`].
    #[tracing::instrument(
        name = "work_items.reopen",
        skip_all,
        fields(work_item.id = %id, user.id = %grant.user()),
        err(level = "debug")
    )]
    pub async fn reopen(
        &self,
        grant: &Grant<ItemsEdit>,
        id: WorkItemId,
        input: Checked<NoteInput>,
        once: Option<&Once>,
    ) -> Result<ItemView, WorkflowError> {
        self.act(grant, id, once, "work_item.reopened", |row| {
            also::<ItemsManage>(grant.caller(), row.item.tenant)?;
            let input = input?;
            let note = validate::note("note", &input.note)?;
            expect_version(input.etag, row.item.version)?;
            let stage = stage_of(row)?;
            let event = ItemEvent::Reopen { to_agent: stage.kind.runs_agent() };
            let by = Move { to: Some(stage), ..self.moved_by(grant, note) };
            Ok(Change::decide(row, event, by)?)
        })
        .await
    }
}
