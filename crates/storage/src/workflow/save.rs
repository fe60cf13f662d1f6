//! The transaction of a workflow.
//!
//! **Invariant:** every update names the row's owner and the version it was read at, and
//! changes one row or fails.

use async_trait::async_trait;
use permissions::{Cleared, Scope, Visible};
use primitives::{RepositoryId, RunId, Tenant, Timestamp, UserId, WorkItemId, WorkflowId};
use sea_orm::sea_query::{Expr, OnConflict, Order, Query, UpdateStatement};
use sea_orm::{ConnectionTrait, EntityTrait, ExprTrait, FromQueryResult, QueryTrait};
use uuid::Uuid;
use workflow_core::StoreError;
use workflow_core::model::{Firing, ItemMove, LockedItem, Recommendation, WorkItem, Workflow};
use workflow_core::store::{Resolved, WorkflowTx};

use super::convert;
use super::visit::visit_write;
use crate::Tx;
use crate::fault::Result;
use crate::row::item::recommendation;
use crate::row::{insert, to_json};
use crate::tx::Write;
use crate::visibility::{column, owned};

type Answer<T> = std::result::Result<T, StoreError>;

/// One row of `table`, if its version is still `version`; the update raises it.
fn versioned(table: &'static str, tenant: Tenant, id: Uuid, version: i64) -> UpdateStatement {
    Query::update()
        .table(table)
        .value("version", Expr::col("version").add(1))
        .and_where(owned(table, tenant))
        .and_where(column(table, "id").eq(id))
        .and_where(column(table, "version").eq(version))
        .to_owned()
}

/// Everything but the definition.
pub(super) fn workflow_update(workflow: &Workflow) -> Result<UpdateStatement> {
    let row = convert::workflow_row(workflow)?;
    let mut update = versioned("workflow", workflow.tenant, row.id, workflow.version);
    update.values([
        ("display_name", row.display_name.into()),
        ("description", row.description.into()),
        ("icon", row.icon.into()),
        ("category", row.category.into()),
        ("tags", row.tags.into()),
        ("updated_at", row.updated_at.into()),
        ("deleted_at", row.deleted_at.into()),
        ("paused_at", row.paused_at.into()),
        ("paused_stages", row.paused_stages.into()),
        ("allows_manual_creation", row.allows_manual_creation.into()),
        ("requires_approval_to_start", row.requires_approval_to_start.into()),
        ("origin_revision", row.origin_revision.into()),
    ]);
    Ok(update)
}

pub(super) fn item_update(item: &WorkItem) -> Result<UpdateStatement> {
    let row = convert::item_row(item)?;
    let mut update = versioned("work_item", item.tenant, row.id, item.version);
    update.values([
        ("revision", row.revision.into()),
        ("title", row.title.into()),
        ("description", row.description.into()),
        ("state", row.state.into()),
        ("stage_id", row.stage_id.into()),
        ("visit_id", row.visit_id.into()),
        ("entered_stage_at", row.entered_stage_at.into()),
        ("assignee_id", row.assignee_id.into()),
        ("priority", row.priority.into()),
        ("tags", row.tags.into()),
        ("data", row.data.into()),
        ("repository_id", row.repository_id.into()),
        ("claimed_at", row.claimed_at.into()),
        ("closed_at", row.closed_at.into()),
        ("updated_at", row.updated_at.into()),
        ("external_id", row.external_id.into()),
        ("due_at", row.due_at.into()),
        ("blocked_from", row.blocked_from.into()),
        ("block_reason", row.block_reason.into()),
        ("blocked_by", row.blocked_by.into()),
        ("stage_due_at", row.stage_due_at.into()),
        ("overdue_at", row.overdue_at.into()),
        ("authors", row.authors.into()),
        ("votes", row.votes.into()),
    ]);
    Ok(update)
}

impl Tx {
    async fn add_workflow(&mut self, workflow: &Workflow) -> Result<bool> {
        let key = ["tenant_kind", "tenant_id", "seed_key"];
        let conflict = OnConflict::columns(key).do_nothing().to_owned();
        let mut first = insert(vec![convert::workflow_row(workflow)?]);
        if self.run(first.on_conflict(conflict)).await? == 0 {
            return Ok(false);
        }
        let revision = convert::revision_row(workflow, workflow.creator)?;
        let mut rest = vec![Write::new(insert(vec![revision]), 1)];
        let triggers = convert::trigger_rows(workflow);
        if !triggers.is_empty() {
            let rows = triggers.len();
            rest.push(Write::new(insert(triggers), rows));
        }
        self.write_all(rest).await?;
        Ok(true)
    }

    async fn update_workflow(&self, workflow: &Workflow) -> Result<()> {
        self.run_one(&workflow_update(workflow)?).await
    }

    async fn move_item(&mut self, step: &ItemMove) -> Result<()> {
        let mut writes = vec![
            Write::new(item_update(&step.item)?, 1),
            Write::new(insert(vec![convert::transition_row(&step.transition)?]), 1),
        ];
        writes.extend(visit_write(step)?);
        self.write_all(writes).await
    }

    async fn update_data(&self, item: &WorkItem) -> Result<()> {
        let mut update = versioned("work_item", item.tenant, item.id.as_uuid(), item.version);
        update.values([
            ("data", to_json(&item.data)?.into()),
            ("updated_at", item.updated_at.as_micros().into()),
        ]);
        self.run_one(&update).await
    }

    async fn add_recommendation(&self, row: &Recommendation) -> Result<bool> {
        let key = ["tenant_kind", "tenant_id", "run_id"];
        let conflict = OnConflict::columns(key).do_nothing().to_owned();
        let mut insert = insert(vec![convert::recommendation_row(row)?]);
        Ok(self.run(insert.on_conflict(conflict)).await? == 1)
    }

    async fn last_recommendation(&self, item: WorkItemId) -> Result<Option<Recommendation>> {
        let select = recommendation::Entity::find()
            .into_query()
            .and_where(column("recommendation", "work_item_id").eq(item.as_uuid()))
            .order_by(("recommendation", "created_at"), Order::Desc)
            .order_by(("recommendation", "id"), Order::Desc)
            .limit(1)
            .to_owned();
        let Some(row) = self.open.query_one(&select).await? else { return Ok(None) };
        let row = recommendation::Model::from_query_result(&row, "")?;
        Ok(Some(convert::recommendation(row)?))
    }

    async fn update_verdict(&self, row: &Recommendation) -> Result<()> {
        let update = Query::update()
            .table("recommendation")
            .value("verdict", row.verdict.as_str())
            .value("reviewer_id", row.reviewer.map(|user| user.as_uuid()))
            .value("reviewed_at", row.reviewed_at.map(Timestamp::as_micros))
            .value("review_note", row.review_note.as_str())
            .and_where(owned("recommendation", row.tenant))
            .and_where(column("recommendation", "id").eq(row.id.as_uuid()))
            .to_owned();
        self.run_one(&update).await
    }

    async fn add_firing(&self, firing: &Firing) -> Result<bool> {
        let key = ["tenant_kind", "tenant_id", "event_id", "trigger_id"];
        let conflict = OnConflict::columns(key).do_nothing().to_owned();
        let mut insert = insert(vec![convert::firing_row(firing)]);
        Ok(self.run(insert.on_conflict(conflict)).await? == 1)
    }
}

#[async_trait]
impl WorkflowTx for Tx {
    async fn lock_item(
        &mut self,
        scope: &Scope,
        id: WorkItemId,
    ) -> Answer<Option<Visible<LockedItem>>> {
        Ok(self.hold_item(scope, id).await?)
    }

    async fn lock_workflow(
        &mut self,
        scope: &Scope,
        id: WorkflowId,
    ) -> Answer<Option<Visible<Workflow>>> {
        Ok(self.hold_workflow(scope, id).await?)
    }

    async fn insert_workflow(&mut self, workflow: &Cleared<Workflow>) -> Answer<bool> {
        Ok(self.add_workflow(workflow).await?)
    }

    async fn save_workflow(&mut self, workflow: &Cleared<Workflow>) -> Answer<()> {
        Ok(self.update_workflow(workflow).await?)
    }

    async fn save_move(&mut self, step: &ItemMove) -> Answer<()> {
        Ok(self.move_item(step).await?)
    }

    async fn save_data(&mut self, item: &Cleared<WorkItem>) -> Answer<()> {
        Ok(self.update_data(item).await?)
    }

    async fn stop_runs(&mut self, item: WorkItemId) -> Answer<Vec<RunId>> {
        Ok(self.cancel_runs(item).await?)
    }

    async fn insert_recommendation(&mut self, row: &Cleared<Recommendation>) -> Answer<bool> {
        Ok(self.add_recommendation(row).await?)
    }

    async fn newest_recommendation(&mut self, item: WorkItemId) -> Answer<Option<Recommendation>> {
        Ok(self.last_recommendation(item).await?)
    }

    async fn save_verdict(&mut self, row: &Cleared<Recommendation>) -> Answer<()> {
        Ok(self.update_verdict(row).await?)
    }

    async fn insert_firing(&mut self, firing: &Firing) -> Answer<bool> {
        Ok(self.add_firing(firing).await?)
    }

    async fn resolve(
        &mut self,
        scope: &Scope,
        repository: Option<RepositoryId>,
        users: &[UserId],
    ) -> Answer<Resolved> {
        Ok(self.find_named(scope, repository, users).await?)
    }

    async fn commit(self: Box<Self>) -> Answer<()> {
        Ok((*self).commit_now().await?)
    }
}
