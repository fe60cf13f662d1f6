//! A workflow changes its owner, with what hangs on it: every row in one transaction, at whose
//! end the keys between them fit again.

use primitives::{Tenant, WorkflowId};
use sea_orm::sea_query::{Expr, Query, UpdateStatement};
use sea_orm::{ConnectionTrait, ExprTrait};
use workflow_core::model::Workflow;

use crate::Tx;
use crate::dialect::Dialect;
use crate::fault::{Fault, Result};
use crate::visibility::{column, owned};

/// Tables whose rows belong to a workflow by `workflow_id`, apart from items.
const PARTS: [&str; 3] = ["workflow_revision", "workflow_trigger", "trigger_firing"];

/// Keys are compared at the end of this transaction.
const fn deferring(dialect: Dialect) -> &'static str {
    match dialect {
        Dialect::Postgres => "set constraints all deferred",
        Dialect::Sqlite => "pragma defer_foreign_keys = on",
    }
}

fn given_to(table: &'static str, from: Tenant, to: Tenant) -> UpdateStatement {
    Query::update()
        .table(table)
        .value("tenant_kind", to.kind().as_str())
        .value("tenant_id", to.id())
        .and_where(owned(table, from))
        .to_owned()
}

impl Tx {
    pub(super) async fn any_item(&self, owner: Tenant, workflow: WorkflowId) -> Result<bool> {
        let select = Query::select()
            .expr(column("work_item", "id"))
            .from("work_item")
            .and_where(owned("work_item", owner))
            .and_where(column("work_item", "workflow_id").eq(workflow.as_uuid()))
            .limit(1)
            .to_owned();
        Ok(self.open.query_one(&select).await?.is_some())
    }

    pub(super) async fn give_workflow(&self, from: Tenant, to: &Workflow) -> Result<()> {
        let dialect = self.storage.dialect();
        self.open.execute_unprepared(deferring(dialect)).await.map_err(Fault::from)?;
        let mut update = given_to("workflow", from, to.tenant);
        update
            .value("updated_at", to.updated_at.as_micros())
            .value("version", Expr::col("version").add(1))
            .and_where(Expr::col("id").eq(to.id.as_uuid()))
            .and_where(Expr::col("version").eq(to.version));
        self.run_one(&update).await?;
        for table in PARTS {
            let mut update = given_to(table, from, to.tenant);
            update.and_where(Expr::col("workflow_id").eq(to.id.as_uuid()));
            self.run(&update).await?;
        }
        Ok(())
    }
}
