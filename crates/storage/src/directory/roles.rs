//! Roles that teams make, and who holds which, within one change.

use async_trait::async_trait;
use directory::store::RoleTx;
use directory::{Holding, TeamRole};
use permissions::{AssignmentScope, Cleared, Role};
use primitives::{RoleAssignmentId, RoleId, TeamId, Timestamp, UserId};
use sea_orm::sea_query::{
    BinOper, Condition, InsertStatement, OnConflict, Order, Query, SelectStatement, SimpleExpr,
};
use sea_orm::{ConnectionTrait, ExprTrait, FromQueryResult};

use super::query::{self, all, one};
use super::tx::{DirectoryWrite, raising};
use super::{Answer, convert};
use crate::fault::{Fault, Result};
use crate::row::directory::role_assignment;
use crate::row::insert;
use crate::tx::Write;
use crate::visibility::column;

/// Rows removed by one statement: a database takes only so many values.
const CHUNK: usize = 1000;

fn at(name: &'static str) -> SimpleExpr {
    column("role_assignment", name)
}

fn oldest_first(select: &mut SelectStatement) {
    select
        .order_by(("role_assignment", "created_at"), Order::Asc)
        .order_by(("role_assignment", "id"), Order::Asc);
}

/// Adds a row, or changes the one with the same key where it differs. Returns the row that
/// was written, if any.
fn upsert(row: role_assignment::Model) -> InsertStatement {
    use role_assignment::Column as C;

    let differs = ["expires_at", "source", "creator_id"]
        .map(|name| at(name).binary(BinOper::Custom("IS DISTINCT FROM"), column("excluded", name)));
    let differs = differs.into_iter().fold(Condition::any(), Condition::add);
    let conflict = OnConflict::columns([C::UserId, C::ScopeKind, C::ScopeId, C::Role])
        .update_columns([C::ExpiresAt, C::Source, C::CreatorId])
        .action_cond_where(differs)
        .to_owned();
    insert(vec![row]).on_conflict(conflict).returning_all().to_owned()
}

impl DirectoryWrite {
    async fn role(&self, id: RoleId) -> Result<Option<TeamRole>> {
        let mut select = query::roles();
        select.and_where(column("custom_role", "id").eq(id.as_uuid()));
        one((&self.tx.open).into(), &select, convert::role).await
    }

    async fn team_roles(&self, team: TeamId) -> Result<Vec<TeamRole>> {
        let mut select = query::roles();
        select.and_where(column("custom_role", "team_id").eq(team.as_uuid()));
        let mut roles = all((&self.tx.open).into(), &select, convert::role).await?;
        // Not by a database's collation.
        roles.sort_by(|one, other| one.slug.cmp(&other.slug));
        Ok(roles)
    }

    /// Nobody holds it yet, so that no right changes.
    async fn insert_role(&mut self, role: &TeamRole) -> Result<()> {
        self.write(Write::new(insert(vec![convert::role_row(role)?]), 1)).await
    }

    async fn change_role(&mut self, role: &TeamRole) -> Result<()> {
        let before = self.role(role.id).await?.ok_or(Fault::Stale)?;
        let row = convert::role_row(role)?;
        let update = raising("custom_role", row.id, row.version)
            .value("slug", row.slug)
            .value("display_name", row.display_name)
            .value("levels", row.levels)
            .and_where(column("custom_role", "team_id").eq(row.team_id))
            .to_owned();
        self.write(Write::new(update, 1)).await?;
        // The policy knows it by its slug, too.
        self.changes_rights |= (before.levels, before.slug) != (role.levels, role.slug.clone());
        Ok(())
    }

    /// With what is left of it: what has ended, and what deactivated users hold.
    async fn delete_role(&mut self, role: &TeamRole) -> Result<()> {
        let left = Query::delete()
            .from_table("role_assignment")
            .and_where(query::in_place(AssignmentScope::Team(role.team)))
            .and_where(at("role").eq(Role::Custom(role.id).stored()))
            .to_owned();
        self.changes_rights |= self.tx.run(&left).await? > 0;
        let delete = Query::delete()
            .from_table("custom_role")
            .and_where(column("custom_role", "id").eq(role.id.as_uuid()))
            .and_where(column("custom_role", "version").eq(role.version))
            .to_owned();
        self.write(Write::new(delete, 1)).await
    }

    async fn holding(&self, condition: impl Into<SimpleExpr>) -> Result<Option<Holding>> {
        let mut select = query::holdings();
        select.and_where(condition.into());
        one((&self.tx.open).into(), &select, convert::holding).await
    }

    async fn held_in(&self, scope: AssignmentScope, now: Timestamp) -> Result<Vec<Holding>> {
        let mut select = query::holdings();
        query::held_by_active(&mut select, scope, now);
        oldest_first(&mut select);
        all((&self.tx.open).into(), &select, convert::holding).await
    }

    async fn held_by(&self, user: UserId) -> Result<Vec<Holding>> {
        let mut select = query::holdings();
        select.and_where(at("user_id").eq(user.as_uuid()));
        oldest_first(&mut select);
        all((&self.tx.open).into(), &select, convert::holding).await
    }

    pub(super) async fn put(&mut self, holding: &Holding) -> Result<Holding> {
        let row = convert::holding_row(holding);
        if let Some(written) = self.tx.open.query_one(&upsert(row.clone())).await? {
            self.changes_rights = true;
            let written = role_assignment::Model::from_query_result(&written, "")?;
            return convert::holding(written);
        }
        let key = query::in_place(holding.scope)
            .and(at("user_id").eq(row.user_id))
            .and(at("role").eq(row.role));
        self.holding(key).await?.ok_or(Fault::Stale)
    }

    async fn remove(&mut self, holdings: &[Cleared<Holding>]) -> Result<()> {
        for part in holdings.chunks(CHUNK) {
            let ids = part.iter().map(|held| held.id.as_uuid());
            let delete = Query::delete()
                .from_table("role_assignment")
                .and_where(at("id").is_in(ids))
                .to_owned();
            self.write(Write::new(delete, part.len())).await?;
            self.changes_rights = true;
        }
        Ok(())
    }
}

#[async_trait]
impl RoleTx for DirectoryWrite {
    async fn find_role(&mut self, id: RoleId) -> Answer<Option<TeamRole>> {
        Ok(self.role(id).await?)
    }

    async fn roles_of(&mut self, team: TeamId) -> Answer<Vec<TeamRole>> {
        Ok(self.team_roles(team).await?)
    }

    async fn add_role(&mut self, role: Cleared<TeamRole>) -> Answer<()> {
        Ok(self.insert_role(&role).await?)
    }

    async fn save_role(&mut self, role: Cleared<TeamRole>) -> Answer<()> {
        Ok(self.change_role(&role).await?)
    }

    async fn remove_role(&mut self, role: Cleared<TeamRole>) -> Answer<()> {
        Ok(self.delete_role(&role).await?)
    }

    async fn find_holding(&mut self, id: RoleAssignmentId) -> Answer<Option<Holding>> {
        Ok(self.holding(at("id").eq(id.as_uuid())).await?)
    }

    async fn holdings_in(
        &mut self,
        scope: AssignmentScope,
        now: Timestamp,
    ) -> Answer<Vec<Holding>> {
        Ok(self.held_in(scope, now).await?)
    }

    async fn holdings_of(&mut self, user: UserId) -> Answer<Vec<Holding>> {
        Ok(self.held_by(user).await?)
    }

    async fn put_holding(&mut self, holding: Cleared<Holding>) -> Answer<Holding> {
        Ok(self.put(&holding).await?)
    }

    async fn remove_holdings(&mut self, holdings: Vec<Cleared<Holding>>) -> Answer<()> {
        Ok(self.remove(&holdings).await?)
    }
}
