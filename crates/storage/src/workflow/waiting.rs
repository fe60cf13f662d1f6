//! What waits for what: places at a stage, items for other items, runs for their item.

use primitives::{Tenant, UserId, WorkItemId, WorkflowId};
use sea_orm::sea_query::{
    CommonTableExpression, Expr, Func, Query, SelectStatement, SimpleExpr, UnionType,
};
use sea_orm::{ConnectionTrait, ExprTrait};
use workflow_core::model::{StageId, WorkItem};
use workflow_core::store::InHand;

use crate::Tx;
use crate::dialect::Dialect;
use crate::fault::Result;
use crate::row::narrow;
use crate::visibility::{column, constant, owned};

/// A run that waits for its item is due then, and no clock comes so far.
const NEVER: i64 = i64::MAX;
const OPEN: [&str; 4] = ["PENDING", "CLAIMED", "IN_PROGRESS", "BLOCKED"];

/// The items that `item` waits for and that are open.
fn open_blockers(tenant: Tenant, item: SimpleExpr) -> SelectStatement {
    Query::select()
        .expr(column("blocker", "id"))
        .from("work_item_dependency")
        .inner_join(
            sea_orm::sea_query::TableRef::from("work_item").alias("blocker"),
            column("blocker", "id").eq(column("work_item_dependency", "blocker_id")),
        )
        .and_where(owned("work_item_dependency", tenant))
        .and_where(column("work_item_dependency", "work_item_id").eq(item))
        .and_where(column("blocker", "state").is_in(OPEN.map(constant)))
        .to_owned()
}

impl Tx {
    /// Lets nobody else past the same words until this transaction is over. SQLite's one
    /// writer is alone anyway.
    pub(super) async fn alone(&self, words: &str) -> Result<()> {
        if self.storage.dialect() == Dialect::Sqlite {
            return Ok(());
        }
        let hash = Func::cust("hashtextextended").args([Expr::val(words), Expr::val(0)]);
        let lock = Func::cust("pg_advisory_xact_lock").arg(hash);
        self.open.query_one(&Query::select().expr(lock).to_owned()).await?;
        Ok(())
    }

    pub(super) async fn count_in_hand(
        &self,
        tenant: Tenant,
        workflow: WorkflowId,
        stage: &StageId,
        user: UserId,
    ) -> Result<InHand> {
        self.alone(&format!("{workflow}/{stage}")).await?;
        let own = Expr::case(column("work_item", "assignee_id").eq(user.as_uuid()), 1).finally(0);
        let select = Query::select()
            .expr_as(Func::count(column("work_item", "id")), "everybodys")
            .expr_as(Func::coalesce([Func::sum(own).cast_as("bigint"), 0_i64.into()]), "own")
            .from("work_item")
            .and_where(owned("work_item", tenant))
            .and_where(column("work_item", "workflow_id").eq(workflow.as_uuid()))
            .and_where(column("work_item", "stage_id").eq(stage.0.as_str()))
            .and_where(column("work_item", "assignee_id").is_not_null())
            .and_where(column("work_item", "state").is_in(OPEN.map(constant)))
            .to_owned();
        let Some(row) = self.open.query_one(&select).await? else { return Ok(InHand::default()) };
        let (all, own): (i64, i64) = (row.try_get("", "everybodys")?, row.try_get("", "own")?);
        Ok(InHand { all: narrow("count", all)?, own: narrow("count", own)? })
    }

    pub(super) async fn existing_items(
        &self,
        tenant: Tenant,
        items: &[WorkItemId],
    ) -> Result<Vec<WorkItemId>> {
        let select = Query::select()
            .expr(column("work_item", "id"))
            .from("work_item")
            .and_where(owned("work_item", tenant))
            .and_where(column("work_item", "id").is_in(items.iter().map(WorkItemId::as_uuid)))
            .to_owned();
        self.ids(&select).await
    }

    pub(super) async fn write_blockers(
        &self,
        item: &WorkItem,
        blockers: &[WorkItemId],
    ) -> Result<bool> {
        let tenant = item.tenant;
        self.alone(&format!("dependencies of {tenant:?}")).await?;
        let delete = Query::delete()
            .from_table("work_item_dependency")
            .and_where(owned("work_item_dependency", tenant))
            .and_where(column("work_item_dependency", "work_item_id").eq(item.id.as_uuid()))
            .to_owned();
        if blockers.is_empty() {
            self.run(&delete).await?;
            return Ok(true);
        }
        if self.leads_to(tenant, blockers, item.id).await? {
            return Ok(false);
        }
        self.run(&delete).await?;
        let mut insert = Query::insert();
        insert.into_table("work_item_dependency").columns([
            "tenant_kind",
            "tenant_id",
            "work_item_id",
            "blocker_id",
        ]);
        for blocker in blockers {
            insert.values_panic([
                tenant.kind().as_str().into(),
                tenant.id().into(),
                item.id.as_uuid().into(),
                blocker.as_uuid().into(),
            ]);
        }
        self.run(&insert).await?;
        // Whoever ends one of them meanwhile holds it: then this waits, and finds it over.
        let mark = Query::update()
            .table("work_item")
            .value("is_blocker", true)
            .and_where(owned("work_item", tenant))
            .and_where(column("work_item", "id").is_in(blockers.iter().map(WorkItemId::as_uuid)))
            .to_owned();
        self.run(&mark).await?;
        Ok(true)
    }

    /// Whether one of `from` waits for `item`, directly or through others.
    async fn leads_to(
        &self,
        tenant: Tenant,
        from: &[WorkItemId],
        item: WorkItemId,
    ) -> Result<bool> {
        let edge = |name| column("work_item_dependency", name);
        let begin = Query::select()
            .expr_as(column("work_item", "id"), "id")
            .from("work_item")
            .and_where(owned("work_item", tenant))
            .and_where(column("work_item", "id").is_in(from.iter().map(WorkItemId::as_uuid)))
            .to_owned();
        let further = Query::select()
            .expr_as(edge("blocker_id"), "id")
            .from("work_item_dependency")
            .inner_join("reached", column("reached", "id").eq(edge("work_item_id")))
            .and_where(owned("work_item_dependency", tenant))
            .to_owned();
        // UNION, not UNION ALL: each item is followed once, so this ends whatever is stored.
        let reached = CommonTableExpression::new()
            .query(begin.clone().union(UnionType::Distinct, further).to_owned())
            .table_name("reached")
            .column("id")
            .to_owned();
        let with = sea_orm::sea_query::WithClause::new().recursive(true).cte(reached).to_owned();
        let select = Query::select()
            .expr(column("reached", "id"))
            .from("reached")
            .and_where(column("reached", "id").eq(item.as_uuid()))
            .to_owned()
            .with(with);
        Ok(self.open.query_one(&select).await?.is_some())
    }

    pub(super) async fn blockers_left(
        &self,
        tenant: Tenant,
        item: WorkItemId,
    ) -> Result<Vec<WorkItemId>> {
        self.ids(&open_blockers(tenant, item.as_uuid().into())).await
    }

    pub(super) async fn gate(&mut self, tenant: Tenant, item: WorkItemId) -> Result<()> {
        let run = |name| column("agent_run", name);
        let waiting = Query::select()
            .expr(column("work_item_dependency", "work_item_id"))
            .from("work_item_dependency")
            .and_where(owned("work_item_dependency", tenant))
            .and_where(column("work_item_dependency", "blocker_id").eq(item.as_uuid()))
            .to_owned();
        let limits = self.storage.run_limits();
        let limit: i64 = narrow("deadline", limits.deadline.as_micros())?;
        let now = self.storage.dialect().now();
        let waits = Expr::exists(open_blockers(tenant, run("work_item_id")));
        let was_held = run("due_at").eq(NEVER);
        let due = Expr::case(waits.clone(), NEVER)
            .case(was_held.clone(), now.clone())
            .finally(run("due_at"));
        let deadline =
            Expr::case(waits, NEVER).case(was_held, now.add(limit)).finally(run("deadline_at"));
        let update = Query::update()
            .table("agent_run")
            .value("due_at", due)
            .value("deadline_at", deadline)
            .and_where(owned("agent_run", tenant))
            .and_where(run("state").eq(constant("QUEUED")))
            .and_where(
                run("work_item_id").eq(item.as_uuid()).or(run("work_item_id").in_subquery(waiting)),
            )
            .to_owned();
        self.run(&update).await?;
        self.wakes = true;
        Ok(())
    }

    async fn ids(&self, select: &SelectStatement) -> Result<Vec<WorkItemId>> {
        let rows = self.open.query_all(select).await?;
        rows.iter().map(|row| Ok(WorkItemId::from_uuid(row.try_get("", "id")?))).collect()
    }
}
