//! What is asked of the tables of the directory.
//!
//! **Invariant:** a deleted team is in no answer, and neither is what was held in it.

use directory::store::Reach;
use permissions::AssignmentScope;
use primitives::{PageRequest, TeamId, Timestamp, UserId};
use sea_orm::sea_query::{Condition, Order, Query, SelectStatement, SimpleExpr};
use sea_orm::{
    ConnectionTrait, DatabaseExecutor, EntityTrait, ExprTrait, FromQueryResult, QueryTrait,
};
use uuid::Uuid;

use super::convert::scope_columns;
use crate::fault::Result;
use crate::row::directory::{app_user, custom_role, role_assignment, team};
use crate::visibility::{Direction, column, constant, page};

/// Runs a select and converts each row.
pub(super) async fn all<M: FromQueryResult, T>(
    connection: DatabaseExecutor<'_>,
    select: &SelectStatement,
    convert: impl Fn(M) -> Result<T>,
) -> Result<Vec<T>> {
    let rows = connection.query_all(select).await?;
    rows.iter().map(|row| convert(M::from_query_result(row, "")?)).collect()
}

/// Runs a select for at most one row and converts it.
pub(super) async fn one<M: FromQueryResult, T>(
    connection: DatabaseExecutor<'_>,
    select: &SelectStatement,
    convert: impl Fn(M) -> Result<T>,
) -> Result<Option<T>> {
    let row = connection.query_one(select).await?;
    row.map(|row| convert(M::from_query_result(&row, "")?)).transpose()
}

pub(super) fn users() -> SelectStatement {
    app_user::Entity::find().into_query()
}

/// Teams in use.
pub(super) fn teams() -> SelectStatement {
    let mut select = team::Entity::find().into_query();
    select.and_where(in_use());
    select
}

pub(super) fn in_use() -> SimpleExpr {
    column("team", "deleted_at").is_null()
}

/// Ids of teams in use, for a condition on a column that names one.
pub(super) fn ids_in_use() -> SelectStatement {
    Query::select().expr(column("team", "id")).from("team").and_where(in_use()).to_owned()
}

/// The team that `id` names, within reach.
fn reached(reach: &Reach, id: SimpleExpr) -> Option<SimpleExpr> {
    (!reach.is_everything()).then(|| {
        let teams: Vec<_> = reach.scope().teams().map(|team| team.as_uuid()).collect();
        id.is_in(teams)
    })
}

/// Teams in use within reach.
pub(super) fn reached_teams(reach: &Reach) -> SelectStatement {
    let mut select = teams();
    select.cond_where(Condition::all().add_option(reached(reach, column("team", "id"))));
    select
}

pub(super) fn roles() -> SelectStatement {
    custom_role::Entity::find().into_query()
}

/// Roles that these teams made, as long as they are in use.
pub(super) fn roles_of_teams(teams: Vec<Uuid>) -> SelectStatement {
    let mut select = roles();
    select
        .and_where(column("custom_role", "team_id").is_in(teams))
        .and_where(column("custom_role", "team_id").in_subquery(ids_in_use()));
    select
}

pub(super) fn holdings() -> SelectStatement {
    role_assignment::Entity::find().into_query()
}

/// Narrows assignments to one place.
pub(super) fn in_place(scope: AssignmentScope) -> SimpleExpr {
    let (kind, id) = scope_columns(scope);
    column("role_assignment", "scope_kind")
        .eq(constant(kind))
        .and(column("role_assignment", "scope_id").eq(id))
}

/// Narrows assignments to what has not ended.
pub(super) fn not_ended(now: impl Into<SimpleExpr>) -> SimpleExpr {
    let end = || column("role_assignment", "expires_at");
    end().is_null().or(end().gt(now))
}

/// Narrows assignments to what active users hold now in one place.
pub(super) fn held_by_active(select: &mut SelectStatement, scope: AssignmentScope, now: Timestamp) {
    let holder = column("app_user", "id").eq(column("role_assignment", "user_id"));
    select
        .inner_join("app_user", holder)
        .and_where(in_place(scope))
        .and_where(column("app_user", "active").eq(true))
        .and_where(not_ended(now.as_micros()));
}

/// Narrows assignments to teams in use.
pub(super) fn of_team_in_use() -> SimpleExpr {
    column("role_assignment", "scope_id").in_subquery(ids_in_use())
}

/// What the members of one page hold, a role a row; by user, the oldest first.
pub(super) fn members(
    reach: &Reach,
    team: TeamId,
    now: Timestamp,
    request: PageRequest,
) -> SelectStatement {
    let at = |name| column("role_assignment", name);
    let scope = AssignmentScope::Team(team);

    let mut chosen = Query::select();
    chosen.distinct().expr(at("user_id")).from("role_assignment");
    held_by_active(&mut chosen, scope, now);
    chosen
        .and_where(of_team_in_use())
        .cond_where(Condition::all().add_option(reached(reach, at("scope_id"))));
    if let Some(after) = request.after {
        chosen.and_where(at("user_id").gt(after.id));
    }
    chosen.order_by(("role_assignment", "user_id"), Order::Asc).limit(u64::from(request.size) + 1);

    let mut select = holdings();
    held_by_active(&mut select, scope, now);
    select
        .expr(column("app_user", "display_name"))
        .expr(column("app_user", "kind"))
        .and_where(at("user_id").in_subquery(chosen))
        .order_by(("role_assignment", "user_id"), Order::Asc)
        .order_by(("role_assignment", "created_at"), Order::Asc)
        .order_by(("role_assignment", "id"), Order::Asc);
    select
}

/// What active users hold in one team in use now.
pub(super) fn team_holdings(
    team: TeamId,
    user: Option<UserId>,
    now: Timestamp,
    request: PageRequest,
) -> SelectStatement {
    let mut select = holdings();
    held_by_active(&mut select, AssignmentScope::Team(team), now);
    select.and_where(of_team_in_use());
    if let Some(user) = user {
        select.and_where(column("role_assignment", "user_id").eq(user.as_uuid()));
    }
    page(&mut select, "role_assignment", "created_at", Direction::OldestFirst, request);
    select
}
