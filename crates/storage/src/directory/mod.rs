//! People, teams and roles, and the policy made of them.

mod admin;
mod policy;

use async_trait::async_trait;
use directory::store::{DirectoryStore, StoreError};
use directory::{Person, TeamCard, UserCard};
use permissions::{AssignmentScope, Caller};
use primitives::{TeamId, UserId};
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

#[async_trait]
impl DirectoryStore for Storage {
    async fn person(&self, caller: &Caller) -> std::result::Result<Option<Person>, StoreError> {
        Ok(self.person_of(caller).await?)
    }
}
