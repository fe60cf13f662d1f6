//! Ids that a request names, looked up in the caller's scope.

use permissions::Scope;
use primitives::{RepositoryId, UserId};
use sea_orm::sea_query::{Asterisk, Condition, Expr, Func, Query, SelectStatement, SimpleExpr};
use sea_orm::{ConnectionTrait, ExprTrait};
use workflow_core::store::Resolved;

use crate::Tx;
use crate::fault::{Fault, Result};
use crate::visibility::{column, seen};

/// Active people whom the scope knows: the caller himself, and members of his teams.
fn known_users(scope: &Scope, users: &[UserId], now: SimpleExpr) -> SelectStatement {
    let teams: Vec<_> = scope.teams().map(|team| team.as_uuid()).collect();
    let role = |name| column("role_assignment", name);
    let shares_team = Query::select()
        .expr(Expr::val(1))
        .from("role_assignment")
        .and_where(role("user_id").eq(column("app_user", "id")))
        .and_where(role("scope_kind").eq("team"))
        .and_where(role("scope_id").is_in(teams))
        .and_where(role("expires_at").is_null().or(role("expires_at").gt(now)))
        .to_owned();
    let known = Condition::any()
        .add(column("app_user", "id").eq(scope.user().as_uuid()))
        .add(Expr::exists(shares_team));
    Query::select()
        .expr(Func::count(column("app_user", "id")))
        .from("app_user")
        .and_where(column("app_user", "id").is_in(users.iter().map(UserId::as_uuid)))
        .and_where(column("app_user", "active").eq(true))
        .cond_where(known)
        .to_owned()
}

impl Tx {
    pub(super) async fn find_named(
        &self,
        scope: &Scope,
        repository: Option<RepositoryId>,
        users: &[UserId],
    ) -> Result<Resolved> {
        let mut users = users.to_vec();
        users.sort_unstable();
        users.dedup();
        if repository.is_none() && users.is_empty() {
            return Ok(Resolved { repository: true, users: true });
        }
        let known = Query::select()
            .expr(Func::count(Expr::col(Asterisk)))
            .from("repository")
            .cond_where(seen("repository", scope))
            .and_where(
                column("repository", "id").is_in(repository.iter().map(RepositoryId::as_uuid)),
            )
            .to_owned();
        let people = known_users(scope, &users, self.storage.dialect().now());
        let select = Query::select()
            .expr_as(Expr::from(known), "repositories")
            .expr_as(Expr::from(people), "people")
            .to_owned();
        let row = self.open.query_one(&select).await?;
        let row = row.ok_or_else(|| Fault::Internal("a SELECT of counts gave no row".into()))?;
        let (repositories, people): (i64, i64) =
            (row.try_get("", "repositories")?, row.try_get("", "people")?);
        Ok(Resolved {
            repository: repository.is_none() || repositories == 1,
            users: usize::try_from(people) == Ok(users.len()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialect::Dialect;
    use crate::visibility::tests::{scope, sql};

    #[tokio::test]
    async fn people_are_sought_among_those_the_caller_knows() {
        let now = Dialect::Postgres.now();
        let user = UserId::from_uuid(uuid::Uuid::from_u128(1));
        insta::assert_snapshot!(sql(&known_users(&scope().await, &[user], now)));
    }
}
