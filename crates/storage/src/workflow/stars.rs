//! Stars: rows of one person each, about workflows that may be anybody's.

use async_trait::async_trait;
use permissions::{Cleared, Scope, Visible};
use primitives::{Page, PageRequest, Tenant, Timestamp, UserId, WorkflowId};
use sea_orm::sea_query::{Alias, Cond, Expr, Order, Query, SelectStatement};
use sea_orm::{ConnectionTrait, ExprTrait, FromQueryResult};
use workflow_core::StoreError;
use workflow_core::model::{Revision, Workflow};
use workflow_core::store::{Definitions, DefinitionsTx, Star};

use super::convert;
use super::query::{self, WorkflowRow};
use crate::fault::Result;
use crate::row::workflows::workflow_star;
use crate::row::{insert, known};
use crate::visibility::{column, owned, seen, show};
use crate::{Storage, Tx};

type Answer<T> = std::result::Result<T, StoreError>;

fn own(scope: &Scope) -> Tenant {
    Tenant::Person(scope.user())
}

fn starred(scope: &Scope) -> SelectStatement {
    let star = |name| column("workflow_star", name);
    let on = Cond::all()
        .add(owned("workflow_star", own(scope)))
        .add(star("workflow_id").eq(column("workflow", "id")));
    let mut select = query::workflows(scope);
    select
        .inner_join(Alias::new("workflow_star"), on)
        .and_where(column("workflow", "is_template").eq(false))
        .and_where(column("workflow", "deleted_at").is_null())
        .order_by(("workflow_star", "starred_at"), Order::Desc)
        .order_by(("workflow_star", "place"), Order::Desc);
    select
}

fn stars(scope: &Scope) -> SelectStatement {
    let star = |name| column("workflow_star", name);
    let live = Query::select()
        .expr(Expr::val(1))
        .from("workflow")
        .cond_where(seen("workflow", scope))
        .and_where(column("workflow", "id").eq(star("workflow_id")))
        .and_where(column("workflow", "deleted_at").is_null())
        .to_owned();
    Query::select()
        .exprs(["workflow_id", "place", "starred_at"].map(star))
        .expr_as(Expr::exists(live), "is_visible")
        .from("workflow_star")
        .and_where(owned("workflow_star", own(scope)))
        .order_by(("workflow_star", "place"), Order::Asc)
        .to_owned()
}

impl Storage {
    async fn starred_rows(&self, scope: &Scope) -> Result<Vec<Visible<Workflow>>> {
        let read = self.read(scope).await?;
        let rows = read.rows().query_all(&starred(scope)).await?;
        let rows = rows.iter().map(|row| {
            let row = WorkflowRow::from_query_result(row, "")?;
            convert::workflow(row, self.definitions())
        });
        let rows = rows.collect::<Result<Vec<_>>>()?;
        Ok(rows.into_iter().filter_map(|row| show(scope, row)).collect())
    }
}

impl Tx {
    async fn own_stars(&self, scope: &Scope) -> Result<Vec<Star>> {
        let rows = self.open.query_all(&stars(scope)).await?;
        let read = |row: &sea_orm::QueryResult| {
            let place: String = row.try_get("", "place")?;
            Ok(Star {
                workflow: WorkflowId::from_uuid(row.try_get("", "workflow_id")?),
                place: known("place", &place, |text| text.parse().ok())?,
                time: Timestamp::from_micros(row.try_get("", "starred_at")?),
                is_visible: row.try_get("", "is_visible")?,
            })
        };
        rows.iter().map(read).collect()
    }

    async fn add_star(&self, scope: &Scope, star: &Star) -> Result<()> {
        let row = workflow_star::Model {
            // Nothing ever names a star: any fresh id will do.
            id: primitives::TriggerId::generate().as_uuid(),
            tenant_kind: own(scope).kind().as_str().into(),
            tenant_id: own(scope).id(),
            place: star.place.to_string(),
            workflow_id: star.workflow.as_uuid(),
            starred_at: star.time.as_micros(),
        };
        self.run_one(&insert(vec![row])).await
    }

    async fn drop_star(&self, scope: &Scope, workflow: WorkflowId) -> Result<()> {
        let delete = Query::delete()
            .from_table("workflow_star")
            .and_where(owned("workflow_star", own(scope)))
            .and_where(Expr::col("workflow_id").eq(workflow.as_uuid()))
            .to_owned();
        self.run(&delete).await?;
        Ok(())
    }
}

#[async_trait]
impl Definitions for Storage {
    async fn get_revision(
        &self,
        scope: &Scope,
        workflow: WorkflowId,
        number: i64,
    ) -> Answer<Option<Visible<Revision>>> {
        Ok(self.revision_row(scope, workflow, number).await?)
    }

    async fn list_revisions(
        &self,
        scope: &Scope,
        workflow: WorkflowId,
        page: PageRequest,
    ) -> Answer<Page<Visible<Revision>>> {
        Ok(self.revision_rows(scope, workflow, page).await?)
    }

    async fn list_starred(&self, scope: &Scope) -> Answer<Vec<Visible<Workflow>>> {
        Ok(self.starred_rows(scope).await?)
    }
}

#[async_trait]
impl DefinitionsTx for Tx {
    async fn publish_revision(&mut self, workflow: &Cleared<Workflow>, by: UserId) -> Answer<()> {
        Ok(self.add_revision(workflow, by).await?)
    }

    async fn stars(&mut self, scope: &Scope) -> Answer<Vec<Star>> {
        Ok(self.own_stars(scope).await?)
    }

    async fn insert_star(&mut self, scope: &Scope, star: &Star) -> Answer<()> {
        Ok(self.add_star(scope, star).await?)
    }

    async fn remove_star(&mut self, scope: &Scope, workflow: WorkflowId) -> Answer<()> {
        Ok(self.drop_star(scope, workflow).await?)
    }

    async fn has_items(&mut self, tenant: Tenant, workflow: WorkflowId) -> Answer<bool> {
        Ok(self.any_item(tenant, workflow).await?)
    }

    async fn move_workflow(&mut self, from: Tenant, workflow: &Cleared<Workflow>) -> Answer<()> {
        Ok(self.give_workflow(from, workflow).await?)
    }

    async fn restart_waiting_runs(&mut self, tenant: Tenant, workflow: WorkflowId) -> Answer<()> {
        Ok(self.lengthen_waiting_runs(tenant, workflow).await?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::visibility::tests::{scope, sql};

    #[tokio::test]
    async fn starred_workflows_are_listed_in_scope() {
        insta::assert_snapshot!("starred", sql(&starred(&scope().await)));
        insta::assert_snapshot!("stars", sql(&stars(&scope().await)));
    }
}
