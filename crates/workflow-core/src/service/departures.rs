//! What becomes of items and definitions when somebody, or a team, is gone. Called by the
//! worker only.
//!
//! An item goes back to where anybody may claim it. Definitions are taken out of use like
//! deleted ones: no new items, no firings. Their items stay as they are: nobody sees them any
//! more, and whoever takes a definition back into use finds them where they were.
//!
//! **Invariant:** each item and each definition is one transaction, and what was done before
//! is passed over: all of this may be repeated, and broken off anywhere.

use std::sync::Arc;

use audit::AuditEvent;
use permissions::Reporter;
use primitives::{
    Clock, PageRequest, TemplateId, Tenant, Timestamp, UserId, WorkItemId, WorkflowId,
};
use serde_json::json;

use super::workflows::described;
use crate::WorkflowError;
use crate::model::{Change, ItemEvent, ItemMove, Move, Workflow};
use crate::store::{HeldBy, WorkflowFilter, WorkflowStore};

/// Items and definitions looked up at once.
const BATCH: u32 = 50;

/// Who is gone, from where, and since when.
#[derive(Clone, Copy, Debug)]
pub struct Gone {
    pub user: UserId,
    /// From what this owner has; from everywhere without one.
    pub from: Option<Tenant>,
    /// What he claimed later he holds anew.
    pub until: Timestamp,
    /// For people, as in "left the team".
    pub why: &'static str,
}

/// Releases and archives what was left behind.
#[derive(Clone)]
pub struct Departures {
    store: Arc<dyn WorkflowStore>,
    clock: Arc<dyn Clock>,
}

impl Departures {
    pub fn new(store: Arc<dyn WorkflowStore>, clock: Arc<dyn Clock>) -> Self {
        Self { store, clock }
    }

    /// Takes from somebody every item he has claimed there: claimed ones are PENDING at their
    /// stage again, blocked ones stay blocked and are nobody's. `reporter_in` gives the
    /// reporter of an owner. Returns how many.
    #[tracing::instrument(
        name = "departures.release",
        skip_all,
        fields(user.id = %gone.user),
        err(level = "debug")
    )]
    pub async fn release(
        &self,
        gone: Gone,
        reporter_in: &(dyn Fn(Tenant) -> Reporter + Sync),
    ) -> Result<u64, WorkflowError> {
        let Gone { user, from, until, .. } = gone;
        let mut held = HeldBy { user, within: from, until, after: None, limit: BATCH };
        let mut released = 0;
        loop {
            let items = self.store.held_items(&held).await?;
            let Some(last) = items.last() else { return Ok(released) };
            held.after = Some(last.id);
            for item in items {
                let reporter = reporter_in(item.tenant);
                released += u64::from(self.release_one(&reporter, gone, item.id).await?);
            }
        }
    }

    /// `false` when somebody else has it by now, or nobody.
    async fn release_one(
        &self,
        reporter: &Reporter,
        gone: Gone,
        id: WorkItemId,
    ) -> Result<bool, WorkflowError> {
        let scope = reporter.scope();
        let mut tx = self.store.begin(&scope).await?;
        let Some(row) = tx.lock_item(&scope, id).await? else { return Ok(false) };
        if row.item.assignee != Some(gone.user) || row.item.state.is_closed() {
            return Ok(false);
        }
        let now = self.clock.now();
        let actor = reporter.caller().user();
        let by = Move { actor, now, note: gone.why.to_owned(), to: None };
        let change = Change::decide(&row, ItemEvent::LoseAssignee, by)?;
        let Some(item) = reporter.clear(&row, change.item) else { return Ok(false) };
        let (from, state) = (row.item.state, item.state);
        let step = ItemMove { item, transition: change.transition, left: None, entered: None };
        tx.save_move(&step).await?;
        let tenant = row.item.tenant;
        let event = AuditEvent::of(reporter.caller(), now, tenant, "work_item.released", id);
        let event = event.with(json!({
            "stage": row.item.stage,
            "from_state": from,
            "state": state,
            "assignee": gone.user,
            "reason": gone.why,
        }));
        tx.record(vec![event]).await?;
        tx.commit().await?;
        Ok(true)
    }

    /// Takes every workflow and template of the reporter's tenant out of use that was made at
    /// `until` or before. Returns how many.
    #[tracing::instrument(
        name = "departures.archive",
        skip_all,
        fields(tenant = %reporter.tenant()),
        err(level = "debug")
    )]
    pub async fn archive(
        &self,
        reporter: &Reporter,
        until: Timestamp,
    ) -> Result<u64, WorkflowError> {
        let scope = reporter.scope();
        let filter =
            WorkflowFilter { tenant: Some(reporter.tenant()), ..WorkflowFilter::default() };
        let mut archived = 0;
        for templates in [false, true] {
            let mut request = PageRequest { size: BATCH, after: None };
            loop {
                let page = self.store.list_workflows(&scope, templates, &filter, request).await?;
                for row in page.items.iter().filter(|row| row.created_at <= until) {
                    archived += u64::from(self.archive_one(reporter, row.id).await?);
                }
                match page.next {
                    None => break,
                    next => request.after = next,
                }
            }
        }
        Ok(archived)
    }

    async fn archive_one(
        &self,
        reporter: &Reporter,
        id: WorkflowId,
    ) -> Result<bool, WorkflowError> {
        let scope = reporter.scope();
        let mut tx = self.store.begin(&scope).await?;
        let Some(row) = tx.lock_workflow(&scope, id).await? else { return Ok(false) };
        if row.deleted_at.is_some() {
            return Ok(false);
        }
        let now = self.clock.now();
        let deleted = Workflow { deleted_at: Some(now), updated_at: now, ..Workflow::clone(&row) };
        let details = described(&deleted);
        let Some(deleted) = reporter.clear(&row, deleted) else { return Ok(false) };
        tx.save_workflow(&deleted).await?;
        let (action, name) = if row.is_template {
            ("template.deleted", TemplateId::from_uuid(id.as_uuid()).to_string())
        } else {
            ("workflow.deleted", id.to_string())
        };
        let event = AuditEvent::of(reporter.caller(), now, row.tenant, action, name);
        tx.record(vec![event.with(details)]).await?;
        tx.commit().await?;
        Ok(true)
    }
}
