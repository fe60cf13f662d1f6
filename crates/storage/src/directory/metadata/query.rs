//! What is asked for: only columns that the role of metadata is granted.

use directory::metadata::RunsFilter;
use primitives::{PageRequest, Tenant, UserId};
use sea_orm::ExprTrait;
use sea_orm::sea_query::{Expr, Order, Query, SelectStatement};

use crate::dialect::Dialect;
use crate::visibility::{Direction, column, owned, page};

pub(super) const OPEN: &str = "'PENDING', 'CLAIMED', 'IN_PROGRESS', 'BLOCKED'";
const LIVE: &str = "'QUEUED', 'RUNNING'";

pub(super) fn columns(table: &'static str, names: &[&'static str]) -> SelectStatement {
    let mut select = Query::select();
    select.exprs(names.iter().map(|name| column(table, name))).from(table);
    select
}

pub(super) fn users(dialect: Dialect) -> SelectStatement {
    let roles = match dialect {
        Dialect::Postgres => "string_agg(r.role, ',')",
        Dialect::Sqlite => "group_concat(r.role, ',')",
    };
    let now = match dialect {
        Dialect::Postgres => "cast(extract(epoch from clock_timestamp()) * 1000000 as bigint)",
        Dialect::Sqlite => "cast(unixepoch('subsec') * 1000000 as integer)",
    };
    let held = format!(
        "from role_assignment r where r.user_id = app_user.id
         and (r.expires_at is null or r.expires_at > {now})"
    );
    let mut select = columns(
        "app_user",
        &["id", "subject", "display_name", "kind", "active", "created_at", "deactivated_at"],
    );
    for (name, sql) in [
        ("system_roles", format!("(select {roles} {held} and r.scope_kind = 'system')")),
        (
            "teams",
            format!(
                "(select count(distinct r.scope_id) {held} and r.scope_kind = 'team'
                  and r.scope_id in (select t.id from team t where t.deleted_at is null))"
            ),
        ),
        (
            "last_active_at",
            "(select max(a.recorded_at) from audit_event a where a.actor_id = app_user.id)".into(),
        ),
        (
            "personal_workflows",
            "(select count(*) from workflow w where w.tenant_kind = 'person'
              and w.tenant_id = app_user.id and not w.is_template and w.deleted_at is null)"
                .into(),
        ),
        (
            "claimed_items",
            format!(
                "(select count(*) from work_item i where i.assignee_id = app_user.id
                  and i.state in ({OPEN}))"
            ),
        ),
        (
            "active_sessions",
            "(select count(*) from session s where s.tenant_kind = 'person'
              and s.tenant_id = app_user.id and s.state = 'ACTIVE')"
                .into(),
        ),
        (
            "live_runs",
            format!(
                "(select count(*) from agent_run g where g.principal_id = app_user.id
                  and g.state in ({LIVE}))"
            ),
        ),
    ] {
        select.expr_as(Expr::cust(sql), name);
    }
    select
}

pub(super) fn workflows_of(user: UserId, request: PageRequest) -> SelectStatement {
    let mut select = columns(
        "workflow",
        &[
            "id",
            "tenant_kind",
            "tenant_id",
            "is_template",
            "creator_id",
            "revision",
            "created_at",
            "updated_at",
            "deleted_at",
        ],
    );
    let name = "case when workflow.tenant_kind = 'person' then null
                else workflow.display_name end";
    select.expr_as(Expr::cust(name), "shown_name").and_where(
        owned("workflow", Tenant::Person(user))
            .or(column("workflow", "creator_id").eq(user.as_uuid())),
    );
    page(&mut select, "workflow", "created_at", Direction::NewestFirst, request);
    select
}

pub(super) fn sessions_of(user: UserId, request: PageRequest) -> SelectStatement {
    let mut select = columns(
        "session",
        &[
            "id",
            "repository_id",
            "work_item_id",
            "state",
            "created_at",
            "last_activity_at",
            "closed_at",
        ],
    );
    select.and_where(owned("session", Tenant::Person(user)));
    page(&mut select, "session", "last_activity_at", Direction::NewestFirst, request);
    select
}

pub(super) fn runs(filter: &RunsFilter, request: PageRequest) -> SelectStatement {
    let mut select = columns(
        "agent_run",
        &[
            "id",
            "tenant_kind",
            "tenant_id",
            "kind",
            "state",
            "phase",
            "principal_id",
            "work_item_id",
            "repository_id",
            "attempt",
            "worker",
            "problem_reason",
            "created_at",
            "started_at",
            "heartbeat_at",
            "ended_at",
        ],
    );
    if let Some(state) = &filter.state {
        select.and_where(column("agent_run", "state").eq(state.as_str()));
    }
    if let Some(owner) = filter.owner {
        select.and_where(owned("agent_run", owner));
    }
    if let Some(principal) = filter.principal {
        select.and_where(column("agent_run", "principal_id").eq(principal.as_uuid()));
    }
    page(&mut select, "agent_run", "created_at", Direction::NewestFirst, request);
    select
}

pub(super) fn numbers(dialect: Dialect) -> SelectStatement {
    let bytes = match dialect {
        Dialect::Postgres => "pg_database_size(current_database())",
        Dialect::Sqlite => {
            "(select p.page_count * s.page_size from pragma_page_count p, pragma_page_size s)"
        }
    };
    let count = |from: &str| format!("(select count(*) from {from})");
    let mut select = Query::select();
    for (name, sql) in [
        ("users", count("app_user where active")),
        ("deactivated_users", count("app_user where not active")),
        ("teams", count("team where deleted_at is null")),
        ("workflows", count("workflow where not is_template and deleted_at is null")),
        ("templates", count("workflow where is_template and deleted_at is null")),
        ("active_sessions", count("session where state = 'ACTIVE'")),
        ("repositories", count("repository")),
        ("audit_events", count("audit_event")),
        ("queued_runs", count("agent_run where state = 'QUEUED'")),
        ("oldest_run", "(select min(created_at) from agent_run where state = 'QUEUED')".into()),
        ("waiting_events", count("outbox where state = 'PENDING'")),
        ("oldest_event", "(select min(created_at) from outbox where state = 'PENDING')".into()),
        ("database_bytes", bytes.into()),
    ] {
        select.expr_as(Expr::cust(sql), name);
    }
    select
}

/// Rows of `table` by one of its columns.
pub(super) fn counted(table: &'static str, by: &'static str) -> SelectStatement {
    let mut select = Query::select();
    select
        .expr_as(column(table, by), "name")
        .expr_as(Expr::cust("count(*)"), "number")
        .from(table)
        .group_by_col((table, by))
        .order_by((table, by), Order::Asc);
    select
}

pub(super) fn workers() -> SelectStatement {
    let mut select = Query::select();
    select
        .expr_as(column("agent_run", "worker"), "name")
        .expr_as(Expr::cust("count(*)"), "number")
        .expr_as(Expr::cust("max(heartbeat_at)"), "heartbeat_at")
        .from("agent_run")
        .and_where(column("agent_run", "state").eq("RUNNING"))
        .and_where(column("agent_run", "worker").is_not_null())
        .group_by_col(("agent_run", "worker"))
        .order_by(("agent_run", "worker"), Order::Asc);
    select
}
