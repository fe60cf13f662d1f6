//! What the verbs of an item look up and save beside its moves.

use async_trait::async_trait;
use permissions::Cleared;
use primitives::{Tenant, UserId, WorkItemId, WorkflowId};
use sea_orm::sea_query::{Expr, Order, Query};
use sea_orm::{ConnectionTrait, ExprTrait};
use workflow_core::StoreError;
use workflow_core::model::{StageId, WorkItem};
use workflow_core::store::{InHand, ItemTx};

use super::save::item_update;
use crate::Tx;
use crate::fault::Result;
use crate::visibility::{column, owned};

type Answer<T> = std::result::Result<T, StoreError>;

impl Tx {
    async fn find_external(
        &self,
        tenant: Tenant,
        workflow: WorkflowId,
        external_ids: &[String],
    ) -> Result<Vec<(String, WorkItemId)>> {
        let select = Query::select()
            .exprs(["external_id", "id"].map(|name| column("work_item", name)))
            .from("work_item")
            .and_where(owned("work_item", tenant))
            .and_where(column("work_item", "workflow_id").eq(workflow.as_uuid()))
            .and_where(column("work_item", "external_id").is_in(external_ids))
            .to_owned();
        let rows = self.open.query_all(&select).await?;
        let found = rows.iter().map(|row| {
            let item = WorkItemId::from_uuid(row.try_get("", "id")?);
            Ok((row.try_get("", "external_id")?, item))
        });
        found.collect()
    }

    async fn visited(&self, tenant: Tenant, item: WorkItemId) -> Result<Vec<StageId>> {
        let select = Query::select()
            .expr(column("stage_visit", "stage_id"))
            .from("stage_visit")
            .and_where(owned("stage_visit", tenant))
            .and_where(column("stage_visit", "work_item_id").eq(item.as_uuid()))
            .add_group_by([column("stage_visit", "stage_id")])
            .order_by_expr(column("stage_visit", "entered_at").max(), Order::Desc)
            .to_owned();
        let rows = self.open.query_all(&select).await?;
        rows.into_iter().map(|row| Ok(StageId(row.try_get("", "stage_id")?))).collect()
    }

    async fn has_started_run(
        &self,
        tenant: Tenant,
        item: WorkItemId,
        user: UserId,
    ) -> Result<bool> {
        let select = Query::select()
            .expr(Expr::val(1))
            .from("agent_run")
            .and_where(owned("agent_run", tenant))
            .and_where(column("agent_run", "work_item_id").eq(item.as_uuid()))
            .and_where(column("agent_run", "principal_id").eq(user.as_uuid()))
            .limit(1)
            .to_owned();
        Ok(self.open.query_one(&select).await?.is_some())
    }

    async fn update_item(&self, item: &WorkItem) -> Result<()> {
        self.run_one(&item_update(item)?).await
    }
}

#[async_trait]
impl ItemTx for Tx {
    async fn stages_visited(&mut self, tenant: Tenant, item: WorkItemId) -> Answer<Vec<StageId>> {
        Ok(self.visited(tenant, item).await?)
    }

    async fn started_run(
        &mut self,
        tenant: Tenant,
        item: WorkItemId,
        user: UserId,
    ) -> Answer<bool> {
        Ok(self.has_started_run(tenant, item, user).await?)
    }

    async fn in_hand(
        &mut self,
        tenant: Tenant,
        workflow: WorkflowId,
        stage: &StageId,
        user: UserId,
    ) -> Answer<InHand> {
        Ok(self.count_in_hand(tenant, workflow, stage, user).await?)
    }

    async fn existing(&mut self, tenant: Tenant, items: &[WorkItemId]) -> Answer<Vec<WorkItemId>> {
        Ok(self.existing_items(tenant, items).await?)
    }

    async fn set_blockers(
        &mut self,
        item: &Cleared<WorkItem>,
        blockers: &[WorkItemId],
    ) -> Answer<bool> {
        Ok(self.write_blockers(item, blockers).await?)
    }

    async fn open_blockers(&mut self, tenant: Tenant, item: WorkItemId) -> Answer<Vec<WorkItemId>> {
        Ok(self.blockers_left(tenant, item).await?)
    }

    async fn gate_runs(&mut self, tenant: Tenant, item: WorkItemId) -> Answer<()> {
        Ok(self.gate(tenant, item).await?)
    }

    async fn items_by_external_ids(
        &mut self,
        tenant: Tenant,
        workflow: WorkflowId,
        external_ids: &[String],
    ) -> Answer<Vec<(String, WorkItemId)>> {
        Ok(self.find_external(tenant, workflow, external_ids).await?)
    }

    async fn save_item(&mut self, item: &Cleared<WorkItem>) -> Answer<()> {
        Ok(self.update_item(item).await?)
    }
}
