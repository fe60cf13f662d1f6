//! Stays of items in stages: how one ends and the next begins.

use primitives::{Tenant, WorkItemId};
use sea_orm::ExprTrait;
use sea_orm::sea_query::{Expr, OnConflict, Query, SimpleExpr, UnionType, UpdateStatement};
use workflow_core::model::{ItemMove, Visit, VisitEnd};

use super::convert;
use crate::fault::{Fault, Result};
use crate::row::insert;
use crate::row::item::stage_visit;
use crate::tx::Write;
use crate::visibility::{column, owned};

fn end_visit(tenant: Tenant, item: WorkItemId, end: &VisitEnd) -> UpdateStatement {
    Query::update()
        .table("stage_visit")
        .value("left_at", end.time.as_micros())
        .value("outcome", end.outcome.as_str())
        .and_where(owned("stage_visit", tenant))
        .and_where(column("stage_visit", "id").eq(end.visit.as_uuid()))
        .and_where(column("stage_visit", "work_item_id").eq(item.as_uuid()))
        .and_where(column("stage_visit", "left_at").is_null())
        .to_owned()
}

const VISIT_COLUMNS: [stage_visit::Column; 9] = [
    stage_visit::Column::Id,
    stage_visit::Column::TenantKind,
    stage_visit::Column::TenantId,
    stage_visit::Column::WorkItemId,
    stage_visit::Column::WorkflowId,
    stage_visit::Column::StageId,
    stage_visit::Column::EnteredAt,
    stage_visit::Column::LeftAt,
    stage_visit::Column::Outcome,
];

/// Ends one stay and begins the next in one statement: the old row is offered again with its
/// end and updates itself, the new one follows it. In this order an item never has two.
fn change_visit(tenant: Tenant, item: WorkItemId, end: &VisitEnd, next: &Visit) -> Result<Write> {
    use stage_visit::Column::{Id, LeftAt, Outcome};

    let mut ended = Query::select();
    for kept in VISIT_COLUMNS.into_iter().filter(|column| !matches!(column, LeftAt | Outcome)) {
        ended.expr(Expr::col((stage_visit::Entity, kept)));
    }
    ended
        .expr(Expr::val(end.time.as_micros()))
        .expr(Expr::val(end.outcome.as_str()))
        .from("stage_visit")
        .and_where(owned("stage_visit", tenant))
        .and_where(column("stage_visit", "id").eq(end.visit.as_uuid()))
        .and_where(column("stage_visit", "work_item_id").eq(item.as_uuid()))
        .and_where(column("stage_visit", "left_at").is_null());

    let row = convert::visit_row(next);
    let cells: [SimpleExpr; 9] = [
        row.id.into(),
        row.tenant_kind.into(),
        row.tenant_id.into(),
        row.work_item_id.into(),
        row.workflow_id.into(),
        row.stage_id.into(),
        row.entered_at.into(),
        row.left_at.into(),
        row.outcome.into(),
    ];
    let mut begun = Query::select();
    // Without a WHERE, SQLite takes the ON of ON CONFLICT for a join's.
    begun.exprs(cells).and_where(Expr::val(1).eq(1));

    ended.union(UnionType::All, begun);
    let conflict = OnConflict::column(Id).update_columns([LeftAt, Outcome]).to_owned();
    let mut insert = Query::insert();
    insert.into_table(stage_visit::Entity).columns(VISIT_COLUMNS);
    insert
        .select_from(ended)
        .map_err(|error| Fault::Internal(format!("a statement cannot be built: {error}")))?;
    Ok(Write::new(insert.on_conflict(conflict).to_owned(), 2))
}

pub(super) fn visit_write(step: &ItemMove) -> Result<Option<Write>> {
    let (tenant, item) = (step.item.tenant, step.item.id);
    Ok(match (&step.left, &step.entered) {
        (Some(end), Some(next)) => Some(change_visit(tenant, item, end, next)?),
        (Some(end), None) => Some(Write::new(end_visit(tenant, item, end), 1)),
        (None, Some(next)) => Some(Write::new(insert(vec![convert::visit_row(next)]), 1)),
        (None, None) => None,
    })
}
