//! People, teams and roles, and the policy made of them.

mod admin;
mod policy;
mod tx;

use async_trait::async_trait;
use directory::store::{DirectoryStore, DirectoryTx, HoldingFilter, Reach, StoreError};
use directory::{Holding, Member, Person, Team, TeamCard, TeamRole, UserCard, UserView};
use permissions::{
    AssignmentScope, Caller, DirectoryRead, Scope, SystemAdmitted, TeamRead, TenantAdmitted,
};
use primitives::{Page, PageRequest, TeamId, Timestamp, UserId};
use sea_orm::sea_query::Order;
use sea_orm::{ConnectionTrait, EntityTrait, ExprTrait, FromQueryResult, QueryTrait};
use uuid::Uuid;

use crate::Storage;
use crate::fault::Result;
use crate::row::broken;
use crate::row::directory::{app_user, team};
use crate::visibility::column;

const TEAM: &str = "team";
const SYSTEM: &str = "system";

/// The stored pair of an assignment's scope.
fn scope_columns(scope: AssignmentScope) -> (&'static str, Uuid) {
    match scope {
        AssignmentScope::Team(team) => (TEAM, team.as_uuid()),
        AssignmentScope::System => (SYSTEM, Uuid::nil()),
    }
}

fn scope_of(kind: &str, id: Uuid) -> Result<AssignmentScope> {
    match kind {
        TEAM => Ok(AssignmentScope::Team(TeamId::from_uuid(id))),
        SYSTEM => Ok(AssignmentScope::System),
        other => Err(broken("scope_kind", other)),
    }
}

impl Storage {
    /// The scope of this read is the caller himself and the teams he belongs to.
    async fn person_of(&self, caller: &Caller) -> Result<Option<Person>> {
        self.check_read(caller.epoch()).await?;
        let select = app_user::Entity::find()
            .into_query()
            .and_where(column("app_user", "id").eq(caller.user().as_uuid()))
            .to_owned();
        let Some(row) = self.reader().query_one(&select).await? else { return Ok(None) };
        let user = app_user::Model::from_query_result(&row, "")?;

        let ids: Vec<_> = caller.teams().iter().map(|held| held.team.as_uuid()).collect();
        let mut teams = Vec::new();
        if !ids.is_empty() {
            let select = team::Entity::find()
                .into_query()
                .and_where(column("team", "id").is_in(ids))
                .order_by(("team", "slug"), Order::Asc)
                .to_owned();
            for row in self.reader().query_all(&select).await? {
                teams.push(team_card(team::Model::from_query_result(&row, "")?));
            }
        }
        let user = UserCard {
            id: UserId::from_uuid(user.id),
            display_name: user.display_name,
            subject: user.subject.unwrap_or_default(),
            may_apply: user.may_apply,
        };
        Ok(Some(Person { user, teams }))
    }
}

fn team_card(row: team::Model) -> TeamCard {
    TeamCard { id: TeamId::from_uuid(row.id), slug: row.slug, display_name: row.display_name }
}

type Answer<T> = std::result::Result<T, StoreError>;

fn missing<T>() -> Answer<T> {
    Err(StoreError::Internal("not built yet".into()))
}

#[async_trait]
impl DirectoryStore for Storage {
    async fn begin(&self, _: &Scope) -> Answer<Box<dyn DirectoryTx>> {
        missing()
    }
    async fn list_users(
        &self,
        _: &Scope,
        _: &SystemAdmitted<DirectoryRead>,
        _: bool,
        _: PageRequest,
    ) -> Answer<Page<UserView>> {
        missing()
    }
    async fn get_team(&self, _: &Reach, _: TeamId) -> Answer<Option<Team>> {
        missing()
    }
    async fn list_teams(&self, _: &Reach, _: PageRequest) -> Answer<Page<Team>> {
        missing()
    }
    async fn list_members(
        &self,
        _: &Reach,
        _: TeamId,
        _: Timestamp,
        _: PageRequest,
    ) -> Answer<Page<Member>> {
        missing()
    }
    async fn list_roles(&self, _: &Scope, _: &[TeamId], _: PageRequest) -> Answer<Page<TeamRole>> {
        missing()
    }
    async fn list_holdings(
        &self,
        _: &Scope,
        _: &TenantAdmitted<TeamRead>,
        _: HoldingFilter,
        _: Timestamp,
        _: PageRequest,
    ) -> Answer<Page<Holding>> {
        missing()
    }

    async fn person(&self, caller: &Caller) -> std::result::Result<Option<Person>, StoreError> {
        Ok(self.person_of(caller).await?)
    }
}
