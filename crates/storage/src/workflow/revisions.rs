//! Revisions of definitions: published once, read with the one before.

use permissions::{Scope, Visible};
use primitives::{Page, PageAfter, PageRequest, Tenant, UserId, WorkflowId};
use sea_orm::sea_query::{Alias, Expr, Order, Query, SelectStatement};
use sea_orm::{ConnectionTrait, EntityTrait, ExprTrait, FromQueryResult, QueryTrait};
use workflow_core::model::{Changes, Revision, Workflow};

use super::query::same_tenant;
use super::{convert, save};
use crate::fault::Result;
use crate::row::workflows::workflow_revision;
use crate::row::{from_json, insert, narrow, tenant};
use crate::tx::Write;
use crate::visibility::{column, constant, owned, seen, show};
use crate::{Storage, Tx};

/// A revision with the definition of the one before it.
#[derive(FromQueryResult)]
struct Row {
    #[sea_orm(nested)]
    revision: workflow_revision::Model,
    before: Option<String>,
}

impl Row {
    fn read(self) -> Result<Revision> {
        let Self { revision: row, before } = self;
        let definition = from_json("definition", &row.definition)?;
        let before = before.map(|text| from_json("definition", &text)).transpose()?;
        Ok(Revision {
            workflow: WorkflowId::from_uuid(row.workflow_id),
            tenant: tenant(&row.tenant_kind, row.tenant_id)?,
            number: row.revision,
            changes: before.map(|before| Changes::between(&before, &definition)),
            definition,
            published_by: UserId::from_uuid(row.published_by),
            published_at: primitives::Timestamp::from_micros(row.published_at),
        })
    }
}

fn revisions(scope: &Scope, workflow: WorkflowId) -> SelectStatement {
    let at = |name| column("workflow_revision", name);
    let preceding = same_tenant("preceding", "workflow_revision")
        .add(column("preceding", "workflow_id").eq(at("workflow_id")))
        .add(column("preceding", "revision").eq(at("revision").sub(1)));
    workflow_revision::Entity::find()
        .into_query()
        .expr_as(column("preceding", "definition"), Alias::new("before"))
        .join_as(
            sea_orm::JoinType::LeftJoin,
            Alias::new("workflow_revision"),
            Alias::new("preceding"),
            preceding,
        )
        .cond_where(seen("workflow_revision", scope))
        .and_where(at("workflow_id").eq(workflow.as_uuid()))
        .to_owned()
}

/// Keyed by number: the id of a place is the workflow's, and says nothing more.
fn revision_page(scope: &Scope, workflow: WorkflowId, page: PageRequest) -> SelectStatement {
    let mut select = revisions(scope, workflow);
    if let Some(after) = page.after {
        select.and_where(column("workflow_revision", "revision").lt(after.key));
    }
    select
        .order_by(("workflow_revision", "revision"), Order::Desc)
        .limit(u64::from(page.size) + 1)
        .to_owned()
}

impl Storage {
    pub(super) async fn revision_row(
        &self,
        scope: &Scope,
        workflow: WorkflowId,
        number: i64,
    ) -> Result<Option<Visible<Revision>>> {
        let read = self.read(scope).await?;
        let mut select = revisions(scope, workflow);
        select.and_where(column("workflow_revision", "revision").eq(number));
        let Some(row) = read.rows().query_one(&select).await? else { return Ok(None) };
        Ok(show(scope, Row::from_query_result(&row, "")?.read()?))
    }

    pub(super) async fn revision_rows(
        &self,
        scope: &Scope,
        workflow: WorkflowId,
        page: PageRequest,
    ) -> Result<Page<Visible<Revision>>> {
        let read = self.read(scope).await?;
        let rows = read.rows().query_all(&revision_page(scope, workflow, page)).await?;
        let rows = rows.iter().map(|row| Row::from_query_result(row, "")?.read());
        let rows = rows.collect::<Result<Vec<_>>>()?;
        let place = |row: &Revision| PageAfter { key: row.number, id: row.workflow.as_uuid() };
        let Page { items, next } = Page::cut(rows, page.size, place);
        Ok(Page { items: items.into_iter().filter_map(|row| show(scope, row)).collect(), next })
    }
}

impl Tx {
    pub(super) async fn add_revision(&mut self, workflow: &Workflow, by: UserId) -> Result<()> {
        let mut update = save::workflow_update(workflow)?;
        let row = convert::workflow_row(workflow)?;
        update.values([
            ("revision", row.revision.into()),
            ("has_agent_stage", row.has_agent_stage.into()),
        ]);
        let old = Query::delete()
            .from_table("workflow_trigger")
            .and_where(owned("workflow_trigger", workflow.tenant))
            .and_where(Expr::col("workflow_id").eq(row.id))
            .to_owned();
        self.run(&old).await?;
        let revision = convert::revision_row(workflow, by)?;
        let mut writes = vec![Write::new(update, 1), Write::new(insert(vec![revision]), 1)];
        let triggers = convert::trigger_rows(workflow);
        if !triggers.is_empty() {
            let rows = triggers.len();
            writes.push(Write::new(insert(triggers), rows));
        }
        self.write_all(writes).await
    }

    pub(super) async fn lengthen_waiting_runs(
        &mut self,
        owner: Tenant,
        workflow: WorkflowId,
    ) -> Result<()> {
        let deadline = self.storage.run_limits().deadline;
        let deadline: i64 = narrow("deadline", deadline.as_micros())?;
        let until = || self.storage.dialect().now().add(deadline);
        let items = Query::select()
            .expr(column("work_item", "id"))
            .from("work_item")
            .and_where(owned("work_item", owner))
            .and_where(column("work_item", "workflow_id").eq(workflow.as_uuid()))
            .to_owned();
        let update = Query::update()
            .table("agent_run")
            .value("deadline_at", until())
            .and_where(owned("agent_run", owner))
            .and_where(Expr::col("kind").eq(constant("ASSIST")))
            .and_where(Expr::col("state").eq(constant("QUEUED")))
            .and_where(Expr::col("deadline_at").lt(until()))
            .and_where(Expr::col("work_item_id").in_subquery(items))
            .to_owned();
        self.run(&update).await?;
        self.wakes = true;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::visibility::tests::{scope, sql};

    #[tokio::test]
    async fn revisions_are_listed_in_scope_with_the_one_before() {
        let after = Some(PageAfter { key: 7, id: Uuid::from_u128(1) });
        let page = PageRequest { size: 2, after };
        let workflow = WorkflowId::from_uuid(Uuid::from_u128(1));
        insta::assert_snapshot!(sql(&revision_page(&scope().await, workflow, page)));
    }
}
