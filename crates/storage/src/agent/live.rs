//! Live runs that are stopped, within the transaction of an owner.

use agent_core::StoreError;
use agent_core::model::{RunProblem, RunState};
use agent_core::port::live::{LiveRun, LiveRunsTx};
use async_trait::async_trait;
use permissions::{Cleared, Scope, Visible};
use primitives::{RunId, UserId};
use sea_orm::sea_query::{Expr, Order, Query, SelectStatement, SimpleExpr};
use sea_orm::{ConnectionTrait, ExprTrait, QueryResult};

use crate::Tx;
use crate::fault::{Fault, Result};
use crate::queue::note;
use crate::row::tenant;
use crate::visibility::{column, constant, owned, seen, show};

type Stored<T> = std::result::Result<T, StoreError>;

fn is_live() -> SimpleExpr {
    let live = [RunState::Queued.as_str(), RunState::Running.as_str()].map(constant);
    column("agent_run", "state").is_in(live)
}

/// In one order for everybody, so that two who stop the same runs wait and do not lock up.
fn live_of(scope: &Scope, runs: &[RunId]) -> SelectStatement {
    let at = |name| column("agent_run", name);
    Query::select()
        .exprs(["id", "tenant_kind", "tenant_id", "principal_id"].map(at))
        .from("agent_run")
        .cond_where(seen("agent_run", scope))
        .and_where(at("id").is_in(runs.iter().map(primitives::Id::as_uuid)))
        .and_where(is_live())
        .order_by(("agent_run", "id"), Order::Asc)
        .to_owned()
}

/// Reads id, owner and principal.
pub(crate) fn live_run(row: &QueryResult) -> Result<LiveRun> {
    let kind: String = row.try_get("", "tenant_kind")?;
    Ok(LiveRun {
        id: RunId::from_uuid(row.try_get("", "id")?),
        tenant: tenant(&kind, row.try_get("", "tenant_id")?)?,
        principal: UserId::from_uuid(row.try_get("", "principal_id")?),
    })
}

impl Tx {
    async fn hold_live(&self, scope: &Scope, runs: &[RunId]) -> Result<Vec<Visible<LiveRun>>> {
        if runs.is_empty() {
            return Ok(Vec::new());
        }
        let mut select = live_of(scope, runs);
        self.storage.dialect().lock_rows(&mut select, "agent_run");
        let rows = self.open.query_all(&select).await?;
        let rows = rows.iter().map(live_run).collect::<Result<Vec<_>>>()?;
        Ok(rows.into_iter().filter_map(|row| show(scope, row)).collect())
    }

    async fn end_live(&mut self, runs: &[Cleared<LiveRun>], problem: &RunProblem) -> Result<()> {
        let Some(owner) = runs.first().map(|run| run.tenant) else { return Ok(()) };
        if runs.iter().any(|run| run.tenant != owner) {
            return Err(Fault::Internal("runs of several owners are not stopped at once".into()));
        }
        let update = Query::update()
            .table("agent_run")
            .value("state", RunState::Cancelled.as_str())
            // Whoever works on it has lost it.
            .value("fence", Expr::col("fence").add(1))
            .value("lease_until", Expr::val(None::<i64>))
            .value("worker", Expr::val(None::<String>))
            .value("problem_reason", problem.reason.as_str())
            .value("problem_message", note(&problem.message))
            .value("ended_at", self.storage.dialect().now())
            .and_where(owned("agent_run", owner))
            .and_where(column("agent_run", "id").is_in(runs.iter().map(|run| run.id.as_uuid())))
            .and_where(is_live())
            .to_owned();
        let stopped = self.run(&update).await?;
        self.wakes = true;
        if stopped == runs.len() as u64 { Ok(()) } else { Err(Fault::Stale) }
    }
}

#[async_trait]
impl LiveRunsTx for Tx {
    async fn lock_live(&mut self, scope: &Scope, runs: &[RunId]) -> Stored<Vec<Visible<LiveRun>>> {
        Ok(self.hold_live(scope, runs).await?)
    }

    async fn cancel_live(&mut self, runs: &[Cleared<LiveRun>], problem: &RunProblem) -> Stored<()> {
        Ok(self.end_live(runs, problem).await?)
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::dialect::Dialect;
    use crate::visibility::tests::{scope, sql};

    #[tokio::test]
    async fn live_runs_are_held_in_scope() {
        let runs = [RunId::from_uuid(Uuid::from_u128(7))];
        let mut select = live_of(&scope().await, &runs);
        Dialect::Postgres.lock_rows(&mut select, "agent_run");
        insta::assert_snapshot!(sql(&select));
    }
}
