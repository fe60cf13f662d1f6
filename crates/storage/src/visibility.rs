//! The only door to rows of tenants.
//!
//! A caller sees rows of his teams, his own, and everyone's. The same rule stands here as a
//! condition in SQL and in [`Scope::show`]: rows pass both, so that a query that forgot the
//! first cannot leak.

use permissions::{Scope, Tenanted, Visible};
use primitives::{Page, PageAfter, PageRequest, Tenant, TenantKind};
use sea_orm::sea_query::{Alias, Condition, Expr, Order, SelectStatement, SimpleExpr};
use sea_orm::{ExprTrait, FromQueryResult, QueryResult};

use crate::fault::{Fault, Result};

pub(crate) fn column(table: &'static str, name: &'static str) -> Expr {
    Expr::col((Alias::new(table), Alias::new(name)))
}

/// A text of ours, written into the statement: a bound value does not match a partial index,
/// and hides from the planner how rare the kind of owner is.
pub(crate) fn constant(text: &'static str) -> SimpleExpr {
    Expr::cust(format!("'{text}'"))
}

/// Rows of `table` that the scope sees.
pub(crate) fn seen(table: &'static str, scope: &Scope) -> Condition {
    let teams: Vec<_> = scope.teams().map(|team| team.as_uuid()).collect();

    let any = Condition::any()
        .add(owned(table, Tenant::Person(scope.user())))
        // The id says nothing more, but makes both columns of the index known.
        .add(owned(table, Tenant::Global));
    if teams.is_empty() {
        return any;
    }
    let kind = column(table, "tenant_kind").eq(constant(TenantKind::Team.as_str()));
    any.add(kind.and(column(table, "tenant_id").is_in(teams)))
}

/// Rows of `table` that belong to `tenant`.
pub(crate) fn owned(table: &'static str, tenant: Tenant) -> SimpleExpr {
    column(table, "tenant_kind")
        .eq(constant(tenant.kind().as_str()))
        .and(column(table, "tenant_id").eq(tenant.id()))
}

/// The order of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Direction {
    NewestFirst,
    OldestFirst,
}

/// Cuts a list to one page by keyset: the time column `key`, ties broken by id.
/// Reads one row more than asked for, so that the last page is known.
pub(crate) fn page(
    select: &mut SelectStatement,
    table: &'static str,
    key: &'static str,
    direction: Direction,
    page: PageRequest,
) {
    let place = || Expr::tuple([column(table, key), column(table, "id")]);
    let (order, newest) = match direction {
        Direction::NewestFirst => (Order::Desc, true),
        Direction::OldestFirst => (Order::Asc, false),
    };
    if let Some(after) = page.after {
        let last = Expr::tuple([Expr::val(after.key), Expr::val(after.id)]);
        select.and_where(if newest { place().lt(last) } else { place().gt(last) });
    }
    select
        .order_by((Alias::new(table), Alias::new(key)), order.clone())
        .order_by((Alias::new(table), Alias::new("id")), order)
        .limit(u64::from(page.size) + 1);
}

/// Converts rows and shows each to the scope. A row that SQL let through and the scope does
/// not see is a bug: it is dropped and reported, never shown.
pub(crate) fn show<T: Tenanted>(scope: &Scope, row: T) -> Option<Visible<T>> {
    let tenant = row.tenant();
    let shown = scope.show(row);
    if shown.is_none() {
        tracing::error!(%tenant, "a query let a row through that its scope does not see");
    }
    shown
}

/// Reads one page of `R`, converts and shows each row.
pub(crate) fn show_page<R, T>(
    scope: &Scope,
    rows: Vec<QueryResult>,
    size: u32,
    place: impl Fn(&T) -> PageAfter,
    convert: impl Fn(R) -> Result<T>,
) -> Result<Page<Visible<T>>>
where
    R: FromQueryResult,
    T: Tenanted,
{
    let rows = rows
        .iter()
        .map(|row| convert(R::from_query_result(row, "").map_err(Fault::from)?))
        .collect::<Result<Vec<T>>>()?;
    let page = Page::cut(rows, size, place);
    Ok(Page {
        items: page.items.into_iter().filter_map(|row| show(scope, row)).collect(),
        next: page.next,
    })
}

#[cfg(test)]
pub(crate) mod tests {
    use std::sync::Arc;

    use async_trait::async_trait;
    use permissions::{
        Assignment, AssignmentScope, AssignmentSource, Authorizer, PolicyData, PolicySource,
        SourceError, UserRecord,
    };
    use primitives::{SystemClock, TeamId, UserId};
    use sea_orm::StatementBuilder;
    use sea_orm::sea_query::Query;
    use uuid::Uuid;

    use super::*;
    use crate::dialect::Dialect;

    const USER: Uuid = Uuid::from_u128(0xAAAA);
    const TEAM: Uuid = Uuid::from_u128(0x7EA0);

    struct OnePerson {
        teams: Vec<Uuid>,
    }

    #[async_trait]
    impl PolicySource for OnePerson {
        async fn stored_epoch(&self) -> std::result::Result<i64, SourceError> {
            Ok(1)
        }

        async fn load_policy(&self) -> std::result::Result<PolicyData, SourceError> {
            let user = UserId::from_uuid(USER);
            let held = |team: &Uuid| Assignment {
                user,
                scope: AssignmentScope::Team(TeamId::from_uuid(*team)),
                role: "member".into(),
                expires_at: None,
                source: AssignmentSource::Given,
            };
            let users = vec![UserRecord::person(user, "a")];
            let assignments = self.teams.iter().map(held).collect();
            Ok(PolicyData { epoch: 1, users, assignments, ..PolicyData::default() })
        }
    }

    async fn scope_in(teams: Vec<Uuid>) -> Scope {
        let source = Arc::new(OnePerson { teams });
        let authorizer = Authorizer::start(source, Arc::new(SystemClock)).await.unwrap();
        authorizer.caller("a", "test").unwrap().scope()
    }

    /// What a member of one team sees, with the same ids each time.
    pub(crate) async fn scope() -> Scope {
        scope_in(vec![TEAM]).await
    }

    /// A statement as Postgres gets it, values written in, a clause a line.
    pub(crate) fn sql(statement: &impl StatementBuilder) -> String {
        let clauses = [
            " FROM ",
            " INNER JOIN ",
            " LEFT JOIN ",
            " WHERE ",
            " AND ",
            " OR ",
            " GROUP BY ",
            " ORDER BY ",
            " LIMIT ",
            " FOR ",
            " UNION ALL ",
            ", (",
        ];
        let text = Dialect::Postgres.backend().build(statement).to_string();
        clauses
            .into_iter()
            .fold(text, |text, clause| text.replace(clause, &format!("\n{}", clause.trim_start())))
    }

    fn all_seen(scope: &Scope) -> String {
        let mut select = Query::select();
        sql(select.expr(Expr::val(1)).from("t").cond_where(seen("t", scope)))
    }

    #[tokio::test]
    async fn the_rule_of_visibility() {
        insta::assert_snapshot!("seen_by_a_member", all_seen(&scope().await));
        insta::assert_snapshot!("seen_by_a_person_in_no_team", all_seen(&scope_in(vec![]).await));
    }

    #[tokio::test]
    async fn a_page_starts_after_the_last_row_shown() {
        let after = Some(PageAfter { key: 7, id: USER });
        let mut select = Query::select();
        select.expr(column("t", "id")).from("t");
        page(&mut select, "t", "made_at", Direction::NewestFirst, PageRequest { size: 2, after });
        insta::assert_snapshot!(sql(&select));
    }
}
