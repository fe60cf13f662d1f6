//! Figures of a workflow, from aggregates over items and stays; history is never scanned.

use permissions::Scope;
use primitives::WorkflowId;
use sea_orm::sea_query::{Alias, CaseStatement, Func, Query, SelectStatement, SimpleExpr};
use sea_orm::{ConnectionTrait, ExprTrait, FromQueryResult};
use uuid::Uuid;
use workflow_core::model::{StageFigures, StageId, WorkflowFigures};

use crate::Storage;
use crate::fault::Result;
use crate::row::narrow;
use crate::visibility::{column, seen};

const MICROS_PER_SECOND: f64 = 1_000_000.0;

#[derive(FromQueryResult)]
struct ItemFigures {
    total: i64,
    completed: i64,
    cancelled: i64,
    failed: i64,
    mean_cycle: Option<f64>,
}

#[derive(FromQueryResult)]
struct VisitFigures {
    stage_id: String,
    entered: i64,
    completed: i64,
    left_otherwise: i64,
    in_stage_now: i64,
    mean_stay: Option<f64>,
}

/// How many rows hold `condition`. Zero, not null, without any rows.
fn count_if(condition: SimpleExpr) -> SimpleExpr {
    Func::count(CaseStatement::new().case(condition, 1)).into()
}

/// Mean of a span of microseconds over the rows that hold `condition`, as a floating number
/// on both databases.
fn mean_if(condition: SimpleExpr, from: SimpleExpr, to: SimpleExpr) -> SimpleExpr {
    let span = to.sub(from).cast_as(Alias::new("double precision"));
    Func::avg(CaseStatement::new().case(condition, span)).into()
}

fn of_items(scope: &Scope, workflow: Uuid) -> SelectStatement {
    let at = |name| column("work_item", name);
    let state = |text: &'static str| at("state").eq(text);
    let cycle = mean_if(state("COMPLETED"), at("created_at"), at("closed_at"));
    Query::select()
        .expr_as(Func::count(at("id")), "total")
        .expr_as(count_if(state("COMPLETED")), "completed")
        .expr_as(count_if(state("CANCELLED")), "cancelled")
        .expr_as(count_if(state("FAILED")), "failed")
        .expr_as(cycle, "mean_cycle")
        .from("work_item")
        .cond_where(seen("work_item", scope))
        .and_where(at("workflow_id").eq(workflow))
        .to_owned()
}

fn of_visits(scope: &Scope, workflow: Uuid) -> SelectStatement {
    let at = |name| column("stage_visit", name);
    let outcome = |text: &'static str| at("outcome").eq(text);
    let ended = at("left_at").is_not_null();
    let stay = mean_if(ended, at("entered_at"), at("left_at"));
    Query::select()
        .expr(at("stage_id"))
        .expr_as(Func::count(at("id")), "entered")
        .expr_as(count_if(outcome("COMPLETED")), "completed")
        .expr_as(count_if(outcome("LEFT")), "left_otherwise")
        .expr_as(count_if(at("left_at").is_null()), "in_stage_now")
        .expr_as(stay, "mean_stay")
        .from("stage_visit")
        .cond_where(seen("stage_visit", scope))
        .and_where(at("workflow_id").eq(workflow))
        .group_by_col(("stage_visit", "stage_id"))
        .order_by(("stage_visit", "stage_id"), sea_orm::sea_query::Order::Asc)
        .to_owned()
}

fn seconds(micros: Option<f64>) -> Option<f64> {
    micros.map(|micros| micros / MICROS_PER_SECOND)
}

fn stage(row: VisitFigures) -> Result<(StageId, StageFigures)> {
    let figures = StageFigures {
        entered: narrow("entered", row.entered)?,
        completed: narrow("completed", row.completed)?,
        left_otherwise: narrow("left_otherwise", row.left_otherwise)?,
        in_stage_now: narrow("in_stage_now", row.in_stage_now)?,
        mean_seconds: seconds(row.mean_stay),
    };
    Ok((StageId(row.stage_id), figures))
}

impl Storage {
    pub(super) async fn figures_of(
        &self,
        scope: &Scope,
        workflow: WorkflowId,
    ) -> Result<WorkflowFigures> {
        let read = self.read(scope).await?;
        let id = workflow.as_uuid();
        let Some(row) = read.rows().query_one(&of_items(scope, id)).await? else {
            return Ok(WorkflowFigures::default());
        };
        let items = ItemFigures::from_query_result(&row, "")?;
        let rows = read.rows().query_all(&of_visits(scope, id)).await?;
        let stages = rows
            .iter()
            .map(|row| stage(VisitFigures::from_query_result(row, "")?))
            .collect::<Result<_>>()?;
        let open = items.total - items.completed - items.cancelled - items.failed;
        Ok(WorkflowFigures {
            total: narrow("total", items.total)?,
            completed: narrow("completed", items.completed)?,
            in_progress: narrow("in_progress", open)?,
            cancelled: narrow("cancelled", items.cancelled)?,
            failed: narrow("failed", items.failed)?,
            mean_cycle_seconds: seconds(items.mean_cycle),
            stages,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::visibility::tests::{scope, sql};

    #[tokio::test]
    async fn figures_are_of_rows_in_scope() {
        let (scope, id) = (scope().await, Uuid::from_u128(1));
        insta::assert_snapshot!(sql(&of_items(&scope, id)));
        insta::assert_snapshot!(sql(&of_visits(&scope, id)));
    }
}
