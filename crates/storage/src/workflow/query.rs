//! The scoped queries over workflows and items. Their SQL is pinned by snapshots below.

use permissions::Scope;
use primitives::PageRequest;
use sea_orm::sea_query::{Alias, Cond, Condition, Expr, Query, SelectStatement};
use sea_orm::{EntityTrait, ExprTrait, FromQueryResult, QueryTrait};
use uuid::Uuid;
use workflow_core::store::{ItemFilter, WorkflowFilter};

use crate::row::item::{transition, work_item};
use crate::row::workflows::{trigger_firing, workflow};
use crate::visibility::{Direction, column, constant, page, seen};

/// A workflow with its newest definition; the text is null when that was published while
/// this statement waited for the row.
#[derive(Debug, FromQueryResult)]
pub(super) struct WorkflowRow {
    #[sea_orm(nested)]
    pub(super) workflow: workflow::Model,
    pub(super) definition: Option<String>,
    pub(super) newest_template_revision: Option<i64>,
}

/// An item with what is shown beside it.
#[derive(Debug, FromQueryResult)]
pub(super) struct ItemRow {
    #[sea_orm(nested)]
    pub(super) item: work_item::Model,
    pub(super) workflow_name: String,
    pub(super) item_key: String,
    pub(super) live_run: Option<Uuid>,
    pub(super) paused_at: Option<i64>,
    pub(super) paused_stages: String,
}

/// `left.tenant = right.tenant`
pub(super) fn same_tenant(left: &'static str, right: &'static str) -> Condition {
    let same = |name: &'static str| column(left, name).eq(column(right, name));
    Cond::all().add(same("tenant_kind")).add(same("tenant_id"))
}

/// The newest revision of the template that a workflow was made from, if the scope sees it.
fn newest_template(scope: &Scope) -> SelectStatement {
    let template = |name| column("template", name);
    Query::select()
        .expr(template("revision"))
        .from_as(Alias::new("workflow"), Alias::new("template"))
        .cond_where(seen("template", scope))
        .and_where(template("id").eq(column("workflow", "source_template_id")))
        .and_where(template("is_template"))
        .and_where(template("deleted_at").is_null())
        .to_owned()
}

pub(super) fn workflows(scope: &Scope) -> SelectStatement {
    let revision = same_tenant("workflow_revision", "workflow")
        .add(column("workflow_revision", "workflow_id").eq(column("workflow", "id")))
        .add(column("workflow_revision", "revision").eq(column("workflow", "revision")));
    workflow::Entity::find()
        .into_query()
        .expr_as(column("workflow_revision", "definition"), Alias::new("definition"))
        .expr_as(Expr::from(newest_template(scope)), Alias::new("newest_template_revision"))
        .left_join(Alias::new("workflow_revision"), revision)
        .cond_where(seen("workflow", scope))
        .to_owned()
}

pub(super) fn one_workflow(scope: &Scope, id: Uuid, template: Option<bool>) -> SelectStatement {
    let mut select = workflows(scope);
    select.and_where(column("workflow", "id").eq(id));
    if let Some(template) = template {
        select.and_where(column("workflow", "is_template").eq(template));
    }
    select
}

pub(super) fn workflow_page(
    scope: &Scope,
    templates: bool,
    filter: &WorkflowFilter,
    request: PageRequest,
) -> SelectStatement {
    let mut select = workflows(scope);
    select
        .and_where(column("workflow", "is_template").eq(templates))
        .and_where(column("workflow", "deleted_at").is_null());
    if let Some(tenant) = filter.tenant {
        select.and_where(crate::visibility::owned("workflow", tenant));
    }
    if let Some(category) = &filter.category {
        select.and_where(column("workflow", "category").eq(category.as_str()));
    }
    if filter.with_agent_stage {
        select.and_where(column("workflow", "has_agent_stage"));
    }
    page(&mut select, "workflow", "created_at", Direction::NewestFirst, request);
    select
}

/// The QUEUED or RUNNING run of the item's present stay: at most one, by its unique index.
pub(super) fn live_run() -> SelectStatement {
    Query::select()
        .expr(column("agent_run", "id"))
        .from(Alias::new("agent_run"))
        .cond_where(same_tenant("agent_run", "work_item"))
        .and_where(column("agent_run", "visit_id").eq(column("work_item", "visit_id")))
        .and_where(column("agent_run", "state").is_in(["QUEUED", "RUNNING"].map(constant)))
        .to_owned()
}

pub(super) fn items(scope: &Scope) -> SelectStatement {
    let workflow = same_tenant("workflow", "work_item")
        .add(column("workflow", "id").eq(column("work_item", "workflow_id")));
    work_item::Entity::find()
        .into_query()
        .expr_as(column("workflow", "display_name"), Alias::new("workflow_name"))
        .expr_as(column("workflow", "item_key"), Alias::new("item_key"))
        .expr_as(column("workflow", "paused_at"), Alias::new("paused_at"))
        .expr_as(column("workflow", "paused_stages"), Alias::new("paused_stages"))
        .expr_as(Expr::from(live_run()), Alias::new("live_run"))
        .inner_join(Alias::new("workflow"), workflow)
        .cond_where(seen("work_item", scope))
        .to_owned()
}

/// One item with its definition.
pub(super) fn one_item(scope: &Scope, id: Uuid) -> SelectStatement {
    let revision = same_tenant("workflow_revision", "work_item")
        .add(column("workflow_revision", "workflow_id").eq(column("work_item", "workflow_id")))
        .add(column("workflow_revision", "revision").eq(column("work_item", "revision")));
    items(scope)
        .expr_as(column("workflow_revision", "definition"), Alias::new("definition"))
        .left_join(Alias::new("workflow_revision"), revision)
        .and_where(column("work_item", "id").eq(id))
        .to_owned()
}

/// The version of the row as this statement's snapshot knows it. A statement that had to wait
/// for the row's lock returns the row's new version beside this old one, and everything else
/// it joined is old, too.
pub(super) fn add_seen_version(select: &mut SelectStatement, table: &'static str) {
    let again = Query::select()
        .expr(column("again", "version"))
        .from_as(Alias::new(table), Alias::new("again"))
        .and_where(column("again", "id").eq(column(table, "id")))
        .to_owned();
    select.expr_as(Expr::from(again), Alias::new("seen_version"));
}

pub(super) fn item_page(
    scope: &Scope,
    filter: &ItemFilter,
    request: PageRequest,
) -> SelectStatement {
    let mut select = items(scope);
    if let Some(workflow) = filter.workflow {
        select.and_where(column("work_item", "workflow_id").eq(workflow.as_uuid()));
    }
    if let Some(state) = filter.state {
        select.and_where(column("work_item", "state").eq(state.as_str()));
    }
    if let Some(assignee) = filter.assignee {
        select.and_where(column("work_item", "assignee_id").eq(assignee.as_uuid()));
    }
    page(&mut select, "work_item", "created_at", Direction::NewestFirst, request);
    select
}

/// Definitions by workflow and revision.
pub(super) fn definitions(scope: &Scope, pairs: &[(Uuid, i64)]) -> SelectStatement {
    let key = Expr::tuple([
        column("workflow_revision", "workflow_id"),
        column("workflow_revision", "revision"),
    ]);
    Query::select()
        .expr(column("workflow_revision", "workflow_id"))
        .expr(column("workflow_revision", "revision"))
        .expr(column("workflow_revision", "definition"))
        .from(Alias::new("workflow_revision"))
        .cond_where(seen("workflow_revision", scope))
        .and_where(key.in_tuples(pairs.iter().copied()))
        .to_owned()
}

pub(super) fn transitions(scope: &Scope, item: Uuid) -> SelectStatement {
    transition::Entity::find()
        .into_query()
        .cond_where(seen("transition", scope))
        .and_where(column("transition", "work_item_id").eq(item))
        .to_owned()
}

pub(super) fn firings(scope: &Scope, workflow: Uuid) -> SelectStatement {
    trigger_firing::Entity::find()
        .into_query()
        .cond_where(seen("trigger_firing", scope))
        .and_where(column("trigger_firing", "workflow_id").eq(workflow))
        .to_owned()
}

#[cfg(test)]
mod tests {
    use primitives::{Tenant, UserId, WorkflowId};
    use workflow_core::model::ItemState;

    use super::*;
    use crate::dialect::Dialect;
    use crate::visibility::tests::{scope, sql};

    const ID: Uuid = Uuid::from_u128(1);

    #[tokio::test]
    async fn one_workflow_is_sought_in_scope() {
        insta::assert_snapshot!(sql(&one_workflow(&scope().await, ID, Some(false))));
    }

    #[tokio::test]
    async fn workflows_are_listed_in_scope() {
        let filter = WorkflowFilter {
            tenant: Some(Tenant::Global),
            category: Some("x".into()),
            with_agent_stage: true,
        };
        let select = workflow_page(&scope().await, true, &filter, PageRequest::first());
        insta::assert_snapshot!(sql(&select));
    }

    #[tokio::test]
    async fn an_item_is_held_in_scope() {
        let mut select = one_item(&scope().await, ID);
        add_seen_version(&mut select, "work_item");
        Dialect::Postgres.lock_rows(&mut select, "work_item");
        insta::assert_snapshot!(sql(&select));
    }

    #[tokio::test]
    async fn items_are_listed_in_scope() {
        let filter = ItemFilter {
            workflow: Some(WorkflowId::from_uuid(ID)),
            state: Some(ItemState::Claimed),
            assignee: Some(UserId::from_uuid(ID)),
        };
        let select = item_page(&scope().await, &filter, PageRequest::first());
        insta::assert_snapshot!(sql(&select));
    }

    #[tokio::test]
    async fn definitions_are_read_in_scope() {
        insta::assert_snapshot!(sql(&definitions(&scope().await, &[(ID, 1), (ID, 2)])));
    }

    #[tokio::test]
    async fn transitions_are_listed_in_scope() {
        insta::assert_snapshot!(sql(&transitions(&scope().await, ID)));
    }

    #[tokio::test]
    async fn firings_are_listed_in_scope() {
        insta::assert_snapshot!(sql(&firings(&scope().await, ID)));
    }
}
