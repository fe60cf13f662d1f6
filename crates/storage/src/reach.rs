//! How far a transaction reaches: whose rows it may touch, as Postgres is told.
//!
//! **Invariant:** the settings of row-level security are set here and nowhere else, in a
//! transaction and for that transaction alone. SQLite knows nothing of them.

use permissions::Scope;
use primitives::{TeamId, Tenant, UserId};
use sea_orm::sea_query::{Expr, Func, Query, SelectStatement, SimpleExpr};
use uuid::Uuid;

use crate::dialect::Dialect;

/// Rows of one person, of some teams, and everyone's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Reach {
    /// Nil is nobody.
    user: Uuid,
    teams: Vec<Uuid>,
}

impl Reach {
    /// What a caller sees.
    pub(crate) fn of(scope: &Scope) -> Self {
        let teams = scope.teams().map(|team| team.as_uuid()).collect();
        Self { user: scope.user().as_uuid(), teams }
    }

    /// One owner's rows: for what the server does by itself.
    pub(crate) fn of_tenant(tenant: Tenant) -> Self {
        Self::of_work(tenant, UserId::from_uuid(Uuid::nil()))
    }

    /// The owner's rows, and those of whoever the work is done for.
    pub(crate) fn of_work(tenant: Tenant, principal: UserId) -> Self {
        match tenant {
            Tenant::Person(user) => Self { user: user.as_uuid(), teams: Vec::new() },
            Tenant::Team(team) => Self { user: principal.as_uuid(), teams: vec![team.as_uuid()] },
            Tenant::Global => Self { user: principal.as_uuid(), teams: Vec::new() },
        }
    }

    /// Reaches one more team; `false` when it did already.
    pub(crate) fn add_team(&mut self, team: TeamId) -> bool {
        let is_new = !self.teams.contains(&team.as_uuid());
        if is_new {
            self.teams.push(team.as_uuid());
        }
        is_new
    }

    /// Whether the person's own rows are reached.
    pub(crate) fn is_of(&self, user: UserId) -> bool {
        self.user == user.as_uuid()
    }

    /// The assignments, as columns of a statement.
    fn settings(&self) -> [SimpleExpr; 2] {
        let teams: Vec<_> = self.teams.iter().map(Uuid::to_string).collect();
        let teams = format!("{{{}}}", teams.join(","));
        [local("elohim.user", self.user.to_string()), local("elohim.teams", teams)]
    }

    /// Assigns them by a statement of their own; `None` where there is nothing to assign.
    pub(crate) fn enter(&self, dialect: Dialect) -> Option<SelectStatement> {
        match dialect {
            Dialect::Postgres => Some(Query::select().exprs(self.settings()).to_owned()),
            Dialect::Sqlite => None,
        }
    }
}

fn local(name: &'static str, value: String) -> SimpleExpr {
    Func::cust("set_config").args([Expr::val(name), Expr::val(value), Expr::val(true)]).into()
}

/// The first statement of a transaction: reads the policy epoch, and says how far the
/// transaction reaches and whether it may write, in the same round trip.
pub(crate) fn opening(reach: Option<&Reach>, is_read: bool, dialect: Dialect) -> SelectStatement {
    let mut select = Query::select();
    select.column("epoch").from("policy_epoch");
    if dialect == Dialect::Postgres {
        select.exprs(reach.into_iter().flat_map(Reach::settings));
        if is_read {
            select.expr(local("transaction_read_only", "on".into()));
        }
    }
    select
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::visibility::tests::{scope, sql};

    #[tokio::test]
    async fn a_scope_is_told_by_the_first_statement() {
        let reach = Reach::of(&scope().await);
        insta::assert_snapshot!(sql(&opening(Some(&reach), true, Dialect::Postgres)));
        assert_eq!(
            sql(&opening(Some(&reach), true, Dialect::Sqlite)),
            sql(&opening(None, false, Dialect::Sqlite)),
        );
    }

    #[test]
    fn an_owner_is_reached_with_whoever_is_worked_for() {
        let (user, other) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let (team, principal) = (Uuid::from_u128(3), UserId::from_uuid(other));
        let reach = |tenant| Reach::of_work(tenant, principal);
        assert_eq!(
            reach(Tenant::Team(TeamId::from_uuid(team))),
            Reach { user: other, teams: vec![team] }
        );
        assert_eq!(
            reach(Tenant::Person(UserId::from_uuid(user))),
            Reach { user, teams: vec![] },
            "a person's rows are his alone"
        );
        assert_eq!(reach(Tenant::Global), Reach { user: other, teams: vec![] });
        assert_eq!(Reach::of_tenant(Tenant::Global), Reach { user: Uuid::nil(), teams: vec![] });
    }
}
