//! Whose turn it is at a stage.

use std::collections::BTreeMap;

use async_trait::async_trait;
use permissions::Cleared;
use primitives::{Tenant, UserId, WorkflowId};
use sea_orm::sea_query::{Func, OnConflict, Query};
use sea_orm::{ConnectionTrait, ExprTrait};
use workflow_core::StoreError;
use workflow_core::model::{StageId, WorkItem};
use workflow_core::store::{TurnTx, Turns};

use crate::Tx;
use crate::fault::Result;
use crate::row::narrow;
use crate::visibility::{column, constant, owned};

type Answer<T> = std::result::Result<T, StoreError>;

const TABLE: &str = "stage_turn";
const KEY: [&str; 4] = ["tenant_kind", "tenant_id", "workflow_id", "stage_id"];
const OPEN: [&str; 4] = ["PENDING", "CLAIMED", "IN_PROGRESS", "BLOCKED"];

impl Tx {
    async fn turns_at(
        &self,
        tenant: Tenant,
        workflow: WorkflowId,
        stage: &StageId,
    ) -> Result<Turns> {
        // The words of what is in hand: whoever claims there waits, too.
        self.alone(&format!("{workflow}/{stage}")).await?;
        let select = Query::select()
            .expr(column(TABLE, "user_id"))
            .from(TABLE)
            .and_where(owned(TABLE, tenant))
            .and_where(column(TABLE, "workflow_id").eq(workflow.as_uuid()))
            .and_where(column(TABLE, "stage_id").eq(stage.0.as_str()))
            .to_owned();
        let row = self.open.query_one(&select).await?;
        let last = row.map(|row| row.try_get("", "user_id")).transpose()?.map(UserId::from_uuid);
        Ok(Turns { last, in_hand: self.held_by_each(tenant, workflow, stage).await? })
    }

    async fn held_by_each(
        &self,
        tenant: Tenant,
        workflow: WorkflowId,
        stage: &StageId,
    ) -> Result<BTreeMap<UserId, u64>> {
        let item = |name| column("work_item", name);
        let select = Query::select()
            .expr(item("assignee_id"))
            .expr_as(Func::count(item("id")), "held")
            .from("work_item")
            .and_where(owned("work_item", tenant))
            .and_where(item("workflow_id").eq(workflow.as_uuid()))
            .and_where(item("stage_id").eq(stage.0.as_str()))
            .and_where(item("assignee_id").is_not_null())
            .and_where(item("state").is_in(OPEN.map(constant)))
            .group_by_col(("work_item", "assignee_id"))
            .to_owned();
        let mut held = BTreeMap::new();
        for row in self.open.query_all(&select).await? {
            let count: i64 = row.try_get("", "held")?;
            let user = UserId::from_uuid(row.try_get("", "assignee_id")?);
            held.insert(user, narrow("count", count)?);
        }
        Ok(held)
    }

    async fn write_turn(&self, item: &WorkItem) -> Result<()> {
        let Some(user) = item.assignee else { return Ok(()) };
        let mut insert = Query::insert();
        insert
            .into_table(TABLE)
            .columns(KEY.into_iter().chain(["user_id"]))
            .values_panic([
                item.tenant.kind().as_str().into(),
                item.tenant.id().into(),
                item.workflow.as_uuid().into(),
                item.stage.0.as_str().into(),
                user.as_uuid().into(),
            ])
            .on_conflict(OnConflict::columns(KEY).update_column("user_id").to_owned());
        self.run_one(&insert).await
    }
}

#[async_trait]
impl TurnTx for Tx {
    async fn turns(
        &mut self,
        tenant: Tenant,
        workflow: WorkflowId,
        stage: &StageId,
    ) -> Answer<Turns> {
        Ok(self.turns_at(tenant, workflow, stage).await?)
    }

    async fn give_turn(&mut self, item: &Cleared<WorkItem>) -> Answer<()> {
        Ok(self.write_turn(item).await?)
    }
}
