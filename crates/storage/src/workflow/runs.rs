//! The runs a workflow orders from the agent, and takes back.

use agent_core::model::{Phase, RunInput, RunKind, RunState};
use events::RunOrder;
use primitives::{RunId, WorkItemId};
use sea_orm::sea_query::{Expr, Query, SimpleExpr};
use sea_orm::{ConnectionTrait, ExprTrait};

use crate::Tx;
use crate::fault::Result;
use crate::row::{narrow, to_json, to_json_opt};
use crate::visibility::{column, constant};

impl Tx {
    pub(super) async fn queue_runs(&mut self, orders: &[RunOrder]) -> Result<()> {
        let mut insert = Query::insert();
        insert.into_table("agent_run");
        for order in orders {
            let (columns, values): (Vec<_>, Vec<_>) = self.run_cells(order)?.into_iter().unzip();
            insert.columns(columns).values_panic(values);
        }
        if orders.is_empty() {
            return Ok(());
        }
        self.run(&insert).await?;
        self.wakes = true;
        Ok(())
    }

    fn run_cells(&self, order: &RunOrder) -> Result<[(&'static str, SimpleExpr); 20]> {
        let limits = self.storage.run_limits();
        let now = self.storage.dialect().now();
        let deadline: i64 = narrow("deadline", limits.deadline.as_micros())?;
        let input = RunInput::Assist { stage_id: order.stage_id.clone(), visit: order.visit };
        let max_attempts: i32 = narrow("max_attempts", limits.max_attempts)?;
        Ok([
            ("id", order.run.as_uuid().into()),
            ("tenant_kind", order.tenant.kind().as_str().into()),
            ("tenant_id", order.tenant.id().into()),
            ("kind", RunKind::Assist.as_str().into()),
            ("state", RunState::Queued.as_str().into()),
            ("phase", Phase::Queued.as_str().into()),
            ("principal_id", order.principal.as_uuid().into()),
            ("work_item_id", order.work_item.as_uuid().into()),
            ("visit_id", order.visit.as_uuid().into()),
            ("repository_id", order.repository.map(|id| id.as_uuid()).into()),
            ("input", to_json(&input)?.into()),
            ("cause", to_json_opt(order.cause.as_ref())?.into()),
            ("attempt", 0.into()),
            ("max_attempts", max_attempts.into()),
            ("fence", 0_i64.into()),
            // By the database's clock, which is the one that claims look at.
            ("due_at", now.clone()),
            ("deadline_at", now.add(deadline)),
            ("engine_used", "".into()),
            ("model_used", "".into()),
            ("created_at", order.time.as_micros().into()),
        ])
    }

    pub(super) async fn cancel_runs(&mut self, item: WorkItemId) -> Result<Vec<RunId>> {
        let update = Query::update()
            .table("agent_run")
            .value("state", RunState::Cancelled.as_str())
            // Whoever works on it has lost it.
            .value("fence", Expr::col("fence").add(1))
            .value("ended_at", self.storage.dialect().now())
            // The item was told in this very transaction.
            .value("settled_at", self.storage.dialect().now())
            .and_where(column("agent_run", "work_item_id").eq(item.as_uuid()))
            .and_where(column("agent_run", "state").is_in(["QUEUED", "RUNNING"].map(constant)))
            .returning_col("id")
            .to_owned();
        let rows = self.open.query_all(&update).await?;
        rows.iter().map(|row| Ok(RunId::from_uuid(row.try_get("", "id")?))).collect()
    }
}
